#include "set_test.h"
#include "slice.h"
#include "source.h"

#include <sys/resource.h>

/* Bytes of a name in messages. */
enum { SET_CUT = 60 };

static void
datasets_of_a_file_are_found(void **state)
{
    struct set_reader *reader;
    char absolute[1024];

    (void)state;
    put("a.h5", "/beams/b10", 10);
    put("a.h5", "/beams/b2", 2);
    put("a.h5", "/beams/b1", 1);
    put("a.h5", "/beams/c1", 0);
    put("a.h5", "/beams/b9/inner", 0);
    describe("a.h5:/beams/b*", "1 2 10");
    assert_int_equal(set_member(set, 0)->type, SHEAF_F64);
    assert_int_equal(set_member(set, 0)->shape.ndim, 2);
    assert_int_equal(set_member(set, 0)->shape.extent[1], 3);
    assert_true(set_member(set, 0)->offset > 0);
    assert_int_equal(set_member(set, 0)->reason, 0);
    assert_string_equal(set_text(set, set_member(set, 2)->path), realpath("a.h5", absolute));
    assert_string_equal(set_text(set, set_member(set, 2)->dataset), "/beams/b10");
    assert_string_equal(set_text(set, 0), "");
    test_ok(set_reader_create(set, &reader, &error), &error);
    check_member(reader, 0, "a.h5:/beams/b1", 1);
    check_member(reader, 2, "a.h5:/beams/b10", 10);
    check_member(reader, 1, "a.h5:/beams/b2", 2);
    set_reader_destroy(reader);
    set_reader_destroy(NULL);
    describe("a.h5:/beams/?[0-9]", "b1 b2 c1");
    describe("a.h5:/*/*/inner", "beams/b9");
    describe("a.h5:/b*s/[!b]*", "eam/c1");
    describe("./a.h5:/beams//c*", "1");
    assert_string_equal(set_text(set, set_member(set, 0)->text), "./a.h5:/beams/c1");
    snprintf(absolute, sizeof absolute, "%s", realpath("a.h5", (char[4096]){""}));
    strcat(absolute, ":/beams/c*");
    describe(absolute, "1");
}

static void
files_of_a_directory_are_found(void **state)
{
    struct set_reader *reader;

    (void)state;
    assert_int_equal(mkdir("survey", 0700) | mkdir("survey/x.h5", 0700) | mkdir("survey/n1", 0700), 0);
    put("survey/b10.h5", "/data", 10);
    put("survey/b9.h5", "/data", 9);
    put("survey/.b8.h5", "/data", 8);
    put("survey/n1/b7.h5", "/data", 7);
    put("survey/n1/b7.h5", "/m/p", 70);
    put("survey/n1/b7.h5", "/m/q", 71);
    describe("survey/*.h5:/data", "b9 b10");
    test_ok(set_reader_create(set, &reader, &error), &error);
    check_member(reader, 1, "survey/b10.h5:/data", 10);
    check_member(reader, 0, "survey/b9.h5:/data", 9);
    set_reader_destroy(reader);
    describe("*/n?/b*.h5:/data", "survey/1/7");
    describe("survey/n*/b7.h5:/m/*", "1/p 1/q");
    describe("survey/.b*.h5:/data", "8");
    describe("survey/n*/*7.h5:/m/q", "1/b");
    assert_int_equal(chdir("survey"), 0);
    describe("b*.h5:/data", "9 10");
}

/* Others in the file, behind links, and links that are no members. */
static void
links_are_followed_within_the_file(void **state)
{
    (void)state;
    put("other.h5", "/secret", 1);
    put("a.h5", "/g/x", 1);
    hid_t file = H5Fopen("a.h5", H5F_ACC_RDWR, H5P_DEFAULT);
    H5Lcreate_hard(file, "/g/x", file, "hard", H5P_DEFAULT, H5P_DEFAULT);
    H5Lcreate_soft("/g/x", file, "soft", H5P_DEFAULT, H5P_DEFAULT);
    H5Lcreate_soft("/g", file, "soft-group", H5P_DEFAULT, H5P_DEFAULT);
    H5Lcreate_soft("/nowhere", file, "soft-nowhere", H5P_DEFAULT, H5P_DEFAULT);
    H5Lcreate_hard(file, "/g", file, "/g/loop", H5P_DEFAULT, H5P_DEFAULT);
    describe("a.h5:/*", "hard soft");
    describe("a.h5:/*/x", "g soft-group");
    describe("a.h5:/*/*/*/x", "g/loop/loop soft-group/loop/loop");

    H5Lcreate_external("other.h5", "/secret", file, "out", H5P_DEFAULT, H5P_DEFAULT);
    H5Lcreate_external("other.h5", "/", file, "far", H5P_DEFAULT, H5P_DEFAULT);
    H5Lcreate_soft("/out", file, "soft-out", H5P_DEFAULT, H5P_DEFAULT);
    H5Fclose(file);
    describe("a.h5:/*", "far hard out soft soft-out");
    for (int64_t i = 0; i < 5; i += 2)
        check_unreadable(i, SHEAF_BAD_DATA, "leads to another file by an external link, which is not followed");
    assert_string_equal(set_text(set, set_member(set, 0)->text), "a.h5:/far");
    refuse("a.h5:/f*/secret", SHEAF_BAD_DATA, "a.h5:/far/secret: leads to another file by an external link");
    refuse("a.h5:/far/s*", SHEAF_BAD_DATA, "a.h5:/far/s*: leads to another file by an external link");
}

static void
lists_are_read(void **state)
{
    static const char list[] = "# beams\n\n b.h5:/m/y \r\na.h5:/x[0]\n\t# more\nb.h5:/m/x*\nnone.h5:/x\na.h5:/x";
    struct set_reader *reader;

    (void)state;
    put("a.h5", "/x", 1);
    put("a.h5", "/x[0]", 2);
    put("b.h5", "/m/x*", 3);
    put("b.h5", "/m/y", 4);
    test_put("list", list, sizeof list - 1);
    describe("@list", "b.h5:_m_y a.h5:_x[0] b.h5:_m_x* none.h5:_x a.h5:_x");
    check_unreadable(3, SHEAF_NO_INPUT, "none.h5: cannot open: No such file or directory");
    test_ok(set_reader_create(set, &reader, &error), &error);
    check_member(reader, 0, "b.h5:/m/y", 4);
    check_member(reader, 1, "a.h5:/x[0]", 2);
    check_member(reader, 2, "b.h5:/m/x*", 3);
    check_member(reader, 4, "a.h5:/x", 1);
    set_reader_destroy(reader);
    describe("@list[:-3]", "b.h5:_m_y a.h5:_x[0]");
    describe("@list[-1:-3:-2]", "a.h5:_x");
    test_put("list[0:1]", "a.h5:/x\na.h5:/x[0]\n", 19);
    describe("@list[0:1]", "a.h5:_x a.h5:_x[0]");
}

static void
wrong_lists_are_refused(void **state)
{
    (void)state;
    refuse("@list", SHEAF_NO_INPUT, "operand \"@list\": cannot open the list list: No such file or directory");
    refuse("@", SHEAF_NO_INPUT, "cannot open the list");
    refuse("@.", SHEAF_NO_INPUT, "operand \"@.\": cannot read the list .: Is a directory");
    test_put("list", "# nothing\n", 10);
    refuse("@list", SHEAF_NO_INPUT, "operand \"@list\": the list list names no dataset");
    test_put("list", "\na.h5:/x\na.h5\n", 14);
    refuse("@list", SHEAF_USAGE, "list:3: \"a.h5\" names no dataset: write FILE.h5:/path");
    test_put("list", ":/x\n", 4);
    refuse("@list", SHEAF_USAGE, "list:1: \":/x\" names no dataset");
    test_put("list", "\n\x89HDF\0\n", 7);
    refuse("@list", SHEAF_USAGE, "list:2: is no text; a list has a line FILE.h5:/path for each task");
    test_put("list", "a.h5:/x\nb.h5:/x\n", 16);
    refuse("@list", SHEAF_NO_INPUT, "@list: none of 2 datasets can be read; the first one: a.h5: cannot open: No such");
}

static void
slices_select_members(void **state)
{
    char name[32];

    (void)state;
    for (int i = 0; i < 12; i++) {
        snprintf(name, sizeof name, "/g/b%d", i);
        put("a.h5", name, i);
        snprintf(name, sizeof name, "f%d.h5", i);
        put(name, "/x", i);
    }
    describe("a.h5:/g/b*[2:4]", "2 3");
    describe("a.h5:/g/b*[10:]", "10 11");
    describe("a.h5:/g/b*[::-5]", "11 6 1");
    describe("f*.h5:/x[-2:]", "10 11");
    describe("a.h5:/g/b*[7]", "7");
    describe("f*.h5:/x[-1]", "11");
    describe("f*.h5:/[x][0]", "0/x");
    refuse("f*.h5:/x[12]", SHEAF_BAD_DATA, "f*.h5:/x[12]: the slice selects none of 12 datasets");
    refuse("f*.h5:/x[-13]", SHEAF_BAD_DATA, "f*.h5:/x[-13]: the slice selects none of 12 datasets");
    /* a wildcard it is where it is more than a number */
    describe("a.h5:/g/b[1-2]", "1 2");
    refuse("f*.h5:/x[12:]", SHEAF_BAD_DATA, "f*.h5:/x[12:]: the slice selects none of 12 datasets");
    refuse("f*.h5:/x[::0]", SHEAF_USAGE, "operand \"f*.h5:/x[::0]\": " SLICE_GRAMMAR);
    refuse("@list[1:2:3:4]", SHEAF_USAGE, "operand \"@list[1:2:3:4]\": a slice is [first:end:step]");

    /* a name is no slice */
    for (int i = 0; i < 12; i++) {
        snprintf(name, sizeof name, "f%d.h5", i);
        put(name, "/x[0:1]", 100 + i);
        put(name, "/x[1]", 100 + i);
    }
    describe("f1*.h5:/x[0:1]", "0 1 _");
    assert_string_equal(set_text(set, set_member(set, 2)->text), "f1.h5:/x[0:1]");
    describe("f1*.h5:/x[1]", "0 1 _");
    assert_string_equal(set_text(set, set_member(set, 2)->text), "f1.h5:/x[1]");
    put("a.h5", "/h0/x", 0);
    put("a.h5", "/h1/x", 0);
    describe("a.h5:/h*/x[1:2]", "1");
    put("a.h5", "/h1/x[1:2]", 0);
    put("a.h5", "/h2/x[1:2]", 0);
    describe("a.h5:/h*/x[0:1]", "0");
    describe("a.h5:/h[12]/x[1:2]", "1 2");
}

static void
nothing_matching_is_answered_with_what_is_there(void **state)
{
    (void)state;
    assert_int_equal(mkdir("d", 0700) | mkdir("empty", 0700), 0);
    for (int i = 0; i < 12; i++) {
        char name[32];
        snprintf(name, sizeof name, "/g/b%d", 11 - i);
        put("d/a.h5", name, i);
        snprintf(name, sizeof name, "d/f%d", i);
        test_put(name, "", 0);
    }
    refuse("d/a.h5:/g/c*", SHEAF_NO_INPUT, "d/a.h5:/g/c*: nothing matches; /g of d/a.h5 has b0, b1, b2, b3, b4, ...");
    refuse("d/a.h5:/c*", SHEAF_NO_INPUT, "nothing matches; / of d/a.h5 has g");
    refuse("d/a.h5:/no/c*", SHEAF_NO_INPUT, "nothing matches; / of d/a.h5 has g");
    refuse("d/a.h5:/*/x", SHEAF_NO_INPUT, "nothing matches; /g of d/a.h5 has b0, b1, b2, b3, b4, ...");
    refuse("d/a.h5:/g/b1/*", SHEAF_NO_INPUT, "nothing matches; /g/b1 of d/a.h5 is no group");
    refuse("d/a.h5:/*", SHEAF_NO_INPUT, "nothing matches; /g of d/a.h5 is no dataset");
    refuse("d/[xy]*:/g", SHEAF_NO_INPUT,
           "nothing matches; d has a.h5, f0, f1, f2, f3, ...; a \"[\" itself is written \"[[]\"");
    refuse("e*.h5:/g", SHEAF_NO_INPUT, "nothing matches; the current directory has d, empty");
    refuse("empty/*:/g", SHEAF_NO_INPUT, "nothing matches; empty has nothing");
    refuse("no/*:/g", SHEAF_NO_INPUT, "nothing matches; cannot open the directory no: No such file or directory");
    refuse("d*/b.h5:/g", SHEAF_NO_INPUT, "nothing matches; d/b.h5 does not exist");
    refuse("emp*:/g", SHEAF_NO_INPUT, "nothing matches; empty is a directory");
    refuse("no.h5:/g*", SHEAF_NO_INPUT, "no.h5: cannot open: No such file or directory");
    put("soft.h5", "/g/x", 0);
    hid_t file = H5Fopen("soft.h5", H5F_ACC_RDWR, H5P_DEFAULT);
    H5Lcreate_soft("/nowhere", file, "soft", H5P_DEFAULT, H5P_DEFAULT);
    char name[101];
    memset(name, 'n', 100);
    name[100] = '\0';
    H5Lcreate_soft("/nowhere", file, name, H5P_DEFAULT, H5P_DEFAULT);
    H5Fclose(file);
    refuse("soft.h5:/s*", SHEAF_NO_INPUT, "nothing matches; /soft of soft.h5 leads nowhere");
    name[SET_CUT] = '\0';
    refuse("soft.h5:/x*", SHEAF_NO_INPUT, "nothing matches; / of soft.h5 has g, nnnn");
    refuse("soft.h5:/x*", SHEAF_NO_INPUT, name);
    refuse("soft.h5:/x*", SHEAF_NO_INPUT, "nnn..., soft");
}

static void
wrong_texts_are_refused(void **state)
{
    char many[300] = "a.h5:/";

    (void)state;
    refuse("beams*.h5", SHEAF_USAGE,
           "operand \"beams*.h5\" names no dataset: write FILE.h5:/path, as survey/b*.h5:/data");
    refuse(":/a*", SHEAF_USAGE, "operand \":/a*\" names no dataset");
    for (size_t i = strlen(many); i < sizeof many - 1; i++)
        many[i] = "*/"[i % 2];
    refuse(many, SHEAF_USAGE, "has more than 32 levels, or more than 16 wildcards in one");
}

static void
two_members_of_one_name_are_refused(void **state)
{
    (void)state;
    put("a.h5", "/b", 0);
    put("a.h5", "/b1", 1);
    describe("a.h5:/b*", "1 _");
    put("a.h5", "/b.", 2);
    refuse("a.h5:/b*", SHEAF_BAD_DATA, "have one name, \"_\"; results need two");
    refuse("a.h5:/b*", SHEAF_BAD_DATA, "a.h5:/b and ");
    refuse("a.h5:/b*", SHEAF_BAD_DATA, "a.h5:/b. ");
    test_put("list", "a.h5:/b\na.h5:/b1\na.h5:/b\n", 25);
    refuse("@list", SHEAF_BAD_DATA, "@list: a.h5:/b and a.h5:/b have one name, \"a.h5:_b\"");
}

static struct source_map map;

static void
describe_source(const char *text)
{
    free(set);
    test_ok(source_describe_set(text, 2, &map, &set, &error), &error);
}

static void
members_of_several_types_meet_in_one(void **state)
{
    struct source *source;
    double got[18];
    float narrow[18];
    hid_t pair = H5Tcreate(H5T_COMPOUND, 8);

    (void)state;
    H5Tinsert(pair, "r", 0, H5T_IEEE_F32LE);
    H5Tinsert(pair, "i", 4, H5T_IEEE_F32LE);
    put_as("a.h5", "/x0", H5T_IEEE_F32LE, 2, two_by_three, H5P_DEFAULT, 0);
    put_as("a.h5", "/x1", H5T_STD_I16BE, 2, two_by_three, packed(two_by_three), 10);
    put_as("a.h5", "/x2", H5T_IEEE_F64BE, 2, two_by_three, H5P_DEFAULT, 20);
    describe_source("a.h5:/x*");
    assert_int_equal(map.file_type, SHEAF_F64);
    assert_int_equal(map.array.type, SHEAF_F64);
    assert_int_equal(map.task_bytes, 48);
    assert_true(sheaf_shape_equal(&map.array.core, &two_by_three_f64.shape));
    assert_false(map.uneven);
    assert_int_equal(map.offset, -1);
    test_ok(source_attach_set(&map, set, &source, &error), &error);
    test_ok(source_read(source, 0, 3, got, &error), &error);
    for (int i = 0; i < 18; i++)
        assert_true(got[i] == expected_of_three(i));
    source_detach(source);
    test_ok(source_set_type(&map, SHEAF_F32, &error), &error);
    test_ok(source_attach_set(&map, set, &source, &error), &error);
    test_ok(source_read(source, 0, 3, narrow, &error), &error);
    for (int i = 0; i < 18; i++)
        assert_true(narrow[i] == (float)expected_of_three(i));
    source_detach(source);

    describe_source("a.h5:/x*[:2]");
    assert_int_equal(map.file_type, SHEAF_F32);
    hid_t file = H5Fopen("a.h5", H5F_ACC_RDWR, H5P_DEFAULT);
    hid_t space = H5Screate_simple(2, two_by_three, NULL);
    H5Dclose(H5Dcreate2(file, "x3", pair, space, H5P_DEFAULT, H5P_DEFAULT, H5P_DEFAULT));
    H5Sclose(space);
    H5Fclose(file);
    H5Tclose(pair);
    describe_source("a.h5:/x*[::3]");
    assert_int_equal(map.file_type, SHEAF_C64);
    describe_source("a.h5:/x*");
    assert_int_equal(map.file_type, SHEAF_C128);
    test_ok(source_set_type(&map, SHEAF_C64, &error), &error);
    assert_int_equal(map.task_bytes, 48);
    test_error(source_set_type(&map, SHEAF_F64, &error), SHEAF_BAD_DATA, &error,
               "a.h5:/x*: is c128, which cannot be read as f64: its imaginary parts would be lost");
}

static void
members_of_several_shapes_are_uneven(void **state)
{
    const hsize_t shapes[4][2] = {{2, 3}, {2, 5}, {4, 2}, {7, 1}}, flat[1] = {9};
    struct source *source;
    float got[10];
    char name[32];

    (void)state;
    put_as("a.h5", "/x0", H5T_IEEE_F64LE, 1, flat, H5P_DEFAULT, 0);
    for (int i = 0; i < 4; i++) {
        snprintf(name, sizeof name, "/x%d", i + 1);
        put_as("a.h5", name, i % 2 ? H5T_STD_I16LE : H5T_IEEE_F64LE, 2, shapes[i],
               i > 1 ? packed(shapes[i]) : H5P_DEFAULT, 10 * i);
    }
    describe_source("a.h5:/x*[:3]");
    assert_true(map.uneven);
    assert_true(map.array.core.ndim == 2 && map.array.core.extent[0] == 2 && map.array.core.extent[1] == 0);
    assert_int_equal(map.task_bytes, 80);
    assert_int_equal(map.offset, 0);
    describe_source("a.h5:/x*");
    assert_true(map.uneven && map.array.core.extent[0] == 0 && map.array.core.extent[1] == 0);
    assert_int_equal(map.array.lead.extent[0], 5);
    test_ok(source_set_type(&map, SHEAF_F32, &error), &error);
    assert_int_equal(map.task_bytes, 40);
    test_ok(source_attach_set(&map, set, &source, &error), &error);
    for (int i = 0; i < 4; i++) {
        const struct sheaf_array array = {SHEAF_F32,
                                          {.ndim = 2, .extent = {(int64_t)shapes[i][0], (int64_t)shapes[i][1]}}};
        test_ok(source_read_task(source, i + 1, &array, got, &error), &error);
        for (int64_t k = 0; k < array.shape.extent[0] * array.shape.extent[1]; k++)
            assert_true(got[k] == (float)(10 * i + k));
    }
    test_error(source_read_task(source, 0, &two_by_three_f64, got, &error), SHEAF_NO_INPUT, &error,
               "a.h5:/x0: expected 2 axes, found (9)");
    source_detach(source);
    /* one that differs, but cannot be read, does not count */
    describe_source("a.h5:/x*[:2]");
    assert_false(map.uneven);
    assert_int_equal(map.array.core.extent[1], 3);
}

static int
describe_without_descriptors(void)
{
    struct rlimit limit = {(rlim_t)dup(0), 100};

    close((int)limit.rlim_cur);
    if (setrlimit(RLIMIT_NOFILE, &limit) != 0)
        return TEST_SKIPPED;
    enum sheaf_status status = set_describe("*.h5:/x", 2, &set, &error);
    limit.rlim_cur = limit.rlim_max;
    setrlimit(RLIMIT_NOFILE, &limit);
    return status == SHEAF_NO_RESOURCES &&
                   strstr(error.text, "*.h5:/x: cannot open the directory .: Too many open files")
               ? 0
               : 1;
}

static void
a_process_without_descriptors_is_told_so(void **state)
{
    (void)state;
    put("a.h5", "/x", 0);
    test_child_passes(describe_without_descriptors);
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(datasets_of_a_file_are_found, enter_test, leave_test),
        cmocka_unit_test_setup_teardown(files_of_a_directory_are_found, enter_test, leave_test),
        cmocka_unit_test_setup_teardown(links_are_followed_within_the_file, enter_test, leave_test),
        cmocka_unit_test_setup_teardown(lists_are_read, enter_test, leave_test),
        cmocka_unit_test_setup_teardown(wrong_lists_are_refused, enter_test, leave_test),
        cmocka_unit_test_setup_teardown(slices_select_members, enter_test, leave_test),
        cmocka_unit_test_setup_teardown(nothing_matching_is_answered_with_what_is_there, enter_test, leave_test),
        cmocka_unit_test_setup_teardown(wrong_texts_are_refused, enter_test, leave_test),
        cmocka_unit_test_setup_teardown(two_members_of_one_name_are_refused, enter_test, leave_test),
        cmocka_unit_test_setup_teardown(members_of_several_types_meet_in_one, enter_test, leave_test),
        cmocka_unit_test_setup_teardown(members_of_several_shapes_are_uneven, enter_test, leave_test),
        cmocka_unit_test_setup_teardown(a_process_without_descriptors_is_told_so, enter_test, leave_test),
    };
    return cmocka_run_group_tests(tests, test_enter_directory, test_leave_directory);
}
