#include "app_test.h"
#include "forecast.h"

#include <math.h>

static struct sheaf_error error;

/* A task takes as many nominal seconds as its first parameter says, and scales as the second one says. */
static void
fake_cost(const struct sheaf_problem *problem, struct sheaf_cost *cost)
{
    cost->flops = problem->parameters[0].real * PLAN_NOMINAL_FLOPS;
    cost->serial_fraction = problem->parameters[1].real;
}

static const struct sheaf_kernel fake = {.name = "fake", .width_kind = SHEAF_WIDTH_BLAS, .cost = fake_cost};
static const struct sheaf_kernel single = {.name = "single", .width_kind = SHEAF_WIDTH_ONE, .cost = fake_cost};

/* Tasks of a second each. */
static struct forecast
predict(const struct sheaf_kernel *kernel, int64_t tasks, double serial, int nodes, int ranks, int threads, int widest)
{
    struct plan_request request = {.tasks = tasks};
    struct plan *plan;
    struct forecast forecast;
    request.problem.parameters[0].real = 1;
    request.problem.parameters[1].real = serial;
    test_ok(plan_build(kernel, 1, &request, false, &plan, &error), &error);
    assert_int_equal(plan->chunks, tasks);
    assert_true(forecast_run(plan, nodes, ranks, threads, widest, &forecast));
    plan_destroy(plan);
    return forecast;
}

/* To what synchronisation costs: a thousandth of a second. */
static void
assert_seconds(struct forecast forecast, double chosen, double narrow)
{
    if (fabs(forecast.chosen - chosen) > 0.005 || fabs(forecast.narrow - narrow) > 1e-9)
        fail_msg("%g and %g, expected %g and %g", forecast.chosen, forecast.narrow, chosen, narrow);
}

static void
the_schedules_of_two_cores_are_known(void **state)
{
    (void)state;
    for (int threads = 1; threads <= 2; threads++) {
        assert_seconds(predict(&fake, 1, 0.1, 1, 2 / threads, threads, 0), 0.55, 1);
        assert_seconds(predict(&fake, 2, 0.1, 1, 2 / threads, threads, 0), 1, 1);
        assert_seconds(predict(&fake, 3, 0.1, 1, 2 / threads, threads, 0), 1.55, 2);
        assert_seconds(predict(&fake, 5, 0.1, 1, 2 / threads, threads, 0), 2.55, 3);
        assert_seconds(predict(&fake, 1001, 0.1, 1, 2 / threads, threads, 0), 500.55, 501);
    }
}

static void
nodes_share_the_chunks(void **state)
{
    (void)state;
    assert_seconds(predict(&fake, 3, 0.1, 3, 2, 1, 0), 0.55, 1);
    assert_seconds(predict(&fake, 4, 0.1, 3, 2, 1, 0), 1, 1);
    assert_seconds(predict(&fake, 9000, 0.1, 3, 2, 1, 0), 1500, 1500);
    assert_seconds(predict(&fake, 9003, 0.1, 3, 2, 1, 0), 1500.55, 1501);
}

static void
what_cannot_be_wide_costs_nothing(void **state)
{
    (void)state;
    assert_seconds(predict(&single, 3, 0.1, 1, 8, 1, 0), 1, 1);
    assert_seconds(predict(&fake, 3, 1, 1, 8, 1, 0), 1, 1);
    assert_seconds(predict(&fake, 1, 0, 1, 8, 1, 1), 1, 1);
    assert_seconds(predict(&fake, 1, 0, 1, 8, 1, 4), 0.25, 1);
}

static void
the_rule_is_not_worse_than_one_core_each(void **state)
{
    static struct tune_facts chunks[200];
    uint64_t random = 3;
    (void)state;
    for (int trial = 0; trial < 300; trial++) {
        int ranks = (int)test_random_within(&random, 1, 16), count = (int)test_random_within(&random, 0, 60);
        double seconds = 16, serial = (double)test_random_within(&random, 0, 10) / 10;
        for (int i = 0; i < count; i++) { /* the longest first */
            seconds *= (double)test_random_within(&random, 70, 100) / 100;
            chunks[i] = (struct tune_facts){.seconds = seconds, .tasks = 1, .serial_fraction = serial};
        }
        double chosen = forecast_node(ranks, 1, chunks, count, false);
        double narrow = forecast_node(ranks, 1, chunks, count, true);
        assert_true(chosen >= 0 && chosen <= 1.01 * narrow);
    }
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(the_schedules_of_two_cores_are_known),
        cmocka_unit_test(nodes_share_the_chunks),
        cmocka_unit_test(what_cannot_be_wide_costs_nothing),
        cmocka_unit_test(the_rule_is_not_worse_than_one_core_each),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
