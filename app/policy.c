#include "policy.h"

int64_t
policy_span(int64_t left, int workers, int node_workers)
{
    if (left <= 0)
        return 0;
    // Half of what is left, shared by workers; written so that nothing overflows at 2^40 chunks and 2^20 workers.
    int64_t share = left / (2 * (int64_t)workers) * node_workers;
    if (share < node_workers)
        share = left < node_workers ? left : node_workers;
    if (share < 1)
        share = 1;
    return share < POLICY_SPAN_MOST ? share : POLICY_SPAN_MOST;
}

int64_t
policy_low_water(int node_workers)
{
    return 2 * (int64_t)node_workers;
}

bool
policy_claim_ahead(int ready, int idle, int ahead, int64_t left, int node_workers)
{
    if (ready < idle)
        return true;
    return ready - idle < ahead && left > node_workers;
}
