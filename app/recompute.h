/**
 * @file recompute.h
 * `sheaf verify OUT.h5 --recompute 1%`: a sample of what is committed is computed again and compared.
 */
#ifndef SHEAF_RECOMPUTE_H
#define SHEAF_RECOMPUTE_H

#include "comm.h"
#include "options.h"
#include "sheaf/array.h"

/**
 * What verify does first, then the sample: kernel, parameters and operands are the file's own, every task is computed on one
 * core, and what comes out goes to a scratch file. Collective.
 * @return alike on all ranks: SHEAF_OK; SHEAF_TASKS_FAILED: something differs; what running would return
 */
enum sheaf_status recompute_command(const struct options *options, struct comm *comm, struct sheaf_error *error);

/** The share that a text like "1%" or "0.5%" says, above 0 to 100 %. @return false where it says none */
bool recompute_parse_share(const char *text, double *share);

/** What two results of a task come to. */
struct recompute_difference {
    int64_t elements;      /**< that have other bits */
    double greatest;       /**< difference of two numbers, relative to the greatest element of the first result */
    bool beyond_tolerance; /**< also where integers differ, or one is no number */
};

/**
 * Compare two results of one task that may have been computed in another order (on other cores, by another BLAS kernel). Each
 * is backward stable, so they differ by at most 2 p(n) kappa u relative to the result (N. J. Higham, "Accuracy and Stability of
 * Numerical Algorithms", 2nd ed., section 1.6). With p(n) kappa up to u^(-1/2) / 2, beyond which half of the digits have no meaning,
 * that is u^(1/2): the tolerance. Pure.
 * @param[in] count  elements
 */
void recompute_compare(enum sheaf_type type, int64_t count, const void *first, const void *second,
                       struct recompute_difference *difference);

#endif
