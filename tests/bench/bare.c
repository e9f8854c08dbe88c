/*
 * The bare limit: R processes with T BLAS threads each, bound as a layout binds them, doing the same cblas_dgemm calls
 * as `sheaf run matmul` on matrices that are in memory, with no I/O at all. Prints the seconds from a common start to
 * the last one's end.
 *
 * usage: bare RANKS THREADS COUNT SIZE
 */
#include <cblas.h>

#include <pthread.h>
#include <sched.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

enum { SETS = 4, REPEATS = 2 }; // enough matrices that none stays in a cache; a warm-up, and the timed round

struct shared {
    pthread_barrier_t barrier;
    double end[4096];
};

struct problem {
    int ranks, threads, count, size;
};

static double
seconds(void)
{
    struct timespec time;
    clock_gettime(CLOCK_MONOTONIC, &time);
    return (double)time.tv_sec + 1e-9 * (double)time.tv_nsec;
}

static double *
make_matrix(int size, int seed)
{
    size_t count = (size_t)size * (size_t)size;
    double *matrix = malloc(count * sizeof *matrix);
    if (!matrix)
        exit(71);
    for (size_t i = 0; i < count; i++)
        matrix[i] = (double)((i * 2654435761U + (size_t)seed) % 1000003) / 1000003.0;
    return matrix;
}

static void
bind_rank(int rank, int threads)
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

static void
work(const struct problem *problem, int rank, struct shared *shared)
{
    int n = problem->size;
    double *a[SETS], *b[SETS], *c[SETS];
    bind_rank(rank, problem->threads);
    openblas_set_num_threads(problem->threads);
    for (int i = 0; i < SETS; i++) {
        a[i] = make_matrix(n, 3 * i);
        b[i] = make_matrix(n, 3 * i + 1);
        c[i] = make_matrix(n, 3 * i + 2);
    }
    int first = (int)((long long)problem->count * rank / problem->ranks);
    int end = (int)((long long)problem->count * (rank + 1) / problem->ranks);
    for (int round = 0; round < REPEATS; round++) {
        int last = round == 0 ? first + 1 : end;
        pthread_barrier_wait(&shared->barrier);
        for (int task = first; task < last; task++)
            cblas_dgemm(CblasRowMajor, CblasNoTrans, CblasNoTrans, n, n, n, 1.0, a[task % SETS], n, b[task % SETS], n,
                        0.0, c[task % SETS], n);
    }
    shared->end[rank] = seconds();
}

static int
read_number(const char *text)
{
    char *end;
    long value = strtol(text, &end, 10);
    if (*end != '\0' || value < 1 || value > 1000000) {
        fprintf(stderr, "bare: expected a number from 1 to 1000000, found \"%s\"\n", text);
        exit(64);
    }
    return (int)value;
}

int
main(int argument_count, char **arguments)
{
    if (argument_count != 5) {
        fprintf(stderr, "usage: bare RANKS THREADS COUNT SIZE\n");
        return 64;
    }
    struct problem problem = {read_number(arguments[1]), read_number(arguments[2]), read_number(arguments[3]),
                              read_number(arguments[4])};
    struct shared *shared = mmap(NULL, sizeof *shared, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
    if (shared == MAP_FAILED || problem.ranks > 4096)
        return 71;
    pthread_barrierattr_t attributes;
    pthread_barrierattr_init(&attributes);
    pthread_barrierattr_setpshared(&attributes, PTHREAD_PROCESS_SHARED);
    pthread_barrier_init(&shared->barrier, &attributes, (unsigned)problem.ranks + 1);
    for (int rank = 0; rank < problem.ranks; rank++) {
        pid_t child = fork();
        if (child < 0)
            return 71;
        if (child == 0) {
            work(&problem, rank, shared);
            _exit(0);
        }
    }
    double start = 0, last = 0;
    for (int round = 0; round < REPEATS; round++) {
        pthread_barrier_wait(&shared->barrier);
        start = seconds();
    }
    int failed = 0, status;
    while (wait(&status) > 0)
        failed |= status;
    for (int rank = 0; rank < problem.ranks; rank++)
        last = shared->end[rank] > last ? shared->end[rank] : last;
    printf("%.6f\n", last - start);
    return failed ? 70 : 0;
}
