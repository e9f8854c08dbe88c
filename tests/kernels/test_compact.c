#include "fixture.h"

#include "compact.h"

#include <math.h>
#include <stdlib.h>

enum { TASKS = 40, OPERATIONS = COMPACT_OPERATION_COUNT };

/* Inputs, and what one run makes of them. */
struct runs {
    struct compact compact;
    size_t a_bytes, b_bytes, x_bytes, y_bytes, z_bytes; /* a task */
    unsigned char *a, *b;
    unsigned char *x, *y, *z; /* full of a pattern before every run */
    uint8_t status[TASKS];
    int32_t info[TASKS];
    void *workspace;
};

/* Numbers in [-1, 1], all of them far apart in size. */
static void
fill(enum sheaf_type type, unsigned char *array, size_t bytes, uint64_t *state)
{
    for (int64_t i = 0; (size_t)i * sheaf_type_size(type) < bytes; i++) {
        long double parts[2];
        for (int part = 0; part < 2; part++) {
            *state = *state * UINT64_C(6364136223846793005) + UINT64_C(1442695040888963407);
            parts[part] = (long double)(int64_t)*state * 0x1p-63L;
        }
        fixture_set(type, array, i, CMPLXL(parts[0], parts[1]));
    }
}

/* Some tasks fail: 3, 14, ... have a zero row, 6, 17, ... a NaN in A, 9, 20, ... in B. */
static void
spoil(struct runs *runs)
{
    const int64_t m = runs->compact.m;
    for (int64_t task = 0; task < TASKS; task++) {
        unsigned char *a = runs->a + (size_t)task * runs->a_bytes;
        if (runs->compact.operation == COMPACT_CHOLESKY)
            for (int64_t i = 0; i < m; i++)
                fixture_set(runs->compact.type, a, i * m + i, 1.5L * (long double)m);
        if (task % 11 == 3)
            memset(a + (size_t)(m / 2) * (runs->a_bytes / (size_t)m), 0, runs->a_bytes / (size_t)m);
        if (task % 11 == 6)
            fixture_set(runs->compact.type, a, (int64_t)(runs->a_bytes / sheaf_type_size(runs->compact.type)) - 1,
                        (long double)NAN);
        if (task % 11 == 9)
            fixture_set(runs->compact.type, runs->b + (size_t)task * runs->b_bytes, 0, (long double)INFINITY);
    }
}

static void *
allocate(size_t bytes)
{
    void *memory = aligned_alloc(64, (bytes + 63) / 64 * 64 + 64);
    assert_non_null(memory);
    return memory;
}

/* Elements of the first output. */
static int64_t
count_results(const struct compact *compact)
{
    switch (compact->operation) {
    case COMPACT_SOLVE:
    case COMPACT_MATMUL:
        return compact->m * compact->n;
    case COMPACT_PIVOTS:
    case COMPACT_EIGH:
    case COMPACT_EIGVALSH:
        return compact->m;
    default:
        return compact->m * compact->m;
    }
}

static void
create(struct runs *runs, enum compact_operation operation, enum sheaf_type type, int64_t m, int64_t n)
{
    uint64_t state = 1;
    runs->compact = (struct compact){operation, type, m, n, .k = m, .sweeps = 40};
    runs->a_bytes = (size_t)(m * (operation == COMPACT_SVD ? n : m)) * sheaf_type_size(type);
    runs->b_bytes = (size_t)(m * n) * sheaf_type_size(type);
    runs->x_bytes = (size_t)count_results(&runs->compact) * sheaf_type_size(type); /* more than real eigenvalues need */
    runs->y_bytes = operation == COMPACT_EIGH || operation == COMPACT_SVD ? runs->a_bytes : 0;
    runs->z_bytes = operation == COMPACT_SVD ? runs->b_bytes : 0;
    runs->a = allocate(TASKS * runs->a_bytes);
    runs->b = allocate(TASKS * runs->b_bytes);
    runs->x = allocate(TASKS * runs->x_bytes);
    runs->y = allocate(TASKS * runs->y_bytes);
    runs->z = allocate(TASKS * runs->z_bytes);
    runs->workspace = allocate((size_t)compact_workspace_bytes(&runs->compact));
    fill(type, runs->a, TASKS * runs->a_bytes, &state);
    fill(type, runs->b, TASKS * runs->b_bytes, &state);
    spoil(runs);
    memset(runs->x, 0x5a, TASKS * runs->x_bytes);
    memset(runs->y, 0x5a, TASKS * runs->y_bytes);
    memset(runs->z, 0x5a, TASKS * runs->z_bytes);
}

static void
destroy(struct runs *runs)
{
    free(runs->a);
    free(runs->b);
    free(runs->x);
    free(runs->y);
    free(runs->z);
    free(runs->workspace);
}

static void
run(struct runs *runs, enum vector_level level, int64_t first, int64_t count)
{
    const struct sheaf_batch batch = {
        .count = count,
        .inputs = {runs->a + (size_t)first * runs->a_bytes, runs->b + (size_t)first * runs->b_bytes},
        .input_strides = {runs->a_bytes, runs->b_bytes},
        .outputs = {runs->x + (size_t)first * runs->x_bytes, runs->y + (size_t)first * runs->y_bytes,
                    runs->z + (size_t)first * runs->z_bytes},
        .output_strides = {runs->x_bytes, runs->y_bytes, runs->z_bytes},
        .status = runs->status + first,
        .info = runs->info + first,
        .workspace = runs->workspace};
    memset(batch.outputs[0], 0x5a, (size_t)count * runs->x_bytes);
    memset(batch.outputs[1], 0x5a, (size_t)count * runs->y_bytes);
    memset(batch.outputs[2], 0x5a, (size_t)count * runs->z_bytes);
    memset(runs->workspace, 0xff, (size_t)compact_workspace_bytes(&runs->compact));
    compact_run_with(level, &runs->compact, &batch);
}

/* One task after the other on the least CPU, all at once on a greater one: the same bits, failures too. */
static void
check_levels(enum compact_operation operation, enum sheaf_type type, int64_t m, int64_t n)
{
    struct runs alone, together;
    create(&alone, operation, type, m, n);
    create(&together, operation, type, m, n);
    for (int64_t task = 0; task < TASKS; task++)
        run(&alone, VECTOR_BASELINE, task, 1);
    for (int level = 0; level < VECTOR_LEVEL_COUNT; level++) {
        if (!vector_level_supported((enum vector_level)level))
            continue;
        run(&together, (enum vector_level)level, 0, TASKS);
        assert_memory_equal(together.status, alone.status, sizeof alone.status);
        assert_memory_equal(together.info, alone.info, sizeof alone.info);
        assert_memory_equal(together.x, alone.x, TASKS * alone.x_bytes);
        assert_memory_equal(together.y, alone.y, TASKS * alone.y_bytes);
        assert_memory_equal(together.z, alone.z, TASKS * alone.z_bytes);
    }
    destroy(&alone);
    destroy(&together);
}

static void
every_instruction_set_gives_the_same_bits(void **state)
{
    (void)state;
    for (int operation = 0; operation < OPERATIONS; operation++)
        for (int t = 0; t < FIXTURE_TYPE_COUNT; t++)
            for (int64_t m = 1; m <= 33; m++)
                check_levels((enum compact_operation)operation, fixture_types[t], m, 1 + (m * 7) % 12);
}

static void
failures_are_those_of_lapack(void **state)
{
    (void)state;
    for (int operation = 0; operation < COMPACT_MATMUL; operation++)
        for (int t = 0; t < FIXTURE_TYPE_COUNT; t++) {
            const bool cholesky = operation == COMPACT_CHOLESKY;
            struct runs runs;
            create(&runs, (enum compact_operation)operation, fixture_types[t], 8, 3);
            run(&runs, vector_level_best(), 0, TASKS);
            for (int64_t task = 0; task < TASKS; task++) {
                const bool bad = task % 11 == 6 || (task % 11 == 9 && operation == COMPACT_SOLVE);
                const int failure = cholesky ? SHEAF_TASK_NOT_POSITIVE_DEFINITE : SHEAF_TASK_SINGULAR;
                assert_int_equal(runs.status[task], bad              ? SHEAF_TASK_NOT_FINITE
                                                    : task % 11 == 3 ? failure
                                                                     : SHEAF_TASK_DONE);
                assert_int_equal(runs.info[task], task % 11 == 3 ? 5 : 0);
            }
            destroy(&runs);
        }
}

/* One sweep is not enough for full matrices, and is for the diagonal ones beside them. Nothing else is written. */
static void
what_does_not_converge_fails_by_itself(void **state)
{
    enum { M = 8 };
    (void)state;
    for (int operation = COMPACT_EIGH; operation <= COMPACT_EIGVALSH; operation++)
        for (int t = 0; t < FIXTURE_TYPE_COUNT; t++) {
            struct runs runs;
            create(&runs, (enum compact_operation)operation, fixture_types[t], M, 1);
            runs.compact.sweeps = 1;
            for (int64_t task = 0; task < TASKS; task += 2)
                for (int64_t i = 0; i < M * M; i++)
                    fixture_set(fixture_types[t], runs.a + (size_t)task * runs.a_bytes, i, i % (M + 1) ? 0.0L : 1.0L);
            run(&runs, vector_level_best(), 0, TASKS);
            for (int64_t task = 0; task < TASKS; task++) {
                const bool bad = task % 2 && task % 11 == 6;
                assert_int_equal(runs.status[task], bad        ? SHEAF_TASK_NOT_FINITE
                                                    : task % 2 ? SHEAF_TASK_NOT_CONVERGED
                                                               : SHEAF_TASK_DONE);
                assert_in_range(runs.info[task], task % 2 && !bad, task % 2 && !bad ? M * (M - 1) / 2 : 0);
                for (size_t i = 0; task % 2 && i < runs.x_bytes; i++)
                    assert_int_equal(runs.x[(size_t)task * runs.x_bytes + i], 0x5a);
                for (size_t i = 0; task % 2 && i < runs.y_bytes; i++)
                    assert_int_equal(runs.y[(size_t)task * runs.y_bytes + i], 0x5a);
            }
            destroy(&runs);
        }
}

/* Matrices with a row of zeros have a singular value 0, which has no left vector; and one sweep is not enough. */
static void
singular_vectors_without_direction_fail_by_themselves(void **state)
{
    (void)state;
    for (int t = 0; t < FIXTURE_TYPE_COUNT; t++)
        for (int64_t sweeps = 1; sweeps <= 40; sweeps += 39) {
            struct runs runs;
            create(&runs, COMPACT_SVD, fixture_types[t], 7, 7);
            runs.compact.sweeps = sweeps;
            run(&runs, vector_level_best(), 0, TASKS);
            for (int64_t task = 0; task < TASKS; task++) {
                const bool bad = task % 11 == 6, fails = !bad && (task % 11 == 3 || sweeps == 1);
                assert_int_equal(runs.status[task], bad     ? SHEAF_TASK_NOT_FINITE
                                                    : fails ? SHEAF_TASK_NOT_CONVERGED
                                                            : SHEAF_TASK_DONE);
                assert_int_equal(runs.info[task], fails);
                for (size_t i = 0; (bad || fails) && i < runs.y_bytes; i++)
                    assert_int_equal(runs.y[(size_t)task * runs.y_bytes + i], 0x5a);
            }
            destroy(&runs);
        }
}

/* Eigenvalues have the same bits with and without vectors. */
static void
values_do_not_depend_on_vectors(void **state)
{
    (void)state;
    for (int t = 0; t < FIXTURE_TYPE_COUNT; t++)
        for (int64_t m = 1; m <= 12; m++) {
            struct runs with, without;
            create(&with, COMPACT_EIGH, fixture_types[t], m, 1);
            create(&without, COMPACT_EIGVALSH, fixture_types[t], m, 1);
            run(&with, vector_level_best(), 0, TASKS);
            run(&without, vector_level_best(), 0, TASKS);
            assert_memory_equal(with.x, without.x, TASKS * with.x_bytes);
            destroy(&with);
            destroy(&without);
        }
}

/* The pivots of M = A^T, the first of equal ones taken, with the sign of the interchanges in front. @return info, as LAPACK's */
static int32_t
find_pivots(double a[4][4], double pivots[4])
{
    double sign = 1.0;
    for (int k = 0; k < 4; k++) {
        int row = k;
        for (int i = k + 1; i < 4; i++)
            row = fabs(a[k][i]) > fabs(a[k][row]) ? i : row;
        if (a[k][row] == 0.0)
            return k + 1;
        for (int j = 0; j < 4; j++) {
            const double kept = a[j][k];
            a[j][k] = a[j][row];
            a[j][row] = kept;
        }
        sign = row == k ? sign : -sign;
        for (int i = k + 1; i < 4; i++)
            for (int j = k + 1; j < 4; j++)
                a[j][i] -= a[k][i] / a[k][k] * a[j][k];
        pivots[k] = a[k][k];
    }
    pivots[0] *= sign;
    return 0;
}

/* Matrices of 1 and -1, where most pivots are one of equal ones, and all steps are exact. */
static void
of_equal_pivots_the_first_is_taken(void **state)
{
    struct runs runs;
    (void)state;
    create(&runs, COMPACT_PIVOTS, SHEAF_F64, 4, 1);
    for (int64_t i = 0; i < TASKS * 16; i++)
        ((double *)runs.a)[i] = (i * 2654435761) >> 13 & 1 ? 1.0 : -1.0;
    for (int level = 0; level < VECTOR_LEVEL_COUNT; level++) {
        if (!vector_level_supported((enum vector_level)level))
            continue;
        int regular = 0;
        run(&runs, (enum vector_level)level, 0, TASKS);
        for (int64_t task = 0; task < TASKS; task++) {
            double a[4][4], pivots[4];
            memcpy(a, runs.a + (size_t)task * sizeof a, sizeof a);
            assert_int_equal(runs.info[task], find_pivots(a, pivots));
            if (runs.info[task])
                continue;
            assert_memory_equal(runs.x + (size_t)task * sizeof pivots, pivots, sizeof pivots);
            regular++;
        }
        assert_in_range(regular, 5, TASKS);
    }
    destroy(&runs);
}

static bool
applies(enum compact_operation operation, enum sheaf_type type, int64_t m, int64_t n, int64_t k)
{
    return compact_applies(&(struct compact){.operation = operation, .type = type, .m = m, .n = n, .k = k});
}

/* Which sizes are taken on is a part of the results' meaning: it is the same on every CPU. */
static void
small_matrices_are_taken_on(void **state)
{
    (void)state;
    static const int64_t factors[] = {32, 32, 32, 16}, products[] = {8, 6, 6, 4};
    static const int64_t vectors[] = {32, 20, 24, 16}, values[] = {24, 16, 20, 12}, pairs[] = {16, 16, 16, 12};
    static const int64_t *const greatest[OPERATIONS] = {factors,  factors, factors, factors,
                                                        products, vectors, values,  pairs};
    for (int t = 0; t < FIXTURE_TYPE_COUNT; t++)
        for (int operation = 0; operation < OPERATIONS; operation++) {
            const int64_t to = greatest[operation][t];
            const bool has_n = operation == COMPACT_SOLVE || operation == COMPACT_MATMUL || operation == COMPACT_SVD;
            const enum compact_operation which = (enum compact_operation)operation;
            for (int64_t m = 0; m <= to + 1; m++)
                assert_true(applies(which, fixture_types[t], m, to, to) == (m >= 1 && m <= to));
            assert_true(applies(which, fixture_types[t], 1, to + 1, 1) == !has_n);
            assert_true(applies(which, fixture_types[t], 1, 1, to + 1) == (operation != COMPACT_MATMUL));
            assert_false(applies(which, SHEAF_I32, 3, 3, 3));
        }
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(every_instruction_set_gives_the_same_bits),
        cmocka_unit_test(failures_are_those_of_lapack),
        cmocka_unit_test(what_does_not_converge_fails_by_itself),
        cmocka_unit_test(singular_vectors_without_direction_fail_by_themselves),
        cmocka_unit_test(values_do_not_depend_on_vectors),
        cmocka_unit_test(of_equal_pivots_the_first_is_taken),
        cmocka_unit_test(small_matrices_are_taken_on),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
