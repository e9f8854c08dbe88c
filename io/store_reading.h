/**
 * @file store_reading.h
 * A results file that is being read, by offset: what the HDF5 library tells about it is known, and checked. For
 * io/store*.c only.
 */
#ifndef SHEAF_STORE_READING_H
#define SHEAF_STORE_READING_H

#include "store.h"
#include "store_layout.h"
#include "store_outline.h"

/** A table of /sheaf. */
struct store_span {
    int64_t offset, rows; /**< offset -1: no rows, or no such table */
};

/** A task's dataset in a group. */
struct store_member {
    int64_t offset, bytes;
    int32_t type; /**< enum sheaf_type; -1: none of ours */
    int32_t ndim; /**< may be more than SHEAF_NDIM_MAX: then not all extents are here */
    int64_t extent[SHEAF_NDIM_MAX];
    bool present; /**< false: missing, or not contiguous and whole; nothing else counts then */
};

/** What the library tells (store_outline.h). */
struct store_outline {
    struct store_identity identity;
    struct store_span tables[STORE_TABLE_COUNT];
    struct store_summary fixed; /**< its map, texts, numbers and lead; no pointers */
    int64_t member_count;       /**< 0: not asked for, or there are none; else one a task for each grouped output */
    struct store_member members[];
};

/** A results file, open. */
struct store_reading {
    const char *path;
    int descriptor;
    struct store_identity identity;
    struct store_span tables[STORE_TABLE_COUNT];
    struct store_summary *summary;
    struct sheaf_error *error;
};

/** Fail with SHEAF_BAD_DATA. @param[in] what  is missing or wrong */
enum sheaf_status store_reading_fail(const struct store_reading *reading, const char *what);

/**
 * Open a results file; look what it is and where it lies, not into it.
 * @param[out] reading  store_reading_end is the caller's, also after a failure; keeps `path`, `summary` and `error`
 * @param[out] summary  of its map path, bytes and what file system it is on; all else 0
 * @return SHEAF_OK; SHEAF_NO_INPUT; SHEAF_IO_ERROR
 */
enum sheaf_status store_reading_open(struct store_reading *reading, const char *path, struct store_summary *summary,
                                     struct sheaf_error *error);

/**
 * Open a results file of which the library has told; read its operands.
 * @param[out] reading  as store_reading_open
 * @param[out] summary  its map, texts, numbers, lead and operands; store_summary_free is the caller's, also after a failure
 * @return SHEAF_OK; SHEAF_NO_INPUT; SHEAF_BAD_DATA; SHEAF_IO_ERROR: it is not the file that was outlined any more
 */
enum sheaf_status store_reading_start(struct store_reading *reading, const char *path,
                                      const struct store_outline *outline, struct store_summary *summary,
                                      struct sheaf_error *error);

/** Close it. */
void store_reading_end(struct store_reading *reading);

/**
 * Read a whole table.
 * @param[in]  most  rows that are believed
 * @param[out] rows  address of a pointer to its rows, one more than it has, that one zero; free() is the
 *                   caller's, also after a failure
 */
enum sheaf_status store_reading_table(const struct store_reading *reading, enum store_table table, int64_t most,
                                      void *rows);

/** Read the operands into the summary. */
enum sheaf_status store_reading_operands(struct store_reading *reading);

/**
 * Read the names of tasks.
 * @param[out] names   NULL where they have none; free() is the caller's, also after a failure
 * @param[out] starts  of each task's within them; as names
 */
enum sheaf_status store_reading_names(const struct store_reading *reading, char **names, int64_t **starts);

/** Read the latest start, and how many there were, into the summary. */
enum sheaf_status store_reading_runs(struct store_reading *reading);

#endif
