/*
 * What it costs to bind a process anew, BLAS's threads with it: rebind REPEATS THREADS.
 * The process has THREADS BLAS threads, asleep; it is bound to one core, another one and both by turns. Prints how many threads
 * it has, and of a call, in microseconds: the median, the 99th of 100 and the greatest time, and the median of the processor's
 * time, which others on the same cores do not lengthen.
 */
#include "node.h"
#include "number.h"
#include "team.h"
#include "threads.h"

#include <stdio.h>
#include <stdlib.h>
#include <time.h>

/** Nanoseconds of each call, on the clock and on a core. */
struct times {
    int64_t *clock, *core;
};

static int
compare(const void *left, const void *right)
{
    int64_t a = *(const int64_t *)left, b = *(const int64_t *)right;
    return (a > b) - (a < b);
}

static void
count_one(void *argument, pid_t thread)
{
    (void)thread;
    ++*(int *)argument;
}

static int64_t
core_nanoseconds(void)
{
    struct timespec time;
    clock_gettime(CLOCK_THREAD_CPUTIME_ID, &time);
    return (int64_t)time.tv_sec * 1000000000 + time.tv_nsec;
}

static enum sheaf_status
measure(struct team *team, int cores, const struct times *times, int64_t repeats, struct sheaf_error *error)
{
    static const int numbers[] = {0, 1};
    static const int turns[][2] = {{0, 1}, {1, 1}, {0, 2}}; // the first one of `numbers`, and how many
    enum sheaf_status status = SHEAF_OK;
    for (int64_t i = 0; i < repeats && !status; i++) {
        const int *turn = turns[cores < 2 ? 0 : i % 3];
        int64_t clock = node_nanoseconds(), core = core_nanoseconds();
        status = team_bind_cores(team, numbers + turn[0], turn[1], error);
        times->core[i] = core_nanoseconds() - core;
        times->clock[i] = node_nanoseconds() - clock;
    }
    qsort(times->clock, (size_t)repeats, sizeof *times->clock, compare);
    qsort(times->core, (size_t)repeats, sizeof *times->core, compare);
    return status;
}

static void
print(const struct times *times, int64_t repeats)
{
    int threads = 0;
    const int64_t middle = repeats / 2, high = repeats * 99 / 100;
    threads_visit(count_one, &threads);
    printf("%d threads: median %.1f, 99 of 100 within %.1f, greatest %.1f us; on the core %.1f us\n", threads,
           1e-3 * (double)times->clock[middle], 1e-3 * (double)times->clock[high],
           1e-3 * (double)times->clock[repeats - 1], 1e-3 * (double)times->core[middle]);
}

static enum sheaf_status
run(const struct times *times, int64_t repeats, int threads, struct team **team, struct sheaf_error *error)
{
    enum sheaf_status status = team_survey(NULL, team, error);
    if (status)
        return status;
    int cores = team_cores(*team) < 2 ? 1 : 2;
    const struct layout layout = {1, cores, 1};
    status = team_bind(*team, 0, &layout, error);
    if (!status)
        status = threads_set_blas(threads, error);
    return status ? status : measure(*team, cores, times, repeats, error);
}

int
main(int argument_count, char **arguments)
{
    int64_t repeats = 0, threads = 0;
    struct sheaf_error error = {SHEAF_OK, ""};
    struct team *team = NULL;
    if (argument_count != 3 || !number_parse(arguments[1], &repeats, NULL) ||
        !number_parse(arguments[2], &threads, NULL) || repeats < 1 || threads < 1 || threads > 1024) {
        fprintf(stderr, "usage: rebind REPEATS THREADS\n");
        return SHEAF_USAGE;
    }
    struct times times = {calloc((size_t)repeats, sizeof(int64_t)), calloc((size_t)repeats, sizeof(int64_t))};
    enum sheaf_status status = SHEAF_NO_RESOURCES;
    if (times.clock && times.core)
        status = run(&times, repeats, (int)threads, &team, &error);
    if (status)
        fprintf(stderr, "rebind: %s\n", error.text);
    else
        print(&times, repeats);
    team_destroy(team);
    free(times.clock);
    free(times.core);
    return (int)status;
}
