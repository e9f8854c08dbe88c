#include "reference.h"
#include "subject.h"

#include "blas.h"
#include "list.h"

#include <limits.h>
#include <math.h>
#include <stdlib.h>

/* A chain's extents: operand i is (extents[i], extents[i + 1]). */
struct chain {
    int operand_count;
    int64_t extents[SHEAF_OPERANDS_MAX + 1];
};

/* The first one is the example of Cormen, Leiserson, Rivest, Stein. */
static const struct chain chains[] = {
    {6, {30, 35, 15, 5, 10, 20, 25}},
    {2, {65, 7, 130}},
    {2, {1, 1, 1}},
    {3, {2, 100, 2, 100}},
    {3, {100, 2, 100, 2}},
    {4, {5, 5, 5, 5, 5}},
    {5, {1, 70, 1, 70, 1, 70}},
    {16, {3, 9, 2, 11, 5, 1, 7, 4, 8, 6, 13, 2, 9, 3, 12, 5, 10}},
};
enum { CHAIN_COUNT = sizeof chains / sizeof chains[0] };

static void
create(struct fixture *fixture, const struct chain *chain, enum sheaf_type type, int64_t count)
{
    struct sheaf_shape shapes[SHEAF_OPERANDS_MAX];
    for (int i = 0; i < chain->operand_count; i++)
        shapes[i] = fixture_matrix(chain->extents[i], chain->extents[i + 1]);
    fixture_create(fixture, kernel_find("multi_dot"), type, shapes, chain->operand_count, count, 0);
}

static struct chain
chain_of(const struct fixture *fixture)
{
    struct chain chain = {.operand_count = fixture->problem.input_count};
    for (int i = 0; i < chain.operand_count; i++) {
        chain.extents[i] = fixture->problem.inputs[i].shape.extent[0];
        chain.extents[i + 1] = fixture->problem.inputs[i].shape.extent[1];
    }
    return chain;
}

/* The chain multiplied from left to right, of the operands or of their magnitudes. */
static reference_number *
multiply_chain(const struct fixture *fixture, const struct chain *chain, int64_t task, bool magnitudes)
{
    enum sheaf_type type = fixture->problem.inputs[0].type;
    const int64_t *extents = chain->extents;
    reference_number *product = NULL;
    for (int i = 0; i < chain->operand_count; i++) {
        int64_t elements = extents[i] * extents[i + 1];
        reference_number *factor = reference_load(type, fixture_input(fixture, i, task), elements);
        if (magnitudes)
            reference_take_magnitudes(factor, elements);
        reference_number *next =
            product ? reference_multiply(extents[0], extents[i], extents[i + 1], product, factor) : factor;
        if (product) {
            free(product);
            free(factor);
        }
        product = next;
    }
    return product;
}

/*
 * Elements outside the bound. A computed product of computed factors is off by at most c |X| |Y|, c as in
 * fixture_sum_bound for its inner extent; so by induction, in any order, the chain is off by at most the product of all
 * (1 + c), less 1, times |A| |B| |C| ... Each inner extent is that of one product, whatever the order.
 */
static int64_t
count_wrong(const struct fixture *fixture, int64_t task)
{
    const struct chain found = chain_of(fixture), *chain = &found;
    enum sheaf_type type = fixture->problem.inputs[0].type;
    const int last = chain->operand_count;
    long double growth = 1.0L;
    for (int i = 1; i < last; i++)
        growth *= 1.0L + fixture_sum_bound(type, chain->extents[i]);
    reference_number *product = multiply_chain(fixture, chain, task, false);
    reference_number *magnitudes = multiply_chain(fixture, chain, task, true);
    int64_t wrong = 0;
    for (int64_t i = 0; i < chain->extents[0] * chain->extents[last]; i++) {
        long double error = cabsl(fixture_get(type, fixture_output(fixture, 0, task), i) - product[i]);
        wrong += !(error <= (growth - 1.0L) * creall(magnitudes[i]));
    }
    free(magnitudes);
    free(product);
    return wrong;
}

/* m is the number of a chain. */
static void
create_chain(struct fixture *fixture, const struct subject *subject, enum sheaf_type type, int64_t m, int64_t n,
             int64_t count)
{
    (void)subject, (void)n;
    create(fixture, &chains[m], type, count);
}

static const struct subject subject = {"multi_dot", NULL, create_chain, count_wrong};

static void
results_are_within_the_bound(void **state)
{
    static const int64_t all[CHAIN_COUNT][2] = {{0}, {1}, {2}, {3}, {4}, {5}, {6}, {7}};
    (void)state;
    subject_check_results(&subject, all, CHAIN_COUNT);
}

static void
the_check_sees_one_wrong_element(void **state)
{
    (void)state;
    subject_check_wrong_element(&subject, 0, 0, 0, 700, 1.0L, 5.0L);
}

/* Multiply-adds of the cheapest order, by trying them all. */
static double
try_all_orders(const int64_t *extents, int first, int last)
{
    double least = INFINITY;
    if (first == last)
        return 0.0;
    for (int split = first; split < last; split++) {
        double here = try_all_orders(extents, first, split) + try_all_orders(extents, split + 1, last) +
                      (double)(extents[first] * extents[split + 1] * extents[last + 1]);
        least = fmin(least, here);
    }
    return least;
}

static double
flops(const struct chain *chain, enum sheaf_type type)
{
    struct fixture fixture;
    struct sheaf_cost cost = {0};
    create(&fixture, chain, type, 1);
    fixture.kernel->cost(&fixture.problem, &cost);
    fixture_destroy(&fixture);
    return cost.flops;
}

static void
the_cost_is_that_of_the_cheapest_order(void **state)
{
    (void)state;
    assert_true(flops(&chains[0], SHEAF_F64) == 2.0 * 15125.0);
    assert_true(flops(&chains[0], SHEAF_C64) == 8.0 * 15125.0);
    uint32_t random = 12345;
    for (int i = 0; i < 200; i++) {
        struct chain chain = {.operand_count = 2 + i % 6};
        for (int j = 0; j <= chain.operand_count; j++) {
            random = random * 1664525U + 1013904223U;
            chain.extents[j] = 1 + random / 65536U % 40;
        }
        double products = try_all_orders(chain.extents, 0, chain.operand_count - 1);
        assert_true(flops(&chain, SHEAF_F32) == 2.0 * products);
    }
}

/*
 * The order shows in what is kept at a time. (A (B C)) ((D E) F) keeps, of 8 bytes each and rounded up to 64: A (B C), (30,5),
 * with B C, (35,5), beside it; then, beside the first, (D E) F, (5,25), with D E, (5,20).
 */
static void
the_workspace_is_that_of_the_cheapest_order(void **state)
{
    struct fixture fixture;
    (void)state;
    create(&fixture, &chains[0], SHEAF_F64, 1);
    assert_int_equal(fixture.workspace_bytes, 1216 + 1024 + 832);
    fixture_destroy(&fixture);
    create(&fixture, &chains[1], SHEAF_F64, 1);
    assert_int_equal(fixture.workspace_bytes, 0);
    fixture_destroy(&fixture);
    create(&fixture, &chains[3], SHEAF_C128, 1);
    assert_int_equal(fixture.workspace_bytes, 64);
    fixture_destroy(&fixture);
}

static void
two_operands_are_a_matmul(void **state)
{
    const struct sheaf_shape shapes[] = {fixture_matrix(65, 7), fixture_matrix(7, 130)};
    (void)state;
    for (int t = 0; t < FIXTURE_TYPE_COUNT; t++) {
        struct fixture chain, product;
        create(&chain, &chains[1], fixture_types[t], 2);
        fixture_create(&product, kernel_find("matmul"), fixture_types[t], shapes, 2, 2, 0);
        fixture_run(&chain, 0, 2);
        fixture_run(&product, 0, 2);
        assert_memory_equal(chain.outputs[0], product.outputs[0], 2 * product.output_bytes[0]);
        fixture_destroy(&product);
        fixture_destroy(&chain);
    }
}

static void
splits_and_shared_operands_give_the_same_bits(void **state)
{
    (void)state;
    subject_check_splits(&subject, 0, 0);
    subject_check_shared(&subject, 0, 0);
}

static void
inner_extents_that_differ_are_refused(void **state)
{
    struct sheaf_shape shapes[SHEAF_OPERANDS_MAX + 1];
    (void)state;
    for (int i = 0; i <= SHEAF_OPERANDS_MAX; i++)
        shapes[i] = fixture_matrix(3, 3);
    fixture_check_refused(kernel_find("multi_dot"), SHEAF_F64, shapes, 17, NULL, SHEAF_USAGE,
                          "multi_dot takes 2 to 16 operands, (a,b),(c,d),...->(a,z); 17 given");
    fixture_check_refused(kernel_find("multi_dot"), SHEAF_F64, shapes, 1, NULL, SHEAF_USAGE,
                          "multi_dot takes 2 to 16 operands, (a,b),(c,d),...->(a,z); 1 given");
    shapes[2] = fixture_matrix(4, 3);
    fixture_check_refused(kernel_find("multi_dot"), SHEAF_F64, shapes, 4, NULL, SHEAF_BAD_DATA,
                          "multi_dot: operand 2 has 3 columns a task, but operand 3 has 4 rows; each operand needs as "
                          "many rows as the one before it has columns");
}

static void
a_problem_that_was_never_matched_is_refused(void **state)
{
    const struct chain chain = {3, {2, 3, 4, 5}};
    struct fixture fixture;
    struct sheaf_batch batch = {.count = 1};
    (void)state;
    create(&fixture, &chain, SHEAF_F64, 1);
    struct sheaf_problem problem = fixture.problem;
    problem.inputs[0].type = SHEAF_I32;
    assert_int_equal(fixture.kernel->run(&problem, &batch), SHEAF_INTERNAL);
    problem = fixture.problem;
    problem.inputs[0].shape.extent[0] = (int64_t)INT_MAX + 1;
    assert_int_equal(fixture.kernel->workspace_bytes(&problem), -1);
    assert_int_equal(fixture.kernel->run(&problem, &batch), SHEAF_INTERNAL);
    problem = fixture.problem;
    problem.input_count = 1;
    assert_int_equal(fixture.kernel->workspace_bytes(&problem), -1);
    fixture_destroy(&fixture);
}

/* An intermediate of 2^62 elements; the operands alone could be counted. */
static void
an_intermediate_too_large_to_count_is_refused(void **state)
{
    struct sheaf_problem problem = {.input_count = 3};
    (void)state;
    for (int i = 0; i < 3; i++)
        problem.inputs[i] = (struct sheaf_array){SHEAF_C128, fixture_matrix(INT_MAX, INT_MAX)};
    assert_int_equal(kernel_find("multi_dot")->workspace_bytes(&problem), -1);
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(results_are_within_the_bound),
        cmocka_unit_test(the_check_sees_one_wrong_element),
        cmocka_unit_test(the_cost_is_that_of_the_cheapest_order),
        cmocka_unit_test(the_workspace_is_that_of_the_cheapest_order),
        cmocka_unit_test(two_operands_are_a_matmul),
        cmocka_unit_test(splits_and_shared_operands_give_the_same_bits),
        cmocka_unit_test(inner_extents_that_differ_are_refused),
        cmocka_unit_test(a_problem_that_was_never_matched_is_refused),
        cmocka_unit_test(an_intermediate_too_large_to_count_is_refused),
    };
    blas_set_threads(1);
    return cmocka_run_group_tests(tests, NULL, NULL);
}
