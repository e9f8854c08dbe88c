/**
 * @file map.h
 * Element-wise kernels: the same function of every element, or pair of elements, "(k)->(k)" or "(k),(k)->(k)".
 */
#ifndef SHEAF_MAP_H
#define SHEAF_MAP_H

#include "sheaf/kernel.h"
#include "vector.h"

/**
 * Compute `count` numbers.
 * @param[in]  b  the second operand; for one operand what the kernel gave map_run
 * @return false where an integer result does not fit
 */
typedef bool map_function(const void *a, const void *b, void *out, int64_t count);

/** Define a map_function for each level from NAME_body. */
#define MAP_DEFINE(name)                                                                                               \
    VECTOR_DEFINE(bool, name, (const void *a, const void *b, void *out, int64_t count), (a, b, out, count))

/** An operation on one type. The number it counts in may be half an element: a complex sum is two real ones. */
struct map {
    map_function *levels[VECTOR_LEVEL_COUNT]; /**< [0] NULL: not for this type */
    size_t bytes;                             /**< of a number */
};

/** The operations, by type: what their tests compare with one another. */
extern const struct map map_add[SHEAF_TYPE_COUNT], map_multiply[SHEAF_TYPE_COUNT];
extern const struct map map_exp[SHEAF_TYPE_COUNT], map_sin[SHEAF_TYPE_COUNT], map_isf[SHEAF_TYPE_COUNT];

/**
 * Run a batch. A task in which a result does not fit is SHEAF_TASK_OVERFLOW, and its output 0.
 * @param[in] constant  passed on as `b`, for every piece; NULL: the second input is `b`, where there is one
 */
enum sheaf_status map_run(const struct sheaf_problem *problem, const struct sheaf_batch *batch, const struct map *map,
                          const void *constant);

/**
 * What one task costs.
 * @param[in] flops  an element's, in a real type
 * @param[in] complex_flops  an element's, in a complex type
 */
void map_cost(const struct sheaf_problem *problem, double flops, double complex_flops, struct sheaf_cost *cost);

#endif
