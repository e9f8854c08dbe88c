/*
 * Kernels whose tasks take a while, can be counted, and fail when they are told to: (n)->(n), of f64, and one that goes on until the
 * run is over: (n),(n)->(n). A task's first element is its number.
 *
 * SHEAF_TEST_LOG    file to which each task that is computed adds its number, 8 bytes
 * SHEAF_TEST_PAUSE  milliseconds that a task takes, below 1000; without it 1
 * SHEAF_TEST_UNTIL  file that ends the lingering kernel's tasks when it goes
 * SHEAF_TEST_MENDED given: no task fails, and every result is 1000 more: it is known which ones were computed then
 * and the variables of misbehave.h
 */
#include "misbehave.h"

#include <sheaf/kernel.h>

#include <fcntl.h>
#include <stdlib.h>
#include <time.h>
#include <unistd.h>

/* Four tasks make a chunk of 10^9 flops. */
static void
quarter_cost(const struct sheaf_problem *problem, struct sheaf_cost *cost)
{
    (void)problem;
    cost->flops = 2.5e8;
}

static void
note_task(double number)
{
    const char *path = getenv("SHEAF_TEST_LOG");
    int file = path ? open(path, O_WRONLY | O_APPEND | O_CREAT, 0666) : -1;

    if (file >= 0) {
        if (write(file, &number, sizeof number) != sizeof number)
            abort();
        close(file);
    }
}

/* Each element and 1; tasks whose second element is negative fail with its number as info. */
static enum sheaf_status
slow_run(const struct sheaf_problem *problem, const struct sheaf_batch *batch)
{
    const char *milliseconds = getenv("SHEAF_TEST_PAUSE");
    const struct timespec pause = {.tv_nsec = (milliseconds ? strtol(milliseconds, NULL, 10) : 1) * 1000000};
    const double more = getenv("SHEAF_TEST_MENDED") ? 1001 : 1;
    const int64_t count = problem->inputs[0].shape.extent[0];

    for (int64_t t = 0; t < batch->count; t++) {
        const double *in = (const double *)((const char *)batch->inputs[0] + (size_t)t * batch->input_strides[0]);
        double *out = (double *)((char *)batch->outputs[0] + (size_t)t * batch->output_strides[0]);
        note_task(in[0]);
        nanosleep(&pause, NULL);
        misbehave("SHEAF_TEST_", in[0]);
        for (int64_t i = 0; i < count; i++)
            out[i] = in[i] + more;
        if (in[1] < 0 && more == 1) {
            batch->status[t] = SHEAF_TASK_SINGULAR;
            batch->info[t] = (int32_t)in[0];
        }
    }
    return SHEAF_OK;
}

/* The sum of both; until a file is gone, the second operand is looked at all the time. */
static enum sheaf_status
lingering_run(const struct sheaf_problem *problem, const struct sheaf_batch *batch)
{
    const char *until = getenv("SHEAF_TEST_UNTIL");
    const int64_t count = problem->inputs[0].shape.extent[0];
    double seen = 0;

    while (until && access(until, F_OK) == 0)
        for (int64_t k = 0; k < 1000; k++)
            seen += ((const volatile double *)batch->inputs[1])[k % count];
    for (int64_t t = 0; t < batch->count; t++) {
        const double *in = (const double *)((const char *)batch->inputs[0] + (size_t)t * batch->input_strides[0]);
        double *out = (double *)((char *)batch->outputs[0] + (size_t)t * batch->output_strides[0]);
        for (int64_t i = 0; i < count; i++)
            out[i] = in[i] + ((const double *)batch->inputs[1])[i] + 0 * seen;
    }
    return SHEAF_OK;
}

static const char *const outputs[] = {"result", NULL};

static const struct sheaf_kernel slow = {
    .abi = SHEAF_KERNEL_ABI,
    .bytes = sizeof(struct sheaf_kernel),
    .name = "slow",
    .text = "each element and 1, after a while",
    .signature = "(n)->(n)",
    .output_names = outputs,
    .accepts = SHEAF_TYPE_BIT(SHEAF_F64),
    .width_kind = SHEAF_WIDTH_ONE,
    .cost = quarter_cost,
    .run = slow_run,
};

static const struct sheaf_kernel lingering = {
    .abi = SHEAF_KERNEL_ABI,
    .bytes = sizeof(struct sheaf_kernel),
    .name = "lingering",
    .text = "the sum of both operands, when the run is over",
    .signature = "(n),(n)->(n)",
    .output_names = outputs,
    .accepts = SHEAF_TYPE_BIT(SHEAF_F64),
    .width_kind = SHEAF_WIDTH_ONE,
    .cost = quarter_cost,
    .run = lingering_run,
};

static const struct sheaf_kernel *const kernels[] = {&slow, &lingering, NULL};

const struct sheaf_kernel *const *
sheaf_plugin_kernels(uint32_t abi)
{
    return abi == SHEAF_KERNEL_ABI ? kernels : NULL;
}
