#include "gesdd.h"

#include "element.h"
#include "finite.h"
#include "lapack.h"
#include "narrow.h"
#include "workspace.h"

/* No blocked routine of LAPACK asks for more than this many rows of work. */
enum { GREATEST_BLOCK = 64 };

static const struct gesdd_type {
    lapack_gesdd_real *of_real;
    lapack_gesdd_complex *of_complex;
} gesdd_of_type[SHEAF_TYPE_COUNT] = {
    [SHEAF_F32] = {.of_real = sgesdd_},
    [SHEAF_F64] = {.of_real = dgesdd_},
    [SHEAF_C64] = {.of_complex = cgesdd_},
    [SHEAF_C128] = {.of_complex = zgesdd_},
};

/* The arrays of one call. */
struct gesdd_arrays {
    void *a, *u, *s, *vt, *work, *rwork;
    int *iwork;
};

/*
 * LAPACK takes our (m, n) for the (n, m) A^T = V S U^T: its U, read by rows, is our vt, and its V^H, read
 * by rows, is our u. That is exact for complex matrices too: nothing has to be conjugated.
 */
static void
gesdd_call(const struct gesdd *gesdd, const char *job, const struct gesdd_arrays *arrays, int lwork, int *info)
{
    const struct gesdd_type *type = &gesdd_of_type[gesdd->type];
    const int *rows = &gesdd->n, *columns = &gesdd->m;
    if (type->of_real)
        type->of_real(job, rows, columns, arrays->a, rows, arrays->s, arrays->vt, rows, arrays->u, &gesdd->k,
                      arrays->work, &lwork, arrays->iwork, info, 1);
    else
        type->of_complex(job, rows, columns, arrays->a, rows, arrays->s, arrays->vt, rows, arrays->u, &gesdd->k,
                         arrays->work, &lwork, arrays->rwork, arrays->iwork, info, 1);
}

/* The lwork that LAPACK itself would choose, or `least`. */
static int
gesdd_lwork(const struct gesdd *gesdd, const char *job, int least)
{
    union workspace_answer dummy = {{0.0F, 0.0F}}, answer = {{0.0F, 0.0F}};
    int iwork = 0, info = 0;
    struct gesdd_arrays arrays = {&dummy, &dummy, &dummy, &dummy, &answer, &dummy, &iwork};
    gesdd_call(gesdd, job, &arrays, -1, &info);
    return info == 0 ? workspace_length(gesdd->type, &answer, least) : least;
}

/*
 * The least lwork and lrwork, in elements, as the pages of xGESDD give them; computed in double, where no extent
 * overflows.
 */
static void
gesdd_least_work(const struct gesdd *gesdd, bool vectors, double *lwork, double *lrwork)
{
    bool is_complex = sheaf_type_is_complex(gesdd->type);
    double k = gesdd->k, longer = gesdd->m > gesdd->n ? gesdd->m : gesdd->n;
    *lwork = is_complex ? 2.0 * k + longer : 3.0 * k + (longer > 7.0 * k ? longer : 7.0 * k);
    *lrwork = is_complex ? 7.0 * k : 0.0;
    if (!vectors)
        return;
    double for_vectors = is_complex ? k * k + 3.0 * k : 4.0 * k * k + 7.0 * k;
    *lwork = for_vectors > *lwork ? for_vectors : *lwork;
    if (!is_complex)
        return;
    double square = 5.0 * k * k + 7.0 * k, wide = 2.0 * longer * k + 2.0 * k * k + k;
    /* From 17/9 on, LAPACK starts with a QR decomposition, and the rest is square. */
    *lrwork = longer < 2.0 * k && wide > square ? wide : square;
}

bool
gesdd_prepare(enum sheaf_type type, int64_t m, int64_t n, bool vectors, struct gesdd *gesdd)
{
    double lwork, lrwork;
    int narrow;
    memset(gesdd, 0, sizeof *gesdd);
    if ((unsigned)type >= SHEAF_TYPE_COUNT || !(SHEAF_TYPES_FLOATING & SHEAF_TYPE_BIT(type)))
        return false;
    if (!narrow_to_int(m, &gesdd->m) || !narrow_to_int(n, &gesdd->n) ||
        !narrow_to_int((m + n) * GREATEST_BLOCK, &narrow))
        return false;
    gesdd->type = type;
    gesdd->k = gesdd->m < gesdd->n ? gesdd->m : gesdd->n;
    gesdd_least_work(gesdd, vectors, &lwork, &lrwork);
    if (lwork > INT_MAX || lrwork > INT_MAX)
        return false;
    gesdd->lwork = gesdd_lwork(gesdd, "N", (int)lwork);
    if (vectors)
        gesdd->lwork = gesdd_lwork(gesdd, "S", gesdd->lwork);

    size_t element = sheaf_type_size(type), real = sheaf_type_size(element_real_type(type));
    gesdd->matrix_offset = workspace_reserve(&gesdd->bytes, m * n, element);
    gesdd->vectors_offset = workspace_reserve(&gesdd->bytes, vectors ? m * n : 0, element);
    gesdd->values_offset = workspace_reserve(&gesdd->bytes, gesdd->k, real);
    gesdd->work_offset = workspace_reserve(&gesdd->bytes, gesdd->lwork, element);
    gesdd->rwork_offset = workspace_reserve(&gesdd->bytes, (int64_t)lrwork, real);
    gesdd->iwork_offset = workspace_reserve(&gesdd->bytes, 8 * (int64_t)gesdd->k, sizeof(int));
    return gesdd->bytes >= 0;
}

enum sheaf_task_status
gesdd_compute(const struct gesdd *gesdd, const void *a, void *u, void *s, void *vt, void *workspace, int32_t *info)
{
    char *start = workspace;
    struct gesdd_arrays arrays = {
        .a = start + gesdd->matrix_offset,
        /* LAPACK computes both or none; at most one is missing, and either fits. */
        .u = u ? u : start + gesdd->vectors_offset,
        .vt = vt ? vt : start + gesdd->vectors_offset,
        .s = s ? s : start + gesdd->values_offset,
        .work = start + gesdd->work_offset,
        .rwork = start + gesdd->rwork_offset,
        .iwork = (int *)(start + gesdd->iwork_offset),
    };
    int64_t count = (int64_t)gesdd->m * gesdd->n;
    if (!is_finite(gesdd->type, a, count))
        return SHEAF_TASK_NOT_FINITE;
    memcpy(arrays.a, a, (size_t)count * sheaf_type_size(gesdd->type));
    gesdd_call(gesdd, u || vt ? "S" : "N", &arrays, gesdd->lwork, info);
    if (*info == 0)
        return SHEAF_TASK_DONE;
    return *info > 0 ? SHEAF_TASK_NOT_CONVERGED : SHEAF_TASK_KERNEL_FAILED;
}

double
gesdd_value(const struct gesdd *gesdd, const void *workspace, int index)
{
    return creal(element_get(element_real_type(gesdd->type), (const char *)workspace + gesdd->values_offset, index));
}

void
gesdd_cost(const struct sheaf_array *a, bool vectors, struct sheaf_cost *cost)
{
    double m = (double)a->shape.extent[0], n = (double)a->shape.extent[1];
    double longer = m > n ? m : n, k = m > n ? n : m, cube = k * k * k, product = longer * k * k;
    double direct = vectors ? 14.0 * product + 8.0 * cube : 4.0 * product - 4.0 / 3.0 * cube;
    double by_qr = vectors ? 6.0 * product + 20.0 * cube : 2.0 * product + 2.0 * cube;
    cost->flops = (sheaf_type_is_complex(a->type) ? 4.0 : 1.0) * (direct < by_qr ? direct : by_qr);
    /* Half of the reduction to bidiagonal form is matrix times vector: every column reads the matrix again. */
    cost->bytes = 2.0 * m * n * (double)sheaf_type_size(a->type);
    cost->serial_fraction = 0.3;
    cost->greatest_width = k < 1000.0 ? 1 : 4;
}
