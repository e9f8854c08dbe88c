/**
 * @file threads.h
 * The threads of this process, whoever made them, and how many of them BLAS has. No MPI.
 */
#ifndef SHEAF_THREADS_H
#define SHEAF_THREADS_H

#include "sheaf/status.h"

#include <sys/types.h>

/**
 * Call for each thread that the process has now, by the system's number. Threads that start or end meanwhile may be missed.
 * @return 0, or errno's number where the system does not tell
 */
int threads_visit(void (*visit)(void *argument, pid_t thread), void *argument);

/**
 * Let the next BLAS calls use this number of threads, and see to it that they are there: OpenBLAS counts those that the
 * system refused to make, and waits for them forever. Costs next to nothing where it had as many before; threads that it makes
 * anew inherit the caller's binding. For whoever calls BLAS in this process: one thread at a time, while no call is going on.
 * Not collective.
 * @param[in] count  at least 1
 * @return SHEAF_NO_RESOURCES where BLAS has fewer: then it uses one
 */
enum sheaf_status threads_set_blas(int count, struct sheaf_error *error);

#endif
