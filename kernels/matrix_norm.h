/**
 * @file matrix_norm.h
 * Norms of a matrix that need no decomposition. Pure; the bits depend on the numbers only, not on BLAS.
 */
#ifndef SHEAF_MATRIX_NORM_H
#define SHEAF_MATRIX_NORM_H

#include "sheaf/array.h"

/**
 * A norm of a row-major matrix, computed in double; exact but for rounding wherever the result is in a double's range.
 * @param[in] type       f32, f64, c64 or c128
 * @param[in] a          (rows, columns)
 * @return the norm; infinity where it overflows; NaN or infinity where the input holds either; NaN for another type
 */
typedef double matrix_norm_function(enum sheaf_type type, const void *a, int64_t rows, int64_t columns);

matrix_norm_function matrix_norm_frobenius; /**< the root of the sum of squares */
matrix_norm_function matrix_norm_one;       /**< the greatest sum of magnitudes in a column */
matrix_norm_function matrix_norm_infinity;  /**< the greatest sum of magnitudes in a row */

#endif
