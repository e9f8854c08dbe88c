/**
 * @file narrow.h
 * The border between our int64_t counts and the int of BLAS and LAPACK.
 */
#ifndef SHEAF_NARROW_H
#define SHEAF_NARROW_H

#include <limits.h>
#include <stdbool.h>
#include <stdint.h>

/**
 * Narrow a count to BLAS's int.
 * @param[in]  count   an extent or a product of extents
 * @param[out] narrow  unchanged where it does not fit
 * @return false where the count is negative or does not fit
 */
static inline bool
narrow_to_int(int64_t count, int *narrow)
{
    if (count < 0 || count > INT_MAX)
        return false;
    *narrow = (int)count;
    return true;
}

#endif
