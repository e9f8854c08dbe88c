/*
 * Template: an exact sum over one integer type, of terms that are short enough to add up in 64 bits. Included once
 * per type with
 *   REDUCE_NAME        the function's name, a reduce_function
 *   REDUCE_TYPE        the type
 *   REDUCE_BLOCK_SUM   a type that holds the sum of REDUCE_BLOCK terms: short, so that a register holds many
 *   REDUCE_TERM(x, y)  what is added; it may leave y alone
 */
VECTOR_INLINE void
REDUCE_NAME(const void *a, const void *b, int64_t count, union reduce_sum *sum)
{
    const REDUCE_TYPE *x = a, *y = b;
    int64_t total = 0;
    for (int64_t first = 0; first < count; first += REDUCE_BLOCK) {
        const int64_t end = count - first < REDUCE_BLOCK ? count : first + REDUCE_BLOCK;
        REDUCE_BLOCK_SUM block = 0;
        for (int64_t i = first; i < end; i++)
            block += (REDUCE_BLOCK_SUM)REDUCE_TERM(x[i], y[i]);
        total += (int64_t)block;
    }
    sum->integer = total;
    (void)y;
}

#undef REDUCE_NAME
#undef REDUCE_TYPE
#undef REDUCE_BLOCK_SUM
#undef REDUCE_TERM
