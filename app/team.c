#include "team.h"
#include "node.h"
#include "number.h"

#include <dirent.h>
#include <errno.h>
#include <hwloc.h>
#include <hwloc/glibc-sched.h>
#include <hwloc/linux.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { MASK_BYTES = 1024 }; /**< 8192 CPUs */

struct team {
    hwloc_topology_t topology;
    hwloc_bitmap_t node;  /**< CPUs of all ranks of the node */
    hwloc_bitmap_t own;   /**< CPUs of this rank, as started */
    hwloc_bitmap_t bound; /**< CPUs of this rank, as bound */
    int cores, own_cores;
    double quota;
};

/** Physical cores that a set of CPUs touches: SMT siblings count once. */
static int
count_cores(hwloc_topology_t topology, hwloc_const_bitmap_t cpus)
{
    int cores = 0;
    for (hwloc_obj_t core = NULL; (core = hwloc_get_next_obj_by_type(topology, HWLOC_OBJ_CORE, core)) != NULL;)
        cores += hwloc_bitmap_intersects(core->cpuset, cpus);
    return cores > 0 ? cores : hwloc_bitmap_weight(cpus); // a machine that does not tell its cores
}

/** The union of the masks of all ranks of the node. */
static void
gather_masks(struct comm *comm, struct team *team)
{
    unsigned long mine[MASK_BYTES / sizeof(unsigned long)] = {0};
    enum { WORDS = sizeof mine / sizeof mine[0] };
    int ranks = comm_place(comm)->local_size;
    hwloc_bitmap_to_ulongs(team->own, WORDS, mine);
    unsigned long *all = calloc((size_t)ranks, sizeof mine);
    if (!all)
        comm_abort(comm, SHEAF_NO_RESOURCES);
    comm_gather_node(comm, mine, sizeof mine, all);
    for (int rank = 1; rank < ranks; rank++)
        for (int i = 0; i < WORDS; i++)
            all[i] |= all[rank * WORDS + i];
    hwloc_bitmap_from_ulongs(team->node, WORDS, all);
    free(all);
}

enum sheaf_status
team_survey(struct comm *comm, struct team **out, struct sheaf_error *error)
{
    struct team *team = calloc(1, sizeof *team);
    if (!team)
        abort(); // a few hundred bytes: nothing could be told either
    *out = team;
    team->node = hwloc_bitmap_alloc();
    team->own = hwloc_bitmap_alloc();
    team->bound = hwloc_bitmap_alloc();
    enum sheaf_status status = SHEAF_OK;
    if (hwloc_topology_init(&team->topology) < 0 ||
        hwloc_topology_set_flags(team->topology, HWLOC_TOPOLOGY_FLAG_INCLUDE_DISALLOWED) < 0 ||
        hwloc_topology_load(team->topology) < 0 ||
        hwloc_get_cpubind(team->topology, team->own, HWLOC_CPUBIND_PROCESS) < 0)
        status = sheaf_fail(error, SHEAF_INTERNAL, "cannot read the machine's topology: %s", strerror(errno));
    if (comm)
        gather_masks(comm, team);
    else
        hwloc_bitmap_copy(team->node, team->own);
    if (status)
        return status;
    hwloc_bitmap_copy(team->bound, team->own);
    team->quota = node_cpu_quota();
    team->cores = count_cores(team->topology, team->node);
    team->own_cores = count_cores(team->topology, team->own);
    if (team->quota > 0 && team->quota < team->cores)
        team->cores = team->quota < 1 ? 1 : (int)team->quota;
    return SHEAF_OK;
}

void
team_destroy(struct team *team)
{
    if (!team)
        return;
    hwloc_bitmap_free(team->node);
    hwloc_bitmap_free(team->own);
    hwloc_bitmap_free(team->bound);
    if (team->topology)
        hwloc_topology_destroy(team->topology);
    free(team);
}

int
team_cores(const struct team *team)
{
    return team->cores;
}

int
team_own_cores(const struct team *team)
{
    return team->own_cores;
}

/** CPUs of the node's physical cores [first, first + count). */
static void
select_cores(const struct team *team, int first, int count, hwloc_bitmap_t cpus)
{
    hwloc_obj_type_t type =
        hwloc_get_nbobjs_by_type(team->topology, HWLOC_OBJ_CORE) > 0 ? HWLOC_OBJ_CORE : HWLOC_OBJ_PU;
    hwloc_bitmap_zero(cpus);
    int index = 0;
    for (hwloc_obj_t core = NULL; (core = hwloc_get_next_obj_by_type(team->topology, type, core)) != NULL;) {
        if (!hwloc_bitmap_intersects(core->cpuset, team->node))
            continue;
        if (index >= first && index < first + count)
            hwloc_bitmap_or(cpus, cpus, core->cpuset);
        index++;
    }
    hwloc_bitmap_and(cpus, cpus, team->node);
}

/** Bind each thread that the process has now, BLAS's pool among them. */
static int
bind_threads(struct team *team)
{
    DIR *tasks = opendir("/proc/self/task");
    if (!tasks)
        return -1;
    int failed = 0;
    for (struct dirent *entry; (entry = readdir(tasks)) != NULL;) {
        int64_t thread;
        if (number_parse(entry->d_name, &thread, NULL) &&
            hwloc_linux_set_tid_cpubind(team->topology, (pid_t)thread, team->bound) < 0 && errno != ESRCH)
            failed = -1; // ESRCH: it has ended meanwhile
    }
    closedir(tasks);
    return failed;
}

enum sheaf_status
team_bind(struct team *team, int local_rank, const struct layout *layout, struct sheaf_error *error)
{
    int wanted = layout->ranks * layout->threads;
    bool shared = wanted > team->cores || wanted > count_cores(team->topology, team->node);
    // Parked ranks sleep: where they may run does not matter, and they must not hold a core that others were given.
    if (shared || local_rank >= layout->ranks)
        hwloc_bitmap_copy(team->bound, team->node);
    else
        select_cores(team, local_rank * layout->threads, layout->threads, team->bound);
    if (bind_threads(team) < 0)
        return sheaf_fail(error, SHEAF_NO_RESOURCES, "cannot bind threads to their cores: %s", strerror(errno));
    return SHEAF_OK;
}

bool
team_node_cpus(const struct team *team, cpu_set_t *cpus)
{
    return hwloc_bitmap_last(team->node) < CPU_SETSIZE &&
           hwloc_cpuset_to_glibc_sched_affinity(team->topology, team->node, cpus, sizeof *cpus) == 0;
}

void
team_format_binding(const struct team *team, char *text, int bytes)
{
    if (hwloc_bitmap_list_snprintf(text, (size_t)bytes, team->bound) <= 0)
        snprintf(text, (size_t)bytes, "none");
}

void
team_audit(const struct team *team, const struct layout *layout, const char *host, char *text)
{
    int wanted = layout->ranks * layout->threads;
    int machine = hwloc_bitmap_weight(hwloc_topology_get_complete_cpuset(team->topology));
    int offered = hwloc_bitmap_weight(team->node);
    text[0] = '\0';
    if (wanted > team->cores)
        snprintf(text, TEAM_TEXT_BYTES,
                 "%s: layout %dx%d wants %d cores, there are %d%s: its ranks share them all, and will be slower than "
                 "with fewer",
                 host, layout->ranks, layout->threads, wanted, team->cores,
                 team->quota > 0 && team->quota < offered ? " (the cgroup's CPU quota)" : "");
    else if (offered < machine && wanted >= team->cores && !getenv("SLURM_JOB_ID")) // a job gets what it asked for
        snprintf(text, TEAM_TEXT_BYTES,
                 "%s: the launcher gave these ranks %d of the machine's %d CPUs; to use all: mpirun --bind-to none, or "
                 "#SBATCH --cpus-per-task",
                 host, offered, machine);
}
