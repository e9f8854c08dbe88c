/**
 * @file statistics.h
 * What repeated measurements tell: few, not normal, some of them disturbed. So medians and ranks, and exact
 * distributions instead of limits for many values. Pure.
 */
#ifndef SHEAF_STATISTICS_H
#define SHEAF_STATISTICS_H

#include <stdbool.h>

enum { STATISTICS_MOST = 64 };

/** @param[in] count  1 to STATISTICS_MOST; values in any order @return the median: of an even number the mean of the middle two */
double statistics_median(const double *values, int count);

/** Where the median of what was measured from lies. */
struct statistics_interval {
    double low, high;
    double confidence; /**< that it lies there: at least what was asked for, less only where there are too few values */
};

/**
 * The narrowest interval, from one measured value to another of the same rank from the other end, that holds the median with
 * the given probability; the widest one where none does. Of the values nothing is assumed but that they are independent and
 * of one distribution.
 *
 * Source: H. David, H. Nagaraja, Order Statistics, 3rd ed., 7.1: the interval from the k-th smallest to the k-th greatest of n values
 * holds the median with probability 1 - 2 P(B < k), B binomial (n, 1/2).
 * @param[in] count       1 to STATISTICS_MOST
 * @param[in] confidence  0.95
 */
struct statistics_interval statistics_median_interval(const double *values, int count, double confidence);

/**
 * How probable differences at least as one-sided as these are where pairs do not differ: Wilcoxon's signed-rank test, two-sided,
 * exact. Differences of 0 say nothing and are left out, equal ones share their mean rank.
 *
 * Source: F. Wilcoxon, Individual comparisons by ranking methods, Biometrics Bulletin 1 (1945) 80-83; M. Hollander, D. Wolfe,
 * Nonparametric Statistical Methods, 2nd ed., 3.1. All 2^n signs of the ranks are equally probable; how many of them give a sum is
 * counted.
 * @param[in] differences  one a pair, in any unit
 * @param[in] count        0 to STATISTICS_MOST
 * @return 0 to 1; of n differences none is less than 2 / 2^n
 */
double statistics_signed_rank(const double *differences, int count);

#endif
