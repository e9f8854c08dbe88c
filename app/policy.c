#include "policy.h"

#include <math.h>

void
policy_first_span(int64_t chunks, int64_t workers_before, int64_t node_workers, int64_t *next, int64_t *end)
{
    *next = workers_before < chunks ? workers_before : chunks;
    *end = chunks - *next < node_workers ? chunks : *next + node_workers;
}

/** The place behind a node's share of half of the nominal seconds from `next` on. Without any: the end. */
static int64_t
share_end(const struct plan *plan, int64_t next, double share)
{
    double before = plan_seconds_before(plan, next), left = plan_seconds(plan) - before;
    return left > 0 ? plan_place_after(plan, before + share * left) : plan->places;
}

int64_t
policy_span(const struct plan *plan, int64_t next, int64_t workers, int64_t node_workers)
{
    int64_t left = plan->places - next;
    if (left <= 0)
        return 0;
    double share = 0.5 * (double)node_workers / (double)workers;
    int64_t by_work = share_end(plan, next, share) - next, by_count = (int64_t)ceil(share * (double)left);
    int64_t span = by_work < by_count ? by_work : by_count;
    span = span < POLICY_SPAN_MOST ? span : POLICY_SPAN_MOST;
    return span < 1 ? 1 : span;
}

int64_t
policy_low_water(const struct plan *plan, int64_t end, int64_t node_workers)
{
    const struct plan_chunk last = plan_at(plan, end - 1);
    if (plan->classes[last.class_index].chunk_seconds >= POLICY_LONG_CHUNK_SECONDS)
        return -1;
    double taken = POLICY_REQUEST_SECONDS * (double)node_workers;
    int64_t chunks = end - plan_place_after(plan, plan_seconds_before(plan, end) - taken);
    int64_t most = POLICY_LOW_WATER_MOST * node_workers;
    return chunks < most ? chunks : most;
}

bool
policy_wants_span(int64_t left, int64_t low_water, bool hungry)
{
    return left <= low_water || (left == 0 && hungry);
}

bool
policy_claim_ahead(int ready, int idle, int ahead, int64_t left, int node_workers)
{
    if (ready < idle)
        return true;
    return ready - idle < ahead && left > node_workers;
}
