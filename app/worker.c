#include "engine_parts.h"
#include "node.h"

#include <string.h>

/** A free slot. With the carrier neither reading nor writing there are as many as workers, and it is this worker's own. */
static struct slot *
take_free_slot(struct engine *engine)
{
    pthread_mutex_lock(&engine->mutex);
    struct slot *slot;
    while (!(slot = slot_list_pop(&engine->idle_slots)) && !queue_is_stopped(engine->setup.queue))
        pthread_cond_wait(&engine->workers_wake, &engine->mutex);
    pthread_mutex_unlock(&engine->mutex);
    return slot;
}

static void
give_back_slot(struct engine *engine, struct slot *slot)
{
    pthread_mutex_lock(&engine->mutex);
    slot_list_put_back(&engine->idle_slots, slot);
    pthread_mutex_unlock(&engine->mutex);
}

/** The next chunk, claimed by the worker itself. @return NULL: there is no more */
static struct slot *
claim_next(struct engine *engine, struct slot *slot)
{
    if (!slot)
        slot = take_free_slot(engine);
    while (slot) {
        uint32_t seen = atomic_load(&engine->news);
        enum queue_claim claim = chunk_claim(engine, slot, false);
        if (claim == QUEUE_CLAIMED)
            return slot;
        if (claim == QUEUE_OVER) {
            give_back_slot(engine, slot);
            return NULL;
        }
        pthread_mutex_lock(&engine->mutex);
        engine_wait_news(engine, &engine->workers_wake, seen);
        pthread_mutex_unlock(&engine->mutex);
    }
    return NULL;
}

/** The next chunk that the carrier has fetched. @return NULL: there is no more */
static struct slot *
await_ready(struct engine *engine)
{
    struct slot *slot = NULL;
    pthread_mutex_lock(&engine->mutex);
    engine->workers_waiting++;
    pthread_cond_signal(&engine->carrier_wake);
    while (!queue_is_stopped(engine->setup.queue) && !(slot = slot_list_pop(&engine->ready)) && !engine->no_more)
        pthread_cond_wait(&engine->workers_wake, &engine->mutex);
    engine->workers_waiting--;
    pthread_cond_signal(&engine->carrier_wake); // room to fetch ahead
    pthread_mutex_unlock(&engine->mutex);
    return slot;
}

/** Load, compute, commit. @return the slot where it is free again for this worker, NULL where the carrier has it */
static struct slot *
process(struct worker *worker, struct slot *slot)
{
    struct engine *engine = worker->engine;
    int64_t before = slot->read_ns;
    if (chunk_load(engine, slot, &worker->witness, false) || chunk_compute(worker, slot))
        return slot; // the run is over
    worker->totals.read_ns += slot->read_ns - before;
    if (engine->size.carrier_writes) {
        chunk_give_back_cores(engine, slot);
        pthread_mutex_lock(&engine->mutex);
        slot_list_push(&engine->behind, slot);
        pthread_cond_signal(&engine->carrier_wake);
        pthread_mutex_unlock(&engine->mutex);
        return NULL;
    }
    int64_t start = node_nanoseconds();
    if (chunk_commit(engine, slot) == SHEAF_OK)
        worker->totals.write_ns += node_nanoseconds() - start;
    chunk_give_back_cores(engine, slot);
    return slot;
}

void *
worker_main(void *argument)
{
    struct worker *worker = argument;
    struct engine *engine = worker->engine;
    struct slot *slot = NULL;
    worker->totals.workers = 1;
    witness_enter_thread(&worker->witness);
    for (;;) {
        int64_t start = node_nanoseconds();
        if (engine->size.carrier_reads && slot) {
            give_back_slot(engine, slot);
            slot = NULL;
        }
        slot = engine->size.carrier_reads ? await_ready(engine) : claim_next(engine, slot);
        worker->totals.wait_ns += node_nanoseconds() - start;
        if (!slot)
            break;
        slot = process(worker, slot);
        queue_add_totals(engine->setup.queue, engine->setup.local_rank, &worker->totals);
        memset(&worker->totals, 0, sizeof worker->totals);
    }
    queue_add_totals(engine->setup.queue, engine->setup.local_rank, &worker->totals);
    witness_leave_thread(&worker->witness);
    pthread_mutex_lock(&engine->mutex);
    engine->workers_left--;
    engine_note_finish(engine);
    pthread_mutex_unlock(&engine->mutex);
    return NULL;
}
