#include "app_test.h"
#include "masks.h"

/* Topologies that hwloc makes of a line of text. */

static hwloc_topology_t
make_topology(const char *text)
{
    hwloc_topology_t topology;
    assert_int_equal(hwloc_topology_init(&topology), 0);
    assert_int_equal(hwloc_topology_set_synthetic(topology, text), 0);
    assert_int_equal(hwloc_topology_load(topology), 0);
    return topology;
}

static hwloc_bitmap_t
make_mask(const char *text)
{
    hwloc_bitmap_t mask = hwloc_bitmap_alloc();
    assert_int_equal(hwloc_bitmap_list_sscanf(mask, text), 0);
    return mask;
}

static void
expect_cores(hwloc_topology_t topology, const char *text, int cores)
{
    hwloc_bitmap_t mask = make_mask(text);
    int found = masks_count_cores(topology, mask);
    if (found != cores)
        fail_msg("CPU %s: expected %d cores, found %d", text, cores, found);
    hwloc_bitmap_free(mask);
}

static void
expect_selected(hwloc_topology_t topology, const char *offered_text, int first, int count, const char *expected)
{
    char text[128];
    hwloc_bitmap_t offered = make_mask(offered_text), cpus = hwloc_bitmap_alloc();
    masks_select_cores(topology, offered, first, count, cpus);
    hwloc_bitmap_list_snprintf(text, sizeof text, cpus);
    assert_string_equal(text, expected);
    hwloc_bitmap_free(offered);
    hwloc_bitmap_free(cpus);
}

/* Two packages of four cores of two hardware threads, which are numbered beside each other. */
static const char smt_node[] = "pack:2 core:4 pu:2";
/* The same, numbered as Linux does it: the second hardware threads of all cores behind the first ones. */
static const char linux_smt_node[] = "pack:2 core:4 pu:2(indexes=0,8,1,9,2,10,3,11,4,12,5,13,6,14,7,15)";

static void
siblings_are_one_core(void **state)
{
    hwloc_topology_t topology = make_topology(smt_node);
    (void)state;
    expect_cores(topology, "0-15", 8);
    expect_cores(topology, "0", 1);
    expect_cores(topology, "0-1", 1);
    expect_cores(topology, "1-2", 2);
    expect_cores(topology, "0,2,4,6,8,10,12,14", 8);
    expect_cores(topology, "3,12-13", 2);
    hwloc_topology_destroy(topology);
    topology = make_topology(linux_smt_node);
    expect_cores(topology, "0,8", 1);
    expect_cores(topology, "0-7", 8);
    expect_cores(topology, "6-9", 4);
    hwloc_topology_destroy(topology);
}

static void
machines_that_tell_no_cores_have_cpus(void **state)
{
    hwloc_topology_t topology = make_topology("pu:4");
    (void)state;
    expect_cores(topology, "0-3", 4);
    expect_cores(topology, "1,3", 2);
    expect_selected(topology, "1-3", 1, 2, "2-3");
    hwloc_topology_destroy(topology);
}

static void
selected_cores_are_whole_disjoint_and_offered(void **state)
{
    hwloc_topology_t topology = make_topology(linux_smt_node);
    (void)state;
    expect_selected(topology, "0-15", 0, 1, "0,8");
    expect_selected(topology, "0-15", 2, 2, "2-3,10-11");
    expect_selected(topology, "0-15", 4, 4, "4-7,12-15");
    expect_selected(topology, "0-7", 4, 4, "4-7");
    /* holes */
    expect_selected(topology, "0,2,5,8,13", 0, 1, "0,8");
    expect_selected(topology, "0,2,5,8,13", 1, 1, "2");
    expect_selected(topology, "0,2,5,8,13", 2, 1, "5,13");
    expect_selected(topology, "0,2,5,8,13", 3, 1, "");
    hwloc_topology_destroy(topology);
}

#define MASKS(...) ((const char *const[]){__VA_ARGS__, NULL})

/* @param[in] texts  of the ranks' masks, ends with NULL */
static void
expect_compared(const char *const *texts, int threads, struct masks_comparison expected)
{
    hwloc_topology_t topology = make_topology(smt_node);
    hwloc_bitmap_t masks[8];
    int ranks = 0;
    struct masks_comparison found;
    for (; texts[ranks]; ranks++)
        masks[ranks] = make_mask(texts[ranks]);
    masks_compare(topology, masks, ranks, threads, &found);
    assert_int_equal(found.narrow, expected.narrow);
    assert_int_equal(found.narrow_cores, expected.narrow_cores);
    assert_int_equal(found.overlapping, expected.overlapping);
    assert_int_equal(found.disjoint, expected.disjoint);
    for (int rank = 0; rank < ranks; rank++)
        hwloc_bitmap_free(masks[rank]);
    hwloc_topology_destroy(topology);
}

static void
masks_are_compared(void **state)
{
    const struct masks_comparison nothing = {0, 0, 0, true};
    const struct masks_comparison shared = {0, 0, 0, false};
    (void)state;
    expect_compared(MASKS("0-15"), 8, nothing);
    expect_compared(MASKS("0-1", "2-3", "4-5"), 1, nothing);
    expect_compared(MASKS("0-15", "0-15", "0-15"), 2, shared); // nobody bound anything
    expect_compared(MASKS("0-1", "2-3"), 4, (struct masks_comparison){2, 1, 0, true});
    expect_compared(MASKS("0-7", "8-11"), 4, (struct masks_comparison){1, 2, 0, true});
    expect_compared(MASKS("0-7", "8-15", "0-7", "8-15"), 2, (struct masks_comparison){0, 0, 2, false});
    expect_compared(MASKS("0-7", "6-15"), 2, (struct masks_comparison){0, 0, 1, false});
    expect_compared(MASKS("0", "1"), 1, shared); // siblings: two CPUs, and one core
}

/*
 * @param[in] texts     of the ranks' masks, ends with NULL; further ranks that compute have the last one's
 * @param[in] others    CPUs of cores that are taken; behind a "/" of those that are crowded, if these are others
 * @param[in] expected  CPUs of each core that a layout of these ranks and threads numbers, ends with NULL
 */
static void
expect_parted_on(const char *machine, const char *const *texts, const char *others, int ranks, int threads,
                 const char *const *expected)
{
    enum { MOST = 16 };
    hwloc_topology_t topology = make_topology(machine);
    hwloc_bitmap_t masks[MOST], cores[MOST], all = hwloc_bitmap_alloc();
    char taken_text[64];
    snprintf(taken_text, sizeof taken_text, "%.*s", (int)strcspn(others, "/"), others);
    hwloc_bitmap_t taken = make_mask(taken_text);
    hwloc_bitmap_t crowded = make_mask(strchr(others, '/') ? strchr(others, '/') + 1 : others);
    const struct masks_offer offer = {all, taken, crowded};
    int present = 0;
    int given = 0;
    while (texts[given])
        given++;
    for (; present < ranks || present < given; present++) {
        masks[present] = make_mask(texts[present < given ? present : given - 1]);
        hwloc_bitmap_or(all, all, masks[present]);
    }
    for (int i = 0; i < ranks * threads; i++)
        cores[i] = hwloc_bitmap_alloc();
    masks_part_cores(topology, masks, &offer, ranks, threads, cores);
    for (int i = 0; i < ranks * threads; i++) {
        char text[128];
        hwloc_bitmap_list_snprintf(text, sizeof text, cores[i]);
        assert_string_equal(text, expected[i]);
        hwloc_bitmap_free(cores[i]);
    }
    assert_null(expected[ranks * threads]);
    for (int i = 0; i < present; i++)
        hwloc_bitmap_free(masks[i]);
    hwloc_bitmap_free(all);
    hwloc_bitmap_free(taken);
    hwloc_bitmap_free(crowded);
    hwloc_topology_destroy(topology);
}

static void
expect_parted(const char *const *texts, const char *taken, int ranks, int threads, const char *const *expected)
{
    expect_parted_on("core:8 pu:2", texts, taken, ranks, threads, expected);
}

static void
cores_are_parted_among_ranks(void **state)
{
    (void)state;
    /* unbound ranks: neighbours stay together, siblings with their core */
    expect_parted(MASKS("0-15", "0-15"), "", 2, 2, MASKS("0-1", "2-3", "4-5", "6-7"));
    expect_parted(MASKS("0-15", "0-15"), "", 1, 3, MASKS("0-1", "2-3", "4-5"));
    /* parted by the launcher: each stays where it is, in whatever order that is */
    expect_parted(MASKS("8-15", "0-7"), "", 2, 2, MASKS("8-9", "10-11", "0-1", "2-3"));
    expect_parted(MASKS("8-15", "0-7"), "", 1, 2, MASKS("8-9", "10-11"));
    /* not well: too few for one of them, or shared with another */
    expect_parted(MASKS("8-13", "0-1"), "", 2, 2, MASKS("0-1", "8-9", "10-11", "12-13"));
    expect_parted(MASKS("0-7", "6-15"), "", 2, 1, MASKS("0-1", "2-3"));
    /* a rank that does not compute leaves its cores to the others */
    expect_parted(MASKS("0-1", "2-3"), "", 1, 2, MASKS("0-1", "2-3"));
    /* what is taken is left, as long as there is enough; of a core whose sibling is taken nothing is used */
    expect_parted(MASKS("0-15"), "0-1,4-5", 1, 2, MASKS("2-3", "6-7"));
    expect_parted(MASKS("0-15"), "1,4", 1, 2, MASKS("2-3", "6-7"));
    expect_parted(MASKS("0-5", "0-5"), "2-3", 2, 1, MASKS("0-1", "4-5"));
    expect_parted(MASKS("0-5", "0-5", "0-5"), "2-3", 3, 1, MASKS("0-1", "2-3", "4-5"));
    expect_parted(MASKS("0-3", "4-7"), "0-1,4-7", 2, 1, MASKS("2-3", "4-5"));
}

/* Another job that is bound to cores of its own, as this program does. */
static void
other_jobs_keep_their_cores(void **state)
{
    (void)state;
    expect_parted(MASKS("0-15"), "/0-7", 1, 4, MASKS("8-9", "10-11", "12-13", "14-15"));
    expect_parted(MASKS("0-15", "0-15"), "/0-7", 2, 1, MASKS("8-9", "10-11"));
    /* no room beside it: at least not on the core that it cannot leave, and then anywhere */
    expect_parted(MASKS("0-15"), "0-1/0-7", 1, 5, MASKS("2-3", "4-5", "6-7", "8-9", "10-11"));
    expect_parted(MASKS("0-3"), "0-1/0-3", 1, 2, MASKS("0-1", "2-3"));
}

/* Memory is where the thread that touches it first runs: a rank's threads are to be on one NUMA node. */
static void
ranks_are_kept_within_numa_nodes(void **state)
{
    static const char numa[] = "pack:2 numa:2 core:3 pu:1", sockets[] = "pack:2 core:4 pu:2";
    (void)state;
    /* Four nodes of three cores. Two ranks of two: a node each, and they share no package's memory. */
    expect_parted_on(numa, MASKS("0-11"), "", 4, 2, MASKS("0", "1", "3", "4", "6", "7", "9", "10"));
    expect_parted_on(numa, MASKS("0-11"), "", 2, 3, MASKS("0", "1", "2", "3", "4", "5"));
    expect_parted_on(numa, MASKS("0-11"), "", 1, 1, MASKS("0"));
    /* two ranks for some nodes, one for the others; those of a node have numbers beside each other */
    expect_parted_on(numa, MASKS("0-11"), "", 6, 1, MASKS("0", "1", "3", "4", "6", "9"));
    /* too wide for a node: a package each; for a package: as they come */
    expect_parted_on(numa, MASKS("0-11"), "", 2, 5, MASKS("0", "1", "2", "3", "4", "6", "7", "8", "9", "10"));
    expect_parted_on(numa, MASKS("0-11"), "", 1, 8, MASKS("0", "1", "2", "3", "4", "5", "6", "7"));
    /* as many nodes have room as there are ranks, but for one: nobody is kept in */
    expect_parted_on(numa, MASKS("0-8"), "", 4, 2, MASKS("0", "1", "2", "3", "4", "5", "6", "7"));
    /* holes: the first node has one core only, the third two */
    expect_parted_on(numa, MASKS("2-6,8-9"), "", 2, 2, MASKS("3", "4", "6", "8"));
    expect_parted_on(numa, MASKS("2-6,8-9"), "", 1, 3, MASKS("3", "4", "5"));
    /* within the cores that the launcher gave each, and beside what is taken */
    expect_parted_on(numa, MASKS("2-5", "6-11"), "", 2, 2, MASKS("3", "4", "6", "7"));
    expect_parted_on(numa, MASKS("0-11"), "0-1", 1, 2, MASKS("3", "4"));
    /* siblings go with their core */
    expect_parted_on(sockets, MASKS("0-15", "0-15"), "", 2, 3, MASKS("0-1", "2-3", "4-5", "8-9", "10-11", "12-13"));
    /* fast and slow memory beside the same cores is one node of cores; memory without cores is none */
    expect_parted_on("pack:2 [numa] [numa] core:2 pu:1", MASKS("0-3"), "", 2, 1, MASKS("0", "2"));
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(siblings_are_one_core),
        cmocka_unit_test(machines_that_tell_no_cores_have_cpus),
        cmocka_unit_test(selected_cores_are_whole_disjoint_and_offered),
        cmocka_unit_test(masks_are_compared),
        cmocka_unit_test(cores_are_parted_among_ranks),
        cmocka_unit_test(ranks_are_kept_within_numa_nodes),
        cmocka_unit_test(other_jobs_keep_their_cores),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
