#include "survey.h"
#include "masks.h"

void
survey_node(hwloc_topology_t topology, const hwloc_bitmap_t *masks, int ranks, struct audit_facts *facts)
{
    hwloc_const_cpuset_t machine = hwloc_topology_get_complete_cpuset(topology);
    hwloc_bitmap_t offered = hwloc_bitmap_alloc();
    for (int rank = 0; rank < ranks; rank++)
        hwloc_bitmap_or(offered, offered, masks[rank]);
    facts->machine_cores = masks_count_cores(topology, machine);
    facts->machine_cpus = hwloc_bitmap_weight(machine);
    facts->packages = hwloc_get_nbobjs_by_type(topology, HWLOC_OBJ_PACKAGE);
    facts->numa_nodes = hwloc_get_nbobjs_by_type(topology, HWLOC_OBJ_NUMANODE);
    facts->cores = masks_count_cores(topology, offered);
    facts->cpus = hwloc_bitmap_weight(offered);
    facts->ranks = ranks;
    hwloc_bitmap_free(offered);
}

void
survey_layout(hwloc_topology_t topology, const hwloc_bitmap_t *masks, int ranks, const struct layout *layout,
              struct audit_facts *facts)
{
    struct masks_comparison comparison;
    masks_compare(topology, masks, layout->ranks < ranks ? layout->ranks : ranks, layout->threads, &comparison);
    facts->layout = *layout;
    facts->narrow_ranks = comparison.narrow;
    facts->narrow_cores = comparison.narrow_cores;
    facts->overlapping_ranks = comparison.overlapping;
}

bool
survey_shares_cores(const struct audit_facts *facts, const struct layout *layout)
{
    // A quota, or a grant that confines nobody, names no cores: others with a quota of their own would choose the same ones.
    return layout->ranks * layout->threads > facts->cores || audit_cores(facts) < facts->cores;
}
