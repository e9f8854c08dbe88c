/**
 * @file layout.h
 * A layout: R ranks per node, T cores per rank, W cores per task. Pure.
 */
#ifndef SHEAF_LAYOUT_H
#define SHEAF_LAYOUT_H

#include "sheaf/status.h"
#include <stdbool.h>
#include <stdint.h>

struct layout {
    int ranks;   /**< per node; the others are parked */
    int threads; /**< cores per rank */
    int width;   /**< cores per task: 1 or `threads` */
};

/**
 * Parse "RxT" or "RxT:W".
 * @param[out] layout  width 0 where W is not given
 * @return SHEAF_USAGE where the text is none, or W is neither 1 nor T
 */
enum sheaf_status layout_parse(const char *text, struct layout *layout, struct sheaf_error *error);

/** What a layout is settled from. */
struct layout_facts {
    int present;   /**< ranks on the node */
    int cores;     /**< of the node */
    int64_t tasks; /**< of the run, on all its nodes */
    int nodes;
    bool wide;    /**< the kernel can use more than one core on a task */
    int widest;   /**< cores that it can use at most: threads of this BLAS build; 0: any number */
    int64_t room; /**< tasks whose data the node's memory holds at a time; for layout_choose alone */
};

/**
 * Fill what was not asked for: R = the ranks present, T = cores / R, W = 1 where there are at least as many
 * tasks as cores (or the kernel gains nothing from more, or cannot use T), else T.
 *
 * @param[in,out] layout  zeros where not asked for
 * @return SHEAF_USAGE where it wants more ranks than are present. More threads than cores is no error (team warns).
 */
enum sheaf_status layout_settle(const struct layout_facts *facts, struct layout *layout, struct sheaf_error *error);

/** Why a run has its layout. */
enum layout_reason {
    LAYOUT_ASKED,  /**< by --layout */
    LAYOUT_FILLS,  /**< there are as many tasks as cores */
    LAYOUT_FEW,    /**< there are fewer */
    LAYOUT_MEMORY, /**< memory holds fewer tasks at a time than there are cores */
};

/**
 * The layout that `--layout auto` takes: the cores are dealt out to the ranks present (those above the cores are parked), and
 * every core computes tasks of its own; near the end, or where there are few tasks, cores are lent (cores.h). Where memory holds
 * fewer tasks at a time than there are cores, only as many ranks compute, each with several cores for its task, if the
 * kernel can use them.
 */
enum layout_reason layout_choose(const struct layout_facts *facts, struct layout *layout);

#endif
