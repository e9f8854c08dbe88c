/**
 * @file transpose.h
 * Row-major to column-major and back, in blocks that stay in a first-level cache. Pure.
 */
#ifndef SHEAF_TRANSPOSE_H
#define SHEAF_TRANSPOSE_H

#include <stdint.h>

/**
 * Write the transpose of a row-major (rows, columns) as a row-major (columns, rows): the same bytes are the matrix itself,
 * column-major. The conj_ ones write the conjugate transpose.
 * @param[in]  in   (rows, columns)
 * @param[out] out  (columns, rows); does not overlap `in`
 */
typedef void transpose_function(int64_t rows, int64_t columns, const void *in, void *out);

transpose_function transpose_f32, transpose_f64, transpose_c64, transpose_c128;
transpose_function transpose_conj_c64, transpose_conj_c128;

/**
 * The same between parts of wider matrices.
 * @param[in]  in_stride   elements from row to row of `in`, at least columns
 * @param[in]  out_stride  elements from row to row of `out`, at least rows; what lies between is left alone
 */
typedef void transpose_strided_function(int64_t rows, int64_t columns, const void *in, int64_t in_stride, void *out,
                                        int64_t out_stride);

transpose_strided_function transpose_strided_f32, transpose_strided_f64, transpose_strided_c64, transpose_strided_c128;
transpose_strided_function transpose_strided_conj_c64, transpose_strided_conj_c128;

#endif
