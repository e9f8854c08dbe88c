/**
 * @file store_sweep.h
 * The file of a sweep: which cells were measured, how long each pass took, what follows from that (FORMAT.md).
 *
 * Like a results file it is built whole, under a temporary name; later only the contents of its datasets are written, in
 * place: it opens at any moment, after any kill. What is measured is in `seconds`, `memory` and `bare_seconds`, one row a round, 0
 * where nothing is measured yet; all other columns follow from them. By one process, by one thread at a time.
 */
#ifndef SHEAF_STORE_SWEEP_H
#define SHEAF_STORE_SWEEP_H

#include "sheaf/status.h"
#include "store_outline.h"

#include <stdbool.h>
#include <stdint.h>

enum { STORE_SWEEP_LAYOUT_BYTES = 24 };

/** A dataset of /sweep. */
enum store_sweep_column {
    // fixed when the file is made
    STORE_SWEEP_FORMAT,
    STORE_SWEEP_IDENTITY, /**< text: a line for everything that a sweep must have in common with the one that goes on from it */
    STORE_SWEEP_COMMAND, /**< text: the command line */
    STORE_SWEEP_LAYOUT,  /**< a cell's, char[STORE_SWEEP_LAYOUT_BYTES] */
    STORE_SWEEP_NODES,
    STORE_SWEEP_RANKS, /**< per node */
    STORE_SWEEP_THREADS,
    STORE_SWEEP_WIDTH,
    STORE_SWEEP_THREADS_PER_CORE,
    // what the sweep is at
    STORE_SWEEP_PHASE, /**< enum store_sweep_phase */
    STORE_SWEEP_ROUNDS,
    STORE_SWEEP_SAMPLE_CHUNKS,
    STORE_SWEEP_SAMPLE_TASKS,
    STORE_SWEEP_SAMPLE_FLOPS,
    STORE_SWEEP_SAMPLE_FAILED, /**< tasks of the sample that failed in the last pass */
    // measured
    STORE_SWEEP_SECONDS,      /**< (rounds, cells) */
    STORE_SWEEP_MEMORY,       /**< (rounds, cells): bytes */
    STORE_SWEEP_BARE_SECONDS, /**< (rounds) */
    // what follows
    STORE_SWEEP_REPEATS,
    STORE_SWEEP_TASKS_PER_SECOND,
    STORE_SWEEP_TASKS_PER_SECOND_LOW,
    STORE_SWEEP_TASKS_PER_SECOND_HIGH,
    STORE_SWEEP_FLOPS_PER_SECOND,
    STORE_SWEEP_OF_BARE,
    STORE_SWEEP_RELATIVE,
    STORE_SWEEP_P_VALUE,
    STORE_SWEEP_VERDICT,
    STORE_SWEEP_MEMORY_BYTES,
    STORE_SWEEP_COLUMNS
};

enum store_sweep_phase { STORE_SWEEP_WARMING = 0, STORE_SWEEP_MEASURING = 1, STORE_SWEEP_COMPLETE = 2 };

struct store_sweep;

/** What the HDF5 library tells of such a file: plain data, that another process may have read (opening.h). */
struct store_sweep_outline {
    struct store_identity identity;
    int64_t cells, rounds;
    int64_t offsets[STORE_SWEEP_COLUMNS];
    int64_t text_bytes[STORE_SWEEP_COLUMNS]; /**< of the columns that are texts */
};

/**
 * Make the file; all columns but the texts are 0 then.
 * @param[in] overwrite  replace a file of that name; else one that came there since it was checked is left alone
 * @param[in] rounds     for which there is room
 * @return SHEAF_OK; SHEAF_NO_OUTPUT, SHEAF_IO_ERROR: nothing is left behind
 */
enum sheaf_status store_sweep_create(const char *path, bool overwrite, const char *identity, const char *command,
                                     int cells, int rounds, struct store_sweep **out, struct sheaf_error *error);

/**
 * Have the HDF5 library look at a file that store_sweep_create made.
 * @return SHEAF_OK; SHEAF_NO_INPUT: there is none, or no HDF5; SHEAF_BAD_DATA: it is no sweep's, or damaged, or of a later format
 */
enum sheaf_status store_sweep_outline_read(const char *path, struct store_sweep_outline *outline,
                                           struct sheaf_error *error);

/** Open one of which the library has told. @return SHEAF_OK; SHEAF_NO_INPUT; SHEAF_IO_ERROR: not the file that was outlined */
enum sheaf_status store_sweep_open(const char *path, const struct store_sweep_outline *outline, bool writable,
                                   struct store_sweep **out, struct sheaf_error *error);

/** Close and free; NULL is a no-op. @return SHEAF_IO_ERROR where closing reports a failed write */
enum sheaf_status store_sweep_close(struct store_sweep *sweep, struct sheaf_error *error);

int store_sweep_cells(const struct store_sweep *sweep);
int store_sweep_rounds(const struct store_sweep *sweep);

/** @return a text column; it lives as long as the sweep */
const char *store_sweep_text(const struct store_sweep *sweep, enum store_sweep_column column);

/**
 * Write or read values of a column from an index on; (rounds, cells) are counted row by row. Values are int64_t or double, as
 * the column has them, or layouts.
 * @return SHEAF_OK; SHEAF_IO_ERROR
 */
enum sheaf_status store_sweep_write(struct store_sweep *sweep, enum store_sweep_column column, int64_t first,
                                    int64_t count, const void *values, struct sheaf_error *error);
enum sheaf_status store_sweep_read(const struct store_sweep *sweep, enum store_sweep_column column, int64_t first,
                                   int64_t count, void *values, struct sheaf_error *error);

/** Make what is written durable. */
enum sheaf_status store_sweep_sync(struct store_sweep *sweep, struct sheaf_error *error);

#endif
