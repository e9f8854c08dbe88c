/**
 * @file huge_pages.h
 * Files in a memory file system in pages of 2 MiB. As such file systems are mounted mostly, they hand out pages of 4 KiB, and most of
 * what reserving and writing takes is then the kernel's work for each page.
 *
 * Huge pages are mostly had sooner, but not always: a virtual machine that has given idle memory back to its host waits 4 ms for each
 * block of it, and a kernel that has to move others' pages out of the way waits too. So the process keeps account of what it gains and
 * loses by them, and takes hardly longer than with small ones at worst. All of it is thread-safe.
 */
#ifndef SHEAF_HUGE_PAGES_H
#define SHEAF_HUGE_PAGES_H

#include <stdbool.h>
#include <stdint.h>

/** Bytes of a block: of a huge page, and of the part of a file that one can hold. */
#define HUGE_PAGES_BLOCK (INT64_C(2) << 20)

/**
 * Map a part of a file, so that blocks of the file that are huge pages are such in the mapping, too: one fault each. The
 * pages on both sides are nobody's: who runs over a buffer beside it does not run into the file.
 * @param[in] protection  PROT_READ, or PROT_READ | PROT_WRITE
 * @param[in] offset      a multiple of the page size
 * @return NULL where that cannot be done
 */
char *huge_pages_map(int descriptor, int protection, int64_t offset, int64_t bytes);

void huge_pages_unmap(char *mapping, int64_t bytes);

/**
 * Have the whole blocks of a mapping as huge pages, where the kernel can (Linux 6.1). What they hold stays as it is, and others may
 * read and write it meanwhile. Not a promise: pages that are missing may still be missing.
 * @param[in] mapping  of huge_pages_map, from the beginning of a block on
 * @param[in] bytes    of it
 */
void huge_pages_ask(char *mapping, int64_t bytes);

/**
 * Have the pages of [at, at + bytes) in a mapping of a whole file: huge ones, or small ones that have been written to before.
 * @return false: they are not to be had, or only small ones, which are quicker written to through the file
 */
bool huge_pages_prepare(char *mapping, int64_t mapping_bytes, int64_t at, int64_t bytes);

/** Bytes were written to small pages instead. @param[in] nanoseconds  between two looks at huge_pages_clock */
void huge_pages_note_small(int64_t bytes, int64_t nanoseconds);

/** Nanoseconds for which the calling thread has had a core: not those in which others had it. */
int64_t huge_pages_clock(void);

#endif
