/*
 * Template: what Jacobi's methods for eigenvalues and singular values share (Golub and Van Loan, Matrix Computations, 4th ed.,
 * sections 8.5 and 8.6.3). Included by compact_type.h.
 *
 * A sweep meets every pair of rows once, in rounds of pairs that have no row in common: a round's rotations do not wait for
 * each other. What is small in its lane is not rotated away: c = 1, s = 0, which changes no number but a zero's sign, and no
 * zero's sign matters. So a lane that has converged stays as it is while others go on.
 */

/* (x y) (c s; -conj(s) c) */
LANE_INLINE void
COMPACT_NAME(rotate)(NUMBER *x, NUMBER *y, VECTOR cosine, NUMBER sine)
{
    const NUMBER x_before = *x, y_before = *y;
    *x = COMPACT_NAME(reduce)(COMPACT_NAME(times_real)(x_before, cosine), COMPACT_NAME(conjugate)(sine), y_before);
    *y = COMPACT_NAME(sum)(COMPACT_NAME(product)(sine, x_before), COMPACT_NAME(times_real)(y_before, cosine));
}

/*
 * The rotation J = (c s; -conj(s) c), by the smaller angle, that makes J^H (a g; conj(g) a + difference) J diagonal; in the
 * lanes that are not `rotated` J = I. @return what it takes from the first diagonal element and gives to the second
 */
LANE_INLINE VECTOR
COMPACT_NAME(turn)(MASK rotated, VECTOR difference, NUMBER g, VECTOR *cosine, NUMBER *sine)
{
    const VECTOR square = COMPACT_NAME(square)(g), two = (VECTOR){0} + 2;
    const VECTOR root = COMPACT_LANES_NAME(square_root)(difference * difference + 4 * square);
    VECTOR factor =
        COMPACT_LANES_NAME(choose)(difference >= 0, two, -two) / (COMPACT_LANES_NAME(magnitude)(difference) + root);
    factor = COMPACT_LANES_NAME(choose)(rotated, factor, (VECTOR){0});
    const NUMBER tangent = COMPACT_NAME(times_real)(g, factor);
    *cosine = 1 / COMPACT_LANES_NAME(square_root)(1 + COMPACT_NAME(square)(tangent));
    *sine = COMPACT_NAME(times_real)(tangent, *cosine);
    return factor * square;
}

/*
 * Make the lengths of `count` vectors 1: each rotation changes them by a rounding, and that adds up; angles between vectors
 * stay right without. A vector of an identity stays as it is. @param[out] lengths  what they were
 */
LANE_INLINE void
COMPACT_NAME(normalise)(NUMBER *vectors, int64_t count, int64_t extent, VECTOR *lengths)
{
    for (int64_t i = 0; i < count; i++) {
        NUMBER *vector = vectors + i * extent;
        VECTOR squares = {0};
        for (int64_t j = 0; j < extent; j++)
            squares += COMPACT_NAME(square)(vector[j]);
        lengths[i] = COMPACT_LANES_NAME(square_root)(squares);
        const VECTOR factor = 1 / lengths[i];
        for (int64_t j = 0; j < extent; j++)
            vector[j] = COMPACT_NAME(times_real)(vector[j], factor);
    }
}

/* Each value's place in ascending order; equal ones stay in the order that they are in. */
LANE_INLINE void
COMPACT_NAME(find_places)(const VECTOR *values, int64_t count, MASK *places)
{
    for (int64_t i = 0; i < count; i++) {
        MASK place = {0};
        for (int64_t j = 0; j < i; j++)
            place -= values[j] <= values[i];
        for (int64_t j = i + 1; j < count; j++)
            place -= values[j] < values[i];
        places[i] = place;
    }
}

/* In the lanes of the mask x, in the others 0. */
LANE_INLINE NUMBER
COMPACT_NAME(keep)(NUMBER x, MASK mask)
{
    NUMBER zero = COMPACT_NAME(of_real)((VECTOR){0});
    COMPACT_NAME(exchange)(&x, &zero, ~mask);
    return x;
}

/* The lanes whose inputs are finite. */
LANE_INLINE MASK
COMPACT_NAME(finite_lanes)(const struct compact_group *group)
{
    MASK finite;
    for (int lane = 0; lane < LANES; lane++)
        finite[lane] = group->a_is_finite[lane] ? -1 : 0;
    return finite;
}
