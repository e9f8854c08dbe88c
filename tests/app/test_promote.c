#include "app_test.h"
#include "promote.h"

static void
expect_types(const struct sheaf_kernel *kernel, int count, const enum sheaf_type *stored, enum sheaf_type wanted,
             const enum sheaf_type *expected)
{
    enum sheaf_type types[SHEAF_OPERANDS_MAX];
    promote_types(kernel, 2, count, stored, wanted, types);
    for (int i = 0; i < count; i++)
        if (types[i] != expected[i])
            fail_msg("operand %d: %s, expected %s", i, sheaf_type_name(types[i]), sheaf_type_name(expected[i]));
}

static const enum sheaf_type none = SHEAF_TYPE_COUNT;

/* A single operand of each type, for kernels that take one set of types or another; nothing fits: what is stored. */
static void
the_next_accepted_type_loses_nothing(void **state)
{
    static const struct {
        uint32_t accepts;
        enum sheaf_type stored, expected;
    } cases[] = {
        {SHEAF_TYPES_FLOATING, SHEAF_I8, SHEAF_F64},
        {SHEAF_TYPES_FLOATING, SHEAF_U64, SHEAF_F64},
        {SHEAF_TYPES_FLOATING, SHEAF_F16, SHEAF_F32},
        {SHEAF_TYPES_FLOATING, SHEAF_F32, SHEAF_F32},
        {SHEAF_TYPES_FLOATING, SHEAF_C64, SHEAF_C64},
        {SHEAF_TYPES_ALL, SHEAF_I8, SHEAF_I8},
        {SHEAF_TYPES_ALL, SHEAF_F16, SHEAF_F16},
        {SHEAF_TYPE_BIT(SHEAF_F64), SHEAF_F16, SHEAF_F64},
        {SHEAF_TYPE_BIT(SHEAF_F64), SHEAF_F32, SHEAF_F64},
        {SHEAF_TYPE_BIT(SHEAF_F64), SHEAF_C64, SHEAF_C64},
        {SHEAF_TYPE_BIT(SHEAF_F32), SHEAF_F64, SHEAF_F64},
        {SHEAF_TYPE_BIT(SHEAF_F32), SHEAF_U16, SHEAF_F32},
        {SHEAF_TYPE_BIT(SHEAF_F32), SHEAF_I32, SHEAF_I32},
        {SHEAF_TYPES_COMPLEX, SHEAF_F32, SHEAF_C64},
        {SHEAF_TYPES_COMPLEX, SHEAF_F64, SHEAF_C128},
        {SHEAF_TYPES_COMPLEX, SHEAF_I16, SHEAF_C128},
        {SHEAF_TYPE_BIT(SHEAF_C64), SHEAF_C128, SHEAF_C128},
        {SHEAF_TYPES_INTEGER, SHEAF_F32, SHEAF_F32},
    };
    (void)state;
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        const struct sheaf_kernel kernel = {.accepts = cases[i].accepts};
        expect_types(&kernel, 1, &cases[i].stored, none, &cases[i].expected);
    }
}

static void
operands_of_one_kernel_get_one_type(void **state)
{
    const struct sheaf_kernel kernel = {.accepts = SHEAF_TYPES_FLOATING}, real = {.accepts = SHEAF_TYPES_REAL};
    const enum sheaf_type stored[] = {SHEAF_I32, SHEAF_F32, SHEAF_F32}, wide[] = {SHEAF_F64, SHEAF_F64, SHEAF_F64};
    const enum sheaf_type halves[] = {SHEAF_F16, SHEAF_I8}, singles[] = {SHEAF_F32, SHEAF_F32};
    const enum sheaf_type complex[] = {SHEAF_F64, SHEAF_C64};
    (void)state;
    expect_types(&kernel, 3, stored, none, wide);
    expect_types(&kernel, 2, halves, none, singles);
    /* c128 is none of its types: what is stored stays, for the message that refuses it */
    expect_types(&real, 2, complex, none, complex);
}

static void
a_wanted_type_is_everybodys(void **state)
{
    const struct sheaf_kernel kernel = {.accepts = SHEAF_TYPES_FLOATING}, real = {.accepts = SHEAF_TYPES_REAL};
    const enum sheaf_type stored[] = {SHEAF_F64, SHEAF_I8}, narrow[] = {SHEAF_F32, SHEAF_F32};
    const enum sheaf_type complex[] = {SHEAF_C64, SHEAF_C64};
    (void)state;
    expect_types(&kernel, 2, stored, SHEAF_F32, narrow);
    expect_types(&real, 2, stored, SHEAF_C64, complex);
}

static void
inputs_with_types_of_their_own_stay_apart(void **state)
{
    const uint32_t accepts[] = {SHEAF_TYPES_FLOATING, SHEAF_TYPES_INTEGER};
    const struct sheaf_kernel kernel = {.accepts = 0, .input_accepts = accepts};
    const enum sheaf_type stored[] = {SHEAF_F16, SHEAF_I16, SHEAF_U8};
    const enum sheaf_type expected[] = {SHEAF_F32, SHEAF_I16, SHEAF_U8}, wanted[] = {SHEAF_C64, SHEAF_I16, SHEAF_U8};
    (void)state;
    expect_types(&kernel, 3, stored, none, expected);
    expect_types(&kernel, 3, stored, SHEAF_C64, wanted);
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(the_next_accepted_type_loses_nothing),
        cmocka_unit_test(operands_of_one_kernel_get_one_type),
        cmocka_unit_test(a_wanted_type_is_everybodys),
        cmocka_unit_test(inputs_with_types_of_their_own_stay_apart),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
