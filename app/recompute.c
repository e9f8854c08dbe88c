#include "recompute.h"
#include "blas.h"
#include "describe.h"
#include "job.h"
#include "pass.h"
#include "results.h"
#include "resume_command.h"
#include "run.h"
#include "store_past.h"
#include "summary.h"
#include "verify.h"

#include <float.h>
#include <libgen.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

enum { DIFFERENCES_SHOWN = 20 };

/** A verification by computing again. */
struct recompute {
    const struct options *options; /**< of verify */
    struct resume_line line;       /**< of the run */
    struct job *job;
    double share;
    // of the root
    struct store_past past;
    struct store *original;
    int64_t *chunks; /**< that are computed again, by number, rising */
    int64_t chunk_count;
    char *buffers[2];                /**< a task's output each */
    int64_t equal, close, different; /**< tasks */
};

bool
recompute_parse_share(const char *text, double *share)
{
    char *end;
    const double percent = strtod(text, &end);
    *share = percent / 100;
    return end > text && strcmp(end, "%") == 0 && percent > 0 && percent <= 100;
}

// ---- comparing ----

/** Numbers of an array, real and imaginary parts apart, of a type that has some; else 0. */
static int64_t
count_numbers(enum sheaf_type type, int64_t count)
{
    if (type == SHEAF_F32 || type == SHEAF_F64)
        return count;
    return sheaf_type_is_complex(type) ? 2 * count : 0;
}

static double
number_at(enum sheaf_type type, const void *array, int64_t i)
{
    bool single = type == SHEAF_F32 || type == SHEAF_C64;
    return single ? (double)((const float *)array)[i] : ((const double *)array)[i];
}

void
recompute_compare(enum sheaf_type type, int64_t count, const void *first, const void *second,
                  struct recompute_difference *difference)
{
    const size_t bytes = sheaf_type_size(type);
    const int64_t numbers = count_numbers(type, count);
    const double roundoff = type == SHEAF_F32 || type == SHEAF_C64 ? FLT_EPSILON / 2 : DBL_EPSILON / 2;
    double scale = 0, apart = 0;
    *difference = (struct recompute_difference){.elements = 0};
    for (int64_t i = 0; i < count; i++)
        difference->elements +=
            memcmp((const char *)first + (size_t)i * bytes, (const char *)second + (size_t)i * bytes, bytes) != 0;
    difference->beyond_tolerance = difference->elements > 0 && numbers == 0;
    for (int64_t i = 0; i < numbers; i++) {
        const double a = number_at(type, first, i), b = number_at(type, second, i);
        if (isfinite(a) && isfinite(b)) {
            scale = fmax(scale, fabs(a));
            apart = fmax(apart, fabs(a - b));
        } else if (isnan(a) != isnan(b) || (!isnan(a) && a != b)) {
            difference->beyond_tolerance = true;
        }
    }
    difference->greatest = apart > 0 ? apart / scale : 0;
    if (apart > sqrt(roundoff) * scale)
        difference->beyond_tolerance = true;
}

/** Whether a chunk was computed as it is now: then every bit has to be the same. */
static enum sheaf_status
was_alike(const struct recompute *recompute, const struct record_chunk *record, bool *alike, struct sheaf_error *error)
{
    struct record_run run;
    struct blas_library blas;
    blas_describe(&blas);
    enum sheaf_status status = store_read_run(recompute->original, record->run, &run, error);
    *alike = !status && record->width == 1 && record_run_valid(&run) && run.number == record->run &&
             strncmp(run.core, blas.core, sizeof run.core - 1) == 0;
    return status;
}

static void
tell_task(struct recompute *recompute, int64_t task, const char *what)
{
    if (recompute->different++ < DIFFERENCES_SHOWN)
        printf("%s: task %lld: %s\n", recompute->options->operands[0], (long long)task, what);
}

/** Compare an output of a task. @param[in,out] what  of the task, where it differs; text of `bytes` bytes */
static enum sheaf_status
compare_output(struct recompute *recompute, int output, int dataset, const struct plan_class *class, int64_t task,
               bool alike, bool *is_equal, char *what, size_t bytes, struct sheaf_error *error)
{
    const struct sheaf_array *array = &class->problem.outputs[output];
    struct recompute_difference difference;
    int64_t count = 0;
    enum sheaf_status status = store_read(recompute->original, dataset, task, 1, recompute->buffers[0], error);
    if (!status)
        status = store_read(recompute->job->store, dataset, task, 1, recompute->buffers[1], error);
    if (status)
        return status;
    sheaf_shape_count(&array->shape, &count);
    recompute_compare(array->type, count, recompute->buffers[1], recompute->buffers[0], &difference);
    *is_equal = *is_equal && difference.elements == 0;
    if (!*what && (alike ? difference.elements > 0 : difference.beyond_tolerance))
        snprintf(what, bytes,
                 "%lld of %lld elements of /%s are not what is computed now, by up to %.2g of the greatest%s",
                 (long long)difference.elements, (long long)count, recompute->job->map.outputs[dataset].name,
                 difference.greatest, alike ? "; both were computed in the same way, on one core" : "");
    return SHEAF_OK;
}

static enum sheaf_status
compare_task(struct recompute *recompute, const struct plan_class *class, int64_t task, bool alike,
             struct sheaf_error *error)
{
    uint8_t statuses[2];
    int32_t infos[2];
    char what[256] = "";
    bool is_equal = true;
    int dataset = 0;
    enum sheaf_status status = store_read_status(recompute->original, task, 1, &statuses[0], &infos[0], error);
    if (!status)
        status = store_read_status(recompute->job->store, task, 1, &statuses[1], &infos[1], error);
    if (!status && (statuses[0] != statuses[1] || infos[0] != infos[1]))
        snprintf(what, sizeof what, "has status %d and info %d, now it gets %d and %d", statuses[0], infos[0],
                 statuses[1], infos[1]);
    for (int i = 0; i < class->problem.output_count && !status; i++)
        if (!class->omitted[i])
            status = compare_output(recompute, i, dataset++, class, task, alike, &is_equal, what, sizeof what, error);
    if (status)
        return status;
    if (*what)
        tell_task(recompute, task, what);
    else if (is_equal)
        recompute->equal++;
    else
        recompute->close++;
    return SHEAF_OK;
}

static enum sheaf_status
compare_chunk(struct recompute *recompute, int64_t number, struct sheaf_error *error)
{
    const struct plan *plan = recompute->job->plan;
    const struct plan_chunk chunk = plan_find(plan, number);
    struct record_chunk record;
    bool alike = false;
    int64_t task;
    enum sheaf_status status = store_read_record(recompute->original, number, &record, error);
    if (!status)
        status = was_alike(recompute, &record, &alike, error);
    for (int64_t i = 0; i < chunk.count && !status; i++) {
        plan_run(plan, chunk.first + i, 1, &task);
        status = compare_task(recompute, &plan->classes[chunk.class_index], task, alike, error);
    }
    return status;
}

/** Root: compare all that was computed again, and say what came out. */
static enum sheaf_status
compare(struct recompute *recompute, struct sheaf_error *error)
{
    const struct job *job = recompute->job;
    int64_t most = 1;
    enum sheaf_status status = SHEAF_OK;
    for (int c = 0; c < job->plan->class_count; c++)
        most = job->plan->classes[c].output_bytes > most ? job->plan->classes[c].output_bytes : most;
    for (int i = 0; i < 2 && !status; i++)
        if (!(recompute->buffers[i] = malloc((size_t)most)))
            status =
                sheaf_fail(error, SHEAF_NO_RESOURCES, "no memory to compare results of %lld bytes", (long long)most);
    for (int64_t i = 0; i < recompute->chunk_count && !status; i++)
        status = compare_chunk(recompute, recompute->chunks[i], error);
    if (status)
        return status;
    const char *path = recompute->options->operands[0];
    const int64_t tasks = recompute->equal + recompute->close + recompute->different;
    printf("%s: %lld task%s of %lld chunk%s computed again: %lld equal, bit for bit", path, (long long)tasks,
           tasks == 1 ? "" : "s", (long long)recompute->chunk_count, recompute->chunk_count == 1 ? "" : "s",
           (long long)recompute->equal);
    if (recompute->close > 0)
        printf(", %lld but for rounding on other cores", (long long)recompute->close);
    printf(", %lld different\n", (long long)recompute->different);
    if (recompute->different == 0)
        return SHEAF_OK;
    return sheaf_fail(error, SHEAF_TASKS_FAILED, "%s: %lld of %lld tasks that were computed again differ", path,
                      (long long)recompute->different, (long long)tasks);
}

// ---- computing ----

/** A number below 1 from a seed and a chunk's number (S. Vigna's splitmix64, of G. L. Steele, D. Lea, C. H. Flood, OOPSLA 2014). */
static double
draw(uint64_t seed, int64_t chunk)
{
    uint64_t z = seed + ((uint64_t)chunk + 1) * UINT64_C(0x9e3779b97f4a7c15);
    z = (z ^ (z >> 30)) * UINT64_C(0xbf58476d1ce4e5b9);
    z = (z ^ (z >> 27)) * UINT64_C(0x94d049bb133111eb);
    return (double)((z ^ (z >> 31)) >> 11) * 0x1p-53;
}

/** Root: draw chunks of those that are committed, at least one. */
static enum sheaf_status
draw_sample(struct recompute *recompute, struct plan_rest **rest, struct sheaf_error *error)
{
    const struct plan *plan = recompute->job->plan;
    const uint64_t seed = recompute->options->seed;
    uint8_t *needs = calloc((size_t)plan->chunks + 1, 1);
    int64_t least = -1;
    recompute->chunks = malloc((size_t)plan->chunks * sizeof *recompute->chunks + 1);
    if (!needs || !recompute->chunks) {
        free(needs);
        return sheaf_fail(error, SHEAF_NO_RESOURCES, "no memory for %lld chunks", (long long)plan->chunks);
    }
    for (int64_t i = 0; i < plan->chunks; i++) {
        const uint8_t condition = recompute->past.chunks[i].condition;
        if (condition != STORE_CHUNK_DONE && condition != STORE_CHUNK_UNCERTAIN)
            continue;
        if (least < 0 || draw(seed, i) < draw(seed, least))
            least = i;
        needs[i] = draw(seed, i) < recompute->share ? PLAN_COMPUTE : PLAN_DONE;
    }
    if (least >= 0)
        needs[least] = PLAN_COMPUTE;
    for (int64_t i = 0; i < plan->chunks; i++)
        if (needs[i] == PLAN_COMPUTE)
            recompute->chunks[recompute->chunk_count++] = i;
    enum sheaf_status status = plan_rest_build(plan, needs, false, rest, error);
    free(needs);
    return status;
}

/** Root: the file is of the same computation; open it. */
static enum sheaf_status
open_original(struct recompute *recompute, struct plan_rest **rest, struct sheaf_error *error)
{
    struct store_past *past = &recompute->past;
    enum sheaf_status status = results_match(recompute->job, past, error);
    if (!status)
        status = store_attach_reading(&past->summary.map, past->places, &recompute->original, error);
    return status ? status : draw_sample(recompute, rest, error);
}

/** Compute the sample, every task on one core. Collective. */
static enum sheaf_status
compute(struct recompute *recompute, struct sheaf_error *error)
{
    struct job *job = recompute->job;
    int cores = team_cores(job->team), ranks = job->place.local_size < cores ? job->place.local_size : cores;
    job->layout = (struct layout){.ranks = ranks, .threads = cores / ranks, .width = 1};
    job->quiet = true;
    enum sheaf_status status = job_settle_memory(job, error);
    if (!status)
        status = job_open_operands(job, error);
    if (!status)
        status = pass_open(job, error);
    if (!status)
        status = results_open(job, error);
    if (!status && job->plan->places > 0)
        status = comm_agree(job->comm, pass_run(job, error), error);
    pass_close(job);
    return status;
}

static enum sheaf_status
compute_and_compare(struct recompute *recompute, struct sheaf_error *error)
{
    struct job *job = recompute->job;
    struct plan_rest *rest = NULL;
    bool root = job->place.rank == 0;
    enum sheaf_status status = comm_agree(job->comm, root ? open_original(recompute, &rest, error) : SHEAF_OK, error);
    if (!status)
        status = job_restrict(job, rest, error);
    free(rest);
    if (!status)
        status = compute(recompute, error);
    return status ? status : comm_agree(job->comm, root ? compare(recompute, error) : SHEAF_OK, error);
}

/** The scratch file: where --scratch says, or beside the file. */
static const char *
scratch_path(const struct options *options)
{
    static char path[STORE_PATH_BYTES];
    char copy[STORE_PATH_BYTES];
    snprintf(copy, sizeof copy, "%s", options->output);
    snprintf(path, sizeof path, "%s/sheaf-verify-scratch.h5", options->scratch ? options->scratch : dirname(copy));
    return path;
}

/** By the command that the file was begun with, but for where results go. Collective. */
static enum sheaf_status
recompute_file(struct recompute *recompute, struct comm *comm, struct sheaf_error *error)
{
    static const struct job_command command = {"sheaf run", run_prepare, run_kernel, scratch_path, true};
    struct options *options = &recompute->line.options;
    char scratch[STORE_PATH_BYTES] = "";
    if (recompute->options->scratch && !realpath(recompute->options->scratch, scratch))
        scratch[0] = '\0'; // the root finds what is wrong with it
    const char *path = recompute->options->operands[0];
    enum sheaf_status status = resume_take_line(path, NULL, comm, &recompute->line, error);
    if (status)
        return status;
    if (options->command != COMMAND_RUN)
        return sheaf_fail(error, SHEAF_BAD_DATA, "%s: --recompute is for what sheaf run has computed", path);
    options->scratch = scratch[0] ? scratch : recompute->options->scratch;
    options->resume = options->retry_failed = options->verify = options->dry_run = false;
    status = run_allow(options, comm, error);
    // Before the process that describes files ends, and before the command makes one.
    if (!status && comm_place(comm)->rank == 0)
        status = describe_past(recompute->line.path, true, &recompute->past, error);
    status = comm_agree(comm, status, error);
    if (!status)
        status = job_begin(&command, options, comm, &recompute->job, error);
    if (!status)
        status = compute_and_compare(recompute, error);
    if (recompute->job)
        job_end(recompute->job);
    return status;
}

enum sheaf_status
recompute_command(const struct options *options, struct comm *comm, struct sheaf_error *error)
{
    struct recompute *recompute = calloc(1, sizeof *recompute);
    if (!recompute)
        comm_abort();
    recompute->options = options;
    if (!recompute_parse_share(options->recompute, &recompute->share)) {
        free(recompute);
        return sheaf_fail(error, SHEAF_USAGE,
                          "--recompute: expected a share from above 0%% to 100%%, as 1%%, found \"%s\"",
                          options->recompute);
    }
    bool root = comm_place(comm)->rank == 0;
    enum sheaf_status status = comm_agree(comm, root ? verify_command(options, error) : SHEAF_OK, error);
    if (!status)
        status = recompute_file(recompute, comm, error);
    store_detach(recompute->original, NULL);
    store_past_free(&recompute->past);
    resume_drop_line(&recompute->line);
    for (int i = 0; i < 2; i++)
        free(recompute->buffers[i]);
    free(recompute->chunks);
    free(recompute);
    return status;
}
