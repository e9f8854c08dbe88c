#include "reference.h"
#include "subject.h"

#include "blas.h"

#include <limits.h>
#include <math.h>
#include <stdlib.h>

/* Whether P (m,m) holds a single 1 in each row and column, and 0 else. */
static bool
is_permutation(const reference_number *p, int64_t m)
{
    for (int64_t i = 0; i < m; i++) {
        int64_t in_row = 0, in_column = 0;
        for (int64_t j = 0; j < m; j++) {
            if (p[i * m + j] != 0.0L && p[i * m + j] != 1.0L)
                return false;
            in_row += p[i * m + j] == 1.0L;
            in_column += p[j * m + i] == 1.0L;
        }
        if (in_row != 1 || in_column != 1)
            return false;
    }
    return true;
}

/* Whether L (m,k) is unit lower with no element past what pivoting allows, by |real| + |imaginary|, and U (k,n) upper. */
static bool
are_triangles(enum sheaf_type type, const reference_number *l, const reference_number *u, int64_t m, int64_t n)
{
    const int64_t k = m < n ? m : n;
    const long double slack = 1.0L + 8.0L * fixture_unit_roundoff(type);
    bool right = true;
    for (int64_t i = 0; i < m; i++)
        for (int64_t j = 0; j < k; j++)
            right = right && (j > i    ? l[i * k + j] == 0.0L
                              : j == i ? l[i * k + j] == 1.0L
                                       : cabsl(l[i * k + j]) <= sqrtl(2.0L) * slack);
    for (int64_t i = 0; i < k; i++)
        for (int64_t j = 0; j < i; j++)
            right = right && u[i * n + j] == 0.0L;
    return right;
}

/*
 * 0 where A = P L U: |P^T A - L U| <= gamma_k |L| |U| elementwise (Higham, Accuracy and Stability of Numerical Algorithms,
 * 2nd ed., theorem 9.3); two more roundings are for multiplying by reciprocals of pivots.
 */
static int64_t
count_wrong(const struct fixture *fixture, int64_t task)
{
    enum sheaf_type type = fixture->problem.inputs[0].type;
    int64_t m = fixture->problem.inputs[0].shape.extent[0], n = fixture->problem.inputs[0].shape.extent[1];
    int64_t k = m < n ? m : n;
    reference_number *a = reference_load(type, fixture_input(fixture, 0, task), m * n);
    reference_number *p = reference_load(fixture->problem.outputs[0].type, fixture_output(fixture, 0, task), m * m);
    reference_number *l = reference_load(type, fixture_output(fixture, 1, task), m * k);
    reference_number *u = reference_load(type, fixture_output(fixture, 2, task), k * n);
    bool right = is_permutation(p, m) && are_triangles(type, l, u, m, n);
    reference_number *lu = reference_multiply(m, k, n, l, u), *plu = reference_multiply(m, m, n, p, lu);
    reference_take_magnitudes(l, m * k);
    reference_take_magnitudes(u, k * n);
    reference_number *size = reference_multiply(m, k, n, l, u), *bound = reference_multiply(m, m, n, p, size);
    for (int64_t i = 0; i < m * n; i++)
        right = right && cabsl(plu[i] - a[i]) <= reference_gamma(type, (long double)k + 2.0L) * creall(bound[i]);
    free(bound);
    free(size);
    free(plu);
    free(lu);
    free(u);
    free(l);
    free(p);
    free(a);
    return !right;
}

static const struct subject subject = {"lu", NULL, subject_create_matrix, count_wrong};

static void
factors_are_within_the_bound(void **state)
{
    (void)state;
    subject_check_results(&subject, subject_sizes, SUBJECT_SIZE_COUNT);
}

/* A zero column, a repeated row, all zeros, and nearly singular: all are done, and right. */
static void
singular_matrices_are_no_failure(void **state)
{
    (void)state;
    for (int t = 0; t < FIXTURE_TYPE_COUNT; t++) {
        enum sheaf_type type = fixture_types[t];
        static const long double singular_values[5] = {1.0L, 1e-3L, 1e-9L, 1e-18L, 0.0L};
        struct fixture fixture;
        subject_create_matrix(&fixture, &subject, type, 5, 5, 4);
        unsigned char *a = fixture.inputs[0];
        size_t bytes = fixture.input_bytes[0];
        for (int64_t i = 0; i < 5; i++)
            fixture_set(type, a, i * 5 + 2, 0.0L);
        memcpy(a + bytes + 15 * sheaf_type_size(type), a + bytes, 5 * sheaf_type_size(type));
        memset(a + 2 * bytes, 0, bytes);
        reference_number nearly[25];
        reference_from_svd(5, 5, sheaf_type_is_complex(type), singular_values, nearly, NULL);
        reference_store(type, a + 3 * bytes, nearly, 25);
        fixture_run(&fixture, 0, 4);
        subject_check_tasks(&subject, &fixture);
        assert_true(fixture_get(type, fixture_output(&fixture, 2, 0), 2 * 5 + 2) == 0.0L);
        fixture_destroy(&fixture);
    }
}

static void
the_check_sees_one_wrong_element(void **state)
{
    (void)state;
    subject_check_wrong_element(&subject, 37, 7, 0, 0, 0.5L, 0.01L);
    subject_check_wrong_element(&subject, 37, 7, 1, 36 * 7, 0.5L, 0.01L);
    subject_check_wrong_element(&subject, 37, 7, 2, 0, 0.5L, 0.01L);
}

/* scipy.linalg.lu([[0, 2], [0, 4], [1, 3]]): P has the rows' order, not its inverse. */
static void
a_known_result_is_exact(void **state)
{
    static const double a[] = {0, 2, 0, 4, 1, 3}, p[] = {0, 0, 1, 0, 1, 0, 1, 0, 0};
    static const double l[] = {1, 0, 0, 1, 0, 0.5}, u[] = {1, 3, 0, 4};
    struct fixture fixture;
    (void)state;
    subject_create_matrix(&fixture, &subject, SHEAF_F64, 3, 2, 1);
    memcpy(fixture.inputs[0], a, sizeof a);
    fixture_run(&fixture, 0, 1);
    const double *const expected[] = {p, l, u};
    for (int output = 0; output < 3; output++)
        for (size_t i = 0; i < fixture.output_bytes[output] / sizeof(double); i++)
            assert_true(((const double *)fixture.outputs[output])[i] == expected[output][i]);
    fixture_destroy(&fixture);
    /* A cycle of three rows, where P and its inverse differ. */
    static const double cycle[] = {0, 2, 0, 0, 0, 4, 1, 0, 0}, p3[] = {0, 1, 0, 0, 0, 1, 1, 0, 0};
    subject_create_matrix(&fixture, &subject, SHEAF_F64, 3, 3, 1);
    memcpy(fixture.inputs[0], cycle, sizeof cycle);
    fixture_run(&fixture, 0, 1);
    assert_memory_equal(fixture.outputs[0], p3, sizeof p3);
    fixture_destroy(&fixture);
}

static void
types_follow_scipy(void **state)
{
    (void)state;
    for (int t = 0; t < FIXTURE_TYPE_COUNT; t++) {
        struct fixture fixture;
        subject_create_matrix(&fixture, &subject, fixture_types[t], 3, 2, 1);
        assert_int_equal(fixture.problem.outputs[0].type, fixture_real_types[t]);
        assert_int_equal(fixture.problem.outputs[1].type, fixture_types[t]);
        assert_int_equal(fixture.problem.outputs[2].type, fixture_types[t]);
        fixture_destroy(&fixture);
    }
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
    subject_check_flops(&subject, SHEAF_F64, 5, 3, 36.0);
    subject_check_flops(&subject, SHEAF_C128, 3, 5, 144.0);
}

/* signature_match refuses all; a caller that asks all the same must not reach LAPACK. */
static void
a_problem_that_was_never_matched_is_refused(void **state)
{
    (void)state;
    subject_check_fits(&subject, SHEAF_C128, INT_MAX, INT_MAX, false);
    subject_check_fits(&subject, SHEAF_C128, 1, (int64_t)INT_MAX + 1, false);
    subject_check_refused(&subject, SHEAF_I32, 3, 3);
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(factors_are_within_the_bound),
        cmocka_unit_test(singular_matrices_are_no_failure),
        cmocka_unit_test(the_check_sees_one_wrong_element),
        cmocka_unit_test(a_known_result_is_exact),
        cmocka_unit_test(types_follow_scipy),
        cmocka_unit_test(outputs_not_asked_for_change_nothing),
        cmocka_unit_test(a_number_that_is_not_finite_fails_its_task_only),
        cmocka_unit_test(splits_and_shared_operands_give_the_same_bits),
        cmocka_unit_test(costs_are_nominal),
        cmocka_unit_test(a_problem_that_was_never_matched_is_refused),
    };
    blas_set_threads(1);
    return cmocka_run_group_tests(tests, NULL, NULL);
}
