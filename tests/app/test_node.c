#include "app_test.h"
#include "node.h"

#include <stdlib.h>
#include <sys/stat.h>
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
start_tree(const char *groups)
{
    assert_int_equal(system("rm -rf tree"), 0);
    unsetenv("SLURM_MEM_PER_NODE");
    unsetenv("SLURM_MEM_PER_CPU");
    unsetenv("SLURM_CPUS_ON_NODE");
    test_put_in_tree("/proc/meminfo", "MemTotal:       16000000 kB\nMemFree:  1 kB\nMemAvailable:   12000000 kB\n");
    test_put_in_tree("/proc/self/cgroup", groups);
    node_set_root("tree");
}

static void
the_tightest_of_nested_cgroups_counts(void **state)
{
    (void)state;
    start_tree("0::/slurm/job_7/step_0\n");
    assert_int_equal(node_memory_total(), INT64_C(16000000) * 1024);
    assert_int_equal(node_memory_available(), INT64_C(12000000) * 1024);
    assert_true(node_cpu_quota() == 0);
    test_put_in_tree("/sys/fs/cgroup/slurm/job_7/step_0/memory.max", "max\n");
    test_put_in_tree("/sys/fs/cgroup/slurm/job_7/step_0/cpu.max", "max 100000\n");
    assert_int_equal(node_memory_total(), INT64_C(16000000) * 1024);
    test_put_in_tree("/sys/fs/cgroup/slurm/job_7/memory.max", "8000000000\n");
    test_put_in_tree("/sys/fs/cgroup/slurm/job_7/memory.current", "3000000000\n");
    test_put_in_tree("/sys/fs/cgroup/slurm/job_7/memory.stat", "anon 5\ninactive_file 1000000000\nactive_file 7\n");
    test_put_in_tree("/sys/fs/cgroup/slurm/job_7/cpu.max", "250000 100000\n");
    assert_int_equal(node_memory_total(), INT64_C(8000000000));
    assert_int_equal(node_memory_available(), INT64_C(6000000000));
    assert_true(node_cpu_quota() == 2.5);
    test_put_in_tree("/sys/fs/cgroup/slurm/job_7/step_0/memory.max", "2000000000\n");
    test_put_in_tree("/sys/fs/cgroup/slurm/job_7/step_0/memory.current", "2500000000\n");
    test_put_in_tree("/sys/fs/cgroup/slurm/job_7/step_0/cpu.max", "150000 100000\n");
    assert_int_equal(node_memory_total(), INT64_C(2000000000));
    assert_int_equal(node_memory_available(), 0);
    assert_true(node_cpu_quota() == 1.5);
    /* in a container the path is the host's, and the limit is at the top */
    start_tree("0::/docker/0123456789\n");
    test_put_in_tree("/sys/fs/cgroup/memory.max", "4000000000\n");
    assert_int_equal(node_memory_total(), INT64_C(4000000000));
    assert_int_equal(node_memory_available(), INT64_C(4000000000));
}

static void
cgroups_of_the_first_version_count(void **state)
{
    (void)state;
    start_tree("5:cpu,cpuacct:/user\n4:memory:/user/job\n1:name=systemd:/x\n");
    test_put_in_tree("/sys/fs/cgroup/memory/user/job/memory.limit_in_bytes", "9223372036854771712\n");
    test_put_in_tree("/sys/fs/cgroup/memory/user/memory.limit_in_bytes", "5000000000\n");
    test_put_in_tree("/sys/fs/cgroup/memory/user/memory.usage_in_bytes", "4000000000\n");
    test_put_in_tree("/sys/fs/cgroup/memory/user/memory.stat", "inactive_file 7\ntotal_inactive_file 500000000\n");
    test_put_in_tree("/sys/fs/cgroup/cpu/user/cpu.cfs_quota_us", "-1\n");
    test_put_in_tree("/sys/fs/cgroup/cpu/cpu.cfs_quota_us", "50000\n");
    test_put_in_tree("/sys/fs/cgroup/cpu/cpu.cfs_period_us", "100000\n");
    assert_int_equal(node_memory_total(), INT64_C(5000000000));
    assert_int_equal(node_memory_available(), INT64_C(1500000000));
    assert_true(node_cpu_quota() == 0.5);
}

static void
what_slurm_grants_counts(void **state)
{
    (void)state;
    start_tree("0::/\n");
    setenv("SLURM_MEM_PER_CPU", "1024", 1);
    assert_int_equal(node_memory_total(), INT64_C(16000000) * 1024); /* of how many CPUs? */
    setenv("SLURM_CPUS_ON_NODE", "4", 1);
    assert_int_equal(node_memory_total(), INT64_C(4) << 30);
    assert_int_equal(node_memory_available(), INT64_C(4) << 30);
    setenv("SLURM_MEM_PER_NODE", "2048", 1);
    assert_int_equal(node_memory_available(), INT64_C(2) << 30);
    setenv("SLURM_MEM_PER_NODE", "0", 1); /* all of the node's */
    unsetenv("SLURM_MEM_PER_CPU");
    assert_int_equal(node_memory_available(), INT64_C(12000000) * 1024);
    unsetenv("SLURM_MEM_PER_NODE");
    unsetenv("SLURM_CPUS_ON_NODE");
    node_set_root("");
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
        cmocka_unit_test(the_tightest_of_nested_cgroups_counts),
        cmocka_unit_test(cgroups_of_the_first_version_count),
        cmocka_unit_test(what_slurm_grants_counts),
        cmocka_unit_test(clocks_go_forward),
    };
    return cmocka_run_group_tests(tests, test_enter_directory, test_leave_directory);
}
