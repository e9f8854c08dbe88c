/**
 * @file neighbours.h
 * Threads of other programs that compute on this machine now. No MPI.
 */
#ifndef SHEAF_NEIGHBOURS_H
#define SHEAF_NEIGHBOURS_H

#include <hwloc.h>
#include <stdint.h>

enum { NEIGHBOURS_NAME_BYTES = 32 };

/** A thread of another program. */
struct neighbours_thread {
    int64_t process;
    char program[NEIGHBOURS_NAME_BYTES];
    hwloc_const_bitmap_t cpus; /**< where it may run; valid during the call */
};

/** Whom not to count: this job. */
struct neighbours_job {
    const int64_t *processes; /**< of its ranks on this machine */
    int count;
    int64_t launcher; /**< the process that started them; -1: its other children are no part of the job */
    int niceness;     /**< of the ranks: who is much nicer does not harm them */
};

/**
 * Find them. A thread counts that computes now and did so most of its life, of two seconds at least (or waited for a core,
 * where there are too few): never one that merely starts up, sleeps, or is much nicer than this job. Where /proc does not tell, nobody is found.
 * @param[in] root   "" for this machine's /proc; tests have their own
 * @param[in] found  called for each
 */
void neighbours_find(const char *root, const struct neighbours_job *job,
                     void (*found)(void *argument, const struct neighbours_thread *thread), void *argument);

#endif
