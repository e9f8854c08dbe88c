/*
 * The Cholesky factor. Our row-major A, of which the lower triangle counts, is to LAPACK the matrix A^T with its upper
 * triangle: it finds A^T = U^H U, so that A = U^T (U^T)^H, and U, read by rows, is L = U^T: no transpose is needed.
 * Small matrices are factored several at a time (compact.h).
 */
#include "batch.h"
#include "compact.h"
#include "finite.h"
#include "lapack.h"
#include "narrow.h"

static lapack_potrf *const potrf_of_type[SHEAF_TYPE_COUNT] = {
    [SHEAF_F32] = spotrf_, [SHEAF_F64] = dpotrf_, [SHEAF_C64] = cpotrf_, [SHEAF_C128] = zpotrf_};

static void
cholesky_cost(const struct sheaf_problem *problem, struct sheaf_cost *cost)
{
    const struct sheaf_array *a = &problem->inputs[0];
    double m = (double)a->shape.extent[0];
    /* LAPACK Working Note 41, appendix C, without the terms of lower order. */
    cost->flops = (sheaf_type_is_complex(a->type) ? 4.0 : 1.0) / 3.0 * m * m * m;
    cost->bytes = m * m * (double)sheaf_type_size(a->type); /* the factor, half a matrix: a copy first */
    cost->serial_fraction = 0.05;
}

/* Copy the lower triangle and clear the upper one. @return whether all that counts is finite */
static bool
copy_lower(enum sheaf_type type, int64_t m, const char *a, char *l)
{
    const size_t element = sheaf_type_size(type), row_bytes = (size_t)m * element;
    for (int64_t row = 0; row < m; row++, a += row_bytes, l += row_bytes) {
        size_t lower = (size_t)(row + 1) * element;
        if (!is_finite(type, a, row + 1))
            return false;
        memcpy(l, a, lower);
        memset(l + lower, 0, row_bytes - lower);
    }
    return true;
}

static struct compact
cholesky_compact(const struct sheaf_problem *problem)
{
    const struct sheaf_array *a = &problem->inputs[0];
    return (struct compact){.operation = COMPACT_CHOLESKY, .type = a->type, .m = a->shape.extent[0]};
}

static int64_t
cholesky_workspace_bytes(const struct sheaf_problem *problem)
{
    const struct compact compact = cholesky_compact(problem);
    return compact_applies(&compact) ? compact_workspace_bytes(&compact) : 0;
}

static enum sheaf_status
cholesky_run(const struct sheaf_problem *problem, const struct sheaf_batch *batch)
{
    const struct sheaf_array *a = &problem->inputs[0];
    lapack_potrf *potrf = potrf_of_type[a->type];
    const struct compact compact = cholesky_compact(problem);
    int m;
    if (compact_applies(&compact)) {
        compact_run(&compact, batch);
        return SHEAF_OK;
    }
    if (!potrf || !narrow_to_int(a->shape.extent[0], &m))
        return SHEAF_INTERNAL;
    for (int64_t task = 0; task < batch->count; task++) {
        void *l = batch_output(batch, 0, task);
        if (!copy_lower(a->type, m, batch_input(batch, 0, task), l)) {
            batch->status[task] = SHEAF_TASK_NOT_FINITE;
            continue;
        }
        int info = 0;
        potrf("U", &m, l, &m, &info, 1);
        batch->info[task] = info;
        if (info)
            batch->status[task] = info > 0 ? SHEAF_TASK_NOT_POSITIVE_DEFINITE : SHEAF_TASK_KERNEL_FAILED;
    }
    return SHEAF_OK;
}

static const char *const cholesky_outputs[] = {"result", NULL};

const struct sheaf_kernel kernel_cholesky = {
    .abi = SHEAF_KERNEL_ABI,
    .bytes = sizeof(struct sheaf_kernel),
    .name = "cholesky",
    .text = "lower Cholesky factor L of A = L L^H",
    .documentation = "L, lower with a positive diagonal, of A = L L^H. 1/3 m^3 flops (complex: 4/3 m^3). LAPACK\n"
                     "potrf; its upper factor of A^T, read by rows, is L. Up to m = 32 (c128: 16) column by\n"
                     "column, several matrices in a vector register, with the same bits on any CPU.\n"
                     "As numpy.linalg.cholesky: only the lower triangle of A is read, and the imaginary parts of\n"
                     "the diagonal count as 0; above the diagonal L is 0. A that is not positive definite (info:\n"
                     "the order of the first leading minor that is not positive) or not finite fails by itself.\n",
    .signature = "(m,m)->(m,m)",
    .output_names = cholesky_outputs,
    .accepts = SHEAF_TYPES_FLOATING,
    .width_kind = SHEAF_WIDTH_BLAS,
    .cost = cholesky_cost,
    .workspace_bytes = cholesky_workspace_bytes,
    .run = cholesky_run,
};
