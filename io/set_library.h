/**
 * @file set_library.h
 * Members that are no plain bytes in their files, read through the HDF5 library: one file at a time is open. For
 * io/set*.c only. Not thread-safe.
 */
#ifndef SHEAF_SET_LIBRARY_H
#define SHEAF_SET_LIBRARY_H

#include "hdf5_guard.h"
#include "packed.h"
#include "set.h"

/** Raw memory of a member: so many bytes, and a share for each element, in parts of a byte; with more it is not worth it. */
enum { SET_RAW_FIXED = 1024, SET_RAW_UNIT = 64, SET_RAW_TIMES_MAX = 4 };

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

/**
 * Fetch the chunks of a packed member.
 * @param[out] fetched  false where it is not packed as it was when it was examined, or for another reason needs more than
 *                      `bytes`: nothing was done
 * @param[out] raw      for packed_decode
 * @return SHEAF_OK; SHEAF_IO_ERROR
 */
enum sheaf_status set_library_fetch(struct set_library *library, const struct set *set, const struct set_member *member,
                                    void *raw, int64_t bytes, bool *fetched, struct sheaf_error *error);

#endif
