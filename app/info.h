/**
 * @file info.h
 * `sheaf info [FILE.h5|KERNEL]`
 */
#ifndef SHEAF_INFO_H
#define SHEAF_INFO_H

#include "options.h"

/** One process does it, without MPI. */
enum sheaf_status info_command(const struct options *options, struct sheaf_error *error);

#endif
