/**
 * @file packed_filter.h
 * HDF5's filters undone, without its library: deflate, shuffle, fletcher32. Pure and thread-safe. For io/packed*.c only.
 */
#ifndef SHEAF_PACKED_FILTER_H
#define SHEAF_PACKED_FILTER_H

#include "inflater.h"

#include <stdint.h>

enum { PACKED_FILTERS_MAX = 6, PACKED_CHECKSUM_BYTES = 4 };

enum packed_filter_kind { PACKED_DEFLATE = 1, PACKED_SHUFFLE = 2, PACKED_FLETCHER32 = 3 };

/** A dataset's filters, in the order in which they were applied. At most one of them is deflate. */
struct packed_pipeline {
    int32_t count;
    int32_t reserved; /**< no gap: descriptions are compared as bytes */
    struct packed_filter {
        int32_t kind;           /**< enum packed_filter_kind */
        uint32_t element_bytes; /**< of a shuffle: what it took for one element */
    } filters[PACKED_FILTERS_MAX];
};

/** What undoing needs beside the pipeline. */
struct packed_workshop {
    struct inflater *inflater;
    unsigned char
        *scratch[2]; /**< where intermediate results go, by turns; the second one only for two filters that copy */
    int64_t scratch_bytes; /**< of each */
};

/** @return the filters that need a place for what they give: deflate and shuffle */
int packed_pipeline_copies(const struct packed_pipeline *pipeline);

/** @return the most bytes that a chunk of chunk_bytes can have between two of the filters, unpacked: with their checksums */
int64_t packed_pipeline_bytes(const struct packed_pipeline *pipeline, int64_t chunk_bytes);

/**
 * Undo the filters of one chunk.
 * @param[in]  mask         bit i: filter i was not applied to this chunk
 * @param[in]  chunk_bytes  that must come out
 * @param[in]  data         the chunk's bytes in the file
 * @param[in]  straight     where the chunk may go, chunk_bytes; NULL: to scratch
 * @param[out] chunk        where it is now: straight, in scratch, or in data itself
 * @return NULL; what is wrong with the chunk ("its compressed data are damaged")
 */
const char *packed_pipeline_undo(const struct packed_pipeline *pipeline, const struct packed_workshop *workshop,
                                 uint32_t mask, int64_t chunk_bytes, const void *data, int64_t bytes, void *straight,
                                 const void **chunk);

/** HDF5's Fletcher checksum: over big-endian 16-bit words, a last odd byte is one's upper half. */
uint32_t packed_fletcher32(const void *data, size_t bytes);

/**
 * Undo HDF5's shuffle: all first bytes of the elements, then all second ones, and so on.
 * @param[in]  bytes  what is not whole elements at the end was left as it was
 * @param[out] to     bytes; does not overlap `from`
 */
void packed_unshuffle(size_t element_bytes, size_t bytes, const void *from, void *to);

#endif
