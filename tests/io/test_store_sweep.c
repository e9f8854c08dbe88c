/* The file of a sweep: what is written is there again, at any moment, and what is none is refused. */
#include "io_test.h"
#include "store_outlined.h"
#include "store_sweep.h"

#include <hdf5.h>

enum { CELLS = 3, ROUNDS = 4 };

static struct sheaf_error error;

static struct store_sweep *
create(void)
{
    struct store_sweep *sweep;
    test_ok(store_sweep_create("sweep.h5", true, "kernel matmul\ncells 3\n", "sheaf sweep 'a b'", CELLS, ROUNDS, &sweep,
                               &error),
            &error);
    return sweep;
}

/* What the HDF5 library itself reads from a dataset of doubles. */
static void
read_by_library(const char *dataset, int count, double *values)
{
    hid_t file = H5Fopen("sweep.h5", H5F_ACC_RDONLY, H5P_DEFAULT), id = H5Dopen2(file, dataset, H5P_DEFAULT);
    hid_t space = H5Dget_space(id);
    assert_int_equal(H5Sget_simple_extent_npoints(space), count);
    assert_true(H5Dread(id, H5T_NATIVE_DOUBLE, H5S_ALL, H5S_ALL, H5P_DEFAULT, values) >= 0);
    H5Sclose(space);
    H5Dclose(id);
    H5Fclose(file);
}

static void
what_is_written_is_read_again(void **state)
{
    struct store_sweep *sweep = create();
    const char layouts[CELLS][STORE_SWEEP_LAYOUT_BYTES] = {"1x2:1", "1x2:2", "2x1:1"};
    const double seconds[] = {1.5, 2.5};
    char layout[STORE_SWEEP_LAYOUT_BYTES];
    double found[ROUNDS * CELLS];
    int64_t nodes[CELLS] = {7, 8, 9};
    (void)state;
    test_ok(store_sweep_write(sweep, STORE_SWEEP_LAYOUT, 0, CELLS, layouts, &error), &error);
    test_ok(store_sweep_write(sweep, STORE_SWEEP_SECONDS, 4, 2, seconds, &error), &error);
    test_ok(store_sweep_sync(sweep, &error), &error);

    /* A reader beside the writer, as h5py would be. */
    read_by_library("/sweep/seconds", ROUNDS * CELLS, found);
    for (int i = 0; i < ROUNDS * CELLS; i++)
        assert_true(found[i] == (i == 4 ? 1.5 : i == 5 ? 2.5 : 0));
    test_ok(store_sweep_close(sweep, &error), &error);

    for (int writable = 0; writable < 2; writable++) {
        test_ok(outlined_sweep_open("sweep.h5", writable == 1, &sweep, &error), &error);
        assert_int_equal(store_sweep_cells(sweep), CELLS);
        assert_int_equal(store_sweep_rounds(sweep), ROUNDS);
        assert_string_equal(store_sweep_text(sweep, STORE_SWEEP_IDENTITY), "kernel matmul\ncells 3\n");
        assert_string_equal(store_sweep_text(sweep, STORE_SWEEP_COMMAND), "sheaf sweep 'a b'");
        test_ok(store_sweep_read(sweep, STORE_SWEEP_LAYOUT, 1, 1, layout, &error), &error);
        assert_string_equal(layout, "1x2:2");
        test_ok(store_sweep_read(sweep, STORE_SWEEP_SECONDS, 0, ROUNDS * CELLS, found, &error), &error);
        assert_true(found[3] == 0 && found[4] == 1.5 && found[5] == 2.5);
        test_ok(store_sweep_read(sweep, STORE_SWEEP_NODES, 0, CELLS, nodes, &error), &error);
        assert_true(nodes[0] == 0 && nodes[2] == 0);
        test_ok(store_sweep_close(sweep, &error), &error);
    }
    test_ok(store_sweep_close(NULL, &error), &error);
}

static void
a_column_does_not_reach_into_another(void **state)
{
    struct store_sweep *sweep = create();
    double values[CELLS + 1] = {0};
    (void)state;
    test_error(store_sweep_write(sweep, STORE_SWEEP_RELATIVE, 0, CELLS + 1, values, &error), SHEAF_INTERNAL, &error,
               "4 values from 0 on of relative, which has 3");
    test_error(store_sweep_read(sweep, STORE_SWEEP_SECONDS, ROUNDS * CELLS, 1, values, &error), SHEAF_INTERNAL, &error,
               "of seconds, which has 12");
    test_error(store_sweep_read(sweep, STORE_SWEEP_IDENTITY, 0, 1, values, &error), SHEAF_INTERNAL, &error, "identity");
    test_ok(store_sweep_close(sweep, &error), &error);
}

static void
files_that_cannot_be_made_leave_nothing(void **state)
{
    struct store_sweep *sweep;
    struct stat about;
    (void)state;
    test_put("there.h5", "mine", 4);
    test_error(store_sweep_create("there.h5", false, "i", "c", CELLS, ROUNDS, &sweep, &error), SHEAF_NO_OUTPUT, &error,
               "there.h5 exists");
    assert_null(sweep);
    assert_int_equal(stat("there.h5", &about), 0);
    assert_int_equal(about.st_size, 4);
    test_error(store_sweep_create("none/sweep.h5", false, "i", "c", CELLS, ROUNDS, &sweep, &error), SHEAF_NO_OUTPUT,
               &error, "none");
    assert_int_equal(system("ls -A | grep -q partial"), 256);
}

/* Change the file by the library: remove a dataset, where `replacement` is 0; else put one of as many numbers in its place. */
static void
damage(const char *dataset, hsize_t replacement)
{
    hid_t file = H5Fopen("sweep.h5", H5F_ACC_RDWR, H5P_DEFAULT);
    assert_true(H5Ldelete(file, dataset, H5P_DEFAULT) >= 0);
    if (replacement > 0) {
        hid_t space = H5Screate_simple(1, &replacement, NULL);
        hid_t id = H5Dcreate2(file, dataset, H5T_NATIVE_INT64, space, H5P_DEFAULT, H5P_DEFAULT, H5P_DEFAULT);
        int64_t values[64] = {0};
        assert_true(H5Dwrite(id, H5T_NATIVE_INT64, H5S_ALL, H5S_ALL, H5P_DEFAULT, values) >= 0);
        H5Dclose(id);
        H5Sclose(space);
    }
    H5Fclose(file);
}

static void
what_is_no_sweeps_file_is_refused(void **state)
{
    struct store_sweep *sweep;
    const int64_t later = 2;
    (void)state;
    test_error(outlined_sweep_open("nowhere.h5", false, &sweep, &error), SHEAF_NO_INPUT, &error, "nowhere.h5");
    test_put("text.h5", "no HDF5 at all", 14);
    test_error(outlined_sweep_open("text.h5", false, &sweep, &error), SHEAF_NO_INPUT, &error, "text.h5");
    assert_null(sweep);

    test_ok(store_sweep_close(create(), &error), &error);
    damage("/sweep/relative", 0);
    test_error(outlined_sweep_open("sweep.h5", false, &sweep, &error), SHEAF_BAD_DATA, &error, "/sweep/relative");
    test_ok(store_sweep_close(create(), &error), &error);
    damage("/sweep/p_value", CELLS + 1);
    test_error(outlined_sweep_open("sweep.h5", true, &sweep, &error), SHEAF_BAD_DATA, &error, "/sweep/p_value");
    test_ok(store_sweep_close(create(), &error), &error);
    damage("/sweep", 0);
    test_error(outlined_sweep_open("sweep.h5", false, &sweep, &error), SHEAF_BAD_DATA, &error, "it has no /sweep");

    sweep = create();
    test_ok(store_sweep_write(sweep, STORE_SWEEP_FORMAT, 0, 1, &later, &error), &error);
    test_ok(store_sweep_close(sweep, &error), &error);
    test_error(outlined_sweep_open("sweep.h5", false, &sweep, &error), SHEAF_BAD_DATA, &error, "is of format 2");
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(what_is_written_is_read_again),
        cmocka_unit_test(a_column_does_not_reach_into_another),
        cmocka_unit_test(files_that_cannot_be_made_leave_nothing),
        cmocka_unit_test(what_is_no_sweeps_file_is_refused),
    };
    return cmocka_run_group_tests(tests, test_enter_directory, test_leave_directory);
}
