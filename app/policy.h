/**
 * @file policy.h
 * Who gets how much, and when. Pure: simulated in tests/sim.
 */
#ifndef SHEAF_POLICY_H
#define SHEAF_POLICY_H

#include "plan.h"
#include "tune.h"

/** A span must fit the queue's packed cell, and a lost one should not be the whole run. */
#define POLICY_SPAN_MOST INT64_C(0x40000000)

/** Seconds that a node's request for more may take: a message each way, and the root's sleep between polls. */
#define POLICY_REQUEST_SECONDS 0.01

/**
 * Nominal seconds from which on a chunk is long: a worker that waits a request for each of them loses 1/30 of its time at
 * most. In simulations waiting pays on average from ten requests on; the rest is for chunks that are shorter than predicted.
 */
#define POLICY_LONG_CHUNK_SECONDS (30 * POLICY_REQUEST_SECONDS)

/** Chunks per worker: it is not worth asking for more even earlier, however short they are. */
#define POLICY_LOW_WATER_MOST INT64_C(64)

/**
 * What a node starts with, without asking: a chunk for each of its workers, the longest ones first. Fewer chunks than workers
 * are spread over all nodes.
 *
 * @param[in]  chunks         of the plan
 * @param[in]  workers        of all nodes
 * @param[in]  workers_before workers of the nodes before this one
 * @param[in]  node_workers   workers of this node
 * @param[out] next,end       the places [next, end); empty where there are not as many
 */
void policy_first_span(int64_t chunks, int64_t workers, int64_t workers_before, int64_t node_workers, int64_t *next,
                       int64_t *end);

/**
 * Size of the next span of chunks for a node that asks: its share of half of the work that is left, so that spans shrink
 * as the work runs out (factoring: S. Flynn Hummel, E. Schonberg, L. E. Flynn, "Factoring: a method for scheduling
 * parallel loops", CACM 35(8), 1992).
 *
 * There the iterations are alike, so that work is their number. Chunks of several classes differ a thousandfold: half of
 * their number may be nearly all the work, and the node that got it would be left working alone. So work is the plan's
 * nominal seconds. It is a prediction: short chunks may be many and take longer than predicted. So a span is no more than
 * the node's share of half of the chunks, either. With the longest ones first that is no bound: the longer half of them is
 * at least half of the work.
 *
 * @param[in] next           the first place that nobody has yet
 * @param[in] workers        of all nodes
 * @param[in] node_workers   of the node that asks
 * @return chunks from `next` on: at least 1 where there is one, never more than are left or POLICY_SPAN_MOST
 */
int64_t policy_span(const struct plan *plan, int64_t next, int64_t workers, int64_t node_workers);

/**
 * How many unclaimed chunks in a node's queue are few enough to ask for more: as many at the end of its newest span as its
 * workers will take while the request is on its way. Where the chunks there are long, none is: all workers of the node may be
 * busy for long when the queue runs empty, and another span would only keep chunks from nodes that could start them.
 *
 * @param[in] end            the place behind the span, at least 1
 * @param[in] node_workers   workers of the node
 * @return -1: ask only when a worker is idle
 */
int64_t policy_low_water(const struct plan *plan, int64_t end, int64_t node_workers);

/**
 * Whether a node should ask for a span.
 *
 * @param[in] left       unclaimed chunks in its queue
 * @param[in] low_water  policy_low_water's
 * @param[in] hungry     whether a worker has found nothing to claim since the newest span came
 */
bool policy_wants_span(int64_t left, int64_t low_water, bool hungry);

/**
 * Whether a rank should claim another chunk to read ahead. Ahead of need while there is plenty; near the end only
 * for a worker that is idle, or the last chunks would wait behind others of the same rank. So who finds the queue empty
 * does so for an idle worker, unless others emptied it meanwhile: reading ahead makes no node hungry.
 *
 * @param[in] ready         chunks of this rank that are claimed and wait for a worker
 * @param[in] idle          workers of this rank that wait for a chunk
 * @param[in] ahead         how many chunks the ring allows ahead
 * @param[in] left          chunks in the node's queue
 * @param[in] node_workers  workers of the node
 */
bool policy_claim_ahead(int ready, int idle, int ahead, int64_t left, int node_workers);

/** Of a node, at most, for its chunks to be given several cores: more are computed on one each. */
#define POLICY_CORES_MAX 1024

/**
 * There is plenty behind a chunk where that fills all cores until the chunk is done on one, and so many chunks like it, but no
 * more than half of the cores, are left over: what is left then is looked at while it can still be shared well.
 */
#define POLICY_PLENTY 4.0

/** A node when its last chunks are handed out: cores rank by rank. */
struct policy_node {
    int ranks, threads; /**< cores rank * threads ... belong to rank */
    /**
     * (ranks * threads) predicted seconds until each core is free; 0: it is. For a chunk that is computed: tune_seconds as the
     * samples are now, less what it has taken. One that has taken longer is not free: give as many seconds as it is overdue.
     */
    const double *free_in;
    int64_t chunks_left; /**< unclaimed on this node, the head included; no more will come */
    double seconds_left; /**< predicted, on one core, of all of them, the head included */
    /**
     * (behind_known) predicted seconds, on one core, of the chunks behind the head, in the queue's order: as many as the caller
     * knows; NULL and 0 do. The others are taken for equal. Of unequal ones twice as many as cores are worth knowing: without,
     * a long chunk cannot be told from two short ones.
     */
    const double *behind;
    int behind_known;
    /**
     * How far the head's class may be misjudged against the others: so many times too short or too long. Up to 1: it is known,
     * for some of its chunks were measured, or there is no other class. A width is taken that is good whatever is true.
     */
    double doubt;
};

/** How a chunk is to be computed. */
struct policy_width {
    int width;     /**< 1, or at least `threads`: then all cores of the rank that leads, and others of the node */
    int rank;      /**< who leads; at width 1 another one that has a free core does as well */
    double start;  /**< predicted seconds from now; 0: now. Else ask again when a core is free */
    double finish; /**< predicted seconds from now */
};

/**
 * Which width ends a node's work soonest, for the first chunk of its queue: its other chunks follow in the queue's order.
 *
 * While what is behind it can fill all cores until the chunk would be done on one of them, the answer is one core: nothing
 * is lost to synchronisation. Near the end several cores share what is left, and cores that will be free soon are waited for
 * where that wins. Each width is tried for the chunk, what follows is handed out by simple rules, and the width by which the last
 * chunk ends soonest is taken (a rollout: D. P. Bertsekas, J. N. Tsitsiklis, C. Wu, "Rollout algorithms for combinatorial
 * optimization", Journal of Heuristics 3, 1997). Of widths that are nearly as good the smallest. What follows is taken to scale
 * as the head does.
 *
 * With all cores free, start is 0. Costs O(cores) while there is plenty; else, measured, some 0.02 ms on 32 cores and 0.1 to
 * 1 ms on 128; in doubt five times that.
 *
 * @param[in]  head    the chunk
 * @param[out] choice
 */
void policy_choose_width(const struct policy_node *node, const struct tune_facts *head, struct policy_width *choice);

#endif
