#include "numbers.h"

#include "list.h"
#include "map.h"
#include "pieces.h"

#include <math.h>

/* add, multiply and fill */

static const char *const kernels[] = {"add", "multiply"};
enum { ADD, MULTIPLY, KERNEL_COUNT };

static numbers_integer
combine(int kernel, numbers_integer x, numbers_integer y)
{
    return kernel == ADD ? x + y : x * y;
}

static bool
fits(enum sheaf_type type, numbers_integer value)
{
    return value >= numbers_least(type) && value <= numbers_greatest(type);
}

/* ---- integers, against 128 bits: which hold every product but those of two u64, and these only just ---- */

/* Check one task: its results, or that it failed and left zeros. @return whether it failed */
static bool
check_integers(const struct fixture *fixture, int kernel, int64_t task)
{
    const struct sheaf_array *a = &fixture->problem.inputs[0];
    const void *x = fixture_input(fixture, 0, task), *y = fixture_input(fixture, 1, task);
    const void *out = fixture_output(fixture, 0, task);
    bool good = true;
    int64_t wrong = 0;
    for (int64_t i = 0; i < a->shape.extent[0]; i++) {
        const numbers_integer p = numbers_get(a->type, x, i), q = numbers_get(a->type, y, i);
        good = good && !(p >> 63 && q >> 63 && a->type == SHEAF_U64) && fits(a->type, combine(kernel, p, q));
    }
    for (int64_t i = 0; i < a->shape.extent[0]; i++) {
        const numbers_integer p = numbers_get(a->type, x, i), q = numbers_get(a->type, y, i);
        wrong += numbers_get(a->type, out, i) != (good ? combine(kernel, p, q) : 0);
    }
    assert_int_equal(wrong, 0);
    assert_int_equal(fixture->status[task], good ? SHEAF_TASK_DONE : SHEAF_TASK_OVERFLOW);
    return !good;
}

/* Numbers of half a type's bits less one: no sum and no product overflows. */
static void
shorten(struct fixture *fixture, enum sheaf_type type)
{
    const numbers_integer limit = (numbers_integer)1 << (4 * sheaf_type_size(type) - 1);
    assert_true(limit > 0);
    for (int input = 0; input < 2; input++)
        for (int64_t i = 0; i < fixture->count * fixture->problem.inputs[0].shape.extent[0]; i++)
            numbers_set(type, fixture->inputs[input], i, numbers_get(type, fixture->inputs[input], i) % limit);
}

static void
integers_are_exact(void **state)
{
    (void)state;
    for (int kernel = 0; kernel < KERNEL_COUNT; kernel++)
        for (enum sheaf_type type = SHEAF_I8; type <= SHEAF_U64; type++)
            for (int i = 0; i < NUMBERS_SIZE_COUNT; i++) {
                struct fixture fixture;
                numbers_create(&fixture, kernels[kernel], type, numbers_sizes[i], 2);
                fixture_run(&fixture, 0, 2);
                for (int64_t task = 0; task < 2; task++)
                    assert_true(check_integers(&fixture, kernel, task) || numbers_sizes[i] < 64);
                shorten(&fixture, type);
                fixture_run(&fixture, 0, 2);
                for (int64_t task = 0; task < 2; task++)
                    assert_false(check_integers(&fixture, kernel, task));
                fixture_destroy(&fixture);
            }
}

/* All pairs of 8-bit integers, each a task of its own. */
static void
every_pair_of_bytes(void **state)
{
    (void)state;
    for (int kernel = 0; kernel < KERNEL_COUNT; kernel++)
        for (enum sheaf_type type = SHEAF_I8; type <= SHEAF_U8; type += SHEAF_U8 - SHEAF_I8) {
            struct fixture fixture;
            numbers_create(&fixture, kernels[kernel], type, 1, 65536);
            for (int64_t i = 0; i < 65536; i++) {
                numbers_set(type, fixture.inputs[0], i, i / 256);
                numbers_set(type, fixture.inputs[1], i, i % 256);
            }
            fixture_run(&fixture, 0, 65536);
            for (int64_t task = 0; task < 65536; task++)
                check_integers(&fixture, kernel, task);
            fixture_destroy(&fixture);
        }
}

/* Numbers at the ends of a type, around 0, and around the square roots of its greatest. @return their number */
static int
telling_numbers(enum sheaf_type type, numbers_integer numbers[16])
{
    const numbers_integer least = numbers_least(type), greatest = numbers_greatest(type);
    const numbers_integer half = (numbers_integer)1 << (4 * sheaf_type_size(type)),
                          root = (numbers_integer)sqrtl((long double)greatest);
    const numbers_integer all[16] = {
        least, least + 1,    least / 2,        -half,   -2, -1, 0, 1, 2, root, root + 1, half - 1,
        half,  greatest / 2, greatest / 2 + 1, greatest};
    int count = 0;
    for (int i = 0; i < 16; i++)
        if (fits(type, all[i]))
            numbers[count++] = all[i];
    return count;
}

static void
pairs_at_the_edge(void **state)
{
    (void)state;
    for (int kernel = 0; kernel < KERNEL_COUNT; kernel++)
        for (enum sheaf_type type = SHEAF_I8; type <= SHEAF_U64; type++) {
            numbers_integer numbers[16];
            struct fixture fixture;
            const int count = telling_numbers(type, numbers);
            int failed = 0;
            numbers_create(&fixture, kernels[kernel], type, 1, (int64_t)count * count);
            for (int i = 0; i < count * count; i++) {
                numbers_set(type, fixture.inputs[0], i, numbers[i / count]);
                numbers_set(type, fixture.inputs[1], i, numbers[i % count]);
            }
            fixture_run(&fixture, 0, fixture.count);
            for (int64_t task = 0; task < fixture.count; task++)
                failed += check_integers(&fixture, kernel, task);
            assert_true(failed > 0 && failed < count * count);
            fixture_destroy(&fixture);
        }
}

/* One result that does not fit, anywhere, fails its task and no other. */
static void
one_overflow_anywhere_fails_its_task(void **state)
{
    const int64_t k = 65536 + 70, places[] = {0, 1, 15, 16, 63, 64, 4095, 65535, 65536, k - 6, k - 1};
    (void)state;
    for (int kernel = 0; kernel < KERNEL_COUNT; kernel++)
        for (enum sheaf_type type = SHEAF_I8; type <= SHEAF_U64; type++) {
            struct fixture fixture;
            numbers_create(&fixture, kernels[kernel], type, k, 3);
            shorten(&fixture, type);
            for (size_t i = 0; i < sizeof places / sizeof places[0]; i++) {
                numbers_set(type, fixture.inputs[0], k + places[i], numbers_greatest(type));
                numbers_set(type, fixture.inputs[1], k + places[i], kernel == ADD ? 1 : 2);
                fixture_run(&fixture, 0, 3);
                for (int64_t task = 0; task < 3; task++)
                    assert_int_equal(check_integers(&fixture, kernel, task), task == 1);
                numbers_set(type, fixture.inputs[0], k + places[i], 1);
            }
            fixture_destroy(&fixture);
        }
}

/* ---- floating-point types, against long double ---- */

/* A sum is rounded once, each part by itself; a product is a sum of one product, in the words of fixture_sum_bound. */
static int64_t
count_wrong(const struct fixture *fixture, int kernel, int64_t task)
{
    const struct sheaf_array *a = &fixture->problem.inputs[0];
    int64_t wrong = 0;
    for (int64_t i = 0; i < a->shape.extent[0]; i++) {
        const long double complex x = fixture_get(a->type, fixture_input(fixture, 0, task), i);
        const long double complex y = fixture_get(a->type, fixture_input(fixture, 1, task), i);
        const long double complex found = fixture_get(a->type, fixture_output(fixture, 0, task), i);
        const long double bound = kernel == ADD ? 1.001L * fixture_unit_roundoff(a->type) * cabsl(x + y)
                                                : fixture_sum_bound(a->type, 1) * cabsl(x) * cabsl(y);
        wrong += !(cabsl(found - (kernel == ADD ? x + y : x * y)) <= bound);
    }
    return wrong;
}

static void
floating_results_are_rounded_once(void **state)
{
    (void)state;
    for (int kernel = 0; kernel < KERNEL_COUNT; kernel++)
        for (int t = 0; t < FIXTURE_TYPE_COUNT; t++)
            for (int i = 0; i < NUMBERS_SIZE_COUNT; i++) {
                struct fixture fixture;
                numbers_create(&fixture, kernels[kernel], fixture_types[t], numbers_sizes[i], 2);
                fixture_run(&fixture, 0, 2);
                assert_int_equal(count_wrong(&fixture, kernel, 0) + count_wrong(&fixture, kernel, 1), 0);
                assert_int_equal(fixture.status[1], SHEAF_TASK_DONE);
                void *last = fixture_output(&fixture, 0, 1);
                fixture_set(fixture_types[t], last, 0, fixture_get(fixture_types[t], last, 0) * 1.001L);
                assert_int_equal(count_wrong(&fixture, kernel, 1), 1);
                fixture_destroy(&fixture);
            }
}

static void
what_is_not_finite_spreads(void **state)
{
    const double inf = (double)INFINITY, nan = (double)NAN;
    const double x[] = {inf, inf, -inf, nan, 1.0, 0.0, 1e308}, y[] = {inf, -inf, 2.0, 1.0, nan, inf, 1e308};
    const double expected[KERNEL_COUNT][7] = {{inf, nan, -inf, nan, nan, inf, inf},
                                              {inf, -inf, -inf, nan, nan, nan, inf}};
    (void)state;
    for (int kernel = 0; kernel < KERNEL_COUNT; kernel++) {
        struct fixture fixture;
        numbers_create(&fixture, kernels[kernel], SHEAF_F64, 7, 1);
        memcpy(fixture.inputs[0], x, sizeof x);
        memcpy(fixture.inputs[1], y, sizeof y);
        fixture_run(&fixture, 0, 1);
        assert_int_equal(fixture.status[0], SHEAF_TASK_DONE);
        const double *found = (const double *)(void *)fixture.outputs[0];
        for (int i = 0; i < 7; i++)
            assert_true(isnan(expected[kernel][i]) ? isnan(found[i]) : found[i] == expected[kernel][i]);
        fixture_destroy(&fixture);
    }
}

/* ---- the same bits ---- */

static void
levels_give_the_same_bits(void **state)
{
    const struct map *tables[] = {map_add, map_multiply};
    (void)state;
    for (int kernel = 0; kernel < KERNEL_COUNT; kernel++)
        for (enum sheaf_type type = SHEAF_I8; type < SHEAF_TYPE_COUNT; type++) {
            if (tables[kernel][type].levels[VECTOR_BASELINE])
                numbers_check_levels(kernels[kernel], type, &tables[kernel][type]);
            assert_int_equal(tables[kernel][type].levels[VECTOR_BASELINE] != NULL,
                             kernel_find(kernels[kernel])->accepts >> type & 1U);
        }
}

static void
batches_widths_and_sharing_give_the_same_bits(void **state)
{
    (void)state;
    numbers_check_batches("add");
    numbers_check_batches("multiply");
    numbers_check_batches("fill");
}

/* ---- fill ---- */

static const struct sheaf_shape pieces[] = {{.ndim = 1, .extent = {65536 + 77}}};

static void
fill_writes_its_value(void **state)
{
    (void)state;
    for (enum sheaf_type type = SHEAF_I8; type < SHEAF_TYPE_COUNT; type++) {
        struct fixture fixture;
        int64_t wrong = 0;
        if (type == SHEAF_F16)
            continue;
        fixture_create_with(&fixture, kernel_find("fill"), "value=101", type, pieces, 1, 2, 0);
        fixture_run(&fixture, 0, 2);
        for (int64_t i = 0; i < 2 * pieces[0].extent[0]; i++)
            wrong += type <= SHEAF_U64 ? numbers_get(type, fixture.outputs[0], i) != 101
                                       : fixture_get(type, fixture.outputs[0], i) != 101.0L;
        assert_int_equal(wrong, 0);
        assert_int_equal(fixture.status[1], SHEAF_TASK_DONE);
        fixture_destroy(&fixture);
    }
}

static void
expect_fill(enum sheaf_type type, const char *parameter, const void *bytes, size_t size)
{
    struct fixture fixture;
    fixture_create_with(&fixture, kernel_find("fill"), parameter, type, pieces, 1, 1, 0);
    fixture_run(&fixture, 0, 1);
    assert_int_equal(size, sheaf_type_size(type));
    assert_memory_equal(fixture.outputs[0], bytes, size);
    assert_memory_equal(fixture.outputs[0] + fixture.output_bytes[0] - size, bytes, size);
    fixture_destroy(&fixture);
}

static void
fill_has_the_ends_of_each_type(void **state)
{
    const float tenth = 0.1F, complex_tenth[] = {0.1F, 0.0F};
    const double infinity = (double)INFINITY, negative_zero = -0.0;
    const uint64_t most = UINT64_MAX - 2047;
    (void)state;
    expect_fill(SHEAF_I8, "value=-128", &(int8_t){INT8_MIN}, 1);
    expect_fill(SHEAF_I8, "value=127", &(int8_t){INT8_MAX}, 1);
    expect_fill(SHEAF_U16, "value=65535", &(uint16_t){UINT16_MAX}, 2);
    expect_fill(SHEAF_I32, "value=-2147483648", &(int32_t){INT32_MIN}, 4);
    expect_fill(SHEAF_I64, "value=-9223372036854775808", &(int64_t){INT64_MIN}, 8);
    expect_fill(SHEAF_U64, "value=18446744073709549568", &most, 8);
    expect_fill(SHEAF_F32, "value=0.1", &tenth, 4);
    expect_fill(SHEAF_C64, "value=0.1", complex_tenth, 8);
    expect_fill(SHEAF_F64, "value=inf", &infinity, 8);
    expect_fill(SHEAF_F64, "value=-0", &negative_zero, 8);
}

static void
fill_refuses_what_a_type_has_not(void **state)
{
    static const struct {
        enum sheaf_type type;
        const char *parameter, *message;
    } cases[] = {
        {SHEAF_I8, "value=128", "fill: i8 has no 128; give another --param value, or operands of another type"},
        {SHEAF_U8, "value=-1", "fill: u8 has no -1; give another --param value, or operands of another type"},
        {SHEAF_I32, "value=1.5", "fill: i32 has no 1.5; give another --param value, or operands of another type"},
        {SHEAF_I64, "value=9223372036854775808",
         "fill: i64 has no 9.2233720368547758e+18; give another --param value, or operands of another type"},
        {SHEAF_U64, "value=inf", "fill: u64 has no inf; give another --param value, or operands of another type"},
        {SHEAF_F32, "value=1e39",
         "fill: f32 has no 9.9999999999999994e+38; give another --param value, or operands of another type"},
    };
    (void)state;
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++)
        fixture_check_refused(kernel_find("fill"), cases[i].type, pieces, 1, cases[i].parameter, SHEAF_BAD_DATA,
                              cases[i].message);
}

static void
costs_are_nominal(void **state)
{
    static const struct {
        const char *kernel;
        enum sheaf_type type;
        double flops;
    } cases[] = {{"add", SHEAF_I8, 1.0},
                 {"add", SHEAF_C64, 2.0},
                 {"multiply", SHEAF_F64, 1.0},
                 {"multiply", SHEAF_C128, 6.0},
                 {"fill", SHEAF_F64, 0.0}};
    (void)state;
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        struct fixture fixture;
        struct sheaf_cost cost = {0};
        numbers_create(&fixture, cases[i].kernel, cases[i].type, 100, 1);
        fixture.kernel->cost(&fixture.problem, &cost);
        assert_true(cost.flops == 100.0 * cases[i].flops);
        assert_true(cost.bytes == 0.0);
        assert_int_equal(cost.greatest_width, 1);
        fixture_destroy(&fixture);
    }
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(integers_are_exact),
        cmocka_unit_test(every_pair_of_bytes),
        cmocka_unit_test(pairs_at_the_edge),
        cmocka_unit_test(one_overflow_anywhere_fails_its_task),
        cmocka_unit_test(floating_results_are_rounded_once),
        cmocka_unit_test(what_is_not_finite_spreads),
        cmocka_unit_test(levels_give_the_same_bits),
        cmocka_unit_test(batches_widths_and_sharing_give_the_same_bits),
        cmocka_unit_test(fill_writes_its_value),
        cmocka_unit_test(fill_has_the_ends_of_each_type),
        cmocka_unit_test(fill_refuses_what_a_type_has_not),
        cmocka_unit_test(costs_are_nominal),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
