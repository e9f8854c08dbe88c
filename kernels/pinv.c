/* The pseudo-inverse, by the singular value decomposition: A = U S Vt gives V S^+ U^H. */
#include "batch.h"
#include "gesdd.h"
#include "workspace.h"

#include <cblas.h>

/* Multiply a row of Vt by a real factor. */
typedef void pinv_scale_function(int length, double factor, void *row);

/* X (n,m) = Vt^H U^H, of the first r rows of Vt, (k,n), and the first r columns of U, (m,k). */
typedef void pinv_multiply_function(const struct gesdd *svd, int r, const void *vt, const void *u, void *x);

static void
scale_f32(int length, double factor, void *row)
{
    cblas_sscal(length, (float)factor, row, 1);
}

static void
scale_f64(int length, double factor, void *row)
{
    cblas_dscal(length, factor, row, 1);
}

static void
scale_c64(int length, double factor, void *row)
{
    cblas_csscal(length, (float)factor, row, 1);
}

static void
scale_c128(int length, double factor, void *row)
{
    cblas_zdscal(length, factor, row, 1);
}

static void
multiply_f32(const struct gesdd *svd, int r, const void *vt, const void *u, void *x)
{
    cblas_sgemm(CblasRowMajor, CblasTrans, CblasTrans, svd->n, svd->m, r, 1.0F, vt, svd->n, u, svd->k, 0.0F, x, svd->m);
}

static void
multiply_f64(const struct gesdd *svd, int r, const void *vt, const void *u, void *x)
{
    cblas_dgemm(CblasRowMajor, CblasTrans, CblasTrans, svd->n, svd->m, r, 1.0, vt, svd->n, u, svd->k, 0.0, x, svd->m);
}

static void
multiply_c64(const struct gesdd *svd, int r, const void *vt, const void *u, void *x)
{
    static const float one[2] = {1.0F, 0.0F}, zero[2] = {0.0F, 0.0F};
    cblas_cgemm(CblasRowMajor, CblasConjTrans, CblasConjTrans, svd->n, svd->m, r, one, vt, svd->n, u, svd->k, zero, x,
                svd->m);
}

static void
multiply_c128(const struct gesdd *svd, int r, const void *vt, const void *u, void *x)
{
    static const double one[2] = {1.0, 0.0}, zero[2] = {0.0, 0.0};
    cblas_zgemm(CblasRowMajor, CblasConjTrans, CblasConjTrans, svd->n, svd->m, r, one, vt, svd->n, u, svd->k, zero, x,
                svd->m);
}

static const struct pinv_type {
    pinv_scale_function *scale;
    pinv_multiply_function *multiply;
} pinv_of_type[SHEAF_TYPE_COUNT] = {
    [SHEAF_F32] = {scale_f32, multiply_f32},
    [SHEAF_F64] = {scale_f64, multiply_f64},
    [SHEAF_C64] = {scale_c64, multiply_c64},
    [SHEAF_C128] = {scale_c128, multiply_c128},
};

enum { PINV_RCOND };

static const struct sheaf_parameter pinv_parameters[] = {
    [PINV_RCOND] = {.name = "rcond",
                    .text = "singular values up to this times the greatest count as 0",
                    .kind = SHEAF_PARAMETER_REAL,
                    .initial.real = 1e-15,
                    .least.real = 0.0,
                    .greatest.real = 1.0},
};

/* The workspace: the decomposition's own, then U, (m,k), and Vt, (k,n). */
struct pinv_layout {
    struct gesdd svd;
    size_t u_offset, vt_offset;
    int64_t bytes;
};

static bool
pinv_lay_out(const struct sheaf_problem *problem, struct pinv_layout *layout)
{
    const struct sheaf_array *a = &problem->inputs[0];
    const size_t element = sheaf_type_size(a->type);
    if (!gesdd_prepare(a->type, a->shape.extent[0], a->shape.extent[1], true, &layout->svd))
        return false;
    layout->bytes = layout->svd.bytes;
    layout->u_offset = workspace_reserve(&layout->bytes, (int64_t)layout->svd.m * layout->svd.k, element);
    layout->vt_offset = workspace_reserve(&layout->bytes, (int64_t)layout->svd.k * layout->svd.n, element);
    return layout->bytes >= 0;
}

static int64_t
pinv_workspace_bytes(const struct sheaf_problem *problem)
{
    struct pinv_layout layout;
    return pinv_lay_out(problem, &layout) ? layout.bytes : -1;
}

static void
pinv_cost(const struct sheaf_problem *problem, struct sheaf_cost *cost)
{
    const struct sheaf_array *a = &problem->inputs[0];
    double m = (double)a->shape.extent[0], n = (double)a->shape.extent[1], k = m < n ? m : n;
    gesdd_cost(a, true, cost);
    cost->flops += (sheaf_type_is_complex(a->type) ? 8.0 : 2.0) * m * n * k;
}

static enum sheaf_task_status
pinv_task(const struct pinv_layout *layout, double rcond, const void *a, void *x, char *workspace, int32_t *info)
{
    const struct gesdd *svd = &layout->svd;
    const struct pinv_type *type = &pinv_of_type[svd->type];
    const size_t element = sheaf_type_size(svd->type);
    char *u = workspace + layout->u_offset, *vt = workspace + layout->vt_offset;
    enum sheaf_task_status status = gesdd_compute(svd, a, u, NULL, vt, workspace, info);
    if (status != SHEAF_TASK_DONE)
        return status;
    const double least = rcond * gesdd_value(svd, workspace, 0);
    int r = 0;
    for (; r < svd->k && gesdd_value(svd, workspace, r) > least; r++)
        type->scale(svd->n, 1.0 / gesdd_value(svd, workspace, r), vt + (size_t)r * (size_t)svd->n * element);
    if (r > 0)
        type->multiply(svd, r, vt, u, x);
    else
        memset(x, 0, (size_t)svd->m * (size_t)svd->n * element);
    return SHEAF_TASK_DONE;
}

static enum sheaf_status
pinv_run(const struct sheaf_problem *problem, const struct sheaf_batch *batch)
{
    struct pinv_layout layout;
    if (!pinv_lay_out(problem, &layout))
        return SHEAF_INTERNAL;
    for (int64_t task = 0; task < batch->count; task++)
        batch->status[task] =
            (uint8_t)pinv_task(&layout, problem->parameters[PINV_RCOND].real, batch_input(batch, 0, task),
                               batch_output(batch, 0, task), batch->workspace, &batch->info[task]);
    return SHEAF_OK;
}

static const char *const pinv_outputs[] = {"result", NULL};

const struct sheaf_kernel kernel_pinv = {
    .abi = SHEAF_KERNEL_ABI,
    .bytes = sizeof(struct sheaf_kernel),
    .name = "pinv",
    .text = "Moore-Penrose pseudo-inverse",
    .documentation = "X = V S^+ U^H of A = U S V^H, (n,m), where S^+ holds 1/s for each s greater than rcond times\n"
                     "the greatest, else 0. Flops: the reduced SVD's and 2 m n k, k = min(m, n) (complex: 4 times).\n"
                     "LAPACK gesdd, BLAS gemm.\n"
                     "As numpy.linalg.pinv, whose rcond is 1e-15 unless said, for f32 and c64 too. A that is not\n"
                     "finite, or whose SVD does not converge (info: gesdd's), fails by itself.\n",
    .signature = "(m,n)->(n,m)",
    .output_names = pinv_outputs,
    .accepts = SHEAF_TYPES_FLOATING,
    .parameters = pinv_parameters,
    .parameter_count = sizeof pinv_parameters / sizeof pinv_parameters[0],
    .width_kind = SHEAF_WIDTH_BLAS,
    .cost = pinv_cost,
    .workspace_bytes = pinv_workspace_bytes,
    .run = pinv_run,
};
