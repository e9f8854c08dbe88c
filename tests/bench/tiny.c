/*
 * How long small matrices take, on one core: one LAPACK call after another against the interleaved batch, at every
 * instruction set that this CPU has. Nanoseconds a matrix, medians of runs in turn, and the ratio to LAPACK.
 *
 * usage: tiny BATCH_BYTES REPEATS [SIZE ...]
 */
#include "blas.h"
#include "compact.h"
#include "gemm.h"
#include "gesdd.h"
#include "lapack.h"
#include "transpose.h"

#include <stdio.h>
#include <stdlib.h>
#include <time.h>

enum { GREATEST_REPEATS = 1001, METHODS = 1 + VECTOR_LEVEL_COUNT };

static const char *const operation_names[] = {"inv",    "solve1", "solve",    "cholesky", "pivots",
                                              "matmul", "eigh",   "eigvalsh", "svd"};
enum { INV, SOLVE1, SOLVE, CHOLESKY, PIVOTS, MATMUL, EIGH, EIGVALSH, SVD, OPERATIONS };
static const enum compact_operation compact_of[] = {COMPACT_INV,      COMPACT_SOLVE,    COMPACT_SOLVE,
                                                    COMPACT_CHOLESKY, COMPACT_PIVOTS,   COMPACT_MATMUL,
                                                    COMPACT_EIGH,     COMPACT_EIGVALSH, COMPACT_SVD};

static const struct routines {
    lapack_getrf *getrf;
    lapack_getri *getri;
    lapack_getrs *getrs;
    lapack_potrf *potrf;
    lapack_syevd *syevd;
    lapack_heevd *heevd;
    transpose_function *transpose;
} routines_of_type[SHEAF_TYPE_COUNT] = {
    [SHEAF_F32] = {sgetrf_, sgetri_, sgetrs_, spotrf_, ssyevd_, NULL, transpose_f32},
    [SHEAF_F64] = {dgetrf_, dgetri_, dgetrs_, dpotrf_, dsyevd_, NULL, transpose_f64},
    [SHEAF_C64] = {cgetrf_, cgetri_, cgetrs_, cpotrf_, NULL, cheevd_, transpose_conj_c64},
    [SHEAF_C128] = {zgetrf_, zgetri_, zgetrs_, zpotrf_, NULL, zheevd_, transpose_conj_c128},
};

/** One operation on a batch, and its memory. */
struct subject {
    int operation;
    struct compact compact;
    struct gesdd gesdd;
    struct sheaf_batch batch;
    size_t matrix_bytes, side_bytes, result_bytes, vectors_bytes;
    char *scratch; /**< a matrix, and LAPACK's work space */
};

static double
nanoseconds(void)
{
    struct timespec time;
    clock_gettime(CLOCK_THREAD_CPUTIME_ID, &time);
    return 1e9 * (double)time.tv_sec + (double)time.tv_nsec;
}

/** A matrix, twice the square of the extent, and room for blocks, of numbers; as many reals, and integers. */
static size_t
scratch_bytes(int64_t m, enum sheaf_type type)
{
    return (size_t)(m * m + 2 * (2 * m * m + 100 * m + 100)) * sheaf_type_size(type) +
           (size_t)(5 * m + 3) * sizeof(int);
}

/** Eigenvalues, and eigenvectors where `v` is not NULL. @return LAPACK's info */
static int
run_eigen(const struct subject *subject, const char *a, char *w, char *v)
{
    const struct routines *routines = &routines_of_type[subject->compact.type];
    const int m = (int)subject->compact.m, lwork = 2 * m * m + 100 * m + 100, liwork = 5 * m + 3;
    const size_t size = sheaf_type_size(subject->compact.type);
    char *work = subject->scratch + subject->matrix_bytes, *rwork = work + (size_t)lwork * size;
    int info = 0, *iwork = (int *)(rwork + (size_t)lwork * size);
    for (size_t row = 0; row < (size_t)m; row++)
        memcpy(subject->scratch + row * (size_t)m * size, a + row * (size_t)m * size, (row + 1) * size);
    if (routines->syevd)
        routines->syevd(v ? "V" : "N", "U", &m, subject->scratch, &m, w, work, &lwork, iwork, &liwork, &info, 1, 1);
    else
        routines->heevd(v ? "V" : "N", "U", &m, subject->scratch, &m, w, work, &lwork, rwork, &lwork, iwork, &liwork,
                        &info, 1, 1);
    if (v)
        routines->transpose(m, m, subject->scratch, v);
    return info;
}

/** One task by LAPACK, as the kernels do it for larger matrices. @return its info */
static int
run_lapack(const struct subject *subject, const char *a, const char *b, char *x, char *y, char *z)
{
    const struct routines *routines = &routines_of_type[subject->compact.type];
    const int m = (int)subject->compact.m, n = (int)subject->compact.n, lwork = 64 * m;
    int pivots[64], info = 0;
    if (subject->operation == MATMUL) {
        gemm_find(subject->compact.type)(m, n, m, a, b, x);
        return 0;
    }
    if (subject->operation == EIGH || subject->operation == EIGVALSH)
        return run_eigen(subject, a, x, subject->operation == EIGH ? y : NULL);
    if (subject->operation == SVD) {
        (void)gesdd_compute(&subject->gesdd, a, x, y, z, subject->scratch, &info);
        return info;
    }
    char *matrix = subject->operation == INV || subject->operation == CHOLESKY ? x : subject->scratch;
    memcpy(matrix, a, subject->matrix_bytes);
    if (subject->operation == CHOLESKY) {
        routines->potrf("U", &m, matrix, &m, &info, 1);
        return info;
    }
    routines->getrf(&m, &m, matrix, &m, pivots, &info);
    if (subject->operation == INV && !info)
        routines->getri(&m, matrix, &m, pivots, subject->scratch, &lwork, &info);
    if ((subject->operation == SOLVE || subject->operation == SOLVE1) && !info) {
        memcpy(x, b, subject->side_bytes);
        routines->getrs("T", &m, &n, matrix, &m, pivots, x, &m, &info, 1);
    }
    if (subject->operation == PIVOTS)
        memcpy(x, matrix, subject->result_bytes);
    return info;
}

/** Nanoseconds a task; method 0 is LAPACK, 1 + level the interleaved batch. */
static double
measure(const struct subject *subject, int method)
{
    const struct sheaf_batch *batch = &subject->batch;
    const double start = nanoseconds();
    if (method > 0) {
        compact_run_with((enum vector_level)(method - 1), &subject->compact, batch);
    } else {
        for (int64_t task = 0; task < batch->count; task++)
            batch->info[task] =
                run_lapack(subject, (const char *)batch->inputs[0] + (size_t)task * subject->matrix_bytes,
                           (const char *)batch->inputs[1] + (size_t)task * subject->side_bytes,
                           (char *)batch->outputs[0] + (size_t)task * subject->result_bytes,
                           (char *)batch->outputs[1] + (size_t)task * subject->vectors_bytes,
                           (char *)batch->outputs[2] + (size_t)task * subject->vectors_bytes);
    }
    return (nanoseconds() - start) / (double)batch->count;
}

static int
compare(const void *a, const void *b)
{
    const double x = *(const double *)a, y = *(const double *)b;
    return (x > y) - (x < y);
}

static void
report(const struct subject *subject, int repeats)
{
    double times[METHODS][GREATEST_REPEATS], lapack = 0.0;
    for (int repeat = -1; repeat < repeats; repeat++)
        for (int method = 0; method < METHODS; method++)
            if (!method || vector_level_supported((enum vector_level)(method - 1)))
                times[method][repeat < 0 ? 0 : repeat] = measure(subject, method);
    printf("%-8s %-4s %3lld", operation_names[subject->operation], sheaf_type_name(subject->compact.type),
           (long long)subject->compact.m);
    for (int method = 0; method < METHODS; method++) {
        if (method && !vector_level_supported((enum vector_level)(method - 1)))
            continue;
        qsort(times[method], (size_t)repeats, sizeof(double), compare);
        const double median = times[method][repeats / 2];
        if (!method)
            printf(" %9.1f", lapack = median);
        else
            printf(" %9.1f %5.1fx", median, lapack / median);
    }
    printf("\n");
}

/** Matrices with a heavy diagonal off its place: positive definite ones for cholesky. */
static void
fill(const struct subject *subject)
{
    const enum sheaf_type type = subject->compact.type;
    const bool single = type == SHEAF_F32 || type == SHEAF_C64;
    const int64_t reals = sheaf_type_is_complex(type) ? 2 : 1, m = subject->compact.m;
    const int64_t count = (int64_t)(subject->matrix_bytes / (single ? 4 : 8)) * subject->batch.count;
    uint64_t state = 1;
    for (int64_t i = 0; i < count; i++) {
        const int64_t at = i % (m * m * reals);
        state = state * UINT64_C(6364136223846793005) + UINT64_C(1442695040888963407);
        double value = (double)(int64_t)state * 0x1p-63;
        if (subject->operation == CHOLESKY && at % ((m + 1) * reals) == 0)
            value += 2.0 * (double)m;
        if (single)
            ((float *)subject->batch.inputs[0])[i] = (float)value;
        else
            ((double *)subject->batch.inputs[0])[i] = value;
    }
    memset((void *)subject->batch.inputs[1], 0, subject->side_bytes * (size_t)subject->batch.count);
}

static bool
run(int operation, enum sheaf_type type, int64_t m, size_t bytes, int repeats)
{
    struct subject subject = {
        .operation = operation,
        .compact = {.operation = compact_of[operation], .type = type, .m = m, .n = 0, .k = m, .sweeps = 30}};
    if (operation == SOLVE || operation == SOLVE1 || operation == MATMUL || operation == SVD)
        subject.compact.n = operation == SOLVE1 ? 1 : m;
    subject.matrix_bytes = (size_t)(m * m) * sheaf_type_size(type);
    subject.side_bytes = (size_t)(m * subject.compact.n) * sheaf_type_size(type);
    subject.result_bytes = operation == PIVOTS || operation == EIGH || operation == EIGVALSH
                               ? (size_t)m * sheaf_type_size(type)
                           : subject.compact.n > 0 ? subject.side_bytes
                                                   : subject.matrix_bytes;
    subject.vectors_bytes = operation == EIGH || operation == SVD ? subject.matrix_bytes : 0;
    if (!gesdd_prepare(type, m, m, true, &subject.gesdd))
        return false;
    const size_t count = bytes / subject.matrix_bytes < 64 ? 64 : bytes / subject.matrix_bytes;
    struct sheaf_batch *batch = &subject.batch;
    batch->count = (int64_t)count;
    batch->input_strides[0] = subject.matrix_bytes;
    batch->input_strides[1] = subject.side_bytes;
    batch->output_strides[0] = subject.result_bytes;
    batch->output_strides[1] = subject.vectors_bytes;
    batch->output_strides[2] = subject.vectors_bytes;
    batch->inputs[0] = malloc(count * subject.matrix_bytes);
    batch->inputs[1] = malloc(count * subject.side_bytes + 1);
    batch->outputs[0] = malloc(count * subject.result_bytes);
    batch->outputs[1] = malloc(count * subject.vectors_bytes + 1);
    batch->outputs[2] = malloc(count * subject.vectors_bytes + 1);
    batch->status = malloc(count);
    batch->info = malloc(count * sizeof(int32_t));
    batch->workspace = aligned_alloc(64, ((size_t)compact_workspace_bytes(&subject.compact) + 63) / 64 * 64);
    subject.scratch = malloc(scratch_bytes(m, type) + (size_t)subject.gesdd.bytes);
    const bool there = batch->inputs[0] && batch->inputs[1] && batch->outputs[0] && batch->outputs[1] &&
                       batch->outputs[2] && batch->status && batch->info && batch->workspace && subject.scratch;
    if (there) {
        fill(&subject);
        report(&subject, repeats);
    }
    free((void *)batch->inputs[0]);
    free((void *)batch->inputs[1]);
    free(batch->outputs[0]);
    free(batch->outputs[1]);
    free(batch->outputs[2]);
    free(batch->status);
    free(batch->info);
    free(batch->workspace);
    free(subject.scratch);
    return there;
}

int
main(int argument_count, char **arguments)
{
    static const int64_t sizes[] = {2, 3, 4, 6, 8, 12, 16, 24, 32, 48};
    static const enum sheaf_type types[] = {SHEAF_F32, SHEAF_F64, SHEAF_C64, SHEAF_C128};
    const long long bytes = argument_count > 2 ? strtoll(arguments[1], NULL, 10) : 0;
    const int repeats = argument_count > 2 ? (int)strtol(arguments[2], NULL, 10) : 0;
    if (bytes < 1 || repeats < 1 || repeats > GREATEST_REPEATS) {
        fprintf(stderr, "usage: tiny BATCH_BYTES REPEATS [SIZE ...]\n");
        return 64;
    }
    blas_set_threads(1);
    printf("nanoseconds a matrix; LAPACK, then interleaved by instruction set (baseline, AVX2, AVX-512) and ratios\n");
    const int size_count = argument_count > 3 ? argument_count - 3 : (int)(sizeof sizes / sizeof sizes[0]);
    for (int operation = 0; operation < OPERATIONS; operation++)
        for (size_t t = 0; t < sizeof types / sizeof types[0]; t++)
            for (int i = 0; i < size_count; i++) {
                const int64_t m = argument_count > 3 ? strtoll(arguments[i + 3], NULL, 10) : sizes[i];
                if (m < 1 || m > 64 || !run(operation, types[t], m, (size_t)bytes, repeats))
                    return 71;
            }
    return 0;
}
