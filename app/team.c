#include "team.h"
#include "masks.h"
#include "neighbours.h"
#include "node.h"
#include "number.h"
#include "survey.h"
#include "threads.h"

#include <errno.h>
#include <hwloc.h>
#include <hwloc/glibc-sched.h>
#include <hwloc/linux.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <unistd.h>

enum { MASK_WORDS = 1024 / sizeof(unsigned long) }; /**< 8192 CPUs */

/** What the leader finds of other programs, and all ranks of the node must know alike. */
struct others {
    int threads; /**< that compute on the node's CPUs now */
    int64_t process;
    char program[NEIGHBOURS_NAME_BYTES];
    unsigned long cpus[MASK_WORDS];    /**< where they may run */
    unsigned long taken[MASK_WORDS];   /**< cores that one of them cannot leave */
    unsigned long crowded[MASK_WORDS]; /**< cores that they do not leave for others of the node: another job's */
};

struct team {
    hwloc_topology_t topology;
    hwloc_bitmap_t node;   /**< CPUs of all ranks of the node */
    hwloc_bitmap_t own;    /**< CPUs of this rank, as started */
    hwloc_bitmap_t bound;  /**< CPUs of this rank, as team_bind bound it */
    hwloc_bitmap_t *masks; /**< CPUs of each rank of the node, as started */
    int ranks;
    struct audit_facts facts; /**< but for those that depend on the layout and on the kernel */
    struct others others;
    hwloc_bitmap_t *cores; /**< CPUs of each numbered core; NULL: all ranks share all cores */
    int core_count;        /**< numbered: R*T of the layout */
    pthread_mutex_t binds; /**< one thread at a time walks over the others */
};

/** What each rank tells the others of its node. */
struct rank_mask {
    int64_t process;
    unsigned long cpus[MASK_WORDS];
};

/** The masks of all ranks of the node, and their union. @param[out] processes  of the ranks */
static void
gather_masks(struct comm *comm, struct team *team, int64_t *processes)
{
    struct rank_mask mine = {.process = getpid()};
    hwloc_bitmap_to_ulongs(team->own, MASK_WORDS, mine.cpus);
    struct rank_mask *all = comm ? calloc((size_t)team->ranks, sizeof mine) : &mine;
    if (!all)
        comm_abort();
    if (comm)
        comm_gather_node(comm, &mine, sizeof mine, all);
    for (int rank = 0; rank < team->ranks; rank++) {
        team->masks[rank] = hwloc_bitmap_alloc();
        hwloc_bitmap_from_ulongs(team->masks[rank], MASK_WORDS, all[rank].cpus);
        hwloc_bitmap_or(team->node, team->node, team->masks[rank]);
        processes[rank] = all[rank].process;
    }
    if (comm)
        free(all);
}

/** Note a thread of another program, where it may run on CPUs of this job. */
static void
note_other(void *argument, const struct neighbours_thread *thread)
{
    struct team *team = argument;
    struct others *others = &team->others;
    if (!hwloc_bitmap_intersects(thread->cpus, team->node))
        return;
    unsigned long cpus[MASK_WORDS];
    hwloc_bitmap_to_ulongs(thread->cpus, MASK_WORDS, cpus);
    bool confined = masks_count_cores(team->topology, thread->cpus) == 1;
    bool parted = !hwloc_bitmap_isincluded(team->node, thread->cpus);
    for (int i = 0; i < MASK_WORDS; i++) {
        others->cpus[i] |= cpus[i];
        others->taken[i] |= confined ? cpus[i] : 0;
        others->crowded[i] |= parted ? cpus[i] : 0;
    }
    if (others->threads++ == 0) {
        others->process = thread->process;
        memcpy(others->program, thread->program, sizeof others->program);
    }
}

/** Other programs that compute here; the node's leader looks for them. SHEAF_NEIGHBOURS=0 says that nobody does: for tests. */
static void
survey_others(struct comm *comm, struct team *team, const int64_t *processes)
{
    struct neighbours_job job = {.processes = processes,
                                 .count = team->ranks,
                                 .launcher = comm && comm_place(comm)->size > 1 ? getppid() : -1,
                                 .niceness = getpriority(PRIO_PROCESS, 0)};
    if ((!comm || comm_place(comm)->local_rank == 0) && number_from_environment("SHEAF_NEIGHBOURS", 1) != 0)
        neighbours_find("", &job, note_other, team);
    struct others *others = &team->others;
    if (comm)
        comm_broadcast_node(comm, others, sizeof *others);
    hwloc_bitmap_t both = hwloc_bitmap_alloc();
    hwloc_bitmap_from_ulongs(both, MASK_WORDS, others->cpus);
    hwloc_bitmap_or(both, both, team->node);
    team->facts.other_threads = others->threads;
    team->facts.other_process = others->process;
    team->facts.other_cores = masks_count_cores(team->topology, both);
    snprintf(team->facts.other_program, sizeof team->facts.other_program, "%s", others->program);
    hwloc_bitmap_free(both);
}

/** Cores that mpirun, which started this process, may use itself; 0 where something else did. */
static int
count_launcher_cores(const struct team *team)
{
    int cores = 0;
    hwloc_bitmap_t cpus = hwloc_bitmap_alloc();
    if (getenv("OMPI_COMM_WORLD_SIZE") && hwloc_linux_get_tid_cpubind(team->topology, getppid(), cpus) == 0)
        cores = masks_count_cores(team->topology, cpus);
    hwloc_bitmap_free(cpus);
    return cores;
}

/** Which environment variable told BLAS how many threads to start with, in the order in which OpenBLAS asks. */
static void
note_blas_variable(struct audit_facts *facts)
{
    static const char *const names[] = {"OPENBLAS_NUM_THREADS", "GOTO_NUM_THREADS", "OMP_NUM_THREADS"};
    for (size_t i = 0; i < sizeof names / sizeof names[0]; i++) {
        int64_t threads = number_from_environment(names[i], 0);
        if (threads < 1 || threads > INT32_MAX)
            continue;
        snprintf(facts->blas_variable, sizeof facts->blas_variable, "%s", names[i]);
        facts->blas_variable_threads = (int)threads;
        return;
    }
}

static void
note_facts(struct team *team)
{
    struct audit_facts *facts = &team->facts;
    struct blas_library blas;
    blas_describe(&blas);
    survey_node(team->topology, team->masks, team->ranks, facts);
    facts->quota = node_cpu_quota();
    facts->launcher_cores = count_launcher_cores(team);
    facts->slurm.cpus = audit_parse_slurm(getenv("SLURM_CPUS_ON_NODE"));
    facts->slurm.tasks = audit_parse_slurm(getenv("SLURM_TASKS_PER_NODE"));
    facts->slurm.cpus_per_task = audit_parse_slurm(getenv("SLURM_CPUS_PER_TASK"));
    facts->blas_threading = blas.threading;
    facts->blas_greatest = blas.greatest_threads;
    note_blas_variable(facts);
    int64_t limit = number_from_environment("OMP_THREAD_LIMIT", 0);
    facts->blas_limit = limit > 0 && limit <= INT32_MAX ? (int)limit : 0;
}

enum sheaf_status
team_survey(struct comm *comm, struct team **out, struct sheaf_error *error)
{
    struct team *team = calloc(1, sizeof *team);
    if (!team)
        comm_abort();
    *out = team;
    pthread_mutex_init(&team->binds, NULL);
    team->ranks = comm ? comm_place(comm)->local_size : 1;
    team->node = hwloc_bitmap_alloc();
    team->own = hwloc_bitmap_alloc();
    team->bound = hwloc_bitmap_alloc();
    team->masks = calloc((size_t)team->ranks, sizeof(hwloc_bitmap_t));
    int64_t *processes = calloc((size_t)team->ranks, sizeof *processes);
    if (!team->masks || !processes)
        comm_abort();
    enum sheaf_status status = SHEAF_OK;
    if (hwloc_topology_init(&team->topology) < 0 ||
        hwloc_topology_set_flags(team->topology, HWLOC_TOPOLOGY_FLAG_INCLUDE_DISALLOWED) < 0 ||
        hwloc_topology_load(team->topology) < 0 ||
        hwloc_get_cpubind(team->topology, team->own, HWLOC_CPUBIND_PROCESS) < 0)
        status = sheaf_fail(error, SHEAF_INTERNAL, "cannot read the machine's topology: %s", strerror(errno));
    gather_masks(comm, team, processes);
    if (!status) {
        hwloc_bitmap_copy(team->bound, team->own);
        note_facts(team);
    }
    if (comm)
        status = comm_agree(comm, status, error);
    if (!status)
        survey_others(comm, team, processes);
    free(processes);
    return status;
}

static void
forget_cores(struct team *team)
{
    for (int i = 0; i < team->core_count && team->cores; i++)
        hwloc_bitmap_free(team->cores[i]);
    free(team->cores);
    team->cores = NULL;
}

void
team_destroy(struct team *team)
{
    if (!team)
        return;
    forget_cores(team);
    pthread_mutex_destroy(&team->binds);
    hwloc_bitmap_free(team->node);
    hwloc_bitmap_free(team->own);
    hwloc_bitmap_free(team->bound);
    for (int rank = 0; rank < team->ranks && team->masks; rank++)
        hwloc_bitmap_free(team->masks[rank]);
    free(team->masks);
    if (team->topology)
        hwloc_topology_destroy(team->topology);
    free(team);
}

int
team_cores(const struct team *team)
{
    return audit_cores(&team->facts);
}

int
team_own_cores(const struct team *team)
{
    return masks_count_cores(team->topology, team->own);
}

void
team_describe(const struct team *team, const struct layout *layout, struct audit_facts *facts)
{
    *facts = team->facts;
    survey_layout(team->topology, team->masks, team->ranks, layout, facts);
}

/** What walks over the threads. */
struct binding {
    const struct team *team;
    hwloc_const_bitmap_t cpus;
    int failure; /**< errno's number */
};

static void
bind_thread(void *argument, pid_t thread)
{
    struct binding *binding = argument;
    if (hwloc_linux_set_tid_cpubind(binding->team->topology, thread, binding->cpus) < 0 && errno != ESRCH)
        binding->failure = errno; // ESRCH: it has ended meanwhile
}

/** Bind each thread that the process has now, BLAS's pool among them. @return 0, or errno's number */
static int
bind_threads(const struct team *team, hwloc_const_bitmap_t cpus)
{
    struct binding binding = {.team = team, .cpus = cpus};
    int failure = threads_visit(bind_thread, &binding);
    return failure ? failure : binding.failure;
}

/** @param[in,out] cpus  those that the process may really use, where these are none of them */
static enum sheaf_status
bind_process(struct team *team, hwloc_bitmap_t cpus, struct sheaf_error *error)
{
    pthread_mutex_lock(&team->binds);
    int failure = bind_threads(team, cpus);
    if (failure == EINVAL) {
        // A cpuset of the rank's own, as containers have: it can leave it for none of the other ranks' cores.
        hwloc_bitmap_copy(cpus, team->own);
        failure = bind_threads(team, cpus);
    }
    pthread_mutex_unlock(&team->binds);
    if (failure)
        return sheaf_fail(error, SHEAF_NO_RESOURCES, "cannot bind threads to their cores: %s", strerror(failure));
    return SHEAF_OK;
}

/** Give each core of the layout its number, unless all ranks share all of them. */
static void
number_cores(struct team *team, const struct layout *layout)
{
    forget_cores(team);
    team->core_count = layout->ranks * layout->threads;
    if (survey_shares_cores(&team->facts, layout))
        return;
    team->cores = calloc((size_t)team->core_count, sizeof(hwloc_bitmap_t));
    if (!team->cores)
        comm_abort();
    for (int i = 0; i < team->core_count; i++)
        team->cores[i] = hwloc_bitmap_alloc();
    hwloc_bitmap_t taken = hwloc_bitmap_alloc(), crowded = hwloc_bitmap_alloc();
    hwloc_bitmap_from_ulongs(taken, MASK_WORDS, team->others.taken);
    hwloc_bitmap_from_ulongs(crowded, MASK_WORDS, team->others.crowded);
    const struct masks_offer offer = {.all = team->node, .taken = taken, .crowded = crowded};
    masks_part_cores(team->topology, team->masks, &offer, layout->ranks, layout->threads, team->cores);
    hwloc_bitmap_free(taken);
    hwloc_bitmap_free(crowded);
}

enum sheaf_status
team_bind(struct team *team, int local_rank, const struct layout *layout, struct sheaf_error *error)
{
    number_cores(team, layout);
    // Parked ranks sleep: where they may run does not matter, and they must not hold a core that others were given.
    if (!team->cores || local_rank >= layout->ranks) {
        hwloc_bitmap_copy(team->bound, team->node);
    } else {
        hwloc_bitmap_zero(team->bound);
        for (int i = 0; i < layout->threads; i++)
            hwloc_bitmap_or(team->bound, team->bound, team->cores[local_rank * layout->threads + i]);
    }
    return bind_process(team, team->bound, error);
}

enum sheaf_status
team_bind_cores(struct team *team, const int *cores, int count, struct sheaf_error *error)
{
    hwloc_bitmap_t cpus = team->cores ? hwloc_bitmap_alloc() : hwloc_bitmap_dup(team->node);
    enum sheaf_status status = SHEAF_OK;
    for (int i = 0; i < count && !status; i++) {
        if (cores[i] < 0 || cores[i] >= team->core_count)
            status = sheaf_fail(error, SHEAF_INTERNAL, "core %d of %d does not exist", cores[i], team->core_count);
        else if (team->cores)
            hwloc_bitmap_or(cpus, cpus, team->cores[cores[i]]);
    }
    if (!status)
        status = bind_process(team, cpus, error);
    hwloc_bitmap_free(cpus);
    return status;
}

enum sheaf_status
team_bind_own(struct team *team, struct sheaf_error *error)
{
    hwloc_bitmap_t cpus = hwloc_bitmap_dup(team->bound);
    enum sheaf_status status = bind_process(team, cpus, error);
    hwloc_bitmap_free(cpus);
    return status;
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
