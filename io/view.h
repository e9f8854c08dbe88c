/**
 * @file view.h
 * A range of a file, mapped: read where it lies in the page cache, without a copy; or a file in a memory file system, written to
 * where it lies: without the lock that lets one thread at a time write to a file, and in huge pages.
 *
 * A page that cannot be read (the file has become shorter, its device fails) reads as 0 instead of killing the process, and the
 * view says so afterwards. For that opening one takes over SIGBUS; a SIGBUS that is no view's goes to who had it before.
 * Opening and closing: one thread at a time.
 */
#ifndef SHEAF_VIEW_H
#define SHEAF_VIEW_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct view;

/** Map bytes [offset, offset + bytes) of a file, which stays open meanwhile. @return NULL where that cannot be done: then read it */
struct view *view_open(int descriptor, int64_t offset, int64_t bytes);

/** Map a whole file to be written to, which is in memory and stays open meanwhile. @return NULL where that cannot be done */
struct view *view_open_to_write(int descriptor, int64_t bytes);

/**
 * Have the memory of bytes that are about to be written. Thread-safe, also while others write elsewhere, or reserve space. view_release
 * says whether they have arrived.
 * @return where they are to be written; NULL where they are to be written to the file: huge_pages_prepare
 */
void *view_prepare(struct view *view, int64_t at, int64_t bytes);

/** Nobody may still use it. NULL is a no-op. */
void view_close(struct view *view);

/** @return the byte at `at`, counted from the range's start */
const void *view_at(const struct view *view, int64_t at);

/**
 * Bytes [at, at + bytes) have been used: give back what it took to map them. Thread-safe; they can be used again.
 * @return whether all of them were there, and all that others used: else what was computed of them, or written, is worth nothing
 */
bool view_release(struct view *view, int64_t at, int64_t bytes);

/** @return whether it is known by now that bytes which were used were not there */
bool view_is_broken(const struct view *view);

/**
 * Whether mapping costs less than copying to buffers of one's own. A page of such a buffer is cleared when it is used for the first time,
 * which costs about what copying to it does: few tasks are mapped even where many would rather be copied. Where both take about the
 * same, mapping does.
 * @param[in] mapped,copied  seconds of the same bytes, to a buffer that has its pages
 * @param[in] uses           how often each buffer is used in all, at least 1
 */
bool view_pays(double mapped, double copied, int64_t uses);

/**
 * Measure whether mapping and adding up is cheaper here than copying and adding up: it is where the system maps many pages at once.
 * Takes about 1 ms.
 * @param[in] at,bytes  a part of the range, in the page cache
 * @param[in] buffer    room for a quarter as many bytes, which are overwritten
 * @param[in] uses      view_pays'
 */
bool view_is_cheaper(struct view *view, int descriptor, int64_t at, int64_t bytes, void *buffer, int64_t uses);

#endif
