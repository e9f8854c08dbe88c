/**
 * @file store_library.h
 * A file of ours, open in the HDF5 library: where what is in it lies. For io/store*.c only.
 */
#ifndef SHEAF_STORE_LIBRARY_H
#define SHEAF_STORE_LIBRARY_H

#include "hdf5_guard.h"
#include "store_reading.h"

/** A file, open twice: here and in the library. */
struct store_library {
    struct store_reading reading;
    hid_t file, group; /**< group: the one that all else is in */
};

/** Where a dataset lies, its type and its axes. */
struct store_found {
    int64_t offset; /**< -1: it has no bytes */
    size_t element_bytes;
    enum sheaf_type type;
    bool typed; /**< its type is one of ours */
    int ndim;
    int64_t extent[H5S_MAX_RANK];
};

/**
 * Open it in the library.
 * @param[in,out] library  its reading is open; store_library_close is the caller's, also after a failure
 * @param[in]     group    without the leading slash
 * @param[in]     what     it is not, where there is no such group: for messages
 * @return SHEAF_OK; SHEAF_NO_INPUT; SHEAF_BAD_DATA
 */
enum sheaf_status store_library_open(struct store_library *library, const char *group, const char *what);

/** Close it in the library only; again is a no-op. */
void store_library_close(struct store_library *library);

/** Open a group, reached by no link that leads elsewhere. @return H5Gclose is the caller's; negative: no such group */
hid_t store_library_open_group(const struct store_library *library, const char *path);

/** Find a contiguous dataset all of whose bytes are in the file. @return SHEAF_OK; SHEAF_BAD_DATA */
enum sheaf_status store_library_find(const struct store_library *library, const char *path, struct store_found *found);

#endif
