/**
 * @file parallel.h
 * The helper threads of one worker: what batch->parallel_for of a SHEAF_WIDTH_PARALLEL kernel runs on.
 *
 * They are created once and sleep between jobs. A job's pieces depend on its items and grain only; who takes which
 * piece is whoever is free, and the caller takes pieces too, so a helper that wakes late costs nothing but its help.
 */
#ifndef SHEAF_PARALLEL_H
#define SHEAF_PARALLEL_H

#include "sheaf/kernel.h"

struct parallel;

/**
 * Create a team.
 * @param[in]  width  threads at work on a job, the caller's among them: width - 1 are created; at least 1
 * @param[out] out    NULL on failure
 * @return SHEAF_NO_RESOURCES where memory or threads are wanting
 */
enum sheaf_status parallel_create(int width, struct parallel **out, struct sheaf_error *error);

/** End the threads and free. No job may be running. NULL is a no-op. */
void parallel_destroy(struct parallel *parallel);

/**
 * Run body over [0, items) in pieces of `grain`, each piece by one thread; return when all are done. What the body
 * wrote is then visible to the caller. For struct sheaf_batch: one job at a time on a team, and no job from within a
 * body.
 * @param[in] team      a struct parallel; NULL: the caller alone takes the pieces, in order
 * @param[in] items     not negative
 * @param[in] grain     at least 1
 * @param[in] body      called once a piece
 */
void parallel_for(void *team, int64_t items, int64_t grain, sheaf_parallel_body *body, void *argument);

#endif
