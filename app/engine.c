#include "engine.h"
#include "engine_parts.h"
#include "node.h"
#include "threads.h"

#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

/** For how long the carrier may still read, and whoever writes still write, when nothing that is in flight is waited for. */
static const int64_t patience_ns = INT64_C(1000000000);

static bool
is_parked(const struct engine *engine)
{
    return engine->setup.local_rank >= engine->setup.layout.ranks;
}

/** Whether some input may block when it is read. */
static bool
has_blocking_inputs(const struct engine_setup *setup)
{
    const struct plan_class *class = &setup->plan->classes[0];
    for (int i = 0; i < class->problem.input_count; i++) {
        enum source_access access = source_access(setup->sources[i]);
        if (!class->shared[i] && (access == SOURCE_DISK || access == SOURCE_LIBRARY))
            return true;
    }
    return false;
}

/** For a kernel that splits its tasks itself: the threads of each worker's width. BLAS has its own. */
static enum sheaf_status
create_helpers(struct engine *engine, struct sheaf_error *error)
{
    const struct engine_setup *setup = &engine->setup;
    enum sheaf_status status = SHEAF_OK;
    if (setup->plan->kernel->width_kind != SHEAF_WIDTH_PARALLEL || setup->layout.width <= 1)
        return SHEAF_OK;
    for (int i = 0; !status && i < engine->size.workers; i++)
        status = parallel_create(setup->layout.width, &engine->workers[i].parallel, error);
    return status;
}

enum sheaf_status
engine_create(const struct engine_setup *setup, struct engine **out, struct sheaf_error *error)
{
    struct engine *engine = calloc(1, sizeof *engine);
    if (!engine)
        return sheaf_fail(error, SHEAF_NO_RESOURCES, "no memory for the engine");
    *out = engine;
    engine->setup = *setup;
    atomic_store(&engine->news, 1);
    atomic_store(&engine->worth, 1);
    pthread_mutex_init(&engine->mutex, NULL);
    pthread_cond_init(&engine->workers_wake, NULL);
    pthread_cond_init(&engine->carrier_wake, NULL);
    if (is_parked(engine))
        return SHEAF_OK;
    enum sheaf_status status = engine_size(setup->plan, setup->inputs, &setup->layout, has_blocking_inputs(setup),
                                           !setup->results_in_memory, setup->memory_bytes, &engine->size, error);
    if (setup->alone)
        engine->size.slots = engine->size.workers; // nothing is read ahead: one chunk in flight
    if (!status)
        status = ring_allocate(engine, error);
    if (!status)
        status = threads_check_callers(setup->plan->kernel, engine->size.workers + 1, engine->size.workers, error);
    return status ? status : create_helpers(engine, error);
}

void
engine_start(struct engine *engine, struct store *store, uint32_t run, uint32_t host, struct keeper *keeper,
             bool settles)
{
    engine->settle_wanted = settles;
    engine->store = store;
    engine->run = run;
    engine->host = host;
    engine->keeper = keeper;
    engine->workers_left = engine->size.workers;
    if (is_parked(engine)) {
        engine_note_finish(engine);
        return;
    }
    engine->carrier_started = pthread_create(&engine->carrier, NULL, carrier_main, engine) == 0;
    while (engine->carrier_started && engine->threads_started < engine->size.workers) {
        struct worker *worker = &engine->workers[engine->threads_started];
        if (pthread_create(&worker->thread, NULL, worker_main, worker) != 0)
            break;
        engine->threads_started++;
    }
    int missing = engine->size.workers - engine->threads_started;
    if (missing == 0)
        return;
    struct sheaf_error error;
    sheaf_fail(&error, SHEAF_NO_RESOURCES, "cannot create %d threads, %d are there; look at ulimit -u",
               engine->size.workers + 1, engine->threads_started + engine->carrier_started);
    queue_fail(engine->setup.queue, &error);
    pthread_mutex_lock(&engine->mutex);
    engine->workers_left -= missing;
    engine_note_finish(engine);
    pthread_mutex_unlock(&engine->mutex);
}

/** Say that a task, or reading it, takes too long, and end the run. */
static void
end_overdue(struct engine *engine, const struct record_chunk *record)
{
    const struct engine_setup *setup = &engine->setup;
    struct sheaf_error error;
    char what[64];
    int64_t task;
    plan_run(setup->plan, record->first + (record->task > 0 ? record->task - 1 : 0), 1, &task);
    if (record->task > 0 || record->count == 1)
        snprintf(what, sizeof what, "task %lld", (long long)task);
    else
        snprintf(what, sizeof what, "%u tasks from %lld on", record->count, (long long)task);
    sheaf_fail(&error, SHEAF_INTERRUPTED,
               "%s%s took longer than --task-timeout %lld on rank %d: stopped; start it again with --resume: that is "
               "then tried again alone, behind all others",
               record->reading > 0 ? "reading the input of " : "", what,
               (long long)(setup->task_timeout_ns / 1000000000), setup->rank);
    queue_fail(setup->queue, &error);
    queue_drain(setup->queue, QUEUE_DROP); // nobody waits for it
}

/** End the run where a task takes too long: the thread that computes or reads it cannot be stopped in any other way. */
static void
attend_overdue(struct engine *engine)
{
    const int64_t limit = engine->setup.task_timeout_ns, now = node_nanoseconds();
    struct record_chunk record;
    for (int i = 0; limit > 0 && i < engine->threads_started; i++)
        if (witness_condemn(&engine->workers[i].witness, now, limit, &record))
            end_overdue(engine, &record);
    if (limit > 0 && witness_condemn(&engine->reader, now, limit, &record))
        end_overdue(engine, &record);
}

/** The carrier spares what is being computed (carrier.c), but cannot what it is reading itself meanwhile. */
static void
spare_reader(struct engine *engine)
{
    if (engine->reader_spared || queue_drains(engine->setup.queue) == QUEUE_GO_ON)
        return;
    engine->reader_spared = true;
    witness_spare(&engine->reader);
}

void
engine_attend(struct engine *engine)
{
    attend_overdue(engine);
    spare_reader(engine);
    struct queue_rank *rank = &engine->setup.queue->ranks[engine->setup.local_rank];
    atomic_store(&rank->heartbeat, node_nanoseconds());
    pthread_mutex_lock(&engine->mutex);
    if (atomic_fetch_add(&engine->news, 1) + 1 == 0)
        atomic_store(&engine->news, 1); // 0 means "nothing seen"
    pthread_cond_broadcast(&engine->workers_wake);
    pthread_cond_signal(&engine->carrier_wake);
    pthread_mutex_unlock(&engine->mutex);
}

void
engine_wait_news(struct engine *engine, pthread_cond_t *wake, uint32_t seen)
{
    while (atomic_load(&engine->news) == seen && !queue_is_stopped(engine->setup.queue))
        pthread_cond_wait(wake, &engine->mutex);
}

void
engine_note_finish(struct engine *engine)
{
    if (engine->workers_left > 0 || engine->behind.count > 0 || engine->in_hands > 0 || engine->carrier_lost)
        return;
    struct queue *queue = engine->setup.queue;
    atomic_store(&queue->ranks[engine->setup.local_rank].finished, 1);
    queue_ring(queue, engine->setup.local_rank);
    queue_ring(queue, 0);
}

void
engine_take_commits(void *argument, void *buffer, size_t bytes)
{
    struct engine *engine = argument;
    struct commit_batch *batch = malloc(sizeof *batch);
    if (!batch) {
        struct sheaf_error error;
        sheaf_fail(&error, SHEAF_NO_RESOURCES, "no memory for another node's commits");
        queue_fail(engine->setup.queue, &error);
        free(buffer);
        return;
    }
    *batch = (struct commit_batch){.buffer = buffer, .bytes = bytes};
    pthread_mutex_lock(&engine->mutex);
    if (engine->batches)
        engine->batches_last->next = batch;
    else
        engine->batches = batch;
    engine->batches_last = batch;
    engine->batches_left++;
    pthread_cond_signal(&engine->carrier_wake);
    pthread_mutex_unlock(&engine->mutex);
}

/**
 * With the mutex held: whether there is no carrier that would do anything. The run has failed; or it drops what is in flight, and the
 * carrier does not come back from reading: it is not waited for then, and whatever it does later, this rank has not finished.
 */
static bool
has_no_carrier(struct engine *engine)
{
    if (engine->fetch_began_ns > 0 && queue_drains(engine->setup.queue) == QUEUE_DROP)
        engine->carrier_lost |= node_nanoseconds() - engine->fetch_began_ns > patience_ns;
    return !engine->carrier_started || engine->carrier_lost;
}

bool
engine_has_written_commits(struct engine *engine)
{
    pthread_mutex_lock(&engine->mutex);
    bool written = engine->batches_left == 0 || has_no_carrier(engine);
    pthread_mutex_unlock(&engine->mutex);
    return written;
}

void
engine_begin_sync(struct engine *engine)
{
    pthread_mutex_lock(&engine->mutex);
    engine->sync_wanted = true;
    pthread_cond_signal(&engine->carrier_wake);
    pthread_mutex_unlock(&engine->mutex);
}

bool
engine_has_synced(struct engine *engine)
{
    pthread_mutex_lock(&engine->mutex);
    bool synced = engine->synced || has_no_carrier(engine);
    pthread_mutex_unlock(&engine->mutex);
    return synced;
}

bool
engine_settlement(const struct engine *engine, struct store_settlement *settlement)
{
    *settlement = engine->settlement;
    return engine->settled;
}

void
engine_begin_writing(struct engine *engine)
{
    if (!(atomic_fetch_add(&engine->gate, 1) & ENGINE_ABANDONED))
        return;
    atomic_fetch_sub(&engine->gate, 1);
    for (;;)
        pause();
}

void
engine_end_writing(struct engine *engine)
{
    atomic_fetch_sub(&engine->gate, 1);
}

void
engine_abandon(struct engine *engine)
{
    const struct timespec nap = {.tv_nsec = 1000000};
    const int64_t end = node_nanoseconds() + patience_ns;
    witness_abandon_threads();
    // The carrier may not have come to it, and will not any more: what is dropped has not killed the run.
    for (int i = 0; i < engine->threads_started; i++)
        witness_spare(&engine->workers[i].witness);
    witness_spare(&engine->reader);
    atomic_fetch_or(&engine->gate, ENGINE_ABANDONED);
    while (atomic_load(&engine->gate) != ENGINE_ABANDONED && node_nanoseconds() < end)
        nanosleep(&nap, NULL);
}

const struct engine_size *
engine_get_size(const struct engine *engine)
{
    return &engine->size;
}

void
engine_destroy(struct engine *engine)
{
    if (!engine)
        return;
    pthread_mutex_lock(&engine->mutex);
    pthread_cond_broadcast(&engine->workers_wake); // asleep, they would not see that the queue was stopped
    pthread_mutex_unlock(&engine->mutex);
    for (int i = 0; i < engine->threads_started; i++)
        pthread_join(engine->workers[i].thread, NULL);
    pthread_mutex_lock(&engine->mutex);
    engine->quit = true;
    pthread_cond_signal(&engine->carrier_wake);
    pthread_mutex_unlock(&engine->mutex);
    if (engine->carrier_started)
        pthread_join(engine->carrier, NULL);
    for (int i = 0; engine->workers && i < engine->size.workers; i++)
        parallel_destroy(engine->workers[i].parallel);
    for (struct commit_batch *batch = engine->batches, *next; batch; batch = next) {
        next = batch->next;
        free(batch->buffer);
        free(batch);
    }
    ring_free(engine);
    pthread_cond_destroy(&engine->workers_wake);
    pthread_cond_destroy(&engine->carrier_wake);
    pthread_mutex_destroy(&engine->mutex);
    free(engine);
}
