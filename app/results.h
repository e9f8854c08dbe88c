/**
 * @file results.h
 * A job's results file, from the check of its target to its closing: what of it is the job's business.
 */
#ifndef SHEAF_RESULTS_H
#define SHEAF_RESULTS_H

#include "job.h"

/**
 * Root: refuse what can be refused before anything is created: the target, room on its file system, and in memory where
 * it lies there; or whether a file that is there can be gone on with. Takes the lock of the results file, before it looks whether
 * that exists. Of scratch only the directory is checked. Needs the plan. Notes in the map whether results lie in memory. Without a target (a dry run) little is checked.
 */
enum sheaf_status results_check(struct job *job, struct sheaf_error *error);

/**
 * Root: a file that will be written is a possible target, none of the inputs, and from here on this job's alone: it is locked.
 * @param[in] bytes  that it needs
 */
enum sheaf_status results_claim(struct job *job, const char *output, int64_t bytes, struct sheaf_error *error);

struct store_past;

/** Root, with the plan: whether another results file is of the same computation (store_past_match). Changes nothing. */
enum sheaf_status results_match(const struct job *job, struct store_past *past, struct sheaf_error *error);

/** Root: give up the lock that results_claim took. */
void results_unlock(struct job *job);

/** Build the file at the root and attach to it on all ranks, or go on with the one that is; enter hosts and run. Collective. */
enum sheaf_status results_open(struct job *job, struct sheaf_error *error);

/** Where nothing is to be computed: give the file its name, as the carrier else does meanwhile. Collective. */
enum sheaf_status results_settle_at_once(struct job *job, struct sheaf_error *error);

/** Note how the run ended; an error of the run itself goes before one of noting it. Collective. */
enum sheaf_status results_note_end(struct job *job, enum sheaf_status outcome, struct sheaf_error *error);

/** Close the file: what the system could not write may show only here. Collective. @return outcome, or else that error */
enum sheaf_status results_close(struct job *job, enum sheaf_status outcome, struct sheaf_error *error);

#endif
