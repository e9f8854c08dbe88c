#include "plan.h"

#include <stdlib.h>

enum sheaf_status
plan_rest_build(const struct plan *plan, const uint8_t *needs, struct plan_rest **out, struct sheaf_error *error)
{
    int64_t places = 0, at = 0;
    *out = NULL;
    if (plan->chunks > UINT32_MAX)
        return sheaf_fail(error, SHEAF_BAD_DATA, "%lld chunks: a run holds fewer than 2^32; split it",
                          (long long)plan->chunks);
    for (int64_t chunk = 0; chunk < plan->chunks; chunk++)
        places += needs[chunk] != PLAN_DONE;
    const size_t bytes = sizeof(struct plan_rest) + ((size_t)places + 1) * sizeof(struct plan_left);
    struct plan_rest *rest = calloc(1, bytes);
    if (!rest)
        return sheaf_fail(error, SHEAF_NO_RESOURCES, "no memory for %lld chunks that are left", (long long)places);
    rest->bytes = (int64_t)bytes;
    rest->places = places;
    double seconds = 0;
    for (int64_t place = 0; place < plan->chunks; place++) {
        const struct plan_chunk chunk = plan_at(plan, place);
        if (needs[chunk.chunk] == PLAN_DONE)
            continue;
        rest->left[at++] = (struct plan_left){(uint32_t)place, needs[chunk.chunk] == PLAN_RETRY, seconds};
        seconds += plan_chunk_seconds(plan, &chunk);
        rest->tasks += chunk.count;
        rest->flops += plan->classes[chunk.class_index].cost.flops * (double)chunk.count;
    }
    rest->left[places].seconds_before = seconds;
    *out = rest;
    return SHEAF_OK;
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
