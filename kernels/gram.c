/* The Gram matrix A^H A: half the flops of a product, by syrk and herk, then the other triangle. */
#include "mirror.h"
#include "narrow.h"
#include "sheaf/kernel.h"

#include <cblas.h>

/* A is (m,n); fills the upper triangle of C, (n,n). */
typedef void rank_k_function(int m, int n, const void *a, void *c);

static void
syrk_f32(int m, int n, const void *a, void *c)
{
    cblas_ssyrk(CblasRowMajor, CblasUpper, CblasTrans, n, m, 1.0F, a, n, 0.0F, c, n);
}

static void
syrk_f64(int m, int n, const void *a, void *c)
{
    cblas_dsyrk(CblasRowMajor, CblasUpper, CblasTrans, n, m, 1.0, a, n, 0.0, c, n);
}

static void
herk_c64(int m, int n, const void *a, void *c)
{
    cblas_cherk(CblasRowMajor, CblasUpper, CblasConjTrans, n, m, 1.0F, a, n, 0.0F, c, n);
}

static void
herk_c128(int m, int n, const void *a, void *c)
{
    cblas_zherk(CblasRowMajor, CblasUpper, CblasConjTrans, n, m, 1.0, a, n, 0.0, c, n);
}

static const struct gram_type {
    rank_k_function *fill_upper;
    mirror_function *mirror;
} gram_of_type[SHEAF_TYPE_COUNT] = {
    [SHEAF_F32] = {syrk_f32, mirror_f32},
    [SHEAF_F64] = {syrk_f64, mirror_f64},
    [SHEAF_C64] = {herk_c64, mirror_c64},
    [SHEAF_C128] = {herk_c128, mirror_c128},
};

static void
gram_cost(const struct sheaf_problem *problem, struct sheaf_cost *cost)
{
    const struct sheaf_array *a = &problem->inputs[0];
    double m = (double)a->shape.extent[0], n = (double)a->shape.extent[1];
    cost->flops = (sheaf_type_is_complex(a->type) ? 4.0 : 1.0) * n * (n + 1.0) * m;
    cost->bytes = n * n * (double)sheaf_type_size(a->type); /* the mirror reads one half and writes the other */
    cost->serial_fraction = 0.03;
}

static enum sheaf_status
gram_run(const struct sheaf_problem *problem, const struct sheaf_batch *batch)
{
    const struct sheaf_array *a = &problem->inputs[0];
    int m, n;
    if (!narrow_to_int(a->shape.extent[0], &m) || !narrow_to_int(a->shape.extent[1], &n))
        return SHEAF_INTERNAL;
    const struct gram_type *type = &gram_of_type[a->type];
    if (!type->fill_upper)
        return SHEAF_INTERNAL;
    for (int64_t task = 0; task < batch->count; task++) {
        void *c = (char *)batch->outputs[0] + (size_t)task * batch->output_strides[0];
        type->fill_upper(m, n, (const char *)batch->inputs[0] + (size_t)task * batch->input_strides[0], c);
        type->mirror(c, n);
    }
    return SHEAF_OK;
}

static const char *const gram_outputs[] = {"result", NULL};

const struct sheaf_kernel kernel_gram = {
    .abi = SHEAF_KERNEL_ABI,
    .bytes = sizeof(struct sheaf_kernel),
    .name = "gram",
    .text = "Gram matrix A^H A, exactly symmetric or Hermitian",
    .documentation =
        "C = A^H A (real: A^T A). m n (n + 1) flops (complex: 4 m n (n + 1)). BLAS syrk or herk, then the other\n"
        "triangle is copied: C is exactly symmetric or Hermitian, its diagonal real. No task fails.\n",
    .signature = "(m,n)->(n,n)",
    .output_names = gram_outputs,
    .accepts = SHEAF_TYPES_FLOATING,
    .width_kind = SHEAF_WIDTH_BLAS,
    .cost = gram_cost,
    .run = gram_run,
};
