/* The condition number: from singular values, or the norms of a matrix and of its inverse. */
#include "batch.h"
#include "element.h"
#include "gesdd.h"
#include "matrix_norm.h"
#include "workspace.h"

#include <math.h>

/* The inverse is that of the kernel of this name, task by task. */
extern const struct sheaf_kernel kernel_inv;

enum { P_TWO = 0, P_MINUS_TWO = 1, P_FRO = 2, P_ONE = 3, P_INF = 4 };

static matrix_norm_function *const norm_of_p[] = {[P_TWO] = NULL,
                                                  [P_MINUS_TWO] = NULL,
                                                  [P_FRO] = matrix_norm_frobenius,
                                                  [P_ONE] = matrix_norm_one,
                                                  [P_INF] = matrix_norm_infinity};

static const char *const p_choices[] = {"2", "-2", "fro", "1", "inf", NULL};

/* What settles a class: either singular values, or an inverse, which stands at the workspace's start. */
struct cond_layout {
    matrix_norm_function *norm; /* NULL: by singular values */
    struct gesdd gesdd;
    struct sheaf_problem inverse;
    size_t inverse_work_offset;
    int64_t bytes;
};

static bool
cond_lay_out(const struct sheaf_problem *problem, struct cond_layout *layout)
{
    const struct sheaf_array *a = &problem->inputs[0];
    int64_t count;
    memset(layout, 0, sizeof *layout);
    layout->norm = norm_of_p[problem->parameters[0].integer];
    if (!layout->norm) {
        bool fits = gesdd_prepare(a->type, a->shape.extent[0], a->shape.extent[1], false, &layout->gesdd);
        layout->bytes = layout->gesdd.bytes;
        return fits;
    }
    if (a->shape.extent[0] != a->shape.extent[1] || !(SHEAF_TYPES_FLOATING & SHEAF_TYPE_BIT(a->type)) ||
        !sheaf_shape_count(&a->shape, &count))
        return false;
    layout->inverse = (struct sheaf_problem){.input_count = 1, .output_count = 1, .inputs = {*a}, .outputs = {*a}};
    int64_t inverse_work = kernel_inv.workspace_bytes(&layout->inverse);
    if (inverse_work < 0)
        return false;
    (void)workspace_reserve(&layout->bytes, count, sheaf_type_size(a->type));
    layout->inverse_work_offset = workspace_reserve(&layout->bytes, inverse_work, 1);
    return layout->bytes >= 0;
}

static int64_t
cond_workspace_bytes(const struct sheaf_problem *problem)
{
    struct cond_layout layout;
    return cond_lay_out(problem, &layout) ? layout.bytes : -1;
}

static void
cond_cost(const struct sheaf_problem *problem, struct sheaf_cost *cost)
{
    if (norm_of_p[problem->parameters[0].integer])
        kernel_inv.cost(problem, cost);
    else
        gesdd_cost(&problem->inputs[0], false, cost);
}

static enum sheaf_status
cond_infer(struct sheaf_problem *problem, struct sheaf_error *error)
{
    const struct sheaf_array *a = &problem->inputs[0];
    char text[SHEAF_SHAPE_TEXT];
    problem->outputs[0].type = element_real_type(a->type);
    if (!norm_of_p[problem->parameters[0].integer] || a->shape.extent[0] == a->shape.extent[1])
        return SHEAF_OK;
    return sheaf_fail(error, SHEAF_BAD_DATA,
                      "cond with p=%s needs the inverse, so square matrices; found %s: use p=2 or p=-2, which take any",
                      p_choices[problem->parameters[0].integer], sheaf_shape_format(&a->shape, text));
}

/* The quotient of the greatest and the least singular value; 0 / 0 counts as infinite, as in numpy. */
static enum sheaf_task_status
cond_by_values(const struct gesdd *gesdd, bool inverted, const void *a, void *workspace, double *cond, int32_t *info)
{
    enum sheaf_task_status status = gesdd_compute(gesdd, a, NULL, NULL, NULL, workspace, info);
    if (status != SHEAF_TASK_DONE)
        return status;
    double greatest = gesdd_value(gesdd, workspace, 0), least = gesdd_value(gesdd, workspace, gesdd->k - 1);
    *cond = greatest == 0.0 ? (double)INFINITY : inverted ? least / greatest : greatest / least;
    return SHEAF_TASK_DONE;
}

static enum sheaf_task_status
cond_by_inverse(const struct cond_layout *layout, const void *a, char *workspace, double *cond, int32_t *info)
{
    const struct sheaf_array *array = &layout->inverse.inputs[0];
    int64_t m = array->shape.extent[0];
    uint8_t status = SHEAF_TASK_DONE;
    const struct sheaf_batch batch = {
        .count = 1,
        .inputs = {a},
        .outputs = {workspace},
        .status = &status,
        .info = info,
        .workspace = workspace + layout->inverse_work_offset,
        .width = 1,
    };
    if (kernel_inv.run(&layout->inverse, &batch))
        return SHEAF_TASK_KERNEL_FAILED;
    *cond = (double)INFINITY;
    if (status == SHEAF_TASK_SINGULAR) {
        *info = 0;
        return SHEAF_TASK_DONE;
    }
    if (status != SHEAF_TASK_DONE)
        return (enum sheaf_task_status)status;
    double product = layout->norm(array->type, a, m, m) * layout->norm(array->type, workspace, m, m);
    if (!isnan(product))
        *cond = product;
    return SHEAF_TASK_DONE;
}

static enum sheaf_status
cond_run(const struct sheaf_problem *problem, const struct sheaf_batch *batch)
{
    struct cond_layout layout;
    bool inverted = problem->parameters[0].integer == P_MINUS_TWO;
    if (!cond_lay_out(problem, &layout))
        return SHEAF_INTERNAL;
    for (int64_t task = 0; task < batch->count; task++) {
        const void *a = batch_input(batch, 0, task);
        void *result = batch_output(batch, 0, task);
        int32_t *info = &batch->info[task];
        double cond = 0.0;
        enum sheaf_task_status status = layout.norm
                                            ? cond_by_inverse(&layout, a, batch->workspace, &cond, info)
                                            : cond_by_values(&layout.gesdd, inverted, a, batch->workspace, &cond, info);
        batch->status[task] = (uint8_t)status;
        if (status == SHEAF_TASK_DONE && result)
            element_set(element_real_type(problem->inputs[0].type), result, 0, cond);
    }
    return SHEAF_OK;
}

static const char *const cond_outputs[] = {"result", NULL};

static const struct sheaf_parameter cond_parameters[] = {
    {.name = "p",
     .text =
         "2: greatest by least singular value, -2: least by greatest; fro, 1, inf: that norm of A times that of its "
         "inverse, square matrices only",
     .kind = SHEAF_PARAMETER_CHOICE,
     .choices = p_choices,
     .initial = {.integer = P_TWO}}};

const struct sheaf_kernel kernel_cond = {
    .abi = SHEAF_KERNEL_ABI,
    .bytes = sizeof(struct sheaf_kernel),
    .name = "cond",
    .text = "condition number of a matrix",
    .documentation =
        "p=2: s[0] / s[k - 1], p=-2: s[k - 1] / s[0], flops as svdvals, LAPACK gesdd. p=fro, 1, inf: ||A|| ||A^-1||,\n"
        "square matrices only, flops as inv, LAPACK getrf and getri. Of the real type.\n"
        "As numpy.linalg.cond: a matrix found exactly singular gives infinity (p=-2: 0, and infinity for a matrix of\n"
        "zeros) and does not fail. One that is not finite, or for p=2 and -2 (info > 0) does not converge, fails by\n"
        "itself.\n",
    .signature = "(m,n)->()",
    .output_names = cond_outputs,
    .accepts = SHEAF_TYPES_FLOATING,
    .parameters = cond_parameters,
    .parameter_count = 1,
    .width_kind = SHEAF_WIDTH_BLAS,
    .infer = cond_infer,
    .cost = cond_cost,
    .workspace_bytes = cond_workspace_bytes,
    .run = cond_run,
};
