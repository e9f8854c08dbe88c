/**
 * @file lapack.h
 * The LAPACK routines in use, by their Fortran symbols (the BLAS library has no LAPACKE).
 *
 * Matrices and work arrays are `void *`, so that the four types of a routine share one C type; LAPACK
 * reads them as column-major. `*info`: 0, -i where argument i is wrong, or positive as its page says.
 */
#ifndef SHEAF_LAPACK_H
#define SHEAF_LAPACK_H

/** P A = L U with partial pivoting, in place. info > 0: U(info, info) is exactly zero. */
typedef void lapack_getrf(const int *m, const int *n, void *a, const int *lda, int *pivots, int *info);

/** inv(A) from getrf's factors, in place. lwork -1: only writes the best lwork to work[0]. */
typedef void lapack_getri(const int *n, void *a, const int *lda, const int *pivots, void *work, const int *lwork,
                          int *info);

lapack_getrf sgetrf_, dgetrf_, cgetrf_, zgetrf_;
lapack_getri sgetri_, dgetri_, cgetri_, zgetri_;

#endif
