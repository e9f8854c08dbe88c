#include "app_test.h"
#include "parallel.h"

#include <errno.h>
#include <pthread.h>
#include <stdatomic.h>
#include <time.h>

enum { ITEMS = 1000, WIDTHS = 4 };

static struct sheaf_error error;

/* ---- functions that fail when they are told to ---- */

/* How many calls still succeed before one fails; negative: all. */
static int calloc_allowed = -1, thread_allowed = -1;

void *__real_calloc(size_t count, size_t size);
void *__wrap_calloc(size_t count, size_t size);
int __real_pthread_create(pthread_t *thread, const pthread_attr_t *how, void *(*body)(void *), void *argument);
int __wrap_pthread_create(pthread_t *thread, const pthread_attr_t *how, void *(*body)(void *), void *argument);

void *
__wrap_calloc(size_t count, size_t size)
{
    return calloc_allowed >= 0 && calloc_allowed-- == 0 ? NULL : __real_calloc(count, size);
}

int
__wrap_pthread_create(pthread_t *thread, const pthread_attr_t *how, void *(*body)(void *), void *argument)
{
    return thread_allowed >= 0 && thread_allowed-- == 0 ? EAGAIN : __real_pthread_create(thread, how, body, argument);
}

static struct parallel *
create(int width)
{
    struct parallel *parallel;
    test_ok(parallel_create(width, &parallel, &error), &error);
    return parallel;
}

/* ---- every item once, in the same pieces at every width ---- */

/* Who wrote an item: the first item of its piece, and how often. Plain memory, which the thread sanitizer watches. */
struct trace {
    int64_t piece[ITEMS];
    int calls[ITEMS];
};

static void
trace_body(void *argument, int64_t first, int64_t end)
{
    struct trace *trace = argument;
    for (int64_t i = first; i < end; i++) {
        trace->piece[i] = first;
        trace->calls[i]++;
    }
}

static void
check_pieces(struct parallel *parallel, int64_t items, int64_t grain)
{
    struct trace trace = {.calls = {0}};
    parallel_for(parallel, items, grain, trace_body, &trace);
    for (int64_t i = 0; i < ITEMS; i++) {
        assert_int_equal(trace.calls[i], i < items);
        if (i < items)
            assert_int_equal(trace.piece[i], i / grain * grain);
    }
}

static void
every_item_once_at_every_width(void **state)
{
    static const int64_t items[] = {0, 1, 2, 3, 7, 64, 999, ITEMS}, grains[] = {1, 2, 7, 64, 1000, INT64_MAX};
    (void)state;
    for (int width = 0; width <= WIDTHS; width++) { /* 0: no team */
        struct parallel *parallel = width ? create(width) : NULL;
        for (size_t i = 0; i < sizeof items / sizeof items[0]; i++)
            for (size_t j = 0; j < sizeof grains / sizeof grains[0]; j++)
                check_pieces(parallel, items[i], grains[j]);
        parallel_destroy(parallel);
    }
}

static void
add_numbers(void *argument, int64_t first, int64_t end)
{
    _Atomic int64_t *sum = argument;
    for (int64_t i = first; i < end; i++)
        atomic_fetch_add(sum, i);
}

static void
jobs_follow_each_other_at_once(void **state)
{
    (void)state;
    for (int width = 2; width <= WIDTHS; width++) {
        struct parallel *parallel = create(width);
        for (int64_t items = 1; items <= 3000; items++) {
            _Atomic int64_t sum = 0;
            parallel_for(parallel, items % 17, 1 + items % 3, add_numbers, &sum);
            assert_int_equal(sum, items % 17 * (items % 17 - 1) / 2);
        }
        parallel_destroy(parallel);
    }
}

/* ---- who works, and who sleeps ---- */

struct meeting {
    pthread_barrier_t barrier;
    pthread_t caller;
    _Atomic int by_caller;
};

static void
meet(void *argument, int64_t first, int64_t end)
{
    struct meeting *meeting = argument;
    (void)first;
    (void)end;
    atomic_fetch_add(&meeting->by_caller, pthread_equal(pthread_self(), meeting->caller) != 0);
    pthread_barrier_wait(&meeting->barrier);
}

/* As many pieces as threads, each of which waits for all others: it ends only where every thread takes one. */
static void
all_threads_work_at_a_time(void **state)
{
    (void)state;
    for (int width = 1; width <= WIDTHS; width++) {
        struct parallel *parallel = create(width);
        struct meeting meeting = {.caller = pthread_self()};
        assert_int_equal(pthread_barrier_init(&meeting.barrier, NULL, (unsigned)width), 0);
        for (int round = 0; round < 20; round++)
            parallel_for(parallel, width, 1, meet, &meeting);
        assert_int_equal(meeting.by_caller, 20);
        pthread_barrier_destroy(&meeting.barrier);
        parallel_destroy(parallel);
    }
}

static int64_t
processor_nanoseconds(void)
{
    struct timespec time;
    assert_int_equal(clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &time), 0);
    return time.tv_sec * INT64_C(1000000000) + time.tv_nsec;
}

/* A thread that span would use all 200 ms; what sleeps uses well below 1 ms. */
static void
helpers_without_a_job_sleep(void **state)
{
    const struct timespec settle = {.tv_nsec = 50000000}, pause = {.tv_nsec = 200000000};
    struct meeting meeting = {.caller = pthread_self()};
    (void)state;
    struct parallel *parallel = create(WIDTHS);
    /* every thread has started once it has met the others: what its start costs is none of this */
    assert_int_equal(pthread_barrier_init(&meeting.barrier, NULL, WIDTHS), 0);
    parallel_for(parallel, WIDTHS, 1, meet, &meeting);
    nanosleep(&settle, NULL);
    int64_t start = processor_nanoseconds();
    nanosleep(&pause, NULL);
    assert_true(processor_nanoseconds() - start < 100000000);
    pthread_barrier_destroy(&meeting.barrier);
    parallel_destroy(parallel);
}

/* ---- failures ---- */

static void
no_memory_for_a_team(void **state)
{
    (void)state;
    for (int allowed = 0; allowed < 2; allowed++) {
        struct parallel *parallel = (struct parallel *)1;
        calloc_allowed = allowed;
        test_error(parallel_create(3, &parallel, &error), SHEAF_NO_RESOURCES, &error, "no memory for 3 threads");
        calloc_allowed = -1;
        assert_null(parallel);
    }
}

static void
no_threads_for_a_team(void **state)
{
    (void)state;
    for (int allowed = 0; allowed < 3; allowed++) {
        struct parallel *parallel = (struct parallel *)1;
        char part[128];
        thread_allowed = allowed;
        enum sheaf_status status = parallel_create(4, &parallel, &error);
        thread_allowed = -1;
        snprintf(part, sizeof part, "cannot create 3 threads to share a task, %d are there; look at ulimit -u",
                 allowed);
        test_error(status, SHEAF_NO_RESOURCES, &error, part);
        assert_null(parallel);
    }
}

static void
destroying_nothing_is_nothing(void **state)
{
    (void)state;
    parallel_destroy(NULL);
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(every_item_once_at_every_width), cmocka_unit_test(jobs_follow_each_other_at_once),
        cmocka_unit_test(all_threads_work_at_a_time),     cmocka_unit_test(helpers_without_a_job_sleep),
        cmocka_unit_test(no_memory_for_a_team),           cmocka_unit_test(no_threads_for_a_team),
        cmocka_unit_test(destroying_nothing_is_nothing),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
