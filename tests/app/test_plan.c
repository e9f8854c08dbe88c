#include "app_test.h"
#include "plan.h"

#include <math.h>

static struct sheaf_error error;

/* Fails the allocation after the next `allowed` ones; negative: none. */
static int allowed = -1;

void *__real_calloc(size_t count, size_t size);
void *__wrap_calloc(size_t count, size_t size);

void *
__wrap_calloc(size_t count, size_t size)
{
    return allowed >= 0 && allowed-- == 0 ? NULL : __real_calloc(count, size);
}

/* A task costs as many flops as its first parameter says, and needs as much workspace as the second. */
static void
fake_cost(const struct sheaf_problem *problem, struct sheaf_cost *cost)
{
    cost->flops = problem->parameters[0].real;
}

static int64_t
fake_workspace_bytes(const struct sheaf_problem *problem)
{
    return problem->parameters[1].integer;
}

static const struct sheaf_kernel fake = {
    .name = "fake", .signature = "(n)->(k)", .cost = fake_cost, .workspace_bytes = fake_workspace_bytes};

/* A class of tasks that read and write vectors of bytes. */
static struct plan_request
request(int64_t tasks, int64_t input_bytes, int64_t output_bytes, double flops)
{
    struct plan_request class = {.tasks = tasks};
    class.problem.input_count = class.problem.output_count = 1;
    class.problem.inputs[0] = (struct sheaf_array){SHEAF_U8, {.ndim = 1, .extent = {input_bytes}}};
    class.problem.outputs[0] = (struct sheaf_array){SHEAF_U8, {.ndim = 1, .extent = {output_bytes}}};
    class.problem.parameters[0].real = flops;
    return class;
}

static void
the_grid_is_its_formula(void **state)
{
    const struct {
        int64_t tasks, bytes;
        double flops;
        int64_t output, expected, align;
    } cases[] = {
        /* 2 MiB / 100000 B = 20.97; the fewest outputs that end on a page border are 4096 / gcd(4096, 100000) = 128 */
        {1000000, 100000, 0, 100000, 20, 0},
        /* 2 MiB / 3072 B = 682.7, down to a multiple of 4096 / 1024 */
        {1000000, 3072, 0, 1024, 680, 0},
        /* 10^9 flops / 3 x 10^7 = 33.3; each output is a page */
        {1000000, 8192, 3e7, 4096, 33, 0},
        /* 10^9 / 3 x 10^7 = 33.3, down to a multiple of 16 */
        {1000000, 1024, 3e7, 256, 32, 0},
        /* tiny tasks: no more than 16384 */
        {1000000, 16, 0, 8, 16384, 0},
        {1000000, 0, 0, 0, 16384, 0},
        /* great tasks: one at least */
        {1000000, INT64_C(1) << 40, 0, INT64_C(1) << 39, 1, 0},
        {1000000, 8, 1e18, 8, 1, 0},
        {1000000, 2097152, 1e9, 2097152, 1, 0},
        {1000000, 1048576, 1e9, 1048576, 1, 0},
        {1000000, 1048576, 0, 1048576, 2, 0},
        /* no more than there are: then the end is on no border */
        {5, 16, 0, 8, 5, 0},
        {16384, 16, 0, 8, 16384, 0},
        {16385, 16, 0, 8, 16384, 0},
        {1, 16, 0, 8, 1, 0},
        /* HDF5 chunks of several tasks: 20 down to a multiple of 7; 33 of 7; 680 and 4 tasks a page: of 28 */
        {1000000, 100000, 0, 100000, 14, 7},
        {1000000, 8192, 3e7, 4096, 28, 7},
        {1000000, 3072, 0, 1024, 672, 7},
        /* more tasks than the grid would take: up to 4 times its bytes, flops and tasks, then no more */
        {1000000, 100000, 0, 100000, 83, 83},
        {1000000, 100000, 0, 100000, 20, 84},
        {1000000, 8192, 3e7, 4096, 133, 133},
        {1000000, 8192, 3e7, 4096, 33, 134},
        {1000000, 16, 0, 4096, 65536, 65536},
        {1000000, 16, 0, 4096, 16384, 65537},
        {1000000, 1048576, 1e12, 1048576, 1, 2},
        {1000000, 3, 0, 3, 16384, INT64_MAX},
        {50, 100000, 0, 100000, 50, 83},
    };
    (void)state;
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++)
        assert_int_equal(plan_grid(cases[i].tasks, cases[i].bytes, cases[i].flops, 1, &cases[i].output, cases[i].align),
                         cases[i].expected);
}

static void
alignments_are_joined_where_a_grid_can_have_both(void **state)
{
    (void)state;
    assert_int_equal(plan_join_alignments(1, 1), 1);
    assert_int_equal(plan_join_alignments(1, 12), 12);
    assert_int_equal(plan_join_alignments(8, 12), 24);
    assert_int_equal(plan_join_alignments(1000, 999), 1000);
    assert_int_equal(plan_join_alignments(4, INT64_MAX), 4);
}

/* The formula by search: what FORMAT.md says, without arithmetic tricks. */
static int64_t
search_grid(int64_t tasks, int64_t bytes, double flops, int output_count, const int64_t *output_bytes, int64_t align)
{
    int64_t count = 1, border = 0;
    while (count < PLAN_GRID_TASKS && (count + 1) * bytes <= PLAN_GRID_BYTES &&
           (double)(count + 1) * flops <= (double)PLAN_GRID_FLOPS)
        count++;
    for (bool found = false; !found;) {
        border++;
        found = true;
        for (int i = 0; i < output_count; i++)
            found = found && border * output_bytes[i] % PLAN_PAGE == 0;
    }
    int64_t unit = border <= count ? border : 1, both = unit;
    while (both % align)
        both += unit;
    if (align > 1 && both <= 4 * PLAN_GRID_TASKS && both * bytes <= 4 * PLAN_GRID_BYTES &&
        (double)both * flops <= 4 * (double)PLAN_GRID_FLOPS)
        unit = both;
    count = count < unit ? unit : count / unit * unit;
    return count < tasks ? count : tasks;
}

static void
the_grid_is_what_a_search_finds(void **state)
{
    uint64_t random = 1;
    (void)state;
    for (int trial = 0; trial < 2000; trial++) {
        int outputs = (int)test_random_within(&random, 1, 3);
        int64_t output_bytes[3], bytes = test_random_within(&random, 0, 3000);
        for (int i = 0; i < outputs; i++) {
            output_bytes[i] = test_random_within(&random, 1, 16) << test_random_within(&random, 0, 12);
            bytes += output_bytes[i];
        }
        int64_t tasks = test_random_within(&random, 1, 40000);
        double flops = (double)(test_random_within(&random, 0, 4) << test_random_within(&random, 0, 30));
        int64_t align = trial % 2 ? test_random_within(&random, 1, 300) : 1;
        assert_int_equal(plan_grid(tasks, bytes, flops, outputs, output_bytes, align),
                         search_grid(tasks, bytes, flops, outputs, output_bytes, align));
    }
}

static struct plan *
build(int class_count, const struct plan_request *requests, bool reversed)
{
    struct plan *plan = NULL;
    test_ok(plan_build(&fake, class_count, requests, reversed, &plan, &error), &error);
    return plan;
}

static void
a_class_is_settled(void **state)
{
    struct plan_request class = request(1001, 30000, 4096, 2e6);
    (void)state;
    class.problem.parameters[1].integer = 12345;
    struct plan *plan = build(1, &class, false);
    const struct plan_class *settled = &plan->classes[0];
    assert_int_equal(plan->class_count, 1);
    assert_int_equal(plan->tasks, 1001);
    assert_int_equal(settled->tasks_per_chunk, 61); /* 2097152 / 34096 */
    assert_int_equal(settled->chunks, 17);
    assert_int_equal(plan->chunks, 17);
    assert_int_equal(settled->input_bytes, 30000);
    assert_int_equal(settled->output_bytes, 4096);
    assert_int_equal(settled->workspace_bytes, 12345);
    assert_int_equal(plan->input_bytes, 1001 * 30000);
    assert_int_equal(plan->output_bytes, 1001 * 4096);
    assert_true(plan->flops == 1001 * 2e6);
    struct plan_chunk last = plan_at(plan, 16);
    assert_int_equal(last.first, 16 * 61);
    assert_int_equal(last.count, 1001 - 16 * 61); /* the short one */
    /* nominal seconds add up, to rounding */
    double sum = 0, whole = plan_seconds(plan), task = 2e6 / PLAN_NOMINAL_FLOPS + 34096 / PLAN_NOMINAL_BANDWIDTH;
    for (int64_t place = 0; place < plan->chunks; place++) {
        struct plan_chunk chunk = plan_at(plan, place);
        sum += plan_chunk_seconds(plan, &chunk);
    }
    assert_true(fabs(sum - whole) <= 1e-12 * whole);
    assert_true(fabs(whole - 1001 * task) <= 1e-12 * whole);
    plan_destroy(plan);
    plan_destroy(NULL);
}

static void
shared_inputs_do_not_count_as_a_tasks_bytes(void **state)
{
    struct plan_request class = request(1000, 64, 64, 0);
    (void)state;
    class.problem.input_count = 2;
    class.problem.inputs[1] = (struct sheaf_array){SHEAF_F64, {.ndim = 2, .extent = {1000, 1000}}};
    class.shared[1] = true;
    struct plan *plan = build(1, &class, false);
    assert_int_equal(plan->classes[0].input_bytes, 64);
    assert_int_equal(plan->classes[0].tasks_per_chunk, 1000);
    assert_int_equal(plan->input_bytes, 64000 + 8000000);
    plan_destroy(plan);
    class.shared[1] = false;
    plan = build(1, &class, false);
    assert_int_equal(plan->classes[0].input_bytes, 64 + 8000000);
    assert_int_equal(plan->classes[0].tasks_per_chunk, 1);
    assert_int_equal(plan->input_bytes, INT64_C(1000) * (64 + 8000000));
    plan_destroy(plan);
}

/* Every task is in exactly one chunk, and every chunk where its number says. `seen` has a byte for each task. */
static void
check_cover(const struct plan *plan, unsigned char *seen)
{
    memset(seen, 0, (size_t)plan->tasks);
    unsigned char *chunks = calloc((size_t)plan->chunks, 1);
    assert_non_null(chunks);
    for (int64_t place = 0; place < plan->chunks; place++) {
        struct plan_chunk chunk = plan_at(plan, place);
        assert_true(chunk.class_index >= 0 && chunk.class_index < plan->class_count);
        const struct plan_class *class = &plan->classes[chunk.class_index];
        assert_true(chunk.chunk >= class->first_chunk && chunk.chunk < class->first_chunk + class->chunks);
        assert_int_equal(chunk.first - class->first_position,
                         (chunk.chunk - class->first_chunk) * class->tasks_per_chunk);
        assert_true(chunk.count >= 1 && chunk.count <= class->tasks_per_chunk);
        assert_true(chunk.count == class->tasks_per_chunk ||
                    chunk.first + chunk.count == class->first_position + class->tasks);
        assert_int_equal(chunks[chunk.chunk]++, 0);
        for (int64_t t = 0; t < chunk.count; t++)
            assert_int_equal(seen[chunk.first + t]++, 0);
    }
    free(chunks);
    for (int64_t t = 0; t < plan->tasks; t++)
        assert_int_equal(seen[t], 1);
}

/* Classes come longest chunks first; equal ones in their own order; within a class, chunks in order. */
static void
check_order(const struct plan *plan)
{
    for (int64_t place = 1; place < plan->chunks; place++) {
        struct plan_chunk before = plan_at(plan, place - 1), chunk = plan_at(plan, place);
        double longer = plan->classes[before.class_index].chunk_seconds,
               shorter = plan->classes[chunk.class_index].chunk_seconds;
        assert_true(longer >= shorter);
        if (before.class_index == chunk.class_index)
            assert_int_equal(chunk.chunk, before.chunk + 1);
        else
            assert_true(longer > shorter || before.class_index < chunk.class_index);
    }
}

static void
check_reverse(const struct plan *plan, const struct plan *reverse)
{
    assert_int_equal(plan->chunks, reverse->chunks);
    for (int64_t place = 0; place < plan->chunks; place++) {
        struct plan_chunk a = plan_at(plan, place), b = plan_at(reverse, plan->chunks - 1 - place);
        assert_true(a.chunk == b.chunk && a.class_index == b.class_index && a.first == b.first && a.count == b.count);
    }
}

/*
 * Seconds before a place are the sum over the chunks there, and the place after so many seconds is the first one. Each class
 * adds two roundings, and so does each chunk of the sum that they are compared with: half of 2^-52 of the whole each.
 */
static void
check_seconds(const struct plan *plan)
{
    double sum = 0, before = 0, whole = plan_seconds(plan);
    double rounding = 0x1p-52 * whole * (double)(plan->chunks + plan->class_count + 1);
    assert_true(plan_seconds_before(plan, 0) == 0);
    assert_true(plan_seconds_before(plan, plan->chunks) == whole);
    assert_int_equal(plan_place_after(plan, 0), 0);
    assert_int_equal(plan_place_after(plan, 2 * whole), plan->chunks);
    for (int64_t place = 0; place < plan->chunks; place++) {
        struct plan_chunk chunk = plan_at(plan, place);
        sum += plan_chunk_seconds(plan, &chunk);
        double after = plan_seconds_before(plan, place + 1);
        assert_true(fabs(after - sum) <= rounding);
        assert_true(after > before);
        assert_int_equal(plan_place_after(plan, after), place + 1);
        assert_int_equal(plan_place_after(plan, nextafter(before, INFINITY)), place + 1);
        before = after;
    }
}

/* What is left of a plan is handed out in the plan's order, and nothing else; places, tasks, flops and seconds count only it. */
static void
check_rest(struct plan *plan, uint64_t *random)
{
    uint8_t *needs = calloc((size_t)plan->chunks, 1);
    struct plan_chunk *expected = calloc((size_t)plan->chunks + 1, sizeof *expected);
    struct plan_rest *rest;
    int64_t count = 0, left_tasks = 0, odds = test_random_within(random, 0, 8);
    double flops = 0;
    assert_true(needs && expected);
    for (int64_t place = 0; place < plan->chunks; place++) {
        struct plan_chunk chunk = plan_at(plan, place);
        needs[chunk.chunk] = test_random_within(random, 0, 8) < odds ? PLAN_DONE
                             : test_random_within(random, 0, 1)      ? PLAN_RETRY
                                                                     : PLAN_COMPUTE;
        assert_false(chunk.kept);
        chunk.kept = needs[chunk.chunk] == PLAN_RETRY;
        if (needs[chunk.chunk] == PLAN_DONE)
            continue;
        expected[count++] = chunk;
        left_tasks += chunk.count;
        flops += plan->classes[chunk.class_index].cost.flops * (double)chunk.count;
    }
    test_ok(plan_rest_build(plan, needs, false, &rest, &error), &error);
    plan_restrict(plan, rest);
    assert_int_equal(plan->places, count);
    assert_int_equal(plan_tasks_left(plan), left_tasks);
    assert_true(plan_flops_left(plan) == flops);
    double seconds = 0;
    for (int64_t place = 0; place < count; place++) {
        struct plan_chunk chunk = plan_at(plan, place);
        assert_true(chunk.chunk == expected[place].chunk && chunk.class_index == expected[place].class_index &&
                    chunk.first == expected[place].first && chunk.count == expected[place].count &&
                    chunk.kept == expected[place].kept);
        assert_true(plan_seconds_before(plan, place) == seconds);
        seconds += plan_chunk_seconds(plan, &chunk);
        assert_int_equal(plan_place_after(plan, seconds), place + 1);
    }
    assert_true(plan_seconds(plan) == seconds && plan_seconds_before(plan, count) == seconds);
    assert_int_equal(plan_place_after(plan, 2 * seconds + 1), count);
    free(rest);
    free(expected);
    free(needs);
}

static void
random_plans_hold_every_task_once_longest_first(void **state)
{
    enum { CLASSES = 8 };
    uint64_t random = 2;
    (void)state;
    for (int trial = 0; trial < 100; trial++) {
        struct plan_request requests[CLASSES];
        int count = (int)test_random_within(&random, 1, CLASSES);
        for (int i = 0; i < count; i++)
            requests[i] = request(
                test_random_within(&random, 1, 3000), test_random_within(&random, 1, 1 << 18),
                test_random_within(&random, 1, 16) << test_random_within(&random, 0, 14),
                test_random_within(&random, 0, 2) == 0 ? 0 : (double)test_random_within(&random, 1, 2000000000));
        if (count > 1 && trial % 3 == 0)
            requests[count - 1] = requests[0]; /* equal cost */
        struct plan *plan = build(count, requests, false), *reverse = build(count, requests, true);
        check_seconds(plan);
        check_seconds(reverse);
        unsigned char *seen = malloc((size_t)plan->tasks);
        assert_non_null(seen);
        check_cover(plan, seen);
        check_cover(reverse, seen);
        check_order(plan);
        check_reverse(plan, reverse);
        free(seen);
        check_rest(trial % 2 ? plan : reverse, &random);
        plan_destroy(plan);
        plan_destroy(reverse);
    }
}

/* Tasks 0 to 9 in two classes: who is where, and which of them follow each other. */
static void
tasks_of_several_classes_keep_their_numbers(void **state)
{
    static const int64_t small[] = {1, 2, 3, 7}, great[] = {0, 4, 5, 6, 8, 9};
    static const int64_t order[] = {1, 2, 3, 7, 0, 4, 5, 6, 8, 9}, runs[] = {3, 2, 1, 1, 1, 3, 2, 1, 2, 1};
    struct plan_request requests[2] = {request(4, 8, 8, 1), request(6, 16, 16, 1)};
    (void)state;
    requests[0].numbers = small;
    requests[1].numbers = great;
    struct plan *plan = build(2, requests, false);
    for (int64_t position = 0; position < 10; position++) {
        int64_t task;
        assert_int_equal(plan_run(plan, position, 10 - position, &task), runs[position]);
        assert_int_equal(task, order[position]);
        assert_int_equal(plan_run(plan, position, 1, &task), 1);
    }
    plan_destroy(plan);
    plan = build(2, (struct plan_request[]){request(4, 8, 8, 1), request(6, 16, 16, 1)}, false);
    int64_t task;
    assert_null(plan->order);
    assert_int_equal(plan_run(plan, 3, 5, &task), 5);
    assert_int_equal(task, 3);
    plan_destroy(plan);
}

/* Another process has the block at another address. */
static void
a_copied_block_is_the_same_plan(void **state)
{
    static const int64_t numbers[2][3] = {{0, 2, 4}, {1, 3, 5}};
    struct plan_request requests[2] = {request(3, 1 << 20, 8, 1), request(3, 1 << 20, 4096, 1e9)};
    struct plan *copy = NULL;
    size_t bytes;
    (void)state;
    requests[0].numbers = numbers[0];
    requests[1].numbers = numbers[1];
    struct plan *plan = build(2, requests, true);
    const void *block = plan_block(plan, &bytes);
    void *other = malloc(bytes);
    assert_non_null(other);
    memcpy(other, block, bytes);
    test_ok(plan_attach(&fake, other, &copy, &error), &error);
    assert_int_equal(copy->chunks, plan->chunks);
    assert_int_equal(copy->tasks, 6);
    assert_true(copy->reversed && copy->flops == plan->flops && copy->output_bytes == plan->output_bytes);
    for (int64_t place = 0; place < plan->chunks; place++) {
        struct plan_chunk a = plan_at(plan, place), b = plan_at(copy, place);
        assert_true(a.chunk == b.chunk && a.class_index == b.class_index && a.first == b.first && a.count == b.count);
    }
    assert_memory_equal(copy->order, plan->order, 6 * sizeof *plan->order);
    plan_destroy(plan);
    plan_destroy(copy);
    free(other);
}

static void
seconds_before_a_place_are_those_of_the_chunks_there(void **state)
{
    struct plan_request requests[2];
    (void)state;
    /* 5 tasks of 2^-30 s in a chunk; 25 of 2^-8 s, of which 10^9 flops are 6.4 */
    requests[0] = request(5, 0, 0, PLAN_NOMINAL_FLOPS * 0x1p-30);
    requests[1] = request(25, 0, 0, PLAN_NOMINAL_FLOPS * 0x1p-8);
    struct plan *plan = build(2, requests, false);
    assert_int_equal(plan->classes[1].tasks_per_chunk, 6);
    assert_int_equal(plan->chunks, 6);
    assert_true(plan_seconds_before(plan, 1) == 6 * 0x1p-8);
    assert_true(plan_seconds_before(plan, 4) == 24 * 0x1p-8);
    assert_true(plan_seconds_before(plan, 5) == 25 * 0x1p-8); /* the short chunk */
    assert_true(plan_seconds_before(plan, 6) == 25 * 0x1p-8 + 5 * 0x1p-30);
    assert_int_equal(plan_place_after(plan, 6.5 * 0x1p-8), 2);
    assert_int_equal(plan_place_after(plan, 25 * 0x1p-8), 5);
    plan_destroy(plan);
    plan = build(2, requests, true);
    assert_true(plan_seconds_before(plan, 1) == 5 * 0x1p-30);
    assert_true(plan_seconds_before(plan, 2) == 5 * 0x1p-30 + 0x1p-8);
    assert_true(plan_seconds_before(plan, 6) == 25 * 0x1p-8 + 5 * 0x1p-30);
    assert_int_equal(plan_place_after(plan, 0x1p-8), 2);
    plan_destroy(plan);
    /* chunks without any work, and no chunks at all */
    requests[0] = request(40000, 0, 0, 0);
    plan = build(1, requests, false);
    assert_true(plan_seconds_before(plan, 3) == 0);
    assert_int_equal(plan_place_after(plan, 0), 0);
    assert_int_equal(plan_place_after(plan, 1e-9), 3);
    plan_destroy(plan);
    for (int reversed = 0; reversed < 2; reversed++) {
        plan = build(0, requests, reversed);
        assert_true(plan_seconds_before(plan, 0) == 0);
        assert_int_equal(plan_place_after(plan, 1), 0);
        plan_destroy(plan);
    }
}

static void
a_billion_tasks_are_found_without_a_list(void **state)
{
    struct plan_request requests[2];
    (void)state;
    requests[0] = request(INT64_C(3000000000), 4096, 4096, 1e10);
    requests[1] = request(INT64_C(1000000000), 4096, 4096, 2e10);
    struct plan *plan = build(2, requests, false);
    assert_int_equal(plan->chunks, INT64_C(4000000000));
    struct plan_chunk chunk = plan_at(plan, INT64_C(999999999));
    assert_int_equal(chunk.class_index, 1);
    assert_int_equal(chunk.chunk, INT64_C(3999999999));
    chunk = plan_at(plan, INT64_C(1000000000));
    assert_int_equal(chunk.class_index, 0);
    assert_int_equal(chunk.first, 0);
    assert_int_equal(plan_at(plan, 0).first, INT64_C(3000000000)); /* positions count class after class */
    plan_destroy(plan);
}

static void
sizes_past_64_bits_are_refused(void **state)
{
    struct plan_request class = request(INT64_C(1) << 40, INT64_C(1) << 22, INT64_C(1) << 22, 0);
    struct plan *plan = NULL;
    (void)state;
    test_error(plan_build(&fake, 1, &class, false, &plan, &error), SHEAF_BAD_DATA, &error,
               "fake: the bytes of 1099511627776 tasks pass what 64 bits can count; split the run");
    assert_null(plan);
}

static void
arrays_that_pass_64_bits_together_are_refused(void **state)
{
    /* each fits, their sum does not: three matrices of 10^9 x 10^9, 8 x 10^18 bytes each */
    struct plan_request class = request(1, INT64_C(8000000000000000000), INT64_C(8000000000000000000), 0);
    struct plan_request twice[2];
    struct plan *plan = NULL;
    (void)state;
    class.problem.input_count = 2;
    class.problem.inputs[1] = class.problem.inputs[0];
    test_error(plan_build(&fake, 1, &class, false, &plan, &error), SHEAF_BAD_DATA, &error,
               "pass what 64 bits can count");
    /* each class fits, both together do not */
    twice[0] = twice[1] = request(1, INT64_C(8000000000000000000), 8, 0);
    test_error(plan_build(&fake, 2, twice, false, &plan, &error), SHEAF_BAD_DATA, &error,
               "pass what 64 bits can count");
    assert_null(plan);
}

static void
what_is_computed_alone_is_a_rest_of_its_own(void **state)
{
    struct plan_request class = request(1000, 30000, 4096, 2e6);
    struct plan *plan = build(1, &class, false);
    struct plan_rest *rest, *alone;
    uint8_t *needs = calloc((size_t)plan->chunks, 1);
    (void)state;
    assert_true(needs && plan->chunks > 3);
    needs[0] = PLAN_ALONE;
    needs[1] = PLAN_COMPUTE;
    needs[2] = PLAN_RETRY;
    needs[plan->chunks - 1] = PLAN_ALONE;
    const int64_t later = plan_find(plan, 0).count + plan_find(plan, plan->chunks - 1).count;
    test_ok(plan_rest_build(plan, needs, false, &rest, &error), &error);
    test_ok(plan_rest_build(plan, needs, true, &alone, &error), &error);
    assert_int_equal(plan_tasks_later(plan), 0);
    plan_restrict(plan, rest);
    assert_int_equal(plan->places, 2);
    assert_int_equal(plan_tasks_later(plan), later);
    for (int64_t place = 0; place < 2; place++)
        assert_int_equal(plan_at(plan, place).kept, needs[plan_at(plan, place).chunk] == PLAN_RETRY);
    plan_restrict(plan, alone);
    assert_int_equal(plan->places, 2);
    assert_int_equal(plan_tasks_left(plan), later);
    assert_int_equal(plan_tasks_later(plan), 0);
    for (int64_t place = 0; place < 2; place++)
        assert_int_equal(needs[plan_at(plan, place).chunk], PLAN_ALONE);
    free(rest);
    free(alone);
    free(needs);
    plan_destroy(plan);
}

static void
no_memory_is_an_error(void **state)
{
    struct plan_request class = request(1, 1, 1, 0);
    struct plan *plan = NULL;
    (void)state;
    for (int i = 0; i < 2; i++) {
        allowed = i;
        enum sheaf_status status = plan_build(&fake, 1, &class, false, &plan, &error);
        allowed = -1;
        test_error(status, SHEAF_NO_RESOURCES, &error, "no memory for a plan of 1 classes");
        assert_null(plan);
    }
    const uint8_t need = PLAN_COMPUTE;
    struct plan_rest *rest;
    plan = build(1, &class, false);
    allowed = 0;
    test_error(plan_rest_build(plan, &need, false, &rest, &error), SHEAF_NO_RESOURCES, &error,
               "no memory for 1 chunks");
    allowed = -1;
    assert_null(rest);
    allowed = 0;
    test_error(plan_sample(plan, 1, 0, &rest, &error), SHEAF_NO_RESOURCES, &error, "no memory for 1 chunks");
    allowed = -1;
    assert_null(rest);
    plan_destroy(plan);
}

/* What a sample must be whatever its size: chunks of the plan, each once and in its order, as far from each other as can be. */
static void
check_sample(const struct plan *whole, int64_t chunks, uint64_t seed)
{
    struct plan plan = *whole;
    struct plan_rest *rest;
    int64_t at = 0, before = -1, tasks = 0;
    test_ok(plan_sample(whole, chunks, seed, &rest, &error), &error);
    plan_restrict(&plan, rest);
    assert_int_equal(plan.places, chunks);
    for (int64_t place = 0; place < chunks; place++) {
        const struct plan_chunk chunk = plan_at(&plan, place);
        while (plan_at(whole, at).chunk != chunk.chunk)
            assert_true(++at < whole->chunks);
        assert_true(before < at);
        assert_true(before < 0 || at - before == whole->chunks / chunks || at - before == whole->chunks / chunks + 1);
        before = at;
        tasks += chunk.count;
    }
    assert_int_equal(plan_tasks_left(&plan), tasks);
    free(rest);
}

static void
a_sample_is_spread_over_the_order(void **state)
{
    const struct plan_request classes[] = {request(1000, 30000, 4096, 2e6), request(7, 100, 200, 3e9),
                                           request(50, 8, 8, 1e7), request(1, 8, 8, 1e12)};
    (void)state;
    for (int reversed = 0; reversed < 2; reversed++) {
        struct plan *whole = build(4, classes, reversed == 1);
        for (int64_t chunks = 1; chunks <= whole->chunks; chunks++)
            for (uint64_t seed = 0; seed < 100; seed += 33)
                check_sample(whole, chunks, seed);
        check_sample(whole, whole->chunks, UINT64_MAX);
        plan_destroy(whole);
    }
}

static void
an_arrays_bytes_are_its_elements(void **state)
{
    const struct sheaf_array matrix = {SHEAF_C128, {.ndim = 2, .extent = {3, 5}}}, scalar = {SHEAF_F16, {.ndim = 0}};
    (void)state;
    assert_int_equal(plan_array_bytes(&matrix), 240);
    assert_int_equal(plan_array_bytes(&scalar), 2);
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(the_grid_is_its_formula),
        cmocka_unit_test(alignments_are_joined_where_a_grid_can_have_both),
        cmocka_unit_test(the_grid_is_what_a_search_finds),
        cmocka_unit_test(a_class_is_settled),
        cmocka_unit_test(shared_inputs_do_not_count_as_a_tasks_bytes),
        cmocka_unit_test(random_plans_hold_every_task_once_longest_first),
        cmocka_unit_test(seconds_before_a_place_are_those_of_the_chunks_there),
        cmocka_unit_test(tasks_of_several_classes_keep_their_numbers),
        cmocka_unit_test(a_copied_block_is_the_same_plan),
        cmocka_unit_test(a_billion_tasks_are_found_without_a_list),
        cmocka_unit_test(sizes_past_64_bits_are_refused),
        cmocka_unit_test(arrays_that_pass_64_bits_together_are_refused),
        cmocka_unit_test(no_memory_is_an_error),
        cmocka_unit_test(a_sample_is_spread_over_the_order),
        cmocka_unit_test(what_is_computed_alone_is_a_rest_of_its_own),
        cmocka_unit_test(an_arrays_bytes_are_its_elements),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
