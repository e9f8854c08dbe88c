/* What a leader's carrier does from time to time: syncs, marks, heartbeats, and a look at the lock. */
#include "engine_fixture.h"
#include "keeper.h"

#include <errno.h>

enum { TASKS = 1500, SECOND = 1000000000 };

static const char *const generated[] = {"random:10"};
static const union sheaf_parameter_value plain[FIXTURE_PARAMETERS] = {
    [FIXTURE_CHUNK] = {.integer = 20}, [FIXTURE_FATAL] = {.real = -1}};
static struct fixture fixture;
static struct sheaf_error error;
static struct queue *queue;
static const uint32_t rows[] = {3, 5, 3};

/* ---- syncs are counted, and fail when they are told to ---- */

static _Atomic int syncs;
static bool sync_fails;

int __real_fdatasync(int file);
int __wrap_fdatasync(int file);

int
__wrap_fdatasync(int file)
{
    syncs++;
    if (!sync_fails)
        return __real_fdatasync(file);
    errno = EIO;
    return -1;
}

static struct keeper *
create(enum options_sync sync, bool in_memory, int nodes, struct record_run *run, const struct lock *lock)
{
    struct keeper *keeper;
    queue = calloc(1, queue_bytes(1, false));
    assert_non_null(queue);
    queue_init(queue, 1, false, 0);
    const struct keeper_setup setup = {.queue = queue,
                                       .sync = sync,
                                       .in_memory = in_memory,
                                       .node_count = nodes,
                                       .host_rows = rows,
                                       .run = run,
                                       .lock = lock};
    test_ok(keeper_create(&setup, &keeper, &error), &error);
    syncs = 0;
    sync_fails = false;
    return keeper;
}

static void
destroy(struct keeper *keeper)
{
    keeper_destroy(keeper);
    free(queue);
}

static int
set_up(void **state)
{
    (void)state;
    fixture_create(&fixture, &fixture_twice, TASKS, generated, plain);
    return 0;
}

static int
tear_down(void **state)
{
    (void)state;
    fixture_destroy(&fixture);
    return 0;
}

static struct record_mark
read_mark(int64_t row)
{
    struct record_mark mark;
    int file = open(fixture.store_map.path, O_RDONLY);
    assert_true(file >= 0);
    assert_int_equal(pread(file, &mark, sizeof mark, fixture.store_map.marks_offset + row * (int64_t)sizeof mark),
                     sizeof mark);
    close(file);
    return mark;
}

static void
expect_mark(int64_t row, uint32_t run, uint64_t sequence)
{
    struct record_mark mark = read_mark(row);
    assert_true(record_mark_valid(&mark, row));
    assert_int_equal(mark.run, run);
    assert_int_equal(mark.sequence, sequence);
}

/* ---- the tests ---- */

static void
rows_say_what_is_true_of_all_their_nodes(void **state)
{
    const uint64_t sequences[] = {7, 4, 9};
    struct keeper_marks marks = {.node_count = 3, .host_rows = rows, .sequences = sequences};
    uint64_t joined[RECORD_HOSTS];
    (void)state;
    keeper_join_rows(&marks, joined);
    assert_int_equal(joined[3], 7);
    assert_int_equal(joined[5], 4);
    assert_true(joined[4] == UINT64_MAX && joined[0] == UINT64_MAX);
    marks.all = true;
    keeper_join_rows(&marks, joined);
    assert_int_equal(joined[3], 9);
    assert_int_equal(joined[5], 4);
}

static void
a_sync_is_due_by_time_or_bytes(void **state)
{
    struct keeper *keeper = create(SYNC_GROUP, false, 0, NULL, NULL);
    int64_t now = INT64_C(1) << 60;
    (void)state;
    keeper_begin_sync(keeper, now);
    assert_false(keeper_wants_sync(keeper, now + 10 * (int64_t)SECOND)); /* nothing is there to be synced */
    queue_note_committed(queue, 100);
    assert_false(keeper_wants_sync(keeper, now + 3 * (int64_t)SECOND));
    assert_true(keeper_wants_sync(keeper, now + 4 * (int64_t)SECOND));
    assert_int_equal(atomic_load(&queue->ranks[0].bell), 0);
    queue_note_committed(queue, KEEPER_SYNC_BYTES - 101);
    assert_false(keeper_wants_sync(keeper, now));
    assert_int_equal(atomic_load(&queue->ranks[0].bell), 0);
    queue_note_committed(queue, 1);
    assert_int_equal(atomic_load(&queue->ranks[0].bell), 1); /* the leader is rung, once */
    queue_note_committed(queue, 1);
    assert_int_equal(atomic_load(&queue->ranks[0].bell), 1);
    assert_true(keeper_wants_sync(keeper, now));
    keeper_begin_sync(keeper, now);
    assert_false(keeper_wants_sync(keeper, now + 10 * (int64_t)SECOND));
    assert_false(keeper_wants_beat(keeper, now + 10 * (int64_t)SECOND)); /* the root's alone */
    destroy(keeper);
}

static void
each_and_end_are_what_they_say(void **state)
{
    struct keeper *keeper = create(SYNC_EACH, false, 0, NULL, NULL);
    int64_t now = INT64_C(1) << 60;
    (void)state;
    assert_false(keeper_wants_sync(keeper, now));
    queue_note_committed(queue, 1);
    assert_int_equal(atomic_load(&queue->ranks[0].bell), 1);
    assert_true(keeper_wants_sync(keeper, now));
    destroy(keeper);

    keeper = create(SYNC_END, false, 0, NULL, NULL);
    queue_note_committed(queue, INT64_C(1) << 50);
    assert_int_equal(atomic_load(&queue->ranks[0].bell), 0);
    assert_false(keeper_wants_sync(keeper, now));
    destroy(keeper);
}

/* The numbers count that were known before the sync began. */
static void
marks_say_what_was_known_before_the_sync(void **state)
{
    struct record_run run = {.number = 2};
    struct keeper *keeper = create(SYNC_GROUP, false, 3, &run, NULL);
    (void)state;
    atomic_store(&queue->sequence, 7);
    keeper_note_synced(keeper, 1, 4);
    keeper_note_synced(keeper, 2, 9);
    keeper_begin_sync(keeper, 0);
    atomic_store(&queue->sequence, 8);
    keeper_note_synced(keeper, 1, 6);
    test_ok(keeper_sync(keeper, fixture.store, &error), &error);
    assert_int_equal(syncs, 1);
    assert_int_equal(keeper_synced(keeper), 7);
    expect_mark(3, 2, 7); /* of nodes 0 and 2 */
    expect_mark(5, 2, 4);
    assert_int_equal(read_mark(4).time, 0);
    destroy(keeper);
}

static void
memory_needs_no_sync(void **state)
{
    struct record_run run = {.number = 1};
    struct keeper *keeper = create(SYNC_GROUP, true, 1, &run, NULL);
    (void)state;
    atomic_store(&queue->sequence, 5);
    keeper_begin_sync(keeper, 0);
    test_ok(keeper_sync(keeper, fixture.store, &error), &error);
    assert_int_equal(syncs, 0);
    expect_mark(3, 1, 5);
    destroy(keeper);
}

static void
a_failed_sync_moves_no_mark_and_is_not_retried(void **state)
{
    struct record_run run = {.number = 1};
    struct keeper *keeper = create(SYNC_GROUP, false, 1, &run, NULL);
    (void)state;
    atomic_store(&queue->sequence, 5);
    queue_note_committed(queue, KEEPER_SYNC_BYTES);
    keeper_begin_sync(keeper, 0);
    sync_fails = true;
    test_error(keeper_sync(keeper, fixture.store, &error), SHEAF_IO_ERROR, &error, "results.h5");
    assert_int_equal(read_mark(3).time, 0);
    sync_fails = false;
    queue_note_committed(queue, KEEPER_SYNC_BYTES);
    assert_false(keeper_wants_sync(keeper, INT64_C(1) << 60));
    keeper_begin_sync(keeper, 0);
    test_error(keeper_sync(keeper, fixture.store, &error), SHEAF_IO_ERROR, &error, "not tried again");
    assert_int_equal(syncs, 1);
    assert_int_equal(read_mark(3).time, 0);
    assert_int_equal(keeper_synced(keeper), 0);
    destroy(keeper);
}

static void
a_heartbeat_shows_that_the_run_lives(void **state)
{
    struct record_run run = {.number = 2, .state = RUN_RUNNING}, found;
    struct lock_owner self, previous;
    struct lock *lock;
    (void)state;
    lock_describe_self(1e9, &self);
    const struct lock_request request = {.output = fixture.store_map.path, .self = &self};
    test_ok(lock_take(&request, &lock, &previous, &error), &error);
    struct keeper *keeper = create(SYNC_GROUP, false, 1, &run, lock);
    int64_t now = INT64_C(1) << 60;
    test_ok(keeper_beat(keeper, fixture.store, now, &error), &error);
    assert_false(keeper_wants_beat(keeper, now + 2 * (int64_t)SECOND));
    assert_true(keeper_wants_beat(keeper, now + 3 * (int64_t)SECOND));
    int file = open(fixture.store_map.path, O_RDONLY);
    assert_int_equal(pread(file, &found, sizeof found, fixture.store_map.runs_offset + 2 * (int64_t)sizeof found),
                     sizeof found);
    close(file);
    assert_true(record_run_valid(&found) && found.heartbeat > 1e9);

    /* somebody has thought that it does not */
    char path[STORE_PATH_BYTES + 8];
    snprintf(path, sizeof path, "%s.lock", fixture.store_map.path);
    unlink(path);
    test_error(keeper_beat(keeper, fixture.store, now, &error), SHEAF_NO_OUTPUT, &error,
               "was taken away; this run stops");
    destroy(keeper);
    lock_release(lock);
}

/* A whole run of one node that syncs each commit: many marks, the last of all. */
static void
a_run_syncs_while_it_computes(void **state)
{
    const struct fixture_setup setup = {.layout = {2, 2, 1}, .present = 2, .results_block = true, .sync = SYNC_EACH};
    (void)state;
    syncs = 0;
    fixture_run(&fixture, &setup, NULL);
    assert_in_range(syncs, 2, fixture.plan->chunks + 1);
    expect_mark(FIXTURE_HOST, FIXTURE_RUN, (uint64_t)fixture.plan->chunks);

    const struct fixture_setup once = {.layout = {2, 2, 1}, .present = 2, .results_block = true, .sync = SYNC_END};
    syncs = 0;
    fixture_run(&fixture, &once, NULL);
    assert_int_equal(syncs, 1);
}

/* Whatever else there is to do; and the run ends. */
static void
a_sync_that_fails_in_the_middle_ends_the_run(void **state)
{
    const struct fixture_setup setup = {.layout = {1, 2, 1}, .present = 1, .results_block = true, .sync = SYNC_EACH};
    (void)state;
    syncs = 0;
    sync_fails = true;
    fixture_run_fails(&fixture, &setup, SHEAF_IO_ERROR, "results.h5");
    sync_fails = false;
    assert_int_equal(syncs, 1);
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(rows_say_what_is_true_of_all_their_nodes),
        cmocka_unit_test(a_sync_is_due_by_time_or_bytes),
        cmocka_unit_test(each_and_end_are_what_they_say),
        cmocka_unit_test_setup_teardown(marks_say_what_was_known_before_the_sync, set_up, tear_down),
        cmocka_unit_test_setup_teardown(memory_needs_no_sync, set_up, tear_down),
        cmocka_unit_test_setup_teardown(a_failed_sync_moves_no_mark_and_is_not_retried, set_up, tear_down),
        cmocka_unit_test_setup_teardown(a_heartbeat_shows_that_the_run_lives, set_up, tear_down),
        cmocka_unit_test_setup_teardown(a_run_syncs_while_it_computes, set_up, tear_down),
        cmocka_unit_test_setup_teardown(a_sync_that_fails_in_the_middle_ends_the_run, set_up, tear_down),
    };
    return cmocka_run_group_tests(tests, test_enter_directory, test_leave_directory);
}
