#include "blas.h"
#include "engine_fixture.h"
#include "engine_parts.h"
#include "list.h"

#include <float.h>
#include <math.h>
#include <sys/mman.h>

enum { TASKS = 1500, N = 10 };

static const char *const generated[] = {"random:10"}, *const dataset[] = {"input.h5:/twice"},
                         *const packed[] = {"packed.h5:/twice"};
static const union sheaf_parameter_value plain[FIXTURE_PARAMETERS] = {
    [FIXTURE_CHUNK] = {.integer = 20}, [FIXTURE_FAIL_EVERY] = {.integer = 7}, [FIXTURE_FATAL] = {.real = -1}};
static struct fixture fixture;
static struct sheaf_error error;

/* How an input is read is in its description: plain data, which a test may change. */
enum reading { READ_COMPUTED, READ_MEMORY, READ_DISK, READ_LIBRARY, READ_PACKED };

static void
create(const struct sheaf_kernel *kernel, enum reading reading, const union sheaf_parameter_value *parameters)
{
    const char *const *texts = reading == READ_COMPUTED ? generated : reading == READ_PACKED ? packed : dataset;
    fixture_create(&fixture, kernel, TASKS, texts, parameters);
    fixture.inputs[0].in_memory = reading == READ_MEMORY;
    if (reading == READ_LIBRARY)
        fixture.inputs[0].offset = -1;
}

/* Run, check all results, and what the totals say. */
static void
run_and_check(const struct fixture_setup *setup, int width)
{
    struct queue_totals totals;
    fixture_run(&fixture, setup, &totals);
    int64_t failed = fixture_check_results(&fixture, width);
    assert_true(failed > TASKS / 20 && failed < TASKS / 3);
    assert_int_equal(totals.tasks, TASKS);
    assert_int_equal(totals.failed, failed);
    assert_int_equal(totals.chunks, fixture.plan->chunks);
    assert_int_equal(totals.bytes_written, TASKS * (N + 1) * 8);
    assert_int_equal(totals.bytes_read, fixture.inputs[0].kind == SOURCE_DATASET ? TASKS * N * 8 : 0);
    /* every chunk's share is rounded down to a whole number */
    assert_true(fabs((double)totals.work - 1e9 * plan_seconds(fixture.plan)) <= (double)fixture.plan->chunks);
    assert_int_equal(totals.workers, setup->layout.ranks * setup->layout.threads / width);
    assert_true(totals.compute_ns > 0 && totals.wait_ns >= 0 && totals.read_ns >= 0);
}

static void
run_in_mode(enum reading reading, bool results_block, int ranks)
{
    for (int workers = 1; workers <= 4; workers++) {
        const struct fixture_setup setup = {
            .layout = {ranks, workers, 1}, .present = ranks, .results_block = results_block, .low_water = workers};
        create(&fixture_twice, reading, plain);
        run_and_check(&setup, 1);
        fixture_destroy(&fixture);
    }
}

static void
workers_do_it_all(void **state)
{
    (void)state;
    run_in_mode(READ_COMPUTED, false, 1);
    run_in_mode(READ_COMPUTED, false, 3);
    run_in_mode(READ_MEMORY, false, 2);
}

static void
the_carrier_writes(void **state)
{
    (void)state;
    run_in_mode(READ_COMPUTED, true, 1);
    run_in_mode(READ_MEMORY, true, 3);
}

static void
the_carrier_reads(void **state)
{
    (void)state;
    run_in_mode(READ_DISK, false, 1);
    run_in_mode(READ_DISK, false, 3);
    run_in_mode(READ_LIBRARY, false, 1); /* the library takes one thread of a process */
}

static void
the_carrier_reads_and_writes(void **state)
{
    (void)state;
    run_in_mode(READ_DISK, true, 1);
    run_in_mode(READ_DISK, true, 3);
    run_in_mode(READ_LIBRARY, true, 1);
}

/* Long chunks: another span comes only when a worker is idle. Whoever claims for it, the leader hears of it. */
static void
idle_workers_get_more(void **state)
{
    static const enum reading readings[] = {READ_COMPUTED, READ_DISK, READ_PACKED};
    (void)state;
    for (int i = 0; i < 3; i++)
        for (int workers = 1; workers <= 4; workers += 3) {
            const struct fixture_setup setup = {
                .layout = {1, workers, 1}, .present = 1, .results_block = workers > 1, .low_water = -1};
            create(&fixture_twice, readings[i], plain);
            run_and_check(&setup, 1);
            fixture_destroy(&fixture);
        }
    const struct fixture_setup ranks = {.layout = {3, 2, 1}, .present = 3, .low_water = -1};
    create(&fixture_twice, READ_DISK, plain);
    run_and_check(&ranks, 1);
    fixture_destroy(&fixture);
}

/* The workers unpack what the carrier fetches; a rank's only worker leaves that to the carrier. */
static void
packed_inputs_are_read_in_two_steps(void **state)
{
    (void)state;
    run_in_mode(READ_PACKED, false, 1);
    run_in_mode(READ_PACKED, true, 1);
    create(&fixture_twice, READ_PACKED, plain);
    assert_true(source_raw_bytes(&fixture.inputs[0], fixture.plan->classes[0].tasks_per_chunk) > 0);
    fixture_destroy(&fixture);
}

static void
a_single_slot_is_enough(void **state)
{
    (void)state;
    for (int mode = 0; mode < 4; mode++) {
        struct engine_size size;
        const struct layout layout = {1, 4, 1};
        create(&fixture_twice, mode & 1 ? READ_LIBRARY : READ_COMPUTED, plain);
        test_ok(engine_size(fixture.plan, NULL, &layout, mode & 1, mode & 2, INT64_C(1) << 30, &size, &error), &error);
        const struct fixture_setup setup = {
            .layout = layout, .present = 1, .results_block = mode & 2, .memory_bytes = size.slot_bytes + 4096};
        struct queue_totals totals;
        fixture_run(&fixture, &setup, &totals);
        assert_int_equal(totals.workers, 1);
        fixture_check_results(&fixture, 1);
        fixture_destroy(&fixture);
    }
}

static void
parked_ranks_do_nothing(void **state)
{
    const struct fixture_setup setup = {.layout = {2, 1, 1}, .present = 4};
    (void)state;
    create(&fixture_twice, READ_COMPUTED, plain);
    run_and_check(&setup, 1);
    for (int64_t chunk = 0; chunk < fixture.plan->chunks; chunk++)
        assert_true(fixture_read_record(&fixture, chunk).rank < 2);
    fixture_destroy(&fixture);
}

static void
a_width_reaches_kernel_and_record(void **state)
{
    const struct fixture_setup setup = {.layout = {1, 3, 3}, .present = 1};
    (void)state;
    create(&fixture_twice, READ_COMPUTED, plain);
    run_and_check(&setup, 3);
    fixture_destroy(&fixture);
    create(&fixture_twice_parallel, READ_COMPUTED, plain);
    run_and_check(&setup, 3);
    fixture_destroy(&fixture);
}

/* ---- matmul, the real kernel, with an operand that all tasks share ---- */

/*
 * Any order of summing k products is within gamma_k of the exact sum, relative to the sum of magnitudes (Higham, Accuracy
 * and Stability, section 3.5); two such sums are within twice that: 2 k u / (1 - k u), u = DBL_EPSILON / 2.
 */
static void
check_product(const double *a, const double *b, const double *c, int m, int k, int n)
{
    const double bound = k * DBL_EPSILON / (1 - k * DBL_EPSILON / 2);
    for (int i = 0; i < m; i++)
        for (int j = 0; j < n; j++) {
            double sum = 0, magnitude = 0;
            for (int l = 0; l < k; l++) {
                sum += a[i * k + l] * b[l * n + j];
                magnitude += fabs(a[i * k + l] * b[l * n + j]);
            }
            assert_true(fabs(c[i * n + j] - sum) <= bound * magnitude);
        }
}

static void
products_are_computed(void **state)
{
    enum { M = 8, K = 5, NN = 7, PRODUCTS = 40000 };
    static const char *const texts[] = {"random:8x5", "normal:5x7:shared"};
    const struct fixture_setup setup = {.layout = {2, 2, 1}, .present = 2};
    double a[M * K], b[K * NN], c[M * NN];
    (void)state;
    assert_int_equal(blas_set_threads(1), 1);
    fixture_create(&fixture, kernel_find("matmul"), PRODUCTS, texts, NULL);
    assert_true(fixture.plan->chunks >= 3);
    fixture_run(&fixture, &setup, NULL);
    generate_fill(&fixture.inputs[1].generate, 0, 0, K * NN, b);
    for (int64_t t = 0; t < PRODUCTS; t += 17) {
        generate_fill(&fixture.inputs[0].generate, t, 0, M * K, a);
        fixture_read_output(&fixture, 0, t, 1, c);
        check_product(a, b, c, M, K, NN);
    }
    for (int64_t chunk = 0; chunk < fixture.plan->chunks; chunk++)
        assert_int_equal(fixture_read_record(&fixture, chunk).failed, 0);
    fixture_destroy(&fixture);
}

/* ---- several nodes ---- */

/* Carry commits from one node to the root's engine, until the other node has finished and all has come. */
static void
carry_commits(struct fixture_node *root, struct fixture_node *other, int64_t chunks)
{
    int64_t next = 0;
    for (bool finished = false; !finished;) {
        const struct timespec nap = {.tv_nsec = 1000000};
        finished = queue_finished(other->queue) == other->queue->rank_count;
        while (next < chunks && queue_refill(other->queue, next, next + 1))
            next++;
        if (next == chunks && !atomic_load(&other->queue->closed))
            queue_close(other->queue);
        char *buffer = malloc(QUEUE_OUTBOX_BYTES);
        assert_non_null(buffer);
        size_t bytes = queue_collect(other->queue, buffer, QUEUE_OUTBOX_BYTES);
        if (bytes > 0) {
            finished = false;
            engine_take_commits(root->ranks[0].engine, buffer, bytes);
        } else {
            free(buffer);
        }
        engine_attend(other->ranks[0].engine);
        nanosleep(&nap, NULL);
    }
}

static void
run_on_another_node(bool results_block)
{
    const struct fixture_setup here = {.layout = {1, 1, 1}, .present = 1};
    const struct fixture_setup there = {
        .layout = {2, 2, 1}, .present = 3, .first_rank = 1, .results_block = results_block};
    struct fixture_node root, other;
    struct queue_totals totals;
    fixture_node_create(&root, &fixture, &here);
    fixture_node_create(&other, &fixture, &there);
    fixture_node_start(&root);
    fixture_node_start(&other);
    carry_commits(&root, &other, fixture.plan->chunks);
    fixture_node_attend(&root, 0, 0, 1);
    while (!engine_has_written_commits(root.ranks[0].engine))
        queue_sleep(root.queue, 0, 0, 1000000);
    fixture_node_sync(&other);
    fixture_node_sync(&root);
    assert_false(queue_error(root.queue, &error));
    assert_false(queue_error(other.queue, &error));
    queue_sum_totals(root.queue, &totals);
    assert_int_equal(totals.tasks, 0);
    queue_sum_totals(other.queue, &totals);
    assert_int_equal(totals.tasks, fixture.plan->tasks);
    fixture_node_destroy(&other);
    fixture_node_destroy(&root);
}

static int
count_wide(void)
{
    int wide = 0;
    for (int64_t chunk = 0; chunk < fixture.plan->chunks; chunk++)
        wide += fixture_read_record(&fixture, chunk).width > 1;
    return wide;
}

/* Chunks of 10 ms, so few that some cores have none at the end: the last ones are computed on several. */
static void
cores_without_work_are_lent(void **state)
{
    static const struct layout layouts[] = {{1, 2, 1}, {2, 1, 1}, {1, 4, 1}, {2, 2, 1}, {4, 1, 1}, {3, 1, 1}};
    static const int64_t tasks[] = {20, 60, 100, 180}; /* 1, 3, 5, 9 chunks */
    const union sheaf_parameter_value long_chunks[FIXTURE_PARAMETERS] = {
        [FIXTURE_CHUNK] = {.integer = 20}, [FIXTURE_FATAL] = {.real = -1}, [FIXTURE_NAP] = {.integer = 10000000}};
    (void)state;
    for (size_t i = 0; i < sizeof layouts / sizeof layouts[0]; i++)
        for (int mode = 0; mode < 4; mode++) {
            const struct fixture_setup setup = {
                .layout = layouts[i], .present = layouts[i].ranks, .results_block = mode & 1, .chooses_widths = true};
            const char *const *texts = mode & 2 ? dataset : generated;
            int wide = 0;
            for (size_t k = 0; k < sizeof tasks / sizeof tasks[0]; k++) {
                fixture_create(&fixture, &fixture_twice_parallel, tasks[k], texts, long_chunks);
                fixture.inputs[0].in_memory = false;
                fixture_run(&fixture, &setup, NULL);
                assert_int_equal(fixture_check_results(&fixture, 0), 0);
                wide += count_wide();
                if (k == 0)
                    assert_int_equal(wide, 1); /* a single chunk has all cores for itself */
                fixture_destroy(&fixture);
            }
        }
}

/* Where a chunk is too short to be worth several cores, none gets them. */
static void
short_chunks_stay_on_one_core(void **state)
{
    const struct fixture_setup setup = {.layout = {2, 2, 1}, .present = 2, .chooses_widths = true};
    (void)state;
    create(&fixture_twice_parallel, READ_COMPUTED, plain);
    fixture_run(&fixture, &setup, NULL);
    fixture_check_results(&fixture, 1);
    fixture_destroy(&fixture);
}

static void
commits_of_another_node_are_written_by_the_root(void **state)
{
    (void)state;
    for (int mode = 0; mode < 4; mode++) {
        create(&fixture_twice, mode & 1 ? READ_DISK : READ_COMPUTED, plain);
        run_on_another_node(mode & 2);
        assert_true(fixture_check_results(&fixture, 1) > 0);
        for (int64_t chunk = 0; chunk < fixture.plan->chunks; chunk++) {
            uint32_t rank = fixture_read_record(&fixture, chunk).rank;
            assert_true(rank == 1 || rank == 2); /* rank 3 is parked */
        }
        fixture_destroy(&fixture);
    }
}

static void
a_full_outbox_holds_up_and_loses_nothing(void **state)
{
    enum { MANY = 40 * 16384 }; /* 40 chunks, whose commits take 82 KB each: the outbox holds 12 */
    static const char *const texts[] = {"random:1"};
    const union sheaf_parameter_value small[FIXTURE_PARAMETERS] = {
        [FIXTURE_CHUNK] = {.integer = 1 << 20}, [FIXTURE_FATAL] = {.real = -1}};
    (void)state;
    fixture_create(&fixture, &fixture_twice, MANY, texts, small);
    assert_int_equal(fixture.plan->chunks, 40);
    run_on_another_node(false);
    assert_int_equal(fixture_check_results(&fixture, 1), 0);
    fixture_destroy(&fixture);
}

static void
a_commit_that_cannot_be_written_stops_the_root(void **state)
{
    const struct fixture_setup here = {.layout = {1, 1, 1}, .present = 1};
    struct fixture_node root;
    struct queue_commit *commit = calloc(1, sizeof *commit);
    (void)state;
    assert_non_null(commit);
    create(&fixture_twice, READ_COMPUTED, plain);
    *commit = (struct queue_commit){.chunk = fixture.plan->chunks, .bytes = sizeof *commit};
    fixture_node_create(&root, &fixture, &here);
    fixture_node_start(&root);
    engine_take_commits(root.ranks[0].engine, commit, sizeof *commit);
    while (!engine_has_written_commits(root.ranks[0].engine))
        queue_sleep(root.queue, 0, 0, 1000000);
    fixture_node_attend(&root, 0, fixture.plan->chunks, 1);
    assert_true(queue_error(root.queue, &error));
    assert_int_equal(error.status, SHEAF_INTERNAL);
    fixture_node_sync(&root);
    fixture_node_destroy(&root);
    fixture_destroy(&fixture);
}

/* The system gives memory a page near the core that touches it first: that must not be the main thread's. */
static void
expect_untouched(void *memory, int64_t bytes)
{
    enum { PAGES = 64 };
    unsigned char present[PAGES];
    int64_t pages = bytes / sysconf(_SC_PAGESIZE);
    assert_true(pages > 0 && pages <= PAGES);
    assert_int_equal(mincore(memory, (size_t)bytes, present), 0);
    for (int64_t i = 0; i < pages; i++)
        assert_int_equal(present[i] & 1, 0);
}

static void
buffers_are_left_to_who_uses_them(void **state)
{
    struct engine engine = {.size = {.slots = 3, .slot_bytes = 65536, .workers = 2, .workspace_bytes = 8192}};
    (void)state;
    assert_int_equal(ring_allocate(&engine, &error), SHEAF_OK);
    for (int i = 0; i < engine.size.slots; i++)
        expect_untouched(engine.slots[i].memory, engine.size.slot_bytes);
    for (int i = 0; i < engine.size.workers; i++)
        expect_untouched(engine.workers[i].workspace, engine.size.workspace_bytes);
    ring_free(&engine);
}

static int
enter_with_dataset(void **state)
{
    if (test_enter_directory(state))
        return -1;
    fixture_write_dataset("input.h5", TASKS, N);
    fixture_write_packed("packed.h5", TASKS, N, 10);
    return 0;
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(workers_do_it_all),
        cmocka_unit_test(the_carrier_writes),
        cmocka_unit_test(the_carrier_reads),
        cmocka_unit_test(the_carrier_reads_and_writes),
        cmocka_unit_test(idle_workers_get_more),
        cmocka_unit_test(packed_inputs_are_read_in_two_steps),
        cmocka_unit_test(a_single_slot_is_enough),
        cmocka_unit_test(parked_ranks_do_nothing),
        cmocka_unit_test(a_width_reaches_kernel_and_record),
        cmocka_unit_test(cores_without_work_are_lent),
        cmocka_unit_test(short_chunks_stay_on_one_core),
        cmocka_unit_test(products_are_computed),
        cmocka_unit_test(commits_of_another_node_are_written_by_the_root),
        cmocka_unit_test(a_full_outbox_holds_up_and_loses_nothing),
        cmocka_unit_test(a_commit_that_cannot_be_written_stops_the_root),
        cmocka_unit_test(buffers_are_left_to_who_uses_them),
    };
    alarm(100); /* nothing here may wait for ever */
    return cmocka_run_group_tests(tests, enter_with_dataset, test_leave_directory);
}
