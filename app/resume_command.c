#include "resume_command.h"
#include "make.h"
#include "run.h"
#include "store_past.h"

#include <stdlib.h>
#include <string.h>
#include <unistd.h>

/** What the root finds in the file: plain data, the words of the command line behind it. */
struct begun {
    char path[STORE_PATH_BYTES];      /**< of the file, absolute */
    char directory[STORE_PATH_BYTES]; /**< that it was begun in; "": not known */
    int64_t bytes;                    /**< of the words */
};

static enum sheaf_status
read_begun(const char *path, struct begun *begun, char **words, struct sheaf_error *error)
{
    struct store_past past;
    enum sheaf_status status = store_past_read(path, &past, error);
    if (!status) {
        memcpy(begun->path, past.summary.map.path, sizeof begun->path);
        memcpy(begun->directory, past.summary.directory, sizeof begun->directory);
        begun->bytes = past.arguments_bytes;
        *words = past.arguments;
        past.arguments = NULL;
    }
    store_past_free(&past);
    return status;
}

int
resume_join_arguments(char *first, int64_t bytes, const struct options *given, char **words)
{
    int count = 0;
    char *at = first, *end = first + bytes;
    for (; at < end && strcmp(at, "--") != 0; at += strlen(at) + 1)
        words[count++] = at;
    for (int i = 2; i < given->argument_count; i++)
        if (given->arguments[i] != given->operands[0] && strcmp(given->arguments[i], "--") != 0)
            words[count++] = given->arguments[i];
    for (; at < end; at += strlen(at) + 1)
        words[count++] = at;
    words[count] = NULL;
    return count;
}

/** Parse what was joined, and let it go on with the file where that is now. */
static enum sheaf_status
parse(int count, char **words, struct begun *begun, struct options *options, struct sheaf_error *error)
{
    struct sheaf_error reason;
    if (options_parse(count, words, options, &reason))
        return sheaf_fail(error, SHEAF_USAGE, "%s: cannot go on by the command that it was begun with: %s", begun->path,
                          reason.text);
    if (options->command != COMMAND_RUN && options->command != COMMAND_MAKE)
        return sheaf_fail(error, SHEAF_BAD_DATA, "%s: was begun by another command than run and make", begun->path);
    if (options->command == COMMAND_RUN)
        options->output = begun->path;
    else if (options->operand_count > 0)
        options->operands[0] = begun->path;
    options->resume = true;
    options->overwrite = false; // it replaced what was there before this file
    return SHEAF_OK;
}

static enum sheaf_status
go_on(int count, char **words, struct begun *begun, struct comm *comm, struct sheaf_error *error)
{
    struct options options;
    enum sheaf_status status = comm_agree(comm, parse(count, words, begun, &options, error), error);
    // Paths in it are from there; where a host has no such directory, from here.
    if (!status && begun->directory[0] && chdir(begun->directory) != 0)
        begun->directory[0] = '\0';
    if (!status)
        status =
            options.command == COMMAND_RUN ? run_command(&options, comm, error) : make_command(&options, comm, error);
    options_free(&options);
    return status;
}

enum sheaf_status
resume_command(const struct options *options, struct comm *comm, struct sheaf_error *error)
{
    struct begun begun = {.bytes = 0};
    char *first = NULL;
    if (options->operand_count != 1) // alike on all ranks
        return sheaf_fail(error, SHEAF_USAGE, "resume takes one results file, %d given", options->operand_count);
    bool root = comm_place(comm)->rank == 0;
    enum sheaf_status status = root ? read_begun(options->operands[0], &begun, &first, error) : SHEAF_OK;
    status = comm_agree(comm, status, error);
    if (status)
        return status;
    comm_broadcast(comm, &begun, sizeof begun);
    if (!root)
        first = calloc(1, (size_t)begun.bytes + 1);
    char **words = calloc((size_t)(begun.bytes + options->argument_count) + 1, sizeof *words);
    if (!first || !words)
        comm_abort(comm, SHEAF_NO_RESOURCES); // the others would wait for this rank
    comm_broadcast(comm, first, (size_t)begun.bytes);
    const int count = resume_join_arguments(first, begun.bytes, options, words);
    status = go_on(count, words, &begun, comm, error);
    free(words);
    free(first);
    return status;
}
