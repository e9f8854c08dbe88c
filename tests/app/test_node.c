#include "app_test.h"
#include "node.h"

#include <time.h>

static void
memory_is_plausible(void **state)
{
    (void)state;
    int64_t total = node_memory_total(), available = node_memory_available();
    int64_t physical = (int64_t)sysconf(_SC_PHYS_PAGES) * sysconf(_SC_PAGESIZE);
    assert_true(total > INT64_C(1) << 20);
    assert_true(total <= physical);
    assert_true(available > 0);
    assert_true(available <= total);
}

static void
a_quota_is_positive_or_none(void **state)
{
    (void)state;
    double quota = node_cpu_quota();
    assert_true(quota >= 0 && quota < 1e6);
}

static void
clocks_go_forward(void **state)
{
    const struct timespec nap = {.tv_nsec = 20 * 1000 * 1000};
    (void)state;
    int64_t before = node_nanoseconds();
    double wall = node_wall_seconds();
    assert_true(nanosleep(&nap, NULL) == 0);
    int64_t slept = node_nanoseconds() - before;
    assert_true(slept >= nap.tv_nsec);
    assert_true(slept < INT64_C(5000000000));
    /* the wall clock may be set at any time; not before this program was written, and not by a century */
    assert_true(wall > 1.7e9 && wall < 5e9);
    time_t now = time(NULL);
    assert_true(wall - (double)now < 60 && (double)now - wall < 60);
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(memory_is_plausible),
        cmocka_unit_test(a_quota_is_positive_or_none),
        cmocka_unit_test(clocks_go_forward),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
