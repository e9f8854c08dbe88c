/*
 * Template: singular values and vectors by the one-sided Jacobi method (Golub and Van Loan, Matrix Computations, 4th ed.,
 * section 8.6.3). Included by compact_type.h, after compact_jacobi_type.h.
 *
 * B is A, or A^H where that has fewer columns. Rotations make B V = W, with columns that are orthogonal up to roundings of
 * their own lengths: these are the singular values. Where a length is 0, or next to the greatest is, W has no direction to
 * give: that lane fails, as one that does not converge.
 */
#define SVD COMPACT_NAME(svd_work)
typedef struct {
    int64_t extent, count; /* of B: rows and columns */
    bool is_wide;          /* B is A^H */
    NUMBER *a;
    NUMBER *w, *v; /* a row for each column */
    NUMBER *sines;
    VECTOR *cosines; /* of the round's pairs; in the end the lengths of V's columns */
    VECTOR *values;
    MASK *places; /* of the values, in descending order */
    struct compact_pair *pairs;
    VECTOR unit; /* A was divided by it */
} SVD;

LANE_INLINE SVD
COMPACT_NAME(lay_out_svd)(const struct compact_group *group)
{
    SVD svd = {.is_wide = group->m < group->n};
    svd.extent = svd.is_wide ? group->n : group->m;
    svd.count = svd.is_wide ? group->m : group->n;
    svd.a = group->workspace;
    svd.w = svd.a + svd.extent * svd.count;
    svd.v = svd.w + svd.extent * svd.count;
    svd.sines = svd.v + svd.count * svd.count;
    svd.cosines = (VECTOR *)(svd.sines + svd.count / 2);
    svd.values = svd.cosines + svd.count;
    svd.places = (MASK *)(svd.values + svd.count);
    svd.pairs = (struct compact_pair *)(svd.places + svd.count);
    return svd;
}

/* W = B, divided by a power of two, and V = I. Lanes that are not finite become 0. */
LANE_INLINE void
COMPACT_NAME(load_columns)(struct compact_group *group, SVD *svd)
{
    const int64_t extent = svd->extent, count = svd->count;
    VECTOR greatest = {0};
    COMPACT_NAME(note_finite)(group->a_is_finite, COMPACT_NAME(pack)(group->a, group->m, group->n, svd->a, group->n));
    const MASK finite = COMPACT_NAME(finite_lanes)(group);
    for (int64_t i = 0; i < extent * count; i++) {
        const VECTOR size = COMPACT_NAME(size)(svd->a[i]);
        greatest = COMPACT_LANES_NAME(choose)(size > greatest, size, greatest);
    }
    svd->unit = COMPACT_LANES_NAME(power)(greatest);
    const VECTOR factor = 1 / svd->unit;
    for (int64_t j = 0; j < count; j++)
        for (int64_t i = 0; i < extent; i++) {
            const NUMBER x = svd->is_wide ? COMPACT_NAME(conjugate)(svd->a[j * extent + i]) : svd->a[i * count + j];
            svd->w[j * extent + i] = COMPACT_NAME(keep)(COMPACT_NAME(times_real)(x, factor), finite);
        }
    for (int64_t i = 0; i < count * count; i++)
        svd->v[i] = COMPACT_NAME(of_real)((VECTOR){0} + (COMPACT_REAL)(i % (count + 1) == 0));
}

/*
 * The rotation that makes a pair of columns orthogonal, where its cosine is not small: above twice what rounding may make of
 * 0. @return the lanes where that is
 */
LANE_INLINE MASK
COMPACT_NAME(find_turn)(const SVD *svd, int64_t pair)
{
    const NUMBER *x = svd->w + svd->pairs[pair].p * svd->extent, *y = svd->w + svd->pairs[pair].q * svd->extent;
    const VECTOR small = (VECTOR){0} + 2 * COMPACT_ROUNDOFF * (COMPACT_REAL)svd->extent;
    VECTOR xx = {0}, yy = {0};
    NUMBER xy = COMPACT_NAME(of_real)((VECTOR){0});
    for (int64_t i = 0; i < svd->extent; i++) {
        xx += COMPACT_NAME(square)(x[i]);
        yy += COMPACT_NAME(square)(y[i]);
        xy = COMPACT_NAME(sum)(xy, COMPACT_NAME(product)(COMPACT_NAME(conjugate)(x[i]), y[i]));
    }
    const VECTOR lengths = COMPACT_LANES_NAME(square_root)(xx) * COMPACT_LANES_NAME(square_root)(yy);
    const MASK rotated = COMPACT_NAME(size)(xy) > small * lengths;
    (void)COMPACT_NAME(turn)(rotated, yy - xx, xy, svd->cosines + pair, svd->sines + pair);
    return rotated;
}

/* @return the lanes where a pair was not orthogonal */
LANE_INLINE MASK
COMPACT_NAME(svd_sweep)(const SVD *svd)
{
    const int64_t extent = svd->extent, count = svd->count;
    MASK any = {0};
    for (int64_t round = 0; round < count - 1 + count % 2; round++) {
        MASK rotated = {0};
        for (int64_t pair = 0; pair < count / 2; pair++) {
            svd->pairs[pair] = compact_pair_of(count, round, pair);
            rotated |= COMPACT_NAME(find_turn)(svd, pair);
        }
        any |= rotated;
        for (int64_t pair = 0; pair < count / 2 && COMPACT_LANES_NAME(any)(rotated); pair++) {
            const int64_t p = svd->pairs[pair].p, q = svd->pairs[pair].q;
            const VECTOR cosine = svd->cosines[pair];
            const NUMBER sine = svd->sines[pair];
            for (int64_t i = 0; i < extent; i++)
                COMPACT_NAME(rotate)(svd->w + p * extent + i, svd->w + q * extent + i, cosine, sine);
            for (int64_t i = 0; i < count; i++)
                COMPACT_NAME(rotate)(svd->v + p * count + i, svd->v + q * count + i, cosine, sine);
        }
    }
    return any;
}

/* U and V of unit vectors, and the singular values: how much longer W became than V. @return the lanes where none is as good as 0 */
LANE_INLINE MASK
COMPACT_NAME(find_values)(const SVD *svd)
{
    VECTOR greatest = {0};
    MASK regular = (MASK){0} - 1;
    COMPACT_NAME(normalise)(svd->w, svd->count, svd->extent, svd->values);
    COMPACT_NAME(normalise)(svd->v, svd->count, svd->count, svd->cosines);
    for (int64_t i = 0; i < svd->count; i++) {
        const VECTOR value = svd->values[i] / svd->cosines[i];
        greatest = COMPACT_LANES_NAME(choose)(value > greatest, value, greatest);
        svd->values[i] = -value;
    }
    for (int64_t i = 0; i < svd->count; i++)
        regular &= -svd->values[i] > COMPACT_ROUNDOFF * greatest;
    COMPACT_NAME(find_places)(svd->values, svd->count, svd->places);
    return regular;
}

/* A lane's vector to where its numbers stand `stride` apart, conjugated or not. 0 is added so that no zero is negative. */
LANE_INLINE void
COMPACT_NAME(unpack_vector)(const NUMBER *vector, int64_t extent, int lane, bool conjugated, COMPACT_REAL *target,
                            int64_t stride)
{
    enum { PARTS = 1 + COMPACT_COMPLEX };
    const COMPACT_REAL *source = (const COMPACT_REAL *)vector + lane;
    for (int64_t i = 0; i < extent; i++)
        for (int part = 0; part < PARTS; part++) {
            const COMPACT_REAL x = source[(i * PARTS + part) * LANES];
            target[i * stride * PARTS + part] = (part && conjugated ? -x : x) + 0;
        }
}

/* A lane's U, s and V^H, where they are wanted. A = B = W V^H, or A = B^H = V W^H. */
LANE_INLINE void
COMPACT_NAME(unpack_svd)(const struct compact_group *group, const SVD *svd, int lane)
{
    enum { PARTS = 1 + COMPACT_COMPLEX };
    const NUMBER *left = svd->is_wide ? svd->v : svd->w, *right = svd->is_wide ? svd->w : svd->v;
    COMPACT_REAL *u = group->x[lane], *values = group->y[lane], *vt = group->z[lane];
    for (int64_t i = 0; i < svd->count; i++) {
        const int64_t place = svd->places[i][lane];
        if (u)
            COMPACT_NAME(unpack_vector)(left + i * group->m, group->m, lane, false, u + place * PARTS, svd->count);
        if (values)
            values[place] = -svd->values[i][lane] * svd->unit[lane];
        if (vt)
            COMPACT_NAME(unpack_vector)(right + i * group->n, group->n, lane, true, vt + place * group->n * PARTS, 1);
    }
}

COMPACT_TARGET static void
COMPACT_NAME(svd)(struct compact_group *group)
{
    SVD svd = COMPACT_NAME(lay_out_svd)(group);
    MASK rotated = (MASK){0} - 1;
    COMPACT_NAME(load_columns)(group, &svd);
    for (int64_t sweep = 0; sweep < group->sweeps && COMPACT_LANES_NAME(any)(rotated); sweep++)
        rotated = COMPACT_NAME(svd_sweep)(&svd);
    const MASK regular = COMPACT_NAME(find_values)(&svd);
    COMPACT_NAME(note_failure)(group, rotated | ~regular, 0);
    for (int lane = 0; lane < LANES; lane++)
        if (compact_lane_status(group, lane) == SHEAF_TASK_DONE)
            COMPACT_NAME(unpack_svd)(group, &svd, lane);
}

#undef SVD
