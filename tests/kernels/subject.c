#include "subject.h"

#include "list.h"

#include <math.h>

const int64_t subject_sizes[13][2] = {{1, 1},  {1, 5},  {5, 1},  {2, 2},    {7, 3},    {3, 7},    {65, 65},
                                      {65, 7}, {7, 65}, {33, 1}, {130, 65}, {65, 130}, {130, 130}};

void
subject_create_matrix(struct fixture *fixture, const struct subject *subject, enum sheaf_type type, int64_t m,
                      int64_t n, int64_t count)
{
    const struct sheaf_shape shape = fixture_matrix(m, n);
    fixture_create_with(fixture, kernel_find(subject->kernel), subject->parameter, type, &shape, 1, count, 0);
}

/* Say what failed, and where: of a loop over types and sizes cmocka names the line only. */
static void
check_ending(const struct subject *subject, const struct fixture *fixture, int64_t task, uint8_t status, int32_t info)
{
    const struct sheaf_array *input = &fixture->problem.inputs[0];
    const int64_t wrong = status == SHEAF_TASK_DONE && subject->count_wrong ? subject->count_wrong(fixture, task) : 0;
    if (fixture->status[task] != status || fixture->info[task] != info || wrong != 0)
        print_error("%s of %s (%lld, %lld), task %lld: expected status %d, info %d and nothing wrong; found %d, %d, "
                    "%lld wrong\n",
                    subject->kernel, sheaf_type_name(input->type), (long long)input->shape.extent[0],
                    (long long)input->shape.extent[1], (long long)task, status, info, fixture->status[task],
                    fixture->info[task], (long long)wrong);
    assert_int_equal(fixture->status[task], status);
    assert_int_equal(fixture->info[task], info);
    assert_int_equal(wrong, 0);
}

void
subject_check_tasks(const struct subject *subject, const struct fixture *fixture)
{
    for (int64_t task = 0; task < fixture->count; task++)
        check_ending(subject, fixture, task, SHEAF_TASK_DONE, 0);
}

void
subject_check_results(const struct subject *subject, const int64_t (*sizes)[2], size_t size_count)
{
    for (int t = 0; t < FIXTURE_TYPE_COUNT; t++) {
        for (size_t i = 0; i < size_count; i++) {
            struct fixture fixture;
            subject->create(&fixture, subject, fixture_types[t], sizes[i][0], sizes[i][1], 2);
            fixture_run(&fixture, 0, 2);
            subject_check_tasks(subject, &fixture);
            fixture_destroy(&fixture);
        }
    }
}

void
subject_check_known(const struct subject *subject, enum sheaf_type type, int64_t m, int64_t n,
                    const double *const *inputs, const double *expected, size_t expected_bytes)
{
    struct fixture fixture;
    subject->create(&fixture, subject, type, m, n, 1);
    assert_int_equal(fixture.output_bytes[0], expected_bytes);
    for (int i = 0; i < fixture.problem.input_count; i++)
        memcpy(fixture_task_input(&fixture, i, 0), inputs[i], fixture.input_bytes[i]);
    fixture_run(&fixture, 0, 1);
    const double *found = fixture_output(&fixture, 0, 0);
    for (size_t i = 0; i < expected_bytes / sizeof(double); i++)
        assert_true(found[i] == expected[i]);
    fixture_destroy(&fixture);
}

void
subject_check_wrong_element(const struct subject *subject, int64_t m, int64_t n, int output, int64_t index,
                            long double factor, long double term)
{
    for (int t = 0; t < FIXTURE_TYPE_COUNT; t++) {
        struct fixture fixture;
        subject->create(&fixture, subject, fixture_types[t], m, n, 1);
        fixture_run(&fixture, 0, 1);
        assert_int_equal(subject->count_wrong(&fixture, 0), 0);
        const enum sheaf_type type = fixture.problem.outputs[output].type;
        void *array = fixture_output(&fixture, output, 0);
        fixture_set(type, array, index, factor * fixture_get(type, array, index) + term);
        assert_int_equal(subject->count_wrong(&fixture, 0), 1);
        fixture_destroy(&fixture);
    }
}

void
subject_check_not_finite(const struct subject *subject, int64_t m, int64_t n, int64_t index)
{
    enum { COUNT = 5 };
    for (int t = 0; t < FIXTURE_TYPE_COUNT; t++) {
        const enum sheaf_type type = fixture_types[t];
        const long double infinity = (long double)INFINITY;
        struct fixture fixture;
        subject->create(&fixture, subject, type, m, n, COUNT);
        const int64_t *extent = fixture.problem.inputs[0].shape.extent;
        fixture_set(type, fixture_task_input(&fixture, 0, 0), extent[0] * extent[1] - 1, (long double)NAN);
        fixture_set(type, fixture_task_input(&fixture, 0, 2), index, -infinity);
        fixture_set(type, fixture_task_input(&fixture, 0, 4), index,
                    sheaf_type_is_complex(type) ? CMPLXL(0.0L, -infinity) : infinity);
        fixture_run(&fixture, 0, COUNT);
        for (int64_t task = 0; task < COUNT; task++)
            check_ending(subject, &fixture, task, task % 2 ? SHEAF_TASK_DONE : SHEAF_TASK_NOT_FINITE, 0);
        fixture_check_splits(&fixture);
        fixture_destroy(&fixture);
    }
}

void
subject_check_extremes(const struct subject *subject, int64_t m, int64_t n)
{
    for (int t = 0; t < FIXTURE_TYPE_COUNT; t++) {
        const enum sheaf_type type = fixture_types[t];
        const bool single = fixture_is_single(type);
        const long double factors[] = {0.0L, single ? 1e-34L : 1e-300L, single ? 1e36L : 1e306L};
        struct fixture fixture;
        subject->create(&fixture, subject, type, m, n, 3);
        for (int64_t task = 0; task < 3; task++) {
            void *a = fixture_task_input(&fixture, 0, task);
            for (int64_t i = 0; i < m * n; i++)
                fixture_set(type, a, i, fixture_get(type, a, i) * factors[task]);
        }
        fixture_run(&fixture, 0, 3);
        subject_check_tasks(subject, &fixture);
        fixture_destroy(&fixture);
    }
}

void
subject_check_neighbours(const struct subject *subject, void (*spoil)(struct fixture *fixture, int64_t task),
                         subject_endings endings)
{
    enum { COUNT = 40, GREATEST = 34 };
    for (int t = 0; t < FIXTURE_TYPE_COUNT; t++) {
        for (int64_t m = 1; m <= GREATEST; m++) {
            struct fixture fixture;
            subject->create(&fixture, subject, fixture_types[t], m, m, COUNT);
            for (int64_t task = 0; task < COUNT; task++)
                spoil(&fixture, task);
            fixture_check_counts(&fixture);
            for (int64_t task = 0; task < COUNT; task++) {
                const uint8_t ending = endings[task % SUBJECT_PERIOD];
                const bool pivot = ending == SHEAF_TASK_SINGULAR || ending == SHEAF_TASK_NOT_POSITIVE_DEFINITE;
                check_ending(subject, &fixture, task, ending, pivot ? (int32_t)m / 2 + 1 : 0);
            }
            fixture_destroy(&fixture);
        }
    }
}

void
subject_spoil_rows(struct fixture *fixture, int64_t task)
{
    const struct sheaf_array *a = &fixture->problem.inputs[0];
    const int64_t m = a->shape.extent[0];
    if (task % SUBJECT_PERIOD == 2)
        fixture_clear_row(fixture, task, m / 2);
    if (task % SUBJECT_PERIOD == 5)
        fixture_set(a->type, fixture_task_input(fixture, 0, task), m * m - 1, (long double)NAN);
}

void
subject_check_splits(const struct subject *subject, int64_t m, int64_t n)
{
    for (int t = 0; t < FIXTURE_TYPE_COUNT; t++) {
        struct fixture fixture;
        subject->create(&fixture, subject, fixture_types[t], m, n, 5);
        fixture_check_splits(&fixture);
        fixture_destroy(&fixture);
    }
}

void
subject_check_shared(const struct subject *subject, int64_t m, int64_t n)
{
    for (int t = 0; t < FIXTURE_TYPE_COUNT; t++) {
        struct sheaf_shape shapes[SHEAF_OPERANDS_MAX];
        struct fixture fixture;
        subject->create(&fixture, subject, fixture_types[t], m, n, 1);
        const struct sheaf_kernel *kernel = fixture.kernel;
        const int inputs = fixture.problem.input_count;
        for (int i = 0; i < inputs; i++)
            shapes[i] = fixture.problem.inputs[i].shape;
        fixture_destroy(&fixture);
        for (uint32_t shared = 1; shared < UINT32_C(1) << inputs; shared++)
            fixture_check_shared(kernel, fixture_types[t], shapes, inputs, shared);
    }
}

void
subject_check_omitted(const struct subject *subject, int64_t m, int64_t n)
{
    for (int t = 0; t < FIXTURE_TYPE_COUNT; t++) {
        struct fixture fixture;
        subject->create(&fixture, subject, fixture_types[t], m, n, 5);
        fixture_check_omitted(&fixture);
        fixture_destroy(&fixture);
    }
}

void
subject_check_flops(const struct subject *subject, enum sheaf_type type, int64_t m, int64_t n, double flops)
{
    struct fixture fixture;
    struct sheaf_cost cost = {0};
    subject->create(&fixture, subject, type, m, n, 1);
    fixture.kernel->cost(&fixture.problem, &cost);
    assert_true(cost.flops == flops);
    fixture_destroy(&fixture);
}

/* A problem whose first input is this. */
static void
create_unmatched(struct fixture *fixture, const struct subject *subject, enum sheaf_type type, int64_t rows,
                 int64_t columns)
{
    subject->create(fixture, subject, SHEAF_F64, 3, 3, 1);
    struct sheaf_array *input = &fixture->problem.inputs[0];
    input->type = type;
    input->shape.extent[0] = rows;
    if (input->shape.ndim > 1)
        input->shape.extent[1] = columns;
}

void
subject_check_refused(const struct subject *subject, enum sheaf_type type, int64_t rows, int64_t columns)
{
    const struct sheaf_batch batch = {.count = 1};
    struct fixture fixture;
    create_unmatched(&fixture, subject, type, rows, columns);
    assert_int_equal(fixture.kernel->run(&fixture.problem, &batch), SHEAF_INTERNAL);
    fixture_destroy(&fixture);
}

void
subject_check_fits(const struct subject *subject, enum sheaf_type type, int64_t rows, int64_t columns, bool fits)
{
    struct fixture fixture;
    create_unmatched(&fixture, subject, type, rows, columns);
    assert_int_equal(fixture.kernel->workspace_bytes(&fixture.problem) >= 0, fits);
    fixture_destroy(&fixture);
    if (!fits)
        subject_check_refused(subject, type, rows, columns);
}
