#include "reference.h"
#include "subject.h"

#include "blas.h"
#include "list.h"

#include <limits.h>
#include <math.h>
#include <stdlib.h>

/* A row's exact deviations from its mean, and how far the computed ones may be from them. */
struct deviations {
    reference_number *exact;
    long double *bound;
};

/*
 * With D the mean of |d|, a sum of n numbers and its quotient by n are off by at most g = gamma_n times the mean magnitude
 * (in complex arithmetic each part by itself: sqrt(2) as much). So the first mean is off by e <= g mean |x|, the first
 * differences are d - e, each off by u |d - e|; their mean is -e, but for u mean |d - e|, and is computed to g mean |d - e|;
 * the second differences round once more: |error| <= 2 u |d| + (u + g) D + (3 u + g) e, and a hundredth for terms of
 * second order.
 */
static struct deviations
find_deviations(enum sheaf_type type, const void *matrix, int64_t row, int64_t n)
{
    long double factor = sheaf_type_is_complex(type) ? sqrtl(2.0L) : 1.0L, u = factor * fixture_unit_roundoff(type);
    long double g = (long double)n * u / (1.0L - (long double)n * u), mean_x = 0.0L, mean_d = 0.0L;
    struct deviations deviations = {reference_zeros(n), malloc((size_t)n * sizeof(long double))};
    reference_number mean = 0.0L;
    assert_non_null(deviations.bound);
    for (int64_t k = 0; k < n; k++) {
        deviations.exact[k] = fixture_get(type, matrix, row * n + k);
        mean += deviations.exact[k] / (long double)n;
        mean_x += cabsl(deviations.exact[k]) / (long double)n;
    }
    for (int64_t k = 0; k < n; k++) {
        deviations.exact[k] -= mean;
        mean_d += cabsl(deviations.exact[k]) / (long double)n;
    }
    for (int64_t k = 0; k < n; k++)
        deviations.bound[k] =
            1.01L * (2.0L * u * cabsl(deviations.exact[k]) + (u + g) * mean_d + (3.0L * u + g) * g * mean_x);
    return deviations;
}

static void
free_deviations(struct deviations *deviations)
{
    free(deviations->exact);
    free(deviations->bound);
}

/* The sum of n products of computed deviations, and the rounded factor: n + 2 terms in fixture_sum_bound. */
static bool
is_covariance(enum sheaf_type type, const struct deviations *x, const struct deviations *y, int64_t n, int64_t ddof,
              reference_number found)
{
    reference_number sum = 0.0L;
    long double bound = 0.0L, rounding = fixture_sum_bound(type, n + 2);
    for (int64_t k = 0; k < n; k++) {
        long double x_k = cabsl(x->exact[k]), y_k = cabsl(y->exact[k]);
        long double off = x->bound[k] * y_k + x_k * y->bound[k] + x->bound[k] * y->bound[k];
        sum += x->exact[k] * conjl(y->exact[k]);
        bound += off + rounding * (x_k * y_k + off);
    }
    return cabsl(found * (long double)(n - ddof) - sum) <= bound;
}

static int64_t
count_wrong(const struct fixture *fixture, int64_t task)
{
    const int64_t ddof = fixture->problem.parameters[0].integer;
    enum sheaf_type type = fixture->problem.inputs[0].type;
    int64_t m = fixture->problem.inputs[0].shape.extent[0], n = fixture->problem.inputs[0].shape.extent[1], wrong = 0;
    const void *a = fixture_input(fixture, 0, task), *c = fixture_output(fixture, 0, task);
    for (int64_t i = 0; i < m; i++) {
        struct deviations x = find_deviations(type, a, i, n);
        for (int64_t j = 0; j <= i; j++) {
            struct deviations y = find_deviations(type, a, j, n);
            reference_number lower = fixture_get(type, c, i * m + j);
            wrong += !is_covariance(type, &x, &y, n, ddof, lower);
            /* Exactly Hermitian, the diagonal real. */
            wrong += !(fixture_get(type, c, j * m + i) == conjl(lower));
            free_deviations(&y);
        }
        free_deviations(&x);
    }
    return wrong;
}

static const struct subject subject = {"cov", NULL, subject_create_matrix, count_wrong};

static const int64_t sizes[][2] = {{1, 2}, {2, 2}, {3, 2}, {2, 3}, {3, 65}, {65, 3}, {65, 65}, {2, 1000}, {7, 131}};

static void
results_are_within_the_bound_and_hermitian(void **state)
{
    (void)state;
    subject_check_results(&subject, sizes, sizeof sizes / sizeof sizes[0]);
}

/* One on the diagonal; one above it, which is no longer the conjugate of the other. */
static void
the_checks_see_one_wrong_element(void **state)
{
    (void)state;
    subject_check_wrong_element(&subject, 7, 65, 0, 8, 1.01L, 0.0L);
    subject_check_wrong_element(&subject, 7, 65, 0, 1, 1.5L, 0.0L);
}

/* A mean 4096 times the spread: by one pass alone the deviations would be off by the mean's own rounding. */
static void
a_large_mean_takes_no_digits(void **state)
{
    (void)state;
    for (int t = 0; t < FIXTURE_TYPE_COUNT; t++) {
        enum sheaf_type type = fixture_types[t];
        struct fixture fixture;
        subject_create_matrix(&fixture, &subject, type, 2, 1000, 1);
        for (int64_t i = 0; i < 2000; i++)
            fixture_set(type, fixture.inputs[0], i,
                        fixture_get(type, fixture.inputs[0], i) + CMPLXL(4096.0L, -4096.0L));
        fixture_run(&fixture, 0, 1);
        assert_int_equal(count_wrong(&fixture, 0), 0);
        fixture_destroy(&fixture);
    }
}

/* numpy.cov([[1j, -1j], [1, -1]]): the conjugate stands on the second factor. */
static void
a_known_result_is_exact(void **state)
{
    static const double a[] = {0, 1, 0, -1, 1, 0, -1, 0}, c[] = {2, 0, 0, 2, 0, -2, 2, 0};
    static const double *const inputs[] = {a};
    (void)state;
    subject_check_known(&subject, SHEAF_C128, 2, 2, inputs, c, sizeof c);
}

static void
ddof_divides(void **state)
{
    (void)state;
    for (int t = 0; t < FIXTURE_TYPE_COUNT; t++) {
        for (int64_t ddof = 0; ddof < 7; ddof++) {
            struct fixture fixture;
            subject_create_matrix(&fixture, &subject, fixture_types[t], 3, 7, 1);
            fixture.problem.parameters[0].integer = ddof;
            fixture_run(&fixture, 0, 1);
            assert_int_equal(count_wrong(&fixture, 0), 0);
            fixture_destroy(&fixture);
        }
    }
}

static void
too_few_observations_are_refused(void **state)
{
    struct sheaf_shape shape = fixture_matrix(5, 3);
    (void)state;
    fixture_check_refused(
        kernel_find("cov"), SHEAF_F64, &shape, 1, "ddof=3", SHEAF_BAD_DATA,
        "cov: 3 observations (columns) a task and ddof 3 leave no degree of freedom; ddof must be less "
        "than the columns (rows are variables)");
    shape.extent[1] = 1;
    fixture_check_refused(
        kernel_find("cov"), SHEAF_F64, &shape, 1, NULL, SHEAF_BAD_DATA,
        "cov: 1 observation (columns) a task and ddof 1 leave no degree of freedom; ddof must be less "
        "than the columns (rows are variables)");
}

static void
splits_and_shared_operands_give_the_same_bits(void **state)
{
    (void)state;
    subject_check_splits(&subject, 37, 65);
    subject_check_shared(&subject, 37, 65);
}

static void
costs_are_nominal(void **state)
{
    (void)state;
    subject_check_flops(&subject, SHEAF_F32, 3, 5, 3.0 * 5.0 * 8.0);
    subject_check_flops(&subject, SHEAF_C128, 3, 5, 4.0 * 3.0 * 5.0 * 6.0);
}

/* signature_match refuses both; a caller that asks all the same must not reach BLAS. */
static void
a_problem_that_was_never_matched_is_refused(void **state)
{
    (void)state;
    subject_check_refused(&subject, SHEAF_F64, 2, (int64_t)INT_MAX + 1);
    subject_check_refused(&subject, SHEAF_I32, 2, 3);
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(results_are_within_the_bound_and_hermitian),
        cmocka_unit_test(the_checks_see_one_wrong_element),
        cmocka_unit_test(a_large_mean_takes_no_digits),
        cmocka_unit_test(a_known_result_is_exact),
        cmocka_unit_test(ddof_divides),
        cmocka_unit_test(too_few_observations_are_refused),
        cmocka_unit_test(splits_and_shared_operands_give_the_same_bits),
        cmocka_unit_test(costs_are_nominal),
        cmocka_unit_test(a_problem_that_was_never_matched_is_refused),
    };
    blas_set_threads(1);
    return cmocka_run_group_tests(tests, NULL, NULL);
}
