/*
 * The inverse, by LU factors: getrf and getri, or for small matrices the same steps on several at a time (compact.h). LAPACK takes our row-major A for A^T and returns
 * inv(A^T) = inv(A)^T, which read by rows is inv(A): no transpose is needed.
 */
#include "compact.h"
#include "finite.h"
#include "lapack.h"
#include "narrow.h"
#include "sheaf/kernel.h"

static const struct inv_type {
    lapack_getrf *getrf;
    lapack_getri *getri;
} inv_of_type[SHEAF_TYPE_COUNT] = {
    [SHEAF_F32] = {sgetrf_, sgetri_},
    [SHEAF_F64] = {dgetrf_, dgetri_},
    [SHEAF_C64] = {cgetrf_, cgetri_},
    [SHEAF_C128] = {zgetrf_, zgetri_},
};

/* The workspace: pivots, (m) ints, then getri's work, from the next multiple of 64 bytes on. */
struct inv_layout {
    int m;
    int lwork; /* elements */
    size_t work_offset, bytes;
};

/*
 * getri's best block width. Asked for m = 1, where its answer, m times the width, is the width: the
 * answer for a large m comes back through an int and, for f32, a float.
 */
static int
getri_block_width(enum sheaf_type type)
{
    const int one = 1, query = -1;
    int pivot = 1, info = 0;
    union {
        float f32[2];
        double f64[2];
    } matrix = {{1.0F, 0.0F}}, work = {{0.0F, 0.0F}};
    inv_of_type[type].getri(&one, &matrix, &one, &pivot, &work, &query, &info);
    double width = type == SHEAF_F32 || type == SHEAF_C64 ? (double)work.f32[0] : work.f64[0];
    return info == 0 && width >= 1.0 && width <= 4096.0 ? (int)width : 1;
}

/* @return false where the sizes do not fit LAPACK's int */
static bool
inv_lay_out(const struct sheaf_problem *problem, struct inv_layout *layout)
{
    const struct sheaf_array *a = &problem->inputs[0];
    if (!narrow_to_int(a->shape.extent[0], &layout->m))
        return false;
    if (!narrow_to_int((int64_t)layout->m * getri_block_width(a->type), &layout->lwork))
        return false;
    layout->work_offset = ((size_t)layout->m * sizeof(int) + 63) / 64 * 64;
    layout->bytes = layout->work_offset + (size_t)layout->lwork * sheaf_type_size(a->type);
    return true;
}

static struct compact
inv_compact(const struct sheaf_problem *problem)
{
    const struct sheaf_array *a = &problem->inputs[0];
    return (struct compact){.operation = COMPACT_INV, .type = a->type, .m = a->shape.extent[0]};
}

static int64_t
inv_workspace_bytes(const struct sheaf_problem *problem)
{
    const struct compact compact = inv_compact(problem);
    struct inv_layout layout;
    if (compact_applies(&compact))
        return compact_workspace_bytes(&compact);
    return inv_lay_out(problem, &layout) ? (int64_t)layout.bytes : -1;
}

static void
inv_cost(const struct sheaf_problem *problem, struct sheaf_cost *cost)
{
    const struct sheaf_array *a = &problem->inputs[0];
    double m = (double)a->shape.extent[0];
    /* LAPACK Working Note 41, appendix C: getrf 2/3 m^3, getri 4/3 m^3. */
    cost->flops = (sheaf_type_is_complex(a->type) ? 8.0 : 2.0) * m * m * m;
    cost->bytes = 2.0 * m * m * (double)sheaf_type_size(a->type); /* getri passes once more over the output */
    cost->serial_fraction = 0.05;
}

/* Invert the matrix at x in place. */
static enum sheaf_task_status
inv_task(const struct inv_type *type, const struct inv_layout *layout, void *x, char *workspace, int32_t *info)
{
    int *pivots = (int *)workspace;
    type->getrf(&layout->m, &layout->m, x, &layout->m, pivots, info);
    if (*info == 0)
        type->getri(&layout->m, x, &layout->m, pivots, workspace + layout->work_offset, &layout->lwork, info);
    if (*info > 0)
        return SHEAF_TASK_SINGULAR;
    return *info < 0 ? SHEAF_TASK_KERNEL_FAILED : SHEAF_TASK_DONE;
}

static enum sheaf_status
inv_run(const struct sheaf_problem *problem, const struct sheaf_batch *batch)
{
    const struct sheaf_array *a = &problem->inputs[0];
    const struct inv_type *type = &inv_of_type[a->type];
    const struct compact compact = inv_compact(problem);
    struct inv_layout layout;
    if (compact_applies(&compact)) {
        compact_run(&compact, batch);
        return SHEAF_OK;
    }
    if (!type->getrf || !inv_lay_out(problem, &layout))
        return SHEAF_INTERNAL;
    int64_t elements = (int64_t)layout.m * layout.m;
    size_t bytes = (size_t)elements * sheaf_type_size(a->type);
    for (int64_t task = 0; task < batch->count; task++) {
        const void *source = (const char *)batch->inputs[0] + (size_t)task * batch->input_strides[0];
        void *x = (char *)batch->outputs[0] + (size_t)task * batch->output_strides[0];
        if (!is_finite(a->type, source, elements)) {
            batch->status[task] = SHEAF_TASK_NOT_FINITE;
            continue;
        }
        memcpy(x, source, bytes);
        batch->status[task] = (uint8_t)inv_task(type, &layout, x, batch->workspace, &batch->info[task]);
    }
    return SHEAF_OK;
}

static const char *const inv_outputs[] = {"result", NULL};

const struct sheaf_kernel kernel_inv = {
    .abi = SHEAF_KERNEL_ABI,
    .bytes = sizeof(struct sheaf_kernel),
    .name = "inv",
    .text = "inverse of a square matrix",
    .documentation =
        "X = A^-1. 2 m^3 flops (complex: 8 m^3). LAPACK getrf and getri; rows for columns, which is exact for "
        "inverses.\n"
        "Up to m = 32 (c128: 16) its own LU with partial pivoting, several matrices in a vector register, with the "
        "same\n"
        "bits on any CPU.\n"
        "As numpy.linalg.inv, but a singular matrix (info: the first zero pivot, from 1) or one that is not finite\n"
        "fails by itself. A matrix that is nearly singular gives a result, and no warning.\n",
    .signature = "(m,m)->(m,m)",
    .output_names = inv_outputs,
    .accepts = SHEAF_TYPES_FLOATING,
    .width_kind = SHEAF_WIDTH_BLAS,
    .cost = inv_cost,
    .workspace_bytes = inv_workspace_bytes,
    .run = inv_run,
};
