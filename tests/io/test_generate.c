/*
 * Generated numbers: against Random123 called element by element, against long double, against frozen
 * values, and against themselves in other windows and other instruction sets.
 */
#include "generate.h"
#include "generate_internal.h"

#include <Random123/threefry.h>
#include <float.h>
#include <inttypes.h>
#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>

#include <cmocka.h>

enum { TYPE_COUNT = 4, SAMPLE_COUNT = 1 << 18, WINDOW_ELEMENTS = 2100, EDGE_COUNT = 12 };

static const enum sheaf_type types[TYPE_COUNT] = {SHEAF_F32, SHEAF_F64, SHEAF_C64, SHEAF_C128};

static const uint64_t edge_words[EDGE_COUNT] = {
    0,
    1,
    UINT64_MAX,
    UINT64_C(0x00000000ffffffff),
    UINT64_C(0xffffffff00000000),
    UINT64_C(0x2000000020000000), /* eighths of a turn, where the quarter changes */
    UINT64_C(0x1fffffffffffffff),
    UINT64_C(0x4000000040000000), /* a quarter */
    UINT64_C(0x6000000060000000),
    UINT64_C(0x8000000080000000), /* half a turn */
    UINT64_C(0xdfffffffdfffffff),
    UINT64_C(0xb504f333f9de6484), /* sqrt(1/2), where the exponent of log changes */
};

static bool
is_single(enum sheaf_type type)
{
    return type == SHEAF_F32 || type == SHEAF_C64;
}

static int64_t
reals_of(enum sheaf_type type)
{
    return sheaf_type_is_complex(type) ? 2 : 1;
}

/** Real number `index` of a buffer, whatever the type. */
static double
real_at(enum sheaf_type type, const void *buffer, int64_t index)
{
    return is_single(type) ? (double)((const float *)buffer)[index] : ((const double *)buffer)[index];
}

static threefry2x64_ctr_t
block_of(const struct generate_spec *spec, int64_t task, uint64_t block)
{
    const threefry2x64_ctr_t counter = {{block, (uint64_t)task}};
    const threefry2x64_key_t key = {{spec->seed, spec->operand}};
    return threefry2x64(counter, key);
}

/** The 64 (f64) or 32 (f32) bits that real number `real` of a task is made of. */
static uint64_t
bits_of(const struct generate_spec *spec, int64_t task, uint64_t real)
{
    if (!is_single(spec->type))
        return block_of(spec, task, real / 2).v[real % 2];
    const uint64_t word = block_of(spec, task, real / 4).v[real % 4 / 2];
    return real % 2 ? word >> 32 : word & UINT64_C(0xffffffff);
}

static double
expected_uniform(const struct generate_spec *spec, int64_t task, uint64_t real)
{
    const uint64_t bits = bits_of(spec, task, real);
    return is_single(spec->type) ? ldexp((double)(bits >> 8), -24) : ldexp((double)(bits >> 11), -53);
}

/** Box-Muller in long double of the bits of one pair; `second` asks for the sine's number. */
static long double
box_muller(enum sheaf_type type, uint64_t radius_bits, uint64_t angle_bits, bool second)
{
    const long double pi = 3.14159265358979323846264338327950288L;
    long double u, turn;
    if (is_single(type)) {
        u = (long double)ldexpf((float)((radius_bits >> 1) | 1), -31);
        turn = ldexpl((long double)angle_bits, -32);
    } else {
        u = ldexpl((long double)((radius_bits >> 11) + 1), -53);
        turn = ldexpl((long double)(angle_bits >> 9), -55);
    }
    const long double radius = sqrtl(-2 * logl(u));
    return radius * (second ? sinl(2 * pi * turn) : cosl(2 * pi * turn));
}

/**
 * Whether a normal number is the expected one, but for rounding. In units of epsilon, log errs by
 * 1 relative, of which sqrt leaves 1/2 and adds 1/2; the argument of sin and cos has two roundings in f64 and
 * three in f32, of 1/2 or less each; sin and cos add 1, the product 1/2: together 4.
 */
static void
assert_normal_close(enum sheaf_type type, double value, long double expected)
{
    const double epsilon = is_single(type) ? (double)FLT_EPSILON : DBL_EPSILON;
    const double error = (double)fabsl((long double)value - expected);
    const double limit = 4 * epsilon * fmax(1.0, (double)fabsl(expected));
    if (!(error <= limit))
        fail_msg("%s: %a instead of %La", sheaf_type_name(type), value, expected);
}

static void *
allocate(int64_t count, enum sheaf_type type)
{
    void *buffer = calloc((size_t)count, sheaf_type_size(type));
    assert_non_null(buffer);
    return buffer;
}

static void
test_published_vectors(void **state)
{
    (void)state;
    /* Counter, key and result of Random123's kat_vectors, "threefry2x64 20". */
    static const uint64_t vector[3][6] = {
        {0, 0, 0, 0, UINT64_C(0xc2b6e3a8c2c69865), UINT64_C(0x6f81ed42f350084d)},
        {UINT64_MAX, UINT64_MAX, UINT64_MAX, UINT64_MAX, UINT64_C(0xe02cb7c4d95d277a), UINT64_C(0xd06633d0893b8b68)},
        {UINT64_C(0x243f6a8885a308d3), UINT64_C(0x13198a2e03707344), UINT64_C(0xa4093822299f31d0),
         UINT64_C(0x082efa98ec4e6c89), UINT64_C(0x263c7d30bb0f0af1), UINT64_C(0x56be8361d3311526)},
    };
    for (int i = 0; i < 3; i++) {
        const threefry2x64_ctr_t counter = {{vector[i][0], vector[i][1]}};
        const threefry2x64_key_t key = {{vector[i][2], vector[i][3]}};
        const threefry2x64_ctr_t random = threefry2x64(counter, key);
        assert_true(random.v[0] == vector[i][4] && random.v[1] == vector[i][5]);
    }
    const struct generate_spec spec = {GENERATE_UNIFORM, SHEAF_F64, 0, 0};
    double first[2];
    generate_fill(&spec, 0, 0, 2, first);
    assert_true(first[0] == ldexp((double)(vector[0][4] >> 11), -53));
    assert_true(first[1] == ldexp((double)(vector[0][5] >> 11), -53));
}

/** Compare one window with the definition, real by real. */
static void
check_window(const struct generate_spec *spec, int64_t task, int64_t first, int64_t count)
{
    void *buffer = allocate(count, spec->type);
    generate_fill(spec, task, first, count, buffer);
    for (int64_t i = 0; i < count * reals_of(spec->type); i++) {
        const uint64_t real = (uint64_t)(first * reals_of(spec->type) + i);
        const double value = real_at(spec->type, buffer, i);
        if (spec->distribution == GENERATE_UNIFORM) {
            assert_true(value == expected_uniform(spec, task, real));
            continue;
        }
        const uint64_t pair = real - real % 2;
        assert_normal_close(
            spec->type, value,
            box_muller(spec->type, bits_of(spec, task, pair), bits_of(spec, task, pair + 1), real % 2 != 0));
    }
    free(buffer);
}

static void
test_definition(void **state)
{
    (void)state;
    for (int t = 0; t < TYPE_COUNT; t++) {
        for (int d = GENERATE_UNIFORM; d <= GENERATE_NORMAL; d++) {
            const struct generate_spec zero = {(enum generate_distribution)d, types[t], 0, 0};
            const struct generate_spec large = {(enum generate_distribution)d, types[t], UINT64_MAX, UINT32_MAX};
            const struct generate_spec other = {(enum generate_distribution)d, types[t], 20240229, 2};
            check_window(&zero, 0, 0, 3001);
            check_window(&large, INT64_MAX, 1, 1000);
            check_window(&other, 7, (INT64_C(1) << 61) + 3, 1000);
            check_window(&other, 123456, 99, 20000);
        }
    }
}

static void
test_windows(void **state)
{
    (void)state;
    enum { GUARD = 16, MARK = 0xa5 };
    uint32_t step = 1;
    for (int t = 0; t < TYPE_COUNT; t++) {
        const size_t size = sheaf_type_size(types[t]);
        unsigned char *whole = allocate(WINDOW_ELEMENTS, types[t]);
        unsigned char *part = allocate(WINDOW_ELEMENTS + 2 * GUARD, types[t]);
        for (int d = 0; d < GENERATE_DISTRIBUTION_COUNT; d++) {
            const struct generate_spec spec = {(enum generate_distribution)d, types[t], 11, 1};
            generate_fill(&spec, 5, 0, WINDOW_ELEMENTS, whole);
            for (int i = 0; i < 400; i++) {
                /* At first all short windows near the start, then longer ones anywhere. */
                step = step * 1664525 + 1013904223;
                const int64_t first = i < 200 ? i % 10 : (int64_t)(step >> 8) % WINDOW_ELEMENTS;
                const int64_t count = i < 200 ? i / 10 : (int64_t)(step >> 4) % (WINDOW_ELEMENTS - first + 1);
                const size_t bytes = (size_t)count * size;
                memset(part, MARK, bytes + 2 * GUARD);
                generate_fill(&spec, 5, first, count, part + GUARD);
                assert_int_equal(memcmp(part + GUARD, whole + (size_t)first * size, bytes), 0);
                for (int g = 0; g < GUARD; g++)
                    assert_true(part[g] == MARK && part[GUARD + bytes + (size_t)g] == MARK);
            }
        }
        free(whole);
        free(part);
    }
}

static void
test_levels_agree(void **state)
{
    (void)state;
    for (int t = 0; t < TYPE_COUNT; t++) {
        const size_t size = sheaf_type_size(types[t]);
        void *baseline = allocate(SAMPLE_COUNT, types[t]);
        void *other = allocate(SAMPLE_COUNT, types[t]);
        for (int level = 1; level < GENERATE_LEVEL_COUNT; level++) {
            if (!generate_level_supported((enum generate_level)level))
                continue;
            for (int d = 0; d < GENERATE_DISTRIBUTION_COUNT; d++) {
                const struct generate_spec spec = {(enum generate_distribution)d, types[t], 3, 0};
                generate_fill_with(GENERATE_LEVEL_BASELINE, &spec, 9, 1, SAMPLE_COUNT, baseline);
                generate_fill_with((enum generate_level)level, &spec, 9, 1, SAMPLE_COUNT, other);
                assert_int_equal(memcmp(baseline, other, SAMPLE_COUNT * size), 0);
            }
        }
        free(baseline);
        free(other);
    }
}

/** All pairs of edge words, at every level: finite, in range, as expected, and the same bits. */
static void
check_edges(enum sheaf_type type, enum generate_distribution distribution)
{
    enum { WORD_COUNT = 2 * EDGE_COUNT * EDGE_COUNT };
    const struct generate_spec spec = {distribution, type, 0, 0};
    const int64_t reals_per_word = is_single(type) ? 2 : 1;
    uint64_t words[WORD_COUNT];
    double baseline[2 * WORD_COUNT] = {0};
    for (int i = 0; i < EDGE_COUNT * EDGE_COUNT; i++) {
        /* f32 makes a pair of the halves of one word, so there the halves come from both. */
        const uint64_t a = edge_words[i / EDGE_COUNT], b = edge_words[i % EDGE_COUNT];
        words[2 * i] = is_single(type) ? (a >> 32) | (b << 32) : a;
        words[2 * i + 1] = is_single(type) ? (a & UINT64_C(0xffffffff)) | (b >> 32 << 32) : b;
    }
    generate_transform_with(GENERATE_LEVEL_BASELINE, &spec, words, WORD_COUNT / 2, baseline);
    for (int64_t i = 0; i < WORD_COUNT * reals_per_word; i++) {
        const double value = real_at(type, baseline, i);
        assert_true(isfinite(value));
        if (distribution == GENERATE_UNIFORM) {
            assert_true(value >= 0 && value < 1);
            continue;
        }
        assert_true(fabs(value) < (is_single(type) ? 6.56 : 8.58));
        const uint64_t word = words[i / 2];
        if (is_single(type))
            assert_normal_close(type, value, box_muller(type, word & UINT64_C(0xffffffff), word >> 32, i % 2 != 0));
        else
            assert_normal_close(type, value, box_muller(type, words[i - i % 2], words[i - i % 2 + 1], i % 2 != 0));
    }
    for (int level = 1; level < GENERATE_LEVEL_COUNT; level++) {
        double other[2 * WORD_COUNT] = {0};
        if (!generate_level_supported((enum generate_level)level))
            continue;
        generate_transform_with((enum generate_level)level, &spec, words, WORD_COUNT / 2, other);
        assert_memory_equal(baseline, other, sizeof baseline);
    }
}

static void
test_edge_words(void **state)
{
    (void)state;
    check_edges(SHEAF_F64, GENERATE_UNIFORM);
    check_edges(SHEAF_F32, GENERATE_UNIFORM);
    check_edges(SHEAF_F64, GENERATE_NORMAL);
    check_edges(SHEAF_F32, GENERATE_NORMAL);
}

/** A sum of the values' bits in the manner of FNV-1a, by number, so that every byte order gives the same. */
static uint64_t
checksum(enum sheaf_type type, const void *buffer, int64_t real_count)
{
    uint64_t sum = UINT64_C(0xcbf29ce484222325);
    for (int64_t i = 0; i < real_count; i++) {
        const double value = real_at(type, buffer, i);
        uint64_t bits;
        memcpy(&bits, &value, sizeof bits);
        sum = (sum ^ bits) * UINT64_C(0x100000001b3);
        sum ^= sum >> 32;
    }
    return sum;
}

/** Users' results hang on these values: a change here needs a new format version, not new values. */
static void
test_known_answers(void **state)
{
    (void)state;
    static const struct {
        enum generate_distribution distribution;
        enum sheaf_type type;
        double first[4]; /**< reals from element 0 of task 3 */
        uint64_t sum;    /**< of SAMPLE_COUNT reals */
    } known[] = {
        {GENERATE_UNIFORM,
         SHEAF_F64,
         {0x1.b014a783bf95dp-1, 0x1.8e1342f6108p-5, 0x1.c8908fda0a80fp-1, 0x1.47cc134ac31p-7},
         UINT64_C(0x78a4490d4b3dfd60)},
        {GENERATE_UNIFORM,
         SHEAF_C128,
         {0x1.b014a783bf95dp-1, 0x1.8e1342f6108p-5, 0x1.c8908fda0a80fp-1, 0x1.47cc134ac31p-7},
         UINT64_C(0x78a4490d4b3dfd60)},
        {GENERATE_UNIFORM,
         SHEAF_F32,
         {0x1.bf95d8p-1, 0x1.b014a6p-1, 0x1.610808p-1, 0x1.8e134p-5},
         UINT64_C(0x79e6cc01944e9355)},
        {GENERATE_UNIFORM,
         SHEAF_C64,
         {0x1.bf95d8p-1, 0x1.b014a6p-1, 0x1.610808p-1, 0x1.8e134p-5},
         UINT64_C(0x79e6cc01944e9355)},
        {GENERATE_NORMAL,
         SHEAF_F64,
         {0x1.1c7f0a275fc1fp-1, 0x1.66aa0c79a4823p-3, 0x1.e94206c058a2bp-2, 0x1.ecae38c61259bp-6},
         UINT64_C(0x3c3554d2c86a7b85)},
        {GENERATE_NORMAL,
         SHEAF_C128,
         {0x1.1c7f0a275fc1fp-1, 0x1.66aa0c79a4823p-3, 0x1.e94206c058a2bp-2, 0x1.ecae38c61259bp-6},
         UINT64_C(0x3c3554d2c86a7b85)},
        {GENERATE_NORMAL,
         SHEAF_F32,
         {0x1.27741ap-2, -0x1.b93b2ap-2, 0x1.a51244p-1, 0x1.096c14p-2},
         UINT64_C(0x5efa96331f35c2f1)},
        {GENERATE_NORMAL,
         SHEAF_C64,
         {0x1.27741ap-2, -0x1.b93b2ap-2, 0x1.a51244p-1, 0x1.096c14p-2},
         UINT64_C(0x5efa96331f35c2f1)},
    };
    double *buffer = allocate(SAMPLE_COUNT, SHEAF_F64);
    for (size_t k = 0; k < sizeof known / sizeof known[0]; k++) {
        const enum sheaf_type type = known[k].type;
        const struct generate_spec spec = {known[k].distribution, type, 42, 1};
        generate_fill(&spec, 3, 0, SAMPLE_COUNT / reals_of(type), buffer);
        for (int i = 0; i < 4; i++)
            assert_true(real_at(type, buffer, i) == known[k].first[i]);
        const uint64_t sum = checksum(type, buffer, SAMPLE_COUNT);
        if (sum != known[k].sum)
            fail_msg("%s %s: checksum %#" PRIx64, generate_distribution_name(spec.distribution), sheaf_type_name(type),
                     sum);
    }
    free(buffer);
}

/** Of two independent streams of variance 1, the sum of products is about normal, beyond 6 deviations once in 5e8. */
static void
assert_uncorrelated(const double *a, const double *b, int64_t count)
{
    double sum = 0;
    for (int64_t i = 0; i < count; i++)
        sum += a[i] * b[i];
    assert_true(fabs(sum) < 6 * sqrt((double)count));
}

static void
test_streams_differ(void **state)
{
    (void)state;
    const struct generate_spec spec = {GENERATE_NORMAL, SHEAF_F64, 42, 0};
    struct generate_spec other_seed = spec, other_operand = spec;
    other_seed.seed = 43;
    other_operand.operand = 1;
    double *base = allocate(SAMPLE_COUNT, SHEAF_F64);
    double *other = allocate(SAMPLE_COUNT, SHEAF_F64);
    generate_fill(&spec, 0, 0, SAMPLE_COUNT, base);
    generate_fill(&other_seed, 0, 0, SAMPLE_COUNT, other);
    assert_uncorrelated(base, other, SAMPLE_COUNT);
    generate_fill(&other_operand, 0, 0, SAMPLE_COUNT, other);
    assert_uncorrelated(base, other, SAMPLE_COUNT);
    generate_fill(&spec, 1, 0, SAMPLE_COUNT, other);
    assert_uncorrelated(base, other, SAMPLE_COUNT);
    /* One task starting where another is one block on would show here and nowhere above. */
    for (int lag = 1; lag <= 4; lag++) {
        assert_uncorrelated(base + lag, other, SAMPLE_COUNT - lag);
        assert_uncorrelated(base + lag, base, SAMPLE_COUNT - lag);
    }
    free(base);
    free(other);
}

static int
compare_doubles(const void *a, const void *b)
{
    const double x = *(const double *)a, y = *(const double *)b;
    return (x > y) - (x < y);
}

/**
 * Kolmogorov-Smirnov: the distance D of count values from their distribution has
 * P(D > t / sqrt(count)) <= 2 exp(-2 t^2) (Massart 1990), 1e-9 for t = 3.27. Sorts the values.
 */
static void
assert_distribution(enum generate_distribution distribution, double *values, int64_t count)
{
    double distance = 0;
    qsort(values, (size_t)count, sizeof *values, compare_doubles);
    for (int64_t i = 0; i < count; i++) {
        const double expected = distribution == GENERATE_NORMAL ? 0.5 * erfc(-values[i] * sqrt(0.5)) : values[i];
        distance = fmax(distance, fabs(expected - (double)i / (double)count));
        distance = fmax(distance, fabs(expected - (double)(i + 1) / (double)count));
    }
    assert_true(distance * sqrt((double)count) < 3.27);
}

/** The first four moments within 6 of their standard deviations, each sqrt((E x^2k - (E x^k)^2) / count). */
static void
assert_moments(enum generate_distribution distribution, const double *values, int64_t count)
{
    static const double normal_moment[9] = {1, 0, 1, 0, 3, 0, 15, 0, 105};
    for (int k = 1; k <= 4; k++) {
        const bool normal = distribution == GENERATE_NORMAL;
        const double expected = normal ? normal_moment[k] : 1.0 / (k + 1);
        const double square = normal ? normal_moment[2 * k] : 1.0 / (2 * k + 1);
        double sum = 0;
        for (int64_t i = 0; i < count; i++)
            sum += pow(values[i], k);
        const double limit = 6 * sqrt((square - expected * expected) / (double)count);
        assert_true(fabs(sum / (double)count - expected) < limit);
    }
}

/** How many values are beyond 4 is about Poisson: of 2^18, 16.6 on average; 0 or over 50 less than once in 1e7. */
static void
assert_tail(const double *values, int64_t count)
{
    int64_t beyond = 0;
    for (int64_t i = 0; i < count; i++)
        beyond += fabs(values[i]) > 4;
    assert_true(beyond > 0 && beyond <= 50);
}

static void
test_statistics(void **state)
{
    (void)state;
    double *values = allocate(SAMPLE_COUNT, SHEAF_F64);
    for (int t = 0; t < TYPE_COUNT; t++) {
        for (int d = GENERATE_UNIFORM; d <= GENERATE_NORMAL; d++) {
            const struct generate_spec spec = {(enum generate_distribution)d, types[t], 1, 0};
            void *buffer = allocate(SAMPLE_COUNT, types[t]);
            generate_fill(&spec, 0, 0, SAMPLE_COUNT / reals_of(types[t]), buffer);
            for (int64_t i = 0; i < SAMPLE_COUNT; i++)
                values[i] = real_at(types[t], buffer, i);
            free(buffer);
            assert_moments(spec.distribution, values, SAMPLE_COUNT);
            if (spec.distribution == GENERATE_NORMAL)
                assert_tail(values, SAMPLE_COUNT);
            assert_distribution(spec.distribution, values, SAMPLE_COUNT);
        }
    }
    free(values);
}

static void
test_constants(void **state)
{
    (void)state;
    enum { COUNT = 1000 };
    const int64_t first = (INT64_C(1) << 24) - 10; /* past it f32 rounds */
    for (int t = 0; t < TYPE_COUNT; t++) {
        void *buffer = allocate(COUNT, types[t]);
        for (int d = GENERATE_ONES; d <= GENERATE_RANGE; d++) {
            const struct generate_spec spec = {(enum generate_distribution)d, types[t], 0, 0};
            memset(buffer, 0xa5, COUNT * sheaf_type_size(types[t]));
            generate_fill(&spec, 2, first, COUNT, buffer);
            for (int64_t i = 0; i < COUNT * reals_of(types[t]); i++) {
                const int64_t element = first + i / reals_of(types[t]);
                double expected = d == GENERATE_ONES ? 1 : 0;
                if (d == GENERATE_RANGE)
                    expected = is_single(types[t]) ? (double)(float)element : (double)element;
                if (i % reals_of(types[t]) == 1)
                    expected = 0;
                assert_true(real_at(types[t], buffer, i) == expected);
            }
        }
        free(buffer);
    }
}

static void
test_names(void **state)
{
    (void)state;
    static const char *const name[GENERATE_DISTRIBUTION_COUNT] = {"random", "normal", "ones", "zeros", "range"};
    enum generate_distribution found;
    for (int d = 0; d < GENERATE_DISTRIBUTION_COUNT; d++) {
        assert_string_equal(generate_distribution_name((enum generate_distribution)d), name[d]);
        assert_true(generate_distribution_from_name(name[d], &found));
        assert_int_equal(found, d);
    }
    assert_false(generate_distribution_from_name("uniform", &found));
    assert_false(generate_distribution_from_name("", &found));
    assert_string_equal(generate_distribution_name(GENERATE_DISTRIBUTION_COUNT), "?");
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_published_vectors), cmocka_unit_test(test_definition),
        cmocka_unit_test(test_windows),           cmocka_unit_test(test_levels_agree),
        cmocka_unit_test(test_edge_words),        cmocka_unit_test(test_known_answers),
        cmocka_unit_test(test_streams_differ),    cmocka_unit_test(test_statistics),
        cmocka_unit_test(test_constants),         cmocka_unit_test(test_names),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
