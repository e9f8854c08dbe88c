#include "app_test.h"
#include "policy.h"

#include <math.h>

static void
first_spans_are_a_chunk_for_each_worker_in_order(void **state)
{
    uint64_t random = 1;
    (void)state;
    for (int trial = 0; trial < 2000; trial++) {
        int nodes = (int)test_random_within(&random, 1, 50);
        int64_t chunks = test_random_within(&random, 0, 500), before = 0, expected = 0;
        for (int node = 0; node < nodes; node++) {
            int64_t workers = test_random_within(&random, 1, 20), next, end;
            policy_first_span(chunks, before, workers, &next, &end);
            assert_true(next == expected && next <= end && end <= chunks);
            assert_true(end - next == workers || end == chunks);
            assert_true(end - next <= workers);
            expected = end;
            before += workers;
        }
        assert_true(expected == (before < chunks ? before : chunks));
    }
}

static void
a_span_is_the_share_of_half_of_what_is_left(void **state)
{
    uint64_t random = 2;
    (void)state;
    assert_int_equal(policy_span(0, 8, 4), 0);
    assert_int_equal(policy_span(-1, 8, 4), 0);
    assert_int_equal(policy_span(1, 8, 4), 1);
    assert_int_equal(policy_span(1000, 8, 4), 250);
    assert_int_equal(policy_span(1000, 100000, 1), 1);
    assert_int_equal(policy_span(1000, 4, 4), 500);
    assert_int_equal(policy_span(INT64_MAX, 1, 1), POLICY_SPAN_MOST);
    for (int trial = 0; trial < 100000; trial++) {
        int64_t left = test_random_within(&random, 1, INT64_C(1) << test_random_within(&random, 1, 33));
        int64_t workers = test_random_within(&random, 1, INT64_C(1) << test_random_within(&random, 1, 20));
        int64_t mine = test_random_within(&random, 1, workers);
        int64_t span = policy_span(left, workers, mine);
        assert_true(span >= 1 && span <= left && span <= POLICY_SPAN_MOST);
        double share = 0.5 * (double)left * (double)mine / (double)workers;
        if (share <= (double)POLICY_SPAN_MOST)
            assert_true((double)span >= share * (1 - 1e-12) && (double)span < share + 1);
        assert_true(policy_span(left + 1, workers, mine) >= span);
        assert_true(mine == workers || policy_span(left, workers, mine + 1) >= span);
    }
}

static void
low_water_is_what_is_taken_while_a_request_is_under_way(void **state)
{
    uint64_t random = 3;
    (void)state;
    assert_int_equal(policy_low_water(64, POLICY_REQUEST_SECONDS), 64);
    assert_int_equal(policy_low_water(64, POLICY_REQUEST_SECONDS / 4), 256);
    assert_int_equal(policy_low_water(64, 100.0), 0);
    assert_int_equal(policy_low_water(1, 2 * POLICY_REQUEST_SECONDS), 0);
    /* a chunk of no known length is a short one */
    assert_int_equal(policy_low_water(10, 0.0), policy_low_water(10, 1e-9));
    assert_true(policy_low_water(10, 0.0) > 0);
    for (int trial = 0; trial < 10000; trial++) {
        int64_t workers = test_random_within(&random, 1, 1024);
        double seconds = pow(10, (double)test_random_within(&random, -90, 40) / 10);
        int64_t low = policy_low_water(workers, seconds);
        assert_true(low >= 0);
        assert_true((double)low * seconds <= POLICY_REQUEST_SECONDS * (double)workers * (1 + 1e-12));
        assert_true(policy_low_water(workers, 2 * seconds) <= low);
        assert_true(policy_low_water(workers + 1, seconds) >= low);
    }
}

static void
a_chunk_is_claimed_ahead_while_there_is_plenty(void **state)
{
    (void)state;
    for (int ready = 0; ready < 8; ready++)
        for (int idle = 0; idle < 8; idle++)
            for (int ahead = 0; ahead < 8; ahead++)
                for (int64_t left = 0; left < 12; left++) {
                    bool claims = policy_claim_ahead(ready, idle, ahead, left, 4);
                    if (idle > ready)
                        assert_true(claims); /* someone waits for it */
                    else if (left <= 4)
                        assert_false(claims); /* others could start it sooner */
                    else
                        assert_int_equal(claims, ready - idle < ahead);
                }
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(first_spans_are_a_chunk_for_each_worker_in_order),
        cmocka_unit_test(a_span_is_the_share_of_half_of_what_is_left),
        cmocka_unit_test(low_water_is_what_is_taken_while_a_request_is_under_way),
        cmocka_unit_test(a_chunk_is_claimed_ahead_while_there_is_plenty),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
