#include "broadcast.h"

/* The extent of an axis, counted from the right; 1 where there is none. */
static int64_t
extent_at(const struct sheaf_shape *shape, int from_right)
{
    return from_right < shape->ndim ? shape->extent[shape->ndim - 1 - from_right] : 1;
}

bool
broadcast_join(struct sheaf_shape *lead, const struct sheaf_shape *other)
{
    struct sheaf_shape joined = {.ndim = lead->ndim > other->ndim ? lead->ndim : other->ndim};

    for (int i = 0; i < joined.ndim; i++) {
        int64_t a = extent_at(lead, i), b = extent_at(other, i);
        if (a != b && a != 1 && b != 1)
            return false;
        joined.extent[joined.ndim - 1 - i] = a == 1 ? b : a;
    }
    *lead = joined;
    return true;
}

/* Put an axis around those that are there. Its neighbour of the same kind goes on where it ends: both are one. */
static void
add_axis(struct broadcast *broadcast, int64_t extent, int64_t stride)
{
    int last = broadcast->ndim - 1;

    if (last >= 0 && (broadcast->axes[last].stride == 0) == (stride == 0))
        broadcast->axes[last].extent *= extent;
    else
        broadcast->axes[broadcast->ndim++] = (struct broadcast_axis){extent, stride};
}

bool
broadcast_make(const struct sheaf_shape *own, const struct sheaf_shape *tasks, struct broadcast *broadcast)
{
    int64_t entries = 1, count;

    memset(broadcast, 0, sizeof *broadcast);
    /* every product below is at most the number of tasks */
    if (own->ndim > tasks->ndim || !sheaf_shape_count(tasks, &count) || count < 1)
        return false;
    for (int i = 0; i < tasks->ndim; i++) {
        int64_t extent = extent_at(tasks, i), from = extent_at(own, i);
        if (from != extent && from != 1)
            return false;
        if (extent > 1)
            add_axis(broadcast, extent, from == 1 ? 0 : entries);
        entries *= from;
    }
    if (broadcast->ndim == 1 && broadcast->axes[0].stride == 1)
        memset(broadcast, 0, sizeof *broadcast);
    return true;
}

int64_t
broadcast_tasks(const struct broadcast *broadcast)
{
    int64_t tasks = broadcast->ndim > 0;

    for (int i = 0; i < broadcast->ndim; i++)
        tasks *= broadcast->axes[i].extent;
    return tasks;
}

int64_t
broadcast_entry(const struct broadcast *broadcast, int64_t task)
{
    int64_t entry = 0;

    if (broadcast->ndim == 0)
        return task;
    for (int i = 0; i < broadcast->ndim; i++) {
        entry += task % broadcast->axes[i].extent * broadcast->axes[i].stride;
        task /= broadcast->axes[i].extent;
    }
    return entry;
}

/* As broadcast_earlier, for tasks that count over the axes from `inner` on: one step back on the innermost stretched axis
 * that has one, to the end of those within. */
static int64_t
earlier_from(const struct broadcast *broadcast, int inner, int64_t task)
{
    int64_t step = 1, back = 0, rest = task;

    for (int i = inner; i < broadcast->ndim; i++) {
        int64_t extent = broadcast->axes[i].extent;
        if (broadcast->axes[i].stride == 0) {
            if (rest % extent > 0)
                return task - step + back;
            back += (extent - 1) * step;
        }
        rest /= extent;
        step *= extent;
    }
    return -1;
}

int64_t
broadcast_earlier(const struct broadcast *broadcast, int64_t task)
{
    return earlier_from(broadcast, 0, task);
}

static int64_t
smaller(int64_t a, int64_t b)
{
    return a < b ? a : b;
}

struct broadcast_piece
broadcast_piece(const struct broadcast *broadcast, int64_t since, int64_t task, int64_t most)
{
    if (broadcast->ndim == 0)
        return (struct broadcast_piece){most, task, most, 1, 1, -1};

    const int inner =
        broadcast->axes[0].stride == 0; /* the axis along which entries follow each other, if there is one */
    const int64_t repeats = inner ? broadcast->axes[0].extent : 1, skipped = task % repeats;
    const int64_t extent = inner < broadcast->ndim ? broadcast->axes[inner].extent : 1;
    struct broadcast_piece piece = {.entry = broadcast_entry(broadcast, task), .repeats = repeats};

    piece.tasks = smaller(most, (extent - task / repeats % extent) * repeats - skipped);
    piece.earlier = earlier_from(broadcast, inner, task / repeats);
    if (piece.earlier >= 0) {
        piece.earlier = piece.earlier * repeats + skipped;
        if (piece.earlier < since) {
            /* what stands before the run is not there to be copied */
            piece.tasks = smaller(piece.tasks, since - piece.earlier);
            piece.earlier = -1;
        }
    }
    piece.first_repeats = smaller(piece.tasks, repeats - skipped);
    piece.entries = (skipped + piece.tasks - 1) / repeats + 1;
    return piece;
}

int64_t
broadcast_group(const struct broadcast *broadcast, int64_t group)
{
    int64_t tasks = 1;

    if (broadcast->ndim == 0)
        return group;
    for (int i = 0; i < broadcast->ndim && group > 1; i++) {
        int64_t extent = broadcast->axes[i].extent;
        if (broadcast->axes[i].stride > 0 && group % extent != 0) {
            /* a part of this axis; where the axis comes again, the groups must begin again with it */
            bool fits = group < extent && (extent % group == 0 || i == broadcast->ndim - 1);
            return fits ? tasks * group : 1;
        }
        group /= broadcast->axes[i].stride > 0 ? extent : 1;
        tasks *= extent;
    }
    return group == 1 ? tasks : 1;
}
