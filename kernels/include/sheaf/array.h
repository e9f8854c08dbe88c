/**
 * @file array.h
 * Element types, shapes, and sizes whose products are checked once, at the door.
 *
 * Arrays are row-major (the last extent varies fastest) and dense. Shared by kernels/, io/ and app/,
 * and by a user's own kernel: so everything here is inline and needs no library.
 */
#ifndef SHEAF_ARRAY_H
#define SHEAF_ARRAY_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

#ifdef __cplusplus
extern "C" {
#endif

/** Element types. The numbers are part of the kernel ABI and of the results file. */
enum sheaf_type {
    SHEAF_I8 = 0,
    SHEAF_I16 = 1,
    SHEAF_I32 = 2,
    SHEAF_I64 = 3,
    SHEAF_U8 = 4,
    SHEAF_U16 = 5,
    SHEAF_U32 = 6,
    SHEAF_U64 = 7,
    SHEAF_F16 = 8,
    SHEAF_F32 = 9,
    SHEAF_F64 = 10,
    SHEAF_C64 = 11,  /**< two f32: NumPy's complex64 */
    SHEAF_C128 = 12, /**< two f64: NumPy's complex128 */
    SHEAF_TYPE_COUNT = 13
};

/** The bit of a type in a set of types. */
#define SHEAF_TYPE_BIT(type) (UINT32_C(1) << (type))
#define SHEAF_TYPES_REAL (SHEAF_TYPE_BIT(SHEAF_F32) | SHEAF_TYPE_BIT(SHEAF_F64))
#define SHEAF_TYPES_COMPLEX (SHEAF_TYPE_BIT(SHEAF_C64) | SHEAF_TYPE_BIT(SHEAF_C128))
#define SHEAF_TYPES_FLOATING (SHEAF_TYPES_REAL | SHEAF_TYPES_COMPLEX)
#define SHEAF_TYPES_INTEGER UINT32_C(0xff)
#define SHEAF_TYPES_ALL ((UINT32_C(1) << SHEAF_TYPE_COUNT) - 1)

enum { SHEAF_NDIM_MAX = 8 };

/** Extents of an array; ndim 0 is a scalar (one element). */
struct sheaf_shape {
    int32_t ndim;
    int32_t reserved;
    int64_t extent[SHEAF_NDIM_MAX];
};

/** One array of a problem: its type and its core shape (without the axes that count tasks). */
struct sheaf_array {
    enum sheaf_type type;
    struct sheaf_shape shape;
};

/** @return bytes of one element, 0 for a number that is no type */
static inline size_t
sheaf_type_size(enum sheaf_type type)
{
    static const unsigned char size[SHEAF_TYPE_COUNT] = {1, 2, 4, 8, 1, 2, 4, 8, 2, 4, 8, 8, 16};
    return (unsigned)type < SHEAF_TYPE_COUNT ? size[type] : 0;
}

/** @return the type's name as users write it ("f64"), "?" for a number that is no type */
static inline const char *
sheaf_type_name(enum sheaf_type type)
{
    static const char *const name[SHEAF_TYPE_COUNT] = {"i8",  "i16", "i32", "i64", "u8",  "u16", "u32",
                                                       "u64", "f16", "f32", "f64", "c64", "c128"};
    return (unsigned)type < SHEAF_TYPE_COUNT ? name[type] : "?";
}

/**
 * @param[in]  name  "f64", ...
 * @param[out] type  unchanged where the name is none
 * @return whether the name is a type's
 */
static inline bool
sheaf_type_from_name(const char *name, enum sheaf_type *type)
{
    for (int i = 0; i < SHEAF_TYPE_COUNT; i++) {
        if (strcmp(name, sheaf_type_name((enum sheaf_type)i)) == 0) {
            *type = (enum sheaf_type)i;
            return true;
        }
    }
    return false;
}

static inline bool
sheaf_type_is_complex(enum sheaf_type type)
{
    return type == SHEAF_C64 || type == SHEAF_C128;
}

/** The product of two counts that are not negative. @return false where it does not fit int64_t */
static inline bool
sheaf_multiply(int64_t a, int64_t b, int64_t *product)
{
    return a >= 0 && b >= 0 && !__builtin_mul_overflow(a, b, product);
}

/** Number of elements of a shape. @return false on overflow or a negative extent */
static inline bool
sheaf_shape_count(const struct sheaf_shape *shape, int64_t *count)
{
    int64_t product = 1;
    for (int i = 0; i < shape->ndim; i++)
        if (!sheaf_multiply(product, shape->extent[i], &product))
            return false;
    *count = product;
    return true;
}

/** Bytes of a dense array. @return false on overflow or a negative extent */
static inline bool
sheaf_shape_bytes(const struct sheaf_shape *shape, enum sheaf_type type, int64_t *bytes)
{
    int64_t count;
    return sheaf_shape_count(shape, &count) && sheaf_multiply(count, (int64_t)sheaf_type_size(type), bytes);
}

static inline bool
sheaf_shape_equal(const struct sheaf_shape *a, const struct sheaf_shape *b)
{
    if (a->ndim != b->ndim)
        return false;
    for (int i = 0; i < a->ndim; i++)
        if (a->extent[i] != b->extent[i])
            return false;
    return true;
}

enum { SHEAF_SHAPE_TEXT = 200 };

/** Write a shape as "(100, 2000, 2000)", a scalar as "()". @return text */
static inline char *
sheaf_shape_format(const struct sheaf_shape *shape, char text[SHEAF_SHAPE_TEXT])
{
    int used = snprintf(text, SHEAF_SHAPE_TEXT, "(");
    for (int i = 0; i < shape->ndim && i < SHEAF_NDIM_MAX; i++)
        used += snprintf(text + used, (size_t)(SHEAF_SHAPE_TEXT - used), "%s%lld", i ? ", " : "",
                         (long long)shape->extent[i]);
    snprintf(text + used, (size_t)(SHEAF_SHAPE_TEXT - used), ")");
    return text;
}

#ifdef __cplusplus
}
#endif
#endif
