/**
 * @file slice.h
 * A slice behind the text of an operand, as in "beams.h5:/a[100:200]", by Python's rules. Pure.
 */
#ifndef SHEAF_SLICE_H
#define SHEAF_SLICE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/** What a message says that refuses a slice. */
#define SLICE_GRAMMAR                                                                                                  \
    "a slice is [first:end:step] of whole numbers, each may be left away, the step is not 0; [5] is one entry"

/** A slice as it is written; counts from the end are negative, numbers beyond 64 bits are as good as the greatest. */
struct slice {
    bool present;            /**< the text has one; else it is all entries */
    bool has_first, has_end; /**< else from or to the very end, by the sign of the step */
    int64_t first, end;
    int64_t step; /**< not 0 */
};

/**
 * Find the slice at the end of a text: brackets with a whole number in them, "[5]" for "[5:6]", or with at least one ':' and
 * nothing but digits, signs, ':' and blanks. Other brackets belong to the text.
 * @param[out] length  bytes of the text without the slice
 * @param[out] slice   present or not
 * @return false where it looks like a slice and is none (SLICE_GRAMMAR)
 */
bool slice_parse(const char *text, size_t *length, struct slice *slice);

/**
 * Apply a slice to `count` entries: it selects entries first, first + step, ...
 * @param[out] selected  their number
 * @return whether it selects any
 */
bool slice_apply(const struct slice *slice, int64_t count, int64_t *first, int64_t *step, int64_t *selected);

#endif
