#include "reference.h"
#include "subject.h"

#include "blas.h"
#include "list.h"

#include <limits.h>
#include <math.h>
#include <stdlib.h>

enum { SHORTER_MAX = 130, X = 0, RESIDUALS, RANK, S };

/* k right-hand sides by lstsq; k = 0: one by lstsq1. */
static void
create(struct fixture *fixture, enum sheaf_type type, int64_t m, int64_t n, int64_t k, int64_t count)
{
    const struct sheaf_shape shapes[] = {fixture_matrix(m, n), k ? fixture_matrix(m, k) : fixture_vector(m)};
    fixture_create(fixture, kernel_find(k ? "lstsq" : "lstsq1"), type, shapes, 2, count, 0);
}

static void
create_sides(struct fixture *fixture, const struct subject *subject, enum sheaf_type type, int64_t m, int64_t n,
             int64_t count)
{
    create(fixture, type, m, n, strcmp(subject->kernel, "lstsq1") == 0 ? 0 : 2, count);
}

/* Of any matrix: those with known singular values are judged by count_wrong. */
static const struct subject lstsq = {"lstsq", NULL, create_sides, NULL};
static const struct subject lstsq1 = {"lstsq1", NULL, create_sides, NULL};

/* A task's problem and its exact answer, from singular values. */
struct answer {
    int64_t m, n, k, rank;
    const long double *s;
    reference_number *x;    /* (n,k) */
    reference_number *rest; /* (m,k) B - A x */
    long double b_norm;
};

/* Put a matrix with these singular values, `rank` of them not 0, into a task; B stays random. */
static struct answer
set_task(struct fixture *fixture, int64_t task, const long double *s, int64_t rank)
{
    enum sheaf_type type = fixture->problem.inputs[0].type;
    const struct sheaf_shape *a_shape = &fixture->problem.inputs[0].shape, *b_shape = &fixture->problem.inputs[1].shape;
    struct answer answer = {.m = a_shape->extent[0], .n = a_shape->extent[1], .rank = rank, .s = s};
    answer.k = b_shape->ndim == 2 ? b_shape->extent[1] : 1;
    reference_number *a = reference_zeros(answer.m * answer.n), *pinv = reference_zeros(answer.n * answer.m);
    reference_number *b = reference_load(type, fixture_input(fixture, 1, task), answer.m * answer.k);
    reference_from_svd(answer.m, answer.n, sheaf_type_is_complex(type), s, a, pinv);
    reference_store(type, fixture_task_input(fixture, 0, task), a, answer.m * answer.n);
    answer.x = reference_multiply(answer.n, answer.m, answer.k, pinv, b);
    answer.rest = reference_multiply(answer.m, answer.n, answer.k, a, answer.x);
    reference_subtract(answer.rest, b, answer.m * answer.k);
    answer.b_norm = reference_norm(b, answer.m * answer.k);
    free(b);
    free(pinv);
    free(a);
    return answer;
}

static void
free_answer(struct answer *answer)
{
    free(answer->x);
    free(answer->rest);
}

/* What LAPACK's own tests of gelsd accept, relative to the norm (TESTING/LIN/dqrt17.f, thresh in dtest.in). */
static long double
backward_error(enum sheaf_type type, int64_t m, int64_t n)
{
    return 30.0L * 2.0L * fixture_unit_roundoff(type) * (long double)(m > n ? m : n);
}

/*
 * gelsd solves exactly for A + E and B + F, |E| <= e s_1, |F| <= e |B|. With c = s_1 / s_r: |B^+ - A^+| <= 4 e c / s_r as for
 * pinv (Wedin 1973), so x is off by at most (4 e c + sqrt(2) e) |B| / s_r <= 6 e c |B| / s_r. The residual's projector moves by
 * at most 2 e c, and F adds e: its norm is off by 3 e c |B|, its square by 2 |B| times that and a little: 7 e c |B|^2. Singular
 * values move by |E| (Weyl).
 */
static int
count_wrong(const struct fixture *fixture, int64_t task, const struct answer *answer)
{
    enum sheaf_type type = fixture->problem.inputs[0].type, real = fixture->problem.outputs[S].type;
    const int64_t m = answer->m, n = answer->n, k = answer->k, rank = answer->rank;
    long double e = backward_error(type, m, n), condition = answer->s[0] / answer->s[rank - 1];
    int wrong = 0;
    reference_number *x = reference_load(type, fixture_output(fixture, X, task), n * k);
    reference_subtract(x, answer->x, n * k);
    wrong += !(reference_norm(x, n * k) <= 6.0L * e * condition * answer->b_norm / answer->s[rank - 1]);
    free(x);
    for (int64_t j = 0; j < k; j++) {
        long double found = creall(fixture_get(real, fixture_output(fixture, RESIDUALS, task), j)), square = 0.0L;
        for (int64_t i = 0; i < m; i++)
            square += creall(answer->rest[i * k + j] * conjl(answer->rest[i * k + j]));
        bool known = rank == n && m > n;
        wrong +=
            known ? !(fabsl(found - square) <= 7.0L * e * condition * answer->b_norm * answer->b_norm) : !isnan(found);
    }
    wrong += *(const int64_t *)fixture_output(fixture, RANK, task) != rank;
    for (int64_t i = 0; i < m && i < n; i++) {
        long double found = creall(fixture_get(real, fixture_output(fixture, S, task), i));
        wrong += !(fabsl(found - answer->s[i]) <= e * answer->s[0]);
    }
    return wrong;
}

static const int64_t sizes[][3] = {{1, 1, 0},    {1, 5, 2},    {5, 1, 2},     {2, 2, 1},  {7, 3, 2},
                                   {3, 7, 2},    {65, 65, 3},  {65, 7, 0},    {7, 65, 0}, {33, 1, 40},
                                   {130, 65, 3}, {65, 130, 3}, {130, 130, 2}, {7, 3, 65}, {3, 7, 65}};
enum { SIZE_COUNT = sizeof sizes / sizeof sizes[0] };

static void
check(enum sheaf_type type, const int64_t size[3], int64_t rank, double rcond)
{
    long double s[SHORTER_MAX];
    struct fixture fixture;
    reference_fill_singular_values(s, SHORTER_MAX, rank);
    create(&fixture, type, size[0], size[1], size[2], 2);
    fixture.problem.parameters[0].real = rcond;
    for (int64_t task = 0; task < 2; task++) {
        struct answer answer = set_task(&fixture, task, s, rank);
        fixture_run(&fixture, 0, 2);
        assert_int_equal(fixture.status[task], SHEAF_TASK_DONE);
        assert_int_equal(fixture.info[task], 0);
        assert_int_equal(count_wrong(&fixture, task, &answer), 0);
        free_answer(&answer);
    }
    fixture_destroy(&fixture);
}

static void
solutions_are_within_the_bound(void **state)
{
    (void)state;
    for (int t = 0; t < FIXTURE_TYPE_COUNT; t++)
        for (int i = 0; i < SIZE_COUNT; i++)
            check(fixture_types[t], sizes[i], sizes[i][0] < sizes[i][1] ? sizes[i][0] : sizes[i][1], -1.0);
}

static void
deficient_matrices_give_the_least_norm(void **state)
{
    (void)state;
    for (int t = 0; t < FIXTURE_TYPE_COUNT; t++)
        for (int i = 3; i < SIZE_COUNT; i++)
            if (sizes[i][0] > 1 && sizes[i][1] > 1)
                check(fixture_types[t], sizes[i], 1 + i % 2 * (sizes[i][0] > 2), 1e-3);
}

/*
 * Random, tall: (A + E)^H (r - F' ) = 0 for the residual r = B - A x, so |A^H r| <= e |A| (2 |B| + |A| |x|), and half as much
 * again for terms of second order. The norms of A are Frobenius norms, which are no less than the 2-norm.
 */
static void
random_matrices_satisfy_the_normal_equations(void **state)
{
    const int64_t m = 90, n = 37, k = 3;
    (void)state;
    for (int t = 0; t < FIXTURE_TYPE_COUNT; t++) {
        enum sheaf_type type = fixture_types[t];
        struct fixture fixture;
        create(&fixture, type, m, n, k, 1);
        fixture_run(&fixture, 0, 1);
        reference_number *a = reference_load(type, fixture_input(&fixture, 0, 0), m * n);
        reference_number *b = reference_load(type, fixture_input(&fixture, 1, 0), m * k);
        reference_number *x = reference_load(type, fixture_output(&fixture, X, 0), n * k);
        reference_number *rest = reference_multiply(m, n, k, a, x), *adjoint = reference_adjoint(m, n, a);
        reference_subtract(rest, b, m * k);
        reference_number *normal = reference_multiply(n, m, k, adjoint, rest);
        long double size = reference_norm(a, m * n);
        long double bound = 1.5L * backward_error(type, m, n) * size *
                            (2.0L * reference_norm(b, m * k) + size * reference_norm(x, n * k));
        assert_true(reference_norm(normal, n * k) <= bound);
        free(normal);
        free(adjoint);
        free(rest);
        free(x);
        free(b);
        free(a);
        fixture_destroy(&fixture);
    }
}

static void
an_ill_conditioned_matrix_is_within_its_bound(void **state)
{
    (void)state;
    for (int t = 0; t < FIXTURE_TYPE_COUNT; t++) {
        const long double s[] = {1.0L, 0.1L, 1e-2L, 1e-3L};
        struct fixture fixture;
        create(&fixture, fixture_types[t], 9, 4, 2, 1);
        struct answer answer = set_task(&fixture, 0, s, 4);
        fixture_run(&fixture, 0, 1);
        assert_int_equal(count_wrong(&fixture, 0, &answer), 0);
        free_answer(&answer);
        fixture_destroy(&fixture);
    }
}

static void
the_check_sees_one_wrong_element(void **state)
{
    (void)state;
    for (int t = 0; t < FIXTURE_TYPE_COUNT; t++) {
        long double s[SHORTER_MAX];
        struct fixture fixture;
        reference_fill_singular_values(s, SHORTER_MAX, SHORTER_MAX);
        create(&fixture, fixture_types[t], 37, 7, 3, 1);
        struct answer answer = set_task(&fixture, 0, s, 7);
        for (int output = 0; output < 4; output++) {
            fixture_run(&fixture, 0, 1);
            enum sheaf_type type = fixture.problem.outputs[output].type;
            void *array = fixture_output(&fixture, output, 0);
            if (output == RANK)
                ++*(int64_t *)array;
            else
                fixture_set(type, array, 1, fixture_get(type, array, 1) + 2.0L);
            assert_int_equal(count_wrong(&fixture, 0, &answer), 1);
        }
        free_answer(&answer);
        fixture_destroy(&fixture);
    }
}

/* numpy.linalg.lstsq([[1, 0], [0, 2], [0, 0]], [3j, 2, 5]): x = (3j, 1), residual 25, rank 2, s = (2, 1). */
static void
a_known_solution_is_found(void **state)
{
    static const double a[] = {1, 0, 0, 0, 0, 0, 2, 0, 0, 0, 0, 0}, b[] = {0, 3, 2, 0, 5, 0}, x[] = {0, 3, 1, 0};
    struct fixture fixture;
    (void)state;
    create(&fixture, SHEAF_C128, 3, 2, 0, 1);
    assert_int_equal(fixture.problem.outputs[RESIDUALS].shape.ndim, 0);
    assert_int_equal(fixture.problem.outputs[RESIDUALS].type, SHEAF_F64);
    assert_int_equal(fixture.problem.outputs[RANK].type, SHEAF_I64);
    assert_int_equal(fixture.problem.outputs[S].type, SHEAF_F64);
    memcpy(fixture.inputs[0], a, sizeof a);
    memcpy(fixture.inputs[1], b, sizeof b);
    fixture_run(&fixture, 0, 1);
    for (int i = 0; i < 4; i++)
        assert_true(fabs(((const double *)fixture.outputs[X])[i] - x[i]) < 1e-14);
    assert_true(fabs(*(const double *)fixture_output(&fixture, RESIDUALS, 0) - 25.0) < 1e-13);
    assert_int_equal(*(const int64_t *)fixture_output(&fixture, RANK, 0), 2);
    assert_true(fabs(((const double *)fixture.outputs[S])[0] - 2.0) < 1e-14);
    assert_true(fabs(((const double *)fixture.outputs[S])[1] - 1.0) < 1e-14);
    fixture_destroy(&fixture);
}

/* The default cut is epsilon max(m, n): 6e-16 of the greatest lies below it for 3 rows, and above epsilon, which rcond=0 takes. */
static void
rcond_decides_the_rank(void **state)
{
    static const double rcond[] = {-1.0, 0.0, 1e-15, 1e-16, 0.25};
    static const int64_t rank[] = {1, 2, 1, 2, 1};
    (void)state;
    for (int i = 0; i < 5; i++) {
        struct fixture fixture;
        create(&fixture, SHEAF_F64, 3, 2, 0, 1);
        memset(fixture.inputs[0], 0, fixture.input_bytes[0]);
        fixture_set(SHEAF_F64, fixture.inputs[0], 0, 1.0L);
        fixture_set(SHEAF_F64, fixture.inputs[0], 3, 6e-16L);
        fixture.problem.parameters[0].real = rcond[i];
        fixture_run(&fixture, 0, 1);
        assert_int_equal(*(const int64_t *)fixture_output(&fixture, RANK, 0), rank[i]);
        assert_true(isnan(*(const double *)fixture_output(&fixture, RESIDUALS, 0)) == (rank[i] < 2));
        fixture_destroy(&fixture);
    }
}

static void
failing_tasks_leave_the_others_right(void **state)
{
    (void)state;
    for (int t = 0; t < FIXTURE_TYPE_COUNT; t++) {
        long double s[SHORTER_MAX];
        struct fixture fixture;
        reference_fill_singular_values(s, SHORTER_MAX, SHORTER_MAX);
        create(&fixture, fixture_types[t], 7, 5, 2, 5);
        struct answer first = set_task(&fixture, 0, s, 5), last = set_task(&fixture, 4, s, 5);
        fixture_set(fixture_types[t], fixture_task_input(&fixture, 0, 1), 34, (long double)NAN);
        fixture_set(fixture_types[t], fixture_task_input(&fixture, 1, 2), 13, (long double)INFINITY);
        memset(fixture_task_input(&fixture, 0, 3), 0, fixture.input_bytes[0]);
        fixture_run(&fixture, 0, 5);
        static const uint8_t status[] = {SHEAF_TASK_DONE, SHEAF_TASK_NOT_FINITE, SHEAF_TASK_NOT_FINITE, SHEAF_TASK_DONE,
                                         SHEAF_TASK_DONE};
        assert_memory_equal(fixture.status, status, sizeof status);
        assert_int_equal(count_wrong(&fixture, 0, &first), 0);
        assert_int_equal(count_wrong(&fixture, 4, &last), 0);
        /* All zeros: rank 0, x 0. */
        assert_int_equal(*(const int64_t *)fixture_output(&fixture, RANK, 3), 0);
        for (int64_t i = 0; i < 10; i++)
            assert_true(fixture_get(fixture_types[t], fixture_output(&fixture, X, 3), i) == 0.0L);
        free_answer(&first);
        free_answer(&last);
        fixture_destroy(&fixture);
    }
}

static void
splits_and_shared_operands_give_the_same_bits(void **state)
{
    (void)state;
    subject_check_splits(&lstsq, 67, 40);
    subject_check_omitted(&lstsq, 67, 40);
    subject_check_shared(&lstsq, 67, 40);
    subject_check_splits(&lstsq1, 40, 67);
    subject_check_omitted(&lstsq1, 40, 67);
    subject_check_shared(&lstsq1, 40, 67);
}

static void
costs_are_nominal(void **state)
{
    (void)state;
    subject_check_flops(&lstsq, SHEAF_F64, 4, 3, 108.0 + 96.0 + 36.0);
    subject_check_flops(&lstsq1, SHEAF_C64, 2, 10, 4.0 * (96.0 + 80.0 + 8.0));
}

/* In such a wide problem LAPACK's own sum of m^2 and more would overflow, and its test of the workspace with it. */
static void
a_matrix_too_large_for_lapack_is_refused(void **state)
{
    const struct sheaf_shape shapes[] = {fixture_matrix(47000, 90000), fixture_vector(47000)};
    (void)state;
    for (int t = 0; t < FIXTURE_TYPE_COUNT; t++)
        fixture_check_refused(
            kernel_find("lstsq1"), fixture_types[t], shapes, 2, NULL, SHEAF_BAD_DATA,
            "a (47000, 90000): too large for lstsq1, whose workspace would pass what LAPACK can count; "
            "split it");
    subject_check_refused(&lstsq, SHEAF_I32, 3, 2);
    subject_check_fits(&lstsq, SHEAF_F64, (int64_t)INT_MAX + 1, 2, false);
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(solutions_are_within_the_bound),
        cmocka_unit_test(deficient_matrices_give_the_least_norm),
        cmocka_unit_test(random_matrices_satisfy_the_normal_equations),
        cmocka_unit_test(an_ill_conditioned_matrix_is_within_its_bound),
        cmocka_unit_test(the_check_sees_one_wrong_element),
        cmocka_unit_test(a_known_solution_is_found),
        cmocka_unit_test(rcond_decides_the_rank),
        cmocka_unit_test(failing_tasks_leave_the_others_right),
        cmocka_unit_test(splits_and_shared_operands_give_the_same_bits),
        cmocka_unit_test(costs_are_nominal),
        cmocka_unit_test(a_matrix_too_large_for_lapack_is_refused),
    };
    blas_set_threads(1);
    return cmocka_run_group_tests(tests, NULL, NULL);
}
