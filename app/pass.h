/**
 * @file pass.h
 * One pass over a job's plan in its layout: cores bound, queue, engine and dispatch made, all chunks handed out, all of
 * it torn down. A job makes one pass, a sweep many, each in another layout.
 */
#ifndef SHEAF_PASS_H
#define SHEAF_PASS_H

#include "job.h"

/** Bind every rank by job->layout, and check how many threads BLAS then has; a layout of 0 ranks parks a whole node. Collective. */
enum sheaf_status pass_bind(struct job *job, struct sheaf_error *error);

/**
 * Bind as pass_bind does, make queue and engine. Collective. The plan and the
 * operands' sources are there; whatever fails, pass_close frees.
 */
enum sheaf_status pass_open(struct job *job, struct sheaf_error *error);

/**
 * Carry the plan out; the results file is open. Collective, but for its outcome, which is of this rank's node.
 * Sets work_seconds, and at the root commit_seconds, totals and settlement. The engine has ended, the dispatch is left for its totals.
 */
enum sheaf_status pass_run(struct job *job, struct sheaf_error *error);

/** Cores that a task can use at most: threads of this BLAS build; 0: any number. */
int pass_widest(const struct job *job);

/** Free engine and dispatch, where there are any: then another pass may be opened. */
void pass_close(struct job *job);

#endif
