/**
 * @file set_library.h
 * Members that are no plain bytes in their files, read through the HDF5 library: one file at a time is open. For
 * io/set*.c only. Not thread-safe.
 */
#ifndef SHEAF_SET_LIBRARY_H
#define SHEAF_SET_LIBRARY_H

#include "hdf5_guard.h"
#include "set.h"

/** The file that was read last. */
struct set_library {
    hid_t file;
    int64_t path; /**< as its members have it */
};

#define SET_LIBRARY_CLOSED ((struct set_library){.file = H5I_INVALID_HID})

void set_library_close(struct set_library *library);

/**
 * Read the beginning of a member, a box in its axes, as it is stored, the other byte order too.
 * @param[in]  most    bytes at most, but one element at least
 * @param[out] buffer  `most` bytes, or those of the member if it has fewer
 * @param[out] bytes   how many were read
 * @return SHEAF_OK; SHEAF_IO_ERROR
 */
enum sheaf_status set_library_read(struct set_library *library, const struct set *set, const struct set_member *member,
                                   int64_t most, void *buffer, int64_t *bytes, struct sheaf_error *error);

#endif
