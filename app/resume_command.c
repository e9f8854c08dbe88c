#include "resume_command.h"
#include "describe.h"
#include "make.h"
#include "run.h"
#include "store_past.h"

#include <stdlib.h>
#include <string.h>
#include <unistd.h>

/** What the root finds in the file: plain data, the words of the command line behind it. */
struct begun {
    char path[STORE_PATH_BYTES], directory[STORE_PATH_BYTES]; /**< as in struct resume_line */
    int64_t bytes;                                            /**< of the words */
};

static enum sheaf_status
read_begun(const char *path, struct begun *begun, char **words, struct sheaf_error *error)
{
    struct store_past past;
    enum sheaf_status status = describe_past(path, false, &past, error);
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
    for (int i = 2; given && i < given->argument_count; i++)
        if (given->arguments[i] != given->operands[0] && strcmp(given->arguments[i], "--") != 0)
            words[count++] = given->arguments[i];
    for (; at < end; at += strlen(at) + 1)
        words[count++] = at;
    words[count] = NULL;
    return count;
}

/** Parse what was joined, for the file where that is now. */
static enum sheaf_status
parse_line(int count, struct resume_line *line, struct sheaf_error *error)
{
    struct options *options = &line->options;
    struct sheaf_error reason;
    if (options_parse(count, line->words, options, &reason))
        return sheaf_fail(error, SHEAF_USAGE, "%s: cannot go on by the command that it was begun with: %s", line->path,
                          reason.text);
    if (options->command != COMMAND_RUN && options->command != COMMAND_MAKE)
        return sheaf_fail(error, SHEAF_BAD_DATA, "%s: was begun by another command than run and make", line->path);
    if (options->command == COMMAND_RUN)
        options->output = line->path;
    else if (options->operand_count > 0)
        options->operands[0] = line->path;
    options->overwrite = false; // it replaced what was there before this file
    return SHEAF_OK;
}

enum sheaf_status
resume_take_line(const char *path, const struct options *given, struct comm *comm, struct resume_line *line,
                 struct sheaf_error *error)
{
    struct begun begun = {.bytes = 0};
    bool root = comm_place(comm)->rank == 0;
    memset(line, 0, sizeof *line);
    enum sheaf_status status = root ? read_begun(path, &begun, &line->first, error) : SHEAF_OK;
    status = comm_agree(comm, status, error);
    if (status)
        return status;
    comm_broadcast(comm, &begun, sizeof begun);
    memcpy(line->path, begun.path, sizeof line->path);
    if (!root)
        line->first = calloc(1, (size_t)begun.bytes + 1);
    line->words = calloc((size_t)(begun.bytes + (given ? given->argument_count : 0)) + 1, sizeof *line->words);
    if (!line->first || !line->words)
        comm_abort(); // the others would wait for this rank
    comm_broadcast(comm, line->first, (size_t)begun.bytes);
    const int count = resume_join_arguments(line->first, begun.bytes, given, line->words);
    status = comm_agree(comm, parse_line(count, line, error), error);
    // Paths in it are from there; where a host has no such directory, from here.
    if (!status && begun.directory[0] && chdir(begun.directory) == 0)
        memcpy(line->directory, begun.directory, sizeof line->directory);
    return status;
}

void
resume_drop_line(struct resume_line *line)
{
    options_free(&line->options);
    free(line->words);
    free(line->first);
}

enum sheaf_status
resume_command(const struct options *options, struct comm *comm, struct sheaf_error *error)
{
    struct resume_line line;
    if (options->operand_count != 1) // alike on all ranks
        return sheaf_fail(error, SHEAF_USAGE, "resume takes one results file, %d given", options->operand_count);
    enum sheaf_status status = resume_take_line(options->operands[0], options, comm, &line, error);
    if (!status) {
        line.options.resume = true;
        status = line.options.command == COMMAND_RUN ? run_command(&line.options, comm, error)
                                                     : make_command(&line.options, comm, error);
    }
    resume_drop_line(&line);
    return status;
}
