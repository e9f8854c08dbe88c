#include "subject.h"

#include "blas.h"
#include "list.h"

#include <limits.h>
#include <math.h>

/* matvec, dot and outer: each is a sum of products over one index (outer: of one product), and is checked alike. */

static void
create(struct fixture *fixture, const struct subject *subject, enum sheaf_type type, int64_t m, int64_t n,
       int64_t count)
{
    const char *kernel = subject->kernel;
    const struct sheaf_shape for_matvec[] = {fixture_matrix(m, n), fixture_vector(n)};
    const struct sheaf_shape for_dot[] = {fixture_vector(n), fixture_vector(n)};
    const struct sheaf_shape for_outer[] = {fixture_vector(m), fixture_vector(n)};
    const struct sheaf_shape *shapes = strcmp(kernel, "matvec") == 0 ? for_matvec
                                       : strcmp(kernel, "dot") == 0  ? for_dot
                                                                     : for_outer;
    fixture_create(fixture, kernel_find(kernel), type, shapes, 2, count, 0);
}

/* Whether an element is the sum over l of x[x_first + l] y[y_first + l], within fixture_sum_bound. */
static bool
is_sum(const struct fixture *fixture, int64_t task, int64_t element, int64_t x_first, int64_t y_first, int64_t terms)
{
    enum sheaf_type type = fixture->problem.inputs[0].type;
    const void *x = fixture_input(fixture, 0, task), *y = fixture_input(fixture, 1, task);
    long double complex sum = 0.0L;
    long double magnitude = 0.0L;
    for (int64_t l = 0; l < terms; l++) {
        long double complex x_l = fixture_get(type, x, x_first + l), y_l = fixture_get(type, y, y_first + l);
        sum += x_l * y_l;
        magnitude += cabsl(x_l) * cabsl(y_l);
    }
    long double complex found = fixture_get(type, fixture_output(fixture, 0, task), element);
    return cabsl(found - sum) <= fixture_sum_bound(type, terms) * magnitude;
}

static int64_t
count_wrong(const struct fixture *fixture, int64_t task)
{
    const char *name = fixture->kernel->name;
    const struct sheaf_shape *first = &fixture->problem.inputs[0].shape, *second = &fixture->problem.inputs[1].shape;
    int64_t n = second->extent[0], wrong = 0;
    if (strcmp(name, "dot") == 0)
        return !is_sum(fixture, task, 0, 0, 0, n);
    for (int64_t i = 0; i < first->extent[0]; i++) {
        if (strcmp(name, "matvec") == 0)
            wrong += !is_sum(fixture, task, i, i * n, 0, n);
        else
            for (int64_t j = 0; j < n; j++)
                wrong += !is_sum(fixture, task, i * n + j, i, j, 1);
    }
    return wrong;
}

enum { MATVEC, DOT, OUTER, SUBJECT_COUNT };
static const struct subject subjects[] = {
    [MATVEC] = {"matvec", NULL, create, count_wrong},
    [DOT] = {"dot", NULL, create, count_wrong},
    [OUTER] = {"outer", NULL, create, count_wrong},
};

static void
results_are_within_the_bound(void **state)
{
    static const int64_t sizes[][2] = {{1, 1}, {1, 7}, {7, 1}, {3, 2}, {65, 130}, {130, 65}, {2, 20000}, {20000, 2}};
    (void)state;
    for (int k = 0; k < SUBJECT_COUNT; k++)
        subject_check_results(&subjects[k], sizes, sizeof sizes / sizeof sizes[0]);
}

static void
the_check_sees_one_wrong_element(void **state)
{
    (void)state;
    for (int k = 0; k < SUBJECT_COUNT; k++)
        subject_check_wrong_element(&subjects[k], 37, 65, 0, 0, 1.0L, 0.01L);
}

/* (1 + i, 2) and (3, 4i): nothing is conjugated, and outer's rows belong to the first vector. */
static void
known_results_are_exact(void **state)
{
    static const double x[] = {1, 1, 2, 0}, y[] = {3, 0, 0, 4};
    static const double dot[] = {3, 11}, outer[] = {3, 3, -4, 4, 6, 0, 0, 8};
    /* The matrix (1 + i, 2; 0, 1) times (3, 4i). */
    static const double a[] = {1, 1, 2, 0, 0, 0, 1, 0}, matvec[] = {3, 11, 0, 4};
    static const double *const vectors[] = {x, y}, *const matrix_and_vector[] = {a, y};
    (void)state;
    subject_check_known(&subjects[MATVEC], SHEAF_C128, 2, 2, matrix_and_vector, matvec, sizeof matvec);
    subject_check_known(&subjects[DOT], SHEAF_C128, 2, 2, vectors, dot, sizeof dot);
    subject_check_known(&subjects[OUTER], SHEAF_C128, 2, 2, vectors, outer, sizeof outer);
}

static void
splits_and_shared_operands_give_the_same_bits(void **state)
{
    (void)state;
    for (int k = 0; k < SUBJECT_COUNT; k++) {
        subject_check_splits(&subjects[k], 37, 65);
        subject_check_shared(&subjects[k], 37, 65);
    }
}

static void
a_number_that_is_not_finite_spreads_in_its_task_only(void **state)
{
    (void)state;
    for (int k = 0; k < SUBJECT_COUNT; k++) {
        struct fixture fixture;
        create(&fixture, &subjects[k], SHEAF_F64, 5, 7, 3);
        fixture_set(SHEAF_F64, fixture_task_input(&fixture, 0, 1), 0, (long double)NAN);
        fixture_run(&fixture, 0, 3);
        assert_true(isnan(creall(fixture_get(SHEAF_F64, fixture_output(&fixture, 0, 1), 0))));
        for (int64_t task = 0; task < 3; task++)
            assert_int_equal(fixture.status[task], SHEAF_TASK_DONE);
        assert_int_equal(count_wrong(&fixture, 0), 0);
        assert_int_equal(count_wrong(&fixture, 2), 0);
        fixture_destroy(&fixture);
    }
}

static void
costs_are_nominal(void **state)
{
    static const double flops[SUBJECT_COUNT][2] = {{30.0, 120.0}, {10.0, 40.0}, {15.0, 90.0}};
    (void)state;
    for (int k = 0; k < SUBJECT_COUNT; k++) {
        subject_check_flops(&subjects[k], SHEAF_F32, 3, 5, flops[k][0]);
        subject_check_flops(&subjects[k], SHEAF_C128, 3, 5, flops[k][1]);
    }
}

/* signature_match refuses both; a caller that asks all the same must not reach BLAS. */
static void
a_problem_that_was_never_matched_is_refused(void **state)
{
    (void)state;
    for (int k = 0; k < SUBJECT_COUNT; k++) {
        subject_check_refused(&subjects[k], SHEAF_I32, 3, 5);
        /* outer counts in 64 bits. */
        if (k != OUTER)
            subject_check_refused(&subjects[k], SHEAF_F64, (int64_t)INT_MAX + 1, 5);
    }
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(results_are_within_the_bound),
        cmocka_unit_test(the_check_sees_one_wrong_element),
        cmocka_unit_test(known_results_are_exact),
        cmocka_unit_test(splits_and_shared_operands_give_the_same_bits),
        cmocka_unit_test(a_number_that_is_not_finite_spreads_in_its_task_only),
        cmocka_unit_test(costs_are_nominal),
        cmocka_unit_test(a_problem_that_was_never_matched_is_refused),
    };
    blas_set_threads(1);
    return cmocka_run_group_tests(tests, NULL, NULL);
}
