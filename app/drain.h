/**
 * @file drain.h
 * When a run stops before its end: because a signal asks for it, or because its time is up. What is being computed is finished
 * and committed where it fits the grace period, and nothing new is started. Decides only; the courier acts. No MPI.
 */
#ifndef SHEAF_DRAIN_H
#define SHEAF_DRAIN_H

#include "plan.h"
#include "queue.h"

#include <stddef.h>

/** Slurm kills 30 s after it has sent SIGTERM. */
#define DRAIN_GRACE_SECONDS 25

struct drain {
    double grace_seconds; /**< from the wish to drain until what is still being computed is dropped */
    double drop_time;     /**< seconds since 1970 UTC when what is still being computed is dropped; 0: never */
    double began;         /**< when this rank first saw that the run drains; 0: it does not */
    bool timed;           /**< and that was the clock */
};

/**
 * Seconds before a time limit when computing has to have ended: to sync, to tell, to end MPI; and as many before that, for what takes
 * longer than predicted. Pure.
 * @param[in] limit  seconds
 */
double drain_reserve(double limit);

/**
 * How far to go now. Pure, but for `began`, which it notes.
 * @param[in] now   seconds since 1970 UTC
 * @param[in] wish  the strongest one that has been heard of: this rank's signals, its node's, at the root those of all nodes
 * @param[in] root  the one that looks at the clock for all
 */
enum queue_drain drain_decide(struct drain *drain, double now, enum queue_drain wish, bool root);

/** Seconds that a nominal second has been worth so far; 1 before anything is done. Pure. @param[in] totals  of the node */
double drain_worth(const struct queue_totals *totals);

/**
 * Whether a chunk may be started: it is predicted to end before the deadline. Pure.
 * @param[in] deadline  seconds since 1970 UTC; 0: there is none
 * @param[in] worth     drain_worth's
 */
bool drain_allows(double deadline, double now, double nominal_seconds, double worth);

/** What stops a run, in words. @param[in] signal  the first one of this rank; "": none */
const char *drain_reason(const struct drain *drain, const char *signal);

/**
 * One line on what a run that was drained leaves: how many tasks, and how long they will take as it went so far. Pure.
 * @param[in] output   the results file
 * @param[in] why      "SIGTERM", "its time limit"
 * @param[in] seconds  that the run computed
 */
void drain_format(const struct plan *plan, const struct queue_totals *totals, const char *output, const char *why,
                  double seconds, char *text, size_t bytes);

#endif
