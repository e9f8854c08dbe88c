/**
 * @file status.h
 * `sheaf status OUT.h5`, and what `sheaf info OUT.h5` shows of the same.
 */
#ifndef SHEAF_STATUS_COMMAND_H
#define SHEAF_STATUS_COMMAND_H

#include "lock.h"
#include "options.h"
#include "store.h"

/**
 * One process does it, without MPI; reads only, also while a run writes the file.
 * @return SHEAF_OK; with --exit-code SHEAF_TASKS_FAILED where all is done but some failed, SHEAF_INTERRUPTED where not all
 *         is done, both without a text; what describe_results and store_describe return
 */
enum sheaf_status status_command(const struct options *options, struct sheaf_error *error);

/** One line: what a results file is of, and how many tasks are done. */
void status_print_headline(const char *path, const struct store_summary *summary);

/** The latest start: when, where, with what; nothing where there was none. */
void status_print_run(const struct store_summary *summary);

/** Whether a run that has not ended still lives. */
enum status_life {
    LIFE_NONE, /**< no run is under way */
    LIFE_LIVES,
    LIFE_GONE,   /**< it was killed */
    LIFE_UNKNOWN /**< it cannot be seen from this host, and has been silent */
};

/** Seconds of silence after which a run that cannot be seen from here is not taken for alive: it should beat every 3 s. */
#define STATUS_SILENT_SECONDS 60

/** Who writes a results file. */
struct status_owner {
    enum status_life life;
    char host[LOCK_FIELD];
    int64_t pid;
    double silent; /**< seconds since its last sign of life: its heartbeat, or its last commit */
};

/**
 * Whether a run lives, by what is known of its lock and its slot. Pure.
 * @param[in] lock    LOCK_FREE: there is none
 * @param[in] state   enum record_run_state
 * @param[in] silent  seconds
 */
enum status_life status_judge(enum lock_state lock, uint32_t state, double silent);

/**
 * Seconds that what is left takes at the rate of the latest start: by flops, or by tasks where kernels have none. Pure.
 * @return negative where nothing can be told: nothing is left, or nothing was committed by it
 */
double status_seconds_left(const struct store_summary *summary);

#endif
