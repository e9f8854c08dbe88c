/**
 * @file file.h
 * Bytes of files by offset: whole reads and writes, syncing, reserving, and what the file system is.
 *
 * Short reads and writes and EINTR are carried on. `name` is how messages call the file. All of it is
 * thread-safe.
 */
#ifndef SHEAF_FILE_H
#define SHEAF_FILE_H

#include "sheaf/status.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/stat.h>

enum { FILE_BYTES_TEXT = 32 };

/** Where a file lies. */
struct file_system {
    bool in_memory; /**< tmpfs, ramfs or hugetlbfs: reading and writing never wait for a device */
    bool on_nfs;
    int64_t free_bytes; /**< that this user may still take; 0 by file_system_of_open */
};

/** Write a number of bytes as people say it, "12.5 GB" (powers of 1000). @return text */
char *file_format_bytes(int64_t bytes, char text[FILE_BYTES_TEXT]);

/**
 * Open a regular file for reading; never waits for the other end of a pipe.
 * @param[out] descriptor  the caller's to close; -1 on failure
 * @param[out] about       may be NULL
 * @return SHEAF_OK; SHEAF_NO_INPUT
 */
enum sheaf_status file_open_read(const char *path, const char *name, int *descriptor, struct stat *about,
                                 struct sheaf_error *error);

/**
 * Open an existing file for reading and writing.
 * @param[in]  synced      every write is durable when it returns (O_DSYNC)
 * @param[out] descriptor  the caller's to close; -1 on failure
 * @return SHEAF_OK; SHEAF_NO_OUTPUT
 */
enum sheaf_status file_open_write(const char *path, bool synced, int *descriptor, struct sheaf_error *error);

/** Close; a negative descriptor is a no-op. @return SHEAF_IO_ERROR where closing reports a failed write */
enum sheaf_status file_close(int descriptor, const char *name, struct sheaf_error *error);

/** Read exactly `bytes` bytes at `offset`. @return SHEAF_OK; SHEAF_IO_ERROR, also where the file ends before */
enum sheaf_status file_read(int descriptor, const char *name, int64_t offset, void *buffer, size_t bytes,
                            struct sheaf_error *error);

/** Write exactly `bytes` bytes at `offset`. @return SHEAF_OK; SHEAF_IO_ERROR */
enum sheaf_status file_write(int descriptor, const char *name, int64_t offset, const void *buffer, size_t bytes,
                             struct sheaf_error *error);

/**
 * Have bytes that were written on their way to the disk at once, not only when they are synced: a later sync then waits less.
 * A hint: says nothing of failures, which the sync tells.
 */
void file_start_writeback(int descriptor, int64_t offset, int64_t bytes);

/** Make the contents of a file durable. Blocks. @param[in] all  also its size and times. @return SHEAF_IO_ERROR on failure */
enum sheaf_status file_sync(int descriptor, const char *name, bool all, struct sheaf_error *error);

/** Make the names in a directory durable. Blocks. @return SHEAF_OK, also where the file system knows no such sync */
enum sheaf_status file_sync_directory(const char *path, struct sheaf_error *error);

/**
 * Reserve space for the first `bytes` bytes of a file, contents unchanged, size at least `bytes`. In tmpfs, what has its size already
 * is there afterwards in huge pages as far as they are to be had soon.
 * @param[out] reserved  false: the file system cannot; the file has its size, and free space was checked
 * @return SHEAF_OK; SHEAF_NO_OUTPUT with the figures
 */
enum sheaf_status file_reserve(int descriptor, const char *name, int64_t bytes, bool *reserved,
                               struct sheaf_error *error);

/**
 * Whether the pages that hold the first, the middle and the last byte of a range are in the page cache.
 * Never waits. @return false also where the system cannot tell
 */
bool file_is_cached(int descriptor, int64_t offset, int64_t bytes);

/** What file system a path is on. @return SHEAF_OK; SHEAF_IO_ERROR */
enum sheaf_status file_system_of(const char *path, struct file_system *system, struct sheaf_error *error);

/** The same for an open file. @return SHEAF_OK; SHEAF_IO_ERROR */
enum sheaf_status file_system_of_open(int descriptor, const char *name, struct file_system *system,
                                      struct sheaf_error *error);

#endif
