#include "app_test.h"
#include "statistics.h"

#include <math.h>

enum { MOST = 12 };

static void
medians_are_the_middle(void **state)
{
    const double odd[] = {5, -1, 3}, even[] = {4, 1, 3, 2};
    (void)state;
    assert_true(statistics_median(odd, 3) == 3);
    assert_true(statistics_median(even, 4) == 2.5);
    assert_true(statistics_median(odd, 1) == 5);
}

/* How probable it is that k-th smallest and k-th greatest of n values have the median between them, by counting which values are below. */
static double
count_confidence(int n, int k)
{
    int held = 0;
    for (int below = 0; below < 1 << n; below++) {
        int count = __builtin_popcount((unsigned)below);
        held += count >= k && n - count >= k;
    }
    return (double)held / (1 << n);
}

static void
the_interval_of_the_median_is_the_narrowest_that_is_sure_enough(void **state)
{
    const double values[] = {7, 3, 11, 1, 9, 5, 12, 2, 10, 4, 8, 6};
    (void)state;
    for (int n = 1; n <= MOST; n++) {
        double sorted[MOST];
        memcpy(sorted, values, sizeof sorted);
        for (int i = 0; i < n; i++)
            for (int j = i + 1; j < n; j++)
                if (sorted[j] < sorted[i]) {
                    double swap = sorted[i];
                    sorted[i] = sorted[j];
                    sorted[j] = swap;
                }
        int k = 1;
        while (k < (n + 1) / 2 && count_confidence(n, k + 1) >= 0.95)
            k++;
        struct statistics_interval interval = statistics_median_interval(values, n, 0.95);
        assert_true(interval.low == sorted[k - 1] && interval.high == sorted[n - k]);
        assert_true(fabs(interval.confidence - count_confidence(n, k)) < 1e-12);
    }
}

/* Wilcoxon's statistic of these differences, doubled: the sum of the ranks of the positive ones, less that of the negative ones. */
static int
rank_sum(const double *differences, int n)
{
    int sum = 0;
    for (int i = 0; i < n; i++) {
        int smaller = 0, equal = 0;
        for (int j = 0; j < n; j++) {
            smaller += differences[j] != 0 && fabs(differences[j]) < fabs(differences[i]);
            equal += differences[j] != 0 && fabs(differences[j]) == fabs(differences[i]);
        }
        sum += (differences[i] > 0 ? 1 : differences[i] < 0 ? -1 : 0) * (2 * smaller + equal + 1);
    }
    return sum;
}

/* The share of all signs that are at least as one-sided: the definition, by going through them. */
static double
count_extremes(const double *differences, int n)
{
    int extreme = 0, found = abs(rank_sum(differences, n));
    for (int signs = 0; signs < 1 << n; signs++) {
        double other[MOST];
        for (int i = 0; i < n; i++)
            other[i] = signs >> i & 1 ? fabs(differences[i]) : -fabs(differences[i]);
        extreme += abs(rank_sum(other, n)) >= found;
    }
    return (double)extreme / (1 << n);
}

static void
signed_ranks_are_what_going_through_all_signs_finds(void **state)
{
    uint64_t random = 1;
    (void)state;
    for (int trial = 0; trial < 300; trial++) {
        double differences[MOST];
        int n = (int)test_random_within(&random, 1, MOST - 3);
        for (int i = 0; i < n; i++) // few different sizes: many ties, and zeros
            differences[i] = (double)test_random_within(&random, -3, 6) / 4;
        assert_true(fabs(statistics_signed_rank(differences, n) - count_extremes(differences, n)) < 1e-12);
    }
}

static void
signed_ranks_agree_with_published_values(void **state)
{
    const double one_sided[] = {1, 2, 3, 4, 5, 6, 7}, almost[] = {1, -2, 3, 4, 5, 6, 7},
                 mixed[] = {-1.5, 2.5, 3, -4, 5, 6, -7, 8, 9, 10}, none[] = {0, 0, 0};
    (void)state;
    /* scipy.stats.wilcoxon(..., method="exact") */
    assert_true(fabs(statistics_signed_rank(one_sided, 7) - 0.015625) < 1e-12);
    assert_true(fabs(statistics_signed_rank(almost, 7) - 0.046875) < 1e-12);
    assert_true(fabs(statistics_signed_rank(mixed, 10) - 0.130859375) < 1e-12);
    /* five pairs can never be told apart at 1 in 20, six can */
    assert_true(statistics_signed_rank(one_sided, 5) > 0.05);
    assert_true(statistics_signed_rank(one_sided, 6) < 0.05);
    assert_true(statistics_signed_rank(none, 3) == 1);
    assert_true(statistics_signed_rank(none, 0) == 1);
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(medians_are_the_middle),
        cmocka_unit_test(the_interval_of_the_median_is_the_narrowest_that_is_sure_enough),
        cmocka_unit_test(signed_ranks_are_what_going_through_all_signs_finds),
        cmocka_unit_test(signed_ranks_agree_with_published_values),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
