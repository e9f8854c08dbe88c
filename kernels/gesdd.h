/**
 * @file gesdd.h
 * The singular value decomposition of one row-major matrix, by LAPACK's gesdd: what svd, norm, cond and
 * matrix_rank have in common. Sizes are settled once for a class, then any number of matrices is decomposed.
 */
#ifndef SHEAF_GESDD_H
#define SHEAF_GESDD_H

#include "sheaf/kernel.h"

/** Sizes and the layout of the workspace. */
struct gesdd {
    enum sheaf_type type;
    int m, n, k; /**< rows, columns, the smaller of both */
    int lwork;   /**< elements */
    size_t matrix_offset, vectors_offset, values_offset, work_offset, rwork_offset, iwork_offset;
    int64_t bytes; /**< of the whole workspace */
};

/**
 * Settle sizes.
 * @param[in]  type     f32, f64, c64 or c128
 * @param[in]  m,n      extents of the matrix
 * @param[in]  vectors  whether singular vectors will ever be asked for
 * @param[out] gesdd
 * @return false for any other type, and where sizes do not fit LAPACK's int
 */
bool gesdd_prepare(enum sheaf_type type, int64_t m, int64_t n, bool vectors, struct gesdd *gesdd);

/**
 * Decompose A = U diag(s) Vt, reduced.
 * @param[in]  gesdd
 * @param[in]  a          (m, n), row-major; kept
 * @param[out] u          (m, k); NULL: not asked for
 * @param[out] s          (k), of the real type, descending; NULL: left in the workspace only, see gesdd_value
 * @param[out] vt         (k, n); NULL: not asked for. With both NULL only the singular values are computed
 * @param[in]  workspace  gesdd->bytes
 * @param[out] info       LAPACK's
 * @return DONE, NOT_FINITE, NOT_CONVERGED or KERNEL_FAILED
 */
enum sheaf_task_status gesdd_compute(const struct gesdd *gesdd, const void *a, void *u, void *s, void *vt,
                                     void *workspace, int32_t *info);

/** Singular value `index` after a gesdd_compute without `s`. */
double gesdd_value(const struct gesdd *gesdd, const void *workspace, int index);

/**
 * What one decomposition costs. Flops: Golub and Van Loan, Matrix Computations, 4th ed., figure 8.6.1, the cheaper of
 * its two columns.
 */
void gesdd_cost(const struct sheaf_array *a, bool vectors, struct sheaf_cost *cost);

#endif
