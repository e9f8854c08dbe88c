/**
 * @file resume_command.h
 * `sheaf resume FILE.h5`: go on with a results file by the command line that it was begun with.
 */
#ifndef SHEAF_RESUME_COMMAND_H
#define SHEAF_RESUME_COMMAND_H

#include "comm.h"
#include "options.h"
#include "store.h"

/** The command that a results file was begun with, as options of this process. */
struct resume_line {
    struct options options;           /**< of `run` or `make`; its output is `path` */
    char path[STORE_PATH_BYTES];      /**< of the file, absolute */
    char directory[STORE_PATH_BYTES]; /**< that the command was given in; "": not known */
    char *first, **words;             /**< what the options' texts are in */
};

/**
 * Read the command that a results file was begun with, and go to the directory that it was given in, where this host has that.
 * Collective.
 * @param[in]  given  more words, of the command line behind its operand, are put in: they count more; NULL: none
 * @param[out] line   resume_drop_line is the caller's, also after a failure
 */
enum sheaf_status resume_take_line(const char *path, const struct options *given, struct comm *comm,
                                   struct resume_line *line, struct sheaf_error *error);
void resume_drop_line(struct resume_line *line);

/** Collective. @return alike on all ranks, with the text of an error */
enum sheaf_status resume_command(const struct options *options, struct comm *comm, struct sheaf_error *error);

/**
 * The first command line with other options put in, which so count more than those that stand there. Pure.
 * @param[in]  first   words, each ending with NUL
 * @param[in]  bytes   of them all
 * @param[in]  given   the new command line: of it, what stands behind `sheaf resume` without the operand
 * @param[out] words   room for a pointer each to all of these, and NULL; they point into both
 * @return how many
 */
int resume_join_arguments(char *first, int64_t bytes, const struct options *given, char **words);

#endif
