/* Sum, mean and the sum of squared differences: one pass over the input, bound by memory bandwidth. */
#include "batch.h"
#include "reduce.h"

static bool
is_integer(const struct sheaf_array *array)
{
    return SHEAF_TYPES_INTEGER >> array->type & 1U;
}

/** Sums of integers are i64. */
static enum sheaf_status
sum_infer(struct sheaf_problem *problem, struct sheaf_error *error)
{
    (void)error;
    if (is_integer(&problem->inputs[0]))
        problem->outputs[0].type = SHEAF_I64;
    return SHEAF_OK;
}

/** Means of integers are f64. */
static enum sheaf_status
mean_infer(struct sheaf_problem *problem, struct sheaf_error *error)
{
    (void)error;
    if (is_integer(&problem->inputs[0]))
        problem->outputs[0].type = SHEAF_F64;
    return SHEAF_OK;
}

/** @param[in] flops  of an element */
static void
cost_of(const struct sheaf_problem *problem, double flops, struct sheaf_cost *cost)
{
    const struct sheaf_array *a = &problem->inputs[0];
    int64_t parts = sheaf_type_is_complex(a->type) ? 2 : 1;
    cost->flops = flops * (double)parts * (double)a->shape.extent[0];
    pieces_cost(parts * a->shape.extent[0], cost);
}

static void
sum_cost(const struct sheaf_problem *problem, struct sheaf_cost *cost)
{
    cost_of(problem, 1.0, cost);
}

static void
sqdiff_cost(const struct sheaf_problem *problem, struct sheaf_cost *cost)
{
    cost_of(problem, 3.0, cost);
}

/** Write an exact sum. @return the task's status */
static uint8_t
store_integer(reduce_integer sum, int64_t *out)
{
    bool fits = sum >= INT64_MIN && sum <= INT64_MAX;
    *out = fits ? (int64_t)sum : 0;
    return fits ? SHEAF_TASK_DONE : SHEAF_TASK_OVERFLOW;
}

/** Write a sum, divided by `divisor`, in a floating-point type. */
static void
store_floating(enum sheaf_type type, const union reduce_sum *sum, double divisor, void *out)
{
    for (int part = 0; part <= sheaf_type_is_complex(type); part++) {
        double value = sum->pair[part] / divisor;
        if (type == SHEAF_F32 || type == SHEAF_C64)
            ((float *)out)[part] = (float)value;
        else
            ((double *)out)[part] = value;
    }
}

/** sum and sqdiff: what to add is in a table by type. */
static enum sheaf_status
run_with(const struct sheaf_problem *problem, const struct sheaf_batch *batch, const struct reduce *table)
{
    const struct sheaf_array *a = &problem->inputs[0];
    if (!table[a->type].levels[VECTOR_BASELINE])
        return SHEAF_INTERNAL;
    for (int64_t task = 0; task < batch->count; task++) {
        union reduce_sum sum;
        reduce_task(problem, batch, &table[a->type], task, &sum);
        if (is_integer(a))
            batch->status[task] = store_integer(sum.integer, batch_output(batch, 0, task));
        else
            store_floating(a->type, &sum, 1.0, batch_output(batch, 0, task));
    }
    return SHEAF_OK;
}

static enum sheaf_status
sum_run(const struct sheaf_problem *problem, const struct sheaf_batch *batch)
{
    return run_with(problem, batch, reduce_sum);
}

static enum sheaf_status
sqdiff_run(const struct sheaf_problem *problem, const struct sheaf_batch *batch)
{
    return run_with(problem, batch, reduce_sqdiff);
}

static enum sheaf_status
mean_run(const struct sheaf_problem *problem, const struct sheaf_batch *batch)
{
    const struct sheaf_array *a = &problem->inputs[0];
    const double count = (double)a->shape.extent[0];
    if (!reduce_sum[a->type].levels[VECTOR_BASELINE])
        return SHEAF_INTERNAL;
    for (int64_t task = 0; task < batch->count; task++) {
        union reduce_sum sum;
        reduce_task(problem, batch, &reduce_sum[a->type], task, &sum);
        if (is_integer(a))
            *(double *)batch_output(batch, 0, task) = (double)sum.integer / count;
        else
            store_floating(a->type, &sum, count, batch_output(batch, 0, task));
    }
    return SHEAF_OK;
}

static const char *const sum_outputs[] = {"result", NULL};

const struct sheaf_kernel kernel_sum = {
    .abi = SHEAF_KERNEL_ABI,
    .bytes = sizeof(struct sheaf_kernel),
    .name = "sum",
    .text = "sum of all elements",
    .documentation =
        "r = sum of a_i. k flops (complex: 2 k). No library; bound by memory bandwidth. Integers add exactly, into\n"
        "i64, and a sum that i64 does not hold fails the task (status overflow, output 0), where numpy.sum wraps.\n"
        "Floating-point numbers add in f64, in a fixed tree (blocks of 1024, 32 lanes, then pairwise), so that the\n"
        "bits are the same on any number of cores and on any CPU: within (37 + log2(1 + k / 1024)) 2^-53 of the sum\n"
        "of |a_i|, and one rounding to f32.\n",
    .signature = "(k)->()",
    .output_names = sum_outputs,
    .accepts = SHEAF_TYPES_INTEGER | SHEAF_TYPES_FLOATING,
    .width_kind = SHEAF_WIDTH_PARALLEL,
    .infer = sum_infer,
    .cost = sum_cost,
    .workspace_bytes = reduce_workspace_bytes,
    .run = sum_run,
};

const struct sheaf_kernel kernel_mean = {
    .abi = SHEAF_KERNEL_ABI,
    .bytes = sizeof(struct sheaf_kernel),
    .name = "mean",
    .text = "mean of all elements",
    .documentation =
        "r = sum of a_i / k. k flops (complex: 2 k). No library; bound by memory bandwidth. Of integers f64: their\n"
        "sum is exact at any size, rounded, and divided; no task fails.\n"
        "Floating-point numbers add in f64, in a fixed tree (blocks of 1024, 32 lanes, then pairwise), so that the\n"
        "bits are the same on any number of cores and on any CPU: the sum within (37 + log2(1 + k / 1024)) 2^-53 of\n"
        "the sum of |a_i|.\n",
    .signature = "(k)->()",
    .output_names = sum_outputs,
    .accepts = SHEAF_TYPES_INTEGER | SHEAF_TYPES_FLOATING,
    .width_kind = SHEAF_WIDTH_PARALLEL,
    .infer = mean_infer,
    .cost = sum_cost,
    .workspace_bytes = reduce_workspace_bytes,
    .run = mean_run,
};

const struct sheaf_kernel kernel_sqdiff = {
    .abi = SHEAF_KERNEL_ABI,
    .bytes = sizeof(struct sheaf_kernel),
    .name = "sqdiff",
    .text = "sum of squared differences of two arrays",
    .documentation =
        "r = sum of (a_i - b_i)^2. 3 k flops. No library, one pass without temporary arrays; bound by memory\n"
        "bandwidth. Integers add exactly, into i64 (no difference or square wraps), and a sum that i64 does not\n"
        "hold fails the task (status overflow, output 0).\n"
        "Floating-point numbers add in f64, in a fixed tree (blocks of 1024, 32 lanes, then pairwise), so that the\n"
        "bits are the same on any number of cores and on any CPU: within (40 + log2(1 + k / 1024)) 2^-53 of r, and\n"
        "one rounding to f32.\n",
    .signature = "(k),(k)->()",
    .output_names = sum_outputs,
    .accepts = SHEAF_TYPES_INTEGER | SHEAF_TYPES_REAL,
    .width_kind = SHEAF_WIDTH_PARALLEL,
    .infer = sum_infer,
    .cost = sqdiff_cost,
    .workspace_bytes = reduce_workspace_bytes,
    .run = sqdiff_run,
};
