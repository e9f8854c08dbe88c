/**
 * @file verify.h
 * `sheaf verify OUT.h5`
 */
#ifndef SHEAF_VERIFY_H
#define SHEAF_VERIFY_H

#include "options.h"

/** One process does it, without MPI. @return SHEAF_TASKS_FAILED where something is not as it was committed */
enum sheaf_status verify_command(const struct options *options, struct sheaf_error *error);

#endif
