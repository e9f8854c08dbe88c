#include "engine_parts.h"
#include "finite.h"
#include "node.h"

#include <math.h>
#include <string.h>

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
            if (slot->refused[t] != SHEAF_TASK_QUARANTINED)
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
    const struct plan_class *class = chunk_class(engine, slot);
    memset(batch, 0, sizeof *batch);
    batch->count = slot->chunk.count;
    for (int i = 0; i < class->problem.input_count; i++) {
        batch->inputs[i] = class->shared[i] ? engine->setup.shared_inputs[i] : chunk_input(slot, i);
        batch->input_strides[i] = class->shared[i] ? 0 : (size_t)plan_array_bytes(&class->problem.inputs[i]);
    }
    for (int i = 0; i < class->problem.output_count; i++) {
        batch->outputs[i] = slot->outputs[i];
        batch->output_strides[i] = (size_t)plan_array_bytes(&class->problem.outputs[i]);
    }
    batch->status = slot->status;
    batch->info = slot->info;
    batch->workspace = worker->workspace;
    batch->width = slot->width;
    if (engine->setup.plan->kernel->width_kind == SHEAF_WIDTH_PARALLEL) {
        batch->parallel_for = parallel_for;
        batch->team = slot->team ? slot->team : worker->parallel;
    }
}

/** Find tasks whose input is not finite. The inputs that all tasks share were checked when they were read. */
static void
refuse_not_finite(const struct engine *engine, struct slot *slot)
{
    const struct plan_class *class = chunk_class(engine, slot);
    for (int i = 0; i < class->problem.input_count; i++) {
        const struct sheaf_array *array = &class->problem.inputs[i];
        int64_t bytes = plan_array_bytes(array), count = 0;
        sheaf_shape_count(&array->shape, &count);
        if (class->shared[i] || !(SHEAF_TYPES_FLOATING & SHEAF_TYPE_BIT(array->type)))
            continue;
        for (int64_t t = 0; t < slot->chunk.count; t++)
            if (!slot->refused[t] && !is_finite(array->type, (const char *)chunk_input(slot, i) + t * bytes, count))
                slot->refused[t] = SHEAF_TASK_NOT_FINITE;
    }
}

/** Tasks that take so long, nominally, lose nothing when the kernel is called for each of them. */
static const double single_seconds = 1e-4;

/** Whether it has to be known which task is being computed. */
static bool
is_computed_singly(const struct engine *engine, const struct slot *slot)
{
    const struct engine_setup *setup = &engine->setup;
    return slot->record.care == RECORD_SINGLY ||
           (setup->task_timeout_ns > 0 && plan_task_seconds(chunk_class(engine, slot)) >= single_seconds);
}

/** One task of a batch. */
static void
cut_batch(const struct sheaf_problem *problem, const struct sheaf_batch *all, int64_t t, struct sheaf_batch *one)
{
    *one = *all;
    one->count = 1;
    for (int i = 0; i < problem->input_count; i++)
        one->inputs[i] = (const char *)all->inputs[i] + (size_t)t * all->input_strides[i];
    for (int i = 0; i < problem->output_count; i++)
        if (all->outputs[i])
            one->outputs[i] = (char *)all->outputs[i] + (size_t)t * all->output_strides[i];
    one->status = all->status + t;
    one->info = all->info + t;
}

/** Call the kernel for one task after the other; a task that is charged with something comes first. */
static enum sheaf_status
run_singly(struct worker *worker, struct slot *slot, const struct sheaf_batch *batch, struct sheaf_error *error)
{
    struct engine *engine = worker->engine;
    const struct sheaf_problem *problem = &chunk_class(engine, slot)->problem;
    const bool written = slot->record.care == RECORD_SINGLY;
    enum sheaf_status status = SHEAF_OK;
    for (int64_t i = 0; i < batch->count && !status; i++) {
        const int64_t t = chunk_single(slot, i);
        struct sheaf_batch one;
        if (slot->refused[t] == SHEAF_TASK_QUARANTINED)
            continue;
        cut_batch(problem, batch, t, &one);
        status = chunk_step(engine, slot, &worker->witness, t, 0, written, error);
        if (!status)
            status = engine->setup.plan->kernel->run(problem, &one);
        else if (status != SHEAF_INTERRUPTED)
            queue_fail(engine->setup.queue, error);
    }
    return status;
}

/** Call the kernel, watched. @return SHEAF_INTERRUPTED: condemned; what the kernel returns */
static enum sheaf_status
run_kernel(struct worker *worker, struct slot *slot, const struct sheaf_batch *batch, struct sheaf_error *error)
{
    const struct engine *engine = worker->engine;
    const struct sheaf_kernel *kernel = engine->setup.plan->kernel;
    enum sheaf_status status = is_computed_singly(engine, slot)
                                   ? run_singly(worker, slot, batch, error)
                                   : kernel->run(&chunk_class(engine, slot)->problem, batch);
    return witness_end(&worker->witness) ? status : SHEAF_INTERRUPTED;
}

/** Say that the chunk is being computed. */
static enum sheaf_status
begin(struct worker *worker, struct slot *slot)
{
    struct record_chunk *record = &slot->record;
    struct sheaf_error error;
    record->worker = (uint16_t)worker->index;
    record->width = (uint16_t)slot->width;
    record->compute_start = node_wall_seconds();
    enum sheaf_status status = chunk_watch(worker->engine, slot, &worker->witness, 0, true, &error);
    if (status)
        queue_fail(worker->engine->setup.queue, &error);
    return status;
}

enum sheaf_status
chunk_compute(struct worker *worker, struct slot *slot)
{
    struct engine *engine = worker->engine;
    const struct plan_class *class = chunk_class(engine, slot);
    const struct sheaf_kernel *kernel = engine->setup.plan->kernel;
    struct sheaf_batch batch;
    struct sheaf_error error;
    if (engine->setup.check_finite)
        refuse_not_finite(engine, slot);
    chunk_begin_width(engine, slot);
    fill_batch(worker, slot, &batch);
    memset(slot->status, SHEAF_TASK_DONE, (size_t)slot->chunk.count);
    int64_t start = node_nanoseconds();
    enum sheaf_status status = begin(worker, slot);
    if (status) {
        chunk_end_width(engine, slot);
        return status;
    }
    worker->totals.write_ns += node_nanoseconds() - start;
    start = node_nanoseconds();
    status = run_kernel(worker, slot, &batch, &error);
    double spent_running = 1e-9 * (double)(node_nanoseconds() - start);
    chunk_end_width(engine, slot);
    if (status && queue_is_stopped(engine->setup.queue))
        return status; // it has been said why
    if (status) {
        int64_t task;
        plan_run(engine->setup.plan, slot->chunk.first, 1, &task);
        sheaf_fail(&error, status, "kernel %s failed on the %lld tasks of a chunk, the first one is task %lld",
                   kernel->name, (long long)slot->chunk.count, (long long)task);
        queue_fail(engine->setup.queue, &error);
        return status;
    }
    if ((status = chunk_end_views(engine, slot)))
        return status;
    if (engine->setup.cores)
        cores_note(engine->setup.cores, engine->setup.plan, &slot->chunk, slot->width, spent_running);
    settle_failures(class, slot);
    int64_t spent = node_nanoseconds() - start;
    slot->record.compute_seconds = (float)(1e-9 * (double)spent);
    worker->totals.compute_ns += spent;
    return SHEAF_OK;
}
