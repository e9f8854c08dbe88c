/* Whole runs over several nodes in one process: courier, dispatch, queue, engines and a real results file; MPI is a stub. */
#include "courier.h"
#include "engine_fixture.h"
#include "mpi_stub.h"
#include "node.h"

#include <errno.h>
#include <time.h>

enum { TASKS = 1500, N = 10, NODES = 5, NODES_MOST = 8, NUMBERS_MOST = 4096, RANKS = FIXTURE_RANKS };

static const char *const generated[] = {"random:10"}, *const dataset[] = {"input.h5:/twice"};
static const union sheaf_parameter_value plain[FIXTURE_PARAMETERS] = {
    [FIXTURE_CHUNK] = {.integer = 20}, [FIXTURE_FAIL_EVERY] = {.integer = 7}, [FIXTURE_FATAL] = {.real = -1}};
/* A rank looks up every second even when nobody wakes it. Here that takes so long that it is noticed. */
static const int64_t heartbeat_ns = INT64_C(1000000000), missed_wake_ns = INT64_C(10000000000);

static struct fixture fixture;
static struct sheaf_error error;
/* $SHEAF_TEST_SEED: for looking longer than a test should take. */
static uint64_t other_seeds;

/* ---- calls of the project that are watched, or fail when they are told to ---- */

/* Commits into the results file, and who made those of nodes other than the root's. */
static struct {
    pthread_mutex_t mutex;
    int64_t count, foreign;
    pthread_t foreign_by;
    bool by_several;
} commits = {.mutex = PTHREAD_MUTEX_INITIALIZER};

/* How many threads the calling thread may still create; negative: any number. */
static _Thread_local int threads_allowed = -1;

enum sheaf_status __real_store_commit_chunk(struct store *store, int64_t chunk, struct record_chunk *record,
                                            struct sheaf_error *why);
enum sheaf_status __wrap_store_commit_chunk(struct store *store, int64_t chunk, struct record_chunk *record,
                                            struct sheaf_error *why);
uint32_t __real_queue_sleep(struct queue *queue, int local_rank, uint32_t seen, int64_t nanoseconds);
uint32_t __wrap_queue_sleep(struct queue *queue, int local_rank, uint32_t seen, int64_t nanoseconds);
int __real_pthread_create(pthread_t *thread, const pthread_attr_t *how, void *(*body)(void *), void *argument);
int __wrap_pthread_create(pthread_t *thread, const pthread_attr_t *how, void *(*body)(void *), void *argument);

static void note_record(uint32_t host, uint64_t sequence);

enum sheaf_status
__wrap_store_commit_chunk(struct store *store, int64_t chunk, struct record_chunk *record, struct sheaf_error *why)
{
    pthread_mutex_lock(&commits.mutex);
    commits.count++;
    if (record->host != FIXTURE_HOST) {
        if (commits.foreign++ == 0)
            commits.foreign_by = pthread_self();
        commits.by_several |= !pthread_equal(commits.foreign_by, pthread_self());
    }
    pthread_mutex_unlock(&commits.mutex);
    const uint32_t host = record->host;
    const uint64_t sequence = record->sequence;
    enum sheaf_status status = __real_store_commit_chunk(store, chunk, record, why);
    if (!status)
        note_record(host, sequence);
    return status;
}

uint32_t
__wrap_queue_sleep(struct queue *queue, int local_rank, uint32_t seen, int64_t nanoseconds)
{
    return __real_queue_sleep(queue, local_rank, seen, nanoseconds < heartbeat_ns ? nanoseconds : missed_wake_ns);
}

int
__wrap_pthread_create(pthread_t *thread, const pthread_attr_t *how, void *(*body)(void *), void *argument)
{
    if (threads_allowed == 0)
        return EAGAIN;
    threads_allowed -= threads_allowed > 0;
    return __real_pthread_create(thread, how, body, argument);
}

/*
 * What marks may say: numbers of a node that were given when its own last sync began. Those of other nodes than the root's came in
 * messages: when the root's last sync began, all their records were in the file, without a gap. The root's own rows are written
 * before its numbers are given. Rows are nodes.
 */
static struct {
    pthread_mutex_t mutex;
    unsigned char seen[NODES_MOST][NUMBERS_MOST]; /* records in the file, by row and number */
    uint64_t written[NODES_MOST];       /* numbers without a gap in the file when the root's last sync began */
    _Atomic uint64_t begun[NODES_MOST]; /* the number of a node when its last sync began */
    int64_t marks;
    bool wrong;
} durable = {.mutex = PTHREAD_MUTEX_INITIALIZER};

static int find_node(const struct keeper *keeper);
void __real_keeper_begin_sync(struct keeper *keeper, int64_t now);
void __wrap_keeper_begin_sync(struct keeper *keeper, int64_t now);
enum sheaf_status __real_keeper_sync(struct keeper *keeper, struct store *store, struct sheaf_error *why);
enum sheaf_status __wrap_keeper_sync(struct keeper *keeper, struct store *store, struct sheaf_error *why);
enum sheaf_status __real_store_write_mark(struct store *store, uint32_t host, struct record_mark *mark,
                                          struct sheaf_error *why);
enum sheaf_status __wrap_store_write_mark(struct store *store, uint32_t host, struct record_mark *mark,
                                          struct sheaf_error *why);

static void
note_record(uint32_t host, uint64_t sequence)
{
    pthread_mutex_lock(&durable.mutex);
    durable.wrong |= sequence == 0 || sequence >= NUMBERS_MOST || durable.seen[host - FIXTURE_HOST][sequence];
    if (sequence < NUMBERS_MOST)
        durable.seen[host - FIXTURE_HOST][sequence] = 1;
    pthread_mutex_unlock(&durable.mutex);
}

enum sheaf_status
__wrap_store_write_mark(struct store *store, uint32_t host, struct record_mark *mark, struct sheaf_error *why)
{
    const uint32_t row = host - FIXTURE_HOST;
    pthread_mutex_lock(&durable.mutex);
    durable.wrong |=
        (row > 0 && mark->sequence > durable.written[row]) || mark->sequence > atomic_load(&durable.begun[row]);
    durable.marks += mark->sequence > 0;
    pthread_mutex_unlock(&durable.mutex);
    return __real_store_write_mark(store, host, mark, why);
}

static int64_t
count_commits(void)
{
    pthread_mutex_lock(&commits.mutex);
    int64_t count = commits.count;
    pthread_mutex_unlock(&commits.mutex);
    return count;
}

static void
nap(long nanoseconds)
{
    const struct timespec time = {.tv_nsec = nanoseconds};
    nanosleep(&time, NULL);
}

/* ---- runs ---- */

/* What a run looks like. */
struct shape {
    int nodes, ranks, workers; /* ranks of a node, workers of a rank */
    int parked;                /* further ranks of a node */
    bool results_block;
    enum options_sync sync;
    uint64_t seed;
    int64_t delay_ns;          /* the longest that a message takes */
    const struct fixture *odd; /* what one node sees instead of the fixture; NULL: none */
    int odd_node;
};

static struct run {
    struct shape shape;
    struct fixture fixtures[NODES]; /* copies, so that a node may see other inputs */
    struct fixture_node nodes[NODES];
    MPI_Comm leaders;
    struct member {
        struct comm comm;
        pthread_t thread;
        int threads_allowed;
    } members[NODES][RANKS];
    /* what the root knew at the end */
    struct queue_totals totals;
    uint64_t synced[NODES];
} run;

static int
find_node(const struct keeper *keeper)
{
    int node = 0;
    while (run.nodes[node].keeper != keeper)
        node++;
    return node;
}

void
__wrap_keeper_begin_sync(struct keeper *keeper, int64_t now)
{
    const int node = find_node(keeper);
    __real_keeper_begin_sync(keeper, now);
    atomic_store(&durable.begun[node], atomic_load(&run.nodes[node].queue->sequence));
}

enum sheaf_status
__wrap_keeper_sync(struct keeper *keeper, struct store *store, struct sheaf_error *why)
{
    pthread_mutex_lock(&durable.mutex);
    for (int row = 0; row < NODES_MOST && find_node(keeper) == 0; row++)
        while (durable.seen[row][durable.written[row] + 1])
            durable.written[row]++;
    pthread_mutex_unlock(&durable.mutex);
    return __real_keeper_sync(keeper, store, why);
}

static void
run_create(const struct shape *shape)
{
    const int present = shape->ranks + shape->parked;
    memset(&run, 0, sizeof run);
    run.shape = *shape;
    run.leaders = mpi_stub_create(shape->nodes, shape->seed, shape->delay_ns);
    commits.count = commits.foreign = commits.by_several = 0;
    durable.wrong = false;
    memset(durable.seen, 0, sizeof durable.seen);
    memset(durable.written, 0, sizeof durable.written);
    for (int i = 0; i < NODES_MOST; i++)
        atomic_store(&durable.begun[i], 0);
    fixture.hosts = shape->nodes;
    for (int node = 0; node < shape->nodes; node++) {
        const struct fixture_setup setup = {.layout = {shape->ranks, shape->workers, 1},
                                            .present = present,
                                            .first_rank = node * present,
                                            .results_block = shape->results_block,
                                            .sync = shape->sync,
                                            .nodes = shape->nodes};
        run.fixtures[node] = shape->odd && node == shape->odd_node ? *shape->odd : fixture;
        fixture_node_create(&run.nodes[node], &run.fixtures[node], &setup);
        for (int i = 0; i < present; i++) {
            struct member *member = &run.members[node][i];
            member->threads_allowed = -1;
            member->comm = (struct comm){.place = {.rank = setup.first_rank + i,
                                                   .size = shape->nodes * present,
                                                   .node = node,
                                                   .node_count = shape->nodes,
                                                   .local_rank = i,
                                                   .local_size = present},
                                         .leaders = i == 0 ? run.leaders : MPI_COMM_NULL};
        }
    }
}

/* A rank's main thread, as job.c has it. */
static void *
be_rank(void *argument)
{
    struct member *member = argument;
    const struct comm_place *place = &member->comm.place;
    struct fixture_node *node = &run.nodes[place->node];
    struct engine *engine = node->ranks[place->local_rank].engine;
    const int node_workers = run.shape.ranks * run.shape.workers;
    const struct dispatch_setup setup = {.comm = &member->comm,
                                         .queue = node->queue,
                                         .plan = fixture.plan,
                                         .workers = run.shape.nodes * node_workers,
                                         .node_workers = node_workers,
                                         .take_commits = engine_take_commits,
                                         .argument = engine,
                                         .keeper = place->local_rank == 0 ? node->keeper : NULL};
    struct dispatch *dispatch;
    struct sheaf_error why;
    if (place->local_rank == 0)
        mpi_stub_enter(run.leaders, place->node);
    if (dispatch_start(&setup, &dispatch, &why))
        abort(); /* only for a plan that is too long */
    threads_allowed = member->threads_allowed;
    engine_start(engine, fixture.store, FIXTURE_RUN, FIXTURE_HOST + (uint32_t)place->node, setup.keeper, false);
    threads_allowed = -1;
    struct drain drain = {.grace_seconds = 1000};
    const struct courier_setup courier = {place, node->queue, dispatch, engine, NULL, &drain};
    courier_attend(&courier);
    if (place->rank == 0) {
        dispatch_totals(dispatch, &run.totals);
        for (int i = 0; i < run.shape.nodes; i++)
            run.synced[i] = dispatch_synced_sequence(dispatch, i);
    }
    dispatch_destroy(dispatch);
    engine_destroy(engine);
    node->ranks[place->local_rank].engine = NULL;
    return NULL;
}

static void
run_start(void)
{
    for (int node = 0; node < run.shape.nodes; node++)
        for (int i = 0; i < run.nodes[node].setup.present; i++)
            assert_int_equal(pthread_create(&run.members[node][i].thread, NULL, be_rank, &run.members[node][i]), 0);
}

/* Wait until the run is over. Whatever the way that it ends: all that was said was heard, and the root alone wrote records. */
static void
run_join(void)
{
    int64_t start = node_nanoseconds();
    for (int node = 0; node < run.shape.nodes; node++)
        for (int i = 0; i < run.nodes[node].setup.present; i++)
            assert_int_equal(pthread_join(run.members[node][i].thread, NULL), 0);
    if (node_nanoseconds() - start >= missed_wake_ns)
        fail_msg("%.1f s: someone was not woken, seed %llu", 1e-9 * (double)(node_nanoseconds() - start),
                 (unsigned long long)run.shape.seed);
    for (int node = 0; node < run.shape.nodes; node++) {
        struct queue *queue = run.nodes[node].queue;
        assert_int_equal(queue_finished(queue), run.nodes[node].setup.present);
        if (queue_drains(queue) == QUEUE_DROP)
            continue; /* workers that were not waited for commit a little more */
        assert_int_equal(queue_posted_bytes(queue), 0);
        assert_int_equal(run.synced[node], atomic_load(&queue->sequence));
    }
    assert_false(commits.by_several); /* the root's carrier alone */
    assert_false(durable.wrong);
}

/* What was counted is in the file, and nothing else. */
static void
check_counts(void)
{
    int64_t done = 0;
    for (int64_t chunk = 0; chunk < fixture.plan->chunks; chunk++)
        done += fixture_is_done(&fixture, chunk);
    assert_int_equal(done, commits.count);
    assert_int_equal(done, run.totals.chunks);
}

static void
run_destroy(void)
{
    mpi_stub_destroy(run.leaders);
    for (int node = 0; node < run.shape.nodes; node++)
        fixture_node_destroy(&run.nodes[node]);
}

/* Every task is computed, once, and nobody saw an error. */
static void
check_complete(void)
{
    int64_t sequence = 0;
    check_counts();
    for (int node = 0; node < run.shape.nodes; node++) {
        struct fixture_node *at = &run.nodes[node];
        if (queue_error(at->queue, &error))
            fail_msg("node %d: %s", node, error.text);
        assert_false(queue_is_stopped(at->queue));
        sequence += (int64_t)atomic_load(&at->queue->sequence);
        for (int rank = 0; rank < at->setup.present; rank++)
            for (int i = 0; i < QUEUE_IN_FLIGHT; i++)
                assert_int_equal(atomic_load(&at->queue->ranks[rank].in_flight[i]), 0);
    }
    assert_int_equal(sequence, fixture.plan->chunks);
    assert_int_equal(run.totals.tasks, fixture.plan->tasks);
    assert_int_equal(run.totals.chunks, fixture.plan->chunks);
    assert_int_equal(run.totals.workers, run.shape.nodes * run.shape.ranks * run.shape.workers);
    assert_int_equal(run.totals.failed, fixture_check_results(&fixture, 1));
}

static void
run_to_the_end(const struct shape *shape)
{
    run_create(shape);
    run_start();
    run_join();
    check_complete();
    run_destroy();
}

/* The root has the error. The others were stopped, unless they had come to their end before. */
static void
run_fails(enum sheaf_status status, const char *part)
{
    run_start();
    run_join();
    assert_true(queue_error(run.nodes[0].queue, &error));
    test_error(error.status, status, &error, part);
    for (int node = 0; node < run.shape.nodes; node++) {
        struct queue *queue = run.nodes[node].queue;
        assert_true(queue_is_stopped(queue) || (atomic_load(&queue->closed) && queue_left(queue) == 0));
    }
    run_destroy();
}

/* Inputs that workers generate, copy or fetch ahead; messages that take no time, some or much; all by the seed. */
static void
vary(struct shape *shape)
{
    static const int64_t delays[] = {0, 200000, 4000000};
    uint64_t random = shape->seed;
    shape->results_block = test_random(&random) % 2;
    shape->parked = shape->ranks < RANKS && test_random(&random) % 4 == 0;
    shape->delay_ns = delays[test_random(&random) % 3];
    shape->sync = (enum options_sync)(test_random(&random) % 3);
}

static void
create_fixture(int64_t tasks, uint64_t seed, const union sheaf_parameter_value *parameters)
{
    fixture_create(&fixture, &fixture_twice, tasks, seed % 3 ? dataset : generated, parameters);
    fixture.inputs[0].in_memory = seed % 3 == 1;
}

/* ---- the tests ---- */

static void
nodes_share_the_tasks(void **state)
{
    static const int nodes[] = {1, 2, 3, 5};
    uint64_t seed = other_seeds + 100;
    (void)state;
    for (size_t i = 0; i < sizeof nodes / sizeof *nodes; i++)
        for (int ranks = 1; ranks <= 3; ranks++)
            for (int workers = 1; workers <= 2; workers++) {
                struct shape shape = {.nodes = nodes[i], .ranks = ranks, .workers = workers, .seed = seed++};
                vary(&shape);
                create_fixture(TASKS, shape.seed, plain);
                run_to_the_end(&shape);
                fixture_destroy(&fixture);
            }
    assert_true(durable.marks > 100);
}

static void
there_may_be_fewer_chunks_than_nodes(void **state)
{
    (void)state;
    for (uint64_t seed = other_seeds + 200; seed < other_seeds + 212; seed++) {
        struct shape shape = {.nodes = NODES, .ranks = 1 + (int)(seed % 2), .workers = 1, .seed = seed};
        vary(&shape);
        create_fixture(20 * (1 + (int64_t)(seed % 4)), seed, plain);
        assert_int_equal(fixture.plan->chunks, 1 + seed % 4);
        run_to_the_end(&shape);
        fixture_destroy(&fixture);
    }
}

/* Hold all messages from when node 1 has got much to do, until rank 1 there finds its outbox full. @return whether it did */
static bool
fill_an_outbox(int64_t left, size_t commit_bytes)
{
    struct queue *queue = run.nodes[1].queue;
    const struct queue_rank *rank = &queue->ranks[1];
    while (queue_left(queue) < left && !atomic_load(&queue->closed))
        nap(100000);
    mpi_stub_hold(run.leaders, true);
    uint64_t posted = 0;
    while (queue_left(queue) > 0 && posted <= QUEUE_OUTBOX_BYTES - commit_bytes) {
        nap(1000000);
        posted = atomic_load(&rank->outbox_tail) - atomic_load(&rank->outbox_head);
    }
    return posted > QUEUE_OUTBOX_BYTES - commit_bytes;
}

/*
 * Of 140 chunks node 1 gets 35 at once. Their commits take 82 KB each: an outbox holds 12. An error there leaves more of them
 * than the last report can carry.
 */
static void
run_with_a_full_outbox(bool fails)
{
    enum { CHUNKS = 140, TASKS_EACH = 16384, COMMIT_BYTES = TASKS_EACH * 5 + 144, ROUNDS = 20 };
    static const char *const texts[] = {"random:1"};
    const union sheaf_parameter_value long_chunks[FIXTURE_PARAMETERS] = {
        [FIXTURE_CHUNK] = {.integer = 1 << 20}, [FIXTURE_FATAL] = {.real = -1}, [FIXTURE_NAP] = {.integer = 1000000}};
    bool filled = false;
    for (uint64_t i = 0; i < ROUNDS && !filled; i++) {
        const struct shape shape = {
            .nodes = 2, .ranks = 2, .workers = 1, .seed = other_seeds + 300 + i, .delay_ns = 200000};
        fixture_create(&fixture, &fixture_twice, (int64_t)CHUNKS * TASKS_EACH, texts, long_chunks);
        assert_int_equal(fixture.plan->chunks, CHUNKS);
        run_create(&shape);
        run_start();
        filled = fill_an_outbox(30, COMMIT_BYTES);
        if (fails) {
            sheaf_fail(&error, SHEAF_IO_ERROR, "not readable");
            queue_fail(run.nodes[1].queue, &error);
            nap(20000000); /* it may come to its end */
        }
        mpi_stub_hold(run.leaders, false);
        run_join();
        if (fails) {
            assert_true(queue_error(run.nodes[0].queue, &error));
            check_counts();
        } else if (filled) {
            check_complete();
        }
        run_destroy();
        fixture_destroy(&fixture);
    }
    assert_true(filled);
}

static void
a_full_outbox_loses_nothing(void **state)
{
    (void)state;
    run_with_a_full_outbox(false);
    run_with_a_full_outbox(true);
}

static void
many_short_chunks_are_committed(void **state)
{
    const union sheaf_parameter_value single[FIXTURE_PARAMETERS] = {
        [FIXTURE_CHUNK] = {.integer = 1}, [FIXTURE_FAIL_EVERY] = {.integer = 7}, [FIXTURE_FATAL] = {.real = -1}};
    (void)state;
    for (uint64_t seed = other_seeds + 400; seed < other_seeds + 403; seed++) {
        const struct shape shape = {.nodes = 3, .ranks = 2, .workers = 2, .seed = seed, .delay_ns = 4000000};
        create_fixture(TASKS, seed, single);
        assert_int_equal(fixture.plan->chunks, TASKS);
        run_to_the_end(&shape);
        fixture_destroy(&fixture);
    }
}

/* Of which node: none is special, the root's neither. What was computed before it counts. */
static void
an_error_of_any_node_stops_all(void **state)
{
    (void)state;
    for (uint64_t seed = other_seeds + 500; seed < other_seeds + 512; seed++) {
        struct shape shape = {.nodes = 2 + (int)(seed % 4), .ranks = 1 + (int)(seed % 2), .workers = 2, .seed = seed};
        vary(&shape);
        fixture_write_dataset("short.h5", TASKS, N);
        create_fixture(TASKS, 1 + seed % 2, plain);
        struct fixture odd = fixture;
        test_ok(source_describe("short.h5:/twice", 1, 0, 5, &odd.inputs[0], &error), &error);
        odd.inputs[0].in_memory = fixture.inputs[0].in_memory;
        shape.odd = &odd;
        shape.odd_node = (int)(seed / 4) % shape.nodes;
        run_create(&shape);
        assert_int_equal(truncate("short.h5", odd.inputs[0].offset), 0);
        run_fails(SHEAF_IO_ERROR, "short.h5:/twice");
        check_counts();
        fixture_destroy(&fixture);
    }
}

/* No node has come to its end when the root stops: half a second or more of work is left. */
static void
a_stop_of_the_root_stops_all(void **state)
{
    const union sheaf_parameter_value slow[FIXTURE_PARAMETERS] = {
        [FIXTURE_CHUNK] = {.integer = 1}, [FIXTURE_FATAL] = {.real = -1}, [FIXTURE_NAP] = {.integer = 5000000}};
    (void)state;
    for (uint64_t seed = other_seeds + 600; seed < other_seeds + 608; seed++) {
        struct shape shape = {.nodes = 1 + (int)(seed % 4), .ranks = 1, .workers = 1, .seed = seed};
        vary(&shape);
        create_fixture(TASKS, seed, slow);
        run_create(&shape);
        run_start();
        while (count_commits() < 20)
            nap(1000000);
        queue_stop(run.nodes[0].queue);
        run_join();
        check_counts();
        assert_in_range(run.totals.chunks, 20, TASKS / 2);
        for (int node = 0; node < shape.nodes; node++) {
            assert_true(queue_is_stopped(run.nodes[node].queue));
            assert_false(queue_error(run.nodes[node].queue, &error));
        }
        run_destroy();
        fixture_destroy(&fixture);
    }
}

/* Other nodes' commits may be on their way to a root that has no carrier to write them: those are lost, not waited for. */
/* A drain begins wherever the signal came, and stops all; what was being computed is committed, and nobody has failed. */
static void
a_drain_of_any_node_drains_all(void **state)
{
    static const union sheaf_parameter_value slow[FIXTURE_PARAMETERS] = {
        [FIXTURE_CHUNK] = {.integer = 1}, [FIXTURE_FATAL] = {.real = -1}, [FIXTURE_NAP] = {.integer = 5000000}};
    (void)state;
    for (uint64_t seed = other_seeds + 700; seed < other_seeds + 706; seed++) {
        struct shape shape = {.nodes = 3, .ranks = 2, .workers = 1, .seed = seed};
        const enum queue_drain drain = seed % 2 ? QUEUE_DROP : QUEUE_DRAIN;
        vary(&shape);
        create_fixture(TASKS, seed, slow);
        run_create(&shape);
        run_start();
        while (count_commits() < 20)
            nap(1000000);
        queue_drain(run.nodes[seed % 3].queue, drain);
        run_join();
        for (int node = 0; node < run.shape.nodes; node++) {
            assert_false(queue_error(run.nodes[node].queue, &error));
            assert_true(queue_is_stopped(run.nodes[node].queue));
        }
        assert_true(queue_drains(run.nodes[0].queue) == drain);
        assert_true(commits.count >= 20 && commits.count < fixture.plan->chunks);
        if (drain == QUEUE_DRAIN)
            check_counts();
        run_destroy();
        fixture_destroy(&fixture);
    }
}

static void
a_rank_without_threads_stops_all(void **state)
{
    (void)state;
    for (uint64_t seed = other_seeds + 700; seed < other_seeds + 712; seed++) {
        struct shape shape = {.nodes = 3, .ranks = 2, .workers = 2, .seed = seed};
        vary(&shape);
        create_fixture(TASKS, seed, plain);
        run_create(&shape);
        run.members[seed % 2][seed / 2 % 2].threads_allowed = (int)(seed / 4 % 3);
        run_fails(SHEAF_NO_RESOURCES, "cannot create 3 threads");
        fixture_destroy(&fixture);
    }
}

static int
enter_with_dataset(void **state)
{
    if (test_enter_directory(state))
        return -1;
    fixture_write_dataset("input.h5", TASKS, N);
    return 0;
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(nodes_share_the_tasks),          cmocka_unit_test(there_may_be_fewer_chunks_than_nodes),
        cmocka_unit_test(a_full_outbox_loses_nothing),    cmocka_unit_test(many_short_chunks_are_committed),
        cmocka_unit_test(an_error_of_any_node_stops_all), cmocka_unit_test(a_stop_of_the_root_stops_all),
        cmocka_unit_test(a_drain_of_any_node_drains_all), cmocka_unit_test(a_rank_without_threads_stops_all),
    };
    const char *seed = getenv("SHEAF_TEST_SEED");
    other_seeds = seed ? strtoull(seed, NULL, 10) : 0;
    alarm(100); /* nothing here may wait for ever */
    return cmocka_run_group_tests(tests, enter_with_dataset, test_leave_directory);
}
