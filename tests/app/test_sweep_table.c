#include "app_test.h"
#include "sweep_table.h"

#include <math.h>

static struct sweep_data data;
static struct sweep_row rows[CELLS_MOST];

/* Cells with these seconds a pass in all of `rounds` rounds, each round slower than the one before by a tenth. */
static void
set_up_cells(int count, int rounds, const double *seconds)
{
    memset(&data, 0, sizeof data);
    data.cells.count = count;
    data.nodes = 2;
    data.cores = 4;
    data.rounds = rounds;
    data.sample_tasks = 100;
    data.sample_flops = 5e9;
    for (int i = 0; i < count; i++)
        data.cells.all[i] = (struct cell){.nodes = 2, .layout = {1, 4, 1}};
    for (int round = 0; round < rounds; round++) {
        data.bare_seconds[round] = 1 + 0.1 * round;
        for (int i = 0; i < count; i++) {
            data.seconds[round][i] = seconds[i] * (1 + 0.1 * round);
            data.memory[round][i] = 1000 + round;
        }
    }
}

static void
nothing_measured_has_no_best(void **state)
{
    const double seconds[] = {2, 4};
    (void)state;
    set_up_cells(2, 0, seconds);
    assert_int_equal(sweep_table_fill(&data, rows), -1);
    assert_true(rows[0].verdict == SWEEP_UNMEASURED && rows[1].repeats == 0);
}

/* The machine becomes slower from round to round, but never for one cell alone: the comparison does not see it. */
static void
cells_are_compared_round_by_round(void **state)
{
    const double seconds[] = {2.02, 2, 4};
    int order[3];
    (void)state;
    set_up_cells(3, 7, seconds);
    assert_int_equal(sweep_table_fill(&data, rows), 1);
    assert_true(rows[1].verdict == SWEEP_BEST && rows[1].relative == 1);
    assert_true(rows[0].verdict == SWEEP_WORSE && rows[2].verdict == SWEEP_WORSE); // by 1 %, but in every round
    assert_true(fabs(rows[0].p_value - 2.0 / 128) < 1e-12);
    assert_true(fabs(rows[1].tasks_per_second - 100 / 2.6) < 1e-9); // the median round is the fourth
    assert_true(fabs(rows[1].tasks_per_second_high - 50) < 1e-9);
    assert_true(fabs(rows[1].tasks_per_second_low - 100 / 3.2) < 1e-9);
    assert_true(fabs(rows[2].relative - 0.5) < 1e-12);
    assert_true(fabs(rows[2].flops_per_second - 5e9 / 5.2) < 1);
    assert_true(fabs(rows[2].of_bare - 0.25) < 1e-12); // each round against its own bare rate
    assert_int_equal(rows[2].memory_bytes, 1006);
    sweep_table_order(rows, 3, order);
    assert_true(order[0] == 1 && order[1] == 0 && order[2] == 2);
}

static void
cells_that_take_turns_are_alike(void **state)
{
    const double seconds[] = {2, 2};
    (void)state;
    set_up_cells(2, 8, seconds);
    for (int round = 0; round < 8; round++)
        data.seconds[round][round % 2] *= 1.3;
    int best = sweep_table_fill(&data, rows);
    assert_int_equal(rows[1 - best].verdict, SWEEP_ALIKE);
}

static void
five_rounds_tell_nothing_apart_six_do(void **state)
{
    const double seconds[] = {1, 9};
    (void)state;
    set_up_cells(2, 5, seconds);
    sweep_table_fill(&data, rows);
    assert_int_equal(rows[1].verdict, SWEEP_ALIKE);
    set_up_cells(2, CELLS_ROUNDS_LEAST, seconds);
    sweep_table_fill(&data, rows);
    assert_int_equal(rows[1].verdict, SWEEP_WORSE);
}

/* Half of the nodes have half of the bare rate; a pass or a bare round that is missing leaves the others. */
static void
what_is_missing_is_left_out(void **state)
{
    const double seconds[] = {2, 4};
    (void)state;
    set_up_cells(2, 7, seconds);
    data.cells.all[1].nodes = 1;
    data.bare_seconds[2] = 0;
    data.seconds[6][0] = 0;
    assert_int_equal(sweep_table_fill(&data, rows), 0);
    assert_true(rows[0].repeats == 6 && rows[1].repeats == 7);
    assert_true(fabs(rows[0].of_bare - 0.5) < 1e-12 && fabs(rows[1].of_bare - 0.5) < 1e-12);
    assert_true(fabs(rows[1].p_value - 2.0 / 64) < 1e-12); // of the six rounds that have both
    memset(data.bare_seconds, 0, sizeof data.bare_seconds);
    sweep_table_fill(&data, rows);
    assert_true(rows[0].of_bare == 0);
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(nothing_measured_has_no_best),    cmocka_unit_test(cells_are_compared_round_by_round),
        cmocka_unit_test(cells_that_take_turns_are_alike), cmocka_unit_test(five_rounds_tell_nothing_apart_six_do),
        cmocka_unit_test(what_is_missing_is_left_out),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
