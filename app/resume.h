/**
 * @file resume.h
 * A job that goes on with a results file of its own (--resume): what of it is done, what is computed again and why.
 *
 * The root reads the file (store_past.h). What was committed behind the last sync counts if its bytes are those of its
 * checksum: for that all ranks read their share of it. Then the plan is restricted to what is left.
 */
#ifndef SHEAF_RESUME_H
#define SHEAF_RESUME_H

#include "job.h"

/**
 * Root: with --resume, open the results file that is there; without one the job begins. To be called before the plan is made:
 * the chunks of the file are the plan's, whatever grid this version would choose.
 * @return SHEAF_OK; SHEAF_USAGE, SHEAF_BAD_DATA: other options than those it was begun with, or no results file
 */
enum sheaf_status resume_find(struct job *job, struct job_tasks *tasks, struct sheaf_error *error);

/** Root, with the plan: check that the file is of the same computation, and read its records. */
enum sheaf_status resume_match(struct job *job, const struct store_spec *spec, struct sheaf_error *error);

/** Attach to the file, check what is uncertain, say what is done and restrict the plan to what is left. Collective. */
enum sheaf_status resume_restrict(struct job *job, struct sheaf_error *error);

/** Root, hosts entered: take back what is computed again, make the rest durable. The first that writes to the file. */
enum sheaf_status resume_begin(struct job *job, struct sheaf_error *error);

/** Root: the number of this start. */
uint32_t resume_run_number(const struct job *job);

/** Root: free what resume_find allocated. */
void resume_free(struct job *job);

#endif
