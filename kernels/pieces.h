/**
 * @file pieces.h
 * A task's elements in pieces of fixed size: what the cores of a wide task share. The split depends on the number of
 * elements alone, so that what is computed piece by piece has the same bits at every width.
 */
#ifndef SHEAF_PIECES_H
#define SHEAF_PIECES_H

#include "sheaf/kernel.h"

/** Numbers in a piece; some 10 microseconds of work, far more than it takes to hand a piece out. */
#define PIECE_NUMBERS INT64_C(65536)

/** @return pieces of `numbers` numbers */
static inline int64_t
pieces_count(int64_t numbers)
{
    return numbers / PIECE_NUMBERS + (numbers % PIECE_NUMBERS != 0);
}

/** @return numbers in a piece: all but the last are full */
static inline int64_t
pieces_length(int64_t numbers, int64_t piece)
{
    int64_t left = numbers - piece * PIECE_NUMBERS;
    return left < PIECE_NUMBERS ? left : PIECE_NUMBERS;
}

/** Run body over pieces [0, count): on the batch's cores, where it has several and there is more than one piece. */
static inline void
pieces_run(const struct sheaf_batch *batch, int64_t count, sheaf_parallel_body *body, void *argument)
{
    if (batch->parallel_for && batch->width > 1 && count > 1)
        batch->parallel_for(batch->team, count, 1, body, argument);
    else
        body(argument, 0, count);
}

/** The scaling of work that memory bandwidth bounds: no piece, no use for a core. */
static inline void
pieces_cost(int64_t numbers, struct sheaf_cost *cost)
{
    int64_t pieces = pieces_count(numbers);
    cost->serial_fraction = 0.05;
    cost->greatest_width = pieces < 1 ? 1 : pieces < INT32_MAX ? (int32_t)pieces : INT32_MAX;
}

#endif
