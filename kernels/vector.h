/**
 * @file vector.h
 * One loop compiled for several instruction sets, the best chosen when it is called, with the same bits on each.
 *
 * The loop stands in an always-inline function NAME_body, written so that the compiler vectorises it; sums run in a
 * fixed number of lanes. It uses +, -, *, / and sqrt, which IEEE 754 rounds correctly, and the build forbids
 * contraction to FMA.
 */
#ifndef SHEAF_VECTOR_H
#define SHEAF_VECTOR_H

#include <stdbool.h>

#ifdef __FAST_MATH__
#error "the same bits on every CPU need IEEE arithmetic: build without -ffast-math"
#endif

/** Instruction sets, each with all that those before it have. */
enum vector_level {
    VECTOR_BASELINE = 0, /**< what the build targets */
    VECTOR_AVX2 = 1,
    VECTOR_AVX512 = 2,
    VECTOR_LEVEL_COUNT = 3
};

/** @return whether the level is compiled in and this CPU has it; the baseline always is */
bool vector_level_supported(enum vector_level level);

/** @return the last level that is supported */
enum vector_level vector_level_best(void);

#define VECTOR_INLINE static inline __attribute__((always_inline))

/** Define NAME_baseline, NAME_avx2 and NAME_avx512 from NAME_body; VECTOR_LEVELS(NAME) lists them. */
#if defined(__x86_64__)
#if defined(__clang__)
#define VECTOR_TARGET_AVX512 __attribute__((target("avx512f,avx512bw,avx512dq,avx512vl")))
#else
#define VECTOR_TARGET_AVX512 __attribute__((target("avx512f,avx512bw,avx512dq,avx512vl,prefer-vector-width=512")))
#endif
#define VECTOR_DEFINE(type, name, parameters, arguments)                                                               \
    static type name##_baseline parameters                                                                             \
    {                                                                                                                  \
        return name##_body arguments;                                                                                  \
    }                                                                                                                  \
    __attribute__((target("avx2"))) static type name##_avx2 parameters                                                 \
    {                                                                                                                  \
        return name##_body arguments;                                                                                  \
    }                                                                                                                  \
    VECTOR_TARGET_AVX512 static type name##_avx512 parameters                                                          \
    {                                                                                                                  \
        return name##_body arguments;                                                                                  \
    }
#define VECTOR_LEVELS(name)                                                                                            \
    {                                                                                                                  \
        name##_baseline, name##_avx2, name##_avx512                                                                    \
    }
#else
#define VECTOR_DEFINE(type, name, parameters, arguments)                                                               \
    static type name##_baseline parameters                                                                             \
    {                                                                                                                  \
        return name##_body arguments;                                                                                  \
    }
#define VECTOR_LEVELS(name)                                                                                            \
    {                                                                                                                  \
        name##_baseline                                                                                                \
    }
#endif

#endif
