#include "threads.h"
#include "blas.h"
#include "number.h"

#include <dirent.h>
#include <errno.h>
#include <limits.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <sys/resource.h>
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

/** Bytes that a new thread takes: its stack, and the addresses of its heap (HEAP_MAX_SIZE of the C library). */
static size_t
thread_bytes(void)
{
    pthread_attr_t attributes;
    size_t stack = 0;
    if (pthread_attr_init(&attributes) == 0) {
        pthread_attr_getstacksize(&attributes, &stack);
        pthread_attr_destroy(&attributes);
    }
    return stack + ((size_t)64 << 20);
}

/** How many pieces of memory can be mapped at once, `most` at the most; none stays. */
static int
count_mappable(size_t bytes, int most)
{
    void **pieces = calloc((size_t)most, sizeof *pieces);
    int count = 0;
    // One by one, as BLAS does: the system may refuse at once what it gives in pieces.
    while (pieces && count < most) {
        void *piece = mmap(NULL, bytes, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
        if (piece == MAP_FAILED)
            break;
        pieces[count++] = piece;
    }
    for (int i = 0; i < count; i++)
        munmap(pieces[i], bytes);
    free(pieces);
    return count;
}

static enum sheaf_status
fail_room(int wanted, int found, struct sheaf_error *error)
{
    struct rlimit limit;
    char reason[64] = "look at vm.overcommit_memory";
    if (getrlimit(RLIMIT_AS, &limit) == 0 && limit.rlim_cur != RLIM_INFINITY)
        snprintf(reason, sizeof reason, "raise ulimit -v (now %.3f GB)", 1e-9 * (double)limit.rlim_cur);
    return sheaf_fail(
        error, SHEAF_NO_RESOURCES,
        "BLAS needs %d more buffer%s of %.3f GB for this rank's threads, the system gives %d: %s, or have "
        "fewer threads per rank (--layout, OPENBLAS_NUM_THREADS)",
        wanted, wanted == 1 ? "" : "s", 1e-9 * (double)blas_buffer_bytes(), found, reason);
}

/** Whether there is room for so many new threads, and so many buffers. */
static enum sheaf_status
try_room(int threads, int wanted, struct sheaf_error *error)
{
    if (blas_buffer_bytes() == 0)
        return SHEAF_OK;
    // Not to be written to, and so of addresses only, as heaps and stacks are that nobody has used.
    size_t bytes = (size_t)threads * thread_bytes();
    void *others = bytes ? mmap(NULL, bytes, PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0) : NULL;
    int found = others == MAP_FAILED ? 0 : count_mappable((size_t)blas_buffer_bytes(), wanted);
    if (others && others != MAP_FAILED)
        munmap(others, bytes);
    return found < wanted ? fail_room(wanted, found, error) : SHEAF_OK;
}

enum sheaf_status
threads_check_start(struct sheaf_error *error)
{
    int pool = blas_get_pool();
    return pool > 1 ? try_room(0, pool, error) : SHEAF_OK;
}

enum sheaf_status
threads_check_room(int threads, int buffers, struct sheaf_error *error)
{
    static int known; // buffers that had room: they stay
    if (buffers <= known)
        return SHEAF_OK;
    enum sheaf_status status = try_room(threads, buffers - known, error);
    if (!status)
        known = buffers;
    return status;
}

enum sheaf_status
threads_check_callers(const struct sheaf_kernel *kernel, int threads, int callers, struct sheaf_error *error)
{
    if (kernel->width_kind != SHEAF_WIDTH_BLAS)
        return SHEAF_OK;
    return threads_check_room(threads, blas_get_pool() - 1 + callers, error);
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
        enum sheaf_status status = threads_check_room(count - before, count, error);
        if (status)
            return status;
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
