#include "app_test.h"
#include "run.h"

static struct sheaf_error error;
static struct sheaf_shape lead;
static int64_t tasks;

/* A dataset whose leading axes count tasks. */
static struct source_map
counting(const char *text, int ndim, int64_t first, int64_t second)
{
    struct source_map map = {.array = {SHEAF_F64, {.ndim = ndim, .extent = {first, second}}, {.ndim = 0}}};
    snprintf(map.text, sizeof map.text, "%s", text);
    return map;
}

static struct source_map
shared(const char *text)
{
    struct source_map map = counting(text, 0, 0, 0);
    map.shared = true;
    return map;
}

static struct source_map
countless(const char *text)
{
    struct source_map map = counting(text, 0, 0, 0);
    map.countless = true;
    return map;
}

static void
expect_tasks(int count, const struct source_map *operands, int64_t wanted, const char *expected_lead,
             int64_t expected_tasks)
{
    char text[SHEAF_SHAPE_TEXT];
    tasks = -1;
    test_ok(run_settle_tasks(count, operands, wanted, &lead, &tasks, &error), &error);
    assert_string_equal(sheaf_shape_format(&lead, text), expected_lead);
    assert_int_equal(tasks, expected_tasks);
}

static void
expect_refusal(int count, const struct source_map *operands, int64_t wanted, enum sheaf_status status, const char *part)
{
    test_error(run_settle_tasks(count, operands, wanted, &lead, &tasks, &error), status, &error, part);
}

static void
leading_axes_count_tasks(void **state)
{
    const struct source_map one[] = {counting("a.h5:/a", 1, 100, 0)};
    const struct source_map two[] = {counting("a.h5:/a", 2, 10, 4), counting("b.h5:/b", 2, 10, 4)};
    (void)state;
    expect_tasks(1, one, 0, "(100)", 100);
    expect_tasks(2, two, 0, "(10, 4)", 40);
}

static void
shared_and_countless_operands_fit_any(void **state)
{
    const struct source_map front[] = {shared("s.h5:/s"), countless("random:2x2"), counting("a.h5:/a", 1, 7, 0)};
    const struct source_map back[] = {counting("a.h5:/a", 1, 7, 0), countless("random:2x2"), shared("s.h5:/s")};
    /* a single entry is shared, whatever axes it has */
    struct source_map single[] = {counting("one.h5:/x", 1, 1, 0), counting("a.h5:/a", 1, 7, 0)};
    (void)state;
    single[0].shared = true;
    expect_tasks(3, front, 0, "(7)", 7);
    expect_tasks(3, back, 0, "(7)", 7);
    expect_tasks(2, single, 0, "(7)", 7);
}

static void
without_leading_axes_the_count_tells(void **state)
{
    const struct source_map generated[] = {countless("random:2x2"), shared("s.h5:/s")};
    const struct source_map all_shared[] = {shared("s.h5:/s"), shared("t.h5:/t")};
    (void)state;
    expect_tasks(2, generated, 12, "(12)", 12);
    expect_tasks(2, generated, 1, "(1)", 1);
    expect_tasks(2, all_shared, 0, "()", 1);
    expect_tasks(2, all_shared, 5, "(5)", 5);
    expect_tasks(2, all_shared, 1, "(1)", 1);
    expect_refusal(2, generated, 0, SHEAF_USAGE,
                   "random:2x2: how many? No dataset gives the number of tasks; give --count N");
}

static void
a_count_must_agree_with_leading_axes(void **state)
{
    const struct source_map operands[] = {shared("s.h5:/s"), counting("a.h5:/a", 2, 10, 4)};
    (void)state;
    expect_tasks(2, operands, 40, "(10, 4)", 40);
    expect_refusal(2, operands, 41, SHEAF_USAGE, "--count 41: a.h5:/a has 40 tasks; leave --count out");
}

static void
leading_axes_must_be_equal(void **state)
{
    const struct source_map counts[] = {counting("a.h5:/a", 1, 100, 0), shared("s"), counting("b.h5:/b", 1, 99, 0)};
    const struct source_map axes[] = {counting("a.h5:/a", 1, 40, 0), counting("b.h5:/b", 2, 10, 4)};
    (void)state;
    expect_refusal(3, counts, 0, SHEAF_BAD_DATA,
                   "operands count tasks differently: a.h5:/a over (100), b.h5:/b over (99); their leading axes must "
                   "be equal, or one of them a single matrix");
    expect_refusal(2, axes, 0, SHEAF_BAD_DATA, "a.h5:/a over (40), b.h5:/b over (10, 4)");
}

static void
no_tasks_and_too_many_are_refused(void **state)
{
    const struct source_map none[] = {counting("a.h5:/a", 2, 10, 0)};
    const struct source_map many[] = {counting("a.h5:/a", 2, INT64_C(1) << 40, INT64_C(1) << 40)};
    (void)state;
    expect_refusal(1, none, 0, SHEAF_BAD_DATA, "a.h5:/a: no tasks, or more than 64 bits can count");
    expect_refusal(1, many, 0, SHEAF_BAD_DATA, "a.h5:/a: no tasks, or more than 64 bits can count");
}

static void
outputs_take_names_types_and_shapes(void **state)
{
    const struct sheaf_array arrays[] = {{SHEAF_C64, {.ndim = 2, .extent = {3, 5}}}, {SHEAF_I64, {.ndim = 0}}};
    static const char *const names[] = {"u", "s"};
    const struct sheaf_shape axes = {.ndim = 2, .extent = {10, 4}};
    struct store_output outputs[2];
    (void)state;
    memset(outputs, 0xff, sizeof outputs);
    run_fill_outputs(2, arrays, names, &axes, outputs);
    for (int i = 0; i < 2; i++) {
        assert_string_equal(outputs[i].name, names[i]);
        assert_int_equal(outputs[i].array.type, arrays[i].type);
        assert_true(sheaf_shape_equal(&outputs[i].array.lead, &axes));
        assert_true(sheaf_shape_equal(&outputs[i].array.core, &arrays[i].shape));
        assert_false(outputs[i].shared);
    }
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(leading_axes_count_tasks),
        cmocka_unit_test(shared_and_countless_operands_fit_any),
        cmocka_unit_test(without_leading_axes_the_count_tells),
        cmocka_unit_test(a_count_must_agree_with_leading_axes),
        cmocka_unit_test(leading_axes_must_be_equal),
        cmocka_unit_test(no_tasks_and_too_many_are_refused),
        cmocka_unit_test(outputs_take_names_types_and_shapes),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
