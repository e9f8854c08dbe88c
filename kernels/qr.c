/* The reduced QR decomposition, by Householder reflectors: geqrf, orgqr and ungqr, on a transposed copy. */
#include "batch.h"
#include "finite.h"
#include "lapack.h"
#include "narrow.h"
#include "transpose.h"
#include "workspace.h"

static const struct qr_type {
    lapack_geqrf *geqrf;
    lapack_orgqr *orgqr;
    transpose_function *transpose;
    transpose_strided_function *transpose_strided;
} qr_of_type[SHEAF_TYPE_COUNT] = {
    [SHEAF_F32] = {sgeqrf_, sorgqr_, transpose_f32, transpose_strided_f32},
    [SHEAF_F64] = {dgeqrf_, dorgqr_, transpose_f64, transpose_strided_f64},
    [SHEAF_C64] = {cgeqrf_, cungqr_, transpose_c64, transpose_strided_c64},
    [SHEAF_C128] = {zgeqrf_, zungqr_, transpose_c128, transpose_strided_c128},
};

enum { QR_Q, QR_R };

/* Sizes and the workspace: A by columns, (m,n), the reflectors' factors, (k), and LAPACK's work. */
struct qr_layout {
    enum sheaf_type type;
    int m, n, k;
    int lwork; /* elements */
    size_t element, matrix_offset, tau_offset, work_offset;
    int64_t bytes;
};

/*
 * LAPACK's best length of work for n columns is n times the width of its blocks. Asked for one column, the answer is the
 * width; for many it would come back through an int and, for f32, a float.
 */
static int
qr_block_width(enum sheaf_type type)
{
    const struct qr_type *routines = &qr_of_type[type];
    const int one = 1, query = -1;
    union workspace_answer a = {{0.0F, 0.0F}}, tau = {{0.0F, 0.0F}}, answer = {{0.0F, 0.0F}};
    int info = 0;
    routines->geqrf(&one, &one, &a, &one, &tau, &answer, &query, &info);
    int width = info == 0 ? workspace_length(type, &answer, 1) : 1;
    routines->orgqr(&one, &one, &one, &a, &one, &tau, &answer, &query, &info);
    return info == 0 ? workspace_length(type, &answer, width) : width;
}

/* @return false where the sizes do not fit LAPACK's int */
static bool
qr_lay_out(const struct sheaf_problem *problem, struct qr_layout *layout)
{
    const struct sheaf_array *a = &problem->inputs[0];
    memset(layout, 0, sizeof *layout);
    layout->type = a->type;
    layout->element = sheaf_type_size(a->type);
    if (!narrow_to_int(a->shape.extent[0], &layout->m) || !narrow_to_int(a->shape.extent[1], &layout->n) ||
        !narrow_to_int((int64_t)layout->n * qr_block_width(a->type), &layout->lwork))
        return false;
    layout->k = layout->m < layout->n ? layout->m : layout->n;
    layout->matrix_offset = workspace_reserve(&layout->bytes, (int64_t)layout->m * layout->n, layout->element);
    layout->tau_offset = workspace_reserve(&layout->bytes, layout->k, layout->element);
    layout->work_offset = workspace_reserve(&layout->bytes, layout->lwork, layout->element);
    return layout->bytes >= 0;
}

static enum sheaf_status
qr_infer(struct sheaf_problem *problem, struct sheaf_error *error)
{
    int64_t m = problem->inputs[0].shape.extent[0], n = problem->inputs[0].shape.extent[1];
    (void)error;
    problem->outputs[QR_Q].shape.extent[1] = m < n ? m : n;
    problem->outputs[QR_R].shape.extent[0] = m < n ? m : n;
    return SHEAF_OK;
}

static int64_t
qr_workspace_bytes(const struct sheaf_problem *problem)
{
    struct qr_layout layout;
    return qr_lay_out(problem, &layout) ? layout.bytes : -1;
}

static void
qr_cost(const struct sheaf_problem *problem, struct sheaf_cost *cost)
{
    const struct sheaf_array *a = &problem->inputs[0];
    double m = (double)a->shape.extent[0], n = (double)a->shape.extent[1], k = m < n ? m : n, longer = m < n ? n : m;
    /* LAPACK Working Note 41, appendix C, without the terms of lower order. */
    double geqrf = 2.0 * k * k * (longer - k / 3.0), orgqr = 2.0 * k * k * (m - k / 3.0);
    cost->flops = (sheaf_type_is_complex(a->type) ? 4.0 : 1.0) * (geqrf + orgqr);
    cost->bytes = 4.0 * m * n * (double)sheaf_type_size(a->type); /* the copy: written, factored, read */
    cost->serial_fraction = 0.1;
}

/* The upper triangle of the matrix by columns, as R by rows, zeros below. */
static void
qr_extract_r(const struct qr_layout *layout, const void *matrix, char *r)
{
    qr_of_type[layout->type].transpose_strided(layout->n, layout->k, matrix, layout->m, r, layout->n);
    const size_t row_bytes = (size_t)layout->n * layout->element;
    for (size_t row = 1; row < (size_t)layout->k; row++)
        memset(r + row * row_bytes, 0, row * layout->element);
}

static enum sheaf_task_status
qr_task(const struct qr_layout *layout, const void *a, void *q, void *r, char *workspace, int32_t *info)
{
    const struct qr_type *type = &qr_of_type[layout->type];
    char *matrix = workspace + layout->matrix_offset, *tau = workspace + layout->tau_offset;
    char *work = workspace + layout->work_offset;
    const int *m = &layout->m, *n = &layout->n, *k = &layout->k;
    if (!is_finite(layout->type, a, (int64_t)*m * *n))
        return SHEAF_TASK_NOT_FINITE;
    type->transpose(*m, *n, a, matrix);
    type->geqrf(m, n, matrix, m, tau, work, &layout->lwork, info);
    if (*info)
        return SHEAF_TASK_KERNEL_FAILED;
    if (r)
        qr_extract_r(layout, matrix, r);
    if (!q)
        return SHEAF_TASK_DONE;
    type->orgqr(m, k, k, matrix, m, tau, work, &layout->lwork, info);
    type->transpose(*k, *m, matrix, q);
    return *info ? SHEAF_TASK_KERNEL_FAILED : SHEAF_TASK_DONE;
}

static enum sheaf_status
qr_run(const struct sheaf_problem *problem, const struct sheaf_batch *batch)
{
    struct qr_layout layout;
    if (!qr_of_type[problem->inputs[0].type].geqrf || !qr_lay_out(problem, &layout))
        return SHEAF_INTERNAL;
    for (int64_t task = 0; task < batch->count; task++)
        batch->status[task] = (uint8_t)qr_task(&layout, batch_input(batch, 0, task), batch_output(batch, QR_Q, task),
                                               batch_output(batch, QR_R, task), batch->workspace, &batch->info[task]);
    return SHEAF_OK;
}

static const char *const qr_outputs[] = {[QR_Q] = "q", [QR_R] = "r", NULL};

const struct sheaf_kernel kernel_qr = {
    .abi = SHEAF_KERNEL_ABI,
    .bytes = sizeof(struct sheaf_kernel),
    .name = "qr",
    .text = "reduced QR decomposition A = Q R",
    .documentation = "q (m,k) with orthonormal columns and r (k,n) upper triangular, A = Q R, k = min(m, n). 4 m\n"
                     "n^2 - 4/3 n^3 flops for m >= n, about (complex: 4 times). LAPACK geqrf and orgqr or ungqr on\n"
                     "a transposed copy; with only r asked for, geqrf alone.\n"
                     "As numpy.linalg.qr, mode reduced: the diagonal of R is real, of the signs that LAPACK gives,\n"
                     "often negative. Any rank. A that is not finite fails by itself.\n",
    .signature = "(m,n)->(m,k),(k,n)",
    .output_names = qr_outputs,
    .accepts = SHEAF_TYPES_FLOATING,
    .width_kind = SHEAF_WIDTH_BLAS,
    .infer = qr_infer,
    .cost = qr_cost,
    .workspace_bytes = qr_workspace_bytes,
    .run = qr_run,
};
