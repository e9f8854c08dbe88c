#include "io_test.h"
#include "slice.h"

static void
parse(const char *text, size_t expected_length, struct slice expected)
{
    struct slice slice;
    size_t length;

    if (!slice_parse(text, &length, &slice))
        fail_msg("refused: %s", text);
    assert_int_equal(length, expected_length);
    assert_int_equal(slice.present, expected.present);
    assert_int_equal(slice.has_first, expected.has_first);
    assert_int_equal(slice.has_end, expected.has_end);
    assert_int_equal(slice.step, expected.step);
    if (slice.has_first)
        assert_int_equal(slice.first, expected.first);
    if (slice.has_end)
        assert_int_equal(slice.end, expected.end);
}

static void
slices_are_found(void **state)
{
    (void)state;
    parse("a.h5:/a[1:5]", 7, (struct slice){true, true, true, 1, 5, 1});
    parse("a.h5:/a[:]", 7, (struct slice){true, false, false, 0, 0, 1});
    parse("a.h5:/a[::]", 7, (struct slice){true, false, false, 0, 0, 1});
    parse("a.h5:/a[-3:]", 7, (struct slice){true, true, false, -3, 0, 1});
    parse("a.h5:/a[: +7 :-2]", 7, (struct slice){true, false, true, 0, 7, -2});
    parse("a.h5:/a[5]", 7, (struct slice){true, true, true, 5, 6, 1});
    parse("/a[ -3 ]", 2, (struct slice){true, true, true, -3, -2, 1});
    parse("/a[-1]", 2, (struct slice){true, true, false, -1, 0, 1});
    parse("/a[-99999999999999999999]", 2, (struct slice){true, true, true, INT64_MIN, INT64_MIN + 1, 1});
    parse("/a[99999999999999999999]", 2, (struct slice){true, true, false, INT64_MAX, 0, 1});
    parse("/a[0][0:1]", 5, (struct slice){true, true, true, 0, 1, 1});
    parse("[1:2]", 0, (struct slice){true, true, true, 1, 2, 1});
    parse("/a[:99999999999999999999]", 2, (struct slice){true, false, true, 0, INT64_MAX, 1});
    parse("/a[::-99999999999999999999]", 2, (struct slice){true, false, false, 0, 0, -INT64_MAX});
}

static void
other_brackets_belong_to_the_text(void **state)
{
    static const char *const texts[] = {"",        "]",       "[",      "/a",          "/a[]",         "/a[-]",
                                        "/a[1 2]", "/a[0-9]", "/a[a:]", "/[1:2]/data", "/[[:alpha:]]", "/a[1:2]b",
                                        "/a]:[",   "1:2]"};

    (void)state;
    for (size_t i = 0; i < sizeof texts / sizeof *texts; i++)
        parse(texts[i], strlen(texts[i]), (struct slice){false, false, false, 0, 0, 1});
}

static void
what_looks_like_a_slice_must_be_one(void **state)
{
    static const char *const texts[] = {"/a[::0]",  "/a[1:2:3:4]", "/a[-:]", "/a[1 2:]",
                                        "/a[:1-2]", "/a[--1:]",    "/a[:+]"};
    struct slice slice;
    size_t length;

    (void)state;
    for (size_t i = 0; i < sizeof texts / sizeof *texts; i++)
        if (slice_parse(texts[i], &length, &slice))
            fail_msg("taken: %s", texts[i]);
}

/* Against the definition: walk by `step` from the first bound, clipped, while before the end, clipped. */
static void
check_apply(const struct slice *slice, int64_t count)
{
    int64_t first, step, selected, expected = 0;
    bool down = slice->step < 0;
    int64_t from = slice->first < 0 ? slice->first + count : slice->first;
    int64_t to = slice->end < 0 ? slice->end + count : slice->end;

    if (!slice->has_first)
        from = down ? count - 1 : 0;
    if (!slice->has_end)
        to = down ? -1 : count;
    if (slice->has_first && from < 0)
        from = down ? -1 : 0;
    if (from >= count && down)
        from = count - 1;
    if (slice->has_end && to < -1)
        to = -1;
    bool any = slice_apply(slice, count, &first, &step, &selected);
    for (int64_t i = from; down ? i > to : i < to && i < count; i += slice->step) {
        if (i < 0 || i >= count)
            continue;
        if (expected == 0)
            assert_int_equal(first, i);
        assert_int_equal(first + expected * step, i);
        expected++;
    }
    assert_int_equal(selected, expected);
    assert_int_equal(any, expected > 0);
}

static void
slices_select_as_in_python(void **state)
{
    (void)state;
    for (int64_t count = 0; count < 6; count++)
        for (int64_t first = -8; first < 9; first++)
            for (int64_t end = -8; end < 9; end++)
                for (int64_t step = -3; step < 4; step++) {
                    if (step == 0)
                        continue;
                    for (int has = 0; has < 4; has++)
                        check_apply(&(struct slice){true, has & 1, has & 2, first, end, step}, count);
                }
}

static void
a_number_selects_its_entry(void **state)
{
    struct slice slice;
    size_t length;
    int64_t first, step, selected;
    char text[64];

    (void)state;
    for (int64_t count = 0; count < 6; count++) {
        for (int64_t entry = -8; entry < 9; entry++) {
            snprintf(text, sizeof text, "/a[%d]", (int)entry);
            assert_true(slice_parse(text, &length, &slice));
            bool there = entry >= -count && entry < count;
            assert_int_equal(slice_apply(&slice, count, &first, &step, &selected), there);
            if (there)
                assert_true(selected == 1 && first == (entry < 0 ? entry + count : entry));
        }
    }
    assert_true(slice_parse("/a[9223372036854775807]", &length, &slice));
    assert_false(slice_apply(&slice, INT64_MAX, &first, &step, &selected));
    assert_true(slice_parse("/a[-9223372036854775808]", &length, &slice));
    assert_false(slice_apply(&slice, INT64_MAX, &first, &step, &selected));
}

static void
great_numbers_do_not_overflow(void **state)
{
    int64_t first, step, selected;

    (void)state;
    assert_true(slice_apply(&(struct slice){true, true, true, INT64_MIN, INT64_MAX, INT64_MAX}, INT64_MAX, &first,
                            &step, &selected));
    assert_int_equal(first, 0);
    assert_int_equal(selected, 1);
    assert_true(slice_apply(&(struct slice){true, false, false, 0, 0, -INT64_MAX}, 10, &first, &step, &selected));
    assert_int_equal(first, 9);
    assert_int_equal(selected, 1);
    assert_true(slice_apply(&(struct slice){.step = 1}, INT64_MAX, &first, &step, &selected));
    assert_int_equal(selected, INT64_MAX);
    assert_false(slice_apply(&(struct slice){.step = 1}, 0, &first, &step, &selected));
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(slices_are_found),
        cmocka_unit_test(other_brackets_belong_to_the_text),
        cmocka_unit_test(what_looks_like_a_slice_must_be_one),
        cmocka_unit_test(slices_select_as_in_python),
        cmocka_unit_test(a_number_selects_its_entry),
        cmocka_unit_test(great_numbers_do_not_overflow),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
