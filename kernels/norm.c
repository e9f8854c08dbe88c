/* Norms of a matrix: from its elements, or its greatest singular value. */
#include "batch.h"
#include "element.h"
#include "finite.h"
#include "gesdd.h"
#include "matrix_norm.h"

#include <math.h>

enum { ORD_FRO = 0, ORD_ONE = 1, ORD_INF = 2, ORD_TWO = 3 };

static matrix_norm_function *const norm_of_ord[] = {
    [ORD_FRO] = matrix_norm_frobenius, [ORD_ONE] = matrix_norm_one, [ORD_INF] = matrix_norm_infinity, [ORD_TWO] = NULL};

static bool
norm_is_spectral(const struct sheaf_problem *problem)
{
    return problem->parameters[0].integer == ORD_TWO;
}

static bool
norm_prepare(const struct sheaf_problem *problem, struct gesdd *gesdd)
{
    const struct sheaf_array *a = &problem->inputs[0];
    return gesdd_prepare(a->type, a->shape.extent[0], a->shape.extent[1], false, gesdd);
}

static int64_t
norm_workspace_bytes(const struct sheaf_problem *problem)
{
    struct gesdd gesdd;
    if (!norm_is_spectral(problem))
        return 0;
    return norm_prepare(problem, &gesdd) ? gesdd.bytes : -1;
}

static void
norm_cost(const struct sheaf_problem *problem, struct sheaf_cost *cost)
{
    const struct sheaf_array *a = &problem->inputs[0];
    if (norm_is_spectral(problem)) {
        gesdd_cost(a, false, cost);
        return;
    }
    double parts = sheaf_type_is_complex(a->type) ? 2.0 : 1.0;
    cost->flops = 2.0 * parts * (double)a->shape.extent[0] * (double)a->shape.extent[1];
    cost->serial_fraction = 1.0;
    cost->greatest_width = 1;
}

static enum sheaf_status
norm_infer(struct sheaf_problem *problem, struct sheaf_error *error)
{
    (void)error;
    problem->outputs[0].type = element_real_type(problem->inputs[0].type);
    return SHEAF_OK;
}

static enum sheaf_task_status
norm_task(const struct sheaf_problem *problem, const void *a, double *norm)
{
    const struct sheaf_array *array = &problem->inputs[0];
    int64_t rows = array->shape.extent[0], columns = array->shape.extent[1];
    *norm = norm_of_ord[problem->parameters[0].integer](array->type, a, rows, columns);
    /* One pass over the input will mostly do: a finite norm has only finite numbers in it. */
    return isfinite(*norm) || is_finite(array->type, a, rows * columns) ? SHEAF_TASK_DONE : SHEAF_TASK_NOT_FINITE;
}

static enum sheaf_status
norm_run(const struct sheaf_problem *problem, const struct sheaf_batch *batch)
{
    struct gesdd gesdd;
    enum sheaf_type real = element_real_type(problem->inputs[0].type);
    bool spectral = norm_is_spectral(problem);
    int64_t count;
    if (!(SHEAF_TYPES_REAL & SHEAF_TYPE_BIT(real)) || !sheaf_shape_count(&problem->inputs[0].shape, &count) ||
        (spectral && !norm_prepare(problem, &gesdd)))
        return SHEAF_INTERNAL;
    for (int64_t task = 0; task < batch->count; task++) {
        const void *a = batch_input(batch, 0, task);
        void *result = batch_output(batch, 0, task);
        double norm = 0.0;
        enum sheaf_task_status status;
        if (spectral) {
            status = gesdd_compute(&gesdd, a, NULL, NULL, NULL, batch->workspace, &batch->info[task]);
            norm = status == SHEAF_TASK_DONE ? gesdd_value(&gesdd, batch->workspace, 0) : 0.0;
        } else {
            status = norm_task(problem, a, &norm);
        }
        batch->status[task] = (uint8_t)status;
        if (status == SHEAF_TASK_DONE && result)
            element_set(real, result, 0, norm);
    }
    return SHEAF_OK;
}

static const char *const norm_outputs[] = {"result", NULL};
static const char *const ord_choices[] = {"fro", "1", "inf", "2", NULL};

static const struct sheaf_parameter norm_parameters[] = {
    {.name = "ord",
     .text =
         "which norm: fro (root of the sum of squares), 1 (greatest column sum), inf (greatest row sum), 2 (greatest "
         "singular value)",
     .kind = SHEAF_PARAMETER_CHOICE,
     .choices = ord_choices,
     .initial = {.integer = ORD_FRO}}};

const struct sheaf_kernel kernel_norm = {
    .abi = SHEAF_KERNEL_ABI,
    .bytes = sizeof(struct sheaf_kernel),
    .name = "norm",
    .text = "norm of a matrix",
    .documentation =
        "||A||, of the real type. 2 m n flops (complex: 4 m n); ord=2 as svdvals, LAPACK gesdd.\n"
        "As numpy.linalg.norm with this ord. fro, 1 and inf are summed in double, in a fixed order: f32 and c64 lose\n"
        "nothing but the last rounding, no square overflows or underflows, and bits do not depend on BLAS. A matrix "
        "that\n"
        "is not finite, or for ord=2 (info > 0) does not converge, fails by itself.\n",
    .signature = "(m,n)->()",
    .output_names = norm_outputs,
    .accepts = SHEAF_TYPES_FLOATING,
    .parameters = norm_parameters,
    .parameter_count = 1,
    .width_kind = SHEAF_WIDTH_BLAS,
    .infer = norm_infer,
    .cost = norm_cost,
    .workspace_bytes = norm_workspace_bytes,
    .run = norm_run,
};
