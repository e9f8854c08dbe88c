#include "app_test.h"
#include "policy.h"

#include <math.h>

static struct sheaf_error error;

/* A task takes as many nominal seconds as its first parameter says, for it has no bytes. */
static void
fake_cost(const struct sheaf_problem *problem, struct sheaf_cost *cost)
{
    cost->flops = problem->parameters[0].real * PLAN_NOMINAL_FLOPS;
}

static const struct sheaf_kernel fake = {.name = "fake", .cost = fake_cost};

/* @param[in] tasks,seconds  of each class; of 2^-5 s or more, a task is a chunk by itself. Powers of two are exact. */
static struct plan *
make_plan(int class_count, const int64_t *tasks, const double *seconds, bool reversed)
{
    struct plan_request requests[6] = {{.tasks = 0}};
    struct plan *plan = NULL;
    for (int i = 0; i < class_count; i++) {
        requests[i].tasks = tasks[i];
        requests[i].problem.parameters[0].real = seconds[i];
    }
    test_ok(plan_build(&fake, class_count, requests, reversed, &plan, &error), &error);
    return plan;
}

static void
first_spans_are_a_chunk_for_each_worker_in_order(void **state)
{
    uint64_t random = 1;
    (void)state;
    for (int trial = 0; trial < 2000; trial++) {
        int nodes = (int)test_random_within(&random, 1, 50);
        int64_t chunks = test_random_within(&random, 0, 500), node_workers[50], all = 0, before = 0, expected = 0;
        for (int node = 0; node < nodes; node++)
            all += node_workers[node] = test_random_within(&random, 1, 20);
        for (int node = 0; node < nodes; node++) {
            int64_t workers = node_workers[node], next, end;
            policy_first_span(chunks, all, before, workers, &next, &end);
            assert_true(next == expected && next <= end && end <= chunks);
            if (chunks >= all)
                assert_int_equal(end - next, workers);
            else /* its share, to rounding */
                assert_true(labs((end - next) * all - chunks * workers) <= all);
            expected = end;
            before += workers;
        }
        assert_int_equal(expected, all < chunks ? all : chunks);
    }
}

/* A span's share of what is left is this of that, to rounding. */
static const double rounding = 1e-12;

static void
a_span_is_the_share_of_half_of_what_is_left(void **state)
{
    const int64_t tasks = 1000, many = INT64_C(1) << 33;
    const double second = 1;
    (void)state;
    struct plan *plan = make_plan(1, &tasks, &second, false);
    assert_int_equal(policy_span(plan, 1000, 8, 4), 0);
    assert_int_equal(policy_span(plan, 999, 8, 4), 1);
    assert_int_equal(policy_span(plan, 0, 8, 4), 250);
    assert_int_equal(policy_span(plan, 600, 8, 4), 100);
    assert_int_equal(policy_span(plan, 601, 8, 4), 100); /* 99.75 */
    assert_int_equal(policy_span(plan, 0, 100000, 1), 1);
    assert_int_equal(policy_span(plan, 0, 4, 4), 500);
    plan_destroy(plan);
    plan = make_plan(1, &many, &second, false);
    assert_int_equal(policy_span(plan, 0, 1, 1), POLICY_SPAN_MOST);
    plan_destroy(plan);
}

static void
a_span_of_unequal_chunks_is_cut_by_work(void **state)
{
    /* 256 s, half of them in two chunks */
    const int64_t tasks[] = {2, 128};
    const double seconds[] = {64, 1};
    (void)state;
    struct plan *plan = make_plan(2, tasks, seconds, false);
    assert_int_equal(policy_span(plan, 0, 2, 1), 1); /* 64 s are the share, by number it would be 33 chunks */
    assert_int_equal(policy_span(plan, 1, 2, 1), 1);
    assert_int_equal(policy_span(plan, 2, 2, 1), 32);
    assert_int_equal(policy_span(plan, 0, 8, 6), 2); /* 96 s */
    plan_destroy(plan);
    plan = make_plan(2, tasks, seconds, true);
    assert_int_equal(policy_span(plan, 0, 2, 1), 33);  /* not 64 */
    assert_int_equal(policy_span(plan, 127, 2, 1), 1); /* not 2, which are 32.25 s and more */
    assert_int_equal(policy_span(plan, 128, 2, 1), 1);
    assert_int_equal(policy_span(plan, 128, 1, 1), 1);
    plan_destroy(plan);
}

static void
chunks_without_work_are_cut_by_number(void **state)
{
    const int64_t tasks[] = {4, 160000}; /* 4 chunks, 10 chunks */
    const double seconds[] = {1, 0};
    (void)state;
    struct plan *plan = make_plan(2, tasks, seconds, false);
    assert_int_equal(plan->chunks, 14);
    assert_int_equal(policy_span(plan, 0, 2, 1), 1);
    assert_int_equal(policy_span(plan, 4, 2, 1), 3); /* 2.5 */
    plan_destroy(plan);
    plan = make_plan(2, tasks, seconds, true);
    assert_int_equal(policy_span(plan, 0, 2, 1), 4); /* 3.5 */
    plan_destroy(plan);
}

/* A plan of up to 6 classes, of which chunks take 2^-5 to 2^10 s: sums are exact. */
static struct plan *
random_plan(uint64_t *random)
{
    int64_t tasks[6];
    double seconds[6];
    int classes = (int)test_random_within(random, 1, 6);
    for (int i = 0; i < classes; i++) {
        tasks[i] = test_random_within(random, 1, INT64_C(1) << test_random_within(random, 1, 8));
        seconds[i] = ldexp(1, (int)test_random_within(random, -5, 10));
    }
    return make_plan(classes, tasks, seconds, test_random_within(random, 0, 1));
}

/* Take some chunks out of a plan, each with the same odds. @return free() is the caller's */
static struct plan_rest *
leave_some(struct plan *plan, uint64_t *random)
{
    struct plan_rest *rest;
    int64_t odds = test_random_within(random, 0, 8);
    uint8_t *needs = calloc((size_t)plan->chunks, 1);
    assert_non_null(needs);
    for (int64_t i = 0; i < plan->chunks; i++)
        needs[i] = test_random_within(random, 0, 8) < odds ? PLAN_DONE : PLAN_COMPUTE;
    test_ok(plan_rest_build(plan, needs, false, &rest, &error), &error);
    plan_restrict(plan, rest);
    free(needs);
    return rest;
}

/* Both shares, and the least that has one of them: one chunk less has neither. */
static void
check_span(const struct plan *plan, int64_t next, int64_t workers, int64_t node_workers)
{
    int64_t span = policy_span(plan, next, workers, node_workers), left = plan->places - next;
    double share = 0.5 * (double)node_workers / (double)workers;
    double before = plan_seconds_before(plan, next), all = plan_seconds(plan) - before;
    assert_true(span >= 1 && span <= left);
    assert_true((double)(span - 1) < share * (double)left * (1 + rounding));
    assert_true(plan_seconds_before(plan, next + span - 1) - before < share * all * (1 + rounding));
    assert_true((double)span >= share * (double)left * (1 - rounding) ||
                plan_seconds_before(plan, next + span) - before >= share * all * (1 - rounding));
    if (node_workers < workers)
        assert_true(policy_span(plan, next, workers, node_workers + 1) >= span);
    if (left > 1) /* it ends no sooner where it starts later */
        assert_true(policy_span(plan, next + 1, workers, node_workers) + 1 >= span);
}

static void
spans_of_any_plan_are_their_share_and_hold_every_chunk_once(void **state)
{
    uint64_t random = 2;
    (void)state;
    for (int trial = 0; trial < 1000; trial++) {
        int64_t nodes[8], workers = 0;
        int count = (int)test_random_within(&random, 2, 8), answers = 0;
        for (int i = 0; i < count; i++)
            workers += nodes[i] = test_random_within(&random, 1, INT64_C(1) << test_random_within(&random, 0, 7));
        struct plan *plan = random_plan(&random);
        struct plan_rest *rest = trial % 2 ? leave_some(plan, &random) : NULL;
        int64_t next = 0;
        while (next < plan->places) {
            int64_t node_workers = nodes[test_random_within(&random, 0, count - 1)];
            check_span(plan, next, workers, node_workers);
            next += policy_span(plan, next, workers, node_workers);
            answers++;
        }
        assert_true(next == plan->places && answers <= plan->places);
        assert_int_equal(policy_span(plan, next, workers, nodes[0]), 0);
        plan_destroy(plan);
        free(rest);
    }
}

static void
low_water_is_what_is_taken_while_a_request_is_under_way(void **state)
{
    const int64_t tasks[] = {8, 100}, none = 10000000; /* 611 chunks */
    const double seconds[] = {0.25, 0x1p-5}, nothing = 0;
    (void)state;
    struct plan *plan = make_plan(2, tasks, seconds, false);
    /* 64 workers take 0.64 s meanwhile: 20.48 of the short chunks */
    assert_int_equal(policy_low_water(plan, 108, 64), 20);
    assert_int_equal(policy_low_water(plan, 28, 64), 20);
    assert_int_equal(policy_low_water(plan, 9, 64), 3); /* and two of the others */
    assert_int_equal(policy_low_water(plan, 8, 64), 2);
    assert_int_equal(policy_low_water(plan, 8, 24), 0);
    assert_int_equal(policy_low_water(plan, 108, 1), 0);
    plan_destroy(plan);
    plan = make_plan(2, tasks, seconds, true);
    assert_int_equal(policy_low_water(plan, 108, 64), 2);
    assert_int_equal(policy_low_water(plan, 100, 64), 20);
    assert_int_equal(policy_low_water(plan, 3, 64), 3); /* all that there are */
    plan_destroy(plan);
    /* chunks of no known length are short ones */
    plan = make_plan(1, &none, &nothing, false);
    assert_int_equal(policy_low_water(plan, 600, 4), 4 * POLICY_LOW_WATER_MOST);
    assert_int_equal(policy_low_water(plan, 100, 4), 100);
    plan_destroy(plan);
}

static void
long_chunks_have_no_low_water(void **state)
{
    const int64_t tasks[] = {8, 8, 100};
    const double seconds[] = {POLICY_LONG_CHUNK_SECONDS, 0.29, 0x1p-5};
    (void)state;
    struct plan *plan = make_plan(3, tasks, seconds, false);
    for (int64_t end = 1; end <= 8; end++) {
        assert_int_equal(policy_low_water(plan, end, 1), -1);
        assert_int_equal(policy_low_water(plan, end, 100000), -1);
    }
    assert_int_equal(policy_low_water(plan, 9, 1), 0);
    assert_int_equal(policy_low_water(plan, 9, 100000), 9); /* the long ones too: the next span has none */
    plan_destroy(plan);
    plan = make_plan(3, tasks, seconds, true);
    assert_int_equal(policy_low_water(plan, 108, 64), 2);
    assert_int_equal(policy_low_water(plan, 109, 64), -1);
    assert_int_equal(policy_low_water(plan, 116, 64), -1);
    plan_destroy(plan);
}

static void
a_span_is_wanted_at_low_water_or_for_an_idle_worker(void **state)
{
    (void)state;
    for (int64_t low_water = -1; low_water < 5; low_water++)
        for (int64_t left = 0; left < 10; left++) {
            assert_int_equal(policy_wants_span(left, low_water, false), left <= low_water);
            /* one who found nothing before a span came, or while others claimed it, is no reason to take more */
            assert_int_equal(policy_wants_span(left, low_water, true), left == 0 || left <= low_water);
        }
}

static void
low_water_of_any_plan_is_the_most_that_is_taken(void **state)
{
    uint64_t random = 3;
    (void)state;
    for (int trial = 0; trial < 2000; trial++) {
        struct plan *plan = random_plan(&random);
        int64_t workers = test_random_within(&random, 1, INT64_C(1) << test_random_within(&random, 1, 14));
        int64_t end = test_random_within(&random, 1, plan->chunks), low = policy_low_water(plan, end, workers);
        double taken = POLICY_REQUEST_SECONDS * (double)workers, before = plan_seconds_before(plan, end);
        const struct plan_chunk last = plan_at(plan, end - 1);
        if (plan_chunk_seconds(plan, &last) >= POLICY_LONG_CHUNK_SECONDS) {
            assert_int_equal(low, -1);
            plan_destroy(plan);
            continue;
        }
        assert_true(low >= 0 && low <= end && low <= POLICY_LOW_WATER_MOST * workers);
        assert_true(before - plan_seconds_before(plan, end - low) <= taken * (1 + rounding));
        if (low < end && low < POLICY_LOW_WATER_MOST * workers)
            assert_true(before - plan_seconds_before(plan, end - low - 1) >= taken * (1 - rounding));
        assert_true(policy_low_water(plan, end, workers + 1) >= low);
        plan_destroy(plan);
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
        cmocka_unit_test(a_span_of_unequal_chunks_is_cut_by_work),
        cmocka_unit_test(chunks_without_work_are_cut_by_number),
        cmocka_unit_test(spans_of_any_plan_are_their_share_and_hold_every_chunk_once),
        cmocka_unit_test(low_water_is_what_is_taken_while_a_request_is_under_way),
        cmocka_unit_test(long_chunks_have_no_low_water),
        cmocka_unit_test(a_span_is_wanted_at_low_water_or_for_an_idle_worker),
        cmocka_unit_test(low_water_of_any_plan_is_the_most_that_is_taken),
        cmocka_unit_test(a_chunk_is_claimed_ahead_while_there_is_plenty),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
