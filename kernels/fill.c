/* An array of one number: what writing alone costs. */
#include "map.h"

#include <complex.h>
#include <math.h>

enum { FILL_VALUE };

static const struct sheaf_parameter fill_parameters[] = {
    [FILL_VALUE] = {.name = "value",
                    .text = "the number to write",
                    .kind = SHEAF_PARAMETER_REAL,
                    .initial.real = 0.0,
                    .least.real = -(double)INFINITY,
                    .greatest.real = (double)INFINITY},
};

/** What is written, again and again: it stays in the L1 cache. */
enum { FILL_BLOCK_BYTES = 4096 };

struct fill_block {
    size_t size; /**< of an element; divides FILL_BLOCK_BYTES */
    unsigned char bytes[FILL_BLOCK_BYTES];
};

/** The least integer of a type, and the power of two above its greatest one: as f64 exact. */
static void
integer_range(enum sheaf_type type, double *least, double *above)
{
    const int bits = 8 * (int)sheaf_type_size(type);
    const bool is_signed = type <= SHEAF_I64;
    *least = is_signed ? -ldexp(1.0, bits - 1) : 0.0;
    *above = ldexp(1.0, is_signed ? bits - 1 : bits);
}

/** Whether the type has the number, or for a floating-point type one near it. */
static bool
holds(enum sheaf_type type, double value)
{
    double least, above;
    if (type == SHEAF_F32 || type == SHEAF_C64)
        return isinf(value) || isfinite((float)value);
    if (!(SHEAF_TYPES_INTEGER >> type & 1U))
        return true;
    integer_range(type, &least, &above);
    return value >= least && value < above && value == trunc(value);
}

static enum sheaf_status
fill_infer(struct sheaf_problem *problem, struct sheaf_error *error)
{
    const double value = problem->parameters[FILL_VALUE].real;
    const enum sheaf_type type = problem->inputs[0].type;
    if (!holds(type, value))
        return sheaf_fail(error, SHEAF_BAD_DATA,
                          "fill: %s has no %.17g; give another --param value, or operands of another type",
                          sheaf_type_name(type), value);
    return SHEAF_OK;
}

static void
fill_cost(const struct sheaf_problem *problem, struct sheaf_cost *cost)
{
    map_cost(problem, 0.0, 0.0, cost);
}

/** An element of any type. */
union fill_element {
    uint8_t u8;
    uint16_t u16;
    uint32_t u32;
    uint64_t u64;
    float complex c64; // an f32 is its real part, which comes first
    double complex c128;
};

/** @return the number in a type that holds it */
static union fill_element
make_element(enum sheaf_type type, double value)
{
    const uint64_t integer = SHEAF_TYPES_FLOATING >> type & 1U ? 0
                             : value < 0.0                     ? (uint64_t)(int64_t)value
                                                               : (uint64_t)value;
    switch (type) {
    case SHEAF_I8:
    case SHEAF_U8:
        return (union fill_element){.u8 = (uint8_t)integer};
    case SHEAF_I16:
    case SHEAF_U16:
        return (union fill_element){.u16 = (uint16_t)integer};
    case SHEAF_I32:
    case SHEAF_U32:
        return (union fill_element){.u32 = (uint32_t)integer};
    case SHEAF_F32:
    case SHEAF_C64:
        return (union fill_element){.c64 = (float)value};
    case SHEAF_F64:
    case SHEAF_C128:
        return (union fill_element){.c128 = value};
    default:
        return (union fill_element){.u64 = integer};
    }
}

/** A map_function; `b` is the block. */
static bool
fill_piece(const void *a, const void *b, void *out, int64_t count)
{
    const struct fill_block *block = b;
    size_t bytes = (size_t)count * block->size;
    (void)a;
    for (size_t at = 0; at < bytes; at += FILL_BLOCK_BYTES)
        memcpy((char *)out + at, block->bytes, bytes - at < FILL_BLOCK_BYTES ? bytes - at : FILL_BLOCK_BYTES);
    return true;
}

static enum sheaf_status
fill_run(const struct sheaf_problem *problem, const struct sheaf_batch *batch)
{
    const enum sheaf_type type = problem->inputs[0].type;
    struct fill_block block = {.size = sheaf_type_size(type)};
    const struct map map = {{fill_piece, fill_piece, fill_piece}, block.size};
    const union fill_element element = make_element(type, problem->parameters[FILL_VALUE].real);
    for (size_t at = 0; at < FILL_BLOCK_BYTES; at += block.size)
        memcpy(block.bytes + at, &element, block.size);
    return map_run(problem, batch, &map, &block);
}

static const char *const fill_outputs[] = {"result", NULL};

const struct sheaf_kernel kernel_fill = {
    .abi = SHEAF_KERNEL_ABI,
    .bytes = sizeof(struct sheaf_kernel),
    .name = "fill",
    .text = "one number everywhere: what writing alone costs",
    .documentation =
        "R_i = value. No flops; of the input only shape and type matter. A number that the type does not have (1.5\n"
        "or -1 in u8, 1e300 in f32) is refused. Complex: imaginary part 0. As numpy.full_like; no task fails.\n",
    .signature = "(k)->(k)",
    .output_names = fill_outputs,
    .accepts = SHEAF_TYPES_INTEGER | SHEAF_TYPES_FLOATING,
    .parameters = fill_parameters,
    .parameter_count = sizeof fill_parameters / sizeof fill_parameters[0],
    .width_kind = SHEAF_WIDTH_PARALLEL,
    .infer = fill_infer,
    .cost = fill_cost,
    .run = fill_run,
};
