#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "blas.h"

#include <string.h>

static void
the_library_is_described(void **state)
{
    struct blas_library library;
    (void)state;
    memset(&library, 0xff, sizeof library);
    blas_describe(&library);
    /* "OpenBLAS", a space, and a version that starts with a digit and ends before the next space */
    assert_memory_equal(library.name, "OpenBLAS ", 9);
    assert_true(library.name[9] >= '0' && library.name[9] <= '9');
    assert_null(strchr(library.name + 9, ' '));
    assert_memory_equal(library.config, library.name, strlen(library.name));
    assert_true(strlen(library.core) > 0);
    assert_true(library.greatest_threads >= 1);
    if (library.threading == BLAS_SEQUENTIAL)
        assert_int_equal(library.greatest_threads, 1);
}

static void
threading_has_a_name(void **state)
{
    (void)state;
    assert_string_equal(blas_threading_name(BLAS_SEQUENTIAL), "sequential");
    assert_string_equal(blas_threading_name(BLAS_PTHREADS), "pthreads");
    assert_string_equal(blas_threading_name(BLAS_OPENMP), "OpenMP");
}

static void
the_thread_count_that_is_set_is_the_one_in_use(void **state)
{
    struct blas_library library;
    (void)state;
    blas_describe(&library);
    int two = library.greatest_threads >= 2 ? 2 : 1;
    assert_int_equal(blas_set_threads(1), 1);
    assert_int_equal(blas_get_threads(), 1);
    assert_int_equal(blas_set_threads(two), two);
    assert_int_equal(blas_get_threads(), two);
    assert_int_equal(blas_set_threads(1), 1);
}

static void
a_count_below_one_changes_nothing(void **state)
{
    (void)state;
    assert_int_equal(blas_set_threads(1), 1);
    assert_int_equal(blas_set_threads(0), 1);
    assert_int_equal(blas_set_threads(-3), 1);
}

static void
a_count_beyond_the_build_is_reported_as_what_it_became(void **state)
{
    struct blas_library library;
    (void)state;
    blas_describe(&library);
    int threads = blas_set_threads(library.greatest_threads + 1);
    assert_true(threads >= 1 && threads <= library.greatest_threads);
    assert_int_equal(blas_get_threads(), threads);
    assert_int_equal(blas_set_threads(1), 1);
}

static void
the_rate_is_that_of_a_computer_and_threads_stay(void **state)
{
    (void)state;
    assert_int_equal(blas_set_threads(1), 1);
    double rate = blas_measure_rate();
    assert_true(rate > 1e7 && rate < 1e13);
    assert_int_equal(blas_get_threads(), 1);
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(the_library_is_described),
        cmocka_unit_test(threading_has_a_name),
        cmocka_unit_test(the_thread_count_that_is_set_is_the_one_in_use),
        cmocka_unit_test(a_count_below_one_changes_nothing),
        cmocka_unit_test(a_count_beyond_the_build_is_reported_as_what_it_became),
        cmocka_unit_test(the_rate_is_that_of_a_computer_and_threads_stay),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
