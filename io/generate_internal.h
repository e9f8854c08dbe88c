/**
 * @file generate_internal.h
 * The parts of generate.c that its tests compare with one another; for no other caller.
 */
#ifndef SHEAF_GENERATE_INTERNAL_H
#define SHEAF_GENERATE_INTERNAL_H

#include "generate.h"

/** Instruction sets the random numbers are compiled for. All give the same bits. */
enum generate_level {
    GENERATE_LEVEL_BASELINE = 0, /**< what the build targets */
    GENERATE_LEVEL_AVX2 = 1,
    GENERATE_LEVEL_AVX512 = 2,
    GENERATE_LEVEL_COUNT = 3
};

/** @return whether the level is compiled in and this CPU has it; the baseline always is */
bool generate_level_supported(enum generate_level level);

/** generate_fill() with the instructions of one supported level. */
void generate_fill_with(enum generate_level level, const struct generate_spec *spec, int64_t task, int64_t first,
                        int64_t count, void *buffer);

/**
 * Turn random words into numbers with the instructions of one supported level.
 * @param[in]  spec         its distribution is uniform or normal; its seed and operand are not used
 * @param[in]  words        2 * block_count words
 * @param[out] buffer       2 * block_count f64 or 4 * block_count f32
 */
void generate_transform_with(enum generate_level level, const struct generate_spec *spec, const uint64_t *words,
                             int64_t block_count, void *buffer);

#endif
