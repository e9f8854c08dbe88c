/*
 * Template: a sum over one real type, as reduce.h describes it. Included once per type with
 *   REDUCE_NAME        the function's name, a reduce_function
 *   REDUCE_LANES_NAME  the name of its helper
 *   REDUCE_TYPE        the type
 *   REDUCE_TERM(x, y)  what is added: an f64; it may leave y alone
 */

/* One block, of 1 to REDUCE_BLOCK numbers. */
VECTOR_INLINE void
REDUCE_LANES_NAME(const REDUCE_TYPE *x, const REDUCE_TYPE *y, int64_t count, double pair[2])
{
    double lanes[REDUCE_LANES] = {0};
    int64_t whole = count / REDUCE_LANES * REDUCE_LANES;
    for (int64_t i = 0; i < whole; i += REDUCE_LANES)
        for (int lane = 0; lane < REDUCE_LANES; lane++)
            lanes[lane] += REDUCE_TERM(x[i + lane], y[i + lane]);
    for (int64_t i = whole; i < count; i++)
        lanes[i - whole] += REDUCE_TERM(x[i], y[i]);
    fold_lanes(lanes, 16);
    fold_lanes(lanes, 8);
    fold_lanes(lanes, 4);
    fold_lanes(lanes, 2);
    pair[0] = lanes[0];
    pair[1] = lanes[1];
    (void)y;
}

VECTOR_INLINE void
REDUCE_NAME(const void *a, const void *b, int64_t count, union reduce_sum *sum)
{
    const REDUCE_TYPE *x = a, *y = b;
    union reduce_sum blocks[REDUCE_PIECE_BLOCKS];
    int64_t block = 0;
    for (int64_t first = 0; first < count; first += REDUCE_BLOCK, block++)
        REDUCE_LANES_NAME(x + first, y + first, count - first < REDUCE_BLOCK ? count - first : REDUCE_BLOCK,
                          blocks[block].pair);
    add_pairwise(blocks, block);
    *sum = blocks[0];
}

#undef REDUCE_NAME
#undef REDUCE_LANES_NAME
#undef REDUCE_TYPE
#undef REDUCE_TERM
