/**
 * @file blas_advice.h
 * Whether OpenBLAS has faster kernels for this CPU than the family that it uses. Pure.
 *
 * OpenBLAS has a family of kernels for each generation of CPUs and chooses one when it is loaded; OPENBLAS_CORETYPE in the
 * environment, or a CPU that the library is too old to know, can leave it with a slower one.
 */
#ifndef SHEAF_BLAS_ADVICE_H
#define SHEAF_BLAS_ADVICE_H

#include <stdbool.h>
#include <stddef.h>

/** Vector instructions of x86 for which OpenBLAS has families, in order of speed. */
enum blas_isa {
    BLAS_ISA_UNKNOWN, /**< another architecture or maker, or a CPU whose own families have no order among these */
    BLAS_ISA_SSE,
    BLAS_ISA_AVX,
    BLAS_ISA_AVX2,   /**< with FMA */
    BLAS_ISA_AVX512, /**< F, CD, BW, DQ and VL */
};

/** Whether the library in use has a family, by its name ("SkylakeX"). */
typedef bool blas_knows(const char *family);

/**
 * Say in one line what would be faster, and the setting for it.
 * @param[in]  core      the family in use, as OpenBLAS names it
 * @param[in]  coretype  OPENBLAS_CORETYPE, NULL where it is not set
 * @param[in]  cpu       what the CPU has, and the operating system lets programs use
 * @param[in]  knows
 * @param[out] text      "" where nothing is better, or nothing is known
 * @param[in]  bytes     of text, at least 1
 * @return whether there is advice
 */
bool blas_advice(const char *core, const char *coretype, enum blas_isa cpu, blas_knows *knows, char *text,
                 size_t bytes);

#endif
