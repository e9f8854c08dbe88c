#include "reference.h"
#include "subject.h"

#include "blas.h"

#include <float.h>
#include <limits.h>
#include <math.h>
#include <stdlib.h>

/*
 * Every task's lower triangle is that of a matrix dominated by its diagonal, so positive definite; what stands above the
 * diagonal stays random, and the kernel must not look at it, nor at the diagonal's imaginary parts.
 */
static void
create_dominated(struct fixture *fixture, const struct subject *subject, enum sheaf_type type, int64_t m, int64_t n,
                 int64_t count)
{
    subject_create_matrix(fixture, subject, type, m, n, count);
    for (int64_t task = 0; task < count; task++)
        for (int64_t i = 0; i < m; i++)
            fixture_set(type, fixture_task_input(fixture, 0, task), i * m + i,
                        CMPLXL(1.5L * (long double)m + 0.01L * (long double)i, 0.25L));
}

/*
 * Elements outside the bound, and those above the diagonal that are not 0, and those on it that are not positive. A computed
 * factor satisfies |A - L L^H| <= gamma_(m+1) |L| |L^H| (Higham, Accuracy and Stability of Numerical Algorithms, 2nd ed.,
 * theorem 10.3); another two roundings are for a reciprocal of the root.
 */
static int64_t
count_wrong(const struct fixture *fixture, int64_t task)
{
    enum sheaf_type type = fixture->problem.inputs[0].type;
    int64_t m = fixture->problem.inputs[0].shape.extent[0], wrong = 0;
    const void *a = fixture_input(fixture, 0, task);
    reference_number *l = reference_load(type, fixture_output(fixture, 0, task), m * m);
    reference_number *adjoint = reference_adjoint(m, m, l), *product = reference_multiply(m, m, m, l, adjoint);
    reference_take_magnitudes(adjoint, m * m);
    for (int64_t i = 0; i < m; i++) {
        wrong += !(creall(l[i * m + i]) > 0.0L && cimagl(l[i * m + i]) == 0.0L);
        for (int64_t j = i + 1; j < m; j++)
            wrong += !(l[i * m + j] == 0.0L);
    }
    reference_take_magnitudes(l, m * m);
    reference_number *magnitudes = reference_multiply(m, m, m, l, adjoint);
    long double gamma = reference_gamma(type, (long double)m + 3.0L);
    for (int64_t i = 0; i < m; i++)
        for (int64_t j = 0; j <= i; j++) {
            reference_number element = fixture_get(type, a, i * m + j);
            reference_number exact = i == j ? creall(element) : element;
            wrong += !(cabsl(exact - product[i * m + j]) <= gamma * creall(magnitudes[i * m + j]));
        }
    free(magnitudes);
    free(product);
    free(adjoint);
    free(l);
    return wrong;
}

static const struct subject subject = {"cholesky", NULL, create_dominated, count_wrong};

static void
factors_are_within_the_bound(void **state)
{
    static const int64_t sizes[][2] = {{1, 1}, {2, 2}, {3, 3}, {7, 7}, {64, 64}, {65, 65}, {130, 130}};
    (void)state;
    subject_check_results(&subject, sizes, sizeof sizes / sizeof sizes[0]);
}

static void
the_check_sees_one_wrong_element(void **state)
{
    (void)state;
    for (int t = 0; t < FIXTURE_TYPE_COUNT; t++) {
        struct fixture fixture;
        create_dominated(&fixture, &subject, fixture_types[t], 65, 65, 1);
        fixture_run(&fixture, 0, 1);
        void *l = fixture_output(&fixture, 0, 0);
        /* The last row's: it occurs in that row of L L^H only, in its own column by far the most. */
        int64_t last = 64 * 65 + 3;
        fixture_set(fixture_types[t], l, last, fixture_get(fixture_types[t], l, last) + 0.1L);
        assert_true(count_wrong(&fixture, 0) >= 1);
        fixture_set(fixture_types[t], l, last, fixture_get(fixture_types[t], l, last) - 0.1L);
        fixture_set(fixture_types[t], l, 7, 1e-30L);
        assert_true(count_wrong(&fixture, 0) >= 1);
        fixture_destroy(&fixture);
    }
}

/* numpy.linalg.cholesky([[1, 0], [2j, 5]]): L = (1, 0; 2j, 1), the conjugate on the right factor. */
static void
a_known_factor_is_exact(void **state)
{
    static const double a[] = {1, 0, -7, -7, 0, 2, 5, 0}, l[] = {1, 0, 0, 0, 0, 2, 1, 0};
    static const double *const inputs[] = {a};
    (void)state;
    subject_check_known(&subject, SHEAF_C128, 2, 2, inputs, l, sizeof l);
}

/* The Hilbert matrix, condition 5e5 for 5 rows. */
static void
an_ill_conditioned_matrix_has_a_small_residual(void **state)
{
    (void)state;
    for (int t = 0; t < FIXTURE_TYPE_COUNT; t++) {
        struct fixture fixture;
        subject_create_matrix(&fixture, &subject, fixture_types[t], 5, 5, 1);
        fixture_set_hilbert(&fixture);
        fixture_run(&fixture, 0, 1);
        subject_check_tasks(&subject, &fixture);
        fixture_destroy(&fixture);
    }
}

static void
failing_tasks_leave_the_others_right(void **state)
{
    (void)state;
    for (int t = 0; t < FIXTURE_TYPE_COUNT; t++) {
        enum sheaf_type type = fixture_types[t];
        struct fixture fixture;
        create_dominated(&fixture, &subject, type, 7, 7, 6);
        memset(fixture_task_input(&fixture, 0, 1), 0, fixture.input_bytes[0]);
        fixture_set(type, fixture_task_input(&fixture, 0, 2), 4 * 7 + 4, -1.0L);
        fixture_set(type, fixture_task_input(&fixture, 0, 3), 6 * 7 + 1, (long double)NAN);
        /* Above the diagonal anything may stand. */
        fixture_set(type, fixture_task_input(&fixture, 0, 4), 1 * 7 + 6, (long double)NAN);
        fixture_run(&fixture, 0, 6);
        static const uint8_t status[] = {SHEAF_TASK_DONE,
                                         SHEAF_TASK_NOT_POSITIVE_DEFINITE,
                                         SHEAF_TASK_NOT_POSITIVE_DEFINITE,
                                         SHEAF_TASK_NOT_FINITE,
                                         SHEAF_TASK_DONE,
                                         SHEAF_TASK_DONE};
        static const int32_t info[] = {0, 1, 5, 0, 0, 0};
        assert_memory_equal(fixture.status, status, sizeof status);
        assert_memory_equal(fixture.info, info, sizeof info);
        assert_int_equal(count_wrong(&fixture, 0), 0);
        assert_int_equal(count_wrong(&fixture, 4), 0);
        assert_int_equal(count_wrong(&fixture, 5), 0);
        fixture_destroy(&fixture);
    }
}

static void
spoil(struct fixture *fixture, int64_t task)
{
    const enum sheaf_type type = fixture->problem.inputs[0].type;
    const int64_t m = fixture->problem.inputs[0].shape.extent[0];
    void *a = fixture_task_input(fixture, 0, task);
    if (task % SUBJECT_PERIOD == 2)
        fixture_set(type, a, m / 2 * m + m / 2, -1.0L);
    if (task % SUBJECT_PERIOD == 5)
        fixture_set(type, a, m * m - 1, (long double)NAN);
    /* Above the diagonal: done all the same. */
    if (task % SUBJECT_PERIOD == 6 && m > 1)
        fixture_set(type, a, m - 1, (long double)INFINITY);
}

static void
small_matrices_do_not_disturb_each_other(void **state)
{
    static subject_endings endings = {SHEAF_TASK_DONE, SHEAF_TASK_DONE, SHEAF_TASK_NOT_POSITIVE_DEFINITE,
                                      SHEAF_TASK_DONE, SHEAF_TASK_DONE, SHEAF_TASK_NOT_FINITE,
                                      SHEAF_TASK_DONE};
    (void)state;
    subject_check_neighbours(&subject, spoil, endings);
}

/* Of a complex number that is finite the sum of the parts' magnitudes may not be. */
static void
numbers_near_the_end_of_the_range_are_finite(void **state)
{
    (void)state;
    for (int t = 0; t < FIXTURE_TYPE_COUNT; t++) {
        long double large = fixture_is_single(fixture_types[t]) ? FLT_MAX : DBL_MAX;
        struct fixture fixture;
        subject_create_matrix(&fixture, &subject, fixture_types[t], 1, 1, 3);
        for (int64_t task = 0; task < 3; task++)
            fixture_set(fixture_types[t], fixture.inputs[0], task, CMPLXL(large, large));
        fixture_run(&fixture, 0, 3);
        subject_check_tasks(&subject, &fixture);
        fixture_destroy(&fixture);
    }
}

static void
splits_and_shared_operands_give_the_same_bits(void **state)
{
    (void)state;
    subject_check_splits(&subject, 67, 67);
    subject_check_shared(&subject, 3, 3);
}

static void
costs_are_nominal(void **state)
{
    (void)state;
    subject_check_flops(&subject, SHEAF_F64, 3, 3, 9.0);
    subject_check_flops(&subject, SHEAF_C64, 3, 3, 36.0);
}

/* signature_match refuses both; a caller that asks all the same must not reach LAPACK. */
static void
a_problem_that_was_never_matched_is_refused(void **state)
{
    (void)state;
    subject_check_refused(&subject, SHEAF_F64, (int64_t)INT_MAX + 1, 3);
    subject_check_refused(&subject, SHEAF_I32, 3, 3);
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(factors_are_within_the_bound),
        cmocka_unit_test(the_check_sees_one_wrong_element),
        cmocka_unit_test(a_known_factor_is_exact),
        cmocka_unit_test(an_ill_conditioned_matrix_has_a_small_residual),
        cmocka_unit_test(failing_tasks_leave_the_others_right),
        cmocka_unit_test(small_matrices_do_not_disturb_each_other),
        cmocka_unit_test(numbers_near_the_end_of_the_range_are_finite),
        cmocka_unit_test(splits_and_shared_operands_give_the_same_bits),
        cmocka_unit_test(costs_are_nominal),
        cmocka_unit_test(a_problem_that_was_never_matched_is_refused),
    };
    blas_set_threads(1);
    return cmocka_run_group_tests(tests, NULL, NULL);
}
