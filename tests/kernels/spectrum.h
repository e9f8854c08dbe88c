/**
 * @file spectrum.h
 * What decompositions are checked with: matrices of known spectra, orthonormality, and a bound on what is left over.
 */
#ifndef SHEAF_TESTS_KERNELS_SPECTRUM_H
#define SHEAF_TESTS_KERNELS_SPECTRUM_H

#include "reference.h"

/**
 * U diag(s) V^H, (rows,columns), U and V reflectors I - 2 x x^H / (x^H x), so that singular values are known. The caller
 * frees.
 * @param[in] s           min(rows, columns)
 * @param[in] is_complex  whether x is
 * @param[in] hermitian   V = U: s are eigenvalues too. Square only
 */
reference_number *spectrum_matrix(int64_t rows, int64_t columns, const long double *s, bool is_complex, bool hermitian);

/** Multiply column j of a (rows,columns) by factors[j]. */
void spectrum_scale_columns(int64_t rows, int64_t columns, reference_number *a, const reference_number *factors);

/** How far the columns of a (rows,columns) are from orthonormal: the Frobenius norm of A^H A - I; NaN where one is. */
long double spectrum_orthonormality(int64_t rows, int64_t columns, const reference_number *a);

/**
 * A bound on the Frobenius norm of what a backward stable decomposition of a matrix leaves, A - U S V^H for example, over
 * that of A; and of U^H U - I.
 *
 * r reflectors of length l leave at most r gamma_cl, c a small constant (Higham, Accuracy and Stability of Numerical
 * Algorithms, 2nd ed., lemma 19.3). That all roundings add up is never seen: LAPACK's own tests of its decompositions
 * accept 50 l ulp, ulp = 2 u, l the longer extent (LAPACK Working Note 41; the files svd.in and sep.in of its tests).
 * Here as there a wrong sign, order or index is many times that.
 */
long double spectrum_bound(enum sheaf_type type, int64_t rows, int64_t columns);

#endif
