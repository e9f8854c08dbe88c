#include "app_test.h"
#include "classes.h"

static struct sheaf_error error;

enum { INPUTS = 2, TASKS_MAX = 200 };

/* Shapes of tasks; ndim -1: cannot be read. */
struct example {
    int inputs;
    struct sheaf_shape shapes[INPUTS][TASKS_MAX];
};

static const struct sheaf_shape *
shape_of(const void *argument, int input, int64_t task)
{
    const struct example *example = argument;
    const struct sheaf_shape *shape = &example->shapes[input][task];
    return shape->ndim < 0 ? NULL : shape;
}

static struct sheaf_shape
matrix(int64_t rows, int64_t columns)
{
    return (struct sheaf_shape){.ndim = 2, .extent = {rows, columns}};
}

static const struct sheaf_shape unreadable = {.ndim = -1};

static void
tasks_of_equal_shapes_are_one_class(void **state)
{
    struct example example = {1,
                              {{matrix(3, 3), matrix(2, 9), matrix(3, 3), matrix(2, 2), matrix(2, 9), matrix(3, 3)}}};
    static const int64_t numbers[] = {3, 1, 4, 0, 2, 5}, first[] = {0, 1, 3, 6}, examples[] = {3, 1, 0};
    struct classes classes;
    (void)state;
    test_ok(classes_sort(1, 6, shape_of, &example, &classes, &error), &error);
    assert_int_equal(classes.count, 3);
    assert_memory_equal(classes.numbers, numbers, sizeof numbers);
    assert_memory_equal(classes.first, first, sizeof first);
    assert_memory_equal(classes.example, examples, sizeof examples);
    classes_free(&classes);
    assert_null(classes.numbers);
}

/* (2, 2) with (2, 1), (2, 2) with (2, 3): two classes though the first inputs are alike. */
static void
all_inputs_count(void **state)
{
    struct example example = {2,
                              {{matrix(2, 2), matrix(2, 2), matrix(2, 2)}, {matrix(2, 3), matrix(2, 1), matrix(2, 3)}}};
    static const int64_t numbers[] = {1, 0, 2};
    struct classes classes;
    (void)state;
    test_ok(classes_sort(2, 3, shape_of, &example, &classes, &error), &error);
    assert_int_equal(classes.count, 2);
    assert_memory_equal(classes.numbers, numbers, sizeof numbers);
    classes_free(&classes);
}

/* Task 0 agrees with the second class by its other input, task 3 with none: it goes to the first. */
static void
what_cannot_be_read_joins_a_class_that_agrees(void **state)
{
    struct example example = {2,
                              {{unreadable, matrix(2, 2), matrix(5, 5), unreadable},
                               {matrix(5, 1), matrix(2, 1), matrix(5, 1), matrix(9, 1)}}};
    static const int64_t numbers[] = {1, 3, 0, 2}, first[] = {0, 2, 4}, examples[] = {1, 2};
    struct classes classes;
    (void)state;
    test_ok(classes_sort(2, 4, shape_of, &example, &classes, &error), &error);
    assert_int_equal(classes.count, 2);
    assert_memory_equal(classes.numbers, numbers, sizeof numbers);
    assert_memory_equal(classes.first, first, sizeof first);
    assert_memory_equal(classes.example, examples, sizeof examples);
    classes_free(&classes);
}

static void
no_readable_task_is_an_error(void **state)
{
    struct example example = {2, {{unreadable, matrix(2, 2)}, {matrix(2, 1), unreadable}}};
    struct classes classes;
    (void)state;
    test_error(classes_sort(2, 2, shape_of, &example, &classes, &error), SHEAF_BAD_DATA, &error,
               "none of 2 tasks has inputs that can all be read");
    classes_free(&classes);
}

/* Every task in one class, once, with its own shapes; classes differ. */
static void
random_tasks_are_sorted(void **state)
{
    uint64_t random = 7;
    (void)state;
    for (int trial = 0; trial < 200; trial++) {
        struct example example = {INPUTS, {{{0}}}};
        int64_t tasks = test_random_within(&random, 1, TASKS_MAX);
        struct classes classes;
        bool seen[TASKS_MAX] = {false};
        for (int64_t t = 0; t < tasks; t++)
            for (int i = 0; i < INPUTS; i++)
                example.shapes[i][t] = matrix(test_random_within(&random, 1, 4), test_random_within(&random, 1, 3));
        test_ok(classes_sort(INPUTS, tasks, shape_of, &example, &classes, &error), &error);
        assert_int_equal(classes.first[classes.count], tasks);
        for (int c = 0; c < classes.count; c++) {
            assert_true(classes.first[c] < classes.first[c + 1]);
            for (int64_t at = classes.first[c]; at < classes.first[c + 1]; at++) {
                int64_t task = classes.numbers[at];
                assert_false(seen[task]);
                seen[task] = true;
                assert_true(at == classes.first[c] || task > classes.numbers[at - 1]);
                for (int i = 0; i < INPUTS; i++)
                    assert_true(sheaf_shape_equal(&example.shapes[i][task], &example.shapes[i][classes.example[c]]));
            }
            for (int other = 0; other < c; other++) {
                bool same = true;
                for (int i = 0; i < INPUTS; i++)
                    same = same && sheaf_shape_equal(&example.shapes[i][classes.example[c]],
                                                     &example.shapes[i][classes.example[other]]);
                assert_false(same);
            }
        }
        classes_free(&classes);
    }
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(tasks_of_equal_shapes_are_one_class),
        cmocka_unit_test(all_inputs_count),
        cmocka_unit_test(what_cannot_be_read_joins_a_class_that_agrees),
        cmocka_unit_test(no_readable_task_is_an_error),
        cmocka_unit_test(random_tasks_are_sorted),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
