#include "fixture.h"

#include "blas.h"
#include "list.h"

#include <limits.h>
#include <math.h>
#include <stdlib.h>

static void
create(struct fixture *fixture, enum sheaf_type type, int64_t n, int64_t count)
{
    struct sheaf_shape shape = fixture_matrix(n, n);
    fixture_create(fixture, kernel_find("inv"), type, &shape, 1, count, 0);
}

/*
 * Make every task's matrix dominated, in each row, by one element that stands right of the diagonal
 * (cyclically): LAPACK, which sees the transpose, must exchange rows to find it.
 */
static void
make_dominated(struct fixture *fixture)
{
    enum sheaf_type type = fixture->problem.inputs[0].type;
    int64_t n = fixture->problem.inputs[0].shape.extent[0];
    for (int64_t task = 0; task < fixture->count; task++) {
        unsigned char *a = fixture->inputs[0] + (size_t)task * fixture->input_bytes[0];
        for (int64_t row = 0; row < n; row++) {
            int64_t index = row * n + (row + 1) % n;
            long double complex value = fixture_get(type, a, index);
            fixture_set(type, a, index, value + 2.0L * (long double)n * (creall(value) < 0.0L ? -1.0L : 1.0L));
        }
    }
}

/* The greatest sum of magnitudes in a column. */
static long double
norm_one(enum sheaf_type type, const void *matrix, int64_t n)
{
    long double norm = 0.0L;
    for (int64_t column = 0; column < n; column++) {
        long double sum = 0.0L;
        for (int64_t row = 0; row < n; row++)
            sum += cabsl(fixture_get(type, matrix, row * n + column));
        norm = fmaxl(norm, sum);
    }
    return norm;
}

/* The 1-norm of A X - I, computed in long double; NaN where A or X has one. */
static long double
residual_one(enum sheaf_type type, const void *a, const void *x, int64_t n)
{
    long double norm = 0.0L;
    for (int64_t column = 0; column < n; column++) {
        long double sum = 0.0L;
        for (int64_t row = 0; row < n; row++) {
            long double complex element = row == column ? -1.0L : 0.0L;
            for (int64_t l = 0; l < n; l++)
                element += fixture_get(type, a, row * n + l) * fixture_get(type, x, l * n + column);
            sum += cabsl(element);
        }
        if (!(sum <= norm))
            norm = sum;
    }
    return norm;
}

/*
 * LAPACK inverts B = A^T by B = L U, Y = inv(U), X L = Y. To first order each step leaves a residual
 * of at most gamma_n times its factors' magnitudes (Higham, Accuracy and Stability of Numerical
 * Algorithms, 2nd ed., theorem 9.3 and section 14.3, method B): |X B - I| <= 3 gamma_n |X| |L| |U|. For
 * B dominated by one element in each column || |L| |U| || <= (2n - 1) ||B|| in the infinity norm
 * (theorem 9.9 and after), the 1-norm of A. In complex arithmetic gamma_4n covers the products
 * and quotients (section 3.6).
 */
static long double
residual_bound(enum sheaf_type type, const void *a, const void *x, int64_t n)
{
    long double terms = (long double)n * (sheaf_type_is_complex(type) ? 4.0L : 1.0L);
    long double nu = terms * fixture_unit_roundoff(type), gamma = nu / (1.0L - nu);
    return 3.0L * gamma * (2.0L * (long double)n - 1.0L) * norm_one(type, a, n) * norm_one(type, x, n);
}

static bool
is_inverse(const struct fixture *fixture, int64_t task)
{
    enum sheaf_type type = fixture->problem.inputs[0].type;
    int64_t n = fixture->problem.inputs[0].shape.extent[0];
    const void *a = fixture_input(fixture, 0, task), *x = fixture_output(fixture, 0, task);
    return residual_one(type, a, x, n) <= residual_bound(type, a, x, n);
}

static void
inverses_are_within_the_bound(void **state)
{
    static const int64_t sizes[] = {1, 2, 3, 7, 64, 65, 100};
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
                assert_true(is_inverse(&fixture, task));
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
        void *x = fixture_output(&fixture, 0, 0);
        /* Element (1, 0) of the inverse belongs to the dominant element (0, 1). */
        fixture_set(fixture_types[t], x, 65, 1.5L * fixture_get(fixture_types[t], x, 65));
        assert_false(is_inverse(&fixture, 0));
        fixture_destroy(&fixture);
    }
}

/* Not symmetric, and all steps are exact in binary: a transposed answer would show. */
static void
a_known_inverse_is_exact(void **state)
{
    static const double a[] = {0, 2, 0, 0, 0, 4, 1, 0, 0}, x[] = {0, 0, 1, 0.5, 0, 0, 0, 0.25, 0};
    struct fixture fixture;
    (void)state;
    create(&fixture, SHEAF_F64, 3, 1);
    memcpy(fixture.inputs[0], a, sizeof a);
    fixture_run(&fixture, 0, 1);
    for (int i = 0; i < 9; i++)
        assert_true(((const double *)fixture_output(&fixture, 0, 0))[i] == x[i]);
    fixture_destroy(&fixture);
}

static void
a_singular_matrix_does_not_stop_the_batch(void **state)
{
    (void)state;
    for (int t = 0; t < FIXTURE_TYPE_COUNT; t++) {
        static const double twice_the_row[] = {1, 2, 2, 4};
        struct fixture fixture;
        create(&fixture, fixture_types[t], 2, 4);
        make_dominated(&fixture);
        memset(fixture.inputs[0] + fixture.input_bytes[0], 0, fixture.input_bytes[0]);
        for (int i = 0; i < 4; i++)
            fixture_set(fixture_types[t], fixture.inputs[0] + 2 * fixture.input_bytes[0], i, twice_the_row[i]);
        fixture_run(&fixture, 0, 4);
        assert_int_equal(fixture.status[1], SHEAF_TASK_SINGULAR);
        assert_int_equal(fixture.info[1], 1);
        assert_int_equal(fixture.status[2], SHEAF_TASK_SINGULAR);
        assert_int_equal(fixture.info[2], 2);
        for (int64_t task = 0; task < 4; task += 3) {
            assert_int_equal(fixture.status[task], SHEAF_TASK_DONE);
            assert_int_equal(fixture.info[task], 0);
            assert_true(is_inverse(&fixture, task));
        }
        fixture_check_splits(&fixture);
        fixture_destroy(&fixture);
    }
}

static void
a_number_that_is_not_finite_fails_its_task_only(void **state)
{
    (void)state;
    for (int t = 0; t < FIXTURE_TYPE_COUNT; t++) {
        enum sheaf_type type = fixture_types[t];
        struct fixture fixture;
        create(&fixture, type, 7, 3);
        make_dominated(&fixture);
        fixture_set(type, fixture.inputs[0], 48, (long double)NAN);
        long double complex infinity =
            sheaf_type_is_complex(type) ? CMPLXL(0.0L, -(long double)INFINITY) : (long double)INFINITY;
        fixture_set(type, fixture.inputs[0] + 2 * fixture.input_bytes[0], 0, infinity);
        fixture_run(&fixture, 0, 3);
        assert_int_equal(fixture.status[0], SHEAF_TASK_NOT_FINITE);
        assert_int_equal(fixture.status[1], SHEAF_TASK_DONE);
        assert_true(is_inverse(&fixture, 1));
        assert_int_equal(fixture.status[2], SHEAF_TASK_NOT_FINITE);
        fixture_destroy(&fixture);
    }
}

/* Clear a row, which is a column to LAPACK: its pivot is the zero one, and no rounding hides it. */
static void
clear_row(struct fixture *fixture, int64_t task, int64_t row)
{
    size_t row_bytes =
        (size_t)fixture->problem.inputs[0].shape.extent[1] * sheaf_type_size(fixture->problem.inputs[0].type);
    memset(fixture->inputs[0] + (size_t)task * fixture->input_bytes[0] + (size_t)row * row_bytes, 0, row_bytes);
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
                if (task % 7 == 2)
                    clear_row(&fixture, task, m / 2);
                if (task % 7 == 5)
                    fixture_set(fixture_types[t], fixture.inputs[0] + (size_t)task * fixture.input_bytes[0], m * m - 1,
                                (long double)NAN);
            }
            fixture_check_counts(&fixture);
            for (int64_t task = 0; task < COUNT; task++) {
                const bool singular = task % 7 == 2, bad = task % 7 == 5;
                assert_int_equal(fixture.status[task], singular ? SHEAF_TASK_SINGULAR
                                                       : bad    ? SHEAF_TASK_NOT_FINITE
                                                                : SHEAF_TASK_DONE);
                assert_int_equal(fixture.info[task], singular ? m / 2 + 1 : 0);
                assert_true(singular || bad || is_inverse(&fixture, task));
            }
            fixture_destroy(&fixture);
        }
    }
}

static void
splits_give_the_same_bits(void **state)
{
    static const int64_t sizes[] = {3, 65};
    (void)state;
    for (int t = 0; t < FIXTURE_TYPE_COUNT; t++) {
        for (int i = 0; i < 2; i++) {
            struct fixture fixture;
            create(&fixture, fixture_types[t], sizes[i], 5);
            fixture_check_splits(&fixture);
            fixture_destroy(&fixture);
        }
    }
}

static void
shared_operands_give_the_same_bits(void **state)
{
    struct sheaf_shape shape = fixture_matrix(37, 37);
    (void)state;
    for (int t = 0; t < FIXTURE_TYPE_COUNT; t++)
        fixture_check_shared(kernel_find("inv"), fixture_types[t], &shape, 1, 1);
}

static void
costs_are_nominal(void **state)
{
    struct fixture fixture;
    struct sheaf_cost cost = {0};
    (void)state;
    create(&fixture, SHEAF_F64, 3, 1);
    fixture.kernel->cost(&fixture.problem, &cost);
    assert_true(cost.flops == 54.0);
    fixture_destroy(&fixture);
    create(&fixture, SHEAF_C64, 3, 1);
    fixture.kernel->cost(&fixture.problem, &cost);
    assert_true(cost.flops == 216.0);
    fixture_destroy(&fixture);
}

static void
the_workspace_holds_pivots_and_a_block_of_columns(void **state)
{
    struct fixture fixture;
    (void)state;
    for (int t = 0; t < FIXTURE_TYPE_COUNT; t++) {
        create(&fixture, fixture_types[t], 100, 1);
        assert_true(fixture.workspace_bytes >= 448 + 100 * sheaf_type_size(fixture_types[t]));
        assert_true(fixture.workspace_bytes <= 448 + 100 * 4096 * sheaf_type_size(fixture_types[t]));
        fixture_destroy(&fixture);
    }
}

/* signature_match refuses all three; a caller that asks all the same must not reach LAPACK. */
static void
a_problem_that_was_never_matched_is_refused(void **state)
{
    struct fixture fixture;
    struct sheaf_batch batch = {.count = 1};
    (void)state;
    create(&fixture, SHEAF_F64, 3, 1);
    static const int64_t too_large[] = {INT64_C(2147483648), INT64_C(2147483647)};
    for (int i = 0; i < 2; i++) {
        fixture.problem.inputs[0].shape.extent[0] = too_large[i];
        assert_int_equal(fixture.kernel->workspace_bytes(&fixture.problem), -1);
        assert_int_equal(fixture.kernel->run(&fixture.problem, &batch), SHEAF_INTERNAL);
    }
    fixture.problem.inputs[0].shape.extent[0] = 3;
    fixture.problem.inputs[0].type = SHEAF_I32;
    assert_int_equal(fixture.kernel->run(&fixture.problem, &batch), SHEAF_INTERNAL);
    fixture_destroy(&fixture);
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(inverses_are_within_the_bound),
        cmocka_unit_test(the_check_sees_one_wrong_element),
        cmocka_unit_test(a_known_inverse_is_exact),
        cmocka_unit_test(a_singular_matrix_does_not_stop_the_batch),
        cmocka_unit_test(a_number_that_is_not_finite_fails_its_task_only),
        cmocka_unit_test(small_matrices_do_not_disturb_each_other),
        cmocka_unit_test(splits_give_the_same_bits),
        cmocka_unit_test(shared_operands_give_the_same_bits),
        cmocka_unit_test(costs_are_nominal),
        cmocka_unit_test(the_workspace_holds_pivots_and_a_block_of_columns),
        cmocka_unit_test(a_problem_that_was_never_matched_is_refused),
    };
    blas_set_threads(1);
    return cmocka_run_group_tests(tests, NULL, NULL);
}
