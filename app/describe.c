#include "describe.h"
#include "helper.h"
#include "number.h"

#include <limits.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

/** What a text names. */
enum subject { SUBJECT_DATASET, SUBJECT_SET, SUBJECT_RESULTS };

/** A question; the operand's text, or the results file's path, is behind it. */
struct question {
    enum subject subject;
    int core_ndim;
    bool external, filters;
    char directory[PATH_MAX]; /**< from where paths go: resume changes it after the start */
};

/* The process's: it is started before there is anything to keep it in. */
static struct {
    struct helper *helper;
    struct sheaf_error failure; /**< why there is none */
    bool external, filters;
} own;

/** In the helper: whether a results file can be read. Its own process reads it again: what that has is no plain data. */
static enum sheaf_status
try_results(const char *path, struct sheaf_error *error)
{
    struct store_past past;
    enum sheaf_status status = store_past_read(path, &past, error);
    store_past_free(&past);
    return status;
}

/** In the helper: the answer is the map, a set's members behind it; of results there is none. */
static enum sheaf_status
work(const char *bytes, int64_t count, char **reply, int64_t *reply_bytes, struct sheaf_error *error)
{
    struct question question;
    struct source_map map;
    struct set *set = NULL;
    const char *text = bytes + sizeof question;
    (void)count;
    memcpy(&question, bytes, sizeof question);
    if (question.directory[0] && chdir(question.directory) != 0)
        return sheaf_fail(error, SHEAF_NO_INPUT, "%s: cannot enter the directory %s: %m", text, question.directory);
    if (question.subject == SUBJECT_RESULTS)
        return try_results(text, error);
    source_allow(question.external, question.filters);
    enum sheaf_status status = question.subject == SUBJECT_SET
                                   ? source_describe_set(text, question.core_ndim, &map, &set, error)
                                   : source_describe(text, question.core_ndim, 0, 0, &map, error);
    if (status)
        return status;
    int64_t set_bytes = set ? set->bytes : 0;
    *reply = malloc(sizeof map + (size_t)set_bytes);
    if (!*reply)
        return sheaf_fail(error, SHEAF_NO_RESOURCES, "%s: no memory for its description", text);
    memcpy(*reply, &map, sizeof map);
    if (set)
        memcpy(*reply + sizeof map, set, (size_t)set_bytes);
    *reply_bytes = (int64_t)sizeof map + set_bytes;
    return SHEAF_OK;
}

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

/** @param[out] reply  malloc'ed */
static enum sheaf_status
ask(enum subject subject, const char *text, int core_ndim, char **reply, int64_t *reply_bytes,
    struct sheaf_error *error)
{
    struct question question = {
        .subject = subject, .core_ndim = core_ndim, .external = own.external, .filters = own.filters};
    const size_t length = strlen(text) + 1;
    *reply = NULL;
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
    enum sheaf_status status = ask(SUBJECT_DATASET, text, core_ndim, &reply, &bytes, error);
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
    enum sheaf_status status = ask(SUBJECT_SET, text, core_ndim, &reply, &bytes, error);
    if (!reply)
        return status;
    memcpy(map, reply, sizeof *map);
    memmove(reply, reply + sizeof *map, (size_t)bytes - sizeof *map);
    *set = (struct set *)(void *)reply;
    return SHEAF_OK;
}

enum sheaf_status
describe_past(const char *path, struct store_past *past, struct sheaf_error *error)
{
    char *reply;
    int64_t bytes;
    memset(past, 0, sizeof *past);
    enum sheaf_status status = ask(SUBJECT_RESULTS, path, 0, &reply, &bytes, error);
    free(reply);
    return status ? status : store_past_read(path, past, error);
}
