#include "ranks.h"

#include <pthread.h>
#include <sched.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

enum { RANKS_MOST = 4096 };

struct shared {
    pthread_barrier_t barrier;
    double start[RANKS_MOST], end[RANKS_MOST];
};

double
ranks_seconds(void)
{
    struct timespec time;
    clock_gettime(CLOCK_MONOTONIC, &time);
    return (double)time.tv_sec + 1e-9 * (double)time.tv_nsec;
}

void
ranks_bind(int rank, int threads)
{
    cpu_set_t all, mine;
    CPU_ZERO(&mine);
    sched_getaffinity(0, sizeof all, &all);
    int index = 0;
    for (size_t cpu = 0; cpu < CPU_SETSIZE; cpu++) {
        if (!CPU_ISSET(cpu, &all))
            continue;
        if (index >= rank * threads && index < (rank + 1) * threads)
            CPU_SET(cpu, &mine);
        index++;
    }
    if (CPU_COUNT(&mine) == threads)
        sched_setaffinity(0, sizeof mine, &mine);
}

static struct shared *
make_shared(int ranks)
{
    struct shared *shared = mmap(NULL, sizeof *shared, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
    if (shared == MAP_FAILED)
        return NULL;
    pthread_barrierattr_t attributes;
    pthread_barrierattr_init(&attributes);
    pthread_barrierattr_setpshared(&attributes, PTHREAD_PROCESS_SHARED);
    pthread_barrier_init(&shared->barrier, &attributes, (unsigned)ranks + 1);
    return shared;
}

void
ranks_fail(const char *what)
{
    perror(what);
    kill(getppid(), SIGTERM);
    _exit(74);
}

double
ranks_measure(int ranks, int threads, ranks_function *prepare, ranks_function *work, void *context)
{
    struct shared *shared = ranks <= RANKS_MOST ? make_shared(ranks) : NULL;
    if (!shared)
        return -1;
    for (int rank = 0; rank < ranks; rank++) {
        pid_t child = fork();
        if (child < 0)
            exit(71);
        if (child == 0) {
            prctl(PR_SET_PDEATHSIG, SIGKILL); // none waits for one that will never come
            ranks_bind(rank, threads);
            prepare(rank, context);
            pthread_barrier_wait(&shared->barrier);
            shared->start[rank] = ranks_seconds();
            work(rank, context);
            shared->end[rank] = ranks_seconds();
            _exit(0);
        }
    }
    pthread_barrier_wait(&shared->barrier);
    int failed = 0, status;
    while (wait(&status) > 0)
        failed |= status;
    double first = shared->start[0], last = shared->end[0];
    for (int rank = 1; rank < ranks; rank++) {
        first = shared->start[rank] < first ? shared->start[rank] : first;
        last = shared->end[rank] > last ? shared->end[rank] : last;
    }
    return failed ? -1 : last - first;
}

long long
ranks_read_number(const char *text, long long most)
{
    char *end;
    long long value = strtoll(text, &end, 10);
    if (*text == '\0' || *end != '\0' || value < 1 || value > most) {
        fprintf(stderr, "expected a number from 1 to %lld, found \"%s\"\n", most, text);
        exit(64);
    }
    return value;
}
