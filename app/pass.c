#include "pass.h"
#include "courier.h"
#include "drain.h"
#include "node.h"
#include "signals.h"
#include "threads.h"

#include <string.h>

enum sheaf_status
pass_bind(struct job *job, struct sheaf_error *error)
{
    enum sheaf_status status = team_bind(job->team, job->place.local_rank, &job->layout, error);
    bool active = job->place.local_rank < job->layout.ranks;
    int width = active && job->kernel->width_kind == SHEAF_WIDTH_BLAS ? job->layout.width : 1;
    struct sheaf_error why;
    if (!status && threads_set_blas(width, &why))
        status = sheaf_fail(error, why.status, "%s: %s", job->place.host, why.text);
    return comm_agree(job->comm, status, error);
}

int
pass_widest(const struct job *job)
{
    struct blas_library blas;
    if (job->kernel->width_kind != SHEAF_WIDTH_BLAS)
        return 0;
    blas_describe(&blas);
    return blas.greatest_threads;
}

/** Struct engine_setup's use_cores. */
static int
use_cores(void *argument, const int *cores, int count)
{
    struct job *job = argument;
    struct sheaf_error ignored; // where cores cannot be had, the task is computed on the rank's own
    bool by_blas = job->kernel->width_kind == SHEAF_WIDTH_BLAS;
    if (count == 0 || team_bind_cores(job->team, cores, count, &ignored)) {
        team_bind_own(job->team, &ignored);
        count = 1;
    }
    return by_blas && threads_set_blas(count, &ignored) ? 1 : count;
}

/**
 * Where widths are chosen: what the node's ranks know of each other's cores. Later passes use the first one's memory again: the layout
 * that widths are chosen in is always the same. Collective over the node.
 */
static enum sheaf_status
make_cores(struct job *job, struct sheaf_error *error)
{
    const struct layout *layout = &job->layout;
    job->cores = NULL;
    if (job->reason == LAYOUT_ASKED || layout->width > 1 || job->kernel->width_kind == SHEAF_WIDTH_ONE ||
        job->options->reproducible || layout->ranks * layout->threads == 1)
        return SHEAF_OK;
    void *memory = job->cores_memory;
    size_t bytes = cores_bytes(layout->ranks, layout->threads, job->plan->class_count);
    if (!memory) {
        enum sheaf_status status = comm_share(job->comm, bytes, &memory, error);
        if (status)
            return status;
    }
    job->cores_memory = memory;
    if (job->place.local_rank == 0)
        cores_init(memory, layout->ranks, layout->threads, job->plan->class_count, pass_widest(job));
    comm_barrier_node(job->comm);
    job->cores = memory;
    return SHEAF_OK;
}

/** The first pass gets the queue's memory, later ones use it again: no rank looks at it any more once all are here. */
static enum sheaf_status
make_queue(struct job *job, struct sheaf_error *error)
{
    bool outboxes = job->place.node > 0;
    size_t bytes = queue_bytes(job->place.local_size, outboxes);
    void *memory = job->queue;
    if (!memory) {
        enum sheaf_status status = comm_agree(job->comm, comm_share(job->comm, bytes, &memory, error), error);
        if (status)
            return status;
    }
    comm_barrier_node(job->comm);
    if (job->place.local_rank == 0) {
        if (job->queue)
            memset(memory, 0, bytes);
        queue_init(memory, job->place.local_size, outboxes, 0);
        atomic_store(&((struct queue *)memory)->sequence, job->committed_before);
    }
    job->queue = memory;
    comm_barrier_node(job->comm);
    return SHEAF_OK;
}

static enum sheaf_status
make_engine(struct job *job, struct sheaf_error *error)
{
    struct engine_setup setup = {.plan = job->plan,
                                 .queue = job->queue,
                                 .sources = job->sources,
                                 // alone, tasks may have to be read one by one
                                 .inputs = job->is_alone ? NULL : job->map.operands,
                                 .shared_inputs = (const void *const *)job->shared,
                                 .layout = job->layout,
                                 .rank = job->place.rank,
                                 .local_rank = job->place.local_rank,
                                 .on_root_node = job->place.node == 0,
                                 .node_cpus = team_node_cpus(job->team, &job->node_cpus) ? &job->node_cpus : NULL,
                                 .check_finite = job->options->check_finite,
                                 .alone = job->is_alone,
                                 .task_timeout_ns = job->options->task_timeout_seconds * INT64_C(1000000000),
                                 .deadline = job->deadline,
                                 // alone, a chunk is committed before the next one is begun
                                 .results_in_memory = job->map.results_in_memory || job->is_alone,
                                 .memory_bytes = job->layout.ranks > 0 ? job->node_memory / job->layout.ranks : 0,
                                 .cores = job->cores,
                                 .use_cores = use_cores,
                                 .use_cores_argument = job};
    enum sheaf_status status = comm_agree(job->comm, engine_create(&setup, &job->engine, error), error);
    if (status)
        return status;
    job->workers = (int)comm_sum(job->comm, engine_get_size(job->engine)->workers);
    return SHEAF_OK;
}

/** Of a leader's: what syncs, and at the root also shows that the run lives. */
static enum sheaf_status
make_keeper(struct job *job, struct sheaf_error *error)
{
    struct keeper_setup setup = {.queue = job->queue,
                                 .sync = job->command->scratch ? SYNC_END : (enum options_sync)job->options->sync,
                                 .in_memory = job->map.results_in_memory};
    if (job->place.local_rank > 0)
        return SHEAF_OK;
    if (job->place.rank == 0) {
        setup.node_count = job->place.node_count;
        setup.host_rows = job->host_rows;
        setup.run = &job->run;
        setup.lock = job->lock;
    }
    return keeper_create(&setup, &job->keeper, error);
}

/** Root: an error of the run itself goes first; a run that was drained at the very end is complete. */
static enum sheaf_status
judge_drain(const struct job *job, const struct drain *drain, struct sheaf_error *error)
{
    if (job->totals.chunks >= job->plan->places)
        return SHEAF_OK;
    error->status = SHEAF_INTERRUPTED;
    drain_format(job->plan, &job->totals, job->command->output(job->options), drain_reason(drain, signals_first()),
                 job->work_seconds, error->text, sizeof error->text);
    return SHEAF_INTERRUPTED;
}

/** A worker that was not waited for still computes: then no rank frees or closes what workers use. Collective. */
static void
abandon_unfinished(struct job *job)
{
    bool finished = atomic_load(&job->queue->ranks[job->place.local_rank].finished) != 0;
    if (!finished)
        engine_abandon(job->engine); // before it is told what is done, and before another run may begin
    job->abandoned = comm_sum(job->comm, !finished) > 0;
    if (!job->abandoned)
        return;
    comm_abandon(job->comm);
    if (finished)
        engine_abandon(job->engine);
}

enum sheaf_status
pass_run(struct job *job, struct sheaf_error *error)
{
    bool root = job->place.rank == 0;
    enum sheaf_status status = comm_agree(job->comm, make_keeper(job, error), error);
    if (status)
        return status;
    struct dispatch_setup setup = {.comm = job->comm,
                                   .queue = job->queue,
                                   .plan = job->plan,
                                   .workers = job->workers,
                                   .node_workers = engine_get_size(job->engine)->workers * job->layout.ranks,
                                   .take_commits = engine_take_commits,
                                   .argument = job->engine,
                                   .keeper = job->keeper};
    status = comm_agree(job->comm, dispatch_start(&setup, &job->dispatch, error), error);
    if (status)
        return status;
    struct progress progress;
    bool shown = root && !job->quiet;
    int64_t start = node_nanoseconds();
    if (shown)
        progress_start(&progress, (enum options_progress)job->options->progress, stderr, plan_tasks_left(job->plan),
                       plan_flops_left(job->plan), plan_seconds(job->plan));
    int64_t grace = job->options->grace_seconds;
    struct drain drain = {.grace_seconds = (double)(grace ? grace : DRAIN_GRACE_SECONDS), .drop_time = job->drop_time};
    signals_watch(job->queue, job->place.local_rank);
    engine_start(job->engine, job->store, job->run.number, job->host_row, job->keeper,
                 root && !job->command->scratch && !job->map.resuming && !job->settled);
    struct courier_setup courier = {&job->place, job->queue, job->dispatch, job->engine, shown ? &progress : NULL,
                                    &drain};
    job->commit_seconds = 1e-9 * (double)(courier_attend(&courier) - start);
    job->work_seconds = 1e-9 * (double)(node_nanoseconds() - start);
    if (shown)
        progress_end(&progress);
    signals_watch(NULL, 0);
    abandon_unfinished(job);
    if (root) {
        dispatch_totals(job->dispatch, &job->totals);
        if (!job->settled)
            job->settled = job->map.resuming || engine_settlement(job->engine, &job->settlement);
    }
    if (!job->abandoned)
        engine_destroy(job->engine); // joins its threads, which use the results file: before that is closed
    job->engine = NULL;
    if (queue_error(job->queue, error))
        return error->status;
    return root ? judge_drain(job, &drain, error) : SHEAF_OK;
}

enum sheaf_status
pass_open(struct job *job, struct sheaf_error *error)
{
    enum sheaf_status status = pass_bind(job, error);
    if (!status)
        status = make_queue(job, error);
    if (!status)
        status = comm_agree(job->comm, make_cores(job, error), error);
    if (!status && job->plan->places > 0)
        status = make_engine(job, error);
    return status;
}

void
pass_close(struct job *job)
{
    if (job->abandoned)
        return;
    engine_destroy(job->engine);
    dispatch_destroy(job->dispatch);
    keeper_destroy(job->keeper);
    job->keeper = NULL;
    job->engine = NULL;
    job->dispatch = NULL;
}
