#include "engine_parts.h"
#include "node.h"
#include "policy.h"

#include <sched.h>
#include <stdlib.h>

/** What the carrier does next. */
enum errand {
    ERRAND_NONE,
    ERRAND_SPARE,
    ERRAND_COMMITS,
    ERRAND_BEAT,
    ERRAND_KEEP,
    ERRAND_FETCH,
    ERRAND_WRITE,
    ERRAND_SETTLE,
    ERRAND_SYNC,
    ERRAND_QUIT
};

static bool
wants_fetch(const struct engine *engine, uint32_t seen_empty)
{
    const struct engine_setup *setup = &engine->setup;
    return engine->size.carrier_reads && !engine->no_more && engine->idle_slots.first &&
           atomic_load(&engine->news) != seen_empty &&
           policy_claim_ahead(engine->ready.count, engine->workers_waiting, engine->size.ahead,
                              queue_left(setup->queue), setup->layout.ranks * engine->size.workers);
}

/** What has to be done from time to time, however much else there is to do. */
static enum errand
next_duty(const struct engine *engine)
{
    const struct keeper *keeper = engine->keeper;
    if (!keeper || engine->synced)
        return ERRAND_NONE;
    int64_t now = node_nanoseconds();
    if (keeper_wants_beat(keeper, now))
        return ERRAND_BEAT;
    return keeper_wants_sync(keeper, now) ? ERRAND_KEEP : ERRAND_NONE;
}

/** Until the file has its name nothing counts: so that comes first. Then come duties; then: feeding a hungry worker comes first, then emptying what is behind, then reading further ahead. */
static enum errand
next_errand(const struct engine *engine, uint32_t seen_empty)
{
    if (engine->settle_wanted)
        return ERRAND_SETTLE;
    if (!engine->spared && queue_drains(engine->setup.queue) != QUEUE_GO_ON)
        return ERRAND_SPARE;
    if (engine->batches)
        return ERRAND_COMMITS;
    enum errand duty = next_duty(engine);
    if (duty != ERRAND_NONE)
        return duty;
    bool fetch = wants_fetch(engine, seen_empty);
    if (fetch && engine->ready.count == 0)
        return ERRAND_FETCH;
    if (engine->behind.first)
        return ERRAND_WRITE;
    if (fetch)
        return ERRAND_FETCH;
    if (engine->sync_wanted && !engine->synced)
        return ERRAND_SYNC;
    return engine->quit ? ERRAND_QUIT : ERRAND_NONE;
}

/** Write the commits that another node sent. The mutex is held, and given up meanwhile. */
static void
write_commits(struct engine *engine)
{
    struct commit_batch *batch = engine->batches;
    engine->batches = batch->next;
    pthread_mutex_unlock(&engine->mutex);
    struct sheaf_error error;
    for (size_t at = 0; at < batch->bytes;) {
        struct queue_commit *commit = (struct queue_commit *)(void *)((char *)batch->buffer + at);
        if (chunk_record(engine, commit->chunk, &commit->record, queue_commit_status(commit), queue_commit_info(commit),
                         &error)) {
            queue_fail(engine->setup.queue, &error);
            break;
        }
        at += (size_t)commit->bytes;
    }
    free(batch->buffer);
    free(batch);
    pthread_mutex_lock(&engine->mutex);
    engine->batches_left--;
    queue_ring(engine->setup.queue, engine->setup.local_rank);
}

/** Claim a chunk and load what may block. @return what `news` was when the queue was found empty, else 0 */
static uint32_t
fetch(struct engine *engine)
{
    struct slot *slot = slot_list_pop(&engine->idle_slots);
    engine->in_hands++;
    engine->fetch_began_ns = node_nanoseconds();
    uint32_t seen = atomic_load(&engine->news);
    bool ahead = engine->ready.count >= engine->workers_waiting;
    pthread_mutex_unlock(&engine->mutex);
    enum queue_claim claim = chunk_claim(engine, slot, ahead);
    bool loaded = claim == QUEUE_CLAIMED && chunk_load(engine, slot, &engine->reader, true) == SHEAF_OK;
    pthread_mutex_lock(&engine->mutex);
    if (loaded)
        slot_list_push(&engine->ready, slot);
    else
        slot_list_put_back(&engine->idle_slots, slot);
    engine->in_hands--;
    engine->fetch_began_ns = 0;
    if (claim == QUEUE_OVER)
        engine->no_more = true;
    engine_note_finish(engine);
    pthread_cond_broadcast(&engine->workers_wake); // they wait for different things: a signal could wake the wrong one
    return claim == QUEUE_EMPTY ? seen : 0;
}

static void
write_behind(struct engine *engine)
{
    struct slot *slot = slot_list_pop(&engine->behind);
    engine->in_hands++;
    pthread_mutex_unlock(&engine->mutex);
    chunk_commit(engine, slot); // a failure is in the queue
    pthread_mutex_lock(&engine->mutex);
    engine->in_hands--;
    slot_list_put_back(&engine->idle_slots, slot);
    pthread_cond_broadcast(&engine->workers_wake);
    engine_note_finish(engine);
}

/**
 * Workers compute and write meanwhile. Reserving may cost the time of a task (a memory file system finds every page): so for
 * that the carrier may run on any core of the node, and no worker loses all of it.
 */
static void
settle_store(struct engine *engine)
{
    engine->settle_wanted = false;
    pthread_mutex_unlock(&engine->mutex);
    struct sheaf_error error;
    cpu_set_t own;
    bool roams = engine->setup.node_cpus && pthread_getaffinity_np(pthread_self(), sizeof own, &own) == 0 &&
                 pthread_setaffinity_np(pthread_self(), sizeof own, engine->setup.node_cpus) == 0;
    enum sheaf_status status = store_settle(engine->store, &engine->settlement, &error);
    if (roams)
        pthread_setaffinity_np(pthread_self(), sizeof own, &own);
    if (status)
        queue_fail(engine->setup.queue, &error);
    pthread_mutex_lock(&engine->mutex);
    engine->settled = status == SHEAF_OK;
}

/** What was handed over before the keeper looked has to be written before the sync. The mutex is held, and given up meanwhile. */
static void
keep(struct engine *engine)
{
    struct keeper *keeper = engine->keeper;
    struct sheaf_error error;
    keeper_begin_sync(keeper, node_nanoseconds());
    while (engine->batches)
        write_commits(engine);
    pthread_mutex_unlock(&engine->mutex);
    if (keeper_sync(keeper, engine->store, &error))
        queue_fail(engine->setup.queue, &error);
    pthread_mutex_lock(&engine->mutex);
}

/** Say of what is being computed that it is not why the run ends. The mutex is held, and given up meanwhile. */
static void
spare(struct engine *engine)
{
    engine->spared = true;
    pthread_mutex_unlock(&engine->mutex);
    for (int i = 0; i < engine->size.workers; i++)
        witness_spare(&engine->workers[i].witness);
    pthread_mutex_lock(&engine->mutex);
}

static void
beat(struct engine *engine)
{
    struct sheaf_error error;
    pthread_mutex_unlock(&engine->mutex);
    if (keeper_beat(engine->keeper, engine->store, node_nanoseconds(), &error))
        queue_fail(engine->setup.queue, &error);
    pthread_mutex_lock(&engine->mutex);
}

static void
sync_for_good(struct engine *engine)
{
    keep(engine);
    engine->synced = true;
    queue_ring(engine->setup.queue, engine->setup.local_rank);
}

/** Whether the carrier itself writes into the results file then. */
static bool
is_writing(enum errand errand)
{
    return errand == ERRAND_SPARE || errand == ERRAND_COMMITS || errand == ERRAND_BEAT || errand == ERRAND_KEEP ||
           errand == ERRAND_SETTLE || errand == ERRAND_SYNC;
}

void *
carrier_main(void *argument)
{
    struct engine *engine = argument;
    uint32_t seen_empty = 0; // `news` starts at 1
    witness_exempt_thread();
    witness_enter_thread(&engine->reader);
    pthread_mutex_lock(&engine->mutex);
    for (;;) {
        const enum errand errand = next_errand(engine, seen_empty);
        if (is_writing(errand))
            engine_begin_writing(engine);
        switch (errand) {
        case ERRAND_COMMITS:
            write_commits(engine);
            break;
        case ERRAND_SPARE:
            spare(engine);
            break;
        case ERRAND_BEAT:
            beat(engine);
            break;
        case ERRAND_KEEP:
            keep(engine);
            break;
        case ERRAND_FETCH:
            seen_empty = fetch(engine);
            break;
        case ERRAND_WRITE:
            write_behind(engine);
            break;
        case ERRAND_SETTLE:
            settle_store(engine);
            break;
        case ERRAND_SYNC:
            sync_for_good(engine);
            break;
        case ERRAND_QUIT:
            pthread_mutex_unlock(&engine->mutex);
            witness_leave_thread(&engine->reader);
            return NULL;
        case ERRAND_NONE:
            pthread_cond_wait(&engine->carrier_wake, &engine->mutex);
            break;
        }
        if (is_writing(errand))
            engine_end_writing(engine);
    }
}
