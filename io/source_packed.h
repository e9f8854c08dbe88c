/**
 * @file source_packed.h
 * Datasets in HDF5 chunks that are read in two steps (packed.h): fetched by the thread that has the library, unpacked by
 * any. For io/source*.c only.
 *
 * The memory between the steps: room for elements that are wider as they are stored, then packed.h's area.
 */
#ifndef SHEAF_SOURCE_PACKED_H
#define SHEAF_SOURCE_PACKED_H

#include "source_library.h"

/** @return whether a source's tasks are its entries one after the other, as many as there are */
bool source_packed_is_consecutive(const struct source_map *map);

/**
 * Fetch tasks [first, first + count).
 * @param[in]  library  open
 * @param[out] raw      `bytes`, as source_raw_bytes tells for this count or a greater one
 * @return SHEAF_OK; SHEAF_IO_ERROR
 */
enum sheaf_status source_packed_fetch(const struct source_library *library, const struct source_map *map, int64_t first,
                                      int64_t count, void *raw, int64_t bytes, struct sheaf_error *error);

/** Unpack and convert what was fetched. @return SHEAF_OK; SHEAF_IO_ERROR; SHEAF_NO_RESOURCES */
enum sheaf_status source_packed_decode(const struct source_map *map, int64_t count, void *raw, void *buffer,
                                       struct sheaf_error *error);

#endif
