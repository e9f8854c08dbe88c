#include "convert.h"
#include "io_test.h"

#include <float.h>
#include <math.h>

enum { MOST = 20000 };

static const enum sheaf_type floating[] = {SHEAF_F32, SHEAF_F64, SHEAF_C64, SHEAF_C128};

/* Converts `count` elements, from and to odd addresses, and gives them as doubles; the imaginary parts must be 0. */
static void
convert_real(enum sheaf_type from, enum sheaf_type to, int64_t count, const void *in, double *real)
{
    static char in_bytes[MOST * 8 + 1], out_bytes[MOST * 16 + 1];

    assert_true(count <= MOST);
    memcpy(in_bytes + 1, in, (size_t)count * sheaf_type_size(from));
    memset(out_bytes, 0x55, sizeof out_bytes);
    convert_elements(from, to, count, in_bytes + 1, out_bytes + 1);
    for (int64_t i = 0; i < count; i++) {
        float f32[2] = {0, 0};
        double f64[2] = {0, 0};
        const size_t bytes = sheaf_type_size(to);
        const bool single = to == SHEAF_F32 || to == SHEAF_C64;
        memcpy(single ? (void *)f32 : (void *)f64, out_bytes + 1 + (size_t)i * bytes, bytes);
        real[i] = single ? (double)f32[0] : f64[0];
        assert_true((single ? (double)f32[1] : f64[1]) == 0);
    }
    assert_int_equal(out_bytes[1 + (size_t)count * sheaf_type_size(to)], 0x55);
}

static void
what_can_be_read_as_what(void **state)
{
    (void)state;
    for (int from = 0; from < SHEAF_TYPE_COUNT; from++) {
        for (int to = 0; to < SHEAF_TYPE_COUNT; to++) {
            bool expected = from == to || to == SHEAF_C64 || to == SHEAF_C128 ||
                            ((to == SHEAF_F32 || to == SHEAF_F64) && from != SHEAF_C64 && from != SHEAF_C128);
            assert_int_equal(convert_possible((enum sheaf_type)from, (enum sheaf_type)to), expected);
        }
    }
    assert_false(convert_possible(SHEAF_TYPE_COUNT, SHEAF_TYPE_COUNT));
    assert_false(convert_possible(SHEAF_F32, SHEAF_TYPE_COUNT));
}

/* numpy.promote_types(row, column); several integers f64 instead, f16 and small integers f32: what each can be read as. */
static void
pairs_meet_as_in_numpy(void **state)
{
    static const enum sheaf_type expected[SHEAF_TYPE_COUNT][SHEAF_TYPE_COUNT] = {
        {SHEAF_I8, SHEAF_F64, SHEAF_F64, SHEAF_F64, SHEAF_F64, SHEAF_F64, SHEAF_F64, SHEAF_F64, SHEAF_F32, SHEAF_F32,
         SHEAF_F64, SHEAF_C64, SHEAF_C128},
        {SHEAF_F64, SHEAF_I16, SHEAF_F64, SHEAF_F64, SHEAF_F64, SHEAF_F64, SHEAF_F64, SHEAF_F64, SHEAF_F32, SHEAF_F32,
         SHEAF_F64, SHEAF_C64, SHEAF_C128},
        {SHEAF_F64, SHEAF_F64, SHEAF_I32, SHEAF_F64, SHEAF_F64, SHEAF_F64, SHEAF_F64, SHEAF_F64, SHEAF_F64, SHEAF_F64,
         SHEAF_F64, SHEAF_C128, SHEAF_C128},
        {SHEAF_F64, SHEAF_F64, SHEAF_F64, SHEAF_I64, SHEAF_F64, SHEAF_F64, SHEAF_F64, SHEAF_F64, SHEAF_F64, SHEAF_F64,
         SHEAF_F64, SHEAF_C128, SHEAF_C128},
        {SHEAF_F64, SHEAF_F64, SHEAF_F64, SHEAF_F64, SHEAF_U8, SHEAF_F64, SHEAF_F64, SHEAF_F64, SHEAF_F32, SHEAF_F32,
         SHEAF_F64, SHEAF_C64, SHEAF_C128},
        {SHEAF_F64, SHEAF_F64, SHEAF_F64, SHEAF_F64, SHEAF_F64, SHEAF_U16, SHEAF_F64, SHEAF_F64, SHEAF_F32, SHEAF_F32,
         SHEAF_F64, SHEAF_C64, SHEAF_C128},
        {SHEAF_F64, SHEAF_F64, SHEAF_F64, SHEAF_F64, SHEAF_F64, SHEAF_F64, SHEAF_U32, SHEAF_F64, SHEAF_F64, SHEAF_F64,
         SHEAF_F64, SHEAF_C128, SHEAF_C128},
        {SHEAF_F64, SHEAF_F64, SHEAF_F64, SHEAF_F64, SHEAF_F64, SHEAF_F64, SHEAF_F64, SHEAF_U64, SHEAF_F64, SHEAF_F64,
         SHEAF_F64, SHEAF_C128, SHEAF_C128},
        {SHEAF_F32, SHEAF_F32, SHEAF_F64, SHEAF_F64, SHEAF_F32, SHEAF_F32, SHEAF_F64, SHEAF_F64, SHEAF_F16, SHEAF_F32,
         SHEAF_F64, SHEAF_C64, SHEAF_C128},
        {SHEAF_F32, SHEAF_F32, SHEAF_F64, SHEAF_F64, SHEAF_F32, SHEAF_F32, SHEAF_F64, SHEAF_F64, SHEAF_F32, SHEAF_F32,
         SHEAF_F64, SHEAF_C64, SHEAF_C128},
        {SHEAF_F64, SHEAF_F64, SHEAF_F64, SHEAF_F64, SHEAF_F64, SHEAF_F64, SHEAF_F64, SHEAF_F64, SHEAF_F64, SHEAF_F64,
         SHEAF_F64, SHEAF_C128, SHEAF_C128},
        {SHEAF_C64, SHEAF_C64, SHEAF_C128, SHEAF_C128, SHEAF_C64, SHEAF_C64, SHEAF_C128, SHEAF_C128, SHEAF_C64,
         SHEAF_C64, SHEAF_C128, SHEAF_C64, SHEAF_C128},
        {SHEAF_C128, SHEAF_C128, SHEAF_C128, SHEAF_C128, SHEAF_C128, SHEAF_C128, SHEAF_C128, SHEAF_C128, SHEAF_C128,
         SHEAF_C128, SHEAF_C128, SHEAF_C128, SHEAF_C128}};
    (void)state;
    for (int i = 0; i < SHEAF_TYPE_COUNT; i++) {
        for (int j = 0; j < SHEAF_TYPE_COUNT; j++) {
            const enum sheaf_type common = convert_common(SHEAF_TYPE_BIT(i) | SHEAF_TYPE_BIT(j));
            if (common != expected[i][j] || !convert_possible((enum sheaf_type)i, common))
                fail_msg("%s with %s: %s", sheaf_type_name((enum sheaf_type)i), sheaf_type_name((enum sheaf_type)j),
                         sheaf_type_name(common));
        }
    }
}

/* Whatever the types are: one that each can be read as, and that each meets. */
static void
many_meet_in_what_each_can_be_read_as(void **state)
{
    (void)state;
    for (uint32_t types = 1; types <= SHEAF_TYPES_ALL; types++) {
        const enum sheaf_type common = convert_common(types);
        uint32_t pairs = SHEAF_TYPE_BIT(common);
        for (int i = 0; i < SHEAF_TYPE_COUNT; i++) {
            if (!(types & SHEAF_TYPE_BIT(i)))
                continue;
            pairs |= SHEAF_TYPE_BIT(convert_common(SHEAF_TYPE_BIT(i) | SHEAF_TYPE_BIT(common)));
            assert_true(convert_possible((enum sheaf_type)i, common));
        }
        assert_int_equal(pairs, SHEAF_TYPE_BIT(common));
    }
    assert_int_equal(convert_common(SHEAF_TYPE_BIT(SHEAF_I8) | SHEAF_TYPE_BIT(SHEAF_U16) | SHEAF_TYPE_BIT(SHEAF_F32)),
                     SHEAF_F32);
    assert_int_equal(convert_common(SHEAF_TYPE_BIT(SHEAF_F32) | SHEAF_TYPE_BIT(SHEAF_C64) | SHEAF_TYPE_BIT(SHEAF_I32)),
                     SHEAF_C128);
    assert_int_equal(convert_common(0), SHEAF_F64);
}

static void
bytes_are_reversed_part_by_part(void **state)
{
    (void)state;
    for (int type = 0; type < SHEAF_TYPE_COUNT; type++) {
        const size_t bytes = sheaf_type_size((enum sheaf_type)type);
        const size_t part = sheaf_type_is_complex((enum sheaf_type)type) ? bytes / 2 : bytes;
        unsigned char elements[5 * 16 + 1];
        for (size_t i = 0; i < sizeof elements; i++)
            elements[i] = (unsigned char)i;
        convert_swap((enum sheaf_type)type, 5, elements + 1);
        assert_int_equal(elements[0], 0);
        for (size_t i = 0; i < 5 * bytes; i++)
            assert_int_equal(elements[1 + i], 1 + i / part * part + part - 1 - i % part);
        for (size_t i = 1 + 5 * bytes; i < sizeof elements; i++)
            assert_int_equal(elements[i], i);
    }
}

/* Every half there is: sign, exponent and fraction by the standard's own definition. */
static void
all_halves_are_their_values(void **state)
{
    static uint16_t halves[65536 / 4];
    static double got[65536 / 4];

    (void)state;
    for (int quarter = 0; quarter < 4; quarter++) {
        for (int i = 0; i < 16384; i++)
            halves[i] = (uint16_t)(quarter * 16384 + i);
        for (size_t to = 0; to < 4; to++) {
            convert_real(SHEAF_F16, floating[to], 16384, halves, got);
            for (int i = 0; i < 16384; i++) {
                int exponent = halves[i] >> 10 & 31, fraction = halves[i] & 1023;
                double value = exponent == 31  ? (fraction ? NAN : INFINITY)
                               : exponent == 0 ? ldexp(fraction, -24)
                                               : ldexp(1024 + fraction, exponent - 25);
                assert_true(isnan(value) ? isnan(got[i]) : got[i] == value || got[i] == -value);
                assert_int_equal(signbit(got[i]) != 0, halves[i] >> 15);
            }
        }
    }
}

/* Numbers of a type that lie at its ends and where a float has no more room for all of them. */
#define CHECK_INTEGER(TYPE, NAME, ...)                                                                                 \
    do {                                                                                                               \
        const TYPE numbers[] = {__VA_ARGS__};                                                                          \
        const int64_t count = sizeof numbers / sizeof *numbers;                                                        \
        double got[sizeof numbers / sizeof *numbers];                                                                  \
        for (size_t to = 0; to < 4; to++) {                                                                            \
            convert_real(NAME, floating[to], count, numbers, got);                                                     \
            for (int64_t i = 0; i < count; i++)                                                                        \
                assert_true(got[i] == (to % 2 ? (double)numbers[i] : (double)(float)numbers[i]));                      \
        }                                                                                                              \
    } while (0)

static void
integers_are_rounded_to_nearest(void **state)
{
    (void)state;
    CHECK_INTEGER(int8_t, SHEAF_I8, 0, 1, -1, INT8_MIN, INT8_MAX);
    CHECK_INTEGER(int16_t, SHEAF_I16, 0, 1, -1, INT16_MIN, INT16_MAX);
    CHECK_INTEGER(int32_t, SHEAF_I32, 0, -1, INT32_MIN, INT32_MAX, (1 << 24) + 1, (1 << 24) + 3);
    CHECK_INTEGER(int64_t, SHEAF_I64, 0, -1, INT64_MIN, INT64_MAX, (INT64_C(1) << 53) + 1, -(INT64_C(1) << 53) - 3);
    CHECK_INTEGER(uint8_t, SHEAF_U8, 0, 1, UINT8_MAX, 128);
    CHECK_INTEGER(uint16_t, SHEAF_U16, 0, 1, UINT16_MAX, 32768);
    CHECK_INTEGER(uint32_t, SHEAF_U32, 0, UINT32_MAX, (1U << 31) + 1, (1U << 24) + 1);
    CHECK_INTEGER(uint64_t, SHEAF_U64, 0, UINT64_MAX, (UINT64_C(1) << 63) + 1, (UINT64_C(1) << 63) + 1025);

    /* what the rounding is, not only that it is the compiler's */
    const int64_t odd[2] = {(INT64_C(1) << 53) + 1, (INT64_C(1) << 53) + 3};
    double got[2];
    convert_real(SHEAF_I64, SHEAF_F64, 2, odd, got);
    assert_true(got[0] == 0x1p53 && got[1] == 0x1p53 + 4);
}

static void
floats_keep_their_values_or_are_rounded(void **state)
{
    const float singles[] = {0.1F, -0.0F, FLT_MAX, FLT_MIN / 4, INFINITY, -INFINITY, NAN};
    const double doubles[] = {0.1, -0.0, DBL_MAX, -1e39, FLT_MAX, 1 + 0x1p-24, 1 + 0x1p-24 + 0x1p-50, 1e-46, NAN};
    double got[9];

    (void)state;
    for (size_t to = 0; to < 4; to++) {
        convert_real(SHEAF_F32, floating[to], 7, singles, got);
        for (int i = 0; i < 6; i++)
            assert_true(got[i] == (double)singles[i]);
        assert_true(signbit(got[1]) && isnan(got[6]));
    }
    convert_real(SHEAF_F64, SHEAF_C128, 9, doubles, got);
    assert_memory_equal(got, doubles, 8 * sizeof *got);
    for (size_t to = 0; to < 4; to += 2) {
        convert_real(SHEAF_F64, floating[to], 9, doubles, got);
        assert_true(got[0] == (double)0.1F && signbit(got[1]) && got[2] == INFINITY && got[3] == -INFINITY);
        assert_true(got[4] == FLT_MAX && got[5] == 1 && got[6] == 1 + 0x1p-23 && got[7] == 0 && isnan(got[8]));
    }
}

static void
complex_numbers_keep_both_parts(void **state)
{
    const double wide[6] = {0.1, -2, 1e300, 4, -0.0, NAN};
    float narrow[6];
    double back[6];

    (void)state;
    convert_elements(SHEAF_C128, SHEAF_C64, 3, wide, narrow);
    assert_true(narrow[0] == 0.1F && narrow[1] == -2 && narrow[2] == INFINITY && narrow[3] == 4);
    assert_true(signbit(narrow[4]) && isnan(narrow[5]));
    convert_elements(SHEAF_C64, SHEAF_C128, 3, narrow, back);
    for (int i = 0; i < 5; i++)
        assert_true(back[i] == (double)narrow[i]);
    convert_elements(SHEAF_C128, SHEAF_C128, 3, wide, back);
    assert_memory_equal(back, wide, sizeof wide);
}

/* More than a piece, for every pair that can be, against the two-buffer function. */
static void
in_place_is_as_from_another_buffer(void **state)
{
    static unsigned char stored[MOST * 16], expected[MOST * 16], got[MOST * 16];
    uint32_t random = 1;

    (void)state;
    for (size_t i = 0; i < sizeof stored; i++)
        stored[i] = (unsigned char)((random = random * 1664525 + 1013904223) >> 24);
    for (int pair = 0; pair < 2 * SHEAF_TYPE_COUNT * SHEAF_TYPE_COUNT; pair++) {
        enum sheaf_type from = (enum sheaf_type)(pair / 2 % SHEAF_TYPE_COUNT);
        enum sheaf_type to = (enum sheaf_type)(pair / 2 / SHEAF_TYPE_COUNT);
        const bool swapped = pair % 2;
        const size_t in = sheaf_type_size(from), out = sheaf_type_size(to);
        if (!convert_possible(from, to) || in > out)
            continue;
        for (size_t count = 0; count <= MOST; count = count * 7 + (count < 20 ? 1 : 0)) {
            static unsigned char turned[MOST * 16];
            memcpy(turned, stored, count * in);
            if (swapped)
                convert_swap(from, (int64_t)count, turned);
            convert_elements(from, to, (int64_t)count, turned, expected);
            memset(got, 0x77, sizeof got);
            memcpy(got + count * (out - in), stored, count * in);
            convert_in_place(from, swapped, to, (int64_t)count, got);
            assert_memory_equal(got, expected, count * out);
            assert_int_equal(got[count * out], 0x77);
        }
    }
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(what_can_be_read_as_what),
        cmocka_unit_test(pairs_meet_as_in_numpy),
        cmocka_unit_test(many_meet_in_what_each_can_be_read_as),
        cmocka_unit_test(bytes_are_reversed_part_by_part),
        cmocka_unit_test(all_halves_are_their_values),
        cmocka_unit_test(integers_are_rounded_to_nearest),
        cmocka_unit_test(floats_keep_their_values_or_are_rounded),
        cmocka_unit_test(complex_numbers_keep_both_parts),
        cmocka_unit_test(in_place_is_as_from_another_buffer),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
