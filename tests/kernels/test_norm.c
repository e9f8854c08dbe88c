#include "spectrum.h"
#include "subject.h"

#include "blas.h"
#include "matrix_norm.h"

#include <float.h>
#include <math.h>
#include <stdlib.h>

enum { FRO = 0, ONE = 1, INF = 2, TWO = 3 };

static void
fill(struct fixture *fixture, int64_t task, double value)
{
    const struct sheaf_array *a = &fixture->problem.inputs[0];
    for (int64_t i = 0; i < a->shape.extent[0] * a->shape.extent[1]; i++)
        fixture_set(a->type, fixture_task_input(fixture, 0, task), i, value);
}

static long double
result(const struct fixture *fixture, int64_t task)
{
    return creall(fixture_get(fixture->problem.outputs[0].type, fixture_output(fixture, 0, task), 0));
}

/* The norm of a task's input, by plain loops. */
static long double
exact(const struct fixture *fixture, int ord, int64_t task)
{
    const int64_t *extent = fixture->problem.inputs[0].shape.extent;
    int64_t m = extent[0], n = extent[1], outer = ord == ONE ? n : m, inner = ord == ONE ? m : n;
    reference_number *a = reference_load(fixture->problem.inputs[0].type, fixture_input(fixture, 0, task), m * n);
    long double norm = ord == FRO ? reference_norm(a, m * n) : 0.0L;
    for (int64_t i = 0; i < outer && ord != FRO; i++) {
        long double sum = 0.0L;
        for (int64_t j = 0; j < inner; j++)
            sum += cabsl(a[ord == ONE ? j * n + i : i * n + j]);
        norm = fmaxl(norm, sum);
    }
    free(a);
    return norm;
}

/*
 * Sums of `terms` magnitudes or squares, none negative, in double: a relative error of at most gamma of terms and the few
 * roundings of each (Higham, Accuracy and Stability of Numerical Algorithms, 2nd ed., section 4.2); then one to the type.
 */
static long double
limit(enum sheaf_type type, int64_t terms)
{
    return reference_gamma(SHEAF_F64, 2.0L * (long double)terms + 6.0L) + 1.001L * fixture_unit_roundoff(type);
}

/* The spectral norm is no sum: it has a test of its own. */
static int64_t
count_wrong(const struct fixture *fixture, int64_t task)
{
    const struct sheaf_array *a = &fixture->problem.inputs[0];
    const int ord = (int)fixture->problem.parameters[0].integer;
    const long double norm = exact(fixture, ord, task);
    return ord != TWO &&
           !(fabsl(result(fixture, task) - norm) <= norm * limit(a->type, a->shape.extent[0] * a->shape.extent[1]));
}

static const struct subject subjects[] = {
    [FRO] = {"norm", "ord=fro", subject_create_matrix, count_wrong},
    [ONE] = {"norm", "ord=1", subject_create_matrix, count_wrong},
    [INF] = {"norm", "ord=inf", subject_create_matrix, count_wrong},
    [TWO] = {"norm", "ord=2", subject_create_matrix, count_wrong},
};

static const int64_t sizes[][2] = {{1, 1}, {1, 9}, {9, 1}, {2, 3}, {8, 8}, {7, 65}, {130, 64}, {65, 130}};
enum { SIZE_COUNT = sizeof sizes / sizeof sizes[0] };

static void
norms_are_within_the_bound(void **state)
{
    (void)state;
    for (int ord = FRO; ord <= INF; ord++)
        subject_check_results(&subjects[ord], sizes, SIZE_COUNT);
}

/* The greatest singular value moves by no more than the matrix does: by its rounding, and the decomposition's error. */
static void
the_spectral_norm_is_the_greatest_singular_value(void **state)
{
    static const long double s[] = {5.0L, 4.0L, 1.0L, 0.5L, 0.0L, 0.0L, 0.0L};
    (void)state;
    for (int t = 0; t < FIXTURE_TYPE_COUNT; t++) {
        for (int wide = 0; wide < 2; wide++) {
            enum sheaf_type type = fixture_types[t];
            int64_t m = wide ? 7 : 40, n = wide ? 70 : 7;
            struct fixture fixture;
            reference_number *a = spectrum_matrix(m, n, s, sheaf_type_is_complex(type), false);
            subject_create_matrix(&fixture, &subjects[TWO], type, m, n, 1);
            reference_store(type, fixture.inputs[0], a, m * n);
            fixture_run(&fixture, 0, 1);
            long double bound = spectrum_bound(type, m, n) * reference_norm(a, m * n);
            assert_int_equal(fixture.status[0], SHEAF_TASK_DONE);
            assert_true(fabsl(result(&fixture, 0) - 5.0L) <= bound);
            free(a);
            fixture_destroy(&fixture);
        }
    }
}

/* (1 -2; 3 4; 0 -6i): rows sum to 3, 7, 6, columns to 4, 12, squares to 66. */
static void
known_norms_are_exact(void **state)
{
    static const double a[] = {1, 0, -2, 0, 3, 0, 4, 0, 0, 0, 0, -6};
    static const double expected[] = {8.12403840463596, 12.0, 7.0};
    (void)state;
    for (int ord = FRO; ord <= INF; ord++) {
        struct fixture fixture;
        subject_create_matrix(&fixture, &subjects[ord], SHEAF_C128, 3, 2, 1);
        memcpy(fixture.inputs[0], a, sizeof a);
        fixture_run(&fixture, 0, 1);
        if (ord == FRO)
            assert_true(fabsl(result(&fixture, 0) - (long double)expected[ord]) < 1e-14L);
        else
            assert_true(result(&fixture, 0) == (long double)expected[ord]);
        assert_int_equal(fixture.problem.outputs[0].type, SHEAF_F64);
        fixture_destroy(&fixture);
    }
}

/* Squares leave the range where the norm does not, at both ends; where the norm does, it is infinity. */
static void
only_the_result_can_overflow(void **state)
{
    (void)state;
    for (int t = 0; t < FIXTURE_TYPE_COUNT; t++) {
        bool single = fixture_is_single(fixture_types[t]);
        double greatest = single ? (double)FLT_MAX : DBL_MAX, least = single ? 0x1p-149 : 0x1p-1074;
        for (int ord = FRO; ord <= INF; ord++) {
            struct fixture fixture;
            subject_create_matrix(&fixture, &subjects[ord], fixture_types[t], 4, 4, 5);
            fill(&fixture, 0, greatest / 16.0);
            fill(&fixture, 1, least);
            fill(&fixture, 2, 0.0);
            fill(&fixture, 3, greatest);
            fill(&fixture, 4, single ? 0x1p-70 : 0x1p-540);
            fixture_run(&fixture, 0, 5);
            for (int64_t task = 0; task < 5; task++)
                assert_int_equal(fixture.status[task], SHEAF_TASK_DONE);
            /* The root of 16 equal squares, and 4 to a row and a column. */
            const long double parts = 4.0L;
            assert_true(fabsl(result(&fixture, 0) / (parts * (long double)greatest / 16.0L) - 1.0L) <
                        limit(fixture_types[t], 16));
            assert_true(result(&fixture, 1) == parts * (long double)least);
            assert_true(result(&fixture, 2) == 0.0L);
            assert_true(result(&fixture, 3) == (long double)INFINITY);
            assert_true(result(&fixture, 4) == parts * (single ? 0x1p-70L : 0x1p-540L));
            fixture_destroy(&fixture);
        }
    }
}

/* The magnitude of a complex number, too. */
static void
magnitudes_do_not_overflow(void **state)
{
    (void)state;
    for (int ord = ONE; ord <= INF; ord++) {
        struct fixture fixture;
        subject_create_matrix(&fixture, &subjects[ord], SHEAF_C128, 1, 1, 2);
        fixture_set(SHEAF_C128, fixture.inputs[0], 0, CMPLXL(3e300L, -4e300L));
        fixture_set(SHEAF_C128, fixture.inputs[0], 1, CMPLXL(3e-300L, 4e-300L));
        fixture_run(&fixture, 0, 2);
        assert_true(fabsl(result(&fixture, 0) / 5e300L - 1.0L) < 1e-15L);
        assert_true(fabsl(result(&fixture, 1) / 5e-300L - 1.0L) < 1e-15L);
        fixture_destroy(&fixture);
    }
}

static void
a_number_that_is_not_finite_fails_its_task_only(void **state)
{
    (void)state;
    for (int ord = FRO; ord <= TWO; ord++)
        for (int64_t place = 0; place < 35; place += 17)
            subject_check_not_finite(&subjects[ord], 7, 5, place);
}

static void
splits_shared_operands_and_omitted_outputs_give_the_same_bits(void **state)
{
    (void)state;
    for (int ord = FRO; ord <= TWO; ord++) {
        subject_check_splits(&subjects[ord], 37, 65);
        subject_check_omitted(&subjects[ord], 37, 65);
    }
    subject_check_shared(&subjects[FRO], 37, 65);
}

static void
costs_are_nominal(void **state)
{
    /* 4 m n^2 - 4/3 n^3 is the lesser one for the singular values of a (4, 3). */
    static const double flops[] = {24.0, 24.0, 24.0, 108.0}, complex_flops[] = {48.0, 48.0, 48.0, 432.0};
    (void)state;
    for (int ord = FRO; ord <= TWO; ord++) {
        struct fixture fixture;
        subject_check_flops(&subjects[ord], SHEAF_F64, 3, 4, flops[ord]);
        subject_check_flops(&subjects[ord], SHEAF_C128, 3, 4, complex_flops[ord]);
        subject_create_matrix(&fixture, &subjects[ord], SHEAF_F64, 3, 4, 1);
        assert_int_equal(fixture.workspace_bytes > 0, ord == TWO);
        fixture_destroy(&fixture);
    }
}

/* signature_match refuses them; a caller that asks all the same must not reach LAPACK. */
static void
a_problem_that_was_never_matched_is_refused(void **state)
{
    (void)state;
    for (int ord = FRO; ord <= TWO; ord++)
        subject_check_refused(&subjects[ord], SHEAF_I32, 3, 3);
    subject_check_fits(&subjects[TWO], SHEAF_I32, 3, 3, false);
    subject_check_fits(&subjects[TWO], SHEAF_F64, INT64_C(2147483648), 1, false);
    assert_true(isnan(matrix_norm_frobenius(SHEAF_I32, NULL, 3, 3)));
    assert_true(isnan(matrix_norm_one(SHEAF_I32, NULL, 3, 3)));
    assert_true(isnan(matrix_norm_infinity(SHEAF_I32, NULL, 3, 3)));
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(norms_are_within_the_bound),
        cmocka_unit_test(the_spectral_norm_is_the_greatest_singular_value),
        cmocka_unit_test(known_norms_are_exact),
        cmocka_unit_test(only_the_result_can_overflow),
        cmocka_unit_test(magnitudes_do_not_overflow),
        cmocka_unit_test(a_number_that_is_not_finite_fails_its_task_only),
        cmocka_unit_test(splits_shared_operands_and_omitted_outputs_give_the_same_bits),
        cmocka_unit_test(costs_are_nominal),
        cmocka_unit_test(a_problem_that_was_never_matched_is_refused),
    };
    blas_set_threads(1);
    return cmocka_run_group_tests(tests, NULL, NULL);
}
