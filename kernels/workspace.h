/**
 * @file workspace.h
 * A workspace laid out: arrays one after the other, each from a multiple of 64 bytes on; and LAPACK's answers to how much
 * work space a routine wants.
 */
#ifndef SHEAF_WORKSPACE_H
#define SHEAF_WORKSPACE_H

#include "sheaf/array.h"

#include <limits.h>

/**
 * Reserve the next array.
 * @param[in,out] bytes   used so far, 0 at first; -1, for good, once the sum passes what 64 bits can count
 * @param[in]     count   elements, not negative
 * @param[in]     size    bytes of an element
 * @return the array's offset in bytes; meaningless where *bytes is -1
 */
static inline size_t
workspace_reserve(int64_t *bytes, int64_t count, size_t size)
{
    int64_t offset = *bytes, length, end;
    bool fits = offset >= 0 && sheaf_multiply(count, (int64_t)size, &length) && length <= INT64_MAX - 63 &&
                !__builtin_add_overflow(offset, (length + 63) / 64 * 64, &end);
    *bytes = fits ? end : -1;
    return fits ? (size_t)offset : 0;
}

/** The first element of a work array, in any type: LAPACK writes the best length to it when asked with lwork -1. */
union workspace_answer {
    float f32[2];
    double f64[2];
};

/**
 * The answer to a query, which comes as a floating-point number of the routine's own precision.
 * @param[in] type   the routine's type
 * @param[in] least  what the routine needs at least, by its documentation; fits LAPACK's int
 * @return the answer, or `least` where that is more, or where the answer is none: the best length may
 *         pass what LAPACK's own integers hold where the least one does not
 */
static inline int
workspace_length(enum sheaf_type type, const union workspace_answer *answer, int least)
{
    /* A float holds every integer to 2^24; a greater answer may have been rounded down by at most one part in 2^24. */
    double best = type == SHEAF_F32 || type == SHEAF_C64 ? (double)answer->f32[0] * (1.0 + 0x1p-23) : answer->f64[0];
    return best > (double)least && best < (double)INT_MAX ? (int)best : least;
}

#endif
