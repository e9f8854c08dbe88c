/*
 * Least squares of least norm, by the singular value decomposition: gelsd, on transposed copies. It has no variant for
 * A^T, so that rows for columns does not help here.
 */
#include "batch.h"
#include "element.h"
#include "finite.h"
#include "lapack.h"
#include "narrow.h"
#include "transpose.h"
#include "workspace.h"

#include <float.h>
#include <math.h>

static const struct lstsq_type {
    lapack_gelsd_real *of_real;
    lapack_gelsd_complex *of_complex;
    transpose_strided_function *transpose;
} lstsq_of_type[SHEAF_TYPE_COUNT] = {
    [SHEAF_F32] = {.of_real = sgelsd_, .transpose = transpose_strided_f32},
    [SHEAF_F64] = {.of_real = dgelsd_, .transpose = transpose_strided_f64},
    [SHEAF_C64] = {.of_complex = cgelsd_, .transpose = transpose_strided_c64},
    [SHEAF_C128] = {.of_complex = zgelsd_, .transpose = transpose_strided_c128},
};

enum { LSTSQ_X, LSTSQ_RESIDUALS, LSTSQ_RANK, LSTSQ_S, LSTSQ_OUTPUTS };

enum { LSTSQ_RCOND };

static const struct sheaf_parameter lstsq_parameters[] = {
    /* gelsd takes 1 and more for its own default. */
    [LSTSQ_RCOND] = {.name = "rcond",
                     .text =
                         "singular values up to this times the greatest count as 0; negative: epsilon times max(m, n); "
                         "0: epsilon",
                     .kind = SHEAF_PARAMETER_REAL,
                     .initial.real = -1.0,
                     .least.real = -1.0,
                     .greatest.real = 0.999},
};

/* Sizes and the workspace: A by columns, (m,n), B by columns, (longer,k), the singular values, and LAPACK's work. */
struct lstsq_layout {
    enum sheaf_type type, real;
    int m, n, k;
    int longer, shorter; /* of m and n */
    int lwork;           /* elements */
    int lrwork;          /* real numbers; 0 for real types */
    int liwork;          /* ints */
    size_t a_offset, b_offset, s_offset, work_offset, rwork_offset, iwork_offset;
    int64_t bytes;
};

/* The arrays of one call; a and b by columns. */
struct lstsq_arrays {
    void *a, *b, *s, *work, *rwork;
    int *iwork;
};

/* lwork -1: the query. */
static void
lstsq_call(const struct lstsq_layout *layout, const struct lstsq_arrays *arrays, double rcond, int lwork, int *rank,
           int *info)
{
    const struct lstsq_type *type = &lstsq_of_type[layout->type];
    const int *m = &layout->m, *n = &layout->n, *k = &layout->k, *longer = &layout->longer;
    union workspace_answer cut = {{0.0F, 0.0F}};
    element_set(layout->real, &cut, 0, rcond);
    if (type->of_real)
        type->of_real(m, n, k, arrays->a, m, arrays->b, longer, arrays->s, &cut, rank, arrays->work, &lwork,
                      arrays->iwork, info);
    else
        type->of_complex(m, n, k, arrays->a, m, arrays->b, longer, arrays->s, &cut, rank, arrays->work, &lwork,
                         arrays->rwork, arrays->iwork, info);
}

/*
 * The least lengths, as the pages of xGELSD give them, in double, where no extent overflows: a subproblem has up to 25
 * singular values, and halving `shorter` down to that takes `levels` steps. gelsd sums its best lengths in LAPACK's int, and
 * does not notice an overflow: `best` is more than any of those sums, (m + 4) m for wide matrices among them.
 */
static void
lstsq_least_lengths(struct lstsq_layout *layout, double *work, double *best, double *rwork, double *iwork)
{
    enum { LEAF = 25, BLOCK = 64 };
    const bool is_complex = sheaf_type_is_complex(layout->type);
    const double s = layout->shorter, l = layout->longer, k = layout->k;
    const double square = (LEAF + 1.0) * (LEAF + 1.0);
    int levels = 1;
    while (s >= (LEAF + 1.0) * ldexp(1.0, levels))
        levels++;
    double divide = 9.0 * s + 2.0 * s * LEAF + 8.0 * s * levels + s * k + square;
    *work = is_complex ? 2.0 * s + fmax(l, s * k) : 3.0 * s + fmax(divide, fmax(l, k));
    *best = *work + s * s + 5.0 * s + divide + BLOCK * (s + l + k);
    *rwork = is_complex ? 10.0 * s + 2.0 * s * LEAF + 8.0 * s * levels + 3.0 * LEAF * k +
                              fmax(square, fmax(s, layout->n) * (1.0 + k) + 2.0 * k)
                        : 0.0;
    *iwork = 3.0 * s * levels + 11.0 * s;
}

/* @return false where the sizes do not fit LAPACK's int */
static bool
lstsq_find_lengths(struct lstsq_layout *layout)
{
    union workspace_answer dummy = {{0.0F, 0.0F}}, work_answer = dummy, rwork_answer = dummy;
    double work, best, rwork, iwork;
    int rank = 0, info = 0, iwork_answer = 0;
    lstsq_least_lengths(layout, &work, &best, &rwork, &iwork);
    if (fmax(fmax(work, best), fmax(rwork, iwork)) > INT_MAX)
        return false;
    const struct lstsq_arrays arrays = {&dummy, &dummy, &dummy, &work_answer, &rwork_answer, &iwork_answer};
    lstsq_call(layout, &arrays, 0.0, -1, &rank, &info);
    layout->lwork = workspace_length(layout->type, &work_answer, (int)work);
    layout->lrwork = workspace_length(layout->type, &rwork_answer, (int)rwork);
    layout->liwork = iwork_answer > (int)iwork ? iwork_answer : (int)iwork;
    return info == 0;
}

static bool
lstsq_lay_out(const struct sheaf_problem *problem, struct lstsq_layout *layout)
{
    const struct sheaf_array *a = &problem->inputs[0], *b = &problem->inputs[1];
    memset(layout, 0, sizeof *layout);
    layout->type = a->type;
    layout->real = element_real_type(a->type);
    if (!narrow_to_int(a->shape.extent[0], &layout->m) || !narrow_to_int(a->shape.extent[1], &layout->n) ||
        !narrow_to_int(b->shape.ndim == 2 ? b->shape.extent[1] : 1, &layout->k))
        return false;
    layout->longer = layout->m > layout->n ? layout->m : layout->n;
    layout->shorter = layout->m > layout->n ? layout->n : layout->m;
    if (!lstsq_find_lengths(layout))
        return false;
    const size_t element = sheaf_type_size(layout->type), real = sheaf_type_size(layout->real);
    layout->a_offset = workspace_reserve(&layout->bytes, (int64_t)layout->m * layout->n, element);
    layout->b_offset = workspace_reserve(&layout->bytes, (int64_t)layout->longer * layout->k, element);
    layout->s_offset = workspace_reserve(&layout->bytes, layout->shorter, real);
    layout->work_offset = workspace_reserve(&layout->bytes, layout->lwork, element);
    layout->rwork_offset = workspace_reserve(&layout->bytes, layout->lrwork, real);
    layout->iwork_offset = workspace_reserve(&layout->bytes, layout->liwork, sizeof(int));
    return layout->bytes >= 0;
}

static enum sheaf_status
lstsq_infer(struct sheaf_problem *problem, struct sheaf_error *error)
{
    int64_t m = problem->inputs[0].shape.extent[0], n = problem->inputs[0].shape.extent[1];
    (void)error;
    problem->outputs[LSTSQ_RESIDUALS].type = element_real_type(problem->inputs[0].type);
    problem->outputs[LSTSQ_RANK].type = SHEAF_I64;
    problem->outputs[LSTSQ_S].type = element_real_type(problem->inputs[0].type);
    problem->outputs[LSTSQ_S].shape.extent[0] = m < n ? m : n;
    return SHEAF_OK;
}

static int64_t
lstsq_workspace_bytes(const struct sheaf_problem *problem)
{
    struct lstsq_layout layout;
    return lstsq_lay_out(problem, &layout) ? layout.bytes : -1;
}

static void
lstsq_cost(const struct sheaf_problem *problem, struct sheaf_cost *cost)
{
    const struct sheaf_array *a = &problem->inputs[0], *b = &problem->inputs[1];
    double m = (double)a->shape.extent[0], n = (double)a->shape.extent[1], s = m < n ? m : n, l = m < n ? n : m;
    double k = b->shape.ndim == 2 ? (double)b->shape.extent[1] : 1.0;
    /* The reduction to bidiagonal form, and its reflectors on B from both sides (LAPACK Working Note 41, appendix C); a tall
     * or wide one is reduced to a triangle first. */
    double reduce = fmin(4.0 * s * s * (l - s / 3.0), 2.0 * s * s * (l + s));
    cost->flops = (sheaf_type_is_complex(a->type) ? 4.0 : 1.0) * (reduce + 4.0 * l * s * k + 2.0 * s * s * k);
    cost->bytes = 2.0 * (m * n + l * k) * (double)sheaf_type_size(a->type); /* transposed copies */
    cost->serial_fraction = 0.3;
    cost->greatest_width = s < 1000.0 ? 1 : 4;
}

/* Sums of squares of what is left below the solution, where that is the residual; NaN where it is not. */
static void
lstsq_write_residuals(const struct lstsq_layout *layout, const void *b, int rank, void *residuals)
{
    const bool known = rank == layout->n && layout->m > layout->n;
    for (int64_t column = 0; column < layout->k; column++) {
        double sum = known ? 0.0 : (double)NAN;
        for (int64_t row = layout->n; known && row < layout->m; row++) {
            double complex rest = element_get(layout->type, b, column * layout->longer + row);
            sum += creal(rest) * creal(rest) + cimag(rest) * cimag(rest);
        }
        element_set(layout->real, residuals, column, sum);
    }
}

/* outputs: NULL where not asked for */
static enum sheaf_task_status
lstsq_task(const struct lstsq_layout *layout, double rcond, const void *a, const void *b,
           void *const outputs[LSTSQ_OUTPUTS], const struct lstsq_arrays *arrays, int32_t *info)
{
    const struct lstsq_type *type = &lstsq_of_type[layout->type];
    const int64_t m = layout->m, n = layout->n, k = layout->k;
    int rank = 0;
    if (!is_finite(layout->type, a, m * n) || !is_finite(layout->type, b, m * k))
        return SHEAF_TASK_NOT_FINITE;
    type->transpose(m, n, a, n, arrays->a, m);
    type->transpose(m, k, b, k, arrays->b, layout->longer);
    lstsq_call(layout, arrays, rcond, layout->lwork, &rank, info);
    if (*info)
        return *info > 0 ? SHEAF_TASK_NOT_CONVERGED : SHEAF_TASK_KERNEL_FAILED;
    if (outputs[LSTSQ_X])
        type->transpose(k, n, arrays->b, layout->longer, outputs[LSTSQ_X], k);
    if (outputs[LSTSQ_RESIDUALS])
        lstsq_write_residuals(layout, arrays->b, rank, outputs[LSTSQ_RESIDUALS]);
    if (outputs[LSTSQ_RANK])
        *(int64_t *)outputs[LSTSQ_RANK] = rank;
    if (outputs[LSTSQ_S])
        memcpy(outputs[LSTSQ_S], arrays->s, (size_t)layout->shorter * sheaf_type_size(layout->real));
    return SHEAF_TASK_DONE;
}

static enum sheaf_status
lstsq_run(const struct sheaf_problem *problem, const struct sheaf_batch *batch)
{
    struct lstsq_layout layout;
    if (!lstsq_of_type[problem->inputs[0].type].transpose || !lstsq_lay_out(problem, &layout))
        return SHEAF_INTERNAL;
    char *workspace = batch->workspace;
    const struct lstsq_arrays arrays = {.a = workspace + layout.a_offset,
                                        .b = workspace + layout.b_offset,
                                        .s = workspace + layout.s_offset,
                                        .work = workspace + layout.work_offset,
                                        .rwork = workspace + layout.rwork_offset,
                                        .iwork = (int *)(workspace + layout.iwork_offset)};
    double rcond = problem->parameters[LSTSQ_RCOND].real;
    if (rcond < 0.0)
        rcond = (layout.real == SHEAF_F32 ? (double)FLT_EPSILON : DBL_EPSILON) * layout.longer;
    for (int64_t task = 0; task < batch->count; task++) {
        void *outputs[LSTSQ_OUTPUTS];
        for (int i = 0; i < LSTSQ_OUTPUTS; i++)
            outputs[i] = batch_output(batch, i, task);
        batch->status[task] = (uint8_t)lstsq_task(&layout, rcond, batch_input(batch, 0, task),
                                                  batch_input(batch, 1, task), outputs, &arrays, &batch->info[task]);
    }
    return SHEAF_OK;
}

static const char *const lstsq_outputs[] = {
    [LSTSQ_X] = "x", [LSTSQ_RESIDUALS] = "residuals", [LSTSQ_RANK] = "rank", [LSTSQ_S] = "s", NULL};

const struct sheaf_kernel kernel_lstsq = {
    .abi = SHEAF_KERNEL_ABI,
    .bytes = sizeof(struct sheaf_kernel),
    .name = "lstsq",
    .text = "least squares of least norm, many right-hand sides",
    .documentation = "x (n,k): for each column of B the x of least norm among those that make |B - A x| least;\n"
                     "residuals (k): that length squared, where the rank is n and m > n, else NaN; rank (i64) of A;\n"
                     "s (min(m, n)): its singular values, descending. 4 m n^2 - 4/3 n^3 flops or, if less, 2 m n^2\n"
                     "+ 2 n^3, and 4 m n k + 2 n^2 k, for m >= n, about (complex: 4 times). LAPACK gelsd on\n"
                     "transposed copies.\n"
                     "As numpy.linalg.lstsq with rcond None; residuals NaN where NumPy gives an empty array. A or B\n"
                     "that is not finite, or whose SVD does not converge (info: gelsd's), fails by itself.\n",
    .signature = "(m,n),(m,k)->(n,k),(k),(),(s)",
    .output_names = lstsq_outputs,
    .accepts = SHEAF_TYPES_FLOATING,
    .parameters = lstsq_parameters,
    .parameter_count = sizeof lstsq_parameters / sizeof lstsq_parameters[0],
    .width_kind = SHEAF_WIDTH_BLAS,
    .infer = lstsq_infer,
    .cost = lstsq_cost,
    .workspace_bytes = lstsq_workspace_bytes,
    .run = lstsq_run,
};

const struct sheaf_kernel kernel_lstsq1 = {
    .abi = SHEAF_KERNEL_ABI,
    .bytes = sizeof(struct sheaf_kernel),
    .name = "lstsq1",
    .text = "least squares of least norm, one right-hand side",
    .documentation = "As lstsq with one column: b (m), x (n), and residuals a single number.\n",
    .signature = "(m,n),(m)->(n),(),(),(s)",
    .output_names = lstsq_outputs,
    .accepts = SHEAF_TYPES_FLOATING,
    .parameters = lstsq_parameters,
    .parameter_count = sizeof lstsq_parameters / sizeof lstsq_parameters[0],
    .width_kind = SHEAF_WIDTH_BLAS,
    .infer = lstsq_infer,
    .cost = lstsq_cost,
    .workspace_bytes = lstsq_workspace_bytes,
    .run = lstsq_run,
};
