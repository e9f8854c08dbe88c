/**
 * @file team.h
 * The cores of a node: what they are, which rank gets which, and binding every thread of a process to them.
 */
#ifndef SHEAF_TEAM_H
#define SHEAF_TEAM_H

#include "audit.h"
#include "comm.h"
#include "layout.h"

#include <sched.h>

/** Cores, as one rank finds them. */
struct team;

/**
 * Look at the node: its cores, its ranks' affinity masks, cgroups' quota, Slurm's grant, BLAS, and who else computes here.
 * Collective.
 * @param[in]  comm  NULL: this process alone, without MPI
 * @param[out] out   team_destroy frees it, also where this fails
 */
enum sheaf_status team_survey(struct comm *comm, struct team **out, struct sheaf_error *error);
void team_destroy(struct team *team);

/** Cores that the node offers to all its ranks together: physical ones, cut by the quota and by the grant. */
int team_cores(const struct team *team);

/** Cores that this rank alone may use as it was started (for `sheaf info` without a launcher). */
int team_own_cores(const struct team *team);

/**
 * Number the node's cores by a layout: core r*T + t is thread t's of rank r, alike at all ranks. They are those that the rank
 * was started on, where the launcher has parted them so, else of all that the node offers. Then bind every thread of this
 * process to the rank's own. Where R x T passes the cores, or nothing says which of them are this job's, all ranks share them
 * all; so do parked ranks. Not collective; no other function of this team may run at the same time.
 */
enum sheaf_status team_bind(struct team *team, int local_rank, const struct layout *layout, struct sheaf_error *error);

/**
 * Bind every thread of this process, BLAS's pool too, to some of the cores that team_bind numbered; where it shares them all,
 * to all. Threads that are created later inherit the binding of their creator. A process whose cpuset has none of these
 * cores stays where it was started. Any thread may call it at any time after team_bind: calls wait for each other, so that the
 * last one's cores are every thread's. Not collective.
 * @param[in] cores  numbers from 0 to R*T - 1 of the layout that team_bind was given
 * @param[in] count  at least 1
 * @return SHEAF_INTERNAL for a number that is none of them; SHEAF_NO_RESOURCES where the system refuses
 */
enum sheaf_status team_bind_cores(struct team *team, const int *cores, int count, struct sheaf_error *error);

/** Bind every thread of this process to the rank's own cores again, as team_bind did; else as team_bind_cores. */
enum sheaf_status team_bind_own(struct team *team, struct sheaf_error *error);

/** The CPUs of all ranks of the node. @return false where they do not fit a cpu_set_t (more than 1024) */
bool team_node_cpus(const struct team *team, cpu_set_t *cpus);

/** Write "0-3,8" or "none": the cores that team_bind bound this rank to, as the system numbers its CPUs. */
void team_format_binding(const struct team *team, char *text, int bytes);

/**
 * What a layout is audited from; the caller adds what of it depends on options and kernel (`layout_asked`, `blas_width`).
 * Alike on all ranks of the node.
 */
void team_describe(const struct team *team, const struct layout *layout, struct audit_facts *facts);

#endif
