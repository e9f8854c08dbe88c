/* Template: a number, of as many matrices as there are lanes, is two vectors. See compact_type.h. */
#define NUMBER COMPACT_NAME(number)
#define DIVISOR COMPACT_NAME(divisor)

typedef struct {
    VECTOR re, im;
} NUMBER;

/* 1 / (x scale), and scale: a quotient is two products. */
typedef struct {
    VECTOR scale;
    NUMBER reciprocal;
} DIVISOR;

/* What pivots are chosen by: |re| + |im|, as by LAPACK. */
LANE_INLINE VECTOR
COMPACT_NAME(size)(NUMBER x)
{
    return COMPACT_LANES_NAME(magnitude)(x.re) + COMPACT_LANES_NAME(magnitude)(x.im);
}

/* 0 in the lanes where x is finite. */
LANE_INLINE MASK
COMPACT_NAME(not_finite)(NUMBER x)
{
    return COMPACT_LANES_NAME(not_finite)(x.re) | COMPACT_LANES_NAME(not_finite)(x.im);
}

LANE_INLINE NUMBER
COMPACT_NAME(of_real)(VECTOR real)
{
    return (NUMBER){real, {0}};
}

LANE_INLINE VECTOR
COMPACT_NAME(real_part)(NUMBER x)
{
    return x.re;
}

LANE_INLINE NUMBER
COMPACT_NAME(product)(NUMBER x, NUMBER y)
{
    return (NUMBER){x.re * y.re - x.im * y.im, x.re * y.im + x.im * y.re};
}

/* |x|^2 */
LANE_INLINE VECTOR
COMPACT_NAME(square)(NUMBER x)
{
    return x.re * x.re + x.im * x.im;
}

LANE_INLINE NUMBER
COMPACT_NAME(conjugate)(NUMBER x)
{
    return (NUMBER){x.re, -x.im};
}

LANE_INLINE NUMBER
COMPACT_NAME(sum)(NUMBER x, NUMBER y)
{
    return (NUMBER){x.re + y.re, x.im + y.im};
}

/* a - x y */
LANE_INLINE NUMBER
COMPACT_NAME(reduce)(NUMBER a, NUMBER x, NUMBER y)
{
    return (NUMBER){a.re - x.re * y.re + x.im * y.im, a.im - x.re * y.im - x.im * y.re};
}

/* a - x conj(y) */
LANE_INLINE NUMBER
COMPACT_NAME(reduce_conjugate)(NUMBER a, NUMBER x, NUMBER y)
{
    return (NUMBER){a.re - x.re * y.re - x.im * y.im, a.im + x.re * y.im - x.im * y.re};
}

LANE_INLINE NUMBER
COMPACT_NAME(times_real)(NUMBER x, VECTOR real)
{
    return (NUMBER){x.re * real, x.im * real};
}

/*
 * 1 / x = conj(z) / (s |z|^2) with z = x / s, s the larger of |re| and |im|: nothing overflows on the way (Smith, Algorithm
 * 116, Communications of the ACM 5, 1962, has the same purpose).
 */
LANE_INLINE DIVISOR
COMPACT_NAME(divisor_of)(NUMBER x)
{
    VECTOR re = COMPACT_LANES_NAME(magnitude)(x.re), im = COMPACT_LANES_NAME(magnitude)(x.im);
    const VECTOR larger = COMPACT_LANES_NAME(choose)(re > im, re, im);
    const VECTOR scale = COMPACT_LANES_NAME(divisor_scale)(larger), reciprocal = 1 / (larger * scale);
    re = x.re * scale * reciprocal;
    im = x.im * scale * reciprocal;
    const VECTOR factor = reciprocal / (re * re + im * im);
    return (DIVISOR){scale, {re * factor, -im * factor}};
}

LANE_INLINE NUMBER
COMPACT_NAME(quotient)(NUMBER x, const DIVISOR *divisor)
{
    return COMPACT_NAME(product)(COMPACT_NAME(times_real)(x, divisor->scale), divisor->reciprocal);
}

/* Exchange x and y in the lanes of the mask. */
LANE_INLINE void
COMPACT_NAME(exchange)(NUMBER *x, NUMBER *y, MASK mask)
{
    MASK re = ((MASK)x->re ^ (MASK)y->re) & mask, im = ((MASK)x->im ^ (MASK)y->im) & mask;
    x->re = (VECTOR)((MASK)x->re ^ re);
    y->re = (VECTOR)((MASK)y->re ^ re);
    x->im = (VECTOR)((MASK)x->im ^ im);
    y->im = (VECTOR)((MASK)y->im ^ im);
}
