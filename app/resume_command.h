/**
 * @file resume_command.h
 * `sheaf resume FILE.h5`: go on with a results file by the command line that it was begun with.
 */
#ifndef SHEAF_RESUME_COMMAND_H
#define SHEAF_RESUME_COMMAND_H

#include "comm.h"
#include "options.h"

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
