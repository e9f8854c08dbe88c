/**
 * @file store_target.h
 * What building a results file needs to know before: its names, and how many rows its tables have. For io/store*.c only.
 */
#ifndef SHEAF_STORE_TARGET_H
#define SHEAF_STORE_TARGET_H

#include "store.h"
#include "store_layout.h"

/**
 * The absolute path of a file that need not exist, and its directory, which must.
 * @return SHEAF_OK; SHEAF_NO_OUTPUT
 */
enum sheaf_status store_target_resolve(const char *path, char *absolute, size_t absolute_bytes, char *directory,
                                       size_t directory_bytes, struct sheaf_error *error);

/** Give a file the temporary name that it is built under; it tells whose it is. What dead processes left of the same target is removed. */
void store_choose_temporary(struct store_map *map, const char *directory);

/** Give a file that was built its own name; without overwrite never over a file that has come meanwhile. @return SHEAF_NO_OUTPUT */
enum sheaf_status store_take_name(const struct store_map *map, struct sheaf_error *error);

/** @return rows of a table */
int64_t store_table_rows(const struct store_spec *spec, enum store_table table);

/** Entries of an output along its leading axes, 1 of a shared one. @return false on overflow */
bool store_output_entries(const struct store_output *output, int64_t *entries);

#endif
