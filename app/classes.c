#include "classes.h"

#include <stdlib.h>

struct sorting {
    int input_count;
    classes_shape *shape;
    const void *argument;
};

static bool
can_be_read(const struct sorting *sorting, int64_t task)
{
    for (int i = 0; i < sorting->input_count; i++)
        if (!sorting->shape(sorting->argument, i, task))
            return false;
    return true;
}

/** Order of two tasks by the shapes of their inputs; an input that cannot be read agrees with any. */
static int
compare_shapes(const struct sorting *sorting, int64_t a, int64_t b)
{
    for (int i = 0; i < sorting->input_count; i++) {
        const struct sheaf_shape *first = sorting->shape(sorting->argument, i, a);
        const struct sheaf_shape *second = sorting->shape(sorting->argument, i, b);
        if (!first || !second)
            continue;
        if (first->ndim != second->ndim)
            return first->ndim < second->ndim ? -1 : 1;
        for (int axis = 0; axis < first->ndim; axis++)
            if (first->extent[axis] != second->extent[axis])
                return first->extent[axis] < second->extent[axis] ? -1 : 1;
    }
    return 0;
}

static int
compare_tasks(const void *a, const void *b, void *data)
{
    int64_t first = *(const int64_t *)a, second = *(const int64_t *)b;
    int order = compare_shapes(data, first, second);
    return order ? order : (first > second) - (first < second);
}

/** Number the classes of tasks that are sorted by shapes. */
static void
number_classes(const struct sorting *sorting, const int64_t *sorted, int64_t count, int *class_of,
               struct classes *classes)
{
    for (int64_t i = 0; i < count; i++) {
        if (i == 0 || compare_shapes(sorting, sorted[i - 1], sorted[i]) != 0)
            classes->example[classes->count++] = sorted[i];
        class_of[sorted[i]] = classes->count - 1;
    }
}

static int
find_class(const struct sorting *sorting, const struct classes *classes, int64_t task)
{
    for (int i = 0; i < classes->count; i++)
        if (compare_shapes(sorting, classes->example[i], task) == 0)
            return i;
    return 0;
}

/** Counting sort: tasks by class, rising within each. */
static void
list_tasks(const int *class_of, int64_t tasks, struct classes *classes)
{
    memset(classes->first, 0, ((size_t)classes->count + 1) * sizeof *classes->first);
    for (int64_t task = 0; task < tasks; task++)
        classes->first[class_of[task]]++;
    for (int i = 1; i <= classes->count; i++)
        classes->first[i] += classes->first[i - 1]; // now each is where its class ends
    for (int64_t task = tasks - 1; task >= 0; task--)
        classes->numbers[--classes->first[class_of[task]]] = task;
}

enum sheaf_status
classes_sort(int input_count, int64_t tasks, classes_shape *shape, const void *argument, struct classes *classes,
             struct sheaf_error *error)
{
    struct sorting sorting = {input_count, shape, argument};
    enum sheaf_status status = SHEAF_OK;
    int64_t readable = 0;
    *classes = (struct classes){.numbers = malloc((size_t)tasks * sizeof *classes->numbers),
                                .first = malloc(((size_t)tasks + 1) * sizeof *classes->first),
                                .example = malloc((size_t)tasks * sizeof *classes->example)};
    int *class_of = malloc((size_t)tasks * sizeof *class_of);
    if (!classes->numbers || !classes->first || !classes->example || !class_of) {
        status = sheaf_fail(error, SHEAF_NO_RESOURCES, "no memory to sort %lld tasks by shapes", (long long)tasks);
        goto cleanup;
    }
    for (int64_t task = 0; task < tasks; task++) {
        class_of[task] = -1;
        if (can_be_read(&sorting, task))
            classes->numbers[readable++] = task;
    }
    if (readable == 0) {
        status =
            sheaf_fail(error, SHEAF_BAD_DATA, "none of %lld tasks has inputs that can all be read", (long long)tasks);
        goto cleanup;
    }
    qsort_r(classes->numbers, (size_t)readable, sizeof *classes->numbers, compare_tasks, &sorting);
    number_classes(&sorting, classes->numbers, readable, class_of, classes);
    for (int64_t task = 0; task < tasks; task++)
        if (class_of[task] < 0)
            class_of[task] = find_class(&sorting, classes, task);
    list_tasks(class_of, tasks, classes);
cleanup:
    free(class_of);
    return status;
}

void
classes_free(struct classes *classes)
{
    free(classes->numbers);
    free(classes->first);
    free(classes->example);
    *classes = (struct classes){0};
}
