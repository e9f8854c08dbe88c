/* All products of an element of one vector and one of another: bound by the bandwidth of writing. BLAS has only the
 * update A + x y^T, which would read the output too. */
#include "batch.h"

#include <complex.h>

#define OUTER_NAME outer_f32
#define OUTER_TYPE float
#define OUTER_PRODUCT(x, y) ((x) * (y))
#include "outer_type.h"

#define OUTER_NAME outer_f64
#define OUTER_TYPE double
#define OUTER_PRODUCT(x, y) ((x) * (y))
#include "outer_type.h"

/* Written out: C's complex product looks for infinities, and calls a function to do it. */
#define OUTER_NAME outer_c64
#define OUTER_TYPE float complex
#define OUTER_PRODUCT(x, y)                                                                                            \
    CMPLXF(crealf(x) * crealf(y) - cimagf(x) * cimagf(y), crealf(x) * cimagf(y) + cimagf(x) * crealf(y))
#include "outer_type.h"

#define OUTER_NAME outer_c128
#define OUTER_TYPE double complex
#define OUTER_PRODUCT(x, y) CMPLX(creal(x) * creal(y) - cimag(x) * cimag(y), creal(x) * cimag(y) + cimag(x) * creal(y))
#include "outer_type.h"

typedef void outer_function(int64_t m, int64_t n, const void *x_elements, const void *y_elements, void *result);

static outer_function *const outer_of_type[SHEAF_TYPE_COUNT] = {
    [SHEAF_F32] = outer_f32, [SHEAF_F64] = outer_f64, [SHEAF_C64] = outer_c64, [SHEAF_C128] = outer_c128};

static void
outer_cost(const struct sheaf_problem *problem, struct sheaf_cost *cost)
{
    const struct sheaf_array *x = &problem->inputs[0], *y = &problem->inputs[1];
    cost->flops =
        (sheaf_type_is_complex(x->type) ? 6.0 : 1.0) * (double)x->shape.extent[0] * (double)y->shape.extent[0];
    cost->serial_fraction = 1.0;
    cost->greatest_width = 1;
}

static enum sheaf_status
outer_run(const struct sheaf_problem *problem, const struct sheaf_batch *batch)
{
    const struct sheaf_array *x = &problem->inputs[0], *y = &problem->inputs[1];
    outer_function *outer = outer_of_type[x->type];
    if (!outer)
        return SHEAF_INTERNAL;
    for (int64_t task = 0; task < batch->count; task++)
        outer(x->shape.extent[0], y->shape.extent[0], batch_input(batch, 0, task), batch_input(batch, 1, task),
              batch_output(batch, 0, task));
    return SHEAF_OK;
}

static const char *const outer_outputs[] = {"result", NULL};

const struct sheaf_kernel kernel_outer = {
    .abi = SHEAF_KERNEL_ABI,
    .bytes = sizeof(struct sheaf_kernel),
    .name = "outer",
    .text = "outer product of two vectors, x y^T",
    .documentation = "R = x y^T, R_ij = x_i y_j, nothing conjugated. m n flops (complex: 6 m n). No library: one\n"
                     "rounded product an element (complex: a rounded sum of two), always on one core; bound by the\n"
                     "bandwidth of writing.\n"
                     "As numpy.outer. NaN and infinity in the input spread as IEEE 754 says; no task fails.\n",
    .signature = "(m),(n)->(m,n)",
    .output_names = outer_outputs,
    .accepts = SHEAF_TYPES_FLOATING,
    .width_kind = SHEAF_WIDTH_ONE,
    .cost = outer_cost,
    .run = outer_run,
};
