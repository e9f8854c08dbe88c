#include "numbers.h"

#include "list.h"
#include "reduce.h"

#include <float.h>
#include <math.h>
#include <stdlib.h>

/* sum, mean and sqdiff */

static const enum sheaf_type integers[] = {SHEAF_I8, SHEAF_I16, SHEAF_I32, SHEAF_I64,
                                           SHEAF_U8, SHEAF_U16, SHEAF_U32, SHEAF_U64};
enum { INTEGER_COUNT = 8 };

static const char *const kernels[] = {"sum", "mean", "sqdiff"};
enum { KERNEL_COUNT = 3 };

static bool
is_kernel(const struct fixture *fixture, const char *name)
{
    return strcmp(fixture->kernel->name, name) == 0;
}

/* ---- floating-point types, against long double ---- */

/* The longest chain of additions, by reduce.h: 31 in a lane, 5 among lanes, one for each halving of the blocks. */
static int
tree_depth(int64_t numbers)
{
    int depth = 36;
    for (int64_t blocks = (numbers + REDUCE_BLOCK - 1) / REDUCE_BLOCK; blocks > 1; blocks = (blocks + 1) / 2)
        depth++;
    return depth;
}

/*
 * Whether one task's result is right. A sum by a tree of depth d is within gamma_d of the sum of magnitudes, d more
 * roundings of a term count as much, and so do those of the long double reference, one after the other (Higham,
 * Accuracy and Stability, sections 3.1 and 4.2); the last one is that to the type, and for a mean the division.
 */
static bool
is_floating_right(const struct fixture *fixture, int64_t task)
{
    const struct sheaf_array *a = &fixture->problem.inputs[0];
    const void *x = fixture_input(fixture, 0, task),
               *y = fixture_input(fixture, fixture->problem.input_count - 1, task);
    const int64_t k = a->shape.extent[0];
    const int parts = sheaf_type_is_complex(a->type) ? 2 : 1;
    long double complex sum = 0.0L;
    long double magnitude = 0.0L;
    for (int64_t i = 0; i < k; i++) {
        long double complex term = fixture_get(a->type, x, i);
        if (is_kernel(fixture, "sqdiff")) {
            term -= fixture_get(a->type, y, i);
            term *= term;
        }
        sum += term;
        magnitude += cabsl(term);
    }
    long double bound = ((long double)(tree_depth(k * parts) + 3) * DBL_EPSILON / 2 + (long double)k * LDBL_EPSILON) *
                        1.001L * magnitude;
    if (is_kernel(fixture, "mean")) {
        sum /= k;
        bound = bound / (long double)k + cabsl(sum) * DBL_EPSILON / 2;
    }
    bound += cabsl(sum) * fixture_unit_roundoff(a->type);
    return cabsl(fixture_get(a->type, fixture_output(fixture, 0, task), 0) - sum) <= bound;
}

static void
floating_sums_are_within_the_bound(void **state)
{
    (void)state;
    for (int kernel = 0; kernel < KERNEL_COUNT; kernel++)
        for (int t = 0; t < FIXTURE_TYPE_COUNT; t++)
            for (int i = 0; i < NUMBERS_SIZE_COUNT; i++) {
                struct fixture fixture;
                if (!(kernel_find(kernels[kernel])->accepts >> fixture_types[t] & 1U))
                    continue;
                numbers_create(&fixture, kernels[kernel], fixture_types[t], numbers_sizes[i], 2);
                assert_int_equal(fixture.problem.outputs[0].type, fixture_types[t]);
                fixture_run(&fixture, 0, 2);
                for (int64_t task = 0; task < 2; task++) {
                    assert_true(is_floating_right(&fixture, task));
                    assert_int_equal(fixture.status[task], SHEAF_TASK_DONE);
                }
                fixture_destroy(&fixture);
            }
}

static void
the_check_sees_one_lost_number(void **state)
{
    (void)state;
    for (int t = 0; t < FIXTURE_TYPE_COUNT; t++) {
        struct fixture fixture;
        numbers_create(&fixture, "sum", fixture_types[t], 100003, 1);
        fixture_run(&fixture, 0, 1);
        fixture_set(fixture_types[t], fixture.inputs[0], 77777, 0.0L);
        assert_false(is_floating_right(&fixture, 0));
        fixture_destroy(&fixture);
    }
}

/* The tree of reduce.h, written as it is told there. */
static double
add_tree(const double *numbers, int64_t count)
{
    int64_t blocks = (count + REDUCE_BLOCK - 1) / REDUCE_BLOCK;
    double(*sums)[2] = calloc((size_t)blocks, sizeof *sums);
    assert_non_null(sums);
    for (int64_t block = 0; block < blocks; block++) {
        double lanes[REDUCE_LANES] = {0};
        for (int64_t i = block * REDUCE_BLOCK; i < count && i < (block + 1) * REDUCE_BLOCK; i++)
            lanes[i % REDUCE_LANES] += numbers[i];
        for (int half = REDUCE_LANES / 2; half >= 2; half /= 2)
            for (int lane = 0; lane < half; lane++)
                lanes[lane] += lanes[lane + half];
        memcpy(sums[block], lanes, sizeof sums[block]);
    }
    for (; blocks > 1; blocks = (blocks + 1) / 2)
        for (int64_t i = 0; i < (blocks + 1) / 2; i++)
            for (int part = 0; part < 2; part++)
                sums[i][part] = 2 * i + 1 < blocks ? sums[2 * i][part] + sums[2 * i + 1][part] : sums[2 * i][part];
    double sum = sums[0][0] + sums[0][1];
    free(sums);
    return sum;
}

static void
the_tree_is_the_documented_one(void **state)
{
    (void)state;
    for (int i = 0; i < NUMBERS_SIZE_COUNT; i++) {
        struct fixture fixture;
        numbers_create(&fixture, "sum", SHEAF_F64, numbers_sizes[i], 1);
        fixture_run(&fixture, 0, 1);
        const double expected = add_tree((const double *)(void *)fixture.inputs[0], numbers_sizes[i]);
        assert_memory_equal(fixture.outputs[0], &expected, sizeof expected);
        fixture_destroy(&fixture);
    }
}

static double
run_with_one(const char *kernel, int64_t k, int64_t at, double value)
{
    struct fixture fixture;
    numbers_create(&fixture, kernel, SHEAF_F64, k, 1);
    ((double *)(void *)fixture.inputs[0])[at] = value;
    fixture_run(&fixture, 0, 1);
    assert_int_equal(fixture.status[0], SHEAF_TASK_DONE);
    double result = *(double *)(void *)fixture.outputs[0];
    fixture_destroy(&fixture);
    return result;
}

static void
what_is_not_finite_spreads(void **state)
{
    const int64_t k = 2 * 65536 + 70, places[] = {0, 31, 1023, 1024, 65535, 65536, 2 * 65536, k - 7, k - 1};
    (void)state;
    for (size_t i = 0; i < sizeof places / sizeof places[0]; i++)
        for (int kernel = 0; kernel < KERNEL_COUNT; kernel++) {
            assert_true(isnan(run_with_one(kernels[kernel], k, places[i], (double)NAN)));
            assert_true(run_with_one(kernels[kernel], k, places[i], (double)INFINITY) == (double)INFINITY);
            const double negative = run_with_one(kernels[kernel], k, places[i], -(double)INFINITY);
            assert_true(negative == (strcmp(kernels[kernel], "sqdiff") ? -(double)INFINITY : (double)INFINITY));
        }
}

static void
single_precision_adds_in_double(void **state)
{
    const float large[] = {FLT_MAX, FLT_MAX, -FLT_MAX}, small[] = {1.0F, 0x1p-30F, -1.0F};
    struct fixture fixture;
    (void)state;
    numbers_create(&fixture, "sum", SHEAF_F32, 3, 1);
    memcpy(fixture.inputs[0], large, sizeof large);
    fixture_run(&fixture, 0, 1);
    assert_true(*(float *)(void *)fixture.outputs[0] == FLT_MAX);
    memcpy(fixture.inputs[0], small, sizeof small);
    fixture_run(&fixture, 0, 1);
    assert_true(*(float *)(void *)fixture.outputs[0] == 0x1p-30F);
    ((float *)(void *)fixture.inputs[0])[2] = (float)INFINITY;
    fixture_run(&fixture, 0, 1);
    assert_true(*(float *)(void *)fixture.outputs[0] == (float)INFINITY);
    fixture_destroy(&fixture);
}

/* ---- integers, against 128 bits ---- */

/* The exact result. No sum in these tests passes 127 bits: squares stop at 2^64, of which there are 2^18. */
static numbers_integer
exact(const struct fixture *fixture, int64_t task)
{
    const struct sheaf_array *a = &fixture->problem.inputs[0];
    const void *x = fixture_input(fixture, 0, task),
               *y = fixture_input(fixture, fixture->problem.input_count - 1, task);
    const numbers_integer most = (numbers_integer)1 << 64;
    numbers_integer sum = 0;
    for (int64_t i = 0; i < a->shape.extent[0]; i++) {
        numbers_integer term = numbers_get(a->type, x, i);
        if (is_kernel(fixture, "sqdiff")) {
            term -= numbers_get(a->type, y, i);
            term = term < -(numbers_integer)UINT32_MAX || term > UINT32_MAX ? most : term * term;
        }
        sum += term;
    }
    return sum;
}

static void
check_integer(const struct fixture *fixture, int64_t task)
{
    const numbers_integer sum = exact(fixture, task);
    const void *out = fixture_output(fixture, 0, task);
    if (is_kernel(fixture, "mean")) {
        assert_int_equal(fixture->status[task], SHEAF_TASK_DONE);
        assert_true(*(const double *)out == (double)sum / (double)fixture->problem.inputs[0].shape.extent[0]);
        return;
    }
    const bool fits = sum >= INT64_MIN && sum <= INT64_MAX;
    assert_int_equal(fixture->status[task], fits ? SHEAF_TASK_DONE : SHEAF_TASK_OVERFLOW);
    assert_int_equal(*(const int64_t *)out, fits ? (int64_t)sum : 0);
}

static void
integer_sums_are_exact(void **state)
{
    (void)state;
    for (int kernel = 0; kernel < KERNEL_COUNT; kernel++)
        for (int t = 0; t < INTEGER_COUNT; t++)
            for (int i = 0; i < NUMBERS_SIZE_COUNT; i++) {
                struct fixture fixture;
                numbers_create(&fixture, kernels[kernel], integers[t], numbers_sizes[i], 2);
                assert_int_equal(fixture.problem.outputs[0].type, kernel == 1 ? SHEAF_F64 : SHEAF_I64);
                fixture_run(&fixture, 0, 2);
                check_integer(&fixture, 0);
                check_integer(&fixture, 1);
                /* and with numbers so short that no sum overflows: below 2^18 squares of 2^44 on average */
                for (int input = 0; input < fixture.problem.input_count; input++)
                    for (int64_t j = 0; j < 2 * numbers_sizes[i]; j++)
                        numbers_set(integers[t], fixture.inputs[input], j,
                                    numbers_get(integers[t], fixture.inputs[input], j) % (1 << 22));
                fixture_run(&fixture, 0, 2);
                check_integer(&fixture, 0);
                check_integer(&fixture, 1);
                assert_int_equal(fixture.status[0], SHEAF_TASK_DONE);
                fixture_destroy(&fixture);
            }
}

/* One input of the least numbers, the other of the greatest: sums and differences are as large as they come. */
static void
extreme_integers_are_exact(void **state)
{
    (void)state;
    for (int kernel = 0; kernel < KERNEL_COUNT; kernel++)
        for (int t = 0; t < INTEGER_COUNT; t++)
            for (int i = 0; i < NUMBERS_SIZE_COUNT; i++)
                for (int swapped = 0; swapped < 2; swapped++) {
                    struct fixture fixture;
                    numbers_create(&fixture, kernels[kernel], integers[t], numbers_sizes[i], 1);
                    for (int input = 0; input < fixture.problem.input_count; input++)
                        for (int64_t j = 0; j < numbers_sizes[i]; j++)
                            numbers_set(integers[t], fixture.inputs[input], j,
                                        input == swapped ? numbers_least(integers[t]) : numbers_greatest(integers[t]));
                    fixture_run(&fixture, 0, 1);
                    check_integer(&fixture, 0);
                    fixture_destroy(&fixture);
                }
}

/* Run with all inputs 0 but a few of the first input's, apart from each other by `step`. */
static void
run_few(struct fixture *fixture, const numbers_integer *few, int count, int64_t step)
{
    enum sheaf_type type = fixture->problem.inputs[0].type;
    for (int input = 0; input < fixture->problem.input_count; input++)
        memset(fixture->inputs[input], 0, fixture->input_bytes[input]);
    for (int i = 0; i < count; i++)
        numbers_set(type, fixture->inputs[0], i * step, few[i]);
    fixture_run(fixture, 0, 1);
    check_integer(fixture, 0);
}

/* The last sums that fit, and the first that don't, within one piece and over four. */
static void
sums_overflow_at_the_edge(void **state)
{
    static const struct {
        enum sheaf_type type;
        numbers_integer few[4];
        bool fits;
    } cases[] = {
        {SHEAF_I64, {INT64_MAX}, true},
        {SHEAF_I64, {INT64_MAX, 1}, false},
        {SHEAF_I64, {INT64_MAX, 1, -1}, true},
        {SHEAF_I64, {INT64_MAX, INT64_MAX, INT64_MIN, 1}, true},
        {SHEAF_I64, {INT64_MAX, INT64_MAX, INT64_MIN, 2}, false},
        {SHEAF_I64, {INT64_MIN}, true},
        {SHEAF_I64, {INT64_MIN, -1}, false},
        {SHEAF_I64, {INT64_MIN, INT64_MIN, INT64_MAX, 1}, true},
        {SHEAF_I64, {INT64_MIN, INT64_MIN, INT64_MAX, 0}, false},
        {SHEAF_I64, {INT64_MIN, INT64_MIN, INT64_MIN, INT64_MIN}, false},
        {SHEAF_U64, {INT64_MAX}, true},
        {SHEAF_U64, {(numbers_integer)INT64_MAX + 1}, false},
        {SHEAF_U64, {UINT64_MAX, UINT64_MAX, 1}, false},
    };
    (void)state;
    for (int64_t step = 1; step <= 65537; step += 65536)
        for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
            struct fixture fixture;
            numbers_create(&fixture, "sum", cases[i].type, 3 * step + 1, 1);
            run_few(&fixture, cases[i].few, 4, step);
            assert_int_equal(fixture.status[0], cases[i].fits ? SHEAF_TASK_DONE : SHEAF_TASK_OVERFLOW);
            fixture_destroy(&fixture);
        }
}

/* INT64_MAX as a sum of squares, the greatest first. @return their number */
static int
split_squares(numbers_integer *roots, int most)
{
    int64_t rest = INT64_MAX;
    int count = 0;
    for (; rest > 0; count++) {
        int64_t root = (int64_t)sqrtl((long double)rest);
        assert_true(count < most);
        roots[count] = root;
        rest -= root * root;
    }
    return count;
}

static void
squares_overflow_at_the_edge(void **state)
{
    numbers_integer roots[40] = {0};
    const int count = split_squares(roots, 39);
    const enum sheaf_type types[] = {SHEAF_I64, SHEAF_U64, SHEAF_U32};
    (void)state;
    for (int64_t step = 1; step <= 65537; step += 65536)
        for (int t = 0; t < 3; t++) {
            struct fixture fixture;
            numbers_create(&fixture, "sqdiff", types[t], count * step + 1, 1);
            roots[count] = 0;
            run_few(&fixture, roots, count + 1, step);
            assert_int_equal(*(int64_t *)(void *)fixture.outputs[0], INT64_MAX);
            roots[count] = 1;
            run_few(&fixture, roots, count + 1, step);
            assert_int_equal(fixture.status[0], SHEAF_TASK_OVERFLOW);
            fixture_destroy(&fixture);
        }
}

/* Differences around 2^32, whose squares modulo 2^64 are small, and the greatest that there are. */
static void
squares_that_pass_64_bits_overflow(void **state)
{
    const numbers_integer values[] = {INT64_C(1) << 32, (INT64_C(1) << 32) + 1, INT64_C(1) << 62, INT64_MAX};
    (void)state;
    for (int t = 0; t < INTEGER_COUNT; t++) {
        for (int i = 0; sheaf_type_size(integers[t]) == 8 && i < 4; i++) {
            struct fixture fixture;
            numbers_create(&fixture, "sqdiff", integers[t], 3, 1);
            run_few(&fixture, &values[i], 1, 1);
            assert_int_equal(fixture.status[0], SHEAF_TASK_OVERFLOW);
            fixture_destroy(&fixture);
        }
    }
}

/* ---- the same bits ---- */

static void
levels_give_the_same_bits(void **state)
{
    const struct reduce *tables[] = {reduce_sum, reduce_sqdiff};
    (void)state;
    for (int table = 0; table < 2; table++)
        for (enum sheaf_type type = SHEAF_I8; type < SHEAF_TYPE_COUNT; type++) {
            const struct reduce *reduce = &tables[table][type];
            struct fixture fixture;
            if (!reduce->levels[VECTOR_BASELINE])
                continue;
            numbers_create(&fixture, table ? "sqdiff" : "sum", type, PIECE_NUMBERS, 1);
            for (int64_t count = 1; count <= PIECE_NUMBERS; count += count < 200 ? 1 : count) {
                union reduce_sum expected = {.integer = 0};
                const unsigned char *b = fixture.inputs[fixture.problem.input_count - 1];
                reduce->levels[VECTOR_BASELINE](fixture.inputs[0], b, count, &expected);
                for (enum vector_level level = VECTOR_AVX2; level < VECTOR_LEVEL_COUNT; level++) {
                    union reduce_sum found = {.integer = 0};
                    if (!vector_level_supported(level))
                        continue;
                    reduce->levels[level](fixture.inputs[0], b, count, &found);
                    assert_memory_equal(&found, &expected, sizeof found);
                }
            }
            fixture_destroy(&fixture);
        }
}

static void
batches_widths_and_sharing_give_the_same_bits(void **state)
{
    (void)state;
    for (int kernel = 0; kernel < KERNEL_COUNT; kernel++)
        numbers_check_batches(kernels[kernel]);
}

static void
costs_are_nominal(void **state)
{
    static const double flops[] = {1.0, 1.0, 3.0};
    (void)state;
    for (int kernel = 0; kernel < KERNEL_COUNT; kernel++) {
        struct fixture fixture;
        struct sheaf_cost cost = {0};
        numbers_create(&fixture, kernels[kernel], SHEAF_F64, 65537, 1);
        fixture.kernel->cost(&fixture.problem, &cost);
        assert_true(cost.flops == 65537.0 * flops[kernel]);
        assert_true(cost.bytes == 0.0);
        assert_int_equal(cost.greatest_width, 2);
        fixture_destroy(&fixture);
    }
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(floating_sums_are_within_the_bound),
        cmocka_unit_test(the_check_sees_one_lost_number),
        cmocka_unit_test(the_tree_is_the_documented_one),
        cmocka_unit_test(what_is_not_finite_spreads),
        cmocka_unit_test(single_precision_adds_in_double),
        cmocka_unit_test(integer_sums_are_exact),
        cmocka_unit_test(extreme_integers_are_exact),
        cmocka_unit_test(sums_overflow_at_the_edge),
        cmocka_unit_test(squares_overflow_at_the_edge),
        cmocka_unit_test(squares_that_pass_64_bits_overflow),
        cmocka_unit_test(levels_give_the_same_bits),
        cmocka_unit_test(batches_widths_and_sharing_give_the_same_bits),
        cmocka_unit_test(costs_are_nominal),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
