/*
 * Template: eigenvalues and eigenvectors by Jacobi's method with a parallel order (Golub and Van Loan, Matrix Computations,
 * 4th ed., sections 8.5.1 to 8.5.4 and 8.5.7). Included by compact_type.h, after compact_jacobi_type.h.
 */
#define EIGEN COMPACT_NAME(eigen)
typedef struct {
    int64_t m, stride;
    NUMBER *a;       /* the lower triangle, by rows */
    NUMBER *vectors; /* a row each */
    VECTOR *values;  /* the diagonal */
    VECTOR *cosines; /* of the round's pairs; in the end the vectors' lengths */
    NUMBER *sines;
    MASK *places; /* of the values, in ascending order */
    struct compact_pair *pairs;
    VECTOR unit;  /* A was divided by it */
    VECTOR small; /* off-diagonal elements to this are taken for 0 */
} EIGEN;

LANE_INLINE EIGEN
COMPACT_NAME(lay_out_eigen)(const struct compact_group *group)
{
    EIGEN eigen = {.m = group->m, .stride = compact_stride(group->m)};
    eigen.a = group->workspace;
    eigen.vectors = eigen.a + eigen.m * eigen.stride;
    eigen.sines = eigen.vectors + eigen.m * eigen.m;
    eigen.values = (VECTOR *)(eigen.sines + eigen.m / 2);
    eigen.cosines = eigen.values + eigen.m;
    eigen.places = (MASK *)(eigen.cosines + eigen.m);
    eigen.pairs = (struct compact_pair *)(eigen.places + eigen.m);
    return eigen;
}

/* Element (i,j), i != j, of A = A^H. */
LANE_INLINE NUMBER
COMPACT_NAME(load)(const EIGEN *eigen, int64_t i, int64_t j)
{
    return i > j ? eigen->a[i * eigen->stride + j] : COMPACT_NAME(conjugate)(eigen->a[j * eigen->stride + i]);
}

LANE_INLINE void
COMPACT_NAME(store)(const EIGEN *eigen, int64_t i, int64_t j, NUMBER x)
{
    if (i > j)
        eigen->a[i * eigen->stride + j] = x;
    else
        eigen->a[j * eigen->stride + i] = COMPACT_NAME(conjugate)(x);
}

/*
 * A into the workspace, and how large it is. The small elements, all together, are as an error of COMPACT_ROUNDOFF |A| at
 * most, in the norm of Frobenius. Lanes that are not finite become 0.
 */
LANE_INLINE void
COMPACT_NAME(load_hermitian)(struct compact_group *group, EIGEN *eigen)
{
    const int64_t m = eigen->m, stride = eigen->stride;
    VECTOR greatest = {0}, squares = {0};
    (void)COMPACT_NAME(pack)(group->a, m, m, eigen->a, stride);
    COMPACT_NAME(clear_upper)(group, eigen->a, stride);
    const MASK finite = COMPACT_NAME(finite_lanes)(group);
    for (int64_t i = 0; i < m; i++) {
        NUMBER *row = eigen->a + i * stride;
        row[i] = COMPACT_NAME(of_real)(COMPACT_NAME(real_part)(row[i]));
        for (int64_t j = 0; j <= i; j++) {
            const VECTOR size = COMPACT_NAME(size)(row[j]);
            greatest = COMPACT_LANES_NAME(choose)(size > greatest, size, greatest);
        }
    }
    eigen->unit = COMPACT_LANES_NAME(unit)(greatest);
    const VECTOR factor = 1 / eigen->unit;
    for (int64_t i = 0; i < m; i++) {
        for (int64_t j = 0; j <= i; j++) {
            const NUMBER x = COMPACT_NAME(keep)(COMPACT_NAME(times_real)(eigen->a[i * stride + j], factor), finite);
            eigen->a[i * stride + j] = x;
            squares += COMPACT_NAME(square)(x) * (COMPACT_REAL)(i == j ? 1 : 2);
        }
        eigen->values[i] = COMPACT_NAME(real_part)(eigen->a[i * stride + i]);
    }
    eigen->small = COMPACT_LANES_NAME(square_root)(squares) * (COMPACT_ROUNDOFF / (COMPACT_REAL)m);
}

/* The rotation that makes a pair's element 0 where it is not small, by the smaller angle. @return the lanes where that is */
LANE_INLINE MASK
COMPACT_NAME(find_rotation)(const EIGEN *eigen, int64_t pair)
{
    const int64_t p = eigen->pairs[pair].p, q = eigen->pairs[pair].q;
    const NUMBER element = COMPACT_NAME(load)(eigen, p, q);
    const MASK rotated = COMPACT_NAME(size)(element) > eigen->small;
    const VECTOR shift = COMPACT_NAME(turn)(rotated, eigen->values[q] - eigen->values[p], element,
                                            eigen->cosines + pair, eigen->sines + pair);
    eigen->values[p] -= shift;
    eigen->values[q] += shift;
    COMPACT_NAME(store)(eigen, p, q, COMPACT_NAME(keep)(element, ~rotated));
    return rotated;
}

/* The elements where the rows of one pair meet the columns of another. */
LANE_INLINE void
COMPACT_NAME(rotate_block)(const EIGEN *eigen, int64_t rows, int64_t columns)
{
    const struct compact_pair i = eigen->pairs[rows], j = eigen->pairs[columns];
    const VECTOR row_cosine = eigen->cosines[rows], cosine = eigen->cosines[columns];
    const NUMBER row_sine = COMPACT_NAME(conjugate)(eigen->sines[rows]), sine = eigen->sines[columns];
    NUMBER pp = COMPACT_NAME(load)(eigen, i.p, j.p), pq = COMPACT_NAME(load)(eigen, i.p, j.q);
    NUMBER qp = COMPACT_NAME(load)(eigen, i.q, j.p), qq = COMPACT_NAME(load)(eigen, i.q, j.q);
    COMPACT_NAME(rotate)(&pp, &qp, row_cosine, row_sine);
    COMPACT_NAME(rotate)(&pq, &qq, row_cosine, row_sine);
    COMPACT_NAME(rotate)(&pp, &pq, cosine, sine);
    COMPACT_NAME(rotate)(&qp, &qq, cosine, sine);
    COMPACT_NAME(store)(eigen, i.p, j.p, pp);
    COMPACT_NAME(store)(eigen, i.p, j.q, pq);
    COMPACT_NAME(store)(eigen, i.q, j.p, qp);
    COMPACT_NAME(store)(eigen, i.q, j.q, qq);
}

/* A round's rotations: of the others' elements, of the row that has no partner where m is odd, and of the vectors. */
LANE_INLINE void
COMPACT_NAME(rotate_round)(const EIGEN *eigen, int64_t round, bool vectors)
{
    const int64_t m = eigen->m;
    for (int64_t pair = 0; pair < m / 2; pair++) {
        const int64_t p = eigen->pairs[pair].p, q = eigen->pairs[pair].q;
        const VECTOR cosine = eigen->cosines[pair];
        const NUMBER sine = eigen->sines[pair];
        for (int64_t other = 0; other < pair; other++)
            COMPACT_NAME(rotate_block)(eigen, pair, other);
        if (m % 2) {
            NUMBER x = COMPACT_NAME(load)(eigen, round, p), y = COMPACT_NAME(load)(eigen, round, q);
            COMPACT_NAME(rotate)(&x, &y, cosine, sine);
            COMPACT_NAME(store)(eigen, round, p, x);
            COMPACT_NAME(store)(eigen, round, q, y);
        }
        for (int64_t i = 0; vectors && i < m; i++)
            COMPACT_NAME(rotate)(eigen->vectors + p * m + i, eigen->vectors + q * m + i, cosine, sine);
    }
}

/* @return whether any lane was rotated */
LANE_INLINE bool
COMPACT_NAME(sweep)(const EIGEN *eigen, bool vectors)
{
    const int64_t m = eigen->m;
    bool any = false;
    for (int64_t round = 0; round < m - 1 + m % 2; round++) {
        MASK rotated = {0};
        for (int64_t pair = 0; pair < m / 2; pair++) {
            eigen->pairs[pair] = compact_pair_of(m, round, pair);
            rotated |= COMPACT_NAME(find_rotation)(eigen, pair);
        }
        if (!COMPACT_LANES_NAME(any)(rotated))
            continue;
        COMPACT_NAME(rotate_round)(eigen, round, vectors);
        any = true;
    }
    return any;
}

/* How many elements are still not small: a lane's info. */
LANE_INLINE void
COMPACT_NAME(note_left)(struct compact_group *group, const EIGEN *eigen)
{
    MASK left = {0};
    for (int64_t i = 0; i < eigen->m; i++)
        for (int64_t j = 0; j < i; j++)
            left -= COMPACT_NAME(size)(eigen->a[i * eigen->stride + j]) > eigen->small;
    for (int lane = 0; lane < LANES; lane++)
        group->info[lane] = (int32_t)left[lane];
}

/* A lane's results, where they are wanted. 0 is added so that no zero is negative. */
LANE_INLINE void
COMPACT_NAME(unpack_eigen)(const struct compact_group *group, const EIGEN *eigen, int lane)
{
    enum { PARTS = 1 + COMPACT_COMPLEX };
    const int64_t m = eigen->m;
    COMPACT_REAL *values = group->x[lane], *vectors = group->y[lane];
    for (int64_t i = 0; i < m; i++) {
        const int64_t place = eigen->places[i][lane];
        const COMPACT_REAL *vector = (const COMPACT_REAL *)(eigen->vectors + i * m) + lane;
        if (values)
            values[place] = eigen->values[i][lane] * eigen->unit[lane] + 0;
        for (int64_t j = 0; vectors && j < m; j++)
            for (int part = 0; part < PARTS; part++)
                vectors[(j * m + place) * PARTS + part] = vector[(j * PARTS + part) * LANES] + 0;
    }
}

LANE_INLINE void
COMPACT_NAME(decompose)(struct compact_group *group, bool vectors)
{
    EIGEN eigen = COMPACT_NAME(lay_out_eigen)(group);
    const int64_t m = eigen.m;
    int64_t sweeps = 0;
    COMPACT_NAME(load_hermitian)(group, &eigen);
    for (int64_t i = 0; vectors && i < m * m; i++)
        eigen.vectors[i] = COMPACT_NAME(of_real)((VECTOR){0} + (COMPACT_REAL)(i % (m + 1) == 0));
    while (sweeps < group->sweeps && COMPACT_NAME(sweep)(&eigen, vectors))
        sweeps++;
    COMPACT_NAME(note_left)(group, &eigen);
    if (vectors)
        COMPACT_NAME(normalise)(eigen.vectors, m, m, eigen.cosines);
    COMPACT_NAME(find_places)(eigen.values, m, eigen.places);
    for (int lane = 0; lane < LANES; lane++)
        if (compact_lane_status(group, lane) == SHEAF_TASK_DONE)
            COMPACT_NAME(unpack_eigen)(group, &eigen, lane);
}

COMPACT_TARGET static void
COMPACT_NAME(eigh)(struct compact_group *group)
{
    COMPACT_NAME(decompose)(group, true);
}

COMPACT_TARGET static void
COMPACT_NAME(eigvalsh)(struct compact_group *group)
{
    COMPACT_NAME(decompose)(group, false);
}

#undef EIGEN
