/* The covariance matrix of variables in rows: a centred copy, and half the flops of a product, by syrk and herk. */
#include "batch.h"
#include "mirror.h"
#include "narrow.h"
#include "workspace.h"

#include <cblas.h>
#include <inttypes.h>

/* Enough sums side by side to hide the latency of an addition, and each of them an eighth as long. */
enum { CENTRE_LANES = 8 };

#define CENTRE_NAME centre_f32
#define CENTRE_SUMS centre_sums_f32
#define CENTRE_TYPE float
#include "centre_type.h"

#define CENTRE_NAME centre_f64
#define CENTRE_SUMS centre_sums_f64
#define CENTRE_TYPE double
#include "centre_type.h"

/* X is (m,n), centred; fills the upper triangle of C = factor X X^H, (m,m). */
typedef void rank_k_function(int m, int n, double factor, const void *x, void *c);

static void
syrk_f32(int m, int n, double factor, const void *x, void *c)
{
    cblas_ssyrk(CblasRowMajor, CblasUpper, CblasNoTrans, m, n, (float)factor, x, n, 0.0F, c, m);
}

static void
syrk_f64(int m, int n, double factor, const void *x, void *c)
{
    cblas_dsyrk(CblasRowMajor, CblasUpper, CblasNoTrans, m, n, factor, x, n, 0.0, c, m);
}

static void
herk_c64(int m, int n, double factor, const void *x, void *c)
{
    cblas_cherk(CblasRowMajor, CblasUpper, CblasNoTrans, m, n, (float)factor, x, n, 0.0F, c, m);
}

static void
herk_c128(int m, int n, double factor, const void *x, void *c)
{
    cblas_zherk(CblasRowMajor, CblasUpper, CblasNoTrans, m, n, factor, x, n, 0.0, c, m);
}

static const struct cov_type {
    void (*centre)(const void *in, void *out, int64_t columns, int parts);
    int parts; /* real numbers in an element */
    rank_k_function *fill_upper;
    mirror_function *mirror;
} cov_of_type[SHEAF_TYPE_COUNT] = {
    [SHEAF_F32] = {centre_f32, 1, syrk_f32, mirror_f32},
    [SHEAF_F64] = {centre_f64, 1, syrk_f64, mirror_f64},
    [SHEAF_C64] = {centre_f32, 2, herk_c64, mirror_c64},
    [SHEAF_C128] = {centre_f64, 2, herk_c128, mirror_c128},
};

enum { COV_DDOF };

static const struct sheaf_parameter cov_parameters[] = {
    [COV_DDOF] = {.name = "ddof",
                  .text = "divide by the number of observations minus this",
                  .kind = SHEAF_PARAMETER_INTEGER,
                  .initial.integer = 1,
                  .least.integer = 0,
                  .greatest.integer = INT32_MAX},
};

static enum sheaf_status
cov_infer(struct sheaf_problem *problem, struct sheaf_error *error)
{
    int64_t n = problem->inputs[0].shape.extent[1], ddof = problem->parameters[COV_DDOF].integer;
    if (n - ddof <= 0)
        return sheaf_fail(error, SHEAF_BAD_DATA,
                          "cov: %" PRId64 " observation%s (columns) a task and ddof %" PRId64
                          " leave no degree of freedom; ddof must be less than the columns (rows are variables)",
                          n, n == 1 ? "" : "s", ddof);
    return SHEAF_OK;
}

static void
cov_cost(const struct sheaf_problem *problem, struct sheaf_cost *cost)
{
    const struct sheaf_array *a = &problem->inputs[0];
    double m = (double)a->shape.extent[0], n = (double)a->shape.extent[1], size = (double)sheaf_type_size(a->type);
    bool is_complex = sheaf_type_is_complex(a->type);
    cost->flops = (is_complex ? 4.0 : 1.0) * n * m * (m + 1.0) + (is_complex ? 8.0 : 4.0) * m * n;
    cost->bytes = (4.0 * m * n + m * m) * size; /* the centred copy, twice written and read; the mirror */
    cost->serial_fraction = 0.1;
}

static int64_t
cov_workspace_bytes(const struct sheaf_problem *problem)
{
    int64_t bytes;
    return sheaf_shape_bytes(&problem->inputs[0].shape, problem->inputs[0].type, &bytes) ? bytes : -1;
}

static enum sheaf_status
cov_run(const struct sheaf_problem *problem, const struct sheaf_batch *batch)
{
    const struct sheaf_array *a = &problem->inputs[0];
    const struct cov_type *type = &cov_of_type[a->type];
    int m, n;
    if (!type->centre || !narrow_to_int(a->shape.extent[0], &m) || !narrow_to_int(a->shape.extent[1], &n))
        return SHEAF_INTERNAL;
    const double factor = 1.0 / (double)(n - problem->parameters[COV_DDOF].integer);
    const size_t row_bytes = (size_t)n * sheaf_type_size(a->type);
    for (int64_t task = 0; task < batch->count; task++) {
        const char *in = batch_input(batch, 0, task);
        char *centred = batch->workspace;
        for (size_t row = 0; row < (size_t)m; row++)
            type->centre(in + row * row_bytes, centred + row * row_bytes, n, type->parts);
        void *c = batch_output(batch, 0, task);
        type->fill_upper(m, n, factor, centred, c);
        type->mirror(c, m);
    }
    return SHEAF_OK;
}

static const char *const cov_outputs[] = {"result", NULL};

const struct sheaf_kernel kernel_cov = {
    .abi = SHEAF_KERNEL_ABI,
    .bytes = sizeof(struct sheaf_kernel),
    .name = "cov",
    .text = "covariance matrix of variables in rows, exactly symmetric or Hermitian",
    .documentation = "C_ij = sum over k of (x_ik - mean_i) conj(x_jk - mean_j) / (n - ddof): rows are variables,\n"
                     "columns observations. m n (m + 5) flops (complex: 4 m n (m + 3)). A centred copy, BLAS syrk\n"
                     "or herk, then the other triangle is copied: C is exactly symmetric or Hermitian, its diagonal\n"
                     "real.\n"
                     "As numpy.cov, whose ddof is 1 unless said, but of the input's type (NumPy widens f32 and\n"
                     "c64), and always a matrix, (1,1) for one variable. No more columns than ddof: refused. NaN\n"
                     "and infinity in a row spread to its row and column of C; no task fails.\n",
    .signature = "(m,n)->(m,m)",
    .output_names = cov_outputs,
    .accepts = SHEAF_TYPES_FLOATING,
    .parameters = cov_parameters,
    .parameter_count = sizeof cov_parameters / sizeof cov_parameters[0],
    .width_kind = SHEAF_WIDTH_BLAS,
    .infer = cov_infer,
    .cost = cov_cost,
    .workspace_bytes = cov_workspace_bytes,
    .run = cov_run,
};
