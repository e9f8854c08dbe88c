/**
 * @file status.h
 * `sheaf status OUT.h5`, and what `sheaf info OUT.h5` shows of the same.
 */
#ifndef SHEAF_STATUS_COMMAND_H
#define SHEAF_STATUS_COMMAND_H

#include "options.h"
#include "store.h"

/**
 * One process does it, without MPI; reads only, also while a run writes the file.
 * @return SHEAF_OK; with --exit-code SHEAF_TASKS_FAILED where all is done but some failed, SHEAF_INTERRUPTED where not all
 *         is done, both without a text; what store_describe returns
 */
enum sheaf_status status_command(const struct options *options, struct sheaf_error *error);

/** One line: what a results file is of, and how many tasks are done. */
void status_print_headline(const char *path, const struct store_summary *summary);

/** The latest start: when, where, with what; nothing where there was none. */
void status_print_run(const struct store_summary *summary);

/** Whether who started a run last still lives. */
enum status_owner { OWNER_NONE, OWNER_LIVES, OWNER_GONE, OWNER_ELSEWHERE };

/** The owner of a run, as seen from this host; OWNER_NONE where the run has ended, or none has started. */
enum status_owner status_find_owner(const struct record_run *run);

/**
 * Seconds that what is left takes at the rate of the latest start: by flops, or by tasks where kernels have none. Pure.
 * @return negative where nothing can be told: nothing is left, or nothing was committed by it
 */
double status_seconds_left(const struct store_summary *summary);

#endif
