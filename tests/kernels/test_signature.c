#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "list.h"
#include "signature.h"

#include <string.h>

static const char *const labels[] = {"beams.h5:/a", "beams.h5:/b", "beams.h5:/c", "beams.h5:/d"};

static struct sheaf_array
array(enum sheaf_type type, int ndim, int64_t first, int64_t second)
{
    return (struct sheaf_array){.type = type, .shape = {.ndim = ndim, .extent = {first, second}}};
}

static struct sheaf_array
f64(int64_t rows, int64_t columns)
{
    return array(SHEAF_F64, 2, rows, columns);
}

static struct sheaf_problem
problem_of(int count, const struct sheaf_array *arrays)
{
    struct sheaf_problem problem = {.input_count = count};
    memset(problem.outputs, 0x55, sizeof problem.outputs);
    memcpy(problem.inputs, arrays, (size_t)count * sizeof *arrays);
    return problem;
}

#define PROBLEM(...)                                                                                                   \
    problem_of((int)(sizeof((struct sheaf_array[]){__VA_ARGS__}) / sizeof(struct sheaf_array)),                        \
               (struct sheaf_array[]){__VA_ARGS__})

static void
expect_match(const struct sheaf_kernel *kernel, struct sheaf_problem *problem)
{
    struct sheaf_error error = {0};
    if (signature_match(kernel, problem, labels, &error))
        fail_msg("%s", error.text);
}

static void
expect_failure(const struct sheaf_kernel *kernel, struct sheaf_problem problem, enum sheaf_status status,
               const char *expected)
{
    struct sheaf_error error = {0};
    assert_int_equal(signature_match(kernel, &problem, labels, &error), status);
    assert_string_equal(error.text, expected);
    assert_int_equal(error.status, status);
    assert_int_equal(signature_match(kernel, &problem, labels, NULL), status);
}

static void
expect_output(const struct sheaf_problem *problem, int output, enum sheaf_type type, const char *shape)
{
    char text[SHEAF_SHAPE_TEXT];
    assert_int_equal(problem->outputs[output].type, type);
    assert_string_equal(sheaf_shape_format(&problem->outputs[output].shape, text), shape);
}

/* Kernels that show what the built-in ones do not use. */

static enum sheaf_status
svd_infer(struct sheaf_problem *problem, struct sheaf_error *error)
{
    const int64_t *extent = problem->inputs[0].shape.extent;
    int64_t k = extent[0] < extent[1] ? extent[0] : extent[1];
    (void)error;
    if (problem->outputs[0].shape.extent[1] != SHEAF_EXTENT_UNKNOWN || problem->outputs[0].shape.extent[0] != extent[0])
        return SHEAF_INTERNAL;
    problem->outputs[0].shape.extent[1] = k;
    problem->outputs[1].shape.extent[0] = k;
    problem->outputs[2].shape.extent[0] = k;
    problem->outputs[1].type = problem->inputs[0].type == SHEAF_C64 ? SHEAF_F32 : SHEAF_F64;
    return SHEAF_OK;
}

static const struct sheaf_kernel svd = {
    .name = "svd", .signature = "(m,n)->(m,k),(k),(k,n)", .accepts = SHEAF_TYPES_FLOATING, .infer = svd_infer};

static enum sheaf_status
multi_dot_infer(struct sheaf_problem *problem, struct sheaf_error *error)
{
    int last = problem->input_count - 1;
    for (int i = 0; i < last; i++)
        if (problem->inputs[i].shape.extent[1] != problem->inputs[i + 1].shape.extent[0])
            return sheaf_fail(error, SHEAF_BAD_DATA, "multi_dot: operands %d and %d do not fit", i + 1, i + 2);
    problem->outputs[0].shape.extent[1] = problem->inputs[last].shape.extent[1];
    return SHEAF_OK;
}

static const struct sheaf_kernel multi_dot = {.name = "multi_dot",
                                              .signature = "(a,b),(c,d),...->(a,z)",
                                              .accepts = SHEAF_TYPES_FLOATING,
                                              .infer = multi_dot_infer};

static const uint32_t dedisperse_accepts[] = {SHEAF_TYPE_BIT(SHEAF_U8), SHEAF_TYPE_BIT(SHEAF_I64)};

static enum sheaf_status
dedisperse_infer(struct sheaf_problem *problem, struct sheaf_error *error)
{
    (void)error;
    problem->outputs[0].type = SHEAF_F32;
    return SHEAF_OK;
}

static const struct sheaf_kernel dedisperse = {.name = "dedisperse",
                                               .signature = "(c,t),(d,c)->(d,t)",
                                               .input_accepts = dedisperse_accepts,
                                               .infer = dedisperse_infer};

static const struct sheaf_kernel cross = {
    .name = "cross", .signature = "(3),(3)->(3)", .accepts = SHEAF_TYPES_FLOATING};

static const struct sheaf_kernel dot = {.name = "dot", .signature = "(n),(n)->()", .accepts = SHEAF_TYPES_ALL};

static void
a_signature_is_taken_apart(void **state)
{
    struct signature s;
    (void)state;
    assert_int_equal(signature_parse("(m,k),(k,n)->(m,n)", &s, NULL), SHEAF_OK);
    assert_int_equal(s.input_count, 2);
    assert_int_equal(s.output_count, 1);
    assert_false(s.variadic);
    assert_int_equal(s.name_count, 3);
    assert_string_equal(s.names[0], "m");
    assert_string_equal(s.names[1], "k");
    assert_string_equal(s.names[2], "n");
    assert_int_equal(s.inputs[1].ndim, 2);
    assert_int_equal(s.inputs[1].name[0], 1);
    assert_int_equal(s.inputs[1].name[1], 2);
    assert_int_equal(s.outputs[0].name[0], 0);
    assert_int_equal(s.outputs[0].name[1], 2);

    assert_int_equal(signature_parse(" ( n_1 , n_1 ) , () -> () , (Long_name_of_15) ", &s, NULL), SHEAF_OK);
    assert_int_equal(s.input_count, 2);
    assert_int_equal(s.output_count, 2);
    assert_int_equal(s.inputs[0].name[1], 0);
    assert_int_equal(s.inputs[1].ndim, 0);
    assert_int_equal(s.outputs[0].ndim, 0);
    assert_string_equal(s.names[1], "Long_name_of_15");

    assert_int_equal(signature_parse("(a,b),(c,d),...->(a,z)", &s, NULL), SHEAF_OK);
    assert_true(s.variadic);
    assert_int_equal(s.input_count, 2);

    assert_int_equal(signature_parse("(m),(k)-> ", &s, NULL), SHEAF_OK);
    assert_int_equal(s.input_count, 2);
    assert_int_equal(s.output_count, 0);
}

static void
repeated_inputs_have_dimensions_too(void **state)
{
    struct signature s;
    (void)state;
    assert_int_equal(signature_parse("(a),(b,c),...->(a)", &s, NULL), SHEAF_OK);
    assert_int_equal(signature_input_ndim(&s, 0), 1);
    assert_int_equal(signature_input_ndim(&s, 1), 2);
    assert_int_equal(signature_input_ndim(&s, 15), 2);
}

static void
mistakes_in_a_signature_are_located(void **state)
{
    static const struct {
        const char *text;
        int column;
        const char *what;
    } wrong[] = {
        {"", 1, "expected '('"},
        {"m", 1, "expected '('"},
        {"->(m)", 1, "expected '('"},
        {"(m", 3, "expected ',' or ')'"},
        {"(m k)->(m)", 4, "expected ',' or ')'"},
        {"(m,)->(m)", 4, "expected a name or a number"},
        {"(n?)->(n)", 3, "expected ',' or ')'"},
        {"(m)", 4, "expected ',' or '->'"},
        {"(m)(k)->(m)", 4, "expected ',' or '->'"},
        {"(m)->,(m)", 6, "expected '('"},
        {"->", 1, "expected '('"},
        {"(m)->(m)x", 9, "expected ',' or the end"},
        {"(m)->(m),", 10, "expected '('"},
        {"...->(m)", 1, "expected '('"},
        {"(m),...,(k)->(m)", 8, "expected '->': nothing follows '...'"},
        {"(m)->(m),...", 10, "expected '('"},
        {"(a_name_that_is_16)->()", 2, "a name has at most 15 characters"},
        {"(0)->()", 2, "a fixed extent is from 1 to 2147483647"},
        {"(2147483648)->()", 2, "a fixed extent is from 1 to 2147483647"},
        {"(3x)->()", 3, "expected ',' or ')'"},
        {"(a,b,c,d,e,f,g,h,i)->()", 18, "at most 8 dimensions"},
        {"(a,b,c,d,e,f,g,h),(i,j,k,l,m,n,o,p),(q)->()", 38, "at most 16 different names"},
        {"(),(),(),(),(),(),(),(),(),(),(),(),(),(),(),(),()->()", 49, "at most 16 inputs"},
        {"()->(),(),(),(),(),(),(),(),()", 29, "at most 8 outputs"},
    };
    (void)state;
    for (size_t i = 0; i < sizeof wrong / sizeof wrong[0]; i++) {
        struct signature s;
        struct sheaf_error error = {0};
        char expected[SHEAF_ERROR_TEXT];
        snprintf(expected, sizeof expected, "signature '%s', column %d: %s; an example is (m,k),(k,n)->(m,n)",
                 wrong[i].text, wrong[i].column, wrong[i].what);
        assert_int_equal(signature_parse(wrong[i].text, &s, &error), SHEAF_USAGE);
        assert_string_equal(error.text, expected);
    }
    struct signature s;
    assert_int_equal(signature_parse(NULL, &s, NULL), SHEAF_USAGE);
}

static void
outputs_follow_from_the_names(void **state)
{
    struct sheaf_problem problem = PROBLEM(array(SHEAF_C64, 2, 5, 6), array(SHEAF_C64, 2, 6, 7));
    (void)state;
    expect_match(kernel_find("matmul"), &problem);
    assert_int_equal(problem.output_count, 1);
    expect_output(&problem, 0, SHEAF_C64, "(5, 7)");

    problem = PROBLEM(f64(5, 3));
    expect_match(kernel_find("gram"), &problem);
    expect_output(&problem, 0, SHEAF_F64, "(3, 3)");

    problem = PROBLEM(array(SHEAF_I16, 1, 9, 0), array(SHEAF_I16, 1, 9, 0));
    expect_match(&dot, &problem);
    expect_output(&problem, 0, SHEAF_I16, "()");

    problem = PROBLEM(array(SHEAF_F32, 1, 3, 0), array(SHEAF_F32, 1, 3, 0));
    expect_match(&cross, &problem);
    expect_output(&problem, 0, SHEAF_F32, "(3)");
}

static void
names_in_outputs_only_are_inferred(void **state)
{
    struct sheaf_problem problem = PROBLEM(array(SHEAF_C64, 2, 5, 3));
    (void)state;
    expect_match(&svd, &problem);
    assert_int_equal(problem.output_count, 3);
    expect_output(&problem, 0, SHEAF_C64, "(5, 3)");
    expect_output(&problem, 1, SHEAF_F32, "(3)");
    expect_output(&problem, 2, SHEAF_C64, "(3, 3)");
}

static void
a_variadic_kernel_takes_one_repeat_or_more(void **state)
{
    struct sheaf_problem two = PROBLEM(f64(2, 3), f64(3, 4));
    struct sheaf_problem four = PROBLEM(f64(2, 3), f64(3, 4), f64(4, 1), f64(1, 9));
    (void)state;
    expect_match(&multi_dot, &two);
    expect_output(&two, 0, SHEAF_F64, "(2, 4)");
    expect_match(&multi_dot, &four);
    expect_output(&four, 0, SHEAF_F64, "(2, 9)");

    expect_failure(&multi_dot, PROBLEM(f64(2, 3)), SHEAF_USAGE,
                   "multi_dot takes 2 to 16 operands, (a,b),(c,d),...->(a,z); 1 given");
    struct sheaf_problem many = PROBLEM(f64(2, 2));
    many.input_count = 17;
    expect_failure(&multi_dot, many, SHEAF_USAGE, "multi_dot takes 2 to 16 operands, (a,b),(c,d),...->(a,z); 17 given");
    expect_failure(&multi_dot, PROBLEM(f64(2, 3), f64(3, 4), f64(5, 1)), SHEAF_BAD_DATA,
                   "multi_dot: operands 2 and 3 do not fit");
    expect_failure(&multi_dot, PROBLEM(f64(2, 3), f64(3, 4), array(SHEAF_F64, 1, 4, 0)), SHEAF_BAD_DATA,
                   "beams.h5:/c (4): multi_dot needs 2 dimensions a task here, found 1; multi_dot is "
                   "(a,b),(c,d),...->(a,z)");
    expect_failure(&multi_dot, PROBLEM(f64(2, 3), f64(3, 4), f64(0, 1)), SHEAF_BAD_DATA,
                   "beams.h5:/c (0, 1): dimension 1 of a task has 0 elements, multi_dot needs at least 1");
}

static void
the_wrong_number_of_operands_is_refused(void **state)
{
    (void)state;
    expect_failure(kernel_find("matmul"), PROBLEM(f64(2, 3)), SHEAF_USAGE,
                   "matmul takes 2 operands, (m,k),(k,n)->(m,n); 1 given");
    expect_failure(kernel_find("inv"), PROBLEM(f64(2, 2), f64(2, 2)), SHEAF_USAGE,
                   "inv takes 1 operand, (m,m)->(m,m); 2 given");
    struct sheaf_problem none = {0};
    expect_failure(kernel_find("inv"), none, SHEAF_USAGE, "inv takes 1 operand, (m,m)->(m,m); 0 given");
}

static void
extents_that_differ_are_named_with_both_places(void **state)
{
    (void)state;
    expect_failure(kernel_find("matmul"), PROBLEM(f64(5, 6), f64(7, 5)), SHEAF_BAD_DATA,
                   "beams.h5:/b (7, 5): k is 7 here but 6 in beams.h5:/a; matmul is (m,k),(k,n)->(m,n)");
    expect_failure(kernel_find("inv"), PROBLEM(f64(5, 6)), SHEAF_BAD_DATA,
                   "beams.h5:/a (5, 6): m is both 5 and 6; inv is (m,m)->(m,m)");
    expect_failure(&cross, PROBLEM(array(SHEAF_F32, 1, 3, 0), array(SHEAF_F32, 1, 4, 0)), SHEAF_BAD_DATA,
                   "beams.h5:/b (4): expected 3, found 4; cross is (3),(3)->(3)");
}

static void
shapes_that_no_task_can_have_are_refused(void **state)
{
    const struct sheaf_kernel *copy = kernel_find("copy");
    (void)state;
    expect_failure(kernel_find("matmul"), PROBLEM(array(SHEAF_F64, 1, 5, 0), f64(5, 5)), SHEAF_BAD_DATA,
                   "beams.h5:/a (5): matmul needs 2 dimensions a task here, found 1; matmul is (m,k),(k,n)->(m,n)");
    expect_failure(&dot, PROBLEM(f64(5, 5), f64(5, 5)), SHEAF_BAD_DATA,
                   "beams.h5:/a (5, 5): dot needs 1 dimension a task here, found 2; dot is (n),(n)->()");
    expect_failure(kernel_find("matmul"), PROBLEM(f64(5, 6), f64(6, 0)), SHEAF_BAD_DATA,
                   "beams.h5:/b (6, 0): dimension 2 of a task has 0 elements, matmul needs at least 1");
    expect_failure(copy, PROBLEM(f64(-1, 6)), SHEAF_BAD_DATA,
                   "beams.h5:/a (-1, 6): dimension 1 of a task has -1 elements, copy needs at least 1");
    expect_failure(copy, PROBLEM(f64(1, INT64_C(2147483648))), SHEAF_BAD_DATA,
                   "beams.h5:/a (1, 2147483648): dimension 2 of a task is more than the 2147483647 that BLAS can "
                   "count; split it into several tasks");
    expect_failure(copy, PROBLEM(f64(2147483647, 2147483647)), SHEAF_BAD_DATA,
                   "beams.h5:/a (2147483647, 2147483647): a task of type f64 has more bytes than 64 bits can count; "
                   "split it into several tasks");
    struct sheaf_problem largest = PROBLEM(array(SHEAF_U8, 2, 2147483647, 2147483647));
    expect_match(copy, &largest);
}

static void
types_that_do_not_fit_are_refused(void **state)
{
    (void)state;
    expect_failure(kernel_find("inv"), PROBLEM(array(SHEAF_I64, 2, 5, 5)), SHEAF_BAD_DATA,
                   "beams.h5:/a: type is i64, inv takes f32, f64, c64 or c128 here; store it in such a type, or read "
                   "it as one with --as");
    expect_failure(kernel_find("matmul"), PROBLEM(f64(5, 5), array(SHEAF_F32, 2, 5, 5)), SHEAF_BAD_DATA,
                   "beams.h5:/b: type is f32, but beams.h5:/a is f64; the operands of matmul must have one type: store "
                   "them alike, or read them alike with --as");
    expect_failure(&dot, PROBLEM(array((enum sheaf_type)SHEAF_TYPE_COUNT, 1, 5, 0), array(SHEAF_U8, 1, 5, 0)),
                   SHEAF_BAD_DATA,
                   "beams.h5:/a: type is ?, dot takes i8, i16, i32, i64, u8, u16, u32, u64, f16, f32, f64, c64 or c128 "
                   "here; store it in such a type, or read it as one with --as");
}

static void
inputs_may_have_a_type_each(void **state)
{
    struct sheaf_problem problem = PROBLEM(array(SHEAF_U8, 2, 4, 100), array(SHEAF_I64, 2, 7, 4));
    (void)state;
    expect_match(&dedisperse, &problem);
    expect_output(&problem, 0, SHEAF_F32, "(7, 100)");
    expect_failure(&dedisperse, PROBLEM(array(SHEAF_U8, 2, 4, 100), array(SHEAF_U8, 2, 7, 4)), SHEAF_BAD_DATA,
                   "beams.h5:/b: type is u8, dedisperse takes only i64 here; store it in such a type");

    struct sheaf_kernel variadic = dedisperse;
    variadic.signature = "(c,t),(d,c),...->(d,t)";
    problem = PROBLEM(array(SHEAF_U8, 2, 4, 100), array(SHEAF_I64, 2, 7, 4), array(SHEAF_I64, 2, 1, 1));
    expect_match(&variadic, &problem);
    expect_failure(&variadic, PROBLEM(array(SHEAF_U8, 2, 4, 100), array(SHEAF_I64, 2, 7, 4), array(SHEAF_U8, 2, 1, 1)),
                   SHEAF_BAD_DATA, "beams.h5:/c: type is u8, dedisperse takes only i64 here; store it in such a type");
}

static int64_t
no_workspace(const struct sheaf_problem *problem)
{
    (void)problem;
    return -1;
}

static void
a_workspace_that_cannot_be_counted_is_refused(void **state)
{
    struct sheaf_kernel kernel = *kernel_find("copy");
    (void)state;
    kernel.workspace_bytes = no_workspace;
    expect_failure(&kernel, PROBLEM(f64(2, 3)), SHEAF_BAD_DATA,
                   "beams.h5:/a (2, 3): too large for copy, whose workspace would pass what LAPACK can count; split "
                   "it");
    /* 64 columns of 40,000,000 elements are more than LAPACK's int */
    expect_failure(kernel_find("inv"), PROBLEM(f64(40000000, 40000000)), SHEAF_BAD_DATA,
                   "beams.h5:/a (40000000, 40000000): too large for inv, whose workspace would pass what LAPACK can "
                   "count; split it");
}

/* What a wrong infer makes of its outputs. */

static enum sheaf_status
infer_nothing(struct sheaf_problem *problem, struct sheaf_error *error)
{
    (void)problem, (void)error;
    return SHEAF_OK;
}

static enum sheaf_status
infer_zero(struct sheaf_problem *problem, struct sheaf_error *error)
{
    (void)error;
    problem->outputs[0].shape.extent[0] = 0;
    return SHEAF_OK;
}

static enum sheaf_status
infer_ndim(struct sheaf_problem *problem, struct sheaf_error *error)
{
    (void)error;
    problem->outputs[0].shape.ndim = 9;
    return SHEAF_OK;
}

static enum sheaf_status
infer_type(struct sheaf_problem *problem, struct sheaf_error *error)
{
    (void)error;
    problem->outputs[0].type = (enum sheaf_type)77;
    return SHEAF_OK;
}

static enum sheaf_status
infer_square(struct sheaf_problem *problem, struct sheaf_error *error)
{
    (void)error;
    problem->outputs[0].shape.extent[0] *= problem->outputs[0].shape.extent[0];
    return SHEAF_OK;
}

static enum sheaf_status
infer_refusal(struct sheaf_problem *problem, struct sheaf_error *error)
{
    (void)problem, (void)error;
    return SHEAF_BAD_DATA;
}

static void
outputs_that_infer_leaves_wrong_are_a_fault_of_the_kernel(void **state)
{
    struct sheaf_kernel kernel = svd;
    (void)state;
    kernel.infer = NULL;
    expect_failure(&kernel, PROBLEM(f64(5, 3)), SHEAF_INTERNAL,
                   "kernel svd: dimension 2 of output 1 is not settled, (5, -1); its infer must");
    kernel.infer = infer_nothing;
    expect_failure(&kernel, PROBLEM(f64(5, 3)), SHEAF_INTERNAL,
                   "kernel svd: dimension 2 of output 1 is not settled, (5, -1); its infer must");
    kernel = *kernel_find("copy");
    kernel.infer = infer_zero;
    expect_failure(&kernel, PROBLEM(f64(5, 3)), SHEAF_INTERNAL,
                   "kernel copy: dimension 1 of output 1 is not settled, (0, 3); its infer must");
    kernel.infer = infer_ndim;
    expect_failure(&kernel, PROBLEM(f64(5, 3)), SHEAF_INTERNAL,
                   "kernel copy: its infer gave output 1 9 dimensions of type 10");
    kernel.infer = infer_type;
    expect_failure(&kernel, PROBLEM(f64(5, 3)), SHEAF_INTERNAL,
                   "kernel copy: its infer gave output 1 2 dimensions of type 77");
    kernel.infer = infer_refusal;
    expect_failure(&kernel, PROBLEM(f64(5, 3)), SHEAF_BAD_DATA,
                   "beams.h5:/a: copy cannot compute these shapes, and does not say why");
    kernel.signature = "(m";
    expect_failure(&kernel, PROBLEM(f64(5, 3)), SHEAF_INTERNAL,
                   "kernel copy: signature '(m', column 3: expected ',' or ')'; an example is (m,k),(k,n)->(m,n)");
}

static void
outputs_too_large_to_count_are_refused(void **state)
{
    struct sheaf_kernel kernel = *kernel_find("copy");
    (void)state;
    kernel.infer = infer_square;
    expect_failure(&kernel, PROBLEM(f64(100000, 1)), SHEAF_BAD_DATA,
                   "beams.h5:/a: output 1 of copy would be (10000000000, 1), dimension 1 more than the 2147483647 that "
                   "BLAS can count");
    expect_failure(kernel_find("gram"), PROBLEM(f64(1, 2147483647)), SHEAF_BAD_DATA,
                   "beams.h5:/a: output 1 of gram would be (2147483647, 2147483647) of f64, more bytes than 64 bits "
                   "can count");
}

static void
long_labels_leave_room_for_the_message(void **state)
{
    char label[1000];
    const char *long_labels[2] = {label, label};
    struct sheaf_problem problem = PROBLEM(f64(5, 6), f64(7, 5));
    struct sheaf_error error = {0};
    (void)state;
    memset(label, 'x', sizeof label);
    label[sizeof label - 1] = '\0';
    assert_int_equal(signature_match(kernel_find("matmul"), &problem, long_labels, &error), SHEAF_BAD_DATA);
    assert_non_null(strstr(error.text, " (7, 5): k is 7 here but 6 in x"));
    assert_non_null(strstr(error.text, "; matmul is (m,k),(k,n)->(m,n)"));
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_signature_is_taken_apart),
        cmocka_unit_test(repeated_inputs_have_dimensions_too),
        cmocka_unit_test(mistakes_in_a_signature_are_located),
        cmocka_unit_test(outputs_follow_from_the_names),
        cmocka_unit_test(names_in_outputs_only_are_inferred),
        cmocka_unit_test(a_variadic_kernel_takes_one_repeat_or_more),
        cmocka_unit_test(the_wrong_number_of_operands_is_refused),
        cmocka_unit_test(extents_that_differ_are_named_with_both_places),
        cmocka_unit_test(shapes_that_no_task_can_have_are_refused),
        cmocka_unit_test(types_that_do_not_fit_are_refused),
        cmocka_unit_test(inputs_may_have_a_type_each),
        cmocka_unit_test(a_workspace_that_cannot_be_counted_is_refused),
        cmocka_unit_test(outputs_that_infer_leaves_wrong_are_a_fault_of_the_kernel),
        cmocka_unit_test(outputs_too_large_to_count_are_refused),
        cmocka_unit_test(long_labels_leave_room_for_the_message),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
