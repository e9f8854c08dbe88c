#include "fixture.h"

#include "finite.h"
#include "transpose.h"

#include <math.h>
#include <stdlib.h>

static const struct variant {
    enum sheaf_type type;
    bool conjugate;
    transpose_function *dense;
    transpose_strided_function *strided;
} variants[] = {
    {SHEAF_F32, false, transpose_f32, transpose_strided_f32},
    {SHEAF_F64, false, transpose_f64, transpose_strided_f64},
    {SHEAF_C64, false, transpose_c64, transpose_strided_c64},
    {SHEAF_C128, false, transpose_c128, transpose_strided_c128},
    {SHEAF_C64, true, transpose_conj_c64, transpose_strided_conj_c64},
    {SHEAF_C128, true, transpose_conj_c128, transpose_strided_conj_c128},
};
enum { VARIANT_COUNT = sizeof variants / sizeof variants[0] };

static const int64_t sizes[][2] = {{1, 1}, {1, 70}, {70, 1}, {3, 2}, {32, 32}, {33, 31}, {64, 65}, {130, 40}};
enum { SIZE_COUNT = sizeof sizes / sizeof sizes[0] };

/* Every element is another. */
static long double complex
value_at(int64_t index)
{
    return CMPLXL((long double)index, -0.5L - (long double)index);
}

static void *
create(enum sheaf_type type, int64_t count)
{
    const size_t bytes = (size_t)count * sheaf_type_size(type);
    void *array = calloc(bytes > 0 ? bytes : 1, 1);
    assert_non_null(array);
    return array;
}

/* Transpose with these strides, and compare every element of `out`: those between the rows must stay 0. */
static void
check(const struct variant *variant, bool dense, int64_t rows, int64_t columns, int64_t in_stride, int64_t out_stride)
{
    enum sheaf_type type = variant->type;
    void *in = create(type, rows * in_stride), *out = create(type, columns * out_stride), *one = create(type, 1);
    for (int64_t i = 0; i < rows * in_stride; i++)
        fixture_set(type, in, i, value_at(i));
    if (dense)
        variant->dense(rows, columns, in, out);
    else
        variant->strided(rows, columns, in, in_stride, out, out_stride);
    for (int64_t column = 0; column < columns; column++) {
        for (int64_t row = 0; row < out_stride; row++) {
            long double complex expected = value_at(row * in_stride + column);
            if (variant->conjugate)
                expected = conjl(expected);
            fixture_set(type, one, 0, row < rows ? expected : 0.0L);
            assert_true(fixture_get(type, out, column * out_stride + row) == fixture_get(type, one, 0));
        }
    }
    free(one);
    free(out);
    free(in);
}

static void
dense_transposes_move_every_element(void **state)
{
    (void)state;
    for (int v = 0; v < VARIANT_COUNT; v++)
        for (int i = 0; i < SIZE_COUNT; i++)
            check(&variants[v], true, sizes[i][0], sizes[i][1], sizes[i][1], sizes[i][0]);
}

static void
strided_transposes_leave_the_rest_alone(void **state)
{
    (void)state;
    for (int v = 0; v < VARIANT_COUNT; v++)
        for (int i = 0; i < SIZE_COUNT; i++)
            check(&variants[v], false, sizes[i][0], sizes[i][1], sizes[i][1] + 3, sizes[i][0] + 2);
}

static void
one_number_that_is_not_finite_is_found(void **state)
{
    enum { COUNT = 37 };
    (void)state;
    for (int t = 0; t < FIXTURE_TYPE_COUNT; t++) {
        enum sheaf_type type = fixture_types[t];
        void *array = create(type, COUNT);
        assert_true(is_finite(type, array, COUNT));
        for (int64_t i = 0; i < COUNT; i++) {
            fixture_set(type, array, i, (long double)NAN);
            assert_false(is_finite(type, array, COUNT));
            fixture_set(type, array, i, -(long double)INFINITY);
            assert_false(is_finite(type, array, COUNT));
            if (sheaf_type_is_complex(type)) {
                fixture_set(type, array, i, CMPLXL(0.0L, (long double)INFINITY));
                assert_false(is_finite(type, array, COUNT));
            }
            fixture_set(type, array, i, 0.0L);
        }
        assert_false(is_finite(SHEAF_I32, array, 1));
        free(array);
    }
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(dense_transposes_move_every_element),
        cmocka_unit_test(strided_transposes_leave_the_rest_alone),
        cmocka_unit_test(one_number_that_is_not_finite_is_found),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
