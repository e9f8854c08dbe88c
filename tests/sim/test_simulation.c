#include "../app/app_test.h"
#include "policy.h"
#include "simulate.h"

#include <math.h>

enum { CLASSES_MAX = 4 };

static struct sheaf_error error;

/* A task takes as many nominal seconds as its first parameter says, and is a chunk by itself. */
static void
fake_cost(const struct sheaf_problem *problem, struct sheaf_cost *cost)
{
    double bytes = (double)(plan_array_bytes(&problem->inputs[0]) + plan_array_bytes(&problem->outputs[0]));
    cost->flops = (problem->parameters[0].real - bytes / PLAN_NOMINAL_BANDWIDTH) * PLAN_NOMINAL_FLOPS;
}

static const struct sheaf_kernel fake = {.name = "fake", .cost = fake_cost};

/* @param[in] tasks,seconds  of each class */
static struct plan *
make_plan(int class_count, const int64_t *tasks, const double *seconds, bool reversed)
{
    struct plan_request requests[CLASSES_MAX] = {{.tasks = 0}};
    struct plan *plan = NULL;
    for (int i = 0; i < class_count; i++) {
        requests[i].tasks = tasks[i];
        requests[i].problem.input_count = requests[i].problem.output_count = 1;
        /* more than half of what a chunk may hold: the least that a chunk of one task can take is 0.21 ms */
        requests[i].problem.inputs[0] = (struct sheaf_array){SHEAF_U8, {.ndim = 1, .extent = {PLAN_GRID_BYTES / 2}}};
        requests[i].problem.outputs[0] = (struct sheaf_array){SHEAF_U8, {.ndim = 1, .extent = {4096}}};
        requests[i].problem.parameters[0].real = seconds[i];
    }
    test_ok(plan_build(&fake, class_count, requests, reversed, &plan, &error), &error);
    return plan;
}

/* Products of matrices, in double precision. */
static void
product_cost(const struct sheaf_problem *problem, struct sheaf_cost *cost)
{
    double n = (double)problem->inputs[0].shape.extent[0];
    cost->flops = 2 * n * n * n;
}

static const struct sheaf_kernel product = {.name = "product", .cost = product_cost};

/*
 * Matrices of many sizes: a Pareto law, by which 64 / n of them are of n or more, cut at 3000; the classes are its quantiles.
 * 1/50 of the tasks, of 1565 or more, are 73 % of the work; one of the greatest takes 1.2 s, a chunk of small ones 0.4 ms.
 */
static struct plan *
make_tail(int64_t tasks, bool reversed)
{
    enum { CLASSES = 450, LEAST = 64, GREATEST = 3000 };
    struct plan_request *requests = calloc(CLASSES, sizeof *requests);
    struct plan *plan = NULL;
    assert_non_null(requests);
    for (int i = 0; i < CLASSES; i++) {
        double above = 1 - (i + 0.5) / CLASSES * (1 - (double)LEAST / GREATEST);
        struct sheaf_problem *problem = &requests[i].problem;
        requests[i].tasks = tasks / CLASSES;
        problem->input_count = problem->output_count = 1;
        problem->inputs[0] = (struct sheaf_array){SHEAF_F64, {.ndim = 2}};
        problem->inputs[0].shape.extent[0] = problem->inputs[0].shape.extent[1] = (int64_t)(LEAST / above);
        problem->outputs[0] = problem->inputs[0];
    }
    test_ok(plan_build(&product, CLASSES, requests, reversed, &plan, &error), &error);
    free(requests);
    return plan;
}

/* The root's time for a request: a message received and one sent, twice what it takes where it was measured. */
static const double service_seconds = 1e-5;

/* Nominal seconds of the shortest chunk: the last one of its class. */
static double
shortest_chunk(const struct plan *plan)
{
    double shortest = INFINITY;
    for (int i = 0; i < plan->class_count; i++) {
        const struct plan_class *class = &plan->classes[i];
        const struct plan_chunk last = {.class_index = i,
                                        .count = class->tasks - (class->chunks - 1) * class->tasks_per_chunk};
        shortest = fmin(shortest, plan_chunk_seconds(plan, &last));
    }
    return shortest;
}

/*
 * How many requests the root gets, of n equal nodes. An answer takes a chunk or more, and 1 / 2 n of the chunks that are left
 * or of their seconds, whichever are fewer chunks: the seconds where the longest come first, the chunks in reverse. While
 * 2 n chunks or more are left, there are 2 n of the shortest left to take: after 2 n ln(seconds / (2 n shortest)) answers
 * there are fewer, in reverse after 2 n ln(chunks / 2 n), which is less. Each of these may be answered by itself, and each
 * node is told once that there is no more. Spans that POLICY_SPAN_MOST cuts short: a few more.
 */
static double
requests_most(const struct simulation *simulation)
{
    double nodes = simulation->nodes, shortest = shortest_chunk(simulation->plan);
    double answers = 2 * nodes * log(fmax(1, plan_seconds(simulation->plan) / (2 * nodes * shortest)));
    return answers + 3 * nodes + 8;
}

/*
 * When a run should have ended. Workers that are not busy wait for
 *  - an answer: both ways, behind all other nodes that may ask at the same time, once a request; as seen by the mean worker;
 *  - the end. A span takes no more than half of what all that is left then takes, and the one chunk that reaches it; its
 *    workers may all be busy when it comes, and the last of them to take a chunk ends it alone: so it ends at most
 *    two of the longest chunks after the others. The low water adds its own seconds.
 */
static double
makespan_most(const struct simulation *simulation, const struct simulation_result *result)
{
    double workers = (double)simulation->nodes * simulation->node_workers;
    double longest = result->longest_chunk * (1 + simulation->speed_spread) * (1 + simulation->jitter);
    double request = 2 * simulation->way_seconds + simulation->nodes * service_seconds;
    return result->work / workers + (double)result->requests / simulation->nodes * request + POLICY_REQUEST_SECONDS +
           2 * longest;
}

static struct simulation_result
run(const char *title, const struct simulation *simulation)
{
    struct simulation_result result;
    double workers = (double)simulation->nodes * simulation->node_workers;
    if (!simulate(simulation, &result))
        fail_msg("%s: %lld of %lld chunks were computed", title, (long long)result.chunks,
                 (long long)simulation->plan->chunks);
    print_message("%-28s %6d nodes x %3d, %.3g chunks: %.4g s, ideal %.4g s, efficiency %.4f; %lld requests, %.3g a "
                  "second, %lld in the busiest; %.3g chunks a second\n",
                  title, simulation->nodes, simulation->node_workers, (double)simulation->plan->chunks, result.makespan,
                  result.work / workers, result.efficiency, (long long)result.requests,
                  (double)result.requests / result.makespan, (long long)result.busiest,
                  (double)result.chunks / result.makespan);
    if ((double)result.requests > requests_most(simulation))
        fail_msg("%s: %lld requests, expected at most %.0f", title, (long long)result.requests,
                 requests_most(simulation));
    if (result.makespan > makespan_most(simulation, &result))
        fail_msg("%s: took %g s, expected at most %g s", title, result.makespan, makespan_most(simulation, &result));
    return result;
}

/* A case with chunks of one length. */
struct example {
    const char *title;
    int nodes, node_workers;
    int64_t chunks;
    double seconds, speed_spread, jitter;
    double efficiency; /* at least */
};

static void
run_examples(const struct example *examples, size_t count)
{
    for (size_t i = 0; i < count; i++) {
        const struct example *example = &examples[i];
        struct plan *plan = make_plan(1, &example->chunks, &example->seconds, false);
        assert_int_equal(plan->chunks, example->chunks);
        const struct simulation simulation = {.plan = plan,
                                              .nodes = example->nodes,
                                              .node_workers = example->node_workers,
                                              .way_seconds = POLICY_REQUEST_SECONDS / 2,
                                              .service_seconds = service_seconds,
                                              .speed_spread = example->speed_spread,
                                              .jitter = example->jitter,
                                              .seed = i};
        struct simulation_result result = run(example->title, &simulation);
        if (result.efficiency < example->efficiency)
            fail_msg("%s: efficiency %.4f, expected %g or more", example->title, result.efficiency,
                     example->efficiency);
        plan_destroy(plan);
    }
}

static void
a_hundred_thousand_ranks_stay_busy(void **state)
{
    static const struct example examples[] = {
        {"the goal", 1563, 64, 1000000000, 0.025, 0, 0, 0.95},
        {"unlike nodes and chunks", 1563, 64, 1000000000, 0.025, 0.3, 0.3, 0.95},
        {"most chunks, of 2 MiB", 1563, 64, UINT32_MAX, 0.00042, 0, 0, 0.95},
        {"long chunks", 782, 128, 100000000, 2.5, 0.1, 0.1, 0.95},
        {"a rank a node", 100000, 1, 1000000000, 0.25, 0.1, 0.1, 0.95},
        {"a rank a node, short chunks", 100000, 1, 1000000000, 0.025, 0, 0, 0.95},
    };
    (void)state;
    run_examples(examples, sizeof examples / sizeof examples[0]);
}

static void
few_nodes_stay_busy(void **state)
{
    static const struct example examples[] = {
        {"16 nodes", 16, 64, 204800, 0.02, 0.1, 0.1, 0.95},
        {"16 nodes, long chunks", 16, 64, 20480, 1, 0.1, 0.1, 0.95},
        {"two small nodes", 2, 4, 1000, 1, 0.3, 0.3, 0.95},
        {"two nodes, most chunks", 2, 128, UINT32_MAX, 0.00042, 0, 0, 0.95},
    };
    (void)state;
    run_examples(examples, sizeof examples / sizeof examples[0]);
}

static void
few_chunks_end_within_the_bound(void **state)
{
    static const struct example examples[] = {
        {"fewer chunks than workers", 1563, 64, 50000, 10, 0, 0, 0},
        {"as many", 1563, 64, 100032, 10, 0, 0, 0.95},
        {"one more", 1563, 64, 100033, 10, 0, 0, 0},
        {"three a worker", 1563, 64, 300000, 10, 0.1, 0.1, 0},
        {"fewer than nodes", 1000, 64, 100, 10, 0, 0, 0},
        {"one", 10, 4, 1, 10, 0, 0, 0},
        {"short and few", 16, 64, 20480, 0.02, 0.1, 0.1, 0},
        {"shorter than a message", 16, 64, 20480, 0.0003, 0, 0, 0},
    };
    (void)state;
    run_examples(examples, sizeof examples / sizeof examples[0]);
}

/* Run a plan, and destroy it. Nodes and chunks are unlike. */
static void
run_unequal(const char *title, struct plan *plan, int nodes, double efficiency)
{
    const struct simulation simulation = {.plan = plan,
                                          .nodes = nodes,
                                          .node_workers = 64,
                                          .way_seconds = POLICY_REQUEST_SECONDS / 2,
                                          .service_seconds = service_seconds,
                                          .speed_spread = 0.1,
                                          .jitter = 0.1};
    struct simulation_result result = run(title, &simulation);
    if (result.efficiency < efficiency)
        fail_msg("%s: efficiency %.4f, expected %g or more", title, result.efficiency, efficiency);
    plan_destroy(plan);
}

/*
 * Few long chunks and many short ones. In reverse the long ones come last, and the bound is the same; more than the bound is
 * asked for where two of the longest chunks are little beside the rest.
 */
static void
two_classes_keep_the_bound_in_both_orders(void **state)
{
    static const struct {
        const char *title;
        double long_chunks, long_seconds, short_chunks, short_seconds; /* chunks: per worker */
        double efficiency;                                             /* at least */
    } cases[] = {
        {"twice as long", 100, 1, 100, 0.5, 0.95},
        {"many long, more short", 20, 1, 1000, 0.003, 0.9},
        {"two long, many short", 2, 1, 1000, 0.003, 0},
        {"a long one for some", 0.25, 1, 1000, 0.003, 0},
        {"a very long one for some", 0.25, 10, 1000, 0.003, 0},
        {"as much of both", 10, 1, 1000, 0.01, 0.9},
    };
    static const int nodes[] = {2, 16, 1563};
    (void)state;
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++)
        for (int k = 0; k < 6; k++) {
            int n = nodes[k / 2];
            double workers = 64.0 * n;
            const int64_t tasks[] = {(int64_t)(workers * cases[i].long_chunks),
                                     (int64_t)(workers * cases[i].short_chunks)};
            const double seconds[] = {cases[i].long_seconds, cases[i].short_seconds};
            struct plan *plan = make_plan(2, tasks, seconds, k % 2);
            char title[80];
            snprintf(title, sizeof title, "%s%s", cases[i].title, k % 2 ? ", reversed" : "");
            run_unequal(title, plan, n, cases[i].efficiency);
        }
}

/*
 * With 100 tasks a worker the longest chunk takes 4/5 of the whole time: nobody may keep a chunk waiting that another one
 * could start. With 1563 nodes the root spends 0.36 s of the 1.7 s on answers; if these took no time, it would be 0.97 there.
 */
static void
many_classes_keep_the_bound_in_both_orders(void **state)
{
    static const struct {
        int nodes;
        double hundred_a_worker, thousand_a_worker; /* efficiency, at least */
    } cases[] = {{2, 0.98, 0.99}, {16, 0.97, 0.99}, {128, 0.96, 0.98}, {1563, 0.86, 0.97}};
    (void)state;
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++)
        for (int64_t per_worker = 10; per_worker <= 1000; per_worker *= 10) {
            int64_t tasks = per_worker * 64 * cases[i].nodes;
            run_unequal("450 classes", make_tail(tasks, false), cases[i].nodes,
                        per_worker == 100    ? cases[i].hundred_a_worker
                        : per_worker == 1000 ? cases[i].thousand_a_worker
                                             : 0);
            run_unequal("450 classes, reversed", make_tail(tasks, true), cases[i].nodes, per_worker < 1000 ? 0 : 0.9);
        }
}

/* ---- small cases against the best that there is ---- */

/* The least makespan of chunks on equal workers, by trying all. */
static void
search(const double *chunks, int count, double *loads, int workers, double *best)
{
    double most = 0;
    for (int i = 0; i < workers; i++)
        most = fmax(most, loads[i]);
    if (most >= *best)
        return;
    if (count == 0) {
        *best = most;
        return;
    }
    for (int i = 0; i < workers; i++) {
        bool same = false; /* as one that was tried */
        for (int k = 0; k < i; k++)
            same = same || loads[k] == loads[i];
        if (same)
            continue;
        loads[i] += chunks[0];
        search(chunks + 1, count - 1, loads, workers, best);
        loads[i] -= chunks[0];
    }
}

static double
best_makespan(const struct plan *plan, int workers)
{
    double chunks[16] = {0}, loads[16] = {0}, best = INFINITY;
    for (int64_t place = 0; place < plan->chunks; place++) {
        struct plan_chunk chunk = plan_at(plan, place);
        chunks[place] = plan_chunk_seconds(plan, &chunk);
    }
    search(chunks, (int)plan->chunks, loads, workers, &best);
    return best;
}

/*
 * Greedy workers without queues of their own end within 2 - 1/m of the best time (Graham, "Bounds on multiprocessing timing
 * anomalies", SIAM J. Appl. Math. 17, 1969). Chunks that wait in a node's queue while another node is idle must not cost
 * more than what longest first gains against that; on average they cost next to nothing. Messages take no time to speak of
 * here.
 */
static void
small_runs_are_near_the_best(void **state)
{
    uint64_t random = 1;
    double worst = 0, sum = 0;
    enum { TRIALS = 3000 };
    (void)state;
    for (int trial = 0; trial < TRIALS; trial++) {
        int64_t tasks[3];
        double seconds[3];
        int classes = (int)test_random_within(&random, 1, 3);
        for (int i = 0; i < classes; i++) {
            tasks[i] = test_random_within(&random, 1, 3);
            seconds[i] = (double)test_random_within(&random, 1, 10);
        }
        struct plan *plan = make_plan(classes, tasks, seconds, false);
        const struct simulation simulation = {.plan = plan,
                                              .nodes = (int)test_random_within(&random, 2, 3),
                                              .node_workers = (int)test_random_within(&random, 1, 2),
                                              .way_seconds = 1e-6,
                                              .service_seconds = 1e-7};
        struct simulation_result result;
        assert_true(simulate(&simulation, &result));
        int workers = simulation.nodes * simulation.node_workers;
        double best = best_makespan(plan, workers);
        assert_true(result.makespan >= best * (1 - 1e-9)); /* or one of the two is wrong */
        if (result.makespan > best * (2 - 1.0 / workers) + 1e-3)
            fail_msg("trial %d: took %g s on %d nodes of %d, the best is %g s", trial, result.makespan,
                     simulation.nodes, simulation.node_workers, best);
        worst = fmax(worst, result.makespan / best);
        sum += result.makespan / best;
        plan_destroy(plan);
    }
    print_message("small runs: %.3f of the best time on average, %.3f at worst\n", sum / TRIALS, worst);
    assert_true(sum / TRIALS < 1.01);
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_hundred_thousand_ranks_stay_busy),
        cmocka_unit_test(few_nodes_stay_busy),
        cmocka_unit_test(few_chunks_end_within_the_bound),
        cmocka_unit_test(two_classes_keep_the_bound_in_both_orders),
        cmocka_unit_test(many_classes_keep_the_bound_in_both_orders),
        cmocka_unit_test(small_runs_are_near_the_best),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
