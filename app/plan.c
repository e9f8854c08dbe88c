#include "plan.h"

#include <stdlib.h>
#include <string.h>

int64_t
plan_array_bytes(const struct sheaf_array *array)
{
    int64_t bytes = 0;
    sheaf_shape_bytes(&array->shape, array->type, &bytes);
    return bytes;
}

static int64_t
greatest_common_divisor(int64_t a, int64_t b)
{
    while (b) {
        int64_t rest = a % b;
        a = b;
        b = rest;
    }
    return a;
}

/** Fewest tasks whose outputs all end on page borders: a power of two, for a page is one. */
static int64_t
tasks_per_page_border(int output_count, const int64_t *output_bytes)
{
    int64_t most = 1;
    for (int i = 0; i < output_count; i++) {
        int64_t tasks = PLAN_PAGE / greatest_common_divisor(PLAN_PAGE, output_bytes[i]);
        most = tasks > most ? tasks : most;
    }
    return most;
}

int64_t
plan_join_alignments(int64_t first, int64_t second)
{
    int64_t both;
    bool fits = sheaf_multiply(first / greatest_common_divisor(first, second), second, &both) &&
                both <= PLAN_GRID_STRETCH * PLAN_GRID_TASKS;
    return fits ? both : first;
}

/** The least common multiple where a chunk of as many tasks is within the stretched limits, else `border`. */
static int64_t
stretch_to(int64_t border, int64_t align, int64_t task_bytes, double task_flops)
{
    int64_t count, bytes;
    if (align < 2 || !sheaf_multiply(border / greatest_common_divisor(border, align), align, &count))
        return border;
    bool fits = count <= PLAN_GRID_STRETCH * PLAN_GRID_TASKS && sheaf_multiply(count, task_bytes, &bytes) &&
                bytes <= PLAN_GRID_STRETCH * PLAN_GRID_BYTES &&
                (double)count * task_flops <= PLAN_GRID_STRETCH * (double)PLAN_GRID_FLOPS;
    return fits ? count : border;
}

int64_t
plan_grid(int64_t tasks, int64_t task_bytes, double task_flops, int output_count, const int64_t *output_bytes,
          int64_t align)
{
    int64_t count = PLAN_GRID_TASKS;
    if (task_bytes > 0 && PLAN_GRID_BYTES / task_bytes < count)
        count = PLAN_GRID_BYTES / task_bytes;
    if (task_flops > 0 && (double)PLAN_GRID_FLOPS / task_flops < (double)count)
        count = (int64_t)((double)PLAN_GRID_FLOPS / task_flops);
    if (count < 1)
        count = 1;
    int64_t border = tasks_per_page_border(output_count, output_bytes);
    int64_t unit = stretch_to(border <= count ? border : 1, align, task_bytes, task_flops);
    count = count > unit ? count - count % unit : unit;
    return count < tasks ? count : tasks;
}

double
plan_task_seconds(const struct plan_class *class)
{
    double bytes = (double)class->input_bytes + (double)class->output_bytes + class->cost.bytes;
    return class->cost.flops / PLAN_NOMINAL_FLOPS + bytes / PLAN_NOMINAL_BANDWIDTH;
}

/** Add `count` times `bytes`, none of them negative. @return false where the sum passes 64 bits */
static bool
add_bytes(int64_t *sum, int64_t count, int64_t bytes)
{
    int64_t product;
    return sheaf_multiply(count, bytes, &product) && !__builtin_add_overflow(*sum, product, sum);
}

static enum sheaf_status
fail_size(const struct sheaf_kernel *kernel, int64_t tasks, struct sheaf_error *error)
{
    return sheaf_fail(error, SHEAF_BAD_DATA, "%s: the bytes of %lld tasks pass what 64 bits can count; split the run",
                      kernel->name, (long long)tasks);
}

static enum sheaf_status
settle_class(const struct sheaf_kernel *kernel, const struct plan_request *request, struct plan_class *class,
             struct sheaf_error *error)
{
    const struct sheaf_problem *problem = &request->problem;
    int64_t output_bytes[SHEAF_OUTPUTS_MAX] = {0}, total = 0;
    bool fits = true;
    class->problem = *problem;
    memcpy(class->shared, request->shared, sizeof class->shared);
    memcpy(class->omitted, request->omitted, sizeof class->omitted);
    class->tasks = request->tasks;
    for (int i = 0; i < problem->input_count; i++)
        if (!request->shared[i])
            fits = fits && add_bytes(&class->input_bytes, 1, plan_array_bytes(&problem->inputs[i]));
    for (int i = 0; i < problem->output_count; i++) {
        output_bytes[i] = request->omitted[i] ? 0 : plan_array_bytes(&problem->outputs[i]);
        fits = fits && add_bytes(&class->output_bytes, 1, output_bytes[i]);
    }
    if (!fits || !add_bytes(&total, class->tasks, class->input_bytes) ||
        !add_bytes(&total, class->tasks, class->output_bytes) || !add_bytes(&total, class->tasks, 1))
        return fail_size(kernel, class->tasks, error);
    if (kernel->cost)
        kernel->cost(problem, &class->cost);
    class->workspace_bytes = kernel->workspace_bytes ? kernel->workspace_bytes(problem) : 0;
    class->tasks_per_chunk = request->tasks_per_chunk;
    if (class->tasks_per_chunk < 1)
        class->tasks_per_chunk = plan_grid(class->tasks, class->input_bytes + class->output_bytes, class->cost.flops,
                                           problem->output_count, output_bytes, request->align);
    class->chunks = (class->tasks + class->tasks_per_chunk - 1) / class->tasks_per_chunk;
    class->chunk_seconds = plan_task_seconds(class) * (double)class->tasks_per_chunk;
    return SHEAF_OK;
}

/** The head of a plan's block. Behind it: classes, first_of_order, order where there is one, by_cost. */
struct block {
    int64_t bytes;
    int32_t class_count;
    bool reversed, ordered;
    int64_t tasks, chunks;
    double flops, seconds;
    int64_t input_bytes, output_bytes;
};

/** Where the parts of a block are. */
struct parts {
    struct plan_class *classes;
    int64_t *first_of_order, *order;
    int *by_cost;
};

static size_t
block_bytes(int class_count, int64_t ordered_tasks)
{
    return sizeof(struct block) + (size_t)class_count * (sizeof(struct plan_class) + sizeof(int64_t) + sizeof(int)) +
           (size_t)ordered_tasks * sizeof(int64_t);
}

static struct parts
find_parts(struct block *block)
{
    struct parts parts = {.classes = (struct plan_class *)(void *)(block + 1)};
    parts.first_of_order = (int64_t *)(void *)(parts.classes + block->class_count);
    int64_t *end = parts.first_of_order + block->class_count;
    parts.order = block->ordered ? end : NULL;
    parts.by_cost = (int *)(void *)(block->ordered ? end + block->tasks : end);
    return parts;
}

/** Give a settled class its place behind those before it. @return false where the sums pass 64 bits */
static bool
append_class(struct block *block, struct plan_class *class)
{
    class->first_position = block->tasks;
    class->first_chunk = block->chunks;
    bool fits = add_bytes(&block->tasks, 1, class->tasks) && add_bytes(&block->chunks, 1, class->chunks) &&
                add_bytes(&block->input_bytes, class->tasks, class->input_bytes) &&
                add_bytes(&block->output_bytes, class->tasks, class->output_bytes);
    for (int i = 0; i < class->problem.input_count; i++)
        if (class->shared[i])
            fits = fits && add_bytes(&block->input_bytes, 1, plan_array_bytes(&class->problem.inputs[i]));
    block->flops += class->cost.flops * (double)class->tasks;
    return fits;
}

/** Longest chunks first; equal ones as the classes come. */
static int
compare_cost(const void *a, const void *b, void *data)
{
    const struct plan_class *classes = data;
    int first = *(const int *)a, second = *(const int *)b;
    double longer = classes[first].chunk_seconds, shorter = classes[second].chunk_seconds;
    return longer > shorter ? -1 : longer < shorter ? 1 : first - second;
}

static void
order_classes(struct block *block, const struct parts *parts)
{
    for (int i = 0; i < block->class_count; i++)
        parts->by_cost[i] = i;
    qsort_r(parts->by_cost, (size_t)block->class_count, sizeof *parts->by_cost, compare_cost, parts->classes);
    int64_t before = 0;
    for (int i = 0; i < block->class_count; i++) {
        struct plan_class *class = &parts->classes[parts->by_cost[i]];
        parts->first_of_order[i] = before;
        before += class->chunks;
        class->seconds_before = block->seconds;
        block->seconds = class->seconds_before + plan_task_seconds(class) * (double)class->tasks;
    }
}

/** The task at each position. */
static void
note_order(int class_count, const struct plan_request *requests, int64_t *order)
{
    int64_t at = 0;
    for (int i = 0; i < class_count; i++)
        for (int64_t t = 0; t < requests[i].tasks; t++, at++)
            order[at] = requests[i].numbers ? requests[i].numbers[t] : at;
}

static enum sheaf_status
fill_block(const struct sheaf_kernel *kernel, const struct plan_request *requests, struct block *block,
           struct sheaf_error *error)
{
    struct parts parts = {.classes = (struct plan_class *)(void *)(block + 1)};
    for (int i = 0; i < block->class_count; i++) {
        struct plan_class *class = &parts.classes[i];
        enum sheaf_status status = settle_class(kernel, &requests[i], class, error);
        if (!status && !append_class(block, class))
            status = fail_size(kernel, class->tasks, error);
        if (status)
            return status;
    }
    parts = find_parts(block);
    if (parts.order)
        note_order(block->class_count, requests, parts.order);
    order_classes(block, &parts);
    return SHEAF_OK;
}

enum sheaf_status
plan_attach(const struct sheaf_kernel *kernel, const void *memory, struct plan **out, struct sheaf_error *error)
{
    struct block *block = (struct block *)memory; // find_parts serves its maker too; nothing is written through it
    struct plan *plan = calloc(1, sizeof *plan);
    if (!plan)
        return sheaf_fail(error, SHEAF_NO_RESOURCES, "no memory for a plan of %d classes", block->class_count);
    struct parts parts = find_parts(block);
    *plan = (struct plan){.kernel = kernel,
                          .class_count = block->class_count,
                          .classes = parts.classes,
                          .by_cost = parts.by_cost,
                          .first_of_order = parts.first_of_order,
                          .order = parts.order,
                          .tasks = block->tasks,
                          .chunks = block->chunks,
                          .places = block->chunks,
                          .flops = block->flops,
                          .seconds = block->seconds,
                          .input_bytes = block->input_bytes,
                          .output_bytes = block->output_bytes,
                          .reversed = block->reversed};
    *out = plan;
    return SHEAF_OK;
}

/** Tasks whose order must be kept: all, where some class does not just continue the one before; else 0. */
static int64_t
count_ordered(int class_count, const struct plan_request *requests)
{
    int64_t tasks = 0;
    bool any = false;
    for (int i = 0; i < class_count; i++) {
        any |= requests[i].numbers != NULL;
        tasks += requests[i].tasks;
    }
    return any ? tasks : 0;
}

enum sheaf_status
plan_build(const struct sheaf_kernel *kernel, int class_count, const struct plan_request *requests, bool reversed,
           struct plan **out, struct sheaf_error *error)
{
    int64_t ordered = count_ordered(class_count, requests);
    size_t bytes = block_bytes(class_count, ordered);
    struct block *block = calloc(1, bytes);
    if (!block)
        return sheaf_fail(error, SHEAF_NO_RESOURCES, "no memory for a plan of %d classes", class_count);
    *block = (struct block){
        .bytes = (int64_t)bytes, .class_count = class_count, .reversed = reversed, .ordered = ordered > 0};
    enum sheaf_status status = fill_block(kernel, requests, block, error);
    if (!status)
        status = plan_attach(kernel, block, out, error);
    if (status)
        free(block);
    else
        (*out)->owned = block;
    return status;
}

void
plan_destroy(struct plan *plan)
{
    if (!plan)
        return;
    free(plan->owned);
    free(plan);
}

const void *
plan_block(const struct plan *plan, size_t *bytes)
{
    const struct block *block = (const struct block *)(const void *)plan->classes - 1;
    *bytes = (size_t)block->bytes;
    return block;
}

int64_t
plan_run(const struct plan *plan, int64_t position, int64_t most, int64_t *task)
{
    *task = plan->order ? plan->order[position] : position;
    int64_t count = plan->order ? 1 : most;
    while (count < most && plan->order[position + count] == *task + count)
        count++;
    return count;
}

/** Which class of by_cost holds a place, counted with the longest chunks first; the last one holds all behind it. */
static int
order_at(const struct plan *plan, int64_t place)
{
    int low = 0, high = plan->class_count - 1;
    while (low < high) {
        int middle = (low + high + 1) / 2;
        if (plan->first_of_order[middle] <= place)
            low = middle;
        else
            high = middle - 1;
    }
    return low;
}

/** The chunk of a class that has `within` chunks of it before itself. */
static struct plan_chunk
chunk_of(const struct plan *plan, int class_index, int64_t within)
{
    const struct plan_class *class = &plan->classes[class_index];
    int64_t first = within * class->tasks_per_chunk;
    int64_t left = class->tasks - first;
    return (struct plan_chunk){.chunk = class->first_chunk + within,
                               .class_index = class_index,
                               .first = class->first_position + first,
                               .count = left < class->tasks_per_chunk ? left : class->tasks_per_chunk};
}

struct plan_chunk
plan_find(const struct plan *plan, int64_t chunk)
{
    int low = 0, high = plan->class_count - 1;
    while (low < high) {
        int middle = (low + high + 1) / 2;
        if (plan->classes[middle].first_chunk <= chunk)
            low = middle;
        else
            high = middle - 1;
    }
    return chunk_of(plan, low, chunk - plan->classes[low].first_chunk);
}

struct plan_chunk
plan_at(const struct plan *plan, int64_t place)
{
    bool kept = plan->rest && plan->rest->left[place].kept;
    if (plan->rest)
        place = plan->rest->left[place].place;
    if (plan->reversed)
        place = plan->chunks - 1 - place;
    int low = order_at(plan, place);
    struct plan_chunk chunk = chunk_of(plan, plan->by_cost[low], place - plan->first_of_order[low]);
    chunk.kept = kept;
    return chunk;
}

double
plan_chunk_seconds(const struct plan *plan, const struct plan_chunk *chunk)
{
    return plan_task_seconds(&plan->classes[chunk->class_index]) * (double)chunk->count;
}

double
plan_seconds(const struct plan *plan)
{
    return plan->rest ? plan->rest->left[plan->rest->places].seconds_before : plan->seconds;
}

double
plan_seconds_before(const struct plan *plan, int64_t place)
{
    if (plan->rest)
        return plan->rest->left[place].seconds_before;
    int64_t forward = plan->reversed ? plan->chunks - place : place;
    double seconds = 0;
    if (plan->class_count > 0) {
        int order = order_at(plan, forward);
        const struct plan_class *class = &plan->classes[plan->by_cost[order]];
        int64_t tasks = (forward - plan->first_of_order[order]) * class->tasks_per_chunk;
        tasks = tasks < class->tasks ? tasks : class->tasks; // the last chunk may be short
        seconds = class->seconds_before + plan_task_seconds(class) * (double)tasks;
    }
    return plan->reversed ? plan->seconds - seconds : seconds;
}

int64_t
plan_place_after(const struct plan *plan, double seconds)
{
    int64_t low = 0, high = plan->places;
    while (low < high) {
        int64_t middle = low + (high - low) / 2;
        if (plan_seconds_before(plan, middle) >= seconds)
            high = middle;
        else
            low = middle + 1;
    }
    return low;
}
