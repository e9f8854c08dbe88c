#include "policy.h"

#include <math.h>

void
policy_first_span(int64_t chunks, int64_t workers_before, int64_t node_workers, int64_t *next, int64_t *end)
{
    *next = workers_before < chunks ? workers_before : chunks;
    *end = chunks - *next < node_workers ? chunks : *next + node_workers;
}

int64_t
policy_span(int64_t left, int64_t workers, int64_t node_workers)
{
    if (left <= 0)
        return 0;
    double share = 0.5 * (double)left * (double)node_workers / (double)workers;
    int64_t span = share < (double)POLICY_SPAN_MOST ? (int64_t)ceil(share) : POLICY_SPAN_MOST;
    return span < 1 ? 1 : span < left ? span : left;
}

int64_t
policy_low_water(int64_t node_workers, double chunk_seconds)
{
    static const double most = 64; // chunks per worker: shorter ones than that are not worth asking even earlier
    double chunks = chunk_seconds > 0 ? POLICY_REQUEST_SECONDS / chunk_seconds : most;
    return (int64_t)((chunks < most ? chunks : most) * (double)node_workers);
}

bool
policy_claim_ahead(int ready, int idle, int ahead, int64_t left, int node_workers)
{
    if (ready < idle)
        return true;
    return ready - idle < ahead && left > node_workers;
}
