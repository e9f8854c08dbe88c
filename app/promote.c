#include "promote.h"

/** What NumPy computes a type in when floating ones are near: how it holds its numbers, or most of their digits. */
static enum sheaf_type
floating_part(enum sheaf_type type)
{
    static const enum sheaf_type parts[SHEAF_TYPE_COUNT] = {
        [SHEAF_I8] = SHEAF_F16,  [SHEAF_U8] = SHEAF_F16,  [SHEAF_I16] = SHEAF_F32, [SHEAF_U16] = SHEAF_F32,
        [SHEAF_I32] = SHEAF_F64, [SHEAF_U32] = SHEAF_F64, [SHEAF_I64] = SHEAF_F64, [SHEAF_U64] = SHEAF_F64,
        [SHEAF_F16] = SHEAF_F16, [SHEAF_F32] = SHEAF_F32, [SHEAF_F64] = SHEAF_F64, [SHEAF_C64] = SHEAF_F32,
        [SHEAF_C128] = SHEAF_F64};
    return parts[type];
}

enum sheaf_type
promote_common(int count, const enum sheaf_type *types)
{
    enum sheaf_type part = SHEAF_F16;
    bool alike = true, integers = true, complex = false;
    for (int i = 0; i < count; i++) {
        enum sheaf_type own = floating_part(types[i]);
        part = own > part ? own : part; // their numbers go up with their digits
        alike = alike && types[i] == types[0];
        integers = integers && (SHEAF_TYPES_INTEGER & SHEAF_TYPE_BIT(types[i]));
        complex = complex || sheaf_type_is_complex(types[i]);
    }
    if (alike)
        return types[0];
    if (integers)
        return SHEAF_F64;
    if (complex)
        return part == SHEAF_F64 ? SHEAF_C128 : SHEAF_C64;
    return part;
}

/** The next type of a set that holds all numbers of a type (of 64-bit integers, 53 bits); the type itself where none does. */
static enum sheaf_type
next_accepted(uint32_t accepts, enum sheaf_type type)
{
    static const enum sheaf_type floats[] = {SHEAF_F32, SHEAF_F64, SHEAF_C64, SHEAF_C128};
    static const enum sheaf_type integers[] = {SHEAF_F64, SHEAF_C128, SHEAF_F32, SHEAF_C64};
    const bool integer = SHEAF_TYPES_INTEGER & SHEAF_TYPE_BIT(type);
    if (accepts & SHEAF_TYPE_BIT(type))
        return type;
    for (int i = 0; i < 4; i++) {
        enum sheaf_type to = integer ? integers[i] : floats[i];
        bool single = to == SHEAF_F32 || to == SHEAF_C64;
        bool loses =
            (single && floating_part(type) == SHEAF_F64) || (sheaf_type_is_complex(type) && !sheaf_type_is_complex(to));
        if ((accepts & SHEAF_TYPE_BIT(to)) && !loses)
            return to;
    }
    return type;
}

void
promote_types(const struct sheaf_kernel *kernel, int written, int count, const enum sheaf_type *stored,
              enum sheaf_type wanted, enum sheaf_type *types)
{
    enum sheaf_type common = count > 0 ? promote_common(count, stored) : SHEAF_F64;
    if (!kernel->input_accepts) {
        common = wanted < SHEAF_TYPE_COUNT ? wanted : next_accepted(kernel->accepts, common);
        bool fits = wanted < SHEAF_TYPE_COUNT || (kernel->accepts & SHEAF_TYPE_BIT(common));
        for (int i = 0; i < count; i++)
            types[i] = fits ? common : stored[i];
        return;
    }
    for (int i = 0; i < count; i++) {
        uint32_t accepts = kernel->input_accepts[i < written ? i : written - 1];
        bool takes = wanted < SHEAF_TYPE_COUNT && (accepts & SHEAF_TYPE_BIT(wanted));
        types[i] = takes ? wanted : next_accepted(accepts, stored[i]);
    }
}
