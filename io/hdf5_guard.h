/**
 * @file hdf5_guard.h
 * Opening HDF5 files that others made, without letting them reach beyond themselves unless the user allows it: no plugins,
 * no external links, no external or virtual storage. And the types: HDF5's as ours, ours as HDF5's.
 *
 * Not thread-safe: HDF5 is called by one thread at a time. Only files that nobody of ours is writing
 * by HDF5 are opened.
 */
#ifndef SHEAF_HDF5_GUARD_H
#define SHEAF_HDF5_GUARD_H

#include "sheaf/array.h"
#include "sheaf/status.h"

#include <hdf5.h>

enum { HDF5_GUARD_REASON_TEXT = 256, HDF5_GUARD_TYPE_TEXT = 64 };

/** Prepare the library: silent, without plugins, without an exit handler. Called before its first use; again is a no-op. */
void hdf5_guard_start(void);

/**
 * Lift the guard for this process, before it opens a file: by default none of it is allowed. Files of strangers can then
 * name any file that their reader may read, or run code.
 * @param[in] external  external links and storage, virtual datasets
 * @param[in] filters   the library loads filter plugins, from HDF5_PLUGIN_PATH or its own default
 */
void hdf5_guard_allow(bool external, bool filters);

/**
 * Why the last HDF5 call failed, by the library's innermost message. To be called at once after it.
 * @return text
 */
char *hdf5_guard_reason(char text[HDF5_GUARD_REASON_TEXT]);

/** @return a property list for file access, with locks only where they work; H5Pclose is the caller's. Negative on failure */
hid_t hdf5_guard_file_access(void);

/**
 * Open a file for reading.
 * @param[in]  name  how messages call it
 * @param[out] file  H5Fclose is the caller's; H5I_INVALID_HID on failure
 * @return SHEAF_OK; SHEAF_NO_INPUT: no HDF5 file; SHEAF_BAD_DATA: one that is damaged or truncated
 */
enum sheaf_status hdf5_guard_open(const char *path, const char *name, hid_t *file, struct sheaf_error *error);

/**
 * The same, with room for the unpacked chunks of each of its datasets: what is read in several parts is unpacked once.
 * @param[in] chunk_bytes  of the chunks that are read by parts; less than the library's own default is raised to it
 */
enum sheaf_status hdf5_guard_open_cached(const char *path, const char *name, int64_t chunk_bytes, hid_t *file,
                                         struct sheaf_error *error);

/**
 * Open a dataset whose bytes lie in this very file, or come from filters that this library has; hdf5_guard_allow allows more.
 * @param[in]  path     of the dataset in the file
 * @param[in]  name     how messages call it
 * @param[out] dataset  H5Dclose is the caller's; H5I_INVALID_HID on failure
 * @return SHEAF_OK; SHEAF_NO_INPUT: none there (the text says which ones are); SHEAF_BAD_DATA: external, virtual, filters, damaged
 */
enum sheaf_status hdf5_guard_open_dataset(hid_t file, const char *path, const char *name, hid_t *dataset,
                                          struct sheaf_error *error);

/**
 * Look whether a file is still as long as it was when the library opened it: behind its end the library reads 0, and says
 * nothing. After reading a dataset of it; of files that the dataset leads to (where that is allowed) nothing is known.
 * @param[in] name  how messages call it
 * @return SHEAF_OK; SHEAF_IO_ERROR: what was read may be 0 that nobody wrote
 */
enum sheaf_status hdf5_guard_check_length(hid_t dataset, const char *name, struct sheaf_error *error);

/** @return whether a dataset's bytes are all in this file: not behind an external link, external storage or virtual */
bool hdf5_guard_is_own(hid_t file, hid_t dataset);

/**
 * The element type of a dataset's type; of h5py's booleans u8.
 * @param[out] type     undefined where it is none of ours, as is `swapped`
 * @param[out] swapped  it is big-endian
 * @return whether it is one of ours
 */
bool hdf5_guard_type_from(hid_t from, enum sheaf_type *type, bool *swapped);

/** Name a type of HDF5's for messages: "f64", or what it is instead ("a string", "a compound type"). @return text */
char *hdf5_guard_type_format(hid_t type, char text[HDF5_GUARD_TYPE_TEXT]);

/** @return an HDF5 type with the bytes of ours, little-endian; H5Tclose is the caller's. Negative on failure */
hid_t hdf5_guard_type_to(enum sheaf_type type);

/** @return the HDF5 type of numbers that hdf5_guard_type_from finds to be these; H5Tclose is the caller's. Negative on failure */
hid_t hdf5_guard_type_stored(enum sheaf_type type, bool swapped);

/**
 * List a file's datasets; links are not followed.
 * @param[in]  most       list no more than these; "..." stands for the rest
 * @param[in]  described  with shape and type, one a line; else separated by ", "
 * @param[out] text       NUL-terminated, whole entries only
 * @return their number, at most `most`; negative where the file cannot be listed
 */
int hdf5_guard_list(hid_t file, int most, bool described, char *text, size_t text_bytes);

#endif
