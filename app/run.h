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

/** Describe the datasets of a settled problem's outputs: `lead` before each task's own axes. Pure. */
void run_fill_outputs(int output_count, const struct sheaf_array *arrays, const char *const *names,
                      const struct sheaf_shape *lead, struct store_output *outputs);

#endif
