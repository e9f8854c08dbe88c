#include "app_test.h"
#include "run.h"

static void
outputs_take_names_types_and_shapes(void **state)
{
    const struct sheaf_array arrays[] = {{SHEAF_C64, {.ndim = 2, .extent = {3, 5}}}, {SHEAF_I64, {.ndim = 0}}};
    static const char *const names[] = {"u", "s"};
    const struct sheaf_shape axes = {.ndim = 2, .extent = {10, 4}};
    struct store_output outputs[2];
    (void)state;
    memset(outputs, 0xff, sizeof outputs);
    run_fill_outputs(2, arrays, names, &axes, outputs);
    for (int i = 0; i < 2; i++) {
        assert_string_equal(outputs[i].name, names[i]);
        assert_int_equal(outputs[i].array.type, arrays[i].type);
        assert_true(sheaf_shape_equal(&outputs[i].array.lead, &axes));
        assert_true(sheaf_shape_equal(&outputs[i].array.core, &arrays[i].shape));
        assert_false(outputs[i].shared);
    }
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(outputs_take_names_types_and_shapes),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
