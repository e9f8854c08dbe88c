/**
 * @file slurm.h
 * What Slurm knows of a job: by its environment, and by asking scontrol where that is there. No MPI.
 */
#ifndef SHEAF_SLURM_H
#define SHEAF_SLURM_H

#include "lock.h"

#include <stdbool.h>
#include <stdint.h>

enum { SLURM_TEXT = 16384 };

/** Fill in the Slurm job that this process belongs to, by its environment; nothing where there is none. */
void slurm_describe_owner(struct lock_owner *self);

/** Ask Slurm whether the job of an owner has ended, or was started again since. @return false also where Slurm does not answer */
bool slurm_has_ended(const struct lock_owner *owner);

/**
 * When the Slurm job that this process belongs to will be ended, seconds since 1970 UTC: by its environment, or by asking scontrol.
 * @return 0 where there is none, or none is known
 */
double slurm_job_end(void);

/** The end of a job as `scontrol show job` tells it, in local time. Pure, but for the time zone. @return 0: it tells none */
double slurm_parse_end(const char *text);

/**
 * Whether a job has ended, or was started again since, as `scontrol show job` tells. Pure.
 * @param[in] text      its output, also what it says where it knows of no such job (any more)
 * @param[in] restarts  how often the job had been started again when the owner started
 */
bool slurm_judge_job(const char *text, int64_t restarts);

/** Copy the value of "KEY=value" or "KEY = value" out of scontrol's output. Pure. @return false where there is none */
bool slurm_find_value(const char *text, const char *key, char *value, size_t bytes);

#endif
