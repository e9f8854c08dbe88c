#include "blas.h"
#include "blas_advice.h"

#include <cblas.h>
#include <ctype.h>
#include <dlfcn.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

/* The library describes itself as "OpenBLAS 0.3.21 NO_AFFINITY Haswell MAX_THREADS=64". */
static int
config_greatest_threads(const char *config)
{
    static const char key[] = "MAX_THREADS=";
    const char *at = strstr(config, key);
    long threads = at ? strtol(at + sizeof key - 1, NULL, 10) : 0;
    return threads >= 1 && threads <= 65536 ? (int)threads : 1;
}

/* What a function of OpenMP without arguments returns; `otherwise` where OpenBLAS does not work with OpenMP. */
static int
ask_openmp(const char *name, int otherwise)
{
    int (*function)(void);
    *(void **)&function = openblas_get_parallel() == OPENBLAS_OPENMP ? dlsym(RTLD_DEFAULT, name) : NULL;
    return function ? function() : otherwise;
}

/*
 * Threads that OpenMP surely gives a program (OMP_THREAD_LIMIT); under OMP_DYNAMIC one: it gives fewer on a busy machine.
 * OpenBLAS would wait forever for more.
 */
static int
openmp_limit(void)
{
    return ask_openmp("omp_get_dynamic", 0) ? 1 : ask_openmp("omp_get_thread_limit", INT_MAX);
}

static int
least(int a, int b)
{
    return a < b ? a : b;
}

/* A build for many CPUs has a table of functions for each family, gotoblas_SKYLAKEX; one that it left out is missing, or 0. */
static bool
library_knows(const char *family)
{
    char name[64] = "gotoblas_";
    for (size_t i = strlen(name); *family && i + 1 < sizeof name; i++)
        name[i] = (char)toupper((unsigned char)*family++);
    const int *table = dlsym(RTLD_DEFAULT, name);
    return table && *table != 0;
}

static enum blas_isa
cpu_isa(void)
{
#if defined(__x86_64__) && defined(__GNUC__)
    /* FMA4: AMD's CPUs before Zen, for which OpenBLAS has families of their own. */
    if ((!__builtin_cpu_is("intel") && !__builtin_cpu_is("amd")) || __builtin_cpu_supports("fma4"))
        return BLAS_ISA_UNKNOWN;
    if (__builtin_cpu_supports("avx512f") && __builtin_cpu_supports("avx512cd") && __builtin_cpu_supports("avx512bw") &&
        __builtin_cpu_supports("avx512dq") && __builtin_cpu_supports("avx512vl"))
        return BLAS_ISA_AVX512;
    if (__builtin_cpu_supports("avx2") && __builtin_cpu_supports("fma"))
        return BLAS_ISA_AVX2;
    if (__builtin_cpu_supports("avx"))
        return BLAS_ISA_AVX;
#endif
    return BLAS_ISA_UNKNOWN;
}

void
blas_describe(struct blas_library *library)
{
    memset(library, 0, sizeof *library);
    snprintf(library->config, sizeof library->config, "%s", openblas_get_config());
    snprintf(library->core, sizeof library->core, "%s", openblas_get_corename());

    const char *version = strchr(library->config, ' ');
    size_t name_length =
        version ? (size_t)(version - library->config) + 1 + strcspn(version + 1, " ") : strlen(library->config);
    snprintf(library->name, sizeof library->name, "%.*s", (int)name_length, library->config);

    switch (openblas_get_parallel()) {
    case OPENBLAS_THREAD:
        library->threading = BLAS_PTHREADS;
        break;
    case OPENBLAS_OPENMP:
        library->threading = BLAS_OPENMP;
        break;
    default:
        library->threading = BLAS_SEQUENTIAL;
        break;
    }
    if (library->threading == BLAS_SEQUENTIAL)
        library->greatest_threads = 1;
    else
        library->greatest_threads = least(config_greatest_threads(library->config), openmp_limit());
    blas_advice(library->core, getenv("OPENBLAS_CORETYPE"), cpu_isa(), library_knows, library->advice,
                sizeof library->advice);
}

const char *
blas_threading_name(enum blas_threading threading)
{
    switch (threading) {
    case BLAS_PTHREADS:
        return "pthreads";
    case BLAS_OPENMP:
        return "OpenMP";
    case BLAS_SEQUENTIAL:
        break;
    }
    return "sequential";
}

static int pool; /* 0: the library has what it started with */

int
blas_set_threads(int threads)
{
    if (threads >= 1) { /* below 1 the library would take the number it started with */
        pool = blas_get_pool();
        openblas_set_num_threads(least(threads, openmp_limit()));
    }
    return openblas_get_num_threads();
}

int
blas_get_pool(void)
{
    int threads = openblas_get_num_threads();
    return threads > pool ? threads : pool;
}

int
blas_get_threads(void)
{
    return openblas_get_num_threads();
}

int64_t
blas_buffer_bytes(void)
{
    /* BUFFER_SIZE of its builds for 64-bit x86 and ARM, which it does not tell (common_x86_64.h, common_arm64.h). */
    return INT64_C(32) << 22;
}

/* Whether the library takes a number from one of these variables; it takes no others than positive ones. */
static bool
is_settled(const char *const *names)
{
    for (; *names; names++) {
        const char *text = getenv(*names);
        if (text && strtol(text, NULL, 10) > 0)
            return true;
    }
    return false;
}

int
blas_list_settings(struct blas_setting settings[BLAS_SETTINGS_MAX])
{
    /* Idle threads spin for 2^timeout ticks of the CPU's clock before they sleep; 4 is the least, the default of 26 takes 30 ms. */
    static const char *const threads[] = {"OPENBLAS_NUM_THREADS", "GOTO_NUM_THREADS", "OMP_NUM_THREADS", NULL};
    static const char *const timeout[] = {"OPENBLAS_THREAD_TIMEOUT", NULL};
    static const struct {
        struct blas_setting setting;
        const char *const *settled_by;
    } rows[BLAS_SETTINGS_MAX] = {{{"OPENBLAS_NUM_THREADS", "1"}, threads}, {{"OPENBLAS_THREAD_TIMEOUT", "4"}, timeout}};
    int count = 0;
    if (openblas_get_parallel() != OPENBLAS_THREAD)
        return 0; /* OpenMP's threads are its own, and a sequential build has none */
    for (int i = 0; i < BLAS_SETTINGS_MAX; i++)
        if (!is_settled(rows[i].settled_by))
            settings[count++] = rows[i].setting;
    return count;
}

static double
seconds_now(void)
{
    struct timespec now;
    clock_gettime(CLOCK_MONOTONIC, &now);
    return (double)now.tv_sec + 1e-9 * (double)now.tv_nsec;
}

/* The best of several short samples: other programs on the core only ever make one slower. */
static double
measure_dgemm(int n, const double *a, const double *b, double *c)
{
    enum { CALLS = 8 };
    const double sample_flops = 2.0 * CALLS * (double)n * (double)n * (double)n;
    double best = 0.0, start = seconds_now(), end = start;
    while (end - start < 0.01) {
        double sample_start = seconds_now();
        for (int call = 0; call < CALLS; call++)
            cblas_dgemm(CblasRowMajor, CblasNoTrans, CblasNoTrans, n, n, n, 1.0, a, n, b, n, 0.0, c, n);
        end = seconds_now();
        double rate = end > sample_start ? sample_flops / (end - sample_start) : 0.0;
        if (rate > best)
            best = rate;
    }
    return best;
}

double
blas_measure_rate(void)
{
    enum { N = 128 }; /* three matrices of 128 KiB: a second-level cache holds them */
    const size_t elements = (size_t)N * N;
    double *matrices = malloc(3 * elements * sizeof *matrices);
    if (!matrices)
        return 0.0;
    for (size_t i = 0; i < 3 * elements; i++)
        matrices[i] = 1.0 / (double)(i % 97 + 1);
    int threads = openblas_get_num_threads();
    openblas_set_num_threads(1);
    double rate = measure_dgemm(N, matrices, matrices + elements, matrices + 2 * elements);
    openblas_set_num_threads(threads);
    free(matrices);
    return rate;
}
