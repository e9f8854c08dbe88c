/* What the tests of sets share: files to be found, and what is expected of sets. */
#ifndef SHEAF_SET_TEST_H
#define SHEAF_SET_TEST_H

#include "io_test.h"
#include "set.h"

#include <hdf5.h>

static struct sheaf_error error;
static struct set *set;

/* Write a dataset that counts from `base` on; groups on the way to it are made. Closes `creation`. */
static inline void
put_as(const char *path, const char *name, hid_t type, int ndim, const hsize_t *extent, hid_t creation, double base)
{
    hid_t file = access(path, F_OK) == 0 ? H5Fopen(path, H5F_ACC_RDWR, H5P_DEFAULT)
                                         : H5Fcreate(path, H5F_ACC_EXCL, H5P_DEFAULT, H5P_DEFAULT);
    hid_t links = H5Pcreate(H5P_LINK_CREATE), space = H5Screate_simple(ndim, extent, NULL);
    hssize_t count = H5Sget_simple_extent_npoints(space);
    double *numbers = calloc((size_t)count + 1, sizeof *numbers);

    assert_true(file >= 0);
    assert_non_null(numbers);
    for (hssize_t i = 0; i < count; i++)
        numbers[i] = base + (double)i;
    H5Pset_create_intermediate_group(links, 1);
    hid_t dataset = H5Dcreate2(file, name, type, space, links, creation, H5P_DEFAULT);
    assert_true(dataset >= 0);
    assert_true(H5Dwrite(dataset, H5T_NATIVE_DOUBLE, H5S_ALL, H5S_ALL, H5P_DEFAULT, numbers) >= 0);
    free(numbers);
    H5Dclose(dataset);
    H5Sclose(space);
    H5Pclose(links);
    if (creation != H5P_DEFAULT)
        H5Pclose(creation);
    assert_true(H5Fclose(file) >= 0);
}

static const hsize_t two_by_three[2] = {2, 3};

static inline void
put(const char *path, const char *name, double base)
{
    put_as(path, name, H5T_IEEE_F64LE, 2, two_by_three, H5P_DEFAULT, base);
}

static inline hid_t
packed(const hsize_t *chunk)
{
    hid_t creation = H5Pcreate(H5P_DATASET_CREATE);
    H5Pset_chunk(creation, 2, chunk);
    H5Pset_deflate(creation, 1);
    return creation;
}

/* Each test has an empty directory of its own. */
static inline int
enter_test(void **state)
{
    static int number;
    char name[32];

    (void)state;
    snprintf(name, sizeof name, "t%d", number++);
    return chdir(test_directory) == 0 && mkdir(name, 0700) == 0 ? chdir(name) : -1;
}

static inline int
leave_test(void **state)
{
    (void)state;
    free(set);
    set = NULL;
    return 0;
}

/* Describe with two axes; `expected` are the names, separated by blanks. */
static inline void
describe(const char *text, const char *expected)
{
    char *names;
    size_t bytes;
    FILE *stream = open_memstream(&names, &bytes);

    free(set);
    test_ok(set_describe(text, 2, &set, &error), &error);
    for (int64_t i = 0; i < set->count; i++)
        fprintf(stream, "%s%s", i ? " " : "", set_text(set, set_member(set, i)->name));
    fclose(stream);
    if (strcmp(names, expected) != 0)
        fail_msg("%s: expected \"%s\", found \"%s\"", text, expected, names);
    free(names);
}

static inline void
refuse(const char *text, enum sheaf_status expected, const char *part)
{
    struct set *none = (struct set *)&error;

    error = (struct sheaf_error){.status = SHEAF_OK};
    test_error(set_describe(text, 2, &none, &error), expected, &error, part);
    assert_null(none);
}

static const struct sheaf_array two_by_three_f64 = {SHEAF_F64, {.ndim = 2, .extent = {2, 3}}};

/* The member's text, and its content: 2 by 3 numbers from `base` on. */
static inline void
check_member(struct set_reader *reader, int64_t i, const char *text, double base)
{
    double got[6];

    assert_string_equal(set_text(set, set_member(set, i)->text), text);
    test_ok(set_read(reader, i, &two_by_three_f64, got, &error), &error);
    for (int j = 0; j < 6; j++)
        assert_true(got[j] == base + j);
}

/* What three members of 2 by 3 numbers, from 0, 10 and 20 on, hold at place i of them all. */
static inline double
expected_of_three(int i)
{
    const int member = i / 6;
    return 10 * member + i % 6;
}

static inline void
check_unreadable(int64_t i, enum sheaf_status status, const char *part)
{
    const struct set_member *member = set_member(set, i);

    assert_int_equal(member->unreadable, status);
    assert_int_equal(member->offset, -1);
    if (!strstr(set_text(set, member->reason), part))
        fail_msg("expected \"%s\" in \"%s\"", part, set_text(set, member->reason));
}

#endif
