/* Nothing: what reading alone costs, and with an operand that all tasks share, what handing out and committing chunks costs. */
#include "sheaf/kernel.h"

enum { NOOP_FLOPS };

static const struct sheaf_parameter noop_parameters[] = {
    [NOOP_FLOPS] = {.name = "flops",
                    .unit = "FLOP",
                    .text = "what a task claims to cost: 0 fills chunks, 1e9 makes each task one",
                    .kind = SHEAF_PARAMETER_REAL,
                    .initial.real = 0.0,
                    .least.real = 0.0,
                    .greatest.real = 1e18},
};

static void
noop_cost(const struct sheaf_problem *problem, struct sheaf_cost *cost)
{
    cost->flops = problem->parameters[NOOP_FLOPS].real;
    cost->serial_fraction = 1.0;
    cost->greatest_width = 1;
}

static enum sheaf_status
noop_run(const struct sheaf_problem *problem, const struct sheaf_batch *batch)
{
    (void)problem;
    (void)batch;
    return SHEAF_OK;
}

static const char *const noop_outputs[] = {NULL};

const struct sheaf_kernel kernel_noop = {
    .abi = SHEAF_KERNEL_ABI,
    .bytes = sizeof(struct sheaf_kernel),
    .name = "noop",
    .text = "nothing: what reading and handing out tasks cost",
    .documentation =
        "No output. Reads the operand and does nothing with it; one that all tasks share (ones:1:shared) leaves only\n"
        "what handing out and committing chunks costs. The nominal flops decide how many tasks share a chunk, and are\n"
        "counted as if they were computed. Any type. No task fails.\n",
    .signature = "(k)->",
    .output_names = noop_outputs,
    .accepts = SHEAF_TYPES_ALL,
    .parameters = noop_parameters,
    .parameter_count = sizeof noop_parameters / sizeof noop_parameters[0],
    .width_kind = SHEAF_WIDTH_ONE,
    .cost = noop_cost,
    .run = noop_run,
};
