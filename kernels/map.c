#include "map.h"
#include "batch.h"
#include "pieces.h"

#include <stdatomic.h>

/** A task on its way. */
struct map_task {
    map_function *function;
    size_t step, b_step; /**< bytes from number to number: of `a` and `out`, of `b` */
    int64_t numbers;
    const char *a, *b;
    char *out;
    atomic_bool overflowed;
};

static void
map_pieces(void *argument, int64_t first, int64_t end)
{
    struct map_task *task = argument;
    for (int64_t piece = first; piece < end; piece++) {
        size_t at = (size_t)(piece * PIECE_NUMBERS);
        if (!task->function(task->a + at * task->step, task->b + at * task->b_step, task->out + at * task->step,
                            pieces_length(task->numbers, piece)))
            atomic_store_explicit(&task->overflowed, true, memory_order_relaxed);
    }
}

enum sheaf_status
map_run(const struct sheaf_problem *problem, const struct sheaf_batch *batch, const struct map *map,
        const void *constant)
{
    int64_t bytes;
    map_function *function = map->levels[vector_level_best()];
    if (!function || !sheaf_shape_bytes(&problem->inputs[0].shape, problem->inputs[0].type, &bytes))
        return SHEAF_INTERNAL;
    if (!batch->outputs[0])
        return SHEAF_OK; // not asked for
    bool pair = !constant && problem->input_count > 1;
    for (int64_t t = 0; t < batch->count; t++) {
        struct map_task task = {.function = function,
                                .step = map->bytes,
                                .b_step = pair ? map->bytes : 0,
                                .numbers = bytes / (int64_t)map->bytes,
                                .a = batch_input(batch, 0, t),
                                .b = constant ? constant : batch_input(batch, pair ? 1 : 0, t),
                                .out = batch_output(batch, 0, t)};
        pieces_run(batch, pieces_count(task.numbers), map_pieces, &task);
        if (!task.overflowed)
            continue;
        memset(task.out, 0, (size_t)bytes);
        batch->status[t] = SHEAF_TASK_OVERFLOW;
    }
    return SHEAF_OK;
}

void
map_cost(const struct sheaf_problem *problem, double flops, double complex_flops, struct sheaf_cost *cost)
{
    const struct sheaf_array *a = &problem->inputs[0];
    int64_t count = a->shape.extent[0];
    cost->flops = (sheaf_type_is_complex(a->type) ? complex_flops : flops) * (double)count;
    pieces_cost(count, cost);
}
