#include "reference.h"
#include "subject.h"

#include "blas.h"
#include "list.h"

#include <limits.h>
#include <math.h>
#include <stdlib.h>

enum { SHORTER_MAX = 130 };

/* Put a matrix with these singular values into a task. @return its pseudo-inverse; the caller frees */
static reference_number *
set_task(struct fixture *fixture, int64_t task, const long double *s)
{
    enum sheaf_type type = fixture->problem.inputs[0].type;
    int64_t m = fixture->problem.inputs[0].shape.extent[0], n = fixture->problem.inputs[0].shape.extent[1];
    reference_number *a = reference_zeros(m * n), *pinv = reference_zeros(n * m);
    reference_from_svd(m, n, sheaf_type_is_complex(type), s, a, pinv);
    reference_store(type, fixture_task_input(fixture, 0, task), a, m * n);
    free(a);
    return pinv;
}

/*
 * Whether a result is the pseudo-inverse of a matrix of rank r with these singular values. The SVD is that of A + E,
 * |E| <= e s_1, e = 30 epsilon max(m, n) as LAPACK's own tests of gesdd accept (TESTING/EIG/ddrvbd.f, thresh in svd.in); what is
 * cut off beyond the rank is no more than E again. For equal ranks |B^+ - A^+| <= sqrt(2) |A^+| |B^+| |B - A| in the Frobenius
 * norm (Wedin 1973); so with 2 E, |B^+| <= sqrt(2) |A^+|: 4 e s_1 / s_r |A^+|, and as much again for the product that follows.
 */
static bool
is_pinv(const struct fixture *fixture, int64_t task, const reference_number *pinv, long double condition)
{
    enum sheaf_type type = fixture->problem.inputs[0].type;
    int64_t m = fixture->problem.inputs[0].shape.extent[0], n = fixture->problem.inputs[0].shape.extent[1];
    reference_number *x = reference_load(type, fixture_output(fixture, 0, task), n * m);
    long double e = 30.0L * 2.0L * fixture_unit_roundoff(type) * (long double)(m > n ? m : n);
    reference_subtract(x, pinv, n * m);
    bool right = reference_norm(x, n * m) <= 8.0L * e * condition * reference_norm(pinv, n * m);
    free(x);
    return right;
}

/* Matrices of full rank, their condition at most 2. */
static void
create_full_rank(struct fixture *fixture, const struct subject *subject, enum sheaf_type type, int64_t m, int64_t n,
                 int64_t count)
{
    long double s[SHORTER_MAX];
    reference_fill_singular_values(s, SHORTER_MAX, SHORTER_MAX);
    subject_create_matrix(fixture, subject, type, m, n, count);
    for (int64_t task = 0; task < count; task++)
        free(set_task(fixture, task, s));
}

static int64_t
count_wrong(const struct fixture *fixture, int64_t task)
{
    const struct sheaf_array *input = &fixture->problem.inputs[0];
    const int64_t m = input->shape.extent[0], n = input->shape.extent[1];
    long double s[SHORTER_MAX];
    reference_number *a = reference_zeros(m * n), *pinv = reference_zeros(n * m);
    reference_fill_singular_values(s, SHORTER_MAX, SHORTER_MAX);
    reference_from_svd(m, n, sheaf_type_is_complex(input->type), s, a, pinv);
    const bool right = is_pinv(fixture, task, pinv, 2.0L);
    free(a);
    free(pinv);
    return !right;
}

static const struct subject subject = {"pinv", NULL, create_full_rank, count_wrong};

static void
results_are_within_the_bound(void **state)
{
    (void)state;
    subject_check_results(&subject, subject_sizes, SUBJECT_SIZE_COUNT);
}

/* Rounded to their type, they have small singular values instead of 0: rcond says that these count as 0. */
static void
deficient_matrices_need_rcond(void **state)
{
    (void)state;
    for (int t = 0; t < FIXTURE_TYPE_COUNT; t++) {
        for (int i = 3; i < SUBJECT_SIZE_COUNT; i++) {
            long double s[SHORTER_MAX];
            struct fixture fixture;
            reference_fill_singular_values(s, SHORTER_MAX, 1 + i % 2);
            subject_create_matrix(&fixture, &subject, fixture_types[t], subject_sizes[i][0], subject_sizes[i][1], 1);
            reference_number *pinv = set_task(&fixture, 0, s);
            fixture.problem.parameters[0].real = 1e-3;
            fixture_run(&fixture, 0, 1);
            assert_true(is_pinv(&fixture, 0, pinv, 2.0L));
            free(pinv);
            fixture_destroy(&fixture);
        }
    }
}

/* numpy.linalg.pinv([[4, 0], [0, 1]], rcond=r): the cut is relative to the greatest, and what equals it goes. */
static void
rcond_cuts_off_what_is_not_greater(void **state)
{
    static const double a[] = {4, 0, 0, 1}, rcond[] = {0.0, 0.24, 0.25, 1.0};
    static const double expected[][2] = {{0.25, 1.0}, {0.25, 1.0}, {0.25, 0.0}, {0.0, 0.0}};
    (void)state;
    for (int i = 0; i < 4; i++) {
        struct fixture fixture;
        subject_create_matrix(&fixture, &subject, SHEAF_F64, 2, 2, 1);
        memcpy(fixture.inputs[0], a, sizeof a);
        fixture.problem.parameters[0].real = rcond[i];
        fixture_run(&fixture, 0, 1);
        const double *x = fixture_output(&fixture, 0, 0);
        assert_true(fabs(x[0] - expected[i][0]) < 1e-15 && fabs(x[1]) < 1e-15);
        assert_true(fabs(x[3] - expected[i][1]) < 1e-15 && fabs(x[2]) < 1e-15);
        fixture_destroy(&fixture);
    }
}

/* A column (2i, 0): its pseudo-inverse is the row (-i/2, 0), conjugated. */
static void
a_known_result_is_conjugated(void **state)
{
    static const double a[] = {0, 2, 0, 0};
    struct fixture fixture;
    (void)state;
    subject_create_matrix(&fixture, &subject, SHEAF_C128, 2, 1, 1);
    memcpy(fixture.inputs[0], a, sizeof a);
    fixture_run(&fixture, 0, 1);
    const double *x = fixture_output(&fixture, 0, 0);
    assert_true(fabs(x[0]) < 1e-15 && fabs(x[1] + 0.5) < 1e-15 && fabs(x[2]) < 1e-15 && fabs(x[3]) < 1e-15);
    fixture_destroy(&fixture);
}

static void
an_ill_conditioned_matrix_is_within_its_bound(void **state)
{
    (void)state;
    for (int t = 0; t < FIXTURE_TYPE_COUNT; t++) {
        const long double s[] = {1.0L, 0.1L, 1e-2L, 1e-3L};
        struct fixture fixture;
        subject_create_matrix(&fixture, &subject, fixture_types[t], 9, 4, 1);
        reference_number *pinv = set_task(&fixture, 0, s);
        fixture_run(&fixture, 0, 1);
        assert_true(is_pinv(&fixture, 0, pinv, 1e3L));
        free(pinv);
        fixture_destroy(&fixture);
    }
}

static void
the_check_sees_one_wrong_element(void **state)
{
    (void)state;
    subject_check_wrong_element(&subject, 37, 7, 0, 3, 1.0L, 0.1L);
}

static void
failing_tasks_leave_the_others_right(void **state)
{
    (void)state;
    for (int t = 0; t < FIXTURE_TYPE_COUNT; t++) {
        struct fixture fixture;
        create_full_rank(&fixture, &subject, fixture_types[t], 7, 5, 4);
        fixture_set(fixture_types[t], fixture_task_input(&fixture, 0, 1), 34, (long double)NAN);
        memset(fixture_task_input(&fixture, 0, 2), 0, fixture.input_bytes[0]);
        fixture_run(&fixture, 0, 4);
        static const uint8_t status[] = {SHEAF_TASK_DONE, SHEAF_TASK_NOT_FINITE, SHEAF_TASK_DONE, SHEAF_TASK_DONE};
        assert_memory_equal(fixture.status, status, sizeof status);
        assert_int_equal(count_wrong(&fixture, 0), 0);
        assert_int_equal(count_wrong(&fixture, 3), 0);
        /* The pseudo-inverse of zeros is zeros. */
        for (int64_t i = 0; i < 35; i++)
            assert_true(fixture_get(fixture_types[t], fixture_output(&fixture, 0, 2), i) == 0.0L);
        fixture_check_splits(&fixture);
        fixture_destroy(&fixture);
    }
    subject_check_not_finite(&subject, 7, 5, 0);
}

static void
splits_and_shared_operands_give_the_same_bits(void **state)
{
    static const struct subject any = {"pinv", NULL, subject_create_matrix, NULL};
    (void)state;
    subject_check_splits(&any, 67, 40);
    subject_check_shared(&any, 67, 40);
}

/* Golub and Van Loan's 6 m n^2 + 20 n^3 or 14 m n^2 + 8 n^3, and the product. */
static void
costs_are_nominal(void **state)
{
    (void)state;
    subject_check_flops(&subject, SHEAF_F64, 3, 2, 14.0 * 12.0 + 8.0 * 8.0 + 24.0);
    subject_check_flops(&subject, SHEAF_C64, 10, 2, 4.0 * (6.0 * 40.0 + 20.0 * 8.0 + 80.0));
}

static void
a_matrix_too_large_for_lapack_is_refused(void **state)
{
    struct sheaf_shape shape = fixture_matrix(30000, 30000);
    (void)state;
    fixture_check_refused(
        kernel_find("pinv"), SHEAF_F64, &shape, 1, NULL, SHEAF_BAD_DATA,
        "a (30000, 30000): too large for pinv, whose workspace would pass what LAPACK can count; split "
        "it");
    subject_check_refused(&subject, SHEAF_I32, 3, 2);
    subject_check_fits(&subject, SHEAF_F64, (int64_t)INT_MAX + 1, 2, false);
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(results_are_within_the_bound),
        cmocka_unit_test(deficient_matrices_need_rcond),
        cmocka_unit_test(rcond_cuts_off_what_is_not_greater),
        cmocka_unit_test(a_known_result_is_conjugated),
        cmocka_unit_test(an_ill_conditioned_matrix_is_within_its_bound),
        cmocka_unit_test(the_check_sees_one_wrong_element),
        cmocka_unit_test(failing_tasks_leave_the_others_right),
        cmocka_unit_test(splits_and_shared_operands_give_the_same_bits),
        cmocka_unit_test(costs_are_nominal),
        cmocka_unit_test(a_matrix_too_large_for_lapack_is_refused),
    };
    blas_set_threads(1);
    return cmocka_run_group_tests(tests, NULL, NULL);
}
