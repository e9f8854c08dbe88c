/*
 * Eigenvalues and right eigenvectors of general matrices: geev, of the transpose of our row-major A, which to LAPACK is
 * A itself; so order and signs are those that other programs get from the same LAPACK.
 */
#include "batch.h"
#include "element.h"
#include "finite.h"
#include "lapack.h"
#include "narrow.h"
#include "transpose.h"
#include "workspace.h"

#include <complex.h>

/* eigvals has the first output only. */
enum { EIG_W = 0, EIG_V = 1 };

/* The rows of a block: as many elements of every column as share a few cache lines. */
enum { UNPACK_BLOCK = 32 };

#define UNPACK_VALUES unpack_values_f32
#define UNPACK_VECTORS unpack_vectors_f32
#define UNPACK_REAL float
#define UNPACK_COMPLEX float complex
#define UNPACK_VALUE CMPLXF
#include "unpack_type.h"

#define UNPACK_VALUES unpack_values_f64
#define UNPACK_VECTORS unpack_vectors_f64
#define UNPACK_REAL double
#define UNPACK_COMPLEX double complex
#define UNPACK_VALUE CMPLX
#include "unpack_type.h"

static const struct eig_type {
    lapack_geev_real *of_real;
    lapack_geev_complex *of_complex;
    transpose_function *transpose;
    void (*unpack_values)(int64_t m, const void *w_real, const void *w_imaginary, void *w);
    void (*unpack_vectors)(int64_t m, const void *rows, const void *w_imaginary, void *v);
} eig_of_type[SHEAF_TYPE_COUNT] = {
    [SHEAF_F32] = {sgeev_, NULL, transpose_f32, unpack_values_f32, unpack_vectors_f32},
    [SHEAF_F64] = {dgeev_, NULL, transpose_f64, unpack_values_f64, unpack_vectors_f64},
    [SHEAF_C64] = {NULL, cgeev_, transpose_c64, NULL, NULL},
    [SHEAF_C128] = {NULL, zgeev_, transpose_c128, NULL, NULL},
};

struct eig_layout {
    enum sheaf_type type;
    int m;
    int lwork; /* elements */
    /* The values are (2, m) numbers of the real type: real and imaginary parts apart where the input is real. */
    size_t matrix_offset, vectors_offset, values_offset, work_offset, rwork_offset;
    int64_t bytes;
};

/* The arrays of one call. */
struct eig_arrays {
    void *a, *w, *vectors, *work, *rwork;
};

static bool
eig_has_vectors(const struct sheaf_problem *problem)
{
    return problem->output_count > EIG_V;
}

static void
eig_call(const struct eig_layout *layout, const char *job, const struct eig_arrays *arrays, int lwork, int *info)
{
    const struct eig_type *type = &eig_of_type[layout->type];
    const int *m = &layout->m;
    if (type->of_real)
        type->of_real("N", job, m, arrays->a, m, arrays->w,
                      (char *)arrays->w + (size_t)layout->m * sheaf_type_size(layout->type), NULL, m, arrays->vectors,
                      m, arrays->work, &lwork, info, 1, 1);
    else
        type->of_complex("N", job, m, arrays->a, m, arrays->w, NULL, m, arrays->vectors, m, arrays->work, &lwork,
                         arrays->rwork, info, 1, 1);
}

/* The lwork that LAPACK itself would choose, or `least`. */
static int
eig_lwork(const struct eig_layout *layout, const char *job, int least)
{
    union workspace_answer dummy = {{0.0F, 0.0F}}, answer = {{0.0F, 0.0F}};
    struct eig_arrays arrays = {&dummy, &dummy, &dummy, &answer, &dummy};
    int info = 0;
    eig_call(layout, job, &arrays, -1, &info);
    return info == 0 ? workspace_length(layout->type, &answer, least) : least;
}

static bool
eig_lay_out(const struct sheaf_problem *problem, struct eig_layout *layout)
{
    /* Blocks of up to 64 rows, twice over, bound what LAPACK asks for, and computes in int. */
    enum { GREATEST_WORK = 4 + 2 * 64 };
    const struct sheaf_array *a = &problem->inputs[0];
    bool vectors = eig_has_vectors(problem);
    int narrow;
    memset(layout, 0, sizeof *layout);
    layout->type = a->type;
    if ((unsigned)a->type >= SHEAF_TYPE_COUNT || !eig_of_type[a->type].transpose)
        return false;
    if (!narrow_to_int(a->shape.extent[0], &layout->m) || !narrow_to_int((int64_t)layout->m * GREATEST_WORK, &narrow))
        return false;
    /* The page of DGEEV: at least 4 m; for complex matrices 2 m would do. */
    layout->lwork = eig_lwork(layout, vectors ? "V" : "N", 4 * layout->m);
    layout->lwork = eig_lwork(layout, "N", layout->lwork);

    int64_t m = layout->m, square = m * m;
    size_t element = sheaf_type_size(a->type), real = sheaf_type_size(element_real_type(a->type));
    layout->matrix_offset = workspace_reserve(&layout->bytes, square, element);
    layout->vectors_offset = workspace_reserve(&layout->bytes, vectors ? square : 0, element);
    layout->values_offset = workspace_reserve(&layout->bytes, 2 * m, real);
    layout->work_offset = workspace_reserve(&layout->bytes, layout->lwork, element);
    layout->rwork_offset = workspace_reserve(&layout->bytes, sheaf_type_is_complex(a->type) ? 2 * m : 0, real);
    return layout->bytes >= 0;
}

static int64_t
eig_workspace_bytes(const struct sheaf_problem *problem)
{
    struct eig_layout layout;
    return eig_lay_out(problem, &layout) ? layout.bytes : -1;
}

static void
eig_cost(const struct sheaf_problem *problem, struct sheaf_cost *cost)
{
    const struct sheaf_array *a = &problem->inputs[0];
    double m = (double)a->shape.extent[0];
    /* Golub and Van Loan, Matrix Computations, 4th ed., section 7.5.6: 10 m^3, with the Schur vectors 25 m^3; then
     * m^3 / 3 for the triangular systems and m^3 for the product that gives the eigenvectors. */
    double cubes = eig_has_vectors(problem) ? 25.0 + 4.0 / 3.0 : 10.0;
    cost->flops = (sheaf_type_is_complex(a->type) ? 4.0 : 1.0) * cubes * m * m * m;
    cost->bytes = 2.0 * m * m * (double)sheaf_type_size(a->type);
    /* The sweeps of the QR algorithm follow each other, and work on narrow bands. */
    cost->serial_fraction = 0.5;
    cost->greatest_width = m < 1000.0 ? 1 : 4;
}

static enum sheaf_status
eig_infer(struct sheaf_problem *problem, struct sheaf_error *error)
{
    (void)error;
    for (int i = 0; i < problem->output_count; i++)
        problem->outputs[i].type = element_complex_type(problem->inputs[0].type);
    return SHEAF_OK;
}

/* Write what LAPACK left in the workspace in the form of our outputs. */
static void
eig_unpack(const struct eig_layout *layout, const struct eig_arrays *arrays, void *w, void *v)
{
    const struct eig_type *type = &eig_of_type[layout->type];
    size_t row_bytes = (size_t)layout->m * sheaf_type_size(layout->type);
    const void *w_imaginary = (const char *)arrays->w + row_bytes;
    if (type->of_complex) {
        if (w)
            memcpy(w, arrays->w, row_bytes);
        if (v)
            type->transpose(layout->m, layout->m, arrays->vectors, v);
        return;
    }
    if (w)
        type->unpack_values(layout->m, arrays->w, w_imaginary, w);
    if (v)
        type->unpack_vectors(layout->m, arrays->vectors, w_imaginary, v);
}

static enum sheaf_task_status
eig_task(const struct eig_layout *layout, const void *a, void *w, void *v, void *workspace, int32_t *info)
{
    char *start = workspace;
    const struct eig_arrays arrays = {
        .a = start + layout->matrix_offset,
        .w = start + layout->values_offset,
        .vectors = start + layout->vectors_offset,
        .work = start + layout->work_offset,
        .rwork = start + layout->rwork_offset,
    };
    if (!is_finite(layout->type, a, (int64_t)layout->m * layout->m))
        return SHEAF_TASK_NOT_FINITE;
    eig_of_type[layout->type].transpose(layout->m, layout->m, a, arrays.a);
    eig_call(layout, v ? "V" : "N", &arrays, layout->lwork, info);
    if (*info != 0)
        return *info > 0 ? SHEAF_TASK_NOT_CONVERGED : SHEAF_TASK_KERNEL_FAILED;
    eig_unpack(layout, &arrays, w, v);
    return SHEAF_TASK_DONE;
}

static enum sheaf_status
eig_run(const struct sheaf_problem *problem, const struct sheaf_batch *batch)
{
    struct eig_layout layout;
    if (!eig_lay_out(problem, &layout))
        return SHEAF_INTERNAL;
    for (int64_t task = 0; task < batch->count; task++) {
        void *v = eig_has_vectors(problem) ? batch_output(batch, EIG_V, task) : NULL;
        batch->status[task] = (uint8_t)eig_task(&layout, batch_input(batch, 0, task), batch_output(batch, EIG_W, task),
                                                v, batch->workspace, &batch->info[task]);
    }
    return SHEAF_OK;
}

static const char *const eig_outputs[] = {"w", "v", NULL};
static const char *const eigvals_outputs[] = {"w", NULL};

const struct sheaf_kernel kernel_eig = {
    .abi = SHEAF_KERNEL_ABI,
    .bytes = sizeof(struct sheaf_kernel),
    .name = "eig",
    .text = "eigenvalues and right eigenvectors of a square matrix, complex",
    .documentation =
        "A V = V diag(w). 26.3 m^3 flops (complex: 105 m^3; Golub and Van Loan, section 7.5.6, and the vectors).\n"
        "LAPACK geev, of a transposed copy.\n"
        "As numpy.linalg.eig, but w and v are always complex: c64 for f32 and c64, c128 for f64 and c128. Column j of "
        "v\n"
        "belongs to w[j] and has 2-norm 1; of a complex vector the largest component is real; a real vector's sign is\n"
        "LAPACK's. The order of w is LAPACK's; of a real matrix, conjugate pairs stand together, positive imaginary "
        "part\n"
        "first, and their vectors are conjugate. A defective matrix gives vectors that are (nearly) dependent. Without "
        "v\n"
        "only eigenvalues are computed, another way: their order and last bits may differ. A matrix that is not "
        "finite,\n"
        "or (info > 0) does not converge, fails by itself.\n",
    .signature = "(m,m)->(m),(m,m)",
    .output_names = eig_outputs,
    .accepts = SHEAF_TYPES_FLOATING,
    .width_kind = SHEAF_WIDTH_BLAS,
    .infer = eig_infer,
    .cost = eig_cost,
    .workspace_bytes = eig_workspace_bytes,
    .run = eig_run,
};

const struct sheaf_kernel kernel_eigvals = {
    .abi = SHEAF_KERNEL_ABI,
    .bytes = sizeof(struct sheaf_kernel),
    .name = "eigvals",
    .text = "eigenvalues of a square matrix, complex",
    .documentation =
        "w of A V = V diag(w). 10 m^3 flops (complex: 40 m^3; Golub and Van Loan, section 7.5.6). LAPACK geev, of a\n"
        "transposed copy.\n"
        "As numpy.linalg.eigvals, but w is always complex: c64 for f32 and c64, c128 for f64 and c128. The order is\n"
        "LAPACK's; of a real matrix, conjugate pairs stand together, positive imaginary part first. A matrix that is\n"
        "not finite, or (info > 0) does not converge, fails by itself.\n",
    .signature = "(m,m)->(m)",
    .output_names = eigvals_outputs,
    .accepts = SHEAF_TYPES_FLOATING,
    .width_kind = SHEAF_WIDTH_BLAS,
    .infer = eig_infer,
    .cost = eig_cost,
    .workspace_bytes = eig_workspace_bytes,
    .run = eig_run,
};
