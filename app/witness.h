/**
 * @file witness.h
 * What a thread computes, or reads through the HDF5 library or unpacks, for those who tell when it never comes back: the main
 * thread, which finds that it takes too long; the carrier, or for the carrier's own reading the main thread, when the process is
 * asked to stop; a signal handler, when the computation or the library kills the process. Each leaves its word in the chunk's
 * record (poison.h). No MPI.
 *
 * The record is the thread's own but for the time in which it does so. Then whoever holds it may write it.
 */
#ifndef SHEAF_WITNESS_H
#define SHEAF_WITNESS_H

#include "store.h"

#include <stdatomic.h>

/** Threads of a process whose other threads' faults are laid at the right door; with more, those are nobody's. */
#define WITNESS_MOST 256

enum witness_phase {
    WITNESS_IDLE,
    WITNESS_COMPUTING,
    WITNESS_HELD /**< somebody reads or writes the record */,
    WITNESS_CONDEMNED
};

struct witness {
    _Atomic int phase;     /**< enum witness_phase */
    _Atomic int64_t since; /**< CLOCK_MONOTONIC, nanoseconds: when the call of the kernel, or the reading, began */
    struct store *store;
    int64_t chunk;
    bool recorded;              /**< the file says that the chunk was started */
    struct record_chunk record; /**< as it is, or would be, in the file */
    void *stack;                /**< for signal handlers of its thread */
};

/**
 * From now on a fault (SIGSEGV, SIGBUS, SIGFPE, SIGILL, SIGABRT) of a computation is noted, then goes to who had the signal before. Called by the
 * main thread, whose own faults are no computation's. Again: a no-op.
 */
void witness_catch_faults(void);

/** A thread that has a witness begins, and ends. Without memory for a stack, a stack overflow leaves no word. */
void witness_enter_thread(struct witness *witness);
void witness_leave_thread(struct witness *witness);

/** Faults of the calling thread are no computation's, but where a witness of its own is begun. */
void witness_exempt_thread(void);

/**
 * Main thread: it goes on without the others, and what they still use may be taken from under them until the process ends. From now
 * on a fault of theirs says nothing, and stops the thread for good.
 */
void witness_abandon_threads(void);

/** The thread is about to call the kernel on a chunk, or to read its input. @param[in] recorded  this record is in the file */
void witness_begin(struct witness *witness, struct store *store, int64_t chunk, const struct record_chunk *record,
                   bool recorded);

/**
 * It is about to do so with one more task of the chunk.
 * @param[in] task    0 to count - 1
 * @param[in] attempts  that the task is charged with
 * @param[in] reading  1 + the input that it is about to read; 0: it computes
 * @param[in] write   into the file, too
 * @return SHEAF_OK; SHEAF_INTERRUPTED: condemned, nothing of the chunk may be written any more; SHEAF_IO_ERROR
 */
enum sheaf_status witness_step(struct witness *witness, int64_t task, uint16_t attempts, int reading, bool write,
                               struct sheaf_error *error);

/** It has come back. @return false: condemned, nothing of the chunk may be written any more */
bool witness_end(struct witness *witness);

/** Any thread: the process is asked to stop, so what it computes or reads has not killed it. */
void witness_spare(struct witness *witness);

/**
 * Main thread: condemn what has been computed, or read, for longer than `limit` nanoseconds, and write that down.
 * @param[out] record  what was written
 * @return whether it was condemned
 */
bool witness_condemn(struct witness *witness, int64_t now, int64_t limit, struct record_chunk *record);

#endif
