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

/** Tasks of a set: one that cannot be read fails by itself; the kernel gets zeros for it. */
static void
read_members(const struct engine *engine, int input, struct slot *slot, enum step step)
{
    int64_t bytes = plan_array_bytes(&chunk_class(engine, slot)->problem.inputs[input]);
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

enum sheaf_status
chunk_load(struct engine *engine, struct slot *slot, bool only_blocking)
{
    int64_t start = node_nanoseconds();
    struct sheaf_error error;
    int inputs = chunk_class(engine, slot)->problem.input_count;
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
