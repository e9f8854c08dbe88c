/* Results files of several classes: groups of datasets beside stacked ones, and the order of tasks. */
#include "store.h"
#include "store_classes.h"
#include "store_kill.h"
#include "store_outlined.h"
#include "store_test.h"

#include <hdf5.h>

static struct sheaf_error error;
static struct store_map map;
static struct store_place *places;

static struct store *
create_and_attach(const char *path)
{
    struct store *store;
    struct store_spec spec = classes_spec(path);

    spec.overwrite = true;
    free(places);
    test_ok(store_create(&spec, &map, &places, &error), &error);
    test_ok(store_attach(&map, places, &store, &error), &error);
    return store;
}

static void
detach(struct store *store)
{
    test_ok(store_detach(store, &error), &error);
}

static const char *
name_of(int64_t task)
{
    const char *name = classes_names;
    while (task-- > 0)
        name += strlen(name) + 1;
    return name;
}

static int64_t
class_of(int64_t task)
{
    for (int64_t k = 0; k < CLASSES_CHUNKS; k++)
        for (int64_t i = 0; i < classes_chunks[k][1]; i++)
            if (classes_order[classes_chunks[k][0] + i] == task)
                return classes_chunks[k][2];
    fail();
    return -1;
}

/* Read a task's dataset in a group through the library. @return its bytes */
static int64_t
read_task(hid_t file, int output, int64_t task, void *bytes)
{
    char path[100];
    snprintf(path, sizeof path, "/%s/%s", output == 0 ? "u" : "w", name_of(task));
    hid_t dataset = H5Dopen2(file, path, H5P_DEFAULT), type = H5Dget_type(dataset), space = H5Dget_space(dataset);
    int64_t count = H5Sget_simple_extent_npoints(space) * (int64_t)H5Tget_size(type);
    assert_true(count >= 0 && H5Dread(dataset, type, H5S_ALL, H5S_ALL, H5P_DEFAULT, bytes) >= 0);
    H5Sclose(space);
    H5Tclose(type);
    H5Dclose(dataset);
    return count;
}

static void
each_task_has_its_result(void **state)
{
    static double bytes[CLASSES_ELEMENTS], expected[CLASSES_ELEMENTS];
    uint8_t status[CLASSES_TASKS];
    int32_t info[CLASSES_TASKS];
    struct store *store = create_and_attach("results.h5");

    (void)state;
    for (int64_t chunk = CLASSES_CHUNKS - 1; chunk >= 0; chunk--)
        test_ok(classes_commit(store, chunk, 0, digest, &error), &error);
    test_ok(store_read_status(store, 0, CLASSES_TASKS, status, info, &error), &error);
    detach(store);
    for (int64_t task = 0; task < CLASSES_TASKS; task++) {
        assert_int_equal(status[task], task == 2 ? 2 : 1);
        assert_int_equal(info[task], task == 2 ? 3 : 0);
    }
    hid_t file = H5Fopen("results.h5", H5F_ACC_RDONLY, H5P_DEFAULT);
    for (int output = 0; output < CLASSES_OUTPUTS; output += 2)
        for (int64_t task = 0; task < CLASSES_TASKS; task++) {
            int64_t count = classes_fill(task, class_of(task), output, 0, expected);
            assert_int_equal(read_task(file, output, task, bytes), count);
            assert_memory_equal(bytes, expected, (size_t)count);
        }
    float stacked[CLASSES_TASKS][2];
    int64_t order[CLASSES_TASKS];
    const struct {
        const char *name;
        hid_t type;
        void *values;
    } whole[] = {{"/s", H5T_NATIVE_FLOAT, stacked}, {"/sheaf/order", H5T_NATIVE_INT64, order}};
    for (int i = 0; i < 2; i++) {
        hid_t dataset = H5Dopen2(file, whole[i].name, H5P_DEFAULT);
        assert_true(H5Dread(dataset, whole[i].type, H5S_ALL, H5S_ALL, H5P_DEFAULT, whole[i].values) >= 0);
        H5Dclose(dataset);
    }
    for (int task = 0; task < CLASSES_TASKS; task++)
        assert_true(stacked[task][0] == (float)(1000 * task) && stacked[task][1] == (float)(1000 * task + 1));
    assert_memory_equal(order, classes_order, sizeof order);
    H5Fclose(file);
}

static void
places_are_those_of_the_datasets(void **state)
{
    const struct store_spec spec = classes_spec("places.h5");
    int64_t most;

    (void)state;
    detach(create_and_attach("places.h5"));
    assert_int_equal(map.places_bytes, 2 * CLASSES_TASKS * sizeof *places);
    test_ok(store_size(&spec, &most, &error), &error);
    assert_true(map.bytes <= most && map.bytes > most / 2);
    hid_t file = H5Fopen("places.h5", H5F_ACC_RDONLY, H5P_DEFAULT);
    for (int i = 0; i < 2 * CLASSES_TASKS; i++) {
        char path[100];
        snprintf(path, sizeof path, "/%s/%s", i < CLASSES_TASKS ? "u" : "w", name_of(i % CLASSES_TASKS));
        hid_t dataset = H5Dopen2(file, path, H5P_DEFAULT);
        assert_int_equal(places[i].bytes, H5Dget_storage_size(dataset));
        assert_int_equal(places[i].offset, places[i].bytes ? (int64_t)H5Dget_offset(dataset) : -1);
        assert_true(places[i].bytes < 4096 || places[i].offset % 4096 == 0);
        H5Dclose(dataset);
    }
    H5Fclose(file);
    /* tiny results of a chunk lie side by side, whatever the order of tasks */
    assert_int_equal(places[3].offset, places[0].offset + places[0].bytes);
}

static void
writes_outside_are_refused(void **state)
{
    static double bytes[CLASSES_ELEMENTS];
    struct store *store = create_and_attach("outside.h5");

    (void)state;
    test_error(store_write(store, 0, CLASSES_TASKS, 1, bytes, NULL, &error), SHEAF_INTERNAL, &error,
               "rows 6 to 6 of u, which has 6");
    test_error(store_write(store, 2, 5, 2, bytes, NULL, &error), SHEAF_INTERNAL, &error, "rows 5 to 6 of w");
    test_error(store_write(store, 2, -1, 1, bytes, NULL, &error), SHEAF_INTERNAL, &error, "rows -1 to -1 of w");
    const struct store_place wrong[] = {{map.bytes - 1, 2}, {0, 8},     {-1, 8},
                                        {map.bytes + 1, 1}, {4096, -1}, {4096, INT64_MAX}};
    const struct store_place kept = places[CLASSES_TASKS + 1];
    for (size_t i = 0; i < sizeof wrong / sizeof *wrong; i++) {
        places[CLASSES_TASKS + 1] = wrong[i];
        test_error(store_write(store, 2, 0, 2, bytes, NULL, &error), SHEAF_INTERNAL, &error,
                   "the place of task 1 in w is not in the file");
    }
    places[CLASSES_TASKS + 1] = kept;
    detach(store);
    test_error(store_attach(&map, NULL, &store, &error), SHEAF_INTERNAL, &error, "without the places of its results");
    assert_null(store);
}

static void
a_summary_goes_by_the_order(void **state)
{
    struct store_summary summary;
    struct store *store = create_and_attach("summary.h5");

    (void)state;
    test_ok(classes_commit(store, 1, 0, digest, &error), &error);
    test_ok(classes_commit(store, 2, 0, digest, &error), &error);
    detach(store);
    test_ok(outlined_describe("summary.h5", &summary, &error), &error);
    assert_int_equal(summary.chunks_done, 2);
    assert_int_equal(summary.tasks_done, 3); /* 5, 1 and 2 */
    assert_int_equal(summary.tasks_failed, 1);
    assert_int_equal(summary.status_counts[1], 2);
    assert_int_equal(summary.status_counts[2], 1);
    assert_int_equal(summary.status_counts[0], 0);
    assert_int_equal(summary.map.output_count, CLASSES_OUTPUTS);
    for (int i = 0; i < CLASSES_OUTPUTS; i++) {
        assert_string_equal(summary.map.outputs[i].name, classes_outputs[i].name);
        assert_int_equal(summary.map.outputs[i].grouped, i != 1);
    }
    assert_int_equal(summary.map.output_offsets[1], map.output_offsets[1]);
    store_summary_free(&summary);
}

/* Classes that follow each other: positions are tasks. */
static void
without_an_order_positions_are_tasks(void **state)
{
    struct store_spec spec = classes_spec("plain.h5");
    struct store_summary summary;
    struct record_chunk record = {.state = RECORD_DONE, .first = 3, .count = 2, .class_index = 1};
    const uint8_t status[2] = {1, 4};
    const int32_t info[2] = {0, 9};
    struct store *store;

    (void)state;
    spec.order = NULL;
    free(places);
    test_ok(store_create(&spec, &map, &places, &error), &error);
    assert_int_equal(places[3].bytes, 60 * 50 * 8); /* class 1: tasks 3 and 4 */
    assert_int_equal(places[4].bytes, 60 * 50 * 8);
    test_ok(store_attach(&map, places, &store, &error), &error);
    test_ok(store_write_status(store, 3, 2, status, info, &error), &error);
    test_ok(store_commit_chunk(store, 2, &record, &error), &error);
    detach(store);
    test_ok(outlined_describe("plain.h5", &summary, &error), &error);
    assert_int_equal(summary.tasks_done, 2);
    assert_int_equal(summary.status_counts[1], 1);
    assert_int_equal(summary.status_counts[4], 1);
    store_summary_free(&summary);
    hid_t file = H5Fopen("plain.h5", H5F_ACC_RDONLY, H5P_DEFAULT);
    assert_int_equal(H5Lexists(file, "/sheaf/order", H5P_DEFAULT), 0);
    H5Fclose(file);
}

static void
replace_order(hid_t file)
{
    H5Ldelete(file, "/sheaf/order", H5P_DEFAULT);
    H5Lcreate_hard(file, "/sheaf/status", file, "/sheaf/order", H5P_DEFAULT, H5P_DEFAULT);
}

static void
spoil_order(hid_t file)
{
    const int64_t order[CLASSES_TASKS] = {0, 3, 5, 5, 6, 4};
    hid_t dataset = H5Dopen2(file, "/sheaf/order", H5P_DEFAULT);
    assert_true(H5Dwrite(dataset, H5T_NATIVE_INT64, H5S_ALL, H5S_ALL, H5P_DEFAULT, order) >= 0);
    H5Dclose(dataset);
}

static void
link_output_elsewhere(hid_t file)
{
    H5Ldelete(file, "/u", H5P_DEFAULT);
    assert_true(H5Lcreate_external("results.h5", "/u", file, "/u", H5P_DEFAULT, H5P_DEFAULT) >= 0);
}

static void
damaged_files_are_refused(void **state)
{
    const struct {
        void (*damage)(hid_t file);
        const char *part;
    } damages[] = {{replace_order, "/sheaf/order is missing or wrong"},
                   {spoil_order, "/sheaf/order is missing or wrong"},
                   {link_output_elsewhere, "/u is missing or wrong"}};

    (void)state;
    for (size_t i = 0; i < sizeof damages / sizeof *damages; i++) {
        struct store_summary summary;
        struct store *store = create_and_attach("damaged.h5");
        test_ok(classes_commit(store, 2, 0, digest, &error), &error);
        detach(store);
        hid_t file = H5Fopen("damaged.h5", H5F_ACC_RDWR, H5P_DEFAULT);
        damages[i].damage(file);
        H5Fclose(file);
        error = (struct sheaf_error){.status = SHEAF_OK};
        test_error(outlined_describe("damaged.h5", &summary, &error), SHEAF_BAD_DATA, &error, damages[i].part);
    }
}

/* Names of six tasks: refused before anything is there, by the first look at the size as well. */
static void
refuse_names(const char *names, size_t bytes, enum sheaf_status expected, const char *part)
{
    struct store_spec spec = classes_spec("names.h5");
    struct store_map none;
    struct store_place *nowhere;
    int64_t size;

    spec.names = names;
    spec.names_bytes = (int64_t)bytes;
    error = (struct sheaf_error){.status = SHEAF_OK};
    test_error(store_size(&spec, &size, &error), expected, &error, part);
    error = (struct sheaf_error){.status = SHEAF_OK};
    test_error(store_create(&spec, &none, &nowhere, &error), expected, &error, part);
    assert_null(nowhere);
    assert_int_not_equal(access("names.h5", F_OK), 0);
}

static void
names_that_collide_are_refused(void **state)
{
    static const struct {
        const char *names;
        const char *part;
    } wrong[] = {
        {"a\0b\0c\0d\0b\0e", "two have one name, \"b\" and \"b\""},
        {"a/b/c\0x\0a.b\0a-\0a\0y", "\"a\" would have to be a group too, for \"a/b/c\""},
        {"y\0a/b\0x\0a/b/c\0a/b.c\0z", "\"a/b\" would have to be a group too, for \"a/b/c\""},
        {"a\0b\0c\0d\0/e\0f", "the name \"/e\""},
        {"a\0b\0c\0d\0e/\0f", "the name \"e/\""},
        {"a\0b\0c\0d\0e//f\0g", "the name \"e//f\""},
        {"a\0b\0c\0d\0.\0g", "the name \".\""},
        {"a\0b\0c\0d\0e/./f\0g", "the name \"e/./f\""},
        {"a\0b\0c\0d\0\0g", "the name \"\""},
    };

    (void)state;
    for (size_t i = 0; i < sizeof wrong / sizeof *wrong; i++) {
        size_t bytes = 0;
        for (int task = 0; task < CLASSES_TASKS; task++)
            bytes += strlen(wrong[i].names + bytes) + 1;
        refuse_names(wrong[i].names, bytes, SHEAF_BAD_DATA, wrong[i].part);
    }
    refuse_names("a\0b\0c", 6, SHEAF_INTERNAL, "names of 3 tasks in 6 bytes, not of 6");
    refuse_names("a\0b\0c\0d\0e\0f\0g", 14, SHEAF_INTERNAL, "names of 6 tasks in 14 bytes");
    refuse_names("a\0b\0c\0d\0e\0f", 11, SHEAF_INTERNAL, "names of 6 tasks in 11 bytes"); /* without the last NUL */
    refuse_names(NULL, 0, SHEAF_INTERNAL, "names of 0 tasks");
}

static void
refuse_spec(const struct store_spec *spec, const char *part)
{
    struct store_map none;
    struct store_place *nowhere;
    error = (struct sheaf_error){.status = SHEAF_OK};
    test_error(store_create(spec, &none, &nowhere, &error), SHEAF_INTERNAL, &error, part);
    assert_int_not_equal(access(spec->path, F_OK), 0);
}

static void
classes_that_do_not_fit_are_refused(void **state)
{
    struct store_class rows[3];
    struct store_output outputs[CLASSES_OUTPUTS];
    int64_t order[CLASSES_TASKS];
    struct store_spec spec = classes_spec("unfit.h5");

    (void)state;
    spec.class_count = 1;
    refuse_spec(&spec, "its 1 classes do not fit 6 tasks and their order");
    spec.class_count = 3;
    spec.order = order;
    memcpy(order, classes_order, sizeof order);
    order[5] = 0;
    refuse_spec(&spec, "the order of 6 tasks has task 0 twice, or too far");
    order[5] = 6;
    refuse_spec(&spec, "has task 6 twice, or too far");
    spec.order = classes_order;
    spec.class_count = 2;
    refuse_spec(&spec, "its 2 classes do not fit");
    spec.class_count = 3;
    spec.classes = rows;
    memcpy(rows, classes_rows, sizeof rows);
    rows[1].first_position = 2;
    refuse_spec(&spec, "its 3 classes do not fit");
    rows[1] = classes_rows[1];
    rows[2].output_shapes = NULL;
    refuse_spec(&spec, "its 3 classes do not fit");
    spec.classes = classes_rows;
    spec.outputs = outputs;
    memcpy(outputs, classes_outputs, sizeof outputs);
    outputs[0].array.core.ndim = 1;
    refuse_spec(&spec, "its 3 classes do not fit");
    outputs[0] = classes_outputs[0];
    outputs[0].shared = true;
    refuse_spec(&spec, "output u does not have the file's 6 tasks");
}

/* Datasets of every size up to some pages: what the file is said to need is never less than what it takes. */
static void
sizes_are_estimated_from_above(void **state)
{
    enum { TASKS = 300 };
    const int64_t sizes[] = {0, 1, 32, 700, 1025, 1400, 2047, 2049, 3000, 4095, 4096, 4097, 9000};
    char names[TASKS * 12], *at = names;
    struct sheaf_shape shape = {.ndim = 1};
    const struct store_class row = {.tasks = TASKS, .chunks = 1, .tasks_per_chunk = TASKS, .output_shapes = &shape};
    const struct store_output output = {
        .name = "result", .array = {.type = SHEAF_U8, .core = {.ndim = 1}}, .grouped = true};

    (void)state;
    for (int i = 0; i < TASKS; i++)
        at += snprintf(at, 12, "%d/beam%d", i % 50, i) + 1;
    for (size_t i = 0; i < sizeof sizes / sizeof *sizes; i++) {
        struct store_spec spec = classes_spec("sizes.h5");
        int64_t most;
        spec.overwrite = true;
        spec.tasks = TASKS;
        spec.chunks = 1;
        spec.names = names;
        spec.names_bytes = at - names;
        spec.outputs = &output;
        spec.output_count = spec.class_count = 1;
        spec.classes = &row;
        spec.order = NULL;
        shape.extent[0] = sizes[i];
        test_ok(store_size(&spec, &most, &error), &error);
        free(places);
        test_ok(store_create(&spec, &map, &places, &error), &error);
        assert_true(map.bytes <= most);
        assert_true(most <= 3 * map.bytes);
    }
}

/* A group of many tiny datasets, a third of them in groups of their own. */
static void
many_datasets_are_built_within_their_estimate(void **state)
{
    enum { TASKS = 20000 };
    char *names = malloc((size_t)TASKS * 24), *at = names;
    int64_t *order = malloc((size_t)TASKS * sizeof *order), most;
    const struct sheaf_shape shapes[2] = {{.ndim = 2, .extent = {3, 3}}, {.ndim = 2, .extent = {4, 2}}};
    const struct store_class rows[2] = {
        {.tasks = TASKS / 2, .chunks = 1, .tasks_per_chunk = TASKS / 2, .output_shapes = &shapes[0]},
        {.tasks = TASKS / 2,
         .first_position = TASKS / 2,
         .first_chunk = 1,
         .chunks = 1,
         .tasks_per_chunk = TASKS / 2,
         .output_shapes = &shapes[1]}};
    struct store_spec spec = classes_spec("many.h5");
    struct timespec start, end;

    (void)state;
    assert_true(names && order);
    for (int i = 0; i < TASKS; i++) {
        at += snprintf(at, 24, i % 3 ? "beam-%05d" : "run%05d/beam", i * 7919 % TASKS) + 1;
        order[i] = i < TASKS / 2 ? 2 * i : 2 * (i - TASKS / 2) + 1;
    }
    spec.tasks = TASKS;
    spec.chunks = spec.class_count = 2;
    spec.names = names;
    spec.names_bytes = at - names;
    spec.output_count = 1;
    spec.classes = rows;
    spec.order = order;
    test_ok(store_size(&spec, &most, &error), &error);
    clock_gettime(CLOCK_MONOTONIC, &start);
    free(places);
    test_ok(store_create(&spec, &map, &places, &error), &error);
    clock_gettime(CLOCK_MONOTONIC, &end);
    const double seconds = (double)(end.tv_sec - start.tv_sec) + 1e-9 * (double)(end.tv_nsec - start.tv_nsec);
    print_message("%d datasets: %.2f s, %lld bytes of %lld\n", TASKS, seconds, (long long)map.bytes, (long long)most);
    assert_true(map.bytes <= most && map.bytes > most / 3);
    assert_int_equal(unlink("many.h5"), 0);
    free(order);
    free(names);
}

/* Create and fill files for ever; the first commit sends a byte. */
static void
work_until_killed(int news)
{
    struct store_spec spec = classes_spec("killed.h5");
    struct store_map own;
    struct store_place *lie;
    struct store *store;
    bool told = false;

    spec.overwrite = true;
    for (;;) {
        if (store_create(&spec, &own, &lie, &error) != SHEAF_OK || store_attach(&own, lie, &store, &error) != SHEAF_OK)
            _exit(1);
        for (uint32_t run = 0; run < 100; run++)
            for (int64_t chunk = 0; chunk < CLASSES_CHUNKS; chunk++) {
                if (classes_commit(store, chunk, run, digest, &error) != SHEAF_OK)
                    _exit(2);
                if (!told && write(news, "", 1) != 1)
                    _exit(4);
                told = true;
            }
        if (store_detach(store, &error) != SHEAF_OK)
            _exit(3);
        free(lie);
    }
}

/* Add what the file holds of a chunk to the digest, through the library. */
static void
digest_chunk(hid_t file, const struct store_map *found, int descriptor, const struct record_chunk *record)
{
    static double bytes[CLASSES_ELEMENTS];
    const int64_t *tasks = classes_order + record->first;
    const int64_t tables[3][2] = {{found->output_offsets[1], 8}, {found->status_offset, 1}, {found->info_offset, 4}};

    for (uint32_t i = 0; i < record->count; i++)
        record_digest_add(digest, bytes, (size_t)read_task(file, 0, tasks[i], bytes));
    for (int table = 0; table < 3; table++) {
        for (uint32_t i = 0; i < record->count; i++) {
            const size_t count = (size_t)tables[table][1];
            assert_int_equal(pread(descriptor, bytes, count, tables[table][0] + tasks[i] * tables[table][1]), count);
            record_digest_add(digest, bytes, count);
        }
        for (uint32_t i = 0; i < record->count && table == 0; i++)
            record_digest_add(digest, bytes, (size_t)read_task(file, 2, tasks[i], bytes));
    }
}

/* Every valid record's results are there; returns how many there were. */
static int
check_survivor(void)
{
    struct store_summary summary;
    int valid = 0;

    test_ok(outlined_describe("killed.h5", &summary, &error), &error);
    int descriptor = open("killed.h5", O_RDONLY);
    hid_t file = H5Fopen("killed.h5", H5F_ACC_RDONLY, H5P_DEFAULT);
    for (int64_t chunk = 0; chunk < CLASSES_CHUNKS; chunk++) {
        struct record_chunk record;
        assert_int_equal(pread(descriptor, &record, sizeof record, summary.map.chunks_offset + chunk * 128), 128);
        if (!record_chunk_valid(&record, chunk) || record.state != RECORD_DONE)
            continue;
        valid++;
        record_digest_reset(digest);
        digest_chunk(file, &summary.map, descriptor, &record);
        assert_int_equal(record_digest_value(digest), record.result_checksum);
    }
    H5Fclose(file);
    close(descriptor);
    store_summary_free(&summary);
    return valid;
}

static void
a_kill_at_any_moment_leaves_a_file_that_opens(void **state)
{
    (void)state;
    victim_kill_at_any_moment(work_until_killed, check_survivor, 20261122);
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(each_task_has_its_result),
        cmocka_unit_test(places_are_those_of_the_datasets),
        cmocka_unit_test(writes_outside_are_refused),
        cmocka_unit_test(a_summary_goes_by_the_order),
        cmocka_unit_test(without_an_order_positions_are_tasks),
        cmocka_unit_test(damaged_files_are_refused),
        cmocka_unit_test(names_that_collide_are_refused),
        cmocka_unit_test(classes_that_do_not_fit_are_refused),
        cmocka_unit_test(sizes_are_estimated_from_above),
        cmocka_unit_test(many_datasets_are_built_within_their_estimate),
        cmocka_unit_test(a_kill_at_any_moment_leaves_a_file_that_opens),
    };
    int failed = cmocka_run_group_tests(tests, store_test_begin, store_test_end);
    free(places);
    return failed;
}
