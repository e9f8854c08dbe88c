/**
 * @file fixture.h
 * A kernel with operands of its own, run in any split of its tasks; failures fail the cmocka test.
 */
#ifndef SHEAF_TESTS_KERNELS_FIXTURE_H
#define SHEAF_TESTS_KERNELS_FIXTURE_H

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>

#include "sheaf/kernel.h"

#include <complex.h>

/** The types that BLAS knows. */
extern const enum sheaf_type fixture_types[4];
enum { FIXTURE_TYPE_COUNT = 4 };

/** The types of their real parts. */
extern const enum sheaf_type fixture_real_types[4];

struct fixture {
    const struct sheaf_kernel *kernel;
    struct sheaf_problem problem;
    int64_t count;    /**< tasks */
    uint32_t shared;  /**< bit i: all tasks share input i */
    uint32_t omitted; /**< bit i: output i is not asked for; 0 after fixture_create */
    int32_t width;    /**< threads on one task, for SHEAF_WIDTH_PARALLEL; 1 after fixture_create */
    unsigned char *inputs[SHEAF_OPERANDS_MAX];
    unsigned char *outputs[SHEAF_OUTPUTS_MAX];
    size_t input_bytes[SHEAF_OPERANDS_MAX], output_bytes[SHEAF_OUTPUTS_MAX]; /**< a task */
    uint8_t *status;                                                         /**< (count) */
    int32_t *info;                                                           /**< (count) */
    unsigned char *workspace;
    size_t workspace_bytes;
};

/** The shape (rows, columns). */
struct sheaf_shape fixture_matrix(int64_t rows, int64_t columns);

/** The shape (extent). */
struct sheaf_shape fixture_vector(int64_t extent);

/**
 * Match a kernel, its parameters at their initial values, against inputs of one type, allocate all
 * arrays, and fill the inputs with numbers uniform in [-1, 1] (integers: random bytes), always the
 * same ones.
 * @param[in] shapes  as many as the kernel's signature has inputs
 */
void fixture_create(struct fixture *fixture, const struct sheaf_kernel *kernel, enum sheaf_type type,
                    const struct sheaf_shape *shapes, int shape_count, int64_t count, uint32_t shared);

/** The same with one parameter, "name=value", which may change outputs and workspace; NULL: all initial. */
void fixture_create_with(struct fixture *fixture, const struct sheaf_kernel *kernel, const char *parameter,
                         enum sheaf_type type, const struct sheaf_shape *shapes, int shape_count, int64_t count,
                         uint32_t shared);

void fixture_destroy(struct fixture *fixture);

/**
 * Check that a kernel refuses inputs, called "a", "b", ..., with exactly this message.
 * @param[in] parameter  "name=value"; NULL: all initial
 */
void fixture_check_refused(const struct sheaf_kernel *kernel, enum sheaf_type type, const struct sheaf_shape *shapes,
                           int shape_count, const char *parameter, enum sheaf_status status, const char *message);

/**
 * Run tasks [first, first + count) as one batch, over outputs and workspace full of NaN; then check
 * that nothing was written past their ends.
 */
void fixture_run(struct fixture *fixture, int64_t first, int64_t count);

/** Check that outputs, status and info have the same bits however the tasks are split into batches. */
void fixture_check_splits(struct fixture *fixture);

/** Check that they have the same bits for batches of every count, from the first task on and to the last one. */
void fixture_check_counts(struct fixture *fixture);

/** Check that they have the same bits at widths 1 to 4, for a kernel of kind SHEAF_WIDTH_PARALLEL. */
void fixture_check_widths(struct fixture *fixture);

/** Check that sharing the inputs in `shared` gives the same bits as giving every task a copy. */
void fixture_check_shared(const struct sheaf_kernel *kernel, enum sheaf_type type, const struct sheaf_shape *shapes,
                          int shape_count, uint32_t shared);

/** Check that whatever subset of its outputs is asked for, those have the same bits as in a run for all. */
void fixture_check_omitted(struct fixture *fixture);

/**
 * Run without the outputs in `omitted`, which must stay as they were; those in `same` must have the bits they have in `all`, a
 * fixture that has run for all.
 */
void fixture_check_without(struct fixture *fixture, uint32_t omitted, const struct fixture *all, uint32_t same);

const void *fixture_input(const struct fixture *fixture, int input, int64_t task);

/** A task's own input, which a test may write to: none of the shared ones. */
void *fixture_task_input(const struct fixture *fixture, int input, int64_t task);

void *fixture_output(const struct fixture *fixture, int output, int64_t task);

/** Element `index` of an array of one of fixture_types. */
long double complex fixture_get(enum sheaf_type type, const void *array, int64_t index);
void fixture_set(enum sheaf_type type, void *array, int64_t index, long double complex value);

/** Make row `row` of a task's first input, a matrix, zeros. */
void fixture_clear_row(struct fixture *fixture, int64_t task, int64_t row);

/** Make the first task's first input, square, the Hilbert matrix, 1 / (row + column + 1). */
void fixture_set_hilbert(struct fixture *fixture);

/** Whether the type's real part is an f32. */
bool fixture_is_single(enum sheaf_type type);

/** u: half the distance from 1 to the next number of the type's real part. */
long double fixture_unit_roundoff(enum sheaf_type type);

/**
 * A bound on |computed - exact| of a sum of `terms` products x y, over the sum of |x| |y|, for any
 * order of summation, fused or not. Higham, Accuracy and Stability of Numerical Algorithms, 2nd ed.,
 * section 3.5: gamma_n = n u / (1 - n u). In complex arithmetic the real and the imaginary part are
 * each a sum of 2n real products, whose magnitudes sum to at most |x| |y| (Cauchy-Schwarz): both
 * together sqrt(2) gamma_2n. One part in a thousand is for the long double reference itself.
 */
long double fixture_sum_bound(enum sheaf_type type, int64_t terms);

#endif
