#include "app_test.h"
#include "cores.h"

#include <stdlib.h>

/* A kernel whose tasks take parameter 0 seconds on one core, and scale without loss. */
static void
fake_cost(const struct sheaf_problem *problem, struct sheaf_cost *cost)
{
    cost->flops = problem->parameters[0].real * PLAN_NOMINAL_FLOPS;
}

static const char *const no_outputs[] = {NULL};
static const struct sheaf_kernel fake = {.abi = SHEAF_KERNEL_ABI,
                                         .bytes = sizeof fake,
                                         .name = "fake",
                                         .signature = "(n)->",
                                         .output_names = no_outputs,
                                         .accepts = SHEAF_TYPE_BIT(SHEAF_F64),
                                         .width_kind = SHEAF_WIDTH_BLAS,
                                         .cost = fake_cost};

enum { CORES_MOST = 16 };
static const int64_t now = INT64_C(1000000000000);
static struct sheaf_error error;
static struct plan *plan;
static struct cores *cores;
static void *scratch;

/* Tasks of one class, each a chunk. */
static void
create(int ranks, int threads, int64_t tasks, double seconds)
{
    struct plan_request request = {.tasks = tasks};
    request.problem.input_count = 1;
    request.problem.inputs[0].type = SHEAF_F64;
    request.problem.inputs[0].shape = (struct sheaf_shape){.ndim = 1, .extent = {1}};
    request.problem.parameters[0].real = seconds;
    test_ok(plan_build(&fake, 1, &request, false, &plan, &error), &error);
    assert_int_equal(plan->chunks, tasks);
    cores = aligned_alloc(64, (cores_bytes(ranks, threads, 1) + 63) / 64 * 64);
    assert_non_null(cores);
    cores_init(cores, ranks, threads, 1, 0);
    scratch = malloc(cores_scratch_bytes(cores));
    assert_non_null(scratch);
}

static void
destroy(void)
{
    plan_destroy(plan);
    free(cores);
    free(scratch);
}

/* What a rank is told with the places from `next` on in the queue. */
static int
choose(int rank, int64_t next, int *taken, int *other)
{
    const struct queue_span span = {next, plan->places};
    cores_lock(cores);
    int count = cores_choose(cores, plan, &span, 1, rank, now, taken, other, scratch);
    cores_unlock(cores);
    return count;
}

/* A core of a rank for a chunk of its own. */
static int
take_one(int rank)
{
    const struct plan_chunk chunk = plan_at(plan, 0);
    return cores_take(cores, rank, now, &chunk);
}

static void
plenty_is_computed_on_single_cores(void **state)
{
    int taken[CORES_MOST], other;
    (void)state;
    create(2, 2, 100, 1);
    for (int i = 0; i < 4; i++) {
        assert_int_equal(choose(i / 2, i, taken, &other), 1);
        assert_int_equal(taken[0], i); /* a rank's own, the first that is free */
    }
    for (int rank = 0; rank < 2; rank++)
        assert_int_equal(choose(rank, 4, taken, &other), 0); /* all are at work */
    assert_false(cores_are_lent(cores));
    const int back = 3;
    assert_true(cores_release(cores, &back, 1)); /* those two wait */
    assert_int_equal(choose(1, 4, taken, &other), 1);
    assert_int_equal(taken[0], 3);
    destroy();
}

static void
only_the_last_tasks_need_a_choice(void **state)
{
    int taken[CORES_MOST], other;
    (void)state;
    create(2, 2, 100, 1);
    for (int64_t next = 0; next < 100; next++) {
        const struct queue_span parts[] = {{next, (next + 100) / 2}, {(next + 100) / 2, 100}};
        bool whole = parts[0].next < parts[0].end;
        bool plenty = cores_need_no_choice(cores, plan, whole ? parts : parts + 1, whole ? 2 : 1);
        assert_true(plenty == (next < 91)); /* 1 + 2 * 4 are left */
    }
    assert_int_equal(choose(0, 99, taken, &other), 4);
    const struct queue_span all = {0, 100};
    assert_false(cores_need_no_choice(cores, plan, &all, 1)); /* cores are lent */
    destroy();
    create(2, 2, 100, 0.03125);
    for (int i = 0; i < 20; i++) { /* shorter than predicted */
        struct plan_chunk chunk = plan_at(plan, 0);
        cores_note(cores, plan, &chunk, 1, 0.001);
    }
    const struct queue_span last = {99, 100};
    assert_true(cores_need_no_choice(cores, plan, &last, 1));
    destroy();
}

static void
a_single_task_has_all_cores_of_the_node(void **state)
{
    int taken[CORES_MOST], other;
    (void)state;
    for (int rank = 0; rank < 3; rank++) {
        create(3, 2, 1, 1);
        assert_int_equal(choose(rank, 0, taken, &other), 6);
        assert_int_equal(other, -1);
        assert_int_equal(taken[0], rank * 2); /* the rank's own come first */
        assert_int_equal(taken[1], rank * 2 + 1);
        assert_true(cores_are_lent(cores));
        assert_int_equal(take_one((rank + 1) % 3), -1);
        cores_release(cores, taken, 6);
        assert_false(cores_are_lent(cores));
        assert_int_equal(take_one((rank + 1) % 3), (rank + 1) % 3 * 2);
        destroy();
    }
}

/* Cores are three times as fast as nominal: two tasks of three end together, and the one that is heard of first is measured. */
static void
what_is_measured_corrects_what_began_before(void **state)
{
    int first[CORES_MOST], second[CORES_MOST], taken[CORES_MOST], other;
    (void)state;
    create(2, 1, 3, 1);
    assert_int_equal(choose(0, 0, first, &other), 1);
    assert_int_equal(choose(1, 1, second, &other), 1);
    const int64_t third = 333000000;
    for (int core = 0; core < 2; core++)
        atomic_store(&cores->since[core], now - third);
    const struct plan_chunk chunk = plan_at(plan, 0);
    cores_note(cores, plan, &chunk, 1, 1e-9 * (double)third);
    cores_release(cores, first, 1);
    assert_int_equal(choose(0, 2, taken, &other), 0); /* not one core at once: the other one is nearly free */
    cores_release(cores, second, 1);
    assert_int_equal(choose(0, 2, taken, &other), 2);
    destroy();
}

static void
the_last_task_waits_for_cores_that_are_nearly_free(void **state)
{
    int first[CORES_MOST], second[CORES_MOST], taken[CORES_MOST], other;
    (void)state;
    create(2, 1, 3, 1);
    assert_int_equal(choose(0, 0, first, &other), 1);
    assert_int_equal(choose(1, 1, second, &other), 1);
    cores_release(cores, first, 1);
    atomic_store(&cores->since[1], now - 990000000); /* 10 ms of a task of 1 s are left */
    assert_int_equal(choose(0, 2, taken, &other), 0);
    assert_int_equal(other, -1);
    assert_true(cores_release(cores, second, 1)); /* who waits is to be rung */
    assert_int_equal(choose(0, 2, taken, &other), 2);
    destroy();
}

static void
a_rank_whose_cores_are_busy_names_the_one_that_can_start(void **state)
{
    int taken[CORES_MOST], other;
    (void)state;
    create(2, 2, 1, 1);
    assert_int_equal(take_one(0), 0);
    atomic_store(&cores->since[0], now - 600000000);  /* 0.4 s of a task of 1 s are left */
    assert_int_equal(choose(0, 0, taken, &other), 0); /* one process, one BLAS: it cannot be wide beside that */
    assert_int_equal(other, 1);
    int count = choose(1, 0, taken, &other);
    assert_int_equal(count, 3); /* all of its own, and the one that rank 0 does not use */
    assert_int_equal(taken[2], 1);
    destroy();
}

static void
what_chunks_took_corrects_what_is_predicted(void **state)
{
    struct tune_facts before, after;
    (void)state;
    create(2, 1, 3, 1);
    struct plan_chunk chunk = plan_at(plan, 0);
    cores_facts(cores, plan, &chunk, &before);
    for (int i = 0; i < 5; i++)
        cores_note(cores, plan, &chunk, 1, 3.0);
    cores_facts(cores, plan, &chunk, &after);
    assert_true(tune_seconds(&before, 1) < 1.1 && tune_seconds(&after, 1) > 2);
    for (int i = 0; i < 5; i++)
        cores_note(cores, plan, &chunk, 2, 6.0); /* two cores are of no use at all */
    cores_facts(cores, plan, &chunk, &after);
    assert_true(tune_seconds(&after, 2) > tune_seconds(&after, 1));
    destroy();
}

static void
a_bound_on_the_width_is_kept(void **state)
{
    int taken[CORES_MOST], other;
    (void)state;
    create(8, 1, 1, 1);
    cores_init(cores, 8, 1, 1, 3);
    assert_int_equal(choose(2, 0, taken, &other), 3);
    assert_int_equal(taken[0], 2);
    destroy();
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(plenty_is_computed_on_single_cores),
        cmocka_unit_test(only_the_last_tasks_need_a_choice),
        cmocka_unit_test(a_single_task_has_all_cores_of_the_node),
        cmocka_unit_test(what_is_measured_corrects_what_began_before),
        cmocka_unit_test(the_last_task_waits_for_cores_that_are_nearly_free),
        cmocka_unit_test(a_rank_whose_cores_are_busy_names_the_one_that_can_start),
        cmocka_unit_test(what_chunks_took_corrects_what_is_predicted),
        cmocka_unit_test(a_bound_on_the_width_is_kept),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
