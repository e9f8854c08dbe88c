#include "app_test.h"
#include "masks.h"
#include "survey.h"

/*
 * Machines that nobody here has, and how a job is started on them: from topology and masks to cores, layout, bindings and
 * findings, by the functions that a real start goes through.
 */

/* A virtual machine, and one that does not tell its cores. */
static const char two_cores[] = "pack:1 core:2 pu:1", cores_unknown[] = "pu:4";
/* Two sockets of four cores with two hardware threads each, numbered as Linux does it: core 0 has CPUs 0 and 8. */
static const char two_sockets[] = "pack:2 core:4 pu:2(indexes=0,8,1,9,2,10,3,11,4,12,5,13,6,14,7,15)";
/* Two sockets with two NUMA nodes each, of three cores, without SMT. */
static const char four_numa[] = "pack:2 numa:2 core:3 pu:1";
/* The cores of a large node: CPUs 0-1, 2-3, ... are siblings. */
static const char large[] = "pack:2 numa:4 core:16 pu:2";

enum { MASKS = 9, RANKS_MOST = 160, CORES_MOST = 160 };

static const struct situation {
    const char *name, *machine;
    const char *masks[MASKS]; /* of the ranks; the last one is that of all further ranks */
    int ranks;
    int launcher_cores;
    double quota;
    struct audit_slurm slurm;
    int other_threads, other_cores;
    struct layout asked; /* ranks 0: nobody asked */
    int cores;           /* expected: that the node offers */
    const char *bound;   /* CPUs of each rank that computes, or "shared" */
    const char *layout;
    const char *findings[3]; /* "+": mended; what follows is a part of the text */
} situations[] = {
    // ---- a small machine ----
    {"no launcher", two_cores, {"0-1"}, 1, .cores = 2, .layout = "1x2", .bound = "0-1"},
    {"mpirun --bind-to none", two_cores, {"0-1"}, 2, 2, .cores = 2, .layout = "2x1", .bound = "0 1"},
    {"mpirun --bind-to core", two_cores, {"0", "1"}, 2, 2, .cores = 2, .layout = "2x1", .bound = "0 1"},
    {"mpirun --bind-to socket", two_cores, {"0-1"}, 2, 2, .cores = 2, .layout = "2x1", .bound = "0 1"},
    {"the other way round", two_cores, {"1", "0"}, 2, 2, .cores = 2, .layout = "2x1", .bound = "1 0"},
    {"taskset", two_cores, {"1"}, 1, .cores = 1, .layout = "1x1", .bound = "1"},
    {"taskset before mpirun", two_cores, {"1"}, 1, 1, .cores = 1, .layout = "1x1", .bound = "1"},
    {"one rank, bound by mpirun",
     two_cores,
     {"0"},
     1,
     2,
     .cores = 1,
     .layout = "1x1",
     .bound = "0",
     .findings = {"the rank was started on one core of the 2 that the launcher has"}},
    {"more ranks than cores", two_cores, {"0-1"}, 3, 2, .cores = 2, .layout = "2x1", .bound = "0 1"},
    {"more ranks than cores, and all asked",
     two_cores,
     {"0-1"},
     3,
     2,
     .asked = {3, 1, 1},
     .cores = 2,
     .layout = "3x1",
     .bound = "shared",
     .findings = {"layout 3x1 wants 3 cores, there are 2: "}},
    {"machine that does not tell its cores", cores_unknown, {"1-3"}, 3, .cores = 3, .layout = "3x1", .bound = "1 2 3"},
    // ---- SMT: siblings are one core ----
    {"all hardware threads", two_sockets, {"0-15"}, 1, .cores = 8, .layout = "1x8", .bound = "0-15"},
    {"a rank a core",
     two_sockets,
     {"0-15"},
     8,
     8,
     .cores = 8,
     .layout = "8x1",
     .bound = "0,8 1,9 2,10 3,11 4,12 5,13 6,14 7,15"},
    {"one hardware thread of each core",
     two_sockets,
     {"0-7"},
     4,
     4,
     .cores = 8,
     .layout = "4x2",
     .bound = "0-1 2-3 4-5 6-7"},
    {"a rank a hardware thread",
     two_sockets,
     {"0-15"},
     16,
     8,
     .cores = 8,
     .layout = "8x1",
     .bound = "0,8 1,9 2,10 3,11 4,12 5,13 6,14 7,15"},
    {"a rank a hardware thread, and all asked",
     two_sockets,
     {"0-15"},
     16,
     8,
     .asked = {16, 1, 1},
     .cores = 8,
     .layout = "16x1",
     .bound = "shared",
     .findings = {"layout 16x1 wants 16 cores, there are 8 (16 hardware threads share them)"}},
    {"mpirun --bind-to hwthread",
     two_sockets,
     {"0", "8"},
     2,
     8,
     .cores = 1,
     .layout = "1x1",
     .bound = "0",
     .findings = {"all 2 ranks were started on one core of the 8 that the launcher has"}},
    {"mpirun --bind-to socket",
     two_sockets,
     {"0-3,8-11", "4-7,12-15"},
     2,
     8,
     .cores = 8,
     .layout = "2x4",
     .bound = "0-3,8-11 4-7,12-15"},
    {"mpirun --bind-to socket, by turns",
     two_sockets,
     {"0-3,8-11", "4-7,12-15", "0-3,8-11", "4-7,12-15"},
     4,
     8,
     .cores = 8,
     .layout = "4x2",
     .bound = "0-1,8-9 2-3,10-11 4-5,12-13 6-7,14-15",
     .findings = {"+ranks were started on overlapping sets of cores"}},
    {"mpirun --bind-to core, more asked",
     two_sockets,
     {"0,8", "1,9", "2,10", "3,11"},
     4,
     8,
     .asked = {2, 2, 2},
     .cores = 4,
     .layout = "2x2",
     .bound = "0-1,8-9 2-3,10-11",
     .findings = {"+2 ranks were started on fewer cores (1) than the layout gives a rank: now each has 2"}},
    {"one rank bound to a core, four asked",
     two_sockets,
     {"3,11"},
     1,
     8,
     .asked = {1, 4, 4},
     .cores = 1,
     .layout = "1x4",
     .bound = "shared",
     .findings = {"layout 1x4 wants 4 cores, there is 1 ",
                  "the rank was started on one core of the 8 that the launcher"}},
    {"all ranks on one core",
     two_sockets,
     {"5,13"},
     4,
     8,
     .cores = 1,
     .layout = "1x1",
     .bound = "5,13",
     .findings = {"all 4 ranks were started on one core of the 8 that the launcher has"}},
    // ---- holes ----
    {"holes", two_sockets, {"0,2,5,8,13"}, 1, .cores = 3, .layout = "1x3", .bound = "0,2,5,8,13"},
    {"holes, a rank a core", two_sockets, {"0,2,5,8,13"}, 3, .cores = 3, .layout = "3x1", .bound = "0,8 2 5,13"},
    {"holes, too many asked",
     two_sockets,
     {"0,2,5,8,13"},
     1,
     .asked = {1, 5, 1},
     .cores = 3,
     .layout = "1x5",
     .bound = "shared",
     .findings = {"layout 1x5 wants 5 cores, there are 3 (5 hardware threads share them)"}},
    {"a cpuset of a container",
     four_numa,
     {"4-5"},
     1,
     .asked = {1, 4, 1},
     .cores = 2,
     .layout = "1x4",
     .bound = "shared",
     .findings = {"layout 1x4 wants 4 cores, there are 2 (of the machine's 12, by the affinity of these processes)"}},
    // ---- NUMA ----
    {"a rank a NUMA node", four_numa, {"0-11"}, 4, 12, .cores = 12, .layout = "4x3", .bound = "0-2 3-5 6-8 9-11"},
    {"fewer threads than a NUMA node has",
     four_numa,
     {"0-11"},
     4,
     12,
     .asked = {4, 2, 1},
     .cores = 12,
     .layout = "4x2",
     .bound = "0-1 3-4 6-7 9-10"},
    {"a rank a socket",
     four_numa,
     {"0-11"},
     2,
     12,
     .asked = {2, 5, 5},
     .cores = 12,
     .layout = "2x5",
     .bound = "0-4 6-10"},
    {"wider than a socket", four_numa, {"0-11"}, 1, 12, .cores = 12, .layout = "1x12", .bound = "0-11"},
    // ---- quotas ----
    {"quota",
     two_sockets,
     {"0-15"},
     1,
     .quota = 2.5,
     .cores = 2,
     .layout = "1x2",
     .bound = "shared",
     .findings = {"+the cgroup's CPU quota is 2.5 of 8 cores: Sheaf uses 2"}},
    {"quota of all", two_sockets, {"0-15"}, 1, .quota = 8, .cores = 8, .layout = "1x8", .bound = "0-15"},
    {"quota of hardware threads", two_sockets, {"0-15"}, 1, .quota = 16, .cores = 8, .layout = "1x8", .bound = "0-15"},
    {"quota, more ranks",
     two_sockets,
     {"0-15"},
     4,
     8,
     .quota = 2,
     .cores = 2,
     .layout = "2x1",
     .bound = "shared",
     .findings = {"+the cgroup's CPU quota is 2 of 8 cores: Sheaf uses 2"}},
    {"quota, more asked",
     two_sockets,
     {"0-15"},
     4,
     8,
     .quota = 2,
     .asked = {4, 1, 1},
     .cores = 2,
     .layout = "4x1",
     .bound = "shared",
     .findings = {"layout 4x1 wants 4 cores, there are 2 (the cgroup's CPU quota is 2)"}},
    {"quota below a core",
     two_cores,
     {"0-1"},
     1,
     .quota = 0.5,
     .cores = 1,
     .layout = "1x1",
     .bound = "shared",
     .findings = {"the cgroup's CPU quota is 0.5 of a core"}},
    {"quota, taskset to less", two_sockets, {"0,8"}, 1, .quota = 4, .cores = 1, .layout = "1x1", .bound = "0,8"},
    // ---- Slurm ----
    {"srun, four tasks of three CPUs",
     four_numa,
     {"0-2", "3-5", "6-8", "9-11"},
     4,
     .slurm = {12, 4, 3},
     .cores = 12,
     .layout = "4x3",
     .bound = "0-2 3-5 6-8 9-11"},
    {"srun without --cpus-per-task",
     four_numa,
     {"0", "3", "6", "9"},
     4,
     .slurm = {4, 4, 3},
     .cores = 4,
     .layout = "4x1",
     .bound = "0 3 6 9",
     .findings = {"the ranks were started on 4 cores, Slurm granted 12 CPUs here: to use all, srun --cpus-per-task=3"}},
    {"Slurm that confines nobody",
     four_numa,
     {"0-11"},
     2,
     .slurm = {4, 2, 2},
     .cores = 4,
     .layout = "2x2",
     .bound = "shared",
     .findings = {"+Slurm granted 4 CPUs and does not confine the job to any of these 12 cores"}},
    {"Slurm counts hardware threads",
     two_sockets,
     {"0-15"},
     8,
     .slurm = {16, 8, 2},
     .cores = 8,
     .layout = "8x1",
     .bound = "0,8 1,9 2,10 3,11 4,12 5,13 6,14 7,15"},
    // ---- several jobs ----
    {"another job, room for both",
     four_numa,
     {"0-11"},
     1,
     12,
     .other_threads = 4,
     .other_cores = 12,
     .asked = {1, 8, 1},
     .cores = 12,
     .layout = "1x8",
     .bound = "0-7"},
    {"another job, no room",
     four_numa,
     {"0-11"},
     1,
     12,
     .other_threads = 5,
     .other_cores = 12,
     .asked = {1, 8, 1},
     .cores = 12,
     .layout = "1x8",
     .bound = "0-7",
     .findings = {"5 threads of other programs"}},
    {"two jobs parted by cpusets", four_numa, {"0-5"}, 6, 6, .cores = 6, .layout = "6x1", .bound = "0 1 2 3 4 5"},
};

static hwloc_bitmap_t
make_mask(const char *text)
{
    hwloc_bitmap_t mask = hwloc_bitmap_alloc();
    assert_int_equal(hwloc_bitmap_list_sscanf(mask, text), 0);
    return mask;
}

static hwloc_topology_t
make_topology(const char *text)
{
    hwloc_topology_t topology;
    assert_int_equal(hwloc_topology_init(&topology), 0);
    assert_int_equal(hwloc_topology_set_synthetic(topology, text), 0);
    assert_int_equal(hwloc_topology_load(topology), 0);
    return topology;
}

/* A start: the ranks' masks, and what was found out about it. */
struct start {
    hwloc_topology_t topology;
    hwloc_bitmap_t masks[RANKS_MOST], cores[CORES_MOST];
    struct audit_facts facts;
    struct audit_findings findings;
    bool shares;
};

/* Settle the layout, bind and judge, in the order of a real start. @param[in] asked  ranks 0: nobody asked */
static void
carry_on(struct start *start, struct layout asked)
{
    struct audit_facts *facts = &start->facts;
    struct layout layout = asked;
    struct sheaf_error error;
    const struct layout_facts known = {.present = facts->ranks,
                                       .cores = audit_cores(facts),
                                       .tasks = 1 << 20,
                                       .nodes = 1,
                                       .wide = true,
                                       .widest = 128,
                                       .room = 1 << 20};
    facts->layout_asked = asked.ranks > 0;
    if (facts->layout_asked)
        assert_int_equal(layout_settle(&known, &layout, &error), SHEAF_OK);
    else
        assert_int_equal(layout_choose(&known, &layout), LAYOUT_FILLS);
    facts->blas_threading = BLAS_PTHREADS;
    facts->blas_greatest = 128;
    facts->blas_width = layout.width;
    survey_layout(start->topology, start->masks, facts->ranks, &layout, facts);
    audit_find(facts, &start->findings);
    start->shares = survey_shares_cores(facts, &layout);
    int count = start->shares ? 0 : layout.ranks * layout.threads;
    assert_true(count <= CORES_MOST);
    for (int i = 0; i < count; i++)
        start->cores[i] = hwloc_bitmap_alloc();
    hwloc_bitmap_t all = hwloc_bitmap_alloc(), none = hwloc_bitmap_alloc();
    const struct masks_offer offer = {all, none, none};
    for (int rank = 0; rank < facts->ranks; rank++)
        hwloc_bitmap_or(all, all, start->masks[rank]);
    if (count > 0)
        masks_part_cores(start->topology, start->masks, &offer, layout.ranks, layout.threads, start->cores);
    hwloc_bitmap_free(all);
    hwloc_bitmap_free(none);
}

static void
end(struct start *start)
{
    const struct layout *layout = &start->facts.layout;
    for (int i = 0; !start->shares && i < layout->ranks * layout->threads; i++)
        hwloc_bitmap_free(start->cores[i]);
    for (int rank = 0; rank < start->facts.ranks; rank++)
        hwloc_bitmap_free(start->masks[rank]);
    hwloc_topology_destroy(start->topology);
}

/* CPUs of each rank that computes: "0-1 2-3". */
static void
format_bound(const struct start *start, char *text, size_t bytes)
{
    const struct layout *layout = &start->facts.layout;
    snprintf(text, bytes, "%s", start->shares ? "shared" : "");
    for (int rank = 0; !start->shares && rank < layout->ranks; rank++) {
        hwloc_bitmap_t cpus = hwloc_bitmap_alloc();
        char list[64];
        for (int i = 0; i < layout->threads; i++)
            hwloc_bitmap_or(cpus, cpus, start->cores[rank * layout->threads + i]);
        hwloc_bitmap_list_snprintf(list, sizeof list, cpus);
        hwloc_bitmap_free(cpus);
        size_t used = strlen(text);
        snprintf(text + used, bytes - used, "%s%s", rank ? " " : "", list);
    }
}

static void
expect_findings(const struct situation *situation, const struct audit_findings *findings)
{
    int expected = 0;
    while (expected < 3 && situation->findings[expected])
        expected++;
    for (int i = 0; i < findings->count; i++) {
        const char *part = i < expected ? situation->findings[i] : "nothing";
        bool mended = part[0] == '+';
        if (!strstr(findings->all[i].text, part + mended) || findings->all[i].mended != mended)
            fail_msg("%s: expected \"%s\", found \"%s\"", situation->name, part, findings->all[i].text);
    }
    if (findings->count < expected)
        fail_msg("%s: \"%s\" was not found", situation->name, situation->findings[findings->count]);
}

static void
expect_situation(const struct situation *situation)
{
    struct start start = {.topology = make_topology(situation->machine)};
    int given = 0;
    while (given < MASKS && situation->masks[given])
        given++;
    for (int rank = 0; rank < situation->ranks; rank++)
        start.masks[rank] = make_mask(situation->masks[rank < given ? rank : given - 1]);
    survey_node(start.topology, start.masks, situation->ranks, &start.facts);
    start.facts.launcher_cores = situation->launcher_cores;
    start.facts.quota = situation->quota;
    start.facts.slurm = situation->slurm;
    start.facts.other_threads = situation->other_threads;
    start.facts.other_cores = situation->other_cores;
    carry_on(&start, situation->asked);

    char bound[512], layout[32];
    format_bound(&start, bound, sizeof bound);
    snprintf(layout, sizeof layout, "%dx%d", start.facts.layout.ranks, start.facts.layout.threads);
    if (audit_cores(&start.facts) != situation->cores)
        fail_msg("%s: expected %d cores, found %d", situation->name, situation->cores, audit_cores(&start.facts));
    if (strcmp(layout, situation->layout) != 0)
        fail_msg("%s: expected layout %s, found %s", situation->name, situation->layout, layout);
    if (strcmp(bound, situation->bound) != 0)
        fail_msg("%s: expected the ranks on CPUs %s, found %s", situation->name, situation->bound, bound);
    expect_findings(situation, &start.findings);
    end(&start);
}

static void
each_situation_is_judged_right(void **state)
{
    (void)state;
    for (size_t i = 0; i < sizeof situations / sizeof situations[0]; i++)
        expect_situation(&situations[i]);
}

/* However a launcher parts a machine well, nothing is found, and nobody shares a core. */
enum launch { UNBOUND, BOUND_TO_CORES, LAUNCHES };

static void
expect_well(const char *machine, enum launch launch, int ranks, int threads)
{
    struct start start = {.topology = make_topology(machine)};
    hwloc_const_bitmap_t whole = hwloc_topology_get_complete_cpuset(start.topology);
    int cores = masks_count_cores(start.topology, whole);
    for (int rank = 0; rank < ranks; rank++) {
        start.masks[rank] = hwloc_bitmap_dup(whole);
        if (launch == BOUND_TO_CORES)
            masks_select_cores(start.topology, whole, rank * threads, threads, start.masks[rank]);
    }
    survey_node(start.topology, start.masks, ranks, &start.facts);
    start.facts.launcher_cores = ranks * threads == cores || launch == UNBOUND ? cores : 0;
    carry_on(&start, (struct layout){ranks, threads, 0});
    if (start.findings.count > 0)
        fail_msg("%s, %dx%d: found %s", machine, ranks, threads, start.findings.all[0].text);
    hwloc_bitmap_t used = hwloc_bitmap_alloc();
    for (int i = 0; i < ranks * threads; i++) {
        assert_int_equal(masks_count_cores(start.topology, start.cores[i]), 1);
        assert_false(hwloc_bitmap_intersects(used, start.cores[i]));
        hwloc_bitmap_or(used, used, start.cores[i]);
    }
    assert_int_equal(masks_count_cores(start.topology, used), ranks * threads);
    hwloc_bitmap_free(used);
    end(&start);
}

static void
what_is_well_is_let_be(void **state)
{
    static const char *const machines[] = {two_cores, cores_unknown, two_sockets, four_numa, large};
    static const int cores[] = {2, 4, 8, 12, 128};
    (void)state;
    for (int machine = 0; machine < 5; machine++)
        for (int ranks = 1; ranks <= cores[machine]; ranks += cores[machine] > 12 ? 9 : 1)
            for (int threads = 1; ranks * threads <= cores[machine]; threads += cores[machine] > 12 ? 7 : 1)
                for (int launch = 0; launch < LAUNCHES; launch++)
                    expect_well(machines[machine], (enum launch)launch, ranks, threads);
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(each_situation_is_judged_right),
        cmocka_unit_test(what_is_well_is_let_be),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
