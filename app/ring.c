#include "engine_parts.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>

enum { ALIGNMENT = 4096 };

/** How much reading ahead is enough to hide a disk's latency, and the most slots that are worth it. */
static const int64_t ahead_bytes = INT64_C(64) << 20;
enum { AHEAD_MOST = 16 };

static int64_t
align_up(int64_t bytes)
{
    return (bytes + ALIGNMENT - 1) / ALIGNMENT * ALIGNMENT;
}

/**
 * Bytes between the two steps of reading an input; 0: it is read in one. A set's are those of each task. A dataset is read so
 * only where the grid is as source_raw_bytes wants it: of one class, whose tasks are in their own order.
 */
static int64_t
raw_bytes(const struct plan *plan, const struct source_map *inputs, const struct plan_class *class, int i)
{
    int64_t bytes;
    if (!inputs || class->shared[i])
        return 0;
    if (inputs[i].kind == SOURCE_SET)
        return sheaf_multiply(class->tasks_per_chunk, source_raw_task_bytes(&inputs[i], &class->problem.inputs[i]),
                              &bytes)
                   ? bytes
                   : 0;
    if (plan->class_count > 1 || plan->order)
        return 0;
    return source_raw_bytes(&inputs[i], class->tasks_per_chunk);
}

/** Bytes of a slot that holds any chunk of a class. */
static int64_t
slot_bytes(const struct plan *plan, const struct source_map *inputs, const struct plan_class *class)
{
    const struct sheaf_problem *problem = &class->problem;
    int64_t count = class->tasks_per_chunk, bytes = 0;
    for (int i = 0; i < problem->input_count; i++)
        if (!class->shared[i])
            bytes +=
                align_up(count * plan_array_bytes(&problem->inputs[i])) + align_up(raw_bytes(plan, inputs, class, i));
    for (int i = 0; i < problem->output_count; i++)
        if (!class->omitted[i])
            bytes += align_up(count * plan_array_bytes(&problem->outputs[i]));
    return bytes + 2 * align_up(count) + align_up(count * (int64_t)sizeof(int32_t));
}

/** Fill the sizes that one worker needs. @return their sum */
static int64_t
size_worker(const struct plan *plan, const struct source_map *inputs, struct engine_size *size)
{
    size->two_steps = inputs != NULL;
    size->slot_bytes = ALIGNMENT; // the least that a slot can be
    for (int i = 0; i < plan->class_count; i++) {
        int64_t bytes = slot_bytes(plan, inputs, &plan->classes[i]);
        size->slot_bytes = bytes > size->slot_bytes ? bytes : size->slot_bytes;
        if (plan->classes[i].workspace_bytes > size->workspace_bytes)
            size->workspace_bytes = plan->classes[i].workspace_bytes;
    }
    return size->slot_bytes + align_up(size->workspace_bytes);
}

int64_t
engine_worker_bytes(const struct plan *plan)
{
    struct engine_size size = {0};
    return size_worker(plan, NULL, &size);
}

enum sheaf_status
engine_size(const struct plan *plan, const struct source_map *inputs, const struct layout *layout, bool blocking_inputs,
            bool blocking_results, int64_t memory_bytes, struct engine_size *size, struct sheaf_error *error)
{
    memset(size, 0, sizeof *size);
    size->carrier_reads = blocking_inputs;
    size->carrier_writes = blocking_results;
    int workers = layout->threads / layout->width;
    int64_t each = size_worker(plan, inputs, size);
    if (memory_bytes / each < workers)
        each = size_worker(plan, NULL, size);
    if (memory_bytes / each < 1)
        return sheaf_fail(
            error, SHEAF_NO_RESOURCES,
            "a task needs %.3f GB of memory, this rank may use %.3f GB: run fewer ranks per node (--layout), or "
            "raise --memory",
            1e-9 * (double)each, 1e-9 * (double)memory_bytes);
    if (memory_bytes / each < workers)
        workers = (int)(memory_bytes / each);
    size->workers = workers;

    int64_t ahead = ahead_bytes / size->slot_bytes;
    ahead = ahead > AHEAD_MOST ? AHEAD_MOST : ahead;
    ahead = ahead < workers ? workers : ahead;
    int64_t wanted = workers + (blocking_inputs ? ahead : 0) + (blocking_results ? workers : 0);
    int64_t fits = (memory_bytes - workers * align_up(size->workspace_bytes)) / size->slot_bytes;
    wanted = wanted < fits ? wanted : fits;
    size->slots = wanted < QUEUE_IN_FLIGHT ? (int)wanted : QUEUE_IN_FLIGHT;
    if (size->workers > size->slots)
        size->workers = size->slots;
    size->ahead = blocking_inputs ? (int)ahead : 0;
    return SHEAF_OK;
}

static void *
map_memory(int64_t bytes)
{
    void *memory = mmap(NULL, (size_t)bytes, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    if (memory == MAP_FAILED)
        return NULL;
    madvise(memory, (size_t)bytes, MADV_HUGEPAGE); // a hint: fewer page faults and TLB misses
    return memory;
}

enum sheaf_status
ring_allocate(struct engine *engine, struct sheaf_error *error)
{
    const struct engine_size *size = &engine->size;
    const struct cores *cores = engine->setup.cores;
    engine->slots = calloc((size_t)size->slots, sizeof *engine->slots);
    engine->workers = calloc((size_t)size->workers, sizeof *engine->workers);
    engine->scratch = cores ? malloc(cores_scratch_bytes(cores)) : NULL;
    bool good = engine->slots && engine->workers && (engine->scratch || !cores);
    for (int i = 0; good && i < size->slots; i++) {
        struct slot *slot = &engine->slots[i];
        slot->index = i;
        slot->memory = map_memory(size->slot_bytes);
        slot->digest = record_digest_create();
        slot->taken = cores ? malloc((size_t)cores->ranks * (size_t)cores->threads * sizeof *slot->taken) : NULL;
        good = slot->memory && slot->digest && (slot->taken || !cores);
        slot_list_put_back(&engine->idle_slots, slot);
    }
    for (int i = 0; good && i < size->workers; i++) {
        engine->workers[i].engine = engine;
        engine->workers[i].index = i;
        if (size->workspace_bytes > 0) {
            engine->workers[i].workspace = map_memory(align_up(size->workspace_bytes));
            good = engine->workers[i].workspace != NULL;
        }
    }
    if (!good)
        return sheaf_fail(error, SHEAF_NO_RESOURCES, "no memory for %d buffers of %.3f GB: %s", size->slots,
                          1e-9 * (double)size->slot_bytes, strerror(errno));
    return SHEAF_OK;
}

void
ring_free(struct engine *engine)
{
    for (int i = 0; engine->slots && i < engine->size.slots; i++) {
        if (engine->slots[i].memory)
            munmap(engine->slots[i].memory, (size_t)engine->size.slot_bytes);
        record_digest_destroy(engine->slots[i].digest);
        free(engine->slots[i].taken);
    }
    for (int i = 0; engine->workers && i < engine->size.workers; i++)
        if (engine->workers[i].workspace)
            munmap(engine->workers[i].workspace, (size_t)align_up(engine->size.workspace_bytes));
    free(engine->slots);
    free(engine->workers);
    free(engine->scratch);
}

void
ring_assign(struct engine *engine, struct slot *slot, const struct plan_chunk *chunk)
{
    const struct plan_class *class = &engine->setup.plan->classes[chunk->class_index];
    const struct sheaf_problem *problem = &class->problem;
    const struct source_map *inputs = engine->size.two_steps ? engine->setup.inputs : NULL;
    char *at = slot->memory;
    for (int i = 0; i < problem->input_count; i++) {
        slot->inputs[i] = class->shared[i] ? NULL : at;
        slot->views[i] = NULL;
        slot->loaded[i] = class->shared[i];
        if (!class->shared[i])
            at += align_up(class->tasks_per_chunk * plan_array_bytes(&problem->inputs[i]));
        slot->fetched[i] = false;
        slot->raw_bytes[i] = raw_bytes(engine->setup.plan, inputs, class, i);
        slot->raw[i] = slot->raw_bytes[i] > 0 ? at : NULL;
        at += align_up(slot->raw_bytes[i]);
    }
    for (int i = 0; i < problem->output_count; i++) {
        slot->outputs[i] = class->omitted[i] ? NULL : at;
        if (!class->omitted[i])
            at += align_up(class->tasks_per_chunk * plan_array_bytes(&problem->outputs[i]));
    }
    slot->status = (uint8_t *)at;
    at += align_up(class->tasks_per_chunk);
    slot->refused = (uint8_t *)at;
    memset(slot->refused, 0, (size_t)chunk->count);
    at += align_up(class->tasks_per_chunk);
    slot->info = (int32_t *)(void *)at;
    memset(slot->info, 0, (size_t)chunk->count * sizeof *slot->info);
    slot->chunk = *chunk;
    slot->recalled = false;
    slot->read_ns = 0;
    memset(&slot->record, 0, sizeof slot->record);
}

void
slot_list_push(struct slot_list *list, struct slot *slot)
{
    slot->next = NULL;
    if (list->last)
        list->last->next = slot;
    else
        list->first = slot;
    list->last = slot;
    list->count++;
}

void
slot_list_put_back(struct slot_list *list, struct slot *slot)
{
    slot->next = list->first;
    list->first = slot;
    if (!list->last)
        list->last = slot;
    list->count++;
}

struct slot *
slot_list_pop(struct slot_list *list)
{
    struct slot *slot = list->first;
    if (!slot)
        return NULL;
    list->first = slot->next;
    if (!list->first)
        list->last = NULL;
    list->count--;
    return slot;
}
