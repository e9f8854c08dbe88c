#include "spectrum.h"
#include "subject.h"

#include "blas.h"
#include "list.h"

#include <math.h>
#include <stdlib.h>

enum { TWO = 0, MINUS_TWO = 1, FRO = 2, ONE = 3, INF = 4, P_COUNT = 5 };

static void
fill(struct fixture *fixture, int64_t task, const double *values)
{
    const struct sheaf_array *a = &fixture->problem.inputs[0];
    for (int64_t i = 0; i < a->shape.extent[0] * a->shape.extent[1]; i++)
        fixture_set(a->type, fixture_task_input(fixture, 0, task), i, values[i]);
}

static long double
result(const struct fixture *fixture, int64_t task)
{
    return creall(fixture_get(fixture->problem.outputs[0].type, fixture_output(fixture, 0, task), 0));
}

/* No condition number is below 1, but that of p=-2, which is a quotient the other way round. */
static int64_t
count_wrong(const struct fixture *fixture, int64_t task)
{
    return !(fixture->problem.parameters[0].integer == MINUS_TWO || result(fixture, task) >= 1.0L);
}

static const struct subject subjects[P_COUNT] = {
    [TWO] = {"cond", "p=2", subject_create_matrix, count_wrong},
    [MINUS_TWO] = {"cond", "p=-2", subject_create_matrix, count_wrong},
    [FRO] = {"cond", "p=fro", subject_create_matrix, count_wrong},
    [ONE] = {"cond", "p=1", subject_create_matrix, count_wrong},
    [INF] = {"cond", "p=inf", subject_create_matrix, count_wrong},
};

static long double
norm(const reference_number *a, int64_t m, int p)
{
    long double greatest = 0.0L;
    if (p == FRO)
        return reference_norm(a, m * m);
    for (int64_t i = 0; i < m; i++) {
        long double sum = 0.0L;
        for (int64_t j = 0; j < m; j++)
            sum += cabsl(a[p == ONE ? j * m + i : i * m + j]);
        greatest = fmaxl(greatest, sum);
    }
    return greatest;
}

/*
 * U diag(s) V^H with known s has the known inverse V diag(1/s) U^H; of both the norms are known. Its rounding to the type,
 * and the computation's own error, change A by at most d = bound ||A||_F. That changes singular values by d (Weyl), and the
 * inverse by no more than the factor 1 / (1 - d/s_k) (Golub and Van Loan, theorem 2.3.4): a condition number by no more
 * than (1 + d/s_k) / (1 - d/s_k), near 1 + 2 d/s_k; the inverse's own error is another such factor.
 */
static void
check_known(enum sheaf_type type, int p, int64_t m, int64_t n)
{
    long double s[8], inverse_s[8];
    struct fixture fixture;
    bool is_complex = sheaf_type_is_complex(type);
    for (int i = 0; i < 8; i++) {
        s[i] = 2.0L - 0.2L * (long double)i;
        inverse_s[i] = 1.0L / s[i];
    }
    reference_number *a = spectrum_matrix(m, n, s, is_complex, m == n);
    long double change = (spectrum_bound(type, m, n) + fixture_unit_roundoff(type)) * reference_norm(a, m * n) / s[7];
    long double expected = p == TWO ? s[0] / s[7] : s[7] / s[0];
    if (p >= FRO) {
        reference_number *inverse = spectrum_matrix(m, m, inverse_s, is_complex, true);
        expected = norm(a, m, p) * norm(inverse, m, p);
        free(inverse);
    }
    subject_create_matrix(&fixture, &subjects[p], type, m, n, 1);
    reference_store(type, fixture.inputs[0], a, m * n);
    fixture_run(&fixture, 0, 1);
    assert_int_equal(fixture.status[0], SHEAF_TASK_DONE);
    assert_true(change < 0.01L);
    assert_true(fabsl(result(&fixture, 0) / expected - 1.0L) <= 5.0L * change);
    free(a);
    fixture_destroy(&fixture);
}

static void
known_condition_numbers_are_found(void **state)
{
    (void)state;
    for (int t = 0; t < FIXTURE_TYPE_COUNT; t++) {
        for (int p = 0; p < P_COUNT; p++)
            check_known(fixture_types[t], p, 8, 8);
        for (int p = TWO; p <= MINUS_TWO; p++) {
            check_known(fixture_types[t], p, 8, 65);
            check_known(fixture_types[t], p, 65, 8);
        }
    }
}

/* (1 2; 0 4): the inverse is (1 -1/2; 0 1/4); column sums 6 and 1, row sums 4 and 3/2, squares 21 and 21/16. */
static void
a_known_condition_number_is_exact(void **state)
{
    static const double a[] = {1, 2, 0, 4}, expected[] = {0, 0, 21.0 / 4.0, 6.0, 6.0};
    (void)state;
    for (int t = 0; t < FIXTURE_TYPE_COUNT; t++) {
        for (int p = FRO; p < P_COUNT; p++) {
            struct fixture fixture;
            subject_create_matrix(&fixture, &subjects[p], fixture_types[t], 2, 2, 1);
            fill(&fixture, 0, a);
            fixture_run(&fixture, 0, 1);
            assert_true(fabsl(result(&fixture, 0) - (long double)expected[p]) <=
                        10.0L * 4.0L * fixture_unit_roundoff(fixture_types[t]));
            fixture_destroy(&fixture);
        }
    }
}

/* numpy's answers: exactly singular is infinite, zero is infinite, and neither is a failure. */
static void
singular_matrices_have_numpys_answers(void **state)
{
    static const double zero[] = {0, 0, 0, 0}, singular[] = {0, 0, 0, 3}, identity[] = {1, 0, 0, 1};
    (void)state;
    for (int t = 0; t < FIXTURE_TYPE_COUNT; t++) {
        for (int p = 0; p < P_COUNT; p++) {
            struct fixture fixture;
            subject_create_matrix(&fixture, &subjects[p], fixture_types[t], 2, 2, 3);
            fill(&fixture, 0, zero);
            fill(&fixture, 1, singular);
            fill(&fixture, 2, identity);
            fixture_run(&fixture, 0, 3);
            for (int64_t task = 0; task < 3; task++) {
                assert_int_equal(fixture.status[task], SHEAF_TASK_DONE);
                assert_int_equal(fixture.info[task], 0);
            }
            assert_true(result(&fixture, 0) == (long double)INFINITY);
            assert_true(result(&fixture, 1) == (p == MINUS_TWO ? 0.0L : (long double)INFINITY));
            assert_true(fabsl(result(&fixture, 2) - (p == FRO ? 2.0L : 1.0L)) <=
                        4.0L * fixture_unit_roundoff(fixture_types[t]));
            fixture_destroy(&fixture);
        }
    }
}

/* An inverse that overflows is as good as none. */
static void
an_inverse_that_overflows_is_infinite(void **state)
{
    static const double tiny[] = {0x1p-1070, 0, 0, 1};
    (void)state;
    for (int p = FRO; p < P_COUNT; p++) {
        struct fixture fixture;
        subject_create_matrix(&fixture, &subjects[p], SHEAF_F64, 2, 2, 1);
        fill(&fixture, 0, tiny);
        fixture_run(&fixture, 0, 1);
        assert_int_equal(fixture.status[0], SHEAF_TASK_DONE);
        assert_true(result(&fixture, 0) == (long double)INFINITY);
        fixture_destroy(&fixture);
    }
}

static void
a_number_that_is_not_finite_fails_its_task_only(void **state)
{
    (void)state;
    for (int p = 0; p < P_COUNT; p++)
        subject_check_not_finite(&subjects[p], 7, 7, 7);
}

static void
splits_shared_operands_and_omitted_outputs_give_the_same_bits(void **state)
{
    (void)state;
    for (int p = 0; p < P_COUNT; p++) {
        subject_check_splits(&subjects[p], 65, 65);
        subject_check_omitted(&subjects[p], 65, 65);
    }
    subject_check_shared(&subjects[TWO], 37, 65);
}

static void
norms_that_need_the_inverse_refuse_what_is_not_square(void **state)
{
    struct sheaf_shape shape = fixture_matrix(3, 5);
    (void)state;
    fixture_check_refused(kernel_find("cond"), SHEAF_F64, &shape, 1, "p=fro", SHEAF_BAD_DATA,
                          "cond with p=fro needs the inverse, so square matrices; found (3, 5): use p=2 or p=-2, which "
                          "take any");
    fixture_check_refused(kernel_find("cond"), SHEAF_C64, &shape, 1, "p=1", SHEAF_BAD_DATA,
                          "cond with p=1 needs the inverse, so square matrices; found (3, 5): use p=2 or p=-2, which "
                          "take any");
    fixture_check_refused(kernel_find("cond"), SHEAF_F32, &shape, 1, "p=inf", SHEAF_BAD_DATA,
                          "cond with p=inf needs the inverse, so square matrices; found (3, 5): use p=2 or p=-2, which "
                          "take any");
}

static void
condition_numbers_are_real(void **state)
{
    (void)state;
    for (int t = 0; t < FIXTURE_TYPE_COUNT; t++) {
        for (int p = 0; p < P_COUNT; p++) {
            struct fixture fixture;
            subject_create_matrix(&fixture, &subjects[p], fixture_types[t], 3, 3, 1);
            assert_int_equal(fixture.problem.outputs[0].type, fixture_real_types[t]);
            fixture_destroy(&fixture);
        }
    }
}

static void
costs_are_those_of_the_parts(void **state)
{
    static const double flops[] = {72.0, 72.0, 54.0, 54.0, 54.0};
    (void)state;
    for (int t = 0; t < FIXTURE_TYPE_COUNT; t++)
        for (int p = 0; p < P_COUNT; p++)
            subject_check_flops(&subjects[p], fixture_types[t], 3, 3,
                                (sheaf_type_is_complex(fixture_types[t]) ? 4.0 : 1.0) * flops[p]);
}

/* signature_match refuses them; a caller that asks all the same must not reach LAPACK. */
static void
a_problem_that_was_never_matched_is_refused(void **state)
{
    (void)state;
    for (int p = 0; p < P_COUNT; p++) {
        subject_check_fits(&subjects[p], SHEAF_F64, INT64_C(2147483648), INT64_C(2147483648), false);
        subject_check_fits(&subjects[p], SHEAF_C128, 2147483647, 2147483647, false);
        subject_check_fits(&subjects[p], SHEAF_I32, 3, 3, false);
    }
    subject_check_refused(&subjects[INF], SHEAF_F64, 3, 4);
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(known_condition_numbers_are_found),
        cmocka_unit_test(a_known_condition_number_is_exact),
        cmocka_unit_test(singular_matrices_have_numpys_answers),
        cmocka_unit_test(an_inverse_that_overflows_is_infinite),
        cmocka_unit_test(a_number_that_is_not_finite_fails_its_task_only),
        cmocka_unit_test(splits_shared_operands_and_omitted_outputs_give_the_same_bits),
        cmocka_unit_test(norms_that_need_the_inverse_refuse_what_is_not_square),
        cmocka_unit_test(condition_numbers_are_real),
        cmocka_unit_test(costs_are_those_of_the_parts),
        cmocka_unit_test(a_problem_that_was_never_matched_is_refused),
    };
    blas_set_threads(1);
    return cmocka_run_group_tests(tests, NULL, NULL);
}
