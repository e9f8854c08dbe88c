/**
 * @file keeper.h
 * What the carrier of a node's leader does from time to time beside its chunks: it makes what was committed durable, and at the
 * root it also moves the marks that say so, shows by a heartbeat that the run lives, and looks whether the run still holds its
 * lock. No MPI.
 *
 * A mark says: the records of this host up to this sequence number may be trusted without looking at what they stand for. What
 * they stand for is on two hosts' way to the disk: results are synced by the host that computed them, status, info and record
 * by the root's. Numbers are given only to commits whose results are written (chunk_commit.c, dispatch.c); a node reports the
 * number that it had reached before a sync of its own; the root moves the mark to a number that it had been told, and had
 * written the commits of, before a sync of its own.
 */
#ifndef SHEAF_KEEPER_H
#define SHEAF_KEEPER_H

#include "lock.h"
#include "options.h"
#include "queue.h"
#include "store.h"

/** Nanoseconds after which what was committed is synced; the carrier looks once a second, and so is at most 5 s behind. */
#define KEEPER_SYNC_NS (4 * INT64_C(1000000000))
/** Bytes that are synced at once when so many were written. */
#define KEEPER_SYNC_BYTES (INT64_C(1) << 30)
/** Nanoseconds between heartbeats. */
#define KEEPER_BEAT_NS (3 * INT64_C(1000000000))

struct keeper_setup {
    struct queue *queue; /**< of this node */
    enum options_sync sync;
    bool in_memory; /**< the results file lies in a memory file system: nothing there needs a sync */
    // of the root; elsewhere 0
    int node_count;
    const uint32_t *host_rows; /**< row of /sheaf/marks, by node */
    struct record_run *run;    /**< its slot; the keeper's own until it is destroyed */
    const struct lock *lock;   /**< NULL: the run holds none */
};

struct keeper;

/** @return SHEAF_NO_RESOURCES */
enum sheaf_status keeper_create(const struct keeper_setup *setup, struct keeper **out, struct sheaf_error *error);

/** NULL is a no-op. */
void keeper_destroy(struct keeper *keeper);

/** Root's main thread: another node has synced up to this number of its own, and all those commits were handed over before. */
void keeper_note_synced(struct keeper *keeper, int node, uint64_t sequence);

/** Of another node than the root's: the number that had been reached before its last sync began. Any thread. */
uint64_t keeper_synced(const struct keeper *keeper);

/** Carrier: whether it is time for a sync, or for a heartbeat. @param[in] now  node_nanoseconds */
bool keeper_wants_sync(const struct keeper *keeper, int64_t now);
bool keeper_wants_beat(const struct keeper *keeper, int64_t now);

/** Carrier: note how far everybody is. What was handed over until now has to be written before keeper_sync. */
void keeper_begin_sync(struct keeper *keeper, int64_t now);

/** Carrier: sync, then move the marks. Blocks. A failed sync is never retried:
 * what came after the last marks is not known to be there. */
enum sheaf_status keeper_sync(struct keeper *keeper, struct store *store, struct sheaf_error *error);

/** Carrier of the root: say in the run's slot that it lives. @return SHEAF_NO_OUTPUT where others have taken over the lock */
enum sheaf_status keeper_beat(struct keeper *keeper, struct store *store, int64_t now, struct sheaf_error *error);

/** What a run's nodes have made durable. */
struct keeper_marks {
    uint32_t run;
    int node_count;
    const uint32_t *host_rows; /**< by node; several may have the same (nodes of one name, "(others)") */
    const uint64_t *sequences; /**< by node */
    bool all;                  /**< the run is over, and everything is durable */
};

/** The number that a row's mark may say: what is true of all its nodes. Pure. @param[out] rows  UINT64_MAX: no node has it */
void keeper_join_rows(const struct keeper_marks *marks, uint64_t rows[RECORD_HOSTS]);

/** Write the marks of all rows that have a node. */
enum sheaf_status keeper_write_marks(const struct keeper_marks *marks, struct store *store, struct sheaf_error *error);

#endif
