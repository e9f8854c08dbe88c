#include "reference.h"

#include "blas.h"
#include "list.h"

#include <float.h>
#include <limits.h>
#include <math.h>
#include <stdlib.h>

static void
create(struct fixture *fixture, enum sheaf_type type, int64_t m, int64_t count)
{
    struct sheaf_shape shape = fixture_matrix(m, m);
    fixture_create(fixture, kernel_find("cholesky"), type, &shape, 1, count, 0);
}

/*
 * Make every task's lower triangle that of a matrix dominated by its diagonal, so positive definite; what stands above the
 * diagonal stays random, and the kernel must not look at it, nor at the diagonal's imaginary parts.
 */
static void
make_dominated(struct fixture *fixture)
{
    enum sheaf_type type = fixture->problem.inputs[0].type;
    int64_t m = fixture->problem.inputs[0].shape.extent[0];
    for (int64_t task = 0; task < fixture->count; task++)
        for (int64_t i = 0; i < m; i++)
            fixture_set(type, fixture->inputs[0] + (size_t)task * fixture->input_bytes[0], i * m + i,
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

static void
factors_are_within_the_bound(void **state)
{
    static const int64_t sizes[] = {1, 2, 3, 7, 64, 65, 130};
    (void)state;
    for (int t = 0; t < FIXTURE_TYPE_COUNT; t++) {
        for (size_t i = 0; i < sizeof sizes / sizeof sizes[0]; i++) {
            struct fixture fixture;
            create(&fixture, fixture_types[t], sizes[i], 2);
            make_dominated(&fixture);
            fixture_run(&fixture, 0, 2);
            for (int64_t task = 0; task < 2; task++) {
                assert_int_equal(fixture.status[task], SHEAF_TASK_DONE);
                assert_int_equal(fixture.info[task], 0);
                assert_int_equal(count_wrong(&fixture, task), 0);
            }
            fixture_destroy(&fixture);
        }
    }
}

static void
the_check_sees_one_wrong_element(void **state)
{
    (void)state;
    for (int t = 0; t < FIXTURE_TYPE_COUNT; t++) {
        struct fixture fixture;
        create(&fixture, fixture_types[t], 65, 1);
        make_dominated(&fixture);
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
    struct fixture fixture;
    (void)state;
    create(&fixture, SHEAF_C128, 2, 1);
    memcpy(fixture.inputs[0], a, sizeof a);
    fixture_run(&fixture, 0, 1);
    for (size_t i = 0; i < sizeof l / sizeof l[0]; i++)
        assert_true(((const double *)fixture.outputs[0])[i] == l[i]);
    fixture_destroy(&fixture);
}

/* The Hilbert matrix, condition 5e5 for 5 rows. */
static void
an_ill_conditioned_matrix_has_a_small_residual(void **state)
{
    (void)state;
    for (int t = 0; t < FIXTURE_TYPE_COUNT; t++) {
        struct fixture fixture;
        create(&fixture, fixture_types[t], 5, 1);
        for (int64_t row = 0; row < 5; row++)
            for (int64_t column = 0; column < 5; column++)
                fixture_set(fixture_types[t], fixture.inputs[0], row * 5 + column,
                            1.0L / (long double)(row + column + 1));
        fixture_run(&fixture, 0, 1);
        assert_int_equal(fixture.status[0], SHEAF_TASK_DONE);
        assert_int_equal(count_wrong(&fixture, 0), 0);
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
        create(&fixture, type, 7, 6);
        make_dominated(&fixture);
        size_t bytes = fixture.input_bytes[0];
        memset(fixture.inputs[0] + bytes, 0, bytes);
        fixture_set(type, fixture.inputs[0] + 2 * bytes, 4 * 7 + 4, -1.0L);
        fixture_set(type, fixture.inputs[0] + 3 * bytes, 6 * 7 + 1, (long double)NAN);
        /* Above the diagonal anything may stand. */
        fixture_set(type, fixture.inputs[0] + 4 * bytes, 1 * 7 + 6, (long double)NAN);
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

/*
 * Small matrices are computed several at a time: at every size and count each task gets its own result, whatever stands in its
 * neighbours.
 */
static void
small_matrices_do_not_disturb_each_other(void **state)
{
    enum { COUNT = 40, GREATEST = 34 };
    (void)state;
    for (int t = 0; t < FIXTURE_TYPE_COUNT; t++) {
        for (int64_t m = 1; m <= GREATEST; m++) {
            struct fixture fixture;
            create(&fixture, fixture_types[t], m, COUNT);
            make_dominated(&fixture);
            for (int64_t task = 0; task < COUNT; task++) {
                unsigned char *a = fixture.inputs[0] + (size_t)task * fixture.input_bytes[0];
                if (task % 7 == 2)
                    fixture_set(fixture_types[t], a, m / 2 * m + m / 2, -1.0L);
                if (task % 7 == 5)
                    fixture_set(fixture_types[t], a, m * m - 1, (long double)NAN);
                if (task % 7 == 6 && m > 1)
                    fixture_set(fixture_types[t], a, m - 1, (long double)INFINITY);
            }
            fixture_check_counts(&fixture);
            for (int64_t task = 0; task < COUNT; task++) {
                const bool indefinite = task % 7 == 2, bad = task % 7 == 5;
                assert_int_equal(fixture.status[task], indefinite ? SHEAF_TASK_NOT_POSITIVE_DEFINITE
                                                       : bad      ? SHEAF_TASK_NOT_FINITE
                                                                  : SHEAF_TASK_DONE);
                assert_int_equal(fixture.info[task], indefinite ? m / 2 + 1 : 0);
                assert_true(indefinite || bad || count_wrong(&fixture, task) == 0);
            }
            fixture_destroy(&fixture);
        }
    }
}

/* Of a complex number that is finite the sum of the parts' magnitudes may not be. */
static void
numbers_near_the_end_of_the_range_are_finite(void **state)
{
    (void)state;
    for (int t = 0; t < FIXTURE_TYPE_COUNT; t++) {
        bool single = fixture_unit_roundoff(fixture_types[t]) > 1e-10L;
        long double large = single ? FLT_MAX : DBL_MAX;
        struct fixture fixture;
        create(&fixture, fixture_types[t], 1, 3);
        for (int64_t task = 0; task < 3; task++)
            fixture_set(fixture_types[t], fixture.inputs[0], task, CMPLXL(large, large));
        fixture_run(&fixture, 0, 3);
        for (int64_t task = 0; task < 3; task++) {
            assert_int_equal(fixture.status[task], SHEAF_TASK_DONE);
            assert_int_equal(count_wrong(&fixture, task), 0);
        }
        fixture_destroy(&fixture);
    }
}

static void
splits_and_shared_operands_give_the_same_bits(void **state)
{
    (void)state;
    for (int t = 0; t < FIXTURE_TYPE_COUNT; t++) {
        struct fixture fixture;
        struct sheaf_shape shape = fixture_matrix(3, 3);
        create(&fixture, fixture_types[t], 67, 5);
        make_dominated(&fixture);
        fixture_check_splits(&fixture);
        fixture_destroy(&fixture);
        fixture_check_shared(kernel_find("cholesky"), fixture_types[t], &shape, 1, 1);
    }
}

static void
costs_are_nominal(void **state)
{
    struct fixture fixture;
    struct sheaf_cost cost = {0};
    (void)state;
    create(&fixture, SHEAF_F64, 3, 1);
    fixture.kernel->cost(&fixture.problem, &cost);
    assert_true(fabs(cost.flops - 9.0) < 1e-9);
    fixture_destroy(&fixture);
    create(&fixture, SHEAF_C64, 3, 1);
    fixture.kernel->cost(&fixture.problem, &cost);
    assert_true(fabs(cost.flops - 36.0) < 1e-9);
    fixture_destroy(&fixture);
}

/* signature_match refuses both; a caller that asks all the same must not reach LAPACK. */
static void
a_problem_that_was_never_matched_is_refused(void **state)
{
    struct fixture fixture;
    struct sheaf_batch batch = {.count = 1};
    (void)state;
    create(&fixture, SHEAF_F64, 3, 1);
    fixture.problem.inputs[0].shape.extent[0] = (int64_t)INT_MAX + 1;
    assert_int_equal(fixture.kernel->run(&fixture.problem, &batch), SHEAF_INTERNAL);
    fixture.problem.inputs[0].shape.extent[0] = 3;
    fixture.problem.inputs[0].type = SHEAF_I32;
    assert_int_equal(fixture.kernel->run(&fixture.problem, &batch), SHEAF_INTERNAL);
    fixture_destroy(&fixture);
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
