/* The rank of a matrix: how many singular values are above a tolerance. */
#include "batch.h"
#include "element.h"
#include "gesdd.h"

#include <float.h>

static bool
matrix_rank_prepare(const struct sheaf_problem *problem, struct gesdd *gesdd)
{
    const struct sheaf_array *a = &problem->inputs[0];
    return gesdd_prepare(a->type, a->shape.extent[0], a->shape.extent[1], false, gesdd);
}

static int64_t
matrix_rank_workspace_bytes(const struct sheaf_problem *problem)
{
    struct gesdd gesdd;
    return matrix_rank_prepare(problem, &gesdd) ? gesdd.bytes : -1;
}

static void
matrix_rank_cost(const struct sheaf_problem *problem, struct sheaf_cost *cost)
{
    gesdd_cost(&problem->inputs[0], false, cost);
}

static enum sheaf_status
matrix_rank_infer(struct sheaf_problem *problem, struct sheaf_error *error)
{
    (void)error;
    problem->outputs[0].type = SHEAF_I64;
    return SHEAF_OK;
}

/* numpy's default, rounded as numpy does: in the input's own precision. */
static double
initial_tolerance(const struct gesdd *gesdd, double greatest)
{
    double longer = gesdd->m > gesdd->n ? gesdd->m : gesdd->n;
    bool single = element_real_type(gesdd->type) == SHEAF_F32;
    return single ? (double)(float)(greatest * longer) * (double)FLT_EPSILON : greatest * longer * DBL_EPSILON;
}

static int64_t
count_above(const struct gesdd *gesdd, const void *workspace, double tolerance)
{
    int64_t rank = 0;
    for (int i = 0; i < gesdd->k; i++)
        rank += gesdd_value(gesdd, workspace, i) > tolerance;
    return rank;
}

static enum sheaf_status
matrix_rank_run(const struct sheaf_problem *problem, const struct sheaf_batch *batch)
{
    struct gesdd gesdd;
    double asked = problem->parameters[0].real;
    if (!matrix_rank_prepare(problem, &gesdd))
        return SHEAF_INTERNAL;
    for (int64_t task = 0; task < batch->count; task++) {
        int64_t *rank = batch_output(batch, 0, task);
        enum sheaf_task_status status =
            gesdd_compute(&gesdd, batch_input(batch, 0, task), NULL, NULL, NULL, batch->workspace, &batch->info[task]);
        batch->status[task] = (uint8_t)status;
        if (status != SHEAF_TASK_DONE || !rank)
            continue;
        double initial = initial_tolerance(&gesdd, gesdd_value(&gesdd, batch->workspace, 0));
        *rank = count_above(&gesdd, batch->workspace, asked < 0.0 ? initial : asked);
    }
    return SHEAF_OK;
}

static const char *const matrix_rank_outputs[] = {"result", NULL};

static const struct sheaf_parameter matrix_rank_parameters[] = {
    {.name = "tol",
     .text = "singular values above it count; negative: the greatest one, times max(m, n), times the type's eps",
     .kind = SHEAF_PARAMETER_REAL,
     .initial = {.real = -1.0},
     .least = {.real = -1.0},
     .greatest = {.real = DBL_MAX}}};

const struct sheaf_kernel kernel_matrix_rank = {
    .abi = SHEAF_KERNEL_ABI,
    .bytes = sizeof(struct sheaf_kernel),
    .name = "matrix_rank",
    .text = "rank of a matrix, by its singular values",
    .documentation = "The number of singular values greater than tol, an i64. Flops as svdvals. LAPACK gesdd.\n"
                     "As numpy.linalg.matrix_rank: by default tol is s[0] max(m, n) eps, eps = 2^-23 for f32 and c64, "
                     "2^-52 for f64\n"
                     "and c128. A matrix that is not finite, or (info > 0) does not converge, fails by itself.\n",
    .signature = "(m,n)->()",
    .output_names = matrix_rank_outputs,
    .accepts = SHEAF_TYPES_FLOATING,
    .parameters = matrix_rank_parameters,
    .parameter_count = 1,
    .width_kind = SHEAF_WIDTH_BLAS,
    .infer = matrix_rank_infer,
    .cost = matrix_rank_cost,
    .workspace_bytes = matrix_rank_workspace_bytes,
    .run = matrix_rank_run,
};
