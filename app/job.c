#include "job.h"
#include "blas.h"
#include "courier.h"
#include "file.h"
#include "node.h"
#include "parameters.h"
#include "policy.h"
#include "summary.h"

#include <libgen.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

/** Share of a node's free memory that buffers may take: the rest is for the page cache and for others. */
static const double memory_share = 0.7;

/** Whether the file system of the results needs no disk. A path that is wrong is found when it is checked. */
static bool
lies_in_memory(const char *path)
{
    char copy[STORE_PATH_BYTES];
    struct file_system system;
    struct sheaf_error ignored;
    snprintf(copy, sizeof copy, "%s", path);
    return file_system_of(dirname(copy), &system, &ignored) == SHEAF_OK && system.in_memory;
}

static int64_t
shared_input_bytes(const struct job_map *map)
{
    int64_t bytes = 0;
    for (int i = 0; i < map->input_count; i++)
        if (map->request.shared[i])
            bytes += map->operands[i].task_bytes;
    return bytes;
}

/** Bytes that this node's ranks may use for their rings; called by its leader before anything is reserved. */
static int64_t
survey_memory(const struct job *job)
{
    int64_t memory = job->options->memory;
    if (memory == 0) {
        int64_t available = node_memory_available();
        if (job->place.node == 0 && job->map.results_in_memory)
            available -= job->plan->output_bytes;
        memory = (int64_t)(memory_share * (double)available);
    }
    memory -= shared_input_bytes(&job->map);
    return memory > 0 ? memory : 0;
}

static enum sheaf_status
survey_cores(struct job *job, struct sheaf_error *error)
{
    return comm_agree(job->comm, team_survey(job->comm, &job->team, error), error);
}

// ---- what rank 0 settles ----

/** The spec of the results file. Its pointers live in `job` and `holder`. */
struct spec_holder {
    struct store_class class;
    char parameters[PARAMETERS_TEXT];
};

static void
fill_spec(const struct job *job, struct spec_holder *holder, struct store_spec *spec)
{
    const struct job_map *map = &job->map;
    const struct plan *plan = job->plan;
    memset(spec, 0, sizeof *spec);
    if (plan->class_count > 0) {
        const struct plan_class *class = &plan->classes[0];
        holder->class = (struct store_class){class->tasks,       class->first_position,  class->first_chunk,
                                             class->chunks,      class->tasks_per_chunk, class->cost.flops,
                                             class->input_bytes, class->output_bytes};
    }
    parameters_format(job->kernel, &map->request.problem, holder->parameters, sizeof holder->parameters);
    spec->path = job->command->output(job->options);
    spec->overwrite = job->options->overwrite;
    spec->program = job->command->program;
    spec->kernel = job->kernel->name;
    spec->signature = job->kernel->signature;
    spec->parameters = holder->parameters;
    spec->version = SHEAF_VERSION;
    spec->argument_count = job->options->argument_count;
    spec->arguments = job->options->arguments;
    spec->seed = job->options->seed;
    spec->tasks = plan->tasks;
    spec->chunks = plan->chunks;
    spec->grid_bytes = PLAN_GRID_BYTES;
    spec->grid_flops = PLAN_GRID_FLOPS;
    spec->grid_tasks = PLAN_GRID_TASKS;
    spec->lead = map->lead;
    spec->operand_count = map->operand_count;
    spec->operands = map->operands;
    spec->output_count = map->output_count;
    spec->outputs = map->outputs;
    spec->class_count = plan->class_count;
    spec->classes = &holder->class;
}

static enum sheaf_status
build_plan(struct job *job, struct sheaf_error *error)
{
    job->kernel = job->command->kernel(&job->map);
    int classes = job->map.request.tasks > 0 ? 1 : 0;
    return plan_build(job->kernel, classes, &job->map.request, job->options->order == ORDER_REVERSE, &job->plan, error);
}

/** Everything that can be refused is refused here, before anything is created or computed. */
static enum sheaf_status
settle(struct job *job, struct sheaf_error *error)
{
    struct spec_holder holder;
    struct store_spec spec;
    int64_t bytes;
    const char *output = job->command->output(job->options);
    enum sheaf_status status = job->command->prepare(job->options, &job->map, error);
    if (!status)
        status = build_plan(job, error);
    if (status)
        return status;
    fill_spec(job, &holder, &spec);
    status = store_size(&spec, &bytes, error);
    if (!status && output)
        status = store_check_target(output, job->options->overwrite, bytes, job->map.operands, job->map.operand_count,
                                    error);
    if (status)
        return status;
    job->map.results_in_memory = output && lies_in_memory(output);
    int64_t available = node_memory_available();
    if (job->map.results_in_memory && bytes > available)
        return sheaf_fail(error, SHEAF_NO_RESOURCES,
                          "%s: needs %.3f GB in a memory file system, %.3f GB of memory are free; write to a disk",
                          output, 1e-9 * (double)bytes, 1e-9 * (double)available);
    return SHEAF_OK;
}

/** Rank 0 settles, the others get the map and make the same plan of it. */
static enum sheaf_status
prepare(struct job *job, struct sheaf_error *error)
{
    enum sheaf_status status = comm_agree(job->comm, job->place.rank == 0 ? settle(job, error) : SHEAF_OK, error);
    if (status)
        return status;
    comm_broadcast(job->comm, &job->map, sizeof job->map);
    if (job->place.rank != 0)
        status = build_plan(job, error);
    return comm_agree(job->comm, status, error);
}

static enum sheaf_status
settle_layout(struct job *job, struct sheaf_error *error)
{
    enum sheaf_status status = SHEAF_OK;
    if (job->options->layout)
        status = layout_parse(job->options->layout, &job->layout, error);
    if (!status) {
        struct layout_facts facts = {.present = job->place.local_size,
                                     .cores = team_cores(job->team),
                                     .tasks = job->plan->tasks,
                                     .nodes = job->place.node_count,
                                     .wide = job->kernel->width_kind != SHEAF_WIDTH_ONE};
        status = layout_settle(&facts, &job->layout, error);
    }
    // Nodes may differ in ranks and cores; whether tasks are wide must not, or bits would depend on the node.
    bool wide = job->layout.width > 1;
    comm_broadcast(job->comm, &wide, sizeof wide);
    job->layout.width = wide ? job->layout.threads : 1;
    if (job->place.local_rank == 0)
        job->node_memory = survey_memory(job);
    comm_broadcast_node(job->comm, &job->node_memory, sizeof job->node_memory);
    return comm_agree(job->comm, status, error);
}

// ---- what every rank makes ready ----

/** Read an operand that all tasks share into the node's shared memory. */
static enum sheaf_status
share_operand(struct job *job, int i, struct sheaf_error *error)
{
    enum sheaf_status status = comm_share(job->comm, (size_t)job->map.operands[i].task_bytes, &job->shared[i], error);
    if (!status && job->place.local_rank == 0)
        status = source_read(job->sources[i], 0, 1, job->shared[i], error);
    return status;
}

static enum sheaf_status
open_operands(struct job *job, struct sheaf_error *error)
{
    enum sheaf_status status = SHEAF_OK;
    for (int i = 0; i < job->map.input_count && !status; i++)
        status = source_attach(&job->map.operands[i], &job->sources[i], error);
    status = comm_agree(job->comm, status, error);
    for (int i = 0; i < job->map.input_count && !status; i++)
        if (job->map.request.shared[i])
            status = comm_agree(job->comm, share_operand(job, i, error), error);
    return status;
}

static enum sheaf_status
bind(struct job *job, struct sheaf_error *error)
{
    enum sheaf_status status = team_bind(job->team, job->place.local_rank, &job->layout, error);
    bool active = job->place.local_rank < job->layout.ranks;
    int width = active && job->kernel->width_kind == SHEAF_WIDTH_BLAS ? job->layout.width : 1;
    int threads = blas_set_threads(width);
    if (!status && threads != width)
        status =
            sheaf_fail(error, SHEAF_NO_RESOURCES,
                       "%s: BLAS uses %d threads instead of %d; ask for a narrower --layout, or use another BLAS build",
                       job->place.host, threads, width);
    return comm_agree(job->comm, status, error);
}

static enum sheaf_status
make_queue(struct job *job, struct sheaf_error *error)
{
    bool outboxes = job->place.node > 0;
    void *memory;
    enum sheaf_status status = comm_agree(
        job->comm, comm_share(job->comm, queue_bytes(job->place.local_size, outboxes), &memory, error), error);
    if (status)
        return status;
    job->queue = memory;
    if (job->place.local_rank == 0)
        queue_init(job->queue, job->place.local_size, outboxes, 0);
    comm_barrier_node(job->comm);
    return SHEAF_OK;
}

static enum sheaf_status
make_engine(struct job *job, struct sheaf_error *error)
{
    struct engine_setup setup = {.plan = job->plan,
                                 .queue = job->queue,
                                 .sources = job->sources,
                                 .shared_inputs = (const void *const *)job->shared,
                                 .layout = job->layout,
                                 .rank = job->place.rank,
                                 .local_rank = job->place.local_rank,
                                 .on_root_node = job->place.node == 0,
                                 .settles_results = job->place.rank == 0,
                                 .results_in_memory = job->map.results_in_memory,
                                 .memory_bytes = job->node_memory / job->layout.ranks};
    enum sheaf_status status = comm_agree(job->comm, engine_create(&setup, &job->engine, error), error);
    if (status)
        return status;
    int workers = engine_get_size(job->engine)->workers;
    job->workers = (int)comm_sum(job->comm, workers);
    if (job->place.local_rank == 0) {
        const struct plan_chunk first = plan_at(job->plan, 0);
        int64_t low = policy_low_water((int64_t)workers * job->layout.ranks, plan_chunk_seconds(job->plan, &first));
        atomic_store(&job->queue->low_water, low);
    }
    return SHEAF_OK;
}

// ---- the results file ----

/** What a rank tells the root about where it is. */
struct rank_place {
    char host[COMM_HOST_BYTES];
    int32_t node, leader;
};

/** Root: a row of /sheaf/hosts for each node. `places` is what comm_gather gave. */
static enum sheaf_status
enter_hosts(struct job *job, const struct rank_place *places, struct sheaf_error *error)
{
    size_t nodes = (size_t)job->place.node_count;
    char(*names)[RECORD_HOST_BYTES] = calloc(nodes, sizeof *names);
    enum sheaf_status status = SHEAF_OK;
    if (!names || !job->host_rows)
        status = sheaf_fail(error, SHEAF_NO_RESOURCES, "no memory for the names of %d nodes", job->place.node_count);
    for (int i = 0; !status && i < job->place.size; i++)
        if (places[i].leader)
            memcpy(names[places[i].node], places[i].host, sizeof names[0]);
    if (!status)
        status = store_enter_hosts(job->store, job->place.node_count, (const char(*)[RECORD_HOST_BYTES])names,
                                   job->host_rows, error);
    free(names);
    return status;
}

static void
describe_run(struct job *job)
{
    struct record_run *run = &job->run;
    struct blas_library blas;
    blas_describe(&blas);
    run->state = RUN_RUNNING;
    run->pid = getpid();
    run->start = job->started;
    run->heartbeat = node_wall_seconds();
    run->ranks = (uint32_t)job->place.size;
    run->nodes = (uint32_t)job->place.node_count;
    run->ranks_per_node = (uint32_t)job->layout.ranks;
    run->threads = (uint32_t)job->layout.threads;
    run->width = (uint32_t)job->layout.width;
    snprintf(run->host, sizeof run->host, "%s", job->place.host);
    snprintf(run->version, sizeof run->version, "%s", SHEAF_VERSION);
    snprintf(run->mpi, sizeof run->mpi, "%s", comm_library_version());
    snprintf(run->hdf5, sizeof run->hdf5, "%s", store_library_version());
    snprintf(run->blas, sizeof run->blas, "%s, %s", blas.name, blas_threading_name(blas.threading));
    snprintf(run->core, sizeof run->core, "%s", blas.core);
    snprintf(run->layout, sizeof run->layout, "%dx%d:%d", job->layout.ranks, job->layout.threads, job->layout.width);
}

/** Write what all tasks share (sheaf make ...:shared): whole datasets, before the run. */
static enum sheaf_status
write_shared_outputs(struct job *job, struct sheaf_error *error)
{
    enum sheaf_status status = SHEAF_OK;
    for (int i = job->map.input_count; i < job->map.operand_count && !status; i++) {
        const struct source_map *operand = &job->map.operands[i];
        struct source *source = NULL;
        void *bytes = malloc((size_t)operand->task_bytes);
        status = bytes ? source_attach(operand, &source, error)
                       : sheaf_fail(error, SHEAF_NO_RESOURCES, "%s: no memory for %lld bytes", operand->text,
                                    (long long)operand->task_bytes);
        if (!status)
            status = source_read(source, 0, 1, bytes, error);
        if (!status)
            status = store_write(job->store, i, 0, 1, bytes, NULL, error);
        source_detach(source);
        free(bytes);
    }
    return status;
}

static enum sheaf_status
open_store_as_root(struct job *job, const struct rank_place *places, struct sheaf_error *error)
{
    enum sheaf_status status = enter_hosts(job, places, error);
    describe_run(job);
    if (!status)
        status = store_write_run(job->store, &job->run, error);
    return status ? status : write_shared_outputs(job, error);
}

static enum sheaf_status
open_store(struct job *job, struct sheaf_error *error)
{
    enum sheaf_status status = SHEAF_OK;
    if (job->place.rank == 0) {
        struct spec_holder holder;
        struct store_spec spec;
        fill_spec(job, &holder, &spec);
        status = store_build(&spec, &job->map.store, error);
    }
    status = comm_agree(job->comm, status, error);
    if (status)
        return status;
    comm_broadcast(job->comm, &job->map.store, sizeof job->map.store);
    status = comm_agree(job->comm, store_attach(&job->map.store, &job->store, error), error);
    if (status)
        return status;

    bool root = job->place.rank == 0;
    struct rank_place mine = {.node = job->place.node, .leader = job->place.local_rank == 0};
    snprintf(mine.host, sizeof mine.host, "%s", job->place.host);
    struct rank_place *places = root ? calloc((size_t)job->place.size, sizeof *places) : NULL;
    job->host_rows = calloc((size_t)job->place.node_count, sizeof *job->host_rows);
    if (!job->host_rows || (root && !places))
        comm_abort(job->comm, SHEAF_NO_RESOURCES);
    comm_gather(job->comm, &mine, sizeof mine, places);
    if (root)
        status = open_store_as_root(job, places, error);
    free(places);
    comm_broadcast(job->comm, job->host_rows, (size_t)job->place.node_count * sizeof *job->host_rows);
    job->host_row = job->host_rows[job->place.node];
    return comm_agree(job->comm, status, error);
}

// ---- the run ----

static enum sheaf_status
execute(struct job *job, struct sheaf_error *error)
{
    bool root = job->place.rank == 0;
    struct dispatch_setup setup = {.comm = job->comm,
                                   .queue = job->queue,
                                   .chunks = job->plan->chunks,
                                   .workers = job->workers,
                                   .node_workers = engine_get_size(job->engine)->workers * job->layout.ranks,
                                   .take_commits = engine_take_commits,
                                   .argument = job->engine};
    enum sheaf_status status = comm_agree(job->comm, dispatch_start(&setup, &job->dispatch, error), error);
    if (status)
        return status;
    struct progress progress;
    int64_t start = node_nanoseconds();
    if (root)
        progress_start(&progress, (enum options_progress)job->options->progress, stderr, job->plan->tasks,
                       plan_seconds(job->plan));
    engine_start(job->engine, job->store, job->run.number, job->host_row);
    struct courier_setup courier = {&job->place, job->queue, job->dispatch, job->engine, root ? &progress : NULL};
    courier_attend(&courier);
    job->work_seconds = 1e-9 * (double)(node_nanoseconds() - start);
    if (root) {
        progress_end(&progress);
        dispatch_totals(job->dispatch, &job->totals);
        job->settled = engine_settlement(job->engine, &job->settlement);
    }
    return queue_error(job->queue, error) ? error->status : SHEAF_OK;
}

/** Root: what each host has made durable, and how the run ended. */
static enum sheaf_status
close_as_root(struct job *job, enum sheaf_status outcome, struct sheaf_error *error)
{
    enum sheaf_status status = SHEAF_OK;
    for (int i = 0; i < job->place.node_count && job->dispatch && !outcome && !status; i++) {
        struct record_mark mark = {.run = job->run.number,
                                   .sequence = dispatch_synced_sequence(job->dispatch, i),
                                   .time = node_wall_seconds()};
        status = store_write_mark(job->store, job->host_rows[i], &mark, error);
    }
    job->run.state = outcome ? RUN_FAILED : RUN_FINISHED;
    job->run.end = job->run.heartbeat = node_wall_seconds();
    if (!status)
        status = store_write_run(job->store, &job->run, error);
    if (!status && !job->map.results_in_memory)
        status = store_sync(job->store, error);
    return status;
}

/** Note how the run ended; an error of the run itself goes before one of noting it. */
static enum sheaf_status
note_end(struct job *job, enum sheaf_status outcome, struct sheaf_error *error)
{
    struct sheaf_error later;
    enum sheaf_status status = job->place.rank == 0 ? close_as_root(job, outcome, &later) : SHEAF_OK;
    if (!outcome && status)
        *error = later;
    return comm_agree(job->comm, outcome ? outcome : status, error);
}

/** Close the results file: what the system could not write may show only here. */
static enum sheaf_status
close_store(struct job *job, enum sheaf_status outcome, struct sheaf_error *error)
{
    struct sheaf_error later;
    enum sheaf_status status = store_detach(job->store, &later);
    job->store = NULL;
    if (!outcome && status)
        *error = later;
    return comm_agree(job->comm, outcome ? outcome : status, error);
}

/** Tell the user, while the file is open: the table of failed tasks is read from it. */
static enum sheaf_status
conclude(struct job *job, struct sheaf_error *error)
{
    enum sheaf_status status = SHEAF_OK;
    if (job->place.rank == 0)
        status = summary_print_end(job, 1e-9 * (double)(node_nanoseconds() - job->started_ns), stdout, error);
    return comm_agree(job->comm, status, error);
}

static void
clean_up(struct job *job)
{
    engine_destroy(job->engine);
    dispatch_destroy(job->dispatch);
    if (job->place.rank == 0 && !job->settled)
        store_abandon(&job->map.store);
    store_detach(job->store, NULL);
    for (int i = 0; i < job->map.input_count; i++)
        source_detach(job->sources[i]);
    plan_destroy(job->plan);
    team_destroy(job->team);
    free(job->host_rows);
}

/** Everything that a rank needs before the results file is made. */
static enum sheaf_status
make_ready(struct job *job, struct sheaf_error *error)
{
    enum sheaf_status status = open_operands(job, error);
    if (!status)
        status = bind(job, error);
    if (!status)
        status = make_queue(job, error);
    if (!status && job->plan->chunks > 0)
        status = make_engine(job, error);
    return status;
}

/** Nothing to compute: the root's carrier, which would have settled the file meanwhile, does not run. */
static enum sheaf_status
settle_at_once(struct job *job, struct sheaf_error *error)
{
    enum sheaf_status status = SHEAF_OK;
    if (job->place.rank == 0) {
        status = store_settle(job->store, &job->settlement, error);
        job->settled = status == SHEAF_OK;
    }
    return comm_agree(job->comm, status, error);
}

static enum sheaf_status
perform(struct job *job, struct sheaf_error *error)
{
    enum sheaf_status status = make_ready(job, error);
    if (!status)
        status = open_store(job, error);
    if (status)
        return status;
    summary_print_headline(job, stdout);
    summary_print_nodes(job, stdout);
    status = job->plan->chunks > 0 ? execute(job, error) : settle_at_once(job, error);
    status = note_end(job, status, error);
    if (!status)
        status = conclude(job, error);
    return close_store(job, status, error);
}

static enum sheaf_status
rehearse(struct job *job, struct sheaf_error *error)
{
    enum sheaf_status status = SHEAF_OK;
    if (job->place.rank == 0)
        status = summary_print_dry_run(job, stdout, error);
    return comm_agree(job->comm, status, error);
}

enum sheaf_status
job_run(const struct job_command *command, const struct options *options, struct comm *comm, struct sheaf_error *error)
{
    struct job *job = calloc(1, sizeof *job);
    if (!job)
        comm_abort(comm, SHEAF_NO_RESOURCES);
    job->command = command;
    job->options = options;
    job->comm = comm;
    job->place = *comm_place(comm);
    job->started_ns = job->place.started_ns;
    job->started = node_wall_seconds() - 1e-9 * (double)(node_nanoseconds() - job->started_ns);

    enum sheaf_status status = survey_cores(job, error);
    if (!status)
        status = prepare(job, error);
    if (!status)
        status = settle_layout(job, error);
    if (!status)
        status = options->dry_run ? rehearse(job, error) : perform(job, error);
    clean_up(job);
    free(job);
    return status;
}
