/**
 * @file store_layout.h
 * The rows of the results file that are fixed when it is created, and the HDF5 types of all its tables
 * (FORMAT.md). For io/store*.c only.
 */
#ifndef SHEAF_STORE_LAYOUT_H
#define SHEAF_STORE_LAYOUT_H

#include "hdf5_guard.h"
#include "records.h"
#include "sheaf/array.h"
#include "source.h"

#include <stddef.h>
#include <stdint.h>

enum { STORE_ALIGNMENT = 4096 };

/** A row of /sheaf/operands. */
struct store_operand_row {
    char text[SOURCE_TEXT_BYTES];
    char path[SOURCE_TEXT_BYTES];
    char dataset[SOURCE_DATASET_BYTES];
    uint32_t kind, type, shared, distribution, lead_ndim, core_ndim;
    int64_t lead[SHEAF_NDIM_MAX], core[SHEAF_NDIM_MAX];
    int64_t file_bytes, file_mtime;
    uint64_t fingerprint;
    int64_t offset;
    uint64_t seed;
    uint32_t operand;
    uint32_t file_type; /* 1 + the type; 0: not known */
    uint32_t swapped, reserved0;
    int64_t slice_first, slice_step; /* step 0: not known, all entries */
    char reserved[1312];
};
_Static_assert(sizeof(struct store_operand_row) == 4096, "FORMAT.md: an operand has 4096 bytes");

/** A row of /sheaf/classes. */
struct store_class_row {
    int64_t tasks, first_position, first_chunk, chunks, tasks_per_chunk;
    double flops;
    int64_t input_bytes, output_bytes;
    char reserved[960];
};
_Static_assert(sizeof(struct store_class_row) == 1024, "FORMAT.md: a class has 1024 bytes");

/** The tables and byte arrays below /sheaf. */
enum store_table {
    STORE_STATUS,
    STORE_INFO,
    STORE_CHUNKS,
    STORE_RUNS,
    STORE_HOSTS,
    STORE_MARKS,
    STORE_COMMAND,
    STORE_OUTPUTS,
    STORE_OPERANDS,
    STORE_CLASSES,
    STORE_ORDER, /**< only where positions are not tasks; the first one that may be missing */
    STORE_NAMES, /**< only where tasks have names */
    STORE_TABLE_COUNT
};

/** @return the table's name within /sheaf */
const char *store_table_name(enum store_table table);

/** @return bytes of one row */
size_t store_table_row_bytes(enum store_table table);

/** @return the HDF5 type of one row, H5Tclose is the caller's; negative on failure */
hid_t store_table_type(enum store_table table);

#endif
