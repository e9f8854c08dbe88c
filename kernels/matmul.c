/* The matrix product: one gemm a task. */
#include "narrow.h"
#include "sheaf/kernel.h"

#include <cblas.h>

typedef void gemm_function(int m, int n, int k, const void *a, const void *b, void *c);

static void
gemm_f32(int m, int n, int k, const void *a, const void *b, void *c)
{
    cblas_sgemm(CblasRowMajor, CblasNoTrans, CblasNoTrans, m, n, k, 1.0F, a, k, b, n, 0.0F, c, n);
}

static void
gemm_f64(int m, int n, int k, const void *a, const void *b, void *c)
{
    cblas_dgemm(CblasRowMajor, CblasNoTrans, CblasNoTrans, m, n, k, 1.0, a, k, b, n, 0.0, c, n);
}

static void
gemm_c64(int m, int n, int k, const void *a, const void *b, void *c)
{
    static const float one[2] = {1.0F, 0.0F}, zero[2] = {0.0F, 0.0F};
    cblas_cgemm(CblasRowMajor, CblasNoTrans, CblasNoTrans, m, n, k, one, a, k, b, n, zero, c, n);
}

static void
gemm_c128(int m, int n, int k, const void *a, const void *b, void *c)
{
    static const double one[2] = {1.0, 0.0}, zero[2] = {0.0, 0.0};
    cblas_zgemm(CblasRowMajor, CblasNoTrans, CblasNoTrans, m, n, k, one, a, k, b, n, zero, c, n);
}

static gemm_function *const gemm_of_type[SHEAF_TYPE_COUNT] = {
    [SHEAF_F32] = gemm_f32, [SHEAF_F64] = gemm_f64, [SHEAF_C64] = gemm_c64, [SHEAF_C128] = gemm_c128};

static void
matmul_cost(const struct sheaf_problem *problem, struct sheaf_cost *cost)
{
    const struct sheaf_array *a = &problem->inputs[0], *b = &problem->inputs[1];
    double products = (double)a->shape.extent[0] * (double)a->shape.extent[1] * (double)b->shape.extent[1];
    cost->flops = (sheaf_type_is_complex(a->type) ? 8.0 : 2.0) * products;
    cost->serial_fraction = 0.01;
}

static enum sheaf_status
matmul_run(const struct sheaf_problem *problem, const struct sheaf_batch *batch)
{
    const struct sheaf_array *a = &problem->inputs[0], *b = &problem->inputs[1];
    int m, n, k;
    if (!narrow_to_int(a->shape.extent[0], &m) || !narrow_to_int(a->shape.extent[1], &k) ||
        !narrow_to_int(b->shape.extent[1], &n))
        return SHEAF_INTERNAL;
    gemm_function *gemm = gemm_of_type[a->type];
    if (!gemm)
        return SHEAF_INTERNAL;
    for (int64_t task = 0; task < batch->count; task++)
        gemm(m, n, k, (const char *)batch->inputs[0] + (size_t)task * batch->input_strides[0],
             (const char *)batch->inputs[1] + (size_t)task * batch->input_strides[1],
             (char *)batch->outputs[0] + (size_t)task * batch->output_strides[0]);
    return SHEAF_OK;
}

static const char *const matmul_outputs[] = {"result", NULL};

const struct sheaf_kernel kernel_matmul = {
    .abi = SHEAF_KERNEL_ABI,
    .bytes = sizeof(struct sheaf_kernel),
    .name = "matmul",
    .text = "matrix product A B",
    .documentation =
        "C = A B. 2 m k n flops (complex: 8 m k n). BLAS gemm, one call a task.\n"
        "As numpy.matmul of matrices. NaN and infinity in the input spread as IEEE 754 says; no task fails.\n",
    .signature = "(m,k),(k,n)->(m,n)",
    .output_names = matmul_outputs,
    .accepts = SHEAF_TYPES_FLOATING,
    .width_kind = SHEAF_WIDTH_BLAS,
    .cost = matmul_cost,
    .run = matmul_run,
};
