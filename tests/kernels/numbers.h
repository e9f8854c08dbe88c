/**
 * @file numbers.h
 * Integers of any type, and what the tests of element-wise kernels and of sums share.
 */
#ifndef SHEAF_TESTS_KERNELS_NUMBERS_H
#define SHEAF_TESTS_KERNELS_NUMBERS_H

#include "fixture.h"
#include "map.h"

typedef __int128 numbers_integer;

/** Sizes on all sides of a lane, a block and a piece; the last takes several pieces. */
extern const int64_t numbers_sizes[10];
enum { NUMBERS_SIZE_COUNT = 10 };

/** @return element `index` of an array of an integer type */
numbers_integer numbers_get(enum sheaf_type type, const void *array, int64_t index);

/** Write an element; the number is taken modulo 2^n. */
void numbers_set(enum sheaf_type type, void *array, int64_t index, numbers_integer value);

/** @return the least and the greatest number of an integer type */
numbers_integer numbers_least(enum sheaf_type type);
numbers_integer numbers_greatest(enum sheaf_type type);

/** Create a fixture whose inputs, one or two as the kernel wants, are (k). */
void numbers_create(struct fixture *fixture, const char *kernel, enum sheaf_type type, int64_t k, int64_t count);

/**
 * Check splits into batches, widths and shared inputs, all with the same bits, of every type that a kernel accepts,
 * with a task of one piece and one of several.
 */
void numbers_check_batches(const char *kernel);

/** Check that an operation gives the same bits, and says the same, on every instruction set that this CPU has. */
void numbers_check_levels(const char *kernel, enum sheaf_type type, const struct map *map);

#endif
