/* The matrix product: one gemm a task; tiny ones several at a time (compact.h). */
#include "batch.h"
#include "compact.h"
#include "gemm.h"
#include "narrow.h"

static void
matmul_cost(const struct sheaf_problem *problem, struct sheaf_cost *cost)
{
    const struct sheaf_array *a = &problem->inputs[0], *b = &problem->inputs[1];
    double products = (double)a->shape.extent[0] * (double)a->shape.extent[1] * (double)b->shape.extent[1];
    cost->flops = (sheaf_type_is_complex(a->type) ? 8.0 : 2.0) * products;
    cost->serial_fraction = 0.01;
}

static struct compact
matmul_compact(const struct sheaf_problem *problem)
{
    const struct sheaf_array *a = &problem->inputs[0], *b = &problem->inputs[1];
    return (struct compact){.operation = COMPACT_MATMUL,
                            .type = a->type,
                            .m = a->shape.extent[0],
                            .n = b->shape.extent[1],
                            .k = a->shape.extent[1]};
}

static int64_t
matmul_workspace_bytes(const struct sheaf_problem *problem)
{
    const struct compact compact = matmul_compact(problem);
    return compact_applies(&compact) ? compact_workspace_bytes(&compact) : 0;
}

static enum sheaf_status
matmul_run(const struct sheaf_problem *problem, const struct sheaf_batch *batch)
{
    const struct sheaf_array *a = &problem->inputs[0], *b = &problem->inputs[1];
    const struct compact compact = matmul_compact(problem);
    int m, n, k;
    if (compact_applies(&compact)) {
        compact_run(&compact, batch);
        return SHEAF_OK;
    }
    if (!narrow_to_int(a->shape.extent[0], &m) || !narrow_to_int(a->shape.extent[1], &k) ||
        !narrow_to_int(b->shape.extent[1], &n))
        return SHEAF_INTERNAL;
    gemm_function *gemm = gemm_find(a->type);
    if (!gemm)
        return SHEAF_INTERNAL;
    for (int64_t task = 0; task < batch->count; task++)
        gemm(m, n, k, batch_input(batch, 0, task), batch_input(batch, 1, task), batch_output(batch, 0, task));
    return SHEAF_OK;
}

static const char *const matmul_outputs[] = {"result", NULL};

const struct sheaf_kernel kernel_matmul = {
    .abi = SHEAF_KERNEL_ABI,
    .bytes = sizeof(struct sheaf_kernel),
    .name = "matmul",
    .text = "matrix product A B",
    .documentation =
        "C = A B. 2 m k n flops (complex: 8 m k n). BLAS gemm, one call a task; where no extent is above 6 (f32: 8,\n"
        "c128: 4) plain sums, several matrices in a vector register, with the same bits on any CPU.\n"
        "As numpy.matmul of matrices. NaN and infinity in the input spread as IEEE 754 says; no task fails.\n",
    .signature = "(m,k),(k,n)->(m,n)",
    .output_names = matmul_outputs,
    .accepts = SHEAF_TYPES_FLOATING,
    .width_kind = SHEAF_WIDTH_BLAS,
    .cost = matmul_cost,
    .workspace_bytes = matmul_workspace_bytes,
    .run = matmul_run,
};
