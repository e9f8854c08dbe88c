/**
 * @file lock.h
 * OUT.h5.lock: who writes a results file. One run at a time holds it; the results file itself is never locked.
 *
 * The lock is a small text file beside the results file (FORMAT.md). It appears whole, by link(2), and a dead owner's is
 * replaced by rename(2) by whoever holds the right to: both are decided by the server on NFS too.
 */
#ifndef SHEAF_LOCK_H
#define SHEAF_LOCK_H

#include "sheaf/status.h"

#include <stdbool.h>
#include <stdint.h>

enum { LOCK_FIELD = 64, LOCK_OWNER_TEXT = 256 };

/** A process that holds a lock, and what is needed to tell whether it lives. */
struct lock_owner {
    char host[LOCK_FIELD];
    char machine[LOCK_FIELD]; /**< /etc/machine-id; "": not known */
    char boot[LOCK_FIELD];    /**< /proc/sys/kernel/random/boot_id */
    char space[LOCK_FIELD];   /**< its PID namespace */
    int64_t pid, ticks;       /**< ticks: when it started, /proc/PID/stat's; 0: not known */
    char cluster[LOCK_FIELD]; /**< of its Slurm job; "": not known */
    int64_t job, restarts;    /**< its Slurm job, 0: none, and how often that had been started again */
    double start;             /**< of the run, seconds since 1970 UTC */
    char token[LOCK_FIELD];   /**< of this lock alone */
};

enum lock_state {
    LOCK_FREE,
    LOCK_LIVES,
    LOCK_GONE,   /**< its owner has ended */
    LOCK_UNKNOWN /**< its owner cannot be seen from here */
};

/** This process as an owner, with a new token; what is of Slurm is the caller's to fill in. @param[in] start  of the run */
void lock_describe_self(double start, struct lock_owner *self);

/** Whether an owner lives, as seen by `self`, another one or the same. Neither asks Slurm nor the network. */
enum lock_state lock_judge(const struct lock_owner *owner, const struct lock_owner *self);

/** "pid 17 on node3, Slurm job 5, started 2026-11-20T08:11:35Z". @return text */
char *lock_format_owner(const struct lock_owner *owner, char text[LOCK_OWNER_TEXT]);

/**
 * Read who holds the lock of a results file.
 * @return LOCK_FREE, LOCK_UNKNOWN where it cannot be read (owner's token is ""), else what lock_judge says
 */
enum lock_state lock_find(const char *output, const struct lock_owner *self, struct lock_owner *owner);

/** How to take a lock. */
struct lock_request {
    const char *output; /**< path of the results file, which need not exist; its directory has to */
    const struct lock_owner *self;
    /** Of an owner that cannot be seen from here: whether it is known all the same to have ended. NULL: nobody knows */
    bool (*has_ended)(const struct lock_owner *owner);
    bool take_over; /**< replace an owner that cannot be seen from here */
};

struct lock;

/**
 * Take the lock of a results file; of several that try, one gets it.
 * @param[out] previous  whose lock was replaced; pid 0: there was none
 * @return SHEAF_OK; SHEAF_NO_OUTPUT: another one holds it (its host, pid and start are named), or it cannot be created
 */
enum sheaf_status lock_take(const struct lock_request *request, struct lock **lock, struct lock_owner *previous,
                            struct sheaf_error *error);

/** Whether the lock is still this one: nobody has replaced it or taken it away. @return SHEAF_NO_OUTPUT with who has */
enum sheaf_status lock_check(const struct lock *lock, struct sheaf_error *error);

/** Give up the lock and free; one that others have replaced stays. NULL is a no-op. */
void lock_release(struct lock *lock);

#endif
