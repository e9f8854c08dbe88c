/* What decides whether a result that is computed again is the one that was committed; and the command that does it again. */
#include "app_test.h"
#include "recompute.h"
#include "resume_command.h"

#include <math.h>

static struct sheaf_error error;

static void
shares_are_percents(void **state)
{
    double share;
    (void)state;
    assert_true(recompute_parse_share("1%", &share) && share == 0.01);
    assert_true(recompute_parse_share("100%", &share) && share == 1);
    assert_true(recompute_parse_share("0.5%", &share) && share == 0.005);
    const char *const wrong[] = {"", "%", "1", "1%%", "0%", "-1%", "101%", "nan%", "x%", "1 %"};
    for (size_t i = 0; i < sizeof wrong / sizeof *wrong; i++)
        if (recompute_parse_share(wrong[i], &share))
            fail_msg("\"%s\" was taken", wrong[i]);
}

static struct recompute_difference
compare_doubles(double a0, double a1, double b0, double b1)
{
    const double a[] = {a0, a1}, b[] = {b0, b1};
    struct recompute_difference difference;
    recompute_compare(SHEAF_F64, 2, a, b, &difference);
    return difference;
}

static void
rounding_is_told_from_errors(void **state)
{
    const double tolerance = 0x1p-26 * sqrt(0.5); /* u = 2^-53 */
    struct recompute_difference found = compare_doubles(1, 2, 1, 2);
    (void)state;
    assert_true(found.elements == 0 && found.greatest == 0 && !found.beyond_tolerance);
    found = compare_doubles(2, 1, 2, 1 + 2 * 0.99 * tolerance);
    assert_true(found.elements == 1 && !found.beyond_tolerance);
    assert_true(fabs(found.greatest - 0.99 * tolerance) < 1e-15);
    found = compare_doubles(2, 1, 2, 1 + 2 * 1.01 * tolerance);
    assert_true(found.elements == 1 && found.beyond_tolerance);
    /* of one sign or the other, zero is zero, but has other bits */
    found = compare_doubles(0, 0, -0.0, 0);
    assert_true(found.elements == 1 && !found.beyond_tolerance);
    assert_true(compare_doubles(0, 0, 1e-300, 0).beyond_tolerance);
    /* what is no number is none in both, infinity is the same */
    assert_false(compare_doubles(NAN, INFINITY, NAN, INFINITY).beyond_tolerance);
    assert_true(compare_doubles(NAN, 1, 1, 1).beyond_tolerance);
    assert_true(compare_doubles(INFINITY, 1, -INFINITY, 1).beyond_tolerance);
    assert_true(compare_doubles(INFINITY, 1, 1e308, 1).beyond_tolerance);
}

static void
each_type_has_its_tolerance(void **state)
{
    const float complex_a[] = {1, 0, 0, 1}, complex_b[] = {1, 0, 0, 1 + 0x1p-13F},
                complex_c[] = {1, 0, 0, 1 + 0x1p-11F};
    const int64_t integers[] = {1, 2}, others[] = {1, 3};
    struct recompute_difference found;
    (void)state;
    recompute_compare(SHEAF_C64, 2, complex_a, complex_b, &found); /* u = 2^-24: the tolerance is 2^-12 */
    assert_true(found.elements == 1 && found.greatest == 0x1p-13 && !found.beyond_tolerance);
    recompute_compare(SHEAF_C64, 2, complex_a, complex_c, &found);
    assert_true(found.elements == 1 && found.beyond_tolerance);
    recompute_compare(SHEAF_I64, 2, integers, integers, &found);
    assert_true(found.elements == 0 && !found.beyond_tolerance);
    recompute_compare(SHEAF_I64, 2, integers, others, &found);
    assert_true(found.elements == 1 && found.beyond_tolerance);
}

/* The first command, with what is given now put in before its "--", or at its end. */
static void
commands_are_joined(void **state)
{
    static const struct {
        const char *first;
        int bytes;
        const char *expected;
    } cases[] = {{"sheaf\0run\0inv\0in.h5:/a\0-o\0out.h5", 33, "sheaf|run|inv|in.h5:/a|-o|out.h5|--layout|2x1|"},
                 {"sheaf\0run\0-o\0out.h5\0--\0inv\0-a", 30, "sheaf|run|-o|out.h5|--layout|2x1|--|inv|-a|"}};
    char *arguments[] = {"sheaf", "resume", "--layout", "2x1", "--", "out.h5", NULL};
    struct options given;
    (void)state;
    test_ok(options_parse(6, arguments, &given, &error), &error);
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++)
        for (int with = 0; with < 2; with++) {
            char first[64], joined[128] = "", *words[64], expected[128];
            memcpy(first, cases[i].first, (size_t)cases[i].bytes);
            int count = resume_join_arguments(first, cases[i].bytes, with ? &given : NULL, words);
            for (int k = 0; k < count; k++)
                snprintf(joined + strlen(joined), sizeof joined - strlen(joined), "%s|", words[k]);
            assert_null(words[count]);
            snprintf(expected, sizeof expected, "%s", cases[i].expected);
            char *added = strstr(expected, "--layout|2x1|");
            if (!with)
                memmove(added, added + 13, strlen(added + 13) + 1);
            assert_string_equal(joined, expected);
        }
    options_free(&given);
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(shares_are_percents),
        cmocka_unit_test(rounding_is_told_from_errors),
        cmocka_unit_test(each_type_has_its_tolerance),
        cmocka_unit_test(commands_are_joined),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
