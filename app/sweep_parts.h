/**
 * @file sweep_parts.h
 * What the files of a sweep know of each other: sweep.c, which settles what is compared and tells the outcome, and
 * sweep_measure.c.
 */
#ifndef SHEAF_SWEEP_PARTS_H
#define SHEAF_SWEEP_PARTS_H

#include "job.h"
#include "store_sweep.h"
#include "sweep_table.h"

struct sweep {
    struct job *job;
    struct plan *whole;     /**< the job's own */
    struct plan sample;     /**< the same, restricted */
    struct plan_rest *rest; /**< to this; NULL: not yet */
    struct sweep_data data; /**< alike on all ranks, but for what is measured: that is at the root */
    enum store_sweep_phase phase;
    bool lacks_memory[CELLS_MOST]; /**< cells that do not fit the node: they are not measured */
    struct sheaf_error described;  /**< root: why what is there already is no sweep's file, or cannot be described */
    struct store_sweep_outline outline; /**< root: else what it is */
    struct store_sweep *file;           /**< root; NULL: none is wanted */
    struct cells_budget budget;         /**< root */
    double round_seconds;               /**< root: of the last round, all of it */
    int64_t seconds;                    /**< that the sweep may take */
};

static inline bool
sweep_is_root(const struct sweep *sweep)
{
    return sweep->job->place.rank == 0;
}

// sweep.c
/** The scratch file: beside the output, or here. @return good until the next call */
const char *sweep_scratch_path(const struct options *options);

// sweep_measure.c
/** The sample, either a new one or that of an earlier start, and the machine warm for it. Collective. */
enum sheaf_status sweep_get_ready(struct sweep *sweep, struct sheaf_error *error);
/** Rounds until all are made, or the time is up. Collective. */
enum sheaf_status sweep_measure(struct sweep *sweep, struct sheaf_error *error);

#endif
