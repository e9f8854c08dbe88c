/**
 * @file tasks.h
 * How many tasks a run has, and over which leading axes: its operands' ones, broadcast by NumPy's rule. Pure.
 */
#ifndef SHEAF_TASKS_H
#define SHEAF_TASKS_H

#include "source.h"

/**
 * Settle the tasks of a run, and tell every operand (source_set_tasks).
 *
 * The leading axes are aligned at the right, and those that are missing or 1 are stretched, those of shared operands too.
 * Generated operands without any follow. A count is a leading axis like those of an operand, where all operands together
 * have a single entry; without one these make one task.
 *
 * @param[in]  count  --count, 0: not given
 * @param[out] lead   the leading axes of the outputs
 * @param[out] tasks  at least 1
 * @return SHEAF_USAGE where a count is needed or another one is given, SHEAF_BAD_DATA where axes do not go together
 */
enum sheaf_status tasks_settle(int operand_count, struct source_map *operands, int64_t count, struct sheaf_shape *lead,
                               int64_t *tasks, struct sheaf_error *error);

/** @return how many tasks of a settled run are best read together, as they share HDF5 chunks; 1: any */
int64_t tasks_align(int operand_count, const struct source_map *operands);

#endif
