/**
 * @file source_plain.h
 * The bytes of plain contiguous datasets, of which a slice may select rows (entries of the first axis). For io/source*.c only.
 *
 * Positions count bytes of the selected rows, one behind the other. Thread-safe.
 */
#ifndef SHEAF_SOURCE_PLAIN_H
#define SHEAF_SOURCE_PLAIN_H

#include "source.h"

/** @return bytes of one task as it is stored; its size was checked when it was described */
int64_t source_plain_task_bytes(const struct source_map *map);

/** Where the selected rows end in the file. @return false where 64 bits cannot count it */
bool source_plain_end(const struct source_map *map, int64_t *end);

/** Read bytes [at, at + bytes). @return SHEAF_OK; SHEAF_IO_ERROR */
enum sheaf_status source_plain_read(const struct source_map *map, int descriptor, int64_t at, int64_t bytes,
                                    void *buffer, struct sheaf_error *error);

/** Whether bytes [at, at + bytes), at least one, are in the page cache; as file_is_cached. */
bool source_plain_is_cached(const struct source_map *map, int descriptor, int64_t at, int64_t bytes);

#endif
