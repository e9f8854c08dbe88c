/**
 * @file convert.h
 * Element types as they are stored, turned into those that kernels take: byte order, widths, real to complex.
 *
 * Pure and thread-safe; nothing is allocated. Numbers are rounded to nearest, as C's conversions and NumPy's astype do;
 * what is beyond a float's range becomes infinite.
 */
#ifndef SHEAF_CONVERT_H
#define SHEAF_CONVERT_H

#include "sheaf/array.h"
#include "sheaf/status.h"

/** What is converted at once: small enough to stay in a core's first caches. A multiple of every type's size. */
enum { CONVERT_PIECE_BYTES = 32768 };

/**
 * Whether elements of a type can be read as another: every type as itself; integers and real numbers as f32, f64, c64 and
 * c128; complex ones as c64 and c128.
 */
bool convert_possible(enum sheaf_type from, enum sheaf_type to);

/**
 * The type in which these meet, one that each can be read as, by NumPy's rules: f32 and f64 give f64, f64 and c64 give c128,
 * integers of 16 bits and f32 give f32, wider ones f64. But no type is read as an integer or as f16: several types of integers
 * give f64, f16 and small integers f32.
 * @param[in] types  a set of them
 * @return the type; f64 for none
 */
enum sheaf_type convert_common(uint32_t types);

/**
 * convert_possible, with the reason where it is not.
 * @param[in] text  how the message calls what is read
 * @return SHEAF_OK; SHEAF_BAD_DATA
 */
enum sheaf_status convert_check(const char *text, enum sheaf_type from, enum sheaf_type to, struct sheaf_error *error);

/** @return bytes of one element: a divisor, so for a number that is no type 1 */
static inline int64_t
convert_element_bytes(enum sheaf_type type)
{
    const size_t bytes = sheaf_type_size(type);
    return bytes > 0 ? (int64_t)bytes : 1;
}

/** Reverse the bytes of each element, of a complex one those of each part, in place. */
void convert_swap(enum sheaf_type type, int64_t count, void *elements);

/**
 * Convert elements; convert_possible says which.
 * @param[in]  in   count elements of `from`, at any alignment
 * @param[out] out  count elements of `to`; does not overlap `in`
 */
void convert_elements(enum sheaf_type from, enum sheaf_type to, int64_t count, const void *in, void *out);

/** Elements as they are stored, and how to get them. */
struct convert_stored {
    enum sheaf_type type;
    bool swapped; /**< they are of the other byte order */
    /** Bring elements [first, first + count). */
    enum sheaf_status (*fetch)(const void *data, int64_t first, int64_t count, void *to, struct sheaf_error *error);
    const void *data;
};

/**
 * Fetch elements and convert them, piece by piece: what was fetched is still in the core's cache when it is converted. Those
 * that need no conversion are fetched straight to where they belong.
 * @param[out] buffer  count elements of `to`
 * @return SHEAF_OK; what `fetch` returns
 */
enum sheaf_status convert_fetched(const struct convert_stored *stored, enum sheaf_type to, int64_t count, void *buffer,
                                  struct sheaf_error *error);

/**
 * Convert elements that stand at the end of the buffer which they will fill.
 * @param[in]     from     no wider than `to`
 * @param[in]     swapped  they are of the other byte order
 * @param[in,out] buffer   count elements of `to`; the last count * (size of `from`) bytes of it hold those of `from`
 */
void convert_in_place(enum sheaf_type from, bool swapped, enum sheaf_type to, int64_t count, void *buffer);

#endif
