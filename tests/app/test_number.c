#include "app_test.h"
#include "number.h"

static void
numbers_end_where_they_end(void **state)
{
    int64_t value = 0;
    const char *end, *text = "12x3";
    (void)state;
    assert_true(number_parse(text, &value, &end));
    assert_int_equal(value, 12);
    assert_ptr_equal(end, text + 2);
    assert_true(number_parse("-7", &value, NULL));
    assert_int_equal(value, -7);
    assert_true(number_parse("9223372036854775807", &value, NULL));
    assert_true(value == INT64_MAX);
    assert_true(number_parse("-9223372036854775808", &value, NULL));
    assert_true(value == INT64_MIN);
}

static void
what_is_no_number_leaves_the_value_alone(void **state)
{
    static const char *const texts[] = {"",   " 1", "+1", "-", "x", "0x1", "1 ", "1.", "--1", "9223372036854775808",
                                        "-x", "1e3"};
    (void)state;
    for (size_t i = 0; i < sizeof texts / sizeof texts[0]; i++) {
        int64_t value = 42;
        if (number_parse(texts[i], &value, NULL) || value != 42)
            fail_msg("\"%s\" was taken for %lld", texts[i], (long long)value);
    }
}

static void
the_environment_is_asked(void **state)
{
    (void)state;
    unsetenv("SHEAF_TEST_NUMBER");
    assert_int_equal(number_from_environment("SHEAF_TEST_NUMBER", 5), 5);
    setenv("SHEAF_TEST_NUMBER", "31", 1);
    assert_int_equal(number_from_environment("SHEAF_TEST_NUMBER", 5), 31);
    setenv("SHEAF_TEST_NUMBER", "31 ", 1);
    assert_int_equal(number_from_environment("SHEAF_TEST_NUMBER", 5), 5);
    setenv("SHEAF_TEST_NUMBER", "", 1);
    assert_int_equal(number_from_environment("SHEAF_TEST_NUMBER", 5), 5);
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(numbers_end_where_they_end),
        cmocka_unit_test(what_is_no_number_leaves_the_value_alone),
        cmocka_unit_test(the_environment_is_asked),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
