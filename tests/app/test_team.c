#include "app_test.h"
#include "blas.h"
#include "team.h"

#include <dirent.h>
#include <pthread.h>
#include <stdlib.h>

/* The cores of the machine that runs the test; where it has one only, there is nothing to choose between. */

static struct team *team;
static int cores;
static struct sheaf_error error;

/* Threads that sleep as long as the test lasts: they must follow too. */
enum { SLEEPERS = 3 };
static pthread_t sleepers[SLEEPERS];
static pthread_mutex_t night = PTHREAD_MUTEX_INITIALIZER;

static void *
sleep_main(void *argument)
{
    pthread_mutex_lock(&night);
    pthread_mutex_unlock(&night);
    return argument;
}

static int
set_up(void **state)
{
    (void)state;
    setenv("SHEAF_NEIGHBOURS", "0", 1); // whoever else computes here must not choose our cores
    if (team_survey(NULL, &team, &error))
        return -1;
    cores = team_cores(team);
    pthread_mutex_lock(&night);
    for (int i = 0; i < SLEEPERS; i++)
        if (pthread_create(&sleepers[i], NULL, sleep_main, NULL) != 0)
            return -1;
    return 0;
}

static int
tear_down(void **state)
{
    (void)state;
    pthread_mutex_unlock(&night);
    for (int i = 0; i < SLEEPERS; i++)
        pthread_join(sleepers[i], NULL);
    team_destroy(team);
    return 0;
}

/* The mask of every thread of this process, which must be the same. @return threads */
static int
read_masks(cpu_set_t *mask)
{
    DIR *tasks = opendir("/proc/self/task");
    assert_non_null(tasks);
    int threads = 0;
    for (struct dirent *entry; (entry = readdir(tasks)) != NULL;) {
        cpu_set_t found;
        if (entry->d_name[0] == '.')
            continue;
        assert_int_equal(sched_getaffinity((pid_t)strtol(entry->d_name, NULL, 10), sizeof found, &found), 0);
        if (threads++ == 0)
            *mask = found;
        assert_true(CPU_EQUAL(mask, &found));
    }
    closedir(tasks);
    return threads;
}

/* Bind to these cores. @return what all threads then have */
static cpu_set_t
bind_to(const int *numbers, int count)
{
    cpu_set_t mask;
    assert_int_equal(team_bind_cores(team, numbers, count, &error), SHEAF_OK);
    read_masks(&mask);
    return mask;
}

static void
bind_layout(int threads)
{
    const struct layout layout = {1, threads, 1};
    assert_int_equal(team_bind(team, 0, &layout, &error), SHEAF_OK);
}

static void
every_thread_follows(void **state)
{
    (void)state;
    if (cores < 2)
        skip();
    bind_layout(2);
    cpu_set_t first = bind_to((const int[]){0}, 1), second = bind_to((const int[]){1}, 1), common, all, bound;
    CPU_AND(&common, &first, &second);
    assert_int_equal(CPU_COUNT(&common), 0);
    assert_true(CPU_COUNT(&first) > 0 && CPU_COUNT(&second) > 0);
    CPU_OR(&all, &first, &second);
    cpu_set_t both = bind_to((const int[]){1, 0}, 2);
    assert_true(CPU_EQUAL(&both, &all));
    bind_to((const int[]){0}, 1);
    assert_int_equal(team_bind_own(team, &error), SHEAF_OK);
    read_masks(&bound);
    assert_true(CPU_EQUAL(&bound, &all));
    bind_to((const int[]){0}, 1);
    bind_layout(2);
    read_masks(&bound);
    assert_true(CPU_EQUAL(&bound, &all));
}

static void
pools_of_blas_follow_and_inherit(void **state)
{
    struct blas_library library;
    (void)state;
    blas_describe(&library);
    if (cores < 2 || library.threading != BLAS_PTHREADS)
        skip();
    cpu_set_t mask, first;
    bind_layout(2);
    assert_int_equal(blas_set_threads(2), 2);
    int before = read_masks(&mask);
    assert_true(before >= 1 + SLEEPERS + 1);
    bind_to((const int[]){1}, 1);
    first = bind_to((const int[]){0}, 1);
    assert_int_equal(blas_set_threads(4), 4);
    assert_true(read_masks(&mask) >= 1 + SLEEPERS + 3);
    assert_true(CPU_EQUAL(&mask, &first));
    assert_int_equal(blas_set_threads(1), 1);
}

static void
only_numbered_cores_are_bound_to(void **state)
{
    static const int wrong[][2] = {{0, 1}, {-1, 0}, {0, 1 << 30}};
    cpu_set_t before, after;
    (void)state;
    bind_layout(1);
    read_masks(&before);
    for (int i = 0; i < 3; i++) {
        assert_int_equal(team_bind_cores(team, wrong[i], 2, &error), SHEAF_INTERNAL);
        assert_non_null(strstr(error.text, "of 1 does not exist"));
    }
    read_masks(&after);
    assert_true(CPU_EQUAL(&before, &after));
}

static void
where_all_cores_are_shared_nothing_is_chosen(void **state)
{
    cpu_set_t all, some;
    (void)state;
    bind_layout(cores + 1);
    read_masks(&all);
    some = bind_to((const int[]){cores}, 1);
    assert_true(CPU_EQUAL(&all, &some));
}

static void *
bind_often(void *argument)
{
    struct sheaf_error mine;
    for (int i = 0; i < 200; i++)
        if (team_bind_cores(team, argument, 1, &mine))
            return argument;
    return NULL;
}

static void
the_last_of_two_who_bind_wins_everywhere(void **state)
{
    static int numbers[] = {0, 1};
    pthread_t threads[2];
    cpu_set_t mask;
    (void)state;
    if (cores < 2)
        skip();
    bind_layout(2);
    for (int i = 0; i < 2; i++)
        assert_int_equal(pthread_create(&threads[i], NULL, bind_often, &numbers[i]), 0);
    for (int i = 0; i < 2; i++) {
        void *failed;
        pthread_join(threads[i], &failed);
        assert_null(failed);
    }
    read_masks(&mask);
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(every_thread_follows),
        cmocka_unit_test(pools_of_blas_follow_and_inherit),
        cmocka_unit_test(only_numbered_cores_are_bound_to),
        cmocka_unit_test(where_all_cores_are_shared_nothing_is_chosen),
        cmocka_unit_test(the_last_of_two_who_bind_wins_everywhere),
    };
    return cmocka_run_group_tests(tests, set_up, tear_down);
}
