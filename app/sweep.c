#include "sweep.h"
#include "bare.h"
#include "blas.h"
#include "file.h"
#include "node.h"
#include "pass.h"
#include "results.h"
#include "run.h"
#include "summary.h"
#include "sweep_file.h"
#include "sweep_report.h"

#include <libgen.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

enum { IDENTITY_BYTES = 32768, COMMAND_BYTES = 32768, SECONDS_DEFAULT = 60 };

/** Results take up to this share of what is free where the scratch file lies. */
static const double scratch_share = 0.5;

/** Which of the equally good samples of the tasks. */
static const uint64_t sample_seed = UINT64_C(0x5eaf);

struct sweep {
    struct job *job;
    struct plan *whole;     /**< the job's own */
    struct plan sample;     /**< the same, restricted */
    struct plan_rest *rest; /**< to this; NULL: not yet */
    struct sweep_data data; /**< alike on all ranks, but for what is measured: that is at the root */
    enum store_sweep_phase phase;
    bool lacks_memory[CELLS_MOST]; /**< cells that do not fit the node: they are not measured */
    struct store_sweep *file;      /**< root; NULL: none is wanted */
    struct cells_budget budget;    /**< root */
    double round_seconds;          /**< root: of the last round, all of it */
    int64_t seconds;               /**< that the sweep may take */
};

static bool
is_root(const struct sweep *sweep)
{
    return sweep->job->place.rank == 0;
}

/** Root: seconds that are left. */
static double
time_left(const struct sweep *sweep)
{
    return (double)sweep->seconds - 1e-9 * (double)(node_nanoseconds() - sweep->job->started_ns);
}

// ---- what is compared ----

/** The scratch file: beside the output, or here. */
static const char *
scratch_path(const struct options *options)
{
    static char path[STORE_PATH_BYTES];
    char copy[STORE_PATH_BYTES];
    snprintf(copy, sizeof copy, "%s", options->output ? options->output : "x");
    const char *directory = options->scratch ? options->scratch : dirname(copy);
    snprintf(path, sizeof path, "%s/sheaf-sweep-scratch.h5", directory);
    return path;
}

/** What a node can have, for the cells: that of the nodes with the fewest ranks and cores. */
struct node_size {
    int32_t present, cores;
};

/** What layouts are chosen from on this node. */
static struct layout_facts
find_facts(const struct job *job)
{
    return (struct layout_facts){.present = job->place.local_size,
                                 .cores = team_cores(job->team),
                                 .tasks = plan_tasks_left(job->plan),
                                 .nodes = job->place.node_count,
                                 .wide = job->kernel->width_kind != SHEAF_WIDTH_ONE,
                                 .widest = pass_widest(job),
                                 .room = job->node_memory / engine_worker_bytes(job->plan)};
}

static enum sheaf_status
list_cells(struct sweep *sweep, const struct node_size *sizes, struct sheaf_error *error)
{
    const struct job *job = sweep->job;
    struct cells_facts facts = {.layout = find_facts(job),
                                .oversubscribe = job->options->oversubscribe,
                                .each_node_count = job->options->each_node_count};
    layout_choose(&facts.layout, &facts.automatic);
    for (int i = 0; i < job->place.size; i++) {
        facts.layout.present = sizes[i].present < facts.layout.present ? sizes[i].present : facts.layout.present;
        facts.layout.cores = sizes[i].cores < facts.layout.cores ? sizes[i].cores : facts.layout.cores;
    }
    sweep->data.cores = facts.layout.cores;
    sweep->data.nodes = job->place.node_count;
    return job->options->layouts ? cells_parse(job->options->layouts, &facts, &sweep->data.cells, error)
                                 : cells_list(&facts, &sweep->data.cells, error);
}

static enum sheaf_status
settle_cells(struct sweep *sweep, struct sheaf_error *error)
{
    struct job *job = sweep->job;
    struct node_size mine = {job->place.local_size, team_cores(job->team)};
    struct node_size *sizes = is_root(sweep) ? calloc((size_t)job->place.size, sizeof *sizes) : NULL;
    if (is_root(sweep) && !sizes)
        comm_abort();
    comm_gather(job->comm, &mine, sizeof mine, sizes);
    enum sheaf_status status =
        comm_agree(job->comm, is_root(sweep) ? list_cells(sweep, sizes, error) : SHEAF_OK, error);
    free(sizes);
    comm_broadcast(job->comm, &sweep->data, sizeof sweep->data);
    job->layout = sweep->data.cells.all[0].layout;
    return status;
}

// ---- the file ----

static void add_line(char *text, const char *format, ...) __attribute__((format(printf, 2, 3)));

static void
add_line(char *text, const char *format, ...)
{
    size_t used = strlen(text);
    va_list arguments;
    va_start(arguments, format);
    vsnprintf(text + used, IDENTITY_BYTES - used, format, arguments);
    va_end(arguments);
}

/** All that two sweeps must have in common for one to go on from the other's times: the tasks, the machine, the cells. */
static void
identify(const struct sweep *sweep, char *text)
{
    const struct job *job = sweep->job;
    const struct options *options = job->options;
    struct blas_library blas;
    blas_describe(&blas);
    *text = '\0';
    add_line(text, "sheaf %s\nkernel %s", SHEAF_VERSION, job->kernel->name);
    for (int i = 0; i < options->parameter_count; i++)
        add_line(text, " %s", options->parameters[i]);
    add_line(text, "\n");
    for (int i = 0; i < job->map.input_count; i++)
        add_line(text, "operand %s, content %016llx, read as %s\n", job->map.operands[i].text,
                 (unsigned long long)job->map.operands[i].fingerprint,
                 sheaf_type_name(job->map.operands[i].array.type));
    add_line(text, "tasks %lld\noutputs %s\ncheck-finite %s\n", (long long)job->plan->tasks,
             options->outputs ? options->outputs : "all", options->check_finite ? "yes" : "no");
    add_line(text, "node %s: %d ranks on %d nodes of %d cores\nblas %s, %s\n", job->place.host, job->place.size,
             sweep->data.nodes, sweep->data.cores, blas.name, blas.core);
    add_line(text, "seconds %lld\nscratch %s\nlayouts", (long long)sweep->seconds, scratch_path(options));
    for (int i = 0; i < sweep->data.cells.count; i++) {
        const struct cell *cell = &sweep->data.cells.all[i];
        char layout[CELLS_TEXT];
        add_line(text, cell->nodes < sweep->data.nodes ? " %s on %d nodes" : " %s", cells_format(cell, layout),
                 cell->nodes);
    }
    add_line(text, "\n");
}

/** The file is of another sweep: say where they differ first. */
static enum sheaf_status
compare_identity(const char *path, const char *before, const char *now, struct sheaf_error *error)
{
    while (*before && *now) {
        size_t length = strcspn(before, "\n"), other = strcspn(now, "\n");
        if (length != other || strncmp(before, now, length) != 0)
            return sheaf_fail(error, SHEAF_NO_OUTPUT,
                              "%s is of another sweep: it has \"%.*s\", this one \"%.*s\"; give --overwrite to replace "
                              "it, or another -o",
                              path, length < 150 ? (int)length : 150, before, other < 150 ? (int)other : 150, now);
        before += length + 1;
        now += other + 1;
    }
    return SHEAF_OK;
}

/** Take over what an earlier start measured, unless that was nothing yet: then the file is closed again. */
static enum sheaf_status
take_over(struct sweep *sweep, const char *path, const char *identity, struct sweep_data *found,
          struct sheaf_error *error)
{
    enum sheaf_status status = store_sweep_open(path, true, &sweep->file, error);
    if (status == SHEAF_BAD_DATA || status == SHEAF_NO_INPUT)
        return sheaf_fail(error, SHEAF_NO_OUTPUT,
                          "%s exists, and is no file of a sweep; give --overwrite to replace it, or another -o", path);
    if (!status)
        status = sweep_file_read(sweep->file, found, &sweep->phase, error);
    if (!status && sweep->phase == STORE_SWEEP_WARMING) {
        status = store_sweep_close(sweep->file, error);
        sweep->file = NULL;
        return status;
    }
    if (!status)
        status = compare_identity(path, store_sweep_text(sweep->file, STORE_SWEEP_IDENTITY), identity, error);
    if (!status && (found->sample_chunks < 1 || found->sample_chunks > sweep->whole->chunks))
        status = sheaf_fail(error, SHEAF_NO_OUTPUT, "%s is damaged: a sample of %lld chunks; give --overwrite", path,
                            (long long)found->sample_chunks);
    found->cells = sweep->data.cells;
    found->nodes = sweep->data.nodes;
    found->cores = sweep->data.cores;
    sweep->data = *found;
    return status;
}

/** Go on from the output where it is there. */
static enum sheaf_status
resume(struct sweep *sweep, const char *identity, struct sheaf_error *error)
{
    const struct options *options = sweep->job->options;
    if (options->overwrite || access(options->output, F_OK) != 0)
        return SHEAF_OK;
    struct sweep_data *found = malloc(sizeof *found);
    enum sheaf_status status = found
                                   ? take_over(sweep, options->output, identity, found, error)
                                   : sheaf_fail(error, SHEAF_NO_RESOURCES, "%s: no memory to read it", options->output);
    free(found);
    return status;
}

/** CSV and JSON: a sweep that goes on replaces what it has written before. */
static enum sheaf_status
check_tables(const struct sweep *sweep, struct sheaf_error *error)
{
    const struct job *job = sweep->job;
    const char *paths[] = {job->options->csv, job->options->json};
    enum sheaf_status status = SHEAF_OK;
    for (int i = 0; i < 2 && !status; i++)
        if (paths[i])
            status = store_check_target(paths[i], job->options->overwrite || sweep->file, 0, job->map.operands,
                                        job->map.operand_count, error);
    return status;
}

/** Root: check what will be written before anything is measured; go on from the output or make it. */
static enum sheaf_status
open_file(struct sweep *sweep, struct sheaf_error *error)
{
    struct job *job = sweep->job;
    const char *path = job->options->output;
    char identity[IDENTITY_BYTES], command[COMMAND_BYTES];
    identify(sweep, identity);
    options_format(job->options, COMMAND_SWEEP, command, sizeof command);
    enum sheaf_status status = path ? results_claim(job, path, 0, error) : SHEAF_OK;
    if (!status && path)
        status = resume(sweep, identity, error);
    if (!status)
        status = check_tables(sweep, error);
    if (status || !path || sweep->file)
        return status;
    // What is there now is nothing, or a sweep's file without a measurement, or may be replaced.
    status = store_sweep_create(path, true, identity, command, sweep->data.cells.count, CELLS_ROUNDS_MOST, &sweep->file,
                                error);
    return status ? status : sweep_file_write_cells(sweep->file, &sweep->data, error);
}

// ---- measuring ----

/** Restrict the plan to a sample; alike on all ranks. */
static enum sheaf_status
take_sample(struct sweep *sweep, int64_t chunks, struct sheaf_error *error)
{
    struct job *job = sweep->job;
    struct plan_rest *rest;
    enum sheaf_status status =
        comm_agree(job->comm, plan_sample(sweep->whole, chunks, sample_seed, &rest, error), error);
    if (status)
        return status;
    free(sweep->rest);
    sweep->rest = rest;
    sweep->sample = *sweep->whole;
    plan_restrict(&sweep->sample, rest);
    job->plan = &sweep->sample;
    sweep->data.sample_chunks = chunks;
    sweep->data.sample_tasks = rest->tasks;
    sweep->data.sample_flops = rest->flops;
    return SHEAF_OK;
}

/** One pass of a cell. Collective. @return what stops the sweep; SHEAF_NO_RESOURCES: this cell cannot be */
static enum sheaf_status
run_pass(struct sweep *sweep, int cell, double *seconds, int64_t *memory, struct sheaf_error *error)
{
    struct job *job = sweep->job;
    const struct cell *about = &sweep->data.cells.all[cell];
    struct layout_facts facts = find_facts(job);
    facts.nodes = about->nodes;
    job->layout = about->layout;
    job->reason = LAYOUT_ASKED;
    if (job->place.node >= about->nodes)
        job->layout.ranks = 0; // all of this node is parked
    else if (about->automatic)
        job->reason = layout_choose(&facts, &job->layout);
    node_reset_peak_memory();
    enum sheaf_status status = pass_open(job, error);
    if (!status)
        status = comm_agree(job->comm, pass_run(job, error), error);
    *memory = comm_sum(job->comm, node_peak_memory());
    *seconds = job->commit_seconds;
    sweep->data.sample_failed = job->totals.failed;
    pass_close(job);
    return status;
}

/** Root: a round is over, or the sweep begins; say so where nobody wants silence. */
static void
tell(const struct sweep *sweep, const char *what, int round)
{
    if (is_root(sweep))
        fprintf(stderr, "sheaf: %s %d over: %.0f s of %lld s left\n", what, round,
                time_left(sweep) > 0 ? time_left(sweep) : 0, (long long)sweep->seconds);
}

/** A round that is not counted, though it takes as long as one: threads, memory, caches and the scratch file are as they will be. Cells that do not fit are found. */
static enum sheaf_status
warm_up(struct sweep *sweep, struct sheaf_error *error)
{
    int64_t start = node_nanoseconds();
    double bare;
    enum sheaf_status status = bare_measure(sweep->job, sweep->job->plan, &bare, error);
    int left = 0;
    for (int i = 0; i < sweep->data.cells.count && !status; i++) {
        double seconds;
        int64_t memory;
        char layout[CELLS_TEXT];
        if (!sweep->lacks_memory[i])
            status = run_pass(sweep, i, &seconds, &memory, error);
        if (status == SHEAF_NO_RESOURCES) {
            sweep->lacks_memory[i] = true;
            status = SHEAF_OK;
            if (is_root(sweep))
                fprintf(stderr, "sheaf: %s is not measured: %s\n", cells_format(&sweep->data.cells.all[i], layout),
                        error->text);
        }
        left += !sweep->lacks_memory[i];
    }
    if (!status && left == 0)
        return sheaf_fail(error, SHEAF_NO_RESOURCES, "none of the layouts can be measured, for what is said above");
    sweep->round_seconds = 1e-9 * (double)(node_nanoseconds() - start);
    return status;
}

/** Root: how many chunks the results of a sample have room for. */
static enum sheaf_status
find_room(struct sweep *sweep, struct sheaf_error *error)
{
    const struct plan *whole = sweep->whole;
    struct file_system system;
    char directory[STORE_PATH_BYTES], need[FILE_BYTES_TEXT], have[FILE_BYTES_TEXT];
    snprintf(directory, sizeof directory, "%s", scratch_path(sweep->job->options));
    enum sheaf_status status = file_system_of(dirname(directory), &system, error);
    if (status)
        return status;
    int cores = sweep->data.cores * sweep->data.nodes;
    double chunk_bytes = (double)whole->output_bytes / (double)whole->chunks;
    double most = scratch_share * (double)system.free_bytes / (chunk_bytes > 1 ? chunk_bytes : 1);
    sweep->budget = (struct cells_budget){.cells = sweep->data.cells.count,
                                          .cores = cores,
                                          .chunks = whole->chunks,
                                          .most = most < (double)whole->chunks ? (int64_t)most : whole->chunks};
    int64_t least = cores < whole->chunks ? cores : whole->chunks;
    if (sweep->budget.most < least)
        return sheaf_fail(
            error, SHEAF_NO_OUTPUT,
            "%s: no room for the results of the smallest sample, %s, in half of the %s that are free; give "
            "another --scratch",
            directory, file_format_bytes((int64_t)(chunk_bytes * (double)least), need),
            file_format_bytes(system.free_bytes, have));
    return SHEAF_OK;
}

/** Warm up with samples of growing size until the rounds fill the time. */
static enum sheaf_status
size_sample(struct sweep *sweep, struct sheaf_error *error)
{
    struct job *job = sweep->job;
    int64_t chunks, next;
    enum sheaf_status status = comm_agree(job->comm, is_root(sweep) ? find_room(sweep, error) : SHEAF_OK, error);
    next = is_root(sweep) ? cells_first_sample(&sweep->budget) : 0;
    comm_broadcast(job->comm, &next, sizeof next);
    for (int round = 1; !status; round++) {
        chunks = next;
        status = take_sample(sweep, chunks, error);
        if (!status)
            status = warm_up(sweep, error);
        if (status)
            break;
        tell(sweep, "warm-up", round);
        if (is_root(sweep))
            next = cells_next_sample(&sweep->budget, chunks, sweep->round_seconds, time_left(sweep));
        comm_broadcast(job->comm, &next, sizeof next);
        if (next <= chunks)
            break;
    }
    if (!status && next < chunks) {
        status = take_sample(sweep, next, error);
        sweep->round_seconds *= (double)next / (double)chunks;
    }
    return status;
}

/** Root: how many rounds there will be. */
static enum sheaf_status
settle_rounds(struct sweep *sweep, struct sheaf_error *error)
{
    double left = time_left(sweep), used = (double)sweep->seconds - left;
    sweep->data.rounds = cells_rounds(sweep->round_seconds, left);
    if (sweep->data.rounds == 0)
        return sheaf_fail(
            error, SHEAF_USAGE,
            "--seconds %lld: too short: warming up took %.1f s, and each round of %d layouts takes %.1f s; "
            "give at least %.0f",
            (long long)sweep->seconds, used, sweep->data.cells.count, sweep->round_seconds,
            used + 1 + 1.1 * CELLS_ROUNDS_LEAST * sweep->round_seconds);
    sweep->phase = STORE_SWEEP_MEASURING;
    return sweep->file ? sweep_file_write_phase(sweep->file, &sweep->data, sweep->phase, error) : SHEAF_OK;
}

/** The sample, either a new one or that of an earlier start, and the machine warm for it. */
static enum sheaf_status
get_ready(struct sweep *sweep, struct sheaf_error *error)
{
    struct job *job = sweep->job;
    enum sheaf_status status;
    if (sweep->phase == STORE_SWEEP_WARMING) {
        status = size_sample(sweep, error);
        if (!status)
            status = comm_agree(job->comm, is_root(sweep) ? settle_rounds(sweep, error) : SHEAF_OK, error);
    } else {
        status = take_sample(sweep, sweep->data.sample_chunks, error);
        if (!status)
            status = warm_up(sweep, error);
        tell(sweep, "warm-up", 1);
    }
    comm_broadcast(job->comm, &sweep->data.rounds, sizeof sweep->data.rounds);
    return status;
}

/** Measure the cells of a round that an earlier start has not. */
static enum sheaf_status
measure_round(struct sweep *sweep, int round, struct sheaf_error *error)
{
    struct sweep_data *data = &sweep->data;
    struct job *job = sweep->job;
    enum sheaf_status status = bare_measure(job, job->plan, &data->bare_seconds[round], error);
    for (int place = 0; place < data->cells.count && !status; place++) {
        int cell = cells_at(data->cells.count, round, place);
        if (sweep->lacks_memory[cell] || data->seconds[round][cell] > 0)
            continue;
        double seconds;
        int64_t memory;
        status = run_pass(sweep, cell, &seconds, &memory, error);
        comm_broadcast(job->comm, &seconds, sizeof seconds);
        data->seconds[round][cell] = seconds;
        data->memory[round][cell] = memory;
        if (!status)
            status = comm_agree(job->comm,
                                sweep->file ? sweep_file_write_pass(sweep->file, data, round, cell, error) : SHEAF_OK,
                                error);
    }
    if (status)
        return status;
    return comm_agree(job->comm, sweep->file ? sweep_file_write_round(sweep->file, data, round, error) : SHEAF_OK,
                      error);
}

/** Whether all cells of a round were measured. */
static bool
is_complete(const struct sweep *sweep, int round)
{
    for (int i = 0; i < sweep->data.cells.count; i++)
        if (!sweep->lacks_memory[i] && !(sweep->data.seconds[round][i] > 0))
            return false;
    return true;
}

/** Rounds until all are made, or the time is up. */
static enum sheaf_status
measure(struct sweep *sweep, struct sheaf_error *error)
{
    enum sheaf_status status = SHEAF_OK;
    for (int round = 0; round < sweep->data.rounds && !status; round++) {
        if (is_complete(sweep, round))
            continue;
        bool over = is_root(sweep) && round > 0 && time_left(sweep) < sweep->round_seconds;
        comm_broadcast(sweep->job->comm, &over, sizeof over);
        if (over) {
            sweep->data.rounds = round;
            break;
        }
        int64_t start = node_nanoseconds();
        status = measure_round(sweep, round, error);
        sweep->round_seconds = 1e-9 * (double)(node_nanoseconds() - start);
        if (!status)
            tell(sweep, "round", round + 1);
    }
    return status;
}

// ---- the whole ----

static enum sheaf_status
report(struct sweep *sweep, struct sheaf_error *error)
{
    const struct options *options = sweep->job->options;
    char command[COMMAND_BYTES];
    options_format(options, COMMAND_RUN, command, sizeof command);
    const struct sweep_report about = {
        .data = &sweep->data, .tasks = sweep->whole->tasks, .kernel = sweep->job->kernel->name, .command = command};
    enum sheaf_status status = SHEAF_OK;
    if (sweep->file && sweep->phase != STORE_SWEEP_COMPLETE)
        status = sweep_file_write_phase(sweep->file, &sweep->data, STORE_SWEEP_COMPLETE, error);
    else if (sweep->file)
        fprintf(stderr, "sheaf: %s is complete: nothing is measured; give --overwrite to measure again\n",
                options->output);
    sweep_report_print(&about, stdout);
    if (!status && options->csv)
        status = sweep_report_write_csv(&about, options->csv, error);
    if (!status && options->json)
        status = sweep_report_write_json(&about, options->json, error);
    return status;
}

/** Everything between the settled file and the report. */
static enum sheaf_status
perform(struct sweep *sweep, struct sheaf_error *error)
{
    struct job *job = sweep->job;
    enum sheaf_status status = job_open_operands(job, error);
    if (!status)
        status = results_open(job, error);
    if (status)
        return status;
    // All ranks have it open: without a name it vanishes with them, whatever ends them. NFS keeps no such file for other hosts.
    if (is_root(sweep) && !job->map.store.on_nfs)
        store_abandon(&job->map.store);
    summary_print_headline(job, stdout);
    summary_print_findings(job, stdout, stderr);
    status = get_ready(sweep, error);
    return status ? status : measure(sweep, error);
}

/** A signal has ended the pass that was under way. What was measured before is in the file. */
static enum sheaf_status
tell_interruption(const struct sweep *sweep, struct sheaf_error *error)
{
    const char *path = sweep->job->options->output;
    return path ? sheaf_fail(error, SHEAF_INTERRUPTED, "interrupted: the same command goes on with what %s holds", path)
                : sheaf_fail(error, SHEAF_INTERRUPTED, "interrupted; with -o SWEEP.h5 the same command would go on");
}

static enum sheaf_status
sweep_all(struct sweep *sweep, struct sheaf_error *error)
{
    struct job *job = sweep->job;
    enum sheaf_status status = job_settle_memory(job, error);
    if (!status)
        status = settle_cells(sweep, error);
    if (!status)
        status = job_audit(job, error);
    if (!status)
        status = comm_agree(job->comm, is_root(sweep) ? open_file(sweep, error) : SHEAF_OK, error);
    if (status)
        return status;
    comm_broadcast(job->comm, &sweep->phase, sizeof sweep->phase);
    comm_broadcast(job->comm, &sweep->data, sizeof sweep->data);
    if (sweep->phase != STORE_SWEEP_COMPLETE)
        status = perform(sweep, error);
    if (status == SHEAF_INTERRUPTED)
        return tell_interruption(sweep, error);
    return status ? status : comm_agree(job->comm, is_root(sweep) ? report(sweep, error) : SHEAF_OK, error);
}

/** Free all of it, but for what threads use that were left to themselves. */
static void
end(struct sweep *sweep)
{
    struct job *job = sweep->job;
    bool abandoned = job && job->abandoned;
    store_sweep_close(sweep->file, NULL);
    if (job && sweep->whole && !abandoned)
        job->plan = sweep->whole;
    if (job)
        job_end(job);
    if (abandoned)
        return;
    free(sweep->rest);
    free(sweep);
}

enum sheaf_status
sweep_command(const struct options *options, struct comm *comm, struct sheaf_error *error)
{
    static const struct job_command command = {"sheaf sweep", run_prepare, run_kernel, scratch_path, true};
    struct sweep *sweep = calloc(1, sizeof *sweep);
    if (!sweep)
        comm_abort();
    enum sheaf_status status = run_allow(options, comm, error);
    if (!status) {
        struct job *job;
        status = job_begin(&command, options, comm, &job, error);
        sweep->job = job;
        sweep->whole = status ? NULL : job->plan;
        job->quiet = true;
        sweep->seconds = options->seconds ? options->seconds : SECONDS_DEFAULT;
    }
    if (!status)
        status = sweep_all(sweep, error);
    end(sweep);
    return status; // NOLINT(clang-analyzer-unix.Malloc): a dropped sweep stays, for its threads
}

enum sheaf_status
sweep_print_file(const char *path, struct sheaf_error *error)
{
    struct store_sweep *file;
    struct sweep_data *data = calloc(1, sizeof *data);
    enum store_sweep_phase phase;
    if (!data)
        return sheaf_fail(error, SHEAF_NO_RESOURCES, "%s: no memory to read it", path);
    enum sheaf_status status = store_sweep_open(path, false, &file, error);
    if (!status)
        status = sweep_file_read(file, data, &phase, error);
    if (!status) {
        const struct sweep_report about = {.data = data};
        printf("%s: %s\n", path, store_sweep_text(file, STORE_SWEEP_COMMAND));
        if (phase == STORE_SWEEP_WARMING)
            printf("nothing is measured yet\n");
        else if (phase == STORE_SWEEP_MEASURING)
            printf("not complete: the same command goes on with it\n");
        if (phase != STORE_SWEEP_WARMING)
            sweep_report_print(&about, stdout);
    }
    store_sweep_close(file, NULL);
    free(data);
    return status;
}
