#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "list.h"
#include "parameters.h"
#include "signature.h"

#include <string.h>

static const struct sheaf_kernel *noop;

static int
find(void **state)
{
    (void)state;
    noop = kernel_find("noop");
    return noop ? 0 : -1;
}

static struct sheaf_problem
match(enum sheaf_type type, const char *parameter)
{
    const char *const labels[] = {"a"};
    struct sheaf_problem problem = {.input_count = 1, .inputs[0] = {.type = type, .shape = {.ndim = 1, .extent = {7}}}};
    parameters_set_initial(noop, &problem);
    if (parameter)
        assert_int_equal(parameters_parse(noop, parameter, &problem, NULL), SHEAF_OK);
    assert_int_equal(signature_match(noop, &problem, labels, NULL), SHEAF_OK);
    return problem;
}

static void
it_has_no_output(void **state)
{
    (void)state;
    for (int type = 0; type < SHEAF_TYPE_COUNT; type++)
        assert_int_equal(match((enum sheaf_type)type, NULL).output_count, 0);
    assert_null(noop->output_names[0]);
}

static void
a_task_costs_what_it_says(void **state)
{
    static const struct {
        const char *parameter;
        double flops;
    } cases[] = {{NULL, 0.0}, {"flops=0", 0.0}, {"flops=1e9", 1e9}, {"flops=1e18", 1e18}};
    (void)state;
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        struct sheaf_problem problem = match(SHEAF_F64, cases[i].parameter);
        struct sheaf_cost cost = {0};
        noop->cost(&problem, &cost);
        assert_true(cost.flops == cases[i].flops);
        assert_true(cost.bytes == 0.0);
    }
    struct sheaf_problem problem = match(SHEAF_F64, NULL);
    struct sheaf_error error;
    assert_int_equal(parameters_parse(noop, "flops=-1", &problem, &error), SHEAF_USAGE);
    assert_int_equal(parameters_parse(noop, "flops=1e19", &problem, &error), SHEAF_USAGE);
}

/* Nothing is touched: there is no memory behind the operand. */
static void
a_batch_is_left_as_it_is(void **state)
{
    struct sheaf_problem problem = match(SHEAF_F32, NULL);
    uint8_t status[3] = {SHEAF_TASK_DONE, SHEAF_TASK_DONE, SHEAF_TASK_DONE};
    int32_t info[3] = {0};
    struct sheaf_batch batch = {.count = 3, .status = status, .info = info, .width = 1};
    (void)state;
    assert_int_equal(noop->run(&problem, &batch), SHEAF_OK);
    for (int i = 0; i < 3; i++) {
        assert_int_equal(status[i], SHEAF_TASK_DONE);
        assert_int_equal(info[i], 0);
    }
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(it_has_no_output),
        cmocka_unit_test(a_task_costs_what_it_says),
        cmocka_unit_test(a_batch_is_left_as_it_is),
    };
    return cmocka_run_group_tests(tests, find, NULL);
}
