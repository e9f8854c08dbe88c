#include "app_test.h"
#include "layout.h"

static struct sheaf_error error;

static void
expect_parsed(const char *text, int ranks, int threads, int width)
{
    struct layout layout = {-1, -1, -1};
    test_ok(layout_parse(text, &layout, &error), &error);
    assert_int_equal(layout.ranks, ranks);
    assert_int_equal(layout.threads, threads);
    assert_int_equal(layout.width, width);
}

static void
layouts_are_parsed(void **state)
{
    (void)state;
    expect_parsed("4x2", 4, 2, 0);
    expect_parsed("4x2:1", 4, 2, 1);
    expect_parsed("4x2:2", 4, 2, 2);
    expect_parsed("1x1:1", 1, 1, 1);
    expect_parsed("65536x65536", 65536, 65536, 0);
}

static void
texts_that_are_no_layout_are_refused(void **state)
{
    static const char *const texts[] = {
        "",
        "4",
        "x",
        "4x",
        "x2",
        "4x2:",
        "4x2:1:1",
        "4x2 ",
        "4x2:1x",
        " 4x2",
        "4 x2",
        "4x 2",
        "4x2: 1",
        "+4x2",
        "4X2",
        "-4x2",
        "0x2",
        "4x0",
        "4x2:0",
        "4x2:-2",
        "65537x1",
        "1x65537",
        "99999999999999999999x1",
        "4.5x2",
    };
    (void)state;
    for (size_t i = 0; i < sizeof texts / sizeof texts[0]; i++) {
        struct layout layout;
        char start[64];
        snprintf(start, sizeof start, "--layout %s: expected RxT or RxT:W", texts[i]);
        test_error(layout_parse(texts[i], &layout, &error), SHEAF_USAGE, &error, start);
    }
}

static void
a_width_is_one_or_all_threads(void **state)
{
    struct layout layout;
    (void)state;
    test_error(layout_parse("2x4:2", &layout, &error), SHEAF_USAGE, &error,
               "--layout 2x4:2: W is 1 (threads work on tasks) or T = 4 (BLAS threads work on one task), found 2");
    test_error(layout_parse("2x4:5", &layout, &error), SHEAF_USAGE, &error, "found 5");
}

static void
expect_settled(struct layout_facts facts, struct layout asked, int ranks, int threads, int width)
{
    test_ok(layout_settle(&facts, &asked, &error), &error);
    if (asked.ranks != ranks || asked.threads != threads || asked.width != width)
        fail_msg("expected %dx%d:%d, got %dx%d:%d", ranks, threads, width, asked.ranks, asked.threads, asked.width);
}

static void
what_is_not_asked_for_is_filled_in(void **state)
{
    static const struct layout nothing;
    (void)state;
    /* R: the ranks present; T: cores / R, at least 1 */
    expect_settled((struct layout_facts){.present = 4, .cores = 16, .tasks = 1000, .nodes = 1, .wide = true}, nothing,
                   4, 4, 1);
    expect_settled((struct layout_facts){.present = 3, .cores = 16, .tasks = 1000, .nodes = 1, .wide = true}, nothing,
                   3, 5, 1);
    expect_settled((struct layout_facts){.present = 8, .cores = 4, .tasks = 1000, .nodes = 1, .wide = true}, nothing, 8,
                   1, 1);
    expect_settled((struct layout_facts){.present = 1, .cores = 1, .tasks = 1, .nodes = 1, .wide = true}, nothing, 1, 1,
                   1);
    /* W: 1 where there are at least as many tasks as cores in the whole job, else T */
    expect_settled((struct layout_facts){.present = 4, .cores = 16, .tasks = 16, .nodes = 1, .wide = true}, nothing, 4,
                   4, 1);
    expect_settled((struct layout_facts){.present = 4, .cores = 16, .tasks = 15, .nodes = 1, .wide = true}, nothing, 4,
                   4, 4);
    expect_settled((struct layout_facts){.present = 4, .cores = 16, .tasks = 16, .nodes = 2, .wide = true}, nothing, 4,
                   4, 4);
    expect_settled((struct layout_facts){.present = 4, .cores = 16, .tasks = 32, .nodes = 2, .wide = true}, nothing, 4,
                   4, 1);
    /* cores that a layout leaves unused do not count */
    expect_settled((struct layout_facts){.present = 4, .cores = 16, .tasks = 4, .nodes = 1, .wide = true},
                   (struct layout){2, 2, 0}, 2, 2, 1);
    /* a BLAS that was built for fewer threads cannot have T: then all cores work, on a task each */
    expect_settled(
        (struct layout_facts){.present = 1, .cores = 128, .tasks = 5, .nodes = 1, .wide = true, .widest = 64}, nothing,
        1, 128, 1);
    expect_settled(
        (struct layout_facts){.present = 2, .cores = 128, .tasks = 5, .nodes = 1, .wide = true, .widest = 64}, nothing,
        2, 64, 64);
    /* a kernel that gains nothing from more cores gets one */
    expect_settled((struct layout_facts){.present = 4, .cores = 16, .tasks = 1, .nodes = 1, .wide = false}, nothing, 4,
                   4, 1);
}

static void
what_is_asked_for_stays(void **state)
{
    const struct layout_facts few = {.present = 4, .cores = 16, .tasks = 1, .nodes = 1, .wide = true};
    const struct layout_facts many = {.present = 4, .cores = 16, .tasks = 1000, .nodes = 1, .wide = true};
    (void)state;
    expect_settled(few, (struct layout){4, 2, 1}, 4, 2, 1);
    expect_settled(many, (struct layout){4, 2, 2}, 4, 2, 2);
    expect_settled((struct layout_facts){.present = 4, .cores = 16, .tasks = 1, .nodes = 1, .wide = true, .widest = 1},
                   (struct layout){4, 2, 2}, 4, 2, 2);
    expect_settled(many, (struct layout){1, 3, 0}, 1, 3, 1);
    expect_settled(few, (struct layout){1, 3, 0}, 1, 3, 3);
    /* more threads than cores is no error here */
    expect_settled(many, (struct layout){4, 64, 1}, 4, 64, 1);
}

static void
more_ranks_than_are_present_are_refused(void **state)
{
    const struct layout_facts facts = {.present = 2, .cores = 16, .tasks = 100, .nodes = 1, .wide = true};
    struct layout layout = {4, 2, 0};
    (void)state;
    test_error(layout_settle(&facts, &layout, &error), SHEAF_USAGE, &error,
               "--layout 4x2: wants 4 ranks per node, 2 present; start more (mpirun -n), or ask for fewer");
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(layouts_are_parsed),
        cmocka_unit_test(texts_that_are_no_layout_are_refused),
        cmocka_unit_test(a_width_is_one_or_all_threads),
        cmocka_unit_test(what_is_not_asked_for_is_filled_in),
        cmocka_unit_test(what_is_asked_for_stays),
        cmocka_unit_test(more_ranks_than_are_present_are_refused),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
