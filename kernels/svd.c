/*
 * The singular value decomposition, and the singular values alone. Small matrices are decomposed several at a time
 * (compact.h), but for those of which a singular value is as good as 0: these, and the rest, by LAPACK.
 */
#include "batch.h"
#include "compact.h"
#include "element.h"
#include "gesdd.h"

/* Of both kernels: which outputs they have is in the problem. */
enum { SVD_U = 0, SVD_S = 1, SVD_VT = 2, SVD_OUTPUTS = 3 };

/* Jacobi's sweeps converge quadratically in the end: 5 to 10 are usual, 16 the most that was seen. */
enum { GREATEST_SWEEPS = 40 };

static bool
svd_prepare(const struct sheaf_problem *problem, struct gesdd *gesdd)
{
    const struct sheaf_array *a = &problem->inputs[0];
    return gesdd_prepare(a->type, a->shape.extent[0], a->shape.extent[1], problem->output_count == SVD_OUTPUTS, gesdd);
}

static struct compact
svd_compact(const struct sheaf_problem *problem)
{
    const struct sheaf_array *a = &problem->inputs[0];
    return (struct compact){.operation = COMPACT_SVD,
                            .type = a->type,
                            .m = a->shape.extent[0],
                            .n = a->shape.extent[1],
                            .sweeps = GREATEST_SWEEPS};
}

static int64_t
svd_workspace_bytes(const struct sheaf_problem *problem)
{
    const struct compact compact = svd_compact(problem);
    const int64_t compact_bytes = compact_applies(&compact) ? compact_workspace_bytes(&compact) : 0;
    struct gesdd gesdd;
    if (!svd_prepare(problem, &gesdd))
        return -1;
    return gesdd.bytes > compact_bytes ? gesdd.bytes : compact_bytes;
}

static void
svd_cost(const struct sheaf_problem *problem, struct sheaf_cost *cost)
{
    gesdd_cost(&problem->inputs[0], problem->output_count == SVD_OUTPUTS, cost);
}

static int64_t
svd_smaller_extent(const struct sheaf_problem *problem)
{
    const int64_t *extent = problem->inputs[0].shape.extent;
    return extent[0] < extent[1] ? extent[0] : extent[1];
}

static enum sheaf_status
svd_infer(struct sheaf_problem *problem, struct sheaf_error *error)
{
    int64_t k = svd_smaller_extent(problem);
    (void)error;
    problem->outputs[SVD_U].shape.extent[1] = k;
    problem->outputs[SVD_S].shape.extent[0] = k;
    problem->outputs[SVD_S].type = element_real_type(problem->inputs[0].type);
    problem->outputs[SVD_VT].shape.extent[0] = k;
    return SHEAF_OK;
}

static enum sheaf_status
svdvals_infer(struct sheaf_problem *problem, struct sheaf_error *error)
{
    (void)error;
    problem->outputs[0].shape.extent[0] = svd_smaller_extent(problem);
    problem->outputs[0].type = element_real_type(problem->inputs[0].type);
    return SHEAF_OK;
}

static enum sheaf_status
svd_run(const struct sheaf_problem *problem, const struct sheaf_batch *batch)
{
    struct gesdd gesdd;
    if (!svd_prepare(problem, &gesdd))
        return SHEAF_INTERNAL;
    const bool vectors = problem->output_count == SVD_OUTPUTS;
    const struct compact compact = svd_compact(problem);
    const bool is_compact = vectors && (batch->outputs[SVD_U] || batch->outputs[SVD_VT]) && compact_applies(&compact);
    if (is_compact)
        compact_run(&compact, batch);
    for (int64_t task = 0; task < batch->count; task++) {
        if (is_compact && batch->status[task] != SHEAF_TASK_NOT_CONVERGED)
            continue;
        void *u = vectors ? batch_output(batch, SVD_U, task) : NULL;
        void *s = batch_output(batch, vectors ? SVD_S : 0, task);
        void *vt = vectors ? batch_output(batch, SVD_VT, task) : NULL;
        batch->status[task] =
            (uint8_t)gesdd_compute(&gesdd, batch_input(batch, 0, task), u, s, vt, batch->workspace, &batch->info[task]);
    }
    return SHEAF_OK;
}

static const char *const svd_outputs[] = {"u", "s", "vt", NULL};
static const char *const svdvals_outputs[] = {"s", NULL};

const struct sheaf_kernel kernel_svd = {
    .abi = SHEAF_KERNEL_ABI,
    .bytes = sizeof(struct sheaf_kernel),
    .name = "svd",
    .text = "singular value decomposition, reduced",
    .documentation =
        "A = U diag(s) Vt, k = min(m, n). For l = max(m, n) the lesser of 14 l k^2 + 8 k^3 and 6 l k^2 + 20 k^3 flops\n"
        "(complex: 4 times; Golub and Van Loan, figure 8.6.1). LAPACK gesdd; rows for columns, u and vt exchanged,\n"
        "which is exact. Up to l = 16 (c128: 12), where no singular value is as good as 0, by the one-sided Jacobi\n"
        "method, several matrices in a vector register, with the same bits on any CPU.\n"
        "As numpy.linalg.svd with full_matrices=False: s descends, the columns of u and the rows of vt (the "
        "conjugates\n"
        "of V's columns) are orthonormal. The sign, or phase, of each pair of vectors is free, and so is the basis\n"
        "where singular values are equal. Without u and vt only singular values are computed, another way: their last\n"
        "bits may differ. A matrix that is not finite, or (info > 0) does not converge, fails by itself.\n",
    .signature = "(m,n)->(m,k),(k),(k,n)",
    .output_names = svd_outputs,
    .accepts = SHEAF_TYPES_FLOATING,
    .width_kind = SHEAF_WIDTH_BLAS,
    .infer = svd_infer,
    .cost = svd_cost,
    .workspace_bytes = svd_workspace_bytes,
    .run = svd_run,
};

const struct sheaf_kernel kernel_svdvals = {
    .abi = SHEAF_KERNEL_ABI,
    .bytes = sizeof(struct sheaf_kernel),
    .name = "svdvals",
    .text = "singular values",
    .documentation =
        "s of A = U diag(s) Vt, k = min(m, n), descending. For l = max(m, n) the lesser of 4 l k^2 - 4/3 k^3 and\n"
        "2 l k^2 + 2 k^3 flops (complex: 4 times; Golub and Van Loan, figure 8.6.1). LAPACK gesdd.\n"
        "As numpy.linalg.svd with compute_uv=False. A matrix that is not finite, or (info > 0) does not converge, "
        "fails\n"
        "by itself.\n",
    .signature = "(m,n)->(k)",
    .output_names = svdvals_outputs,
    .accepts = SHEAF_TYPES_FLOATING,
    .width_kind = SHEAF_WIDTH_BLAS,
    .infer = svdvals_infer,
    .cost = svd_cost,
    .workspace_bytes = svd_workspace_bytes,
    .run = svd_run,
};
