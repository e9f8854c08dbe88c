#include "statistics.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

static int
compare(const void *a, const void *b)
{
    double left = *(const double *)a, right = *(const double *)b;
    return (left > right) - (left < right);
}

static void
sort(const double *values, int count, double sorted[STATISTICS_MOST])
{
    memcpy(sorted, values, (size_t)count * sizeof *sorted);
    qsort(sorted, (size_t)count, sizeof *sorted, compare);
}

double
statistics_median(const double *values, int count)
{
    double sorted[STATISTICS_MOST];
    sort(values, count, sorted);
    return (sorted[(count - 1) / 2] + sorted[count / 2]) / 2;
}

/** P(B < k), B binomial (n, 1/2). */
static double
binomial_below(int k, int n)
{
    double sum = 0;
    for (int i = 0; i < k; i++)
        sum += exp(lgamma(n + 1) - lgamma(i + 1) - lgamma(n - i + 1) - n * M_LN2);
    return sum;
}

struct statistics_interval
statistics_median_interval(const double *values, int count, double confidence)
{
    double sorted[STATISTICS_MOST];
    int k = 1;
    sort(values, count, sorted);
    while (k < (count + 1) / 2 && 1 - 2 * binomial_below(k + 1, count) >= confidence)
        k++;
    return (struct statistics_interval){
        .low = sorted[k - 1], .high = sorted[count - k], .confidence = 1 - 2 * binomial_below(k, count)};
}

static int
compare_sizes(const void *a, const void *b)
{
    double left = fabs(*(const double *)a), right = fabs(*(const double *)b);
    return (left > right) - (left < right);
}

double
statistics_signed_rank(const double *differences, int count)
{
    double sorted[STATISTICS_MOST];
    int twice[STATISTICS_MOST]; // ranks, doubled: those of equal values end in a half
    int n = 0, positive = 0, total = 0;
    for (int i = 0; i < count; i++)
        if (differences[i] != 0)
            sorted[n++] = differences[i];
    qsort(sorted, (size_t)n, sizeof *sorted, compare_sizes);
    for (int first = 0, end; first < n; first = end) {
        for (end = first + 1; end < n && fabs(sorted[end]) == fabs(sorted[first]); end++)
            ;
        for (int i = first; i < end; i++)
            twice[i] = first + 1 + end;
    }
    for (int i = 0; i < n; i++) {
        positive += sorted[i] > 0 ? twice[i] : 0;
        total += twice[i];
    }
    int extreme = positive < total - positive ? positive : total - positive;

    double share[STATISTICS_MOST * (STATISTICS_MOST + 1) + 1] = {1}; // of all signs, those that give a sum
    for (int i = 0; i < n; i++)
        for (int sum = total; sum >= 0; sum--)
            share[sum] = (share[sum] + (sum >= twice[i] ? share[sum - twice[i]] : 0)) / 2;
    double tail = 0;
    for (int sum = 0; sum <= extreme; sum++)
        tail += share[sum];
    return 2 * tail < 1 ? 2 * tail : 1;
}
