/*
 * LU factors with row interchanges, by getrf on a transposed copy: the duality that serves elsewhere would interchange
 * columns.
 */
#include "batch.h"
#include "element.h"
#include "finite.h"
#include "lapack.h"
#include "narrow.h"
#include "transpose.h"
#include "workspace.h"

static const struct lu_type {
    lapack_getrf *getrf;
    transpose_function *transpose;
    transpose_strided_function *transpose_strided;
} lu_of_type[SHEAF_TYPE_COUNT] = {
    [SHEAF_F32] = {sgetrf_, transpose_f32, transpose_strided_f32},
    [SHEAF_F64] = {dgetrf_, transpose_f64, transpose_strided_f64},
    [SHEAF_C64] = {cgetrf_, transpose_c64, transpose_strided_c64},
    [SHEAF_C128] = {zgetrf_, transpose_c128, transpose_strided_c128},
};

enum { LU_P, LU_L, LU_U };

/* Sizes and the workspace: A by columns, (m,n), the pivots, (k), and the rows' order, (m). */
struct lu_layout {
    enum sheaf_type type;
    int m, n, k;
    size_t element, matrix_offset, pivots_offset, order_offset;
    int64_t bytes;
};

static bool
lu_lay_out(const struct sheaf_problem *problem, struct lu_layout *layout)
{
    const struct sheaf_array *a = &problem->inputs[0];
    memset(layout, 0, sizeof *layout);
    layout->type = a->type;
    layout->element = sheaf_type_size(a->type);
    if (!narrow_to_int(a->shape.extent[0], &layout->m) || !narrow_to_int(a->shape.extent[1], &layout->n))
        return false;
    layout->k = layout->m < layout->n ? layout->m : layout->n;
    layout->matrix_offset = workspace_reserve(&layout->bytes, (int64_t)layout->m * layout->n, layout->element);
    layout->pivots_offset = workspace_reserve(&layout->bytes, layout->k, sizeof(int));
    layout->order_offset = workspace_reserve(&layout->bytes, layout->m, sizeof(int));
    return layout->bytes >= 0;
}

static enum sheaf_status
lu_infer(struct sheaf_problem *problem, struct sheaf_error *error)
{
    int64_t m = problem->inputs[0].shape.extent[0], n = problem->inputs[0].shape.extent[1];
    (void)error;
    problem->outputs[LU_P].type = element_real_type(problem->inputs[0].type);
    problem->outputs[LU_L].shape.extent[1] = m < n ? m : n;
    problem->outputs[LU_U].shape.extent[0] = m < n ? m : n;
    return SHEAF_OK;
}

static int64_t
lu_workspace_bytes(const struct sheaf_problem *problem)
{
    struct lu_layout layout;
    return lu_lay_out(problem, &layout) ? layout.bytes : -1;
}

static void
lu_cost(const struct sheaf_problem *problem, struct sheaf_cost *cost)
{
    const struct sheaf_array *a = &problem->inputs[0];
    double m = (double)a->shape.extent[0], n = (double)a->shape.extent[1], k = m < n ? m : n, longer = m < n ? n : m;
    /* LAPACK Working Note 41, appendix C, without the terms of lower order. */
    cost->flops = (sheaf_type_is_complex(a->type) ? 4.0 : 1.0) * k * k * (longer - k / 3.0);
    cost->bytes = 3.0 * m * n * (double)sheaf_type_size(a->type); /* the copy: written, factored, read */
    cost->serial_fraction = 0.1;
}

/* P with A = P L U: LAPACK exchanged row i with row pivots[i], for each i in turn. */
static void
lu_write_p(const struct lu_layout *layout, const int *pivots, int *order, void *p)
{
    const enum sheaf_type real = element_real_type(layout->type);
    const int64_t m = layout->m;
    for (int row = 0; row < m; row++)
        order[row] = row;
    for (int row = 0; row < layout->k; row++) {
        int other = pivots[row] - 1, kept = order[row];
        order[row] = order[other];
        order[other] = kept;
    }
    memset(p, 0, (size_t)m * (size_t)m * sheaf_type_size(real));
    for (int row = 0; row < m; row++)
        element_set(real, p, order[row] * m + row, 1.0);
}

static void
lu_write_l(const struct lu_layout *layout, const void *matrix, char *l)
{
    const size_t k = (size_t)layout->k, row_bytes = k * layout->element;
    lu_of_type[layout->type].transpose_strided(layout->k, layout->m, matrix, layout->m, l, layout->k);
    for (size_t row = 0; row < k; row++) {
        memset(l + row * row_bytes + row * layout->element, 0, row_bytes - row * layout->element);
        element_set(layout->type, l, (int64_t)(row * k + row), 1.0);
    }
}

static void
lu_write_u(const struct lu_layout *layout, const void *matrix, char *u)
{
    const size_t row_bytes = (size_t)layout->n * layout->element;
    lu_of_type[layout->type].transpose_strided(layout->n, layout->k, matrix, layout->m, u, layout->n);
    for (size_t row = 1; row < (size_t)layout->k; row++)
        memset(u + row * row_bytes, 0, row * layout->element);
}

/* outputs: NULL where not asked for */
static enum sheaf_task_status
lu_task(const struct lu_layout *layout, const void *a, void *const outputs[3], char *workspace, int32_t *info)
{
    const struct lu_type *type = &lu_of_type[layout->type];
    char *matrix = workspace + layout->matrix_offset;
    int *pivots = (int *)(workspace + layout->pivots_offset), *order = (int *)(workspace + layout->order_offset);
    int lapack_info = 0;
    if (!is_finite(layout->type, a, (int64_t)layout->m * layout->n))
        return SHEAF_TASK_NOT_FINITE;
    type->transpose(layout->m, layout->n, a, matrix);
    type->getrf(&layout->m, &layout->n, matrix, &layout->m, pivots, &lapack_info);
    /* Positive: U has a zero on its diagonal, and the factors are right all the same. */
    if (lapack_info < 0) {
        *info = lapack_info;
        return SHEAF_TASK_KERNEL_FAILED;
    }
    if (outputs[LU_P])
        lu_write_p(layout, pivots, order, outputs[LU_P]);
    if (outputs[LU_L])
        lu_write_l(layout, matrix, outputs[LU_L]);
    if (outputs[LU_U])
        lu_write_u(layout, matrix, outputs[LU_U]);
    return SHEAF_TASK_DONE;
}

static enum sheaf_status
lu_run(const struct sheaf_problem *problem, const struct sheaf_batch *batch)
{
    struct lu_layout layout;
    if (!lu_of_type[problem->inputs[0].type].getrf || !lu_lay_out(problem, &layout))
        return SHEAF_INTERNAL;
    for (int64_t task = 0; task < batch->count; task++) {
        void *const outputs[3] = {batch_output(batch, LU_P, task), batch_output(batch, LU_L, task),
                                  batch_output(batch, LU_U, task)};
        batch->status[task] =
            (uint8_t)lu_task(&layout, batch_input(batch, 0, task), outputs, batch->workspace, &batch->info[task]);
    }
    return SHEAF_OK;
}

static const char *const lu_outputs[] = {[LU_P] = "p", [LU_L] = "l", [LU_U] = "u", NULL};

const struct sheaf_kernel kernel_lu = {
    .abi = SHEAF_KERNEL_ABI,
    .bytes = sizeof(struct sheaf_kernel),
    .name = "lu",
    .text = "LU decomposition with partial pivoting, A = P L U",
    .documentation = "p (m,m) a permutation, l (m,k) unit lower, u (k,n) upper, A = P L U, k = min(m, n). m n^2 -\n"
                     "1/3 n^3 flops for m >= n (complex: 4 times). LAPACK getrf on a transposed copy.\n"
                     "As scipy.linalg.lu; p is of the real type. An exactly singular A is no failure: u has a zero\n"
                     "on its diagonal. A that is not finite fails by itself.\n",
    .signature = "(m,n)->(m,m),(m,k),(k,n)",
    .output_names = lu_outputs,
    .accepts = SHEAF_TYPES_FLOATING,
    .width_kind = SHEAF_WIDTH_BLAS,
    .infer = lu_infer,
    .cost = lu_cost,
    .workspace_bytes = lu_workspace_bytes,
    .run = lu_run,
};
