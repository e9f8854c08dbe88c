#include "reference.h"
#include "subject.h"

#include "blas.h"
#include "list.h"

#include <limits.h>
#include <math.h>
#include <stdlib.h>

/* n right-hand sides by solve; n = 0: one by solve1. */
static void
create(struct fixture *fixture, enum sheaf_type type, int64_t m, int64_t n, int64_t count, uint32_t shared)
{
    const struct sheaf_shape shapes[] = {fixture_matrix(m, m), n ? fixture_matrix(m, n) : fixture_vector(m)};
    fixture_create(fixture, kernel_find(n ? "solve" : "solve1"), type, shapes, 2, count, shared);
}

static void
create_own(struct fixture *fixture, const struct subject *subject, enum sheaf_type type, int64_t m, int64_t n,
           int64_t count)
{
    (void)subject;
    create(fixture, type, m, n, count, 0);
}

/* By m in turn one right-hand side by solve1, one, m, and those that make 35 with m. */
static void
create_small(struct fixture *fixture, const struct subject *subject, enum sheaf_type type, int64_t m, int64_t n,
             int64_t count)
{
    create_own(fixture, subject, type, m, m % 4 == 0 ? 0 : m % 4 == 1 ? 1 : m % 4 == 2 ? n : 35 - m, count);
}

/* The 2-norm of column j of an (rows,columns). */
static long double
column_norm(int64_t rows, int64_t columns, const reference_number *a, int64_t j)
{
    long double sum = 0.0L;
    for (int64_t i = 0; i < rows; i++)
        sum += creall(a[i * columns + j] * conjl(a[i * columns + j]));
    return sqrtl(sum);
}

/*
 * Columns whose residual is outside the bound. |b - A x| <= gamma_3m |L| |U| |x| elementwise for the factors of A, and of A^T
 * alike, which is what LAPACK factors (Higham, Accuracy and Stability of Numerical Algorithms, 2nd ed., theorem 9.4);
 * another m roundings are for triangular solves that multiply by reciprocals. The exact factors' magnitudes stand for the
 * computed ones', with a factor of 2.
 */
static int64_t
count_wrong(const struct fixture *fixture, int64_t task)
{
    enum sheaf_type type = fixture->problem.inputs[0].type;
    const struct sheaf_shape *shape = &fixture->problem.inputs[1].shape;
    int64_t m = shape->extent[0], n = shape->ndim == 2 ? shape->extent[1] : 1, wrong = 0;
    reference_number *a = reference_load(type, fixture_input(fixture, 0, task), m * m);
    reference_number *b = reference_load(type, fixture_input(fixture, 1, task), m * n);
    reference_number *x = reference_load(type, fixture_output(fixture, 0, task), m * n);
    reference_number *product = reference_multiply(m, m, n, a, x), *adjoint = reference_adjoint(m, m, a);
    long double bound = 2.0L * reference_gamma(type, 4.0L * (long double)m) * reference_lu_norm(m, adjoint);
    reference_subtract(product, b, m * n);
    for (int64_t j = 0; j < n; j++)
        wrong += !(column_norm(m, n, product, j) <= bound * column_norm(m, n, x, j));
    free(adjoint);
    free(product);
    free(x);
    free(b);
    free(a);
    return wrong;
}

static const struct subject subject = {"solve", NULL, create_own, count_wrong};

/* (m, n) for solve, (m, 0) for solve1. */
static const int64_t sizes[][2] = {{1, 0}, {2, 0}, {7, 0}, {65, 0}, {130, 0}, {1, 1},   {1, 7},
                                   {2, 1}, {2, 3}, {7, 7}, {7, 65}, {65, 1},  {65, 40}, {130, 3}};

static void
residuals_are_within_the_bound(void **state)
{
    (void)state;
    subject_check_results(&subject, sizes, sizeof sizes / sizeof sizes[0]);
}

/* The Hilbert matrix, condition 1e13 for 10 rows, beyond f32: the residual is small all the same. */
static void
an_ill_conditioned_matrix_has_a_small_residual(void **state)
{
    (void)state;
    for (int t = 0; t < FIXTURE_TYPE_COUNT; t++) {
        for (int64_t n = 0; n < 4; n += 3) {
            struct fixture fixture;
            create(&fixture, fixture_types[t], 10, n, 1, 0);
            fixture_set_hilbert(&fixture);
            fixture_run(&fixture, 0, 1);
            subject_check_tasks(&subject, &fixture);
            fixture_destroy(&fixture);
        }
    }
}

static void
the_check_sees_one_wrong_element(void **state)
{
    (void)state;
    subject_check_wrong_element(&subject, 37, 0, 0, 5, 1.0L, 2.0L);
    subject_check_wrong_element(&subject, 37, 3, 0, 5, 1.0L, 2.0L);
}

/*
 * A (1 2; 3 4; 5 6) with A = (0 2 0; 0 0 4; 1 0 0): A X puts 2 X_2, 4 X_3, X_1, and all steps are exact in binary. A
 * transposed A, or interchanges in the wrong order, would show.
 */
static void
a_known_solution_is_exact(void **state)
{
    static const double a[] = {0, 2, 0, 0, 0, 4, 1, 0, 0}, b[] = {6, 8, 20, 24, 1, 2}, x[] = {1, 2, 3, 4, 5, 6};
    static const double b1[] = {6, 20, 1}, x1[] = {1, 3, 5};
    static const double *const inputs[] = {a, b}, *const inputs1[] = {a, b1};
    (void)state;
    subject_check_known(&subject, SHEAF_F64, 3, 2, inputs, x, sizeof x);
    subject_check_known(&subject, SHEAF_F64, 3, 0, inputs1, x1, sizeof x1);
}

static void
failing_tasks_leave_the_others_right(void **state)
{
    static const double twice_the_row[] = {1, 2, 2, 4};
    (void)state;
    for (int t = 0; t < FIXTURE_TYPE_COUNT; t++) {
        for (int64_t n = 0; n < 4; n += 3) {
            enum sheaf_type type = fixture_types[t];
            struct fixture fixture;
            create(&fixture, type, 2, n, 6, 0);
            memset(fixture_task_input(&fixture, 0, 1), 0, fixture.input_bytes[0]);
            for (int i = 0; i < 4; i++)
                fixture_set(type, fixture_task_input(&fixture, 0, 2), i, twice_the_row[i]);
            fixture_set(type, fixture_task_input(&fixture, 0, 3), 3, -(long double)INFINITY);
            fixture_set(type, fixture_task_input(&fixture, 1, 4), 1, (long double)NAN);
            fixture_run(&fixture, 0, 6);
            static const uint8_t status[] = {SHEAF_TASK_DONE,       SHEAF_TASK_SINGULAR,   SHEAF_TASK_SINGULAR,
                                             SHEAF_TASK_NOT_FINITE, SHEAF_TASK_NOT_FINITE, SHEAF_TASK_DONE};
            static const int32_t info[] = {0, 1, 2, 0, 0, 0};
            assert_memory_equal(fixture.status, status, sizeof status);
            assert_memory_equal(fixture.info, info, sizeof info);
            assert_int_equal(count_wrong(&fixture, 0), 0);
            assert_int_equal(count_wrong(&fixture, 5), 0);
            fixture_check_splits(&fixture);
            fixture_destroy(&fixture);
        }
    }
}

/* Tasks 2, 9, ... singular: a row of A, which is a column to LAPACK, is 0. 4, 11, ...: A not finite; 5, 12, ...: B. */
static void
spoil(struct fixture *fixture, int64_t task)
{
    enum sheaf_type type = fixture->problem.inputs[0].type;
    const int64_t m = fixture->problem.inputs[0].shape.extent[0];
    if (task % SUBJECT_PERIOD == 2)
        fixture_clear_row(fixture, task, m / 2);
    if (task % SUBJECT_PERIOD == 4)
        fixture_set(type, fixture_task_input(fixture, 0, task), m * m - 1, -(long double)INFINITY);
    if (task % SUBJECT_PERIOD == 5)
        fixture_set(type, fixture_task_input(fixture, 1, task), m - 1, (long double)NAN);
}

static void
small_matrices_do_not_disturb_each_other(void **state)
{
    static const struct subject small = {"solve", NULL, create_small, count_wrong};
    static subject_endings endings = {SHEAF_TASK_DONE, SHEAF_TASK_DONE,       SHEAF_TASK_SINGULAR,
                                      SHEAF_TASK_DONE, SHEAF_TASK_NOT_FINITE, SHEAF_TASK_NOT_FINITE,
                                      SHEAF_TASK_DONE};
    (void)state;
    subject_check_neighbours(&small, spoil, endings);
}

/* A shared by all of many tasks is factored once; what stands in B of one task is its own matter. */
static void
small_shared_matrices_give_the_same_bits(void **state)
{
    (void)state;
    for (int t = 0; t < FIXTURE_TYPE_COUNT; t++) {
        for (int64_t m = 1; m <= 34; m += 3) {
            struct fixture sharing, copying;
            create(&sharing, fixture_types[t], m, m % 2 ? 3 : 0, 40, 1);
            create(&copying, fixture_types[t], m, m % 2 ? 3 : 0, 40, 0);
            for (int64_t task = 0; task < 40; task++)
                memcpy(copying.inputs[0] + (size_t)task * copying.input_bytes[0], sharing.inputs[0],
                       sharing.input_bytes[0]);
            fixture_set(fixture_types[t], sharing.inputs[1] + 17 * sharing.input_bytes[1], 0, (long double)NAN);
            memcpy(copying.inputs[1], sharing.inputs[1], 40 * sharing.input_bytes[1]);
            fixture_check_counts(&sharing);
            fixture_run(&copying, 0, 40);
            for (int64_t task = 0; task < 40; task++) {
                assert_int_equal(sharing.status[task], task == 17 ? SHEAF_TASK_NOT_FINITE : SHEAF_TASK_DONE);
                assert_int_equal(copying.status[task], sharing.status[task]);
            }
            for (int64_t task = 0; task < 40; task++)
                if (task != 17)
                    assert_memory_equal(fixture_output(&sharing, 0, task), fixture_output(&copying, 0, task),
                                        sharing.output_bytes[0]);
            fixture_destroy(&sharing);
            fixture_destroy(&copying);
        }
    }
}

static void
a_shared_singular_matrix_fails_every_task(void **state)
{
    struct fixture fixture;
    (void)state;
    create(&fixture, SHEAF_F64, 3, 2, 37, 1);
    memset(fixture.inputs[0], 0, fixture.input_bytes[0]);
    fixture_run(&fixture, 0, 37);
    for (int64_t task = 0; task < 37; task++) {
        assert_int_equal(fixture.status[task], SHEAF_TASK_SINGULAR);
        assert_int_equal(fixture.info[task], 1);
    }
    fixture_destroy(&fixture);
}

static void
splits_and_shared_operands_give_the_same_bits(void **state)
{
    (void)state;
    subject_check_splits(&subject, 67, 0);
    subject_check_splits(&subject, 67, 65);
    subject_check_shared(&subject, 67, 0);
    subject_check_shared(&subject, 67, 65);
}

static void
costs_are_nominal(void **state)
{
    (void)state;
    subject_check_flops(&subject, SHEAF_F64, 3, 5, 18.0 + 90.0);
    subject_check_flops(&subject, SHEAF_C64, 3, 0, 4.0 * (18.0 + 18.0));
}

/* signature_match refuses all; a caller that asks all the same must not reach LAPACK. */
static void
a_problem_that_was_never_matched_is_refused(void **state)
{
    (void)state;
    subject_check_fits(&subject, SHEAF_F64, INT_MAX, 3, false);
    subject_check_fits(&subject, SHEAF_F64, (int64_t)INT_MAX + 1, 3, false);
    subject_check_refused(&subject, SHEAF_I32, 3, 3);
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(residuals_are_within_the_bound),
        cmocka_unit_test(an_ill_conditioned_matrix_has_a_small_residual),
        cmocka_unit_test(the_check_sees_one_wrong_element),
        cmocka_unit_test(a_known_solution_is_exact),
        cmocka_unit_test(failing_tasks_leave_the_others_right),
        cmocka_unit_test(small_matrices_do_not_disturb_each_other),
        cmocka_unit_test(small_shared_matrices_give_the_same_bits),
        cmocka_unit_test(a_shared_singular_matrix_fails_every_task),
        cmocka_unit_test(splits_and_shared_operands_give_the_same_bits),
        cmocka_unit_test(costs_are_nominal),
        cmocka_unit_test(a_problem_that_was_never_matched_is_refused),
    };
    blas_set_threads(1);
    return cmocka_run_group_tests(tests, NULL, NULL);
}
