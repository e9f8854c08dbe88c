#include "fixture.h"

#include "list.h"

static void
every_type_is_copied_bit_by_bit(void **state)
{
    struct sheaf_shape shape = fixture_matrix(3, 7);
    (void)state;
    for (int type = 0; type < SHEAF_TYPE_COUNT; type++) {
        struct fixture fixture;
        fixture_create(&fixture, kernel_find("copy"), (enum sheaf_type)type, &shape, 1, 4, 0);
        assert_int_equal(fixture.problem.outputs[0].type, type);
        assert_true(sheaf_shape_equal(&fixture.problem.outputs[0].shape, &shape));
        assert_int_equal(fixture.output_bytes[0], 21 * sheaf_type_size((enum sheaf_type)type));
        fixture_run(&fixture, 0, 4);
        assert_memory_equal(fixture.outputs[0], fixture.inputs[0], 4 * fixture.output_bytes[0]);
        fixture_check_splits(&fixture);
        fixture_destroy(&fixture);
        fixture_check_shared(kernel_find("copy"), (enum sheaf_type)type, &shape, 1, 1);
    }
}

static void
a_problem_that_was_never_matched_is_refused(void **state)
{
    struct sheaf_shape shape = fixture_matrix(3, 7);
    struct sheaf_batch batch = {.count = 1};
    struct fixture fixture;
    (void)state;
    fixture_create(&fixture, kernel_find("copy"), SHEAF_U8, &shape, 1, 1, 0);
    fixture.problem.inputs[0].shape.extent[0] = INT64_MAX;
    assert_int_equal(fixture.kernel->run(&fixture.problem, &batch), SHEAF_INTERNAL);
    fixture_destroy(&fixture);
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(every_type_is_copied_bit_by_bit),
        cmocka_unit_test(a_problem_that_was_never_matched_is_refused),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
