/**
 * @file classes.h
 * Tasks whose inputs have unequal shapes, sorted into classes of equal ones. Pure.
 */
#ifndef SHEAF_CLASSES_H
#define SHEAF_CLASSES_H

#include "sheaf/array.h"
#include "sheaf/status.h"

/** Classes of tasks. Which class is the first follows from the shapes alone. */
struct classes {
    int count;
    int64_t *numbers; /**< (tasks) the tasks, class after class, rising within each */
    int64_t *first;   /**< (count + 1) where each class begins in `numbers` */
    int64_t *example; /**< (count) a task of each class all whose inputs can be read */
};

/** The shape of a task's input; NULL where that cannot be read. */
typedef const struct sheaf_shape *classes_shape(const void *argument, int input, int64_t task);

/**
 * Sort tasks 0 to tasks - 1. A task with an input that cannot be read will fail whatever its class is: it goes to the
 * first class that agrees with its other inputs, or to the first one.
 * @param[out] classes  free with classes_free, after a failure too
 * @return SHEAF_OK; SHEAF_BAD_DATA: no task can be read; SHEAF_NO_RESOURCES
 */
enum sheaf_status classes_sort(int input_count, int64_t tasks, classes_shape *shape, const void *argument,
                               struct classes *classes, struct sheaf_error *error);

void classes_free(struct classes *classes);

#endif
