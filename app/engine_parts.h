/**
 * @file engine_parts.h
 * What the engine's files know of each other: engine.c and ring.c, its threads worker.c and carrier.c, and a chunk's way
 * through chunk_claim.c, chunk_start.c, chunk_load.c, chunk_compute.c and chunk_commit.c.
 */
#ifndef SHEAF_ENGINE_PARTS_H
#define SHEAF_ENGINE_PARTS_H

#include "engine.h"
#include "parallel.h"
#include "witness.h"

#include <pthread.h>

/** Buffers of one chunk, and the chunk that is in them. */
struct slot {
    int index;
    char *memory;
    struct slot *next; /**< in one of the ring's lists */
    struct plan_chunk chunk;
    void *inputs[SHEAF_OPERANDS_MAX];      /**< where they are read to; NULL where shared */
    const void *views[SHEAF_OPERANDS_MAX]; /**< where they lie in a mapped file; NULL where they were read */
    void *raw[SHEAF_OPERANDS_MAX];         /**< between the two steps of reading an input; NULL where there is one */
    int64_t raw_bytes[SHEAF_OPERANDS_MAX];
    void *outputs[SHEAF_OUTPUTS_MAX];
    uint8_t *status;
    int32_t *info;
    uint8_t *refused; /**< the status of a task whose input is unfit for the kernel, else 0 */
    bool loaded[SHEAF_OPERANDS_MAX];
    bool fetched[SHEAF_OPERANDS_MAX]; /**< the first step is done */
    bool recalled;                    /**< chunk_recall is done */
    struct record_chunk record;
    struct record_digest *digest;
    int64_t read_ns;
    int width;  /**< cores that its tasks are computed with */
    int *taken; /**< (cores of the node) those noted as at work for this chunk; NULL: none ever is */
    int taken_count;
    struct parallel *team; /**< for a width that was chosen; NULL: the worker's own */
};

/** A list of slots: first in, first out, where they are not put back. */
struct slot_list {
    struct slot *first, *last;
    int count;
};

/** Entries of another node's commits, as they came. */
struct commit_batch {
    struct commit_batch *next;
    void *buffer;
    size_t bytes;
};

struct worker {
    struct engine *engine;
    int index;
    pthread_t thread;
    void *workspace;
    struct parallel *parallel;  /**< shares a task's pieces; NULL where a task is one core's */
    struct queue_totals totals; /**< since they were last added to the queue's */
    struct witness witness;
};

struct engine {
    struct engine_setup setup;
    struct engine_size size;
    struct store *store;
    struct keeper *keeper; /**< NULL: this rank leads no node */
    uint32_t run, host;
    struct slot *slots;
    struct worker *workers;
    pthread_t carrier;
    struct witness reader; /**< the carrier's, of what it reads through the HDF5 library */
    bool reader_spared;    /**< the main thread's own: it has looked, when the node was asked to stop */
    int threads_started;
    bool carrier_started;
    void *scratch;            /**< for cores_choose */
    _Atomic double worth;     /**< drain_worth, where there is a deadline */
    _Atomic int64_t worth_ns; /**< when that was asked; 0: never */
    _Atomic uint32_t news;    /**< rises when the queue should be looked at again */
    _Atomic uint32_t gate;    /**< threads that write into the results file; ENGINE_ABANDONED: no others may begin */

    pthread_mutex_t mutex; /**< guards all below */
    pthread_cond_t workers_wake, carrier_wake;
    struct slot_list idle_slots, ready, behind;
    int workers_left, workers_waiting;
    int in_hands;           /**< slots that the carrier is reading or writing */
    int64_t fetch_began_ns; /**< CLOCK_MONOTONIC, when the carrier began to read what it is reading; 0: it does not */
    bool carrier_lost;      /**< it reads something that never ends, and nobody waits for it */
    bool no_more;           /**< the carrier found the queue over */
    bool spared;            /**< what was being computed when the node was asked to stop */
    bool quit, sync_wanted, synced, settle_wanted, settled;
    struct store_settlement settlement;
    struct commit_batch *batches, *batches_last;
    int batches_left;
};

/** Bit of the gate: the main thread goes on without the others. */
#define ENGINE_ABANDONED (UINT32_C(1) << 31)

/** The class of the chunk in a slot. */
static inline const struct plan_class *
chunk_class(const struct engine *engine, const struct slot *slot)
{
    return &engine->setup.plan->classes[slot->chunk.class_index];
}

// ring.c
enum sheaf_status ring_allocate(struct engine *engine, struct sheaf_error *error);
void ring_free(struct engine *engine);
/** Lay a chunk's buffers out in its slot. */
void ring_assign(struct engine *engine, struct slot *slot, const struct plan_chunk *chunk);
void slot_list_push(struct slot_list *list, struct slot *slot);
/** As the next one to be taken: of a free slot's memory the one that was used last is warm, and one never needed never touched. */
void slot_list_put_back(struct slot_list *list, struct slot *slot);
struct slot *slot_list_pop(struct slot_list *list);

// worker.c
/** A thread; @param[in] argument  its struct worker. @return NULL */
void *worker_main(void *argument);

// chunk_claim.c
/**
 * Claim the queue's next chunk into a slot.
 * @param[in] ahead  of need: no worker waits for it
 */
enum queue_claim chunk_claim(struct engine *engine, struct slot *slot, bool ahead);
/** A worker is about to compute: note its core as at work, or use those that were taken for the chunk. Sets slot->width. */
void chunk_begin_width(struct engine *engine, struct slot *slot);
void chunk_end_width(struct engine *engine, struct slot *slot);
/** The chunk's cores may be lent again. */
void chunk_give_back_cores(struct engine *engine, struct slot *slot);

// chunk_start.c
/** Fill the parts of a claimed chunk's record that are known by now; of one that is computed alone, what is known of it. Once. */
enum sheaf_status chunk_recall(struct engine *engine, struct slot *slot, struct sheaf_error *error);
/**
 * Let it be known that the chunk is being read or computed, whatever becomes of it.
 * @param[in] reading   1 + the input that is being read first; 0: it is computed
 * @param[in] recorded  in the file, too, on the root's node
 */
enum sheaf_status chunk_watch(struct engine *engine, struct slot *slot, struct witness *witness, int reading,
                              bool recorded, struct sheaf_error *error);
/** Of a chunk that is read and computed task by task: its `t`th is next; the rest as chunk_watch. */
enum sheaf_status chunk_step(struct engine *engine, const struct slot *slot, struct witness *witness, int64_t t,
                             int reading, bool recorded, struct sheaf_error *error);
/** It has been read: what has become of it then is not known by its being in flight. */
enum sheaf_status chunk_end_reading(struct engine *engine, struct slot *slot, struct witness *witness,
                                    struct sheaf_error *error);
/** Of a chunk that is read and computed task by task: which is the `i`th. The one that is charged with something comes first. */
static inline int64_t
chunk_single(const struct slot *slot, int64_t i)
{
    const int64_t charged = slot->record.task;
    return i == 0 && charged > 0 ? charged - 1 : i - (i < charged);
}
/** What a task of it is charged with. */
static inline uint16_t
chunk_attempts(const struct slot *slot, int64_t t)
{
    return t + 1 == slot->record.task ? slot->record.attempts : 0;
}

// chunk_load.c
/**
 * Load the inputs of a chunk that are not there yet: all, or only those whose reading may block.
 * @param[in] witness  the calling thread's
 */
enum sheaf_status chunk_load(struct engine *engine, struct slot *slot, struct witness *witness, bool only_blocking);
/** Where an input of a loaded chunk is. */
const void *chunk_input(const struct slot *slot, int input);
/** The chunk was computed: were all bytes there that it was computed from? */
enum sheaf_status chunk_end_views(const struct engine *engine, struct slot *slot);

// chunk_compute.c
/** Compute a loaded chunk. A failed task is its own business; what fails here is the run. */
enum sheaf_status chunk_compute(struct worker *worker, struct slot *slot);

// chunk_commit.c
/** Write results and commit; then the slot's chunk is no longer in flight. */
enum sheaf_status chunk_commit(struct engine *engine, struct slot *slot);
/**
 * Root's node: write the status and info rows of a chunk whose results are written, then its record; a record of this node
 * (sequence 0) gets its number.
 */
enum sheaf_status chunk_record(struct engine *engine, int64_t chunk, struct record_chunk *record, const uint8_t *status,
                               const int32_t *info, struct sheaf_error *error);

// carrier.c
/** A thread; @param[in] argument  its struct engine. @return NULL */
void *carrier_main(void *argument);

// engine.c
/**
 * The calling thread is about to write into the results file; then it has. Not nested. Where the main thread has left, the first one
 * does not return: the thread sleeps until the process ends.
 */
void engine_begin_writing(struct engine *engine);
void engine_end_writing(struct engine *engine);
/** With the mutex held: if nothing is left to do, say so to the node. */
void engine_note_finish(struct engine *engine);
/** Wait until the queue should be looked at again, or `seen` is old news. The mutex is held. */
void engine_wait_news(struct engine *engine, pthread_cond_t *wake, uint32_t seen);

#endif
