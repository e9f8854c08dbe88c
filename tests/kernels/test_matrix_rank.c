#include "spectrum.h"
#include "subject.h"

#include "blas.h"

#include <stdlib.h>

static int64_t
rank_of(const struct fixture *fixture, int64_t task)
{
    return *(const int64_t *)fixture_output(fixture, 0, task);
}

/* Random matrices have full rank. */
static int64_t
count_wrong(const struct fixture *fixture, int64_t task)
{
    const int64_t *extent = fixture->problem.inputs[0].shape.extent;
    return rank_of(fixture, task) != (extent[0] < extent[1] ? extent[0] : extent[1]);
}

static const struct subject subject = {"matrix_rank", NULL, subject_create_matrix, count_wrong};

static void
create(struct fixture *fixture, enum sheaf_type type, const char *tolerance, int64_t m, int64_t n, int64_t count)
{
    const struct subject with_tolerance = {"matrix_rank", tolerance, subject_create_matrix, NULL};
    subject_create_matrix(fixture, &with_tolerance, type, m, n, count);
}

/* The rank of U diag(s) V^H, (m,n), of which `ones` singular values are 1, then some `small`, then none. */
static int64_t
rank_with(enum sheaf_type type, const char *tolerance, int64_t m, int64_t n, int64_t ones, long double small)
{
    struct fixture fixture;
    int64_t k = m < n ? m : n;
    long double *s = calloc((size_t)k, sizeof *s);
    assert_non_null(s);
    for (int64_t i = 0; i < k && i < ones + 2; i++)
        s[i] = i < ones ? 1.0L : small;
    reference_number *a = spectrum_matrix(m, n, s, sheaf_type_is_complex(type), false);
    create(&fixture, type, tolerance, m, n, 1);
    reference_store(type, fixture.inputs[0], a, m * n);
    fixture_run(&fixture, 0, 1);
    int64_t rank = rank_of(&fixture, 0);
    assert_int_equal(fixture.status[0], SHEAF_TASK_DONE);
    assert_int_equal(fixture.problem.outputs[0].type, SHEAF_I64);
    free(a);
    free(s);
    fixture_destroy(&fixture);
    return rank;
}

/*
 * numpy's tolerance is s[0] max(m, n) eps; rounding to the type moves singular values by at most u ||A||_F, less than that,
 * and so, as it turns out, does the decomposition. Values of ten times the tolerance count, those far below it do not.
 */
static void
ranks_are_numpys(void **state)
{
    static const int64_t sizes[][2] = {{1, 1}, {5, 5}, {40, 9}, {9, 70}, {66, 66}, {130, 100}};
    (void)state;
    for (int t = 0; t < FIXTURE_TYPE_COUNT; t++) {
        for (size_t i = 0; i < sizeof sizes / sizeof sizes[0]; i++) {
            enum sheaf_type type = fixture_types[t];
            int64_t m = sizes[i][0], n = sizes[i][1], k = m < n ? m : n, ones = k / 2;
            long double tolerance = (long double)(m > n ? m : n) * 2.0L * fixture_unit_roundoff(type);
            assert_int_equal(rank_with(type, NULL, m, n, k, 0.0L), k);
            assert_int_equal(rank_with(type, NULL, m, n, 0, 0.0L), 0);
            if (ones == 0)
                continue;
            assert_int_equal(rank_with(type, NULL, m, n, ones, 0.0L), ones);
            assert_int_equal(rank_with(type, NULL, m, n, ones, 10.0L * tolerance), ones + 2);
            assert_int_equal(rank_with(type, NULL, m, n, ones, 1e-3L * tolerance), ones);
        }
    }
}

static void
a_tolerance_given_is_absolute(void **state)
{
    (void)state;
    for (int t = 0; t < FIXTURE_TYPE_COUNT; t++) {
        assert_int_equal(rank_with(fixture_types[t], "tol=0.1", 20, 30, 7, 0.2L), 9);
        assert_int_equal(rank_with(fixture_types[t], "tol=0.3", 20, 30, 7, 0.2L), 7);
        assert_int_equal(rank_with(fixture_types[t], "tol=3", 20, 30, 7, 0.2L), 0);
        assert_int_equal(rank_with(fixture_types[t], "tol=-1", 20, 30, 7, 0.2L), 9);
    }
}

/* diag(4, 1): s are exact, and one that equals the tolerance does not count. */
static void
only_what_is_greater_counts(void **state)
{
    static const char *const tolerances[] = {"tol=0.999", "tol=1", "tol=4"};
    (void)state;
    for (int t = 0; t < FIXTURE_TYPE_COUNT; t++) {
        for (int i = 0; i < 3; i++) {
            struct fixture fixture;
            create(&fixture, fixture_types[t], tolerances[i], 2, 2, 2);
            memset(fixture.inputs[0], 0, 2 * fixture.input_bytes[0]);
            fixture_set(fixture_types[t], fixture.inputs[0], 0, 4.0L);
            fixture_set(fixture_types[t], fixture.inputs[0], 3, 1.0L);
            fixture_run(&fixture, 0, 2);
            assert_int_equal(rank_of(&fixture, 0), 2 - i);
            assert_int_equal(rank_of(&fixture, 1), 0);
            fixture_destroy(&fixture);
        }
    }
}

static void
a_number_that_is_not_finite_fails_its_task_only(void **state)
{
    (void)state;
    subject_check_not_finite(&subject, 7, 4, 7);
}

static void
splits_shared_operands_and_omitted_outputs_give_the_same_bits(void **state)
{
    (void)state;
    subject_check_splits(&subject, 65, 37);
    subject_check_omitted(&subject, 65, 37);
    subject_check_shared(&subject, 37, 65);
}

static void
the_cost_is_that_of_the_singular_values(void **state)
{
    (void)state;
    subject_check_flops(&subject, SHEAF_C64, 3, 3, 288.0);
}

/* signature_match refuses both; a caller that asks all the same must not reach LAPACK. */
static void
a_problem_that_was_never_matched_is_refused(void **state)
{
    (void)state;
    subject_check_fits(&subject, SHEAF_F64, INT64_C(2147483648), 1, false);
    subject_check_refused(&subject, SHEAF_I32, 3, 3);
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(ranks_are_numpys),
        cmocka_unit_test(a_tolerance_given_is_absolute),
        cmocka_unit_test(only_what_is_greater_counts),
        cmocka_unit_test(a_number_that_is_not_finite_fails_its_task_only),
        cmocka_unit_test(splits_shared_operands_and_omitted_outputs_give_the_same_bits),
        cmocka_unit_test(the_cost_is_that_of_the_singular_values),
        cmocka_unit_test(a_problem_that_was_never_matched_is_refused),
    };
    blas_set_threads(1);
    return cmocka_run_group_tests(tests, NULL, NULL);
}
