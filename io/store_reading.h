/**
 * @file store_reading.h
 * A results file that is being read: what the HDF5 library must tell about it, checked. For
 * io/store*.c only.
 */
#ifndef SHEAF_STORE_READING_H
#define SHEAF_STORE_READING_H

#include "hdf5_guard.h"
#include "store.h"
#include "store_layout.h"

/** Where a dataset lies, its type and its axes. */
struct store_found {
    int64_t offset; /**< -1: it has no bytes */
    size_t element_bytes;
    enum sheaf_type type;
    bool typed; /**< its type is one of ours */
    int ndim;
    int64_t extent[H5S_MAX_RANK];
};

/** A results file, open. */
struct store_reading {
    const char *path;
    int descriptor;
    int64_t file_bytes;
    hid_t file, group; /**< group: /sheaf */
    struct {
        int64_t offset, rows; /**< offset -1: no rows, or no such table */
    } tables[STORE_TABLE_COUNT];
    struct store_summary *summary;
    struct sheaf_error *error;
};

/** Fail with SHEAF_BAD_DATA. @param[in] what  is missing or wrong */
enum sheaf_status store_reading_fail(const struct store_reading *reading, const char *what);

/**
 * Open a results file, here and in the library; read what is fixed in it: attributes, operands, outputs, where the tables lie.
 * @param[out] reading  store_reading_end is the caller's, also after a failure; keeps `path`, `summary` and `error`
 * @param[out] summary  its map, texts, numbers, lead and operands; store_summary_free is the caller's, also after a failure
 * @return SHEAF_OK; SHEAF_NO_INPUT; SHEAF_BAD_DATA
 */
enum sheaf_status store_reading_start(struct store_reading *reading, const char *path, struct store_summary *summary,
                                      struct sheaf_error *error);

/** Close it in the library only; again is a no-op. */
void store_reading_close(struct store_reading *reading);

/** Close it. */
void store_reading_end(struct store_reading *reading);

/** Open a group, reached by no link that leads elsewhere. @return H5Gclose is the caller's; negative: no such group */
hid_t store_reading_open_group(const struct store_reading *reading, const char *path);

/** Find a contiguous dataset all of whose bytes are in the file. */
enum sheaf_status store_reading_find(const struct store_reading *reading, const char *path, struct store_found *found);

/**
 * Read a whole table by offset; the file may be closed in the library.
 * @param[in]  most  rows that are believed
 * @param[out] rows  address of a pointer to its rows, one more than it has, that one zero; free() is the
 *                   caller's, also after a failure
 */
enum sheaf_status store_reading_table(const struct store_reading *reading, enum store_table table, int64_t most,
                                      void *rows);

/** Read the latest start, and how many there were, into the summary; the file may be closed in the library. */
enum sheaf_status store_reading_runs(struct store_reading *reading);

#endif
