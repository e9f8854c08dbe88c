#include "spectrum.h"

#include "blas.h"
#include "list.h"
#include "matrix_norm.h"

#include <float.h>
#include <math.h>
#include <stdlib.h>

enum { FRO = 0, ONE = 1, INF = 2, TWO = 3 };
static const char *const ords[] = {"ord=fro", "ord=1", "ord=inf", "ord=2"};

static void
create(struct fixture *fixture, enum sheaf_type type, int ord, int64_t m, int64_t n, int64_t count)
{
    struct sheaf_shape shape = fixture_matrix(m, n);
    fixture_create_with(fixture, kernel_find("norm"), ords[ord], type, &shape, 1, count, 0);
}

static void
fill(struct fixture *fixture, int64_t task, double value)
{
    const struct sheaf_array *a = &fixture->problem.inputs[0];
    for (int64_t i = 0; i < a->shape.extent[0] * a->shape.extent[1]; i++)
        fixture_set(a->type, fixture->inputs[0] + (size_t)task * fixture->input_bytes[0], i, value);
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

static const int64_t sizes[][2] = {{1, 1}, {1, 9}, {9, 1}, {2, 3}, {8, 8}, {7, 65}, {130, 64}, {65, 130}};
enum { SIZE_COUNT = sizeof sizes / sizeof sizes[0] };

static void
norms_are_within_the_bound(void **state)
{
    (void)state;
    for (int t = 0; t < FIXTURE_TYPE_COUNT; t++) {
        for (int i = 0; i < SIZE_COUNT; i++) {
            for (int ord = FRO; ord <= INF; ord++) {
                struct fixture fixture;
                create(&fixture, fixture_types[t], ord, sizes[i][0], sizes[i][1], 2);
                fixture_run(&fixture, 0, 2);
                for (int64_t task = 0; task < 2; task++) {
                    long double norm = exact(&fixture, ord, task);
                    assert_int_equal(fixture.status[task], SHEAF_TASK_DONE);
                    assert_true(fabsl(result(&fixture, task) - norm) <=
                                norm * limit(fixture_types[t], sizes[i][0] * sizes[i][1]));
                }
                fixture_destroy(&fixture);
            }
        }
    }
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
            create(&fixture, type, TWO, m, n, 1);
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
        create(&fixture, SHEAF_C128, ord, 3, 2, 1);
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
        bool single = fixture_unit_roundoff(fixture_types[t]) > 1e-10L;
        double greatest = single ? (double)FLT_MAX : DBL_MAX, least = single ? 0x1p-149 : 0x1p-1074;
        for (int ord = FRO; ord <= INF; ord++) {
            struct fixture fixture;
            create(&fixture, fixture_types[t], ord, 4, 4, 5);
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
        create(&fixture, SHEAF_C128, ord, 1, 1, 2);
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
    for (int t = 0; t < FIXTURE_TYPE_COUNT; t++) {
        for (int ord = FRO; ord <= TWO; ord++) {
            for (int64_t place = 0; place < 35; place += 17) {
                enum sheaf_type type = fixture_types[t];
                struct fixture fixture;
                create(&fixture, type, ord, 7, 5, 3);
                fixture_set(type, fixture.inputs[0], place, (long double)NAN);
                fixture_set(type, fixture.inputs[0] + 2 * fixture.input_bytes[0], place, -(long double)INFINITY);
                fixture_run(&fixture, 0, 3);
                assert_int_equal(fixture.status[0], SHEAF_TASK_NOT_FINITE);
                assert_int_equal(fixture.status[1], SHEAF_TASK_DONE);
                assert_int_equal(fixture.status[2], SHEAF_TASK_NOT_FINITE);
                fixture_check_splits(&fixture);
                fixture_destroy(&fixture);
            }
        }
    }
}

static void
splits_shared_operands_and_omitted_outputs_give_the_same_bits(void **state)
{
    struct sheaf_shape shape = fixture_matrix(37, 65);
    (void)state;
    for (int t = 0; t < FIXTURE_TYPE_COUNT; t++) {
        for (int ord = FRO; ord <= TWO; ord++) {
            struct fixture fixture;
            create(&fixture, fixture_types[t], ord, 37, 65, 5);
            fixture_check_splits(&fixture);
            fixture_check_omitted(&fixture);
            fixture_destroy(&fixture);
        }
        fixture_check_shared(kernel_find("norm"), fixture_types[t], &shape, 1, 1);
    }
}

static void
costs_are_nominal(void **state)
{
    /* 4 m n^2 - 4/3 n^3 is the lesser one for the singular values of a (4, 3). */
    static const double flops[] = {24.0, 24.0, 24.0, 108.0}, complex_flops[] = {48.0, 48.0, 48.0, 432.0};
    (void)state;
    for (int ord = FRO; ord <= TWO; ord++) {
        struct fixture fixture;
        struct sheaf_cost cost = {0}, complex_cost = {0};
        create(&fixture, SHEAF_F64, ord, 3, 4, 1);
        fixture.kernel->cost(&fixture.problem, &cost);
        fixture.problem.inputs[0].type = SHEAF_C128;
        fixture.kernel->cost(&fixture.problem, &complex_cost);
        assert_true(fabs(cost.flops - flops[ord]) < 1e-9);
        assert_true(fabs(complex_cost.flops - complex_flops[ord]) < 1e-9);
        assert_int_equal(fixture.workspace_bytes > 0, ord == TWO);
        fixture_destroy(&fixture);
    }
}

/* signature_match refuses them; a caller that asks all the same must not reach LAPACK. */
static void
a_problem_that_was_never_matched_is_refused(void **state)
{
    struct sheaf_batch batch = {.count = 1};
    struct sheaf_problem problem = {.input_count = 1, .output_count = 1};
    const struct sheaf_kernel *norm = kernel_find("norm");
    (void)state;
    problem.inputs[0] = (struct sheaf_array){SHEAF_I32, fixture_matrix(3, 3)};
    for (int ord = FRO; ord <= TWO; ord++) {
        problem.parameters[0].integer = ord;
        assert_int_equal(norm->run(&problem, &batch), SHEAF_INTERNAL);
    }
    assert_int_equal(norm->workspace_bytes(&problem), -1);
    problem.inputs[0] = (struct sheaf_array){SHEAF_F64, fixture_matrix(INT64_C(2147483648), 1)};
    assert_int_equal(norm->workspace_bytes(&problem), -1);
    assert_int_equal(norm->run(&problem, &batch), SHEAF_INTERNAL);
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
