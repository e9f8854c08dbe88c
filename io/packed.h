/**
 * @file packed.h
 * Chunked datasets read in two steps: the thread that may call HDF5 fetches the chunks as they are in the file
 * (packed_library.h), any other thread unpacks them. This is the second step, which knows no HDF5, and what both share.
 *
 * Everything is in one memory area of the caller's, "raw": a header, the chunks' bytes behind it, a table of the chunks at
 * the area's end, and between them the room that unpacking needs.
 */
#ifndef SHEAF_PACKED_H
#define SHEAF_PACKED_H

#include "packed_filter.h"
#include "packed_grid.h"
#include "sheaf/status.h"

enum { PACKED_ELEMENT_BYTES_MAX = 16, PACKED_ALIGNMENT = 64 };

/** @return bytes, or the next multiple of PACKED_ALIGNMENT */
static inline int64_t
packed_align(int64_t bytes)
{
    return (bytes + PACKED_ALIGNMENT - 1) / PACKED_ALIGNMENT * PACKED_ALIGNMENT;
}

/** The mask of a chunk that needs no unpacking. */
#define PACKED_NO_FILTERS UINT32_MAX

/** A chunked dataset, described: plain data that may be copied, sent and compared. */
struct packed_layout {
    struct packed_grid grid;
    struct packed_pipeline pipeline;
    int64_t element_bytes;
    int64_t chunk_bytes; /**< of a chunk, unpacked; within 31 bits */
    int64_t plain_edges; /**< not 0: the chunks that go beyond the dataset are not filtered */
};

/** A chunk in a raw area. */
struct packed_chunk {
    int64_t number; /**< in the grid */
    int64_t at;     /**< where its bytes are, from the area's beginning */
    int64_t bytes;
    uint32_t mask; /**< bit i: filter i of the pipeline was not applied to it */
    uint32_t reserved;
};

/** The header of a raw area. */
struct packed_raw {
    struct packed_layout layout;
    int64_t first, count; /**< entries */
    int64_t bytes;        /**< of the area, header and all */
    int64_t used;         /**< of them by header and chunks */
    int64_t chunks;       /**< in the table */
};

/**
 * How many bytes a raw area needs at most for the entries [first + i * every, ... + count), i = 0, 1, ...
 * @return false where 64 bits cannot count them
 */
bool packed_raw_bytes(const struct packed_layout *layout, int64_t first, int64_t every, int64_t count, int64_t *bytes);

/**
 * Begin a raw area, without chunks.
 * @param[in] memory  `bytes` bytes, as packed_raw_bytes tells them, at a multiple of PACKED_ALIGNMENT
 */
struct packed_raw *packed_raw_start(const struct packed_layout *layout, int64_t first, int64_t count, void *memory,
                                    int64_t bytes);

/**
 * Where the next chunk's bytes go.
 * @param[in] bytes  of the chunk
 * @return NULL: there is no room for so many
 */
void *packed_raw_room(struct packed_raw *raw, int64_t bytes);

/** Add the chunk whose bytes are where packed_raw_room said. @param[in] chunk  number, bytes and mask */
void packed_raw_add(struct packed_raw *raw, const struct packed_chunk *chunk);

/**
 * Unpack what was fetched. Thread-safe, of one raw area by one thread: it works in the area, which stays as good as it was.
 * @param[in]  name  how messages call the dataset
 * @param[out] to    the entries, dense, of the type that is stored; all of them, where all their chunks were added
 * @return SHEAF_OK; SHEAF_IO_ERROR: damaged data, `to` is undefined; SHEAF_NO_RESOURCES
 */
enum sheaf_status packed_decode(struct packed_raw *raw, const char *name, void *to, struct sheaf_error *error);

#endif
