#include "app_test.h"
#include "status.h"

#include <math.h>

static void
a_run_lives_as_long_as_something_shows_it(void **state)
{
    (void)state;
    assert_int_equal(status_judge(LOCK_LIVES, RUN_RUNNING, 1e9), LIFE_LIVES);
    assert_int_equal(status_judge(LOCK_LIVES, RUN_FINISHED, 1e9), LIFE_LIVES); /* it has not yet got to its slot */
    assert_int_equal(status_judge(LOCK_GONE, RUN_RUNNING, 0), LIFE_GONE);
    assert_int_equal(status_judge(LOCK_UNKNOWN, RUN_RUNNING, 59), LIFE_LIVES); /* another host's heartbeat */
    assert_int_equal(status_judge(LOCK_UNKNOWN, RUN_RUNNING, 61), LIFE_UNKNOWN);
    assert_int_equal(status_judge(LOCK_UNKNOWN, RUN_DRAINED, 1), LIFE_UNKNOWN);
    assert_int_equal(status_judge(LOCK_FREE, RUN_RUNNING, 1), LIFE_GONE);
    static const uint32_t ended[] = {RUN_UNUSED, RUN_FINISHED, RUN_DRAINED, RUN_FAILED};
    for (size_t i = 0; i < sizeof ended / sizeof ended[0]; i++)
        assert_int_equal(status_judge(LOCK_FREE, ended[i], 1), LIFE_NONE);
}

static void
what_is_left_takes_as_long_as_the_latest_start_took(void **state)
{
    struct store_summary summary = {.map = {.tasks = 100}, .tasks_done = 60, .run_tasks = 20, .last_commit = 1010};
    (void)state;
    summary.run.start = 1000;
    assert_true(fabs(status_seconds_left(&summary) - 20) < 1e-9);
    summary.flops = 1000, summary.flops_done = 900, summary.run_flops = 500; /* the long ones are done */
    assert_true(fabs(status_seconds_left(&summary) - 2) < 1e-9);
    summary.run_tasks = 0;
    assert_true(status_seconds_left(&summary) < 0);
    summary.run_tasks = 20;
    summary.tasks_done = 100;
    assert_true(status_seconds_left(&summary) < 0);
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_run_lives_as_long_as_something_shows_it),
        cmocka_unit_test(what_is_left_takes_as_long_as_the_latest_start_took),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
