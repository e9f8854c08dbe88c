/**
 * @file huge_pages.h
 * Files in a memory file system in pages of 2 MiB. As such file systems are mounted mostly, they hand out pages of 4 KiB, and most of
 * what reserving and writing them takes is the kernel's work for each page: with huge ones reserving is 2 to 3 times as fast, and
 * writing 2 to 3 times (tests/bench/move).
 */
#ifndef SHEAF_HUGE_PAGES_H
#define SHEAF_HUGE_PAGES_H

#include <stdbool.h>
#include <stdint.h>

/** What is known of them while a file is reserved; begins zeroed. */
struct huge_pages {
    bool refused;     /**< the kernel cannot or will not: no more is asked for */
    int64_t blocks;   /**< that it has given so far */
    int64_t spent_ns; /**< for these */
};

/**
 * Have a part of a file in tmpfs in huge pages, where it is whole ones of them and the kernel can (Linux 6.1); what it holds stays
 * as it is, and others may read and write it meanwhile. Not a promise: where memory is short, or too scattered to be had in time,
 * nothing is done, and the pages that are missing are still missing. Thread-safe.
 * @param[in]     descriptor     open for reading and writing
 * @param[in]     offset, bytes  within the file's size
 */
void huge_pages_ask(struct huge_pages *pages, int descriptor, int64_t offset, int64_t bytes);

#endif
