#include "packed_library.h"

/* zlib counts in 32 bits. The library's own limit is twice as much; such a chunk is no use to several threads anyway. */
static const int64_t chunk_bytes_max = INT32_MAX;

static bool
describe_filters(hid_t creation, struct packed_pipeline *pipeline)
{
    const int count = H5Pget_nfilters(creation);
    int deflates = 0;

    if (count < 0 || count > PACKED_FILTERS_MAX)
        return false;
    for (int i = 0; i < count; i++) {
        unsigned flags, values[1] = {0}, about;
        size_t value_count = 1;
        struct packed_filter *filter = &pipeline->filters[i];
        switch (H5Pget_filter2(creation, (unsigned)i, &flags, &value_count, values, 0, NULL, &about)) {
        case H5Z_FILTER_DEFLATE:
            filter->kind = PACKED_DEFLATE;
            deflates++;
            break;
        case H5Z_FILTER_SHUFFLE:
            filter->kind = PACKED_SHUFFLE;
            filter->element_bytes = values[0];
            if (value_count != 1 || values[0] == 0)
                return false;
            break;
        case H5Z_FILTER_FLETCHER32:
            filter->kind = PACKED_FLETCHER32;
            break;
        default:
            return false;
        }
    }
    pipeline->count = count;
    return deflates <= 1;
}

static bool
describe_grid(hid_t creation, hid_t space, struct packed_layout *layout)
{
    struct packed_grid *grid = &layout->grid;
    hsize_t extent[H5S_MAX_RANK], chunk[H5S_MAX_RANK];
    const int ndim = H5Sget_simple_extent_dims(space, extent, NULL);
    /* of the whole dataset: so much less than 64 bits that no sum of two such numbers needs more */
    int64_t bytes = 4 * PACKED_ELEMENT_BYTES_MAX;

    if (ndim < 1 || ndim > PACKED_NDIM_MAX || grid->lead > ndim || H5Pget_chunk(creation, H5S_MAX_RANK, chunk) != ndim)
        return false;
    layout->chunk_bytes = layout->element_bytes;
    grid->ndim = ndim;
    for (int i = 0; i < ndim; i++) {
        grid->extent[i] = (int64_t)extent[i];
        grid->chunk[i] = (int64_t)chunk[i];
        if (grid->extent[i] < 1 || grid->chunk[i] < 1 || !sheaf_multiply(bytes, grid->extent[i], &bytes) ||
            !sheaf_multiply(layout->chunk_bytes, grid->chunk[i], &layout->chunk_bytes))
            return false;
    }
    return layout->chunk_bytes <= chunk_bytes_max;
}

bool
packed_describe(hid_t dataset, int lead, struct packed_layout *layout)
{
    const hid_t creation = H5Dget_create_plist(dataset), space = H5Dget_space(dataset), type = H5Dget_type(dataset);
    unsigned options = 0;
    bool good = false;

    memset(layout, 0, sizeof *layout);
    layout->grid.lead = lead;
    if (creation >= 0 && space >= 0 && type >= 0 && H5Pget_layout(creation) == H5D_CHUNKED &&
        H5Pget_chunk_opts(creation, &options) >= 0) {
        layout->element_bytes = (int64_t)H5Tget_size(type);
        layout->plain_edges = (options & H5D_CHUNK_DONT_FILTER_PARTIAL_CHUNKS) != 0;
        good = layout->element_bytes > 0 && layout->element_bytes <= PACKED_ELEMENT_BYTES_MAX &&
               describe_grid(creation, space, layout) && describe_filters(creation, &layout->pipeline);
    }
    if (type >= 0)
        H5Tclose(type);
    if (space >= 0)
        H5Sclose(space);
    if (creation >= 0)
        H5Pclose(creation);
    return good;
}

/*
 * Read a chunk's elements by the library, which knows about all of them. What it does not set gets zeros. On failure there is
 * a reason.
 */
static bool
read_elements(hid_t dataset, const struct packed_layout *layout, const hsize_t *at, void *to,
              char reason[HDF5_GUARD_REASON_TEXT])
{
    const struct packed_grid *grid = &layout->grid;
    const hsize_t origin[PACKED_NDIM_MAX] = {0};
    hsize_t chunk[PACKED_NDIM_MAX], some[PACKED_NDIM_MAX];

    memset(to, 0, (size_t)layout->chunk_bytes);
    for (int i = 0; i < grid->ndim; i++) {
        const int64_t left = grid->extent[i] - (int64_t)at[i];
        chunk[i] = (hsize_t)grid->chunk[i];
        some[i] = (hsize_t)(left < grid->chunk[i] ? left : grid->chunk[i]);
    }
    const hid_t type = H5Dget_type(dataset), space = H5Dget_space(dataset);
    const hid_t memory = H5Screate_simple(grid->ndim, chunk, NULL);
    const bool good = type >= 0 && space >= 0 && memory >= 0 &&
                      H5Sselect_hyperslab(space, H5S_SELECT_SET, at, NULL, some, NULL) >= 0 &&
                      H5Sselect_hyperslab(memory, H5S_SELECT_SET, origin, NULL, some, NULL) >= 0 &&
                      H5Dread(dataset, type, memory, space, H5P_DEFAULT, to) >= 0;
    if (!good)
        hdf5_guard_reason(reason); /* before a call that has none */
    if (memory >= 0)
        H5Sclose(memory);
    if (space >= 0)
        H5Sclose(space);
    if (type >= 0)
        H5Tclose(type);
    return good;
}

/*
 * Read a chunk's bytes as they are. H5Dget_chunk_info_by_coord would tell all about them, but goes through all chunks of the
 * dataset to find one. The size comes first, for H5Dread_chunk knows no limit; it finds what the library has just looked up,
 * and noted.
 */
static bool
read_bytes(hid_t dataset, const hsize_t *at, struct packed_raw *raw, struct packed_chunk *chunk)
{
    hsize_t bytes = 0;

    if (H5Dget_chunk_storage_size(dataset, at, &bytes) < 0 || bytes == 0 || bytes > INT64_MAX)
        return false;
    void *to = packed_raw_room(raw, (int64_t)bytes);
    chunk->bytes = (int64_t)bytes;
    return to && H5Dread_chunk(dataset, H5P_DEFAULT, at, &chunk->mask, to) >= 0;
}

/*
 * For a chunk that was never written the library has an error and no bytes; one that is longer than any of its elements
 * could be may be damaged, or just odd. What such chunks hold, or what is wrong with them, the library itself says.
 */
static enum sheaf_status
fetch_chunk(hid_t dataset, const char *name, const int64_t *start, int64_t number, struct packed_raw *raw,
            struct sheaf_error *error)
{
    const struct packed_layout *layout = &raw->layout;
    char reason[HDF5_GUARD_REASON_TEXT];
    hsize_t at[PACKED_NDIM_MAX];
    struct packed_chunk chunk = {.number = number};

    for (int i = 0; i < PACKED_NDIM_MAX; i++)
        at[i] = (hsize_t)start[i];
    if (!read_bytes(dataset, at, raw, &chunk)) {
        void *to = packed_raw_room(raw, layout->chunk_bytes);
        if (!to)
            return sheaf_fail(error, SHEAF_INTERNAL, "%s: more chunks than were counted", name);
        if (!read_elements(dataset, layout, at, to, reason))
            return sheaf_fail(error, SHEAF_IO_ERROR, "%s: the HDF5 library cannot read it: %s", name, reason);
        chunk.bytes = layout->chunk_bytes;
        chunk.mask = PACKED_NO_FILTERS;
    }
    packed_raw_add(raw, &chunk);
    return SHEAF_OK;
}

enum sheaf_status
packed_fetch(const struct packed_layout *layout, hid_t dataset, const char *name, int64_t first, int64_t count,
             void *memory, int64_t bytes, struct sheaf_error *error)
{
    struct packed_raw *raw = packed_raw_start(layout, first, count, memory, bytes);
    enum sheaf_status status = SHEAF_OK;
    struct packed_walk walk;
    int64_t number, start[PACKED_NDIM_MAX];

    packed_walk_start(&walk, &raw->layout.grid, first, count);
    while (status == SHEAF_OK && packed_walk_next(&walk, &number)) {
        packed_grid_start(&raw->layout.grid, number, start);
        status = fetch_chunk(dataset, name, start, number, raw, error);
    }
    return status == SHEAF_OK ? hdf5_guard_check_length(dataset, name, error) : status;
}
