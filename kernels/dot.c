/* The product of two vectors: one dot a task, bound by memory bandwidth. */
#include "batch.h"
#include "narrow.h"

#include <cblas.h>

typedef void dot_function(int k, const void *x, const void *y, void *result);

static void
dot_f32(int k, const void *x, const void *y, void *result)
{
    *(float *)result = cblas_sdot(k, x, 1, y, 1);
}

static void
dot_f64(int k, const void *x, const void *y, void *result)
{
    *(double *)result = cblas_ddot(k, x, 1, y, 1);
}

static void
dot_c64(int k, const void *x, const void *y, void *result)
{
    cblas_cdotu_sub(k, x, 1, y, 1, result);
}

static void
dot_c128(int k, const void *x, const void *y, void *result)
{
    cblas_zdotu_sub(k, x, 1, y, 1, result);
}

static dot_function *const dot_of_type[SHEAF_TYPE_COUNT] = {
    [SHEAF_F32] = dot_f32, [SHEAF_F64] = dot_f64, [SHEAF_C64] = dot_c64, [SHEAF_C128] = dot_c128};

static void
dot_cost(const struct sheaf_problem *problem, struct sheaf_cost *cost)
{
    const struct sheaf_array *x = &problem->inputs[0];
    cost->flops = (sheaf_type_is_complex(x->type) ? 8.0 : 2.0) * (double)x->shape.extent[0];
    cost->serial_fraction = 1.0;
    cost->greatest_width = 1;
}

static enum sheaf_status
dot_run(const struct sheaf_problem *problem, const struct sheaf_batch *batch)
{
    const struct sheaf_array *x = &problem->inputs[0];
    int k;
    if (!narrow_to_int(x->shape.extent[0], &k))
        return SHEAF_INTERNAL;
    dot_function *dot = dot_of_type[x->type];
    if (!dot)
        return SHEAF_INTERNAL;
    for (int64_t task = 0; task < batch->count; task++)
        dot(k, batch_input(batch, 0, task), batch_input(batch, 1, task), batch_output(batch, 0, task));
    return SHEAF_OK;
}

static const char *const dot_outputs[] = {"result", NULL};

const struct sheaf_kernel kernel_dot = {
    .abi = SHEAF_KERNEL_ABI,
    .bytes = sizeof(struct sheaf_kernel),
    .name = "dot",
    .text = "product of two vectors, sum of x_i y_i",
    .documentation = "r = sum of x_i y_i, nothing conjugated. 2 k flops (complex: 8 k). BLAS dot and dotu, one call\n"
                     "a task, always on one core; bound by memory bandwidth.\n"
                     "As numpy.dot of two vectors. NaN and infinity in the input spread as IEEE 754 says; no task\n"
                     "fails.\n",
    .signature = "(k),(k)->()",
    .output_names = dot_outputs,
    .accepts = SHEAF_TYPES_FLOATING,
    .width_kind = SHEAF_WIDTH_ONE,
    .cost = dot_cost,
    .run = dot_run,
};
