/**
 * @file cores.h
 * The cores of a node while it chooses widths itself (--layout auto): which ones compute, since when, and what. Every
 * worker has a core; near the end of a run, cores that have nothing to do are lent to a rank that computes a chunk on
 * several. When that is, policy_choose_width says; here stands what it needs to know, and what the ranks tell each other.
 *
 * Lives in the node's shared memory: C11 atomics, no MPI, no clock. Times are CLOCK_MONOTONIC's nanoseconds.
 */
#ifndef SHEAF_CORES_H
#define SHEAF_CORES_H

#include "plan.h"
#include "queue.h"
#include "tune.h"

#include <stdatomic.h>

/** A chunk that takes less on one core is never computed on several, and its core is not noted: seconds. */
#define CORES_LEAST_SECONDS 0.005

/** With so many times the head's work behind it for each core, nobody has to look closer. */
#define CORES_PLENTY 2

/** What chunks of a class took, as struct tune_sample. */
struct cores_sample {
    _Atomic double nominal, measured;
};

struct cores_class {
    struct cores_sample narrow, wide;
};

/** What a core computes, where it is not free: written when it was taken. */
struct cores_use {
    _Atomic int32_t class_index, width;
    _Atomic int64_t tasks;
};

struct cores {
    int32_t ranks, threads; /**< of the layout: core `rank * threads + i` belongs to a rank's worker i */
    int32_t class_count;
    int32_t widest;           /**< most cores that a task can use here; 0: all */
    _Atomic uint32_t lock;    /**< held while a width is chosen */
    _Atomic uint32_t waiting; /**< somebody waits for cores */
    _Atomic int32_t lent;     /**< cores that compute another core's chunk now */
    int32_t reserved;
    struct cores_sample any; /**< of chunks of all classes */
    /** (ranks * threads) since when a core computes, 0: it is free; behind them a struct cores_use for each, then a struct
     *  cores_class for each class */
    _Alignas(8) _Atomic int64_t since[];
};

/** Bytes of shared memory. */
size_t cores_bytes(int ranks, int threads, int class_count);

/** Set up, in zeroed memory or over what was there. Called by one rank, before any other uses it. */
void cores_init(struct cores *cores, int ranks, int threads, int class_count, int widest);

/** Scratch that cores_choose needs: bytes, aligned as double. */
size_t cores_scratch_bytes(const struct cores *cores);

/**
 * Whether there is no choice for the chunk at the head of the queue: it is short, or what follows fills all cores for long. Then
 * any core that is not lent computes it. Cheap, without the lock.
 */
bool cores_need_no_choice(const struct cores *cores, const struct plan *plan, const struct queue_span *spans,
                          int span_count);

/** Exclude other choices. Held for microseconds, and only near the end of a run. */
void cores_lock(struct cores *cores);
void cores_unlock(struct cores *cores);

/** What is known of a chunk: its cost, and what others of its class took. */
void cores_facts(const struct cores *cores, const struct plan *plan, const struct plan_chunk *chunk,
                 struct tune_facts *facts);

/**
 * Choose how many cores the chunk at the head of the queue is computed on, and take them: cores_release gives them back.
 * The lock is held, and no more spans will come.
 *
 * @param[in]  spans    places that nobody has claimed, the lowest first; at least one
 * @param[in]  rank     that asks, of the layout's; one of its workers is idle
 * @param[in]  now
 * @param[out] taken    (ranks * threads) cores taken, this rank's first
 * @param[out] other    a rank that should ask instead; -1: none
 * @param[in]  scratch  of cores_scratch_bytes
 * @return cores taken; 0: not now, or not this rank: look again at the next news
 */
int cores_choose(struct cores *cores, const struct plan *plan, const struct queue_span *spans, int span_count, int rank,
                 int64_t now, int *taken, int *other, void *scratch);

/** Take a free core of a rank for a chunk of its own. @return the core; -1: all of them are at work, or lent */
int cores_take(struct cores *cores, int rank, int64_t now, const struct plan_chunk *chunk);

/** Cores are free again. @return whether somebody waits for news of that: ring all */
bool cores_release(struct cores *cores, const int *taken, int count);

/** Whether some cores compute another rank's chunk now. */
bool cores_are_lent(const struct cores *cores);

/** Note what a chunk took to compute. @param[in] width  that it had @param[in] measured  seconds */
void cores_note(struct cores *cores, const struct plan *plan, const struct plan_chunk *chunk, int width,
                double measured);

#endif
