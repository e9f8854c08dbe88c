/**
 * @file lapack.h
 * The LAPACK routines in use, by their Fortran symbols (the BLAS library has no LAPACKE).
 *
 * Matrices and work arrays are `void *`, so that the four types of a routine share one C type; LAPACK
 * reads them as column-major. `*info`: 0, -i where argument i is wrong, or positive as its page says.
 * Fortran passes the length of every character argument behind the last one, by value: 1.
 */
#ifndef SHEAF_LAPACK_H
#define SHEAF_LAPACK_H

#include <stddef.h>

/** P A = L U with partial pivoting, in place. info > 0: U(info, info) is exactly zero. */
typedef void lapack_getrf(const int *m, const int *n, void *a, const int *lda, int *pivots, int *info);

/** inv(A) from getrf's factors, in place. lwork -1: only writes the best lwork to work[0]. */
typedef void lapack_getri(const int *n, void *a, const int *lda, const int *pivots, void *work, const int *lwork,
                          int *info);

/** X from op(A) X = B and getrf's factors of A, in place of B. trans: "N", "T" or "C". */
typedef void lapack_getrs(const char *trans, const int *n, const int *nrhs, const void *a, const int *lda,
                          const int *pivots, void *b, const int *ldb, int *info, size_t trans_length);

/** A = U^H U (uplo "U") or L L^H ("L"), in place; the other triangle is not read. info > 0: that leading minor is not
 *  positive definite. */
typedef void lapack_potrf(const char *uplo, const int *n, void *a, const int *lda, int *info, size_t uplo_length);

/** A = Q R, in place: R in the upper triangle, Q as reflectors below it and in tau, min(m, n). lwork -1 as getri's. */
typedef void lapack_geqrf(const int *m, const int *n, void *a, const int *lda, void *tau, void *work, const int *lwork,
                          int *info);

/** The first n columns of Q, (m,n), from k reflectors of geqrf, in place (orgqr, ungqr). lwork -1 as getri's. */
typedef void lapack_orgqr(const int *m, const int *n, const int *k, void *a, const int *lda, const void *tau,
                          void *work, const int *lwork, int *info);

/** Least squares of least norm by the SVD, divide and conquer, in place of B, (max(m, n), nrhs). lwork -1: only writes the
 *  best lwork to work[0], and the least lengths to rwork[0] and iwork[0]. info > 0: the SVD did not converge. */
typedef void lapack_gelsd_real(const int *m, const int *n, const int *nrhs, void *a, const int *lda, void *b,
                               const int *ldb, void *s, const void *rcond, int *rank, void *work, const int *lwork,
                               int *iwork, int *info);
typedef void lapack_gelsd_complex(const int *m, const int *n, const int *nrhs, void *a, const int *lda, void *b,
                                  const int *ldb, void *s, const void *rcond, int *rank, void *work, const int *lwork,
                                  void *rwork, int *iwork, int *info);

/** The singular values of A, and with job S the vectors, reduced; A is lost. lwork -1 as getri's. info > 0: no convergence. */
typedef void lapack_gesdd_real(const char *job, const int *m, const int *n, void *a, const int *lda, void *s, void *u,
                               const int *ldu, void *vt, const int *ldvt, void *work, const int *lwork, int *iwork,
                               int *info, size_t job_length);
typedef void lapack_gesdd_complex(const char *job, const int *m, const int *n, void *a, const int *lda, void *s,
                                  void *u, const int *ldu, void *vt, const int *ldvt, void *work, const int *lwork,
                                  void *rwork, int *iwork, int *info, size_t job_length);

/** The eigenvalues of a symmetric or Hermitian A, ascending, and with job V the vectors, in place. info > 0: no convergence. */
typedef void lapack_syevd(const char *job, const char *uplo, const int *n, void *a, const int *lda, void *w, void *work,
                          const int *lwork, int *iwork, const int *liwork, int *info, size_t job_length,
                          size_t uplo_length);
typedef void lapack_heevd(const char *job, const char *uplo, const int *n, void *a, const int *lda, void *w, void *work,
                          const int *lwork, void *rwork, const int *lrwork, int *iwork, const int *liwork, int *info,
                          size_t job_length, size_t uplo_length);

/** The eigenvalues of A, and with jobs V the left and right vectors; A is lost. lwork -1 as getri's. info > 0: only the
 *  eigenvalues from info on converged. */
typedef void lapack_geev_real(const char *left_job, const char *right_job, const int *n, void *a, const int *lda,
                              void *w_real, void *w_imaginary, void *left, const int *ldleft, void *right,
                              const int *ldright, void *work, const int *lwork, int *info, size_t left_job_length,
                              size_t right_job_length);
typedef void lapack_geev_complex(const char *left_job, const char *right_job, const int *n, void *a, const int *lda,
                                 void *w, void *left, const int *ldleft, void *right, const int *ldright, void *work,
                                 const int *lwork, void *rwork, int *info, size_t left_job_length,
                                 size_t right_job_length);

lapack_getrf sgetrf_, dgetrf_, cgetrf_, zgetrf_;
lapack_getri sgetri_, dgetri_, cgetri_, zgetri_;
lapack_getrs sgetrs_, dgetrs_, cgetrs_, zgetrs_;
lapack_potrf spotrf_, dpotrf_, cpotrf_, zpotrf_;
lapack_geqrf sgeqrf_, dgeqrf_, cgeqrf_, zgeqrf_;
lapack_orgqr sorgqr_, dorgqr_, cungqr_, zungqr_;
lapack_gelsd_real sgelsd_, dgelsd_;
lapack_gelsd_complex cgelsd_, zgelsd_;
lapack_gesdd_real sgesdd_, dgesdd_;
lapack_gesdd_complex cgesdd_, zgesdd_;
lapack_syevd ssyevd_, dsyevd_;
lapack_heevd cheevd_, zheevd_;
lapack_geev_real sgeev_, dgeev_;
lapack_geev_complex cgeev_, zgeev_;

#endif
