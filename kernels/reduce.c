#include "reduce.h"
#include "batch.h"
#include "workspace.h"

/** Add pairs up, as reduce.h says, into the first. @param[in] count  at least 1 */
VECTOR_INLINE void
add_pairwise(union reduce_sum *sums, int64_t count)
{
    for (; count > 1; count = (count + 1) / 2) {
        for (int64_t i = 0; i < count / 2; i++) {
            sums[i].pair[0] = sums[2 * i].pair[0] + sums[2 * i + 1].pair[0];
            sums[i].pair[1] = sums[2 * i].pair[1] + sums[2 * i + 1].pair[1];
        }
        if (count % 2 == 1)
            sums[count / 2] = sums[count - 1];
    }
}

/** Add the upper half of 2 `half` lanes to the lower. @param[in] half  a constant, where this is inlined */
VECTOR_INLINE void
fold_lanes(double *lanes, int half)
{
    for (int lane = 0; lane < half; lane++)
        lanes[lane] += lanes[lane + half];
}

#define FIRST(x, y) (x)
#define FIRST_F64(x, y) ((double)(x))
#define SQUARE_F64(x, y) (((double)(x) - (double)(y)) * ((double)(x) - (double)(y)))
#define SQUARE_I32(x, y) (((int32_t)(x) - (int32_t)(y)) * ((int32_t)(x) - (int32_t)(y)))
/* Of differences modulo 2^32: a square of 16 bits fits. */
#define SQUARE_U32(x, y) (((uint32_t)(x) - (uint32_t)(y)) * ((uint32_t)(x) - (uint32_t)(y)))
#define DISTANCE_U32(x, y) ((uint32_t)((x) > (y) ? (x) : (y)) - (uint32_t)((x) > (y) ? (y) : (x)))
#define DISTANCE_U64(x, y) ((uint64_t)((x) > (y) ? (x) : (y)) - (uint64_t)((x) > (y) ? (y) : (x)))
#define SQUARE_LOW(distance) ((uint64_t)(uint32_t)(distance) * (uint32_t)(distance))
#define SQUARE_LARGE(distance) ((distance) >> 32)
#define BIAS (UINT64_C(1) << 63)
#define BIASED(x, y) ((uint64_t)(x) ^ BIAS)
#define ITSELF(value) (value)
#define NEVER(value) 0U

#define REDUCE_NAME sum_f32_body
#define REDUCE_LANES_NAME sum_f32_block
#define REDUCE_TYPE float
#define REDUCE_TERM FIRST_F64
#include "reduce_real_type.h"

#define REDUCE_NAME sum_f64_body
#define REDUCE_LANES_NAME sum_f64_block
#define REDUCE_TYPE double
#define REDUCE_TERM FIRST_F64
#include "reduce_real_type.h"

#define REDUCE_NAME sqdiff_f32_body
#define REDUCE_LANES_NAME sqdiff_f32_block
#define REDUCE_TYPE float
#define REDUCE_TERM SQUARE_F64
#include "reduce_real_type.h"

#define REDUCE_NAME sqdiff_f64_body
#define REDUCE_LANES_NAME sqdiff_f64_block
#define REDUCE_TYPE double
#define REDUCE_TERM SQUARE_F64
#include "reduce_real_type.h"

#define REDUCE_NAME sum_i8_body
#define REDUCE_TYPE int8_t
#define REDUCE_BLOCK_SUM int32_t
#define REDUCE_TERM FIRST
#include "reduce_narrow_type.h"

#define REDUCE_NAME sum_i16_body
#define REDUCE_TYPE int16_t
#define REDUCE_BLOCK_SUM int32_t
#define REDUCE_TERM FIRST
#include "reduce_narrow_type.h"

#define REDUCE_NAME sum_i32_body
#define REDUCE_TYPE int32_t
#define REDUCE_BLOCK_SUM int64_t
#define REDUCE_TERM FIRST
#include "reduce_narrow_type.h"

#define REDUCE_NAME sum_u8_body
#define REDUCE_TYPE uint8_t
#define REDUCE_BLOCK_SUM int32_t
#define REDUCE_TERM FIRST
#include "reduce_narrow_type.h"

#define REDUCE_NAME sum_u16_body
#define REDUCE_TYPE uint16_t
#define REDUCE_BLOCK_SUM int32_t
#define REDUCE_TERM FIRST
#include "reduce_narrow_type.h"

#define REDUCE_NAME sum_u32_body
#define REDUCE_TYPE uint32_t
#define REDUCE_BLOCK_SUM int64_t
#define REDUCE_TERM FIRST
#include "reduce_narrow_type.h"

#define REDUCE_NAME sqdiff_i8_body
#define REDUCE_TYPE int8_t
#define REDUCE_BLOCK_SUM int32_t
#define REDUCE_TERM SQUARE_I32
#include "reduce_narrow_type.h"

#define REDUCE_NAME sqdiff_u8_body
#define REDUCE_TYPE uint8_t
#define REDUCE_BLOCK_SUM int32_t
#define REDUCE_TERM SQUARE_I32
#include "reduce_narrow_type.h"

#define REDUCE_NAME sqdiff_i16_body
#define REDUCE_TYPE int16_t
#define REDUCE_BLOCK_SUM int64_t
#define REDUCE_TERM SQUARE_U32
#include "reduce_narrow_type.h"

#define REDUCE_NAME sqdiff_u16_body
#define REDUCE_TYPE uint16_t
#define REDUCE_BLOCK_SUM int64_t
#define REDUCE_TERM SQUARE_U32
#include "reduce_narrow_type.h"

#define REDUCE_NAME sum_i64_body
#define REDUCE_TYPE int64_t
#define REDUCE_VALUE BIASED
#define REDUCE_TERM ITSELF
#define REDUCE_BIAS BIAS
#define REDUCE_LARGE NEVER
#include "reduce_wide_type.h"

#define REDUCE_NAME sum_u64_body
#define REDUCE_TYPE uint64_t
#define REDUCE_VALUE FIRST
#define REDUCE_TERM ITSELF
#define REDUCE_BIAS 0
#define REDUCE_LARGE NEVER
#include "reduce_wide_type.h"

#define REDUCE_NAME sqdiff_i32_body
#define REDUCE_TYPE int32_t
#define REDUCE_VALUE DISTANCE_U32
#define REDUCE_TERM SQUARE_LOW
#define REDUCE_BIAS 0
#define REDUCE_LARGE SQUARE_LARGE
#include "reduce_wide_type.h"

#define REDUCE_NAME sqdiff_u32_body
#define REDUCE_TYPE uint32_t
#define REDUCE_VALUE DISTANCE_U32
#define REDUCE_TERM SQUARE_LOW
#define REDUCE_BIAS 0
#define REDUCE_LARGE SQUARE_LARGE
#include "reduce_wide_type.h"

#define REDUCE_NAME sqdiff_i64_body
#define REDUCE_TYPE int64_t
#define REDUCE_VALUE DISTANCE_U64
#define REDUCE_TERM SQUARE_LOW
#define REDUCE_BIAS 0
#define REDUCE_LARGE SQUARE_LARGE
#include "reduce_wide_type.h"

#define REDUCE_NAME sqdiff_u64_body
#define REDUCE_TYPE uint64_t
#define REDUCE_VALUE DISTANCE_U64
#define REDUCE_TERM SQUARE_LOW
#define REDUCE_BIAS 0
#define REDUCE_LARGE SQUARE_LARGE
#include "reduce_wide_type.h"

#define DEFINE(name)                                                                                                   \
    VECTOR_DEFINE(void, name, (const void *a, const void *b, int64_t count, union reduce_sum *sum), (a, b, count, sum))

DEFINE(sum_i8)
DEFINE(sum_i16)
DEFINE(sum_i32)
DEFINE(sum_i64)
DEFINE(sum_u8)
DEFINE(sum_u16)
DEFINE(sum_u32)
DEFINE(sum_u64)
DEFINE(sum_f32)
DEFINE(sum_f64)
DEFINE(sqdiff_i8)
DEFINE(sqdiff_i16)
DEFINE(sqdiff_i32)
DEFINE(sqdiff_i64)
DEFINE(sqdiff_u8)
DEFINE(sqdiff_u16)
DEFINE(sqdiff_u32)
DEFINE(sqdiff_u64)
DEFINE(sqdiff_f32)
DEFINE(sqdiff_f64)

const struct reduce reduce_sum[SHEAF_TYPE_COUNT] = {
    [SHEAF_I8] = {VECTOR_LEVELS(sum_i8), sizeof(int8_t)},     [SHEAF_I16] = {VECTOR_LEVELS(sum_i16), sizeof(int16_t)},
    [SHEAF_I32] = {VECTOR_LEVELS(sum_i32), sizeof(int32_t)},  [SHEAF_I64] = {VECTOR_LEVELS(sum_i64), sizeof(int64_t)},
    [SHEAF_U8] = {VECTOR_LEVELS(sum_u8), sizeof(uint8_t)},    [SHEAF_U16] = {VECTOR_LEVELS(sum_u16), sizeof(uint16_t)},
    [SHEAF_U32] = {VECTOR_LEVELS(sum_u32), sizeof(uint32_t)}, [SHEAF_U64] = {VECTOR_LEVELS(sum_u64), sizeof(uint64_t)},
    [SHEAF_F32] = {VECTOR_LEVELS(sum_f32), sizeof(float)},    [SHEAF_F64] = {VECTOR_LEVELS(sum_f64), sizeof(double)},
    [SHEAF_C64] = {VECTOR_LEVELS(sum_f32), sizeof(float)},    [SHEAF_C128] = {VECTOR_LEVELS(sum_f64), sizeof(double)},
};

const struct reduce reduce_sqdiff[SHEAF_TYPE_COUNT] = {
    [SHEAF_I8] = {VECTOR_LEVELS(sqdiff_i8), sizeof(int8_t)},
    [SHEAF_I16] = {VECTOR_LEVELS(sqdiff_i16), sizeof(int16_t)},
    [SHEAF_I32] = {VECTOR_LEVELS(sqdiff_i32), sizeof(int32_t)},
    [SHEAF_I64] = {VECTOR_LEVELS(sqdiff_i64), sizeof(int64_t)},
    [SHEAF_U8] = {VECTOR_LEVELS(sqdiff_u8), sizeof(uint8_t)},
    [SHEAF_U16] = {VECTOR_LEVELS(sqdiff_u16), sizeof(uint16_t)},
    [SHEAF_U32] = {VECTOR_LEVELS(sqdiff_u32), sizeof(uint32_t)},
    [SHEAF_U64] = {VECTOR_LEVELS(sqdiff_u64), sizeof(uint64_t)},
    [SHEAF_F32] = {VECTOR_LEVELS(sqdiff_f32), sizeof(float)},
    [SHEAF_F64] = {VECTOR_LEVELS(sqdiff_f64), sizeof(double)},
};

/** Numbers of a task's first input: a complex element is two. */
static int64_t
count_numbers(const struct sheaf_array *a)
{
    return a->shape.extent[0] * (sheaf_type_is_complex(a->type) ? 2 : 1);
}

int64_t
reduce_workspace_bytes(const struct sheaf_problem *problem)
{
    int64_t bytes = 0;
    workspace_reserve(&bytes, pieces_count(count_numbers(&problem->inputs[0])), sizeof(union reduce_sum));
    return bytes;
}

/** A task on its way. */
struct reduce_task {
    reduce_function *function;
    size_t bytes; /**< of a number */
    int64_t numbers;
    const char *a, *b;
    union reduce_sum *sums; /**< one for each piece */
};

static void
reduce_pieces(void *argument, int64_t first, int64_t end)
{
    const struct reduce_task *task = argument;
    for (int64_t piece = first; piece < end; piece++) {
        size_t at = (size_t)(piece * PIECE_NUMBERS) * task->bytes;
        task->function(task->a + at, task->b + at, pieces_length(task->numbers, piece), &task->sums[piece]);
    }
}

void
reduce_task(const struct sheaf_problem *problem, const struct sheaf_batch *batch, const struct reduce *reduce,
            int64_t task, union reduce_sum *sum)
{
    const struct sheaf_array *a = &problem->inputs[0];
    const bool is_integer = SHEAF_TYPES_INTEGER >> a->type & 1U;
    struct reduce_task work = {.function = reduce->levels[vector_level_best()],
                               .bytes = reduce->bytes,
                               .numbers = count_numbers(a),
                               .a = batch_input(batch, 0, task),
                               .b = batch_input(batch, problem->input_count - 1, task),
                               .sums = batch->workspace};
    const int64_t pieces = pieces_count(work.numbers);
    memset(sum, 0, sizeof *sum);
    if (pieces == 0)
        return;
    pieces_run(batch, pieces, reduce_pieces, &work);
    if (is_integer) {
        for (int64_t i = 0; i < pieces; i++)
            sum->integer += work.sums[i].integer;
        return;
    }
    add_pairwise(work.sums, pieces);
    *sum = work.sums[0];
    if (!sheaf_type_is_complex(a->type))
        sum->pair[0] += sum->pair[1];
}
