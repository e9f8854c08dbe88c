#include "masks.h"

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

/** The cores that are offered and have no CPU that is taken, where they are enough; else all that is offered. */
static void
leave_taken(hwloc_topology_t topology, hwloc_const_bitmap_t from, hwloc_const_bitmap_t taken, int wanted,
            hwloc_bitmap_t offered)
{
    hwloc_obj_type_t type = core_type(topology);
    hwloc_bitmap_copy(offered, from);
    for (hwloc_obj_t core = NULL; (core = hwloc_get_next_obj_by_type(topology, type, core)) != NULL;)
        if (hwloc_bitmap_intersects(core->cpuset, taken))
            hwloc_bitmap_andnot(offered, offered, core->cpuset);
    if (masks_count_cores(topology, offered) < wanted)
        hwloc_bitmap_copy(offered, from);
}

void
masks_part_cores(hwloc_topology_t topology, const hwloc_bitmap_t *masks, hwloc_const_bitmap_t all,
                 hwloc_const_bitmap_t taken, int ranks, int threads, hwloc_bitmap_t *cores)
{
    struct masks_comparison comparison;
    masks_compare(topology, masks, ranks, threads, &comparison);
    bool parted = comparison.disjoint && comparison.narrow == 0;
    hwloc_bitmap_t offered = hwloc_bitmap_alloc();
    for (int rank = 0; rank < ranks; rank++) {
        leave_taken(topology, parted ? masks[rank] : all, taken, (parted ? 1 : ranks) * threads, offered);
        for (int i = 0; i < threads; i++)
            masks_select_cores(topology, offered, parted ? i : rank * threads + i, 1, cores[rank * threads + i]);
    }
    hwloc_bitmap_free(offered);
}
