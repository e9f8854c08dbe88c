#include "promote.h"
#include "convert.h"

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
        bool loses = convert_common(SHEAF_TYPE_BIT(type) | SHEAF_TYPE_BIT(to)) != to;
        if ((accepts & SHEAF_TYPE_BIT(to)) && !loses)
            return to;
    }
    return type;
}

void
promote_types(const struct sheaf_kernel *kernel, int written, int count, const enum sheaf_type *stored,
              enum sheaf_type wanted, enum sheaf_type *types)
{
    if (!kernel->input_accepts) {
        uint32_t all = 0;
        for (int i = 0; i < count; i++)
            all |= SHEAF_TYPE_BIT(stored[i]);
        enum sheaf_type common = convert_common(all);
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
