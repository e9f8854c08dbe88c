#include "packed_grid.h"

static int64_t
chunks_along(const struct packed_grid *grid, int axis)
{
    return (grid->extent[axis] - 1) / grid->chunk[axis] + 1;
}

/* How far a chunk that starts at `start` goes along an axis within the dataset. */
static int64_t
span_along(const struct packed_grid *grid, int axis, int64_t start)
{
    const int64_t left = grid->extent[axis] - start;

    return left < grid->chunk[axis] ? left : grid->chunk[axis];
}

/* The product of extents of axes [from, to). */
static int64_t
extents(const struct packed_grid *grid, int from, int to)
{
    int64_t product = 1;

    for (int i = from; i < to; i++)
        product *= grid->extent[i];
    return product;
}

int64_t
packed_grid_entries(const struct packed_grid *grid)
{
    return extents(grid, 0, grid->lead);
}

static int64_t
greatest_common_divisor(int64_t a, int64_t b)
{
    while (b != 0) {
        const int64_t rest = a % b;
        a = b;
        b = rest;
    }
    return a;
}

/* The most chunks of one axis that `count` of its indices from first + i * every on can lie in. */
static int64_t
most_of_axis(const struct packed_grid *grid, int axis, int64_t first, int64_t every, int64_t count)
{
    const int64_t chunk = grid->chunk[axis], all = chunks_along(grid, axis);
    const int64_t step = greatest_common_divisor(every, chunk);
    const int64_t start = chunk - step + first % step; /* the latest index of a chunk where one of them starts */

    if (count > grid->extent[axis] - 1)
        return all;
    const int64_t most = (start + count - 1) / chunk + 1;
    return most < all ? most : all;
}

/* The same for the entries that axes [axis, lead) count. */
static int64_t
most_of_entries(const struct packed_grid *grid, int axis, int64_t first, int64_t every, int64_t count)
{
    if (axis >= grid->lead)
        return 1;
    const int64_t inner = extents(grid, axis + 1, grid->lead);
    int64_t below = 1;
    for (int i = axis + 1; i < grid->lead; i++)
        below *= chunks_along(grid, i);
    if (first % inner == 0 && every % inner == 0 && count % inner == 0)
        return below * most_of_axis(grid, axis, first / inner, every / inner, count / inner);
    const int64_t rows = (count - 1) / inner + 1 + ((count - 1) % inner > 0);
    const int64_t most = below * most_of_axis(grid, axis, 0, 1, rows);
    if (count > inner)
        return most;
    /* within one row, or at the end of one and the beginning of the next one */
    const bool fits = every == count && inner % count == 0 && first % count == 0;
    const int64_t within = fits ? most_of_entries(grid, axis + 1, first % inner, every, count)
                                : 2 * most_of_entries(grid, axis + 1, 0, 1, count);
    return within < most ? within : most;
}

int64_t
packed_grid_most(const struct packed_grid *grid, int64_t first, int64_t every, int64_t count)
{
    const int64_t entries = packed_grid_entries(grid);
    int64_t chunks = most_of_entries(grid, 0, first, every, count < entries ? count : entries);

    for (int i = grid->lead; i < grid->ndim; i++)
        chunks *= chunks_along(grid, i);
    return chunks;
}

static void
indices_of(const struct packed_grid *grid, int64_t entry, int64_t index[PACKED_NDIM_MAX])
{
    for (int i = grid->lead - 1; i >= 0; i--) {
        index[i] = entry % grid->extent[i];
        entry /= grid->extent[i];
    }
}

void
packed_walk_start(struct packed_walk *walk, const struct packed_grid *grid, int64_t first, int64_t count)
{
    bool same = true; /* first and last entry have the same indices so far */

    walk->grid = grid;
    walk->started = false;
    indices_of(grid, first, walk->first);
    indices_of(grid, first + count - 1, walk->last);
    for (int i = 0; i < grid->ndim; i++) {
        const bool narrow = i < grid->lead && same;
        walk->low[i] = narrow ? walk->first[i] / grid->chunk[i] : 0;
        walk->high[i] = narrow ? walk->last[i] / grid->chunk[i] : chunks_along(grid, i) - 1;
        walk->at[i] = walk->low[i];
        same = narrow && walk->first[i] == walk->last[i];
    }
}

/* The first axis along which index lies outside of the walk's chunk, or the number of leading axes. */
static int
first_outside(const struct packed_walk *walk, const int64_t *index)
{
    int i = 0;

    while (i < walk->grid->lead && index[i] / walk->grid->chunk[i] == walk->at[i])
        i++;
    return i;
}

/*
 * Whether an entry of the walk lies in its chunk: the first one in the chunk that is not before walk->first is compared with
 * walk->last, index by index.
 */
static bool
touches(const struct packed_walk *walk)
{
    const struct packed_grid *grid = walk->grid;
    int64_t index[PACKED_NDIM_MAX];
    int axis = first_outside(walk, walk->first), kept = axis;

    memcpy(index, walk->first, sizeof index);
    if (axis < grid->lead && walk->first[axis] / grid->chunk[axis] > walk->at[axis]) {
        /* behind the chunk: an axis before this one goes a step further */
        do {
            if (--kept < 0)
                return false;
            index[kept] = walk->first[kept] + 1;
        } while (index[kept] == grid->extent[kept] || index[kept] / grid->chunk[kept] != walk->at[kept]);
        kept++;
    }
    for (int i = kept; i < grid->lead; i++)
        index[i] = walk->at[i] * grid->chunk[i];
    for (int i = 0; i < grid->lead; i++)
        if (index[i] != walk->last[i])
            return index[i] < walk->last[i];
    return true;
}

/* Go on along an axis, or the one before it, ...; those behind start again. @return false: that was the last one */
static bool
advance(struct packed_walk *walk, int axis)
{
    while (axis >= 0 && walk->at[axis] == walk->high[axis])
        axis--;
    if (axis < 0)
        return false;
    walk->at[axis]++;
    for (int i = axis + 1; i < walk->grid->ndim; i++)
        walk->at[i] = walk->low[i];
    return true;
}

bool
packed_walk_next(struct packed_walk *walk, int64_t *number)
{
    const struct packed_grid *grid = walk->grid;
    bool more = !walk->started || advance(walk, grid->ndim - 1);

    walk->started = true;
    while (more && !touches(walk))
        more = advance(walk, grid->lead - 1);
    *number = 0;
    for (int i = 0; i < grid->ndim; i++)
        *number = *number * chunks_along(grid, i) + walk->at[i];
    return more;
}

void
packed_grid_start(const struct packed_grid *grid, int64_t number, int64_t start[PACKED_NDIM_MAX])
{
    memset(start, 0, PACKED_NDIM_MAX * sizeof *start);
    for (int i = grid->ndim - 1; i >= 0; i--) {
        const int64_t chunks = chunks_along(grid, i);
        start[i] = number % chunks * grid->chunk[i];
        number /= chunks;
    }
}

bool
packed_grid_is_run(const struct packed_grid *grid, int64_t number, int64_t first, int64_t count, int64_t *offset)
{
    int64_t start[PACKED_NDIM_MAX], entry = 0, entries = 1, element = 0;
    bool run = true, wide = false; /* wide: an axis so far has more than one index in the chunk */

    packed_grid_start(grid, number, start);
    for (int i = 0; i < grid->ndim && run; i++) {
        run = span_along(grid, i, start[i]) == grid->chunk[i] && (!wide || grid->chunk[i] == grid->extent[i]);
        wide = wide || grid->chunk[i] > 1;
        if (i < grid->lead) {
            entry = entry * grid->extent[i] + start[i];
            entries *= grid->chunk[i];
        } else {
            element = element * grid->extent[i] + start[i];
        }
    }
    if (!run || entry < first || entry - first > count - entries)
        return false;
    *offset = (entry - first) * extents(grid, grid->lead, grid->ndim) + element;
    return true;
}

/* A box of elements in two arrays: counts and strides, the innermost axis last; strides in bytes. */
struct copy_box {
    int ndim;
    int64_t count[PACKED_NDIM_MAX + 1], from_stride[PACKED_NDIM_MAX + 1], to_stride[PACKED_NDIM_MAX + 1];
};

static void
copy_box(const struct copy_box *box, int64_t bytes, const char *from, char *to)
{
    int64_t at[PACKED_NDIM_MAX + 1] = {0};
    int ndim = box->ndim;

    /* what is consecutive in both is one piece */
    while (ndim > 0 && box->from_stride[ndim - 1] == bytes && box->to_stride[ndim - 1] == bytes)
        bytes *= box->count[--ndim];
    for (;;) {
        memcpy(to, from, (size_t)bytes);
        int axis = ndim - 1;
        while (axis >= 0 && at[axis] == box->count[axis] - 1) {
            from -= at[axis] * box->from_stride[axis];
            to -= at[axis] * box->to_stride[axis];
            at[axis--] = 0;
        }
        if (axis < 0)
            return;
        at[axis]++;
        from += box->from_stride[axis];
        to += box->to_stride[axis];
    }
}

/* A chunk's share of an entry as a box, with a first axis for several entries; `to` moves to its place in the first one. */
static void
set_box(const struct packed_grid *grid, const int64_t *start, int64_t element_bytes, struct copy_box *box, char **to)
{
    int64_t from_stride = element_bytes, to_stride = element_bytes;

    box->ndim = 1 + grid->ndim - grid->lead;
    for (int i = grid->ndim - 1; i >= grid->lead; i--) {
        const int axis = 1 + i - grid->lead;
        box->count[axis] = span_along(grid, i, start[i]);
        box->from_stride[axis] = from_stride;
        box->to_stride[axis] = to_stride;
        *to += start[i] * to_stride;
        from_stride *= grid->chunk[i];
        to_stride *= grid->extent[i];
    }
    box->from_stride[0] = from_stride;
    box->to_stride[0] = to_stride;
}

void
packed_grid_scatter(const struct packed_grid *grid, int64_t number, int64_t first, int64_t count, int64_t element_bytes,
                    const void *chunk, void *to)
{
    const int last = grid->lead - 1; /* the axis whose indices are consecutive entries */
    int64_t start[PACKED_NDIM_MAX], at[PACKED_NDIM_MAX] = {0};
    char *base = to;
    struct copy_box box = {.ndim = 0};

    packed_grid_start(grid, number, start);
    set_box(grid, start, element_bytes, &box, &base);
    const int64_t run = last >= 0 ? span_along(grid, last, start[last]) : 1;
    for (;;) {
        int64_t entry = 0, row = 0; /* in the dataset, in the chunk */
        for (int i = 0; i <= last; i++) {
            entry = entry * grid->extent[i] + start[i] + at[i];
            row = row * grid->chunk[i] + at[i];
        }
        const int64_t skipped = entry < first ? first - entry : 0;
        const int64_t end = first + count - entry < run ? first + count - entry : run;
        if (skipped < end) {
            box.count[0] = end - skipped;
            copy_box(&box, element_bytes, (const char *)chunk + (row + skipped) * box.from_stride[0],
                     base + (entry + skipped - first) * box.to_stride[0]);
        }
        int axis = last - 1;
        while (axis >= 0 && at[axis] == span_along(grid, axis, start[axis]) - 1)
            at[axis--] = 0;
        if (axis < 0)
            return;
        at[axis]++;
    }
}
