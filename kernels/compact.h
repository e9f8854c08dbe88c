/**
 * @file compact.h
 * Small matrices, several at a time: the matrices of a batch are interleaved, so that element (i,j) of as many of them as a
 * vector register has lanes lie side by side, and one instruction works on all of them. Each lane computes what it would
 * compute alone: the bits of a task depend neither on its neighbours nor on the vector's length, so not on the CPU.
 *
 * The layout is that of Intel MKL's compact BLAS (Kim, Costa, Deveci, Bradley, Hammond, Guney, Knepper, Story and
 * Rajamanickam, Designing vector-friendly compact BLAS and LAPACK kernels, SC17).
 */
#ifndef SHEAF_COMPACT_H
#define SHEAF_COMPACT_H

#include "sheaf/kernel.h"
#include "vector.h"

/** What is computed of the tasks' row-major inputs. */
enum compact_operation {
    COMPACT_INV = 0,      /**< (m,m)->(m,m): the inverse */
    COMPACT_SOLVE = 1,    /**< (m,m),(m,n)->(m,n): X with A X = B */
    COMPACT_CHOLESKY = 2, /**< (m,m)->(m,m): the lower factor, zeros above it */
    COMPACT_PIVOTS = 3,   /**< (m,m)->(m): numbers whose product is the determinant */
    COMPACT_MATMUL = 4,   /**< (m,k),(k,n)->(m,n): the product; NaN and infinity are numbers as any */
    COMPACT_EIGH = 5,     /**< (m,m)->(m),(m,m): eigenvalues, ascending, and eigenvectors, a column each */
    COMPACT_EIGVALSH = 6, /**< (m,m)->(m): the eigenvalues, with the same bits */
    COMPACT_SVD = 7,      /**< (m,n)->(m,k),(k),(k,n), k = min(m, n): U, the singular values, descending, V^H */
    COMPACT_OPERATION_COUNT = 8
};

/** An operation on matrices of one type and size. */
struct compact {
    enum compact_operation operation;
    enum sheaf_type type;
    int64_t m, n, k; /**< n: for COMPACT_SOLVE, COMPACT_MATMUL and COMPACT_SVD; k: for COMPACT_MATMUL */
    int64_t sweeps;  /**< for COMPACT_EIGH, COMPACT_EIGVALSH and COMPACT_SVD: the most that may be made */
};

/** The most tasks that are computed at a time, on any CPU. */
enum { COMPACT_GREATEST_LANES = 16 };

/** @return whether matrices of this size belong here; else to LAPACK or BLAS. The same on every CPU */
bool compact_applies(const struct compact *compact);

/** @return bytes of workspace, for any number of tasks */
int64_t compact_workspace_bytes(const struct compact *compact);

/**
 * Compute a batch where compact_applies; its workspace has compact_workspace_bytes. Sets every task's status and info: that
 * of the first zero pivot, or of the first leading minor that is not positive, from 1, as LAPACK; for eigenvalues how many
 * off-diagonal elements have not converged; 1 for singular values of which one is 0, or as good as, or that did not converge. The output of a task that fails is not written. A product never fails.
 */
void compact_run(const struct compact *compact, const struct sheaf_batch *batch);

/** compact_run() with the instructions of levels up to a supported one, and for any m and n: for tests and benchmarks. */
void compact_run_with(enum vector_level level, const struct compact *compact, const struct sheaf_batch *batch);

#endif
