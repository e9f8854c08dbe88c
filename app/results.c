#include "results.h"
#include "blas.h"
#include "choices.h"
#include "file.h"
#include "node.h"
#include "parameters.h"
#include "plugin.h"
#include "resume.h"
#include "slurm.h"
#include "store_past.h"

#include <libgen.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

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

/** The spec of the results file. Its pointers live in `job` and `holder`. */
struct spec_holder {
    struct store_class *classes;
    struct sheaf_shape *shapes; /**< of the outputs that are written, class by class */
    char parameters[PARAMETERS_TEXT];
    char *names;
    char plugin[PLUGIN_FINGERPRINT_TEXT];
    char directory[STORE_PATH_BYTES];
};

static void
release_spec(struct spec_holder *holder)
{
    free(holder->classes);
    free(holder->shapes);
    free(holder->names);
}

/** The names of all tasks, each that of the member which it uses and ending with NUL. @return malloc'ed; NULL without memory */
static char *
join_names(const struct source_map *operand, const struct set *set, int64_t tasks, int64_t *bytes)
{
    *bytes = 0;
    for (int64_t i = 0; i < tasks; i++)
        *bytes += (int64_t)strlen(set_text(set, set_member(set, source_entry(operand, i))->name)) + 1;
    char *names = malloc((size_t)*bytes + 1), *at = names;
    for (int64_t i = 0; names && i < tasks; i++)
        at = stpcpy(at, set_text(set, set_member(set, source_entry(operand, i))->name)) + 1;
    return names;
}

/** The classes as the file notes them. @return false without memory */
static bool
fill_classes(const struct job *job, struct spec_holder *holder)
{
    const struct plan *plan = job->plan;
    int outputs = job->map.output_count;
    holder->classes = calloc((size_t)plan->class_count + 1, sizeof *holder->classes);
    holder->shapes = calloc((size_t)plan->class_count * (size_t)outputs + 1, sizeof *holder->shapes);
    if (!holder->classes || !holder->shapes)
        return false;
    for (int c = 0; c < plan->class_count; c++) {
        const struct plan_class *class = &plan->classes[c];
        struct sheaf_shape *shapes = holder->shapes + (ptrdiff_t)c * outputs, *shape = shapes;
        for (int i = 0; i < class->problem.output_count; i++)
            if (!class->omitted[i])
                *shape++ = class->problem.outputs[i].shape;
        holder->classes[c] = (struct store_class){.tasks = class->tasks,
                                                  .first_position = class->first_position,
                                                  .first_chunk = class->first_chunk,
                                                  .chunks = class->chunks,
                                                  .tasks_per_chunk = class->tasks_per_chunk,
                                                  .flops = class->cost.flops,
                                                  .input_bytes = class->input_bytes,
                                                  .output_bytes = class->output_bytes,
                                                  .output_shapes = shapes};
    }
    return true;
}

/** The input that names the tasks: the set with the most members; -1: there is none, and tasks have no names. */
static int
find_naming_input(const struct job *job)
{
    int found = -1;
    for (int i = 0; i < job->map.input_count; i++)
        if (job->sets[i] && (found < 0 || job->sets[i]->count > job->sets[found]->count))
            found = i;
    return found;
}

/** Release with release_spec, after a failure too. @return SHEAF_OK; SHEAF_NO_RESOURCES */
static enum sheaf_status
fill_spec(const struct job *job, struct spec_holder *holder, struct store_spec *spec, struct sheaf_error *error)
{
    const struct job_map *map = &job->map;
    const struct plan *plan = job->plan;
    const int naming = find_naming_input(job);
    memset(spec, 0, sizeof *spec);
    memset(holder, 0, sizeof *holder);
    bool good = fill_classes(job, holder);
    if (good && naming >= 0) {
        holder->names = join_names(&map->operands[naming], job->sets[naming], plan->tasks, &spec->names_bytes);
        good = holder->names != NULL;
    }
    if (!good)
        return sheaf_fail(error, SHEAF_NO_RESOURCES, "no memory to describe %lld tasks in the results file",
                          (long long)plan->tasks);
    enum sheaf_status status = plugin_fingerprint(job->kernel, holder->plugin, error);
    if (status)
        return status;
    if (plan->class_count > 0)
        parameters_format(job->kernel, &plan->classes[0].problem, holder->parameters, sizeof holder->parameters);
    spec->path = job->command->output(job->options);
    spec->overwrite = job->options->overwrite || job->command->scratch;
    spec->scratch = job->command->scratch;
    spec->program = job->command->program;
    spec->kernel = job->kernel->name;
    spec->signature = job->kernel->signature;
    spec->parameters = holder->parameters;
    spec->version = SHEAF_VERSION;
    spec->argument_count = job->options->argument_count;
    spec->arguments = job->options->arguments;
    spec->plugin = holder->plugin;
    spec->directory = getcwd(holder->directory, sizeof holder->directory);
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
    spec->classes = holder->classes;
    spec->order = plan->order;
    spec->names = holder->names;
    return SHEAF_OK;
}

/** Replacing a file that a member of a set is read from would lose it: with one operand a file, store_check_target looks. */
static enum sheaf_status
check_members(const struct job *job, const char *output, struct sheaf_error *error)
{
    struct stat target, about;
    if (stat(output, &target) != 0)
        return SHEAF_OK; // nothing to lose
    for (int i = 0; i < job->map.input_count; i++) {
        const struct set *set = job->sets[i];
        int64_t seen = -1;
        for (int64_t k = 0; set && k < set->count; k++) {
            const struct set_member *member = set_member(set, k);
            bool known = member->path == seen; // members of one file mostly share its name
            seen = member->path;
            if (!known && stat(set_text(set, seen), &about) == 0 && about.st_dev == target.st_dev &&
                about.st_ino == target.st_ino)
                return sheaf_fail(error, SHEAF_NO_OUTPUT, "%s is the file of input %s; give another -o", output,
                                  set_text(set, member->text));
        }
    }
    return SHEAF_OK;
}

/** Whoever else writes the file, or is about to create it, is kept out from here on. */
static enum sheaf_status
take_lock(struct job *job, const char *output, struct sheaf_error *error)
{
    struct lock_owner self, previous;
    char owner[LOCK_OWNER_TEXT];
    lock_describe_self(job->started, &self);
    slurm_describe_owner(&self);
    const struct lock_request request = {
        .output = output, .self = &self, .has_ended = slurm_has_ended, .take_over = job->options->take_over};
    enum sheaf_status status = lock_take(&request, &job->lock, &previous, error);
    if (!status && previous.pid > 0)
        fprintf(stderr, "sheaf: %s: taken over from another run, which has ended: %s\n", output,
                lock_format_owner(&previous, owner));
    return status;
}

void
results_unlock(struct job *job)
{
    lock_release(job->lock);
    job->lock = NULL;
}

enum sheaf_status
results_claim(struct job *job, const char *output, int64_t bytes, struct sheaf_error *error)
{
    enum sheaf_status status =
        store_check_target(output, true, bytes, job->map.operands, job->map.operand_count, error);
    if (!status)
        status = check_members(job, output, error);
    if (!status && !job->options->dry_run)
        status = take_lock(job, output, error);
    return status;
}

/** What is wrong with the target itself is said first, then who else writes it, then whether it is there already. */
static enum sheaf_status
check_target(struct job *job, const char *output, int64_t bytes, struct sheaf_error *error)
{
    if (job->command->scratch)
        return store_check_target(output, true, 0, job->map.operands, job->map.operand_count, error);
    enum sheaf_status status = results_claim(job, output, bytes, error);
    if (!status && !job->options->overwrite && access(output, F_OK) == 0)
        return sheaf_fail(error, SHEAF_NO_OUTPUT,
                          "%s exists; give --resume to go on with it, --overwrite to replace it, or another -o",
                          output);
    return status;
}

/** Of a file that is gone on with. Who else writes it might change its records meanwhile. */
static enum sheaf_status
check_past(struct job *job, const struct store_spec *spec, struct sheaf_error *error)
{
    enum sheaf_status status = job->options->dry_run ? SHEAF_OK : take_lock(job, spec->path, error);
    return status ? status : resume_match(job, spec, error);
}

enum sheaf_status
results_match(const struct job *job, struct store_past *past, struct sheaf_error *error)
{
    struct spec_holder holder;
    struct store_spec spec;
    enum sheaf_status status = fill_spec(job, &holder, &spec, error);
    if (!status)
        status = store_past_match(past, &spec, error);
    release_spec(&holder);
    return status;
}

enum sheaf_status
results_check(struct job *job, struct sheaf_error *error)
{
    struct spec_holder holder;
    struct store_spec spec;
    int64_t bytes;
    const char *output = job->command->output(job->options);
    enum sheaf_status status = fill_spec(job, &holder, &spec, error);
    if (!status)
        status = store_size(&spec, &bytes, error);
    if (!status && job->resume)
        status = check_past(job, &spec, error);
    release_spec(&holder);
    if (status || !output || job->resume)
        return status;
    status = check_target(job, output, bytes, error);
    if (status)
        return status;
    job->map.results_in_memory = lies_in_memory(output);
    int64_t available = node_memory_available();
    if (job->map.results_in_memory && !job->command->scratch && bytes > available)
        return sheaf_fail(error, SHEAF_NO_RESOURCES,
                          "%s: needs %.3f GB in a memory file system, %.3f GB of memory are free; write to a disk",
                          output, 1e-9 * (double)bytes, 1e-9 * (double)available);
    return SHEAF_OK;
}

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
    run->number = job->resume ? resume_run_number(job) : 0;
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
    choices_format(job, run->choices, sizeof run->choices);
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
    if (!status && job->resume)
        status = resume_begin(job, error);
    if (!status)
        status = store_write_run(job->store, &job->run, error);
    return status ? status : write_shared_outputs(job, error);
}

/** Build the file at the root and attach all ranks to it. Collective. */
static enum sheaf_status
make_store(struct job *job, struct sheaf_error *error)
{
    struct store_place *places = NULL;
    void *shared = NULL;
    enum sheaf_status status = SHEAF_OK;
    if (job->place.rank == 0) {
        struct spec_holder holder;
        struct store_spec spec;
        status = fill_spec(job, &holder, &spec, error);
        if (!status)
            status = store_build(&spec, &job->map.store, &places, error);
        release_spec(&holder);
    }
    status = comm_agree(job->comm, status, error);
    if (status)
        return status;
    comm_broadcast(job->comm, &job->map.store, sizeof job->map.store);
    if (job->map.store.places_bytes > 0)
        status = comm_share_root(job->comm, places, (size_t)job->map.store.places_bytes, &shared, error);
    free(places);
    if (status)
        return status; // all ranks alike
    return comm_agree(job->comm, store_attach(&job->map.store, shared, &job->store, error), error);
}

enum sheaf_status
results_open(struct job *job, struct sheaf_error *error)
{
    enum sheaf_status status = job->map.resuming ? SHEAF_OK : make_store(job, error);
    if (status)
        return status;

    bool root = job->place.rank == 0;
    struct rank_place mine = {.node = job->place.node, .leader = job->place.local_rank == 0};
    snprintf(mine.host, sizeof mine.host, "%s", job->place.host);
    struct rank_place *places = root ? calloc((size_t)job->place.size, sizeof *places) : NULL;
    job->host_rows = calloc((size_t)job->place.node_count, sizeof *job->host_rows);
    if (!job->host_rows || (root && !places))
        comm_abort();
    comm_gather(job->comm, &mine, sizeof mine, places);
    if (root)
        status = open_store_as_root(job, places, error);
    free(places);
    comm_broadcast(job->comm, job->host_rows, (size_t)job->place.node_count * sizeof *job->host_rows);
    job->host_row = job->host_rows[job->place.node];
    comm_broadcast(job->comm, &job->run.number, sizeof job->run.number);
    return comm_agree(job->comm, status, error);
}

/** Root: everything is durable, and the marks of all hosts say so. */
static enum sheaf_status
write_last_marks(struct job *job, struct sheaf_error *error)
{
    struct keeper_marks marks = {
        .run = job->run.number, .node_count = job->place.node_count, .host_rows = job->host_rows, .all = true};
    uint64_t *sequences = calloc((size_t)marks.node_count, sizeof *sequences);
    if (!sequences)
        return sheaf_fail(error, SHEAF_NO_RESOURCES, "no memory for the marks of %d nodes", marks.node_count);
    for (int i = 0; i < marks.node_count; i++)
        sequences[i] = dispatch_synced_sequence(job->dispatch, i);
    marks.sequences = sequences;
    enum sheaf_status status = keeper_write_marks(&marks, job->store, error);
    free(sequences);
    return status;
}

/** Root: what each host has made durable, and how the run ended. */
static enum sheaf_status
close_as_root(struct job *job, enum sheaf_status outcome, struct sheaf_error *error)
{
    bool drained = outcome == SHEAF_INTERRUPTED, durable = !outcome || (drained && !job->abandoned);
    enum sheaf_status status = job->dispatch && durable ? write_last_marks(job, error) : SHEAF_OK;
    job->run.state = drained ? RUN_DRAINED : outcome ? RUN_FAILED : RUN_FINISHED;
    job->run.end = job->run.heartbeat = node_wall_seconds();
    if (!status)
        status = store_write_run(job->store, &job->run, error);
    // Of a run that failed nothing is promised; and if a sync has failed, another one would say that all is well.
    if (!status && (!outcome || drained) && !job->map.results_in_memory)
        status = store_sync(job->store, error);
    return status;
}

enum sheaf_status
results_note_end(struct job *job, enum sheaf_status outcome, struct sheaf_error *error)
{
    struct sheaf_error later;
    enum sheaf_status status = job->place.rank == 0 ? close_as_root(job, outcome, &later) : SHEAF_OK;
    if (!outcome && status)
        *error = later;
    return comm_agree(job->comm, outcome ? outcome : status, error);
}

enum sheaf_status
results_close(struct job *job, enum sheaf_status outcome, struct sheaf_error *error)
{
    struct sheaf_error later;
    if (job->abandoned)
        return outcome; // threads still have it: the system closes it with them
    enum sheaf_status status = store_detach(job->store, &later);
    job->store = NULL;
    if (!outcome && status)
        *error = later;
    return comm_agree(job->comm, outcome ? outcome : status, error);
}

enum sheaf_status
results_settle_at_once(struct job *job, struct sheaf_error *error)
{
    enum sheaf_status status = SHEAF_OK;
    if (job->place.rank == 0) {
        status = store_settle(job->store, &job->settlement, error);
        job->settled = status == SHEAF_OK;
    }
    return comm_agree(job->comm, status, error);
}
