/**
 * @file finite.h
 * Whether an input holds NaN or infinity: LAPACK would compute on, and for an infinity not always give a NaN.
 */
#ifndef SHEAF_FINITE_H
#define SHEAF_FINITE_H

#include "sheaf/array.h"

#include <math.h>

/** @return whether all `count` floats are finite; a complex matrix has two for each element */
static inline bool
is_finite_f32(const void *values, int64_t count)
{
    const float *x = values;
    bool finite = true;
    for (int64_t i = 0; i < count; i++)
        finite &= isfinite(x[i]) != 0;
    return finite;
}

/** @return whether all `count` doubles are finite; a complex matrix has two for each element */
static inline bool
is_finite_f64(const void *values, int64_t count)
{
    const double *x = values;
    bool finite = true;
    for (int64_t i = 0; i < count; i++)
        finite &= isfinite(x[i]) != 0;
    return finite;
}

/**
 * @param[in] type   f32, f64, c64 or c128; false for any other
 * @param[in] count  elements
 * @return whether all elements are finite, their imaginary parts too
 */
static inline bool
is_finite(enum sheaf_type type, const void *values, int64_t count)
{
    switch (type) {
    case SHEAF_F32:
        return is_finite_f32(values, count);
    case SHEAF_F64:
        return is_finite_f64(values, count);
    case SHEAF_C64:
        return is_finite_f32(values, 2 * count);
    case SHEAF_C128:
        return is_finite_f64(values, 2 * count);
    default:
        return false;
    }
}

#endif
