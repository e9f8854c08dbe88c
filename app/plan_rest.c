#include "plan.h"

#include <stdlib.h>

/** An empty rest with room for so many chunks. */
static enum sheaf_status
start_rest(const struct plan *plan, int64_t places, struct plan_rest **rest, struct sheaf_error *error)
{
    *rest = NULL;
    if (plan->chunks > UINT32_MAX)
        return sheaf_fail(error, SHEAF_BAD_DATA, "%lld chunks: a run holds fewer than 2^32; split it",
                          (long long)plan->chunks);
    const size_t bytes = sizeof(struct plan_rest) + ((size_t)places + 1) * sizeof(struct plan_left);
    *rest = calloc(1, bytes);
    if (!*rest)
        return sheaf_fail(error, SHEAF_NO_RESOURCES, "no memory for %lld chunks that are left", (long long)places);
    (*rest)->bytes = (int64_t)bytes;
    return SHEAF_OK;
}

/** Add the next chunk, by its place in the plan. */
static void
add_place(const struct plan *plan, int64_t place, bool kept, struct plan_rest *rest)
{
    const struct plan_chunk chunk = plan_at(plan, place);
    struct plan_left *left = &rest->left[rest->places++];
    left[0] = (struct plan_left){(uint32_t)place, kept, left->seconds_before};
    left[1].seconds_before = left->seconds_before + plan_chunk_seconds(plan, &chunk);
    rest->tasks += chunk.count;
    rest->flops += plan->classes[chunk.class_index].cost.flops * (double)chunk.count;
}

static bool
is_of_rest(uint8_t need, bool alone)
{
    return need != PLAN_DONE && (need == PLAN_ALONE) == alone;
}

enum sheaf_status
plan_rest_build(const struct plan *plan, const uint8_t *needs, bool alone, struct plan_rest **rest,
                struct sheaf_error *error)
{
    int64_t places = 0;
    for (int64_t chunk = 0; chunk < plan->chunks; chunk++)
        places += is_of_rest(needs[chunk], alone);
    enum sheaf_status status = start_rest(plan, places, rest, error);
    for (int64_t place = 0; !status && place < plan->chunks; place++) {
        const struct plan_chunk chunk = plan_at(plan, place);
        const uint8_t need = needs[chunk.chunk];
        if (is_of_rest(need, alone))
            add_place(plan, place, need == PLAN_RETRY, *rest);
        else if (need == PLAN_ALONE)
            (*rest)->later += chunk.count;
    }
    return status;
}

enum sheaf_status
plan_sample(const struct plan *plan, int64_t chunks, uint64_t seed, struct plan_rest **rest, struct sheaf_error *error)
{
    enum sheaf_status status = start_rest(plan, chunks, rest, error);
    // Below 2^64, for both are below 2^32.
    uint64_t all = (uint64_t)plan->chunks, start = seed % all;
    for (uint64_t i = 0; !status && i < (uint64_t)chunks; i++)
        add_place(plan, (int64_t)((i * all + start) / (uint64_t)chunks), false, *rest);
    return status;
}

void
plan_restrict(struct plan *plan, const struct plan_rest *rest)
{
    plan->rest = rest;
    plan->places = rest->places;
}

int64_t
plan_tasks_left(const struct plan *plan)
{
    return plan->rest ? plan->rest->tasks : plan->tasks;
}

double
plan_flops_left(const struct plan *plan)
{
    return plan->rest ? plan->rest->flops : plan->flops;
}

int64_t
plan_tasks_later(const struct plan *plan)
{
    return plan->rest ? plan->rest->later : 0;
}
