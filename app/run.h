/**
 * @file run.h
 * `sheaf run KERNEL OPERAND... -o OUT.h5`
 */
#ifndef SHEAF_RUN_H
#define SHEAF_RUN_H

#include "comm.h"
#include "job.h"
#include "options.h"
#include "plan.h"
#include "store.h"

/** Collective. @return alike on all ranks, with the text of an error */
enum sheaf_status run_command(const struct options *options, struct comm *comm, struct sheaf_error *error);

/** As struct job_command has them, for commands that take the same operands. Only `sheaf run` must say where its results go. */
enum sheaf_status run_prepare(const struct options *options, struct job_map *map, struct set **sets,
                              struct job_tasks *tasks, struct sheaf_error *error);
const struct sheaf_kernel *run_kernel(const struct job_map *map);

/** Load the user's kernels, and allow what the options allow, before anything else. Collective. */
enum sheaf_status run_allow(const struct options *options, struct comm *comm, struct sheaf_error *error);

/** Describe the datasets of a settled problem's outputs: `lead` before each task's own axes. Pure. */
void run_fill_outputs(int output_count, const struct sheaf_array *arrays, const char *const *names,
                      const struct sheaf_shape *lead, struct store_output *outputs);

#endif
