#include "describe.h"
#include "helper.h"
#include "number.h"
#include "store.h"

#include <limits.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

/** A greater operand that all tasks share is not unpacked twice. */
static const int64_t tried_bytes_most = INT64_C(1) << 30;

/** What a text names. */
enum subject { SUBJECT_DATASET, SUBJECT_SET, SUBJECT_RESULTS, SUBJECT_SWEEP, SUBJECT_FILE };

enum { DATASETS_MOST = 40 };

/** A question; the operand's text, or the file's path, is behind it. */
struct question {
    enum subject subject;
    int core_ndim;
    bool external, filters;
    bool members;
    char directory[PATH_MAX]; /**< from where paths go: resume changes it after the start */
};

/* The process's: it is started before there is anything to keep it in. */
static struct {
    struct helper *helper;
    struct sheaf_error failure; /**< why there is none */
    bool external, filters;
} own;

// ---- in the helper: what it answers ----

/** Join two parts to an answer. */
static enum sheaf_status
answer(const char *text, const void *first, size_t first_bytes, const void *second, int64_t second_bytes, char **reply,
       int64_t *reply_bytes, struct sheaf_error *error)
{
    *reply = malloc(first_bytes + (size_t)second_bytes);
    if (!*reply)
        return sheaf_fail(error, SHEAF_NO_RESOURCES, "%s: no memory for its description", text);
    memcpy(*reply, first, first_bytes);
    if (second)
        memcpy(*reply + first_bytes, second, (size_t)second_bytes);
    *reply_bytes = (int64_t)first_bytes + second_bytes;
    return SHEAF_OK;
}

/**
 * What all tasks share is no task's, to which a crash could be charged. So it is unpacked here first, all of it. An error is told by
 * the run.
 */
static void
try_shared(const struct source_map *map)
{
    struct source *source;
    struct sheaf_error ignored;
    void *bytes = map->shared && map->kind == SOURCE_DATASET && map->offset < 0 && map->task_bytes <= tried_bytes_most
                      ? malloc((size_t)map->task_bytes)
                      : NULL;
    if (bytes && source_attach(map, &source, &ignored) == SHEAF_OK) {
        source_read(source, 0, 1, bytes, &ignored);
        source_detach(source);
    }
    free(bytes);
}

/** The map, a set's members behind it. */
static enum sheaf_status
work_on_operand(const struct question *question, const char *text, char **reply, int64_t *reply_bytes,
                struct sheaf_error *error)
{
    struct source_map map;
    struct set *set = NULL;
    source_allow(question->external, question->filters);
    enum sheaf_status status = question->subject == SUBJECT_SET
                                   ? source_describe_set(text, question->core_ndim, &map, &set, error)
                                   : source_describe(text, question->core_ndim, 0, 0, &map, error);
    if (!status)
        try_shared(&map);
    return status ? status : answer(text, &map, sizeof map, set, set ? set->bytes : 0, reply, reply_bytes, error);
}

static enum sheaf_status
work_on_results(const char *path, bool members, char **reply, int64_t *reply_bytes, struct sheaf_error *error)
{
    struct store_outline *outline;
    enum sheaf_status status = store_outline_read(path, members, &outline, reply_bytes, error);
    *reply = (char *)outline;
    return status;
}

static enum sheaf_status
work_on_sweep(const char *path, char **reply, int64_t *reply_bytes, struct sheaf_error *error)
{
    struct store_sweep_outline outline;
    enum sheaf_status status = store_sweep_outline_read(path, &outline, error);
    return status ? status : answer(path, &outline, sizeof outline, NULL, 0, reply, reply_bytes, error);
}

/** What is known of the file, a results file's outline behind it. */
static enum sheaf_status
work_on_file(const char *path, char **reply, int64_t *reply_bytes, struct sheaf_error *error)
{
    struct describe_file file = {.kind = DESCRIBE_RESULTS};
    struct sheaf_error ignored;
    struct store_outline *outline;
    int64_t bytes = 0;
    enum sheaf_status status = store_outline_read(path, false, &outline, &bytes, error);
    // Not a results file, but perhaps a sweep's or an input: then what it holds is what users want to know.
    if (status == SHEAF_BAD_DATA && store_sweep_outline_read(path, &file.sweep, &ignored) == SHEAF_OK) {
        file.kind = DESCRIBE_SWEEP;
        status = SHEAF_OK;
    } else if (status == SHEAF_BAD_DATA &&
               store_list_datasets(path, DATASETS_MOST, file.datasets, sizeof file.datasets, &ignored) == SHEAF_OK &&
               file.datasets[0]) {
        file.kind = DESCRIBE_DATASETS;
        status = SHEAF_OK;
    }
    return status ? status : answer(path, &file, sizeof file, outline, bytes, reply, reply_bytes, error);
}

static enum sheaf_status
work(const char *bytes, int64_t count, char **reply, int64_t *reply_bytes, struct sheaf_error *error)
{
    struct question question;
    const char *text = bytes + sizeof question;
    (void)count;
    memcpy(&question, bytes, sizeof question);
    if (question.directory[0] && chdir(question.directory) != 0)
        return sheaf_fail(error, SHEAF_NO_INPUT, "%s: cannot enter the directory %s: %m", text, question.directory);
    switch (question.subject) {
    case SUBJECT_RESULTS:
        return work_on_results(text, question.members, reply, reply_bytes, error);
    case SUBJECT_SWEEP:
        return work_on_sweep(text, reply, reply_bytes, error);
    case SUBJECT_FILE:
        return work_on_file(text, reply, reply_bytes, error);
    case SUBJECT_DATASET:
    case SUBJECT_SET:
        break;
    }
    return work_on_operand(&question, text, reply, reply_bytes, error);
}

// ---- where it is asked ----

void
describe_begin(void)
{
    struct helper_bounds bounds = helper_default_bounds();
    const int64_t seconds = number_from_environment("SHEAF_EXAMINE_SECONDS", bounds.step_cpu_seconds);
    if (seconds > 0 && seconds <= INT_MAX / 10) {
        bounds.step_cpu_seconds = (int)seconds;
        bounds.step_seconds = 10 * (int)seconds;
    }
    bounds.memory_bytes = number_from_environment("SHEAF_EXAMINE_MEMORY", bounds.memory_bytes);
    if (helper_start(work, &bounds, &own.helper, &own.failure))
        own.helper = NULL;
}

void
describe_allow(bool external, bool filters)
{
    own.external = external;
    own.filters = filters;
}

void
describe_end(void)
{
    helper_stop(own.helper);
    own.helper = NULL;
}

/** @param[in] question  what is particular to it. @param[out] reply  malloc'ed */
static enum sheaf_status
ask(struct question question, const char *text, char **reply, int64_t *reply_bytes, struct sheaf_error *error)
{
    const size_t length = strlen(text) + 1;
    *reply = NULL;
    question.external = own.external;
    question.filters = own.filters;
    if (!own.helper)
        return own.failure.status ? sheaf_fail(error, own.failure.status, "%s: %s", text, own.failure.text)
                                  : sheaf_fail(error, SHEAF_INTERNAL, "%s: there is no process to examine it", text);
    if (!getcwd(question.directory, sizeof question.directory))
        question.directory[0] = '\0'; // it is the one that the helper is in
    char *bytes = malloc(sizeof question + length);
    if (!bytes)
        return sheaf_fail(error, SHEAF_NO_RESOURCES, "%s: no memory to describe it", text);
    memcpy(bytes, &question, sizeof question);
    memcpy(bytes + sizeof question, text, length);
    enum sheaf_status status =
        helper_ask(own.helper, text, bytes, (int64_t)(sizeof question + length), reply, reply_bytes, error);
    free(bytes);
    return status;
}

enum sheaf_status
describe_dataset(const char *text, int core_ndim, struct source_map *map, struct sheaf_error *error)
{
    char *reply;
    int64_t bytes;
    enum sheaf_status status =
        ask((struct question){.subject = SUBJECT_DATASET, .core_ndim = core_ndim}, text, &reply, &bytes, error);
    if (reply)
        memcpy(map, reply, sizeof *map);
    free(reply);
    return status;
}

enum sheaf_status
describe_set(const char *text, int core_ndim, struct source_map *map, struct set **set, struct sheaf_error *error)
{
    char *reply;
    int64_t bytes;
    *set = NULL;
    enum sheaf_status status =
        ask((struct question){.subject = SUBJECT_SET, .core_ndim = core_ndim}, text, &reply, &bytes, error);
    if (!reply)
        return status;
    memcpy(map, reply, sizeof *map);
    memmove(reply, reply + sizeof *map, (size_t)bytes - sizeof *map);
    *set = (struct set *)(void *)reply;
    return SHEAF_OK;
}

enum sheaf_status
describe_results(const char *path, bool members, struct store_outline **outline, struct sheaf_error *error)
{
    char *reply;
    int64_t bytes;
    enum sheaf_status status =
        ask((struct question){.subject = SUBJECT_RESULTS, .members = members}, path, &reply, &bytes, error);
    *outline = (struct store_outline *)(void *)reply;
    return status;
}

enum sheaf_status
describe_past(const char *path, bool members, struct store_past *past, struct sheaf_error *error)
{
    struct store_outline *outline;
    memset(past, 0, sizeof *past);
    enum sheaf_status status = describe_results(path, members, &outline, error);
    if (status == SHEAF_NO_INPUT && access(path, F_OK) == 0)
        status = error->status = SHEAF_BAD_DATA;
    if (!status)
        status = store_past_read(path, outline, past, error);
    free(outline);
    return status;
}

enum sheaf_status
describe_sweep(const char *path, struct store_sweep_outline *outline, struct sheaf_error *error)
{
    char *reply;
    int64_t bytes;
    enum sheaf_status status = ask((struct question){.subject = SUBJECT_SWEEP}, path, &reply, &bytes, error);
    if (reply)
        memcpy(outline, reply, sizeof *outline);
    free(reply);
    return status;
}

enum sheaf_status
describe_file(const char *path, struct describe_file *file, struct sheaf_error *error)
{
    char *reply;
    int64_t bytes;
    memset(file, 0, sizeof *file);
    enum sheaf_status status = ask((struct question){.subject = SUBJECT_FILE}, path, &reply, &bytes, error);
    if (!reply)
        return status;
    memcpy(file, reply, sizeof *file);
    memmove(reply, reply + sizeof *file, (size_t)bytes - sizeof *file);
    file->outline = (struct store_outline *)(void *)reply;
    return SHEAF_OK;
}
