/* When a run stops before its end: what is decided, and the signals that ask for it. */
#include "app_test.h"
#include "drain.h"
#include "node.h"
#include "signals.h"

#include <math.h>
#include <pthread.h>
#include <signal.h>
#include <time.h>

static void
a_drain_becomes_a_drop_after_its_grace(void **state)
{
    struct drain drain = {.grace_seconds = 25};
    (void)state;
    assert_int_equal(drain_decide(&drain, 1000, QUEUE_GO_ON, true), QUEUE_GO_ON);
    assert_true(drain.began == 0);
    assert_int_equal(drain_decide(&drain, 1001, QUEUE_DRAIN, true), QUEUE_DRAIN);
    assert_int_equal(drain_decide(&drain, 1025, QUEUE_DRAIN, true), QUEUE_DRAIN);
    assert_int_equal(drain_decide(&drain, 1026, QUEUE_DRAIN, true), QUEUE_DROP);
    assert_string_equal(drain_reason(&drain, "SIGTERM"), "SIGTERM");
    assert_string_equal(drain_reason(&drain, ""), "a signal to another rank");

    struct drain second = {.grace_seconds = 25}, none = {.grace_seconds = 0}, other = {.grace_seconds = 25};
    assert_int_equal(drain_decide(&second, 1000, QUEUE_DROP, true), QUEUE_DROP);
    assert_int_equal(drain_decide(&none, 1000, QUEUE_DRAIN, true), QUEUE_DROP);
    /* the root alone looks at the clock: it tells the others */
    assert_int_equal(drain_decide(&other, 1000, QUEUE_DRAIN, false), QUEUE_DRAIN);
    assert_int_equal(drain_decide(&other, 2000, QUEUE_DRAIN, false), QUEUE_DRAIN);
}

static void
the_clock_drops_what_is_late(void **state)
{
    struct drain drain = {.grace_seconds = 25, .drop_time = 1000};
    (void)state;
    assert_string_equal(drain_reason(&drain, ""), "its time limit");
    assert_int_equal(drain_decide(&drain, 999, QUEUE_GO_ON, true), QUEUE_GO_ON);
    assert_int_equal(drain_decide(&drain, 1000, QUEUE_GO_ON, false), QUEUE_GO_ON);
    assert_int_equal(drain_decide(&drain, 1000, QUEUE_GO_ON, true), QUEUE_DROP);
    assert_string_equal(drain_reason(&drain, ""), "its time limit");
    struct drain both = {.grace_seconds = 25, .drop_time = 1000};
    assert_int_equal(drain_decide(&both, 990, QUEUE_DRAIN, true), QUEUE_DRAIN);
    assert_int_equal(drain_decide(&both, 1000, QUEUE_DRAIN, true), QUEUE_DROP);
    assert_string_equal(drain_reason(&both, "SIGUSR1"), "SIGUSR1");
}

static void
chunks_are_predicted_by_what_the_run_measured(void **state)
{
    const struct queue_totals none = {.tasks = 0};
    /* a nominal second has been worth two */
    const struct queue_totals slow = {
        .work = 10000000000, .read_ns = 1000000000, .compute_ns = 18000000000, .write_ns = 1000000000};
    (void)state;
    assert_true(drain_worth(&none) == 1 && drain_worth(&slow) == 2);
    assert_true(drain_allows(0, 1e12, 1e9, 2)); /* no deadline */
    assert_true(drain_allows(1000, 990, 10, 1));
    assert_false(drain_allows(1000, 990, 10.1, 1));
    assert_true(drain_allows(1000, 990, 5, 2));
    assert_false(drain_allows(1000, 990, 5.1, 2));
    assert_false(drain_allows(1000, 1000.1, 0, 2));
}

static void
the_reserve_is_a_share_of_the_limit(void **state)
{
    (void)state;
    assert_true(fabs(drain_reserve(10) - 0.5) < 1e-12);
    assert_true(fabs(drain_reserve(86400) - 10) < 1e-12);
}

/* ---- signals ---- */

static struct queue *queue;

static void
nap(int64_t nanoseconds)
{
    const struct timespec time = {.tv_sec = nanoseconds / 1000000000, .tv_nsec = nanoseconds % 1000000000};
    nanosleep(&time, NULL);
}

static void *
be_signalled(void *argument)
{
    (void)argument;
    nap(20000000);
    raise(SIGTERM); /* this thread gets it, not the one that sleeps */
    return NULL;
}

/* In a child: what a process was told stays told. */
static int
watch_signals(void)
{
    pthread_t thread;
    queue = calloc(1, queue_bytes(2, false));
    if (!queue)
        return 1;
    queue_init(queue, 2, false, 0);
    signals_watch(queue, 1);
    if (signals_wish() != QUEUE_GO_ON || strcmp(signals_first(), "") != 0)
        return 2;
    int64_t start = node_nanoseconds();
    if (pthread_create(&thread, NULL, be_signalled, NULL) != 0)
        return 3;
    queue_sleep(queue, 1, 0, INT64_C(20000000000));
    if (node_nanoseconds() - start > INT64_C(10000000000))
        return 4; /* nobody was woken */
    pthread_join(thread, NULL);
    if (signals_wish() != QUEUE_DRAIN || strcmp(signals_first(), "SIGTERM") != 0)
        return 5;
    if (atomic_load(&queue->ranks[0].bell) != 0)
        return 6;
    raise(SIGINT); /* the same wish */
    if (signals_wish() != QUEUE_DRAIN)
        return 7;
    signals_watch(NULL, 0);
    free(queue);
    nap(SIGNALS_SAME_NS + 50000000);
    raise(SIGUSR1);
    return signals_wish() == QUEUE_DROP && strcmp(signals_first(), "SIGTERM") == 0 ? 0 : 8;
}

static void
signals_are_noted_and_wake_the_main_thread(void **state)
{
    (void)state;
    test_child_passes(watch_signals);
}

static void
a_queue_drains_but_never_back(void **state)
{
    int64_t place;
    (void)state;
    queue = calloc(1, queue_bytes(1, false));
    assert_non_null(queue);
    queue_init(queue, 1, false, 0);
    assert_true(queue_refill(queue, 0, 5));
    queue_drain(queue, QUEUE_GO_ON);
    assert_false(queue_is_stopped(queue));
    assert_int_equal(queue_take(queue, &place), QUEUE_CLAIMED);
    queue_drain(queue, QUEUE_DROP);
    queue_drain(queue, QUEUE_DRAIN);
    assert_int_equal(queue_drains(queue), QUEUE_DROP);
    assert_int_equal(queue_take(queue, &place), QUEUE_OVER);
    free(queue);
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_drain_becomes_a_drop_after_its_grace),
        cmocka_unit_test(the_clock_drops_what_is_late),
        cmocka_unit_test(chunks_are_predicted_by_what_the_run_measured),
        cmocka_unit_test(the_reserve_is_a_share_of_the_limit),
        cmocka_unit_test(signals_are_noted_and_wake_the_main_thread),
        cmocka_unit_test(a_queue_drains_but_never_back),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
