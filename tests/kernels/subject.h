/**
 * @file subject.h
 * A kernel under test, and the checks that are the same for all of them; failures fail the cmocka test.
 */
#ifndef SHEAF_TESTS_KERNELS_SUBJECT_H
#define SHEAF_TESTS_KERNELS_SUBJECT_H

#include "fixture.h"

struct subject {
    const char *kernel;
    const char *parameter; /**< "name=value"; NULL: all initial */
    /** Create a fixture, random inputs made what count_wrong needs; for subject_create_matrix (m,n) is the shape. */
    void (*create)(struct fixture *fixture, const struct subject *subject, enum sheaf_type type, int64_t m, int64_t n,
                   int64_t count);
    /** @return how many of a task's elements are wrong, NaN being wrong; where all are judged as one, 1. NULL: not judged */
    int64_t (*count_wrong)(const struct fixture *fixture, int64_t task);
};

/** Sizes (m, n) of factorisations: square, tall and wide, single rows and columns, on all sides of LAPACK's blocks. */
extern const int64_t subject_sizes[13][2];
enum { SUBJECT_SIZE_COUNT = 13 };

/** Create a fixture whose one input is a matrix (m,n) of random numbers. */
void subject_create_matrix(struct fixture *fixture, const struct subject *subject, enum sheaf_type type, int64_t m,
                           int64_t n, int64_t count);

/** Check that all tasks of a fixture that has run are done, with info 0, and that nothing is wrong. */
void subject_check_tasks(const struct subject *subject, const struct fixture *fixture);

/** Check the same of two tasks in every type and size. */
void subject_check_results(const struct subject *subject, const int64_t (*sizes)[2], size_t size_count);

/**
 * Check that a task's first output has exactly these numbers.
 * @param[in] type    SHEAF_F64, or SHEAF_C128: then each element is two numbers
 * @param[in] inputs  for each input its elements, all of them
 */
void subject_check_known(const struct subject *subject, enum sheaf_type type, int64_t m, int64_t n,
                         const double *const *inputs, const double *expected, size_t expected_bytes);

/**
 * Check, in every type, that the subject finds nothing wrong, and one wrong once an element is replaced by factor times
 * itself plus term.
 */
void subject_check_wrong_element(const struct subject *subject, int64_t m, int64_t n, int output, int64_t index,
                                 long double factor, long double term);

/**
 * Check, in every type, that NaN as the last element of the first input, a matrix, and infinity as element `index`, in either
 * part of a complex number, fail their tasks as not finite, the first and the last among them, and those between are right;
 * in any split.
 */
void subject_check_not_finite(const struct subject *subject, int64_t m, int64_t n, int64_t index);

/** Check that inputs of zeros, and of numbers near both ends of each type's range, give right results. */
void subject_check_extremes(const struct subject *subject, int64_t m, int64_t n);

/** How the neighbours check's tasks 7 i + j are to end, j the index. */
enum { SUBJECT_PERIOD = 7 };
typedef const uint8_t subject_endings[SUBJECT_PERIOD];

/**
 * Check that small tasks, (m,m) for m up to 34, which are computed several at a time, get their own results at every count,
 * whatever stands in their neighbours: what is done is right, info is m/2 + 1 where singular or not positive definite, else 0.
 * @param[in] spoil  changes the inputs of a task, if any, for its ending
 */
void subject_check_neighbours(const struct subject *subject, void (*spoil)(struct fixture *fixture, int64_t task),
                              subject_endings endings);

/** For the check above: in tasks 7 i + 2 row m / 2 is zeros, so that its pivot is; in tasks 7 i + 5 there is NaN. */
void subject_spoil_rows(struct fixture *fixture, int64_t task);

/** Check, in every type, that batches of any split give the same bits. */
void subject_check_splits(const struct subject *subject, int64_t m, int64_t n);

/** Check, in every type, that inputs shared by all tasks, each and all together, give the same bits as copies. */
void subject_check_shared(const struct subject *subject, int64_t m, int64_t n);

/** Check, in every type, that outputs not asked for change nothing in the others. */
void subject_check_omitted(const struct subject *subject, int64_t m, int64_t n);

/** Check the nominal count of operations of a task, exactly. */
void subject_check_flops(const struct subject *subject, enum sheaf_type type, int64_t m, int64_t n, double flops);

/**
 * Check that run refuses a problem whose first input is this, the others being those of m = n = 3: signature_match lets none
 * of them pass, but a caller may ask without it.
 */
void subject_check_refused(const struct subject *subject, enum sheaf_type type, int64_t rows, int64_t columns);

/** Check whether such a problem's workspace can be told; if not, that run refuses it, too. */
void subject_check_fits(const struct subject *subject, enum sheaf_type type, int64_t rows, int64_t columns, bool fits);

#endif
