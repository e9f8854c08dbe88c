/**
 * @file threads.h
 * The threads of this process, whoever made them, and how many of them BLAS has. No MPI.
 */
#ifndef SHEAF_THREADS_H
#define SHEAF_THREADS_H

#include "sheaf/kernel.h"
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

/**
 * See to it that BLAS finds the memory that it would ask for without end: that as many of its buffers can be mapped now as are still to
 * come (ulimit -v, vm.overcommit_memory), beside the stacks and heaps of new threads. Not collective.
 * @param[in] threads  that are yet to be created
 * @param[in] buffers  threads that will have called BLAS or worked for it, those among them that have since this was last asked
 * @return SHEAF_NO_RESOURCES: with them BLAS would hang
 */
enum sheaf_status threads_check_room(int threads, int buffers, struct sheaf_error *error);

/** The same for a kernel that new threads call, `callers` at once: each has a buffer, beside BLAS's own threads. Not collective. */
enum sheaf_status threads_check_callers(const struct sheaf_kernel *kernel, int threads, int callers,
                                        struct sheaf_error *error);

/**
 * The same before MPI starts, where BLAS has begun with more threads than one: those that still ask for their buffers hold up each fork.
 * Not collective.
 */
enum sheaf_status threads_check_start(struct sheaf_error *error);

#endif
