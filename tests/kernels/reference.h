/**
 * @file reference.h
 * Plain loops in long double complex, which no kernel shares: what results are compared with.
 */
#ifndef SHEAF_TESTS_KERNELS_REFERENCE_H
#define SHEAF_TESTS_KERNELS_REFERENCE_H

#include "fixture.h"

typedef long double complex reference_number;

/** A copy of `count` elements of one of fixture_types. The caller frees. */
reference_number *reference_load(enum sheaf_type type, const void *array, int64_t count);

/** Zeros. The caller frees. */
reference_number *reference_zeros(int64_t count);

/** A B of an (m,k) and a (k,n), row-major. The caller frees. */
reference_number *reference_multiply(int64_t m, int64_t k, int64_t n, const reference_number *a,
                                     const reference_number *b);

/** The conjugate transpose, (columns,rows), of a (rows,columns). The caller frees. */
reference_number *reference_adjoint(int64_t rows, int64_t columns, const reference_number *a);

/** Replace every element by its magnitude. */
void reference_take_magnitudes(reference_number *a, int64_t count);

/** a -= b, element by element. */
void reference_subtract(reference_number *a, const reference_number *b, int64_t count);

/** The Frobenius norm; NaN where there is one. */
long double reference_norm(const reference_number *a, int64_t count);

/** The greatest sum of magnitudes in a column; NaN where there is one. */
long double reference_norm_one(int64_t rows, int64_t columns, const reference_number *a);

/** The Frobenius norm of |L| |U|, for the factors of an (n,n) with partial pivoting as LAPACK does it; INFINITY where singular. */
long double reference_lu_norm(int64_t n, const reference_number *a);

/** Fill s, (count), with singular values from 2 down towards 1, and 0 from `rank` on. */
void reference_fill_singular_values(long double *s, int64_t count, int64_t rank);

/**
 * A = U diag(s) V^H and its pseudo-inverse, U and V being Householder reflectors: real, unless complex ones are wanted.
 * @param[in]  s     (min(m, n)); the pseudo-inverse takes 1/s, and 0 for 0
 * @param[out] a     (m,n)
 * @param[out] pinv  (n,m); NULL: not wanted
 */
void reference_from_svd(int64_t m, int64_t n, bool is_complex, const long double *s, reference_number *a,
                        reference_number *pinv);

/** Write an array of one of fixture_types. */
void reference_store(enum sheaf_type type, void *array, const reference_number *values, int64_t count);

/**
 * gamma_terms of Higham, Accuracy and Stability of Numerical Algorithms, 2nd ed., sections 3.4 and 3.6: n u / (1 - n u), in
 * complex arithmetic with four times as many terms, which covers its products and quotients.
 */
long double reference_gamma(enum sheaf_type type, long double terms);

#endif
