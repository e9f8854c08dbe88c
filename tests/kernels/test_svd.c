#include "spectrum.h"
#include "subject.h"

#include "blas.h"
#include "list.h"

#include <math.h>
#include <stdlib.h>

enum { U = 0, S = 1, VT = 2 };

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

/* 0 where A = U diag(s) Vt, U^H U = I, Vt Vt^H = I, each within the bound. */
static int64_t
count_wrong(const struct fixture *fixture, int64_t task)
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
    return !(orthonormal && right && values_descend_to_zero_or_more(fixture, task));
}

static const struct subject svd = {"svd", NULL, subject_create_matrix, count_wrong};
static const struct subject svdvals = {"svdvals", NULL, subject_create_matrix, NULL};

/* Small ones, and those around where they go to LAPACK, by type; square, tall and wide beyond 11/6, 5/3 and 17/9, where LAPACK goes other ways; around and beyond its blocks. */
static const int64_t sizes[][2] = {{1, 1},   {1, 5},   {5, 1},   {2, 3},   {7, 7},   {8, 16},  {16, 12},
                                   {16, 16}, {13, 12}, {12, 17}, {17, 16}, {64, 64}, {65, 65}, {65, 66},
                                   {130, 7}, {7, 130}, {65, 37}, {37, 65}, {65, 35}, {40, 72}, {130, 130}};

static void
decompositions_are_within_the_bound(void **state)
{
    (void)state;
    subject_check_results(&svd, sizes, sizeof sizes / sizeof sizes[0]);
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
    subject_create_matrix(&fixture, &svd, type, m, n, SORT_COUNT);
    for (int sort = 0; sort < SORT_COUNT; sort++)
        for (int64_t i = 0; i < m * n; i++)
            fixture_set(type, fixture_task_input(&fixture, 0, sort), i,
                        element_of_sort((enum sort)sort, i / n, i % n) *
                            (sheaf_type_is_complex(type) ? phases[i % n % 4] : 1.0L));
    fixture_run(&fixture, 0, SORT_COUNT);
    subject_check_tasks(&svd, &fixture);
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
    for (int output = U; output <= VT; output++)
        subject_check_wrong_element(&svd, 65, 37, output, 9, 1.05L, 0.01L);
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
    subject_create_matrix(&fixture, &svd, type, m, n, 1);
    reference_store(type, fixture.inputs[0], a, m * n);
    fixture_run(&fixture, 0, 1);
    long double limit = (spectrum_bound(type, m, n) + fixture_unit_roundoff(type)) * reference_norm(a, m * n);
    assert_int_equal(count_wrong(&fixture, 0), 0);
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
    subject_create_matrix(&fixture, &svd, SHEAF_F64, 2, 3, 1);
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
    subject_check_extremes(&svd, 9, 5);
}

static void
a_number_that_is_not_finite_fails_its_task_only(void **state)
{
    (void)state;
    subject_check_not_finite(&svd, 7, 4, 0);
}

static void
splits_and_shared_operands_give_the_same_bits(void **state)
{
    (void)state;
    subject_check_splits(&svd, 3, 3);
    subject_check_splits(&svd, 66, 40);
    subject_check_splits(&svd, 130, 20);
    subject_check_shared(&svd, 37, 65);
    subject_check_shared(&svdvals, 37, 65);
}

/* Whatever one of the vectors' outputs is missing, the rest has the same bits; what is not asked for stays as it was. */
static void
an_output_not_asked_for_is_left_alone(void **state)
{
    static const int64_t shapes[][2] = {{40, 20}, {20, 40}};
    (void)state;
    for (int t = 0; t < FIXTURE_TYPE_COUNT; t++) {
        for (int i = 0; i < 2; i++) {
            const uint32_t outputs = 1U << U | 1U << S | 1U << VT;
            struct fixture all, fixture;
            subject_create_matrix(&all, &svd, fixture_types[t], shapes[i][0], shapes[i][1], 2);
            subject_create_matrix(&fixture, &svd, fixture_types[t], shapes[i][0], shapes[i][1], 2);
            fixture_run(&all, 0, 2);
            for (uint32_t omitted = 1; omitted < outputs; omitted++)
                if (omitted != (1U << U | 1U << VT))
                    fixture_check_without(&fixture, omitted, &all, outputs & ~omitted);
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
            struct fixture all, without, values;
            subject_create_matrix(&all, &svd, type, m, n, 1);
            subject_create_matrix(&without, &svd, type, m, n, 1);
            subject_create_matrix(&values, &svdvals, type, m, n, 1);
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
    (void)state;
    for (int t = 0; t < FIXTURE_TYPE_COUNT; t++) {
        struct fixture fixture;
        subject_create_matrix(&fixture, &svd, fixture_types[t], 5, 3, 1);
        struct sheaf_shape u = fixture_matrix(5, 3), s = fixture_vector(3), vt = fixture_matrix(3, 3);
        assert_true(sheaf_shape_equal(&fixture.problem.outputs[U].shape, &u));
        assert_true(sheaf_shape_equal(&fixture.problem.outputs[S].shape, &s));
        assert_true(sheaf_shape_equal(&fixture.problem.outputs[VT].shape, &vt));
        assert_int_equal(fixture.problem.outputs[U].type, fixture_types[t]);
        assert_int_equal(fixture.problem.outputs[S].type, fixture_real_types[t]);
        assert_int_equal(fixture.problem.outputs[VT].type, fixture_types[t]);
        fixture_destroy(&fixture);
    }
}

static void
check_greatest_width(const struct subject *subject, enum sheaf_type type, int64_t m, int64_t n, int32_t width)
{
    struct sheaf_cost cost = {0};
    struct sheaf_problem problem = {.input_count = 1, .output_count = subject == &svd ? 3 : 1};
    problem.inputs[0] = (struct sheaf_array){type, fixture_matrix(m, n)};
    kernel_find(subject->kernel)->cost(&problem, &cost);
    assert_int_equal(cost.greatest_width, width);
}

/* Golub and Van Loan, figure 8.6.1, by hand. */
static void
costs_are_nominal(void **state)
{
    (void)state;
    subject_check_flops(&svd, SHEAF_F64, 3, 3, 22.0 * 27.0);
    subject_check_flops(&svd, SHEAF_C64, 3, 30, 4.0 * (6.0 * 270.0 + 20.0 * 27.0));
    subject_check_flops(&svdvals, SHEAF_F32, 3, 3, 72.0);
    subject_check_flops(&svdvals, SHEAF_F32, 30, 3, 2.0 * 270.0 + 54.0);
    check_greatest_width(&svd, SHEAF_F64, 3, 3, 1);
    check_greatest_width(&svd, SHEAF_C64, 3, 30, 1);
    check_greatest_width(&svdvals, SHEAF_F32, 3, 3, 1);
    check_greatest_width(&svdvals, SHEAF_F32, 30, 3, 1);
    check_greatest_width(&svd, SHEAF_F64, 1500, 1000, 4);
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
        subject_check_fits(&svd, cases[i].type, cases[i].m, cases[i].n, cases[i].fits);
        subject_check_fits(&svdvals, cases[i].type, cases[i].m, cases[i].n, cases[i].values_fit);
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
