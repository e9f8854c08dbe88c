#include "packed.h"

/*
 * What deflate makes of data that it cannot compress, at most, of the compressors there are: some bytes for each of its
 * stored blocks. It is no format's limit, only room: one chunk may have more if others have less.
 */
enum { GROWTH_SHARE = 64, GROWTH_BYTES = 64 };

/* Of each place that filters need between raw and final bytes. */
static int64_t
scratch_bytes(const struct packed_layout *layout)
{
    return packed_align(packed_pipeline_bytes(&layout->pipeline, layout->chunk_bytes));
}

static int
scratch_count(const struct packed_layout *layout)
{
    const int copies = packed_pipeline_copies(&layout->pipeline);

    return copies < 2 ? copies : 2;
}

bool
packed_raw_bytes(const struct packed_layout *layout, int64_t first, int64_t every, int64_t count, int64_t *bytes)
{
    const int64_t chunk = layout->chunk_bytes + layout->chunk_bytes / GROWTH_SHARE + GROWTH_BYTES +
                          PACKED_CHECKSUM_BYTES * PACKED_FILTERS_MAX;
    const int64_t each = packed_align(chunk) + (int64_t)sizeof(struct packed_chunk);
    const int64_t fixed =
        packed_align(sizeof(struct packed_raw)) + PACKED_ALIGNMENT + scratch_count(layout) * scratch_bytes(layout);

    return sheaf_multiply(packed_grid_most(&layout->grid, first, every, count), each, bytes) &&
           !__builtin_add_overflow(*bytes, fixed, bytes);
}

struct packed_raw *
packed_raw_start(const struct packed_layout *layout, int64_t first, int64_t count, void *memory, int64_t bytes)
{
    struct packed_raw *raw = memory;

    *raw = (struct packed_raw){.layout = *layout,
                               .first = first,
                               .count = count,
                               .bytes = bytes - bytes % (int64_t) _Alignof(struct packed_chunk),
                               .used = packed_align(sizeof *raw)};
    return raw;
}

void *
packed_raw_room(struct packed_raw *raw, int64_t bytes)
{
    const int64_t table = (raw->chunks + 1) * (int64_t)sizeof(struct packed_chunk);
    const int64_t scratch = scratch_count(&raw->layout) * scratch_bytes(&raw->layout);

    if (bytes < 0 || bytes > raw->bytes - raw->used - table - scratch - PACKED_ALIGNMENT)
        return NULL;
    return (char *)raw + raw->used;
}

/* The table goes from the area's end towards its beginning. */
static struct packed_chunk *
chunk_of(struct packed_raw *raw, int64_t i)
{
    return (struct packed_chunk *)(void *)((char *)raw + raw->bytes) - (i + 1);
}

void
packed_raw_add(struct packed_raw *raw, const struct packed_chunk *chunk)
{
    struct packed_chunk *added = chunk_of(raw, raw->chunks++);

    *added = *chunk;
    added->at = raw->used;
    raw->used += packed_align(chunk->bytes);
}

static bool
is_edge(const struct packed_grid *grid, const int64_t *start)
{
    for (int i = 0; i < grid->ndim; i++)
        if (grid->extent[i] - start[i] < grid->chunk[i])
            return true;
    return false;
}

static enum sheaf_status
fail_chunk(const struct packed_grid *grid, const int64_t *start, const char *name, const char *why,
           struct sheaf_error *error)
{
    char text[400] = "";
    size_t used = 0;

    for (int i = 0; i < grid->ndim && used < sizeof text; i++)
        used += (size_t)snprintf(text + used, sizeof text - used, "%s%lld", i ? ", " : "", (long long)start[i]);
    return sheaf_fail(error, SHEAF_IO_ERROR, "%s: cannot unpack its HDF5 chunk at (%s): %s; copy the file again", name,
                      text, why);
}

static enum sheaf_status
decode_chunk(const struct packed_raw *raw, const struct packed_chunk *chunk, const struct packed_workshop *workshop,
             const char *name, char *to, struct sheaf_error *error)
{
    const struct packed_layout *layout = &raw->layout;
    const struct packed_grid *grid = &layout->grid;
    const void *unpacked;
    int64_t start[PACKED_NDIM_MAX], offset;

    packed_grid_start(grid, chunk->number, start);
    const bool run = packed_grid_is_run(grid, chunk->number, raw->first, raw->count, &offset);
    char *straight = run ? to + offset * layout->element_bytes : NULL;
    const uint32_t mask = layout->plain_edges && is_edge(grid, start) ? PACKED_NO_FILTERS : chunk->mask;
    const char *why = packed_pipeline_undo(&layout->pipeline, workshop, mask, layout->chunk_bytes,
                                           (const char *)raw + chunk->at, chunk->bytes, straight, &unpacked);
    if (why)
        return fail_chunk(grid, start, name, why, error);
    if (!run || unpacked != straight)
        packed_grid_scatter(grid, chunk->number, raw->first, raw->count, layout->element_bytes, unpacked, to);
    return SHEAF_OK;
}

enum sheaf_status
packed_decode(struct packed_raw *raw, const char *name, void *to, struct sheaf_error *error)
{
    const struct packed_layout *layout = &raw->layout;
    enum sheaf_status status = SHEAF_OK;
    struct packed_workshop workshop = {.scratch_bytes = scratch_bytes(layout)};

    workshop.scratch[0] = (unsigned char *)raw + raw->used;
    workshop.scratch[1] = workshop.scratch[0] + workshop.scratch_bytes;
    for (int i = 0; i < layout->pipeline.count && !workshop.inflater; i++) {
        if (layout->pipeline.filters[i].kind != PACKED_DEFLATE)
            continue;
        workshop.inflater = inflater_create();
        if (!workshop.inflater)
            return sheaf_fail(error, SHEAF_NO_RESOURCES, "%s: no memory to unpack it", name);
    }
    for (int64_t i = 0; i < raw->chunks && status == SHEAF_OK; i++)
        status = decode_chunk(raw, chunk_of(raw, i), &workshop, name, to, error);
    inflater_destroy(workshop.inflater);
    return status;
}
