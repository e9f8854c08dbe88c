/**
 * @file source_library.h
 * Reading a dataset of any layout, filter and byte order through the HDF5 library. For io/source*.c only.
 *
 * Not thread-safe: one thread at a time uses the library.
 */
#ifndef SHEAF_SOURCE_LIBRARY_H
#define SHEAF_SOURCE_LIBRARY_H

#include "convert_room.h"
#include "hdf5_guard.h"
#include "source.h"

/** A dataset that is open in the library. */
struct source_library {
    hid_t file, dataset;
    hid_t type;               /**< of its elements as they are stored: the library converts nothing */
    struct convert_room room; /**< of tasks that are converted */
};

/** Nothing open; what source_library_close takes as a no-op. */
#define SOURCE_LIBRARY_CLOSED ((struct source_library){H5I_INVALID_HID, H5I_INVALID_HID, H5I_INVALID_HID, {NULL, 0}})

/** Open map's file and dataset. @return SHEAF_OK; what hdf5_guard.h says */
enum sheaf_status source_library_open(const struct source_map *map, struct source_library *library,
                                      struct sheaf_error *error);

void source_library_close(struct source_library *library);

/**
 * Read tasks [first, first + count) into a dense buffer, converted to map's type.
 * @return SHEAF_OK; SHEAF_IO_ERROR; SHEAF_NO_RESOURCES
 */
enum sheaf_status source_library_read(struct source_library *library, const struct source_map *map, int64_t first,
                                      int64_t count, void *buffer, struct sheaf_error *error);

/**
 * Read the beginning of one task as it is stored, a block of at most `most` bytes that is a box in its axes.
 * @param[out] buffer  `most` bytes, at least one element
 * @param[out] bytes   how many were read
 * @return SHEAF_OK; SHEAF_IO_ERROR
 */
enum sheaf_status source_library_sample(const struct source_library *library, const struct source_map *map,
                                        int64_t task, int64_t most, void *buffer, int64_t *bytes,
                                        struct sheaf_error *error);

#endif
