/**
 * @file gemm.h
 * The product of two row-major matrices, in the four types of BLAS.
 */
#ifndef SHEAF_GEMM_H
#define SHEAF_GEMM_H

#include "sheaf/array.h"

/**
 * C = A B.
 * @param[in]  a  (m,k)
 * @param[in]  b  (k,n)
 * @param[out] c  (m,n)
 */
typedef void gemm_function(int m, int n, int k, const void *a, const void *b, void *c);

/** @return the product of a type; NULL for a type that BLAS does not know */
gemm_function *gemm_find(enum sheaf_type type);

#endif
