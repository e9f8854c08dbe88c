#include "drain.h"
#include "engine_parts.h"
#include "node.h"

/** Predicted seconds of a chunk on one core. */
static double
predict(const struct engine *engine, const struct plan_chunk *chunk)
{
    struct tune_facts facts;
    cores_facts(engine->setup.cores, engine->setup.plan, chunk, &facts);
    return tune_seconds(&facts, 1);
}

static void
release_cores(struct engine *engine, struct slot *slot)
{
    if (slot->taken_count > 0 && cores_release(engine->setup.cores, slot->taken, slot->taken_count))
        queue_ring_all(engine->setup.queue);
    slot->taken_count = 0;
}

/**
 * No more spans will come: choose how many cores compute the chunk at the queue's head, and take them.
 * @return false where this rank has to wait, for cores or for another rank that is to compute it
 */
static bool
take_cores(struct engine *engine, struct slot *slot)
{
    const struct engine_setup *setup = &engine->setup;
    struct queue_span spans[QUEUE_CELLS];
    int count = queue_last_spans(setup->queue, spans), other = -1;
    if (count == 0)
        return true; // the queue will say what is now so
    slot->taken_count = cores_choose(setup->cores, setup->plan, spans, count, setup->local_rank, node_nanoseconds(),
                                     slot->taken, &other, engine->scratch);
    if (other >= 0)
        queue_ring(setup->queue, other);
    return slot->taken_count > 0;
}

/** Claim where widths are chosen. */
static enum queue_claim
claim_with_cores(struct engine *engine, struct slot *slot, int64_t *place)
{
    const struct engine_setup *setup = &engine->setup;
    struct queue_span spans[QUEUE_CELLS];
    int count = queue_last_spans(setup->queue, spans);
    if (count == 0 || cores_need_no_choice(setup->cores, setup->plan, spans, count))
        return queue_take(setup->queue, place);
    cores_lock(setup->cores);
    enum queue_claim claim = take_cores(engine, slot) ? queue_take(setup->queue, place) : QUEUE_EMPTY;
    cores_unlock(setup->cores);
    if (claim != QUEUE_CLAIMED)
        release_cores(engine, slot);
    return claim;
}

/** What a nominal second is worth. All ranks' totals are summed now and then only: there may be many ranks, and short chunks. */
static double
ask_worth(struct engine *engine)
{
    static const int64_t every_ns = 10 * INT64_C(1000000);
    struct queue_totals totals;
    int64_t now = node_nanoseconds();
    if (now - atomic_load(&engine->worth_ns) > every_ns) {
        queue_sum_totals(engine->setup.queue, &totals);
        atomic_store(&engine->worth, drain_worth(&totals));
        atomic_store(&engine->worth_ns, now);
    }
    return atomic_load(&engine->worth);
}

/** Whether a chunk may be started, where there is a deadline. */
static bool
is_in_time(struct engine *engine, const struct plan_chunk *chunk)
{
    return engine->setup.deadline <= 0 ||
           drain_allows(engine->setup.deadline, node_wall_seconds(), plan_chunk_seconds(engine->setup.plan, chunk),
                        ask_worth(engine));
}

/** A chunk that would not end in time is left for another run; shorter ones stand behind it. */
enum queue_claim
chunk_claim(struct engine *engine, struct slot *slot, bool ahead)
{
    for (;;) {
        int64_t place;
        slot->taken_count = 0;
        enum queue_claim claim = engine->setup.cores && !ahead ? claim_with_cores(engine, slot, &place)
                                                               : queue_take(engine->setup.queue, &place);
        if (claim != QUEUE_CLAIMED)
            return claim;
        struct plan_chunk chunk = plan_at(engine->setup.plan, place);
        if (!is_in_time(engine, &chunk)) {
            release_cores(engine, slot);
            continue;
        }
        ring_assign(engine, slot, &chunk);
        atomic_store(&engine->setup.queue->ranks[engine->setup.local_rank].in_flight[slot->index], chunk.chunk + 1);
        return claim;
    }
}

void
chunk_begin_width(struct engine *engine, struct slot *slot)
{
    const struct engine_setup *setup = &engine->setup;
    slot->width = setup->layout.width;
    if (!setup->cores)
        return;
    if (slot->taken_count == 0) { // claimed ahead, or short
        bool is_short = predict(engine, &slot->chunk) < CORES_LEAST_SECONDS;
        int core = is_short ? -1 : cores_take(setup->cores, setup->local_rank, node_nanoseconds(), &slot->chunk);
        if (core >= 0)
            slot->taken[slot->taken_count++] = core;
    }
    if (slot->taken_count <= 1)
        return;
    struct sheaf_error ignored; // without helpers the worker computes alone
    slot->width = setup->use_cores(setup->use_cores_argument, slot->taken, slot->taken_count);
    if (setup->plan->kernel->width_kind == SHEAF_WIDTH_PARALLEL && parallel_create(slot->width, &slot->team, &ignored))
        slot->width = 1;
}

void
chunk_end_width(struct engine *engine, struct slot *slot)
{
    if (slot->taken_count <= 1)
        return;
    parallel_destroy(slot->team);
    slot->team = NULL;
    engine->setup.use_cores(engine->setup.use_cores_argument, NULL, 0);
}

void
chunk_give_back_cores(struct engine *engine, struct slot *slot)
{
    if (engine->setup.cores)
        release_cores(engine, slot);
}
