/**
 * @file store_verify.h
 * Whether a results file still holds what was committed to it. Reads only; no MPI, no threads.
 */
#ifndef SHEAF_STORE_VERIFY_H
#define SHEAF_STORE_VERIFY_H

#include "sheaf/status.h"

#include <stdint.h>

struct store_outline;

enum { STORE_FINDING_TASKS_TEXT = 512 };

/** What does not hold. */
enum store_damage {
    STORE_DAMAGE_RECORD,  /**< a chunk's record is torn or changed: its results do not count, whatever they hold */
    STORE_DAMAGE_GRID,    /**< a chunk's record, whole, is not of the chunk's tasks */
    STORE_DAMAGE_RESULTS, /**< results, status or info are not those that were committed */
    STORE_DAMAGE_READING, /**< they cannot be read */
    STORE_DAMAGE_RUN,     /**< a row of /sheaf/runs is torn or changed: of no result */
    STORE_DAMAGE_MARK,    /**< a row of /sheaf/marks is torn or changed: of no result */
};

/** Something that does not hold. */
struct store_finding {
    enum store_damage damage;
    int64_t row;                         /**< the chunk's number, or the row of the table */
    int64_t tasks;                       /**< that the chunk has; 0: it is no chunk */
    char text[STORE_FINDING_TASKS_TEXT]; /**< which tasks: by number, and the first by name where they have names */
    const char *reason;                  /**< why they cannot be read; NULL otherwise */
};

/** What was found in all. */
struct store_verdict {
    int64_t chunks, tasks;                 /**< that the file has */
    int64_t chunks_right, tasks_right;     /**< committed, and as they were committed */
    int64_t chunks_damaged, tasks_damaged; /**< one finding each */
    int64_t rows_damaged;                  /**< of /sheaf/runs and /sheaf/marks, one finding each */
    int64_t bytes;                         /**< results, status and info that were compared */
};

/** Called for each finding, in the order of the file. @param[in] finding  is gone after the call */
typedef void store_verify_tell(const struct store_finding *finding, void *context);

/**
 * Read all that was committed again and compare it with its checksums. What is not committed (pending, being computed) is
 * not looked at; so the file may be written meanwhile. Takes constant memory, and the names of tasks where they have some.
 * Outputs that all tasks share (`sheaf make`) are part of no chunk and have no checksum.
 * @param[in]  outline  what the library tells of the file (store_outline.h), its members too
 * @param[in]  tell     may be NULL
 * @param[out] verdict  undefined after a failure
 * @return SHEAF_OK, whatever was found; SHEAF_NO_INPUT; SHEAF_BAD_DATA: its tables do not fit together;
 *         SHEAF_IO_ERROR: they cannot be read, or it is not the file that was outlined any more
 */
enum sheaf_status store_verify(const char *path, const struct store_outline *outline, store_verify_tell *tell,
                               void *context, struct store_verdict *verdict, struct sheaf_error *error);

#endif
