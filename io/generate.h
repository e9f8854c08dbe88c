/**
 * @file generate.h
 * Generated numbers: a pure function of seed, operand, task and element; never of ranks, order, CPU.
 *
 * Random bits are Threefry-2x64 with 20 rounds (Salmon et al., "Parallel random numbers: as easy as 1,
 * 2, 3", SC'11; Random123), key (seed, operand), counter (block, task): element pairs of a task share a
 * block. The arithmetic on top is written out and compiled without contraction to FMA, so that every
 * CPU gives the same bits. generate.c begins with which bits make which number, and how accurate it is.
 */
#ifndef SHEAF_GENERATE_H
#define SHEAF_GENERATE_H

#include "sheaf/array.h"

/** The numbers stand in the results file. */
enum generate_distribution {
    GENERATE_UNIFORM = 0, /**< [0, 1) */
    GENERATE_NORMAL = 1,  /**< mean 0, variance 1 (each part of a complex number by itself) */
    GENERATE_ONES = 2,
    GENERATE_ZEROS = 3,
    GENERATE_RANGE = 4, /**< 0, 1, 2, ... over the elements of a task in row-major order */
    GENERATE_DISTRIBUTION_COUNT = 5
};

/** What a generated operand is, apart from its shape. */
struct generate_spec {
    enum generate_distribution distribution;
    enum sheaf_type type; /**< f32, f64, c64 or c128 */
    uint64_t seed;
    uint32_t operand; /**< number of the operand in its command, from 0 */
};

/** @return the name as users write it: "random", "normal", "ones", "zeros", "range" */
const char *generate_distribution_name(enum generate_distribution distribution);

/** @return whether `name` is a distribution's; then it is in *distribution */
bool generate_distribution_from_name(const char *name, enum generate_distribution *distribution);

/**
 * Generate the elements [first, first + count) of one task. Pure; thread-safe.
 * @param[in]  task    its number
 * @param[in]  first   element within the task, row-major
 * @param[out] buffer  count elements of spec->type
 */
void generate_fill(const struct generate_spec *spec, int64_t task, int64_t first, int64_t count, void *buffer);

#endif
