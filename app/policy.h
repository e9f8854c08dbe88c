/**
 * @file policy.h
 * Who gets how much, and when. Pure: simulated in tests/sim.
 */
#ifndef SHEAF_POLICY_H
#define SHEAF_POLICY_H

#include <stdbool.h>
#include <stdint.h>

/**
 * Size of the next span of chunks for a node that asks: a share of what is left, so that spans shrink as the
 * work runs out (factoring: S. Flynn Hummel, E. Schonberg, L. E. Flynn, "Factoring: a method for scheduling
 * parallel loops", CACM 35(8), 1992: each round hands out half of what is left).
 *
 * @param[in] left           chunks that nobody has yet
 * @param[in] workers        of all nodes
 * @param[in] node_workers   of the node that asks
 * @return chunks, at least 1 where left > 0, never more than left or POLICY_SPAN_MOST
 */
int64_t policy_span(int64_t left, int workers, int node_workers);

/** A span must fit the queue's packed cell, and a lost one should not be the whole run. */
#define POLICY_SPAN_MOST INT64_C(0x40000000)

/** Chunks left in a node's queue at which its leader asks for more: what its workers will take meanwhile. */
int64_t policy_low_water(int node_workers);

/**
 * Whether a rank should claim another chunk to read ahead. Ahead of need while there is plenty; near the end only
 * for a worker that is idle, or the last chunks would wait behind others of the same rank.
 *
 * @param[in] ready         chunks of this rank that are claimed and wait for a worker
 * @param[in] idle          workers of this rank that wait for a chunk
 * @param[in] ahead         how many chunks the ring allows ahead
 * @param[in] left          chunks in the node's queue
 * @param[in] node_workers  workers of the node
 */
bool policy_claim_ahead(int ready, int idle, int ahead, int64_t left, int node_workers);

#endif
