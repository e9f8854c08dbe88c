#include "engine_parts.h"
#include "node.h"

#include <string.h>

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
    const struct plan_class *class = chunk_class(engine, slot);
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

/** A task of a set that cannot be read fails by itself; the kernel gets zeros for it. */
static void
refuse_unreadable(struct slot *slot, int64_t t, void *to, int64_t bytes)
{
    memset(to, 0, (size_t)bytes);
    slot->refused[t] = SHEAF_TASK_UNREADABLE;
}

/** Tasks of a set. */
static void
read_members(const struct engine *engine, int input, struct slot *slot, enum step step)
{
    int64_t bytes = plan_array_bytes(&chunk_class(engine, slot)->problem.inputs[input]);
    for (int64_t t = 0; t < slot->chunk.count; t++)
        if (read_member(engine, input, slot, t, step))
            refuse_unreadable(slot, t, (char *)slot->inputs[input] + t * bytes, bytes);
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
view_tasks(const struct engine *engine, struct source *source, int input, struct slot *slot)
{
    const struct plan *plan = engine->setup.plan;
    int64_t task, workers = (int64_t)engine->setup.layout.ranks * engine->size.workers;
    if (plan_run(plan, slot->chunk.first, slot->chunk.count, &task) < slot->chunk.count)
        return NULL;
    return source_view(source, task, slot->chunk.count, slot->inputs[input], 1 + plan->places / workers);
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
        slot->views[input] = view_tasks(engine, source, input, slot);
    return slot->views[input] ? SHEAF_OK : read_tasks(engine->setup.plan, source, input, slot, error);
}

const void *
chunk_input(const struct slot *slot, int input)
{
    return slot->views[input] ? slot->views[input] : slot->inputs[input];
}

enum sheaf_status
chunk_end_views(const struct engine *engine, struct slot *slot)
{
    enum sheaf_status status = SHEAF_OK;
    struct sheaf_error error;
    int64_t task;
    plan_run(engine->setup.plan, slot->chunk.first, slot->chunk.count, &task);
    for (int i = 0; i < chunk_class(engine, slot)->problem.input_count && !status; i++)
        if (slot->views[i])
            status = source_end_view(engine->setup.sources[i], task, slot->chunk.count, &error);
    if (status)
        queue_fail(engine->setup.queue, &error);
    return status;
}

/** Whether it is left to the library, or what it gave is unpacked: bytes that others made may crash that, or keep it busy for ever. */
static bool
is_risky(const struct engine *engine, int input)
{
    return source_access(engine->setup.sources[input]) == SOURCE_LIBRARY;
}

/** One task of an input, by itself. */
static enum sheaf_status
read_single(const struct engine *engine, int input, struct slot *slot, int64_t t, struct sheaf_error *error)
{
    const struct sheaf_array *array = &chunk_class(engine, slot)->problem.inputs[input];
    struct source *source = engine->setup.sources[input];
    char *to = (char *)slot->inputs[input] + t * plan_array_bytes(array);
    int64_t task;
    plan_run(engine->setup.plan, slot->chunk.first + t, 1, &task);
    if (!source_is_set(source))
        return source_read(source, task, 1, to, error);
    if (source_read_task(source, task, array, to, NULL))
        refuse_unreadable(slot, t, to, plan_array_bytes(array));
    return SHEAF_OK;
}

/** Read the risky inputs of one task after the other, saying which; a task that is charged with something comes first. */
static enum sheaf_status
read_singly(struct engine *engine, struct slot *slot, struct witness *witness, struct sheaf_error *error)
{
    const int inputs = chunk_class(engine, slot)->problem.input_count;
    enum sheaf_status status = SHEAF_OK;
    for (int64_t k = 0; k < slot->chunk.count && !status; k++) {
        const int64_t t = chunk_single(slot, k);
        for (int i = 0; i < inputs && !status && slot->refused[t] != SHEAF_TASK_QUARANTINED; i++) {
            if (slot->loaded[i] || !is_risky(engine, i))
                continue;
            status = chunk_step(engine, slot, witness, t, i + 1, true, error);
            if (!status)
                status = read_single(engine, i, slot, t, error);
        }
    }
    for (int i = 0; i < inputs; i++)
        slot->loaded[i] |= is_risky(engine, i);
    return status;
}

/** What is to be read now, watched where that may end the process. */
static enum sheaf_status
read_inputs(struct engine *engine, struct slot *slot, struct witness *witness, bool ahead, struct sheaf_error *error)
{
    const int inputs = chunk_class(engine, slot)->problem.input_count;
    int risky = 0;
    for (int i = inputs - 1; i >= 0; i--)
        risky = !slot->loaded[i] && is_risky(engine, i) ? i + 1 : risky;
    // What was computed before keeps the record of that until it is computed again.
    enum sheaf_status status =
        risky ? chunk_watch(engine, slot, witness, risky, ahead && !slot->chunk.kept, error) : SHEAF_OK;
    if (status)
        return status;
    if (risky && slot->record.care == RECORD_SINGLY)
        status = read_singly(engine, slot, witness, error);
    for (int i = 0; i < inputs && !status; i++)
        if (!slot->loaded[i] && (!ahead || may_block(engine, i, &slot->chunk)))
            status = read_input(engine, i, ahead, slot, error);
    struct sheaf_error later;
    enum sheaf_status end = risky ? chunk_end_reading(engine, slot, witness, &later) : SHEAF_OK;
    if (!status && end)
        *error = later;
    return status ? status : end;
}

enum sheaf_status
chunk_load(struct engine *engine, struct slot *slot, struct witness *witness, bool only_blocking)
{
    int64_t start = node_nanoseconds();
    struct sheaf_error error;
    enum sheaf_status status = chunk_recall(engine, slot, &error);
    if (!status)
        status = read_inputs(engine, slot, witness, only_blocking, &error);
    if (status && status != SHEAF_INTERRUPTED) // condemned: it has been said why
        queue_fail(engine->setup.queue, &error);
    slot->read_ns += node_nanoseconds() - start;
    return status;
}
