#include "app_test.h"
#include "audit.h"

#include <string.h>

/* Nodes of other people, made up; each test changes what it is about. Launched as they should be: nothing to be found. */

static const struct audit_facts two_cores = {.machine_cores = 2,
                                             .machine_cpus = 2,
                                             .packages = 1,
                                             .numa_nodes = 1,
                                             .cores = 2,
                                             .cpus = 2,
                                             .launcher_cores = 2,
                                             .ranks = 2,
                                             .layout = {2, 1, 1},
                                             .blas_threading = BLAS_PTHREADS,
                                             .blas_greatest = 64,
                                             .blas_width = 1,
                                             .other_cores = 2};

/* Two sockets of 32 cores, each with two hardware threads; a rank a core. */
static const struct audit_facts two_sockets = {.machine_cores = 64,
                                               .machine_cpus = 128,
                                               .packages = 2,
                                               .numa_nodes = 2,
                                               .cores = 64,
                                               .cpus = 128,
                                               .launcher_cores = 64,
                                               .ranks = 64,
                                               .layout = {64, 1, 1},
                                               .blas_threading = BLAS_PTHREADS,
                                               .blas_greatest = 128,
                                               .blas_width = 1,
                                               .other_cores = 64};

/* Four tasks of eight CPUs in a Slurm job, on 32 of a node's 64 cores without SMT. */
static const struct audit_facts slurm_job = {.machine_cores = 64,
                                             .machine_cpus = 64,
                                             .packages = 2,
                                             .numa_nodes = 8,
                                             .cores = 32,
                                             .cpus = 32,
                                             .slurm = {.cpus = 32, .tasks = 4, .cpus_per_task = 8},
                                             .ranks = 4,
                                             .layout = {4, 8, 1},
                                             .blas_threading = BLAS_PTHREADS,
                                             .blas_greatest = 64,
                                             .blas_width = 1,
                                             .other_cores = 32};

static const struct audit_facts *const nodes[] = {&two_cores, &two_sockets, &slurm_job};
enum { NODES = sizeof nodes / sizeof nodes[0] };

static void
expect_nothing(const struct audit_facts *facts)
{
    struct audit_findings findings;
    audit_find(facts, &findings);
    if (findings.count > 0)
        fail_msg("found: %s", findings.all[0].text);
}

/* @param[in] texts  a part of each finding, in their order; ends with NULL. "+" before it: mended */
static void
expect(const struct audit_facts *facts, const char *const *texts)
{
    struct audit_findings findings;
    int warnings = 0;
    audit_find(facts, &findings);
    for (int i = 0; i < findings.count; i++) {
        if (!texts[i]) {
            fail_msg("found too: %s", findings.all[i].text);
            return; // fail_msg does so itself, unknown to analysers
        }
        bool mended = texts[i][0] == '+';
        if (!strstr(findings.all[i].text, texts[i] + mended))
            fail_msg("expected \"%s\", found \"%s\"", texts[i] + mended, findings.all[i].text);
        if (findings.all[i].mended != mended)
            fail_msg("%s mended: %s", mended ? "not" : "it is not", findings.all[i].text);
        if (strlen(findings.all[i].text) == AUDIT_TEXT_BYTES - 1)
            fail_msg("cut off: %s", findings.all[i].text);
        warnings += !mended;
    }
    if (texts[findings.count])
        fail_msg("not found: %s", texts[findings.count]);
    assert_int_equal(audit_count_warnings(&findings), warnings);
}

#define EXPECT(facts, ...) expect((facts), (const char *const[]){__VA_ARGS__, NULL})

static void
nothing_is_found_where_nothing_is_wrong(void **state)
{
    static const struct layout layouts[][5] = {
        {{1, 1, 1}, {1, 2, 1}, {1, 2, 2}, {2, 1, 1}, {2, 1, 1}},
        {{64, 1, 1}, {1, 64, 1}, {1, 64, 64}, {2, 32, 32}, {5, 3, 1}},
        {{4, 8, 1}, {4, 8, 8}, {1, 32, 1}, {1, 1, 1}, {3, 10, 1}},
    };
    (void)state;
    for (int node = 0; node < NODES; node++)
        for (int i = 0; i < 5; i++)
            for (int asked = 0; asked < 2; asked++) {
                struct audit_facts facts = *nodes[node];
                facts.layout = layouts[node][i];
                facts.layout_asked = asked;
                facts.blas_width = facts.layout.width;
                expect_nothing(&facts);
            }
}

static void
too_many_threads(void **state)
{
    struct audit_facts facts = two_cores;
    (void)state;
    facts.layout = (struct layout){1, 3, 1};
    EXPECT(&facts,
           "layout 1x3 wants 3 cores, there are 2: its ranks share them all, and are slower than with --layout 1x2");
    facts.layout = (struct layout){4, 1, 1};
    EXPECT(&facts,
           "layout 4x1 wants 4 cores, there are 2: its ranks share them all, and are slower than with --layout 2x1");
    facts = two_sockets;
    facts.layout = (struct layout){6, 20, 20};
    EXPECT(&facts, "layout 6x20 wants 120 cores, there are 64 (128 hardware threads share them)");
    facts.layout_asked = true;
    EXPECT(&facts, "slower than with --layout 6x10");
}

/* Nobody is blamed where there never was more: a machine of one core, or `taskset -c 0 mpirun -n 4`. */
static void
one_core_for_all(void **state)
{
    struct audit_facts facts = two_cores;
    (void)state;
    facts.ranks = 4;
    facts.layout = (struct layout){4, 1, 1};
    facts.cores = facts.cpus = 1;
    facts.launcher_cores = 1;
    EXPECT(&facts, "layout 4x1 wants 4 cores, there is 1 (of the machine's 2, by the affinity of these processes)");
    facts.launcher_cores = 2;
    EXPECT(&facts, "layout 4x1 wants 4 cores, there is 1",
           "all 4 ranks were started on one core of the 2 that the launcher has: to use all, start unbound (mpirun "
           "--bind-to "
           "none)");
    facts.machine_cores = facts.machine_cpus = facts.launcher_cores = 1;
    EXPECT(&facts,
           "layout 4x1 wants 4 cores, there is 1: its ranks share them all, and are slower than with --layout 1x1");
}

/* mpirun binds one or two ranks to a core each, where nobody told it not to. */
static void
bound_by_the_launcher(void **state)
{
    struct audit_facts facts = two_sockets;
    (void)state;
    facts.ranks = 1;
    facts.cores = 1;
    facts.cpus = 2;
    facts.layout = (struct layout){1, 1, 1};
    EXPECT(&facts, "the rank was started on one core of the 64 that the launcher has");
    facts.layout_asked = true;
    expect_nothing(&facts);
    facts.layout.threads = 4;
    facts.narrow_ranks = 1;
    facts.narrow_cores = 1;
    EXPECT(&facts, "layout 1x4 wants 4 cores, there is 1 (2 hardware threads share them)",
           "the rank was started on one core of the 64 that the launcher has");

    facts = two_sockets;
    facts.ranks = 2;
    facts.cores = 2;
    facts.cpus = 4;
    facts.layout = (struct layout){2, 1, 1};
    EXPECT(&facts, "the ranks were started on 2 cores of the 64 that the launcher has");
    facts.launcher_cores = 0; // nobody knows
    expect_nothing(&facts);
}

static void
ranks_are_bound_anew(void **state)
{
    struct audit_facts facts = two_sockets;
    (void)state;
    facts.layout = (struct layout){1, 4, 4};
    facts.layout_asked = true;
    facts.narrow_ranks = 1;
    facts.narrow_cores = 1;
    EXPECT(&facts, "+1 rank was started on fewer cores (1) than the layout gives a rank: now each has 4");
    facts.layout = (struct layout){16, 4, 4};
    facts.narrow_ranks = 16;
    facts.overlapping_ranks = 3;
    EXPECT(&facts, "+16 ranks were started on fewer cores (1)", "+overlapping sets of cores");
    facts.layout = (struct layout){17, 4, 4};
    EXPECT(&facts, "layout 17x4 wants 68 cores, there are 64");
}

static void
quotas(void **state)
{
    struct audit_facts facts = two_sockets;
    (void)state;
    facts.quota = 1.5;
    assert_int_equal(audit_cores(&facts), 1);
    EXPECT(&facts, "layout 64x1 wants 64 cores, there is 1 (the cgroup's CPU quota is 1.5)");
    facts.layout = (struct layout){1, 1, 1};
    EXPECT(&facts, "+the cgroup's CPU quota is 1.5 of 64 cores: Sheaf uses 1");
    facts.layout_asked = true;
    expect_nothing(&facts);
    facts.quota = 0.5;
    assert_int_equal(audit_cores(&facts), 1);
    EXPECT(&facts, "the cgroup's CPU quota is 0.5 of a core");
    facts.quota = 64;
    assert_int_equal(audit_cores(&facts), 64);
    expect_nothing(&facts);
    facts = two_cores;
    facts.quota = 3;
    expect_nothing(&facts);
    /* Of two cores a quota of one and a half is what counts, whatever the launcher has. */
    facts.launcher_cores = 64;
    facts.quota = 1.5;
    facts.layout = (struct layout){1, 1, 1};
    EXPECT(&facts, "+the cgroup's CPU quota is 1.5 of 2 cores");
}

static void
slurm(void **state)
{
    struct audit_facts facts = slurm_job;
    (void)state;
    facts.cores = facts.cpus = 1;
    EXPECT(&facts, "layout 4x8 wants 32 cores, there is 1 (of the machine's 64",
           "all 4 ranks were started on one core, Slurm granted 32 CPUs here: to use all, srun --cpus-per-task=8");
    /* srun without --cpus-per-task: a step of four CPUs, of a job of 32 */
    facts.cores = facts.cpus = 4;
    facts.slurm.cpus = 4;
    facts.layout = (struct layout){4, 1, 1};
    EXPECT(&facts, "the ranks were started on 4 cores, Slurm granted 32 CPUs here: to use all, srun --cpus-per-task=8");
    facts.layout_asked = true;
    expect_nothing(&facts);
    /* mpirun that binds, in a job */
    facts = slurm_job;
    facts.cores = facts.cpus = 4;
    facts.launcher_cores = 32;
    facts.layout = (struct layout){4, 1, 1};
    EXPECT(&facts, "the ranks were started on 4 cores of the 32 that the launcher has");
    /* Slurm counts hardware threads; both of a core are used where one is. */
    facts = two_sockets;
    facts.slurm = (struct audit_slurm){.cpus = 128, .tasks = 64, .cpus_per_task = 2};
    facts.cpus = 64;
    expect_nothing(&facts);
    /* More ranks than Slurm's tasks, by mpirun --oversubscribe */
    facts = slurm_job;
    facts.ranks = 32;
    facts.layout = (struct layout){32, 1, 1};
    expect_nothing(&facts);
}

static void
a_grant_that_confines_nobody(void **state)
{
    struct audit_facts facts = slurm_job;
    (void)state;
    facts.cores = facts.cpus = 64;
    assert_int_equal(audit_cores(&facts), 32);
    assert_true(audit_is_unconfined(&facts));
    EXPECT(&facts, "+Slurm granted 32 CPUs and does not confine the job to any of these 64 cores: Sheaf uses 32");
    facts.layout = (struct layout){4, 16, 1};
    EXPECT(&facts, "layout 4x16 wants 64 cores, there are 32 (as Slurm granted)");
    assert_false(audit_is_unconfined(&slurm_job));
    assert_false(audit_is_unconfined(&two_cores));
}

static void
blas_that_is_held_back(void **state)
{
    struct audit_facts facts = two_sockets;
    (void)state;
    facts.layout = (struct layout){1, 64, 64};
    facts.blas_width = 64;
    facts.blas_greatest = 32;
    EXPECT(&facts, "64 BLAS threads are wanted on a task, this BLAS was built for 32 (its MAX_THREADS)");
    facts.blas_threading = BLAS_SEQUENTIAL;
    facts.blas_greatest = 1;
    EXPECT(&facts, "this BLAS has none: install a threaded one (libopenblas0-pthread), or --layout 1x64:1");
    facts.blas_width = 1;
    expect_nothing(&facts);

    facts = two_cores;
    facts.layout = (struct layout){1, 2, 2};
    facts.blas_width = 2;
    facts.blas_limit = 1;
    expect_nothing(&facts); // only OpenMP reads it
    facts.blas_threading = BLAS_OPENMP;
    facts.blas_greatest = 1; // thereby
    EXPECT(&facts, "OMP_THREAD_LIMIT=1 holds them back: unset it");
    facts.blas_limit = 0;
    EXPECT(&facts, "under OMP_DYNAMIC=true there may be fewer: unset it");
    facts.blas_limit = facts.blas_greatest = 2;
    expect_nothing(&facts);

    strcpy(facts.blas_variable, "OMP_NUM_THREADS");
    facts.blas_variable_threads = 1;
    EXPECT(&facts, "+OMP_NUM_THREADS=1 is overruled: the layout gives BLAS 2 threads on a task");
    facts.blas_variable_threads = 2;
    expect_nothing(&facts);
    facts.blas_variable_threads = 1;
    facts.blas_width = 1;
    expect_nothing(&facts);
}

static void
other_programs(void **state)
{
    struct audit_facts facts = two_cores;
    (void)state;
    facts.other_threads = 1;
    facts.other_process = 4711;
    strcpy(facts.other_program, "sheaf");
    EXPECT(&facts, "1 thread of other programs (sheaf, process 4711) computes on these 2 cores");
    facts.other_threads = 3;
    EXPECT(&facts, "3 threads of other programs (sheaf, process 4711, ...) compute on these 2 cores");
    facts.layout = (struct layout){1, 1, 1};
    facts.other_threads = 1;
    expect_nothing(&facts); // there is room for both
    facts.other_threads = 2;
    EXPECT(&facts, "2 threads of other programs");
    facts.other_cores = 64; // that it may also use
    expect_nothing(&facts);
    facts.other_cores = 1;
    EXPECT(&facts, "compute on this core: both will be slower");
}

static void
all_at_once_fit(void **state)
{
    struct audit_facts facts = slurm_job;
    struct audit_findings findings;
    (void)state;
    facts.machine_cores = facts.machine_cpus = 8192;
    facts.cores = facts.cpus = 1;
    facts.slurm = (struct audit_slurm){.cpus = 8192, .tasks = 8192, .cpus_per_task = 8192};
    facts.ranks = 8192;
    facts.layout = (struct layout){8192, 8192, 8192};
    facts.blas_width = 8192;
    facts.blas_greatest = 128;
    facts.other_threads = 123456;
    facts.other_process = INT64_MAX;
    memset(facts.other_program, 'x', sizeof facts.other_program - 1);
    audit_find(&facts, &findings);
    assert_int_equal(audit_count_warnings(&findings), 4);
    for (int i = 0; i < findings.count; i++)
        assert_true(strlen(findings.all[i].text) < AUDIT_TEXT_BYTES - 1);
}

static void
slurms_lists_are_parsed(void **state)
{
    static const struct {
        const char *text;
        int number;
    } lists[] = {{"4", 4}, {"4(x2)", 4}, {"32(x1000)", 32}, {NULL, 0},      {"", 0},
                 {"x", 0}, {"4,3", 0},   {"4(x", 0},        {"4(x2),3", 0}, {"4(x2)!", 0},
                 {"0", 0}, {"-4", 0},    {"65536", 65536},  {"65537", 0},   {"99999999999999999999", 0}};
    (void)state;
    for (size_t i = 0; i < sizeof lists / sizeof lists[0]; i++)
        assert_int_equal(audit_parse_slurm(lists[i].text), lists[i].number);
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(nothing_is_found_where_nothing_is_wrong),
        cmocka_unit_test(too_many_threads),
        cmocka_unit_test(one_core_for_all),
        cmocka_unit_test(bound_by_the_launcher),
        cmocka_unit_test(ranks_are_bound_anew),
        cmocka_unit_test(quotas),
        cmocka_unit_test(slurm),
        cmocka_unit_test(a_grant_that_confines_nobody),
        cmocka_unit_test(blas_that_is_held_back),
        cmocka_unit_test(other_programs),
        cmocka_unit_test(all_at_once_fit),
        cmocka_unit_test(slurms_lists_are_parsed),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
