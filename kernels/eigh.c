/*
 * Eigenvalues and eigenvectors of symmetric and Hermitian matrices: syevd and heevd. The lower triangle of
 * our row-major A is to LAPACK the upper one of A^T = conj(A): the same eigenvalues, conjugate vectors, a row each.
 * Small matrices are decomposed several at a time (compact.h).
 */
#include "batch.h"
#include "compact.h"
#include "element.h"
#include "finite.h"
#include "lapack.h"
#include "narrow.h"
#include "transpose.h"
#include "workspace.h"

#include <math.h>

/* eigvalsh has the first output only. */
enum { EIGH_W = 0, EIGH_V = 1 };

/* What blocked tridiagonal reduction and back-transformation like to have: ormtr's rows, at most 64, and its triangle. */
enum { BLOCK_ROWS = 64, BLOCK_TRIANGLE = 65 * 64 };

/* Jacobi's sweeps converge quadratically in the end: 5 to 10 are usual (Golub and Van Loan, section 8.5.4). */
enum { GREATEST_SWEEPS = 40 };

static const struct eigh_type {
    lapack_syevd *syevd;
    lapack_heevd *heevd;
    transpose_function *transpose_rows; /* LAPACK's vectors to ours */
} eigh_of_type[SHEAF_TYPE_COUNT] = {
    [SHEAF_F32] = {.syevd = ssyevd_, .transpose_rows = transpose_f32},
    [SHEAF_F64] = {.syevd = dsyevd_, .transpose_rows = transpose_f64},
    [SHEAF_C64] = {.heevd = cheevd_, .transpose_rows = transpose_conj_c64},
    [SHEAF_C128] = {.heevd = zheevd_, .transpose_rows = transpose_conj_c128},
};

struct eigh_layout {
    enum sheaf_type type;
    int m;
    int lwork, lrwork, liwork; /* elements */
    size_t matrix_offset, values_offset, work_offset, rwork_offset, iwork_offset;
    int64_t bytes;
};

static bool
eigh_has_vectors(const struct sheaf_problem *problem)
{
    return problem->output_count > EIGH_V;
}

/*
 * Least lengths as the pages of xSYEVD and xHEEVD give them, and room for blocks: in some versions LAPACK's own answer
 * to lwork -1 is too small for those. @return false where a length does not fit LAPACK's int
 */
static bool
eigh_set_lengths(struct eigh_layout *layout, bool vectors)
{
    int64_t m = layout->m, square = vectors ? m * m : 0;
    int64_t blocks = BLOCK_ROWS * m + BLOCK_TRIANGLE, lwork, lrwork = 1;
    if (square > INT_MAX / 2)
        return false;
    if (sheaf_type_is_complex(layout->type)) {
        lwork = 1 + 2 * m + square + blocks;
        lrwork = 1 + 5 * m + 2 * square;
    } else {
        lwork = 1 + 6 * m + 2 * square + blocks;
    }
    return narrow_to_int(lwork, &layout->lwork) && narrow_to_int(lrwork, &layout->lrwork) &&
           narrow_to_int(3 + 5 * m, &layout->liwork);
}

static bool
eigh_lay_out(const struct sheaf_problem *problem, struct eigh_layout *layout)
{
    const struct sheaf_array *a = &problem->inputs[0];
    memset(layout, 0, sizeof *layout);
    layout->type = a->type;
    if ((unsigned)a->type >= SHEAF_TYPE_COUNT || !eigh_of_type[a->type].transpose_rows)
        return false;
    if (!narrow_to_int(a->shape.extent[0], &layout->m) || !eigh_set_lengths(layout, eigh_has_vectors(problem)))
        return false;
    size_t element = sheaf_type_size(a->type), real = sheaf_type_size(element_real_type(a->type));
    layout->matrix_offset = workspace_reserve(&layout->bytes, (int64_t)layout->m * layout->m, element);
    layout->values_offset = workspace_reserve(&layout->bytes, layout->m, real);
    layout->work_offset = workspace_reserve(&layout->bytes, layout->lwork, element);
    layout->rwork_offset = workspace_reserve(&layout->bytes, layout->lrwork, real);
    layout->iwork_offset = workspace_reserve(&layout->bytes, layout->liwork, sizeof(int));
    return layout->bytes >= 0;
}

static struct compact
eigh_compact(const struct sheaf_problem *problem, bool vectors)
{
    const struct sheaf_array *a = &problem->inputs[0];
    return (struct compact){.operation = vectors ? COMPACT_EIGH : COMPACT_EIGVALSH,
                            .type = a->type,
                            .m = a->shape.extent[0],
                            .sweeps = GREATEST_SWEEPS};
}

/* For either way: which one a batch takes depends on whether it asks for vectors. */
static int64_t
eigh_workspace_bytes(const struct sheaf_problem *problem)
{
    const struct compact compact = eigh_compact(problem, eigh_has_vectors(problem));
    const int64_t compact_bytes = compact_applies(&compact) ? compact_workspace_bytes(&compact) : 0;
    struct eigh_layout layout;
    if (!eigh_lay_out(problem, &layout))
        return -1;
    return layout.bytes > compact_bytes ? layout.bytes : compact_bytes;
}

static void
eigh_cost(const struct sheaf_problem *problem, struct sheaf_cost *cost)
{
    const struct sheaf_array *a = &problem->inputs[0];
    double m = (double)a->shape.extent[0];
    /* Golub and Van Loan, Matrix Computations, 4th ed., algorithm 8.3.3: 4/3 m^3, with vectors 9 m^3. */
    cost->flops =
        (sheaf_type_is_complex(a->type) ? 4.0 : 1.0) * (eigh_has_vectors(problem) ? 9.0 : 4.0 / 3.0) * m * m * m;
    cost->bytes = 2.0 * m * m * (double)sheaf_type_size(a->type);
    /*
     * Half of the reduction to tridiagonal form is matrix times vector, for which threads meet at every column: m times, for m^3
     * of work. Measured with DSYEVD of OpenBLAS 0.3.15 on two Xeon 8368 (github.com/Open-Quantum-Platform/openqp, pull request
     * 307): 2 threads take 0.93, 0.79 and 0.63 of the time of one at m = 1024, 2048 and 4096, more than 4 are slower.
     */
    cost->serial_fraction = fmin(1.0, 1000.0 / m);
    cost->greatest_width = m < 1000.0 ? 1 : m < 1500.0 ? 2 : 4;
}

static enum sheaf_status
eigh_infer(struct sheaf_problem *problem, struct sheaf_error *error)
{
    (void)error;
    problem->outputs[EIGH_W].type = element_real_type(problem->inputs[0].type);
    return SHEAF_OK;
}

/* Copy the lower triangle, all that LAPACK will read. @return whether it is finite */
static bool
copy_lower_triangle(enum sheaf_type type, int64_t m, const char *a, char *copy)
{
    size_t element = sheaf_type_size(type);
    bool finite = true;
    for (int64_t row = 0; row < m; row++) {
        size_t offset = (size_t)(row * m) * element;
        finite = finite && is_finite(type, a + offset, row + 1);
        memcpy(copy + offset, a + offset, (size_t)(row + 1) * element);
    }
    return finite;
}

static enum sheaf_task_status
eigh_task(const struct eigh_layout *layout, const void *a, void *w, void *v, char *workspace, int32_t *info)
{
    const struct eigh_type *type = &eigh_of_type[layout->type];
    const char *job = v ? "V" : "N";
    const int *m = &layout->m;
    void *matrix = workspace + layout->matrix_offset, *work = workspace + layout->work_offset;
    int *iwork = (int *)(workspace + layout->iwork_offset);
    if (!w)
        w = workspace + layout->values_offset;
    if (!copy_lower_triangle(layout->type, layout->m, a, matrix))
        return SHEAF_TASK_NOT_FINITE;
    if (type->syevd)
        type->syevd(job, "U", m, matrix, m, w, work, &layout->lwork, iwork, &layout->liwork, info, 1, 1);
    else
        type->heevd(job, "U", m, matrix, m, w, work, &layout->lwork, workspace + layout->rwork_offset, &layout->lrwork,
                    iwork, &layout->liwork, info, 1, 1);
    if (*info != 0)
        return *info > 0 ? SHEAF_TASK_NOT_CONVERGED : SHEAF_TASK_KERNEL_FAILED;
    if (v)
        type->transpose_rows(layout->m, layout->m, matrix, v);
    return SHEAF_TASK_DONE;
}

static enum sheaf_status
eigh_run(const struct sheaf_problem *problem, const struct sheaf_batch *batch)
{
    const bool vectors = eigh_has_vectors(problem) && batch->outputs[EIGH_V];
    const struct compact compact = eigh_compact(problem, vectors);
    struct eigh_layout layout;
    if (compact_applies(&compact)) {
        compact_run(&compact, batch);
        return SHEAF_OK;
    }
    if (!eigh_lay_out(problem, &layout))
        return SHEAF_INTERNAL;
    for (int64_t task = 0; task < batch->count; task++) {
        void *v = vectors ? batch_output(batch, EIGH_V, task) : NULL;
        batch->status[task] =
            (uint8_t)eigh_task(&layout, batch_input(batch, 0, task), batch_output(batch, EIGH_W, task), v,
                               batch->workspace, &batch->info[task]);
    }
    return SHEAF_OK;
}

static const char *const eigh_outputs[] = {"w", "v", NULL};
static const char *const eigvalsh_outputs[] = {"w", NULL};

const struct sheaf_kernel kernel_eigh = {
    .abi = SHEAF_KERNEL_ABI,
    .bytes = sizeof(struct sheaf_kernel),
    .name = "eigh",
    .text = "eigenvalues and eigenvectors of a symmetric or Hermitian matrix",
    .documentation =
        "A = V diag(w) V^H. 9 m^3 flops (complex: 36 m^3; Golub and Van Loan, algorithm 8.3.3). LAPACK syevd, heevd.\n"
        "Up to m = 20 (f32: 32, c64: 24, c128: 16) by Jacobi's method, several matrices in a vector register, with "
        "the\n"
        "same bits on any CPU.\n"
        "As numpy.linalg.eigh: only the lower triangle is read, and of its diagonal the real parts; w ascends, column\n"
        "j of v belongs to w[j], the columns are orthonormal. Their signs, or phases, are free, and so is the basis\n"
        "where eigenvalues are equal. Without v only eigenvalues are computed, as by eigvalsh: their last bits\n"
        "may differ. A lower triangle that is not finite, or (info > 0) does not converge, fails by itself.\n",
    .signature = "(m,m)->(m),(m,m)",
    .output_names = eigh_outputs,
    .accepts = SHEAF_TYPES_FLOATING,
    .width_kind = SHEAF_WIDTH_BLAS,
    .infer = eigh_infer,
    .cost = eigh_cost,
    .workspace_bytes = eigh_workspace_bytes,
    .run = eigh_run,
};

const struct sheaf_kernel kernel_eigvalsh = {
    .abi = SHEAF_KERNEL_ABI,
    .bytes = sizeof(struct sheaf_kernel),
    .name = "eigvalsh",
    .text = "eigenvalues of a symmetric or Hermitian matrix",
    .documentation =
        "w of A = V diag(w) V^H. 4/3 m^3 flops (complex: 16/3 m^3; Golub and Van Loan, algorithm 8.3.3). LAPACK\n"
        "syevd, heevd. Up to m = 16 (f32: 24, c64: 20, c128: 12) by Jacobi's method, several matrices in a vector\n"
        "register, with the same bits on any CPU.\n"
        "As numpy.linalg.eigvalsh: only the lower triangle is read, and of its diagonal the real parts; w ascends. A\n"
        "lower triangle that is not finite, or (info > 0) does not converge, fails by itself.\n",
    .signature = "(m,m)->(m)",
    .output_names = eigvalsh_outputs,
    .accepts = SHEAF_TYPES_FLOATING,
    .width_kind = SHEAF_WIDTH_BLAS,
    .infer = eigh_infer,
    .cost = eigh_cost,
    .workspace_bytes = eigh_workspace_bytes,
    .run = eigh_run,
};
