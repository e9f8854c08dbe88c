/**
 * @file survey.h
 * What a topology and the ranks' affinity masks say of a node, as the audit judges it. Pure: whatever topology it is given.
 */
#ifndef SHEAF_SURVEY_H
#define SHEAF_SURVEY_H

#include "audit.h"

#include <hwloc.h>

/**
 * The machine, and what of it the ranks may use: fills machine_*, packages, numa_nodes, cores, cpus and ranks.
 * @param[in] masks  of all ranks of the node, as they were started
 */
void survey_node(hwloc_topology_t topology, const hwloc_bitmap_t *masks, int ranks, struct audit_facts *facts);

/** How the ranks were started, beside a layout: fills layout, narrow_* and overlapping_ranks. Of those that compute. */
void survey_layout(hwloc_topology_t topology, const hwloc_bitmap_t *masks, int ranks, const struct layout *layout,
                   struct audit_facts *facts);

/** Whether nothing says which cores are this job's: there are too few for the layout, or a quota or grant names none. */
bool survey_shares_cores(const struct audit_facts *facts, const struct layout *layout);

#endif
