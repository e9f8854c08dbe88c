#include "app_test.h"
#include "progress.h"

static void
expect_seconds(double seconds, const char *expected)
{
    char text[32];
    assert_string_equal(progress_format_seconds(seconds, text), expected);
}

static void
durations_are_formatted(void **state)
{
    (void)state;
    expect_seconds(0, "0 ms");
    expect_seconds(0.005, "5 ms");
    expect_seconds(0.0994, "99 ms");
    expect_seconds(0.1, "0.1 s");
    expect_seconds(2, "2.0 s");
    expect_seconds(59.9, "59.9 s");
    expect_seconds(60, "1 min 0 s");
    expect_seconds(200, "3 min 20 s");
    expect_seconds(3599.4, "59 min 59 s");
    expect_seconds(3599.6, "1 h 0 min");
    expect_seconds(18720, "5 h 12 min");
    expect_seconds(1e6, "277 h 46 min");
}

static void
no_duration_is_a_full_minute_of_seconds(void **state)
{
    (void)state;
    expect_seconds(59.96, "1 min 0 s");
    expect_seconds(0.0999, "0.1 s");
}

static void
a_line_tells_where_the_run_is(void **state)
{
    const struct progress progress = {.tasks = 400, .flops = 16e9, .work_seconds = 8};
    const struct queue_totals totals = {.tasks = 100,
                                        .failed = 3,
                                        .work = INT64_C(2000000000),
                                        .bytes_read = INT64_C(3000000000),
                                        .bytes_written = INT64_C(1000000000)};
    char text[512];
    (void)state;
    /* a quarter of the work in 2 s: 6 s are left */
    progress_format(&progress, &totals, 2, 0, text, sizeof text);
    assert_string_equal(text, " 25 %  100/400 tasks  2 GF/s  2 GB/s  3 failed  6.0 s left");
}

static void
a_line_has_a_bar_where_there_is_width(void **state)
{
    const struct progress progress = {.tasks = 4, .work_seconds = 8};
    struct queue_totals totals = {.tasks = 1, .work = INT64_C(2000000000)};
    char text[512];
    (void)state;
    progress_format(&progress, &totals, 2, 8, text, sizeof text);
    assert_string_equal(text, "██░░░░░░   25 %  1/4 tasks  0 GF/s  0 GB/s  0 failed  6.0 s left");
    /* wider than any: 28 columns */
    totals.work = INT64_C(8000000000);
    progress_format(&progress, &totals, 2, 1000, text, sizeof text);
    int full = 0;
    for (const char *at = text; (at = strstr(at, "█")) != NULL; at += strlen("█"))
        full++;
    assert_int_equal(full, 28);
    assert_null(strstr(text, "░"));
}

static void
the_ends_of_a_run_divide_by_nothing(void **state)
{
    struct progress progress = {.tasks = 4, .work_seconds = 8};
    struct queue_totals totals = {0};
    char text[512];
    (void)state;
    progress_format(&progress, &totals, 0, 0, text, sizeof text);
    assert_string_equal(text, "  0 %  0/4 tasks  0 GF/s  0 GB/s  0 failed  ? left");
    totals = (struct queue_totals){.tasks = 4, .work = INT64_C(8000000001)}; /* sums are rounded: past the whole */
    progress_format(&progress, &totals, 2, 0, text, sizeof text);
    assert_string_equal(text, "100 %  4/4 tasks  0 GF/s  0 GB/s  0 failed  0 ms left");
    progress.work_seconds = 0; /* nothing to do is done */
    progress_format(&progress, &totals, 2, 0, text, sizeof text);
    assert_string_equal(text, "100 %  4/4 tasks  0 GF/s  0 GB/s  0 failed  0 ms left");
}

static void
a_short_text_is_cut_off_within_its_bytes(void **state)
{
    const struct progress progress = {.tasks = 4, .work_seconds = 8};
    const struct queue_totals totals = {0};
    char text[16];
    (void)state;
    memset(text, '#', sizeof text);
    progress_format(&progress, &totals, 1, 28, text, 10);
    assert_int_equal(strlen(text), 9);
    assert_int_equal(text[10], '#');
}

/* What progress_show and progress_end write to a stream. */
static void
expect_shown(enum options_progress how, bool is_time, const char *expected)
{
    struct progress progress;
    const struct queue_totals totals = {.tasks = 1, .work = 1000000000};
    char *text = NULL;
    size_t bytes = 0;
    FILE *stream = open_memstream(&text, &bytes);
    assert_non_null(stream);
    progress_start(&progress, how, stream, 1, 1, 1);
    if (is_time)
        progress.shown_ns -= INT64_C(60000000000);
    int64_t again = progress_show(&progress, &totals);
    assert_true(again > 0 && again <= INT64_C(5000000000));
    assert_true(progress_show(&progress, &totals) <= again);
    progress_end(&progress);
    progress_end(&progress);
    assert_int_equal(fclose(stream), 0);
    if (*expected ? !strstr(text, expected) : bytes != 0)
        fail_msg("expected \"%s\" in \"%s\"", expected, text);
    free(text);
}

static void
progress_is_shown_when_it_is_time(void **state)
{
    (void)state;
    expect_shown(PROGRESS_NONE, true, "");
    expect_shown(PROGRESS_LOG, false, "");
    expect_shown(PROGRESS_LINE, false, "");
    expect_shown(PROGRESS_LOG, true, "100 %  1/1 tasks");
    expect_shown(PROGRESS_LOG, true, "0 ms left\n");
    expect_shown(PROGRESS_LINE, true, "\r████████████████████████████  100 %  1/1 tasks");
    expect_shown(PROGRESS_LINE, true, "left\033[K\r\033[K"); /* cleared at the end, once */
}

static void
automatic_progress_settles_on_line_or_log(void **state)
{
    struct progress progress;
    (void)state;
    progress_start(&progress, PROGRESS_AUTO, stderr, 1, 1, 1);
    assert_true(progress.how == PROGRESS_LINE || progress.how == PROGRESS_LOG);
    if (isatty(STDERR_FILENO))
        assert_int_equal(progress.how, PROGRESS_LINE);
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(durations_are_formatted),
        cmocka_unit_test(no_duration_is_a_full_minute_of_seconds),
        cmocka_unit_test(a_line_tells_where_the_run_is),
        cmocka_unit_test(a_line_has_a_bar_where_there_is_width),
        cmocka_unit_test(the_ends_of_a_run_divide_by_nothing),
        cmocka_unit_test(a_short_text_is_cut_off_within_its_bytes),
        cmocka_unit_test(progress_is_shown_when_it_is_time),
        cmocka_unit_test(automatic_progress_settles_on_line_or_log),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
