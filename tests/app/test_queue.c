#include "app_test.h"
#include "policy.h"
#include "queue.h"

#include <errno.h>
#include <pthread.h>
#include <signal.h>
#include <sys/mman.h>
#include <time.h>

enum { RANKS = 4 };

static const int64_t second = 1000000000;

static void *
share_memory(size_t bytes)
{
    void *memory = mmap(NULL, bytes, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
    assert_ptr_not_equal(memory, MAP_FAILED);
    return memory;
}

static struct queue *
create(int ranks, bool outboxes, int64_t low_water)
{
    struct queue *queue = share_memory(queue_bytes(ranks, outboxes));
    queue_init(queue, ranks, outboxes, low_water);
    return queue;
}

static void
destroy(struct queue *queue)
{
    assert_int_equal(munmap(queue, queue_bytes(queue->rank_count, queue->has_outboxes)), 0);
}

static uint32_t
bell(struct queue *queue, int rank)
{
    return queue_sleep(queue, rank, 0, 0);
}

static void
expect_take(struct queue *queue, int64_t expected)
{
    int64_t place = -1;
    assert_int_equal(queue_take(queue, &place), QUEUE_CLAIMED);
    assert_int_equal(place, expected);
}

static void
expect_nothing(struct queue *queue, enum queue_claim expected)
{
    int64_t place = -7;
    assert_int_equal(queue_take(queue, &place), expected);
    assert_int_equal(place, -7);
}

static int64_t
now(void)
{
    struct timespec time;
    clock_gettime(CLOCK_MONOTONIC, &time);
    return time.tv_sec * second + time.tv_nsec;
}

/* ---- claims ---- */

static void
the_lowest_place_is_claimed_first(void **state)
{
    struct queue *queue = create(1, false, 0);
    (void)state;
    expect_nothing(queue, QUEUE_EMPTY);
    assert_true(queue_refill(queue, 10, 13));
    assert_true(queue_refill(queue, 2, 4));
    assert_true(queue_refill(queue, 5, 6));
    assert_int_equal(queue_left(queue), 6);
    static const int64_t expected[] = {2, 3, 5, 10, 11, 12};
    for (size_t i = 0; i < 6; i++) {
        expect_take(queue, expected[i]);
        assert_int_equal(queue_left(queue), 5 - (int64_t)i);
    }
    expect_nothing(queue, QUEUE_EMPTY);
    destroy(queue);
}

static void
a_queue_holds_as_many_spans_as_cells(void **state)
{
    struct queue *queue = create(1, false, 0);
    (void)state;
    for (int64_t i = 0; i < QUEUE_CELLS; i++)
        assert_true(queue_refill(queue, 10 * i, 10 * i + 2));
    assert_false(queue_refill(queue, 100, 110));
    assert_int_equal(queue_left(queue), 2 * QUEUE_CELLS);
    expect_take(queue, 0);
    assert_false(queue_refill(queue, 100, 110));
    expect_take(queue, 1); /* a cell is free again */
    assert_true(queue_refill(queue, 100, 110));
    assert_int_equal(queue_left(queue), 2 * QUEUE_CELLS - 2 + 10);
    destroy(queue);
}

static void
places_go_up_to_the_greatest_that_fits(void **state)
{
    struct queue *queue = create(1, false, 0);
    (void)state;
    assert_true(queue_refill(queue, UINT32_MAX - 2, UINT32_MAX));
    expect_take(queue, (int64_t)UINT32_MAX - 2);
    expect_take(queue, (int64_t)UINT32_MAX - 1);
    queue_close(queue);
    expect_nothing(queue, QUEUE_OVER);
    destroy(queue);
}

static void
a_closed_queue_is_over_when_it_is_empty(void **state)
{
    struct queue *queue = create(1, false, 0);
    (void)state;
    assert_true(queue_refill(queue, 0, 2));
    queue_close(queue);
    expect_take(queue, 0);
    expect_take(queue, 1);
    expect_nothing(queue, QUEUE_OVER);
    assert_false(queue_is_stopped(queue));
    destroy(queue);
}

static void
a_stopped_queue_is_over_at_once(void **state)
{
    struct queue *queue = create(2, false, 0);
    struct sheaf_error error;
    (void)state;
    assert_true(queue_refill(queue, 0, 100));
    expect_take(queue, 0);
    assert_false(queue_is_stopped(queue));
    uint32_t before[2] = {bell(queue, 0), bell(queue, 1)};
    queue_stop(queue);
    assert_true(queue_is_stopped(queue));
    expect_nothing(queue, QUEUE_OVER);
    assert_false(queue_error(queue, &error)); /* a drain is no error */
    for (int i = 0; i < 2; i++)
        assert_int_not_equal(bell(queue, i), before[i]);
    destroy(queue);
}

static void
the_leader_is_rung_when_the_queue_runs_low(void **state)
{
    struct queue *queue = create(2, false, 2);
    (void)state;
    assert_true(queue_refill(queue, 0, 5));
    uint32_t others = bell(queue, 1);
    for (int round = 0; round < 3; round++) {
        uint32_t start = bell(queue, 0);
        expect_take(queue, 5 * round);
        expect_take(queue, 5 * round + 1);
        assert_int_equal(bell(queue, 0), start);
        expect_take(queue, 5 * round + 2); /* two are left */
        assert_int_equal(bell(queue, 0), start + 1);
        expect_take(queue, 5 * round + 3);
        assert_int_equal(bell(queue, 0), start + 1);
        expect_take(queue, 5 * round + 4); /* a cell is free */
        expect_nothing(queue, QUEUE_EMPTY);
        assert_int_equal(bell(queue, 0), start + 2);
        assert_int_equal(bell(queue, 1), others);
        assert_true(queue_refill(queue, 5 * round + 5, 5 * round + 10)); /* rings all */
        assert_int_equal(bell(queue, 1), ++others);
    }
    queue_close(queue); /* from now on there is nothing to ask for */
    uint32_t closed = bell(queue, 0);
    for (int i = 15; i < 20; i++)
        expect_take(queue, i);
    expect_nothing(queue, QUEUE_OVER);
    assert_int_equal(bell(queue, 0), closed);
    destroy(queue);
}

static void
a_leader_that_found_no_free_cell_is_rung_when_there_is_one(void **state)
{
    struct queue *queue = create(1, false, 100);
    (void)state;
    for (int64_t i = 0; i < QUEUE_CELLS; i++)
        assert_true(queue_refill(queue, 2 * i, 2 * i + 2));
    expect_take(queue, 0); /* low: rung */
    uint32_t seen = bell(queue, 0);
    assert_false(queue_refill(queue, 50, 60));
    expect_take(queue, 1);
    assert_int_not_equal(bell(queue, 0), seen);
    assert_true(queue_refill(queue, 50, 60));
    destroy(queue);
}

static void
an_empty_queue_rings_the_leader_when_it_is_asked(void **state)
{
    struct queue *queue = create(1, false, 0);
    (void)state;
    uint32_t start = bell(queue, 0);
    expect_nothing(queue, QUEUE_EMPTY);
    expect_nothing(queue, QUEUE_EMPTY);
    assert_int_equal(bell(queue, 0), start + 1);
    destroy(queue);
}

static void
without_low_water_only_an_empty_queue_rings_the_leader(void **state)
{
    struct queue *queue = create(2, false, -1);
    (void)state;
    for (int64_t round = 0; round < 3; round++) {
        assert_true(queue_refill(queue, 3 * round, 3 * round + 3));
        uint32_t start[2] = {bell(queue, 0), bell(queue, 1)};
        for (int64_t i = 0; i < 3; i++)
            expect_take(queue, 3 * round + i);
        assert_int_equal(bell(queue, 0), start[0]); /* a free cell is nothing to anyone */
        assert_false(queue_is_hungry(queue));
        for (int i = 0; i < 3; i++) {
            expect_nothing(queue, QUEUE_EMPTY);
            assert_true(queue_is_hungry(queue));
            assert_int_equal(bell(queue, 0), start[0] + 1); /* once */
        }
        assert_int_equal(bell(queue, 1), start[1]);
    }
    assert_true(queue_refill(queue, 9, 10));
    assert_false(queue_is_hungry(queue));
    queue_close(queue);
    expect_take(queue, 9);
    expect_nothing(queue, QUEUE_OVER);
    assert_false(queue_is_hungry(queue));
    destroy(queue);
}

/* ---- a claim and a span at one time ---- */

enum { INTERRUPTIONS = 3000 };

/* The thread that is interrupted, and what the handler works on. */
struct interruption {
    pthread_t target, source;
    struct queue *queue;
    _Atomic bool over;
};

static struct interruption interruption;

/* A leader that comes while a claim is being made, at any of its instructions. */
static void
refill_now(int number)
{
    struct queue *queue = interruption.queue;
    int kept = errno;
    (void)number;
    if (queue_is_hungry(queue) && queue_left(queue) == 0)
        queue_refill(queue, 0, 3);
    errno = kept;
}

/* A claim that comes while a span is being put in. */
static void
take_now(int number)
{
    int64_t place;
    int kept = errno;
    (void)number;
    queue_take(interruption.queue, &place);
    errno = kept;
}

static void *
interrupt(void *argument)
{
    const struct timespec nap = {.tv_nsec = 50000};
    (void)argument;
    for (int i = 0; i < INTERRUPTIONS; i++) {
        nanosleep(&nap, NULL);
        pthread_kill(interruption.target, SIGUSR1);
    }
    atomic_store(&interruption.over, true);
    return NULL;
}

/* Have a handler called in this thread, again and again. */
static struct queue *
start_interruptions(void (*handler)(int))
{
    const struct sigaction action = {.sa_handler = handler};
    interruption.target = pthread_self();
    interruption.queue = create(1, false, -1);
    atomic_store(&interruption.over, false);
    assert_int_equal(sigaction(SIGUSR1, &action, NULL), 0);
    assert_int_equal(pthread_create(&interruption.source, NULL, interrupt, NULL), 0);
    return interruption.queue;
}

static void
end_interruptions(void)
{
    assert_int_equal(pthread_join(interruption.source, NULL), 0);
    assert_ptr_not_equal(signal(SIGUSR1, SIG_DFL), SIG_ERR);
    destroy(interruption.queue);
}

/*
 * Who looked just before a span came must not make the queue hungry behind it: then the leader would ask while there is
 * something to claim, and would not be rung when there is nothing. Threads on a few cores hardly ever meet like that,
 * a signal's handler meets every instruction.
 */
static void
a_claim_before_a_span_leaves_no_hunger_behind_it(void **state)
{
    struct queue *queue = start_interruptions(refill_now);
    int64_t place, wrong = 0;
    (void)state;
    while (!atomic_load(&interruption.over)) {
        queue_take(queue, &place);
        int64_t left = queue_left(queue); /* and while there are some, none come */
        wrong += left > 0 && queue_is_hungry(queue);
    }
    end_interruptions();
    assert_int_equal(wrong, 0);
}

static void
a_claim_while_a_span_comes_leaves_no_hunger_behind_it(void **state)
{
    struct queue *queue = start_interruptions(take_now);
    int64_t place, wrong = 0;
    (void)state;
    while (!atomic_load(&interruption.over)) {
        queue_refill(queue, 0, 1);
        wrong += queue_is_hungry(queue) && queue_left(queue) > 0;
        while (queue_take(queue, &place) == QUEUE_CLAIMED)
            ;
        wrong += !queue_is_hungry(queue);
    }
    end_interruptions();
    assert_int_equal(wrong, 0);
}

/* ---- claims by many ---- */

enum { PLACES = 60000, CLAIMERS_A_RANK = 2 };

/* What claimers share: threads, or processes. */
struct claims {
    struct queue *queue;
    _Atomic uint32_t seen[PLACES];
    _Atomic int64_t claimed;
};

struct claimer {
    struct claims *claims;
    int rank;
    pthread_t thread;
};

/* Claim all that one can get. */
static void
claim_all(struct claims *claims, int rank)
{
    int64_t place;
    for (;;) {
        uint32_t seen = bell(claims->queue, rank);
        switch (queue_take(claims->queue, &place)) {
        case QUEUE_CLAIMED:
            atomic_fetch_add(&claims->seen[place], 1);
            atomic_fetch_add(&claims->claimed, 1);
            break;
        case QUEUE_EMPTY:
            queue_sleep(claims->queue, rank, seen, 10 * second);
            break;
        case QUEUE_OVER:
            return;
        }
    }
}

static void *
claim_thread(void *argument)
{
    const struct claimer *claimer = argument;
    claim_all(claimer->claims, claimer->rank);
    return NULL;
}

static bool
wants_span(const struct queue *queue)
{
    return policy_wants_span(queue_left(queue), atomic_load(&queue->low_water), queue_is_hungry(queue));
}

/* A leader's part: refill whenever the queue is low or a claimer idle, close after the last place. Who wants more rings. */
static void
feed(struct queue *queue, uint64_t seed, int64_t longest)
{
    for (int64_t next = 0; next < PLACES;) {
        uint32_t seen = bell(queue, 0);
        while (next < PLACES && wants_span(queue)) {
            int64_t end = next + test_random_within(&seed, 1, longest);
            end = end < PLACES ? end : PLACES;
            if (!queue_refill(queue, next, end))
                break;
            next = end;
        }
        int64_t start = now();
        if (next < PLACES && queue_sleep(queue, 0, seen, 10 * second) == seen && now() - start >= 10 * second &&
            wants_span(queue))
            fail_msg("more was wanted, and the leader was left asleep");
    }
    queue_close(queue);
}

static void
check_claims(const struct claims *claims)
{
    assert_int_equal(atomic_load(&claims->claimed), PLACES);
    for (int64_t i = 0; i < PLACES; i++)
        assert_int_equal(atomic_load(&claims->seen[i]), 1);
}

static void
threads_claim_each_place_once(void **state)
{
    static const struct {
        int64_t low_water, longest;
    } cases[] = {{0, 1}, {0, 100}, {16, 100}, {64, 7}, {1000, 5000}, {-1, 1}, {-1, 3}, {-1, 100}};
    (void)state;
    for (size_t c = 0; c < sizeof cases / sizeof cases[0]; c++) {
        struct claims *claims = share_memory(sizeof *claims);
        struct claimer claimers[RANKS * CLAIMERS_A_RANK];
        claims->queue = create(RANKS, false, cases[c].low_water);
        for (int i = 0; i < RANKS * CLAIMERS_A_RANK; i++) {
            claimers[i] = (struct claimer){.claims = claims, .rank = i % RANKS};
            assert_int_equal(pthread_create(&claimers[i].thread, NULL, claim_thread, &claimers[i]), 0);
        }
        feed(claims->queue, c, cases[c].longest);
        for (int i = 0; i < RANKS * CLAIMERS_A_RANK; i++)
            assert_int_equal(pthread_join(claimers[i].thread, NULL), 0);
        check_claims(claims);
        destroy(claims->queue);
        munmap(claims, sizeof *claims);
    }
}

static void
processes_claim_each_place_once(void **state)
{
    struct claims *claims = share_memory(sizeof *claims);
    pid_t children[RANKS];
    (void)state;
    claims->queue = create(RANKS, false, 16);
    fflush(NULL);
    for (int i = 0; i < RANKS; i++) {
        children[i] = fork();
        assert_true(children[i] >= 0);
        if (children[i] == 0) {
            claim_all(claims, i);
            _exit(0);
        }
    }
    feed(claims->queue, 9, 100);
    for (int i = 0; i < RANKS; i++) {
        int status = -1;
        assert_int_equal(waitpid(children[i], &status, 0), children[i]);
        assert_int_equal(status, 0);
    }
    check_claims(claims);
    destroy(claims->queue);
    munmap(claims, sizeof *claims);
}

/* ---- errors ---- */

struct failer {
    struct queue *queue;
    int number;
    pthread_t thread;
};

static void *
fail_thread(void *argument)
{
    const struct failer *failer = argument;
    struct sheaf_error error = {.status = SHEAF_IO_ERROR};
    memset(error.text, 'a' + failer->number, 500);
    queue_fail(failer->queue, &error);
    return NULL;
}

static void
the_first_error_is_kept_whole(void **state)
{
    (void)state;
    for (int trial = 0; trial < 50; trial++) {
        struct queue *queue = create(2, false, 0);
        struct sheaf_error error = {.status = SHEAF_OK};
        struct failer failers[4];
        assert_false(queue_error(queue, &error));
        assert_int_equal(error.status, SHEAF_OK);
        for (int i = 0; i < 4; i++) {
            failers[i] = (struct failer){.queue = queue, .number = i};
            assert_int_equal(pthread_create(&failers[i].thread, NULL, fail_thread, &failers[i]), 0);
        }
        for (int i = 0; i < 4; i++)
            assert_int_equal(pthread_join(failers[i].thread, NULL), 0);
        assert_true(queue_is_stopped(queue));
        assert_true(queue_error(queue, &error));
        assert_int_equal(error.status, SHEAF_IO_ERROR);
        assert_int_equal(strlen(error.text), 500);
        for (int i = 1; i < 500; i++)
            assert_int_equal(error.text[i], error.text[0]);
        struct sheaf_error later, kept;
        sheaf_fail(&later, SHEAF_INTERNAL, "later");
        queue_fail(queue, &later);
        assert_true(queue_error(queue, &kept));
        assert_string_equal(kept.text, error.text);
        destroy(queue);
    }
}

/* ---- bells ---- */

static void
a_sleep_ends_when_its_time_is_up(void **state)
{
    struct queue *queue = create(1, false, 0);
    uint32_t seen = bell(queue, 0);
    (void)state;
    int64_t start = now();
    assert_int_equal(queue_sleep(queue, 0, seen, second / 50), seen);
    int64_t slept = now() - start;
    assert_true(slept >= second / 50 - second / 1000);
    assert_true(slept < 5 * second);
    start = now();
    assert_int_equal(queue_sleep(queue, 0, seen, 0), seen);
    assert_int_equal(queue_sleep(queue, 0, seen, -second), seen);
    assert_true(now() - start < 5 * second);
    destroy(queue);
}

static void
a_bell_that_has_been_rung_lets_nobody_sleep(void **state)
{
    struct queue *queue = create(2, false, 0);
    uint32_t seen = bell(queue, 1);
    (void)state;
    queue_ring(queue, 1);
    int64_t start = now();
    uint32_t rung = queue_sleep(queue, 1, seen, 100 * second);
    assert_int_equal(rung, seen + 1);
    queue_ring_all(queue);
    assert_int_equal(queue_sleep(queue, 1, rung, 100 * second), seen + 2);
    assert_true(now() - start < 50 * second);
    assert_int_equal(bell(queue, 0), 1); /* the other one was rung with all only */
    destroy(queue);
}

static void *
ring_later(void *argument)
{
    const struct timespec nap = {.tv_nsec = 20 * 1000 * 1000};
    nanosleep(&nap, NULL);
    queue_ring(argument, 0);
    return NULL;
}

static void
a_ring_wakes_a_sleeper(void **state)
{
    struct queue *queue = create(1, false, 0);
    pthread_t thread;
    (void)state;
    uint32_t seen = bell(queue, 0);
    int64_t start = now();
    assert_int_equal(pthread_create(&thread, NULL, ring_later, queue), 0);
    while (queue_sleep(queue, 0, seen, 100 * second) == seen) /* a signal may end a sleep early */
        ;
    assert_true(now() - start < 50 * second);
    assert_int_equal(pthread_join(thread, NULL), 0);
    destroy(queue);
}

/* ---- totals ---- */

enum { ADDITIONS = 2000 };

static void *
add_thread(void *argument)
{
    const struct failer *adder = argument;
    const struct queue_totals totals = {
        .tasks = 3, .failed = 1, .chunks = 1, .work = 7, .read_ns = 11, .wait_ns = 13, .bytes_written = 17};
    for (int i = 0; i < ADDITIONS; i++)
        queue_add_totals(adder->queue, adder->number % RANKS, &totals);
    return NULL;
}

static void
totals_add_up(void **state)
{
    struct queue *queue = create(RANKS, false, 0);
    struct failer adders[2 * RANKS];
    struct queue_totals sum;
    (void)state;
    for (int i = 0; i < 2 * RANKS; i++) {
        adders[i] = (struct failer){.queue = queue, .number = i};
        assert_int_equal(pthread_create(&adders[i].thread, NULL, add_thread, &adders[i]), 0);
    }
    for (int i = 0; i < 2 * RANKS; i++)
        assert_int_equal(pthread_join(adders[i].thread, NULL), 0);
    const int64_t times = 2 * RANKS * ADDITIONS;
    const struct queue_totals expected = {.tasks = 3 * times,
                                          .failed = times,
                                          .chunks = times,
                                          .work = 7 * times,
                                          .read_ns = 11 * times,
                                          .wait_ns = 13 * times,
                                          .bytes_written = 17 * times};
    queue_sum_totals(queue, &sum);
    assert_memory_equal(&sum, &expected, sizeof sum);
    destroy(queue);
}

static void
finished_ranks_are_counted(void **state)
{
    struct queue *queue = create(3, false, 0);
    (void)state;
    assert_int_equal(queue_finished(queue), 0);
    atomic_store(&queue->ranks[1].finished, 1);
    assert_int_equal(queue_finished(queue), 1);
    atomic_store(&queue->ranks[0].finished, 1);
    atomic_store(&queue->ranks[2].finished, 1);
    assert_int_equal(queue_finished(queue), 3);
    destroy(queue);
}

/* ---- outboxes ---- */

enum { COUNT_MOST = 16384 };

/* Status and info of a chunk, made from its number. */
static uint8_t made_status[COUNT_MOST];
static int32_t made_info[COUNT_MOST];

static void
make_rows(int64_t chunk, uint32_t count)
{
    for (uint32_t i = 0; i < count; i++) {
        made_status[i] = (uint8_t)(chunk + i);
        made_info[i] = (int32_t)(chunk * 1000 - (int64_t)i);
    }
}

/* One thread at a time posts in these tests, so the rows may be static. */
static bool
post(struct queue *queue, int rank, int64_t chunk, uint32_t count, uint8_t record_state)
{
    struct record_chunk record = {
        .state = record_state, .first = chunk * 10, .count = count, .sequence = (uint64_t)chunk * 3};
    make_rows(chunk, count);
    return queue_post(queue, rank, chunk, &record, made_status, made_info);
}

static void
check_entry(const struct queue_commit *commit, int64_t chunk, uint32_t count, uint8_t record_state)
{
    assert_int_equal(commit->chunk, chunk);
    assert_int_equal(commit->record.first, chunk * 10);
    assert_int_equal(commit->bytes % 8, 0);
    assert_int_equal(commit->record.state, record_state);
    assert_int_equal(commit->record.count, count);
    assert_int_equal(commit->record.sequence, chunk * 3);
    if (record_state == RECORD_STARTED) {
        assert_int_equal(commit->bytes, sizeof *commit);
        return;
    }
    const uint8_t *status = queue_commit_status(commit);
    const int32_t *info = queue_commit_info(commit);
    assert_int_equal((uintptr_t)info % sizeof *info, 0);
    assert_true((const char *)(info + count) <= (const char *)commit + commit->bytes);
    assert_true((const char *)commit + commit->bytes - (const char *)(info + count) < 8);
    assert_true(status + count <= (const uint8_t *)info);
    for (uint32_t i = 0; i < count; i++) {
        assert_int_equal(status[i], (uint8_t)(chunk + i));
        assert_int_equal(info[i], (int32_t)(chunk * 1000 - (int64_t)i));
    }
}

static void
commits_come_out_as_they_went_in(void **state)
{
    struct queue *queue = create(2, true, 0);
    char *buffer = malloc(QUEUE_OUTBOX_BYTES);
    (void)state;
    assert_non_null(buffer);
    assert_int_equal(queue_collect(queue, buffer, QUEUE_OUTBOX_BYTES), 0);
    for (int64_t chunk = 0; chunk < 20; chunk++)
        assert_true(post(queue, (int)(chunk % 2), chunk, (uint32_t)chunk, chunk % 5 ? RECORD_DONE : RECORD_STARTED));
    size_t bytes = queue_collect(queue, buffer, QUEUE_OUTBOX_BYTES), at = 0;
    for (int64_t i = 0; i < 20; i++) { /* rank 0's, then rank 1's, each in order */
        int64_t chunk = i < 10 ? 2 * i : 2 * (i - 10) + 1;
        assert_true(at < bytes);
        const struct queue_commit *commit = (const struct queue_commit *)(const void *)(buffer + at);
        check_entry(commit, chunk, (uint32_t)chunk, chunk % 5 ? RECORD_DONE : RECORD_STARTED);
        at += (size_t)commit->bytes;
    }
    assert_int_equal(at, bytes);
    assert_int_equal(queue_collect(queue, buffer, QUEUE_OUTBOX_BYTES), 0);
    free(buffer);
    destroy(queue);
}

static void
a_full_outbox_takes_nothing_until_it_is_emptied(void **state)
{
    struct queue *queue = create(1, true, 0);
    char *buffer = malloc(QUEUE_OUTBOX_BYTES);
    int64_t posted = 0, collected = 0;
    (void)state;
    assert_non_null(buffer);
    for (int round = 0; round < 5; round++) { /* entries do not divide the ring: each round wraps elsewhere */
        while (post(queue, 0, posted, 5000, RECORD_DONE))
            posted++;
        assert_true(posted - collected > 30); /* 1 MiB / (184 + 5000 + 20000) B = 41 */
        assert_true(posted - collected < 42);
        assert_false(post(queue, 0, posted, 5000, RECORD_DONE));
        uint32_t before = bell(queue, 0);
        size_t bytes = queue_collect(queue, buffer, QUEUE_OUTBOX_BYTES);
        assert_int_not_equal(bell(queue, 0), before); /* someone may wait for room */
        for (size_t at = 0; at < bytes; collected++) {
            const struct queue_commit *commit = (const struct queue_commit *)(const void *)(buffer + at);
            check_entry(commit, collected, 5000, RECORD_DONE);
            at += (size_t)commit->bytes;
        }
        assert_int_equal(collected, posted);
    }
    free(buffer);
    destroy(queue);
}

static void
a_collection_takes_whole_entries_only(void **state)
{
    struct queue *queue = create(1, true, 0);
    static _Alignas(8) char buffer[4096];
    (void)state;
    for (int64_t chunk = 0; chunk < 3; chunk++)
        assert_true(post(queue, 0, chunk, 100, RECORD_DONE));
    size_t entry = (sizeof(struct queue_commit) + 100 + 400 + 7) / 8 * 8;
    assert_int_equal(queue_collect(queue, buffer, entry - 1), 0);
    for (int64_t chunk = 0; chunk < 3; chunk++) {
        assert_int_equal(queue_collect(queue, buffer, 2 * entry - 1), entry);
        check_entry((const struct queue_commit *)(const void *)buffer, chunk, 100, RECORD_DONE);
    }
    assert_int_equal(queue_collect(queue, buffer, sizeof buffer), 0);
    destroy(queue);
}

static void
the_roots_node_has_no_outboxes(void **state)
{
    struct queue *queue = create(2, false, 0);
    char buffer[64];
    (void)state;
    assert_int_equal(queue_collect(queue, buffer, sizeof buffer), 0);
    assert_true(queue_bytes(2, false) < queue_bytes(2, true));
    assert_int_equal(queue_bytes(2, true) - queue_bytes(2, false), 2 * QUEUE_OUTBOX_BYTES);
    destroy(queue);
}

enum { POSTS = 20000 };

/* Post all, sleeping while there is no room. */
static void *
post_thread(void *argument)
{
    struct queue *queue = argument;
    for (int64_t chunk = 0; chunk < POSTS;) {
        uint32_t seen = bell(queue, 1);
        uint64_t random = (uint64_t)chunk;
        if (post(queue, 1, chunk, (uint32_t)test_random_within(&random, 0, 400), RECORD_DONE)) {
            chunk++;
            queue_ring(queue, 0);
        } else {
            queue_sleep(queue, 1, seen, 10 * second);
        }
    }
    return NULL;
}

static void
a_rank_posts_while_the_leader_collects(void **state)
{
    struct queue *queue = create(2, true, 0);
    static _Alignas(8) char buffer[50000];
    pthread_t thread;
    (void)state;
    assert_int_equal(pthread_create(&thread, NULL, post_thread, queue), 0);
    for (int64_t chunk = 0; chunk < POSTS;) {
        uint32_t seen = bell(queue, 0);
        size_t bytes = queue_collect(queue, buffer, sizeof buffer);
        for (size_t at = 0; at < bytes; chunk++) {
            const struct queue_commit *commit = (const struct queue_commit *)(const void *)(buffer + at);
            check_entry(commit, chunk, commit->record.count, RECORD_DONE);
            at += (size_t)commit->bytes;
        }
        if (bytes == 0)
            queue_sleep(queue, 0, seen, 10 * second);
    }
    assert_int_equal(pthread_join(thread, NULL), 0);
    destroy(queue);
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(the_lowest_place_is_claimed_first),
        cmocka_unit_test(a_queue_holds_as_many_spans_as_cells),
        cmocka_unit_test(places_go_up_to_the_greatest_that_fits),
        cmocka_unit_test(a_closed_queue_is_over_when_it_is_empty),
        cmocka_unit_test(a_stopped_queue_is_over_at_once),
        cmocka_unit_test(the_leader_is_rung_when_the_queue_runs_low),
        cmocka_unit_test(a_leader_that_found_no_free_cell_is_rung_when_there_is_one),
        cmocka_unit_test(an_empty_queue_rings_the_leader_when_it_is_asked),
        cmocka_unit_test(without_low_water_only_an_empty_queue_rings_the_leader),
        cmocka_unit_test(a_claim_before_a_span_leaves_no_hunger_behind_it),
        cmocka_unit_test(a_claim_while_a_span_comes_leaves_no_hunger_behind_it),
        cmocka_unit_test(processes_claim_each_place_once),
        cmocka_unit_test(threads_claim_each_place_once),
        cmocka_unit_test(the_first_error_is_kept_whole),
        cmocka_unit_test(a_sleep_ends_when_its_time_is_up),
        cmocka_unit_test(a_bell_that_has_been_rung_lets_nobody_sleep),
        cmocka_unit_test(a_ring_wakes_a_sleeper),
        cmocka_unit_test(totals_add_up),
        cmocka_unit_test(finished_ranks_are_counted),
        cmocka_unit_test(commits_come_out_as_they_went_in),
        cmocka_unit_test(a_full_outbox_takes_nothing_until_it_is_emptied),
        cmocka_unit_test(a_collection_takes_whole_entries_only),
        cmocka_unit_test(the_roots_node_has_no_outboxes),
        cmocka_unit_test(a_rank_posts_while_the_leader_collects),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
