#include "reference.h"
#include "subject.h"

#include "blas.h"
#include "list.h"

#include <float.h>
#include <limits.h>
#include <math.h>
#include <stdlib.h>

/* What LAPACK's own tests of geqrf and orgqr accept (TESTING/LIN/dqrt01.f, thresh in dtest.in): 30 epsilon max(m, n). */
static long double
threshold(enum sheaf_type type, int64_t m, int64_t n)
{
    return 30.0L * 2.0L * fixture_unit_roundoff(type) * (long double)(m > n ? m : n);
}

/* 0 where |A - Q R| and |Q^H Q - I| are below the threshold, and R is upper triangular with a real diagonal. */
static int64_t
count_wrong(const struct fixture *fixture, int64_t task)
{
    enum sheaf_type type = fixture->problem.inputs[0].type;
    int64_t m = fixture->problem.inputs[0].shape.extent[0], n = fixture->problem.inputs[0].shape.extent[1];
    int64_t k = m < n ? m : n;
    reference_number *a = reference_load(type, fixture_input(fixture, 0, task), m * n);
    reference_number *q = reference_load(type, fixture_output(fixture, 0, task), m * k);
    reference_number *r = reference_load(type, fixture_output(fixture, 1, task), k * n);
    reference_number *product = reference_multiply(m, k, n, q, r), *adjoint = reference_adjoint(m, k, q);
    reference_number *gram = reference_multiply(k, m, k, adjoint, q);
    bool right = true;
    reference_subtract(product, a, m * n);
    for (int64_t i = 0; i < k; i++) {
        gram[i * k + i] -= 1.0L;
        right = right && cimagl(r[i * n + i]) == 0.0L;
        for (int64_t j = 0; j < i; j++)
            right = right && r[i * n + j] == 0.0L;
    }
    right = right && reference_norm_one(m, n, product) <= threshold(type, m, n) * reference_norm_one(m, n, a) &&
            reference_norm_one(k, k, gram) <= threshold(type, m, n);
    free(gram);
    free(adjoint);
    free(product);
    free(r);
    free(q);
    free(a);
    return !right;
}

static const struct subject subject = {"qr", NULL, subject_create_matrix, count_wrong};

static void
factors_are_within_the_threshold(void **state)
{
    (void)state;
    subject_check_results(&subject, subject_sizes, SUBJECT_SIZE_COUNT);
}

static void
deficient_and_ill_conditioned_matrices_are_factored(void **state)
{
    (void)state;
    for (int t = 0; t < FIXTURE_TYPE_COUNT; t++) {
        enum sheaf_type type = fixture_types[t];
        static const long double singular_values[3][5] = {
            {1.0L, 0.5L, 0.0L, 0.0L, 0.0L}, {1.0L, 1e-3L, 1e-6L, 1e-9L, 1e-12L}, {0.0L}};
        struct fixture fixture;
        subject_create_matrix(&fixture, &subject, type, 9, 5, 3);
        for (int64_t task = 0; task < 3; task++) {
            reference_number a[45];
            reference_from_svd(9, 5, sheaf_type_is_complex(type), singular_values[task], a, NULL);
            reference_store(type, fixture_task_input(&fixture, 0, task), a, 45);
        }
        fixture_run(&fixture, 0, 3);
        subject_check_tasks(&subject, &fixture);
        fixture_destroy(&fixture);
    }
}

static void
the_check_sees_one_wrong_element(void **state)
{
    (void)state;
    subject_check_wrong_element(&subject, 37, 7, 0, 3, 1.0L, 0.1L);
    subject_check_wrong_element(&subject, 37, 7, 1, 3, 1.0L, 0.1L);
}

/* The column (3, 4): LAPACK's reflector gives R = -5, Q = -(3, 4) / 5, as numpy.linalg.qr does. */
static void
signs_are_those_of_lapack(void **state)
{
    static const double a[] = {3, 4};
    struct fixture fixture;
    (void)state;
    subject_create_matrix(&fixture, &subject, SHEAF_F64, 2, 1, 1);
    memcpy(fixture.inputs[0], a, sizeof a);
    fixture_run(&fixture, 0, 1);
    const double *q = fixture_output(&fixture, 0, 0), *r = fixture_output(&fixture, 1, 0);
    assert_true(fabs(r[0] + 5.0) < 8.0 * DBL_EPSILON);
    assert_true(fabs(q[0] + 0.6) < 2.0 * DBL_EPSILON && fabs(q[1] + 0.8) < 2.0 * DBL_EPSILON);
    fixture_destroy(&fixture);
}

static void
outputs_not_asked_for_change_nothing(void **state)
{
    (void)state;
    subject_check_omitted(&subject, 40, 37);
}

static void
a_number_that_is_not_finite_fails_its_task_only(void **state)
{
    (void)state;
    subject_check_not_finite(&subject, 7, 5, 34);
}

static void
splits_and_shared_operands_give_the_same_bits(void **state)
{
    (void)state;
    subject_check_splits(&subject, 67, 40);
    subject_check_shared(&subject, 67, 40);
}

static void
costs_are_nominal(void **state)
{
    (void)state;
    subject_check_flops(&subject, SHEAF_F64, 5, 3, 4.0 * 45.0 - 36.0);
    subject_check_flops(&subject, SHEAF_C64, 3, 5, 4.0 * (18.0 * 4.0 + 18.0 * 2.0));
}

/* signature_match refuses all; a caller that asks all the same must not reach LAPACK. */
static void
a_problem_that_was_never_matched_is_refused(void **state)
{
    (void)state;
    subject_check_fits(&subject, SHEAF_F64, 3, INT_MAX, false);
    subject_check_fits(&subject, SHEAF_F64, 3, (int64_t)INT_MAX + 1, false);
    subject_check_refused(&subject, SHEAF_I32, 3, 3);
}

static void
a_matrix_too_wide_for_lapack_is_refused(void **state)
{
    struct sheaf_shape shape = fixture_matrix(1, INT_MAX);
    (void)state;
    fixture_check_refused(
        kernel_find("qr"), SHEAF_F32, &shape, 1, NULL, SHEAF_BAD_DATA,
        "a (1, 2147483647): too large for qr, whose workspace would pass what LAPACK can count; split it");
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(factors_are_within_the_threshold),
        cmocka_unit_test(deficient_and_ill_conditioned_matrices_are_factored),
        cmocka_unit_test(the_check_sees_one_wrong_element),
        cmocka_unit_test(signs_are_those_of_lapack),
        cmocka_unit_test(outputs_not_asked_for_change_nothing),
        cmocka_unit_test(a_number_that_is_not_finite_fails_its_task_only),
        cmocka_unit_test(splits_and_shared_operands_give_the_same_bits),
        cmocka_unit_test(costs_are_nominal),
        cmocka_unit_test(a_problem_that_was_never_matched_is_refused),
        cmocka_unit_test(a_matrix_too_wide_for_lapack_is_refused),
    };
    blas_set_threads(1);
    return cmocka_run_group_tests(tests, NULL, NULL);
}
