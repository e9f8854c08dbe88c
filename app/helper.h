/**
 * @file helper.h
 * A process beside this one that does what may crash: it is asked by bytes and answers by bytes. No MPI, no HDF5.
 *
 * There are two processes: one that waits for questions, and for each question one more, which works on it and ends. If that
 * one dies, or is over its bounds, the one that waits says so; it does not touch strangers' files itself. Both end when the one
 * that asked ends, however it ends.
 */
#ifndef SHEAF_HELPER_H
#define SHEAF_HELPER_H

#include "sheaf/status.h"

#include <stdint.h>

/** What one question may take. */
struct helper_bounds {
    int64_t memory_bytes; /**< of addresses, beyond what the process has at its start; 0: no bound */
    int step_cpu_seconds; /**< of its CPU, from one file or dataset (watch.h) to the next */
    int step_seconds;     /**< of time, the same: who waits for a disk or a network uses no CPU */
};

/**
 * Work on a question, in a process of its own.
 * @param[out] reply  malloc'ed; the process ends after it was sent
 * @return SHEAF_OK; an error, which becomes that of helper_ask
 */
typedef enum sheaf_status helper_work(const char *question, int64_t bytes, char **reply, int64_t *reply_bytes,
                                      struct sheaf_error *error);

struct helper;

/** At most so many files are left out, each after a crash, before a question is given up. */
enum { HELPER_CRASHES_MAX = 16 };

/** @return the bounds that hold where nobody says otherwise: half of the machine's memory, or 8 GiB; 60 s of CPU; 600 s */
struct helper_bounds helper_default_bounds(void);

/**
 * Start it. While there is one thread and nothing is open that a copy of this process must not have: before MPI.
 * @param[in] work  runs in the new processes
 * @return SHEAF_OK; SHEAF_NO_RESOURCES
 */
enum sheaf_status helper_start(helper_work *work, const struct helper_bounds *bounds, struct helper **helper,
                               struct sheaf_error *error);

/**
 * Ask, and wait for the answer. Where the work crashes or exceeds its bounds while it looks into a file (watch.h), it is done
 * again, and that file is refused there by SHEAF_BAD_DATA with a text that says why.
 * @param[in]  what         for messages: what is asked about
 * @param[out] reply        malloc'ed: the caller frees it; NULL on failure
 * @return SHEAF_OK; what the work returned; SHEAF_BAD_DATA: it crashed, or exceeded its bounds, in no file, or in too many;
 *         SHEAF_NO_RESOURCES; SHEAF_INTERNAL: the helper is gone
 */
enum sheaf_status helper_ask(struct helper *helper, const char *what, const char *question, int64_t bytes, char **reply,
                             int64_t *reply_bytes, struct sheaf_error *error);

/** End it, and wait for its end; NULL is a no-op. */
void helper_stop(struct helper *helper);

#endif
