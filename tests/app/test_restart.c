#include "app_test.h"
#include "blas.h"
#include "restart.h"

#include <errno.h>
#include <stdlib.h>
#include <unistd.h>

/* execv, as far as a test can bear it: it notes what the second start would find, and fails. */

enum { NAMES = 6 };
static const char *const names[NAMES] = {"OPENBLAS_NUM_THREADS",    "GOTO_NUM_THREADS", "OMP_NUM_THREADS",
                                         "OPENBLAS_THREAD_TIMEOUT", "SHEAF_RESTARTED",  "SHEAF_RESTART"};

static struct {
    int count;
    char path[32];
    char **arguments;
    char values[NAMES][256]; /* "" where not set */
} executed;

int __wrap_execv(const char *path, char *const arguments[]);

int
__wrap_execv(const char *path, char *const arguments[])
{
    executed.count++;
    snprintf(executed.path, sizeof executed.path, "%s", path);
    executed.arguments = (char **)arguments;
    for (int i = 0; i < NAMES; i++) {
        const char *value = getenv(names[i]);
        snprintf(executed.values[i], sizeof executed.values[i], "%s", value ? value : "");
    }
    errno = ENOENT;
    return -1;
}

static char *arguments[] = {"sheaf", "run", "", NULL};

/* @param[in] values  of `names`, NULL: not set */
static void
set_environment(const char *const values[NAMES])
{
    for (int i = 0; i < NAMES; i++)
        if (values[i])
            setenv(names[i], values[i], 1);
        else
            unsetenv(names[i]);
}

static void
expect_environment(const char *const values[NAMES])
{
    for (int i = 0; i < NAMES; i++)
        if (values[i])
            assert_string_equal(getenv(names[i]), values[i]);
        else
            assert_null(getenv(names[i]));
}

/* Start with these variables. @return how often the program was executed */
static int
start(const char *const values[NAMES])
{
    memset(&executed, 0, sizeof executed);
    set_environment(values);
    restart_for_blas(arguments);
    return executed.count;
}

/* What was executed, with what it was to find. */
static void
start_again(void)
{
    char seen[NAMES][256];
    const char *values[NAMES];
    memcpy(seen, executed.values, sizeof seen);
    for (int i = 0; i < NAMES; i++)
        values[i] = seen[i][0] ? seen[i] : NULL;
    assert_int_equal(start(values), 0);
}

static void
it_starts_once_with_what_blas_is_to_read(void **state)
{
    static const char *const nothing[NAMES] = {NULL};
    (void)state;
    assert_int_equal(start(nothing), 1);
    assert_string_equal(executed.path, "/proc/self/exe");
    assert_ptr_equal(executed.arguments, arguments);
    assert_string_equal(executed.values[0], "1");
    assert_string_equal(executed.values[3], "4");
    /* It failed: all goes on as it was. */
    expect_environment(nothing);
    /* The second start finds what the first one set, and removes it. */
    start_again();
    expect_environment(nothing);
}

static void
what_the_user_has_set_stays(void **state)
{
    static const char *const cases[][NAMES] = {
        {"3", NULL, NULL, NULL}, {NULL, "3", NULL, NULL}, {NULL, NULL, "3", NULL}, {NULL, NULL, NULL, "20"}};
    (void)state;
    for (int i = 0; i < 4; i++) {
        assert_int_equal(start(cases[i]), 1);
        assert_string_equal(executed.values[0], i == 0 ? "3" : i == 3 ? "1" : "");
        assert_string_equal(executed.values[3], i == 3 ? "20" : "4");
        expect_environment(cases[i]);
        start_again();
        expect_environment(cases[i]);
    }
}

static void
what_blas_would_not_take_is_no_setting(void **state)
{
    (void)state;
    assert_int_equal(start((const char *const[NAMES]){"0", NULL, "", "x"}), 1);
    assert_string_equal(executed.values[0], "1");
    assert_string_equal(executed.values[3], "4");
}

static void
nothing_is_started_in_vain(void **state)
{
    static const char *const settled[NAMES] = {NULL, NULL, "2", "26"};
    static const char *const unwanted[NAMES] = {NULL, NULL, NULL, NULL, NULL, "0"};
    (void)state;
    assert_int_equal(start(settled), 0);
    expect_environment(settled);
    assert_int_equal(start(unwanted), 0);
    expect_environment(unwanted);
}

int
main(void)
{
    struct blas_library library;
    blas_describe(&library);
    if (library.threading != BLAS_PTHREADS)
        return 0; // nothing is to be set for others
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(it_starts_once_with_what_blas_is_to_read),
        cmocka_unit_test(what_the_user_has_set_stays),
        cmocka_unit_test(what_blas_would_not_take_is_no_setting),
        cmocka_unit_test(nothing_is_started_in_vain),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
