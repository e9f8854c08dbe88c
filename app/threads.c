#include "threads.h"
#include "blas.h"
#include "number.h"

#include <dirent.h>
#include <errno.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

int
threads_visit(void (*visit)(void *argument, pid_t thread), void *argument)
{
    DIR *tasks = opendir("/proc/self/task");
    if (!tasks)
        return errno;
    for (struct dirent *entry; (entry = readdir(tasks)) != NULL;) {
        int64_t thread;
        if (number_parse(entry->d_name, &thread, NULL))
            visit(argument, (pid_t)thread);
    }
    closedir(tasks);
    return 0;
}

// ---- how many BLAS has ----

enum { KNOWN_MAX = 4096 };

/** Threads that were there before BLAS made some. */
struct known {
    pid_t threads[KNOWN_MAX];
    int count; /**< may pass KNOWN_MAX */
    int unknown;
};

static void
note_known(void *argument, pid_t thread)
{
    struct known *known = argument;
    if (known->count < KNOWN_MAX)
        known->threads[known->count] = thread;
    known->count++;
}

static void
count_unknown(void *argument, pid_t thread)
{
    struct known *known = argument;
    for (int i = 0; i < known->count; i++)
        if (known->threads[i] == thread)
            return;
    known->unknown++;
}

/** Set it, and count the threads that this made; INT_MAX where nobody can tell. */
static int
grow(int count)
{
    struct known *known = calloc(1, sizeof *known);
    bool told = known && threads_visit(note_known, known) == 0 && known->count <= KNOWN_MAX;
    blas_set_threads(count);
    told = told && threads_visit(count_unknown, known) == 0;
    int made = told ? known->unknown : INT_MAX;
    free(known);
    return made;
}

/** At its end OpenBLAS would wait for threads that it never had: nothing of it may run. */
static void
leave_at_once(int status, void *argument)
{
    (void)argument;
    fflush(NULL);
    _exit(status);
}

enum sheaf_status
threads_set_blas(int count, struct sheaf_error *error)
{
    static int most = INT_MAX; // threads that BLAS has, once the system refused one: it never asks again
    struct blas_library blas;
    int before = blas_get_pool();
    if (count > before) {
        blas_describe(&blas);
        int made = blas.threading == BLAS_PTHREADS && count <= blas.greatest_threads ? grow(count) : count - before;
        if (made < count - before) {
            most = before + made;
            on_exit(leave_at_once, NULL);
        }
    }
    int found = count <= most ? blas_set_threads(count) : most;
    if (found == count)
        return SHEAF_OK;
    blas_set_threads(1);
    if (found == most)
        return sheaf_fail(
            error, SHEAF_NO_RESOURCES,
            "BLAS has %d of the %d threads that a task is to have: the system refused the others; look at "
            "ulimit -u and at the cgroup's pids.max, or ask for a narrower --layout",
            found, count);
    return sheaf_fail(error, SHEAF_NO_RESOURCES,
                      "BLAS uses %d threads instead of %d; ask for a narrower --layout, or use another BLAS build",
                      found, count);
}
