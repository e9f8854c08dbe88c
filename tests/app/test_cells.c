#include "app_test.h"
#include "cells.h"

static struct sheaf_error error;
static struct cells cells;

static struct cells_facts
facts(int present, int cores)
{
    return (struct cells_facts){
        .layout = {.present = present, .cores = cores, .tasks = 1000, .nodes = 1, .wide = true, .widest = 64},
        .automatic = {present, cores / present > 0 ? cores / present : 1, 1}};
}

/* "1x4:1 1x4:4 2@2x2:1": with the number of nodes where it is not 1. */
static void
expect_cells(const char *expected)
{
    char found[8192] = "";
    for (int i = 0; i < cells.count; i++) {
        const struct cell *cell = &cells.all[i];
        char nodes[16] = "";
        if (cell->nodes != 1)
            snprintf(nodes, sizeof nodes, "%d@", cell->nodes);
        char text[CELLS_TEXT];
        snprintf(found + strlen(found), sizeof found - strlen(found), "%s%s%s", i ? " " : "", nodes,
                 cells_format(cell, text));
    }
    assert_string_equal(found, expected);
}

static void
expect_list(struct cells_facts from, const char *expected)
{
    test_ok(cells_list(&from, &cells, &error), &error);
    expect_cells(expected);
}

static void
all_layouts_that_use_the_cores_are_listed(void **state)
{
    (void)state;
    expect_list(facts(1, 1), "1x1:1");
    expect_list(facts(1, 2), "1x2:1 1x2:2 auto");
    assert_true(cells.all[2].automatic && cells.all[2].layout.threads == 2 && !cells.all[1].automatic);
    expect_list(facts(2, 2), "1x2:1 1x2:2 2x1:1 auto");
    expect_list(facts(8, 8), "1x8:1 1x8:8 2x4:1 2x4:4 4x2:1 4x2:2 8x1:1 auto");
    expect_list(facts(3, 8), "1x8:1 1x8:8 2x4:1 2x4:4 3x2:1 3x2:2 auto");
    expect_list(facts(5, 2), "1x2:1 1x2:2 2x1:1 auto"); // more ranks than cores: the others are parked
    struct cells_facts narrow = facts(4, 4);
    narrow.layout.wide = false;
    expect_list(narrow, "1x4:1 2x2:1 4x1:1"); // there is nothing to choose
    struct cells_facts few = facts(2, 128);
    expect_list(few, "1x128:1 2x64:1 2x64:64 auto"); // BLAS has no more than 64 threads
}

static void
oversubscribed_layouts_are_listed_where_they_are_wanted(void **state)
{
    (void)state;
    struct cells_facts one = facts(1, 2), several = facts(4, 4);
    one.oversubscribe = several.oversubscribe = true;
    expect_list(one, "1x2:1 1x2:2 1x4:1 1x4:4 auto");
    assert_true(cells_threads_per_core(&cells.all[0], 2) == 1 && cells_threads_per_core(&cells.all[3], 2) == 2);
    expect_list(several, "1x4:1 1x4:4 2x2:1 2x2:2 4x1:1 4x4:1 4x4:4 auto");
    assert_true(cells_threads_per_core(&cells.all[6], 4) == 4);
}

static void
every_number_of_nodes_is_listed_where_it_is_wanted(void **state)
{
    (void)state;
    struct cells_facts from = facts(1, 2);
    from.layout.nodes = 3;
    expect_list(from, "3@1x2:1 3@1x2:2 3@auto");
    from.each_node_count = true;
    expect_list(from, "3@1x2:1 3@1x2:2 3@auto 1x2:1 1x2:2 auto 2@1x2:1 2@1x2:2 2@auto");
    test_ok(cells_parse("1x1", &from, &cells, &error), &error);
    expect_cells("3@1x1:1 1x1:1 2@1x1:1");
    from.layout.nodes = 200;
    test_error(cells_list(&from, &cells, &error), SHEAF_USAGE, &error, "a sweep has up to 256 cells");
}

static void
lists_of_layouts_are_parsed(void **state)
{
    (void)state;
    struct cells_facts from = facts(4, 4);
    test_ok(cells_parse("1x4:1,1x4:4,2x2,4x1", &from, &cells, &error), &error);
    expect_cells("1x4:1 1x4:4 2x2:1 4x1:1");
    test_ok(cells_parse("auto,4x1:1", &from, &cells, &error), &error);
    expect_cells("auto 4x1:1"); // though auto starts with 4x1:1 too
    from.layout.tasks = 2;      // fewer tasks than cores
    test_ok(cells_parse("2x2", &from, &cells, &error), &error);
    expect_cells("2x2:2");
}

static void
lists_that_are_wrong_are_refused(void **state)
{
    static const struct {
        const char *list, *start;
    } cases[] = {
        {"1x4:1,", "--layouts: : expected RxT"},
        {"", "--layouts: : expected RxT"},
        {"1x4:1,4", "--layouts: 4: expected RxT"},
        {"2x2:3", "--layouts: 2x2:3: W is 1"},
        {"4x1,8x1", "--layouts: 8x1: wants 8 ranks per node, 4 present"},
        {"1x4:1,2x2:2,1x4", "--layouts: 1x4: 1x4:1 is in the list twice"},
        {"auto,4x1,auto", "--layouts: auto: auto is in the list twice"},
        {"1x128:128", "--layouts: 1x128:128: this BLAS has up to 64"},
    };
    (void)state;
    struct cells_facts from = facts(4, 4);
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++)
        test_error(cells_parse(cases[i].list, &from, &cells, &error), SHEAF_USAGE, &error, cases[i].start);
    from.layout.wide = false;
    test_error(cells_parse("2x2:2", &from, &cells, &error), SHEAF_USAGE, &error,
               "--layouts: 2x2:2: this kernel computes a task on one core");
}

static void
a_round_has_every_cell_once_and_none_always_in_one_place(void **state)
{
    (void)state;
    for (int count = 1; count <= 9; count++) {
        int firsts[9] = {0};
        for (int round = 0; round < 2 * count; round++) {
            int seen[9] = {0};
            for (int place = 0; place < count; place++) {
                int cell = cells_at(count, round, place);
                assert_true(cell >= 0 && cell < count);
                assert_int_equal(seen[cell]++, 0);
            }
            firsts[cells_at(count, round, 0)]++;
        }
        for (int i = 0; i < count; i++)
            assert_int_equal(firsts[i], 2); // each is the first one as often
        /* Every other round backwards: over two of them all cells have the same mean place. */
        for (int place = 0; place < count; place++)
            for (int round = 0; round < 8; round += 2)
                assert_int_equal(cells_at(count, round, place), cells_at(count, round + 1, count - 1 - place));
    }
}

static void
a_sample_grows_until_its_rounds_fill_the_time(void **state)
{
    const struct cells_budget budget = {.cells = 3, .cores = 4, .chunks = 100000, .most = 100000};
    (void)state;
    assert_int_equal(cells_first_sample(&budget), 4);
    /* A machine on which a round takes a second plus 10 ms a chunk. */
    double left = 60;
    int64_t chunks = cells_first_sample(&budget), next = 0;
    int rounds = 0;
    for (;; chunks = next, rounds++) {
        double round = 1 + 0.01 * (double)chunks;
        left -= round;
        next = cells_next_sample(&budget, chunks, round, left);
        assert_int_equal(next % 4, 0);
        if (next <= chunks)
            break;
    }
    assert_in_range(rounds, 1, 4);
    int fit = cells_rounds(1 + 0.01 * (double)next, left);
    assert_in_range(fit, CELLS_ROUNDS_LEAST, CELLS_ROUNDS_MOST);
}

static void
a_sample_stays_within_its_limits(void **state)
{
    const struct cells_budget large = {.cells = 2, .cores = 8, .chunks = 100, .most = 100},
                              small = {.cells = 2, .cores = 8, .chunks = 3, .most = 3},
                              tight = {.cells = 2, .cores = 8, .chunks = 100, .most = 50};
    (void)state;
    assert_int_equal(cells_first_sample(&small), 3);
    assert_int_equal(cells_next_sample(&small, 3, 1e-3, 1000), 3);
    assert_int_equal(cells_next_sample(&large, 8, 1e-6, 1000), 100);
    assert_int_equal(cells_next_sample(&tight, 48, 1e-6, 1000), 50);
    /* Too slow: down to one chunk a core, never below. */
    assert_int_equal(cells_next_sample(&large, 80, 60, 100), 8);
    assert_int_equal(cells_next_sample(&large, 80, 20, 100), 40);
    assert_int_equal(cells_next_sample(&large, 8, 50, 100), 8);
    /* What is long enough does not grow, whatever time is left. */
    assert_int_equal(cells_next_sample(&large, 16, 7, 1e6), 16);
    assert_int_equal(cells_rounds(10, 9), 0);
    assert_int_equal(cells_rounds(10, -9), 0);
    assert_int_equal(cells_rounds(1, 1e9), CELLS_ROUNDS_MOST);
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(all_layouts_that_use_the_cores_are_listed),
        cmocka_unit_test(oversubscribed_layouts_are_listed_where_they_are_wanted),
        cmocka_unit_test(every_number_of_nodes_is_listed_where_it_is_wanted),
        cmocka_unit_test(lists_of_layouts_are_parsed),
        cmocka_unit_test(lists_that_are_wrong_are_refused),
        cmocka_unit_test(a_round_has_every_cell_once_and_none_always_in_one_place),
        cmocka_unit_test(a_sample_grows_until_its_rounds_fill_the_time),
        cmocka_unit_test(a_sample_stays_within_its_limits),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
