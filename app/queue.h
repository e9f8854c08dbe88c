/**
 * @file queue.h
 * What the ranks of a node share during a run: the node's spans of the plan, who has what in flight,
 * counters, the first error, bells to wake each other. Lives in shared memory and is C11 atomics and
 * futexes only: no MPI, so threads can stand for ranks in tests.
 *
 * A claim is one compare-and-swap. Nothing here is asked per task, only per chunk.
 */
#ifndef SHEAF_QUEUE_H
#define SHEAF_QUEUE_H

#include "records.h"
#include "sheaf/status.h"
#include <stdatomic.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum {
    QUEUE_CELLS = 4,
    QUEUE_IN_FLIGHT = 256,        /**< chunks that one rank may have in flight */
    QUEUE_OUTBOX_BYTES = 1 << 20, /**< per rank, of commits on their way to the root's node */
};

/** Sums over chunks of one rank (or of a node, or the run). Seconds are in nanoseconds, over all workers. */
struct queue_totals {
    int64_t tasks, failed, chunks;
    int64_t wide; /**< chunks that got more cores than the layout gives a task */
    int64_t work; /**< nominal nanoseconds of what is done: progress */
    int64_t bytes_read, bytes_written;
    int64_t read_ns, compute_ns, write_ns, wait_ns; /**< of workers */
    int64_t workers;
};

enum { QUEUE_TOTALS = sizeof(struct queue_totals) / sizeof(int64_t) };

/** What one rank shows to the others of its node. */
struct queue_rank {
    _Alignas(128) _Atomic uint32_t bell;        /**< futex: rises when there is news for the rank's main thread */
    _Atomic uint32_t finished;                  /**< its workers have ended */
    _Atomic int64_t heartbeat;                  /**< CLOCK_MONOTONIC, nanoseconds, of its main thread */
    _Atomic int64_t in_flight[QUEUE_IN_FLIGHT]; /**< chunk + 1; 0: none */
    _Atomic int64_t totals[QUEUE_TOTALS];
    _Alignas(128) _Atomic uint64_t outbox_tail; /**< bytes ever put in; written by the rank */
    _Alignas(128) _Atomic uint64_t outbox_head; /**< bytes ever taken out; written by the leader */
};

struct queue {
    int32_t rank_count;
    int32_t has_outboxes;                              /**< this node is not the root's: its commits travel */
    _Alignas(128) _Atomic uint64_t cells[QUEUE_CELLS]; /**< next << 32 | end */
    _Alignas(128) _Atomic uint64_t sequence;           /**< chunks that this host has committed, or sent to the root */
    _Atomic int64_t unsynced;   /**< bytes that this host has committed since its last sync began */
    _Atomic int64_t sync_bytes; /**< with so many of them the leader is rung; 0: never */
    _Atomic int64_t low_water;
    _Atomic uint32_t hunger;      /**< rises to the next even number with each span; odd: more is wanted behind it */
    _Atomic uint32_t closed;      /**< no more spans will come */
    _Atomic uint32_t stopped;     /**< claim nothing more: an error, or a drain */
    _Atomic uint32_t drain;       /**< enum queue_drain: the most that has been asked for */
    _Atomic uint32_t released;    /**< all is over: main threads may leave */
    _Atomic uint32_t error_state; /**< 0 none, 1 being written, 2 there */
    struct sheaf_error error;
    struct queue_rank ranks[];
};

/** How a run is to go on. */
enum queue_drain {
    QUEUE_GO_ON = 0,
    QUEUE_DRAIN = 1, /**< finish and commit what is being computed, start nothing new */
    QUEUE_DROP = 2,  /**< do not wait for that either */
};

/** What a claim found. */
enum queue_claim { QUEUE_CLAIMED, QUEUE_EMPTY /**< more may come */, QUEUE_OVER };

/** Bytes of shared memory for a queue of that many ranks. */
size_t queue_bytes(int ranks, bool outboxes);

/** Set up a queue in zeroed memory. Called by one rank, before any other uses it. */
void queue_init(struct queue *queue, int ranks, bool outboxes, int64_t low_water);

/** Put a span of places [next, end) into a free cell. The leader alone. @return false where none is free */
bool queue_refill(struct queue *queue, int64_t next, int64_t end);

/** No more spans will come. Wakes all. The leader alone. */
void queue_close(struct queue *queue);

/** Places in the queue that nobody has claimed. */
int64_t queue_left(const struct queue *queue);

/** Places [next, end). */
struct queue_span {
    int64_t next, end;
};

/**
 * The spans that nobody has claimed, the one with the lowest place first.
 * @return how many; 0 also while more spans may come
 */
int queue_last_spans(const struct queue *queue, struct queue_span spans[QUEUE_CELLS]);

/** Whether the leader has been rung for more since the newest span came. */
bool queue_is_hungry(const struct queue *queue);

/** Claim the next place: the lowest one, for that is the longest chunk. Any thread of any rank. */
enum queue_claim queue_take(struct queue *queue, int64_t *place);

/** Note the first error of the node and stop all claims. Any thread. */
void queue_fail(struct queue *queue, const struct sheaf_error *error);

/** Stop all claims without an error of this node. */
void queue_stop(struct queue *queue);
/** Stop all claims for a drain; what has been asked for is never taken back. */
void queue_drain(struct queue *queue, enum queue_drain drain);
enum queue_drain queue_drains(const struct queue *queue);

bool queue_is_stopped(const struct queue *queue);

/** @return whether there is an error; then it is copied */
bool queue_error(const struct queue *queue, struct sheaf_error *error);

/** Wake the main thread of a rank. Any thread of any rank. */
void queue_ring(struct queue *queue, int local_rank);
void queue_ring_all(struct queue *queue);

/**
 * Sleep until the rank's bell has been rung since `seen`, or the time is up.
 * @param[in] seen  the bell's value before the caller last looked for news
 * @return the bell's value now
 */
uint32_t queue_sleep(struct queue *queue, int local_rank, uint32_t seen, int64_t nanoseconds);

/** Add to a rank's totals. Any of its threads, once per chunk. */
void queue_add_totals(struct queue *queue, int local_rank, const struct queue_totals *totals);

/** Note that so many bytes were committed, and ring the leader where that makes them enough for a sync. Any thread. */
void queue_note_committed(struct queue *queue, int64_t bytes);

/** Sum of the node's totals. */
void queue_sum_totals(const struct queue *queue, struct queue_totals *sum);

/** @return how many ranks have finished */
int queue_finished(const struct queue *queue);

/** @return bytes of commits that wait in the outboxes */
size_t queue_posted_bytes(const struct queue *queue);

/** A commit on its way to the root's node: header, then status bytes, then info, padded to 8 bytes. */
struct queue_commit {
    int64_t chunk;
    int64_t bytes;              /**< of the whole entry */
    struct record_chunk record; /**< state STARTED: no status and info behind it */
};

/**
 * Put a commit into a rank's outbox. One thread of the rank at a time.
 * @return false where it does not fit now (the leader empties it: ring it, wait, try again)
 */
bool queue_post(struct queue *queue, int local_rank, int64_t chunk, const struct record_chunk *record,
                const uint8_t *status, const int32_t *info);

/** Take whole entries out of all outboxes, as many as fit. The leader alone. @return bytes taken */
size_t queue_collect(struct queue *queue, void *buffer, size_t bytes);

/** Where status and info of an entry stand. */
const uint8_t *queue_commit_status(const struct queue_commit *commit);
const int32_t *queue_commit_info(const struct queue_commit *commit);

#endif
