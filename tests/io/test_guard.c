#include "hdf5_guard.h"
#include "io_test.h"

#include <fcntl.h>
#include <pthread.h>
#include <sys/inotify.h>

static struct sheaf_error error;

static hid_t
create_file(const char *path)
{
    hid_t file = H5Fcreate(path, H5F_ACC_TRUNC, H5P_DEFAULT, H5P_DEFAULT);
    assert_true(file >= 0);
    return file;
}

/* A dataset of 3 f64, with its bytes; closes `creation`. */
static void
add_numbers(hid_t parent, const char *name, hid_t creation)
{
    const hsize_t extent = 3;
    const double numbers[3] = {1, 2, 3};
    hid_t space = H5Screate_simple(1, &extent, NULL);
    hid_t dataset = H5Dcreate2(parent, name, H5T_IEEE_F64LE, space, H5P_DEFAULT, creation, H5P_DEFAULT);
    assert_true(dataset >= 0);
    assert_true(H5Dwrite(dataset, H5T_NATIVE_DOUBLE, H5S_ALL, H5S_ALL, H5P_DEFAULT, numbers) >= 0);
    H5Dclose(dataset);
    H5Sclose(space);
    if (creation != H5P_DEFAULT)
        H5Pclose(creation);
}

/* What opening a dataset of a file answers. */
static enum sheaf_status
try_open(const char *path, const char *dataset, const char *name)
{
    hid_t file, opened = H5I_INVALID_HID;

    error = (struct sheaf_error){.status = SHEAF_OK};
    test_ok(hdf5_guard_open(path, path, &file, &error), &error);
    enum sheaf_status status = hdf5_guard_open_dataset(file, dataset, name, &opened, &error);
    assert_int_equal(status == SHEAF_OK, opened >= 0);
    if (opened >= 0)
        assert_true(H5Dclose(opened) >= 0);
    /* nothing of it stays open */
    assert_int_equal(H5Fget_obj_count(file, H5F_OBJ_ALL), 1);
    assert_true(H5Fclose(file) >= 0);
    return status;
}

static void
types_map_both_ways(void **state)
{
    (void)state;
    hdf5_guard_start();
    for (int i = 0; i < SHEAF_TYPE_COUNT; i++) {
        enum sheaf_type found = SHEAF_TYPE_COUNT;
        bool swapped = true;
        char text[HDF5_GUARD_TYPE_TEXT];
        hid_t type = hdf5_guard_type_to((enum sheaf_type)i);
        assert_true(type >= 0);
        assert_int_equal(H5Tget_size(type), sheaf_type_size((enum sheaf_type)i));
        assert_true(hdf5_guard_type_from(type, &found, &swapped));
        assert_int_equal(found, i);
        assert_false(swapped);
        assert_string_equal(hdf5_guard_type_format(type, text), sheaf_type_name((enum sheaf_type)i));
        H5Tclose(type);
    }
}

static void
big_endian_types_are_told_apart(void **state)
{
    enum sheaf_type found;
    bool swapped = false;
    char text[HDF5_GUARD_TYPE_TEXT];
    hid_t complex_type = H5Tcreate(H5T_COMPOUND, 16);

    (void)state;
    assert_true(hdf5_guard_type_from(H5T_IEEE_F32BE, &found, &swapped) && found == SHEAF_F32 && swapped);
    assert_true(hdf5_guard_type_from(H5T_STD_U16BE, &found, &swapped) && found == SHEAF_U16 && swapped);
    H5Tinsert(complex_type, "r", 0, H5T_IEEE_F64BE);
    H5Tinsert(complex_type, "i", 8, H5T_IEEE_F64BE);
    assert_true(hdf5_guard_type_from(complex_type, &found, &swapped) && found == SHEAF_C128 && swapped);
    assert_string_equal(hdf5_guard_type_format(complex_type, text), "c128 big-endian");
    H5Tclose(complex_type);
}

/* As h5py writes them; other enumerations are none, whatever they look like. */
static void
booleans_are_bytes(void **state)
{
    static const struct {
        const char *names[2];
        signed char values[2];
        bool expected;
    } cases[] = {{{"FALSE", "TRUE"}, {0, 1}, true},
                 {{"TRUE", "FALSE"}, {1, 0}, true},
                 {{"FALSE", "TRUE"}, {0, -1}, false},
                 {{"FALSE", "TRUE"}, {1, 0}, false},
                 {{"NO", "YES"}, {0, 1}, false}};

    (void)state;
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        enum sheaf_type found = SHEAF_TYPE_COUNT;
        bool swapped = true;
        hid_t type = H5Tenum_create(H5T_STD_I8LE);
        for (int j = 0; j < 2; j++)
            H5Tenum_insert(type, cases[i].names[j], &cases[i].values[j]);
        assert_int_equal(hdf5_guard_type_from(type, &found, &swapped), cases[i].expected);
        if (cases[i].expected)
            assert_true(found == SHEAF_U8 && !swapped);
        const signed char more = 2;
        H5Tenum_insert(type, "MAYBE", &more);
        assert_false(hdf5_guard_type_from(type, &found, &swapped));
        H5Tclose(type);
    }
}

static void
other_types_are_named(void **state)
{
    const hsize_t two = 2;
    enum sheaf_type found;
    bool swapped;
    char text[HDF5_GUARD_TYPE_TEXT];
    hid_t odd_integer = H5Tcopy(H5T_STD_I32LE), bfloat = H5Tcopy(H5T_IEEE_F32LE);
    hid_t pair = H5Tcreate(H5T_COMPOUND, 16);

    (void)state;
    H5Tset_precision(odd_integer, 24);
    H5Tset_fields(bfloat, 15, 7, 8, 0, 7);
    H5Tset_size(bfloat, 2);
    H5Tinsert(pair, "x", 0, H5T_IEEE_F64LE);
    H5Tinsert(pair, "y", 8, H5T_IEEE_F64LE);
    const struct {
        hid_t type;
        const char *text;
    } others[] = {{odd_integer, "an unusual integer"},
                  {bfloat, "an unusual float"},
                  {pair, "a compound type"},
                  {H5Tcopy(H5T_C_S1), "a string"},
                  {H5Tenum_create(H5T_STD_I8LE), "an enumeration"},
                  {H5Tcopy(H5T_STD_REF_OBJ), "a reference"},
                  {H5Tvlen_create(H5T_IEEE_F64LE), "of variable length"},
                  {H5Tarray_create2(H5T_IEEE_F64LE, 1, &two), "an array type"},
                  {H5Tcreate(H5T_OPAQUE, 8), "of an unknown type"}};
    for (size_t i = 0; i < sizeof others / sizeof *others; i++) {
        assert_true(others[i].type >= 0);
        assert_false(hdf5_guard_type_from(others[i].type, &found, &swapped));
        assert_string_equal(hdf5_guard_type_format(others[i].type, text), others[i].text);
        H5Tclose(others[i].type);
    }
}

static void
what_is_not_hdf5_is_refused(void **state)
{
    hid_t file;

    (void)state;
    test_put("text", "no matrices here", 16);
    test_error(hdf5_guard_open("text", "text:/a", &file, &error), SHEAF_NO_INPUT, &error,
               "text:/a: text is not an HDF5 file");
    assert_true(file < 0);
}

static void
a_damaged_file_is_refused_with_the_reason(void **state)
{
    hid_t file = create_file("cut.h5");

    (void)state;
    add_numbers(file, "a", H5P_DEFAULT);
    H5Fclose(file);
    assert_int_equal(truncate("cut.h5", 1000), 0);
    test_error(hdf5_guard_open("cut.h5", "cut.h5:/a", &file, &error), SHEAF_BAD_DATA, &error,
               "cut.h5:/a: the HDF5 library cannot open cut.h5: truncated file");
}

static void
a_missing_dataset_is_answered_with_those_there(void **state)
{
    hid_t file = create_file("some.h5"), group = H5Gcreate2(file, "g", H5P_DEFAULT, H5P_DEFAULT, H5P_DEFAULT);

    (void)state;
    add_numbers(file, "a", H5P_DEFAULT);
    add_numbers(file, "b", H5P_DEFAULT);
    add_numbers(group, "c", H5P_DEFAULT);
    H5Lcreate_hard(file, "/g", group, "loop", H5P_DEFAULT, H5P_DEFAULT);
    H5Gclose(group);
    H5Fclose(file);
    assert_int_equal(try_open("some.h5", "/a", "some.h5:/a"), SHEAF_OK);
    assert_int_equal(try_open("some.h5", "/g/loop/c", "some.h5:/g/loop/c"), SHEAF_OK);
    test_error(try_open("some.h5", "/d", "some.h5:/d"), SHEAF_NO_INPUT, &error,
               "some.h5:/d: no such dataset; the file has /a, /b, /g/c");
    test_error(try_open("some.h5", "/x/y", "some.h5:/x/y"), SHEAF_NO_INPUT, &error, "no such dataset");
    test_error(try_open("some.h5", "/g", "some.h5:/g"), SHEAF_NO_INPUT, &error,
               "some.h5:/g: is no dataset; the file has /a, /b, /g/c");
    test_error(try_open("some.h5", "/", "some.h5:/"), SHEAF_NO_INPUT, &error, "some.h5:/: is no dataset");

    H5Fclose(create_file("empty.h5"));
    test_error(try_open("empty.h5", "/a", "empty.h5:/a"), SHEAF_NO_INPUT, &error,
               "no such dataset; the file has no datasets");
    test_error(try_open("empty.h5", "/", "empty.h5:/"), SHEAF_NO_INPUT, &error,
               "is no dataset; the file has no datasets");
}

static void
what_stands_beside_results_is_not_listed(void **state)
{
    char list[256];
    hid_t file = create_file("results.h5");

    (void)state;
    hid_t group = H5Gcreate2(file, "sheaf", H5P_DEFAULT, H5P_DEFAULT, H5P_DEFAULT);
    assert_true(group >= 0);
    H5Gclose(group);
    add_numbers(file, "sheaf/status", H5P_DEFAULT);
    add_numbers(file, "result", H5P_DEFAULT);
    assert_int_equal(hdf5_guard_list(file, 10, false, list, sizeof list), 1);
    assert_string_equal(list, "/result");
    H5Fclose(file);
}

static void
a_long_list_is_cut_at_whole_names(void **state)
{
    hid_t opened, file = create_file("many.h5");
    char text[64], name[32];

    (void)state;
    for (int i = 0; i < 30; i++) {
        snprintf(name, sizeof name, "dataset%02d", i);
        add_numbers(file, name, H5P_DEFAULT);
    }
    H5Fclose(file);
    test_ok(hdf5_guard_open("many.h5", "many.h5", &opened, &error), &error);
    assert_int_equal(hdf5_guard_list(opened, 3, false, text, sizeof text), 3);
    assert_string_equal(text, "/dataset00, /dataset01, /dataset02, ...");
    assert_int_equal(hdf5_guard_list(opened, 30, false, text, sizeof text), 4);
    assert_string_equal(text, "/dataset00, /dataset01, /dataset02, /dataset03, ...");
    assert_int_equal(hdf5_guard_list(opened, 1, true, text, sizeof text), 1);
    assert_string_equal(text, "/dataset00 (3) f64\n...");
    assert_int_equal(hdf5_guard_list(opened, 0, true, text, sizeof text), 0);
    assert_string_equal(text, "...");
    H5Fclose(opened);
}

static void
links_out_of_the_file_are_not_followed(void **state)
{
    hid_t file = create_file("secret.h5");

    (void)state;
    add_numbers(file, "a", H5P_DEFAULT);
    H5Fclose(file);
    file = create_file("links.h5");
    H5Lcreate_external("secret.h5", "/a", file, "outside", H5P_DEFAULT, H5P_DEFAULT);
    H5Lcreate_external("secret.h5", "/", file, "far", H5P_DEFAULT, H5P_DEFAULT);
    H5Lcreate_soft("/outside", file, "soft", H5P_DEFAULT, H5P_DEFAULT);
    H5Lcreate_soft("/nowhere", file, "dangling", H5P_DEFAULT, H5P_DEFAULT);
    H5Lcreate_soft("/circle", file, "circle", H5P_DEFAULT, H5P_DEFAULT);
    /* without the guard it would be open to its reader */
    hid_t open_to_all = H5Dopen2(file, "/outside", H5P_DEFAULT);
    assert_true(open_to_all >= 0);
    H5Dclose(open_to_all);
    H5Fclose(file);

    static const char *const blocked[] = {"/outside", "/far/a", "/soft"};
    for (size_t i = 0; i < 3; i++)
        test_error(try_open("links.h5", blocked[i], "links.h5:/x"), SHEAF_BAD_DATA, &error,
                   "links.h5:/x: leads to another file by an external link, which is not followed");
    test_error(try_open("links.h5", "/dangling", "links.h5:/dangling"), SHEAF_NO_INPUT, &error, "no such dataset");
    test_error(try_open("links.h5", "/circle", "links.h5:/circle"), SHEAF_BAD_DATA, &error,
               "links.h5:/circle: the HDF5 library cannot open it: ");
}

static void
bytes_of_other_files_are_not_read(void **state)
{
    const hsize_t extent = 3;
    hid_t file = create_file("elsewhere.h5"), creation = H5Pcreate(H5P_DATASET_CREATE);

    (void)state;
    H5Pset_external(creation, "secret.bin", 0, 24);
    add_numbers(file, "external", creation);
    add_numbers(file, "plain", H5P_DEFAULT);
    creation = H5Pcreate(H5P_DATASET_CREATE);
    hid_t space = H5Screate_simple(1, &extent, NULL);
    H5Pset_virtual(creation, space, "elsewhere.h5", "/plain", space);
    hid_t dataset = H5Dcreate2(file, "virtual", H5T_IEEE_F64LE, space, H5P_DEFAULT, creation, H5P_DEFAULT);
    assert_true(dataset >= 0);
    H5Dclose(dataset);
    H5Sclose(space);
    H5Pclose(creation);
    H5Fclose(file);
    test_error(try_open("elsewhere.h5", "/external", "elsewhere.h5:/external"), SHEAF_BAD_DATA, &error,
               "elsewhere.h5:/external: keeps its data in other files (external storage)");
    test_error(try_open("elsewhere.h5", "/virtual", "elsewhere.h5:/virtual"), SHEAF_BAD_DATA, &error,
               "elsewhere.h5:/virtual: is a virtual dataset");
}

/* Whether the file that inotify watches was opened since the last call. */
static bool
was_opened(int watcher)
{
    char events[4096];
    return read(watcher, events, sizeof events) > 0;
}

/* Refused: the other file is not even opened. Allowed: its bytes are read. */
static void
other_files_are_opened_only_where_allowed(void **state)
{
    static const char *const datasets[] = {"/link", "/group/a", "/soft", "/external", "/virtual"};
    const hsize_t extent = 3;
    hid_t file = create_file("other.h5"), creation;
    double got[3];

    (void)state;
    add_numbers(file, "a", H5P_DEFAULT);
    H5Fclose(file);
    file = create_file("reaching.h5");
    H5Lcreate_external("other.h5", "/a", file, "link", H5P_DEFAULT, H5P_DEFAULT);
    H5Lcreate_external("other.h5", "/", file, "group", H5P_DEFAULT, H5P_DEFAULT);
    H5Lcreate_soft("/link", file, "soft", H5P_DEFAULT, H5P_DEFAULT);
    creation = H5Pcreate(H5P_DATASET_CREATE);
    H5Pset_external(creation, "other.bin", 0, 24);
    add_numbers(file, "external", creation);
    creation = H5Pcreate(H5P_DATASET_CREATE);
    hid_t space = H5Screate_simple(1, &extent, NULL);
    H5Pset_virtual(creation, space, "other.h5", "/a", space);
    H5Dclose(H5Dcreate2(file, "virtual", H5T_IEEE_F64LE, space, H5P_DEFAULT, creation, H5P_DEFAULT));
    H5Sclose(space);
    H5Pclose(creation);
    add_numbers(file, "own", H5P_DEFAULT);
    H5Fclose(file);

    int watcher = inotify_init1(IN_NONBLOCK);
    assert_true(watcher >= 0 && inotify_add_watch(watcher, "other.h5", IN_OPEN) >= 0 &&
                inotify_add_watch(watcher, "other.bin", IN_OPEN) >= 0);
    for (size_t i = 0; i < 5; i++) {
        test_error(try_open("reaching.h5", datasets[i], "reaching.h5:/x"), SHEAF_BAD_DATA, &error,
                   "or give --allow-external");
        assert_false(was_opened(watcher));
    }
    hdf5_guard_allow(true, false);
    test_ok(hdf5_guard_open("reaching.h5", "reaching.h5", &file, &error), &error);
    for (size_t i = 0; i < 6; i++) {
        hid_t dataset;
        const char *name = i < 5 ? datasets[i] : "/own";
        test_ok(hdf5_guard_open_dataset(file, name, name, &dataset, &error), &error);
        assert_int_equal(hdf5_guard_is_own(file, dataset), i == 5);
        assert_true(H5Dread(dataset, H5T_NATIVE_DOUBLE, H5S_ALL, H5S_ALL, H5P_DEFAULT, got) >= 0);
        assert_true(got[0] == 1 && got[1] == 2 && got[2] == 3);
        assert_int_equal(was_opened(watcher), i < 5);
        H5Dclose(dataset);
    }
    H5Fclose(file);
    close(watcher);
    hdf5_guard_allow(false, false);
    test_error(try_open("reaching.h5", "/virtual", "x"), SHEAF_BAD_DATA, &error, "is a virtual dataset");
}

static void
filter_plugins_are_loaded_only_where_allowed(void **state)
{
    const hsize_t chunk = 3;
    double got[3];
    hid_t file, dataset, creation = H5Pcreate(H5P_DATASET_CREATE);

    (void)state;
    hdf5_guard_allow(false, true);
    assert_true(H5PLprepend(PLUGIN_DIRECTORY) >= 0);
    file = create_file("plugin.h5");
    H5Pset_chunk(creation, 1, &chunk);
    assert_true(H5Pset_filter(creation, 302, 0, 0, NULL) >= 0);
    add_numbers(file, "a", creation);
    H5Fclose(file);
    test_ok(hdf5_guard_open("plugin.h5", "plugin.h5", &file, &error), &error);
    test_ok(hdf5_guard_open_dataset(file, "/a", "plugin.h5:/a", &dataset, &error), &error);
    assert_true(H5Dread(dataset, H5T_NATIVE_DOUBLE, H5S_ALL, H5S_ALL, H5P_DEFAULT, got) >= 0);
    assert_true(got[0] == 1 && got[1] == 2 && got[2] == 3);
    H5Dclose(dataset);
    H5Fclose(file);

    assert_true(H5Zunregister(302) >= 0);
    hdf5_guard_allow(false, false);
    test_error(
        try_open("plugin.h5", "/a", "plugin.h5:/a"), SHEAF_BAD_DATA, &error,
        "plugin.h5:/a: is stored by filter 302 (reverse bits), which this HDF5 library does not have; repack it, as "
        "by h5repack -f GZIP=1, or let the library load its plugin: --allow-filters");
    assert_true(H5PLremove(0) >= 0);
}

/* The parameters are HDF5's. NOLINTBEGIN(readability-non-const-parameter) */
static size_t
copy_filter(unsigned flags, size_t value_count, const unsigned values[], size_t bytes, size_t *buffer_bytes,
            void **buffer)
{
    (void)flags, (void)value_count, (void)values, (void)buffer_bytes, (void)buffer;
    return bytes;
}
/* NOLINTEND(readability-non-const-parameter) */

static void
an_unknown_filter_is_named(void **state)
{
    const H5Z_class2_t filter = {H5Z_CLASS_T_VERS, 300, 1, 1, "blosc-like", NULL, NULL, copy_filter};
    const hsize_t chunk = 3;
    hid_t file = create_file("filtered.h5"), creation = H5Pcreate(H5P_DATASET_CREATE);

    (void)state;
    assert_true(H5Zregister(&filter) >= 0);
    H5Pset_chunk(creation, 1, &chunk);
    H5Pset_filter(creation, 300, 0, 0, NULL);
    add_numbers(file, "a", creation);
    H5Fclose(file);
    assert_int_equal(try_open("filtered.h5", "/a", "filtered.h5:/a"), SHEAF_OK);
    assert_true(H5Zunregister(300) >= 0);
    test_error(try_open("filtered.h5", "/a", "filtered.h5:/a"), SHEAF_BAD_DATA, &error,
               "filtered.h5:/a: is stored by filter 300 (blosc-like), which this HDF5 library does not have; repack");
    hdf5_guard_allow(false, true);
    test_error(try_open("filtered.h5", "/a", "filtered.h5:/a"), SHEAF_BAD_DATA, &error,
               "repack it, as by h5repack -f GZIP=1, or say where its plugin is by HDF5_PLUGIN_PATH");
    hdf5_guard_allow(false, false);
}

static void *
open_broken(void *argument)
{
    hid_t file;
    (void)argument;
    /* an HDF5 signature and nothing behind it: the library finds out, and would print what it found */
    assert_int_not_equal(hdf5_guard_open("broken.h5", "broken.h5:/a", &file, &error), SHEAF_OK);
    return NULL;
}

/* A thread-safe library has an error stack, which prints, for each thread. */
static void
the_library_is_silent_in_every_thread(void **state)
{
    (void)state;
    FILE *broken = fopen("broken.h5", "w");
    assert_non_null(broken);
    fputs("\x89HDF\r\n\x1a\n and nothing else", broken);
    fclose(broken);
    fflush(stderr);
    int kept = dup(STDERR_FILENO), printed = open("printed", O_RDWR | O_CREAT | O_TRUNC, 0600);
    assert_true(kept >= 0 && printed >= 0 && dup2(printed, STDERR_FILENO) >= 0);
    pthread_t thread;
    open_broken(NULL);
    int created = pthread_create(&thread, NULL, open_broken, NULL);
    if (created == 0)
        pthread_join(thread, NULL);
    dup2(kept, STDERR_FILENO);
    off_t bytes = lseek(printed, 0, SEEK_END);
    close(kept);
    close(printed);
    assert_int_equal(created, 0);
    assert_int_equal(bytes, 0);
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(types_map_both_ways),
        cmocka_unit_test(big_endian_types_are_told_apart),
        cmocka_unit_test(booleans_are_bytes),
        cmocka_unit_test(other_types_are_named),
        cmocka_unit_test(what_is_not_hdf5_is_refused),
        cmocka_unit_test(a_damaged_file_is_refused_with_the_reason),
        cmocka_unit_test(a_missing_dataset_is_answered_with_those_there),
        cmocka_unit_test(a_long_list_is_cut_at_whole_names),
        cmocka_unit_test(what_stands_beside_results_is_not_listed),
        cmocka_unit_test(links_out_of_the_file_are_not_followed),
        cmocka_unit_test(bytes_of_other_files_are_not_read),
        cmocka_unit_test(other_files_are_opened_only_where_allowed),
        cmocka_unit_test(filter_plugins_are_loaded_only_where_allowed),
        cmocka_unit_test(an_unknown_filter_is_named),
        cmocka_unit_test(the_library_is_silent_in_every_thread),
    };
    return cmocka_run_group_tests(tests, test_enter_directory, test_leave_directory);
}
