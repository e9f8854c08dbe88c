#include "reference.h"
#include "subject.h"

#include "blas.h"

#include <limits.h>
#include <math.h>
#include <stdlib.h>

enum { SIGN = 0, LOGARITHM = 1 };

static void
set_task(struct fixture *fixture, int64_t task, const double *elements)
{
    void *a = fixture_task_input(fixture, 0, task);
    int64_t m = fixture->problem.inputs[0].shape.extent[0];
    for (int64_t i = 0; i < m * m; i++)
        fixture_set(fixture->problem.inputs[0].type, a, i, elements[i]);
}

static long double complex
output(const struct fixture *fixture, int index, int64_t task)
{
    return fixture_get(fixture->problem.outputs[index].type, fixture_output(fixture, index, task), 0);
}

/* A determinant as the reference finds it, and how far rounding may move it. */
struct expected {
    long double complex sign;
    long double logarithm;
    long double relative_error;
};

/* Exchange two rows of an (m,m). */
static void
exchange(reference_number *a, int64_t m, int64_t row, int64_t other)
{
    for (int64_t j = 0; j < m && row != other; j++) {
        reference_number kept = a[row * m + j];
        a[row * m + j] = a[other * m + j];
        a[other * m + j] = kept;
    }
}

/*
 * P A = L U by partial pivoting, in place, with pivots chosen by |re| + |im| as LAPACK does (izamax)
 * @return the sign of P
 */
static long double
factor(reference_number *a, int64_t m)
{
    long double sign = 1.0L;
    for (int64_t k = 0; k < m; k++) {
        int64_t pivot = k;
        for (int64_t i = k; i < m; i++) {
            reference_number x = a[i * m + k], y = a[pivot * m + k];
            if (fabsl(creall(x)) + fabsl(cimagl(x)) > fabsl(creall(y)) + fabsl(cimagl(y)))
                pivot = i;
        }
        exchange(a, m, k, pivot);
        sign = pivot == k ? sign : -sign;
        for (int64_t i = k + 1; i < m; i++) {
            a[i * m + k] /= a[k * m + k];
            for (int64_t j = k + 1; j < m; j++)
                a[i * m + j] -= a[i * m + k] * a[k * m + j];
        }
    }
    return sign;
}

/* |inv(U)| |inv(L)|, from L and U in one matrix: what a change of P A is multiplied with, at most. The caller frees. */
static reference_number *
inverse_magnitudes(const reference_number *lu, int64_t m)
{
    reference_number *l = reference_zeros(m * m), *u = reference_zeros(m * m);
    for (int64_t column = 0; column < m; column++) {
        l[column * m + column] = 1.0L;
        for (int64_t i = column + 1; i < m; i++)
            for (int64_t k = column; k < i; k++)
                l[i * m + column] -= lu[i * m + k] * l[k * m + column];
        for (int64_t i = column; i >= 0; i--) {
            u[i * m + column] = i == column ? 1.0L : 0.0L;
            for (int64_t k = i + 1; k <= column; k++)
                u[i * m + column] -= lu[i * m + k] * u[k * m + column];
            u[i * m + column] /= lu[i * m + i];
        }
    }
    reference_number *inverse = reference_multiply(m, m, m, u, l);
    reference_take_magnitudes(inverse, m * m);
    free(l);
    free(u);
    return inverse;
}

/* |L| |U|. The caller frees. */
static reference_number *
factor_magnitudes(const reference_number *lu, int64_t m)
{
    reference_number *l = reference_zeros(m * m), *u = reference_zeros(m * m);
    for (int64_t i = 0; i < m; i++)
        for (int64_t j = 0; j < m; j++)
            *(j < i ? &l[i * m + j] : &u[i * m + j]) = lu[i * m + j];
    for (int64_t i = 0; i < m; i++)
        l[i * m + i] = 1.0L;
    reference_take_magnitudes(l, m * m);
    reference_take_magnitudes(u, m * m);
    reference_number *product = reference_multiply(m, m, m, l, u);
    free(l);
    free(u);
    return product;
}

/*
 * LAPACK factors what it sees, the transpose: P A^T + E = L U with |E| <= gamma_m |L| |U| (Higham, Accuracy and Stability of
 * Numerical Algorithms, 2nd ed., theorem 9.3), and det(B + E) = det(B) (1 + trace(inv(B) E) + ...): a relative error of
 * at most the sum over |inv(B)|^T . gamma_m |L| |U|, and gamma_m for the product of the diagonal. Twice that is for the
 * terms of second order, and for the computed L and U in place of the exact ones.
 */
static struct expected
expect(const struct fixture *fixture, int64_t task)
{
    enum sheaf_type type = fixture->problem.inputs[0].type;
    int64_t m = fixture->problem.inputs[0].shape.extent[0];
    reference_number *a = reference_load(type, fixture_input(fixture, 0, task), m * m), *lu = reference_zeros(m * m);
    for (int64_t i = 0; i < m * m; i++)
        lu[i] = a[i % m * m + i / m];
    struct expected expected = {.sign = factor(lu, m)};
    reference_number *inverse = inverse_magnitudes(lu, m), *factors = factor_magnitudes(lu, m);
    long double sum = 1.0L;
    for (int64_t i = 0; i < m; i++) {
        expected.sign *= lu[i * m + i] / cabsl(lu[i * m + i]);
        expected.logarithm += logl(cabsl(lu[i * m + i]));
        for (int64_t j = 0; j < m; j++)
            sum += creall(inverse[i * m + j] * factors[j * m + i]);
    }
    expected.relative_error = 2.0L * reference_gamma(type, (long double)m) * sum;
    free(a);
    free(lu);
    free(inverse);
    free(factors);
    return expected;
}

static const int64_t sizes[][2] = {{1, 1}, {2, 2}, {3, 3}, {7, 7}, {64, 64}, {65, 65}, {130, 130}};
enum { SIZE_COUNT = sizeof sizes / sizeof sizes[0] };

/*
 * Every task's matrix is dominated, in each row, by one element that stands right of the diagonal (cyclically): rows are
 * exchanged to find it, the bound is small, and so is the determinant of a large matrix.
 */
static void
create_dominated(struct fixture *fixture, const struct subject *subject, enum sheaf_type type, int64_t m, int64_t n,
                 int64_t count)
{
    subject_create_matrix(fixture, subject, type, m, n, count);
    for (int64_t task = 0; task < count; task++) {
        void *a = fixture_task_input(fixture, 0, task);
        for (int64_t i = 0; i < m * m; i++) {
            long double complex small = fixture_get(type, a, i) / (2.0L * (long double)m);
            bool dominant = i % m == (i / m + 1) % m;
            fixture_set(type, a, i, small + (!dominant ? 0.0L : creall(small) < 0.0L ? -1.5L : 1.5L));
        }
    }
}

/* Whether row m / 2, one of zeros, makes the determinant 0 and nothing else. */
static bool
has_zero_row(const struct fixture *fixture, int64_t task)
{
    int64_t m = fixture->problem.inputs[0].shape.extent[0];
    bool zero = true;
    for (int64_t j = 0; j < m; j++)
        zero = zero &&
               fixture_get(fixture->problem.inputs[0].type, fixture_input(fixture, 0, task), m / 2 * m + j) == 0.0L;
    return zero;
}

/* Whether a determinant is not within the bound, which is one that says something. */
static int64_t
count_wrong_det(const struct fixture *fixture, int64_t task)
{
    if (has_zero_row(fixture, task))
        return !(output(fixture, 0, task) == 0.0L);
    struct expected expected = expect(fixture, task);
    long double complex det = expected.sign * expl(expected.logarithm);
    return !(expected.relative_error < 0.05L &&
             cabsl(output(fixture, 0, task) - det) <= expected.relative_error * cabsl(det));
}

/* As the determinant itself; the logarithm, rounded to its type, by the same amount and half a unit of its own. */
static int64_t
count_wrong_slogdet(const struct fixture *fixture, int64_t task)
{
    enum sheaf_type type = fixture->problem.inputs[0].type;
    if (has_zero_row(fixture, task))
        return !(output(fixture, SIGN, task) == 0.0L &&
                 creall(output(fixture, LOGARITHM, task)) == -(long double)INFINITY);
    struct expected expected = expect(fixture, task);
    long double limit = expected.relative_error + 2.0L * fixture_unit_roundoff(type) * fabsl(expected.logarithm);
    long double complex sign = output(fixture, SIGN, task);
    return !(limit < 0.05L && cabsl(sign - expected.sign) <= expected.relative_error &&
             fabsl(creall(output(fixture, LOGARITHM, task)) - expected.logarithm) <= limit &&
             (sheaf_type_is_complex(type) || sign == expected.sign));
}

static const struct subject det_subject = {"det", NULL, create_dominated, count_wrong_det};
static const struct subject slogdet_subject = {"slogdet", NULL, create_dominated, count_wrong_slogdet};
static const struct subject *const subjects[] = {&det_subject, &slogdet_subject};

static void
determinants_are_within_the_bound(void **state)
{
    (void)state;
    subject_check_results(&det_subject, sizes, SIZE_COUNT);
}

static void
logarithms_are_within_the_bound(void **state)
{
    (void)state;
    subject_check_results(&slogdet_subject, sizes, SIZE_COUNT);
}

static void
the_checks_see_a_wrong_result(void **state)
{
    (void)state;
    subject_check_wrong_element(&det_subject, 7, 7, 0, 0, 1.1L, 0.0L);
    subject_check_wrong_element(&slogdet_subject, 7, 7, SIGN, 0, -1.0L, 0.0L);
    subject_check_wrong_element(&slogdet_subject, 7, 7, LOGARITHM, 0, 1.0L, 0.1L);
}

/* Small integers: no rounding; an even and an odd permutation; a transposed or conjugated answer would show. */
static void
known_determinants_are_exact(void **state)
{
    static const double odd[] = {0, 2, 0, 3, 0, 0, 0, 0, 5}, even[] = {0, 2, 0, 0, 0, 3, 5, 0, 0};
    static const double singular[] = {1, 2, 4, 2, 4, 8, 0, 0, 1};
    (void)state;
    for (int t = 0; t < FIXTURE_TYPE_COUNT; t++) {
        struct fixture det, logarithm;
        subject_create_matrix(&det, &det_subject, fixture_types[t], 3, 3, 3);
        subject_create_matrix(&logarithm, &slogdet_subject, fixture_types[t], 3, 3, 3);
        set_task(&det, 0, odd);
        set_task(&det, 1, even);
        set_task(&det, 2, singular);
        memcpy(logarithm.inputs[0], det.inputs[0], 3 * det.input_bytes[0]);
        fixture_run(&det, 0, 3);
        fixture_run(&logarithm, 0, 3);
        assert_true(output(&det, 0, 0) == -30.0L && output(&det, 0, 1) == 30.0L && output(&det, 0, 2) == 0.0L);
        assert_true(output(&logarithm, SIGN, 0) == -1.0L && output(&logarithm, SIGN, 1) == 1.0L);
        for (int64_t task = 0; task < 2; task++)
            assert_true(fabsl(creall(output(&logarithm, LOGARITHM, task)) - logl(30.0L)) <=
                        4.0L * 4.0L * fixture_unit_roundoff(fixture_types[t]));
        assert_true(output(&logarithm, SIGN, 2) == 0.0L);
        assert_true(creall(output(&logarithm, LOGARITHM, 2)) == -(long double)INFINITY);
        for (int64_t task = 0; task < 3; task++) {
            assert_int_equal(det.status[task], SHEAF_TASK_DONE);
            assert_int_equal(det.info[task], 0);
            assert_int_equal(logarithm.status[task], SHEAF_TASK_DONE);
            assert_int_equal(logarithm.info[task], 0);
        }
        fixture_destroy(&det);
        fixture_destroy(&logarithm);
    }
}

/* (i 0; 0 2): 2i. */
static void
a_complex_determinant_has_its_phase(void **state)
{
    static const double a[] = {0, 1, 0, 0, 0, 0, 2, 0};
    struct fixture det, logarithm;
    (void)state;
    subject_create_matrix(&det, &det_subject, SHEAF_C128, 2, 2, 1);
    subject_create_matrix(&logarithm, &slogdet_subject, SHEAF_C128, 2, 2, 1);
    memcpy(det.inputs[0], a, sizeof a);
    memcpy(logarithm.inputs[0], a, sizeof a);
    fixture_run(&det, 0, 1);
    fixture_run(&logarithm, 0, 1);
    assert_true(output(&det, 0, 0) == 2.0L * I);
    assert_true(output(&logarithm, SIGN, 0) == 1.0L * I);
    assert_int_equal(logarithm.problem.outputs[SIGN].type, SHEAF_C128);
    assert_int_equal(logarithm.problem.outputs[LOGARITHM].type, SHEAF_F64);
    fixture_destroy(&det);
    fixture_destroy(&logarithm);
}

/* diag(x, 1/x, x, 1/x, ...) to the ends of the range, where a plain product passes it; and determinants that do pass it. */
static void
only_the_result_can_overflow(void **state)
{
    enum { M = 8 };
    (void)state;
    for (int t = 0; t < FIXTURE_TYPE_COUNT; t++) {
        bool single = fixture_is_single(fixture_types[t]);
        double large = single ? 0x1p100 : 0x1p1000;
        double balanced[M * M] = {0}, infinite[M * M] = {0}, zero[M * M] = {0};
        struct fixture det, logarithm;
        for (int i = 0; i < M; i++) {
            balanced[i * M + i] = i < M / 2 ? large : 1.0 / large;
            infinite[i * M + i] = -large;
            zero[i * M + i] = 1.0 / large;
        }
        infinite[0] = large;
        subject_create_matrix(&det, &det_subject, fixture_types[t], M, M, 3);
        subject_create_matrix(&logarithm, &slogdet_subject, fixture_types[t], M, M, 3);
        set_task(&det, 0, balanced);
        set_task(&det, 1, infinite);
        set_task(&det, 2, zero);
        memcpy(logarithm.inputs[0], det.inputs[0], 3 * det.input_bytes[0]);
        fixture_run(&det, 0, 3);
        fixture_run(&logarithm, 0, 3);
        assert_true(output(&det, 0, 0) == 1.0L);
        assert_true(creall(output(&det, 0, 1)) == -(long double)INFINITY);
        assert_true(output(&det, 0, 2) == 0.0L);
        assert_true(output(&logarithm, LOGARITHM, 0) == 0.0L);
        long double exact = M * logl((long double)large),
                    limit = exact * 2.0L * fixture_unit_roundoff(fixture_types[t]);
        assert_true(fabsl(creall(output(&logarithm, LOGARITHM, 1)) - exact) <= limit);
        assert_true(fabsl(creall(output(&logarithm, LOGARITHM, 2)) + exact) <= limit);
        assert_true(output(&logarithm, SIGN, 1) == -1.0L && output(&logarithm, SIGN, 2) == 1.0L);
        fixture_destroy(&det);
        fixture_destroy(&logarithm);
    }
}

/* Factors that overflow, and pivots whose reciprocals do, at both ends of the range; the last one cannot be helped. */
static void
factors_may_leave_the_range(void **state)
{
    (void)state;
    for (int t = 0; t < FIXTURE_TYPE_COUNT; t++) {
        bool single = fixture_is_single(fixture_types[t]);
        double huge = single ? 0x1p127 : 0x1p1023, tiny = single ? 0x1p-149 : 0x1p-1074;
        const double growing[] = {huge, huge, 0, -huge, huge, 0, 0, 0, huge};
        const double subnormal[] = {3 * tiny, 4 * tiny, 0, 2 * tiny, 5 * tiny, 0, 0, 0, tiny};
        const double singular[] = {tiny, 2 * tiny, 0, tiny, 2 * tiny, 0, 0, 0, tiny};
        const double graded[] = {1, 0, 0, 0, tiny, 0, 0, 0, 1}, hopeless[] = {huge, 0, 0, 0, tiny, 0, 0, 0, 1};
        struct fixture fixture;
        subject_create_matrix(&fixture, &slogdet_subject, fixture_types[t], 3, 3, 5);
        set_task(&fixture, 0, growing);
        set_task(&fixture, 1, subnormal);
        set_task(&fixture, 2, graded);
        set_task(&fixture, 3, singular);
        set_task(&fixture, 4, hopeless);
        fixture_run(&fixture, 0, 5);
        long double exact[] = {logl(2.0L) + 3.0L * logl((long double)huge), logl(7.0L) + 3.0L * logl((long double)tiny),
                               logl((long double)tiny)};
        for (int64_t task = 0; task < 3; task++) {
            long double found = creall(output(&fixture, LOGARITHM, task));
            assert_int_equal(fixture.status[task], SHEAF_TASK_DONE);
            assert_true(output(&fixture, SIGN, task) == 1.0L);
            assert_true(fabsl(found / exact[task] - 1.0L) <= 4.0L * fixture_unit_roundoff(fixture_types[t]));
        }
        assert_int_equal(fixture.status[3], SHEAF_TASK_DONE);
        assert_true(output(&fixture, SIGN, 3) == 0.0L);
        assert_int_equal(fixture.status[4], SHEAF_TASK_KERNEL_FAILED);
        assert_int_equal(fixture.info[4], 0);
        fixture_check_splits(&fixture);
        fixture_destroy(&fixture);
    }
}

static void
zeros_have_the_determinant_zero(void **state)
{
    (void)state;
    for (int t = 0; t < FIXTURE_TYPE_COUNT; t++) {
        for (int i = 0; i < 2; i++) {
            struct fixture fixture;
            subject_create_matrix(&fixture, subjects[i], fixture_types[t], 7, 7, 1);
            memset(fixture.inputs[0], 0, fixture.input_bytes[0]);
            fixture_run(&fixture, 0, 1);
            subject_check_tasks(subjects[i], &fixture);
            fixture_destroy(&fixture);
        }
    }
}

static void
a_number_that_is_not_finite_fails_its_task_only(void **state)
{
    (void)state;
    subject_check_not_finite(&det_subject, 7, 7, 7);
    subject_check_not_finite(&slogdet_subject, 7, 7, 7);
}

static void
small_matrices_do_not_disturb_each_other(void **state)
{
    static subject_endings endings = {SHEAF_TASK_DONE, SHEAF_TASK_DONE,       SHEAF_TASK_DONE, SHEAF_TASK_DONE,
                                      SHEAF_TASK_DONE, SHEAF_TASK_NOT_FINITE, SHEAF_TASK_DONE};
    (void)state;
    subject_check_neighbours(&det_subject, subject_spoil_rows, endings);
}

static void
splits_shared_operands_and_omitted_outputs_give_the_same_bits(void **state)
{
    static const struct subject undominated = {"slogdet", NULL, subject_create_matrix, NULL};
    (void)state;
    for (int i = 2; i < SIZE_COUNT; i++) {
        subject_check_splits(&undominated, sizes[i][0], sizes[i][1]);
        subject_check_omitted(&undominated, sizes[i][0], sizes[i][1]);
    }
    subject_check_shared(&det_subject, 37, 37);
    subject_check_shared(&slogdet_subject, 37, 37);
}

static void
costs_are_nominal(void **state)
{
    (void)state;
    subject_check_flops(&det_subject, SHEAF_F64, 3, 3, 18.0);
    subject_check_flops(&slogdet_subject, SHEAF_C64, 3, 3, 72.0);
}

/* signature_match refuses them; a caller that asks all the same must not reach LAPACK. */
static void
a_problem_that_was_never_matched_is_refused(void **state)
{
    (void)state;
    for (int i = 0; i < 2; i++) {
        subject_check_fits(subjects[i], SHEAF_F64, (int64_t)INT_MAX + 1, (int64_t)INT_MAX + 1, false);
        subject_check_fits(subjects[i], SHEAF_C128, INT_MAX, INT_MAX, false);
        subject_check_fits(subjects[i], SHEAF_I32, 3, 3, false);
    }
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(determinants_are_within_the_bound),
        cmocka_unit_test(logarithms_are_within_the_bound),
        cmocka_unit_test(the_checks_see_a_wrong_result),
        cmocka_unit_test(known_determinants_are_exact),
        cmocka_unit_test(a_complex_determinant_has_its_phase),
        cmocka_unit_test(only_the_result_can_overflow),
        cmocka_unit_test(factors_may_leave_the_range),
        cmocka_unit_test(zeros_have_the_determinant_zero),
        cmocka_unit_test(a_number_that_is_not_finite_fails_its_task_only),
        cmocka_unit_test(small_matrices_do_not_disturb_each_other),
        cmocka_unit_test(splits_shared_operands_and_omitted_outputs_give_the_same_bits),
        cmocka_unit_test(costs_are_nominal),
        cmocka_unit_test(a_problem_that_was_never_matched_is_refused),
    };
    blas_set_threads(1);
    return cmocka_run_group_tests(tests, NULL, NULL);
}
