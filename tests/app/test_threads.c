#include "app_test.h"
#include "blas.h"
#include "threads.h"

#include <cblas.h>
#include <dlfcn.h>
#include <errno.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/resource.h>
#include <unistd.h>

/* The system makes this many more threads; libraries come here too, for the program's own functions are found first. */
static int allowed = 1 << 20;

int // NOLINTNEXTLINE(readability-inconsistent-declaration-parameter-name): the C library's own are reserved
pthread_create(pthread_t *thread, const pthread_attr_t *how, void *(*body)(void *), void *argument)
{
    int (*make)(pthread_t *, const pthread_attr_t *, void *(*)(void *), void *);
    *(void **)&make = dlsym(RTLD_NEXT, "pthread_create");
    return allowed-- > 0 ? make(thread, how, body, argument) : EAGAIN;
}

static struct sheaf_error error;

/* Addresses that this process has. */
static rlim_t
address_bytes(void)
{
    char line[128];
    FILE *file = fopen("/proc/self/statm", "r");
    assert_non_null(file);
    assert_non_null(fgets(line, sizeof line, file));
    fclose(file);
    return (rlim_t)strtoull(line, NULL, 10) * (rlim_t)sysconf(_SC_PAGESIZE);
}

static void
count_one(void *argument, pid_t thread)
{
    (void)thread;
    ++*(int *)argument;
}

static int
count_threads(void)
{
    int count = 0;
    assert_int_equal(threads_visit(count_one, &count), 0);
    return count;
}

/* A product that needs all threads of BLAS: it would not end if one were missing. */
static void
multiply(void)
{
    enum { N = 200 };
    static double a[N * N], b[N * N];
    for (int i = 0; i < N * N; i++)
        a[i] = 1;
    cblas_dgemm(CblasRowMajor, CblasNoTrans, CblasNoTrans, N, N, N, 1, a, N, a, N, 0, b, N);
    assert_true(b[0] == N && b[N * N - 1] == N);
}

static void
threads_are_made_once_and_kept(void **state)
{
    (void)state;
    int pool = blas_get_pool(), before = count_threads();
    assert_int_equal(threads_set_blas(pool + 2, &error), SHEAF_OK);
    assert_int_equal(blas_get_threads(), pool + 2);
    assert_int_equal(count_threads(), before + 2);
    multiply();
    allowed = 0; // nothing is to be made for fewer, nor for as many again
    assert_int_equal(threads_set_blas(1, &error), SHEAF_OK);
    assert_int_equal(blas_get_threads(), 1);
    assert_int_equal(threads_set_blas(pool + 2, &error), SHEAF_OK);
    assert_int_equal(blas_get_threads(), pool + 2);
    assert_int_equal(count_threads(), before + 2);
    multiply();
    allowed = 1 << 20;
}

/* Room for two buffers and a half. */
static void
room_is_asked_for_once(void **state)
{
    (void)state;
    const rlim_t buffer = (rlim_t)blas_buffer_bytes();
    const int there = blas_get_pool();
    struct rlimit before;
    assert_int_equal(getrlimit(RLIMIT_AS, &before), 0);
    const struct rlimit limit = {.rlim_cur = address_bytes() + 5 * buffer / 2, .rlim_max = before.rlim_max};
    assert_int_equal(setrlimit(RLIMIT_AS, &limit), 0);
    assert_int_equal(threads_check_room(0, there + 2, &error), SHEAF_OK);
    assert_int_equal(threads_check_room(0, there + 4, &error), SHEAF_OK);
    assert_int_equal(threads_check_room(0, there + 7, &error), SHEAF_NO_RESOURCES);
    assert_non_null(strstr(error.text, "BLAS needs 3 more buffers of 0.134 GB"));
    assert_non_null(strstr(error.text, "the system gives 2: raise ulimit -v"));
    /* threads take the room of buffers */
    assert_int_equal(threads_check_room(4, there + 6, &error), SHEAF_NO_RESOURCES);
    assert_int_equal(threads_check_room(0, there + 6, &error), SHEAF_OK);
    assert_int_equal(setrlimit(RLIMIT_AS, &before), 0);
}

/* The last one: what OpenBLAS could not make it never asks for again. */
static void
threads_that_the_system_refuses_are_missed(void **state)
{
    (void)state;
    int pool = blas_get_pool(), before = count_threads();
    char text[64];
    allowed = 1;
    assert_int_equal(threads_set_blas(pool + 3, &error), SHEAF_NO_RESOURCES);
    assert_int_equal(count_threads(), before + 1);
    snprintf(text, sizeof text, "BLAS has %d of the %d threads", pool + 1, pool + 3);
    assert_non_null(strstr(error.text, text));
    assert_int_equal(blas_get_threads(), 1);
    multiply();
    allowed = 1 << 20;
    assert_int_equal(threads_set_blas(pool + 2, &error), SHEAF_NO_RESOURCES);
    assert_int_equal(threads_set_blas(pool, &error), SHEAF_OK);
    multiply();
    assert_int_equal(threads_set_blas(1, &error), SHEAF_OK);
}

int
main(void)
{
    struct blas_library library;
    blas_describe(&library);
    if (library.threading != BLAS_PTHREADS)
        return 0; // others make their threads elsewhere
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(threads_are_made_once_and_kept),
        cmocka_unit_test(room_is_asked_for_once),
        cmocka_unit_test(threads_that_the_system_refuses_are_missed),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
