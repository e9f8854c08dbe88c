/**
 * @file run.h
 * `sheaf run KERNEL OPERAND... -o OUT.h5`
 */
#ifndef SHEAF_RUN_H
#define SHEAF_RUN_H

#include "comm.h"
#include "options.h"
#include "plan.h"
#include "store.h"

/** Collective. @return alike on all ranks, with the text of an error */
enum sheaf_status run_command(const struct options *options, struct comm *comm, struct sheaf_error *error);

/**
 * Settle how many tasks a set of operands makes, and over which leading axes. Pure.
 *
 * Operands with leading axes must agree on them; shared ones and generated ones without leading axes fit any. Where
 * no operand has any, `count` gives the tasks; all shared and no count: one task without leading axes.
 *
 * @param[in]  count  --count, 0: not given
 * @param[out] lead   the leading axes of the outputs
 * @param[out] tasks  at least 1
 * @return SHEAF_USAGE where a count is needed, SHEAF_BAD_DATA where counts differ
 */
enum sheaf_status run_settle_tasks(int operand_count, const struct source_map *operands, int64_t count,
                                   struct sheaf_shape *lead, int64_t *tasks, struct sheaf_error *error);

/** Describe the datasets of a settled problem's outputs: `lead` before each task's own axes. Pure. */
void run_fill_outputs(int output_count, const struct sheaf_array *arrays, const char *const *names,
                      const struct sheaf_shape *lead, struct store_output *outputs);

#endif
