#include "subject.h"

#include "blas.h"
#include "list.h"

#include <limits.h>
#include <math.h>

/* How many elements of a task's product lie outside the derived bound, against a triple loop in long double. */
static int64_t
count_wrong(const struct fixture *fixture, int64_t task)
{
    enum sheaf_type type = fixture->problem.inputs[0].type;
    const int64_t *a_extent = fixture->problem.inputs[0].shape.extent;
    int64_t m = a_extent[0], k = a_extent[1], n = fixture->problem.inputs[1].shape.extent[1], wrong = 0;
    const void *a = fixture_input(fixture, 0, task), *b = fixture_input(fixture, 1, task);
    const void *c = fixture_output(fixture, 0, task);
    long double bound = fixture_sum_bound(type, k);
    for (int64_t i = 0; i < m; i++) {
        for (int64_t j = 0; j < n; j++) {
            long double complex sum = 0.0L;
            long double magnitude = 0.0L;
            for (int64_t l = 0; l < k; l++) {
                long double complex x = fixture_get(type, a, i * k + l), y = fixture_get(type, b, l * n + j);
                sum += x * y;
                magnitude += cabsl(x) * cabsl(y);
            }
            /* Written so that a NaN counts as wrong. */
            wrong += !(cabsl(fixture_get(type, c, i * n + j) - sum) <= bound * magnitude);
        }
    }
    return wrong;
}

static void
create(struct fixture *fixture, enum sheaf_type type, int64_t m, int64_t k, int64_t n, int64_t count)
{
    struct sheaf_shape shapes[] = {fixture_matrix(m, k), fixture_matrix(k, n)};
    fixture_create(fixture, kernel_find("matmul"), type, shapes, 2, count, 0);
}

/* An inner extent on neither side of which a block ends. */
static void
create_around_65(struct fixture *fixture, const struct subject *subject, enum sheaf_type type, int64_t m, int64_t n,
                 int64_t count)
{
    (void)subject;
    create(fixture, type, m, 65, n, count);
}

static const struct subject subject = {"matmul", NULL, create_around_65, count_wrong};

static void
check_size(enum sheaf_type type, int64_t m, int64_t k, int64_t n)
{
    struct fixture fixture;
    create(&fixture, type, m, k, n, 2);
    assert_int_equal(fixture.problem.outputs[0].type, type);
    assert_int_equal(fixture.problem.outputs[0].shape.extent[0], m);
    assert_int_equal(fixture.problem.outputs[0].shape.extent[1], n);
    fixture_run(&fixture, 0, 2);
    subject_check_tasks(&subject, &fixture);
    fixture_destroy(&fixture);
}

static void
products_are_within_the_bound(void **state)
{
    static const int64_t small[] = {1, 2, 3, 7};
    static const int64_t large[][3] = {{64, 64, 64}, {65, 65, 65}, {65, 1, 64}, {1, 65, 1}, {100, 37, 53}};
    (void)state;
    for (int t = 0; t < FIXTURE_TYPE_COUNT; t++) {
        for (int i = 0; i < 4; i++)
            for (int j = 0; j < 4; j++)
                for (int k = 0; k < 4; k++)
                    check_size(fixture_types[t], small[i], small[j], small[k]);
        for (size_t i = 0; i < sizeof large / sizeof large[0]; i++)
            check_size(fixture_types[t], large[i][0], large[i][1], large[i][2]);
    }
}

static void
the_check_sees_one_wrong_element(void **state)
{
    (void)state;
    subject_check_wrong_element(&subject, 7, 3, 0, 20, 1.01L, 0.0L);
}

static void
a_known_product_is_exact(void **state)
{
    static const double a[] = {1, 2, 3, 4, 5, 6}, b[] = {7, 8, 9, 10, 11, 12}, c[] = {58, 64, 139, 154};
    struct fixture fixture;
    (void)state;
    create(&fixture, SHEAF_F64, 2, 3, 2, 1);
    memcpy(fixture.inputs[0], a, sizeof a);
    memcpy(fixture.inputs[1], b, sizeof b);
    fixture_run(&fixture, 0, 1);
    assert_memory_equal(fixture.outputs[0], c, sizeof c);
    fixture_destroy(&fixture);
}

static void
two_threads_are_within_the_bound(void **state)
{
    struct fixture fixture;
    (void)state;
    if (blas_set_threads(2) != 2)
        skip();
    create(&fixture, SHEAF_F64, 200, 201, 203, 1);
    fixture_run(&fixture, 0, 1);
    assert_int_equal(count_wrong(&fixture, 0), 0);
    fixture_destroy(&fixture);
    assert_int_equal(blas_set_threads(1), 1);
}

static void
splits_give_the_same_bits(void **state)
{
    static const int64_t sizes[][3] = {{3, 7, 2}, {65, 64, 7}};
    (void)state;
    for (int t = 0; t < FIXTURE_TYPE_COUNT; t++) {
        for (size_t i = 0; i < sizeof sizes / sizeof sizes[0]; i++) {
            struct fixture fixture;
            create(&fixture, fixture_types[t], sizes[i][0], sizes[i][1], sizes[i][2], 5);
            fixture_check_splits(&fixture);
            fixture_destroy(&fixture);
        }
    }
}

/*
 * Tiny matrices are multiplied several at a time: at every count each task gets its own product, also beside numbers that are
 * not finite, which spread in their own task.
 */
static void
tiny_matrices_do_not_disturb_each_other(void **state)
{
    enum { COUNT = 40 };
    (void)state;
    for (int t = 0; t < FIXTURE_TYPE_COUNT; t++) {
        for (int64_t m = 1; m <= 9; m++) {
            struct fixture fixture;
            create(&fixture, fixture_types[t], m, 1 + (m * 5) % 9, 1 + (m * 7) % 8, COUNT);
            for (int64_t task = 3; task < COUNT; task += 7)
                fixture_set(fixture_types[t], fixture_task_input(&fixture, 0, task), 0, (long double)INFINITY);
            fixture_check_counts(&fixture);
            for (int64_t task = 0; task < COUNT; task++) {
                assert_int_equal(fixture.status[task], SHEAF_TASK_DONE);
                if (task % 7 != 3)
                    assert_int_equal(count_wrong(&fixture, task), 0);
                else
                    assert_true(isfinite(creall(fixture_get(fixture_types[t], fixture_output(&fixture, 0, task), 0))) ==
                                0);
            }
            fixture_destroy(&fixture);
        }
    }
}

static void
shared_operands_give_the_same_bits(void **state)
{
    struct sheaf_shape shapes[] = {fixture_matrix(7, 65), fixture_matrix(65, 3)};
    struct sheaf_shape tiny[] = {fixture_matrix(4, 2), fixture_matrix(2, 3)};
    (void)state;
    for (int t = 0; t < FIXTURE_TYPE_COUNT; t++) {
        for (uint32_t shared = 1; shared < 4; shared++) {
            fixture_check_shared(kernel_find("matmul"), fixture_types[t], shapes, 2, shared);
            fixture_check_shared(kernel_find("matmul"), fixture_types[t], tiny, 2, shared);
        }
    }
}

static void
costs_are_nominal(void **state)
{
    struct fixture fixture;
    struct sheaf_cost cost = {0};
    (void)state;
    create(&fixture, SHEAF_F64, 2, 3, 5, 1);
    fixture.kernel->cost(&fixture.problem, &cost);
    assert_true(cost.flops == 60.0);
    fixture_destroy(&fixture);
    create(&fixture, SHEAF_C64, 2, 3, 5, 1);
    fixture.kernel->cost(&fixture.problem, &cost);
    assert_true(cost.flops == 240.0);
    fixture_destroy(&fixture);
}

/* signature_match refuses both; a caller that asks all the same must not reach BLAS. */
static void
a_problem_that_was_never_matched_is_refused(void **state)
{
    (void)state;
    subject_check_refused(&subject, SHEAF_F64, (int64_t)INT_MAX + 1, 65);
    subject_check_refused(&subject, SHEAF_I32, 3, 65);
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(products_are_within_the_bound),
        cmocka_unit_test(the_check_sees_one_wrong_element),
        cmocka_unit_test(a_known_product_is_exact),
        cmocka_unit_test(two_threads_are_within_the_bound),
        cmocka_unit_test(splits_give_the_same_bits),
        cmocka_unit_test(tiny_matrices_do_not_disturb_each_other),
        cmocka_unit_test(shared_operands_give_the_same_bits),
        cmocka_unit_test(costs_are_nominal),
        cmocka_unit_test(a_problem_that_was_never_matched_is_refused),
    };
    blas_set_threads(1);
    return cmocka_run_group_tests(tests, NULL, NULL);
}
