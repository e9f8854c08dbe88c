/*
 * Template: sums and products of one integer type, with a look at what does not fit. Included once per type with
 *   ARITHMETIC_ADD, ARITHMETIC_MULTIPLY   the functions' names, map_functions
 *   ARITHMETIC_TYPE                       the element type
 *   ARITHMETIC_UNSIGNED                   the unsigned type of that size
 *   ARITHMETIC_WIDE                       a type that holds every product; not defined: there is none
 *   ARITHMETIC_CARRY(x, y, sum)           of unsigned operands and their sum modulo 2^n: top bit set: it does not fit
 *
 * What does not fit is gathered in numbers of the elements' own size: a vector register holds as many of them.
 */
VECTOR_INLINE bool
ARITHMETIC_ADD(const void *a, const void *b, void *out, int64_t count)
{
    const ARITHMETIC_UNSIGNED *restrict x = a, *restrict y = b;
    ARITHMETIC_UNSIGNED *restrict result = out, carry = 0;
    for (int64_t i = 0; i < count; i++) {
        const ARITHMETIC_UNSIGNED sum = (ARITHMETIC_UNSIGNED)(x[i] + y[i]);
        carry |= (ARITHMETIC_UNSIGNED)ARITHMETIC_CARRY(x[i], y[i], sum);
        result[i] = sum;
    }
    return carry >> (8 * sizeof carry - 1) == 0;
}

VECTOR_INLINE bool
ARITHMETIC_MULTIPLY(const void *a, const void *b, void *out, int64_t count)
{
    const ARITHMETIC_TYPE *restrict x = a, *restrict y = b;
    ARITHMETIC_TYPE *restrict result = out;
#ifdef ARITHMETIC_WIDE
    ARITHMETIC_WIDE lost = 0;
    for (int64_t i = 0; i < count; i++) {
        const ARITHMETIC_WIDE product = (ARITHMETIC_WIDE)((ARITHMETIC_WIDE)x[i] * (ARITHMETIC_WIDE)y[i]);
        result[i] = (ARITHMETIC_TYPE)product;
        lost |= (ARITHMETIC_WIDE)(product ^ (ARITHMETIC_WIDE)result[i]);
    }
#else
    bool lost = false;
    for (int64_t i = 0; i < count; i++)
        lost |= __builtin_mul_overflow(x[i], y[i], &result[i]);
#endif
    return !lost;
}

#undef ARITHMETIC_ADD
#undef ARITHMETIC_MULTIPLY
#undef ARITHMETIC_TYPE
#undef ARITHMETIC_UNSIGNED
#undef ARITHMETIC_WIDE
#undef ARITHMETIC_CARRY
