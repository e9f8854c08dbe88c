/*
 * Linear equations, by LU factors: getrf, then triangular solves.
 *
 * LAPACK takes our row-major A for M = A^T and gives P M = L U. So A = U^T L^T P, and the memory that holds L and U column
 * by column holds, read by rows, U^T below and on the diagonal and L^T, with ones for a diagonal, above it. A X = B then is
 * a lower solve, an upper solve and the interchanges backwards, all on B as it stands, by rows: the arithmetic of getrs
 * with the factors transposed, without the two transposes of B that getrs would need. One right-hand side has no order,
 * and goes to getrs itself, which has a faster way for it. Small matrices go through the same steps several at a time
 * (compact.h).
 */
#include "batch.h"
#include "compact.h"
#include "finite.h"
#include "lapack.h"
#include "narrow.h"
#include "workspace.h"

#include <cblas.h>

/* X becomes P X: row-major (m,n), over the right-hand sides. */
typedef void solve_triangles_function(int m, int n, const void *factors, void *x);

static void
solve_triangles_f32(int m, int n, const void *factors, void *x)
{
    cblas_strsm(CblasRowMajor, CblasLeft, CblasLower, CblasNoTrans, CblasNonUnit, m, n, 1.0F, factors, m, x, n);
    cblas_strsm(CblasRowMajor, CblasLeft, CblasUpper, CblasNoTrans, CblasUnit, m, n, 1.0F, factors, m, x, n);
}

static void
solve_triangles_f64(int m, int n, const void *factors, void *x)
{
    cblas_dtrsm(CblasRowMajor, CblasLeft, CblasLower, CblasNoTrans, CblasNonUnit, m, n, 1.0, factors, m, x, n);
    cblas_dtrsm(CblasRowMajor, CblasLeft, CblasUpper, CblasNoTrans, CblasUnit, m, n, 1.0, factors, m, x, n);
}

static void
solve_triangles_c64(int m, int n, const void *factors, void *x)
{
    static const float one[2] = {1.0F, 0.0F};
    cblas_ctrsm(CblasRowMajor, CblasLeft, CblasLower, CblasNoTrans, CblasNonUnit, m, n, one, factors, m, x, n);
    cblas_ctrsm(CblasRowMajor, CblasLeft, CblasUpper, CblasNoTrans, CblasUnit, m, n, one, factors, m, x, n);
}

static void
solve_triangles_c128(int m, int n, const void *factors, void *x)
{
    static const double one[2] = {1.0, 0.0};
    cblas_ztrsm(CblasRowMajor, CblasLeft, CblasLower, CblasNoTrans, CblasNonUnit, m, n, one, factors, m, x, n);
    cblas_ztrsm(CblasRowMajor, CblasLeft, CblasUpper, CblasNoTrans, CblasUnit, m, n, one, factors, m, x, n);
}

static const struct solve_type {
    lapack_getrf *getrf;
    lapack_getrs *getrs;
    solve_triangles_function *triangles;
} solve_of_type[SHEAF_TYPE_COUNT] = {
    [SHEAF_F32] = {sgetrf_, sgetrs_, solve_triangles_f32},
    [SHEAF_F64] = {dgetrf_, dgetrs_, solve_triangles_f64},
    [SHEAF_C64] = {cgetrf_, cgetrs_, solve_triangles_c64},
    [SHEAF_C128] = {zgetrf_, zgetrs_, solve_triangles_c128},
};

/* Sizes and the workspace: the factors, (m,m), and the pivots, (m) ints. */
struct solve_layout {
    enum sheaf_type type;
    int m, n;
    size_t element, factors_offset, pivots_offset;
    int64_t bytes;
};

/* @return false where the sizes do not fit LAPACK's int */
static bool
solve_lay_out(const struct sheaf_problem *problem, struct solve_layout *layout)
{
    const struct sheaf_shape *b = &problem->inputs[1].shape;
    memset(layout, 0, sizeof *layout);
    layout->type = problem->inputs[0].type;
    layout->element = sheaf_type_size(layout->type);
    if (!narrow_to_int(problem->inputs[0].shape.extent[0], &layout->m) ||
        !narrow_to_int(b->ndim == 2 ? b->extent[1] : 1, &layout->n))
        return false;
    layout->factors_offset = workspace_reserve(&layout->bytes, (int64_t)layout->m * layout->m, layout->element);
    layout->pivots_offset = workspace_reserve(&layout->bytes, layout->m, sizeof(int));
    return layout->bytes >= 0;
}

static struct compact
solve_compact(const struct sheaf_problem *problem)
{
    const struct sheaf_array *a = &problem->inputs[0];
    const struct sheaf_shape *b = &problem->inputs[1].shape;
    return (struct compact){
        .operation = COMPACT_SOLVE, .type = a->type, .m = a->shape.extent[0], .n = b->ndim == 2 ? b->extent[1] : 1};
}

static int64_t
solve_workspace_bytes(const struct sheaf_problem *problem)
{
    const struct compact compact = solve_compact(problem);
    struct solve_layout layout;
    if (compact_applies(&compact))
        return compact_workspace_bytes(&compact);
    return solve_lay_out(problem, &layout) ? layout.bytes : -1;
}

static void
solve_cost(const struct sheaf_problem *problem, struct sheaf_cost *cost)
{
    const struct sheaf_array *a = &problem->inputs[0], *b = &problem->inputs[1];
    double m = (double)a->shape.extent[0], n = b->shape.ndim == 2 ? (double)b->shape.extent[1] : 1.0;
    /* LAPACK Working Note 41, appendix C: getrf 2/3 m^3, getrs 2 m^2 n. */
    cost->flops = (sheaf_type_is_complex(a->type) ? 4.0 : 1.0) * (2.0 / 3.0 * m * m * m + 2.0 * m * m * n);
    cost->bytes = 2.0 * (m * m + m * n) * (double)sheaf_type_size(a->type); /* factors and solution: copies first */
    cost->serial_fraction = 0.05;
}

/* Factor A into the workspace. */
static enum sheaf_task_status
solve_factor(const struct solve_layout *layout, const void *a, char *workspace, int32_t *info)
{
    int64_t elements = (int64_t)layout->m * layout->m;
    char *factors = workspace + layout->factors_offset;
    *info = 0;
    if (!is_finite(layout->type, a, elements))
        return SHEAF_TASK_NOT_FINITE;
    memcpy(factors, a, (size_t)elements * layout->element);
    solve_of_type[layout->type].getrf(&layout->m, &layout->m, factors, &layout->m,
                                      (int *)(workspace + layout->pivots_offset), info);
    if (*info > 0)
        return SHEAF_TASK_SINGULAR;
    return *info < 0 ? SHEAF_TASK_KERNEL_FAILED : SHEAF_TASK_DONE;
}

static void
swap_rows(char *a, char *b, size_t bytes)
{
    char piece[256];
    for (size_t done = 0; done < bytes; done += sizeof piece) {
        size_t length = bytes - done < sizeof piece ? bytes - done : sizeof piece;
        memcpy(piece, a + done, length);
        memcpy(a + done, b + done, length);
        memcpy(b + done, piece, length);
    }
}

/* Solve with the factors in the workspace. */
static enum sheaf_task_status
solve_sides(const struct solve_layout *layout, const void *b, char *x, const char *workspace, int32_t *info)
{
    const struct solve_type *type = &solve_of_type[layout->type];
    const void *factors = workspace + layout->factors_offset;
    const int *pivots = (const int *)(workspace + layout->pivots_offset);
    const size_t row_bytes = (size_t)layout->n * layout->element;
    if (!is_finite(layout->type, b, (int64_t)layout->m * layout->n))
        return SHEAF_TASK_NOT_FINITE;
    memcpy(x, b, (size_t)layout->m * row_bytes);
    if (layout->n == 1) {
        type->getrs("T", &layout->m, &layout->n, factors, &layout->m, pivots, x, &layout->m, info, 1);
        return *info ? SHEAF_TASK_KERNEL_FAILED : SHEAF_TASK_DONE;
    }
    type->triangles(layout->m, layout->n, factors, x);
    for (int row = layout->m - 1; row >= 0; row--)
        if (pivots[row] - 1 != row)
            swap_rows(x + (size_t)row * row_bytes, x + (size_t)(pivots[row] - 1) * row_bytes, row_bytes);
    return SHEAF_TASK_DONE;
}

static enum sheaf_status
solve_run(const struct sheaf_problem *problem, const struct sheaf_batch *batch)
{
    const struct compact compact = solve_compact(problem);
    struct solve_layout layout;
    enum sheaf_task_status factored = SHEAF_TASK_KERNEL_FAILED;
    int32_t factor_info = 0;
    if (compact_applies(&compact)) {
        compact_run(&compact, batch);
        return SHEAF_OK;
    }
    if (!solve_of_type[problem->inputs[0].type].getrf || !solve_lay_out(problem, &layout))
        return SHEAF_INTERNAL;
    for (int64_t task = 0; task < batch->count; task++) {
        /* A matrix that all tasks share is factored once a batch: the factors are the same. */
        if (task == 0 || batch->input_strides[0] != 0)
            factored = solve_factor(&layout, batch_input(batch, 0, task), batch->workspace, &factor_info);
        enum sheaf_task_status status = factored;
        batch->info[task] = factor_info;
        if (status == SHEAF_TASK_DONE)
            status = solve_sides(&layout, batch_input(batch, 1, task), batch_output(batch, 0, task), batch->workspace,
                                 &batch->info[task]);
        batch->status[task] = (uint8_t)status;
    }
    return SHEAF_OK;
}

static const char *const solve_outputs[] = {"result", NULL};

const struct sheaf_kernel kernel_solve = {
    .abi = SHEAF_KERNEL_ABI,
    .bytes = sizeof(struct sheaf_kernel),
    .name = "solve",
    .text = "solution X of A X = B, many right-hand sides",
    .documentation = "X with A X = B. 2/3 m^3 + 2 m^2 n flops (complex: 4 times). LAPACK getrf, then BLAS trsm on B\n"
                     "by rows; an A shared by all tasks is factored once a batch. Up to m = n = 32 (c128: 16) its\n"
                     "own LU with partial pivoting, several matrices in a vector register, with the same bits on\n"
                     "any CPU.\n"
                     "As numpy.linalg.solve, but an exactly singular A (info: the first zero pivot, from 1), or an\n"
                     "A or B that is not finite, fails by itself. An A that is nearly singular gives a result, and\n"
                     "no warning.\n",
    .signature = "(m,m),(m,n)->(m,n)",
    .output_names = solve_outputs,
    .accepts = SHEAF_TYPES_FLOATING,
    .width_kind = SHEAF_WIDTH_BLAS,
    .cost = solve_cost,
    .workspace_bytes = solve_workspace_bytes,
    .run = solve_run,
};

const struct sheaf_kernel kernel_solve1 = {
    .abi = SHEAF_KERNEL_ABI,
    .bytes = sizeof(struct sheaf_kernel),
    .name = "solve1",
    .text = "solution x of A x = b, one right-hand side",
    .documentation = "x with A x = b. 2/3 m^3 + 2 m^2 flops (complex: 4 times). LAPACK getrf and getrs; an A shared\n"
                     "by all tasks is factored once a batch. Up to m = 32 (c128: 16) as solve does it.\n"
                     "As numpy.linalg.solve with a vector; fails as solve does.\n",
    .signature = "(m,m),(m)->(m)",
    .output_names = solve_outputs,
    .accepts = SHEAF_TYPES_FLOATING,
    .width_kind = SHEAF_WIDTH_BLAS,
    .cost = solve_cost,
    .workspace_bytes = solve_workspace_bytes,
    .run = solve_run,
};
