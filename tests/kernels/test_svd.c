#include "spectrum.h"

#include "blas.h"
#include "list.h"

#include <float.h>
#include <limits.h>
#include <math.h>
#include <stdlib.h>

enum { U = 0, S = 1, VT = 2 };

static void
create(struct fixture *fixture, enum sheaf_type type, int64_t m, int64_t n, int64_t count)
{
    struct sheaf_shape shape = fixture_matrix(m, n);
    fixture_create(fixture, kernel_find("svd"), type, &shape, 1, count, 0);
}

static int64_t
rank_of(const struct fixture *fixture)
{
    return fixture->problem.outputs[S].shape.extent[0];
}

static long double
value(const struct fixture *fixture, int64_t task, int64_t index)
{
    return creall(fixture_get(fixture->problem.outputs[S].type, fixture_output(fixture, S, task), index));
}

static bool
values_descend_to_zero_or_more(const struct fixture *fixture, int64_t task)
{
    bool descend = true;
    for (int64_t i = 0; i < rank_of(fixture); i++)
        descend = descend && value(fixture, task, i) >= 0.0L &&
                  (i == 0 || value(fixture, task, i) <= value(fixture, task, i - 1));
    return descend;
}

/* A = U diag(s) Vt, U^H U = I, Vt Vt^H = I, each within the bound. */
static bool
is_decomposition(const struct fixture *fixture, int64_t task)
{
    enum sheaf_type type = fixture->problem.inputs[0].type;
    const int64_t *extent = fixture->problem.inputs[0].shape.extent, m = extent[0], n = extent[1], k = rank_of(fixture);
    reference_number *a = reference_load(type, fixture_input(fixture, 0, task), m * n);
    reference_number *u = reference_load(type, fixture_output(fixture, U, task), m * k);
    reference_number *vt = reference_load(type, fixture_output(fixture, VT, task), k * n);
    reference_number *s = reference_load(fixture->problem.outputs[S].type, fixture_output(fixture, S, task), k);
    reference_number *v = reference_adjoint(k, n, vt);
    long double bound = spectrum_bound(type, m, n), limit = bound * reference_norm(a, m * n);
    bool orthonormal = spectrum_orthonormality(m, k, u) <= bound && spectrum_orthonormality(n, k, v) <= bound;
    spectrum_scale_columns(m, k, u, s);
    reference_number *product = reference_multiply(m, k, n, u, vt);
    reference_subtract(a, product, m * n);
    bool right = reference_norm(a, m * n) <= limit;
    free(a);
    free(u);
    free(vt);
    free(s);
    free(v);
    free(product);
    return orthonormal && right && values_descend_to_zero_or_more(fixture, task);
}

/* Small ones, and those around where they go to LAPACK, by type; square, tall and wide beyond 11/6, 5/3 and 17/9, where LAPACK goes other ways; around and beyond its blocks. */
static const int64_t sizes[][2] = {{1, 1},   {1, 5},   {5, 1},   {2, 3},   {7, 7},   {8, 16},  {16, 12},
                                   {16, 16}, {13, 12}, {12, 17}, {17, 16}, {64, 64}, {65, 65}, {65, 66},
                                   {130, 7}, {7, 130}, {65, 37}, {37, 65}, {65, 35}, {40, 72}, {130, 130}};

static void
decompositions_are_within_the_bound(void **state)
{
    (void)state;
    for (int t = 0; t < FIXTURE_TYPE_COUNT; t++) {
        for (size_t i = 0; i < sizeof sizes / sizeof sizes[0]; i++) {
            struct fixture fixture;
            create(&fixture, fixture_types[t], sizes[i][0], sizes[i][1], 2);
            fixture_run(&fixture, 0, 2);
            for (int64_t task = 0; task < 2; task++) {
                assert_int_equal(fixture.status[task], SHEAF_TASK_DONE);
                assert_int_equal(fixture.info[task], 0);
                assert_true(is_decomposition(&fixture, task));
            }
            fixture_destroy(&fixture);
        }
    }
}

/* Sorts of matrices, (m,n). */
enum sort {
    ZERO,
    ONES,
    DIAGONAL,
    ORTHOGONAL,
    TRIANGULAR,
    HILBERT,
    GRADED_ROWS,
    GRADED_COLUMNS,
    LAST_COLUMN_ZERO,
    TINY,
    SORT_COUNT
};

static long double
element_of_sort(enum sort sort, int64_t i, int64_t j)
{
    const long double some = (long double)((i * 7 + j * 3 + i * j) % 11 - 5);
    switch (sort) {
    case ONES: /* of rank 1 */
        return 1.0L;
    case DIAGONAL: /* unsorted, some equal, one 0 */
        return i == j ? (long double)((i * 5 + 3) % 7) : 0.0L;
    case ORTHOGONAL: /* columns are so from the start, of unequal lengths: the discrete cosine transform of 16, its rows cut off */
        return cosl(3.14159265358979323846L / 16.0L * ((long double)i + 0.5L) * (long double)j);
    case TRIANGULAR: /* Kahan's: a small singular value that no pivot shows */
        return i > j ? 0.0L : powl(0.9L, (long double)i) * (i == j ? 1.0L : -0.4L);
    case HILBERT:
        return 1.0L / (long double)(i + j + 1);
    case GRADED_ROWS:
        return some * powl(10.0L, -2.0L * (long double)i);
    case GRADED_COLUMNS:
        return some * powl(10.0L, 2.0L * (long double)j);
    case LAST_COLUMN_ZERO: /* where that is one of the first three */
        return j == 2 ? 0.0L : some;
    case TINY:
        return some * 1e-36L;
    default:
        return 0.0L;
    }
}

/* All sorts in one batch: some lanes are done, some go to LAPACK. Elements times i^j where they may be complex. */
static void
check_all_sorts(enum sheaf_type type, int64_t m, int64_t n)
{
    static const long double complex phases[] = {1.0L, 1.0L * I, -1.0L, -1.0L * I};
    struct fixture fixture;
    create(&fixture, type, m, n, SORT_COUNT);
    for (int sort = 0; sort < SORT_COUNT; sort++)
        for (int64_t i = 0; i < m * n; i++)
            fixture_set(type, fixture.inputs[0] + (size_t)sort * fixture.input_bytes[0], i,
                        element_of_sort((enum sort)sort, i / n, i % n) *
                            (sheaf_type_is_complex(type) ? phases[i % n % 4] : 1.0L));
    fixture_run(&fixture, 0, SORT_COUNT);
    for (int sort = 0; sort < SORT_COUNT; sort++) {
        assert_int_equal(fixture.status[sort], SHEAF_TASK_DONE);
        assert_int_equal(fixture.info[sort], 0);
        assert_true(is_decomposition(&fixture, sort));
    }
    fixture_check_splits(&fixture);
    fixture_destroy(&fixture);
}

static void
small_matrices_of_all_sorts_are_decomposed(void **state)
{
    (void)state;
    for (int t = 0; t < FIXTURE_TYPE_COUNT; t++)
        for (int64_t m = 1; m <= 16; m += m < 9 ? 1 : 7)
            for (int64_t n = 1; n <= 16; n += n < 9 ? 1 : 7)
                check_all_sorts(fixture_types[t], m, n);
}

static void
the_check_sees_one_wrong_element(void **state)
{
    (void)state;
    for (int t = 0; t < FIXTURE_TYPE_COUNT; t++) {
        for (int output = U; output <= VT; output++) {
            struct fixture fixture;
            create(&fixture, fixture_types[t], 65, 37, 1);
            fixture_run(&fixture, 0, 1);
            assert_true(is_decomposition(&fixture, 0));
            enum sheaf_type type = fixture.problem.outputs[output].type;
            void *array = fixture_output(&fixture, output, 0);
            fixture_set(type, array, 9, fixture_get(type, array, 9) * 1.05L + 0.01L);
            assert_false(is_decomposition(&fixture, 0));
            fixture_destroy(&fixture);
        }
    }
}

/*
 * A = U diag(s) V^H with known s, rounded to the type: a change of at most u ||A||_F. Singular values move by no more than
 * the matrix does (Weyl; Golub and Van Loan, corollary 8.6.2), here by that and the decomposition's own error.
 */
static void
check_known_values(enum sheaf_type type, int64_t m, int64_t n, const long double *s)
{
    struct fixture fixture;
    reference_number *a = spectrum_matrix(m, n, s, sheaf_type_is_complex(type), false);
    create(&fixture, type, m, n, 1);
    reference_store(type, fixture.inputs[0], a, m * n);
    fixture_run(&fixture, 0, 1);
    long double limit = (spectrum_bound(type, m, n) + fixture_unit_roundoff(type)) * reference_norm(a, m * n);
    assert_true(is_decomposition(&fixture, 0));
    for (int64_t i = 0; i < rank_of(&fixture); i++)
        assert_true(fabsl(value(&fixture, 0, i) - s[i]) <= limit);
    free(a);
    fixture_destroy(&fixture);
}

static void
known_singular_values_are_found(void **state)
{
    enum { K = 66 };
    long double even[K], graded[K], deficient[K];
    (void)state;
    for (int i = 0; i < K; i++) {
        even[i] = 3.0L - 0.04L * (long double)i;
        graded[i] = powl(10.0L, -0.25L * (long double)i);
        deficient[i] = i < 7 ? 2.0L : 0.0L;
    }
    for (int t = 0; t < FIXTURE_TYPE_COUNT; t++) {
        check_known_values(fixture_types[t], K, K, even);
        check_known_values(fixture_types[t], K, 130, even);
        check_known_values(fixture_types[t], 70, K, graded);
        check_known_values(fixture_types[t], K, 70, deficient);
    }
}

/* (0 2; 1 0): s = (2, 1), and u and vt are exact but for signs; a transposed answer would show. */
static void
a_known_decomposition_is_exact(void **state)
{
    static const double a[] = {0, 2, 0, 1, 0, 0}, sizes_of_u[] = {1, 0, 0, 1}, sizes_of_vt[] = {0, 1, 0, 1, 0, 0};
    struct fixture fixture;
    (void)state;
    create(&fixture, SHEAF_F64, 2, 3, 1);
    memcpy(fixture.inputs[0], a, sizeof a);
    fixture_run(&fixture, 0, 1);
    const double *u = fixture_output(&fixture, U, 0), *vt = fixture_output(&fixture, VT, 0);
    assert_true(value(&fixture, 0, 0) == 2.0L && value(&fixture, 0, 1) == 1.0L);
    for (int i = 0; i < 4; i++)
        assert_true(fabs(u[i]) == sizes_of_u[i]);
    for (int i = 0; i < 6; i++)
        assert_true(fabs(vt[i]) == sizes_of_vt[i]);
    assert_true(u[0] * vt[1] == 1.0 && u[3] * vt[3] == 1.0);
    fixture_destroy(&fixture);
}

/* Zero, and numbers near the ends of the type's range. */
static void
extreme_sizes_are_decomposed(void **state)
{
    (void)state;
    for (int t = 0; t < FIXTURE_TYPE_COUNT; t++) {
        enum sheaf_type type = fixture_types[t];
        bool single = fixture_unit_roundoff(type) > 1e-10L;
        long double factors[] = {0.0L, single ? 1e-34L : 1e-300L, single ? 1e36L : 1e306L};
        struct fixture fixture;
        create(&fixture, type, 9, 5, 3);
        for (int64_t task = 0; task < 3; task++)
            for (int64_t i = 0; i < 45; i++) {
                void *a = fixture.inputs[0] + (size_t)task * fixture.input_bytes[0];
                fixture_set(type, a, i, fixture_get(type, a, i) * factors[task]);
            }
        fixture_run(&fixture, 0, 3);
        for (int64_t task = 0; task < 3; task++) {
            assert_int_equal(fixture.status[task], SHEAF_TASK_DONE);
            assert_true(is_decomposition(&fixture, task));
        }
        assert_true(value(&fixture, 0, 0) == 0.0L);
        fixture_destroy(&fixture);
    }
}

static void
a_number_that_is_not_finite_fails_its_task_only(void **state)
{
    (void)state;
    for (int t = 0; t < FIXTURE_TYPE_COUNT; t++) {
        enum sheaf_type type = fixture_types[t];
        struct fixture fixture;
        create(&fixture, type, 7, 4, 3);
        fixture_set(type, fixture.inputs[0], 27, (long double)NAN);
        fixture_set(type, fixture.inputs[0] + 2 * fixture.input_bytes[0], 0, -(long double)INFINITY);
        fixture_run(&fixture, 0, 3);
        assert_int_equal(fixture.status[0], SHEAF_TASK_NOT_FINITE);
        assert_int_equal(fixture.status[1], SHEAF_TASK_DONE);
        assert_true(is_decomposition(&fixture, 1));
        assert_int_equal(fixture.status[2], SHEAF_TASK_NOT_FINITE);
        fixture_check_splits(&fixture);
        fixture_destroy(&fixture);
    }
}

static void
splits_and_shared_operands_give_the_same_bits(void **state)
{
    struct sheaf_shape shape = fixture_matrix(37, 65);
    (void)state;
    for (int t = 0; t < FIXTURE_TYPE_COUNT; t++) {
        static const int64_t shapes[][2] = {{3, 3}, {66, 40}, {130, 20}};
        for (int i = 0; i < 3; i++) {
            struct fixture fixture;
            create(&fixture, fixture_types[t], shapes[i][0], shapes[i][1], 5);
            fixture_check_splits(&fixture);
            fixture_destroy(&fixture);
        }
        fixture_check_shared(kernel_find("svd"), fixture_types[t], &shape, 1, 1);
        fixture_check_shared(kernel_find("svdvals"), fixture_types[t], &shape, 1, 1);
    }
}

/* Whatever one of the vectors' outputs is missing, the rest has the same bits; what is not asked for stays as it was. */
static void
an_output_not_asked_for_is_left_alone(void **state)
{
    static const int64_t shapes[][2] = {{40, 20}, {20, 40}};
    (void)state;
    for (int t = 0; t < FIXTURE_TYPE_COUNT; t++) {
        for (int i = 0; i < 2; i++) {
            struct fixture all, fixture;
            create(&all, fixture_types[t], shapes[i][0], shapes[i][1], 2);
            create(&fixture, fixture_types[t], shapes[i][0], shapes[i][1], 2);
            fixture_run(&all, 0, 2);
            for (uint32_t omitted = 1; omitted < 7; omitted++) {
                if (omitted == (1U << U | 1U << VT))
                    continue;
                fixture.omitted = omitted;
                for (int output = U; output <= VT; output++)
                    memset(fixture.outputs[output], 0x3c, 2 * fixture.output_bytes[output]);
                fixture_run(&fixture, 0, 2);
                for (int output = U; output <= VT; output++) {
                    const unsigned char *found = fixture.outputs[output];
                    if (omitted >> output & 1U)
                        for (size_t byte = 0; byte < 2 * fixture.output_bytes[output]; byte++)
                            assert_int_equal(found[byte], 0x3c);
                    else
                        assert_memory_equal(found, all.outputs[output], 2 * fixture.output_bytes[output]);
                }
            }
            fixture_destroy(&all);
            fixture_destroy(&fixture);
        }
    }
}

/* Singular values alone are computed another way: both are within the bound of the exact ones. */
static void
values_alone_agree(void **state)
{
    (void)state;
    for (int t = 0; t < FIXTURE_TYPE_COUNT; t++) {
        for (size_t i = 0; i < sizeof sizes / sizeof sizes[0]; i++) {
            enum sheaf_type type = fixture_types[t];
            int64_t m = sizes[i][0], n = sizes[i][1];
            struct sheaf_shape shape = fixture_matrix(m, n);
            struct fixture all, without, values;
            create(&all, type, m, n, 1);
            create(&without, type, m, n, 1);
            fixture_create(&values, kernel_find("svdvals"), type, &shape, 1, 1, 0);
            without.omitted = 1U << U | 1U << VT;
            fixture_run(&all, 0, 1);
            fixture_run(&without, 0, 1);
            fixture_run(&values, 0, 1);
            reference_number *a = reference_load(type, all.inputs[0], m * n);
            long double limit = 2.0L * spectrum_bound(type, m, n) * reference_norm(a, m * n);
            assert_int_equal(values.status[0], SHEAF_TASK_DONE);
            assert_int_equal(values.problem.outputs[0].shape.extent[0], rank_of(&all));
            for (int64_t j = 0; j < rank_of(&all); j++) {
                long double alone = creall(fixture_get(values.problem.outputs[0].type, values.outputs[0], j));
                assert_true(fabsl(value(&all, 0, j) - alone) <= limit);
                assert_true(fabsl(value(&all, 0, j) - value(&without, 0, j)) <= limit);
            }
            free(a);
            fixture_destroy(&all);
            fixture_destroy(&without);
            fixture_destroy(&values);
        }
    }
}

static void
outputs_have_the_types_and_shapes_of_numpy(void **state)
{
    static const enum sheaf_type real[] = {SHEAF_F32, SHEAF_F64, SHEAF_F32, SHEAF_F64};
    (void)state;
    for (int t = 0; t < FIXTURE_TYPE_COUNT; t++) {
        struct fixture fixture;
        create(&fixture, fixture_types[t], 5, 3, 1);
        struct sheaf_shape u = fixture_matrix(5, 3), s = fixture_vector(3), vt = fixture_matrix(3, 3);
        assert_true(sheaf_shape_equal(&fixture.problem.outputs[U].shape, &u));
        assert_true(sheaf_shape_equal(&fixture.problem.outputs[S].shape, &s));
        assert_true(sheaf_shape_equal(&fixture.problem.outputs[VT].shape, &vt));
        assert_int_equal(fixture.problem.outputs[U].type, fixture_types[t]);
        assert_int_equal(fixture.problem.outputs[S].type, real[t]);
        assert_int_equal(fixture.problem.outputs[VT].type, fixture_types[t]);
        fixture_destroy(&fixture);
    }
}

static void
check_flops(const char *kernel, enum sheaf_type type, int64_t m, int64_t n, double flops)
{
    struct fixture fixture;
    struct sheaf_cost cost = {0};
    struct sheaf_shape shape = fixture_matrix(m, n);
    fixture_create(&fixture, kernel_find(kernel), type, &shape, 1, 1, 0);
    fixture.kernel->cost(&fixture.problem, &cost);
    assert_true(fabs(cost.flops - flops) < 1e-9 * flops);
    assert_int_equal(cost.greatest_width, 1);
    fixture_destroy(&fixture);
}

/* Golub and Van Loan, figure 8.6.1, by hand. */
static void
costs_are_nominal(void **state)
{
    struct sheaf_cost cost = {0};
    struct sheaf_problem large = {.input_count = 1, .output_count = 3};
    (void)state;
    check_flops("svd", SHEAF_F64, 3, 3, 22.0 * 27.0);
    check_flops("svd", SHEAF_C64, 3, 30, 4.0 * (6.0 * 270.0 + 20.0 * 27.0));
    check_flops("svdvals", SHEAF_F32, 3, 3, 72.0);
    check_flops("svdvals", SHEAF_F32, 30, 3, 2.0 * 270.0 + 54.0);
    large.inputs[0] = (struct sheaf_array){SHEAF_F64, fixture_matrix(1500, 1000)};
    kernel_find("svd")->cost(&large, &cost);
    assert_int_equal(cost.greatest_width, 4);
}

/* LAPACK's int ends at 4 k^2 + 7 k with vectors; rwork's, for complex matrices, at 5 k^2 + 7 k. */
static void
sizes_beyond_lapack_are_refused(void **state)
{
    static const struct {
        enum sheaf_type type;
        int64_t m, n;
        bool fits, values_fit;
    } cases[] = {
        {SHEAF_F64, 23169, 23169, true, true},
        {SHEAF_F64, 23170, 23170, false, true},
        {SHEAF_C64, 20723, 20723, true, true},
        {SHEAF_C64, 20724, 20724, false, true},
        {SHEAF_F32, 33554429, 2, true, true},
        {SHEAF_F32, 33554430, 2, false, false},
        {SHEAF_F64, INT64_C(2147483648), 1, false, false},
        {SHEAF_F64, 2147483647, 2147483647, false, false},
        {SHEAF_I32, 3, 3, false, false},
    };
    (void)state;
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        struct sheaf_batch batch = {.count = 1};
        struct sheaf_problem problem = {.input_count = 1, .output_count = 3};
        problem.inputs[0] = (struct sheaf_array){cases[i].type, fixture_matrix(cases[i].m, cases[i].n)};
        assert_int_equal(kernel_find("svd")->workspace_bytes(&problem) >= 0, cases[i].fits);
        if (!cases[i].fits)
            assert_int_equal(kernel_find("svd")->run(&problem, &batch), SHEAF_INTERNAL);
        problem.output_count = 1;
        assert_int_equal(kernel_find("svdvals")->workspace_bytes(&problem) >= 0, cases[i].values_fit);
        if (!cases[i].values_fit)
            assert_int_equal(kernel_find("svdvals")->run(&problem, &batch), SHEAF_INTERNAL);
    }
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(decompositions_are_within_the_bound),
        cmocka_unit_test(small_matrices_of_all_sorts_are_decomposed),
        cmocka_unit_test(the_check_sees_one_wrong_element),
        cmocka_unit_test(known_singular_values_are_found),
        cmocka_unit_test(a_known_decomposition_is_exact),
        cmocka_unit_test(extreme_sizes_are_decomposed),
        cmocka_unit_test(a_number_that_is_not_finite_fails_its_task_only),
        cmocka_unit_test(splits_and_shared_operands_give_the_same_bits),
        cmocka_unit_test(an_output_not_asked_for_is_left_alone),
        cmocka_unit_test(values_alone_agree),
        cmocka_unit_test(outputs_have_the_types_and_shapes_of_numpy),
        cmocka_unit_test(costs_are_nominal),
        cmocka_unit_test(sizes_beyond_lapack_are_refused),
    };
    blas_set_threads(1);
    return cmocka_run_group_tests(tests, NULL, NULL);
}
