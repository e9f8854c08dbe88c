#include "sweep.h"
#include "blas.h"
#include "describe.h"
#include "node.h"
#include "results.h"
#include "run.h"
#include "summary.h"
#include "sweep_file.h"
#include "sweep_parts.h"
#include "sweep_report.h"

#include <libgen.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

enum { IDENTITY_BYTES = 32768, COMMAND_BYTES = 32768, SECONDS_DEFAULT = 60 };

// ---- what is compared ----

const char *
sweep_scratch_path(const struct options *options)
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

static enum sheaf_status
list_cells(struct sweep *sweep, const struct node_size *sizes, struct sheaf_error *error)
{
    const struct job *job = sweep->job;
    struct cells_facts facts = {.layout = job_find_facts(job),
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
    struct node_size *sizes = sweep_is_root(sweep) ? calloc((size_t)job->place.size, sizeof *sizes) : NULL;
    if (sweep_is_root(sweep) && !sizes)
        comm_abort();
    comm_gather(job->comm, &mine, sizeof mine, sizes);
    enum sheaf_status status =
        comm_agree(job->comm, sweep_is_root(sweep) ? list_cells(sweep, sizes, error) : SHEAF_OK, error);
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
    add_line(text, "seconds %lld\nscratch %s\nlayouts", (long long)sweep->seconds, sweep_scratch_path(options));
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
    enum sheaf_status status = sweep->described.status;
    *error = sweep->described;
    if (!status)
        status = store_sweep_open(path, &sweep->outline, true, &sweep->file, error);
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
    if (sweep_is_root(sweep) && !job->map.store.on_nfs)
        store_abandon(&job->map.store);
    summary_print_headline(job, stdout);
    summary_print_findings(job, stdout, stderr);
    status = sweep_get_ready(sweep, error);
    return status ? status : sweep_measure(sweep, error);
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
        status = comm_agree(job->comm, sweep_is_root(sweep) ? open_file(sweep, error) : SHEAF_OK, error);
    if (status)
        return status;
    comm_broadcast(job->comm, &sweep->phase, sizeof sweep->phase);
    comm_broadcast(job->comm, &sweep->data, sizeof sweep->data);
    if (sweep->phase != STORE_SWEEP_COMPLETE)
        status = perform(sweep, error);
    if (status == SHEAF_INTERRUPTED)
        return tell_interruption(sweep, error);
    return status ? status : comm_agree(job->comm, sweep_is_root(sweep) ? report(sweep, error) : SHEAF_OK, error);
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
    static const struct job_command command = {"sheaf sweep", run_prepare, run_kernel, sweep_scratch_path, true};
    struct sweep *sweep = calloc(1, sizeof *sweep);
    if (!sweep)
        comm_abort();
    enum sheaf_status status = run_allow(options, comm, error);
    // The process that describes files ends when the job begins.
    if (!status && comm_place(comm)->rank == 0 && options->output && !options->overwrite)
        describe_sweep(options->output, &sweep->outline, &sweep->described);
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
sweep_print_file(const char *path, const struct store_sweep_outline *outline, struct sheaf_error *error)
{
    struct store_sweep *file;
    struct sweep_data *data = calloc(1, sizeof *data);
    enum store_sweep_phase phase;
    if (!data)
        return sheaf_fail(error, SHEAF_NO_RESOURCES, "%s: no memory to read it", path);
    enum sheaf_status status = store_sweep_open(path, outline, false, &file, error);
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
