/**
 * @file inflater.h
 * Undoing deflate, in zlib's format, from one buffer into another. By libdeflate where the build has it, else by zlib.
 *
 * Damaged data never make it write out of bounds. An inflater is one thread's at a time.
 */
#ifndef SHEAF_INFLATER_H
#define SHEAF_INFLATER_H

#include <stdbool.h>
#include <stddef.h>

struct inflater;

/** @return an inflater, inflater_destroy frees it; NULL: no memory */
struct inflater *inflater_create(void);

/** NULL is a no-op. */
void inflater_destroy(struct inflater *inflater);

/**
 * Inflate one stream. What stands behind its end is ignored, as HDF5 does.
 * @param[out] to  bytes that must come out, no fewer and no more; undefined on failure
 * @return whether they did, and the stream's own checksum holds
 */
bool inflater_run(struct inflater *inflater, const void *from, size_t from_bytes, void *to, size_t to_bytes);

#endif
