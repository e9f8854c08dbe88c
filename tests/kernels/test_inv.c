#include "reference.h"
#include "subject.h"

#include "blas.h"

#include <limits.h>
#include <stdlib.h>

/*
 * Every task's matrix is dominated, in each row, by one element that stands right of the diagonal
 * (cyclically): LAPACK, which sees the transpose, must exchange rows to find it.
 */
static void
create_dominated(struct fixture *fixture, const struct subject *subject, enum sheaf_type type, int64_t m, int64_t n,
                 int64_t count)
{
    subject_create_matrix(fixture, subject, type, m, n, count);
    for (int64_t task = 0; task < count; task++) {
        void *a = fixture_task_input(fixture, 0, task);
        for (int64_t row = 0; row < n; row++) {
            int64_t index = row * n + (row + 1) % n;
            long double complex value = fixture_get(type, a, index);
            fixture_set(type, a, index, value + 2.0L * (long double)n * (creall(value) < 0.0L ? -1.0L : 1.0L));
        }
    }
}

/*
 * LAPACK inverts B = A^T by B = L U, Y = inv(U), X L = Y. To first order each step leaves a residual
 * of at most gamma_n times its factors' magnitudes (Higham, Accuracy and Stability of Numerical
 * Algorithms, 2nd ed., theorem 9.3 and section 14.3, method B): |X B - I| <= 3 gamma_n |X| |L| |U|. For
 * B dominated by one element in each column || |L| |U| || <= (2n - 1) ||B|| in the infinity norm
 * (theorem 9.9 and after), the 1-norm of A. In complex arithmetic gamma_4n covers the products
 * and quotients (section 3.6).
 */
static int64_t
count_wrong(const struct fixture *fixture, int64_t task)
{
    enum sheaf_type type = fixture->problem.inputs[0].type;
    int64_t n = fixture->problem.inputs[0].shape.extent[0];
    reference_number *a = reference_load(type, fixture_input(fixture, 0, task), n * n);
    reference_number *x = reference_load(type, fixture_output(fixture, 0, task), n * n);
    reference_number *residual = reference_multiply(n, n, n, a, x);
    for (int64_t i = 0; i < n; i++)
        residual[i * n + i] -= 1.0L;
    long double bound = 3.0L * reference_gamma(type, (long double)n) * (2.0L * (long double)n - 1.0L) *
                        reference_norm_one(n, n, a) * reference_norm_one(n, n, x);
    bool right = reference_norm_one(n, n, residual) <= bound;
    free(residual);
    free(x);
    free(a);
    return !right;
}

static const struct subject subject = {"inv", NULL, create_dominated, count_wrong};

static void
inverses_are_within_the_bound(void **state)
{
    static const int64_t sizes[][2] = {{1, 1}, {2, 2}, {3, 3}, {7, 7}, {64, 64}, {65, 65}, {100, 100}};
    (void)state;
    subject_check_results(&subject, sizes, sizeof sizes / sizeof sizes[0]);
}

/* Element (1, 0) of the inverse belongs to the dominant element (0, 1). */
static void
the_check_sees_one_wrong_element(void **state)
{
    (void)state;
    subject_check_wrong_element(&subject, 65, 65, 0, 65, 1.5L, 0.0L);
}

/* Not symmetric, and all steps are exact in binary: a transposed answer would show. */
static void
a_known_inverse_is_exact(void **state)
{
    static const double a[] = {0, 2, 0, 0, 0, 4, 1, 0, 0}, x[] = {0, 0, 1, 0.5, 0, 0, 0, 0.25, 0};
    static const double *const inputs[] = {a};
    (void)state;
    subject_check_known(&subject, SHEAF_F64, 3, 3, inputs, x, sizeof x);
}

static void
a_singular_matrix_does_not_stop_the_batch(void **state)
{
    (void)state;
    for (int t = 0; t < FIXTURE_TYPE_COUNT; t++) {
        static const double twice_the_row[] = {1, 2, 2, 4};
        struct fixture fixture;
        create_dominated(&fixture, &subject, fixture_types[t], 2, 2, 4);
        memset(fixture_task_input(&fixture, 0, 1), 0, fixture.input_bytes[0]);
        for (int i = 0; i < 4; i++)
            fixture_set(fixture_types[t], fixture_task_input(&fixture, 0, 2), i, twice_the_row[i]);
        fixture_run(&fixture, 0, 4);
        assert_int_equal(fixture.status[1], SHEAF_TASK_SINGULAR);
        assert_int_equal(fixture.info[1], 1);
        assert_int_equal(fixture.status[2], SHEAF_TASK_SINGULAR);
        assert_int_equal(fixture.info[2], 2);
        for (int64_t task = 0; task < 4; task += 3) {
            assert_int_equal(fixture.status[task], SHEAF_TASK_DONE);
            assert_int_equal(fixture.info[task], 0);
            assert_int_equal(count_wrong(&fixture, task), 0);
        }
        fixture_check_splits(&fixture);
        fixture_destroy(&fixture);
    }
}

static void
a_number_that_is_not_finite_fails_its_task_only(void **state)
{
    (void)state;
    subject_check_not_finite(&subject, 7, 7, 0);
}

/* A row of A is a column to LAPACK: its pivot is the zero one, and no rounding hides it. */
static void
small_matrices_do_not_disturb_each_other(void **state)
{
    static subject_endings endings = {SHEAF_TASK_DONE, SHEAF_TASK_DONE,       SHEAF_TASK_SINGULAR, SHEAF_TASK_DONE,
                                      SHEAF_TASK_DONE, SHEAF_TASK_NOT_FINITE, SHEAF_TASK_DONE};
    (void)state;
    subject_check_neighbours(&subject, subject_spoil_rows, endings);
}

static void
splits_give_the_same_bits(void **state)
{
    static const struct subject undominated = {"inv", NULL, subject_create_matrix, NULL};
    (void)state;
    subject_check_splits(&undominated, 3, 3);
    subject_check_splits(&undominated, 65, 65);
}

static void
shared_operands_give_the_same_bits(void **state)
{
    (void)state;
    subject_check_shared(&subject, 37, 37);
}

static void
costs_are_nominal(void **state)
{
    (void)state;
    subject_check_flops(&subject, SHEAF_F64, 3, 3, 54.0);
    subject_check_flops(&subject, SHEAF_C64, 3, 3, 216.0);
}

static void
the_workspace_holds_pivots_and_a_block_of_columns(void **state)
{
    struct fixture fixture;
    (void)state;
    for (int t = 0; t < FIXTURE_TYPE_COUNT; t++) {
        subject_create_matrix(&fixture, &subject, fixture_types[t], 100, 100, 1);
        assert_true(fixture.workspace_bytes >= 448 + 100 * sheaf_type_size(fixture_types[t]));
        assert_true(fixture.workspace_bytes <= 448 + 100 * 4096 * sheaf_type_size(fixture_types[t]));
        fixture_destroy(&fixture);
    }
}

/* signature_match refuses all three; a caller that asks all the same must not reach LAPACK. */
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
