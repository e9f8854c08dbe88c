#include "numbers.h"

#include "elementary.h"
#include "list.h"

#include <float.h>
#include <math.h>
#include <stdlib.h>

/* exp, sin and isf */

static const char *const kernels[] = {"exp", "sin", "isf"};
enum { EXP, SIN, ISF, KERNEL_COUNT };

static const double infinity = (double)INFINITY, not_a_number = (double)NAN;

/* A kernel's result for each of `count` numbers, in f64 or f32 (as f64). The caller frees. */
static double *
compute(int kernel, enum sheaf_type type, const double *x, int64_t count)
{
    struct fixture fixture;
    double *results = calloc((size_t)count, sizeof *results);
    assert_non_null(results);
    numbers_create(&fixture, kernels[kernel], type, count, 1);
    for (int64_t i = 0; i < count; i++)
        fixture_set(type, fixture.inputs[0], i, x[i]);
    fixture_run(&fixture, 0, 1);
    assert_int_equal(fixture.status[0], SHEAF_TASK_DONE);
    for (int64_t i = 0; i < count; i++)
        results[i] = (double)creall(fixture_get(type, fixture.outputs[0], i));
    fixture_destroy(&fixture);
    return results;
}

/* The distance between numbers of a type around a value. */
static long double
ulp(enum sheaf_type type, long double value)
{
    int exponent;
    frexpl(value, &exponent);
    const int digits = type == SHEAF_F32 ? FLT_MANT_DIG : DBL_MANT_DIG;
    const int least = type == SHEAF_F32 ? FLT_MIN_EXP : DBL_MIN_EXP;
    return ldexpl(1.0L, (exponent > least ? exponent : least) - digits);
}

/* ---- accuracy ---- */

/* What exact results are compared with, by kernel, in the types' own numbers. */
static long double
exact(int kernel, long double x)
{
    return kernel == EXP ? expl(x) : sinl(x);
}

/*
 * Check numbers against long double, whose own error is below 2^-10 ulp of f64.
 * @param[in] greatest  error in ulp of the type
 */
static void
check_ulps(int kernel, enum sheaf_type type, double *x, int64_t count, long double greatest)
{
    int64_t wrong = 0;
    for (int64_t i = 0; i < count && type == SHEAF_F32; i++)
        x[i] = (double)(float)x[i];
    double *found = compute(kernel, type, x, count);
    for (int64_t i = 0; i < count; i++) {
        const long double expected = exact(kernel, x[i]);
        wrong += !(fabsl(found[i] - expected) <= greatest * ulp(type, expected));
    }
    free(found);
    assert_int_equal(wrong, 0);
}

enum { SAMPLES = 100000 };

/* Numbers from `least` to `greatest`, and as many closer and closer to 0, of both signs. */
static void
sample(double least, double greatest, double x[2 * SAMPLES])
{
    for (int i = 0; i < SAMPLES; i++) {
        x[2 * i] = least + (greatest - least) * i / SAMPLES;
        x[2 * i + 1] = ldexp(i % 2 ? 1.0 + 0.37 * i / SAMPLES : -1.9 + 0.83 * i / SAMPLES, -(i % 60));
    }
}

static void
exp_is_within_an_ulp(void **state)
{
    static double x[2 * SAMPLES];
    (void)state;
    sample(-745.0, 709.7, x); /* from subnormal results to the greatest */
    check_ulps(EXP, SHEAF_F64, x, 2 * SAMPLES, 1.0L);
    sample(-103.0, 88.7, x);
    check_ulps(EXP, SHEAF_F32, x, 2 * SAMPLES, 0.5001L);
}

static void
sin_is_within_an_ulp(void **state)
{
    static double x[2 * SAMPLES];
    (void)state;
    sample(-ELEMENTARY_SIN_GREATEST, ELEMENTARY_SIN_GREATEST, x);
    check_ulps(SIN, SHEAF_F64, x, 2 * SAMPLES, 1.0L);
    check_ulps(SIN, SHEAF_F32, x, 2 * SAMPLES, 0.5001L);
    sample(-8.0, 8.0, x);
    check_ulps(SIN, SHEAF_F64, x, 2 * SAMPLES, 1.0L);
    check_ulps(SIN, SHEAF_F32, x, 2 * SAMPLES, 0.5001L);
    for (int i = 0; i < SAMPLES; i++) { /* the numbers next to a multiple of pi/2, where most digits cancel */
        x[2 * i] = (double)(10 * i * 1.57079632679489661923L);
        x[2 * i + 1] = nextafter((double)((10 * i + 7) * 1.57079632679489661923L), 0.0);
    }
    check_ulps(SIN, SHEAF_F64, x, 2 * SAMPLES, 1.0L);
}

/* Numbers that elementary_sin leaves to the C library, one among those it takes. */
static void
sin_of_large_numbers(void **state)
{
    double x[100] = {0.0};
    const double large[] = {nextafter(ELEMENTARY_SIN_GREATEST, 1e9), -1e7, 1e22, 0x1p1000, -DBL_MAX};
    (void)state;
    for (size_t i = 0; i < sizeof large / sizeof large[0]; i++) {
        x[0] = x[37] = x[99] = large[i];
        check_ulps(SIN, SHEAF_F64, x, 100, 1.0L);
        if (fabs(large[i]) < (double)FLT_MAX)
            check_ulps(SIN, SHEAF_F32, x, 100, 0.5001L);
    }
}

/*
 * isf has no long double twin. z = isf(q) is wrong by (Q(z) - q) / phi(z), to first order, with Q(z) = erfc(z / sqrt
 * 2) / 2 and phi the density; for z < 0 by symmetry, and around 0 Q(z) - q = (1/2 - q) - erf(z / sqrt 2) / 2 keeps
 * the digits.
 */
static long double
isf_error(double q, double z)
{
    const long double root = sqrtl(0.5L), y = fabsl((long double)z);
    const long double p = z < 0.0 ? 1.0L - q : q;
    const long double excess = y < 0.5L ? (0.5L - p) - erfl(y * root) / 2.0L : erfcl(y * root) / 2.0L - p;
    const long double density = expl(-y * y / 2.0L) / sqrtl(2.0L * acosl(-1.0L));
    return fabsl(excess / density);
}

static void
isf_is_within_8_ulps(void **state)
{
    static double q[4 * SAMPLES];
    (void)state;
    for (int i = 0; i < SAMPLES; i++) {
        q[4 * i] = (i + 0.5) / SAMPLES;
        q[4 * i + 1] = exp(-744.0 * (i + 0.5) / SAMPLES);
        q[4 * i + 2] = 0.5 + ldexp(i - 50000.5, -18 - i % 30);
        q[4 * i + 3] = 1.0 - ldexp(1.0 + 0.7 * i / SAMPLES, -1 - i % 50);
    }
    double *found = compute(ISF, SHEAF_F64, q, 4 * SAMPLES);
    int64_t wrong = 0;
    for (int i = 0; i < 4 * SAMPLES; i++)
        wrong += !(isf_error(q[i], found[i]) <= 8.0L * ulp(SHEAF_F64, found[i]));
    assert_int_equal(wrong, 0);
    found[12345] *= 1.0 + 16 * DBL_EPSILON;
    assert_true(isf_error(q[12345], found[12345]) > 8.0L * ulp(SHEAF_F64, found[12345]));
    free(found);
}

/* Computed with 200 bits by Newton's method on erfc. */
static void
isf_has_the_known_values(void **state)
{
    static const double q[] = {0.025, 0.001, 0.5, 0.84, 1e-10, 1e-300, 5e-324};
    static const double expected[] = {1.95996398454005421,  3.09023230616781354, 0.0,
                                      -0.99445788320975304, 6.3613409024040562,  37.0470962993611992,
                                      38.4674056171443463};
    (void)state;
    double *found = compute(ISF, SHEAF_F64, q, 7);
    for (int i = 0; i < 7; i++)
        assert_true(fabs(found[i] - expected[i]) <= 1e-15 * fabs(expected[i]));
    free(found);
    found = compute(ISF, SHEAF_F32, (const double[]){(double)0.025F, 0.5, 1e-30}, 3);
    assert_true(fabs(found[0] - 1.95996398) < 1e-6 && found[1] == 0.0 && fabs(found[2] - 11.464025) < 1e-5);
    free(found);
}

/* A part is a product of two functions, which glibc's manual has within 1 and 2 ulp (sinh, cosh): 6 u, and u. */
static void
complex_results_are_right(void **state)
{
    (void)state;
    for (int kernel = EXP; kernel <= SIN; kernel++)
        for (enum sheaf_type type = SHEAF_C64; type <= SHEAF_C128; type++) {
            struct fixture fixture;
            int64_t wrong = 0;
            numbers_create(&fixture, kernels[kernel], type, 70000, 1);
            for (int64_t i = 0; i < 70000; i++)
                fixture_set(type, fixture.inputs[0], i, 5.0L * fixture_get(type, fixture.inputs[0], i));
            fixture_run(&fixture, 0, 1);
            for (int64_t i = 0; i < 70000; i++) {
                const long double complex x = fixture_get(type, fixture.inputs[0], i);
                const long double complex expected = kernel == EXP ? cexpl(x) : csinl(x);
                wrong += !(cabsl(fixture_get(type, fixture.outputs[0], i) - expected) <=
                           7.0L * fixture_unit_roundoff(type) * cabsl(expected));
            }
            assert_int_equal(wrong, 0);
            fixture_destroy(&fixture);
        }
}

/* ---- special numbers ---- */

static void
special_numbers(void **state)
{
    static const struct {
        int kernel;
        double x, expected;
    } cases[] = {
        {EXP, 0.0, 1.0},
        {EXP, -0.0, 1.0},
        {EXP, 0x1p-1074, 1.0},
        {EXP, (double)INFINITY, (double)INFINITY},
        {EXP, -(double)INFINITY, 0.0},
        {EXP, (double)NAN, (double)NAN},
        {EXP, 0x1.62e42fefa39efp+9, 0x1.fffffffffff2ap+1023}, /* the greatest that is finite */
        {EXP, 0x1.62e42fefa39f0p+9, (double)INFINITY},
        {EXP, 1e300, (double)INFINITY},
        {EXP, -0x1.74910d52d3051p+9, 0x1p-1074}, /* the least that is not 0 */
        {EXP, -0x1.74910d52d3052p+9, 0.0},
        {EXP, -1e300, 0.0},
        {SIN, 0.0, 0.0},
        {SIN, -0.0, -0.0},
        {SIN, 0x1p-1074, 0x1p-1074},
        {SIN, (double)INFINITY, (double)NAN},
        {SIN, -(double)INFINITY, (double)NAN},
        {SIN, (double)NAN, (double)NAN},
        {ISF, 0.0, (double)INFINITY},
        {ISF, -0.0, (double)INFINITY},
        {ISF, 1.0, -(double)INFINITY},
        {ISF, 0.5, 0.0},
        {ISF, -0x1p-1074, (double)NAN},
        {ISF, 1.0 + DBL_EPSILON, (double)NAN},
        {ISF, (double)INFINITY, (double)NAN},
        {ISF, -(double)INFINITY, (double)NAN},
        {ISF, (double)NAN, (double)NAN},
    };
    (void)state;
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        double x[33]; /* in a vector's lanes, and in what is left over */
        for (int j = 0; j < 33; j++)
            x[j] = cases[i].x;
        double *found = compute(cases[i].kernel, SHEAF_F64, x, 33);
        for (int j = 0; j < 33; j++)
            if (isnan(cases[i].expected))
                assert_true(isnan(found[j]));
            else
                assert_memory_equal(&found[j], &cases[i].expected, sizeof found[j]);
        free(found);
    }
}

static void
special_numbers_in_single_precision(void **state)
{
    const double x[] = {infinity, -infinity, not_a_number, 89.0, -104.0};
    const double expected[] = {infinity, 0.0, not_a_number, infinity, 0.0};
    (void)state;
    double *found = compute(EXP, SHEAF_F32, x, 5);
    for (int i = 0; i < 5; i++)
        assert_true(isnan(expected[i]) ? isnan(found[i]) : found[i] == expected[i]);
    free(found);
}

/* ---- the same bits ---- */

static void
levels_give_the_same_bits(void **state)
{
    const struct map *tables[] = {map_exp, map_sin, map_isf};
    (void)state;
    for (int kernel = 0; kernel < KERNEL_COUNT; kernel++)
        for (enum sheaf_type type = SHEAF_I8; type < SHEAF_TYPE_COUNT; type++) {
            assert_int_equal(tables[kernel][type].levels[VECTOR_BASELINE] != NULL,
                             kernel_find(kernels[kernel])->accepts >> type & 1U);
            if (tables[kernel][type].levels[VECTOR_BASELINE])
                numbers_check_levels(kernels[kernel], type, &tables[kernel][type]);
        }
}

/* Over the whole range, in which the choices between ranges and the scaling go all their ways. */
static void
levels_give_the_same_bits_everywhere(void **state)
{
    static const double least[] = {-800.0, -2e6, 0.0}, greatest[] = {800.0, 2e6, 1.0};
    static double x[2 * SAMPLES], expected[2 * SAMPLES], found[2 * SAMPLES];
    const struct map *tables[] = {map_exp, map_sin, map_isf};
    (void)state;
    for (int kernel = 0; kernel < KERNEL_COUNT; kernel++) {
        sample(least[kernel], greatest[kernel], x);
        for (int i = 0; kernel == ISF && i < 2 * SAMPLES; i++)
            x[i] = fabs(x[i]) > 1.0 ? 0.25 : fabs(x[i]);
        tables[kernel][SHEAF_F64].levels[VECTOR_BASELINE](x, x, expected, 2 * SAMPLES);
        for (enum vector_level level = VECTOR_AVX2; level < VECTOR_LEVEL_COUNT; level++) {
            if (!vector_level_supported(level))
                continue;
            tables[kernel][SHEAF_F64].levels[level](x, x, found, 2 * SAMPLES);
            assert_memory_equal(found, expected, sizeof found);
        }
    }
}

static void
batches_widths_and_sharing_give_the_same_bits(void **state)
{
    (void)state;
    for (int kernel = 0; kernel < KERNEL_COUNT; kernel++)
        numbers_check_batches(kernels[kernel]);
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(exp_is_within_an_ulp),
        cmocka_unit_test(sin_is_within_an_ulp),
        cmocka_unit_test(sin_of_large_numbers),
        cmocka_unit_test(isf_is_within_8_ulps),
        cmocka_unit_test(isf_has_the_known_values),
        cmocka_unit_test(complex_results_are_right),
        cmocka_unit_test(special_numbers),
        cmocka_unit_test(special_numbers_in_single_precision),
        cmocka_unit_test(levels_give_the_same_bits),
        cmocka_unit_test(levels_give_the_same_bits_everywhere),
        cmocka_unit_test(batches_widths_and_sharing_give_the_same_bits),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
