/**
 * @file dispatch.h
 * Chunks between nodes: the root gives spans of the plan to the leaders (local rank 0 of each node), and gets
 * their commits, totals and errors. Point-to-point messages only, none of them blocking; called by the
 * main thread. Ranks that lead no node send nothing at all: inside a node the queue suffices.
 */
#ifndef SHEAF_DISPATCH_H
#define SHEAF_DISPATCH_H

#include "comm.h"
#include "keeper.h"
#include "plan.h"
#include "queue.h"

struct dispatch;

struct dispatch_setup {
    struct comm *comm;
    struct queue *queue;     /**< of this node */
    const struct plan *plan; /**< of fewer than 2^32 chunks */
    int workers;             /**< of all nodes */
    int node_workers;        /**< of this node */
    /** Root only: takes over a malloc'd buffer of queue_commit entries that another node sent. */
    void (*take_commits)(void *argument, void *buffer, size_t bytes);
    void *argument;
    struct keeper *keeper; /**< of a leader's */
};

/**
 * Start handing out: with one node, everything goes to its queue; with several, each node's queue gets its first span.
 * Collective.
 * @return SHEAF_BAD_DATA for more chunks than a queue can number: alike on all ranks
 */
enum sheaf_status dispatch_start(const struct dispatch_setup *setup, struct dispatch **out, struct sheaf_error *error);

/** Free; after the run is over. NULL is a no-op. */
void dispatch_destroy(struct dispatch *dispatch);

/** Look for messages, refill the queue, send what is due. @return whether more is to be expected soon */
bool dispatch_progress(struct dispatch *dispatch);

/** Root: every other node has reported its end, and so sent all its commits. Other ranks: true. */
bool dispatch_others_finished(const struct dispatch *dispatch);

/** This node has nothing more to do: its leader says so behind its last commit. The root by this releases all nodes. Once. */
void dispatch_finish(struct dispatch *dispatch);

/** @return whether the run is over for this rank: the root has released it and nothing of ours is on its way */
bool dispatch_is_over(struct dispatch *dispatch);

/** Totals as far as known: on the root of the whole run, elsewhere of the node. */
void dispatch_totals(const struct dispatch *dispatch, struct queue_totals *totals);

/** Root, after the end: how many chunks a node had committed when it made them durable. */
uint64_t dispatch_synced_sequence(const struct dispatch *dispatch, int node);

#endif
