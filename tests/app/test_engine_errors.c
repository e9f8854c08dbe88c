#include "engine_fixture.h"

#include <errno.h>
#include <sys/mman.h>

enum { TASKS = 1500, N = 10 };

static const char *const generated[] = {"random:10"}, *const dataset[] = {"input.h5:/twice"};
static const union sheaf_parameter_value plain[FIXTURE_PARAMETERS] = {
    [FIXTURE_CHUNK] = {.integer = 20}, [FIXTURE_FATAL] = {.real = -1}};
static struct fixture fixture;
static struct sheaf_error error;

/* ---- functions that fail when they are told to ---- */

/* How many calls still succeed before one fails; negative: all. */
static int calloc_allowed = -1, malloc_allowed = -1, mmap_allowed = -1, thread_allowed = -1, sync_allowed = -1;

static bool
is_refused(int *allowed)
{
    return *allowed >= 0 && (*allowed)-- == 0;
}

void *__real_calloc(size_t count, size_t size);
void *__wrap_calloc(size_t count, size_t size);
void *__real_malloc(size_t size);
void *__wrap_malloc(size_t size);
void *__real_mmap(void *address, size_t bytes, int protection, int flags, int file, off_t offset);
void *__wrap_mmap(void *address, size_t bytes, int protection, int flags, int file, off_t offset);
int __real_pthread_create(pthread_t *thread, const pthread_attr_t *how, void *(*body)(void *), void *argument);
int __wrap_pthread_create(pthread_t *thread, const pthread_attr_t *how, void *(*body)(void *), void *argument);
int __real_fdatasync(int file);
int __wrap_fdatasync(int file);

void *
__wrap_calloc(size_t count, size_t size)
{
    return is_refused(&calloc_allowed) ? NULL : __real_calloc(count, size);
}

void *
__wrap_malloc(size_t size)
{
    return is_refused(&malloc_allowed) ? NULL : __real_malloc(size);
}

void *
__wrap_mmap(void *address, size_t bytes, int protection, int flags, int file, off_t offset)
{
    if (!is_refused(&mmap_allowed))
        return __real_mmap(address, bytes, protection, flags, file, offset);
    errno = ENOMEM;
    return MAP_FAILED;
}

int
__wrap_pthread_create(pthread_t *thread, const pthread_attr_t *how, void *(*body)(void *), void *argument)
{
    return is_refused(&thread_allowed) ? EAGAIN : __real_pthread_create(thread, how, body, argument);
}

int
__wrap_fdatasync(int file)
{
    if (!is_refused(&sync_allowed))
        return __real_fdatasync(file);
    errno = EIO;
    return -1;
}

/* ---- sizes ---- */

static void
expect_size(const struct layout *layout, bool reads, bool writes, int64_t memory, int workers, int slots)
{
    struct engine_size size;
    test_ok(engine_size(fixture.plan, NULL, layout, reads, writes, memory, &size, &error), &error);
    if (size.workers != workers || size.slots != slots)
        fail_msg("expected %d workers and %d slots, got %d and %d", workers, slots, size.workers, size.slots);
    assert_int_equal(size.carrier_reads, reads);
    assert_int_equal(size.carrier_writes, writes);
    assert_int_equal(size.ahead > 0, reads);
    assert_true(size.slots * size.slot_bytes + size.workers * ((size.workspace_bytes + 4095) / 4096 * 4096) <= memory);
}

static void
sizes_follow_from_memory(void **state)
{
    const struct layout four = {1, 4, 1}, wide = {1, 4, 4}, many = {1, 400, 1};
    struct engine_size size;
    (void)state;
    fixture_create(&fixture, &fixture_twice, TASKS, generated, plain);
    test_ok(engine_size(fixture.plan, NULL, &four, false, false, INT64_C(1) << 30, &size, &error), &error);
    assert_int_equal(size.workspace_bytes, N * 8);
    /* 20 tasks a chunk: `x`, `twice`, `key`, status, info and what is unreadable, each from a page border on */
    assert_int_equal(size.slot_bytes, 6 * 4096);
    const int64_t each = size.slot_bytes + 4096, plenty = INT64_C(1) << 30;
    expect_size(&four, false, false, plenty, 4, 4);
    expect_size(&four, false, true, plenty, 4, 8);
    expect_size(&four, true, false, plenty, 4, 4 + 16);
    expect_size(&four, true, true, plenty, 4, 8 + 16);
    expect_size(&wide, false, false, plenty, 1, 1);
    /* no more than a rank can show in flight; each worker needs one */
    expect_size(&many, true, true, plenty, QUEUE_IN_FLIGHT, QUEUE_IN_FLIGHT);
    /* memory for fewer workers; then for nothing ahead or behind */
    expect_size(&four, true, true, 4 * each, 4, 4);
    expect_size(&four, true, true, 4 * each + size.slot_bytes, 4, 5);
    expect_size(&four, true, true, 4 * each - 1, 3, 4);
    expect_size(&four, false, false, each, 1, 1);
    fixture_destroy(&fixture);
}

/* What two steps need is for speed: no worker goes without memory for it. */
static void
two_steps_take_what_memory_is_left(void **state)
{
    static const char *const packed[] = {"packed.h5:/twice"};
    const struct layout four = {1, 4, 1};
    struct engine_size one, two;
    (void)state;
    fixture_create(&fixture, &fixture_twice, TASKS, packed, plain);
    const int64_t raw = source_raw_bytes(fixture.inputs, fixture.plan->classes[0].tasks_per_chunk);
    assert_true(raw > 0);
    test_ok(engine_size(fixture.plan, NULL, &four, true, false, INT64_C(1) << 30, &one, &error), &error);
    assert_false(one.two_steps);
    test_ok(engine_size(fixture.plan, fixture.inputs, &four, true, false, INT64_C(1) << 30, &two, &error), &error);
    assert_true(two.two_steps);
    assert_int_equal(two.slot_bytes, one.slot_bytes + (raw + 4095) / 4096 * 4096);
    const int64_t each = two.slot_bytes + 4096;
    test_ok(engine_size(fixture.plan, fixture.inputs, &four, true, false, 4 * each, &two, &error), &error);
    assert_true(two.two_steps && two.workers == 4);
    test_ok(engine_size(fixture.plan, fixture.inputs, &four, true, false, 4 * each - 1, &two, &error), &error);
    assert_true(!two.two_steps && two.workers == 4 && two.slot_bytes == one.slot_bytes);
    fixture_destroy(&fixture);
}

static void
not_even_one_task_fits(void **state)
{
    const struct layout four = {1, 4, 1};
    struct engine_size size;
    struct engine *engine = NULL;
    (void)state;
    fixture_create(&fixture, &fixture_twice, TASKS, generated, plain);
    test_error(
        engine_size(fixture.plan, NULL, &four, false, false, 6 * 4096 - 1, &size, &error), SHEAF_NO_RESOURCES, &error,
        "a task needs 0.000 GB of memory, this rank may use 0.000 GB: run fewer ranks per node (--layout), or raise "
        "--memory");
    const struct engine_setup setup = {.plan = fixture.plan,
                                       .layout = four,
                                       .sources = (struct source *[]){NULL},
                                       .results_in_memory = true,
                                       .memory_bytes = 0};
    struct source *source;
    test_ok(source_attach(&fixture.inputs[0], &source, &error), &error);
    struct engine_setup with_source = setup;
    with_source.sources = &source;
    test_error(engine_create(&with_source, &engine, &error), SHEAF_NO_RESOURCES, &error, "a task needs");
    engine_destroy(engine);
    source_detach(source);
    fixture_destroy(&fixture);
}

/* ---- no memory, no threads ---- */

/* Create and destroy an engine, in which one call of those that `allowed` counts fails. @return whether any did */
static bool
create_without(int *allowed, int successes, const char *part)
{
    struct engine *engine = NULL;
    struct source *source;
    test_ok(source_attach(&fixture.inputs[0], &source, &error), &error);
    const struct engine_setup setup = {.plan = fixture.plan,
                                       .layout = {1, 2, 1},
                                       .sources = &source,
                                       .results_in_memory = true,
                                       .memory_bytes = INT64_C(1) << 30};
    *allowed = successes;
    enum sheaf_status status = engine_create(&setup, &engine, &error);
    bool failed = *allowed < 0;
    *allowed = -1;
    if (failed)
        test_error(status, SHEAF_NO_RESOURCES, &error, part);
    else
        test_ok(status, &error);
    engine_destroy(engine);
    source_detach(source);
    return failed;
}

static void
no_memory_for_the_engine(void **state)
{
    (void)state;
    fixture_create(&fixture, &fixture_twice, TASKS, generated, plain);
    assert_true(create_without(&calloc_allowed, 0, "no memory for the engine"));
    assert_true(create_without(&calloc_allowed, 1, "no memory for 2 buffers of 0.000 GB"));
    assert_true(create_without(&calloc_allowed, 2, "no memory for 2 buffers of 0.000 GB"));
    assert_false(create_without(&calloc_allowed, 3, ""));
    for (int i = 0; i < 4; i++) /* two slots, two workspaces */
        assert_true(create_without(&mmap_allowed, i, "no memory for 2 buffers of 0.000 GB: Cannot allocate memory"));
    assert_false(create_without(&mmap_allowed, 4, ""));
    fixture_destroy(&fixture);
}

static void
no_helpers_for_a_wide_task(void **state)
{
    struct engine *engine = NULL;
    struct source *source;
    (void)state;
    fixture_create(&fixture, &fixture_twice_parallel, TASKS, generated, plain);
    test_ok(source_attach(&fixture.inputs[0], &source, &error), &error);
    const struct engine_setup setup = {.plan = fixture.plan,
                                       .layout = {1, 3, 3},
                                       .sources = &source,
                                       .results_in_memory = true,
                                       .memory_bytes = INT64_C(1) << 30};
    thread_allowed = 1;
    enum sheaf_status status = engine_create(&setup, &engine, &error);
    thread_allowed = -1;
    test_error(status, SHEAF_NO_RESOURCES, &error, "cannot create 2 threads to share a task, 1 are there");
    engine_destroy(engine);
    source_detach(source);
    fixture_destroy(&fixture);
}

static void
no_threads_stop_the_run(void **state)
{
    const struct fixture_setup setup = {.layout = {1, 4, 1}, .present = 1, .results_block = true};
    (void)state;
    fixture_create(&fixture, &fixture_twice, TASKS, generated, plain);
    for (int threads = 0; threads < 5; threads++) {
        struct fixture_node node;
        char part[128];
        fixture_node_create(&node, &fixture, &setup);
        thread_allowed = threads;
        fixture_node_start(&node);
        thread_allowed = -1;
        fixture_node_attend(&node, 0, fixture.plan->chunks, 7);
        assert_true(queue_error(node.queue, &error));
        snprintf(part, sizeof part, "cannot create 5 threads, %d are there; look at ulimit -u", threads);
        test_error(error.status, SHEAF_NO_RESOURCES, &error, part);
        fixture_node_sync(&node);
        fixture_node_destroy(&node);
    }
    fixture_destroy(&fixture);
}

static void
no_memory_for_commits_stops_the_root(void **state)
{
    const struct fixture_setup setup = {.layout = {1, 1, 1}, .present = 1};
    struct fixture_node root;
    (void)state;
    fixture_create(&fixture, &fixture_twice, TASKS, generated, plain);
    fixture_node_create(&root, &fixture, &setup);
    void *buffer = malloc(64);
    malloc_allowed = 0;
    engine_take_commits(root.ranks[0].engine, buffer, 64);
    malloc_allowed = -1;
    assert_true(queue_error(root.queue, &error));
    test_error(error.status, SHEAF_NO_RESOURCES, &error, "no memory for another node's commits");
    assert_true(engine_has_written_commits(root.ranks[0].engine));
    fixture_node_destroy(&root);
    fixture_destroy(&fixture);
}

/* ---- errors of a run: it ends, and says why ---- */

/* In every mode, with one worker and with several: who meets the error differs. */
static void
fail_in_all_modes(bool library, enum sheaf_status status, const char *part)
{
    for (int mode = 0; mode < 8; mode++) {
        const struct fixture_setup setup = {
            .layout = {1, mode & 1 ? 4 : 1, 1}, .present = 1, .results_block = mode & 2, .low_water = mode};
        struct source_map kept = fixture.inputs[0];
        if (library && mode & 4)
            fixture.inputs[0].offset = -1;
        fixture_run_fails(&fixture, &setup, status, part);
        fixture.inputs[0] = kept;
    }
}

static void
a_kernel_that_fails_stops_the_run(void **state)
{
    union sheaf_parameter_value parameters[FIXTURE_PARAMETERS];
    double x[N];
    (void)state;
    fixture_create(&fixture, &fixture_twice, TASKS, generated, plain);
    fixture_input(&fixture, 775, x);
    fixture_destroy(&fixture);
    memcpy(parameters, plain, sizeof parameters);
    parameters[FIXTURE_FATAL].real = x[0];
    fixture_create(&fixture, &fixture_twice, TASKS, dataset, parameters);
    fail_in_all_modes(true, SHEAF_INTERNAL,
                      "kernel twice failed on the 20 tasks of a chunk, the first one is task 760");
    fixture_destroy(&fixture);
}

static void
an_input_that_cannot_be_read_stops_the_run(void **state)
{
    static const char *const texts[] = {"short.h5:/twice"};
    (void)state;
    fixture_write_dataset("short.h5", TASKS, N);
    fixture_create(&fixture, &fixture_twice, TASKS, texts, plain);
    for (int mode = 0; mode < 4; mode++) {
        const struct fixture_setup setup = {.layout = {1, mode & 1 ? 4 : 1, 1}, .present = 1};
        struct fixture_node node;
        fixture.inputs[0].in_memory = mode & 2;
        fixture_write_dataset("short.h5", TASKS, N);
        fixture_node_create(&node, &fixture, &setup);
        assert_int_equal(truncate("short.h5", fixture.inputs[0].offset + TASKS / 2 * N * 8), 0);
        fixture_node_start(&node);
        fixture_node_attend(&node, 0, fixture.plan->chunks, 7);
        assert_true(queue_error(node.queue, &error));
        test_error(error.status, SHEAF_IO_ERROR, &error, "short.h5:/twice");
        fixture_node_sync(&node);
        fixture_node_destroy(&node);
    }
    /* through the library, by the carrier */
    const struct fixture_setup setup = {.layout = {1, 2, 1}, .present = 1};
    fixture.inputs[0].offset = -1;
    assert_int_equal(unlink("short.h5"), 0);
    fixture_run_fails(&fixture, &setup, SHEAF_IO_ERROR, "short.h5");
    fixture_destroy(&fixture);
}

/* The same where workers compute in a mapped file: pages that are gone read as 0, and no chunk of them counts. */
static void
a_mapped_input_that_becomes_shorter_stops_the_run(void **state)
{
    static const char *const texts[] = {"mapped.h5:/twice"};
    (void)state;
    assert_int_equal(setenv("SHEAF_READ", "map", 1), 0);
    fixture_write_dataset("mapped.h5", TASKS, N);
    fixture_create(&fixture, &fixture_twice, TASKS, texts, plain);
    const struct fixture_setup setup = {.layout = {1, 2, 1}, .present = 1};
    struct fixture_node node;
    fixture.inputs[0].in_memory = true; /* else the carrier might read it ahead */
    fixture_node_create(&node, &fixture, &setup);
    int64_t whole = TASKS / 2 * N * 8;
    assert_int_equal(truncate("mapped.h5", fixture.inputs[0].offset + whole), 0);
    fixture_node_start(&node);
    fixture_node_attend(&node, 0, fixture.plan->chunks, 7);
    assert_true(queue_error(node.queue, &error));
    test_error(error.status, SHEAF_IO_ERROR, &error, "mapped.h5:/twice: cannot read all of it");
    fixture_node_sync(&node);
    fixture_node_destroy(&node);
    /* also one all of whose missing bytes lie in the page of the file's last byte: there they read as 0 without a fault */
    for (int64_t chunk = 0; chunk < fixture.plan->chunks; chunk++) {
        struct plan_chunk about = plan_at(fixture.plan, chunk);
        if ((about.first + about.count) * N * 8 > whole)
            assert_false(fixture_is_done(&fixture, about.chunk));
    }
    assert_true(fixture_is_done(&fixture, 0));
    fixture_destroy(&fixture);
    unsetenv("SHEAF_READ");
}

/* Attach to the results file with another idea of where something lies. */
static void
misplace(int64_t *offset)
{
    const int64_t kept = *offset;
    test_ok(store_detach(fixture.store, &error), &error);
    *offset = -(INT64_C(1) << 40);
    test_ok(store_attach(&fixture.store_map, NULL, &fixture.store, &error), &error);
    *offset = kept;
}

static void
results_that_cannot_be_written_stop_the_run(void **state)
{
    (void)state;
    fixture_create(&fixture, &fixture_twice, TASKS, dataset, plain);
    misplace(&fixture.store_map.output_offsets[1]);
    fail_in_all_modes(true, SHEAF_IO_ERROR, "results.h5");
    misplace(&fixture.store_map.status_offset);
    fail_in_all_modes(true, SHEAF_IO_ERROR, "results.h5");
    misplace(&fixture.store_map.chunks_offset); /* as soon as a chunk starts */
    fail_in_all_modes(true, SHEAF_IO_ERROR, "results.h5");
    fixture_destroy(&fixture);
}

static void
results_that_cannot_be_synced_are_an_error(void **state)
{
    const struct fixture_setup setup = {.layout = {1, 2, 1}, .present = 1, .results_block = true};
    struct fixture_node node;
    (void)state;
    fixture_create(&fixture, &fixture_twice, TASKS, generated, plain);
    fixture_node_create(&node, &fixture, &setup);
    fixture_node_start(&node);
    fixture_node_attend(&node, 0, fixture.plan->chunks, 7);
    assert_false(queue_error(node.queue, &error));
    sync_allowed = 0;
    fixture_node_sync(&node);
    assert_int_equal(sync_allowed, -1); /* it was called, once: a failed sync is never retried */
    assert_true(queue_error(node.queue, &error));
    test_error(error.status, SHEAF_IO_ERROR, &error, "results.h5");
    fixture_node_destroy(&node);
    fixture_destroy(&fixture);
}

/* ---- stops ---- */

static void
a_stop_commits_what_is_in_flight(void **state)
{
    union sheaf_parameter_value slow[FIXTURE_PARAMETERS];
    (void)state;
    memcpy(slow, plain, sizeof slow);
    slow[FIXTURE_NAP].integer = 3000000;
    for (int mode = 0; mode < 4; mode++) {
        const struct fixture_setup setup = {.layout = {2, 2, 1}, .present = 3, .results_block = mode & 2};
        struct fixture_node node;
        struct queue_totals totals;
        fixture_create(&fixture, &fixture_twice, TASKS, mode & 1 ? dataset : generated, slow);
        fixture.inputs[0].in_memory = false;
        fixture_node_create(&node, &fixture, &setup);
        fixture_node_start(&node);
        assert_true(queue_refill(node.queue, 0, fixture.plan->chunks));
        do {
            const struct timespec nap = {.tv_nsec = 1000000};
            engine_attend(node.ranks[0].engine);
            nanosleep(&nap, NULL);
            queue_sum_totals(node.queue, &totals);
        } while (totals.chunks < 4);
        queue_stop(node.queue);
        fixture_node_attend(&node, fixture.plan->chunks, fixture.plan->chunks, 1);
        assert_false(queue_error(node.queue, &error));
        fixture_node_sync(&node);
        queue_sum_totals(node.queue, &totals);
        assert_true(totals.chunks >= 4 && totals.chunks < fixture.plan->chunks);
        assert_int_equal(totals.chunks, atomic_load(&node.queue->sequence));
        int64_t committed = 0;
        for (int64_t chunk = 0; chunk < fixture.plan->chunks; chunk++) {
            struct record_chunk record;
            int file = open("results.h5", O_RDONLY);
            assert_true(file >= 0);
            assert_int_equal(
                pread(file, &record, sizeof record, fixture.store_map.chunks_offset + chunk * (int64_t)sizeof record),
                sizeof record);
            close(file);
            assert_true(record.state != RECORD_STARTED); /* what was started is done */
            committed += record.state == RECORD_DONE;
        }
        assert_int_equal(committed, totals.chunks);
        fixture_node_destroy(&node);
        fixture_destroy(&fixture);
    }
}

static void
a_stopped_engine_can_be_destroyed_while_its_workers_sleep(void **state)
{
    (void)state;
    for (int mode = 0; mode < 4; mode++) {
        const struct fixture_setup setup = {.layout = {1, 3, 1}, .present = 1, .results_block = mode & 2};
        const struct timespec nap = {.tv_nsec = 20000000};
        struct fixture_node node;
        fixture_create(&fixture, &fixture_twice, TASKS, mode & 1 ? dataset : generated, plain);
        fixture.inputs[0].in_memory = false;
        fixture_node_create(&node, &fixture, &setup);
        fixture_node_start(&node);
        nanosleep(&nap, NULL); /* the queue is empty: they sleep */
        queue_stop(node.queue);
        fixture_node_destroy(&node);
        fixture_destroy(&fixture);
    }
}

static void
an_engine_that_never_started_can_be_destroyed(void **state)
{
    const struct fixture_setup setup = {.layout = {1, 2, 1}, .present = 2};
    struct fixture_node node;
    (void)state;
    fixture_create(&fixture, &fixture_twice, TASKS, generated, plain);
    fixture_node_create(&node, &fixture, &setup);
    assert_int_equal(engine_get_size(node.ranks[0].engine)->workers, 2);
    assert_int_equal(engine_get_size(node.ranks[1].engine)->workers, 0); /* parked */
    fixture_node_destroy(&node);
    engine_destroy(NULL);
    fixture_destroy(&fixture);
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
        cmocka_unit_test(sizes_follow_from_memory),
        cmocka_unit_test(two_steps_take_what_memory_is_left),
        cmocka_unit_test(not_even_one_task_fits),
        cmocka_unit_test(no_memory_for_the_engine),
        cmocka_unit_test(no_helpers_for_a_wide_task),
        cmocka_unit_test(no_threads_stop_the_run),
        cmocka_unit_test(no_memory_for_commits_stops_the_root),
        cmocka_unit_test(a_kernel_that_fails_stops_the_run),
        cmocka_unit_test(an_input_that_cannot_be_read_stops_the_run),
        cmocka_unit_test(a_mapped_input_that_becomes_shorter_stops_the_run),
        cmocka_unit_test(results_that_cannot_be_written_stop_the_run),
        cmocka_unit_test(results_that_cannot_be_synced_are_an_error),
        cmocka_unit_test(a_stop_commits_what_is_in_flight),
        cmocka_unit_test(a_stopped_engine_can_be_destroyed_while_its_workers_sleep),
        cmocka_unit_test(an_engine_that_never_started_can_be_destroyed),
    };
    alarm(100); /* nothing here may wait for ever */
    return cmocka_run_group_tests(tests, enter_with_dataset, test_leave_directory);
}
