#include "fixture.h"

#include "parameters.h"
#include "signature.h"
#include "threads.h"

#include <float.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

/* Behind every array that a kernel writes to stand bytes that it must leave alone. */
enum { GUARD_BYTES = 64, GUARD_VALUE = 0xa5, POISON_VALUE = 0xff };

const enum sheaf_type fixture_types[4] = {SHEAF_F32, SHEAF_F64, SHEAF_C64, SHEAF_C128};
const enum sheaf_type fixture_real_types[4] = {SHEAF_F32, SHEAF_F64, SHEAF_F32, SHEAF_F64};

struct sheaf_shape
fixture_matrix(int64_t rows, int64_t columns)
{
    return (struct sheaf_shape){.ndim = 2, .extent = {rows, columns}};
}

struct sheaf_shape
fixture_vector(int64_t extent)
{
    return (struct sheaf_shape){.ndim = 1, .extent = {extent}};
}

/* The next of a fixed series of 64 random bits (splitmix64, Steele, Lea, Flood 2014). */
static uint64_t
random_bits(uint64_t *state)
{
    uint64_t z = (*state += UINT64_C(0x9e3779b97f4a7c15));
    z = (z ^ (z >> 30)) * UINT64_C(0xbf58476d1ce4e5b9);
    z = (z ^ (z >> 27)) * UINT64_C(0x94d049bb133111eb);
    return z ^ (z >> 31);
}

static double
random_real(uint64_t *state)
{
    return (double)(int64_t)random_bits(state) / 9223372036854775808.0;
}

static void *
guarded_create(size_t bytes)
{
    unsigned char *memory = NULL;
    assert_int_equal(posix_memalign((void **)&memory, 64, bytes + GUARD_BYTES), 0);
    memset(memory, POISON_VALUE, bytes);
    memset(memory + bytes, GUARD_VALUE, GUARD_BYTES);
    return memory;
}

static void
guarded_check(const unsigned char *memory, size_t bytes)
{
    for (size_t i = 0; i < GUARD_BYTES; i++)
        assert_int_equal(memory[bytes + i], GUARD_VALUE);
}

static void
fill_input(enum sheaf_type type, unsigned char *array, size_t bytes, uint64_t *state)
{
    if (!(SHEAF_TYPES_FLOATING & SHEAF_TYPE_BIT(type))) {
        for (size_t i = 0; i < bytes; i++)
            array[i] = (unsigned char)random_bits(state);
        return;
    }
    for (int64_t i = 0; (size_t)i * sheaf_type_size(type) < bytes; i++) {
        double real = random_real(state), imaginary = random_real(state);
        fixture_set(type, array, i, real + imaginary * I);
    }
}

static size_t
array_bytes(const struct sheaf_array *array)
{
    int64_t bytes = 0;
    assert_true(sheaf_shape_bytes(&array->shape, array->type, &bytes));
    return (size_t)bytes;
}

static const char *const labels[SHEAF_OPERANDS_MAX + 1] = {"a", "b", "c", "d", "e", "f", "g", "h", "i",
                                                           "j", "k", "l", "m", "n", "o", "p", "q"};

static void
prepare_problem(struct sheaf_problem *problem, const struct sheaf_kernel *kernel, enum sheaf_type type,
                const struct sheaf_shape *shapes, int shape_count)
{
    memset(problem, 0, sizeof *problem);
    problem->input_count = shape_count;
    for (int i = 0; i < shape_count && i < SHEAF_OPERANDS_MAX; i++) {
        problem->inputs[i].type = type;
        problem->inputs[i].shape = shapes[i];
    }
    parameters_set_initial(kernel, problem);
}

void
fixture_check_refused(const struct sheaf_kernel *kernel, enum sheaf_type type, const struct sheaf_shape *shapes,
                      int shape_count, const char *parameter, enum sheaf_status status, const char *message)
{
    struct sheaf_problem problem;
    struct sheaf_error error = {0};
    prepare_problem(&problem, kernel, type, shapes, shape_count);
    if (parameter)
        assert_int_equal(parameters_parse(kernel, parameter, &problem, &error), SHEAF_OK);
    assert_int_equal(signature_match(kernel, &problem, labels, &error), status);
    assert_int_equal(error.status, status);
    assert_string_equal(error.text, message);
}

void
fixture_create(struct fixture *fixture, const struct sheaf_kernel *kernel, enum sheaf_type type,
               const struct sheaf_shape *shapes, int shape_count, int64_t count, uint32_t shared)
{
    fixture_create_with(fixture, kernel, NULL, type, shapes, shape_count, count, shared);
}

void
fixture_create_with(struct fixture *fixture, const struct sheaf_kernel *kernel, const char *parameter,
                    enum sheaf_type type, const struct sheaf_shape *shapes, int shape_count, int64_t count,
                    uint32_t shared)
{
    struct sheaf_error error = {0};
    uint64_t state = 1;
    memset(fixture, 0, sizeof *fixture);
    fixture->kernel = kernel;
    fixture->width = 1;
    fixture->count = count;
    fixture->shared = shared;
    prepare_problem(&fixture->problem, kernel, type, shapes, shape_count);
    if (parameter && parameters_parse(kernel, parameter, &fixture->problem, &error))
        fail_msg("%s", error.text);
    if (signature_match(kernel, &fixture->problem, labels, &error))
        fail_msg("%s", error.text);

    for (int i = 0; i < shape_count; i++) {
        size_t copies = shared >> i & 1U ? 1 : (size_t)count;
        fixture->input_bytes[i] = array_bytes(&fixture->problem.inputs[i]);
        fixture->inputs[i] = guarded_create(fixture->input_bytes[i] * copies);
        fill_input(type, fixture->inputs[i], fixture->input_bytes[i] * copies, &state);
    }
    for (int i = 0; i < fixture->problem.output_count; i++) {
        fixture->output_bytes[i] = array_bytes(&fixture->problem.outputs[i]);
        fixture->outputs[i] = guarded_create(fixture->output_bytes[i] * (size_t)count);
    }
    fixture->workspace_bytes = kernel->workspace_bytes ? (size_t)kernel->workspace_bytes(&fixture->problem) : 0;
    fixture->workspace = guarded_create(fixture->workspace_bytes);
    fixture->status = guarded_create((size_t)count);
    fixture->info = guarded_create((size_t)count * sizeof(int32_t));
}

void
fixture_destroy(struct fixture *fixture)
{
    for (int i = 0; i < SHEAF_OPERANDS_MAX; i++)
        free(fixture->inputs[i]);
    for (int i = 0; i < SHEAF_OUTPUTS_MAX; i++)
        free(fixture->outputs[i]);
    free(fixture->workspace);
    free(fixture->status);
    free(fixture->info);
    memset(fixture, 0, sizeof *fixture);
}

const void *
fixture_input(const struct fixture *fixture, int input, int64_t task)
{
    size_t stride = fixture->shared >> input & 1U ? 0 : fixture->input_bytes[input];
    return fixture->inputs[input] + (size_t)task * stride;
}

void *
fixture_task_input(const struct fixture *fixture, int input, int64_t task)
{
    assert_false(fixture->shared >> input & 1U);
    return fixture->inputs[input] + (size_t)task * fixture->input_bytes[input];
}

void *
fixture_output(const struct fixture *fixture, int output, int64_t task)
{
    return fixture->outputs[output] + (size_t)task * fixture->output_bytes[output];
}

void
fixture_run(struct fixture *fixture, int64_t first, int64_t count)
{
    const struct sheaf_problem *problem = &fixture->problem;
    struct sheaf_batch batch = {.count = count, .width = fixture->width, .workspace = fixture->workspace};
    if (fixture->kernel->width_kind == SHEAF_WIDTH_PARALLEL) {
        batch.parallel_for = threads_parallel_for;
        batch.team = &fixture->width;
    }
    for (int i = 0; i < problem->input_count; i++) {
        batch.inputs[i] = fixture_input(fixture, i, first);
        batch.input_strides[i] = fixture->shared >> i & 1U ? 0 : fixture->input_bytes[i];
    }
    for (int i = 0; i < problem->output_count; i++) {
        if (fixture->omitted >> i & 1U)
            continue;
        batch.outputs[i] = fixture_output(fixture, i, first);
        batch.output_strides[i] = fixture->output_bytes[i];
        memset(batch.outputs[i], POISON_VALUE, (size_t)count * fixture->output_bytes[i]);
    }
    memset(fixture->workspace, POISON_VALUE, fixture->workspace_bytes);
    batch.status = fixture->status + first;
    batch.info = fixture->info + first;
    memset(batch.status, SHEAF_TASK_DONE, (size_t)count);
    memset(batch.info, 0, (size_t)count * sizeof *batch.info);

    assert_int_equal(fixture->kernel->run(problem, &batch), SHEAF_OK);

    for (int i = 0; i < problem->output_count; i++)
        guarded_check(fixture->outputs[i], (size_t)fixture->count * fixture->output_bytes[i]);
    guarded_check(fixture->workspace, fixture->workspace_bytes);
    guarded_check(fixture->status, (size_t)fixture->count);
    guarded_check((unsigned char *)fixture->info, (size_t)fixture->count * sizeof(int32_t));
}

/* The bytes of a finished run: all outputs, then status and info. The caller frees. */
static unsigned char *
copy_results(const struct fixture *fixture, size_t *bytes)
{
    size_t count = (size_t)fixture->count, used = 0, total = count * (sizeof(uint8_t) + sizeof(int32_t));
    for (int i = 0; i < fixture->problem.output_count; i++)
        total += count * fixture->output_bytes[i];
    unsigned char *copy = malloc(total);
    assert_non_null(copy);
    for (int i = 0; i < fixture->problem.output_count; i++) {
        memcpy(copy + used, fixture->outputs[i], count * fixture->output_bytes[i]);
        used += count * fixture->output_bytes[i];
    }
    memcpy(copy + used, fixture->status, count);
    memcpy(copy + used + count, fixture->info, count * sizeof(int32_t));
    *bytes = total;
    return copy;
}

/* Run all tasks in batches of at most `batch` and compare with what an earlier run gave. */
static void
check_batches(struct fixture *fixture, int64_t batch, const unsigned char *expected)
{
    size_t bytes;
    for (int64_t first = 0; first < fixture->count; first += batch)
        fixture_run(fixture, first, first + batch < fixture->count ? batch : fixture->count - first);
    unsigned char *found = copy_results(fixture, &bytes);
    assert_memory_equal(found, expected, bytes);
    free(found);
}

void
fixture_check_splits(struct fixture *fixture)
{
    size_t bytes;
    fixture_run(fixture, 0, fixture->count);
    unsigned char *expected = copy_results(fixture, &bytes);
    check_batches(fixture, 1, expected);
    check_batches(fixture, 2, expected);
    check_batches(fixture, fixture->count, expected);
    free(expected);
}

void
fixture_check_counts(struct fixture *fixture)
{
    size_t bytes;
    fixture_run(fixture, 0, fixture->count);
    unsigned char *expected = copy_results(fixture, &bytes);
    for (int64_t count = 1; count < fixture->count; count++) {
        fixture_run(fixture, 0, count);
        fixture_run(fixture, fixture->count - count, count);
        unsigned char *found = copy_results(fixture, &bytes);
        assert_memory_equal(found, expected, bytes);
        free(found);
    }
    free(expected);
}

void
fixture_check_widths(struct fixture *fixture)
{
    size_t bytes;
    assert_int_equal(fixture->kernel->width_kind, SHEAF_WIDTH_PARALLEL);
    fixture_run(fixture, 0, fixture->count);
    unsigned char *expected = copy_results(fixture, &bytes);
    for (fixture->width = 2; fixture->width <= 4; fixture->width++)
        check_batches(fixture, fixture->count, expected);
    fixture->width = 1;
    free(expected);
}

void
fixture_check_omitted(struct fixture *fixture)
{
    size_t bytes;
    int outputs = fixture->problem.output_count;
    fixture_run(fixture, 0, fixture->count);
    unsigned char *expected = copy_results(fixture, &bytes);
    for (uint32_t omitted = 1; omitted < UINT32_C(1) << outputs; omitted++) {
        /* What is asked for is poisoned and written again; the rest has to stay as it was. */
        fixture->omitted = omitted;
        fixture_run(fixture, 0, fixture->count);
        unsigned char *found = copy_results(fixture, &bytes);
        assert_memory_equal(found, expected, bytes);
        free(found);
    }
    fixture->omitted = 0;
    free(expected);
}

void
fixture_check_without(struct fixture *fixture, uint32_t omitted, const struct fixture *all, uint32_t same)
{
    enum { KEPT_VALUE = 0x3c };
    const size_t count = (size_t)fixture->count;
    const int outputs = fixture->problem.output_count;
    for (int i = 0; i < outputs; i++)
        memset(fixture->outputs[i], KEPT_VALUE, count * fixture->output_bytes[i]);
    fixture->omitted = omitted;
    fixture_run(fixture, 0, fixture->count);
    for (int i = 0; i < outputs; i++) {
        for (size_t byte = 0; (omitted >> i & 1U) && byte < count * fixture->output_bytes[i]; byte++)
            assert_int_equal(fixture->outputs[i][byte], KEPT_VALUE);
        if (same >> i & 1U)
            assert_memory_equal(fixture->outputs[i], all->outputs[i], count * fixture->output_bytes[i]);
    }
    fixture->omitted = 0;
}

void
fixture_check_shared(const struct sheaf_kernel *kernel, enum sheaf_type type, const struct sheaf_shape *shapes,
                     int shape_count, uint32_t shared)
{
    const int64_t count = 3;
    struct fixture sharing, copying;
    size_t bytes;
    fixture_create(&sharing, kernel, type, shapes, shape_count, count, shared);
    fixture_create(&copying, kernel, type, shapes, shape_count, count, 0);
    for (int i = 0; i < shape_count; i++)
        for (int64_t task = 0; task < count; task++)
            memcpy(copying.inputs[i] + (size_t)task * copying.input_bytes[i], fixture_input(&sharing, i, task),
                   copying.input_bytes[i]);
    fixture_run(&copying, 0, count);
    unsigned char *expected = copy_results(&copying, &bytes);
    check_batches(&sharing, count, expected);
    check_batches(&sharing, 1, expected);
    free(expected);
    fixture_destroy(&sharing);
    fixture_destroy(&copying);
}

long double complex
fixture_get(enum sheaf_type type, const void *array, int64_t index)
{
    switch (type) {
    case SHEAF_F32:
        return ((const float *)array)[index];
    case SHEAF_F64:
        return ((const double *)array)[index];
    case SHEAF_C64:
        return ((const float complex *)array)[index];
    case SHEAF_C128:
        return ((const double complex *)array)[index];
    default:
        fail_msg("no floating type: %d", (int)type);
        return 0.0L;
    }
}

void
fixture_set(enum sheaf_type type, void *array, int64_t index, long double complex value)
{
    switch (type) {
    case SHEAF_F32:
        ((float *)array)[index] = (float)creall(value);
        break;
    case SHEAF_F64:
        ((double *)array)[index] = (double)creall(value);
        break;
    case SHEAF_C64:
        ((float complex *)array)[index] = (float complex)value;
        break;
    case SHEAF_C128:
        ((double complex *)array)[index] = (double complex)value;
        break;
    default:
        fail_msg("no floating type: %d", (int)type);
    }
}

void
fixture_clear_row(struct fixture *fixture, int64_t task, int64_t row)
{
    const struct sheaf_array *a = &fixture->problem.inputs[0];
    const size_t row_bytes = (size_t)a->shape.extent[1] * sheaf_type_size(a->type);
    memset((unsigned char *)fixture_task_input(fixture, 0, task) + (size_t)row * row_bytes, 0, row_bytes);
}

void
fixture_set_hilbert(struct fixture *fixture)
{
    const struct sheaf_array *a = &fixture->problem.inputs[0];
    const int64_t m = a->shape.extent[0];
    for (int64_t row = 0; row < m; row++)
        for (int64_t column = 0; column < m; column++)
            fixture_set(a->type, fixture_task_input(fixture, 0, 0), row * m + column,
                        1.0L / (long double)(row + column + 1));
}

bool
fixture_is_single(enum sheaf_type type)
{
    return type == SHEAF_F32 || type == SHEAF_C64;
}

long double
fixture_unit_roundoff(enum sheaf_type type)
{
    return fixture_is_single(type) ? FLT_EPSILON / 2.0L : DBL_EPSILON / 2.0L;
}

long double
fixture_sum_bound(enum sheaf_type type, int64_t terms)
{
    bool is_complex = sheaf_type_is_complex(type);
    long double nu = (is_complex ? 2.0L : 1.0L) * (long double)terms * fixture_unit_roundoff(type);
    return 1.001L * (is_complex ? sqrtl(2.0L) : 1.0L) * nu / (1.0L - nu);
}
