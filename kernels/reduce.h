/**
 * @file reduce.h
 * Sums over a task: of its elements, or of a function of pairs of them. Integers add up exactly; floating-point
 * numbers add in a tree that depends on their number only.
 *
 * The tree: REDUCE_BLOCK numbers (an element of a complex type is two) are a block. In a block number i is added to
 * lane i mod REDUCE_LANES, in order; then the upper half of the lanes to the lower half, until two lanes are left,
 * which hold even and odd numbers (the real and the imaginary parts). Blocks, each such a pair, add up pairwise:
 * first with second, third with fourth, ..., until one is left; of an odd number the last stays. All that in f64, f32
 * and c64 too.
 */
#ifndef SHEAF_REDUCE_H
#define SHEAF_REDUCE_H

#include "pieces.h"
#include "vector.h"

enum { REDUCE_LANES = 32, REDUCE_BLOCK = 1024, REDUCE_PIECE_BLOCKS = PIECE_NUMBERS / REDUCE_BLOCK };

/** 128 bits: the exact sum of any number of 64-bit integers that memory holds. */
typedef __int128 reduce_integer;

/** What a piece, or a task, adds up to. */
union reduce_sum {
    double pair[2];         /**< floating-point types: of even and of odd numbers */
    reduce_integer integer; /**< integer types */
};

/**
 * Add up one piece.
 * @param[in]  b      not read where the sum is of one operand
 * @param[in]  count  1 to PIECE_NUMBERS
 */
typedef void reduce_function(const void *a, const void *b, int64_t count, union reduce_sum *sum);

/** A sum over one type. */
struct reduce {
    reduce_function *levels[VECTOR_LEVEL_COUNT]; /**< [0] NULL: not for this type */
    size_t bytes;                                /**< of a number */
};

/** The sums, by type: what their tests compare with one another. */
extern const struct reduce reduce_sum[SHEAF_TYPE_COUNT], reduce_sqdiff[SHEAF_TYPE_COUNT];

/** Bytes of workspace for reduce_task: for every kernel whose inputs are (k). */
int64_t reduce_workspace_bytes(const struct sheaf_problem *problem);

/**
 * Add up one task.
 * @param[in]  reduce  for the type of the inputs
 * @param[out] sum     of a real type pair[0] is the sum of all
 */
void reduce_task(const struct sheaf_problem *problem, const struct sheaf_batch *batch, const struct reduce *reduce,
                 int64_t task, union reduce_sum *sum);

#endif
