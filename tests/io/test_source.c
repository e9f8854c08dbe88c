#include "io_test.h"
#include "source.h"

#include <hdf5.h>
#include <limits.h>
#include <linux/magic.h>
#include <sys/vfs.h>

static struct sheaf_error error;
static struct source_map map;

/* Element i of every dataset here. */
static double
element(int64_t i)
{
    return (double)(i * 37 % 1009) + 0.25;
}

/* Write a dataset of f64 counted by element(); `file_type` is how it is stored. Closes `creation`. */
static void
write_dataset(const char *path, const char *name, hid_t file_type, int ndim, const hsize_t *extent, hid_t creation)
{
    hid_t file = access(path, F_OK) == 0 ? H5Fopen(path, H5F_ACC_RDWR, H5P_DEFAULT)
                                         : H5Fcreate(path, H5F_ACC_EXCL, H5P_DEFAULT, H5P_DEFAULT);
    hid_t space = H5Screate_simple(ndim, extent, NULL);
    hssize_t count = H5Sget_simple_extent_npoints(space);
    double *numbers = calloc((size_t)count + 1, sizeof *numbers);

    assert_non_null(numbers);
    for (hssize_t i = 0; i < count; i++)
        numbers[i] = element(i);
    hid_t dataset = H5Dcreate2(file, name, file_type, space, H5P_DEFAULT, creation, H5P_DEFAULT);
    assert_true(dataset >= 0);
    assert_true(H5Dwrite(dataset, H5T_NATIVE_DOUBLE, H5S_ALL, H5S_ALL, H5P_DEFAULT, numbers) >= 0);
    free(numbers);
    H5Dclose(dataset);
    H5Sclose(space);
    if (creation != H5P_DEFAULT)
        H5Pclose(creation);
    assert_true(H5Fclose(file) >= 0);
}

/* Layouts that only the library reads. */
static hid_t
compact(void)
{
    hid_t creation = H5Pcreate(H5P_DATASET_CREATE);
    H5Pset_layout(creation, H5D_COMPACT);
    return creation;
}

static hid_t
in_chunks(int ndim, const hsize_t *chunk)
{
    hid_t creation = H5Pcreate(H5P_DATASET_CREATE);
    H5Pset_chunk(creation, ndim, chunk);
    return creation;
}

static void
describe(const char *text, int core_ndim)
{
    test_ok(source_describe(text, core_ndim, 0, 0, &map, &error), &error);
    assert_string_equal(map.text, text);
}

static void
refuse(const char *text, int core_ndim, enum sheaf_status expected, const char *part)
{
    error = (struct sheaf_error){.status = SHEAF_OK};
    test_error(source_describe(text, core_ndim, 0, 0, &map, &error), expected, &error, part);
}

/* Read by two steps, in runs of every length that can be so read, and compare with element(). Returns how many lengths. */
static int
check_two_steps(struct source *source, int64_t tasks)
{
    const int64_t task_elements = map.task_bytes / 8;
    int lengths = 0;

    for (int64_t run = 1; run <= tasks; run++) {
        const int64_t bytes = source_raw_bytes(&map, run);
        void *raw = aligned_alloc(PACKED_ALIGNMENT, (size_t)bytes / PACKED_ALIGNMENT * PACKED_ALIGNMENT + 64);
        double *got = malloc((size_t)(run * map.task_bytes));
        assert_true(raw && got);
        for (int64_t first = 0; bytes > 0 && first < tasks; first += run) {
            const int64_t count = tasks - first < run ? tasks - first : run;
            test_ok(source_fetch(source, first, count, raw, bytes, &error), &error);
            test_ok(source_decode(source, count, raw, got, &error), &error);
            for (int64_t i = 0; i < count * task_elements; i++)
                assert_true(got[i] == element(first * task_elements + i));
        }
        if (bytes > 0)
            test_error(source_fetch(source, tasks, 1, raw, bytes, &error), SHEAF_INTERNAL, &error, "tasks ");
        lengths += bytes > 0;
        free(got);
        free(raw);
    }
    return lengths;
}

/* Read every range of tasks of a described f64 source, and compare with element(). */
static void
check_all_ranges(enum source_access expected)
{
    struct source *source;
    int64_t tasks = 0;

    test_ok(source_attach(&map, &source, &error), &error);
    assert_int_equal(source_access(source), expected);
    assert_true(sheaf_shape_count(&map.array.lead, &tasks));
    const int64_t task_elements = map.task_bytes / 8;
    double *got = malloc((size_t)(tasks * map.task_bytes) + 1);
    assert_non_null(got);
    for (int64_t first = 0; first < tasks; first++) {
        for (int64_t count = 1; count <= tasks - first; count++) {
            memset(got, 255, (size_t)(count * map.task_bytes));
            test_ok(source_read(source, first, count, got, &error), &error);
            for (int64_t i = 0; i < count * task_elements; i++)
                assert_true(got[i] == element(first * task_elements + i));
        }
    }
    check_two_steps(source, tasks);
    test_error(source_read(source, tasks, 1, got, &error), SHEAF_INTERNAL, &error, "tasks ");
    test_error(source_read(source, -1, 1, got, &error), SHEAF_INTERNAL, &error, "were asked for, it has ");
    test_error(source_read(source, 0, tasks + 1, got, &error), SHEAF_INTERNAL, &error, map.text);
    free(got);
    source_detach(source);
}

static enum source_access
plain_access(void)
{
    return map.in_memory ? SOURCE_MEMORY : SOURCE_DISK;
}

static void
plain_datasets_are_read_by_offset(void **state)
{
    const hsize_t extent[4] = {3, 4, 5, 2};
    char absolute[PATH_MAX];
    struct stat about;

    (void)state;
    write_dataset("plain.h5", "a", H5T_IEEE_F64LE, 4, extent, H5P_DEFAULT);
    describe("plain.h5:/a", 2);
    assert_int_equal(map.kind, SOURCE_DATASET);
    assert_int_equal(map.array.type, SHEAF_F64);
    assert_int_equal(map.array.lead.ndim, 2);
    assert_int_equal(map.array.lead.extent[0] * 10 + map.array.lead.extent[1], 34);
    assert_int_equal(map.array.core.ndim, 2);
    assert_int_equal(map.array.core.extent[0] * 10 + map.array.core.extent[1], 52);
    assert_int_equal(map.task_bytes, 80);
    assert_false(map.shared || map.countless || map.swapped);
    assert_true(map.offset > 0);
    assert_string_equal(map.path, realpath("plain.h5", absolute));
    assert_string_equal(map.dataset, "/a");
    assert_int_equal(stat("plain.h5", &about), 0);
    assert_int_equal(map.file_bytes, about.st_size);
    assert_int_equal(map.file_inode, about.st_ino);
    assert_int_equal(map.file_device, about.st_dev);
    assert_int_equal(map.file_mtime / 1000000000, about.st_mtim.tv_sec);
    check_all_ranges(plain_access());
    describe("plain.h5:/a", 0);
    assert_int_equal(map.task_bytes, 8);
    check_all_ranges(plain_access());
    describe("plain.h5:/a", -1);
    assert_int_equal(map.array.lead.ndim, 0);
    assert_true(map.shared);
    check_all_ranges(plain_access());
}

static void
other_layouts_are_read_through_the_library(void **state)
{
    const hsize_t extent[4] = {3, 4, 5, 2}, chunk[4] = {2, 3, 5, 1};
    hid_t chunked = H5Pcreate(H5P_DATASET_CREATE), packed = H5Pcreate(H5P_DATASET_CREATE),
          compact = H5Pcreate(H5P_DATASET_CREATE), swapped = H5Pcreate(H5P_DATASET_CREATE);

    (void)state;
    H5Pset_chunk(chunked, 4, chunk);
    H5Pset_chunk(packed, 4, chunk);
    H5Pset_shuffle(packed);
    H5Pset_deflate(packed, 4);
    H5Pset_layout(compact, H5D_COMPACT);
    H5Pset_chunk(swapped, 4, chunk);
    write_dataset("library.h5", "chunked", H5T_IEEE_F64LE, 4, extent, chunked);
    write_dataset("library.h5", "packed", H5T_IEEE_F64LE, 4, extent, packed);
    write_dataset("library.h5", "compact", H5T_IEEE_F64LE, 4, extent, compact);
    write_dataset("library.h5", "swapped", H5T_IEEE_F64BE, 4, extent, swapped);
    static const char *const texts[] = {"library.h5:/chunked", "library.h5:/packed", "library.h5:/compact",
                                        "library.h5:/swapped"};
    for (size_t i = 0; i < 4; i++) {
        for (int core_ndim = 0; core_ndim <= 4; core_ndim++) {
            describe(texts[i], core_ndim);
            assert_int_equal(map.offset, -1);
            assert_int_equal(map.swapped, i == 3);
            check_all_ranges(SOURCE_LIBRARY);
        }
    }
}

static void
a_dataset_never_written_reads_as_its_fill_value(void **state)
{
    const hsize_t extent[2] = {2, 3};
    const double fill = 7.5;
    double got[3];
    struct source *source;
    hid_t file = H5Fcreate("unwritten.h5", H5F_ACC_TRUNC, H5P_DEFAULT, H5P_DEFAULT);
    hid_t space = H5Screate_simple(2, extent, NULL), creation = H5Pcreate(H5P_DATASET_CREATE);

    (void)state;
    H5Pset_fill_value(creation, H5T_NATIVE_DOUBLE, &fill);
    H5Dclose(H5Dcreate2(file, "a", H5T_IEEE_F64LE, space, H5P_DEFAULT, creation, H5P_DEFAULT));
    H5Pclose(creation);
    H5Sclose(space);
    H5Fclose(file);
    describe("unwritten.h5:/a", 1);
    assert_int_equal(map.offset, -1);
    test_ok(source_attach(&map, &source, &error), &error);
    assert_int_equal(source_access(source), SOURCE_LIBRARY);
    test_ok(source_read(source, 1, 1, got, &error), &error);
    assert_true(got[0] == fill && got[2] == fill);
    source_detach(source);
}

/* The offset that the library tells counts from the file's beginning, not from the end of a user block. */
static void
a_user_block_moves_the_bytes(void **state)
{
    const hsize_t extent[2] = {4, 3};
    hid_t creation = H5Pcreate(H5P_FILE_CREATE);

    (void)state;
    H5Pset_userblock(creation, 1024);
    H5Fclose(H5Fcreate("block.h5", H5F_ACC_TRUNC, creation, H5P_DEFAULT));
    H5Pclose(creation);
    write_dataset("block.h5", "a", H5T_IEEE_F64LE, 2, extent, H5P_DEFAULT);
    describe("block.h5:/a", 1);
    assert_true(map.offset > 1024);
    check_all_ranges(plain_access());
}

static void
all_types_are_described(void **state)
{
    const hsize_t extent[2] = {4, 3};
    const struct {
        const char *text;
        hid_t stored;
        enum sheaf_type type;
    } types[] = {{"types.h5:/i8", H5T_STD_I8LE, SHEAF_I8},     {"types.h5:/u16", H5T_STD_U16LE, SHEAF_U16},
                 {"types.h5:/i32", H5T_STD_I32LE, SHEAF_I32},  {"types.h5:/u64", H5T_STD_U64LE, SHEAF_U64},
                 {"types.h5:/f32", H5T_IEEE_F32LE, SHEAF_F32}, {"types.h5:/be", H5T_STD_I32BE, SHEAF_I32}};

    (void)state;
    for (size_t i = 0; i < sizeof types / sizeof *types; i++) {
        int32_t got[3];
        struct source *source;
        write_dataset("types.h5", strrchr(types[i].text, '/'), types[i].stored, 2, extent, H5P_DEFAULT);
        describe(types[i].text, 1);
        assert_int_equal(map.array.type, types[i].type);
        assert_int_equal(map.task_bytes, 3 * (int64_t)sheaf_type_size(types[i].type));
        if (types[i].type != SHEAF_I32)
            continue;
        test_ok(source_attach(&map, &source, &error), &error);
        test_ok(source_read(source, 1, 1, got, &error), &error);
        for (int j = 0; j < 3; j++)
            assert_int_equal(got[j], (int)element(3 + j));
        source_detach(source);
    }
}

/* The bytes are converted by whoever reads them: where they lie decides alone about that. */
static void
other_byte_orders_and_types_are_plain(void **state)
{
    const hsize_t extent[3] = {7, 50, 100};
    const hid_t stored[] = {H5T_IEEE_F64BE, H5T_IEEE_F32LE, H5T_IEEE_F32BE};

    (void)state;
    for (size_t i = 0; i < 3; i++) {
        char text[32];
        snprintf(text, sizeof text, "order.h5:/%zu", i);
        write_dataset("order.h5", text + 10, stored[i], 3, extent, H5P_DEFAULT);
        describe(text, 2);
        assert_int_equal(map.swapped, i != 1);
        assert_int_equal(map.file_type, i ? SHEAF_F32 : SHEAF_F64);
        assert_true(map.offset > 0);
        test_ok(source_set_type(&map, SHEAF_F64, &error), &error);
        assert_int_equal(map.task_bytes, 50 * 100 * 8);
        check_all_ranges(plain_access());
    }
}

/* Stored elements wider than those in memory; what can't be described twice is set back. */
static void
narrower_types_are_read_too(void **state)
{
    const hsize_t extent[2] = {9, 2000};
    static float got[9 * 2000];
    static const char *const texts[] = {"narrow.h5:/plain", "narrow.h5:/chunked"};
    struct source *source;

    (void)state;
    write_dataset("narrow.h5", "plain", H5T_IEEE_F64BE, 2, extent, H5P_DEFAULT);
    write_dataset("narrow.h5", "chunked", H5T_IEEE_F64BE, 2, extent, in_chunks(2, (hsize_t[]){2, 999}));
    for (size_t i = 0; i < 2; i++) {
        describe(texts[i], 1);
        const uint64_t fingerprint = map.fingerprint;
        test_ok(source_set_type(&map, SHEAF_C128, &error), &error);
        test_ok(source_set_type(&map, SHEAF_F32, &error), &error);
        assert_int_equal(map.fingerprint, fingerprint);
        assert_int_equal(map.array.type, SHEAF_F32);
        assert_int_equal(map.task_bytes, 8000);
        test_ok(source_attach(&map, &source, &error), &error);
        for (int64_t first = 0; first < 9; first += 3) {
            memset(got, 255, sizeof got);
            test_ok(source_read(source, first, 9 - first, got, &error), &error);
            for (int64_t k = 0; k < (9 - first) * 2000; k++)
                assert_true(got[k] == (float)element(first * 2000 + k));
        }
        source_detach(source);
    }
}

/* Generated operands keep the numbers of the type that they say. */
static void
generated_operands_are_converted(void **state)
{
    static float expected[3 * 5000];
    static double got[2 * 2 * 3 * 5000];
    struct source *source;

    (void)state;
    test_ok(source_describe("random:3x5000:f32", 2, 1, 9, &map, &error), &error);
    const uint64_t fingerprint = map.fingerprint;
    test_ok(source_set_type(&map, SHEAF_C128, &error), &error);
    assert_int_equal(map.fingerprint, fingerprint);
    test_ok(source_attach(&map, &source, &error), &error);
    assert_int_equal(source_access(source), SOURCE_COMPUTED);
    test_ok(source_read(source, 40, 2, got, &error), &error);
    for (int64_t task = 0; task < 2; task++) {
        generate_fill(&map.generate, 40 + task, 0, 15000, expected);
        for (int64_t i = 0; i < 15000; i++)
            assert_true(got[2 * (15000 * task + i)] == (double)expected[i] && got[2 * (15000 * task + i) + 1] == 0);
    }
    source_detach(source);
}

static void
what_would_lose_numbers_is_refused(void **state)
{
    (void)state;
    test_ok(source_describe("random:3x4:c64", 2, 0, 0, &map, &error), &error);
    const struct source_map before = map;
    test_error(source_set_type(&map, SHEAF_F64, &error), SHEAF_BAD_DATA, &error,
               "random:3x4:c64: is c64, which cannot be read as f64: its imaginary parts would be lost; give a complex "
               "type, c64 or c128");
    test_error(source_set_type(&map, SHEAF_I32, &error), SHEAF_BAD_DATA, &error,
               "random:3x4:c64: is c64, which cannot be read as i32; give a floating type, as f64");
    assert_memory_equal(&map, &before, sizeof map);
    map.array.type = SHEAF_F64;
    struct source *source;
    test_error(source_attach(&map, &source, &error), SHEAF_INTERNAL, &error, "its description is invalid");
    test_ok(source_describe("random:600000000x1000000000:f32", 2, 0, 0, &map, &error), &error);
    test_error(source_set_type(&map, SHEAF_C128, &error), SHEAF_BAD_DATA, &error,
               "has, as c128, more bytes than 64 bits can count");
}

static void
expect_chunks(const char *text, int core_ndim, int64_t tasks, int64_t bytes)
{
    describe(text, core_ndim);
    assert_int_equal(map.chunk_tasks, tasks);
    assert_int_equal(map.chunk_bytes, bytes);
}

static void
tasks_that_share_chunks_are_counted(void **state)
{
    const hsize_t extent[4] = {20, 6, 5, 4}, rows[4] = {8, 6, 5, 4}, within[4] = {1, 3, 2, 3}, cells[4] = {4, 4, 5, 4};
    const hsize_t whole[4] = {20, 6, 5, 4}, single[4] = {1, 1, 5, 4};

    (void)state;
    write_dataset("share.h5", "plain", H5T_IEEE_F64LE, 4, extent, H5P_DEFAULT);
    write_dataset("share.h5", "rows", H5T_IEEE_F64LE, 4, extent, in_chunks(4, rows));
    write_dataset("share.h5", "within", H5T_IEEE_F64LE, 4, extent, in_chunks(4, within));
    write_dataset("share.h5", "cells", H5T_IEEE_F64LE, 4, extent, in_chunks(4, cells));
    write_dataset("share.h5", "whole", H5T_IEEE_F64LE, 4, extent, in_chunks(4, whole));
    write_dataset("share.h5", "single", H5T_IEEE_F64LE, 4, extent, in_chunks(4, single));
    expect_chunks("share.h5:/plain", 2, 1, 0);
    expect_chunks("share.h5:/rows", 2, 48, 8 * 120 * 8);
    expect_chunks("share.h5:/rows", 3, 8, 8 * 120 * 8);
    expect_chunks("share.h5:/rows", 4, 1, 24 * 120 * 8);
    /* two chunks of three tasks make a row, each task lies in 3 x 2 of them */
    expect_chunks("share.h5:/within", 2, 3, 3 * 6 * 6 * 8);
    expect_chunks("share.h5:/within", 3, 1, 6 * 6 * 6 * 8);
    expect_chunks("share.h5:/cells", 2, 24, 4 * 8 * 5 * 4 * 8);
    expect_chunks("share.h5:/whole", 2, 120, 2400 * 8);
    expect_chunks("share.h5:/single", 2, 1, 20 * 8);

    /* slices: each chunk must hold as many of the selected entries */
    expect_chunks("share.h5:/rows[8:]", 3, 8, 8 * 120 * 8);
    expect_chunks("share.h5:/rows[::2]", 3, 4, 8 * 120 * 8);
    expect_chunks("share.h5:/rows[9::4]", 2, 12, 8 * 120 * 8);
    expect_chunks("share.h5:/rows[16:]", 3, 4, 8 * 120 * 8);
    expect_chunks("share.h5:/rows[1:]", 3, 1, 8 * 120 * 8);
    expect_chunks("share.h5:/rows[::3]", 3, 1, 8 * 120 * 8);
    expect_chunks("share.h5:/rows[::-1]", 3, 1, 8 * 120 * 8);
    expect_chunks("share.h5:/within[3:7]", 2, 3, 3 * 6 * 6 * 8);
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

/* Tasks that are read one by one too, from chunks that the library by itself would not keep. */
static void
each_chunk_is_unpacked_once(void **state)
{
    const H5Z_class2_t filter = {H5Z_CLASS_T_VERS, 301, 1, 1, "counting", NULL, NULL, count_unpacking};
    const hsize_t extent[3] = {20, 250, 100}, chunk[3] = {8, 250, 50};
    hid_t creation = in_chunks(3, chunk);
    double *got = malloc(sizeof *got * 250 * 100);
    struct source *source;

    (void)state;
    assert_non_null(got);
    assert_true(H5Zregister(&filter) >= 0 && H5Pset_filter(creation, 301, 0, 0, NULL) >= 0);
    write_dataset("count.h5", "a", H5T_IEEE_F64LE, 3, extent, creation);
    expect_chunks("count.h5:/a", 2, 8, 8 * 250 * 100 * 8);
    test_ok(source_attach(&map, &source, &error), &error);
    unpacked = 0;
    for (int64_t task = 0; task < 20; task++) {
        test_ok(source_read(source, task, 1, got, &error), &error);
        for (int64_t i = 0; i < 250 * 100; i++)
            assert_true(got[i] == element(task * 250 * 100 + i));
    }
    assert_int_equal(unpacked, 3 * 2);
    source_detach(source);
    free(got);
    assert_true(H5Zunregister(301) >= 0);
}

/* Task `task` of a sliced source with two leading axes of 9 and `inner` entries, 6 elements a task. */
static void
check_slice(const char *text, int64_t inner, int64_t first, int64_t step, int64_t rows)
{
    double got[9 * 2 * 6];
    struct source *source;
    int64_t tasks = 0;

    describe(text, 1);
    assert_string_equal(map.dataset, "/a");
    assert_int_equal(map.array.lead.extent[0], rows);
    assert_int_equal(map.array.lead.extent[1], inner);
    assert_int_equal(map.shared, rows * inner == 1);
    assert_true(sheaf_shape_count(&map.array.lead, &tasks));
    test_ok(source_attach(&map, &source, &error), &error);
    for (int64_t begin = 0; begin < tasks; begin++) {
        for (int64_t count = 1; count <= tasks - begin; count++) {
            test_ok(source_read(source, begin, count, got, &error), &error);
            for (int64_t i = 0; i < count * 6; i++) {
                int64_t row = (begin + i / 6) / inner, column = (begin + i / 6) % inner;
                assert_true(got[i] == element(((first + row * step) * inner + column) * 6 + i % 6));
            }
        }
    }
    source_detach(source);
}

static void
slices_select_tasks(void **state)
{
    const hsize_t extent[3] = {9, 2, 6}, chunk[3] = {2, 2, 5}, flat[3] = {9, 1, 6};

    (void)state;
    write_dataset("slice.h5", "a", H5T_IEEE_F64LE, 3, extent, H5P_DEFAULT);
    write_dataset("slices.h5", "a", H5T_IEEE_F64LE, 3, extent, in_chunks(3, chunk));
    write_dataset("flat.h5", "a", H5T_IEEE_F64LE, 3, flat, H5P_DEFAULT);
    check_slice("slice.h5:/a[2:5]", 2, 2, 1, 3);
    check_slice("slice.h5:/a[1::3]", 2, 1, 3, 3);
    check_slice("slice.h5:/a[::-4]", 2, 8, -4, 3);
    check_slice("slices.h5:/a[2:5]", 2, 2, 1, 3);
    check_slice("slices.h5:/a[1::3]", 2, 1, 3, 3);
    check_slice("slices.h5:/a[::-4]", 2, 8, -4, 3);
    check_slice("flat.h5:/a[-1:]", 1, 8, 1, 1);
    check_slice("slice.h5:/a[5]", 2, 5, 1, 1);
    check_slice("slices.h5:/a[-1]", 2, 8, 1, 1);
    check_slice("slices.h5:/a[ -9 : 9 : 1 ]", 2, 0, 1, 9);

    describe("slice.h5:/a[1:2]", 1);
    const uint64_t one = map.fingerprint;
    describe("slice.h5:/a[2:3]", 1);
    assert_int_not_equal(map.fingerprint, one);
    describe("slice.h5:/a[0::4]", 1);
    const uint64_t apart = map.fingerprint;
    describe("slice.h5:/a[0:3]", 1);
    assert_int_not_equal(map.fingerprint, apart);
}

static void
wrong_slices_are_refused(void **state)
{
    const hsize_t extent[2] = {9, 6};

    (void)state;
    write_dataset("cuts.h5", "a", H5T_IEEE_F64LE, 2, extent, H5P_DEFAULT);
    write_dataset("cuts.h5", "b[0:2]", H5T_IEEE_F64LE, 2, extent, H5P_DEFAULT);
    write_dataset("cuts.h5", "b[7]", H5T_IEEE_F64LE, 2, extent, H5P_DEFAULT);
    write_dataset("cuts.h5", "b", H5T_IEEE_F64LE, 2, extent, H5P_DEFAULT);
    refuse("cuts.h5:/a[4:4]", 1, SHEAF_BAD_DATA, "cuts.h5:/a[4:4]: selects no tasks: the first axis has 9 entries");
    refuse("cuts.h5:/a[100:]", 1, SHEAF_BAD_DATA, "selects no tasks");
    refuse("cuts.h5:/a[0:2]", 2, SHEAF_BAD_DATA,
           "cuts.h5:/a[0:2]: has no axis that counts tasks, so nothing to slice: its 2 axes are a task's");
    refuse("cuts.h5:/a[::0]", 1, SHEAF_USAGE,
           "cuts.h5:/a[::0]: no dataset is so named, and a slice is [first:end:step] of whole numbers");
    refuse("cuts.h5:/c[0:2]", 1, SHEAF_NO_INPUT, "cuts.h5:/c[0:2]: no such dataset; the file has /a, /b");
    refuse("cuts.h5:/c[5]", 1, SHEAF_NO_INPUT, "cuts.h5:/c[5]: no such dataset; the file has ");
    refuse("cuts.h5:/a[9]", 1, SHEAF_BAD_DATA, "cuts.h5:/a[9]: selects no tasks: the first axis has 9 entries");
    refuse("cuts.h5:/a[-10]", 1, SHEAF_BAD_DATA, "cuts.h5:/a[-10]: selects no tasks: the first axis has 9 entries");
    refuse("cuts.h5:/a[5]", 2, SHEAF_BAD_DATA, "cuts.h5:/a[5]: has no axis that counts tasks, so nothing to slice");

    /* what is so named is no slice, but may have one */
    describe("cuts.h5:/b[0:2]", 1);
    assert_string_equal(map.dataset, "/b[0:2]");
    assert_int_equal(map.array.lead.extent[0], 9);
    check_all_ranges(plain_access());
    describe("cuts.h5:/b[7]", 1);
    assert_string_equal(map.dataset, "/b[7]");
    describe("cuts.h5:/b[7][-2]", 1);
    assert_true(map.shared && map.slice_first == 7);
    describe("cuts.h5:/b[0:2][3:7]", 1);
    assert_string_equal(map.dataset, "/b[0:2]");
    assert_int_equal(map.array.lead.extent[0], 4);
}

static void
a_single_entry_is_shared(void **state)
{
    const hsize_t one[3] = {1, 4, 3}, none[2] = {4, 3};

    (void)state;
    write_dataset("single.h5", "one", H5T_IEEE_F64LE, 3, one, H5P_DEFAULT);
    write_dataset("single.h5", "none", H5T_IEEE_F64LE, 2, none, H5P_DEFAULT);
    describe("single.h5:/one", 2);
    assert_true(map.shared);
    assert_int_equal(map.array.lead.ndim, 1);
    check_all_ranges(plain_access());
    describe("single.h5:/none", 2);
    assert_true(map.shared);
    assert_int_equal(map.array.lead.ndim, 0);
    check_all_ranges(plain_access());
}

static void
generated_texts_are_told_from_datasets(void **state)
{
    (void)state;
    assert_true(source_text_is_generated("random:20x20"));
    assert_true(source_text_is_generated("zeros"));
    assert_true(source_text_is_generated("range:what"));
    assert_false(source_text_is_generated("random:/a"));
    assert_false(source_text_is_generated("normal.h5:/a"));
    assert_false(source_text_is_generated("random:x:/a"));
    assert_false(source_text_is_generated("a-very-long-name-without-any-colon"));
    assert_false(source_text_is_generated(""));
}

static void
generated_operands_are_described(void **state)
{
    (void)state;
    test_ok(source_describe("normal:100x20x30:c64", 2, 3, 42, &map, &error), &error);
    assert_int_equal(map.kind, SOURCE_GENERATED);
    assert_int_equal(map.generate.distribution, GENERATE_NORMAL);
    assert_int_equal(map.generate.type, SHEAF_C64);
    assert_int_equal(map.generate.operand, 3);
    assert_int_equal(map.generate.seed, 42);
    assert_int_equal(map.array.lead.extent[0], 100);
    assert_int_equal(map.array.core.extent[1], 30);
    assert_int_equal(map.task_bytes, 20 * 30 * 8);
    assert_false(map.shared || map.countless);
    assert_string_equal(map.path, "");

    describe("random:20x30", 2);
    assert_int_equal(map.array.type, SHEAF_F64);
    assert_true(map.countless && !map.shared);
    describe("random:1x20x30", 2);
    assert_true(!map.countless && !map.shared);
    describe("ones:20x30:f32:shared", 2);
    assert_true(!map.countless && map.shared);
    describe("ones:20x30:shared", 2);
    assert_true(map.shared);
}

static void
generated_operands_are_read(void **state)
{
    struct source *source;
    double got[24], expected[12];

    (void)state;
    test_ok(source_describe("random:3x4", 2, 1, 9, &map, &error), &error);
    test_ok(source_attach(&map, &source, &error), &error);
    assert_int_equal(source_access(source), SOURCE_COMPUTED);
    assert_false(source_is_cached(source, 0, 1));
    test_ok(source_read(source, 1000000, 2, got, &error), &error);
    for (int64_t i = 0; i < 2; i++) {
        generate_fill(&map.generate, 1000000 + i, 0, 12, expected);
        assert_memory_equal(got + 12 * i, expected, sizeof expected);
    }
    source_detach(source);

    test_ok(source_describe("random:3x4:shared", 2, 1, 9, &map, &error), &error);
    test_ok(source_attach(&map, &source, &error), &error);
    test_ok(source_read(source, 0, 1, got, &error), &error);
    generate_fill(&map.generate, 0, 0, 12, expected);
    assert_memory_equal(got, expected, sizeof expected);
    test_error(source_read(source, 1, 1, got, &error), SHEAF_INTERNAL, &error, "it has 1");
    source_detach(source);
    source_detach(NULL);
}

static void
wrong_texts_show_the_grammar(void **state)
{
    char longest[2 * SOURCE_TEXT_BYTES];

    (void)state;
    refuse("beams.h5", 2, SHEAF_USAGE,
           "operand \"beams.h5\" names no dataset: write FILE.h5:/path or random:2000x2000");
    refuse("", 2, SHEAF_USAGE, "operand \"\" names no dataset");
    refuse(":/a", 2, SHEAF_USAGE, "operand \":/a\" names no dataset");
    static const char *const bad[][2] = {
        {"random", "its extents are missing; write random|normal|ones|zeros|range:EXTENTxEXTENT"},
        {"random:", "an extent is missing"},
        {"random:20x", "an extent is missing"},
        {"random:x20", "an extent is missing"},
        {"random:-20x20", "an extent is missing"},
        {"random: 20", "an extent is missing"},
        {"random:2.5x20", "an extent is not a whole number"},
        {"random:20,20", "an extent is not a whole number"},
        {"random:1x1x1x1x1x1x1x1x1", "it has more than 8 axes"},
        {"random:20x20:i32", "neither type nor \"shared\""},
        {"random:20x20:f16", "neither type nor \"shared\""},
        {"random:20x20:shared:f32", "neither type nor \"shared\""},
        {"random:20x20:f32:f32", "neither type nor \"shared\""},
        {"random:20x20:f32:", "neither type nor \"shared\""},
        {"random:20x20:a-word-that-is-too-long", "a word in it is unknown"},
    };
    for (size_t i = 0; i < sizeof bad / sizeof *bad; i++)
        refuse(bad[i][0], 2, SHEAF_USAGE, bad[i][1]);

    memset(longest, 'a', sizeof longest - 1);
    longest[sizeof longest - 1] = '\0';
    refuse(longest, 2, SHEAF_USAGE, "the text is longer than 1023 bytes");
    strcpy(longest + 200, ":/");
    memset(longest + 202, 'b', 600);
    longest[802] = '\0';
    refuse(longest, 2, SHEAF_USAGE, "aaa...\": the dataset's name is longer than 511 bytes");
}

static void
wrong_sizes_are_refused(void **state)
{
    const hsize_t empty[3] = {0, 4, 3};
    const hsize_t flat[1] = {12};
    hsize_t axes[12];
    hid_t file;

    (void)state;
    refuse("random:0x20", 2, SHEAF_BAD_DATA, "operand \"random:0x20\": an extent is zero");
    refuse("random:99999999999999999999", 1, SHEAF_BAD_DATA, "an extent is too great");
    refuse("random:4000000000x4000000000", 2, SHEAF_BAD_DATA, "has more bytes than 64 bits can count");
    refuse("random:4000000000x4000000000", 1, SHEAF_BAD_DATA, "has more bytes than 64 bits can count");
    refuse("random:20", 2, SHEAF_BAD_DATA, "random:20: expected at least 2 axes, found (20)");
    refuse("random:5x20x20:shared", 2, SHEAF_BAD_DATA, "a shared operand has one entry; leave away the axes");

    write_dataset("sizes.h5", "flat", H5T_IEEE_F64LE, 1, flat, H5P_DEFAULT);
    write_dataset("sizes.h5", "empty", H5T_IEEE_F64LE, 3, empty, H5P_DEFAULT);
    for (size_t i = 0; i < 12; i++)
        axes[i] = 1;
    write_dataset("sizes.h5", "axes", H5T_IEEE_F64LE, 12, axes, H5P_DEFAULT);
    file = H5Fopen("sizes.h5", H5F_ACC_RDWR, H5P_DEFAULT);
    hid_t none = H5Screate(H5S_NULL), one = H5Screate(H5S_SCALAR);
    H5Dclose(H5Dcreate2(file, "none", H5T_IEEE_F64LE, none, H5P_DEFAULT, H5P_DEFAULT, H5P_DEFAULT));
    H5Dclose(H5Dcreate2(file, "text", H5T_C_S1, one, H5P_DEFAULT, H5P_DEFAULT, H5P_DEFAULT));
    H5Dclose(H5Dcreate2(file, "scalar", H5T_IEEE_F64LE, one, H5P_DEFAULT, H5P_DEFAULT, H5P_DEFAULT));
    H5Sclose(none);
    H5Sclose(one);
    /* never allocated, so that it may claim what it likes */
    const hsize_t vast[3] = {HSIZE_UNDEF / 16, 4, 2};
    hid_t claim = H5Screate_simple(3, vast, NULL), creation = H5Pcreate(H5P_DATASET_CREATE);
    const hsize_t chunk[3] = {1, 1, 1};
    H5Pset_chunk(creation, 3, chunk);
    hid_t dataset = H5Dcreate2(file, "vast", H5T_IEEE_F64LE, claim, H5P_DEFAULT, creation, H5P_DEFAULT);
    assert_true(dataset >= 0);
    H5Dclose(dataset);
    H5Pclose(creation);
    H5Sclose(claim);
    H5Fclose(file);

    refuse("sizes.h5:/flat", 2, SHEAF_BAD_DATA, "sizes.h5:/flat: expected at least 2 axes, found (12)");
    refuse("sizes.h5:/scalar", 1, SHEAF_BAD_DATA, "sizes.h5:/scalar: expected at least 1 axis, found ()");
    refuse("sizes.h5:/empty", 2, SHEAF_BAD_DATA, "sizes.h5:/empty: is empty: axis 1 of 3 has no entries");
    refuse("sizes.h5:/none", 2, SHEAF_BAD_DATA, "sizes.h5:/none: is empty: it has no dataspace");
    refuse("sizes.h5:/text", 0, SHEAF_BAD_DATA, "sizes.h5:/text: its elements are a string; expected integers");
    refuse("sizes.h5:/axes", 2, SHEAF_BAD_DATA, "sizes.h5:/axes: has 12 axes, at most 8 can count tasks");
    refuse("sizes.h5:/vast", 2, SHEAF_BAD_DATA, "sizes.h5:/vast: has more bytes than 64 bits can count");
    describe("sizes.h5:/axes", 4);
    describe("sizes.h5:/scalar", 0);
}

static void
what_is_not_there_is_named(void **state)
{
    const hsize_t extent[1] = {12};

    (void)state;
    write_dataset("there.h5", "a", H5T_IEEE_F64LE, 1, extent, H5P_DEFAULT);
    write_dataset("there.h5", "b", H5T_IEEE_F64LE, 1, extent, H5P_DEFAULT);
    refuse("there.h5:/c", 1, SHEAF_NO_INPUT, "there.h5:/c: no such dataset; the file has /a, /b");
    refuse("nowhere.h5:/a", 1, SHEAF_NO_INPUT, "nowhere.h5:/a: cannot open nowhere.h5: No such file or directory");
    assert_int_equal(mkdir("folder:", 0700), 0);
    refuse("folder::/a", 1, SHEAF_NO_INPUT, "folder: is a directory");
    test_put("text.h5", "text", 4);
    refuse("text.h5:/a", 1, SHEAF_NO_INPUT, "text.h5 is not an HDF5 file");

    /* the split is at the last ":/" */
    assert_int_equal(rename("there.h5", "folder:/there.h5"), 0);
    describe("folder:/there.h5:/a", 1);

    for (int i = 0; i < 5; i++) {
        char name[256];
        memset(name, 'd', 240);
        name[240] = '\0';
        assert_int_equal(mkdir(name, 0700), 0);
        assert_int_equal(chdir(name), 0);
    }
    write_dataset("deep.h5", "a", H5T_IEEE_F64LE, 1, extent, H5P_DEFAULT);
    refuse("deep.h5:/a", 1, SHEAF_NO_INPUT, "deep.h5:/a: the path of the file is longer than 1023 bytes");
    assert_int_equal(chdir(test_directory), 0);
}

/* HDF5 checks the length that the superblock claims; a file can claim less than its datasets need. */
static void
truncated_files_are_refused(void **state)
{
    const hsize_t extent[2] = {100, 100};
    const int64_t claim = 3000;
    struct source *source;
    double got[100];

    (void)state;
    write_dataset("cut.h5", "a", H5T_IEEE_F64LE, 2, extent, H5P_DEFAULT);
    describe("cut.h5:/a", 1);
    test_ok(source_attach(&map, &source, &error), &error);
    int descriptor = open("cut.h5", O_RDWR);
    assert_int_equal(pwrite(descriptor, &claim, 8, 40), 8);
    close(descriptor);
    assert_int_equal(truncate("cut.h5", 3000), 0);
    test_error(source_read(source, 90, 1, got, &error), SHEAF_IO_ERROR, &error,
               "cut.h5:/a: file is truncated at 3000 of ");
    source_detach(source);
    test_error(source_attach(&map, &source, &error), SHEAF_IO_ERROR, &error, "bytes since it was examined");
    assert_null(source);
    refuse("cut.h5:/a", 1, SHEAF_BAD_DATA, "cut.h5:/a: file is truncated at 3000 of ");
    assert_int_equal(remove("cut.h5"), 0);
    test_error(source_attach(&map, &source, &error), SHEAF_NO_INPUT, &error, "cut.h5:/a: cannot open ");
}

/* A library source meets its file again at the first read. */
static void
library_sources_that_changed_are_failed_reads(void **state)
{
    const hsize_t extent[2] = {10, 10}, other[3] = {10, 5, 2}, less[2] = {2, 10};
    double got[100];
    struct source *source;

    (void)state;
    write_dataset("gone.h5", "a", H5T_IEEE_F64BE, 2, extent, compact());
    describe("gone.h5:/a", 1);
    test_ok(source_attach(&map, &source, &error), &error);
    assert_int_equal(remove("gone.h5"), 0);
    test_error(source_read(source, 0, 1, got, &error), SHEAF_IO_ERROR, &error, "gone.h5");
    write_dataset("gone.h5", "a", H5T_IEEE_F64BE, 3, other, compact());
    test_error(source_read(source, 0, 1, got, &error), SHEAF_IO_ERROR, &error,
               "gone.h5:/a: the dataset has changed since it was examined");
    source_detach(source);

    assert_int_equal(remove("gone.h5"), 0);
    write_dataset("gone.h5", "a", H5T_IEEE_F64BE, 2, less, compact());
    test_ok(source_attach(&map, &source, &error), &error);
    test_ok(source_read(source, 1, 1, got, &error), &error);
    test_error(source_read(source, 5, 1, got, &error), SHEAF_IO_ERROR, &error,
               "gone.h5:/a: the HDF5 library cannot read it: ");
    source_detach(source);
}

static void
change_byte(const char *path, int64_t offset)
{
    char byte;
    int descriptor = open(path, O_RDWR);
    assert_int_equal(pread(descriptor, &byte, 1, offset), 1);
    byte ^= 1;
    assert_int_equal(pwrite(descriptor, &byte, 1, offset), 1);
    close(descriptor);
}

static void
fingerprints_follow_the_content(void **state)
{
    const hsize_t extent[2] = {1000, 100}, chunk[2] = {10, 100};
    const int64_t bytes = 1000 * 100 * 8;
    hid_t packed = H5Pcreate(H5P_DATASET_CREATE);

    (void)state;
    write_dataset("print.h5", "a", H5T_IEEE_F64LE, 2, extent, H5P_DEFAULT);
    write_dataset("print.h5", "copy", H5T_IEEE_F64LE, 2, extent, H5P_DEFAULT);
    H5Pset_chunk(packed, 2, chunk);
    H5Pset_deflate(packed, 1);
    write_dataset("print.h5", "packed", H5T_IEEE_F64LE, 2, extent, packed);
    describe("print.h5:/copy", 1);
    const uint64_t original = map.fingerprint;
    describe("print.h5:/a", 1);
    assert_int_equal(map.fingerprint, original);
    const int64_t offset = map.offset;
    const int64_t sampled[] = {0, bytes - 1, (bytes - 4096) / 63 * 31 + 2000};
    for (size_t i = 0; i < 3; i++) {
        change_byte("print.h5", offset + sampled[i]);
        describe("print.h5:/a", 1);
        assert_int_not_equal(map.fingerprint, original);
        change_byte("print.h5", offset + sampled[i]);
    }
    describe("print.h5:/a", 1);
    assert_int_equal(map.fingerprint, original);
    describe("print.h5:/a", 2);
    assert_int_not_equal(map.fingerprint, original);

    describe("print.h5:/packed", 1);
    const uint64_t first = map.fingerprint;
    double other = -1;
    const hsize_t last[2] = {999, 0}, one[2] = {1, 1};
    hid_t file = H5Fopen("print.h5", H5F_ACC_RDWR, H5P_DEFAULT);
    hid_t dataset = H5Dopen2(file, "packed", H5P_DEFAULT), space = H5Dget_space(dataset);
    hid_t memory = H5Screate_simple(2, one, NULL);
    H5Sselect_hyperslab(space, H5S_SELECT_SET, last, NULL, one, NULL);
    assert_true(H5Dwrite(dataset, H5T_NATIVE_DOUBLE, memory, space, H5P_DEFAULT, &other) >= 0);
    H5Sclose(memory);
    H5Sclose(space);
    H5Dclose(dataset);
    H5Fclose(file);
    describe("print.h5:/packed", 1);
    assert_int_not_equal(map.fingerprint, first);

    test_ok(source_describe("random:2x2", 2, 0, 1, &map, &error), &error);
    const uint64_t generated = map.fingerprint;
    static const char *const texts[] = {"random:2x2", "random:2x2", "normal:2x2", "random:2x2:f32", "random:4x1"};
    for (uint32_t i = 0; i < 5; i++) {
        test_ok(source_describe(texts[i], 2, i == 0, i == 1 ? 2 : 1, &map, &error), &error);
        assert_int_not_equal(map.fingerprint, generated);
    }
}

/* Tasks longer than what the fingerprint reads of them. */
static void
large_library_tasks_are_sampled(void **state)
{
    const hsize_t wide[3] = {2, 3, 200000}, tall[3] = {2, 200000, 3};

    (void)state;
    write_dataset("large.h5", "wide", H5T_IEEE_F64BE, 3, wide, in_chunks(3, wide));
    write_dataset("large.h5", "tall", H5T_IEEE_F64BE, 3, tall, in_chunks(3, tall));
    describe("large.h5:/wide", 2);
    check_all_ranges(SOURCE_LIBRARY);
    describe("large.h5:/tall", 2);
    check_all_ranges(SOURCE_LIBRARY);
}

/* Where tasks lie as they are to be used they can be used there; else they have to be read. */
static void
plain_tasks_are_seen_in_the_file(void **state)
{
    const hsize_t extent[3] = {30, 8, 16}; /* a task has 1024 bytes */
    static double read[30 * 128], room[30 * 128];
    struct source *source;

    (void)state;
    write_dataset("view.h5", "a", H5T_IEEE_F64LE, 3, extent, H5P_DEFAULT);
    write_dataset("view.h5", "swapped", H5T_IEEE_F64BE, 3, extent, H5P_DEFAULT);
    assert_int_equal(setenv("SHEAF_READ", "map", 1), 0);
    describe("view.h5:/a", 2);
    assert_int_equal(map.offset % 64, 0);
    test_ok(source_attach(&map, &source, &error), &error);
    test_ok(source_read(source, 0, 30, read, &error), &error);
    for (int64_t first = 0; first < 30; first += 7) {
        const void *seen = source_view(source, first, 2, room, 1);
        assert_non_null(seen);
        assert_memory_equal(seen, read + first * 128, sizeof(double) * 2 * 128);
        test_ok(source_end_view(source, first, 2, &error), &error);
    }
    assert_null(source_view(source, 29, 2, room, 1));
    assert_null(source_view(source, 0, 0, room, 1));
    assert_int_equal(truncate("view.h5", 4096), 0);
    assert_non_null(source_view(source, 28, 2, room, 1));
    assert_int_equal(((const volatile char *)source_view(source, 28, 2, room, 1))[0], 0);
    test_error(source_end_view(source, 28, 2, &error), SHEAF_IO_ERROR, &error, "view.h5:/a: cannot read all of it");
    source_detach(source);

    write_dataset("view2.h5", "a", H5T_IEEE_F64LE, 3, extent, H5P_DEFAULT);
    write_dataset("view2.h5", "swapped", H5T_IEEE_F64BE, 3, extent, H5P_DEFAULT);
    static const char *const others[] = {"view2.h5:/swapped", "view2.h5:/a[::2]", "view2.h5:/a"};
    for (int i = 0; i < 3; i++) {
        describe(others[i], 2);
        if (i == 2)
            test_ok(source_set_type(&map, SHEAF_F32, &error), &error);
        test_ok(source_attach(&map, &source, &error), &error);
        assert_null(source_view(source, 0, 1, room, 1));
        source_detach(source);
    }
    assert_int_equal(setenv("SHEAF_READ", "copy", 1), 0);
    describe("view2.h5:/a", 2);
    test_ok(source_attach(&map, &source, &error), &error);
    assert_null(source_view(source, 0, 2, room, 1));
    source_detach(source);
    unsetenv("SHEAF_READ");
    test_ok(source_attach(&map, &source, &error), &error);
    assert_null(source_view(source, 0, 30, room, 1)); /* too short to be worth it */
    source_detach(source);
}

/* The library reads 0 behind the end of a file: one that became shorter while it was open must be seen nevertheless. */
static void
library_files_that_become_shorter_are_seen(void **state)
{
    const hsize_t extent[2] = {64, 1000}, chunk[2] = {4, 1000};
    static double read[64 * 1000];
    static char raw[1 << 20] __attribute__((aligned(PACKED_ALIGNMENT)));
    struct source *source;
    struct stat about;

    (void)state;
    for (int steps = 1; steps <= 2; steps++) {
        write_dataset("shrinks.h5", "a", H5T_IEEE_F64LE, 2, extent, in_chunks(2, chunk));
        describe("shrinks.h5:/a", 1);
        assert_int_equal(map.offset, -1);
        test_ok(source_attach(&map, &source, &error), &error);
        test_ok(source_read(source, 0, 4, read, &error), &error);
        assert_int_equal(stat("shrinks.h5", &about), 0);
        assert_int_equal(truncate("shrinks.h5", about.st_size / 2), 0);
        enum sheaf_status status;
        if (steps == 1) {
            status = source_read(source, 60, 4, read, &error);
        } else {
            int64_t bytes = source_raw_bytes(&map, 4);
            assert_true(bytes > 0 && bytes <= (int64_t)sizeof raw);
            status = source_fetch(source, 60, 4, raw, bytes, &error);
        }
        test_error(status, SHEAF_IO_ERROR, &error, "shrinks.h5:/a: file is truncated at");
        source_detach(source);
        assert_int_equal(unlink("shrinks.h5"), 0);
    }
}

static void
cached_tasks_are_seen(void **state)
{
    const hsize_t extent[2] = {100, 1000};
    struct source *source;
    struct statfs about;

    (void)state;
    write_dataset("cached.h5", "a", H5T_IEEE_F64LE, 2, extent, H5P_DEFAULT);
    describe("cached.h5:/a", 1);
    test_ok(source_attach(&map, &source, &error), &error);
    assert_false(source_is_cached(source, 0, 101));
    assert_false(source_is_cached(source, -1, 1));
    assert_int_equal(statfs("cached.h5", &about), 0);
    if (map.in_memory)
        assert_false(source_is_cached(source, 0, 100));
    else if (about.f_type == EXT4_SUPER_MAGIC)
        assert_true(source_is_cached(source, 0, 100));
    source_detach(source);
    describe("cached.h5:/a[::-7]", 1);
    test_ok(source_attach(&map, &source, &error), &error);
    assert_false(source_is_cached(source, 0, 16));
    assert_int_equal(source_is_cached(source, 3, 12), !map.in_memory && about.f_type == EXT4_SUPER_MAGIC);
    source_detach(source);
}

static hid_t
in_packed_chunks(int ndim, const hsize_t *chunk)
{
    hid_t creation = in_chunks(ndim, chunk);
    H5Pset_shuffle(creation);
    H5Pset_deflate(creation, 4);
    return creation;
}

/* Attach to the described source and read it in two steps in as many lengths of runs as expected. */
static void
expect_two_steps(int lengths)
{
    struct source *source;
    int64_t tasks = 0;

    assert_true(sheaf_shape_count(&map.array.lead, &tasks));
    test_ok(source_attach(&map, &source, &error), &error);
    assert_int_equal(check_two_steps(source, tasks), lengths);
    source_detach(source);
}

static void
packed_datasets_are_read_in_two_steps(void **state)
{
    const hsize_t extent[3] = {10, 6, 7}, each[3] = {1, 6, 7}, parts[3] = {1, 4, 7}, several[3] = {4, 6, 7};

    (void)state;
    write_dataset("steps.h5", "each", H5T_IEEE_F64LE, 3, extent, in_packed_chunks(3, each));
    write_dataset("steps.h5", "parts", H5T_IEEE_F64BE, 3, extent, in_packed_chunks(3, parts));
    write_dataset("steps.h5", "several", H5T_IEEE_F32BE, 3, extent, in_packed_chunks(3, several));
    describe("steps.h5:/each", 2);
    expect_two_steps(10);
    describe("steps.h5:/each", 1);
    expect_two_steps(60 -
                     5); /* not of 1, 2, 4, 5 and 8 rows: those can lie in chunks, of 6, with more than twice as many */
    describe("steps.h5:/parts", 2);
    expect_two_steps(10);
    describe("steps.h5:/several", 2);
    test_ok(source_set_type(&map, SHEAF_F64, &error), &error);
    expect_two_steps(8); /* not of 1 and 3, as before */
}

static void
elements_that_are_wider_as_stored_are_read_in_two_steps(void **state)
{
    const hsize_t extent[2] = {5, 300}, chunk[2] = {1, 300};
    static float got[5 * 300];
    struct source *source;

    (void)state;
    write_dataset("narrowed.h5", "a", H5T_IEEE_F64BE, 2, extent, in_packed_chunks(2, chunk));
    describe("narrowed.h5:/a", 1);
    test_ok(source_set_type(&map, SHEAF_F32, &error), &error);
    test_ok(source_attach(&map, &source, &error), &error);
    const int64_t bytes = source_raw_bytes(&map, 2);
    void *raw = aligned_alloc(PACKED_ALIGNMENT, (size_t)bytes / PACKED_ALIGNMENT * PACKED_ALIGNMENT + 64);
    assert_true(bytes > 0 && raw);
    for (int64_t first = 0; first < 5; first += 2) {
        const int64_t count = first == 4 ? 1 : 2;
        test_ok(source_fetch(source, first, count, raw, bytes, &error), &error);
        test_ok(source_decode(source, count, raw, got + first * 300, &error), &error);
    }
    for (int64_t i = 0; i < 5 * 300; i++)
        assert_true(got[i] == (float)element(i));
    free(raw);
    source_detach(source);
}

static void
slices_are_read_in_two_steps(void **state)
{
    const hsize_t extent[3] = {9, 2, 6}, chunk[3] = {1, 2, 5};
    struct source *source;
    double got[3 * 12];

    (void)state;
    write_dataset("some.h5", "a", H5T_IEEE_F64LE, 3, extent, in_packed_chunks(3, chunk));
    for (int core_ndim = 1; core_ndim < 3; core_ndim++) {
        describe("some.h5:/a[3:6]", core_ndim);
        const int64_t tasks = core_ndim == 2 ? 3 : 6, bytes = source_raw_bytes(&map, tasks);
        void *raw = aligned_alloc(PACKED_ALIGNMENT, (size_t)bytes / PACKED_ALIGNMENT * PACKED_ALIGNMENT + 64);
        assert_true(bytes > 0 && raw);
        test_ok(source_attach(&map, &source, &error), &error);
        test_ok(source_fetch(source, 0, tasks, raw, bytes, &error), &error);
        test_ok(source_decode(source, tasks, raw, got, &error), &error);
        for (int64_t i = 0; i < 3 * 12; i++)
            assert_true(got[i] == element(3 * 12 + i));
        free(raw);
        source_detach(source);
    }
}

static void
other_sources_are_read_in_one_step(void **state)
{
    const hsize_t extent[3] = {10, 6, 7}, each[3] = {1, 6, 7}, one[3] = {1, 6, 7};

    (void)state;
    write_dataset("one.h5", "plain", H5T_IEEE_F64LE, 3, extent, H5P_DEFAULT);
    write_dataset("one.h5", "packed", H5T_IEEE_F64LE, 3, extent, in_packed_chunks(3, each));
    write_dataset("one.h5", "shared", H5T_IEEE_F64LE, 3, one, in_packed_chunks(3, each));
    describe("one.h5:/plain", 2);
    assert_int_equal(source_raw_bytes(&map, 5), 0);
    describe("one.h5:/shared", 2);
    assert_int_equal(source_raw_bytes(&map, 1), 0);
    describe("one.h5:/packed[::2]", 2);
    assert_int_equal(source_raw_bytes(&map, 5), 0);
    describe("one.h5:/packed", 2);
    assert_true(source_raw_bytes(&map, 5) > 0);
    const struct sheaf_shape same = {.ndim = 1, .extent = {10}}, stretched = {.ndim = 2, .extent = {3, 10}};
    struct source_map again = map;
    test_ok(source_set_tasks(&again, &same, &error), &error);
    assert_true(source_raw_bytes(&again, 5) > 0);
    test_ok(source_set_tasks(&map, &stretched, &error), &error);
    assert_int_equal(source_raw_bytes(&map, 5), 0);
    test_ok(source_describe("random:10x6x7", 2, 0, 0, &map, &error), &error);
    assert_int_equal(source_raw_bytes(&map, 5), 0);
}

/* Another dataset of that name, of the same shape. */
static void
packed_datasets_that_changed_are_failed_reads(void **state)
{
    const hsize_t extent[2] = {4, 8}, chunk[2] = {1, 8}, other[2] = {1, 4};
    struct source *source;

    (void)state;
    write_dataset("replaced.h5", "a", H5T_IEEE_F64LE, 2, extent, in_packed_chunks(2, chunk));
    describe("replaced.h5:/a", 1);
    assert_int_equal(unlink("replaced.h5"), 0);
    write_dataset("replaced.h5", "a", H5T_IEEE_F64LE, 2, extent, in_packed_chunks(2, other));
    const int64_t bytes = source_raw_bytes(&map, 4);
    void *raw = aligned_alloc(PACKED_ALIGNMENT, (size_t)bytes / PACKED_ALIGNMENT * PACKED_ALIGNMENT + 64);
    assert_non_null(raw);
    test_ok(source_attach(&map, &source, &error), &error);
    test_error(source_fetch(source, 0, 4, raw, bytes, &error), SHEAF_IO_ERROR, &error,
               "replaced.h5:/a: the dataset has changed since it was examined");
    free(raw);
    source_detach(source);
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(plain_datasets_are_read_by_offset),
        cmocka_unit_test(other_layouts_are_read_through_the_library),
        cmocka_unit_test(a_dataset_never_written_reads_as_its_fill_value),
        cmocka_unit_test(a_user_block_moves_the_bytes),
        cmocka_unit_test(all_types_are_described),
        cmocka_unit_test(other_byte_orders_and_types_are_plain),
        cmocka_unit_test(narrower_types_are_read_too),
        cmocka_unit_test(generated_operands_are_converted),
        cmocka_unit_test(what_would_lose_numbers_is_refused),
        cmocka_unit_test(tasks_that_share_chunks_are_counted),
        cmocka_unit_test(each_chunk_is_unpacked_once),
        cmocka_unit_test(packed_datasets_are_read_in_two_steps),
        cmocka_unit_test(elements_that_are_wider_as_stored_are_read_in_two_steps),
        cmocka_unit_test(slices_are_read_in_two_steps),
        cmocka_unit_test(other_sources_are_read_in_one_step),
        cmocka_unit_test(packed_datasets_that_changed_are_failed_reads),
        cmocka_unit_test(slices_select_tasks),
        cmocka_unit_test(wrong_slices_are_refused),
        cmocka_unit_test(a_single_entry_is_shared),
        cmocka_unit_test(generated_texts_are_told_from_datasets),
        cmocka_unit_test(generated_operands_are_described),
        cmocka_unit_test(generated_operands_are_read),
        cmocka_unit_test(wrong_texts_show_the_grammar),
        cmocka_unit_test(wrong_sizes_are_refused),
        cmocka_unit_test(what_is_not_there_is_named),
        cmocka_unit_test(truncated_files_are_refused),
        cmocka_unit_test(library_sources_that_changed_are_failed_reads),
        cmocka_unit_test(fingerprints_follow_the_content),
        cmocka_unit_test(large_library_tasks_are_sampled),
        cmocka_unit_test(plain_tasks_are_seen_in_the_file),
        cmocka_unit_test(library_files_that_become_shorter_are_seen),
        cmocka_unit_test(cached_tasks_are_seen),
    };
    return cmocka_run_group_tests(tests, test_enter_directory, test_leave_directory);
}
