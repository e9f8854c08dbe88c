/*
 * The bare limit: R processes with T BLAS threads each, bound as a layout binds them, doing the same calls of BLAS or LAPACK
 * as `sheaf run KERNEL` on matrices that are in memory, with no I/O at all. Prints the seconds from a common start to
 * the last one's end.
 *
 * usage: bare RANKS THREADS COUNT SIZE [KERNEL]
 */
#include "lapack.h"
#include "ranks.h"

#include <cblas.h>

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { SETS = 4, MOST = 1000000 }; // enough matrices that no large one stays in a cache

/* One task's matrices. A routine that works in place gets its copy of `a` in `out`, as in any batch. */
struct matrices {
    double *a, *b, *out, *u, *vt, *values;
};

/* A process's own: all matrices, and the work space of one task. */
struct problem {
    int ranks, threads, count, size;
    const struct routine *routine;
    struct matrices sets[SETS];
    double *work;
    int *integers;
    int work_length, integer_length;
};

struct routine {
    const char *name;
    int (*run)(const struct problem *problem, const struct matrices *set);
};

static void
copy_input(const struct problem *problem, const struct matrices *set)
{
    memcpy(set->out, set->a, (size_t)problem->size * (size_t)problem->size * sizeof *set->a);
}

static int
run_matmul(const struct problem *problem, const struct matrices *set)
{
    int n = problem->size;
    cblas_dgemm(CblasRowMajor, CblasNoTrans, CblasNoTrans, n, n, n, 1.0, set->a, n, set->b, n, 0.0, set->out, n);
    return 0;
}

static int
run_inv(const struct problem *problem, const struct matrices *set)
{
    int n = problem->size, info;
    copy_input(problem, set);
    dgetrf_(&n, &n, set->out, &n, problem->integers, &info);
    if (info == 0)
        dgetri_(&n, set->out, &n, problem->integers, problem->work, &problem->work_length, &info);
    return info;
}

static int
run_cholesky(const struct problem *problem, const struct matrices *set)
{
    int n = problem->size, info;
    copy_input(problem, set);
    dpotrf_("U", &n, set->out, &n, &info, 1);
    return info;
}

static int
run_svd(const struct problem *problem, const struct matrices *set)
{
    int n = problem->size, info;
    copy_input(problem, set);
    dgesdd_("S", &n, &n, set->out, &n, set->values, set->u, &n, set->vt, &n, problem->work, &problem->work_length,
            problem->integers, &info, 1);
    return info;
}

static int
run_eigh(const struct problem *problem, const struct matrices *set)
{
    int n = problem->size, info;
    copy_input(problem, set);
    dsyevd_("V", "U", &n, set->out, &n, set->values, problem->work, &problem->work_length, problem->integers,
            &problem->integer_length, &info, 1, 1);
    return info;
}

static const struct routine routines[] = {
    {"matmul", run_matmul}, {"inv", run_inv}, {"cholesky", run_cholesky}, {"svd", run_svd}, {"eigh", run_eigh},
};

static void *
get_memory(size_t count, size_t size)
{
    void *memory = calloc(count, size);
    if (!memory)
        ranks_fail("bare");
    return memory;
}

/* Symmetric and positive definite, so that every routine takes it. */
static double *
make_matrix(int size, int seed)
{
    size_t n = (size_t)size;
    double *matrix = get_memory(n * n, sizeof *matrix);
    for (size_t i = 0; i < n; i++) {
        for (size_t j = 0; j <= i; j++)
            matrix[i * n + j] = matrix[j * n + i] =
                (double)(((i * n + j) * 2654435761U + (size_t)seed) % 1000003) / 1000003;
        matrix[i * n + i] += size;
    }
    return matrix;
}

/* Every page of what will be written is touched before the clock starts: by the warm-up task in each set. */
static void
prepare(int rank, void *context)
{
    struct problem *problem = context;
    size_t n = (size_t)problem->size;
    openblas_set_num_threads(problem->threads);
    /* the greatest that any of these asks for: dgesdd's 4 n^2 + 7 n, with blocks of up to 64 */
    problem->work_length = (int)(4 * n * n + 128 * n + 64);
    problem->integer_length = (int)(8 * n + 8);
    problem->work = get_memory((size_t)problem->work_length, sizeof *problem->work);
    problem->integers = get_memory((size_t)problem->integer_length, sizeof *problem->integers);
    for (int i = 0; i < SETS; i++) {
        double *square[3];
        for (size_t k = 0; k < 3; k++)
            square[k] = get_memory(n * n, sizeof **square);
        problem->sets[i] = (struct matrices){
            make_matrix(problem->size, 3 * i), make_matrix(problem->size, 3 * i + 1), square[0], square[1], square[2],
            get_memory(n, sizeof(double))};
        if (problem->routine->run(problem, &problem->sets[i]) != 0)
            ranks_fail(problem->routine->name);
    }
    (void)rank;
}

static void
work(int rank, void *context)
{
    const struct problem *problem = context;
    int first = (int)((long long)problem->count * rank / problem->ranks);
    int end = (int)((long long)problem->count * (rank + 1) / problem->ranks);
    for (int task = first; task < end; task++)
        if (problem->routine->run(problem, &problem->sets[task % SETS]) != 0)
            ranks_fail(problem->routine->name);
}

static const struct routine *
find_routine(const char *name)
{
    for (size_t i = 0; i < sizeof routines / sizeof routines[0]; i++)
        if (strcmp(routines[i].name, name) == 0)
            return &routines[i];
    fprintf(stderr, "bare: no kernel %s\n", name);
    exit(64);
}

int
main(int argument_count, char **arguments)
{
    if (argument_count != 5 && argument_count != 6) {
        fprintf(stderr, "usage: bare RANKS THREADS COUNT SIZE [KERNEL]\n");
        return 64;
    }
    struct problem problem = {.ranks = (int)ranks_read_number(arguments[1], MOST),
                              .threads = (int)ranks_read_number(arguments[2], MOST),
                              .count = (int)ranks_read_number(arguments[3], MOST),
                              .size = (int)ranks_read_number(arguments[4], 20000),
                              .routine = find_routine(argument_count == 6 ? arguments[5] : "matmul")};
    double seconds = ranks_measure(problem.ranks, problem.threads, prepare, work, &problem);
    if (seconds < 0)
        return 70;
    printf("%.6f\n", seconds);
    return 0;
}
