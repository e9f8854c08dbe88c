/**
 * @file bare.h
 * The bare limit of a node: how fast its cores are at nothing but the kernel, one thread on each, all at once, on data that stay in
 * memory. No reading, no writing, no handing out.
 */
#ifndef SHEAF_BARE_H
#define SHEAF_BARE_H

#include "job.h"

/**
 * Measure it, as often as it is asked: a machine's speed changes. Collective. Binds all ranks, one thread for each core.
 *
 * Each thread repeats calls on batches of real tasks, more of them than its caches hold, for 50 ms or one call. Tasks of one class
 * stand for all, of several classes those that a sixth, a half and five sixths of the work are at.
 *
 * @param[in]  plan     whose tasks are meant
 * @param[out] seconds  that all nodes together would take for the plan at this rate; 0: cannot be measured (no memory, an input
 *                      that cannot be read)
 * @return only what stops the job: SHEAF_OK, or what binding says
 */
enum sheaf_status bare_measure(struct job *job, const struct plan *plan, double *seconds, struct sheaf_error *error);

#endif
