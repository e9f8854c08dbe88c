/**
 * @file simulate.h
 * A run in simulated time: the root hands out spans of a real plan to nodes by app/policy.h, workers take chunks in the
 * plan's order. No threads, no clock, no messages: so a run of 100,000 ranks and 10^9 tasks takes a second.
 *
 * The model. A node asks for more when policy_wants_span says so, its queue has a free cell, and no request is under way, as
 * dispatch.c does. A request and its answer each take a random time, the root answers one after the
 * other; its own node waits for no message. A worker takes the lowest place of its node's queue when it is free: this is
 * simulated chunk by chunk, but for whole rounds of equal chunks (each worker takes one), which are done at once.
 */
#ifndef SHEAF_TESTS_SIM_SIMULATE_H
#define SHEAF_TESTS_SIM_SIMULATE_H

#include "plan.h"

struct simulation {
    const struct plan *plan;
    int nodes, node_workers; /**< two nodes or more: with one, dispatch.c hands out all at once */
    double way_seconds;      /**< the most that a request or an answer takes; they are uniform from 0 on */
    double service_seconds;  /**< the root's time for a request */
    double speed_spread;     /**< nodes take 1 - s to 1 + s of the nominal time, uniform */
    double jitter;           /**< so does each chunk by itself */
    uint64_t seed;
};

struct simulation_result {
    double makespan;      /**< seconds until the last chunk is done */
    double work;          /**< seconds of all workers together in chunks */
    double efficiency;    /**< work / (makespan * workers) */
    double longest_chunk; /**< seconds */
    int64_t chunks;       /**< computed; each once, or the simulation has failed */
    int64_t requests;     /**< that the root has answered, those of its own node included */
    int64_t busiest;      /**< requests within one second, the most */
};

/** Simulate a run. @return false: no memory, or a chunk was handed out twice or not at all */
bool simulate(const struct simulation *simulation, struct simulation_result *result);

#endif
