#include "app_test.h"
#include "tasks.h"

static struct sheaf_error error;
static struct sheaf_shape lead;
static int64_t tasks;

/* A dataset with leading axes; shared where they have a single entry, as source_describe has it. */
static struct source_map
dataset(const char *text, struct sheaf_shape axes)
{
    struct source_map map = {.array = {SHEAF_F64, axes, {.ndim = 0}}, .chunk_tasks = 1};
    int64_t entries;
    snprintf(map.text, sizeof map.text, "%s", text);
    map.shared = sheaf_shape_count(&axes, &entries) && entries == 1;
    return map;
}

#define SHAPE(...)                                                                                                     \
    ((struct sheaf_shape){.ndim = sizeof((int64_t[]){__VA_ARGS__}) / sizeof(int64_t), .extent = {__VA_ARGS__}})
static const struct sheaf_shape no_axes = {.ndim = 0};

static struct source_map
countless(const char *text)
{
    struct source_map map = dataset(text, no_axes);
    map.shared = false;
    map.countless = true;
    return map;
}

static void
expect_tasks(int count, struct source_map *operands, int64_t wanted, const char *expected_lead, int64_t expected_tasks)
{
    char text[SHEAF_SHAPE_TEXT];
    tasks = -1;
    test_ok(tasks_settle(count, operands, wanted, &lead, &tasks, &error), &error);
    assert_string_equal(sheaf_shape_format(&lead, text), expected_lead);
    assert_int_equal(tasks, expected_tasks);
}

static void
expect_refusal(int count, struct source_map *operands, int64_t wanted, enum sheaf_status status, const char *part)
{
    test_error(tasks_settle(count, operands, wanted, &lead, &tasks, &error), status, &error, part);
}

static void
leading_axes_count_tasks(void **state)
{
    struct source_map one[] = {dataset("a.h5:/a", SHAPE(100))};
    struct source_map two[] = {dataset("a.h5:/a", SHAPE(10, 4)), dataset("b.h5:/b", SHAPE(10, 4))};
    (void)state;
    expect_tasks(1, one, 0, "(100)", 100);
    expect_tasks(2, two, 0, "(10, 4)", 40);
}

static void
leading_axes_are_broadcast(void **state)
{
    struct source_map pairs[] = {dataset("a.h5:/a", SHAPE(10, 1)), countless("random:2x2"),
                                 dataset("b.h5:/b", SHAPE(7))};
    (void)state;
    expect_tasks(3, pairs, 0, "(10, 7)", 70);
    /* every operand knows which of its entries are whose; a generated one has an entry for each task */
    assert_int_equal(source_entry(&pairs[0], 25), 3);
    assert_int_equal(source_entry(&pairs[1], 25), 25);
    assert_int_equal(source_entry(&pairs[2], 25), 4);
}

static void
single_entries_fit_any_and_count_for_the_axes(void **state)
{
    struct source_map front[] = {dataset("s.h5:/s", no_axes), countless("random:2x2"), dataset("a.h5:/a", SHAPE(7))};
    struct source_map back[] = {dataset("a.h5:/a", SHAPE(7)), countless("random:2x2"), dataset("s.h5:/s", no_axes)};
    struct source_map single[] = {dataset("one.h5:/x", SHAPE(1)), dataset("a.h5:/a", SHAPE(7))};
    struct source_map axes[] = {dataset("one.h5:/x", SHAPE(1, 1, 1)), dataset("a.h5:/a", SHAPE(5, 1))};
    struct source_map alone[] = {dataset("one.h5:/x", SHAPE(1, 1)), countless("random:2x2")};
    (void)state;
    expect_tasks(3, front, 0, "(7)", 7);
    expect_tasks(3, back, 0, "(7)", 7);
    expect_tasks(2, single, 0, "(7)", 7);
    expect_tasks(2, axes, 0, "(1, 5, 1)", 5);
    assert_int_equal(source_entry(&axes[0], 3), 0);
    expect_tasks(2, alone, 0, "(1, 1)", 1);
}

static void
without_leading_axes_the_count_tells(void **state)
{
    struct source_map generated[] = {countless("random:2x2"), dataset("s.h5:/s", no_axes)};
    struct source_map shared[] = {dataset("s.h5:/s", no_axes), dataset("t.h5:/t", no_axes)};
    (void)state;
    expect_tasks(2, generated, 12, "(12)", 12);
    expect_tasks(2, generated, 1, "(1)", 1);
    expect_tasks(2, shared, 0, "()", 1);
    expect_tasks(2, shared, 5, "(5)", 5);
    expect_tasks(2, shared, 1, "(1)", 1);
    expect_refusal(2, generated, 0, SHEAF_USAGE,
                   "random:2x2: how many? No dataset gives the number of tasks; give --count N");
}

static void
a_count_is_an_axis_where_there_is_one_entry(void **state)
{
    struct source_map single[] = {dataset("one.h5:/x", SHAPE(1, 1)), countless("random:2x2")};
    (void)state;
    expect_tasks(2, single, 6, "(1, 6)", 6);
    assert_int_equal(source_entry(&single[0], 4), 0);
    assert_int_equal(source_entry(&single[1], 4), 4);
}

static void
a_count_must_agree_with_leading_axes(void **state)
{
    struct source_map operands[] = {dataset("s.h5:/s", SHAPE(10, 1)), dataset("a.h5:/a", SHAPE(4))};
    (void)state;
    expect_tasks(2, operands, 40, "(10, 4)", 40);
    expect_refusal(2, operands, 41, SHEAF_USAGE,
                   "--count 41, but there are 40 tasks: s.h5:/s over (10, 1), a.h5:/a over (4); leave --count out");
    expect_refusal(2, operands, 1, SHEAF_USAGE, "--count 1, but there are 40 tasks: ");
}

static void
what_does_not_go_together_is_named(void **state)
{
    struct source_map counts[] = {dataset("a.h5:/a", SHAPE(100)), dataset("s", no_axes), dataset("b.h5:/b", SHAPE(99))};
    struct source_map axes[] = {dataset("a.h5:/a", SHAPE(40)), dataset("b.h5:/b", SHAPE(10, 4))};
    /* the first two go together, and the third one with the first */
    struct source_map second[] = {dataset("a.h5:/a", SHAPE(3, 1)), dataset("b.h5:/b", SHAPE(5)),
                                  dataset("c.h5:/c", SHAPE(3, 4))};
    (void)state;
    expect_refusal(3, counts, 0, SHEAF_BAD_DATA,
                   "operands count tasks differently: a.h5:/a over (100), b.h5:/b over (99); by NumPy's rule their "
                   "leading axes, aligned at the right, must be equal or 1");
    expect_refusal(2, axes, 0, SHEAF_BAD_DATA, "a.h5:/a over (40), b.h5:/b over (10, 4)");
    expect_refusal(3, second, 0, SHEAF_BAD_DATA, "b.h5:/b over (5), c.h5:/c over (3, 4)");
}

static void
no_tasks_and_too_many_are_refused(void **state)
{
    const int64_t large = INT64_C(1) << 40;
    struct source_map none[] = {dataset("a.h5:/a", SHAPE(10, 0))};
    struct source_map many[] = {dataset("a.h5:/a", SHAPE(large, 1)), dataset("b.h5:/b", SHAPE(large))};
    (void)state;
    expect_refusal(1, none, 0, SHEAF_BAD_DATA, "a.h5:/a over (10, 0): no tasks, or more than 64 bits can count");
    expect_refusal(
        2, many, 0, SHEAF_BAD_DATA,
        "a.h5:/a over (1099511627776, 1), b.h5:/b over (1099511627776): no tasks, or more than 64 bits can count");
}

static void
chunks_of_what_is_not_shared_align_tasks(void **state)
{
    struct source_map operands[] = {dataset("a.h5:/a", SHAPE(12, 1)), dataset("b.h5:/b", SHAPE(10)),
                                    dataset("c.h5:/c", SHAPE(1))};
    (void)state;
    operands[0].chunk_tasks = 3;
    operands[1].chunk_tasks = 5;
    operands[2].chunk_tasks = 7;
    expect_tasks(3, operands, 0, "(12, 10)", 120);
    assert_int_equal(tasks_align(3, operands), 30);
    assert_int_equal(tasks_align(0, operands), 1);
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(leading_axes_count_tasks),
        cmocka_unit_test(leading_axes_are_broadcast),
        cmocka_unit_test(single_entries_fit_any_and_count_for_the_axes),
        cmocka_unit_test(without_leading_axes_the_count_tells),
        cmocka_unit_test(a_count_is_an_axis_where_there_is_one_entry),
        cmocka_unit_test(a_count_must_agree_with_leading_axes),
        cmocka_unit_test(what_does_not_go_together_is_named),
        cmocka_unit_test(no_tasks_and_too_many_are_refused),
        cmocka_unit_test(chunks_of_what_is_not_shared_align_tasks),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
