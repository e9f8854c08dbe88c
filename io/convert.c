#include "convert.h"

/*
 * IEEE half precision without the instructions that not every processor has: its bits in a float's places, times 2^112,
 * which is what their exponents' biases differ by (127 - 15); exact for subnormal numbers too. Infinities and NaN come out
 * as 2^16 and above, where no other half is.
 */
static inline float
half_value(uint16_t half)
{
    const uint32_t bits = (uint32_t)(half & 0x7fff) << 13, sign = (uint32_t)(half & 0x8000) << 16;
    float value;

    memcpy(&value, &bits, sizeof value);
    value *= 0x1p112F;
    uint32_t result;
    memcpy(&result, &value, sizeof result);
    result |= sign | (value >= 0x1p16F ? UINT32_C(0x7f800000) : 0);
    memcpy(&value, &result, sizeof value);
    return value;
}

#define CONVERT_NAME convert_i8
#define CONVERT_TYPE int8_t
#define CONVERT_VALUE(x) (x)
#include "convert_type.h"

#define CONVERT_NAME convert_i16
#define CONVERT_TYPE int16_t
#define CONVERT_VALUE(x) (x)
#include "convert_type.h"

#define CONVERT_NAME convert_i32
#define CONVERT_TYPE int32_t
#define CONVERT_VALUE(x) (x)
#include "convert_type.h"

#define CONVERT_NAME convert_i64
#define CONVERT_TYPE int64_t
#define CONVERT_VALUE(x) (x)
#include "convert_type.h"

#define CONVERT_NAME convert_u8
#define CONVERT_TYPE uint8_t
#define CONVERT_VALUE(x) (x)
#include "convert_type.h"

#define CONVERT_NAME convert_u16
#define CONVERT_TYPE uint16_t
#define CONVERT_VALUE(x) (x)
#include "convert_type.h"

#define CONVERT_NAME convert_u32
#define CONVERT_TYPE uint32_t
#define CONVERT_VALUE(x) (x)
#include "convert_type.h"

#define CONVERT_NAME convert_u64
#define CONVERT_TYPE uint64_t
#define CONVERT_VALUE(x) (x)
#include "convert_type.h"

#define CONVERT_NAME convert_f16
#define CONVERT_TYPE uint16_t
#define CONVERT_VALUE(x) half_value(x)
#include "convert_type.h"

#define CONVERT_NAME convert_f32
#define CONVERT_TYPE float
#define CONVERT_VALUE(x) (x)
#include "convert_type.h"

#define CONVERT_NAME convert_f64
#define CONVERT_TYPE double
#define CONVERT_VALUE(x) (x)
#include "convert_type.h"

bool
convert_possible(enum sheaf_type from, enum sheaf_type to)
{
    if (sheaf_type_size(from) == 0 || sheaf_type_size(to) == 0)
        return false;
    return from == to || (SHEAF_TYPES_COMPLEX & SHEAF_TYPE_BIT(to)) ||
           ((SHEAF_TYPES_REAL & SHEAF_TYPE_BIT(to)) && !sheaf_type_is_complex(from));
}

enum sheaf_type
convert_common(uint32_t types)
{
    /* f32 has digits for all their numbers, or for those of their parts */
    const uint32_t singles = SHEAF_TYPE_BIT(SHEAF_I8) | SHEAF_TYPE_BIT(SHEAF_U8) | SHEAF_TYPE_BIT(SHEAF_I16) |
                             SHEAF_TYPE_BIT(SHEAF_U16) | SHEAF_TYPE_BIT(SHEAF_F16) | SHEAF_TYPE_BIT(SHEAF_F32) |
                             SHEAF_TYPE_BIT(SHEAF_C64);
    const bool single = !(types & ~singles);

    if (types != 0 && !(types & (types - 1)))
        return (enum sheaf_type)__builtin_ctz(types);
    if (!(types & ~SHEAF_TYPES_INTEGER))
        return SHEAF_F64;
    if (types & SHEAF_TYPES_COMPLEX)
        return single ? SHEAF_C64 : SHEAF_C128;
    return single ? SHEAF_F32 : SHEAF_F64;
}

enum sheaf_status
convert_check(const char *text, enum sheaf_type from, enum sheaf_type to, struct sheaf_error *error)
{
    if (convert_possible(from, to))
        return SHEAF_OK;
    return sheaf_fail(error, SHEAF_BAD_DATA, "%s: is %s, which cannot be read as %s%s", text, sheaf_type_name(from),
                      sheaf_type_name(to),
                      sheaf_type_is_complex(from) && (SHEAF_TYPES_REAL & SHEAF_TYPE_BIT(to))
                          ? ": its imaginary parts would be lost; give a complex type, c64 or c128"
                          : "; give a floating type, as f64");
}

void
convert_swap(enum sheaf_type type, int64_t count, void *elements)
{
    unsigned char *at = elements;
    size_t bytes = sheaf_type_size(type);

    if (sheaf_type_is_complex(type)) {
        bytes /= 2;
        count *= 2;
    }
    if (bytes == 2) {
        for (int64_t i = 0; i < count; i++) {
            uint16_t x;
            memcpy(&x, at + 2 * i, sizeof x);
            x = __builtin_bswap16(x);
            memcpy(at + 2 * i, &x, sizeof x);
        }
    } else if (bytes == 4) {
        for (int64_t i = 0; i < count; i++) {
            uint32_t x;
            memcpy(&x, at + 4 * i, sizeof x);
            x = __builtin_bswap32(x);
            memcpy(at + 4 * i, &x, sizeof x);
        }
    } else if (bytes == 8) {
        for (int64_t i = 0; i < count; i++) {
            uint64_t x;
            memcpy(&x, at + 8 * i, sizeof x);
            x = __builtin_bswap64(x);
            memcpy(at + 8 * i, &x, sizeof x);
        }
    }
}

typedef void convert_function(int64_t count, const unsigned char *restrict in, enum sheaf_type to,
                              unsigned char *restrict out);

void
convert_elements(enum sheaf_type from, enum sheaf_type to, int64_t count, const void *in, void *out)
{
    /* both parts of a complex number are real ones, converted alike */
    static convert_function *const functions[SHEAF_TYPE_COUNT] = {
        [SHEAF_I8] = convert_i8,   [SHEAF_I16] = convert_i16, [SHEAF_I32] = convert_i32, [SHEAF_I64] = convert_i64,
        [SHEAF_U8] = convert_u8,   [SHEAF_U16] = convert_u16, [SHEAF_U32] = convert_u32, [SHEAF_U64] = convert_u64,
        [SHEAF_F16] = convert_f16, [SHEAF_F32] = convert_f32, [SHEAF_F64] = convert_f64, [SHEAF_C64] = convert_f32,
        [SHEAF_C128] = convert_f64};

    if (from == to) {
        memcpy(out, in, (size_t)count * sheaf_type_size(from));
        return;
    }
    if (sheaf_type_is_complex(from)) {
        count *= 2;
        to = to == SHEAF_C64 ? SHEAF_F32 : SHEAF_F64;
    }
    functions[from](count, in, to, out);
}

void
convert_in_place(enum sheaf_type from, bool swapped, enum sheaf_type to, int64_t count, void *buffer)
{
    /* What is written for one piece ends where that piece ended, or before: the pieces that follow still stand. */
    unsigned char piece[CONVERT_PIECE_BYTES], *out = buffer;
    const int64_t in_bytes = convert_element_bytes(from), out_bytes = convert_element_bytes(to);
    const unsigned char *in = out + count * (out_bytes - in_bytes);
    const int64_t most = CONVERT_PIECE_BYTES / in_bytes;

    if (from == to) {
        if (swapped)
            convert_swap(from, count, buffer);
        return;
    }
    for (int64_t done = 0; done < count; done += most) {
        const int64_t some = count - done < most ? count - done : most;
        memcpy(piece, in + done * in_bytes, (size_t)(some * in_bytes));
        if (swapped)
            convert_swap(from, some, piece);
        convert_elements(from, to, some, piece, out + done * out_bytes);
    }
}

enum sheaf_status
convert_fetched(const struct convert_stored *stored, enum sheaf_type to, int64_t count, void *buffer,
                struct sheaf_error *error)
{
    const int64_t most = CONVERT_PIECE_BYTES / convert_element_bytes(stored->type), bytes = convert_element_bytes(to);
    _Alignas(64) unsigned char piece[CONVERT_PIECE_BYTES];

    if (stored->type == to && !stored->swapped)
        return stored->fetch(stored->data, 0, count, buffer, error);
    for (int64_t done = 0; done < count; done += most) {
        const int64_t some = count - done < most ? count - done : most;
        enum sheaf_status status = stored->fetch(stored->data, done, some, piece, error);
        if (status != SHEAF_OK)
            return status;
        if (stored->swapped)
            convert_swap(stored->type, some, piece);
        convert_elements(stored->type, to, some, piece, (char *)buffer + done * bytes);
    }
    return SHEAF_OK;
}
