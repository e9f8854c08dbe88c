#include "file.h"
#include "set_test.h"
#include "source.h"

#include <dirent.h>

/* A dataset without data: of any space and type. Closes them. */
static void
put_empty(hid_t file, const char *name, hid_t type, hid_t space, hid_t creation)
{
    hid_t dataset = H5Dcreate2(file, name, type, space, H5P_DEFAULT, creation, H5P_DEFAULT);

    assert_true(dataset >= 0);
    H5Dclose(dataset);
    H5Sclose(space);
    if (creation != H5P_DEFAULT)
        H5Pclose(creation);
}

static void
members_that_cannot_be_examined_say_why(void **state)
{
    const hsize_t empty[2] = {0, 3}, flat[1] = {5}, axes[9] = {1, 1, 1, 1, 1, 1, 1, 1, 1}, chunk[2] = {1, 1};
    const hsize_t vast[2] = {HSIZE_UNDEF / 16, 8};
    double got[6];
    struct set_reader *reader;
    hid_t chunked = H5Pcreate(H5P_DATASET_CREATE);

    (void)state;
    put("a.h5", "/x0", 3);
    put_as("a.h5", "/x1", H5T_IEEE_F64LE, 1, flat, H5P_DEFAULT, 0);
    hid_t file = H5Fopen("a.h5", H5F_ACC_RDWR, H5P_DEFAULT);
    put_empty(file, "x2", H5T_IEEE_F64LE, H5Screate_simple(2, empty, NULL), H5P_DEFAULT);
    put_empty(file, "x3", H5T_IEEE_F64LE, H5Screate_simple(9, axes, NULL), H5P_DEFAULT);
    put_empty(file, "x4", H5T_IEEE_F64LE, H5Screate(H5S_NULL), H5P_DEFAULT);
    put_empty(file, "x5", H5T_C_S1, H5Screate_simple(2, two_by_three, NULL), H5P_DEFAULT);
    H5Pset_chunk(chunked, 2, chunk);
    put_empty(file, "x6", H5T_IEEE_F64LE, H5Screate_simple(2, vast, NULL), chunked);
    H5Fclose(file);
    describe("a.h5:/x*", "0 1 2 3 4 5 6");
    assert_int_equal(set_member(set, 0)->unreadable, 0);
    check_unreadable(1, SHEAF_BAD_DATA, "a.h5:/x1: expected 2 axes, found (5)");
    check_unreadable(2, SHEAF_BAD_DATA, "a.h5:/x2: is empty: axis 1 of 2 has no entries");
    check_unreadable(3, SHEAF_BAD_DATA, "a.h5:/x3: has 9 axes, a task's can be at most 8");
    check_unreadable(4, SHEAF_BAD_DATA, "a.h5:/x4: is empty: it has no dataspace");
    check_unreadable(5, SHEAF_BAD_DATA, "a.h5:/x5: its elements are a string; expected integers, floats");
    check_unreadable(6, SHEAF_BAD_DATA, "a.h5:/x6: has more bytes than 64 bits can count");
    test_ok(set_reader_create(set, &reader, &error), &error);
    check_member(reader, 0, "a.h5:/x0", 3);
    test_error(set_read(reader, 1, &two_by_three_f64, got, &error), SHEAF_NO_INPUT, &error,
               "a.h5:/x1: expected 2 axes, found (5)");
    test_error(set_read(reader, 7, &two_by_three_f64, got, &error), SHEAF_INTERNAL, &error,
               "member 7 was asked for, the set has 7");
    test_error(set_read(reader, -1, &two_by_three_f64, got, &error), SHEAF_INTERNAL, &error,
               "a.h5:/x0: member -1 was asked for");
    set_reader_destroy(reader);
    refuse("a.h5:/x[1-2]", SHEAF_BAD_DATA,
           "a.h5:/x[1-2]: none of 2 datasets can be read; the first one: a.h5:/x1: expected 2 axes, found (5)");
    refuse("a.h5:/[x]4", SHEAF_BAD_DATA, "a.h5:/x4: is empty");
    free(set);
    test_ok(set_describe("a.h5:/x1*", 1, &set, &error), &error);
    struct set *none = NULL;
    test_error(set_describe("a.h5:/x0*", 1, &none, &error), SHEAF_BAD_DATA, &error, "expected 1 axis, found (2, 3)");
}

/* Where a dataset lies in another file, its place in that one tells nothing about this one. */
static void
members_in_other_files_are_read_where_allowed(void **state)
{
    struct set_reader *reader;
    const hsize_t one[2] = {1, 1};

    (void)state;
    put("other.h5", "/first", 50);
    put("other.h5", "/x", 100);
    put_as("in.h5", "/x0", H5T_IEEE_F64LE, 2, two_by_three, packed(one), 3);
    hid_t file = H5Fopen("in.h5", H5F_ACC_RDWR, H5P_DEFAULT);
    assert_true(H5Lcreate_external("other.h5", "/x", file, "x1", H5P_DEFAULT, H5P_DEFAULT) >= 0);
    H5Fclose(file);
    test_put("list", "in.h5:/x0\nin.h5:/x1\n", 20);
    describe("@list", "in.h5:_x0 in.h5:_x1");
    check_unreadable(1, SHEAF_BAD_DATA, "in.h5:/x1: leads to another file by an external link");
    source_allow(true, false);
    describe("@list", "in.h5:_x0 in.h5:_x1");
    assert_int_equal(set_member(set, 1)->offset, -1);
    test_ok(set_reader_create(set, &reader, &error), &error);
    check_member(reader, 1, "in.h5:/x1", 100);
    set_reader_destroy(reader);
    source_allow(false, false);
}

static void
files_that_cannot_be_opened_are_failed_tasks(void **state)
{
    (void)state;
    put("f0.h5", "/x", 0);
    put("f1.h5", "/y", 0);
    test_put("f2.h5", "text", 4);
    assert_int_equal(symlink("nowhere", "f3.h5") | mkfifo("f4.h5", 0600), 0);
    describe("f*.h5:/x", "0 1 2 3 4");
    assert_int_equal(set_member(set, 0)->unreadable, 0);
    check_unreadable(1, SHEAF_NO_INPUT, "f1.h5:/x: no such dataset; the file has /y");
    check_unreadable(2, SHEAF_NO_INPUT, "f2.h5 is not an HDF5 file");
    check_unreadable(3, SHEAF_NO_INPUT, "f3.h5: cannot open: No such file or directory");
    check_unreadable(4, SHEAF_NO_INPUT, "f4.h5 is not a regular file");
    /* a file counts as one where nobody knows what it has */
    describe("f*.h5:/[xy]", "0/x 1/y 2 3 4");
    check_unreadable(2, SHEAF_NO_INPUT, "f2.h5 is not an HDF5 file");
    assert_string_equal(set_text(set, set_member(set, 2)->text), "f2.h5:/[xy]");
    test_put("list", "f2.h5:/x\nf0.h5:/x\nf2.h5:/y\n", 27);
    describe("@list", "f2.h5:_x f0.h5:_x f2.h5:_y");
    check_unreadable(0, SHEAF_NO_INPUT, "f2.h5 is not an HDF5 file");
    check_unreadable(2, SHEAF_NO_INPUT, "f2.h5 is not an HDF5 file");
}

static void
patch(const char *path, int64_t offset, const void *bytes, size_t count)
{
    int descriptor = open(path, O_RDWR);
    assert_int_equal(pwrite(descriptor, bytes, count, (off_t)offset), count);
    close(descriptor);
}

/* Where a signature is in a file, the `which`th, from 0. */
static int64_t
find_bytes(const char *path, const char *bytes, int which)
{
    static char content[1 << 16];
    FILE *file = fopen(path, "rb");
    size_t count = fread(content, 1, sizeof content, file);

    fclose(file);
    const char *at = content;
    for (;; at++, which--) {
        at = memmem(at, count - (size_t)(at - content), bytes, strlen(bytes));
        assert_non_null(at);
        if (which == 0)
            return at - content;
    }
}

static void
damaged_files_are_failed_tasks(void **state)
{
    const hsize_t large[2] = {100, 100};
    const int64_t claim = 3000;

    (void)state;
    put_as("cut0.h5", "/x", H5T_IEEE_F64LE, 2, large, H5P_DEFAULT, 0);
    put("cut1.h5", "/x", 0);
    patch("cut0.h5", 40, &claim, 8);
    assert_int_equal(truncate("cut0.h5", 3000), 0);
    describe("cut*.h5:/x", "0 1");
    check_unreadable(0, SHEAF_BAD_DATA,
                     "cut0.h5:/x: file is truncated: it has 3000 bytes, the dataset of 80000 begins at ");

    /* names of a group's links are in its heap */
    put("heap0.h5", "/g/x", 0);
    put("heap1.h5", "/g/x", 0);
    patch("heap0.h5", find_bytes("heap0.h5", "HEAP", 1), "PAEH", 4);
    describe("heap*.h5:/g/*", "0/_ 1/x");
    check_unreadable(0, SHEAF_BAD_DATA, "heap0.h5:/g: the HDF5 library cannot list the group: ");
    assert_string_equal(set_text(set, set_member(set, 0)->text), "heap0.h5:/g");
    describe("heap*.h5:/[g]/x", "0/g 1/g");
    check_unreadable(0, SHEAF_BAD_DATA, "heap0.h5:/g/x: the HDF5 library cannot open it: ");
}

static void
every_layout_and_type_is_read(void **state)
{
    const hsize_t other[2] = {3, 2};
    float got[6];
    double complex_got[2];
    struct set_reader *reader;
    hid_t pair = H5Tcreate(H5T_COMPOUND, 16), file;

    (void)state;
    put("m0.h5", "/x", 10);
    put_as("m1.h5", "/x", H5T_IEEE_F64LE, 2, two_by_three, packed(two_by_three), 20);
    put_as("m2.h5", "/x", H5T_IEEE_F64BE, 2, two_by_three, H5P_DEFAULT, 30);
    put_as("m3.h5", "/x", H5T_IEEE_F64BE, 2, two_by_three, packed(two_by_three), 40);
    put_as("m4.h5", "/x", H5T_IEEE_F32LE, 2, other, H5P_DEFAULT, 50);
    put_as("m5.h5", "/x", H5T_IEEE_F32BE, 2, other, packed(other), 60);
    describe("m*.h5:/x", "0 1 2 3 4 5");
    test_ok(set_reader_create(set, &reader, &error), &error);
    for (int i = 0; i < 2; i++) {
        check_member(reader, 1, "m1.h5:/x", 20);
        check_member(reader, 0, "m0.h5:/x", 10);
        check_member(reader, 3, "m3.h5:/x", 40);
        check_member(reader, 2, "m2.h5:/x", 30);
        for (int64_t j = 4; j < 6; j++) {
            test_ok(set_read(reader, j, &(struct sheaf_array){SHEAF_F32, {.ndim = 2, .extent = {3, 2}}}, got, &error),
                    &error);
            assert_int_equal(set_member(set, j)->type, SHEAF_F32);
            assert_int_equal(set_member(set, j)->shape.extent[0], 3);
            assert_true(got[0] == (float)(10 * j + 10) && got[5] == (float)(10 * j + 15));
        }
    }
    set_reader_destroy(reader);
    for (int64_t i = 0; i < 6; i++) {
        assert_int_equal(set_member(set, i)->swapped, i == 2 || i == 3 || i == 5);
        assert_int_equal(set_member(set, i)->offset < 0, i % 2);
    }

    H5Tinsert(pair, "r", 0, H5T_IEEE_F64BE);
    H5Tinsert(pair, "i", 8, H5T_IEEE_F64BE);
    file = H5Fcreate("c.h5", H5F_ACC_EXCL, H5P_DEFAULT, H5P_DEFAULT);
    hid_t space = H5Screate(H5S_SCALAR),
          dataset = H5Dcreate2(file, "c", pair, space, H5P_DEFAULT, H5P_DEFAULT, H5P_DEFAULT);
    const uint64_t stored[2] = {__builtin_bswap64(UINT64_C(0x3ff0000000000000)),
                                __builtin_bswap64(UINT64_C(0x4000000000000000))};
    assert_true(H5Dwrite(dataset, pair, H5S_ALL, H5S_ALL, H5P_DEFAULT, stored) >= 0);
    H5Dclose(dataset);
    put_empty(file, "e", H5T_IEEE_F64LE, H5Screate(H5S_SCALAR), H5P_DEFAULT);
    H5Tclose(pair);
    H5Sclose(space);
    H5Fclose(file);
    free(set);
    test_ok(set_describe("c.h5:/?", 0, &set, &error), &error);
    test_ok(set_reader_create(set, &reader, &error), &error);
    assert_int_equal(set_member(set, 0)->type, SHEAF_C128);
    test_ok(set_read(reader, 0, &(struct sheaf_array){SHEAF_C128, {.ndim = 0}}, complex_got, &error), &error);
    assert_true(complex_got[0] == 1 && complex_got[1] == 2);
    /* never written: its fill value, by the library */
    assert_int_equal(set_member(set, 1)->offset, -1);
    test_ok(set_read(reader, 1, &(struct sheaf_array){SHEAF_F64, {.ndim = 0}}, complex_got, &error), &error);
    assert_true(complex_got[0] == 0);
    set_reader_destroy(reader);
}

/* Read a member by two steps, in memory of just the size that is told. */
static enum sheaf_status
read_in_two_steps(struct set_reader *reader, int64_t member, const struct sheaf_array *array, void *buffer)
{
    const int64_t bytes = set_raw_bytes(set->raw_share, SHEAF_F64, array);
    void *raw = aligned_alloc(PACKED_ALIGNMENT, (size_t)bytes);

    assert_true(bytes > 0 && raw);
    memset(raw, 255, (size_t)bytes);
    const enum sheaf_status fetched = set_fetch(reader, member, array, raw, bytes, buffer, &error);
    const enum sheaf_status decoded = set_decode(reader, member, array, raw, bytes, buffer, &error);
    free(raw);
    return fetched == SHEAF_OK ? decoded : fetched;
}

/* 3 by 20000 numbers from `base` on, more than a piece of any type, at an address that no type is aligned to. */
static void
check_converted(struct set_reader *reader, int64_t i, enum sheaf_type type, double base, bool in_two_steps)
{
    enum { COUNT = 60000 };
    const struct sheaf_array array = {type, {.ndim = 2, .extent = {3, 20000}}};
    const int64_t size = (int64_t)sheaf_type_size(type), bytes = COUNT * size;
    char *buffer = malloc((size_t)bytes + 2);

    assert_non_null(buffer);
    buffer[0] = buffer[bytes + 1] = 77;
    if (in_two_steps)
        test_ok(read_in_two_steps(reader, i, &array, buffer + 1), &error);
    else
        test_ok(set_read(reader, i, &array, buffer + 1, &error), &error);
    for (int64_t k = 0; k < COUNT; k++) {
        const char *at = buffer + 1 + k * size;
        double number[2] = {0, 0};
        float single[2] = {0, 0};
        bool wide = type == SHEAF_F64 || type == SHEAF_C128;
        memcpy(wide ? (char *)number : (char *)single, at, (size_t)size);
        if ((wide ? number[0] : (double)single[0]) != base + (double)k || (wide ? number[1] : (double)single[1]) != 0)
            fail_msg("member %d as %s: element %d is wrong", (int)i, sheaf_type_name(type), (int)k);
    }
    assert_int_equal(buffer[0] + buffer[bytes + 1], 154);
    free(buffer);
}

static void
members_are_converted_to_what_is_wanted(void **state)
{
    const hsize_t extent[2] = {3, 20000}, chunk[2] = {2, 7001};
    const hid_t types[] = {H5T_IEEE_F64LE, H5T_IEEE_F64BE, H5T_IEEE_F32LE,
                           H5T_IEEE_F32BE, H5T_STD_I32BE,  H5T_STD_U16LE};
    static const enum sheaf_type wanted[] = {SHEAF_F32, SHEAF_C128, SHEAF_F64, SHEAF_C64};
    struct set_reader *reader;
    char name[32];

    (void)state;
    for (int i = 0; i < 12; i++) {
        snprintf(name, sizeof name, "m%d.h5", i);
        put_as(name, "/x", types[i / 2], 2, extent, i % 2 ? packed(chunk) : H5P_DEFAULT, i);
    }
    describe("m*.h5:/x", "0 1 2 3 4 5 6 7 8 9 10 11");
    test_ok(set_reader_create(set, &reader, &error), &error);
    for (int64_t i = 0; i < 12; i++) {
        assert_int_equal(set_member(set, i)->offset < 0, i % 2);
        assert_int_equal(set_member(set, i)->packed, i % 2);
        for (size_t j = 0; j < sizeof wanted / sizeof *wanted; j++)
            check_converted(reader, i, wanted[j], (double)i, false);
        for (size_t j = 0; j < sizeof wanted / sizeof *wanted; j++)
            check_converted(reader, i, wanted[j], (double)i, true);
    }
    set_reader_destroy(reader);
}

static void
two_steps_fail_as_one_does(void **state)
{
    const hsize_t extent[2] = {30, 20}, chunk[2] = {16, 20}, large[2] = {30, 700}, odd[2] = {29, 20};
    const struct sheaf_array array = {SHEAF_F64, {.ndim = 2, .extent = {30, 20}}};
    double got[600], expected[600];
    struct set_reader *reader;

    (void)state;
    for (int i = 0; i < 6; i++) {
        char name[32];
        snprintf(name, sizeof name, "f%d.h5", i);
        put_as(name, "/x", H5T_IEEE_F64LE, 2, i == 5 ? large : extent, packed(i == 5 ? large : chunk), i);
    }
    assert_int_equal(unlink("f2.h5"), 0);
    /* not worth the memory: a chunk that is mostly none of the dataset's, which can grow */
    hid_t file = H5Fcreate("f6.h5", H5F_ACC_EXCL, H5P_DEFAULT, H5P_DEFAULT), creation = packed(large);
    hid_t space = H5Screate_simple(2, extent, (hsize_t[]){H5S_UNLIMITED, H5S_UNLIMITED});
    put_empty(file, "x", H5T_IEEE_F64LE, space, creation);
    H5Fclose(file);
    describe("f*.h5:/x", "0 1 3 4 5 6");
    assert_int_equal(set_member(set, 0)->packed, 1);
    assert_int_equal(set_member(set, 5)->packed, 0);
    test_ok(set_reader_create(set, &reader, &error), &error);
    test_ok(set_read(reader, 0, &array, expected, &error), &error);
    test_ok(read_in_two_steps(reader, 0, &array, got), &error);
    assert_memory_equal(got, expected, sizeof got);
    test_ok(read_in_two_steps(reader, 5, &array, got), &error);
    assert_true(got[0] == 0 && got[599] == 0);

    /* since they were examined: damaged, gone, of another layout, of another shape */
    patch("f1.h5", find_bytes("f1.h5", "\x78\x01", 0) + 60, "damage", 6);
    test_error(read_in_two_steps(reader, 1, &array, got), SHEAF_IO_ERROR, &error,
               "f1.h5:/x: cannot unpack its HDF5 chunk at (0, 0): its compressed data are damaged");
    assert_int_equal(unlink("f3.h5"), 0);
    test_error(read_in_two_steps(reader, 2, &array, got), SHEAF_IO_ERROR, &error, "f3.h5");
    assert_int_equal(unlink("f4.h5"), 0);
    put_as("f4.h5", "/x", H5T_IEEE_F64LE, 2, extent, H5P_DEFAULT, 0);
    test_ok(read_in_two_steps(reader, 3, &array, got), &error);
    assert_memory_equal(got, expected, sizeof got);
    assert_int_equal(read_in_two_steps(reader, 4, &array, got), SHEAF_BAD_DATA);
    set_reader_destroy(reader);

    assert_int_equal(unlink("f0.h5"), 0);
    put_as("f0.h5", "/x", H5T_IEEE_F64LE, 2, odd, packed(odd), 0);
    test_ok(set_reader_create(set, &reader, &error), &error);
    test_error(read_in_two_steps(reader, 0, &array, got), SHEAF_IO_ERROR, &error,
               "f0.h5:/x: the dataset has changed since it was examined");
    set_reader_destroy(reader);
}

static void
what_a_member_is_not_it_is_not_read_as(void **state)
{
    struct sheaf_array array = {SHEAF_F64, {.ndim = 2, .extent = {3, 2}}};
    struct set_reader *reader;
    double got[12] = {0};
    hid_t pair = H5Tcreate(H5T_COMPOUND, 16), file;

    (void)state;
    put("x1.h5", "/x", 0);
    put_as("x2.h5", "/x", H5T_IEEE_F32LE, 2, two_by_three, packed(two_by_three), 0);
    file = H5Fcreate("x3.h5", H5F_ACC_EXCL, H5P_DEFAULT, H5P_DEFAULT);
    H5Tinsert(pair, "r", 0, H5T_IEEE_F64LE);
    H5Tinsert(pair, "i", 8, H5T_IEEE_F64LE);
    put_empty(file, "x", pair, H5Screate_simple(2, two_by_three, NULL), H5P_DEFAULT);
    H5Tclose(pair);
    H5Fclose(file);
    describe("x*.h5:/x", "1 2 3");
    test_ok(set_reader_create(set, &reader, &error), &error);
    test_error(set_read(reader, 0, &array, got, &error), SHEAF_BAD_DATA, &error,
               "x1.h5:/x: expected (3, 2), found (2, 3)");
    test_error(set_read(reader, 1, &array, got, &error), SHEAF_BAD_DATA, &error,
               "x2.h5:/x: expected (3, 2), found (2, 3)");
    array.shape = two_by_three_f64.shape;
    test_error(set_read(reader, 2, &array, got, &error), SHEAF_BAD_DATA, &error,
               "x3.h5:/x: is c128, which cannot be read as f64: its imaginary parts would be lost");
    array.type = SHEAF_I32;
    test_error(set_read(reader, 0, &array, got, &error), SHEAF_BAD_DATA, &error,
               "x1.h5:/x: is f64, which cannot be read as i32");
    array.type = SHEAF_C64;
    test_ok(set_read(reader, 2, &array, got, &error), &error);
    set_reader_destroy(reader);
}

/* The conversion of a set's tasks is its source's; so is the type and shape of a single one. */
static void
sources_read_sets_and_single_tasks_of_them(void **state)
{
    const hsize_t flat[2] = {1, 4};
    const struct sheaf_array array = {SHEAF_C64, {.ndim = 2, .extent = {2, 3}}};
    struct source_map map;
    struct source *source;
    float got[24];

    (void)state;
    put("s.h5", "/x0", 0);
    put_as("s.h5", "/x1", H5T_IEEE_F64BE, 2, two_by_three, packed(two_by_three), 10);
    put("s.h5", "/x2", 20);
    put_as("s.h5", "/y", H5T_IEEE_F64LE, 2, flat, H5P_DEFAULT, 0);
    test_ok(source_describe_set("s.h5:/x*", 2, &map, &set, &error), &error);
    test_ok(source_set_type(&map, SHEAF_F32, &error), &error);
    assert_int_equal(map.task_bytes, 24);
    assert_int_equal(map.file_type, SHEAF_F64);
    test_ok(source_attach_set(&map, set, &source, &error), &error);
    test_ok(source_read(source, 0, 3, got, &error), &error);
    for (int i = 0; i < 18; i++)
        assert_true(got[i] == (float)expected_of_three(i));
    test_ok(source_read_task(source, 1, &array, got, &error), &error);
    for (int i = 0; i < 6; i++)
        assert_true(got[2 * i] == (float)expected_of_three(6 + i) && got[2 * i + 1] == 0);
    test_error(source_read_task(source, 3, &array, got, &error), SHEAF_INTERNAL, &error, "member 3 was asked for");
    source_detach(source);
    test_ok(source_describe("s.h5:/y", 1, 0, 0, &map, &error), &error);
    test_ok(source_attach(&map, &source, &error), &error);
    test_error(source_read_task(source, 0, &array, got, &error), SHEAF_INTERNAL, &error,
               "s.h5:/y: is no set of datasets");
    source_detach(source);
}

static int
count_descriptors(void)
{
    int count = 0;
    DIR *directory = opendir("/proc/self/fd");

    if (!directory)
        return 0;
    while (readdir(directory))
        count++;
    closedir(directory);
    return count;
}

static void
readers_keep_one_file_open(void **state)
{
    struct set_reader *reader;
    double got[6];
    char name[32];
    int before;

    (void)state;
    for (int i = 0; i < 5; i++) {
        snprintf(name, sizeof name, "p%d.h5", i);
        put(name, "/x", i);
        put(name, "/y", i);
        snprintf(name, sizeof name, "q%d.h5", i);
        put_as(name, "/x", H5T_IEEE_F64LE, 2, two_by_three, packed(two_by_three), i);
    }
    static const struct {
        const char *text;
        int kept;
    } sets[] = {{"p0.h5:/*", 1}, {"p*.h5:/x", 0}, {"q*.h5:/x", 1}, {"[pq]*.h5:/x", 1}};
    before = count_descriptors();
    for (size_t i = 0; i < sizeof sets / sizeof *sets; i++) {
        free(set);
        test_ok(set_describe(sets[i].text, 2, &set, &error), &error);
        assert_int_equal(count_descriptors(), before);
        test_ok(set_reader_create(set, &reader, &error), &error);
        for (int64_t j = 0; j < set->count; j++)
            test_ok(set_read(reader, j, &two_by_three_f64, got, &error), &error);
        assert_int_equal(count_descriptors(), before + sets[i].kept);
        set_reader_destroy(reader);
        assert_int_equal(count_descriptors(), before);
    }
}

/* Of one file with plain members only, and as file_is_cached itself can tell here. */
static void
cached_members_are_seen(void **state)
{
    struct set_reader *reader;
    char name[32];
    int descriptor;

    (void)state;
    for (int i = 0; i < 4; i++) {
        snprintf(name, sizeof name, "/x%d", i);
        put("c1.h5", name, i);
    }
    put_as("c1.h5", "/z0", H5T_IEEE_F64LE, 2, two_by_three, packed(two_by_three), 0);
    put("c2.h5", "/x4", 4);
    test_ok(file_open_read("c1.h5", "c1.h5", &descriptor, NULL, &error), &error);
    static const struct {
        const char *text;
        bool plain;
    } sets[] = {{"c1.h5:/x*", true}, {"c?.h5:/x*", false}, {"c1.h5:/*", false}, {"c1.h5:/z*", false}};
    for (size_t i = 0; i < sizeof sets / sizeof *sets; i++) {
        free(set);
        test_ok(set_describe(sets[i].text, 2, &set, &error), &error);
        bool known = sets[i].plain && file_is_cached(descriptor, set_member(set, 0)->offset, 48);
        test_ok(set_reader_create(set, &reader, &error), &error);
        assert_int_equal(set_is_cached(reader, 0, set->count), known);
        assert_int_equal(set_is_cached(reader, set->count - 1, 1), known);
        assert_false(set_is_cached(reader, 0, 0));
        assert_false(set_is_cached(reader, 1, set->count));
        assert_false(set_is_cached(reader, -1, 1));
        set_reader_destroy(reader);
    }
    close(descriptor);
}

static void
what_changed_since_is_a_failed_read(void **state)
{
    const hsize_t other[2] = {3, 2};
    struct set_reader *reader;
    double got[6];

    (void)state;
    put("p1.h5", "/x", 0);
    put("p2.h5", "/x", 0);
    put_as("p3.h5", "/x", H5T_IEEE_F64LE, 2, two_by_three, packed(two_by_three), 0);
    put_as("p4.h5", "/x", H5T_IEEE_F64LE, 2, two_by_three, packed(two_by_three), 0);
    put_as("p5.h5", "/x", H5T_IEEE_F64LE, 2, two_by_three, packed(two_by_three), 0);
    describe("p*.h5:/x", "1 2 3 4 5");
    test_ok(set_reader_create(set, &reader, &error), &error);
    assert_int_equal(
        truncate("p1.h5", set_member(set, 0)->offset + 8) | remove("p2.h5") | remove("p3.h5") | remove("p4.h5"), 0);
    put_as("p4.h5", "/x", H5T_IEEE_F64LE, 2, other, packed(other), 0);
    test_error(set_read(reader, 0, &two_by_three_f64, got, &error), SHEAF_IO_ERROR, &error,
               "p1.h5:/x: file is truncated at ");
    test_error(set_read(reader, 1, &two_by_three_f64, got, &error), SHEAF_NO_INPUT, &error, "p2.h5:/x: cannot open ");
    test_error(set_read(reader, 2, &two_by_three_f64, got, &error), SHEAF_IO_ERROR, &error, "p3.h5");
    test_error(set_read(reader, 3, &two_by_three_f64, got, &error), SHEAF_IO_ERROR, &error,
               "p4.h5:/x: the dataset has changed since it was examined");
    /* what zlib's streams begin with */
    patch("p5.h5", find_bytes("p5.h5", "\x78\x01", 0), "\xff\xff", 2);
    test_error(set_read(reader, 4, &two_by_three_f64, got, &error), SHEAF_IO_ERROR, &error,
               "p5.h5:/x: the HDF5 library cannot read it: ");
    set_reader_destroy(reader);
    /* a sample that cannot be read ends nothing */
    describe("p[5]*.h5:/x", "5");

    put("only.h5", "/x", 0);
    describe("only.h5:/*", "x");
    assert_int_equal(remove("only.h5"), 0);
    test_error(set_reader_create(set, &reader, &error), SHEAF_NO_INPUT, &error, "only.h5");
    assert_null(reader);
}

static uint64_t
fingerprint(const char *text)
{
    free(set);
    test_ok(set_describe(text, 2, &set, &error), &error);
    return set->fingerprint;
}

static void
fingerprints_follow_names_shapes_and_content(void **state)
{
    const hsize_t large[2] = {200, 100}, other[2] = {3, 2};
    const double changed = -1;
    char name[32];

    (void)state;
    for (int i = 0; i < 100; i++) {
        snprintf(name, sizeof name, "/b%d", i);
        put("a.h5", name, i);
        put("same.h5", name, i);
    }
    put_as("l.h5", "/x", H5T_IEEE_F64LE, 2, large, H5P_DEFAULT, 0);
    put_as("l.h5", "/z", H5T_IEEE_F64LE, 2, large, packed(large), 0);
    const uint64_t all = fingerprint("a.h5:/b*");
    assert_int_equal(fingerprint("same.h5:/b*"), all);
    assert_int_not_equal(fingerprint("a.h5:/b*[1:]"), all);
    assert_int_not_equal(fingerprint("a.h5:/b*[::-1]"), all);
    assert_int_not_equal(fingerprint("a.h5:/*"), all);
    static const int64_t sampled[] = {0, 99, 99 / 63 * 31 + 99 % 63 * 31 / 63};
    for (size_t i = 0; i < 3; i++) {
        fingerprint("same.h5:/b*");
        patch("same.h5", set_member(set, sampled[i])->offset + 40, &changed, 8);
        assert_int_not_equal(fingerprint("same.h5:/b*"), all);
        const double original = (double)sampled[i] + 5;
        patch("same.h5", set_member(set, sampled[i])->offset + 40, &original, 8);
        assert_int_equal(fingerprint("same.h5:/b*"), all);
    }
    const uint64_t one = fingerprint("l.h5:/x*");
    patch("l.h5", set_member(set, 0)->offset + 200 * 100 * 8 - 8, &changed, 8);
    assert_int_not_equal(fingerprint("l.h5:/x*"), one);
    put_as("p1.h5", "/x", H5T_IEEE_F64LE, 2, two_by_three, packed(two_by_three), 0);
    put_as("p2.h5", "/x", H5T_IEEE_F64LE, 2, two_by_three, packed(two_by_three), 1);
    put_as("p3.h5", "/x", H5T_IEEE_F64LE, 2, other, packed(other), 0);
    const uint64_t first = fingerprint("p[1].h5:/[x]");
    static const char *const changes[] = {"p2.h5", "p3.h5"};
    for (size_t i = 0; i < 2; i++) {
        assert_int_equal(rename(changes[i], "p1.h5"), 0);
        assert_int_not_equal(fingerprint("p[1].h5:/[x]"), first);
    }
    fingerprint("l.h5:/z*");
}

static void
sets_are_paired_by_name(void **state)
{
    int64_t partner[12];
    char name[32];

    (void)state;
    for (int i = 0; i < 12; i++) {
        snprintf(name, sizeof name, "/a%d", i);
        put("a.h5", name, i);
        snprintf(name, sizeof name, "/%d.b", i);
        put("b.h5", name, i);
    }
    describe("a.h5:/a*", "0 1 2 3 4 5 6 7 8 9 10 11");
    struct set *a = set;
    set = NULL;
    describe("b.h5:/*.b[::-1]", "11 10 9 8 7 6 5 4 3 2 1 0");
    test_ok(set_pair(a, set, "A", "B", partner, &error), &error);
    for (int i = 0; i < 12; i++)
        assert_int_equal(partner[i], 11 - i);
    describe("b.h5:/*.b[::2]", "0 2 4 6 8 10");
    test_error(set_pair(a, set, "A", "B", partner, &error), SHEAF_BAD_DATA, &error,
               "operands pair by what their wildcards match; 6 of 12 in A have no partner in B: 1, 3, 5, ...");
    assert_null(strstr(error.text, "in B have"));
    test_error(set_pair(set, a, "B", "A", partner, &error), SHEAF_BAD_DATA, &error,
               "match; 6 of 12 in A have no partner in B: 1, 3, 5, ...");
    free(a);
    describe("a.h5:/a*[1:4]", "1 2 3");
    a = set;
    set = NULL;
    describe("b.h5:/*.b[2:6]", "2 3 4 5");
    test_error(set_pair(a, set, "A", "B", partner, &error), SHEAF_BAD_DATA, &error,
               "; 1 of 3 in A have no partner in B: 1; 2 of 4 in B have no partner in A: 4, 5");
    free(a);
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(members_that_cannot_be_examined_say_why, enter_test, leave_test),
        cmocka_unit_test_setup_teardown(members_in_other_files_are_read_where_allowed, enter_test, leave_test),
        cmocka_unit_test_setup_teardown(files_that_cannot_be_opened_are_failed_tasks, enter_test, leave_test),
        cmocka_unit_test_setup_teardown(damaged_files_are_failed_tasks, enter_test, leave_test),
        cmocka_unit_test_setup_teardown(every_layout_and_type_is_read, enter_test, leave_test),
        cmocka_unit_test_setup_teardown(members_are_converted_to_what_is_wanted, enter_test, leave_test),
        cmocka_unit_test_setup_teardown(two_steps_fail_as_one_does, enter_test, leave_test),
        cmocka_unit_test_setup_teardown(what_a_member_is_not_it_is_not_read_as, enter_test, leave_test),
        cmocka_unit_test_setup_teardown(sources_read_sets_and_single_tasks_of_them, enter_test, leave_test),
        cmocka_unit_test_setup_teardown(readers_keep_one_file_open, enter_test, leave_test),
        cmocka_unit_test_setup_teardown(cached_members_are_seen, enter_test, leave_test),
        cmocka_unit_test_setup_teardown(what_changed_since_is_a_failed_read, enter_test, leave_test),
        cmocka_unit_test_setup_teardown(fingerprints_follow_names_shapes_and_content, enter_test, leave_test),
        cmocka_unit_test_setup_teardown(sets_are_paired_by_name, enter_test, leave_test),
    };
    return cmocka_run_group_tests(tests, test_enter_directory, test_leave_directory);
}
