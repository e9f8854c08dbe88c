/**
 * @file resume_check.h
 * Whether chunks of a results file hold what their records' checksums say. No MPI.
 */
#ifndef SHEAF_RESUME_CHECK_H
#define SHEAF_RESUME_CHECK_H

#include "plan.h"
#include "store.h"

#include <stdatomic.h>

struct resume_check {
    const struct plan *plan;
    struct store *store;
    const struct store_map *map;
    int threads; /**< to read with; at least one does */
    const int64_t *chunks;
    int64_t count;
    uint8_t *right;        /**< (count) out: 1 where results, status and info match; 0 also where they cannot be read */
    _Atomic int64_t next;  /**< 0 */
    _Atomic int64_t bytes; /**< out: that were read */
};

/** Check all, in as many threads. Blocks. @return SHEAF_OK; SHEAF_NO_RESOURCES */
enum sheaf_status resume_check(struct resume_check *check, struct sheaf_error *error);

#endif
