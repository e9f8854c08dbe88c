#include "engine_fixture.h"
#include "node.h"
#include "packed_file.h"
#include "policy.h"
#include "signature.h"

#include <math.h>
#include <sys/mman.h>
#include <time.h>

static const int64_t missed_wake_ns = INT64_C(10000000000);
static struct sheaf_error error;

/* ---- the test kernels ---- */

static enum sheaf_status
twice_infer(struct sheaf_problem *problem, struct sheaf_error *why)
{
    (void)why;
    problem->outputs[1].type = SHEAF_I64;
    return SHEAF_OK;
}

static void
twice_cost(const struct sheaf_problem *problem, struct sheaf_cost *cost)
{
    /* from above, so that the grid's division does not round to one task less */
    cost->flops = 1e9 / ((double)problem->parameters[FIXTURE_CHUNK].integer + 0.5);
}

static int64_t
twice_workspace_bytes(const struct sheaf_problem *problem)
{
    return problem->inputs[0].shape.extent[0] * (int64_t)sizeof(double);
}

static int64_t
key_of(double first)
{
    return (int64_t)(1e6 * first);
}

static bool
fails(const struct sheaf_problem *problem, double first)
{
    int64_t every = problem->parameters[FIXTURE_FAIL_EVERY].integer;
    return every > 0 && key_of(first) % every == 0;
}

struct work {
    const struct sheaf_problem *problem;
    const struct sheaf_batch *batch;
};

static void
twice_tasks(void *argument, int64_t first, int64_t end)
{
    const struct work *work = argument;
    const struct sheaf_batch *batch = work->batch;
    int64_t n = work->problem->inputs[0].shape.extent[0];
    for (int64_t t = first; t < end; t++) {
        const double *x = (const double *)batch->inputs[0] + t * (int64_t)(batch->input_strides[0] / sizeof *x);
        double *twice = (double *)batch->outputs[0] + t * (int64_t)(batch->output_strides[0] / sizeof *twice);
        for (int64_t i = 0; i < n; i++)
            twice[i] = 2 * x[i];
        ((int64_t *)batch->outputs[1])[t] = key_of(x[0]);
        batch->info[t] = 100 * batch->width;
        if (!fails(work->problem, x[0]))
            continue;
        batch->status[t] = SHEAF_TASK_SINGULAR;
        batch->info[t] += 7;
    }
}

static enum sheaf_status
twice_run(const struct sheaf_problem *problem, const struct sheaf_batch *batch)
{
    struct work work = {problem, batch};
    const struct timespec nap = {.tv_nsec = problem->parameters[FIXTURE_NAP].integer};
    const double *x = batch->inputs[0];
    for (int64_t t = 0; t < batch->count; t++)
        if (x[t * (int64_t)(batch->input_strides[0] / sizeof *x)] == problem->parameters[FIXTURE_FATAL].real)
            return SHEAF_INTERNAL;
    memset(batch->workspace, 1, (size_t)twice_workspace_bytes(problem)); /* it is this call's alone */
    if (nap.tv_nsec)
        nanosleep(&nap, NULL);
    if (batch->parallel_for)
        batch->parallel_for(batch->team, batch->count, 3, twice_tasks, &work);
    else
        twice_tasks(&work, 0, batch->count);
    return SHEAF_OK;
}

static const char *const twice_outputs[] = {"twice", "key", NULL};

const struct sheaf_kernel fixture_twice = {
    .abi = SHEAF_KERNEL_ABI,
    .bytes = sizeof(struct sheaf_kernel),
    .name = "twice",
    .signature = "(n)->(n),()",
    .output_names = twice_outputs,
    .accepts = SHEAF_TYPE_BIT(SHEAF_F64),
    .width_kind = SHEAF_WIDTH_ONE,
    .infer = twice_infer,
    .cost = twice_cost,
    .workspace_bytes = twice_workspace_bytes,
    .run = twice_run,
};

const struct sheaf_kernel fixture_twice_parallel = {
    .abi = SHEAF_KERNEL_ABI,
    .bytes = sizeof(struct sheaf_kernel),
    .name = "twice_parallel",
    .signature = "(n)->(n),()",
    .output_names = twice_outputs,
    .accepts = SHEAF_TYPE_BIT(SHEAF_F64),
    .width_kind = SHEAF_WIDTH_PARALLEL,
    .infer = twice_infer,
    .cost = twice_cost,
    .workspace_bytes = twice_workspace_bytes,
    .run = twice_run,
};

/* ---- the results file ---- */

static void
create_store(const char *path, const struct sheaf_kernel *kernel, const struct plan *plan,
             const struct sheaf_problem *problem, struct store_map *map)
{
    struct store_output outputs[SHEAF_OUTPUTS_MAX] = {{.shared = false}};
    const struct plan_class *class = &plan->classes[0];
    const struct store_class row = {
        .tasks = class->tasks, .chunks = class->chunks, .tasks_per_chunk = class->tasks_per_chunk};
    for (int i = 0; i < problem->output_count; i++) {
        snprintf(outputs[i].name, sizeof outputs[i].name, "%s", kernel->output_names[i]);
        outputs[i].array.type = problem->outputs[i].type;
        outputs[i].array.lead = (struct sheaf_shape){.ndim = 1, .extent = {plan->tasks}};
        outputs[i].array.core = problem->outputs[i].shape;
    }
    const struct store_spec spec = {.path = path,
                                    .overwrite = true,
                                    .program = "test",
                                    .kernel = kernel->name,
                                    .signature = kernel->signature,
                                    .parameters = "",
                                    .version = "0",
                                    .tasks = plan->tasks,
                                    .chunks = plan->chunks,
                                    .grid_bytes = PLAN_GRID_BYTES,
                                    .grid_flops = PLAN_GRID_FLOPS,
                                    .grid_tasks = PLAN_GRID_TASKS,
                                    .lead = {.ndim = 1, .extent = {plan->tasks}},
                                    .output_count = problem->output_count,
                                    .outputs = outputs,
                                    .class_count = 1,
                                    .classes = &row};
    struct store_place *places;
    test_ok(store_create(&spec, map, &places, &error), &error);
    assert_null(places);
}

void
fixture_create(struct fixture *fixture, const struct sheaf_kernel *kernel, int64_t tasks, const char *const *texts,
               const union sheaf_parameter_value *parameters)
{
    struct signature signature;
    struct plan_request request = {.tasks = tasks};
    const char *labels[SHEAF_OPERANDS_MAX];
    memset(fixture, 0, sizeof *fixture);
    fixture->kernel = kernel;
    fixture->hosts = 1;
    test_ok(signature_parse(kernel->signature, &signature, &error), &error);
    fixture->input_count = request.problem.input_count = signature.input_count;
    for (int i = 0; i < fixture->input_count; i++) {
        struct source_map *map = &fixture->inputs[i];
        test_ok(source_describe(texts[i], signature_input_ndim(&signature, i), (uint32_t)i, 5, map, &error), &error);
        request.problem.inputs[i] = (struct sheaf_array){map->array.type, map->array.core};
        request.shared[i] = map->shared;
        labels[i] = map->text;
    }
    if (parameters)
        memcpy(request.problem.parameters, parameters, FIXTURE_PARAMETERS * sizeof *parameters);
    test_ok(signature_match(kernel, &request.problem, labels, &error), &error);
    test_ok(plan_build(kernel, 1, &request, false, &fixture->plan, &error), &error);
    create_store("results.h5", kernel, fixture->plan, &request.problem, &fixture->store_map);
    test_ok(store_attach(&fixture->store_map, NULL, &fixture->store, &error), &error);
}

void
fixture_destroy(struct fixture *fixture)
{
    test_ok(store_detach(fixture->store, &error), &error);
    plan_destroy(fixture->plan);
}

void
fixture_write_dataset(const char *path, int64_t tasks, int64_t n)
{
    struct plan_request request = {.tasks = tasks};
    struct plan *plan;
    struct store_map map;
    struct store *store;
    struct generate_spec generate = {.distribution = GENERATE_UNIFORM, .type = SHEAF_F64, .seed = 5};
    double *x = malloc((size_t)n * sizeof *x);
    assert_non_null(x);
    request.problem.parameters[FIXTURE_CHUNK].integer = 1;
    request.problem.output_count = 1;
    request.problem.outputs[0] = (struct sheaf_array){SHEAF_F64, {.ndim = 1, .extent = {n}}};
    test_ok(plan_build(&fixture_twice, 1, &request, false, &plan, &error), &error);
    create_store(path, &fixture_twice, plan, &request.problem, &map);
    test_ok(store_attach(&map, NULL, &store, &error), &error);
    for (int64_t t = 0; t < tasks; t++) {
        generate_fill(&generate, t, 0, n, x);
        test_ok(store_write(store, 0, t, 1, x, NULL, &error), &error);
    }
    test_ok(store_detach(store, &error), &error);
    plan_destroy(plan);
    free(x);
}

void
fixture_write_packed(const char *path, int64_t tasks, int64_t n, int64_t chunk)
{
    struct generate_spec generate = {.distribution = GENERATE_UNIFORM, .type = SHEAF_F64, .seed = 5};
    double *x = malloc((size_t)(tasks * n) * sizeof *x);
    assert_non_null(x);
    for (int64_t t = 0; t < tasks; t++)
        generate_fill(&generate, t, 0, n, x + t * n);
    assert_true(packed_file_write(path, "twice", tasks, n, chunk, x));
    free(x);
}

/* ---- nodes ---- */

static void
share_inputs(struct fixture_node *node)
{
    const struct fixture *fixture = node->fixture;
    for (int i = 0; i < fixture->input_count; i++) {
        if (!fixture->inputs[i].shared)
            continue;
        void *bytes = malloc((size_t)fixture->inputs[i].task_bytes);
        assert_non_null(bytes);
        test_ok(source_read(node->ranks[0].sources[i], 0, 1, bytes, &error), &error);
        node->shared[i] = bytes;
    }
}

/* Struct engine_setup's use_cores: no core may compute two wide chunks at a time. */
static int
use_cores(void *argument, const int *cores, int count)
{
    static _Thread_local int used[FIXTURE_RANKS * FIXTURE_RANKS], used_count;
    struct fixture_rank *rank = argument;
    struct fixture_node *node = rank->node;
    assert_true((count == 0) != (used_count == 0)); /* in turn: wide, and back */
    for (int i = 0; i < used_count; i++)
        assert_int_equal(atomic_fetch_sub(&node->users[used[i]], 1), 1);
    used_count = count;
    for (int i = 0; i < count; i++) {
        used[i] = cores[i];
        assert_int_equal(atomic_fetch_add(&node->users[cores[i]], 1), 0);
    }
    for (int i = 0; i < node->setup.layout.threads && count > 0; i++) /* all of the rank's own are among them */
        assert_int_equal(cores[i], rank->local_rank * node->setup.layout.threads + i);
    if (count > 0)
        atomic_fetch_add(&node->wide_chunks, 1);
    return count > 0 ? count : 1;
}

static void
create_cores(struct fixture_node *node)
{
    const struct layout *layout = &node->setup.layout;
    const struct plan *plan = node->fixture->plan;
    node->cores = malloc(cores_bytes(layout->ranks, layout->threads, plan->class_count));
    assert_non_null(node->cores);
    cores_init(node->cores, layout->ranks, layout->threads, plan->class_count, 0);
}

/* Behind a run: all cores have been given back. */
static void
check_cores(const struct fixture_node *node, const struct queue_totals *totals)
{
    if (!node->cores)
        return;
    assert_false(cores_are_lent(node->cores));
    for (int i = 0; i < node->setup.layout.ranks * node->setup.layout.threads; i++)
        assert_int_equal(atomic_load(&node->cores->since[i]), 0);
    assert_int_equal(totals->wide, atomic_load(&node->wide_chunks));
}

void
fixture_node_create(struct fixture_node *node, struct fixture *fixture, const struct fixture_setup *setup)
{
    bool root = setup->first_rank == 0;
    memset(node, 0, sizeof *node);
    node->fixture = fixture;
    node->setup = *setup;
    node->queue =
        mmap(NULL, queue_bytes(setup->present, !root), PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
    assert_ptr_not_equal(node->queue, MAP_FAILED);
    queue_init(node->queue, setup->present, !root, setup->low_water);
    node->run.number = FIXTURE_RUN;
    for (uint32_t i = 0; i < FIXTURE_NODES; i++)
        node->host_rows[i] = FIXTURE_HOST + i;
    const struct keeper_setup keeper = {.queue = node->queue,
                                        .sync = setup->sync,
                                        .in_memory = !setup->results_block,
                                        .node_count = !root          ? 0
                                                      : setup->nodes ? setup->nodes
                                                                     : 1,
                                        .host_rows = node->host_rows,
                                        .run = &node->run};
    test_ok(keeper_create(&keeper, &node->keeper, &error), &error);
    if (setup->chooses_widths)
        create_cores(node);
    for (int i = 0; i < setup->present; i++) {
        struct fixture_rank *rank = &node->ranks[i];
        *rank = (struct fixture_rank){.node = node, .local_rank = i};
        for (int k = 0; k < fixture->input_count; k++)
            test_ok(source_attach(&fixture->inputs[k], &rank->sources[k], &error), &error);
        if (i == 0)
            share_inputs(node);
        const struct engine_setup engine = {.plan = fixture->plan,
                                            .queue = node->queue,
                                            .sources = rank->sources,
                                            .inputs = fixture->inputs,
                                            .shared_inputs = (const void *const *)node->shared,
                                            .layout = setup->layout,
                                            .rank = setup->first_rank + i,
                                            .local_rank = i,
                                            .on_root_node = root,
                                            .results_in_memory = !setup->results_block,
                                            .cores = node->cores,
                                            .use_cores = use_cores,
                                            .use_cores_argument = rank,
                                            .memory_bytes =
                                                setup->memory_bytes ? setup->memory_bytes : INT64_C(1) << 30};
        test_ok(engine_create(&engine, &rank->engine, &error), &error);
    }
}

/* What courier.c does for a rank that leads no node. */
static void *
be_courier(void *argument)
{
    struct fixture_rank *rank = argument;
    struct queue *queue = rank->node->queue;
    uint32_t bell = 0;
    while (!atomic_load(&queue->released)) {
        engine_attend(rank->engine);
        bell = queue_sleep(queue, rank->local_rank, bell, missed_wake_ns);
    }
    return NULL;
}

void
fixture_node_start(struct fixture_node *node)
{
    for (int i = 0; i < node->setup.present; i++)
        engine_start(node->ranks[i].engine, node->fixture->store, FIXTURE_RUN, FIXTURE_HOST,
                     i == 0 ? node->keeper : NULL, false);
    for (int i = 1; i < node->setup.present; i++)
        assert_int_equal(pthread_create(&node->ranks[i].courier, NULL, be_courier, &node->ranks[i]), 0);
}

void
fixture_node_attend(struct fixture_node *node, int64_t next, int64_t end, int64_t span)
{
    struct queue *queue = node->queue;
    int64_t start = node_nanoseconds();
    uint32_t bell = queue_sleep(queue, 0, 0, 0);
    while (queue_finished(queue) < queue->rank_count) {
        while (next < end &&
               policy_wants_span(queue_left(queue), atomic_load(&queue->low_water), queue_is_hungry(queue))) {
            int64_t last = next + span < end ? next + span : end;
            if (!queue_refill(queue, next, last))
                break;
            next = last;
        }
        if (next >= end && !atomic_load(&queue->closed))
            queue_close(queue);
        engine_attend(node->ranks[0].engine);
        if (queue_finished(queue) < queue->rank_count)
            bell = queue_sleep(queue, 0, bell, missed_wake_ns);
    }
    if (node_nanoseconds() - start >= missed_wake_ns)
        fail_msg("took %.1f s: someone was not woken", 1e-9 * (double)(node_nanoseconds() - start));
}

void
fixture_node_sync(struct fixture_node *node)
{
    uint32_t bell = queue_sleep(node->queue, 0, 0, 0);
    engine_begin_sync(node->ranks[0].engine);
    while (!engine_has_synced(node->ranks[0].engine))
        bell = queue_sleep(node->queue, 0, bell, missed_wake_ns);
    atomic_store(&node->queue->released, 1);
    queue_ring_all(node->queue);
    for (int i = 1; i < node->setup.present; i++)
        assert_int_equal(pthread_join(node->ranks[i].courier, NULL), 0);
}

void
fixture_node_destroy(struct fixture_node *node)
{
    for (int i = 0; i < node->setup.present; i++) {
        engine_destroy(node->ranks[i].engine);
        for (int k = 0; k < node->fixture->input_count; k++)
            source_detach(node->ranks[i].sources[k]);
    }
    for (int k = 0; k < node->fixture->input_count; k++)
        free(node->shared[k]);
    keeper_destroy(node->keeper);
    free(node->cores);
    munmap(node->queue, queue_bytes(node->setup.present, node->setup.first_rank != 0));
}

void
fixture_run(struct fixture *fixture, const struct fixture_setup *setup, struct queue_totals *totals)
{
    struct fixture_node node;
    struct queue_totals unused;
    int64_t next = 0;
    fixture_node_create(&node, fixture, setup);
    if (setup->chooses_widths) { /* nothing is claimed before it is known that no more comes */
        assert_true(queue_refill(node.queue, 0, fixture->plan->chunks));
        queue_close(node.queue);
        next = fixture->plan->chunks;
    }
    fixture_node_start(&node);
    fixture_node_attend(&node, next, fixture->plan->chunks, 7);
    if (queue_error(node.queue, &error))
        fail_msg("%s", error.text);
    assert_int_equal(atomic_load(&node.queue->sequence), fixture->plan->chunks);
    fixture_node_sync(&node);
    for (int rank = 0; rank < setup->present; rank++)
        for (int i = 0; i < QUEUE_IN_FLIGHT; i++)
            assert_int_equal(atomic_load(&node.queue->ranks[rank].in_flight[i]), 0);
    totals = totals ? totals : &unused;
    queue_sum_totals(node.queue, totals);
    check_cores(&node, totals);
    fixture_node_destroy(&node);
}

void
fixture_run_fails(struct fixture *fixture, const struct fixture_setup *setup, enum sheaf_status status,
                  const char *part)
{
    struct fixture_node node;
    fixture_node_create(&node, fixture, setup);
    fixture_node_start(&node);
    fixture_node_attend(&node, 0, fixture->plan->chunks, 7);
    assert_true(queue_is_stopped(node.queue));
    assert_true(queue_error(node.queue, &error));
    test_error(error.status, status, &error, part);
    fixture_node_sync(&node);
    fixture_node_destroy(&node);
}

/* ---- what stands in the file ---- */

static void
read_file(const struct fixture *fixture, int64_t offset, void *bytes, size_t count)
{
    int file = open(fixture->store_map.path, O_RDONLY);
    assert_true(file >= 0);
    assert_int_equal(pread(file, bytes, count, offset), count);
    close(file);
}

void
fixture_read_output(const struct fixture *fixture, int output, int64_t first, int64_t count, void *bytes)
{
    const struct store_map *map = &fixture->store_map;
    read_file(fixture, map->output_offsets[output] + first * map->output_task_bytes[output], bytes,
              (size_t)(count * map->output_task_bytes[output]));
}

struct record_chunk
fixture_read_record(const struct fixture *fixture, int64_t chunk)
{
    struct record_chunk record;
    read_file(fixture, fixture->store_map.chunks_offset + chunk * (int64_t)sizeof record, &record, sizeof record);
    assert_true(record_chunk_valid(&record, chunk));
    assert_int_equal(record.state, RECORD_DONE);
    return record;
}

bool
fixture_is_done(const struct fixture *fixture, int64_t chunk)
{
    struct record_chunk record;
    read_file(fixture, fixture->store_map.chunks_offset + chunk * (int64_t)sizeof record, &record, sizeof record);
    return record_chunk_valid(&record, chunk) && record.state == RECORD_DONE;
}

void
fixture_input(const struct fixture *fixture, int64_t task, double *x)
{
    const struct generate_spec generate = {.distribution = GENERATE_UNIFORM, .type = SHEAF_F64, .seed = 5};
    generate_fill(&generate, task, 0, fixture->inputs[0].array.core.extent[0], x);
}

/* One task of a chunk: `twice`, `key`, status and info. @return whether it failed */
static bool
check_task(const struct fixture *fixture, int64_t task, int width, const double *twice, int64_t key, uint8_t status,
           int32_t info)
{
    static double x[4096];
    const struct sheaf_problem *problem = &fixture->plan->classes[0].problem;
    int64_t n = problem->inputs[0].shape.extent[0];
    assert_true(n <= 4096);
    fixture_input(fixture, task, x);
    bool failed = fails(problem, x[0]);
    assert_int_equal(status, failed ? SHEAF_TASK_SINGULAR : SHEAF_TASK_DONE);
    assert_int_equal(info, 100 * width + (failed ? 7 : 0));
    assert_int_equal(key, failed ? 0 : key_of(x[0]));
    for (int64_t i = 0; i < n; i++)
        if (failed ? !isnan(twice[i]) : twice[i] != 2 * x[i])
            fail_msg("task %lld: element %lld is %g", (long long)task, (long long)i, twice[i]);
    return failed;
}

static int64_t
check_chunk(const struct fixture *fixture, const struct plan_chunk *chunk, int width)
{
    int64_t n = fixture->plan->classes[0].problem.inputs[0].shape.extent[0], failed = 0;
    size_t count = (size_t)chunk->count;
    double *twice = malloc(count * (size_t)n * sizeof *twice);
    int64_t *keys = malloc(count * sizeof *keys);
    uint8_t *status = malloc(count);
    int32_t *info = malloc(count * sizeof *info);
    struct record_digest *digest = record_digest_create();
    assert_true(twice && keys && status && info && digest);
    fixture_read_output(fixture, 0, chunk->first, chunk->count, twice);
    fixture_read_output(fixture, 1, chunk->first, chunk->count, keys);
    test_ok(store_read_status(fixture->store, chunk->first, chunk->count, status, info, &error), &error);
    for (size_t t = 0; t < count; t++)
        failed +=
            check_task(fixture, chunk->first + (int64_t)t, width, twice + t * (size_t)n, keys[t], status[t], info[t]);
    record_digest_add(digest, twice, count * (size_t)n * sizeof *twice);
    record_digest_add(digest, keys, count * sizeof *keys);
    record_digest_add(digest, status, count);
    record_digest_add(digest, info, count * sizeof *info);
    struct record_chunk record = fixture_read_record(fixture, chunk->chunk);
    assert_true(record.result_checksum == record_digest_value(digest));
    assert_int_equal(record.failed, failed);
    assert_int_equal(record.first, chunk->first);
    assert_int_equal(record.count, chunk->count);
    assert_int_equal(record.class_index, 0);
    assert_int_equal(record.run, FIXTURE_RUN);
    assert_in_range(record.host, FIXTURE_HOST, FIXTURE_HOST + fixture->hosts - 1);
    assert_int_equal(record.width, width);
    assert_true(record.read_start > 1e9 && record.compute_start >= record.read_start - 1 &&
                record.write_start >= record.compute_start - 1);
    assert_true(record.read_seconds >= 0 && record.compute_seconds >= 0 && record.write_seconds >= 0);
    record_digest_destroy(digest);
    free(twice);
    free(keys);
    free(status);
    free(info);
    return failed;
}

int64_t
fixture_check_results(const struct fixture *fixture, int width)
{
    int64_t chunks = fixture->plan->chunks, failed = 0;
    int64_t *commits = calloc((size_t)fixture->hosts, sizeof *commits);
    unsigned char *seen = calloc((size_t)(fixture->hosts * chunks), 1);
    assert_true(commits && seen);
    for (int64_t place = 0; place < chunks; place++) {
        struct plan_chunk chunk = plan_at(fixture->plan, place);
        struct record_chunk record = fixture_read_record(fixture, chunk.chunk);
        failed += check_chunk(fixture, &chunk, width ? width : record.width);
        assert_in_range(record.sequence, 1, chunks);
        int64_t host = record.host - FIXTURE_HOST;
        commits[host]++;
        assert_int_equal(seen[host * chunks + (int64_t)record.sequence - 1]++, 0); /* each number once */
    }
    for (int host = 0; host < fixture->hosts; host++)
        for (int64_t i = 0; i < commits[host]; i++)
            assert_int_equal(seen[host * chunks + i], 1);
    free(commits);
    free(seen);
    return failed;
}
