#include "resume.h"
#include "describe.h"
#include "node.h"
#include "progress.h"
#include "resume_check.h"
#include "store_past.h"
#include "summary.h"
#include "suspects.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

/** Why tasks are computed. */
enum reason {
    REASON_NEVER,
    REASON_IN_FLIGHT,
    REASON_SUSPECT,
    REASON_TORN,
    REASON_STRANGE,
    REASON_MISMATCH,
    REASON_FAILED,
    REASON_COUNT
};

/** The root's part. */
struct resume {
    struct store_past past;
    uint8_t *needs;               /**< (chunks) enum plan_need */
    int64_t tasks[REASON_COUNT];  /**< that are computed for this reason */
    int64_t chunks[REASON_COUNT]; /**< that hold them */
    struct suspects in_flight;    /**< those that were, when an earlier run ended */
    int64_t unsure;               /**< chunks whose bytes are read */
    int64_t uncertain;            /**< of them, those whose record alone does not say that they are done */
    int64_t checked_bytes;
    double check_seconds;
};

// ---- whether it is the same computation ----

/** The options that the file was begun with. @param[out] words  free() is the caller's, when they are of no use any more */
static enum sheaf_status
parse_first_command(const struct store_past *past, char ***words, struct options *options, struct sheaf_error *error)
{
    int count = 0;
    for (int64_t at = 0; at < past->arguments_bytes; at++)
        count += past->arguments[at] == '\0';
    *words = calloc((size_t)count + 1, sizeof **words);
    if (!*words)
        return sheaf_fail(error, SHEAF_NO_RESOURCES, "%s: no memory for its command line", past->summary.map.path);
    char *at = past->arguments;
    for (int i = 0; i < count; i++, at += strlen(at) + 1)
        (*words)[i] = at;
    struct sheaf_error reason;
    if (options_parse(count, *words, options, &reason) == SHEAF_OK)
        return SHEAF_OK;
    return sheaf_fail(error, SHEAF_BAD_DATA,
                      "%s: this Sheaf does not understand the command that it was begun with: %s",
                      past->summary.map.path, reason.text);
}

/** What is no option, as operands and their content, is compared with the plan. */
static enum sheaf_status
match_options(const struct job *job, struct sheaf_error *error)
{
    const struct store_past *past = &job->resume->past;
    struct options first;
    char **words = NULL, now[OPTIONS_VALUE_TEXT], then[OPTIONS_VALUE_TEXT];
    enum sheaf_status status = parse_first_command(past, &words, &first, error);
    const struct option_row *row = status ? NULL : options_find_difference(job->options, &first);
    if (row)
        status = sheaf_fail(error, SHEAF_BAD_DATA,
                            "%s: cannot go on: it was begun with %s, not with %s; give another -o, or --overwrite",
                            past->summary.map.path, options_format_value(row, &first, then),
                            options_format_value(row, job->options, now));
    options_free(&first);
    free(words);
    return status;
}

enum sheaf_status
resume_find(struct job *job, struct job_tasks *tasks, struct sheaf_error *error)
{
    const struct options *options = job->options;
    const char *output = job->command->output(options);
    if (options->overwrite && options->resume)
        return sheaf_fail(error, SHEAF_USAGE,
                          "--resume goes on with the output, --overwrite replaces it: give one of them");
    if (!options->resume && (options->retry_failed || options->verify))
        return sheaf_fail(error, SHEAF_USAGE, "--%s goes with --resume", options->verify ? "verify" : "retry-failed");
    if (!options->resume || !output)
        return SHEAF_OK;
    job->resume = calloc(1, sizeof *job->resume);
    if (!job->resume)
        return sheaf_fail(error, SHEAF_NO_RESOURCES, "%s: no memory to go on with it", output);
    struct store_past *past = &job->resume->past;
    enum sheaf_status status = describe_past(output, true, past, error);
    if (status == SHEAF_NO_INPUT && access(output, F_OK) != 0 && errno == ENOENT) {
        resume_free(job);
        return SHEAF_OK; // the first start
    }
    if (!status)
        status = match_options(job, error);
    for (int i = 0; !status && tasks->class_count == past->class_count && i < tasks->class_count; i++)
        tasks->requests[i].tasks_per_chunk = past->classes[i].tasks_per_chunk;
    return status;
}

enum sheaf_status
resume_match(struct job *job, const struct store_spec *spec, struct sheaf_error *error)
{
    enum sheaf_status status = store_past_match(&job->resume->past, spec, error);
    if (status)
        return status;
    job->map.resuming = true;
    job->map.store = job->resume->past.summary.map;
    job->map.results_in_memory = job->map.store.in_memory;
    return SHEAF_OK;
}

// ---- what is left ----

/** Root: the chunks whose bytes decide. @return malloc'ed; NULL without memory */
static int64_t *
list_unsure(struct job *job)
{
    struct resume *resume = job->resume;
    int64_t count = 0;
    int64_t *list = malloc((size_t)job->plan->chunks * sizeof *list + 1);
    for (int64_t i = 0; list && i < job->plan->chunks; i++) {
        const uint8_t condition = resume->past.chunks[i].condition;
        if (condition == STORE_CHUNK_UNCERTAIN || (condition == STORE_CHUNK_DONE && job->options->verify))
            list[count++] = i;
        resume->uncertain += condition == STORE_CHUNK_UNCERTAIN;
    }
    resume->unsure = count;
    return list;
}

/** Why a chunk is not done, by its record. */
static enum reason
find_reason(uint8_t condition)
{
    switch (condition) {
    case STORE_CHUNK_NEVER:
        return REASON_NEVER;
    case STORE_CHUNK_STARTED:
        return REASON_IN_FLIGHT;
    case STORE_CHUNK_TORN:
        return REASON_TORN;
    case STORE_CHUNK_STRANGE:
        return REASON_STRANGE;
    default:
        return REASON_MISMATCH;
    }
}

/** Root: enter what a chunk needs, and count it. @param[in] right  its record can be trusted */
static void
settle_chunk(struct job *job, int64_t number, bool right)
{
    struct resume *resume = job->resume;
    const struct store_chunk_past *chunk = &resume->past.chunks[number];
    const struct plan_chunk about = plan_find(job->plan, number);
    int64_t again = about.count;
    enum reason reason = find_reason(chunk->condition);
    resume->needs[number] = PLAN_COMPUTE;
    if (suspects_has_alone(&resume->in_flight, number)) {
        resume->needs[number] = PLAN_ALONE;
        reason = REASON_SUSPECT;
    }
    if (right) {
        bool retried = chunk->failed > 0 && job->options->retry_failed;
        resume->needs[number] = retried ? PLAN_RETRY : PLAN_DONE;
        reason = REASON_FAILED;
        again = retried ? chunk->failed : 0;
        job->failed_before += retried ? 0 : chunk->failed;
    }
    job->tasks_before += about.count - again;
    resume->tasks[reason] += again;
    resume->chunks[reason] += again > 0;
}

/** Root: what is left. @param[in] unsure,right  of those that were checked @param[out] alone  what of it is computed alone */
static enum sheaf_status
settle_rest(struct job *job, const int64_t *unsure, const uint8_t *right, struct plan_rest **rest,
            struct plan_rest **alone, struct sheaf_error *error)
{
    struct resume *resume = job->resume;
    int64_t next = 0;
    enum sheaf_status status = suspects_judge(job->store, &resume->past, job->place.host, job->options->attempts,
                                              job->map.operands, job->map.input_count, &resume->in_flight, error);
    if (status)
        return status;
    resume->needs = malloc((size_t)job->plan->chunks + 1);
    if (!resume->needs)
        return sheaf_fail(error, SHEAF_NO_RESOURCES, "no memory for %lld chunks", (long long)job->plan->chunks);
    for (int64_t i = 0; i < job->plan->chunks; i++) {
        bool checked = right && next < resume->unsure && unsure[next] == i;
        settle_chunk(job, i, checked ? right[next] : resume->past.chunks[i].condition == STORE_CHUNK_DONE);
        next += checked;
    }
    status = plan_rest_build(job->plan, resume->needs, false, rest, error);
    return status ? status : plan_rest_build(job->plan, resume->needs, true, alone, error);
}

static void
print_past(const struct job *job, FILE *stream)
{
    static const char *const texts[REASON_COUNT] = {
        [REASON_NEVER] = "never started",
        [REASON_IN_FLIGHT] = "in flight when an earlier run ended",
        [REASON_SUSPECT] = "in flight when an earlier run was killed: computed alone, behind all others",
        [REASON_TORN] = "of chunks whose record is torn",
        [REASON_STRANGE] = "of chunks whose record is of other tasks",
        [REASON_MISMATCH] = "of chunks whose results do not match their checksum",
        [REASON_FAILED] = "that failed (--retry-failed)",
    };
    const struct resume *resume = job->resume;
    char bytes[32], seconds[32];
    fprintf(stream, "%s goes on: %lld of %lld tasks done, %lld failed; %lld left\n", job->command->output(job->options),
            (long long)job->tasks_before, (long long)job->plan->tasks, (long long)job->failed_before,
            (long long)(job->plan->tasks - job->tasks_before));
    for (int i = 0; i < REASON_COUNT; i++)
        if (resume->tasks[i] > 0)
            fprintf(stream, "  %lld %s (%lld chunk%s)\n", (long long)resume->tasks[i], texts[i],
                    (long long)resume->chunks[i], resume->chunks[i] == 1 ? "" : "s");
    suspects_print(&resume->in_flight, job->plan, stream);
    if (resume->unsure > 0)
        fprintf(stream, "  %lld chunk%s read again, %s: %s in %s\n", (long long)resume->unsure,
                resume->unsure == 1 ? "" : "s", job->options->verify ? "for --verify" : "committed after the last sync",
                summary_format_quantity((double)resume->checked_bytes, "B", bytes),
                progress_format_seconds(resume->check_seconds, seconds));
}

/** Attach to the file as it is. Collective. */
static enum sheaf_status
attach(struct job *job, struct sheaf_error *error)
{
    void *places = NULL;
    enum sheaf_status status = SHEAF_OK;
    if (job->map.store.places_bytes > 0)
        status = comm_share_root(job->comm, job->resume ? job->resume->past.places : NULL,
                                 (size_t)job->map.store.places_bytes, &places, error);
    if (status)
        return status;
    return comm_agree(job->comm, store_attach(&job->map.store, places, &job->store, error), error);
}

/** Check them, in all ranks. @param[out] right  root: of each. Collective */
static enum sheaf_status
check_unsure(struct job *job, int64_t *unsure, uint8_t **right, struct sheaf_error *error)
{
    struct resume *resume = job->resume;
    struct resume_check check = {.plan = job->plan,
                                 .store = job->store,
                                 .map = &job->map.store,
                                 .threads = team_cores(job->team) / job->place.local_size};
    int64_t count = resume ? resume->unsure : 0, start = node_nanoseconds();
    comm_broadcast(job->comm, &count, sizeof count);
    if (count == 0)
        return SHEAF_OK;
    int64_t share = (count + job->place.size - 1) / job->place.size, first = share * job->place.rank;
    int64_t *list = unsure ? unsure : malloc((size_t)count * sizeof *list);
    uint8_t *mine = calloc((size_t)share, 1);
    *right = resume ? malloc((size_t)(share * job->place.size)) : NULL;
    if (!list || !mine || (resume && !*right))
        comm_abort(); // the others would wait for this rank
    comm_broadcast(job->comm, list, (size_t)count * sizeof *list);
    check.chunks = first < count ? list + first : NULL;
    check.count = first < count ? (count - first < share ? count - first : share) : 0;
    check.right = mine;
    enum sheaf_status status = comm_agree(job->comm, resume_check(&check, error), error);
    comm_gather(job->comm, mine, (size_t)share, *right);
    int64_t bytes = comm_sum(job->comm, atomic_load(&check.bytes));
    if (resume) {
        resume->checked_bytes = bytes;
        resume->check_seconds = 1e-9 * (double)(node_nanoseconds() - start);
    }
    free(mine);
    if (list != unsure)
        free(list);
    return status;
}

/** What is computed among others, and what alone. Collective. */
static enum sheaf_status
restrict_plan(struct job *job, const struct plan_rest *rest, const struct plan_rest *alone, struct sheaf_error *error)
{
    int64_t places = alone ? alone->places : 0;
    enum sheaf_status status = job_restrict(job, rest, error);
    comm_broadcast(job->comm, &places, sizeof places);
    return status || places == 0 ? status : job_share_rest(job, alone, &job->alone, error);
}

enum sheaf_status
resume_restrict(struct job *job, struct sheaf_error *error)
{
    struct plan_rest *rest = NULL, *alone = NULL;
    uint8_t *right = NULL;
    enum sheaf_status status = attach(job, error);
    if (status)
        return status;
    int64_t *unsure = job->resume ? list_unsure(job) : NULL;
    if (job->resume && !unsure)
        comm_abort();
    status = check_unsure(job, unsure, &right, error);
    if (!status)
        status = comm_agree(job->comm, job->resume ? settle_rest(job, unsure, right, &rest, &alone, error) : SHEAF_OK,
                            error);
    if (!status)
        status = restrict_plan(job, rest, alone, error);
    if (!status && job->resume) {
        print_past(job, stdout);
        job->map.is_over = job->plan->places == 0 && !job->alone && job->resume->uncertain == 0 &&
                           job->resume->past.summary.run.state == RUN_FINISHED;
    }
    comm_broadcast(job->comm, &job->map.is_over, sizeof job->map.is_over);
    free(rest);
    free(alone);
    free(right);
    free(unsure);
    return status;
}

enum sheaf_status
resume_begin(struct job *job, struct sheaf_error *error)
{
    const struct resume *resume = job->resume;
    const struct store_past *past = &resume->past;
    enum sheaf_status status = SHEAF_OK;
    for (int64_t i = 0; i < job->plan->chunks && !status; i++) {
        const uint8_t condition = past->chunks[i].condition;
        if (condition != STORE_CHUNK_DONE && condition != STORE_CHUNK_UNCERTAIN)
            continue;
        if (resume->needs[i] != PLAN_DONE)
            status = store_uncommit_chunk(job->store, i, resume->needs[i] == PLAN_RETRY, error);
        else if (condition == STORE_CHUNK_UNCERTAIN)
            status = store_recommit_chunk(job->store, i, error);
    }
    if (!status)
        status = suspects_write(&resume->in_flight, job->plan, job->store, error);
    return status ? status
                  : store_settle_past(job->store, past->next_run, past->host_count, node_wall_seconds(), error);
}

uint32_t
resume_run_number(const struct job *job)
{
    return job->resume->past.next_run;
}

void
resume_free(struct job *job)
{
    if (!job->resume)
        return;
    store_past_free(&job->resume->past);
    suspects_free(&job->resume->in_flight);
    free(job->resume->needs);
    free(job->resume);
    job->resume = NULL;
}
