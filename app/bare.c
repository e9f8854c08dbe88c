#include "bare.h"
#include "node.h"
#include "parallel.h"
#include "pass.h"
#include "threads.h"

#include <math.h>
#include <pthread.h>
#include <stdlib.h>
#include <string.h>

/** How long each thread repeats its calls, if one call is not longer. */
static const int64_t slice_ns = 50 * INT64_C(1000000);

/** A thread's batches have so many bytes together, where one has not more: beyond a core's share of the caches. */
static const int64_t working_set_bytes = INT64_C(16) << 20;

/** Tasks of a batch: a few, where they are large. */
static const int64_t batch_bytes_most = INT64_C(4) << 20;

enum { ALIGNMENT = 64, REPRESENTATIVES = 3 };

/** What the threads of a rank share: a batch of tasks, read. */
struct batch_source {
    const struct job *job;
    const struct plan_class *class;
    int64_t count; /**< tasks */
    char *inputs;  /**< each input's tasks, one after the other, at multiples of ALIGNMENT */
    int64_t input_bytes, batch_bytes;
};

struct bare_thread {
    const struct batch_source *source;
    pthread_t thread;
    bool started;
    double tasks_per_second; /**< 0: no memory */
};

static int64_t
align(int64_t bytes)
{
    return (bytes + ALIGNMENT - 1) / ALIGNMENT * ALIGNMENT;
}

static void *
allocate(int64_t bytes)
{
    return aligned_alloc(ALIGNMENT, (size_t)align(bytes > 0 ? bytes : 1));
}

/** Lay a batch out in its memory: inputs, outputs, status, info. */
static void
lay_out(const struct batch_source *source, char *memory, void *workspace, struct sheaf_batch *batch)
{
    const struct plan_class *class = source->class;
    const struct sheaf_problem *problem = &class->problem;
    char *at = memory;
    *batch = (struct sheaf_batch){.count = source->count, .workspace = workspace, .width = 1};
    for (int i = 0; i < problem->input_count; i++) {
        int64_t bytes = plan_array_bytes(&problem->inputs[i]);
        batch->inputs[i] = class->shared[i] ? source->job->shared[i] : at;
        batch->input_strides[i] = class->shared[i] ? 0 : (size_t)bytes;
        at += class->shared[i] ? 0 : align(bytes * source->count);
    }
    for (int i = 0; i < problem->output_count; i++) {
        int64_t bytes = plan_array_bytes(&problem->outputs[i]);
        batch->outputs[i] = class->omitted[i] ? NULL : at;
        batch->output_strides[i] = (size_t)bytes;
        at += class->omitted[i] ? 0 : align(bytes * source->count);
    }
    batch->status = (uint8_t *)at;
    batch->info = (int32_t *)(void *)(at + align(source->count));
    if (source->job->kernel->width_kind == SHEAF_WIDTH_PARALLEL)
        batch->parallel_for = parallel_for;
}

/** Bytes that lay_out takes. @param[out] inputs  of which are the inputs', at the beginning */
static int64_t
measure_batch(const struct plan_class *class, int64_t count, int64_t *inputs)
{
    int64_t bytes = 0;
    for (int i = 0; i < class->problem.input_count; i++)
        bytes += class->shared[i] ? 0 : align(plan_array_bytes(&class->problem.inputs[i]) * count);
    *inputs = bytes;
    for (int i = 0; i < class->problem.output_count; i++)
        bytes += class->omitted[i] ? 0 : align(plan_array_bytes(&class->problem.outputs[i]) * count);
    return bytes + align(count) + align(4 * count);
}

/** Call the kernel on one batch after the other. @return tasks a second; 0 where the kernel refuses */
static double
repeat_calls(const struct batch_source *source, char *memory, int copies, void *workspace)
{
    const struct sheaf_kernel *kernel = source->job->kernel;
    struct sheaf_batch batch;
    int64_t start = node_nanoseconds(), now, calls = 0;
    do {
        lay_out(source, memory + calls % copies * source->batch_bytes, workspace, &batch);
        memset(batch.status, SHEAF_TASK_DONE, (size_t)batch.count);
        memset(batch.info, 0, (size_t)batch.count * sizeof *batch.info);
        if (kernel->run(&source->class->problem, &batch))
            return 0;
        calls++;
        now = node_nanoseconds();
    } while (now - start < slice_ns);
    return 1e9 * (double)calls * (double)source->count / (double)(now - start);
}

static void *
thread_main(void *argument)
{
    struct bare_thread *thread = argument;
    const struct batch_source *source = thread->source;
    int copies = source->batch_bytes < working_set_bytes ? (int)(working_set_bytes / source->batch_bytes) : 1;
    char *memory = allocate(copies * source->batch_bytes), *workspace = allocate(source->class->workspace_bytes);
    if (memory && workspace) {
        memset(memory, 0, (size_t)(copies * source->batch_bytes)); // no page fault is measured
        for (int i = 0; i < copies; i++)
            memcpy(memory + i * source->batch_bytes, source->inputs, (size_t)source->input_bytes);
        thread->tasks_per_second = repeat_calls(source, memory, copies, workspace);
    }
    free(workspace);
    free(memory);
    return NULL;
}

/**
 * Read tasks [position, position + count) of an input. Members of a set are read one by one; one that cannot be read, a failed
 * task for a run, has the first one's bytes here.
 */
static enum sheaf_status
read_input(const struct job *job, const struct plan *plan, int64_t position, int64_t count, int input,
           const struct sheaf_array *array, char *to, struct sheaf_error *error)
{
    struct source *source = job->sources[input];
    bool set = source_is_set(source);
    int64_t bytes = plan_array_bytes(array), task, run;
    enum sheaf_status status = SHEAF_OK;
    for (int64_t done = 0; done < count && !status; done += run) {
        run = plan_run(plan, position + done, set ? 1 : count - done, &task);
        char *at = to + done * bytes;
        status = set ? source_read_task(source, task, array, at, error) : source_read(source, task, run, at, error);
        if (status && set && done > 0) {
            memcpy(at, to, (size_t)bytes);
            status = SHEAF_OK;
        }
    }
    return status;
}

/** Read the tasks of a chunk, as many as a batch has. */
static enum sheaf_status
read_batch(struct job *job, const struct plan *plan, const struct plan_chunk *chunk, struct batch_source *source,
           struct sheaf_error *error)
{
    const struct plan_class *class = &plan->classes[chunk->class_index];
    enum sheaf_status status = SHEAF_OK;
    int64_t inputs, most = batch_bytes_most / measure_batch(class, 1, &inputs);
    *source = (struct batch_source){.job = job, .class = class, .count = most < 1 ? 1 : most};
    source->count = source->count < chunk->count ? source->count : chunk->count;
    source->batch_bytes = measure_batch(class, source->count, &source->input_bytes);
    char *at = source->inputs = allocate(source->input_bytes);
    if (!at)
        return sheaf_fail(error, SHEAF_NO_RESOURCES, "no memory to measure the bare kernel");
    for (int i = 0; i < class->problem.input_count && !status; i++) {
        const struct sheaf_array *array = &class->problem.inputs[i];
        if (class->shared[i])
            continue;
        status = read_input(job, plan, chunk->first, source->count, i, array, at, error);
        at += align(plan_array_bytes(array) * source->count);
    }
    return status;
}

/** This rank's threads, all at once. @return their tasks a second; 0: some could not */
static double
run_threads(const struct batch_source *source, int count)
{
    struct bare_thread *threads = calloc((size_t)count, sizeof *threads);
    double rate = 0;
    bool good = threads != NULL;
    for (int i = 0; threads && i < count; i++) {
        threads[i].source = source;
        threads[i].started = pthread_create(&threads[i].thread, NULL, thread_main, &threads[i]) == 0;
    }
    for (int i = 0; threads && i < count; i++) {
        if (threads[i].started)
            pthread_join(threads[i].thread, NULL);
        good = good && threads[i].tasks_per_second > 0;
        rate += threads[i].tasks_per_second;
    }
    free(threads);
    return good ? rate : 0;
}

/** Tasks a second of all cores of the job together, for a chunk's class. Collective. @return 0: some rank could not */
static double
measure_class(struct job *job, const struct plan *plan, const struct plan_chunk *chunk)
{
    struct batch_source source = {.inputs = NULL};
    struct sheaf_error ignored;
    bool active = job->place.local_rank < job->layout.ranks;
    int threads = job->layout.threads;
    bool ready = !active || (read_batch(job, plan, chunk, &source, &ignored) == SHEAF_OK &&
                             threads_check_callers(plan->kernel, threads, threads, &ignored) == SHEAF_OK);
    double rate = 0;
    // All begin together, or none does.
    if (comm_sum(job->comm, !ready) == 0 && active)
        rate = run_threads(&source, threads);
    free(source.inputs);
    bool failed = active && rate == 0;
    int64_t millionths = comm_sum(job->comm, (int64_t)(1e6 * rate));
    return comm_sum(job->comm, failed) == 0 ? 1e-6 * (double)millionths : 0;
}

enum sheaf_status
bare_measure(struct job *job, const struct plan *plan, double *seconds, struct sheaf_error *error)
{
    int cores = team_cores(job->team), present = job->place.local_size;
    int ranks = present < cores ? present : cores;
    int count = plan->class_count > 1 ? REPRESENTATIVES : 1;
    double all = plan_seconds(plan);
    job->layout = (struct layout){ranks, cores / ranks, 1};
    *seconds = 0;
    enum sheaf_status status = pass_bind(job, error);
    for (int i = 0; i < count && !status; i++) {
        int64_t place = plan_place_after(plan, all * (2 * i + 1) / (2 * count));
        struct plan_chunk chunk = plan_at(plan, place > 0 ? place - 1 : 0);
        double rate = measure_class(job, plan, &chunk);
        if (!(rate > 0)) {
            *seconds = 0;
            break; // all ranks alike
        }
        *seconds += all / count / plan_task_seconds(&plan->classes[chunk.class_index]) / rate;
    }
    return status;
}
