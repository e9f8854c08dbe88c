/* The sum and the product of two arrays, element by element: bound by memory bandwidth. */
#include "map.h"

#include <complex.h>

/* Both operands have one sign and the sum the other; or, without signs: two top bits, or one that the sum has lost. */
#define SIGNED_CARRY(x, y, sum) (((x) ^ (sum)) & ((y) ^ (sum)))
#define UNSIGNED_CARRY(x, y, sum) (((x) & (y)) | (((x) | (y)) & ~(sum)))

#define ARITHMETIC_ADD add_i8_body
#define ARITHMETIC_MULTIPLY multiply_i8_body
#define ARITHMETIC_TYPE int8_t
#define ARITHMETIC_UNSIGNED uint8_t
#define ARITHMETIC_WIDE int16_t
#define ARITHMETIC_CARRY SIGNED_CARRY
#include "arithmetic_type.h"

#define ARITHMETIC_ADD add_i16_body
#define ARITHMETIC_MULTIPLY multiply_i16_body
#define ARITHMETIC_TYPE int16_t
#define ARITHMETIC_UNSIGNED uint16_t
#define ARITHMETIC_WIDE int32_t
#define ARITHMETIC_CARRY SIGNED_CARRY
#include "arithmetic_type.h"

#define ARITHMETIC_ADD add_i32_body
#define ARITHMETIC_MULTIPLY multiply_i32_body
#define ARITHMETIC_TYPE int32_t
#define ARITHMETIC_UNSIGNED uint32_t
#define ARITHMETIC_WIDE int64_t
#define ARITHMETIC_CARRY SIGNED_CARRY
#include "arithmetic_type.h"

#define ARITHMETIC_ADD add_i64_body
#define ARITHMETIC_MULTIPLY multiply_i64_body
#define ARITHMETIC_TYPE int64_t
#define ARITHMETIC_UNSIGNED uint64_t
#define ARITHMETIC_CARRY SIGNED_CARRY
#include "arithmetic_type.h"

#define ARITHMETIC_ADD add_u8_body
#define ARITHMETIC_MULTIPLY multiply_u8_body
#define ARITHMETIC_TYPE uint8_t
#define ARITHMETIC_UNSIGNED uint8_t
#define ARITHMETIC_WIDE uint16_t
#define ARITHMETIC_CARRY UNSIGNED_CARRY
#include "arithmetic_type.h"

#define ARITHMETIC_ADD add_u16_body
#define ARITHMETIC_MULTIPLY multiply_u16_body
#define ARITHMETIC_TYPE uint16_t
#define ARITHMETIC_UNSIGNED uint16_t
#define ARITHMETIC_WIDE uint32_t
#define ARITHMETIC_CARRY UNSIGNED_CARRY
#include "arithmetic_type.h"

#define ARITHMETIC_ADD add_u32_body
#define ARITHMETIC_MULTIPLY multiply_u32_body
#define ARITHMETIC_TYPE uint32_t
#define ARITHMETIC_UNSIGNED uint32_t
#define ARITHMETIC_WIDE uint64_t
#define ARITHMETIC_CARRY UNSIGNED_CARRY
#include "arithmetic_type.h"

#define ARITHMETIC_ADD add_u64_body
#define ARITHMETIC_MULTIPLY multiply_u64_body
#define ARITHMETIC_TYPE uint64_t
#define ARITHMETIC_UNSIGNED uint64_t
#define ARITHMETIC_CARRY UNSIGNED_CARRY
#include "arithmetic_type.h"

#define MAP_NAME add_f32_body
#define MAP_TYPE float
#define MAP_RESULT(x, y) ((x) + (y))
#include "map_type.h"

#define MAP_NAME add_f64_body
#define MAP_TYPE double
#define MAP_RESULT(x, y) ((x) + (y))
#include "map_type.h"

#define MAP_NAME multiply_f32_body
#define MAP_TYPE float
#define MAP_RESULT(x, y) ((x) * (y))
#include "map_type.h"

#define MAP_NAME multiply_f64_body
#define MAP_TYPE double
#define MAP_RESULT(x, y) ((x) * (y))
#include "map_type.h"

/*
 * Written out: C's complex product looks for infinities, and calls a function to do it. One compilation serves all
 * levels: for those with FMA gcc 12 makes vfmaddsub of a difference and a sum side by side, contraction forbidden or
 * not, whose bits are others. SSE2 keeps up with memory.
 */
#define MAP_NAME multiply_c64
#define MAP_TYPE float complex
#define MAP_RESULT(x, y)                                                                                               \
    CMPLXF(crealf(x) * crealf(y) - cimagf(x) * cimagf(y), crealf(x) * cimagf(y) + cimagf(x) * crealf(y))
#include "map_type.h"

#define MAP_NAME multiply_c128
#define MAP_TYPE double complex
#define MAP_RESULT(x, y) CMPLX(creal(x) * creal(y) - cimag(x) * cimag(y), creal(x) * cimag(y) + cimag(x) * creal(y))
#include "map_type.h"

MAP_DEFINE(add_i8)
MAP_DEFINE(add_i16)
MAP_DEFINE(add_i32)
MAP_DEFINE(add_i64)
MAP_DEFINE(add_u8)
MAP_DEFINE(add_u16)
MAP_DEFINE(add_u32)
MAP_DEFINE(add_u64)
MAP_DEFINE(add_f32)
MAP_DEFINE(add_f64)
MAP_DEFINE(multiply_i8)
MAP_DEFINE(multiply_i16)
MAP_DEFINE(multiply_i32)
MAP_DEFINE(multiply_i64)
MAP_DEFINE(multiply_u8)
MAP_DEFINE(multiply_u16)
MAP_DEFINE(multiply_u32)
MAP_DEFINE(multiply_u64)
MAP_DEFINE(multiply_f32)
MAP_DEFINE(multiply_f64)

const struct map map_add[SHEAF_TYPE_COUNT] = {
    [SHEAF_I8] = {VECTOR_LEVELS(add_i8), sizeof(int8_t)},     [SHEAF_I16] = {VECTOR_LEVELS(add_i16), sizeof(int16_t)},
    [SHEAF_I32] = {VECTOR_LEVELS(add_i32), sizeof(int32_t)},  [SHEAF_I64] = {VECTOR_LEVELS(add_i64), sizeof(int64_t)},
    [SHEAF_U8] = {VECTOR_LEVELS(add_u8), sizeof(uint8_t)},    [SHEAF_U16] = {VECTOR_LEVELS(add_u16), sizeof(uint16_t)},
    [SHEAF_U32] = {VECTOR_LEVELS(add_u32), sizeof(uint32_t)}, [SHEAF_U64] = {VECTOR_LEVELS(add_u64), sizeof(uint64_t)},
    [SHEAF_F32] = {VECTOR_LEVELS(add_f32), sizeof(float)},    [SHEAF_F64] = {VECTOR_LEVELS(add_f64), sizeof(double)},
    [SHEAF_C64] = {VECTOR_LEVELS(add_f32), sizeof(float)},    [SHEAF_C128] = {VECTOR_LEVELS(add_f64), sizeof(double)},
};

const struct map map_multiply[SHEAF_TYPE_COUNT] = {
    [SHEAF_I8] = {VECTOR_LEVELS(multiply_i8), sizeof(int8_t)},
    [SHEAF_I16] = {VECTOR_LEVELS(multiply_i16), sizeof(int16_t)},
    [SHEAF_I32] = {VECTOR_LEVELS(multiply_i32), sizeof(int32_t)},
    [SHEAF_I64] = {VECTOR_LEVELS(multiply_i64), sizeof(int64_t)},
    [SHEAF_U8] = {VECTOR_LEVELS(multiply_u8), sizeof(uint8_t)},
    [SHEAF_U16] = {VECTOR_LEVELS(multiply_u16), sizeof(uint16_t)},
    [SHEAF_U32] = {VECTOR_LEVELS(multiply_u32), sizeof(uint32_t)},
    [SHEAF_U64] = {VECTOR_LEVELS(multiply_u64), sizeof(uint64_t)},
    [SHEAF_F32] = {VECTOR_LEVELS(multiply_f32), sizeof(float)},
    [SHEAF_F64] = {VECTOR_LEVELS(multiply_f64), sizeof(double)},
    [SHEAF_C64] = {{multiply_c64, multiply_c64, multiply_c64}, sizeof(float complex)},
    [SHEAF_C128] = {{multiply_c128, multiply_c128, multiply_c128}, sizeof(double complex)},
};

static void
add_cost(const struct sheaf_problem *problem, struct sheaf_cost *cost)
{
    map_cost(problem, 1.0, 2.0, cost);
}

static enum sheaf_status
add_run(const struct sheaf_problem *problem, const struct sheaf_batch *batch)
{
    return map_run(problem, batch, &map_add[problem->inputs[0].type], NULL);
}

static void
multiply_cost(const struct sheaf_problem *problem, struct sheaf_cost *cost)
{
    map_cost(problem, 1.0, 6.0, cost);
}

static enum sheaf_status
multiply_run(const struct sheaf_problem *problem, const struct sheaf_batch *batch)
{
    return map_run(problem, batch, &map_multiply[problem->inputs[0].type], NULL);
}

static const char *const arithmetic_outputs[] = {"result", NULL};

const struct sheaf_kernel kernel_add = {
    .abi = SHEAF_KERNEL_ABI,
    .bytes = sizeof(struct sheaf_kernel),
    .name = "add",
    .text = "sum of two arrays, element by element",
    .documentation =
        "R_i = a_i + b_i. k flops (complex: 2 k). No library: one rounded sum an element; bound by memory\n"
        "bandwidth. As numpy.add, but an integer sum that its type does not hold fails the task (status overflow,\n"
        "output 0), where NumPy wraps. NaN and infinity in the input spread as IEEE 754 says.\n",
    .signature = "(k),(k)->(k)",
    .output_names = arithmetic_outputs,
    .accepts = SHEAF_TYPES_INTEGER | SHEAF_TYPES_FLOATING,
    .width_kind = SHEAF_WIDTH_PARALLEL,
    .cost = add_cost,
    .run = add_run,
};

const struct sheaf_kernel kernel_multiply = {
    .abi = SHEAF_KERNEL_ABI,
    .bytes = sizeof(struct sheaf_kernel),
    .name = "multiply",
    .text = "product of two arrays, element by element",
    .documentation =
        "R_i = a_i b_i. k flops (complex: 6 k). No library: one rounded product an element (complex: a rounded sum\n"
        "of two); bound by memory bandwidth. As numpy.multiply, but an integer product that its type does not hold\n"
        "fails the task (status overflow, output 0), where NumPy wraps. NaN and infinity in the input spread as\n"
        "IEEE 754 says.\n",
    .signature = "(k),(k)->(k)",
    .output_names = arithmetic_outputs,
    .accepts = SHEAF_TYPES_INTEGER | SHEAF_TYPES_FLOATING,
    .width_kind = SHEAF_WIDTH_PARALLEL,
    .cost = multiply_cost,
    .run = multiply_run,
};
