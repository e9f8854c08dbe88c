/**
 * @file blas.h
 * The BLAS library as a whole: which one it is, its threads, its speed. The only file that knows
 * OpenBLAS's own calls; where another BLAS is linked they answer "unknown" and 1.
 *
 * The thread count is the process's, not the thread's.
 */
#ifndef SHEAF_BLAS_H
#define SHEAF_BLAS_H

#include <stdint.h>

/** Where operation-level threads come from in this BLAS. */
enum blas_threading { BLAS_SEQUENTIAL = 0, BLAS_PTHREADS = 1, BLAS_OPENMP = 2 };

struct blas_library {
    char name[64];    /**< "OpenBLAS 0.3.21" */
    char core[64];    /**< the kernel family in use: "SkylakeX" */
    char config[256]; /**< the library's own description */
    enum blas_threading threading;
    int greatest_threads; /**< what the build can use at all, and OpenMP gives it */
    char advice[192];     /**< one line that says how to get faster kernels on this CPU; "": these are the best known */
};

/** Describe the library in use. */
void blas_describe(struct blas_library *library);

/** @return "sequential", "pthreads" or "OpenMP" */
const char *blas_threading_name(enum blas_threading threading);

/**
 * Set the number of threads of the next BLAS calls. @return the number that the library now says it uses: whether the system
 * gave it so many threads, it does not say (app/threads.h sees to that)
 */
int blas_set_threads(int threads);

/** @return the number of threads that the library would use now */
int blas_get_threads(void);

/** @return the most threads that the library was ever to use, its caller's among them: it keeps them when it uses fewer */
int blas_get_pool(void);

/**
 * Memory that the library maps for each thread that calls it, or works for it: with the thread's first call, for good. Where the system
 * refuses it, the library asks again and again, and the call never ends.
 * @return bytes; 0: this library does not
 */
int64_t blas_buffer_bytes(void);

enum { BLAS_SETTINGS_MAX = 2 };

/** An environment variable that the library reads only while it is loaded. */
struct blas_setting {
    const char *name, *value;
};

/**
 * The settings that suit a program which says itself how many threads BLAS has: none to begin with, and those that have
 * nothing to do sleep at once. Without what the user's environment settles already.
 * @param[out] settings  strings of static duration
 * @return their count; 0: none is wanting, or this library reads none of them
 */
int blas_list_settings(struct blas_setting settings[BLAS_SETTINGS_MAX]);

/**
 * Measure this thread's dgemm rate with a small product that stays in cache, for estimates shown to
 * users and never for decisions about results. Takes about 10 ms.
 * @return flop/s
 */
double blas_measure_rate(void);

#endif
