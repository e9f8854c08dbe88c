/*
 * Template: vectors of one real type. Included once per real type and level with
 *   COMPACT_REAL         float or double
 *   COMPACT_REAL_BYTES   its size
 *   COMPACT_INTEGER      the signed integer of that size
 *   COMPACT_INTEGER_MAX  its greatest number
 *   COMPACT_SQRT         sqrt or sqrtf
 *   COMPACT_SMALL        a power of two that is small and far from subnormal, and
 *   COMPACT_SCALE        one that makes subnormal numbers normal, and not large what is below COMPACT_SMALL
 *   COMPACT_SAFE         a power of two: sums of a few thousand squares of numbers as large do not overflow, nor do squares of
 *                        numbers 2 COMPACT_ROUNDOFF / 64 times its reciprocal underflow
 *   COMPACT_LEAST        the least normal number
 *   COMPACT_ROUNDOFF     half the distance from 1 to the next number
 *   COMPACT_BYTES        bytes of a vector
 *   COMPACT_TARGET       the attribute that lets a function use the level's instructions; may be empty
 *   COMPACT_LANES_NAME(name)  the name for this type and level
 */
#define LANES (COMPACT_BYTES / COMPACT_REAL_BYTES)
#define LANE_INLINE COMPACT_TARGET VECTOR_INLINE
#define VECTOR COMPACT_LANES_NAME(vector)
#define MASK COMPACT_LANES_NAME(mask)

/* A register: a number of each matrix. The mask is what comparing gives: all bits of a lane, or none. */
typedef COMPACT_REAL VECTOR __attribute__((vector_size(COMPACT_BYTES)));
typedef COMPACT_INTEGER MASK __attribute__((vector_size(COMPACT_BYTES)));

#if COMPACT_BYTES / COMPACT_REAL_BYTES == 2
#define ZIP_LOW 0, 2
#define ZIP_HIGH 1, 3
#elif COMPACT_BYTES / COMPACT_REAL_BYTES == 4
#define ZIP_LOW 0, 4, 1, 5
#define ZIP_HIGH 2, 6, 3, 7
#elif COMPACT_BYTES / COMPACT_REAL_BYTES == 8
#define ZIP_LOW 0, 8, 1, 9, 2, 10, 3, 11
#define ZIP_HIGH 4, 12, 5, 13, 6, 14, 7, 15
#else
#define ZIP_LOW 0, 16, 1, 17, 2, 18, 3, 19, 4, 20, 5, 21, 6, 22, 7, 23
#define ZIP_HIGH 8, 24, 9, 25, 10, 26, 11, 27, 12, 28, 13, 29, 14, 30, 15, 31
#endif

/*
 * Transpose LANES vectors: a zip of the first half with the second turns the bits of an element's place, row and column
 * together, by one to the left; after as many turns as the column has bits, they have changed places.
 */
LANE_INLINE void
COMPACT_LANES_NAME(transpose)(VECTOR *rows)
{
#pragma GCC unroll 4
    for (int turn = 1; turn < LANES; turn *= 2) {
        VECTOR zipped[LANES];
#pragma GCC unroll 8
        for (int i = 0; i < LANES / 2; i++) {
            zipped[2 * i] = COMPACT_SHUFFLE(MASK, rows[i], rows[i + LANES / 2], ZIP_LOW);
            zipped[2 * i + 1] = COMPACT_SHUFFLE(MASK, rows[i], rows[i + LANES / 2], ZIP_HIGH);
        }
#pragma GCC unroll 16
        for (int i = 0; i < LANES; i++)
            rows[i] = zipped[i];
    }
}

/* 0 in the lanes where x is finite: x 0 is a zero, or NaN. */
LANE_INLINE MASK
COMPACT_LANES_NAME(not_finite)(VECTOR x)
{
    return (MASK)(x * 0) & COMPACT_INTEGER_MAX;
}

/*
 * Interleave `count` reals of each matrix, from `offset` on. Where LANES does not divide count the last block overlaps the
 * one before.
 * @return 0 in the lanes whose numbers are all finite
 */
LANE_INLINE MASK
COMPACT_LANES_NAME(pack)(const void *const *sources, int64_t offset, int64_t count, VECTOR *packed)
{
    MASK bad = {0};
    for (int64_t first = 0; first < count; first += LANES) {
        int64_t at = first + LANES <= count ? first : count - LANES;
        VECTOR rows[LANES];
        if (at < 0)
            break;
#pragma GCC unroll 16
        for (int lane = 0; lane < LANES; lane++)
            memcpy(&rows[lane], (const COMPACT_REAL *)sources[lane] + offset + at, sizeof(VECTOR));
        COMPACT_LANES_NAME(transpose)(rows);
#pragma GCC unroll 16
        for (int i = 0; i < LANES; i++) {
            packed[at + i] = rows[i];
            bad |= COMPACT_LANES_NAME(not_finite)(rows[i]);
        }
    }
    for (int64_t i = 0; count < LANES && i < count; i++) {
        for (int lane = 0; lane < LANES; lane++)
            packed[i][lane] = ((const COMPACT_REAL *)sources[lane])[offset + i];
        bad |= COMPACT_LANES_NAME(not_finite)(packed[i]);
    }
    return bad;
}

/* The reverse. */
LANE_INLINE void
COMPACT_LANES_NAME(unpack)(const VECTOR *packed, int64_t offset, int64_t count, void *const *targets)
{
    for (int64_t first = 0; first < count; first += LANES) {
        int64_t at = first + LANES <= count ? first : count - LANES;
        VECTOR rows[LANES];
        if (at < 0)
            break;
#pragma GCC unroll 16
        for (int i = 0; i < LANES; i++)
            rows[i] = packed[at + i];
        COMPACT_LANES_NAME(transpose)(rows);
#pragma GCC unroll 16
        for (int lane = 0; lane < LANES; lane++)
            memcpy((COMPACT_REAL *)targets[lane] + offset + at, &rows[lane], sizeof(VECTOR));
    }
    for (int64_t i = 0; count < LANES && i < count; i++)
        for (int lane = 0; lane < LANES; lane++)
            ((COMPACT_REAL *)targets[lane])[offset + i] = packed[i][lane];
}

/* a where the mask is set, else b. */
LANE_INLINE VECTOR
COMPACT_LANES_NAME(choose)(MASK mask, VECTOR a, VECTOR b)
{
    return (VECTOR)(((MASK)a & mask) | ((MASK)b & ~mask));
}

LANE_INLINE VECTOR
COMPACT_LANES_NAME(magnitude)(VECTOR x)
{
    return (VECTOR)((MASK)x & COMPACT_INTEGER_MAX);
}

LANE_INLINE VECTOR
COMPACT_LANES_NAME(square_root)(VECTOR x)
{
    VECTOR root;
    for (int lane = 0; lane < LANES; lane++)
        root[lane] = COMPACT_SQRT(x[lane]);
    return root;
}

/*
 * What makes 1 / (x scale) finite and normal for every x but 0 and the greatest: x is scaled, and what is divided by it.
 */
LANE_INLINE VECTOR
COMPACT_LANES_NAME(divisor_scale)(VECTOR magnitude)
{
    const VECTOR zero = {0};
    return COMPACT_LANES_NAME(choose)(magnitude < COMPACT_SMALL, zero + COMPACT_SCALE, zero + 1);
}

/* The greatest power of two that is not above a number, within those whose reciprocals are normal too. */
LANE_INLINE VECTOR
COMPACT_LANES_NAME(power)(VECTOR greatest)
{
    const VECTOR zero = {0}, least = zero + COMPACT_LEAST;
    VECTOR power = (VECTOR)((MASK)greatest & (MASK)(zero + (COMPACT_REAL)INFINITY));
    power = COMPACT_LANES_NAME(choose)(power > least, power, least);
    return COMPACT_LANES_NAME(choose)(power < 1 / least, power, 1 / least);
}

/* What numbers up to this one are divided by where their squares could overflow, or underflow: its power; else 1. */
LANE_INLINE VECTOR
COMPACT_LANES_NAME(unit)(VECTOR greatest)
{
    const VECTOR one = (VECTOR){0} + 1, power = COMPACT_LANES_NAME(power)(greatest);
    const MASK is_safe = (power <= COMPACT_SAFE) & (power >= 1 / COMPACT_SAFE);
    return COMPACT_LANES_NAME(choose)(is_safe, one, power);
}

/* Whether the mask is set in any lane. */
LANE_INLINE bool
COMPACT_LANES_NAME(any)(MASK mask)
{
    COMPACT_INTEGER all = 0;
    for (int lane = 0; lane < LANES; lane++)
        all |= mask[lane];
    return all != 0;
}
