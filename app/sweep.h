/**
 * @file sweep.h
 * `sheaf sweep KERNEL OPERAND... [-o SWEEP.h5]`: which layout is best for these tasks.
 */
#ifndef SHEAF_SWEEP_H
#define SHEAF_SWEEP_H

#include "comm.h"
#include "options.h"
#include "store_sweep.h"

/** Collective. @return alike on all ranks, with the text of an error */
enum sheaf_status sweep_command(const struct options *options, struct comm *comm, struct sheaf_error *error);

/** Print the table of a sweep's file. Not collective. @return SHEAF_OK; what store_sweep_open returns */
enum sheaf_status sweep_print_file(const char *path, const struct store_sweep_outline *outline,
                                   struct sheaf_error *error);

#endif
