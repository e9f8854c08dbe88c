/* Sources whose entries are stretched over the tasks of a run. Which entry is whose, test_broadcast.c checks. */
#include "io_test.h"
#include "source.h"

#include <hdf5.h>

enum { ENTRIES = 4 * 3, ELEMENTS = 5, TASKS = 2 * 4 * 6 * 3, CORE_NDIM = 1 };

static struct sheaf_error error;
static struct source_map map;
/* of the datasets, (4, 1, 3) tasks of 5 elements that count up; and of a run that they are stretched to */
static const hsize_t stored[4] = {4, 1, 3, ELEMENTS};
static const struct sheaf_shape run = {.ndim = 4, .extent = {2, 4, 6, 3}};

static int64_t
entry_of(int64_t task)
{
    return task / 18 % 4 * 3 + task % 3;
}

/* Write a dataset into broadcast.h5. Closes `creation`. */
static void
put(const char *name, int ndim, const hsize_t *extent, hid_t type, hid_t creation)
{
    hid_t file = access("broadcast.h5", F_OK) == 0 ? H5Fopen("broadcast.h5", H5F_ACC_RDWR, H5P_DEFAULT)
                                                   : H5Fcreate("broadcast.h5", H5F_ACC_EXCL, H5P_DEFAULT, H5P_DEFAULT);
    hid_t space = H5Screate_simple(ndim, extent, NULL);
    hid_t dataset = H5Dcreate2(file, name, type, space, H5P_DEFAULT, creation, H5P_DEFAULT);
    hssize_t count = H5Sget_simple_extent_npoints(space);
    double *numbers = malloc((size_t)count * sizeof *numbers);

    assert_non_null(numbers);
    for (hssize_t i = 0; i < count; i++)
        numbers[i] = (double)i;
    assert_true(dataset >= 0);
    assert_true(H5Dwrite(dataset, H5T_NATIVE_DOUBLE, H5S_ALL, H5S_ALL, H5P_DEFAULT, numbers) >= 0);
    free(numbers);
    H5Dclose(dataset);
    H5Sclose(space);
    if (creation != H5P_DEFAULT)
        H5Pclose(creation);
    assert_true(H5Fclose(file) >= 0);
}

static hid_t
in_chunks(int ndim, const hsize_t *chunk, bool packed)
{
    hid_t creation = H5Pcreate(H5P_DATASET_CREATE);
    H5Pset_chunk(creation, ndim, chunk);
    if (packed)
        H5Pset_deflate(creation, 1);
    return creation;
}

static void
describe(const char *text, const struct sheaf_shape *lead)
{
    test_ok(source_describe(text, CORE_NDIM, 0, 7, &map, &error), &error);
    test_ok(source_set_tasks(&map, lead, &error), &error);
}

/* Read every range of tasks. Entry e of the source is entry first + e * step of the dataset. */
static void
check_all_ranges(int64_t tasks, int64_t (*entry)(int64_t), int64_t first_row, int64_t row_step)
{
    static double got[TASKS * ELEMENTS];
    struct source *source;

    test_ok(source_attach(&map, &source, &error), &error);
    for (int64_t first = 0; first < tasks; first++) {
        for (int64_t count = 1; count <= tasks - first; count++) {
            memset(got, 255, sizeof got);
            test_ok(source_read(source, first, count, got, &error), &error);
            for (int64_t i = 0; i < count * ELEMENTS; i++) {
                int64_t at = entry(first + i / ELEMENTS);
                at = (first_row + at / 3 * row_step) * 3 + at % 3;
                assert_true(got[i] == (double)(at * ELEMENTS + i % ELEMENTS));
            }
        }
    }
    test_error(source_read(source, tasks, 1, got, &error), SHEAF_INTERNAL, &error, "were asked for, it has ");
    test_error(source_read(source, 0, tasks + 1, got, &error), SHEAF_INTERNAL, &error, map.text);
    source_detach(source);
}

static void
entries_are_stretched_over_tasks(void **state)
{
    const hsize_t chunk[4] = {3, 1, 2, 4};
    static const char *const texts[] = {"broadcast.h5:/plain", "broadcast.h5:/swapped", "broadcast.h5:/packed"};

    (void)state;
    put("plain", 4, stored, H5T_IEEE_F64LE, H5P_DEFAULT);
    put("swapped", 4, stored, H5T_IEEE_F32BE, H5P_DEFAULT);
    put("packed", 4, stored, H5T_STD_I16LE, in_chunks(4, chunk, true));
    for (size_t i = 0; i < 3; i++) {
        describe(texts[i], &run);
        test_ok(source_set_type(&map, SHEAF_F64, &error), &error);
        check_all_ranges(TASKS, entry_of, 0, 1);
        for (int64_t task = 0; task < TASKS; task++)
            assert_int_equal(source_entry(&map, task), entry_of(task));
    }
}

static int64_t
entry_of_two_rows(int64_t task)
{
    return task / 18 % 2 * 3 + task % 3;
}

static void
slices_are_stretched_too(void **state)
{
    const struct sheaf_shape lead = {.ndim = 4, .extent = {2, 2, 6, 3}};

    (void)state;
    describe("broadcast.h5:/plain[::-2]", &lead);
    check_all_ranges(TASKS / 2, entry_of_two_rows, 3, -2);
}

/* Each entry for several tasks in a row, and through the library. */
static int64_t
entry_of_column(int64_t task)
{
    return task / 11 % 12;
}

static void
entries_of_tasks_in_a_row_are_read_together(void **state)
{
    const hsize_t extent[3] = {12, 1, ELEMENTS}, chunk[3] = {5, 1, ELEMENTS};
    const struct sheaf_shape lead = {.ndim = 2, .extent = {12, 11}};

    (void)state;
    put("column", 3, extent, H5T_IEEE_F64BE, in_chunks(3, chunk, true));
    describe("broadcast.h5:/column", &lead);
    check_all_ranges(132, entry_of_column, 0, 1);
}

static void
chunks_are_counted_in_tasks(void **state)
{
    const hsize_t extent[3] = {12, 1, ELEMENTS}, four[3] = {4, 1, ELEMENTS}, five[3] = {5, 1, ELEMENTS};
    const struct sheaf_shape columns = {.ndim = 2, .extent = {12, 11}}, rounds = {.ndim = 3, .extent = {7, 12, 1}};

    (void)state;
    put("four", 3, extent, H5T_IEEE_F64LE, in_chunks(3, four, false));
    put("five", 3, extent, H5T_IEEE_F64LE, in_chunks(3, five, false));
    describe("broadcast.h5:/four", &columns);
    assert_int_equal(map.chunk_tasks, 44);
    describe("broadcast.h5:/five", &columns);
    assert_int_equal(map.chunk_tasks, 55);
    describe("broadcast.h5:/four", &rounds);
    assert_int_equal(map.chunk_tasks, 4);
    describe("broadcast.h5:/five", &rounds); /* rounds of 12 tasks: none of its chunks are where they were */
    assert_int_equal(map.chunk_tasks, 1);
    describe("broadcast.h5:/four", &(struct sheaf_shape){.ndim = 2, .extent = {12, 1}});
    assert_int_equal(map.chunk_tasks, 4);
}

static void
expect_together(const char *text, const struct sheaf_shape *lead, int64_t task, int64_t first, int64_t end)
{
    int64_t tasks = 0;

    assert_true(sheaf_shape_count(lead, &tasks));
    describe(text, lead);
    for (int64_t other = 0; other < tasks; other++)
        assert_int_equal(source_reads_together(&map, task, other), other >= first && other < end);
}

static void
tasks_in_the_same_chunks_are_read_together(void **state)
{
    const hsize_t extent[3] = {12, 1, ELEMENTS}, five[3] = {5, 1, 2}, across[3] = {12, 6, ELEMENTS},
                  cells[3] = {1, 4, 2};
    const struct sheaf_shape columns = {.ndim = 2, .extent = {12, 11}};

    (void)state;
    put("fives", 3, extent, H5T_IEEE_F64LE, in_chunks(3, five, false));
    put("unchunked", 3, extent, H5T_IEEE_F64LE, H5P_DEFAULT);
    put("cells", 3, across, H5T_IEEE_F64LE, in_chunks(3, cells, false));
    expect_together("broadcast.h5:/fives", &columns, 7 * 11, 5 * 11, 10 * 11);
    expect_together("broadcast.h5:/fives", &columns, 131, 10 * 11, 132);
    /* entries 1, 3, ..., 11, of which 5, 7 and 9 lie in one chunk */
    expect_together("broadcast.h5:/fives[1::2]", &(struct sheaf_shape){.ndim = 2, .extent = {6, 1}}, 3, 2, 5);
    /* a row has two chunks, of four tasks and of two */
    expect_together("broadcast.h5:/cells", &(struct sheaf_shape){.ndim = 2, .extent = {12, 6}}, 7, 6, 10);
    expect_together("broadcast.h5:/cells", &(struct sheaf_shape){.ndim = 2, .extent = {12, 6}}, 10, 10, 12);
    expect_together("broadcast.h5:/unchunked", &columns, 13, 11, 22);
}

static int unpacked;

/* The parameters are HDF5's. NOLINTBEGIN(readability-non-const-parameter) */
static size_t
count_unpacking(unsigned flags, size_t value_count, const unsigned values[], size_t bytes, size_t *buffer_bytes,
                void **buffer)
/* NOLINTEND(readability-non-const-parameter) */
{
    (void)value_count, (void)values, (void)buffer_bytes, (void)buffer;
    unpacked += (flags & H5Z_FLAG_REVERSE) != 0;
    return bytes;
}

/* In seven rounds over three chunks, more than the library keeps, each is unpacked once: the first round is copied. */
static void
what_a_read_has_is_not_read_again(void **state)
{
    enum { LONG = 20000 };
    const H5Z_class2_t filter = {H5Z_CLASS_T_VERS, 301, 1, 1, "counting", NULL, NULL, count_unpacking};
    const hsize_t extent[2] = {12, LONG}, chunk[2] = {4, LONG};
    const struct sheaf_shape rounds = {.ndim = 2, .extent = {7, 12}};
    double *got = malloc(sizeof *got * 7 * 12 * LONG);
    struct source *source;
    hid_t creation = in_chunks(2, chunk, false);

    (void)state;
    assert_non_null(got);
    assert_true(H5Zregister(&filter) >= 0 && H5Pset_filter(creation, 301, 0, 0, NULL) >= 0);
    put("rounds", 2, extent, H5T_IEEE_F64LE, creation);
    describe("broadcast.h5:/rounds", &rounds);
    test_ok(source_attach(&map, &source, &error), &error);
    unpacked = 0;
    test_ok(source_read(source, 0, 84, got, &error), &error);
    for (int i = 0; i < 84 * LONG; i++)
        assert_true(got[i] == i % (12 * LONG));
    assert_int_equal(unpacked, 3);
    source_detach(source);
    free(got);
    assert_true(H5Zunregister(301) >= 0);
}

static void
generated_sources_follow(void **state)
{
    const struct sheaf_shape lead = {.ndim = 2, .extent = {6, 4}};
    struct source *source;
    double got[8 * ELEMENTS], expected[ELEMENTS];

    (void)state;
    describe("random:6x1x5", &lead);
    test_ok(source_attach(&map, &source, &error), &error);
    test_ok(source_read(source, 2, 8, got, &error), &error);
    for (int64_t task = 2; task < 10; task++) {
        generate_fill(&map.generate, task / 4, 0, ELEMENTS, expected);
        assert_memory_equal(&got[(task - 2) * ELEMENTS], expected, sizeof expected);
        assert_int_equal(source_earlier_task(source, task), task % 4 ? task - 1 : -1);
    }
    test_error(source_read(source, 24, 1, got, &error), SHEAF_INTERNAL, &error, "it has 24");
    source_detach(source);
    /* without leading axes: numbers of its own for each task */
    describe("random:5", &lead);
    test_ok(source_attach(&map, &source, &error), &error);
    test_ok(source_read(source, 23, 1, got, &error), &error);
    generate_fill(&map.generate, 23, 0, ELEMENTS, expected);
    assert_memory_equal(got, expected, sizeof expected);
    assert_int_equal(source_earlier_task(source, 23), -1);
    source_detach(source);
    /* shared ones are read once */
    describe("random:5:shared", &lead);
    assert_true(map.shared);
    test_ok(source_attach(&map, &source, &error), &error);
    test_ok(source_read(source, 0, 1, got, &error), &error);
    generate_fill(&map.generate, 0, 0, ELEMENTS, expected);
    assert_memory_equal(got, expected, sizeof expected);
    source_detach(source);
}

static void
what_cannot_be_stretched_is_refused(void **state)
{
    const struct sheaf_shape lead = {.ndim = 3, .extent = {4, 6, 2}};

    (void)state;
    test_ok(source_describe("broadcast.h5:/plain", CORE_NDIM, 0, 0, &map, &error), &error);
    const struct source_map before = map;
    test_error(source_set_tasks(&map, &lead, &error), SHEAF_BAD_DATA, &error,
               "broadcast.h5:/plain: its leading axes (4, 1, 3) cannot be stretched to (4, 6, 2)");
    assert_memory_equal(&map, &before, sizeof map);
}

/* Whether the bytes are there is asked of the entries that the tasks use. */
static void
cached_tasks_are_seen(void **state)
{
    struct source *plain, *stretched;

    (void)state;
    describe("broadcast.h5:/plain", &(struct sheaf_shape){.ndim = 3, .extent = {4, 1, 3}});
    test_ok(source_attach(&map, &plain, &error), &error);
    describe("broadcast.h5:/plain", &run);
    test_ok(source_attach(&map, &stretched, &error), &error);
    assert_int_equal(source_is_cached(stretched, 5, TASKS - 5), source_is_cached(plain, 0, ENTRIES));
    assert_false(source_is_cached(stretched, 0, TASKS + 1));
    assert_false(source_is_cached(stretched, 0, 0));
    source_detach(stretched);
    source_detach(plain);
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(entries_are_stretched_over_tasks),
        cmocka_unit_test(slices_are_stretched_too),
        cmocka_unit_test(entries_of_tasks_in_a_row_are_read_together),
        cmocka_unit_test(chunks_are_counted_in_tasks),
        cmocka_unit_test(tasks_in_the_same_chunks_are_read_together),
        cmocka_unit_test(what_a_read_has_is_not_read_again),
        cmocka_unit_test(generated_sources_follow),
        cmocka_unit_test(what_cannot_be_stretched_is_refused),
        cmocka_unit_test(cached_tasks_are_seen),
    };
    return cmocka_run_group_tests(tests, test_enter_directory, test_leave_directory);
}
