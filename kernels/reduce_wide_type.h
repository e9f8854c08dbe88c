/*
 * Template: an exact sum over one integer type, of terms of 64 bits, whose lower and upper halves add up apart.
 * Included once per type with
 *   REDUCE_NAME         the function's name, a reduce_function
 *   REDUCE_TYPE         the type
 *   REDUCE_VALUE(x, y)  a uint64_t that the rest follows from; it may leave y alone
 *   REDUCE_TERM(value)  what is added, plus REDUCE_BIAS, modulo 2^64
 *   REDUCE_BIAS         a constant
 *   REDUCE_LARGE(value) not 0 where the term is 2^64 or more: then the sum is some number of at least 2^64
 */
VECTOR_INLINE void
REDUCE_NAME(const void *a, const void *b, int64_t count, union reduce_sum *sum)
{
    const REDUCE_TYPE *x = a, *y = b;
    uint64_t low = 0, high = 0, large = 0;
    for (int64_t i = 0; i < count; i++) {
        const uint64_t value = REDUCE_VALUE(x[i], y[i]);
        const uint64_t term = REDUCE_TERM(value);
        low += term & UINT32_MAX;
        high += term >> 32;
        large |= REDUCE_LARGE(value);
    }
    const reduce_integer unit = (reduce_integer)1 << 32;
    sum->integer = (reduce_integer)high * unit + (reduce_integer)low - (reduce_integer)REDUCE_BIAS * count;
    if (large)
        sum->integer = unit * unit;
    (void)y;
}

#undef REDUCE_NAME
#undef REDUCE_TYPE
#undef REDUCE_VALUE
#undef REDUCE_TERM
#undef REDUCE_BIAS
#undef REDUCE_LARGE
