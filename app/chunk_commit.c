#include "engine_parts.h"
#include "node.h"

/**
 * Post a commit for the root's node, waiting for room in the outbox. There will be some, also when the run is stopped: the leader
 * empties it until all its ranks have finished.
 */
static void
post_commit(struct engine *engine, struct slot *slot)
{
    const struct engine_setup *setup = &engine->setup;
    record_chunk_seal(&slot->record, slot->chunk.chunk);
    pthread_mutex_lock(&engine->mutex);
    for (;;) {
        uint32_t seen = atomic_load(&engine->news);
        bool posted =
            queue_post(setup->queue, setup->local_rank, slot->chunk.chunk, &slot->record, slot->status, slot->info);
        queue_ring(setup->queue, 0);
        if (posted)
            break;
        while (atomic_load(&engine->news) == seen)
            pthread_cond_wait(&engine->workers_wake, &engine->mutex);
    }
    pthread_mutex_unlock(&engine->mutex);
}

/** An output of a chunk: its tasks' results, those of tasks that follow each other at once. */
static enum sheaf_status
write_output(struct engine *engine, struct slot *slot, int output, int dataset, struct sheaf_error *error)
{
    int64_t bytes = plan_array_bytes(&chunk_class(engine, slot)->problem.outputs[output]), task, count;
    enum sheaf_status status = SHEAF_OK;
    for (int64_t done = 0; done < slot->chunk.count && !status; done += count) {
        count = plan_run(engine->setup.plan, slot->chunk.first + done, slot->chunk.count - done, &task);
        status = store_write(engine->store, dataset, task, count, (char *)slot->outputs[output] + done * bytes,
                             slot->digest, error);
    }
    return status;
}

/** A task of a chunk that was computed before, and succeeded then: what it has in the file stands, whatever came out now. */
static enum sheaf_status
keep_task(struct engine *engine, struct slot *slot, int64_t t, int64_t task, struct sheaf_error *error)
{
    const struct plan_class *class = chunk_class(engine, slot);
    int dataset = 0;
    enum sheaf_status status = SHEAF_OK;
    for (int i = 0; i < class->problem.output_count && !status; i++) {
        if (!slot->outputs[i])
            continue;
        char *to = (char *)slot->outputs[i] + t * plan_array_bytes(&class->problem.outputs[i]);
        status = store_read(engine->store, dataset++, task, 1, to, error);
    }
    return status;
}

/** Of a chunk that is computed again for its failed tasks, keep the others' results. */
static enum sheaf_status
keep_results(struct engine *engine, struct slot *slot, struct sheaf_error *error)
{
    slot->record.failed = 0;
    for (int64_t t = 0; t < slot->chunk.count; t++) {
        uint8_t before;
        int32_t info;
        int64_t task;
        plan_run(engine->setup.plan, slot->chunk.first + t, 1, &task);
        enum sheaf_status status = store_read_status(engine->store, task, 1, &before, &info, error);
        if (!status && before == SHEAF_TASK_DONE) {
            slot->status[t] = before;
            slot->info[t] = info;
            status = keep_task(engine, slot, t, task, error);
        }
        if (status)
            return status;
        slot->record.failed += slot->status[t] != SHEAF_TASK_DONE;
    }
    return SHEAF_OK;
}

static enum sheaf_status
write_results(struct engine *engine, struct slot *slot, struct sheaf_error *error)
{
    const struct plan_class *class = chunk_class(engine, slot);
    int dataset = 0;
    record_digest_reset(slot->digest);
    for (int i = 0; i < class->problem.output_count; i++) {
        if (!slot->outputs[i])
            continue;
        enum sheaf_status status = write_output(engine, slot, i, dataset++, error);
        if (status)
            return status;
    }
    record_digest_add(slot->digest, slot->status, (size_t)slot->chunk.count);
    record_digest_add(slot->digest, slot->info, (size_t)slot->chunk.count * sizeof *slot->info);
    slot->record.result_checksum = record_digest_value(slot->digest);
    return SHEAF_OK;
}

enum sheaf_status
chunk_record(struct engine *engine, int64_t chunk, struct record_chunk *record, const uint8_t *status,
             const int32_t *info, struct sheaf_error *error)
{
    int64_t task, count;
    for (int64_t done = 0; done < record->count; done += count) {
        count = plan_run(engine->setup.plan, record->first + done, record->count - done, &task);
        enum sheaf_status outcome = store_write_status(engine->store, task, count, status + done, info + done, error);
        if (outcome)
            return outcome;
    }
    queue_note_committed(engine->setup.queue,
                         (int64_t)(sizeof *record + record->count * (sizeof *status + sizeof *info)));
    // Not before its rows are written: what a mark covers is looked for on the disk.
    if (record->sequence == 0)
        record->sequence = atomic_fetch_add(&engine->setup.queue->sequence, 1) + 1;
    return store_commit_chunk(engine->store, chunk, record, error);
}

/** What a committed chunk adds to the totals. */
static void
count_chunk(const struct engine *engine, const struct slot *slot, struct queue_totals *totals)
{
    const struct plan_class *class = chunk_class(engine, slot);
    totals->tasks = slot->chunk.count;
    totals->failed = slot->record.failed;
    totals->chunks = 1;
    totals->wide = slot->width > engine->setup.layout.width;
    totals->work = (int64_t)(1e9 * plan_chunk_seconds(engine->setup.plan, &slot->chunk));
    for (int i = 0; i < class->problem.input_count; i++)
        if (!class->shared[i] && source_access(engine->setup.sources[i]) != SOURCE_COMPUTED)
            totals->bytes_read += slot->chunk.count * plan_array_bytes(&class->problem.inputs[i]);
    totals->bytes_written = slot->chunk.count * class->output_bytes;
}

/** Write results; the record follows, unless the main thread has left meanwhile. */
static enum sheaf_status
write_chunk(struct engine *engine, struct slot *slot, struct sheaf_error *error)
{
    struct record_chunk *record = &slot->record;
    record->write_start = node_wall_seconds();
    record->read_seconds = (float)(1e-9 * (double)slot->read_ns);
    engine_begin_writing(engine);
    int64_t start = node_nanoseconds();
    enum sheaf_status status = slot->chunk.kept ? keep_results(engine, slot, error) : SHEAF_OK;
    if (!status)
        status = write_results(engine, slot, error);
    record->write_seconds = (float)(1e-9 * (double)(node_nanoseconds() - start));
    engine_end_writing(engine);
    return status;
}

/** On the root's node: commit, and be counted, or neither. */
static enum sheaf_status
commit_here(struct engine *engine, struct slot *slot, struct sheaf_error *error)
{
    struct queue_totals totals = {0};
    engine_begin_writing(engine);
    enum sheaf_status status = chunk_record(engine, slot->chunk.chunk, &slot->record, slot->status, slot->info, error);
    if (!status) {
        count_chunk(engine, slot, &totals);
        queue_add_totals(engine->setup.queue, engine->setup.local_rank, &totals);
    }
    engine_end_writing(engine);
    return status;
}

static void
commit_elsewhere(struct engine *engine, struct slot *slot)
{
    struct queue_totals totals = {0};
    post_commit(engine, slot);
    count_chunk(engine, slot, &totals);
    queue_add_totals(engine->setup.queue, engine->setup.local_rank, &totals);
}

enum sheaf_status
chunk_commit(struct engine *engine, struct slot *slot)
{
    const struct engine_setup *setup = &engine->setup;
    struct record_chunk *record = &slot->record;
    struct sheaf_error error;
    enum sheaf_status status = write_chunk(engine, slot, &error);
    if (!status) {
        record->state = RECORD_DONE;
        record->fate = RECORD_IN_FLIGHT;
        record->task = 0;
        record->sequence = 0; // given at the very end: here, or by the leader that sends it
        queue_note_committed(setup->queue, slot->chunk.count * chunk_class(engine, slot)->output_bytes);
        if (setup->on_root_node)
            status = commit_here(engine, slot, &error);
        else
            commit_elsewhere(engine, slot);
    }
    if (status) {
        queue_fail(setup->queue, &error);
        return status;
    }
    atomic_store(&setup->queue->ranks[setup->local_rank].in_flight[slot->index], 0);
    return SHEAF_OK;
}
