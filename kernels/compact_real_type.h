/* Template: a number, of as many matrices as there are lanes, is one vector. See compact_type.h. */
#define NUMBER COMPACT_NAME(number)
#define DIVISOR COMPACT_NAME(divisor)

typedef VECTOR NUMBER;

/* 1 / (x scale), and scale: a quotient is two products. */
typedef struct {
    VECTOR scale, reciprocal;
} DIVISOR;

/* What pivots are chosen by. */
LANE_INLINE VECTOR
COMPACT_NAME(size)(NUMBER x)
{
    return COMPACT_LANES_NAME(magnitude)(x);
}

/* 0 in the lanes where x is finite. */
LANE_INLINE MASK
COMPACT_NAME(not_finite)(NUMBER x)
{
    return COMPACT_LANES_NAME(not_finite)(x);
}

LANE_INLINE NUMBER
COMPACT_NAME(of_real)(VECTOR real)
{
    return real;
}

LANE_INLINE VECTOR
COMPACT_NAME(real_part)(NUMBER x)
{
    return x;
}

LANE_INLINE NUMBER
COMPACT_NAME(product)(NUMBER x, NUMBER y)
{
    return x * y;
}

/* |x|^2 */
LANE_INLINE VECTOR
COMPACT_NAME(square)(NUMBER x)
{
    return x * x;
}

LANE_INLINE NUMBER
COMPACT_NAME(conjugate)(NUMBER x)
{
    return x;
}

LANE_INLINE NUMBER
COMPACT_NAME(sum)(NUMBER x, NUMBER y)
{
    return x + y;
}

/* a - x y */
LANE_INLINE NUMBER
COMPACT_NAME(reduce)(NUMBER a, NUMBER x, NUMBER y)
{
    return a - x * y;
}

/* a - x conj(y) */
LANE_INLINE NUMBER
COMPACT_NAME(reduce_conjugate)(NUMBER a, NUMBER x, NUMBER y)
{
    return a - x * y;
}

LANE_INLINE NUMBER
COMPACT_NAME(times_real)(NUMBER x, VECTOR real)
{
    return x * real;
}

LANE_INLINE DIVISOR
COMPACT_NAME(divisor_of)(NUMBER x)
{
    const VECTOR scale = COMPACT_LANES_NAME(divisor_scale)(COMPACT_LANES_NAME(magnitude)(x));
    return (DIVISOR){scale, 1 / (x * scale)};
}

LANE_INLINE NUMBER
COMPACT_NAME(quotient)(NUMBER x, const DIVISOR *divisor)
{
    return x * divisor->scale * divisor->reciprocal;
}

/* Exchange x and y in the lanes of the mask. */
LANE_INLINE void
COMPACT_NAME(exchange)(NUMBER *x, NUMBER *y, MASK mask)
{
    MASK change = ((MASK)*x ^ (MASK)*y) & mask;
    *x = (NUMBER)((MASK)*x ^ change);
    *y = (NUMBER)((MASK)*y ^ change);
}
