/**
 * @file threads.h
 * A parallel_for of real threads, for kernels of kind SHEAF_WIDTH_PARALLEL.
 */
#ifndef SHEAF_TESTS_KERNELS_THREADS_H
#define SHEAF_TESTS_KERNELS_THREADS_H

#include "sheaf/kernel.h"

/** For struct sheaf_batch. @param[in] team  an int32_t: the number of threads, which exist for this one call */
void threads_parallel_for(void *team, int64_t items, int64_t grain, sheaf_parallel_body *body, void *argument);

#endif
