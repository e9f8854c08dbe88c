/* A copy of the input: what reading and writing alone cost, for any type. */
#include "sheaf/kernel.h"

static void
copy_cost(const struct sheaf_problem *problem, struct sheaf_cost *cost)
{
    (void)problem;
    cost->serial_fraction = 1.0;
    cost->greatest_width = 1;
}

static enum sheaf_status
copy_run(const struct sheaf_problem *problem, const struct sheaf_batch *batch)
{
    int64_t bytes;
    if (!sheaf_shape_bytes(&problem->inputs[0].shape, problem->inputs[0].type, &bytes))
        return SHEAF_INTERNAL;
    for (int64_t task = 0; task < batch->count; task++)
        memcpy((char *)batch->outputs[0] + (size_t)task * batch->output_strides[0],
               (const char *)batch->inputs[0] + (size_t)task * batch->input_strides[0], (size_t)bytes);
    return SHEAF_OK;
}

static const char *const copy_outputs[] = {"result", NULL};

const struct sheaf_kernel kernel_copy = {
    .abi = SHEAF_KERNEL_ABI,
    .bytes = sizeof(struct sheaf_kernel),
    .name = "copy",
    .text = "the input itself: what reading and writing alone cost",
    .documentation = "B = A. No flops. Any type. No task fails.\n",
    .signature = "(m,n)->(m,n)",
    .output_names = copy_outputs,
    .accepts = SHEAF_TYPES_ALL,
    .width_kind = SHEAF_WIDTH_ONE,
    .cost = copy_cost,
    .run = copy_run,
};
