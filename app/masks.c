#include "masks.h"

#include <stdlib.h>

int
masks_count_cores(hwloc_topology_t topology, hwloc_const_bitmap_t cpus)
{
    int cores = 0;
    for (hwloc_obj_t core = NULL; (core = hwloc_get_next_obj_by_type(topology, HWLOC_OBJ_CORE, core)) != NULL;)
        cores += hwloc_bitmap_intersects(core->cpuset, cpus);
    return cores > 0 ? cores : hwloc_bitmap_weight(cpus);
}

/** What counts as a core. */
static hwloc_obj_type_t
core_type(hwloc_topology_t topology)
{
    return hwloc_get_nbobjs_by_type(topology, HWLOC_OBJ_CORE) > 0 ? HWLOC_OBJ_CORE : HWLOC_OBJ_PU;
}

void
masks_select_cores(hwloc_topology_t topology, hwloc_const_bitmap_t offered, int first, int count, hwloc_bitmap_t cpus)
{
    hwloc_obj_type_t type = core_type(topology);
    hwloc_bitmap_zero(cpus);
    int index = 0;
    for (hwloc_obj_t core = NULL; (core = hwloc_get_next_obj_by_type(topology, type, core)) != NULL;) {
        if (!hwloc_bitmap_intersects(core->cpuset, offered))
            continue;
        if (index >= first && index < first + count)
            hwloc_bitmap_or(cpus, cpus, core->cpuset);
        index++;
    }
    hwloc_bitmap_and(cpus, cpus, offered);
}

void
masks_compare(hwloc_topology_t topology, const hwloc_bitmap_t *masks, int ranks, int threads,
              struct masks_comparison *comparison)
{
    hwloc_bitmap_t seen = hwloc_bitmap_alloc();
    bool alike = true;
    int sum = 0;
    *comparison = (struct masks_comparison){.narrow = 0};
    for (int rank = 0; rank < ranks; rank++) {
        int cores = masks_count_cores(topology, masks[rank]);
        sum += cores;
        if (cores < threads) {
            if (comparison->narrow == 0 || cores < comparison->narrow_cores)
                comparison->narrow_cores = cores;
            comparison->narrow++;
        }
        comparison->overlapping += hwloc_bitmap_intersects(seen, masks[rank]);
        alike = alike && hwloc_bitmap_isequal(masks[0], masks[rank]);
        hwloc_bitmap_or(seen, seen, masks[rank]);
    }
    if (alike)
        comparison->overlapping = 0;
    comparison->disjoint = sum == masks_count_cores(topology, seen);
    hwloc_bitmap_free(seen);
}

/** The cores of `from` that have no CPU of `others`. @return whether they are enough */
static bool
leave_to(hwloc_topology_t topology, hwloc_const_bitmap_t from, hwloc_const_bitmap_t others, int wanted,
         hwloc_bitmap_t left)
{
    hwloc_obj_type_t type = core_type(topology);
    hwloc_bitmap_copy(left, from);
    for (hwloc_obj_t core = NULL; (core = hwloc_get_next_obj_by_type(topology, type, core)) != NULL;)
        if (hwloc_bitmap_intersects(core->cpuset, others))
            hwloc_bitmap_andnot(left, left, core->cpuset);
    return masks_count_cores(topology, left) >= wanted;
}

/** What of `from` ranks are to use: as little as can be of what others compute on. */
static void
leave_to_others(hwloc_topology_t topology, hwloc_const_bitmap_t from, const struct masks_offer *offer, int wanted,
                hwloc_bitmap_t left)
{
    if (!leave_to(topology, from, offer->crowded, wanted, left) &&
        !leave_to(topology, from, offer->taken, wanted, left))
        hwloc_bitmap_copy(left, from);
}

// ---- ranks in the parts of a machine ----

/** A part of the machine that ranks are kept within: a NUMA node or a package. */
struct part {
    hwloc_bitmap_t cpus; /**< of it, that are offered */
    int fits;            /**< ranks that find room there */
    int ranks;           /**< that are put there */
};

/** The offered CPUs of each object of a type; memory nodes that share their CPUs, or have none, make one or none. @return count */
static int
list_parts(hwloc_topology_t topology, hwloc_obj_type_t type, hwloc_const_bitmap_t offered, int threads,
           struct part *parts)
{
    int count = 0;
    hwloc_bitmap_t left = hwloc_bitmap_dup(offered);
    for (hwloc_obj_t object = NULL; (object = hwloc_get_next_obj_by_type(topology, type, object)) != NULL;) {
        if (!hwloc_bitmap_intersects(object->cpuset, left))
            continue;
        struct part *part = &parts[count++];
        part->cpus = hwloc_bitmap_alloc();
        hwloc_bitmap_and(part->cpus, object->cpuset, left);
        hwloc_bitmap_andnot(left, left, object->cpuset);
        part->fits = masks_count_cores(topology, part->cpus) / threads;
        part->ranks = 0;
    }
    hwloc_bitmap_free(left);
    return count;
}

/** Put each rank where the most room is: all parts lend their caches and their memory's bandwidth. @return whether all fit */
static bool
fill_parts(struct part *parts, int count, int ranks)
{
    for (int rank = 0; rank < ranks; rank++) {
        struct part *widest = NULL;
        for (int i = 0; i < count; i++)
            if (parts[i].fits > parts[i].ranks &&
                (!widest || parts[i].fits - parts[i].ranks > widest->fits - widest->ranks))
                widest = &parts[i];
        if (!widest)
            return false;
        widest->ranks++;
    }
    return true;
}

/** Keep every rank within one object of this type. @return false: they do not fit so, or there is but one; nothing is numbered */
static bool
number_within(hwloc_topology_t topology, hwloc_obj_type_t type, hwloc_const_bitmap_t offered, int ranks, int threads,
              hwloc_bitmap_t *cores)
{
    int objects = hwloc_get_nbobjs_by_type(topology, type);
    struct part *parts = objects > 0 ? calloc((size_t)objects, sizeof *parts) : NULL;
    int count = parts ? list_parts(topology, type, offered, threads, parts) : 0;
    bool fit = count > 1 && fill_parts(parts, count, ranks);
    int core = 0;
    for (int i = 0; i < count; i++) {
        for (int j = 0; fit && j < parts[i].ranks * threads; j++)
            masks_select_cores(topology, parts[i].cpus, j, 1, cores[core++]);
        hwloc_bitmap_free(parts[i].cpus);
    }
    free(parts);
    return fit;
}

/** Number the offered cores for ranks, each within the smallest part of the machine that holds it whole. */
static void
number_cores(hwloc_topology_t topology, hwloc_const_bitmap_t offered, int ranks, int threads, hwloc_bitmap_t *cores)
{
    if (number_within(topology, HWLOC_OBJ_NUMANODE, offered, ranks, threads, cores) ||
        number_within(topology, HWLOC_OBJ_PACKAGE, offered, ranks, threads, cores))
        return;
    for (int i = 0; i < ranks * threads; i++)
        masks_select_cores(topology, offered, i, 1, cores[i]);
}

void
masks_part_cores(hwloc_topology_t topology, const hwloc_bitmap_t *masks, const struct masks_offer *offer, int ranks,
                 int threads, hwloc_bitmap_t *cores)
{
    struct masks_comparison comparison;
    masks_compare(topology, masks, ranks, threads, &comparison);
    bool parted = comparison.disjoint && comparison.narrow == 0;
    hwloc_bitmap_t offered = hwloc_bitmap_alloc();
    for (int rank = 0; parted && rank < ranks; rank++) {
        leave_to_others(topology, masks[rank], offer, threads, offered);
        number_cores(topology, offered, 1, threads, cores + rank * threads);
    }
    if (!parted) {
        leave_to_others(topology, offer->all, offer, ranks * threads, offered);
        number_cores(topology, offered, ranks, threads, cores);
    }
    hwloc_bitmap_free(offered);
}
