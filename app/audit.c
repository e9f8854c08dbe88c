#include "audit.h"
#include "number.h"

#include <stdarg.h>
#include <stdio.h>

enum { LAYOUT_BYTES = 48 };

static int
least(int a, int b)
{
    return a < b ? a : b;
}

bool
audit_is_unconfined(const struct audit_facts *facts)
{
    return facts->slurm.cpus > 0 && facts->slurm.cpus < facts->cores;
}

int
audit_cores(const struct audit_facts *facts)
{
    int cores = facts->cores;
    if (audit_is_unconfined(facts))
        cores = facts->slurm.cpus;
    if (facts->quota > 0 && facts->quota < cores)
        cores = (int)facts->quota;
    return cores > 1 ? cores : 1;
}

int
audit_parse_slurm(const char *text)
{
    int64_t number;
    const char *end;
    if (!text || !number_parse(text, &number, &end) || number < 1 || number > 65536)
        return 0;
    if (end[0] == '(' && end[1] == 'x') {
        int64_t nodes;
        if (!number_parse(end + 2, &nodes, &end) || *end != ')')
            return 0;
        end++;
    }
    return *end == '\0' ? (int)number : 0;
}

static int
wanted(const struct audit_facts *facts)
{
    return facts->layout.ranks * facts->layout.threads;
}

/** Whether more cores would be used if there were more: nobody asked for just these. */
static bool
wants_more(const struct audit_facts *facts)
{
    int cores = audit_cores(facts);
    return wanted(facts) > cores || (!facts->layout_asked && wanted(facts) == cores);
}

static char *
format_layout(int ranks, int threads, char text[LAYOUT_BYTES])
{
    snprintf(text, LAYOUT_BYTES, "%dx%d", ranks, threads);
    return text;
}

/** The layout nearest to the wanted one that fits. */
static char *
format_fitting(const struct audit_facts *facts, int cores, char text[LAYOUT_BYTES])
{
    int ranks = least(facts->layout.ranks, cores);
    return format_layout(ranks, least(facts->layout.threads, cores / ranks), text);
}

__attribute__((format(printf, 3, 4))) static void
add(struct audit_findings *findings, bool mended, const char *format, ...)
{
    if (findings->count == AUDIT_FINDINGS_MAX)
        return;
    struct audit_finding *finding = &findings->all[findings->count++];
    va_list arguments;
    va_start(arguments, format);
    vsnprintf(finding->text, sizeof finding->text, format, arguments);
    va_end(arguments);
    finding->mended = mended;
}

// ---- cores ----

/** " (...)": why there are no more cores than there are. */
static void
format_reason(const struct audit_facts *facts, char *text, size_t bytes)
{
    text[0] = '\0';
    if (facts->quota > 0 && facts->quota < facts->cores)
        snprintf(text, bytes, " (the cgroup's CPU quota is %.3g)", facts->quota);
    else if (audit_is_unconfined(facts))
        snprintf(text, bytes, " (as Slurm granted)");
    else if (facts->cpus > facts->cores)
        snprintf(text, bytes, " (%d hardware threads share them)", facts->cpus);
    else if (facts->cores < facts->machine_cores)
        snprintf(text, bytes, " (of the machine's %d, by the affinity of these processes)", facts->machine_cores);
}

static void
find_too_many_threads(const struct audit_facts *facts, struct audit_findings *findings)
{
    char layout[LAYOUT_BYTES], fitting[LAYOUT_BYTES], reason[96];
    int cores = audit_cores(facts);
    if (wanted(facts) <= cores)
        return;
    format_reason(facts, reason, sizeof reason);
    add(findings, false,
        "layout %s wants %d cores, there %s %d%s: its ranks share them all, and are slower than with "
        "--layout %s",
        format_layout(facts->layout.ranks, facts->layout.threads, layout), wanted(facts), cores == 1 ? "is" : "are",
        cores, reason, format_fitting(facts, cores, fitting));
}

/** CPUs that Slurm meant these ranks to have: its grant, or what its tasks add up to. */
static int
slurm_cpus(const struct audit_facts *facts)
{
    int tasks = least(facts->ranks, facts->slurm.tasks);
    int by_tasks = tasks * facts->slurm.cpus_per_task;
    return least(by_tasks > facts->slurm.cpus ? by_tasks : facts->slurm.cpus, facts->machine_cpus);
}

/** Ranks that were bound to fewer cores than they could have had, all of them together: nothing to mend from within. */
static void
find_narrow_masks(const struct audit_facts *facts, struct audit_findings *findings)
{
    char who[64] = "the ranks were", cores[32] = "one core";
    if (!wants_more(facts) || (facts->quota > 0 && facts->quota <= facts->cores))
        return;
    if (facts->ranks > 1 && facts->cores == 1)
        snprintf(who, sizeof who, "all %d ranks were", facts->ranks);
    else if (facts->ranks == 1)
        snprintf(who, sizeof who, "the rank was");
    if (facts->cores > 1)
        snprintf(cores, sizeof cores, "%d cores", facts->cores);
    // A grant may count SMT siblings: all of those of a core that is used count as used.
    int siblings = (facts->machine_cpus + facts->machine_cores - 1) / facts->machine_cores;
    if (facts->launcher_cores > facts->cores)
        add(findings, false,
            "%s started on %s of the %d that the launcher has: to use all, start unbound (mpirun --bind-to none)", who,
            cores, facts->launcher_cores);
    else if (slurm_cpus(facts) > facts->cores * siblings)
        add(findings, false,
            "%s started on %s, Slurm granted %d CPUs here: to use all, srun --cpus-per-task=%d (srun does not take it "
            "over from sbatch), or mpirun --bind-to none",
            who, cores, slurm_cpus(facts),
            facts->slurm.cpus_per_task > 1 ? facts->slurm.cpus_per_task : slurm_cpus(facts) / facts->ranks);
}

static void
find_narrow_ranks(const struct audit_facts *facts, struct audit_findings *findings)
{
    if (facts->narrow_ranks == 0 || wanted(facts) > audit_cores(facts))
        return;
    add(findings, true, "%d rank%s started on fewer cores (%d) than the layout gives a rank: now each has %d",
        facts->narrow_ranks, facts->narrow_ranks == 1 ? " was" : "s were", facts->narrow_cores, facts->layout.threads);
}

static void
find_overlapping_ranks(const struct audit_facts *facts, struct audit_findings *findings)
{
    if (facts->overlapping_ranks == 0 || wanted(facts) > audit_cores(facts))
        return;
    add(findings, true, "ranks were started on overlapping sets of cores: now each has cores of its own");
}

static void
find_quota(const struct audit_facts *facts, struct audit_findings *findings)
{
    if (facts->quota <= 0 || facts->quota >= facts->cores || wanted(facts) > audit_cores(facts))
        return; // too many threads for a quota are told of above
    if (facts->quota < wanted(facts))
        add(findings, false,
            "the cgroup's CPU quota is %.3g of a core: the ranks are stopped for the rest of the time; raise it "
            "(docker "
            "--cpus, CPUQuota of systemd, limits of Kubernetes)",
            facts->quota);
    else if (wants_more(facts))
        add(findings, true, "the cgroup's CPU quota is %.3g of %d cores: Sheaf uses %d", facts->quota, facts->cores,
            audit_cores(facts));
}

static void
find_unconfined(const struct audit_facts *facts, struct audit_findings *findings)
{
    if (audit_is_unconfined(facts) && wants_more(facts) && wanted(facts) <= audit_cores(facts))
        add(findings, true,
            "Slurm granted %d CPUs and does not confine the job to any of these %d cores: Sheaf uses %d, and binds "
            "nothing",
            facts->slurm.cpus, facts->cores, audit_cores(facts));
}

// ---- BLAS ----

static void
find_blas_cap(const struct audit_facts *facts, struct audit_findings *findings)
{
    int width = facts->blas_width;
    if (width <= 1)
        return;
    if (facts->blas_threading == BLAS_SEQUENTIAL)
        add(findings, false,
            "%d BLAS threads are wanted on a task, this BLAS has none: install a threaded one (libopenblas0-pthread), "
            "or "
            "--layout %dx%d:1",
            width, facts->layout.ranks, facts->layout.threads);
    else if (facts->blas_threading == BLAS_OPENMP && facts->blas_limit > 0 && facts->blas_limit < width)
        add(findings, false, "%d BLAS threads are wanted on a task, OMP_THREAD_LIMIT=%d holds them back: unset it",
            width, facts->blas_limit);
    else if (facts->blas_threading == BLAS_OPENMP && facts->blas_greatest == 1)
        add(findings, false,
            "%d BLAS threads are wanted on a task, under OMP_DYNAMIC=true there may be fewer: unset it", width);
    else if (facts->blas_greatest < width)
        add(findings, false,
            "%d BLAS threads are wanted on a task, this BLAS was built for %d (its MAX_THREADS): a narrower layout, or "
            "--layout %dx%d:1",
            width, facts->blas_greatest, facts->layout.ranks, facts->layout.threads);
    else if (facts->blas_variable[0] && facts->blas_variable_threads < width)
        add(findings, true, "%s=%d is overruled: the layout gives BLAS %d threads on a task", facts->blas_variable,
            facts->blas_variable_threads, width);
}

// ---- others ----

static void
find_others(const struct audit_facts *facts, struct audit_findings *findings)
{
    char cores[32] = "this core";
    int threads = facts->other_threads;
    if (facts->other_cores > 1)
        snprintf(cores, sizeof cores, "these %d cores", facts->other_cores);
    if (threads == 0 || least(wanted(facts), audit_cores(facts)) + threads <= facts->other_cores)
        return;
    add(findings, false,
        "%d thread%s of other programs (%s, process %lld%s) compute%s on %s: both will be slower; wait for them, or "
        "take "
        "fewer cores with --layout",
        threads, threads == 1 ? "" : "s", facts->other_program, (long long)facts->other_process,
        threads == 1 ? "" : ", ...", threads == 1 ? "s" : "", cores);
}

void
audit_find(const struct audit_facts *facts, struct audit_findings *findings)
{
    static void (*const rules[])(const struct audit_facts *, struct audit_findings *) = {
        find_too_many_threads, find_narrow_masks, find_narrow_ranks, find_overlapping_ranks, find_quota,
        find_unconfined,       find_blas_cap,     find_others,
    };
    findings->count = 0;
    for (size_t i = 0; i < sizeof rules / sizeof rules[0]; i++)
        rules[i](facts, findings);
}

int
audit_count_warnings(const struct audit_findings *findings)
{
    int warnings = 0;
    for (int i = 0; i < findings->count; i++)
        warnings += !findings->all[i].mended;
    return warnings;
}
