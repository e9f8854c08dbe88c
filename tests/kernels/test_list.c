#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "list.h"
#include "signature.h"

#include <string.h>

/* What every kernel has to fulfil, whatever it computes: a new one is checked as soon as it is listed. */

static bool
is_word(const char *text)
{
    return *text >= 'a' && *text <= 'z' && text[strspn(text, "abcdefghijklmnopqrstuvwxyz0123456789_")] == '\0';
}

static int
kernel_count(void)
{
    int count = 0;
    while (kernel_list()[count])
        count++;
    return count;
}

static void
the_kernels_are_listed(void **state)
{
    (void)state;
    assert_true(kernel_count() >= 4);
    assert_string_equal(kernel_list()[0]->name, "matmul");
    assert_non_null(kernel_find("gram"));
    assert_non_null(kernel_find("inv"));
    assert_non_null(kernel_find("copy"));
}

static void
each_is_found_by_its_name_only(void **state)
{
    (void)state;
    for (int i = 0; i < kernel_count(); i++)
        assert_ptr_equal(kernel_find(kernel_list()[i]->name), kernel_list()[i]);
    assert_null(kernel_find("no_such_kernel"));
    assert_null(kernel_find("matmu"));
    assert_null(kernel_find("matmul2"));
    assert_null(kernel_find(""));
}

static void
each_is_of_this_interface(void **state)
{
    (void)state;
    for (int i = 0; i < kernel_count(); i++) {
        const struct sheaf_kernel *kernel = kernel_list()[i];
        assert_int_equal(kernel->abi, SHEAF_KERNEL_ABI);
        assert_int_equal(kernel->bytes, sizeof *kernel);
        assert_true(is_word(kernel->name));
        assert_true(strlen(kernel->text) > 0);
        assert_null(strchr(kernel->text, '\n'));
        assert_true(kernel->width_kind >= SHEAF_WIDTH_ONE && kernel->width_kind <= SHEAF_WIDTH_PARALLEL);
        assert_non_null(kernel->cost);
        assert_non_null(kernel->run);
        uint32_t accepts = kernel->input_accepts ? kernel->input_accepts[0] : kernel->accepts;
        assert_true(accepts != 0);
        assert_true((accepts & ~SHEAF_TYPES_ALL) == 0);
    }
}

static void
each_names_its_outputs(void **state)
{
    (void)state;
    for (int i = 0; i < kernel_count(); i++) {
        const struct sheaf_kernel *kernel = kernel_list()[i];
        struct signature signature;
        struct sheaf_error error = {0};
        if (signature_parse(kernel->signature, &signature, &error))
            fail_msg("%s: %s", kernel->name, error.text);
        int names = 0;
        for (; kernel->output_names[names]; names++) {
            assert_true(is_word(kernel->output_names[names]));
            for (int earlier = 0; earlier < names; earlier++)
                assert_string_not_equal(kernel->output_names[names], kernel->output_names[earlier]);
        }
        assert_int_equal(names, signature.output_count);
    }
}

static void
each_parameter_is_consistent(void **state)
{
    (void)state;
    for (int i = 0; i < kernel_count(); i++) {
        const struct sheaf_kernel *kernel = kernel_list()[i];
        assert_true(kernel->parameter_count >= 0 && kernel->parameter_count <= SHEAF_PARAMETERS_MAX);
        for (int j = 0; j < kernel->parameter_count; j++) {
            const struct sheaf_parameter *parameter = &kernel->parameters[j];
            assert_true(is_word(parameter->name));
            assert_true(strlen(parameter->text) > 0);
            if (parameter->kind == SHEAF_PARAMETER_REAL) {
                assert_true(parameter->least.real <= parameter->initial.real);
                assert_true(parameter->initial.real <= parameter->greatest.real);
            } else if (parameter->kind == SHEAF_PARAMETER_INTEGER) {
                assert_true(parameter->least.integer <= parameter->initial.integer);
                assert_true(parameter->initial.integer <= parameter->greatest.integer);
            } else {
                int choices = 0;
                while (parameter->choices[choices])
                    choices++;
                assert_true(parameter->initial.integer >= 0 && parameter->initial.integer < choices);
            }
        }
    }
}

/* Match a kernel against inputs whose extents are all 3, of one type; a kernel with its own rules may refuse. */
static bool
match_threes(const struct sheaf_kernel *kernel, enum sheaf_type type, struct sheaf_problem *problem)
{
    static const char *const labels[SHEAF_OPERANDS_MAX] = {"a", "b", "c", "d", "e", "f", "g", "h",
                                                           "i", "j", "k", "l", "m", "n", "o", "p"};
    struct signature signature;
    memset(problem, 0, sizeof *problem);
    assert_int_equal(signature_parse(kernel->signature, &signature, NULL), SHEAF_OK);
    problem->input_count = signature.input_count;
    for (int i = 0; i < signature.input_count; i++) {
        problem->inputs[i].type = type;
        problem->inputs[i].shape.ndim = signature_input_ndim(&signature, i);
        for (int j = 0; j < problem->inputs[i].shape.ndim; j++)
            problem->inputs[i].shape.extent[j] = 3;
    }
    for (int i = 0; i < kernel->parameter_count; i++)
        problem->parameters[i] = kernel->parameters[i].initial;
    return signature_match(kernel, problem, labels, NULL) == SHEAF_OK;
}

static void
each_has_a_cost_for_every_type(void **state)
{
    (void)state;
    for (int i = 0; i < kernel_count(); i++) {
        const struct sheaf_kernel *kernel = kernel_list()[i];
        int matched = 0;
        for (int type = 0; type < SHEAF_TYPE_COUNT; type++) {
            struct sheaf_problem problem;
            struct sheaf_cost cost = {0};
            if (!match_threes(kernel, (enum sheaf_type)type, &problem))
                continue;
            matched++;
            kernel->cost(&problem, &cost);
            assert_true(cost.flops >= 0.0 && cost.flops < 1e9);
            assert_true(cost.bytes >= 0.0 && cost.bytes < 1e9);
            assert_true(cost.serial_fraction >= 0.0 && cost.serial_fraction <= 1.0);
            assert_true(cost.greatest_width >= 0);
            if (kernel->workspace_bytes)
                assert_true(kernel->workspace_bytes(&problem) >= 0);
        }
        if (!kernel->input_accepts)
            assert_int_equal(matched, __builtin_popcount(kernel->accepts));
    }
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(the_kernels_are_listed),       cmocka_unit_test(each_is_found_by_its_name_only),
        cmocka_unit_test(each_is_of_this_interface),    cmocka_unit_test(each_names_its_outputs),
        cmocka_unit_test(each_parameter_is_consistent), cmocka_unit_test(each_has_a_cost_for_every_type),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
