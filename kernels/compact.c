#include "compact.h"
#include "batch.h"
#include "workspace.h"

#include <float.h>
#include <math.h>

/* What each operation may fail with. */
static const enum sheaf_task_status failure_of[COMPACT_OPERATION_COUNT] = {
    [COMPACT_INV] = SHEAF_TASK_SINGULAR,
    [COMPACT_SOLVE] = SHEAF_TASK_SINGULAR,
    [COMPACT_CHOLESKY] = SHEAF_TASK_NOT_POSITIVE_DEFINITE,
    [COMPACT_PIVOTS] = SHEAF_TASK_SINGULAR,
    [COMPACT_MATMUL] = SHEAF_TASK_KERNEL_FAILED, /* never */
    [COMPACT_EIGH] = SHEAF_TASK_NOT_CONVERGED,
    [COMPACT_EIGVALSH] = SHEAF_TASK_NOT_CONVERGED,
    [COMPACT_SVD] = SHEAF_TASK_NOT_CONVERGED,
};

/* As many tasks as a vector has lanes. Lanes behind the batch's last task repeat its inputs. */
struct compact_group {
    int64_t m, n, k, sweeps;
    enum sheaf_task_status failure;
    const void *a[COMPACT_GREATEST_LANES], *b[COMPACT_GREATEST_LANES];
    void *x[COMPACT_GREATEST_LANES], *y[COMPACT_GREATEST_LANES], *z[COMPACT_GREATEST_LANES]; /* NULL: not wanted */
    bool factored; /* the factors of the group before stand in the workspace, and are this one's */
    bool a_is_finite[COMPACT_GREATEST_LANES], b_is_finite[COMPACT_GREATEST_LANES];
    int32_t info[COMPACT_GREATEST_LANES];
    void *workspace;
};

static inline enum sheaf_task_status
compact_lane_status(const struct compact_group *group, int lane)
{
    if (!group->a_is_finite[lane])
        return SHEAF_TASK_NOT_FINITE;
    if (group->info[lane])
        return group->failure;
    return group->b_is_finite[lane] ? SHEAF_TASK_DONE : SHEAF_TASK_NOT_FINITE;
}

/* Two rows, and the columns of the same numbers, that are rotated. */
struct compact_pair {
    int64_t p, q;
};

/*
 * Pair number `pair`, below m / 2, of a round, below m - 1, or m where that is odd: everyone meets everyone once in a sweep of
 * rounds, and once a round. The circle method of tournaments: one stands still, the others go round.
 */
static inline struct compact_pair
compact_pair_of(int64_t m, int64_t round, int64_t pair)
{
    const int64_t rounds = m - 1 + m % 2, step = pair + m % 2;
    const int64_t p = round + step < rounds ? round + step : round + step - rounds;
    const int64_t q = round >= step ? round - step : round - step + rounds;
    return (struct compact_pair){p, step ? q : m - 1};
}

typedef void compact_function(struct compact_group *group);

/* One type's operations with one level's instructions. */
struct compact_code {
    int lanes;
    compact_function *run[COMPACT_OPERATION_COUNT];
};

/*
 * Numbers from a column to the next. Columns a power of two apart would share a few sets of the cache; where they are whole
 * vectors long, a gap costs nothing.
 */
static inline int64_t
compact_stride(int64_t m)
{
    return m >= 16 && m % 16 == 0 ? m + 1 : m;
}

#if defined(__clang__)
#define COMPACT_SHUFFLE(mask_type, a, b, ...) __builtin_shufflevector(a, b, __VA_ARGS__)
#else
#define COMPACT_SHUFFLE(mask_type, a, b, ...) __builtin_shuffle(a, b, (mask_type){__VA_ARGS__})
#endif

#define COMPACT_LEVEL(name) name##_baseline
#define COMPACT_BYTES 16
#define COMPACT_TARGET
#include "compact_level_type.h"

#if defined(__x86_64__)
#define COMPACT_LEVEL(name) name##_avx2
#define COMPACT_BYTES 32
#define COMPACT_TARGET __attribute__((target("avx2")))
#include "compact_level_type.h"

#define COMPACT_LEVEL(name) name##_avx512
#define COMPACT_BYTES 64
#define COMPACT_TARGET VECTOR_TARGET_AVX512
#include "compact_level_type.h"
#endif

static const struct compact_code *const code_of_level[VECTOR_LEVEL_COUNT][SHEAF_TYPE_COUNT] = {
    [VECTOR_BASELINE] = {[SHEAF_F32] = &code_f32_baseline,
                         [SHEAF_F64] = &code_f64_baseline,
                         [SHEAF_C64] = &code_c64_baseline,
                         [SHEAF_C128] = &code_c128_baseline},
#if defined(__x86_64__)
    [VECTOR_AVX2] = {[SHEAF_F32] = &code_f32_avx2,
                     [SHEAF_F64] = &code_f64_avx2,
                     [SHEAF_C64] = &code_c64_avx2,
                     [SHEAF_C128] = &code_c128_avx2},
    [VECTOR_AVX512] = {[SHEAF_F32] = &code_f32_avx512,
                       [SHEAF_F64] = &code_f64_avx512,
                       [SHEAF_C64] = &code_c64_avx512,
                       [SHEAF_C128] = &code_c128_avx512},
#endif
};

/*
 * The greatest extents, by type: to there, on one core of a CPU with AVX-512, some 3 times as fast as LAPACK or more (2 with
 * AVX2), and products, which BLAS does better at, 2 to 3 times; by tests/bench/tiny.c. Eigenvalues alone end sooner than with
 * vectors, for LAPACK then saves more. A part of the results' meaning, for they tell which bits come out: not to be tuned by
 * CPU.
 */
static const int64_t greatest_extent[SHEAF_TYPE_COUNT] = {
    [SHEAF_F32] = 32, [SHEAF_F64] = 32, [SHEAF_C64] = 32, [SHEAF_C128] = 16};
static const int64_t greatest_product_extent[SHEAF_TYPE_COUNT] = {
    [SHEAF_F32] = 8, [SHEAF_F64] = 6, [SHEAF_C64] = 6, [SHEAF_C128] = 4};

static const int64_t greatest_eigh_extent[SHEAF_TYPE_COUNT] = {
    [SHEAF_F32] = 32, [SHEAF_F64] = 20, [SHEAF_C64] = 24, [SHEAF_C128] = 16};
static const int64_t greatest_eigvalsh_extent[SHEAF_TYPE_COUNT] = {
    [SHEAF_F32] = 24, [SHEAF_F64] = 16, [SHEAF_C64] = 20, [SHEAF_C128] = 12};
static const int64_t greatest_svd_extent[SHEAF_TYPE_COUNT] = {
    [SHEAF_F32] = 16, [SHEAF_F64] = 16, [SHEAF_C64] = 16, [SHEAF_C128] = 12};
static const int64_t *const greatest_extents[COMPACT_OPERATION_COUNT] = {
    [COMPACT_INV] = greatest_extent,
    [COMPACT_SOLVE] = greatest_extent,
    [COMPACT_CHOLESKY] = greatest_extent,
    [COMPACT_PIVOTS] = greatest_extent,
    [COMPACT_MATMUL] = greatest_product_extent,
    [COMPACT_EIGH] = greatest_eigh_extent,
    [COMPACT_EIGVALSH] = greatest_eigvalsh_extent,
    [COMPACT_SVD] = greatest_svd_extent,
};

static bool
has_b(const struct compact *compact)
{
    return compact->operation == COMPACT_SOLVE || compact->operation == COMPACT_MATMUL;
}

static bool
has_n(const struct compact *compact)
{
    return has_b(compact) || compact->operation == COMPACT_SVD;
}

static bool
has_y(const struct compact *compact)
{
    return compact->operation == COMPACT_EIGH || compact->operation == COMPACT_SVD;
}

static bool
is_eigen(const struct compact *compact)
{
    return compact->operation == COMPACT_EIGH || compact->operation == COMPACT_EIGVALSH;
}

bool
compact_applies(const struct compact *compact)
{
    const bool is_product = compact->operation == COMPACT_MATMUL;
    if ((unsigned)compact->type >= SHEAF_TYPE_COUNT)
        return false;
    const int64_t greatest = greatest_extents[compact->operation][compact->type];
    return compact->m >= 1 && compact->m <= greatest &&
           (!has_n(compact) || (compact->n >= 1 && compact->n <= greatest)) &&
           (!is_product || (compact->k >= 1 && compact->k <= greatest));
}

int64_t
compact_workspace_bytes(const struct compact *compact)
{
    const int64_t m = compact->m, n = has_b(compact) ? compact->n : 0, k = compact->k;
    const size_t size = sheaf_type_size(compact->type);
    int64_t bytes = 0;
    if (compact->operation == COMPACT_MATMUL) {
        /* A, B and C of every lane; then one C. */
        (void)workspace_reserve(&bytes, (m * k + k * n + m * n) * COMPACT_GREATEST_LANES, size);
        (void)workspace_reserve(&bytes, m * n, size);
        return bytes;
    }
    if (compact->operation == COMPACT_SVD) {
        const int64_t count = m < compact->n ? m : compact->n;
        /* A, W, V, the values, cosines and sines of every lane; then the places; then the pairs. */
        (void)workspace_reserve(&bytes, (2 * m * compact->n + count * count + 3 * count) * COMPACT_GREATEST_LANES,
                                size);
        (void)workspace_reserve(&bytes, count * COMPACT_GREATEST_LANES, sizeof(int64_t));
        (void)workspace_reserve(&bytes, count, sizeof(struct compact_pair));
        return bytes;
    }
    if (is_eigen(compact)) {
        /* A, the eigenvalues, cosines, sines, and V, of every lane; then the places; then the pairs. */
        (void)workspace_reserve(&bytes, (m * compact_stride(m) + 3 * m + m * m) * COMPACT_GREATEST_LANES, size);
        (void)workspace_reserve(&bytes, m * COMPACT_GREATEST_LANES, sizeof(int64_t));
        (void)workspace_reserve(&bytes, m, sizeof(struct compact_pair));
        return bytes;
    }
    /* A, X, a column, and the pivots, of every lane; then the largest result of one. */
    (void)workspace_reserve(&bytes, (m * compact_stride(m) + m * n + m) * COMPACT_GREATEST_LANES, size);
    (void)workspace_reserve(&bytes, m * COMPACT_GREATEST_LANES, sizeof(int64_t));
    (void)workspace_reserve(&bytes, m > n ? m * m : m * n, size);
    return bytes;
}

/* Compute the tasks from `first` on, as many as there are lanes. */
static void
run_group(const struct compact_code *code, const struct compact *compact, const struct sheaf_batch *batch,
          struct compact_group *group, int64_t first)
{
    for (int lane = 0; lane < code->lanes; lane++) {
        const bool is_task = first + lane < batch->count;
        const int64_t task = is_task ? first + lane : batch->count - 1;
        group->a[lane] = batch_input(batch, 0, task);
        group->b[lane] = has_b(compact) ? batch_input(batch, 1, task) : NULL;
        group->x[lane] = is_task ? batch_output(batch, 0, task) : NULL;
        group->y[lane] = is_task && has_y(compact) ? batch_output(batch, 1, task) : NULL;
        group->z[lane] = is_task && compact->operation == COMPACT_SVD ? batch_output(batch, 2, task) : NULL;
        group->b_is_finite[lane] = true;
        if (!group->factored) {
            group->a_is_finite[lane] = true;
            group->info[lane] = 0;
        }
    }
    code->run[compact->operation](group);
    for (int lane = 0; lane < code->lanes && first + lane < batch->count; lane++) {
        const enum sheaf_task_status status = compact_lane_status(group, lane);
        batch->status[first + lane] = (uint8_t)status;
        batch->info[first + lane] = status == group->failure ? group->info[lane] : 0;
    }
}

/* The code of a level, or of one below whose shorter vectors hold all `tasks`: lanes without a task cost as much as others. */
static const struct compact_code *
find_code(enum vector_level level, enum sheaf_type type, int64_t tasks)
{
    int found = (int)level;
    while (found > VECTOR_BASELINE && code_of_level[found - 1][type]->lanes >= tasks)
        found--;
    return code_of_level[found][type];
}

void
compact_run_with(enum vector_level level, const struct compact *compact, const struct sheaf_batch *batch)
{
    const struct compact_code *code = NULL;
    struct compact_group group = {.m = compact->m,
                                  .n = has_n(compact) ? compact->n : 0,
                                  .k = compact->operation == COMPACT_MATMUL ? compact->k : 0,
                                  .sweeps = compact->sweeps,
                                  .failure = failure_of[compact->operation],
                                  .workspace = batch->workspace};
    for (int64_t first = 0; first < batch->count; first += code->lanes) {
        if (!group.factored)
            code = find_code(level, compact->type, batch->count - first);
        run_group(code, compact, batch, &group, first);
        /* A matrix that all tasks share is factored once a batch. */
        group.factored = compact->operation == COMPACT_SOLVE && batch->input_strides[0] == 0;
    }
}

void
compact_run(const struct compact *compact, const struct sheaf_batch *batch)
{
    compact_run_with(vector_level_best(), compact, batch);
}
