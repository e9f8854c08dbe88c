/*
 * The determinant, and its sign and logarithm, by LU factors: getrf. LAPACK takes our row-major A for A^T, whose
 * determinant is the same. Small matrices are factored several at a time (compact.h).
 */
#include "batch.h"
#include "compact.h"
#include "element.h"
#include "finite.h"
#include "lapack.h"
#include "narrow.h"
#include "workspace.h"

#include <float.h>
#include <math.h>

static lapack_getrf *const getrf_of_type[SHEAF_TYPE_COUNT] = {
    [SHEAF_F32] = sgetrf_, [SHEAF_F64] = dgetrf_, [SHEAF_C64] = cgetrf_, [SHEAF_C128] = zgetrf_};

struct det_layout {
    enum sheaf_type type;
    int m;
    bool is_compact;
    struct compact compact;
    size_t matrix_offset, pivots_offset;
    size_t factors_offset, compact_offset; /* where is_compact: the factors of a determinant each, and compact's own */
    int64_t bytes;
};

/* mantissa * 2^exponent: the product of a diagonal passes any floating-point type's range before its result does. */
struct product {
    double complex mantissa; /* 0, or once product_finish is done its larger part is in [1/2, 1) */
    int64_t exponent;
};

static bool
det_lay_out(const struct sheaf_problem *problem, struct det_layout *layout)
{
    const struct sheaf_array *a = &problem->inputs[0];
    memset(layout, 0, sizeof *layout);
    layout->type = a->type;
    if ((unsigned)a->type >= SHEAF_TYPE_COUNT || !getrf_of_type[a->type] ||
        !narrow_to_int(a->shape.extent[0], &layout->m))
        return false;
    layout->matrix_offset = workspace_reserve(&layout->bytes, (int64_t)layout->m * layout->m, sheaf_type_size(a->type));
    layout->pivots_offset = workspace_reserve(&layout->bytes, layout->m, sizeof(int));
    layout->compact = (struct compact){.operation = COMPACT_PIVOTS, .type = a->type, .m = layout->m};
    layout->is_compact = compact_applies(&layout->compact);
    if (layout->is_compact) {
        layout->factors_offset =
            workspace_reserve(&layout->bytes, (int64_t)layout->m * COMPACT_GREATEST_LANES, sheaf_type_size(a->type));
        layout->compact_offset = workspace_reserve(&layout->bytes, compact_workspace_bytes(&layout->compact), 1);
    }
    return layout->bytes >= 0;
}

static int64_t
det_workspace_bytes(const struct sheaf_problem *problem)
{
    struct det_layout layout;
    return det_lay_out(problem, &layout) ? layout.bytes : -1;
}

static void
det_cost(const struct sheaf_problem *problem, struct sheaf_cost *cost)
{
    const struct sheaf_array *a = &problem->inputs[0];
    double m = (double)a->shape.extent[0];
    /* LAPACK Working Note 41, appendix C: getrf 2/3 m^3. */
    cost->flops = (sheaf_type_is_complex(a->type) ? 8.0 : 2.0) / 3.0 * m * m * m;
    cost->bytes = 2.0 * m * m * (double)sheaf_type_size(a->type); /* the copy */
    cost->serial_fraction = 0.05;
}

/* Scale a number so that its larger part is in [1/2, 1). @return the exponent taken out; 0 for 0 */
static int
take_exponent(double complex *z)
{
    int exponent;
    (void)frexp(fmax(fabs(creal(*z)), fabs(cimag(*z))), &exponent);
    *z = CMPLX(ldexp(creal(*z), -exponent), ldexp(cimag(*z), -exponent));
    return exponent;
}

/* Whether the product of two such numbers is far from the ends of the range. */
static bool
is_moderate(double complex z)
{
    double size = fmax(fabs(creal(z)), fabs(cimag(z)));
    return size > 0x1p-400 && size < 0x1p400;
}

static void
product_multiply(struct product *product, double complex factor)
{
    if (!is_moderate(product->mantissa) || !is_moderate(factor)) {
        product->exponent += take_exponent(&product->mantissa);
        product->exponent += take_exponent(&factor);
    }
    product->mantissa *= factor;
}

static void
product_finish(struct product *product)
{
    product->exponent += take_exponent(&product->mantissa);
}

/* The determinant from getrf's factors: the diagonal's product, its sign changed by every exchange of rows. */
static struct product
multiply_diagonal(const struct det_layout *layout, const void *matrix, const int *pivots)
{
    struct product product = {.mantissa = 1.0};
    int64_t m = layout->m;
    bool negative = false;
    for (int64_t i = 0; i < m; i++) {
        product_multiply(&product, element_get(layout->type, matrix, i * m + i));
        negative ^= pivots[i] != i + 1;
    }
    if (negative)
        product.mantissa = -product.mantissa;
    product_finish(&product);
    return product;
}

/* Factor what stands in the workspace. @return 0 or LAPACK's info where it is negative */
static int
factor(const struct det_layout *layout, char *workspace, struct product *det)
{
    void *matrix = workspace + layout->matrix_offset;
    int *pivots = (int *)(workspace + layout->pivots_offset), info = 0;
    getrf_of_type[layout->type](&layout->m, &layout->m, matrix, &layout->m, pivots, &info);
    if (info < 0)
        return info;
    /* A zero pivot is an answer here: behind it LAPACK's factors mean nothing. */
    *det = info > 0 ? (struct product){.mantissa = 0.0} : multiply_diagonal(layout, matrix, pivots);
    return 0;
}

/*
 * Copy a matrix, multiplied by the power of two that puts its largest part at the middle of the type's upper half: from
 * there factors have room to grow, and pivots to be small.
 * @return false where a number was not only scaled, but rounded
 */
static bool
copy_scaled(const struct det_layout *layout, const void *a, void *copy, int *exponent)
{
    int64_t count = (int64_t)layout->m * layout->m;
    double greatest = 0.0;
    bool exact = true;
    for (int64_t i = 0; i < count; i++) {
        double complex z = element_get(layout->type, a, i);
        greatest = fmax(greatest, fmax(fabs(creal(z)), fabs(cimag(z))));
    }
    (void)frexp(greatest, exponent);
    *exponent -= (element_real_type(layout->type) == SHEAF_F32 ? FLT_MAX_EXP : DBL_MAX_EXP) / 2;
    for (int64_t i = 0; i < count; i++) {
        double complex z = element_get(layout->type, a, i);
        element_set(layout->type, copy, i, CMPLX(ldexp(creal(z), -*exponent), ldexp(cimag(z), -*exponent)));
        double complex scaled = element_get(layout->type, copy, i);
        exact = exact && ldexp(creal(scaled), *exponent) == creal(z) && ldexp(cimag(scaled), *exponent) == cimag(z);
    }
    return exact;
}

static bool
product_is_finite(const struct product *product)
{
    return isfinite(creal(product->mantissa)) && isfinite(cimag(product->mantissa));
}

static enum sheaf_task_status
det_task(const struct det_layout *layout, const void *a, char *workspace, struct product *det, int32_t *info)
{
    void *matrix = workspace + layout->matrix_offset;
    int64_t count = (int64_t)layout->m * layout->m;
    if (!is_finite(layout->type, a, count))
        return SHEAF_TASK_NOT_FINITE;
    memcpy(matrix, a, (size_t)count * sheaf_type_size(layout->type));
    *info = factor(layout, workspace, det);
    /* Near the ends of the type's range factors, or a pivot's reciprocal, overflow: once more, in the middle of it. */
    if (*info == 0 && !product_is_finite(det)) {
        int exponent;
        if (!copy_scaled(layout, a, matrix, &exponent))
            return SHEAF_TASK_KERNEL_FAILED;
        *info = factor(layout, workspace, det);
        det->exponent += (int64_t)exponent * layout->m;
    }
    return *info == 0 && product_is_finite(det) ? SHEAF_TASK_DONE : SHEAF_TASK_KERNEL_FAILED;
}

/*
 * The product of a determinant's factors.
 * @return false where it is none: factors overflowed, or one is so small that it may have been rounded as a subnormal number
 */
static bool
multiply_factors(const struct det_layout *layout, const void *factors, struct product *det)
{
    const bool single = element_real_type(layout->type) == SHEAF_F32;
    const double least = single ? (double)FLT_MIN / (double)FLT_EPSILON : DBL_MIN / DBL_EPSILON;
    bool precise = true;
    *det = (struct product){.mantissa = 1.0};
    for (int64_t i = 0; i < layout->m; i++) {
        double complex factor = element_get(layout->type, factors, i);
        precise = precise && fmax(fabs(creal(factor)), fabs(cimag(factor))) >= least;
        product_multiply(det, factor);
    }
    product_finish(det);
    return precise && product_is_finite(det);
}

/* Tasks [first, first + count), at most COMPACT_GREATEST_LANES. */
static void
det_small(const struct det_layout *layout, const struct sheaf_batch *batch, int64_t first, int64_t count,
          struct product *dets)
{
    const size_t factors_bytes = (size_t)layout->m * sheaf_type_size(layout->type);
    char *workspace = batch->workspace, *factors = workspace + layout->factors_offset;
    const struct sheaf_batch part = {.count = count,
                                     .inputs = {batch_input(batch, 0, first)},
                                     .input_strides = {batch->input_strides[0]},
                                     .outputs = {factors},
                                     .output_strides = {factors_bytes},
                                     .status = batch->status + first,
                                     .info = batch->info + first,
                                     .workspace = workspace + layout->compact_offset};
    compact_run(&layout->compact, &part);
    for (int64_t task = 0; task < count; task++) {
        const bool is_zero = part.status[task] == SHEAF_TASK_SINGULAR;
        if (part.status[task] == SHEAF_TASK_NOT_FINITE)
            continue;
        part.info[task] = 0;
        part.status[task] = SHEAF_TASK_DONE;
        if (is_zero)
            dets[task] = (struct product){.mantissa = 0.0};
        else if (!multiply_factors(layout, factors + (size_t)task * factors_bytes, &dets[task]))
            part.status[task] =
                (uint8_t)det_task(layout, batch_input(&part, 0, task), workspace, &dets[task], &part.info[task]);
    }
}

/* Write a determinant as a kernel's outputs. */
typedef void det_write(const struct det_layout *layout, const struct sheaf_batch *batch, int64_t task,
                       const struct product *det);

static enum sheaf_status
run(const struct sheaf_problem *problem, const struct sheaf_batch *batch, det_write *write)
{
    struct det_layout layout;
    struct product dets[COMPACT_GREATEST_LANES] = {{.mantissa = 0.0}};
    if (!det_lay_out(problem, &layout))
        return SHEAF_INTERNAL;
    const int64_t step = layout.is_compact ? COMPACT_GREATEST_LANES : 1;
    for (int64_t first = 0; first < batch->count; first += step) {
        const int64_t count = batch->count - first < step ? batch->count - first : step;
        if (layout.is_compact)
            det_small(&layout, batch, first, count, dets);
        else
            batch->status[first] =
                (uint8_t)det_task(&layout, batch_input(batch, 0, first), batch->workspace, dets, &batch->info[first]);
        for (int64_t i = 0; i < count; i++)
            if (batch->status[first + i] == SHEAF_TASK_DONE)
                write(&layout, batch, first + i, &dets[i]);
    }
    return SHEAF_OK;
}

static double
scale(double x, int64_t exponent)
{
    /* Beyond these, every double is 0 or infinity. */
    return ldexp(x, (int)(exponent > 5000 ? 5000 : exponent < -5000 ? -5000 : exponent));
}

static void
write_det(const struct det_layout *layout, const struct sheaf_batch *batch, int64_t task, const struct product *det)
{
    void *result = batch_output(batch, 0, task);
    if (result)
        element_set(layout->type, result, 0,
                    CMPLX(scale(creal(det->mantissa), det->exponent), scale(cimag(det->mantissa), det->exponent)));
}

static enum sheaf_status
det_run(const struct sheaf_problem *problem, const struct sheaf_batch *batch)
{
    return run(problem, batch, write_det);
}

static enum sheaf_status
slogdet_infer(struct sheaf_problem *problem, struct sheaf_error *error)
{
    (void)error;
    problem->outputs[1].type = element_real_type(problem->inputs[0].type);
    return SHEAF_OK;
}

static void
write_slogdet(const struct det_layout *layout, const struct sheaf_batch *batch, int64_t task, const struct product *det)
{
    void *sign = batch_output(batch, 0, task), *logarithm = batch_output(batch, 1, task);
    double size = cabs(det->mantissa);
    if (sign)
        element_set(layout->type, sign, 0, size > 0.0 ? det->mantissa / size : 0.0);
    if (logarithm)
        element_set(element_real_type(layout->type), logarithm, 0, log(size) + (double)det->exponent * M_LN2);
}

static enum sheaf_status
slogdet_run(const struct sheaf_problem *problem, const struct sheaf_batch *batch)
{
    return run(problem, batch, write_slogdet);
}

static const char *const det_outputs[] = {"result", NULL};
static const char *const slogdet_outputs[] = {"sign", "logabsdet", NULL};

const struct sheaf_kernel kernel_det = {
    .abi = SHEAF_KERNEL_ABI,
    .bytes = sizeof(struct sheaf_kernel),
    .name = "det",
    .text = "determinant of a square matrix",
    .documentation =
        "det(A). 2/3 m^3 flops (complex: 8/3 m^3). LAPACK getrf; the diagonal's product is kept in range by an "
        "exponent\n"
        "of its own, so that only the result itself can overflow (to infinity) or underflow (to 0). Up to m = 32 "
        "(c128:\n"
        "16) its own LU with partial pivoting, several matrices in a vector register.\n"
        "As numpy.linalg.det. A singular matrix gives 0 and does not fail. One that is not finite fails by itself, and "
        "so\n"
        "(kernel failed) does one whose numbers and pivots span the type's whole range.\n",
    .signature = "(m,m)->()",
    .output_names = det_outputs,
    .accepts = SHEAF_TYPES_FLOATING,
    .width_kind = SHEAF_WIDTH_BLAS,
    .cost = det_cost,
    .workspace_bytes = det_workspace_bytes,
    .run = det_run,
};

const struct sheaf_kernel kernel_slogdet = {
    .abi = SHEAF_KERNEL_ABI,
    .bytes = sizeof(struct sheaf_kernel),
    .name = "slogdet",
    .text = "sign and natural logarithm of the determinant",
    .documentation =
        "det(A) = sign exp(logabsdet). 2/3 m^3 flops (complex: 8/3 m^3). LAPACK getrf, or for small A as det does it.\n"
        "As numpy.linalg.slogdet: sign is 1 or -1, of a complex matrix a complex number of size 1; a singular matrix\n"
        "gives sign 0 and logabsdet -infinity and does not fail. One that is not finite fails by itself, and so "
        "(kernel\n"
        "failed) does one whose numbers and pivots span the type's whole range.\n",
    .signature = "(m,m)->(),()",
    .output_names = slogdet_outputs,
    .accepts = SHEAF_TYPES_FLOATING,
    .width_kind = SHEAF_WIDTH_BLAS,
    .infer = slogdet_infer,
    .cost = det_cost,
    .workspace_bytes = det_workspace_bytes,
    .run = slogdet_run,
};
