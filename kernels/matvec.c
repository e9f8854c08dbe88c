/* The product of a matrix and a vector: one gemv a task, bound by memory bandwidth. */
#include "batch.h"
#include "narrow.h"

#include <cblas.h>

typedef void gemv_function(int m, int n, const void *a, const void *x, void *y);

static void
gemv_f32(int m, int n, const void *a, const void *x, void *y)
{
    cblas_sgemv(CblasRowMajor, CblasNoTrans, m, n, 1.0F, a, n, x, 1, 0.0F, y, 1);
}

static void
gemv_f64(int m, int n, const void *a, const void *x, void *y)
{
    cblas_dgemv(CblasRowMajor, CblasNoTrans, m, n, 1.0, a, n, x, 1, 0.0, y, 1);
}

static void
gemv_c64(int m, int n, const void *a, const void *x, void *y)
{
    static const float one[2] = {1.0F, 0.0F}, zero[2] = {0.0F, 0.0F};
    cblas_cgemv(CblasRowMajor, CblasNoTrans, m, n, one, a, n, x, 1, zero, y, 1);
}

static void
gemv_c128(int m, int n, const void *a, const void *x, void *y)
{
    static const double one[2] = {1.0, 0.0}, zero[2] = {0.0, 0.0};
    cblas_zgemv(CblasRowMajor, CblasNoTrans, m, n, one, a, n, x, 1, zero, y, 1);
}

static gemv_function *const gemv_of_type[SHEAF_TYPE_COUNT] = {
    [SHEAF_F32] = gemv_f32, [SHEAF_F64] = gemv_f64, [SHEAF_C64] = gemv_c64, [SHEAF_C128] = gemv_c128};

static void
matvec_cost(const struct sheaf_problem *problem, struct sheaf_cost *cost)
{
    const struct sheaf_array *a = &problem->inputs[0];
    cost->flops =
        (sheaf_type_is_complex(a->type) ? 8.0 : 2.0) * (double)a->shape.extent[0] * (double)a->shape.extent[1];
    cost->serial_fraction = 0.1;
}

static enum sheaf_status
matvec_run(const struct sheaf_problem *problem, const struct sheaf_batch *batch)
{
    const struct sheaf_array *a = &problem->inputs[0];
    int m, n;
    if (!narrow_to_int(a->shape.extent[0], &m) || !narrow_to_int(a->shape.extent[1], &n))
        return SHEAF_INTERNAL;
    gemv_function *gemv = gemv_of_type[a->type];
    if (!gemv)
        return SHEAF_INTERNAL;
    for (int64_t task = 0; task < batch->count; task++)
        gemv(m, n, batch_input(batch, 0, task), batch_input(batch, 1, task), batch_output(batch, 0, task));
    return SHEAF_OK;
}

static const char *const matvec_outputs[] = {"result", NULL};

const struct sheaf_kernel kernel_matvec = {
    .abi = SHEAF_KERNEL_ABI,
    .bytes = sizeof(struct sheaf_kernel),
    .name = "matvec",
    .text = "matrix times vector, A x",
    .documentation = "y = A x. 2 m n flops (complex: 8 m n). BLAS gemv, one call a task; bound by memory bandwidth.\n"
                     "As numpy.matmul of a matrix and a vector. NaN and infinity in the input spread as IEEE 754\n"
                     "says; no task fails.\n",
    .signature = "(m,n),(n)->(m)",
    .output_names = matvec_outputs,
    .accepts = SHEAF_TYPES_FLOATING,
    .width_kind = SHEAF_WIDTH_BLAS,
    .cost = matvec_cost,
    .run = matvec_run,
};
