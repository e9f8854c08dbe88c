/*
 * Template: the operations on as many matrices as there are lanes. Included once per type and level, after compact_lanes_type.h,
 * with COMPACT_COMPLEX (0 or 1) and COMPACT_NAME(name), the name for this type and level.
 *
 * A is interleaved as it stands, by rows: read by columns, as below, it is M = A^T, which is what LAPACK is given elsewhere. So
 * a zero pivot has the same number. Every element is computed in one order, whatever its neighbours: with -= for each k
 * from 0 up, then the division.
 */
#if COMPACT_COMPLEX
#include "compact_complex_type.h"
#else
#include "compact_real_type.h"
#endif

/* Where a group's interleaved arrays stand in the workspace. */
#define WORK COMPACT_NAME(work)
typedef struct {
    NUMBER *a, *x, *column;
    int64_t stride; /* from a column of M to the next */
    MASK *pivots;
    void *scrap; /* where results go that nobody wants */
} WORK;

LANE_INLINE WORK
COMPACT_NAME(lay_out)(const struct compact_group *group)
{
    WORK work;
    work.stride = compact_stride(group->m);
    work.a = group->workspace;
    work.x = work.a + group->m * work.stride;
    work.column = work.x + group->m * group->n;
    work.pivots = (MASK *)(work.column + group->m);
    work.scrap = work.pivots + group->m;
    return work;
}

/* Say which lanes have finite numbers only. */
LANE_INLINE void
COMPACT_NAME(note_finite)(bool *is_finite, MASK bad)
{
    for (int lane = 0; lane < LANES; lane++)
        is_finite[lane] = bad[lane] == 0;
}

/* In the lanes of the mask that had no failure before, this is the first. */
LANE_INLINE void
COMPACT_NAME(note_failure)(struct compact_group *group, MASK failed, int64_t step)
{
    for (int lane = 0; lane < LANES; lane++)
        if (failed[lane] && !group->info[lane])
            group->info[lane] = (int32_t)(step + 1);
}

/* Interleave `rows` rows of `count` numbers, that come to stand `stride` apart. */
LANE_INLINE MASK
COMPACT_NAME(pack)(const void *const *sources, int64_t rows, int64_t count, NUMBER *packed, int64_t stride)
{
    const int64_t times = stride == count ? 1 : rows, reals = rows * count / times * (1 + COMPACT_COMPLEX);
    MASK bad = {0};
    for (int64_t row = 0; row < times; row++)
        bad |= COMPACT_LANES_NAME(pack)(sources, row * reals, reals, (VECTOR *)(packed + row * stride));
    return bad;
}

/* The reverse, for the tasks that did not fail. */
LANE_INLINE void
COMPACT_NAME(unpack)(const struct compact_group *group, const NUMBER *packed, int64_t stride, int64_t rows,
                     int64_t count, void *scrap)
{
    const int64_t times = stride == count ? 1 : rows, reals = rows * count / times * (1 + COMPACT_COMPLEX);
    void *targets[LANES];
    for (int lane = 0; lane < LANES; lane++)
        targets[lane] = group->x[lane] && compact_lane_status(group, lane) == SHEAF_TASK_DONE ? group->x[lane] : scrap;
    for (int64_t row = 0; row < times; row++)
        COMPACT_LANES_NAME(unpack)((const VECTOR *)(packed + row * stride), row * reals, reals, targets);
}

/*
 * target[i] -= source[k stride + i] coefficients[k], for each i below `count` and then, in order, each k below `terms`; four at
 * a time, so that a target is loaded and stored once for four products.
 */
LANE_INLINE void
COMPACT_NAME(subtract)(NUMBER *target, int64_t count, const NUMBER *source, int64_t stride, const NUMBER *coefficients,
                       int64_t terms)
{
    int64_t k = 0;
    for (; k + 4 <= terms; k += 4, source += 4 * stride, coefficients += 4) {
        const NUMBER c0 = coefficients[0], c1 = coefficients[1], c2 = coefficients[2], c3 = coefficients[3];
        for (int64_t i = 0; i < count; i++) {
            NUMBER sum = COMPACT_NAME(reduce)(target[i], source[i], c0);
            sum = COMPACT_NAME(reduce)(sum, source[stride + i], c1);
            sum = COMPACT_NAME(reduce)(sum, source[2 * stride + i], c2);
            target[i] = COMPACT_NAME(reduce)(sum, source[3 * stride + i], c3);
        }
    }
    for (; k < terms; k++, source += stride, coefficients++) {
        const NUMBER c0 = coefficients[0];
        for (int64_t i = 0; i < count; i++)
            target[i] = COMPACT_NAME(reduce)(target[i], source[i], c0);
    }
}

/* Row, from `step` on, of the element that is greatest, the first of equal ones. Two searches, of every other row: one would
 * wait for itself. */
LANE_INLINE MASK
COMPACT_NAME(find_pivots)(struct compact_group *group, const NUMBER *column, int64_t step)
{
    const MASK one = (MASK){0} + 1;
    VECTOR greatest = COMPACT_NAME(size)(column[step]), greatest_odd = {0};
    MASK row = (MASK){0} + (COMPACT_INTEGER)step, place = row, place_odd = row;
    int64_t i = step + 1;
    for (; i + 2 <= group->m; i += 2) {
        const VECTOR size = COMPACT_NAME(size)(column[i]), size_odd = COMPACT_NAME(size)(column[i + 1]);
        const MASK greater = size > greatest, greater_odd = size_odd > greatest_odd;
        row += one;
        greatest = COMPACT_LANES_NAME(choose)(greater, size, greatest);
        place = (greater & row) | (~greater & place);
        row += one;
        greatest_odd = COMPACT_LANES_NAME(choose)(greater_odd, size_odd, greatest_odd);
        place_odd = (greater_odd & row) | (~greater_odd & place_odd);
    }
    if (i < group->m) {
        const VECTOR size = COMPACT_NAME(size)(column[i]);
        const MASK greater = size > greatest;
        row += one;
        greatest = COMPACT_LANES_NAME(choose)(greater, size, greatest);
        place = (greater & row) | (~greater & place);
    }
    const MASK odd = (greatest_odd > greatest) | ((greatest_odd == greatest) & (place_odd < place));
    greatest = COMPACT_LANES_NAME(choose)(odd, greatest_odd, greatest);
    COMPACT_NAME(note_failure)(group, greatest == 0, step);
    return (odd & place_odd) | (~odd & place);
}

/* Exchange x and y in one lane; each is one of its matrix's numbers. */
LANE_INLINE void
COMPACT_NAME(exchange_lane)(COMPACT_REAL *x, COMPACT_REAL *y)
{
    const COMPACT_REAL kept = *x;
    *x = *y;
    *y = kept;
#if COMPACT_COMPLEX
    const COMPACT_REAL kept_im = x[LANES];
    x[LANES] = y[LANES];
    y[LANES] = kept_im;
#endif
}

/*
 * Exchange, in each lane, vector `step` with vector `place`, which is one from `step` to `last`; a vector's `count` numbers
 * are `stride` apart. Where the places are few, all lanes at a time for each place, else lane by lane.
 */
LANE_INLINE void
COMPACT_NAME(interchange)(NUMBER *first, int64_t step, int64_t last, MASK place, int64_t vector_stride, int64_t count,
                          int64_t stride)
{
    NUMBER *const row = first + step * vector_stride;
    if (last - step <= LANES) {
        for (int64_t i = 0; i < count; i++) {
            NUMBER x = row[i * stride];
            for (int64_t other = step + 1; other <= last; other++)
                COMPACT_NAME(exchange)(&x, first + other * vector_stride + i * stride, place == (COMPACT_INTEGER)other);
            row[i * stride] = x;
        }
        return;
    }
    for (int lane = 0; lane < LANES; lane++) {
        COMPACT_REAL *x = (COMPACT_REAL *)row + lane, *y = (COMPACT_REAL *)(first + place[lane] * vector_stride) + lane;
        for (int64_t i = 0; i < count; i++) {
            const int64_t at = i * stride * (1 + COMPACT_COMPLEX) * LANES;
            COMPACT_NAME(exchange_lane)(x + at, y + at);
        }
    }
}

/* P M = L U of the columns [first, end) from row `first` on. */
LANE_INLINE void
COMPACT_NAME(factor_panel)(struct compact_group *group, const WORK *work, int64_t first, int64_t end)
{
    const int64_t m = group->m, stride = work->stride;
    for (int64_t k = first; k < end; k++) {
        NUMBER *column = work->a + k * stride;
        work->pivots[k] = COMPACT_NAME(find_pivots)(group, column, k);
        COMPACT_NAME(interchange)(work->a + first * stride, k, m - 1, work->pivots[k], 1, end - first, stride);
        const DIVISOR divisor = COMPACT_NAME(divisor_of)(column[k]);
        for (int64_t i = k + 1; i < m; i++)
            column[i] = COMPACT_NAME(quotient)(column[i], &divisor);
        for (int64_t j = k + 1; j < end; j++) {
            NUMBER *target = work->a + j * stride;
            COMPACT_NAME(subtract)(target + k + 1, m - k - 1, column + k + 1, stride, target + k, 1);
        }
    }
}

/*
 * P M = L U in place, by panels of columns. The interchanges of later panels are not made in L: those who use it make them
 * between its panels, as with LINPACK's factors (there a panel is a column), which is cheaper.
 */
enum { COMPACT_NAME(PANEL) = 4 };
LANE_INLINE void
COMPACT_NAME(factor)(struct compact_group *group, const WORK *work)
{
    const int64_t m = group->m, stride = work->stride;
    for (int64_t first = 0; first < m; first += COMPACT_NAME(PANEL)) {
        const int64_t end = first + COMPACT_NAME(PANEL) < m ? first + COMPACT_NAME(PANEL) : m;
        COMPACT_NAME(factor_panel)(group, work, first, end);
        for (int64_t k = first; k < end && end < m; k++)
            COMPACT_NAME(interchange)(work->a + end * stride, k, m - 1, work->pivots[k], 1, m - end, stride);
        for (int64_t j = end; j < m; j++) {
            NUMBER *target = work->a + j * stride;
            for (int64_t k = first + 1; k < end; k++)
                COMPACT_NAME(subtract)(target + k, end - k, work->a + (k - 1) * stride + k, stride, target + k - 1, 1);
            COMPACT_NAME(subtract)
            (target + end, m - end, work->a + first * stride + end, stride, target + first, end - first);
        }
    }
}

/* A = U^T L^T P: U^T Y = B, in place, B by rows. */
LANE_INLINE void
COMPACT_NAME(solve_upper)(const struct compact_group *group, const WORK *work)
{
    const int64_t m = group->m, n = group->n;
    for (int64_t i = 0; i < m; i++) {
        const NUMBER *u = work->a + i * work->stride;
        NUMBER *x = work->x + i * n;
        const DIVISOR divisor = COMPACT_NAME(divisor_of)(u[i]);
        COMPACT_NAME(subtract)(x, n, work->x, n, u, i);
        for (int64_t j = 0; j < n; j++)
            x[j] = COMPACT_NAME(quotient)(x[j], &divisor);
    }
}

/* L^T P X = Y in place, interchanges after each panel. */
LANE_INLINE void
COMPACT_NAME(solve_lower)(const struct compact_group *group, const WORK *work)
{
    const int64_t m = group->m, n = group->n;
    for (int64_t i = m - 1; i >= 0; i--) {
        NUMBER *x = work->x + i * n;
        COMPACT_NAME(subtract)(x, n, x + n, n, work->a + i * work->stride + i + 1, m - 1 - i);
        for (int64_t k = i + COMPACT_NAME(PANEL) - 1; i % COMPACT_NAME(PANEL) == 0 && k >= i; k--)
            if (k < m)
                COMPACT_NAME(interchange)(work->x, k, m - 1, work->pivots[k], n, n, 1);
    }
}

COMPACT_TARGET static void
COMPACT_NAME(solve)(struct compact_group *group)
{
    const WORK work = COMPACT_NAME(lay_out)(group);
    if (!group->factored) {
        COMPACT_NAME(note_finite)
        (group->a_is_finite, COMPACT_NAME(pack)(group->a, group->m, group->m, work.a, work.stride));
        COMPACT_NAME(factor)(group, &work);
    }
    COMPACT_NAME(note_finite)(group->b_is_finite, COMPACT_NAME(pack)(group->b, group->m, group->n, work.x, group->n));
    COMPACT_NAME(solve_upper)(group, &work);
    COMPACT_NAME(solve_lower)(group, &work);
    COMPACT_NAME(unpack)(group, work.x, group->n, group->m, group->n, work.scrap);
}

/* inv(U) in place of U, column by column, each from those before it (LAPACK's trti2). */
LANE_INLINE void
COMPACT_NAME(invert_upper)(int64_t m, const WORK *work)
{
    NUMBER *a = work->a;
    const int64_t stride = work->stride;
    const NUMBER zero = COMPACT_NAME(of_real)((VECTOR){0}), one = COMPACT_NAME(of_real)((VECTOR){0} + 1);
    for (int64_t j = 0; j < m; j++) {
        NUMBER *x = a + j * stride;
        const DIVISOR divisor = COMPACT_NAME(divisor_of)(x[j]);
        x[j] = COMPACT_NAME(quotient)(one, &divisor);
        for (int64_t first = 0; first < j; first += 4) {
            const int64_t end = first + 4 < j ? first + 4 : j;
            COMPACT_NAME(subtract)(x, first, a + first * stride, stride, x + first, end - first);
            for (int64_t k = first; k < end; k++) {
                COMPACT_NAME(subtract)(x + first, k - first, a + k * stride + first, stride, x + k, 1);
                x[k] = COMPACT_NAME(reduce)(zero, a[k * stride + k], x[k]);
            }
        }
        for (int64_t i = 0; i < j; i++)
            x[i] = COMPACT_NAME(product)(x[i], x[j]);
    }
}

/* inv(M) from inv(U) and L: X L = inv(U), from the last column backwards (LAPACK's getri), interchanges after each panel. */
LANE_INLINE void
COMPACT_NAME(invert_lower)(int64_t m, const WORK *work)
{
    const int64_t stride = work->stride;
    for (int64_t j = m - 1; j >= 0; j--) {
        NUMBER *x = work->a + j * stride;
        for (int64_t k = j + 1; k < m; k++) {
            work->column[k] = x[k];
            x[k] = COMPACT_NAME(of_real)((VECTOR){0});
        }
        COMPACT_NAME(subtract)(x, m, x + stride, stride, work->column + j + 1, m - 1 - j);
        for (int64_t k = j + COMPACT_NAME(PANEL) - 1; j % COMPACT_NAME(PANEL) == 0 && k >= j; k--)
            if (k < m)
                COMPACT_NAME(interchange)(work->a, k, m - 1, work->pivots[k], stride, m, 1);
    }
}

COMPACT_TARGET static void
COMPACT_NAME(inv)(struct compact_group *group)
{
    const WORK work = COMPACT_NAME(lay_out)(group);
    COMPACT_NAME(note_finite)
    (group->a_is_finite, COMPACT_NAME(pack)(group->a, group->m, group->m, work.a, work.stride));
    COMPACT_NAME(factor)(group, &work);
    COMPACT_NAME(invert_upper)(group->m, &work);
    COMPACT_NAME(invert_lower)(group->m, &work);
    COMPACT_NAME(unpack)(group, work.a, work.stride, group->m, group->m, work.scrap);
}

/* The diagonal of U, in the first place with the sign of the permutation. */
COMPACT_TARGET static void
COMPACT_NAME(pivots)(struct compact_group *group)
{
    const WORK work = COMPACT_NAME(lay_out)(group);
    MASK odd = {0};
    COMPACT_NAME(note_finite)
    (group->a_is_finite, COMPACT_NAME(pack)(group->a, group->m, group->m, work.a, work.stride));
    COMPACT_NAME(factor)(group, &work);
    for (int64_t i = 0; i < group->m; i++) {
        odd ^= work.pivots[i] != (COMPACT_INTEGER)i;
        work.column[i] = work.a[i * work.stride + i];
    }
    const VECTOR plus = (VECTOR){0} + 1;
    if (group->m)
        work.column[0] = COMPACT_NAME(times_real)(work.column[0], COMPACT_LANES_NAME(choose)(odd, -plus, plus));
    COMPACT_NAME(unpack)(group, work.column, group->m, 1, group->m, work.scrap);
}

/* Whether the lower triangle is finite, the diagonal's imaginary parts too; what stands above is set to 0. */
LANE_INLINE void
COMPACT_NAME(clear_upper)(struct compact_group *group, NUMBER *a, int64_t stride)
{
    MASK bad = {0};
    for (int64_t i = 0; i < group->m; i++) {
        for (int64_t j = 0; j <= i; j++)
            bad |= COMPACT_NAME(not_finite)(a[i * stride + j]);
        for (int64_t j = i + 1; j < group->m; j++)
            a[i * stride + j] = COMPACT_NAME(of_real)((VECTOR){0});
    }
    COMPACT_NAME(note_finite)(group->a_is_finite, bad);
}

/* Column j of L from those before it, rows [first, first + count): its elements before their division. */
LANE_INLINE void
COMPACT_NAME(cholesky_sums)(NUMBER *a, int64_t stride, int64_t j, int64_t first, int count, NUMBER *sums)
{
    const NUMBER *pivot_row = a + j * stride;
    for (int r = 0; r < count; r++)
        sums[r] = a[(first + r) * stride + j];
    for (int64_t k = 0; k < j; k++)
        for (int r = 0; r < count; r++)
            sums[r] = COMPACT_NAME(reduce_conjugate)(sums[r], a[(first + r) * stride + k], pivot_row[k]);
}

/* A = L L^H by columns of L, each from those before it; A and L by rows, so that what is summed up is contiguous. */
COMPACT_TARGET static void
COMPACT_NAME(cholesky)(struct compact_group *group)
{
    const WORK work = COMPACT_NAME(lay_out)(group);
    const int64_t m = group->m, stride = work.stride;
    NUMBER *a = work.a, sums[4];
    (void)COMPACT_NAME(pack)(group->a, m, m, a, stride);
    COMPACT_NAME(clear_upper)(group, a, stride);
    for (int64_t j = 0; j < m; j++) {
        COMPACT_NAME(cholesky_sums)(a, stride, j, j, 1, sums);
        const VECTOR square = COMPACT_NAME(real_part)(sums[0]), root = COMPACT_LANES_NAME(square_root)(square);
        const VECTOR reciprocal = 1 / root;
        COMPACT_NAME(note_failure)(group, ~(MASK)(square > 0), j);
        a[j * stride + j] = COMPACT_NAME(of_real)(root);
        int64_t i = j + 1;
        for (; i + 4 <= m; i += 4) {
            COMPACT_NAME(cholesky_sums)(a, stride, j, i, 4, sums);
            for (int r = 0; r < 4; r++)
                a[(i + r) * stride + j] = COMPACT_NAME(times_real)(sums[r], reciprocal);
        }
        for (; i < m; i++) {
            COMPACT_NAME(cholesky_sums)(a, stride, j, i, 1, sums);
            a[i * stride + j] = COMPACT_NAME(times_real)(sums[0], reciprocal);
        }
    }
    COMPACT_NAME(unpack)(group, a, stride, m, m, work.scrap);
}

/* C = A B row by row: 0 - (-A) B, which rounds as the sum of products does. */
COMPACT_TARGET static void
COMPACT_NAME(matmul)(struct compact_group *group)
{
    const int64_t m = group->m, n = group->n, terms = group->k;
    NUMBER *a = group->workspace, *b = a + m * terms, *c = b + terms * n;
    (void)COMPACT_NAME(pack)(group->a, m, terms, a, terms);
    (void)COMPACT_NAME(pack)(group->b, terms, n, b, n);
    for (int64_t i = 0; i < m * terms; i++)
        a[i] = COMPACT_NAME(times_real)(a[i], (VECTOR){0} - 1);
    for (int64_t i = 0; i < m; i++) {
        for (int64_t j = 0; j < n; j++)
            c[i * n + j] = COMPACT_NAME(of_real)((VECTOR){0});
        COMPACT_NAME(subtract)(c + i * n, n, b, n, a + i * terms, terms);
    }
    COMPACT_NAME(unpack)(group, c, n, m, n, c + m * n);
}

#include "compact_jacobi_type.h"

#include "compact_eigen_type.h"

#include "compact_svd_type.h"

static const struct compact_code COMPACT_NAME(code) = {
    .lanes = LANES,
    .run = {[COMPACT_INV] = COMPACT_NAME(inv),
            [COMPACT_SOLVE] = COMPACT_NAME(solve),
            [COMPACT_CHOLESKY] = COMPACT_NAME(cholesky),
            [COMPACT_PIVOTS] = COMPACT_NAME(pivots),
            [COMPACT_MATMUL] = COMPACT_NAME(matmul),
            [COMPACT_EIGH] = COMPACT_NAME(eigh),
            [COMPACT_EIGVALSH] = COMPACT_NAME(eigvalsh),
            [COMPACT_SVD] = COMPACT_NAME(svd)},
};

#undef WORK
#undef NUMBER
#undef DIVISOR
#undef COMPACT_COMPLEX
#undef COMPACT_NAME
