#include "app_test.h"
#include "neighbours.h"

#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

/* A machine that is up for 1000 s, in files below "tree". */

enum { UPTIME = 1000, FOUND_MAX = 8 };

static struct {
    int count;
    int64_t processes[FOUND_MAX];
    char programs[FOUND_MAX][NEIGHBOURS_NAME_BYTES];
    char cpus[FOUND_MAX][32];
} found;

static void
note(void *argument, const struct neighbours_thread *thread)
{
    assert_ptr_equal(argument, &found);
    assert_true(found.count < FOUND_MAX);
    found.processes[found.count] = thread->process;
    memcpy(found.programs[found.count], thread->program, sizeof thread->program);
    hwloc_bitmap_list_snprintf(found.cpus[found.count++], sizeof found.cpus[0], thread->cpus);
}

static int
find(const struct neighbours_job *job)
{
    memset(&found, 0, sizeof found);
    neighbours_find("tree", job, note, &found);
    return found.count;
}

/* What /proc tells of a thread. Seconds: of its life, on a core, and waiting for one (negative: the system does not say). */
struct thread {
    int64_t process, number, parent;
    const char *name;
    char state;
    int niceness;
    double age, run, delay;
    const char *cpus;
};

static void
put_stat(const char *folder, const struct thread *thread, double run)
{
    char path[256], text[1024];
    double ticks = (double)sysconf(_SC_CLK_TCK);
    snprintf(path, sizeof path, "%s/stat", folder);
    snprintf(
        text, sizeof text,
        "%lld (%s) %c %lld 1 1 0 -1 4194304 99 0 0 0 %lld %lld 0 0 20 %d 1 0 %lld 3133440 375 18446744073709551615 1\n",
        (long long)thread->number, thread->name, thread->state, (long long)thread->parent, (long long)(run * ticks / 2),
        (long long)(run * ticks / 2), thread->niceness, (long long)((UPTIME - thread->age) * ticks));
    test_put_in_tree(path, text);
}

/* A process of one thread, or a further thread of one: the process's record is the last one's, and sums up nothing. */
static void
put_thread(const struct thread *thread)
{
    char folder[128], path[256], text[256];
    snprintf(folder, sizeof folder, "/proc/%lld", (long long)thread->process);
    if (thread->process == thread->number)
        put_stat(folder, thread, thread->run);
    snprintf(folder, sizeof folder, "/proc/%lld/task/%lld", (long long)thread->process, (long long)thread->number);
    put_stat(folder, thread, thread->run);
    snprintf(path, sizeof path, "%s/status", folder);
    snprintf(text, sizeof text, "Name:\t%s\nCpus_allowed:\tff\nCpus_allowed_list:\t%s\nMems_allowed:\t1\n",
             thread->name, thread->cpus);
    test_put_in_tree(path, text);
    if (thread->delay < 0)
        return;
    snprintf(path, sizeof path, "%s/schedstat", folder);
    snprintf(text, sizeof text, "%.0f %.0f 123\n", 1e9 * thread->run, 1e9 * thread->delay);
    test_put_in_tree(path, text);
}

static const struct thread busy = {.process = 4711,
                                   .number = 4711,
                                   .parent = 1,
                                   .name = "a) R (program",
                                   .state = 'R',
                                   .age = 100,
                                   .run = 90,
                                   .delay = 1,
                                   .cpus = "0-3,8"};
static const struct neighbours_job nobody = {.launcher = -1};

static void
start_tree(void)
{
    assert_int_equal(system("rm -rf tree"), 0);
    test_put_in_tree("/proc/uptime", "1000.00 500.00\n");
    test_put_in_tree("/proc/self", "no folder");
    test_put_in_tree("/proc/loadavg", "1 1 1 1/1 1\n");
}

static void
who_computes_is_found(void **state)
{
    (void)state;
    start_tree();
    assert_int_equal(find(&nobody), 0);
    put_thread(&busy);
    assert_int_equal(find(&nobody), 1);
    assert_int_equal(found.processes[0], 4711);
    assert_string_equal(found.programs[0], "a) R (program");
    assert_string_equal(found.cpus[0], "0-3,8");

    struct thread second = busy;
    second.number = 4712;
    second.cpus = "5";
    put_thread(&second);
    second.number = 4713;
    second.state = 'S';
    put_thread(&second);
    assert_int_equal(find(&nobody), 2);
    assert_int_equal(found.processes[1], 4711);
}

static void
expect_alone(struct thread thread, int count)
{
    start_tree();
    put_thread(&thread);
    assert_int_equal(find(&nobody), count);
}

static void
only_who_has_computed_for_long_counts(void **state)
{
    struct thread thread = busy;
    (void)state;
    thread.state = 'S';
    expect_alone(thread, 0);
    thread.state = 'Z';
    expect_alone(thread, 0);
    thread = busy;
    thread.age = thread.run = 1.9; // starts up
    expect_alone(thread, 0);
    thread.age = thread.run = 2.1;
    expect_alone(thread, 1);
    thread = busy;
    thread.run = 40; // of 100 s
    expect_alone(thread, 0);
    thread.delay = 20; // it wanted a core for 60 s
    expect_alone(thread, 1);
    thread.delay = -1; // the system does not say
    expect_alone(thread, 0);
    thread.run = 60;
    expect_alone(thread, 1);
    thread = busy;
    thread.niceness = 4;
    expect_alone(thread, 1);
    thread.niceness = 5;
    expect_alone(thread, 0);
}

static void
this_job_does_not_count(void **state)
{
    const int64_t ranks[] = {10, 4711};
    (void)state;
    start_tree();
    put_thread(&busy);
    assert_int_equal(find(&(struct neighbours_job){.processes = ranks, .count = 2, .launcher = -1}), 0);
    assert_int_equal(find(&(struct neighbours_job){.processes = ranks, .count = 1, .launcher = -1}), 1);
    assert_int_equal(find(&(struct neighbours_job){.launcher = 1}), 0);
    assert_int_equal(find(&(struct neighbours_job){.launcher = 4711}), 0);
    assert_int_equal(find(&(struct neighbours_job){.launcher = 2}), 1);
    assert_int_equal(find(&(struct neighbours_job){.launcher = -1, .niceness = -5}), 0);
}

static void
a_system_that_tells_nothing_has_nobody(void **state)
{
    static const char *const texts[] = {"",          "4711",       "4711 (x",         "4711 (x)",
                                        "4711 (x) ", "4711 (x) R", "4711 (x) R 1 2 3"};
    (void)state;
    for (size_t i = 0; i < sizeof texts / sizeof texts[0]; i++) {
        start_tree();
        put_thread(&busy);
        test_put_in_tree("/proc/4711/stat", texts[i]);
        assert_int_equal(find(&nobody), 0);
    }
    start_tree();
    put_thread(&busy);
    test_put_in_tree("/proc/4711/task/4711/status", "Name:\tx\n");
    assert_int_equal(find(&nobody), 0);
    assert_int_equal(system("rm tree/proc/4711/task/4711/status"), 0);
    assert_int_equal(find(&nobody), 0);
    assert_int_equal(system("rm tree/proc/uptime"), 0);
    assert_int_equal(find(&nobody), 0);
    assert_int_equal(system("rm -rf tree"), 0);
    assert_int_equal(find(&nobody), 0);
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(who_computes_is_found),
        cmocka_unit_test(only_who_has_computed_for_long_counts),
        cmocka_unit_test(this_job_does_not_count),
        cmocka_unit_test(a_system_that_tells_nothing_has_nobody),
    };
    return cmocka_run_group_tests(tests, test_enter_directory, test_leave_directory);
}
