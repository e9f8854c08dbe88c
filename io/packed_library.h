/**
 * @file packed_library.h
 * The first step of reading chunked datasets (packed.h): what only the HDF5 library knows. For io/ only.
 *
 * Not thread-safe: one thread at a time uses the library.
 */
#ifndef SHEAF_PACKED_LIBRARY_H
#define SHEAF_PACKED_LIBRARY_H

#include "hdf5_guard.h"
#include "packed.h"

/**
 * Describe a dataset whose chunks can be unpacked without the library: filtered by nothing but deflate, shuffle and
 * fletcher32, in any order, with at most one deflate.
 * @param[in]  lead    axes that count entries
 * @param[out] layout  all of it is set, unused places too
 * @return whether it is one; else, and where the library fails, it is to be read by the library
 */
bool packed_describe(hid_t dataset, int lead, struct packed_layout *layout);

/**
 * Fetch the chunks that entries [first, first + count) lie in. May block.
 * @param[in]  dataset  of which packed_describe gave this very layout
 * @param[in]  name     how messages call it
 * @param[in]  count    at least 1
 * @param[out] memory   becomes a raw area for packed_decode: `bytes` as packed_raw_bytes tells, aligned to PACKED_ALIGNMENT
 * @return SHEAF_OK; SHEAF_IO_ERROR, also where the file has chunks longer than any could be
 */
enum sheaf_status packed_fetch(const struct packed_layout *layout, hid_t dataset, const char *name, int64_t first,
                               int64_t count, void *memory, int64_t bytes, struct sheaf_error *error);

#endif
