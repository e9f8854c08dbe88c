#include "job.h"
#include "blas.h"
#include "describe.h"
#include "drain.h"
#include "finite.h"
#include "node.h"
#include "pass.h"
#include "results.h"
#include "resume.h"
#include "slurm.h"
#include "summary.h"
#include "witness.h"

#include <stdlib.h>
#include <string.h>

/** Share of a node's free memory that buffers may take: the rest is for the page cache and for others. */
static const double memory_share = 0.7;

static int64_t
shared_input_bytes(const struct job_map *map)
{
    int64_t bytes = 0;
    for (int i = 0; i < map->input_count; i++)
        if (map->operands[i].shared)
            bytes += map->operands[i].task_bytes;
    return bytes;
}

/** Bytes that the results will take of this node's memory. Scratch takes up to half of what there is. */
static int64_t
results_memory(const struct job *job, int64_t available)
{
    int64_t bytes = job->plan->output_bytes;
    return job->command->scratch && bytes > available / 2 ? available / 2 : bytes;
}

/** Settle how many bytes this node's ranks may use for their rings; called by its leader before anything is reserved. */
static enum sheaf_status
survey_memory(struct job *job, struct sheaf_error *error)
{
    int64_t memory = job->options->memory;
    if (memory == 0) {
        int64_t available = node_memory_available();
        if (job->place.node == 0 && job->map.results_in_memory && !job->map.resuming)
            available -= results_memory(job, available);
        memory = (int64_t)(memory_share * (double)available);
    }
    int64_t shared = shared_input_bytes(&job->map);
    if (shared > memory)
        return sheaf_fail(
            error, SHEAF_NO_RESOURCES,
            "%s: the operands that all tasks share need %.3f GB of memory, Sheaf may use %.3f GB here: raise "
            "--memory, or run on a larger node",
            job->place.host, 1e-9 * (double)shared, 1e-9 * (double)memory);
    job->node_memory = memory - shared;
    return SHEAF_OK;
}

// ---- what rank 0 settles ----

/** Everything that can be refused is refused here, before anything is created or computed. */
static enum sheaf_status
settle(struct job *job, struct sheaf_error *error)
{
    struct job_tasks tasks = {0};
    size_t bytes;
    enum sheaf_status status = job->command->prepare(job->options, &job->map, job->sets, &tasks, error);
    if (!status)
        status = resume_find(job, &tasks, error);
    describe_end(); // nothing that may block or be killed stands beside the run
    if (!status) {
        job->kernel = job->command->kernel(&job->map);
        status = plan_build(job->kernel, tasks.class_count, tasks.requests, job->options->order == ORDER_REVERSE,
                            &job->plan, error);
    }
    free(tasks.requests);
    free(tasks.numbers);
    if (status)
        return status;
    plan_block(job->plan, &bytes);
    job->map.plan_bytes = (int64_t)bytes;
    return results_check(job, error);
}

/** Let all ranks have the root's plan: a short one each for itself, a long one once a node. Collective. */
static enum sheaf_status
share_plan(struct job *job, struct sheaf_error *error)
{
    static const int64_t short_bytes = 65536;
    size_t bytes = (size_t)job->map.plan_bytes;
    bool root = job->place.rank == 0;
    const void *mine = root ? plan_block(job->plan, &bytes) : NULL;
    void *block;
    if (job->map.plan_bytes > short_bytes) {
        enum sheaf_status status = comm_share_root(job->comm, mine, bytes, &block, error);
        if (status)
            return status;
        plan_destroy(job->plan);
        job->plan = NULL;
    } else {
        block = root ? (void *)mine : (job->plan_memory = malloc(bytes));
        if (!block)
            comm_abort(); // the others would wait for this rank
        comm_broadcast(job->comm, block, bytes);
    }
    enum sheaf_status status = job->plan ? SHEAF_OK : plan_attach(job->kernel, block, &job->plan, error);
    return comm_agree(job->comm, status, error);
}

/** Rank 0 settles, the others get the map and the plan. */
static enum sheaf_status
prepare(struct job *job, struct sheaf_error *error)
{
    enum sheaf_status status = comm_agree(job->comm, job->place.rank == 0 ? settle(job, error) : SHEAF_OK, error);
    if (status)
        return status;
    comm_broadcast(job->comm, &job->map, sizeof job->map);
    job->kernel = job->command->kernel(&job->map);
    status = share_plan(job, error);
    return !status && job->map.resuming ? resume_restrict(job, error) : status;
}

struct layout_facts
job_find_facts(const struct job *job)
{
    return (struct layout_facts){.present = job->place.local_size,
                                 .cores = team_cores(job->team),
                                 .tasks = plan_tasks_left(job->plan) + plan_tasks_later(job->plan),
                                 .nodes = job->place.node_count,
                                 .wide = job->kernel->width_kind != SHEAF_WIDTH_ONE && !job->options->reproducible,
                                 .widest = pass_widest(job),
                                 .room = job->node_memory / engine_worker_bytes(job->plan)};
}

/** The layout that was asked for. Nodes may differ in ranks and cores; whether tasks are wide must not. */
static enum sheaf_status
take_layout(struct job *job, const struct layout_facts *facts, struct sheaf_error *error)
{
    enum sheaf_status status = layout_parse(job->options->layout, &job->layout, error);
    if (!status)
        status = layout_settle(facts, &job->layout, error);
    bool wide = job->layout.width > 1;
    comm_broadcast(job->comm, &wide, sizeof wide);
    job->layout.width = wide ? job->layout.threads : 1;
    job->reason = LAYOUT_ASKED;
    return status;
}

enum sheaf_status
job_share_rest(struct job *job, const struct plan_rest *rest, const struct plan_rest **out, struct sheaf_error *error)
{
    void *shared;
    int64_t bytes = rest ? rest->bytes : 0;
    comm_broadcast(job->comm, &bytes, sizeof bytes);
    enum sheaf_status status = comm_share_root(job->comm, rest, (size_t)bytes, &shared, error);
    if (!status)
        *out = shared;
    return status;
}

enum sheaf_status
job_restrict(struct job *job, const struct plan_rest *rest, struct sheaf_error *error)
{
    const struct plan_rest *shared;
    enum sheaf_status status = job_share_rest(job, rest, &shared, error);
    if (!status)
        plan_restrict(job->plan, shared);
    return status;
}

enum sheaf_status
job_settle_memory(struct job *job, struct sheaf_error *error)
{
    enum sheaf_status status = job->place.local_rank == 0 ? survey_memory(job, error) : SHEAF_OK;
    comm_broadcast_node(job->comm, &job->node_memory, sizeof job->node_memory);
    return comm_agree(job->comm, status, error);
}

static enum sheaf_status
settle_layout(struct job *job, struct sheaf_error *error)
{
    const char *text = job->options->layout;
    enum sheaf_status status = job_settle_memory(job, error);
    if (status)
        return status;
    struct layout_facts facts = job_find_facts(job);
    if (text && strcmp(text, "auto") != 0)
        return comm_agree(job->comm, take_layout(job, &facts, error), error);
    job->reason = layout_choose(&facts, &job->layout);
    return SHEAF_OK;
}

enum sheaf_status
job_audit(struct job *job, struct sheaf_error *error)
{
    struct audit_facts facts;
    team_describe(job->team, &job->layout, &facts);
    facts.layout_asked = job->options->layout != NULL;
    facts.blas_width = job->kernel->width_kind == SHEAF_WIDTH_BLAS ? job->layout.width : 1;
    audit_find(&facts, &job->findings);
    bool strict = job->options->strict, impossible = facts.blas_width > facts.blas_greatest;
    int reasons = strict ? audit_count_warnings(&job->findings) : impossible;
    // Of each node its leader's: the others find the same.
    if (comm_sum(job->comm, job->place.local_rank == 0 ? reasons : 0) == 0)
        return SHEAF_OK;
    summary_print_findings(job, stderr, stderr);
    return sheaf_fail(error, SHEAF_NO_RESOURCES,
                      strict ? "--strict: not started, for what is said above; without it, Sheaf would only warn"
                             : "not started, for what is said above: BLAS cannot have that many threads");
}

// ---- what every rank makes ready ----

/** Read an operand that all tasks share into the node's shared memory. */
static enum sheaf_status
share_operand(struct job *job, int i, struct sheaf_error *error)
{
    enum sheaf_status status = comm_share(job->comm, (size_t)job->map.operands[i].task_bytes, &job->shared[i], error);
    if (!status && job->place.local_rank == 0)
        status = source_read(job->sources[i], 0, 1, job->shared[i], error);
    const struct source_map *map = &job->map.operands[i];
    int64_t count = map->task_bytes / (int64_t)sheaf_type_size(map->array.type);
    if (!status && job->place.local_rank == 0 && job->options->check_finite &&
        (SHEAF_TYPES_FLOATING & SHEAF_TYPE_BIT(map->array.type)) && !is_finite(map->array.type, job->shared[i], count))
        status = sheaf_fail(error, SHEAF_BAD_DATA,
                            "%s: all tasks share it, and it holds NaN or infinity (--check-finite)", map->text);
    return status;
}

/** Share the members of sets on every node. Collective. */
static enum sheaf_status
share_sets(struct job *job, void *members[SHEAF_OPERANDS_MAX], struct sheaf_error *error)
{
    enum sheaf_status status = SHEAF_OK;
    for (int i = 0; i < job->map.input_count && !status; i++)
        if (job->map.set_bytes[i] > 0)
            status = comm_share_root(job->comm, job->sets[i], (size_t)job->map.set_bytes[i], &members[i], error);
    return status;
}

enum sheaf_status
job_open_operands(struct job *job, struct sheaf_error *error)
{
    void *members[SHEAF_OPERANDS_MAX] = {NULL};
    enum sheaf_status status = share_sets(job, members, error);
    if (status)
        return status; // all ranks alike
    for (int i = 0; i < job->map.input_count && !status; i++)
        status = members[i] ? source_attach_set(&job->map.operands[i], members[i], &job->sources[i], error)
                            : source_attach(&job->map.operands[i], &job->sources[i], error);
    status = comm_agree(job->comm, status, error);
    for (int i = 0; i < job->map.input_count && !status; i++)
        if (job->map.operands[i].shared)
            status = comm_agree(job->comm, share_operand(job, i, error), error);
    return status;
}

// ---- the run ----

/** Tell the user, while the file is open: the table of failed tasks is read from it. */
static enum sheaf_status
conclude(struct job *job, struct sheaf_error *error)
{
    enum sheaf_status status = SHEAF_OK;
    if (job->place.rank == 0)
        status = summary_print_end(job, 1e-9 * (double)(node_nanoseconds() - job->started_ns), stdout, error);
    return comm_agree(job->comm, status, error);
}

void
job_end(struct job *job)
{
    pass_close(job);
    if (job->place.rank == 0 && !job->settled)
        store_abandon(&job->map.store);
    results_unlock(job);
    if (job->abandoned)
        return; // threads that were left use all of it
    store_detach(job->store, NULL);
    for (int i = 0; i < job->map.input_count; i++)
        source_detach(job->sources[i]);
    for (int i = 0; i < SHEAF_OPERANDS_MAX; i++)
        free(job->sets[i]);
    plan_destroy(job->plan);
    free(job->plan_memory);
    resume_free(job);
    team_destroy(job->team);
    free(job->host_rows);
    free(job);
}

/** Add to what an earlier pass did. */
static void
add_pass(struct job *job, const struct queue_totals *totals, double seconds)
{
    int64_t sum[QUEUE_TOTALS], more[QUEUE_TOTALS];
    memcpy(sum, &job->totals, sizeof sum);
    memcpy(more, totals, sizeof more);
    for (int i = 0; i < QUEUE_TOTALS; i++)
        sum[i] += more[i];
    memcpy(&job->totals, sum, sizeof sum);
    job->work_seconds += seconds;
    job->work_flops += plan_flops_left(job->plan);
}

/**
 * Another pass, over what is suspected to have ended an earlier run: one worker of the root's, all other ranks are parked, so
 * whatever it does to its process is done by the chunk that it computes. Collective.
 */
static enum sheaf_status
compute_alone(struct job *job, struct sheaf_error *error)
{
    const struct queue_totals totals = job->totals;
    const double seconds = job->work_seconds;
    const int width = job->layout.width;
    job->committed_before = job->queue ? atomic_load(&job->queue->sequence) : 0;
    pass_close(job);
    plan_restrict(job->plan, job->alone);
    job->layout = (struct layout){.ranks = job->place.node == 0, .threads = width, .width = width};
    job->reason = LAYOUT_ASKED; // no widths are chosen
    job->is_alone = true;
    enum sheaf_status status = pass_open(job, error);
    if (!status)
        status = pass_run(job, error);
    add_pass(job, &totals, seconds);
    return status;
}

/** Hand out all that is left to do. */
static enum sheaf_status
compute(struct job *job, struct sheaf_error *error)
{
    enum sheaf_status status = SHEAF_OK;
    // What kills the run before the file has its name is found out only if next time the file has it first.
    if (!job->map.resuming && !job->command->scratch && (job->plan->places == 0 || job->map.store.leftovers > 0))
        status = results_settle_at_once(job, error);
    if (!status && job->plan->places > 0) {
        status = pass_run(job, error);
        job->work_flops = plan_flops_left(job->plan);
    }
    if (!job->alone)
        return status;
    status = comm_agree(job->comm, status, error);
    return status ? status : compute_alone(job, error);
}

static enum sheaf_status
perform(struct job *job, struct sheaf_error *error)
{
    enum sheaf_status status = job_open_operands(job, error);
    if (!status)
        status = pass_open(job, error);
    if (!status)
        status = results_open(job, error);
    if (status)
        return status;
    summary_print_headline(job, stdout);
    summary_print_nodes(job, stdout);
    status = compute(job, error);
    status = results_note_end(job, status, error);
    if (!status)
        status = conclude(job, error);
    return results_close(job, status, error);
}

static enum sheaf_status
rehearse(struct job *job, struct sheaf_error *error)
{
    enum sheaf_status status = SHEAF_OK;
    summary_print_findings(job, stdout, stderr);
    if (job->place.rank == 0)
        status = summary_print_dry_run(job, stdout, error);
    return comm_agree(job->comm, status, error);
}

/** When computing has to have ended: by the option, and by Slurm, whichever is sooner. Collective. */
static void
settle_deadline(struct job *job)
{
    double limit = (double)job->options->time_limit_seconds, end = job->place.rank == 0 ? slurm_job_end() : 0;
    if (end > 0 && (limit == 0 || end - job->started < limit))
        limit = end > job->started ? end - job->started : 1;
    if (job->place.rank == 0 && limit > 0) {
        job->drop_time = job->started + limit - drain_reserve(limit);
        job->deadline = job->drop_time - drain_reserve(limit);
    }
    comm_broadcast(job->comm, &job->deadline, sizeof job->deadline);
}

/** Do, or say, what is left to do. */
static enum sheaf_status
carry_out(struct job *job, struct sheaf_error *error)
{
    enum sheaf_status status = settle_layout(job, error);
    if (!status)
        status = job_audit(job, error);
    if (status)
        return status;
    if (job->options->dry_run)
        return rehearse(job, error);
    settle_deadline(job);
    return perform(job, error);
}

enum sheaf_status
job_begin(const struct job_command *command, const struct options *options, struct comm *comm, struct job **out,
          struct sheaf_error *error)
{
    struct job *job = calloc(1, sizeof *job);
    if (!job)
        comm_abort();
    *out = job;
    job->command = command;
    job->options = options;
    job->comm = comm;
    job->place = *comm_place(comm);
    job->started_ns = job->place.started_ns;
    witness_catch_faults();
    job->started = node_wall_seconds() - 1e-9 * (double)(node_nanoseconds() - job->started_ns);
    enum sheaf_status status = team_survey(job->comm, &job->team, error);
    return status ? status : prepare(job, error);
}

enum sheaf_status
job_run(const struct job_command *command, const struct options *options, struct comm *comm, struct sheaf_error *error)
{
    struct job *job;
    enum sheaf_status status = job_begin(command, options, comm, &job, error);
    if (!status)
        status = job->map.is_over ? conclude(job, error) : carry_out(job, error);
    job_end(job);
    return status;
}
