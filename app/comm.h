/**
 * @file comm.h
 * The ranks of the job: who shares memory with whom, and the few collective calls that a run needs
 * before its start and after its end. Hides MPI, so that most of app/ is built and tested without it.
 *
 * All functions are called by the main thread only. "Collective" means: over all ranks of the job.
 */
#ifndef SHEAF_COMM_H
#define SHEAF_COMM_H

#include "sheaf/status.h"
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum { COMM_HOST_BYTES = 64 };

/** Where this rank stands. Nodes are counted from 0 by their lowest rank: the root, rank 0, is on node 0. */
struct comm_place {
    int rank, size;
    int node, node_count;
    int local_rank, local_size; /**< within the node; local rank 0 is its leader */
    char host[COMM_HOST_BYTES]; /**< of this rank */
    int64_t started_ns;         /**< end of MPI's start, CLOCK_MONOTONIC */
};

struct comm;

/**
 * Before comm_start, without a launcher: Open MPI looks for no network and starts no daemon for the one rank that there is, unless
 * its variables (OMPI_MCA_...) say so: MPI has started after a tenth of the time.
 */
void comm_expect_one(void);

/**
 * Start MPI and find the nodes. Collective.
 *
 * SHEAF_NODE_RANKS=K in the environment makes every K ranks of a real node believe that they are a
 * node of their own: for tests of what happens between nodes, on one machine.
 */
enum sheaf_status comm_start(int *argument_count, char ***arguments, struct comm **out, struct sheaf_error *error);

/**
 * Threads are left that use shared memory until the process ends: it is not freed here. But what several ranks share MPI takes away at its
 * end: witness_abandon_threads. Alike on all ranks.
 */
void comm_abandon(struct comm *comm);

/**
 * End MPI. Collective. NULL is a no-op. Threads may have been left (comm_abandon): the process is to end by _exit, which waits for
 * none.
 */
void comm_end(struct comm *comm);

const struct comm_place *comm_place(const struct comm *comm);

/** @return MPI's library version, one line */
const char *comm_library_version(void);

/** Send rank 0's bytes to all. Collective. */
void comm_broadcast(struct comm *comm, void *bytes, size_t count);

/** Send the leader's bytes to its node. Collective over the node. */
void comm_broadcast_node(struct comm *comm, void *bytes, size_t count);

/**
 * Agree on the outcome of what each rank did by itself: all return the status of the lowest rank that
 * failed, with its text; SHEAF_OK where none did. Collective.
 */
enum sheaf_status comm_agree(struct comm *comm, enum sheaf_status mine, struct sheaf_error *error);

/** Gather `bytes` of each rank at rank 0, in order of rank (all: size * bytes; else NULL). Collective. */
void comm_gather(struct comm *comm, const void *mine, size_t bytes, void *all);

/** Gather `bytes` of each rank of the node at all of its ranks. Collective over the node. */
void comm_gather_node(struct comm *comm, const void *mine, size_t bytes, void *all);

/**
 * Memory that all ranks of the node share, zeroed, page-aligned, freed by comm_end. Collective over the node.
 * @return SHEAF_NO_RESOURCES where the system refuses (a full /dev/shm): alike on all ranks of the node
 */
enum sheaf_status comm_share(struct comm *comm, size_t bytes, void **memory, struct sheaf_error *error);

/**
 * Rank 0's bytes in memory that all ranks of each node share, as comm_share. Collective.
 * @param[in] bytes  at rank 0 only
 */
enum sheaf_status comm_share_root(struct comm *comm, const void *bytes, size_t count, void **memory,
                                  struct sheaf_error *error);

/** The sum of each rank's number, at all ranks. Collective. */
int64_t comm_sum(struct comm *comm, int64_t mine);

/** All ranks of the node have arrived. Collective over the node; not for use during a run. */
void comm_barrier_node(struct comm *comm);

/** Say that this rank has no memory, and end the job at once on all ranks: only where others wait already. Does not return. */
void comm_abort(void) __attribute__((noreturn));

#endif
