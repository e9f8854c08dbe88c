#include "courier.h"
#include "node.h"
#include "signals.h"

#include <stdio.h>

/** Messages of other nodes must be polled for: often while they come, then ever more rarely. */
static const int64_t poll_least_ns = 50 * INT64_C(1000);
static const int64_t poll_most_ns = 5 * INT64_C(1000000);
/** Others see by the heartbeat that this rank lives. */
static const int64_t heartbeat_ns = INT64_C(1000000000);

/** Whoever waits for a deadline looks at the clock so often. */
static const int64_t deadline_ns = 100 * INT64_C(1000000);

/** Where a leader stands at the end of a run. */
enum closing { RUNNING, SYNCING, FINISHED };

/** Whether nothing is waited for that this node computes. */
static bool
has_computed(const struct queue *queue)
{
    return queue_finished(queue) == queue->rank_count || queue_drains(queue) == QUEUE_DROP;
}

/** Stop where a signal, another rank or the clock wants it. */
static void
attend_drain(const struct courier_setup *setup)
{
    enum queue_drain before = queue_drains(setup->queue), wish = signals_wish();
    bool root = setup->place->rank == 0, known = setup->drain->began > 0;
    wish = drain_decide(setup->drain, node_wall_seconds(), wish > before ? wish : before, root);
    queue_drain(setup->queue, wish);
    struct sheaf_error error;
    if (!root || known || setup->drain->began == 0 || queue_error(setup->queue, &error))
        return; // an error is told at the end
    if (setup->progress)
        progress_end(setup->progress);
    fprintf(stderr, "sheaf: %s: %s\n", drain_reason(setup->drain, signals_first()),
            wish == QUEUE_DRAIN ? "what is being computed is finished first; a second signal drops it"
                                : "what is being computed is dropped");
}

/** Take a leader's next step towards the end, if it is time for it. */
static enum closing
advance(const struct courier_setup *setup, enum closing closing)
{
    switch (closing) {
    case RUNNING:
        if (!has_computed(setup->queue) || !dispatch_others_finished(setup->dispatch) ||
            !engine_has_written_commits(setup->engine))
            return RUNNING;
        engine_begin_sync(setup->engine);
        return SYNCING;
    case SYNCING:
        if (!engine_has_synced(setup->engine))
            return SYNCING;
        dispatch_finish(setup->dispatch);
        return FINISHED;
    case FINISHED:
        break;
    }
    return FINISHED;
}

int64_t
courier_attend(const struct courier_setup *setup)
{
    bool leader = setup->place->local_rank == 0, root = setup->place->rank == 0;
    bool polls = leader && setup->place->node_count > 1;
    int64_t poll = poll_least_ns;
    enum closing closing = RUNNING;
    int64_t committed = 0, attended = 0;
    uint32_t bell = queue_sleep(setup->queue, setup->place->local_rank, 0, 0), heard = bell - 1;
    while (!dispatch_is_over(setup->dispatch)) {
        attend_drain(setup);
        bool urgent = root && (setup->drain->drop_time > 0 || setup->drain->began > 0);
        int64_t nap = urgent ? deadline_ns : heartbeat_ns;
        bool active = dispatch_progress(setup->dispatch);
        // Its threads are not woken where only the time for another look at the messages has come.
        int64_t now = node_nanoseconds();
        if (active || bell != heard || now - attended >= nap) {
            engine_attend(setup->engine);
            attended = now;
            heard = bell;
        }
        if (leader)
            closing = advance(setup, closing);
        if (committed == 0 && closing != RUNNING)
            committed = node_nanoseconds();
        if (setup->progress) {
            struct queue_totals totals;
            dispatch_totals(setup->dispatch, &totals);
            int64_t next = progress_show(setup->progress, &totals);
            nap = next < nap ? next : nap;
        }
        if (polls) {
            poll = active ? poll_least_ns : poll * 2 < poll_most_ns ? poll * 2 : poll_most_ns;
            nap = poll < nap ? poll : nap;
        }
        bell = queue_sleep(setup->queue, setup->place->local_rank, bell, nap);
    }
    return committed;
}
