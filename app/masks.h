/**
 * @file masks.h
 * Sets of CPUs over a topology, counted in physical cores: SMT siblings are one core. Pure: whatever topology it is given.
 */
#ifndef SHEAF_MASKS_H
#define SHEAF_MASKS_H

#include <hwloc.h>
#include <stdbool.h>

/** Physical cores that a set of CPUs touches; where the machine does not tell its cores, CPUs. */
int masks_count_cores(hwloc_topology_t topology, hwloc_const_bitmap_t cpus);

/**
 * The CPUs of some of the offered physical cores: of [first, first + count), in the order of the topology, neighbours first.
 * @param[in]  offered  what CPUs may be used at all
 * @param[out] cpus     within `offered`
 */
void masks_select_cores(hwloc_topology_t topology, hwloc_const_bitmap_t offered, int first, int count,
                        hwloc_bitmap_t cpus);

/** How ranks' masks lie to each other, and to what a layout gives each rank. */
struct masks_comparison {
    int narrow;       /**< ranks whose mask has fewer cores than they are to get */
    int narrow_cores; /**< the least cores of such a mask */
    int overlapping;  /**< ranks whose mask shares a CPU with an earlier rank's; 0 where all masks are the same */
    bool disjoint;    /**< no physical core is in the masks of two ranks */
};

/** @param[in] threads  cores that each rank is to get */
void masks_compare(hwloc_topology_t topology, const hwloc_bitmap_t *masks, int ranks, int threads,
                   struct masks_comparison *comparison);

/** CPUs of a node, as its ranks find them. */
struct masks_offer {
    hwloc_const_bitmap_t all;   /**< of all ranks, those that do not compute too */
    hwloc_const_bitmap_t taken; /**< of cores that a thread of another program cannot leave */
    hwloc_const_bitmap_t
        crowded; /**< where threads of another program keep to, several cores wide: another job, bound */
};

/**
 * Part the node's cores among the ranks of a layout: core r*T + t is rank r's t-th. They are those that the rank was started on,
 * where the launcher has parted them well already, else of all that the ranks have together. Not those that are crowded, or at
 * least not those that are taken, as long as there are enough others. A rank's cores are of one NUMA node where all ranks can be kept so, else of one package, so that
 * memory which it touches first is near all of its threads; ranks are spread evenly over these parts of the machine, those of
 * a part with numbers that follow each other.
 * @param[in]  masks  of the ranks that compute, at most as many as the layout has
 * @param[out] cores  CPUs of each, `ranks * threads` sets; empty where there are not so many cores
 */
void masks_part_cores(hwloc_topology_t topology, const hwloc_bitmap_t *masks, const struct masks_offer *offer,
                      int ranks, int threads, hwloc_bitmap_t *cores);

#endif
