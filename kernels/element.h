/**
 * @file element.h
 * The types that LAPACK knows: their real and complex companions, and single numbers of them.
 */
#ifndef SHEAF_ELEMENT_H
#define SHEAF_ELEMENT_H

#include "sheaf/array.h"

#include <complex.h>

/** @return the type of the real and imaginary parts: f32 of c64, f64 of c128; any other type itself */
static inline enum sheaf_type
element_real_type(enum sheaf_type type)
{
    return type == SHEAF_C64 ? SHEAF_F32 : type == SHEAF_C128 ? SHEAF_F64 : type;
}

/** @return c64 of f32, c128 of f64; any other type itself */
static inline enum sheaf_type
element_complex_type(enum sheaf_type type)
{
    return type == SHEAF_F32 ? SHEAF_C64 : type == SHEAF_F64 ? SHEAF_C128 : type;
}

/** @return element `index` of an array of f32, f64, c64 or c128; 0 for any other type */
static inline double complex
element_get(enum sheaf_type type, const void *array, int64_t index)
{
    switch (type) {
    case SHEAF_F32:
        return (double)((const float *)array)[index];
    case SHEAF_F64:
        return ((const double *)array)[index];
    case SHEAF_C64:
        return (double complex)((const float complex *)array)[index];
    case SHEAF_C128:
        return ((const double complex *)array)[index];
    default:
        return 0.0;
    }
}

/** Write element `index`, rounded to the type; a real type drops the imaginary part, any other type but the four all. */
static inline void
element_set(enum sheaf_type type, void *array, int64_t index, double complex value)
{
    switch (type) {
    case SHEAF_F32:
        ((float *)array)[index] = (float)creal(value);
        break;
    case SHEAF_F64:
        ((double *)array)[index] = creal(value);
        break;
    case SHEAF_C64:
        ((float complex *)array)[index] = (float complex)value;
        break;
    case SHEAF_C128:
        ((double complex *)array)[index] = value;
        break;
    default:
        break;
    }
}

#endif
