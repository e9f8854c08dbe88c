/**
 * @file cells.h
 * The cells of a sweep: which layouts are compared, in which order they are measured, and how much work each of them gets.
 * Pure.
 */
#ifndef SHEAF_CELLS_H
#define SHEAF_CELLS_H

#include "layout.h"

enum { CELLS_MOST = 256 };

/** A layout on the first `nodes` nodes. */
struct cell {
    int nodes;
    struct layout layout;
    bool
        automatic; /**< what --layout auto takes, which lends cores near the end: `layout` is only what it starts with */
};

enum { CELLS_TEXT = 64 };

/** What cells are made from. */
struct cells_facts {
    struct layout_facts layout; /**< of the nodes with the fewest ranks and cores */
    bool oversubscribe;         /**< also layouts with more threads than cores */
    bool each_node_count;       /**< each layout on 1 node, on 2, ..., on all */
    struct layout automatic;    /**< what --layout auto starts with */
};

struct cells {
    int count;
    struct cell all[CELLS_MOST];
};

/**
 * All layouts that use the node's cores: R ranks of cores / R threads, for each R up to the ranks present that divides the
 * cores, and for all ranks present where they do not (some cores are idle then). Where T > 1, threads that work on tasks, and
 * where the kernel can, all of them on one task. With more threads than cores: as many per rank as the node has cores, or
 * for a single rank twice as many. And --layout auto, where it has anything to choose.
 * @return SHEAF_USAGE for more than CELLS_MOST
 */
enum sheaf_status cells_list(const struct cells_facts *facts, struct cells *cells, struct sheaf_error *error);

/**
 * The layouts of a list, "1x4:1,1x4:4,2x2,auto"; what is not given is filled in as for --layout.
 * @return SHEAF_USAGE: an entry is none, is given twice, wants more ranks than are present or a width that the kernel cannot use
 */
enum sheaf_status cells_parse(const char *list, const struct cells_facts *facts, struct cells *cells,
                              struct sheaf_error *error);

/**
 * Which cell is measured at a place of a round. Rounds begin one cell later each time two are over, and every other one goes
 * backwards: what slows the machine down for a while, or ever more, harms no cell more than others.
 */
int cells_at(int count, int round, int place);

/** "4x2:1", or "auto". @return text */
char *cells_format(const struct cell *cell, char text[CELLS_TEXT]);

/** The same with its nodes where there are several: "2 nodes, 4x2:1". @param[in] nodes  of the sweep @return text */
char *cells_describe(const struct cell *cell, int nodes, char text[CELLS_TEXT]);

/** Threads of a layout for each core of the node; above 1 it has more threads than cores. */
double cells_threads_per_core(const struct cell *cell, int cores);

/** What a sample is sized by. */
struct cells_budget {
    int cells;
    int cores;      /**< of all nodes */
    int64_t chunks; /**< of the run */
    int64_t most;   /**< that the sample may have, for the room that its results take; at most `chunks` */
};

enum {
    CELLS_ROUNDS_LEAST = 6, /**< fewer cannot tell two cells apart: of 5 pairs no outcome is as rare as 1 in 20 */
    CELLS_ROUNDS_SIZED = 8, /**< so many are to fit */
    CELLS_ROUNDS_MOST = 15,
};

/** Seconds that a cell's pass is long enough with. */
#define CELLS_PASS_SECONDS 4.0

/** Chunks of the first, smallest sample: one for each core. */
int64_t cells_first_sample(const struct cells_budget *budget);

/**
 * The sample's next size, after a round of all cells with `chunks`. As long as that is larger another round is made; one that is
 * smaller is taken as it is: a machine that is warm for the larger one is for the smaller.
 * @param[in] round_seconds  what the round took
 * @param[in] left_seconds   for all that is still to come
 * @return `chunks` where that is right, or close to it; else a multiple of the cores where there are as many
 */
int64_t cells_next_sample(const struct cells_budget *budget, int64_t chunks, double round_seconds, double left_seconds);

/** How many rounds fit; 0: not one. */
int cells_rounds(double round_seconds, double left_seconds);

#endif
