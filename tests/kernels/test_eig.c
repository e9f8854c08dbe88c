#include "spectrum.h"
#include "subject.h"

#include "blas.h"
#include "list.h"

#include <math.h>
#include <stdlib.h>

enum { W = 0, V = 1 };

static enum sheaf_type
complex_type(const struct fixture *fixture)
{
    return fixture->problem.outputs[W].type;
}

static long double complex
value(const struct fixture *fixture, int64_t task, int64_t index)
{
    return fixture_get(complex_type(fixture), fixture_output(fixture, W, task), index);
}

/*
 * The columns of v have 2-norm 1, and a complex one's largest component is real: both but for rounding, m + 3 of them in
 * the norm (Higham, Accuracy and Stability of Numerical Algorithms, 2nd ed., section 3.4), a product's in the phase.
 */
static bool
is_normalised(const reference_number *v, int64_t m, enum sheaf_type type)
{
    bool normalised = true;
    for (int64_t j = 0; j < m; j++) {
        long double sum = 0.0L, greatest = 0.0L;
        for (int64_t i = 0; i < m; i++) {
            sum += creall(v[i * m + j]) * creall(v[i * m + j]) + cimagl(v[i * m + j]) * cimagl(v[i * m + j]);
            greatest = fmaxl(greatest, cabsl(v[i * m + j]));
        }
        /* Components that rounding cannot tell apart are all candidates: one of them must be real. */
        bool real = false;
        for (int64_t i = 0; i < m; i++)
            real = real || (cimagl(v[i * m + j]) == 0.0L &&
                            cabsl(v[i * m + j]) >= greatest * (1.0L - reference_gamma(type, 8.0L)));
        normalised = normalised && real && fabsl(sqrtl(sum) - 1.0L) <= reference_gamma(type, (long double)m + 3.0L);
    }
    return normalised;
}

/* A conjugate pair stands together, the positive imaginary part first, with exactly conjugate vectors; w real: v real. */
static bool
pairs_are_conjugate(const reference_number *w, const reference_number *v, int64_t m)
{
    bool right = true;
    for (int64_t j = 0; j < m; j++) {
        if (cimagl(w[j]) > 0.0L) {
            right = right && j + 1 < m && w[j + 1] == conjl(w[j]);
            for (int64_t i = 0; i < m && right; i++)
                right = v[i * m + j + 1] == conjl(v[i * m + j]);
        } else if (cimagl(w[j]) == 0.0L) {
            for (int64_t i = 0; i < m; i++)
                right = right && cimagl(v[i * m + j]) == 0.0L;
        } else {
            right = right && j > 0 && w[j - 1] == conjl(w[j]);
        }
    }
    return right;
}

/*
 * 0 where A V = V diag(w), each column within the bound, and the sum of w is the trace: every computed eigenvalue is one of A + E,
 * ||E||_F within the bound of ||A||_F, and |trace(E)| <= sqrt(m) ||E||_F.
 */
static int64_t
count_wrong(const struct fixture *fixture, int64_t task)
{
    enum sheaf_type type = fixture->problem.inputs[0].type;
    int64_t m = fixture->problem.inputs[0].shape.extent[0];
    reference_number *a = reference_load(type, fixture_input(fixture, 0, task), m * m);
    reference_number *v = reference_load(complex_type(fixture), fixture_output(fixture, V, task), m * m);
    reference_number *w = reference_load(complex_type(fixture), fixture_output(fixture, W, task), m);
    long double limit = spectrum_bound(type, m, m) * reference_norm(a, m * m);
    bool right = is_normalised(v, m, type) && (sheaf_type_is_complex(type) || pairs_are_conjugate(w, v, m));
    long double complex trace = 0.0L;
    for (int64_t i = 0; i < m; i++)
        trace += a[i * m + i] - w[i];
    right = right && cabsl(trace) <= sqrtl((long double)m) * limit;
    reference_number *product = reference_multiply(m, m, m, a, v);
    spectrum_scale_columns(m, m, v, w);
    reference_subtract(product, v, m * m);
    reference_number *columns = reference_adjoint(m, m, product);
    for (int64_t j = 0; j < m; j++)
        right = right && reference_norm(columns + j * m, m) <= limit;
    free(a);
    free(v);
    free(w);
    free(product);
    free(columns);
    return !right;
}

static const struct subject eig = {"eig", NULL, subject_create_matrix, count_wrong};
static const struct subject eigvals = {"eigvals", NULL, subject_create_matrix, NULL};

/* Beyond 75 LAPACK's QR algorithm takes many shifts at a time. */
static const int64_t sizes[][2] = {{1, 1}, {2, 2}, {3, 3}, {7, 7}, {32, 32}, {33, 33}, {65, 65}, {130, 130}};
enum { SIZE_COUNT = sizeof sizes / sizeof sizes[0] };

static void
decompositions_are_within_the_bound(void **state)
{
    (void)state;
    subject_check_results(&eig, sizes, SIZE_COUNT);
}

static void
the_check_sees_one_wrong_element(void **state)
{
    (void)state;
    subject_check_wrong_element(&eig, 65, 65, W, 7, 1.0L, 0.1L);
    subject_check_wrong_element(&eig, 65, 65, V, 7, 1.0L, 0.1L);
}

/* The cyclic shift: w are the roots of unity, and column j of v is (1, w, w^2) / sqrt(3): rows and columns would show. */
static void
known_vectors_are_found(void **state)
{
    static const double shift[] = {0, 1, 0, 0, 0, 1, 1, 0, 0};
    (void)state;
    for (int t = 0; t < FIXTURE_TYPE_COUNT; t++) {
        struct fixture fixture;
        long double complex sum = 0.0L;
        subject_create_matrix(&fixture, &eig, fixture_types[t], 3, 3, 1);
        for (int i = 0; i < 9; i++)
            fixture_set(fixture_types[t], fixture.inputs[0], i, shift[i]);
        fixture_run(&fixture, 0, 1);
        long double limit = 10.0L * spectrum_bound(fixture_types[t], 3, 3);
        for (int64_t j = 0; j < 3; j++) {
            long double complex w = value(&fixture, 0, j), v[3];
            for (int64_t i = 0; i < 3; i++)
                v[i] = fixture_get(complex_type(&fixture), fixture.outputs[V], i * 3 + j);
            assert_true(cabsl(w * w * w - 1.0L) <= limit);
            assert_true(cabsl(v[1] / v[0] - w) <= limit && cabsl(v[2] / v[1] - w) <= limit);
            sum += w;
        }
        assert_true(cabsl(sum) <= limit);
        fixture_destroy(&fixture);
    }
}

/* Triangular: w is the diagonal, in its order, and without rounding. The last one, (1 1; 0 1), has one vector only. */
static void
triangular_and_defective_matrices_are_decomposed(void **state)
{
    (void)state;
    for (int t = 0; t < FIXTURE_TYPE_COUNT; t++) {
        struct fixture fixture;
        enum sheaf_type type = fixture_types[t];
        subject_create_matrix(&fixture, &eig, type, 4, 4, 3);
        for (int64_t task = 0; task < 3; task++) {
            void *a = fixture_task_input(&fixture, 0, task);
            for (int64_t i = 0; i < 4; i++)
                for (int64_t j = 0; j <= i; j++)
                    fixture_set(type, a, i * 4 + j, i > j ? 0.0L : task == 2 ? 1.0L : 0.5L + (long double)i);
        }
        for (int64_t i = 0; i < 16; i++)
            fixture_set(type, fixture_task_input(&fixture, 0, 1), i, 0.0L);
        fixture_run(&fixture, 0, 3);
        for (int64_t task = 0; task < 3; task++)
            assert_int_equal(fixture.status[task], SHEAF_TASK_DONE);
        for (int64_t i = 0; i < 4; i++) {
            assert_true(value(&fixture, 0, i) == 0.5L + (long double)i);
            assert_true(value(&fixture, 1, i) == 0.0L);
            assert_true(value(&fixture, 2, i) == 1.0L);
        }
        assert_int_equal(count_wrong(&fixture, 0), 0);
        assert_int_equal(count_wrong(&fixture, 1), 0);
        fixture_destroy(&fixture);
    }
}

/* Zero, and numbers near the ends of the type's range. */
static void
extreme_sizes_are_decomposed(void **state)
{
    (void)state;
    subject_check_extremes(&eig, 9, 9);
}

static void
a_number_that_is_not_finite_fails_its_task_only(void **state)
{
    (void)state;
    subject_check_not_finite(&eig, 7, 7, 7);
    subject_check_not_finite(&eigvals, 7, 7, 7);
}

static void
splits_and_shared_operands_give_the_same_bits(void **state)
{
    (void)state;
    for (int i = 2; i < SIZE_COUNT; i++)
        subject_check_splits(&eig, sizes[i][0], sizes[i][1]);
    subject_check_shared(&eig, 37, 37);
    subject_check_shared(&eigvals, 37, 37);
}

/* Without w nothing changes; without v the eigenvalues are those of eigvals. */
static void
an_output_not_asked_for_is_left_alone(void **state)
{
    (void)state;
    for (int t = 0; t < FIXTURE_TYPE_COUNT; t++) {
        struct fixture all, fixture, values;
        subject_create_matrix(&all, &eig, fixture_types[t], 30, 30, 2);
        subject_create_matrix(&fixture, &eig, fixture_types[t], 30, 30, 2);
        subject_create_matrix(&values, &eigvals, fixture_types[t], 30, 30, 2);
        fixture_run(&all, 0, 2);
        fixture_run(&values, 0, 2);
        fixture_check_without(&fixture, 1U << W, &all, 1U << V);
        fixture_check_without(&fixture, 1U << V, &values, 1U << W);
        fixture_check_without(&fixture, 1U << W | 1U << V, &all, 0);
        fixture_destroy(&all);
        fixture_destroy(&fixture);
        fixture_destroy(&values);
    }
}

/*
 * A normal matrix, U diag(d) U^H, whose eigenvalues move by no more than the matrix does (Bauer and Fike; Golub and Van
 * Loan, theorem 7.2.2): each exact one has a computed one near it, and none is taken twice, for they stand 0.1 apart.
 */
static void
values_alone_are_the_known_ones(void **state)
{
    enum { M = 80 };
    long double known[M];
    (void)state;
    for (int i = 0; i < M; i++)
        known[i] = -4.0L + 0.1L * (long double)i;
    for (int t = 0; t < FIXTURE_TYPE_COUNT; t++) {
        enum sheaf_type type = fixture_types[t];
        struct fixture values;
        reference_number *a = spectrum_matrix(M, M, known, sheaf_type_is_complex(type), true);
        subject_create_matrix(&values, &eigvals, type, M, M, 1);
        reference_store(type, values.inputs[0], a, (int64_t)M * M);
        fixture_run(&values, 0, 1);
        long double limit = spectrum_bound(type, M, M) * reference_norm(a, (int64_t)M * M);
        assert_true(limit < 0.05L);
        assert_int_equal(values.status[0], SHEAF_TASK_DONE);
        for (int i = 0; i < M; i++) {
            int near = 0;
            for (int64_t j = 0; j < M; j++)
                near += cabsl(value(&values, 0, j) - known[i]) <= limit;
            assert_int_equal(near, 1);
        }
        free(a);
        fixture_destroy(&values);
    }
}

static void
outputs_are_complex(void **state)
{
    static const enum sheaf_type expected[] = {SHEAF_C64, SHEAF_C128, SHEAF_C64, SHEAF_C128};
    (void)state;
    for (int t = 0; t < FIXTURE_TYPE_COUNT; t++) {
        struct fixture fixture, values;
        subject_create_matrix(&fixture, &eig, fixture_types[t], 3, 3, 1);
        subject_create_matrix(&values, &eigvals, fixture_types[t], 3, 3, 1);
        assert_int_equal(fixture.problem.outputs[W].type, expected[t]);
        assert_int_equal(fixture.problem.outputs[V].type, expected[t]);
        assert_int_equal(values.problem.outputs[W].type, expected[t]);
        fixture_destroy(&fixture);
        fixture_destroy(&values);
    }
}

static void
costs_are_nominal(void **state)
{
    static const int32_t widths[] = {1, 4};
    static const int64_t extents[] = {999, 1000};
    struct sheaf_problem problem = {.input_count = 1, .output_count = 2};
    (void)state;
    for (int i = 0; i < 2; i++) {
        struct sheaf_cost cost = {0}, values_cost = {0};
        double cube = (double)extents[i] * (double)extents[i] * (double)extents[i];
        problem.inputs[0] = (struct sheaf_array){SHEAF_F64, fixture_matrix(extents[i], extents[i])};
        problem.output_count = 2;
        kernel_find("eig")->cost(&problem, &cost);
        problem.inputs[0].type = SHEAF_C64;
        problem.output_count = 1;
        kernel_find("eigvals")->cost(&problem, &values_cost);
        assert_true(fabs(cost.flops - 79.0 / 3.0 * cube) < 1e-9 * cube);
        assert_true(fabs(values_cost.flops - 40.0 * cube) < 1e-9 * cube);
        assert_int_equal(cost.greatest_width, widths[i]);
    }
}

/* LAPACK's int ends at m + 2 * 64 m rows of work, with room to spare. */
static void
sizes_beyond_lapack_are_refused(void **state)
{
    static const struct subject *const subjects[] = {&eig, &eigvals};
    (void)state;
    for (int i = 0; i < 2; i++) {
        subject_check_fits(subjects[i], SHEAF_F64, 100000, 100000, true);
        subject_check_fits(subjects[i], SHEAF_C64, 16268815, 16268815, true);
        subject_check_fits(subjects[i], SHEAF_C64, 16268816, 16268816, false);
        subject_check_fits(subjects[i], SHEAF_F32, INT64_C(2147483648), INT64_C(2147483648), false);
        subject_check_fits(subjects[i], SHEAF_I32, 3, 3, false);
    }
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(decompositions_are_within_the_bound),
        cmocka_unit_test(the_check_sees_one_wrong_element),
        cmocka_unit_test(known_vectors_are_found),
        cmocka_unit_test(triangular_and_defective_matrices_are_decomposed),
        cmocka_unit_test(extreme_sizes_are_decomposed),
        cmocka_unit_test(a_number_that_is_not_finite_fails_its_task_only),
        cmocka_unit_test(splits_and_shared_operands_give_the_same_bits),
        cmocka_unit_test(an_output_not_asked_for_is_left_alone),
        cmocka_unit_test(values_alone_are_the_known_ones),
        cmocka_unit_test(outputs_are_complex),
        cmocka_unit_test(costs_are_nominal),
        cmocka_unit_test(sizes_beyond_lapack_are_refused),
    };
    blas_set_threads(1);
    return cmocka_run_group_tests(tests, NULL, NULL);
}
