#include "engine_parts.h"
#include "finite.h"
#include "node.h"

#include <math.h>
#include <string.h>

static const struct plan_class *
class_of(const struct engine *engine, const struct slot *slot)
{
    return &engine->setup.plan->classes[slot->chunk.class_index];
}

enum queue_claim
chunk_claim(struct engine *engine, struct slot *slot)
{
    int64_t place;
    enum queue_claim claim = queue_take(engine->setup.queue, &place);
    if (claim != QUEUE_CLAIMED)
        return claim;
    struct plan_chunk chunk = plan_at(engine->setup.plan, place);
    ring_assign(engine, slot, &chunk);
    atomic_store(&engine->setup.queue->ranks[engine->setup.local_rank].in_flight[slot->index], chunk.chunk + 1);
    return claim;
}

static bool
is_cached(const struct plan *plan, const struct source *source, const struct plan_chunk *chunk)
{
    int64_t task, count;
    for (int64_t done = 0; done < chunk->count; done += count) {
        count = plan_run(plan, chunk->first + done, chunk->count - done, &task);
        if (!source_is_cached(source, task, count))
            return false;
    }
    return true;
}

/** Whether the carrier should read this input: the library always, a disk where the bytes are not there yet. */
static bool
may_block(const struct engine *engine, int input, const struct plan_chunk *chunk)
{
    const struct source *source = engine->setup.sources[input];
    enum source_access access = source_access(source);
    return access == SOURCE_LIBRARY || (access == SOURCE_DISK && !is_cached(engine->setup.plan, source, chunk));
}

/** What is done of reading an input: both steps at once, or one of the two that source_fetch begins. */
enum step { STEP_READ, STEP_FETCH, STEP_DECODE };

/** A task of a set, the chunk's `t`th. */
static enum sheaf_status
read_member(const struct engine *engine, int input, struct slot *slot, int64_t t, enum step step)
{
    const struct plan_class *class = class_of(engine, slot);
    const struct sheaf_array *array = &class->problem.inputs[input];
    struct source *source = engine->setup.sources[input];
    int64_t bytes = plan_array_bytes(array), raw_bytes = slot->raw_bytes[input] / class->tasks_per_chunk, task;
    char *to = (char *)slot->inputs[input] + t * bytes;
    void *raw = slot->raw[input] ? (char *)slot->raw[input] + t * raw_bytes : NULL;
    plan_run(engine->setup.plan, slot->chunk.first + t, 1, &task);
    if (step == STEP_FETCH)
        return source_fetch_task(source, task, array, raw, raw_bytes, to, NULL);
    if (step == STEP_DECODE)
        return source_decode_task(source, task, array, raw, raw_bytes, to, NULL);
    // Of several classes, a set's members are one a task. A refused task may have been another input's fault.
    int64_t earlier = engine->setup.plan->order ? -1 : source_earlier_task(source, task) - slot->chunk.first;
    if (earlier < 0 || slot->refused[earlier])
        return source_read_task(source, task, array, to, NULL);
    memcpy(to, (char *)slot->inputs[input] + earlier * bytes, (size_t)bytes);
    return SHEAF_OK;
}

/** Tasks of a set: one that cannot be read fails by itself; the kernel gets zeros for it. */
static void
read_members(const struct engine *engine, int input, struct slot *slot, enum step step)
{
    int64_t bytes = plan_array_bytes(&class_of(engine, slot)->problem.inputs[input]);
    for (int64_t t = 0; t < slot->chunk.count; t++) {
        if (read_member(engine, input, slot, t, step) == SHEAF_OK)
            continue;
        memset((char *)slot->inputs[input] + t * bytes, 0, (size_t)bytes);
        slot->refused[t] = SHEAF_TASK_UNREADABLE;
    }
}

static enum sheaf_status
read_tasks(const struct plan *plan, struct source *source, int input, struct slot *slot, struct sheaf_error *error)
{
    int64_t bytes = plan_array_bytes(&plan->classes[slot->chunk.class_index].problem.inputs[input]), task, count;
    enum sheaf_status status = SHEAF_OK;
    for (int64_t done = 0; done < slot->chunk.count && !status; done += count) {
        count = plan_run(plan, slot->chunk.first + done, slot->chunk.count - done, &task);
        status = source_read(source, task, count, (char *)slot->inputs[input] + done * bytes, error);
    }
    return status;
}

/** One of the two steps of reading an input that has two. */
static enum sheaf_status
take_step(const struct engine *engine, int input, struct slot *slot, enum step step, struct sheaf_error *error)
{
    struct source *source = engine->setup.sources[input];
    const struct plan_chunk *chunk = &slot->chunk;
    if (source_is_set(source)) {
        read_members(engine, input, slot, step);
        return SHEAF_OK;
    }
    if (step == STEP_FETCH)
        return source_fetch(source, chunk->first, chunk->count, slot->raw[input], slot->raw_bytes[input], error);
    return source_decode(source, chunk->count, slot->raw[input], slot->inputs[input], error);
}

/** The tasks' bytes where they lie in a mapped file, if that is a good way to have them; else NULL. */
static const void *
view_tasks(const struct plan *plan, struct source *source, int input, struct slot *slot)
{
    int64_t task;
    if (plan_run(plan, slot->chunk.first, slot->chunk.count, &task) < slot->chunk.count)
        return NULL;
    return source_view(source, task, slot->chunk.count, slot->inputs[input]);
}

/**
 * Read an input. Where that has two steps, the carrier fetches it and the worker that uses it unpacks it. A rank's only worker
 * does not: the carrier unpacks ahead, while it computes.
 *
 * @param[in] ahead  the carrier reads, for a worker: what has to be waited for should be waited for now
 */
static enum sheaf_status
read_input(const struct engine *engine, int input, bool ahead, struct slot *slot, struct sheaf_error *error)
{
    struct source *source = engine->setup.sources[input];
    if (slot->raw[input] && !slot->fetched[input]) {
        enum sheaf_status status = take_step(engine, input, slot, STEP_FETCH, error);
        slot->fetched[input] = true;
        if (status || engine->size.workers > 1)
            return status;
    }
    slot->loaded[input] = true;
    if (slot->raw[input])
        return take_step(engine, input, slot, STEP_DECODE, error);
    if (source_is_set(source)) {
        read_members(engine, input, slot, STEP_READ);
        return SHEAF_OK;
    }
    if (!ahead)
        slot->views[input] = view_tasks(engine->setup.plan, source, input, slot);
    return slot->views[input] ? SHEAF_OK : read_tasks(engine->setup.plan, source, input, slot, error);
}

/** Where an input of a loaded chunk is. */
static const void *
input_of(const struct slot *slot, int input)
{
    return slot->views[input] ? slot->views[input] : slot->inputs[input];
}

/** The chunk was computed: were all bytes there that it was computed from? */
static enum sheaf_status
end_views(const struct engine *engine, struct slot *slot)
{
    enum sheaf_status status = SHEAF_OK;
    struct sheaf_error error;
    int64_t task;
    plan_run(engine->setup.plan, slot->chunk.first, slot->chunk.count, &task);
    for (int i = 0; i < class_of(engine, slot)->problem.input_count && !status; i++)
        if (slot->views[i])
            status = source_end_view(engine->setup.sources[i], task, slot->chunk.count, &error);
    if (status)
        queue_fail(engine->setup.queue, &error);
    return status;
}

enum sheaf_status
chunk_load(struct engine *engine, struct slot *slot, bool only_blocking)
{
    int64_t start = node_nanoseconds();
    struct sheaf_error error;
    int inputs = class_of(engine, slot)->problem.input_count;
    if (slot->record.read_start == 0)
        slot->record.read_start = node_wall_seconds();
    for (int i = 0; i < inputs; i++) {
        if (slot->loaded[i] || (only_blocking && !may_block(engine, i, &slot->chunk)))
            continue;
        enum sheaf_status status = read_input(engine, i, only_blocking, slot, &error);
        if (status) {
            queue_fail(engine->setup.queue, &error);
            return status;
        }
    }
    slot->read_ns += node_nanoseconds() - start;
    return SHEAF_OK;
}

/** What an output of a failed task holds: NaN, 0 for integers. */
static void
fill_failed(const struct sheaf_array *array, void *output)
{
    int64_t count = 0;
    sheaf_shape_count(&array->shape, &count);
    if (sheaf_type_is_complex(array->type))
        count *= 2;
    if (array->type == SHEAF_F64 || array->type == SHEAF_C128)
        for (int64_t i = 0; i < count; i++)
            ((double *)output)[i] = NAN;
    else if (array->type == SHEAF_F32 || array->type == SHEAF_C64)
        for (int64_t i = 0; i < count; i++)
            ((float *)output)[i] = NAN;
    else
        memset(output, array->type == SHEAF_F16 ? 0x7e : 0, (size_t)count * sheaf_type_size(array->type));
}

/** A task's failures, settled: count them, and let no half-computed result stand. */
static void
settle_failures(const struct plan_class *class, struct slot *slot)
{
    for (int64_t t = 0; t < slot->chunk.count; t++) {
        if (slot->refused[t]) {
            slot->status[t] = slot->refused[t];
            slot->info[t] = 0;
        }
        if (slot->status[t] == SHEAF_TASK_DONE)
            continue;
        slot->record.failed++;
        for (int i = 0; i < class->problem.output_count; i++) {
            const struct sheaf_array *array = &class->problem.outputs[i];
            if (slot->outputs[i])
                fill_failed(array, (char *)slot->outputs[i] + t * plan_array_bytes(array));
        }
    }
}

static void
fill_batch(const struct worker *worker, const struct slot *slot, struct sheaf_batch *batch)
{
    const struct engine *engine = worker->engine;
    const struct plan_class *class = class_of(engine, slot);
    memset(batch, 0, sizeof *batch);
    batch->count = slot->chunk.count;
    for (int i = 0; i < class->problem.input_count; i++) {
        batch->inputs[i] = class->shared[i] ? engine->setup.shared_inputs[i] : input_of(slot, i);
        batch->input_strides[i] = class->shared[i] ? 0 : (size_t)plan_array_bytes(&class->problem.inputs[i]);
    }
    for (int i = 0; i < class->problem.output_count; i++) {
        batch->outputs[i] = slot->outputs[i];
        batch->output_strides[i] = (size_t)plan_array_bytes(&class->problem.outputs[i]);
    }
    batch->status = slot->status;
    batch->info = slot->info;
    batch->workspace = worker->workspace;
    batch->width = engine->setup.layout.width;
    if (engine->setup.plan->kernel->width_kind == SHEAF_WIDTH_PARALLEL) {
        batch->parallel_for = parallel_for;
        batch->team = worker->parallel;
    }
}

/** Fill the parts of a record that are known when a chunk starts, and write it as started. */
static enum sheaf_status
record_start(const struct worker *worker, struct slot *slot)
{
    const struct engine_setup *setup = &worker->engine->setup;
    struct record_chunk *record = &slot->record;
    struct sheaf_error error;
    record->state = RECORD_STARTED;
    record->class_index = (uint32_t)slot->chunk.class_index;
    record->first = slot->chunk.first;
    record->count = (uint32_t)slot->chunk.count;
    record->run = worker->engine->run;
    record->host = worker->engine->host;
    record->rank = (uint32_t)setup->rank;
    record->worker = (uint16_t)worker->index;
    record->width = (uint16_t)setup->layout.width;
    if (!setup->on_root_node)
        return SHEAF_OK; // a start that travels comes too late to tell anything; the node's in-flight slots do
    enum sheaf_status status = store_start_chunk(worker->engine->store, slot->chunk.chunk, record, &error);
    if (status)
        queue_fail(setup->queue, &error);
    return status;
}

/** Find tasks whose input is not finite. The inputs that all tasks share were checked when they were read. */
static void
refuse_not_finite(const struct engine *engine, struct slot *slot)
{
    const struct plan_class *class = class_of(engine, slot);
    for (int i = 0; i < class->problem.input_count; i++) {
        const struct sheaf_array *array = &class->problem.inputs[i];
        int64_t bytes = plan_array_bytes(array), count = 0;
        sheaf_shape_count(&array->shape, &count);
        if (class->shared[i] || !(SHEAF_TYPES_FLOATING & SHEAF_TYPE_BIT(array->type)))
            continue;
        for (int64_t t = 0; t < slot->chunk.count; t++)
            if (!slot->refused[t] && !is_finite(array->type, (const char *)input_of(slot, i) + t * bytes, count))
                slot->refused[t] = SHEAF_TASK_NOT_FINITE;
    }
}

static enum sheaf_status
chunk_compute(struct worker *worker, struct slot *slot)
{
    struct engine *engine = worker->engine;
    const struct plan_class *class = class_of(engine, slot);
    const struct sheaf_kernel *kernel = engine->setup.plan->kernel;
    struct sheaf_batch batch;
    if (engine->setup.check_finite)
        refuse_not_finite(engine, slot);
    fill_batch(worker, slot, &batch);
    memset(slot->status, SHEAF_TASK_DONE, (size_t)slot->chunk.count);
    memset(slot->info, 0, (size_t)slot->chunk.count * sizeof *slot->info);
    enum sheaf_status status = record_start(worker, slot);
    if (status)
        return status;

    slot->record.compute_start = node_wall_seconds();
    int64_t start = node_nanoseconds();
    status = kernel->run(&class->problem, &batch);
    if (status) {
        struct sheaf_error error;
        int64_t task;
        plan_run(engine->setup.plan, slot->chunk.first, 1, &task);
        sheaf_fail(&error, status, "kernel %s failed on the %lld tasks of a chunk, the first one is task %lld",
                   kernel->name, (long long)slot->chunk.count, (long long)task);
        queue_fail(engine->setup.queue, &error);
        return status;
    }
    if ((status = end_views(engine, slot)))
        return status;
    settle_failures(class, slot);
    int64_t spent = node_nanoseconds() - start;
    slot->record.compute_seconds = (float)(1e-9 * (double)spent);
    worker->totals.compute_ns += spent;
    return SHEAF_OK;
}

/** Post a commit for the root's node, waiting for room in the outbox. @return false where the run was stopped first */
static bool
post_commit(struct engine *engine, struct slot *slot)
{
    const struct engine_setup *setup = &engine->setup;
    record_chunk_seal(&slot->record, slot->chunk.chunk);
    for (;;) {
        uint32_t seen = atomic_load(&engine->news);
        pthread_mutex_lock(&engine->mutex);
        bool posted =
            queue_post(setup->queue, setup->local_rank, slot->chunk.chunk, &slot->record, slot->status, slot->info);
        pthread_mutex_unlock(&engine->mutex);
        queue_ring(setup->queue, 0);
        if (posted || queue_is_stopped(setup->queue))
            return posted;
        pthread_mutex_lock(&engine->mutex);
        engine_wait_news(engine, &engine->workers_wake, seen);
        pthread_mutex_unlock(&engine->mutex);
    }
}

/** An output of a chunk: its tasks' results, those of tasks that follow each other at once. */
static enum sheaf_status
write_output(struct engine *engine, struct slot *slot, int output, int dataset, struct sheaf_error *error)
{
    int64_t bytes = plan_array_bytes(&class_of(engine, slot)->problem.outputs[output]), task, count;
    enum sheaf_status status = SHEAF_OK;
    for (int64_t done = 0; done < slot->chunk.count && !status; done += count) {
        count = plan_run(engine->setup.plan, slot->chunk.first + done, slot->chunk.count - done, &task);
        status = store_write(engine->store, dataset, task, count, (char *)slot->outputs[output] + done * bytes,
                             slot->digest, error);
    }
    return status;
}

static enum sheaf_status
write_results(struct engine *engine, struct slot *slot, struct sheaf_error *error)
{
    const struct plan_class *class = class_of(engine, slot);
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
    return store_commit_chunk(engine->store, chunk, record, error);
}

/** What a committed chunk adds to the totals. */
static void
count_chunk(const struct engine *engine, const struct slot *slot, struct queue_totals *totals)
{
    const struct plan_class *class = class_of(engine, slot);
    totals->tasks = slot->chunk.count;
    totals->failed = slot->record.failed;
    totals->chunks = 1;
    totals->work = (int64_t)(1e9 * plan_chunk_seconds(engine->setup.plan, &slot->chunk));
    for (int i = 0; i < class->problem.input_count; i++)
        if (!class->shared[i] && source_access(engine->setup.sources[i]) != SOURCE_COMPUTED)
            totals->bytes_read += slot->chunk.count * plan_array_bytes(&class->problem.inputs[i]);
    totals->bytes_written = slot->chunk.count * class->output_bytes;
}

enum sheaf_status
chunk_commit(struct engine *engine, struct slot *slot)
{
    const struct engine_setup *setup = &engine->setup;
    struct record_chunk *record = &slot->record;
    struct sheaf_error error;
    record->write_start = node_wall_seconds();
    record->read_seconds = (float)(1e-9 * (double)slot->read_ns);
    int64_t start = node_nanoseconds();
    enum sheaf_status status = write_results(engine, slot, &error);
    record->write_seconds = (float)(1e-9 * (double)(node_nanoseconds() - start));
    if (!status) {
        record->state = RECORD_DONE;
        record->sequence = atomic_fetch_add(&setup->queue->sequence, 1) + 1;
        if (setup->on_root_node)
            status = chunk_record(engine, slot->chunk.chunk, record, slot->status, slot->info, &error);
        else if (!post_commit(engine, slot))
            return SHEAF_INTERRUPTED;
    }
    if (status) {
        queue_fail(setup->queue, &error);
        return status;
    }
    struct queue_totals totals = {0};
    count_chunk(engine, slot, &totals);
    queue_add_totals(setup->queue, setup->local_rank, &totals);
    atomic_store(&setup->queue->ranks[setup->local_rank].in_flight[slot->index], 0);
    return SHEAF_OK;
}

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
    slot_list_push(&engine->idle_slots, slot);
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
        enum queue_claim claim = chunk_claim(engine, slot);
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
    if (chunk_load(engine, slot, false) || chunk_compute(worker, slot))
        return slot;
    worker->totals.read_ns += slot->read_ns - before;
    if (engine->size.carrier_writes) {
        pthread_mutex_lock(&engine->mutex);
        slot_list_push(&engine->behind, slot);
        pthread_cond_signal(&engine->carrier_wake);
        pthread_mutex_unlock(&engine->mutex);
        return NULL;
    }
    int64_t start = node_nanoseconds();
    if (chunk_commit(engine, slot) == SHEAF_OK)
        worker->totals.write_ns += node_nanoseconds() - start;
    return slot;
}

void *
worker_main(void *argument)
{
    struct worker *worker = argument;
    struct engine *engine = worker->engine;
    struct slot *slot = NULL;
    worker->totals.workers = 1;
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
    pthread_mutex_lock(&engine->mutex);
    engine->workers_left--;
    engine_note_finish(engine);
    pthread_mutex_unlock(&engine->mutex);
    return NULL;
}
