#include "subject.h"

#include "blas.h"

#include <limits.h>

/* How many elements of a task's A^H A lie outside the derived bound, against a triple loop in long double. */
static int64_t
count_wrong_products(const struct fixture *fixture, int64_t task)
{
    enum sheaf_type type = fixture->problem.inputs[0].type;
    int64_t m = fixture->problem.inputs[0].shape.extent[0], n = fixture->problem.inputs[0].shape.extent[1], wrong = 0;
    const void *a = fixture_input(fixture, 0, task), *c = fixture_output(fixture, 0, task);
    long double bound = fixture_sum_bound(type, m);
    for (int64_t i = 0; i < n; i++) {
        for (int64_t j = 0; j < n; j++) {
            long double complex sum = 0.0L;
            long double magnitude = 0.0L;
            for (int64_t l = 0; l < m; l++) {
                long double complex x = fixture_get(type, a, l * n + i), y = fixture_get(type, a, l * n + j);
                sum += conjl(x) * y;
                magnitude += cabsl(x) * cabsl(y);
            }
            /* Written so that a NaN counts as wrong. */
            wrong += !(cabsl(fixture_get(type, c, i * n + j) - sum) <= bound * magnitude);
        }
    }
    return wrong;
}

static int64_t
count_not_hermitian(const struct fixture *fixture, int64_t task)
{
    enum sheaf_type type = fixture->problem.outputs[0].type;
    int64_t n = fixture->problem.outputs[0].shape.extent[0], wrong = 0;
    const void *c = fixture_output(fixture, 0, task);
    for (int64_t i = 0; i < n; i++)
        for (int64_t j = 0; j <= i; j++)
            wrong += !(fixture_get(type, c, i * n + j) == conjl(fixture_get(type, c, j * n + i)));
    return wrong;
}

static int64_t
count_wrong(const struct fixture *fixture, int64_t task)
{
    return count_wrong_products(fixture, task) + count_not_hermitian(fixture, task);
}

static const struct subject subject = {"gram", NULL, subject_create_matrix, count_wrong};

static const int64_t sizes[][2] = {{1, 1},   {2, 1},  {1, 2},  {3, 2},  {2, 3},    {7, 7},    {3, 64},
                                   {64, 64}, {65, 7}, {7, 65}, {1, 97}, {100, 37}, {53, 100}, {65, 65}};

static void
results_are_within_the_bound_and_hermitian(void **state)
{
    (void)state;
    subject_check_results(&subject, sizes, sizeof sizes / sizeof sizes[0]);
}

static void
the_checks_see_one_wrong_element(void **state)
{
    (void)state;
    /* On the diagonal: Hermitian all the same. */
    subject_check_wrong_element(&subject, 65, 7, 0, 8, 1.01L, 0.0L);
    for (int t = 0; t < FIXTURE_TYPE_COUNT; t++) {
        struct fixture fixture;
        subject_create_matrix(&fixture, &subject, fixture_types[t], 65, 7, 1);
        fixture_run(&fixture, 0, 1);
        void *c = fixture_output(&fixture, 0, 0);
        fixture_set(fixture_types[t], c, 1, 2.0L * fixture_get(fixture_types[t], c, 1));
        assert_int_equal(count_not_hermitian(&fixture, 0), 1);
        fixture_destroy(&fixture);
    }
}

/* A = (1+i, 2; 3, 4i): A^H A = (11, 2+10i; 2-10i, 20), so the conjugate stands on the left factor. */
static void
a_known_result_is_exact(void **state)
{
    static const double a[] = {1, 1, 2, 0, 3, 0, 0, 4}, c[] = {11, 0, 2, 10, 2, -10, 20, 0};
    struct fixture fixture;
    (void)state;
    subject_create_matrix(&fixture, &subject, SHEAF_C128, 2, 2, 1);
    memcpy(fixture.inputs[0], a, sizeof a);
    fixture_run(&fixture, 0, 1);
    assert_memory_equal(fixture.outputs[0], c, sizeof c);
    fixture_destroy(&fixture);
}

static void
splits_give_the_same_bits(void **state)
{
    (void)state;
    subject_check_splits(&subject, 37, 65);
}

static void
shared_operands_give_the_same_bits(void **state)
{
    (void)state;
    subject_check_shared(&subject, 7, 65);
}

static void
costs_are_nominal(void **state)
{
    (void)state;
    subject_check_flops(&subject, SHEAF_F32, 5, 3, 60.0);
    subject_check_flops(&subject, SHEAF_C128, 5, 3, 240.0);
}

/* signature_match refuses both; a caller that asks all the same must not reach BLAS. */
static void
a_problem_that_was_never_matched_is_refused(void **state)
{
    (void)state;
    subject_check_refused(&subject, SHEAF_F64, 2, (int64_t)INT_MAX + 1);
    subject_check_refused(&subject, SHEAF_I32, 3, 3);
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(results_are_within_the_bound_and_hermitian),
        cmocka_unit_test(the_checks_see_one_wrong_element),
        cmocka_unit_test(a_known_result_is_exact),
        cmocka_unit_test(splits_give_the_same_bits),
        cmocka_unit_test(shared_operands_give_the_same_bits),
        cmocka_unit_test(costs_are_nominal),
        cmocka_unit_test(a_problem_that_was_never_matched_is_refused),
    };
    blas_set_threads(1);
    return cmocka_run_group_tests(tests, NULL, NULL);
}
