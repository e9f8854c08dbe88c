#include "spectrum.h"
#include "subject.h"

#include "blas.h"
#include "list.h"

#include <math.h>
#include <stdlib.h>

enum { W = 0, V = 1 };

static long double
value(const struct fixture *fixture, int64_t task, int64_t index)
{
    return creall(fixture_get(fixture->problem.outputs[W].type, fixture_output(fixture, W, task), index));
}

/* What the kernel has to take the input for: Hermitian, by its lower triangle and the real parts of its diagonal. */
static reference_number *
load_hermitian(const struct fixture *fixture, int64_t task)
{
    int64_t m = fixture->problem.inputs[0].shape.extent[0];
    reference_number *a = reference_load(fixture->problem.inputs[0].type, fixture_input(fixture, 0, task), m * m);
    for (int64_t i = 0; i < m; i++) {
        for (int64_t j = 0; j < i; j++)
            a[j * m + i] = conjl(a[i * m + j]);
        a[i * m + i] = creall(a[i * m + i]);
    }
    return a;
}

static bool
values_ascend(const struct fixture *fixture, int64_t task)
{
    bool ascend = true;
    for (int64_t i = 1; i < fixture->problem.inputs[0].shape.extent[0]; i++)
        ascend = ascend && value(fixture, task, i - 1) <= value(fixture, task, i);
    return ascend;
}

/* 0 where A V = V diag(w), V^H V = I, each within the bound. */
static int64_t
count_wrong(const struct fixture *fixture, int64_t task)
{
    enum sheaf_type type = fixture->problem.inputs[0].type;
    int64_t m = fixture->problem.inputs[0].shape.extent[0];
    reference_number *a = load_hermitian(fixture, task);
    reference_number *v = reference_load(type, fixture_output(fixture, V, task), m * m);
    reference_number *w = reference_load(fixture->problem.outputs[W].type, fixture_output(fixture, W, task), m);
    long double bound = spectrum_bound(type, m, m);
    bool orthonormal = spectrum_orthonormality(m, m, v) <= bound;
    reference_number *product = reference_multiply(m, m, m, a, v);
    spectrum_scale_columns(m, m, v, w);
    reference_subtract(product, v, m * m);
    bool right = reference_norm(product, m * m) <= bound * reference_norm(a, m * m);
    free(a);
    free(v);
    free(w);
    free(product);
    return !(orthonormal && right && values_ascend(fixture, task));
}

static const struct subject eigh = {"eigh", NULL, subject_create_matrix, count_wrong};
static const struct subject eigvalsh = {"eigvalsh", NULL, subject_create_matrix, NULL};

/* Small ones, and those around where they go to LAPACK, by type; around 25, up to where LAPACK's divide and conquer does not
 * divide, and beyond the blocks of its reduction. */
static const int64_t sizes[][2] = {{1, 1},   {2, 2},   {3, 3},   {7, 7},   {12, 12}, {13, 13},
                                   {16, 16}, {17, 17}, {20, 20}, {21, 21}, {24, 24}, {25, 25},
                                   {26, 26}, {32, 32}, {33, 33}, {64, 64}, {65, 65}, {130, 130}};
enum { SIZE_COUNT = sizeof sizes / sizeof sizes[0] };

static void
decompositions_are_within_the_bound(void **state)
{
    (void)state;
    subject_check_results(&eigh, sizes, SIZE_COUNT);
}

static void
the_check_sees_one_wrong_element(void **state)
{
    (void)state;
    subject_check_wrong_element(&eigh, 65, 65, W, 7, 1.0L, 0.05L);
    subject_check_wrong_element(&eigh, 65, 65, V, 7, 1.0L, 0.05L);
}

/* Eigenvalues move by no more than the matrix does (Weyl): by its rounding to the type, and the decomposition's error. */
static void
check_known_values(enum sheaf_type type, int64_t m, const long double *w)
{
    struct fixture fixture, values;
    reference_number *a = spectrum_matrix(m, m, w, sheaf_type_is_complex(type), true);
    subject_create_matrix(&fixture, &eigh, type, m, m, 1);
    subject_create_matrix(&values, &eigvalsh, type, m, m, 1);
    reference_store(type, fixture.inputs[0], a, m * m);
    reference_store(type, values.inputs[0], a, m * m);
    fixture_run(&fixture, 0, 1);
    fixture_run(&values, 0, 1);
    long double limit = (spectrum_bound(type, m, m) + fixture_unit_roundoff(type)) * reference_norm(a, m * m);
    assert_int_equal(count_wrong(&fixture, 0), 0);
    for (int64_t i = 0; i < m; i++) {
        assert_true(fabsl(value(&fixture, 0, i) - w[i]) <= limit);
        assert_true(fabsl(value(&values, 0, i) - w[i]) <= limit);
    }
    free(a);
    fixture_destroy(&fixture);
    fixture_destroy(&values);
}

static void
known_eigenvalues_are_found(void **state)
{
    enum { M = 66 };
    long double even[M], graded[M], multiple[M];
    (void)state;
    for (int i = 0; i < M; i++) {
        even[i] = -2.0L + 0.06L * (long double)i;
        graded[i] = powl(10.0L, -0.25L * (long double)(M - i));
        multiple[i] = i < 20 ? -1.0L : i < 50 ? 0.0L : 3.0L;
    }
    for (int t = 0; t < FIXTURE_TYPE_COUNT; t++) {
        check_known_values(fixture_types[t], M, even);
        check_known_values(fixture_types[t], M, graded);
        check_known_values(fixture_types[t], M, multiple);
    }
}

/* Sorts of matrices, (m,m), lower triangles. */
enum sort { ZERO, IDENTITY, ONES, SIGNS, WILKINSON, HILBERT, GRADED, ARROW, HOLLOW, SORT_COUNT };

static long double
element_of_sort(enum sort sort, int64_t m, int64_t i, int64_t j)
{
    switch (sort) {
    case IDENTITY:
        return i == j ? 1.0L : 0.0L;
    case ONES: /* one eigenvalue m, the others 0 */
        return 1.0L;
    case SIGNS: /* many equal elements, many equal differences on the diagonal */
        return (i * 7 + j * 3) % 5 < 3 ? 1.0L : -1.0L;
    case WILKINSON: /* pairs of eigenvalues that nearly agree */
        return i == j ? fabsl((long double)(2 * i - m + 1)) / 2.0L : i == j + 1 ? 1.0L : 0.0L;
    case HILBERT:
        return 1.0L / (long double)(i + j + 1);
    case GRADED: /* over all that the type can tell apart, and beyond */
        return powl(10.0L, -20.0L * (long double)(i + j) / (long double)(2 * m)) * (i == j ? 1.0L : 0.5L);
    case ARROW:
        return i == j ? 1.0L : j == 0 ? 1e-3L : 0.0L;
    case HOLLOW: /* a diagonal of zeros: every first rotation is by 45 degrees */
        return i == j ? 0.0L : 1.0L / (long double)(1 + i - j);
    default:
        return 0.0L;
    }
}

/* All sorts in one batch, with the real elements times i^(i-j) where they may be complex: the same eigenvalues. */
static void
matrices_of_all_sorts_are_decomposed(void **state)
{
    static const long double complex phases[] = {1.0L, 1.0L * I, -1.0L, -1.0L * I};
    (void)state;
    for (int t = 0; t < FIXTURE_TYPE_COUNT; t++)
        for (int64_t m = 1; m <= 33; m++) {
            const enum sheaf_type type = fixture_types[t];
            struct fixture fixture;
            subject_create_matrix(&fixture, &eigh, type, m, m, SORT_COUNT);
            for (int sort = 0; sort < SORT_COUNT; sort++)
                for (int64_t i = 0; i < m; i++)
                    for (int64_t j = 0; j <= i; j++)
                        fixture_set(type, fixture_task_input(&fixture, 0, sort), i * m + j,
                                    element_of_sort((enum sort)sort, m, i, j) *
                                        (sheaf_type_is_complex(type) ? phases[(i - j) % 4] : 1.0L));
            fixture_run(&fixture, 0, SORT_COUNT);
            subject_check_tasks(&eigh, &fixture);
            fixture_destroy(&fixture);
        }
}

/*
 * How far the squared lengths of m numbers may be from 1: the parts' squares and their sum are off by m + 1 roundings or, of
 * complex numbers, 2 m + 1; the root halves that; itself, the division and the product are 3 more; and lengths are squared.
 */
static long double
length_bound(enum sheaf_type type, int64_t m)
{
    const long double terms = (long double)(sheaf_type_is_complex(type) ? 2 * m : m);
    return (terms + 1.0L + 2.0L * 3.0L) * fixture_unit_roundoff(type);
}

/* Small matrices' vectors are normalised in the end: hundreds of rotations leave no trace in their lengths. */
static void
small_vectors_have_unit_length(void **state)
{
    (void)state;
    for (int t = 0; t < FIXTURE_TYPE_COUNT; t++)
        for (int64_t m = 1; m <= 16; m++) {
            const enum sheaf_type type = fixture_types[t];
            struct fixture fixture;
            subject_create_matrix(&fixture, &eigh, type, m, m, 20);
            fixture_run(&fixture, 0, 20);
            for (int64_t vector = 0; vector < 20 * m; vector++) {
                const unsigned char *v = fixture_output(&fixture, V, vector / m);
                long double square = 0.0L;
                for (int64_t i = 0; i < m; i++) {
                    const long double complex x = fixture_get(type, v, i * m + vector % m);
                    square += creall(x) * creall(x) + cimagl(x) * cimagl(x);
                }
                assert_true(fabsl(square - 1.0L) <= length_bound(type, m));
            }
            fixture_destroy(&fixture);
        }
}

/* Small diagonal matrices have their own elements as eigenvalues, whatever their sizes, and no vector is turned. */
static void
diagonal_matrices_are_only_sorted(void **state)
{
    enum { M = 5 };
    static const long double diagonal[M] = {1e-30L, -3.0L, 7e8L, 0.0L, 5e-30L};
    static const int64_t sorted[M] = {1, 3, 0, 4, 2};
    (void)state;
    for (int t = 0; t < FIXTURE_TYPE_COUNT; t++) {
        struct fixture fixture;
        subject_create_matrix(&fixture, &eigh, fixture_types[t], M, M, 1);
        memset(fixture.inputs[0], 0, fixture.input_bytes[0]);
        for (int64_t i = 0; i < M; i++)
            fixture_set(fixture_types[t], fixture.inputs[0], i * (M + 1), diagonal[i]);
        fixture_run(&fixture, 0, 1);
        for (int64_t j = 0; j < M; j++) {
            const int64_t from = sorted[j];
            assert_true(value(&fixture, 0, j) ==
                        creall(fixture_get(fixture_types[t], fixture.inputs[0], from * (M + 1))));
            for (int64_t i = 0; i < M; i++)
                assert_true(fixture_get(fixture_types[t], fixture.outputs[V], i * M + j) == (i == from ? 1.0L : 0.0L));
        }
        fixture_destroy(&fixture);
    }
}

/* (0 -i; i 0): w = (-1, 1), v[:, 1] a multiple of (1, i); its conjugate belongs to -1. */
static void
complex_vectors_are_not_conjugated(void **state)
{
    static const double a[] = {0, 0, 0, -1, 0, 1, 0, 0};
    struct fixture fixture;
    (void)state;
    subject_create_matrix(&fixture, &eigh, SHEAF_C128, 2, 2, 1);
    memcpy(fixture.inputs[0], a, sizeof a);
    fixture_run(&fixture, 0, 1);
    const double complex *v = fixture_output(&fixture, V, 0);
    assert_true(fabsl(value(&fixture, 0, 0) + 1.0L) < 1e-15L && fabsl(value(&fixture, 0, 1) - 1.0L) < 1e-15L);
    assert_true(cabs(v[2] / v[0] + I) < 1e-15);
    assert_true(cabs(v[3] / v[1] - I) < 1e-15);
    fixture_destroy(&fixture);
}

/* What stands above the diagonal, and beside it on the imaginary axis, may be anything: large too. */
static void
check_what_is_read(const struct subject *subject, enum sheaf_type type, int64_t m)
{
    struct fixture fixture, other;
    subject_create_matrix(&fixture, subject, type, m, m, 1);
    subject_create_matrix(&other, subject, type, m, m, 1);
    for (int64_t i = 0; i < m; i++) {
        for (int64_t j = i + 1; j < m; j++)
            fixture_set(type, other.inputs[0], i * m + j, (long double)NAN);
        long double complex diagonal = fixture_get(type, other.inputs[0], i * (m + 1));
        fixture_set(type, other.inputs[0], i * (m + 1), creall(diagonal) + (i % 2 ? 3e9L * I : 0.0L));
    }
    fixture_run(&fixture, 0, 1);
    fixture_run(&other, 0, 1);
    assert_int_equal(other.status[0], SHEAF_TASK_DONE);
    for (int output = 0; output < fixture.problem.output_count; output++)
        assert_memory_equal(fixture.outputs[output], other.outputs[output], fixture.output_bytes[output]);
    fixture_destroy(&fixture);
    fixture_destroy(&other);
}

static void
only_the_lower_triangle_is_read(void **state)
{
    (void)state;
    for (int t = 0; t < FIXTURE_TYPE_COUNT; t++) {
        check_what_is_read(&eigh, fixture_types[t], 9);
        check_what_is_read(&eigh, fixture_types[t], 40);
        check_what_is_read(&eigvalsh, fixture_types[t], 9);
        check_what_is_read(&eigvalsh, fixture_types[t], 40);
    }
}

/* Zero, and numbers near the ends of the type's range. */
static void
extreme_sizes_are_decomposed(void **state)
{
    (void)state;
    subject_check_extremes(&eigh, 9, 9);
}

static void
a_number_that_is_not_finite_fails_its_task_only(void **state)
{
    (void)state;
    subject_check_not_finite(&eigh, 7, 7, 7);
}

static void
splits_and_shared_operands_give_the_same_bits(void **state)
{
    (void)state;
    for (int i = 2; i < SIZE_COUNT; i++)
        subject_check_splits(&eigh, sizes[i][0], sizes[i][1]);
    subject_check_shared(&eigh, 37, 37);
    subject_check_shared(&eigvalsh, 37, 37);
}

/* Without v eigenvalues are computed as eigvalsh does, without w nothing changes. */
static void
an_output_not_asked_for_is_left_alone(void **state)
{
    (void)state;
    for (int t = 0; t < FIXTURE_TYPE_COUNT; t++) {
        struct fixture all, fixture;
        subject_create_matrix(&all, &eigh, fixture_types[t], 30, 30, 2);
        subject_create_matrix(&fixture, &eigh, fixture_types[t], 30, 30, 2);
        fixture_run(&all, 0, 2);
        fixture_check_without(&fixture, 1U << W, &all, 1U << V);
        fixture_check_without(&fixture, 1U << V, &all, 0);
        fixture_check_without(&fixture, 1U << W | 1U << V, &all, 0);
        fixture_destroy(&all);
        fixture_destroy(&fixture);
    }
}

static void
values_alone_agree(void **state)
{
    (void)state;
    for (int t = 0; t < FIXTURE_TYPE_COUNT; t++) {
        for (int i = 0; i < SIZE_COUNT; i++) {
            enum sheaf_type type = fixture_types[t];
            int64_t m = sizes[i][0];
            struct fixture all, without, values;
            subject_create_matrix(&all, &eigh, type, m, m, 1);
            subject_create_matrix(&without, &eigh, type, m, m, 1);
            subject_create_matrix(&values, &eigvalsh, type, m, m, 1);
            without.omitted = 1U << V;
            fixture_run(&all, 0, 1);
            fixture_run(&without, 0, 1);
            fixture_run(&values, 0, 1);
            reference_number *a = load_hermitian(&all, 0);
            long double limit = 2.0L * spectrum_bound(type, m, m) * reference_norm(a, m * m);
            assert_true(values_ascend(&values, 0));
            for (int64_t j = 0; j < m; j++) {
                assert_true(fabsl(value(&all, 0, j) - value(&values, 0, j)) <= limit);
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
eigenvalues_are_real(void **state)
{
    (void)state;
    for (int t = 0; t < FIXTURE_TYPE_COUNT; t++) {
        struct fixture fixture, values;
        subject_create_matrix(&fixture, &eigh, fixture_types[t], 3, 3, 1);
        subject_create_matrix(&values, &eigvalsh, fixture_types[t], 3, 3, 1);
        assert_int_equal(fixture.problem.outputs[W].type, fixture_real_types[t]);
        assert_int_equal(fixture.problem.outputs[V].type, fixture_types[t]);
        assert_int_equal(values.problem.outputs[W].type, fixture_real_types[t]);
        fixture_destroy(&fixture);
        fixture_destroy(&values);
    }
}

static void
costs_are_nominal(void **state)
{
    static const int32_t widths[] = {1, 2};
    static const int64_t extents[] = {999, 1000};
    struct sheaf_problem problem = {.input_count = 1, .output_count = 2};
    (void)state;
    for (int i = 0; i < 2; i++) {
        struct sheaf_cost cost = {0}, complex_cost = {0}, values_cost = {0};
        double cube = (double)extents[i] * (double)extents[i] * (double)extents[i];
        problem.inputs[0] = (struct sheaf_array){SHEAF_F64, fixture_matrix(extents[i], extents[i])};
        problem.output_count = 2;
        kernel_find("eigh")->cost(&problem, &cost);
        problem.inputs[0].type = SHEAF_C64;
        kernel_find("eigh")->cost(&problem, &complex_cost);
        problem.output_count = 1;
        kernel_find("eigvalsh")->cost(&problem, &values_cost);
        assert_true(fabs(cost.flops - 9.0 * cube) < 1e-9 * cube);
        assert_true(fabs(complex_cost.flops - 36.0 * cube) < 1e-9 * cube);
        assert_true(fabs(values_cost.flops - 16.0 / 3.0 * cube) < 1e-9 * cube);
        assert_int_equal(cost.greatest_width, widths[i]);
    }
}

/* What 2 threads took of the time of one, and the best number of those that were tried: see eigh_cost. */
static void
eigh_scales_as_it_was_measured(void **state)
{
    static const struct {
        int64_t extent;
        double part;
        int best;
    } cases[] = {{512, 1.14, 1}, {1024, 0.93, 2}, {2048, 0.79, 4}, {4096, 0.63, 4}};
    struct sheaf_problem problem = {.input_count = 1, .output_count = 2};
    (void)state;
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        struct sheaf_cost cost = {0};
        problem.inputs[0] = (struct sheaf_array){SHEAF_F64, fixture_matrix(cases[i].extent, cases[i].extent)};
        kernel_find("eigh")->cost(&problem, &cost);
        assert_int_equal(cost.greatest_width, cases[i].best);
        if (cases[i].best > 1)
            assert_true(fabs((1 + cost.serial_fraction) / 2 - cases[i].part) < 0.08);
    }
}

/* LAPACK's int ends at 2 m^2 + 70 m + 4161 with vectors, m^2 of it for complex matrices, and at 64 m + ... without. */
static void
sizes_beyond_lapack_are_refused(void **state)
{
    static const struct {
        enum sheaf_type type;
        int64_t m;
        bool fits, values_fit;
    } cases[] = {
        {SHEAF_F64, 32750, true, true},
        {SHEAF_F64, 32751, false, true},
        {SHEAF_C128, 32766, true, true},
        {SHEAF_C128, 32767, false, true},
        {SHEAF_F32, INT64_C(2147483647), false, false},
        {SHEAF_F32, INT64_C(2147483648), false, false},
        {SHEAF_I32, 3, false, false},
    };
    (void)state;
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        subject_check_fits(&eigh, cases[i].type, cases[i].m, cases[i].m, cases[i].fits);
        subject_check_fits(&eigvalsh, cases[i].type, cases[i].m, cases[i].m, cases[i].values_fit);
    }
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(eigh_scales_as_it_was_measured),
        cmocka_unit_test(decompositions_are_within_the_bound),
        cmocka_unit_test(the_check_sees_one_wrong_element),
        cmocka_unit_test(known_eigenvalues_are_found),
        cmocka_unit_test(matrices_of_all_sorts_are_decomposed),
        cmocka_unit_test(small_vectors_have_unit_length),
        cmocka_unit_test(diagonal_matrices_are_only_sorted),
        cmocka_unit_test(complex_vectors_are_not_conjugated),
        cmocka_unit_test(only_the_lower_triangle_is_read),
        cmocka_unit_test(extreme_sizes_are_decomposed),
        cmocka_unit_test(a_number_that_is_not_finite_fails_its_task_only),
        cmocka_unit_test(splits_and_shared_operands_give_the_same_bits),
        cmocka_unit_test(an_output_not_asked_for_is_left_alone),
        cmocka_unit_test(values_alone_agree),
        cmocka_unit_test(eigenvalues_are_real),
        cmocka_unit_test(costs_are_nominal),
        cmocka_unit_test(sizes_beyond_lapack_are_refused),
    };
    blas_set_threads(1);
    return cmocka_run_group_tests(tests, NULL, NULL);
}
