/**
 * @file simulate_node.h
 * A node in simulated time: its cores compute a queue of chunks, either all at one width (a fixed layout), or at the
 * widths that app/policy.h chooses from what app/tune.h predicts. No threads, no clock.
 *
 * What is simulated and what the rule knows are two things: chunks take as long as the model here says, the rule has the nominal
 * seconds that it is given, and what it has measured so far in this run.
 *
 * Memory. A chunk that computes takes its share of what the memory serves. Where all chunks together want more than there
 * is, the part of each one's time that waits for memory grows as the wants exceed it.
 */
#ifndef SHEAF_TESTS_SIM_SIMULATE_NODE_H
#define SHEAF_TESTS_SIM_SIMULATE_NODE_H

#include "policy.h"

enum { NODE_CORES_MAX = 128, NODE_CLASSES_MAX = 4, NODE_CURVE_MAX = 16 };

/** What a chunk takes in truth. */
struct node_model {
    double seconds; /**< on one core */
    double memory;  /**< of them, how much waits for memory where nobody else uses it: 0 to 1 */
    int points;     /**< of the curve: how the time falls with the width; between them in logarithms */
    int widths[NODE_CURVE_MAX];
    double parts[NODE_CURVE_MAX]; /**< of the seconds on one core */
};

struct node_class {
    struct node_model model;
    struct tune_facts facts; /**< what the rule is told: without samples */
    int64_t chunks;
};

struct node_setup {
    int ranks, threads; /**< of the node's cores */
    int width;          /**< of all chunks; 0: the rule's */
    int class_count;
    struct node_class classes[NODE_CLASSES_MAX]; /**< in the queue's order */
    double memory;                               /**< how many cores that only wait for memory it can serve */
    double jitter;                               /**< each chunk takes 1 - j to 1 + j of its time, uniform */
    uint64_t seed;
};

/** Seconds of a chunk at a width, by the true model. */
double node_model_seconds(const struct node_model *model, int width);

/** @return the seconds until all chunks are done; negative where the rule had cores stand idle for ever */
double simulate_node(const struct node_setup *setup);

#endif
