#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "parameters.h"

#include <math.h>
#include <string.h>

static const char *const norms[] = {"fro", "one", "inf", NULL};

static const struct sheaf_parameter fake_parameters[] = {
    {.name = "tol", .kind = SHEAF_PARAMETER_REAL, .initial.real = 1e-6, .least.real = 0.0, .greatest.real = 1.0},
    {.name = "window",
     .unit = "samples",
     .kind = SHEAF_PARAMETER_INTEGER,
     .initial.integer = 16,
     .least.integer = -2,
     .greatest.integer = 1024},
    {.name = "ord", .kind = SHEAF_PARAMETER_CHOICE, .choices = norms, .initial.integer = 1},
    {.name = "time",
     .unit = "s",
     .kind = SHEAF_PARAMETER_REAL,
     .initial.real = 0.1,
     .least.real = -(double)INFINITY,
     .greatest.real = (double)INFINITY},
    {.name = "seed",
     .kind = SHEAF_PARAMETER_INTEGER,
     .initial.integer = 0,
     .least.integer = INT64_MIN,
     .greatest.integer = INT64_MAX},
};

static const struct sheaf_kernel fake = {.name = "fake", .parameters = fake_parameters, .parameter_count = 5};
static const struct sheaf_kernel bare = {.name = "bare"};

static void
expect_text(const struct sheaf_problem *problem, const char *expected)
{
    char text[PARAMETERS_TEXT];
    assert_string_equal(parameters_format(&fake, problem, text, sizeof text), expected);
}

static void
initial_values_are_formatted(void **state)
{
    struct sheaf_problem problem;
    char text[PARAMETERS_TEXT];
    (void)state;
    memset(&problem, 0xff, sizeof problem);
    parameters_set_initial(&fake, &problem);
    expect_text(&problem, "tol=1e-06 window=16 ord=one time=0.1 seed=0");
    parameters_set_initial(&bare, &problem);
    assert_string_equal(parameters_format(&bare, &problem, text, sizeof text), "");
}

static void
values_are_parsed_each_into_its_place(void **state)
{
    static const char *const texts[] = {"tol=0.5", "window=-2", "ord=fro", "time=-inf", "seed=9223372036854775807"};
    struct sheaf_problem problem = {0};
    (void)state;
    parameters_set_initial(&fake, &problem);
    for (int i = 0; i < 5; i++)
        assert_int_equal(parameters_parse(&fake, texts[i], &problem, NULL), SHEAF_OK);
    assert_true(problem.parameters[0].real == 0.5);
    assert_int_equal(problem.parameters[1].integer, -2);
    assert_int_equal(problem.parameters[2].integer, 0);
    assert_true(isinf(problem.parameters[3].real) && problem.parameters[3].real < 0.0);
    assert_true(problem.parameters[4].integer == INT64_MAX);
    expect_text(&problem, "tol=0.5 window=-2 ord=fro time=-inf seed=9223372036854775807");
}

static void
the_bounds_themselves_are_valid(void **state)
{
    static const char *const texts[] = {"tol=0", "tol=1", "window=-2", "window=1024", "ord=inf"};
    struct sheaf_problem problem = {0};
    (void)state;
    for (int i = 0; i < 5; i++)
        assert_int_equal(parameters_parse(&fake, texts[i], &problem, NULL), SHEAF_OK);
}

static void
a_formatted_number_reads_back_as_the_same_bits(void **state)
{
    static const double values[] = {1.0 / 3.0, 0.1, 1e300, 5e-324, 123456789.0, -0.0};
    (void)state;
    for (size_t i = 0; i < sizeof values / sizeof values[0]; i++) {
        struct sheaf_problem problem = {0}, back = {0};
        char text[PARAMETERS_TEXT];
        problem.parameters[3].real = values[i];
        parameters_format(&fake, &problem, text, sizeof text);
        char *time = strstr(text, "time=");
        assert_non_null(time);
        time[strcspn(time, " ")] = '\0';
        assert_int_equal(parameters_parse(&fake, time, &back, NULL), SHEAF_OK);
        assert_memory_equal(&back.parameters[3], &values[i], sizeof values[i]);
    }
}

static void
a_short_text_is_cut_off_within_its_bytes(void **state)
{
    struct sheaf_problem problem = {0};
    char text[16];
    (void)state;
    parameters_set_initial(&fake, &problem);
    memset(text, '#', sizeof text);
    assert_string_equal(parameters_format(&fake, &problem, text, 12), "tol=1e-06 w");
    assert_int_equal(text[12], '#');
    assert_string_equal(parameters_format(&fake, &problem, text, 1), "");
}

static void
expect_refusal(const struct sheaf_kernel *kernel, const char *text, const char *expected)
{
    struct sheaf_problem problem, before;
    struct sheaf_error error = {0};
    memset(&problem, 0x11, sizeof problem);
    before = problem;
    assert_int_equal(parameters_parse(kernel, text, &problem, &error), SHEAF_USAGE);
    assert_int_equal(error.status, SHEAF_USAGE);
    assert_string_equal(error.text, expected);
    assert_memory_equal(&problem, &before, sizeof problem);
}

static void
names_that_are_none_are_refused(void **state)
{
    (void)state;
    expect_refusal(&bare, "tol=1", "bare has no parameters: leave out 'tol=1'");
    expect_refusal(&fake, "tol",
                   "fake: expected a parameter as name=value, got 'tol'; names are tol, window, ord, "
                   "time, seed");
    expect_refusal(&fake, "to=1", "fake has no parameter 'to'; it has tol, window, ord, time, seed");
    expect_refusal(&fake, "tolerance=1", "fake has no parameter 'tolerance'; it has tol, window, ord, time, seed");
    expect_refusal(&fake, "=1", "fake has no parameter ''; it has tol, window, ord, time, seed");
}

static void
values_that_are_none_are_refused(void **state)
{
    (void)state;
    expect_refusal(&fake, "tol=1.5", "fake: parameter tol: expected a number from 0 to 1, got '1.5'");
    expect_refusal(&fake, "tol=-1e-9", "fake: parameter tol: expected a number from 0 to 1, got '-1e-9'");
    expect_refusal(&fake, "tol=nan", "fake: parameter tol: expected a number from 0 to 1, got 'nan'");
    expect_refusal(&fake, "tol=", "fake: parameter tol: expected a number from 0 to 1, got ''");
    expect_refusal(&fake, "tol= 0.5", "fake: parameter tol: expected a number from 0 to 1, got ' 0.5'");
    expect_refusal(&fake, "tol=0.5x", "fake: parameter tol: expected a number from 0 to 1, got '0.5x'");
    expect_refusal(&fake, "time=soon", "fake: parameter time: expected a number from -inf to inf s, got 'soon'");
    expect_refusal(&fake, "window=1025",
                   "fake: parameter window: expected an integer from -2 to 1024 samples, got '1025'");
    expect_refusal(&fake, "window=-3", "fake: parameter window: expected an integer from -2 to 1024 samples, got '-3'");
    expect_refusal(&fake, "window=1.5",
                   "fake: parameter window: expected an integer from -2 to 1024 samples, got '1.5'");
    expect_refusal(&fake, "window=", "fake: parameter window: expected an integer from -2 to 1024 samples, got ''");
    expect_refusal(&fake, "seed=9223372036854775808",
                   "fake: parameter seed: expected an integer from -9223372036854775808 to 9223372036854775807, got "
                   "'9223372036854775808'");
    expect_refusal(&fake, "ord=two", "fake: parameter ord: expected one of fro, one, inf, got 'two'");
    expect_refusal(&fake, "ord=", "fake: parameter ord: expected one of fro, one, inf, got ''");
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(initial_values_are_formatted),
        cmocka_unit_test(values_are_parsed_each_into_its_place),
        cmocka_unit_test(the_bounds_themselves_are_valid),
        cmocka_unit_test(a_formatted_number_reads_back_as_the_same_bits),
        cmocka_unit_test(a_short_text_is_cut_off_within_its_bytes),
        cmocka_unit_test(names_that_are_none_are_refused),
        cmocka_unit_test(values_that_are_none_are_refused),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
