/* Results files that are read again and compared with their checksums: what is damaged is named, and nothing else. */
#include "store.h"
#include "store_classes.h"
#include "store_example.h"
#include "store_kill.h"
#include "store_outlined.h"
#include "store_test.h"
#include "store_verify.h"

#include <hdf5.h>

enum { FINDINGS_MAX = 16, RECORD_BYTES = sizeof(struct record_chunk) };

static struct sheaf_error error;
static struct store_map map;
static struct store_place *places;
static struct store_verdict verdict;
static struct {
    enum store_damage damage;
    int64_t row, tasks;
    char text[STORE_FINDING_TASKS_TEXT], reason[SHEAF_ERROR_TEXT];
} findings[FINDINGS_MAX];
static int finding_count;

static void
note(const struct store_finding *finding, void *context)
{
    assert_ptr_equal(context, &verdict);
    assert_true(finding_count < FINDINGS_MAX);
    findings[finding_count].damage = finding->damage;
    findings[finding_count].row = finding->row;
    findings[finding_count].tasks = finding->tasks;
    strcpy(findings[finding_count].text, finding->text);
    strcpy(findings[finding_count++].reason, finding->reason ? finding->reason : "");
}

static enum sheaf_status
verify(const char *path)
{
    finding_count = 0;
    error = (struct sheaf_error){.status = SHEAF_OK};
    return outlined_verify(path, note, &verdict, &verdict, &error);
}

static void
expect_right(const char *path, int64_t chunks, int64_t tasks)
{
    test_ok(verify(path), &error);
    if (finding_count > 0)
        fail_msg("damage %d of %lld: %s %s", (int)findings[0].damage, (long long)findings[0].row, findings[0].text,
                 findings[0].reason);
    assert_int_equal(verdict.chunks_right, chunks);
    assert_int_equal(verdict.tasks_right, tasks);
    assert_int_equal(verdict.chunks_damaged + verdict.tasks_damaged + verdict.rows_damaged, 0);
}

/* Just this one. @param[in] tasks  0: it is a row of another table */
static void
expect_damage(const char *path, enum store_damage damage, int64_t row, int64_t tasks, const char *text)
{
    test_ok(verify(path), &error);
    assert_int_equal(finding_count, 1);
    assert_int_equal(findings[0].damage, damage);
    assert_int_equal(findings[0].row, row);
    assert_int_equal(findings[0].tasks, tasks);
    assert_string_equal(findings[0].text, text);
    assert_int_equal(verdict.chunks_damaged, tasks > 0);
    assert_int_equal(verdict.tasks_damaged, tasks);
    assert_int_equal(verdict.rows_damaged, tasks == 0);
}

/* All but the last chunk of the example, a run's row, a mark. */
static void
make_example(const char *path)
{
    struct store_spec spec = example_spec(path);
    struct record_run run = {.state = RUN_FINISHED, .number = 2, .host = "node0"};
    struct record_mark mark = {.run = 2, .sequence = 6};
    struct store *store;
    uint32_t row;

    spec.overwrite = true;
    free(places);
    test_ok(store_create(&spec, &map, &places, &error), &error);
    test_ok(store_attach(&map, places, &store, &error), &error);
    for (int64_t chunk = 0; chunk < EXAMPLE_CHUNKS - 1; chunk++)
        test_ok(example_commit(store, chunk, 2, digest, &error), &error);
    test_ok(store_enter_hosts(store, 1, (const char(*)[RECORD_HOST_BYTES])run.host, &row, &error), &error);
    test_ok(store_write_run(store, &run, &error), &error);
    test_ok(store_write_mark(store, row, &mark, &error), &error);
    test_ok(store_detach(store, &error), &error);
}

static void
make_classes(const char *path)
{
    struct store_spec spec = classes_spec(path);
    struct store *store;

    spec.overwrite = true;
    free(places);
    test_ok(store_create(&spec, &map, &places, &error), &error);
    test_ok(store_attach(&map, places, &store, &error), &error);
    for (int64_t chunk = 0; chunk < CLASSES_CHUNKS; chunk++)
        test_ok(classes_commit(store, chunk, 0, digest, &error), &error);
    test_ok(store_detach(store, &error), &error);
}

/* Close a file as if it had been at rest for long: nobody is waited for. */
static void
close_at_rest(int file)
{
    const struct timespec times[2] = {{.tv_sec = 1000000000}, {.tv_sec = 1000000000}};

    assert_int_equal(futimens(file, times), 0);
    assert_int_equal(close(file), 0);
}

/* Change one bit; again changes it back. */
static void
flip(const char *path, int64_t offset, int bit)
{
    char byte;
    int file = open(path, O_RDWR);

    assert_int_equal(pread(file, &byte, 1, offset), 1);
    byte = (char)(byte ^ (1 << bit));
    assert_int_equal(pwrite(file, &byte, 1, offset), 1);
    close_at_rest(file);
}

static struct record_chunk
get_record(const char *path, int64_t chunk)
{
    struct record_chunk record;
    int file = open(path, O_RDONLY);

    assert_int_equal(pread(file, &record, sizeof record, map.chunks_offset + chunk * RECORD_BYTES), RECORD_BYTES);
    assert_int_equal(close(file), 0);
    return record;
}

static void
put_record(const char *path, int64_t chunk, const struct record_chunk *record)
{
    int file = open(path, O_RDWR);

    assert_int_equal(pwrite(file, record, sizeof *record, map.chunks_offset + chunk * RECORD_BYTES), RECORD_BYTES);
    close_at_rest(file);
}

static void
what_was_committed_is_right(void **state)
{
    (void)state;
    make_example("right.h5");
    expect_right("right.h5", EXAMPLE_CHUNKS - 1, 48);
    assert_int_equal(verdict.chunks, EXAMPLE_CHUNKS);
    assert_int_equal(verdict.tasks, EXAMPLE_TASKS);
    assert_int_equal(verdict.bytes, 48 * (EXAMPLE_ROWS * EXAMPLE_COLUMNS * 8 + 7 * 8 + 1 + 4));
    test_ok(outlined_verify("right.h5", NULL, NULL, &verdict, &error), &error);
    make_classes("right-classes.h5");
    expect_right("right-classes.h5", CLASSES_CHUNKS, CLASSES_TASKS);
}

static void
every_byte_of_a_record_counts(void **state)
{
    (void)state;
    make_example("record.h5");
    for (int byte = 0; byte < RECORD_BYTES; byte++) {
        const int64_t at = map.chunks_offset + 2 * RECORD_BYTES + byte;
        flip("record.h5", at, byte % 8);
        expect_damage("record.h5", STORE_DAMAGE_RECORD, 2, EXAMPLE_PER_CHUNK, "tasks 16 to 23");
        flip("record.h5", at, byte % 8);
    }
    expect_right("record.h5", EXAMPLE_CHUNKS - 1, 48);
}

static void
torn_and_misplaced_records_are_seen(void **state)
{
    struct record_chunk torn, other;

    (void)state;
    make_example("torn.h5");
    const struct record_chunk record = get_record("torn.h5", 3);
    for (size_t cut = 1; cut < sizeof record; cut += 6) {
        torn = (struct record_chunk){.state = 0};
        memcpy(&torn, &record, cut);
        put_record("torn.h5", 3, &torn);
        expect_damage("torn.h5", STORE_DAMAGE_RECORD, 3, EXAMPLE_PER_CHUNK, "tasks 24 to 31");
    }
    put_record("torn.h5", 3, &record);
    other = get_record("torn.h5", 4);
    put_record("torn.h5", 3, &other);
    expect_damage("torn.h5", STORE_DAMAGE_RECORD, 3, EXAMPLE_PER_CHUNK, "tasks 24 to 31");
    record_chunk_seal(&other, 3);
    put_record("torn.h5", 3, &other);
    expect_damage("torn.h5", STORE_DAMAGE_GRID, 3, EXAMPLE_PER_CHUNK, "tasks 24 to 31");
    other = record;
    other.class_index = 1;
    record_chunk_seal(&other, 3);
    put_record("torn.h5", 3, &other);
    expect_damage("torn.h5", STORE_DAMAGE_GRID, 3, EXAMPLE_PER_CHUNK, "tasks 24 to 31");
    /* the last chunk is shorter: as long as the others it would reach past the end */
    other = record;
    other.first = 48;
    record_chunk_seal(&other, 6);
    put_record("torn.h5", 3, &record);
    put_record("torn.h5", 6, &other);
    expect_damage("torn.h5", STORE_DAMAGE_GRID, 6, 2, "tasks 48 to 49");
}

static void
what_is_not_committed_is_not_looked_at(void **state)
{
    const struct record_chunk none = {.state = RECORD_PENDING};

    (void)state;
    make_example("pending.h5");
    struct record_chunk started = get_record("pending.h5", 1);
    started.state = RECORD_STARTED;
    record_chunk_seal(&started, 1);
    put_record("pending.h5", 0, &none);
    put_record("pending.h5", 1, &started);
    flip("pending.h5", map.output_offsets[0], 0);
    flip("pending.h5", map.status_offset + EXAMPLE_PER_CHUNK, 0);
    expect_right("pending.h5", EXAMPLE_CHUNKS - 3, 32);
}

/* The first and the last byte that some tasks have in a table. */
static void
flip_in_table(const char *path, int64_t offset, int64_t bytes, int64_t chunk, const char *text)
{
    const int64_t tasks = example_count(chunk), first = offset + chunk * EXAMPLE_PER_CHUNK * bytes;
    const int64_t at[] = {first, first + tasks * bytes - 1};

    for (int i = 0; i < 2; i++) {
        flip(path, at[i], i);
        expect_damage(path, STORE_DAMAGE_RESULTS, chunk, tasks, text);
        flip(path, at[i], i);
    }
}

static void
a_changed_byte_is_named(void **state)
{
    (void)state;
    make_example("byte.h5");
    for (int output = 0; output < 2; output++)
        flip_in_table("byte.h5", map.output_offsets[output], map.output_task_bytes[output], 5, "tasks 40 to 47");
    flip_in_table("byte.h5", map.status_offset, 1, 0, "tasks 0 to 7");
    flip_in_table("byte.h5", map.info_offset, 4, 1, "tasks 8 to 15");
    flip("byte.h5", map.output_offsets[2], 0); /* shared by all tasks: of no chunk */
    expect_right("byte.h5", EXAMPLE_CHUNKS - 1, 48);
}

static void
rows_of_runs_and_marks_count(void **state)
{
    (void)state;
    make_example("rows.h5");
    const int64_t runs[] = {0, 4, 100, 4095}, marks[] = {0, 8, 16, 31};
    for (size_t i = 0; i < sizeof runs / sizeof *runs; i++) {
        flip("rows.h5", map.runs_offset + 2 * 4096 + runs[i], 5);
        expect_damage("rows.h5", STORE_DAMAGE_RUN, 2, 0, "");
        flip("rows.h5", map.runs_offset + 2 * 4096 + runs[i], 5);
        flip("rows.h5", map.marks_offset + marks[i], 5);
        expect_damage("rows.h5", STORE_DAMAGE_MARK, 0, 0, "");
        flip("rows.h5", map.marks_offset + marks[i], 5);
    }
    flip("rows.h5", map.marks_offset + 32 * 1000, 0);
    expect_damage("rows.h5", STORE_DAMAGE_MARK, 1000, 0, "");
}

/* Of the file of classes: positions 2 (task 5), 3 and 4 (1 and 2), 5 (4), and 0 and 1 (0 and 3). */
static void
groups_are_named_by_datasets(void **state)
{
    static const char *const texts[CLASSES_CHUNKS] = {"tasks 0, 3 (b/x, c.d)", "task 5 (z/y/\303\244)",
                                                      "tasks 1 to 2 (a, b/y)", "task 4 (a-b)"};

    (void)state;
    make_classes("groups.h5");
    for (int64_t chunk = 0; chunk < CLASSES_CHUNKS; chunk++)
        for (int64_t i = 0; i < classes_chunks[chunk][1]; i++) {
            const int64_t task = classes_order[classes_chunks[chunk][0] + i];
            const int64_t at[] = {places[task].bytes ? places[task].offset : -1,
                                  places[CLASSES_TASKS + task].offset + places[CLASSES_TASKS + task].bytes - 1,
                                  map.output_offsets[1] + task * 8, map.status_offset + task,
                                  map.info_offset + 4 * task + 3};
            for (size_t k = 0; k < sizeof at / sizeof *at; k++) {
                if (at[k] < 0)
                    continue;
                flip("groups.h5", at[k], 6);
                expect_damage("groups.h5", STORE_DAMAGE_RESULTS, chunk, classes_chunks[chunk][1], texts[chunk]);
                flip("groups.h5", at[k], 6);
            }
        }
    expect_right("groups.h5", CLASSES_CHUNKS, CLASSES_TASKS);
}

/* Of each damage: is the file still one, and which chunk cannot be read for what reason? */
static void
unlink_dataset(hid_t file)
{
    assert_true(H5Ldelete(file, "/w/a", H5P_DEFAULT) >= 0);
}

static void
spoil_order(hid_t file)
{
    const int64_t order[CLASSES_TASKS] = {0, 3, 6, 1, 2, 4};
    hid_t dataset = H5Dopen2(file, "/sheaf/order", H5P_DEFAULT);
    assert_true(H5Dwrite(dataset, H5T_NATIVE_INT64, H5S_ALL, H5S_ALL, H5P_DEFAULT, order) >= 0);
    H5Dclose(dataset);
}

static void
unlink_names(hid_t file)
{
    assert_true(H5Ldelete(file, "/sheaf/names", H5P_DEFAULT) >= 0);
}

/* fewer names than tasks */
static void
replace_names(hid_t file)
{
    unlink_names(file);
    assert_true(H5Lcreate_hard(file, "/sheaf/status", file, "/sheaf/names", H5P_DEFAULT, H5P_DEFAULT) >= 0);
    hid_t dataset = H5Dopen2(file, "/sheaf/status", H5P_DEFAULT);
    const char bytes[CLASSES_TASKS] = "ab";
    assert_true(H5Dwrite(dataset, H5T_NATIVE_INT8, H5S_ALL, H5S_ALL, H5P_DEFAULT, bytes) >= 0);
    H5Dclose(dataset);
}

static void
break_in_library(void (*damage)(hid_t file))
{
    make_classes("broken.h5");
    hid_t file = H5Fopen("broken.h5", H5F_ACC_RDWR, H5P_DEFAULT);
    damage(file);
    H5Fclose(file);
}

static void
what_cannot_be_read_is_told(void **state)
{
    (void)state;
    break_in_library(unlink_dataset);
    expect_damage("broken.h5", STORE_DAMAGE_READING, 2, 2, "tasks 1 to 2 (a, b/y)");
    assert_non_null(strstr(findings[0].reason, "/w/a is missing or wrong"));
    break_in_library(spoil_order);
    expect_damage("broken.h5", STORE_DAMAGE_READING, 1, 1, "task that /sheaf/order does not tell");
    assert_non_null(strstr(findings[0].reason, "/sheaf/order has no such task: 6"));
    break_in_library(unlink_names);
    test_error(verify("broken.h5"), SHEAF_BAD_DATA, &error, "/sheaf/names is missing or wrong");
    break_in_library(replace_names);
    test_error(verify("broken.h5"), SHEAF_BAD_DATA, &error, "/sheaf/names is missing or wrong");
}

/* Numbers in /sheaf/classes, which has no checksum, that do not cover the chunks. */
static void
classes_that_do_not_fit_are_refused(void **state)
{
    (void)state;
    const int fields[] = {0, 8, 16, 24, 32};
    for (int64_t row = 0; row < 3; row++)
        for (size_t i = 0; i < sizeof fields / sizeof *fields; i++) {
            make_classes("classes.h5");
            hid_t file = H5Fopen("classes.h5", H5F_ACC_RDONLY, H5P_DEFAULT);
            hid_t dataset = H5Dopen2(file, "/sheaf/classes", H5P_DEFAULT);
            const int64_t at = (int64_t)H5Dget_offset(dataset) + row * 1024 + fields[i];
            H5Dclose(dataset);
            H5Fclose(file);
            /* 64 more is too many, but not of tasks a chunk: there the sign */
            flip("classes.h5", fields[i] == 32 ? at + 7 : at, fields[i] == 32 ? 7 : 6);
            test_error(verify("classes.h5"), SHEAF_BAD_DATA, &error, "/sheaf/classes is missing or wrong");
        }
}

static void
other_files_are_refused(void **state)
{
    static const char text[] = "no HDF5 at all";

    (void)state;
    test_error(verify("nowhere.h5"), SHEAF_NO_INPUT, &error, "nowhere.h5");
    test_put("text.h5", text, sizeof text);
    test_error(verify("text.h5"), SHEAF_NO_INPUT, &error, "is not an HDF5 file");
    hid_t file = H5Fcreate("other.h5", H5F_ACC_TRUNC, H5P_DEFAULT, H5P_DEFAULT);
    H5Fclose(file);
    test_error(verify("other.h5"), SHEAF_BAD_DATA, &error, "it has no /sheaf");
    make_example("short.h5");
    for (int64_t bytes = map.bytes - 1; bytes > 0; bytes = bytes * 3 / 4) {
        assert_int_equal(truncate("short.h5", bytes), 0);
        const enum sheaf_status status = verify("short.h5");
        if (status != SHEAF_BAD_DATA)
            test_error(status, SHEAF_NO_INPUT, &error, "short.h5");
    }
}

/* Compute all chunks again and again, each time with other results; between two times there is a moment to read them. */
static void
work_until_killed(int news)
{
    const struct store_spec spec = classes_spec("written.h5");
    struct store *store;

    if (store_create(&spec, &map, &places, &error) != SHEAF_OK ||
        store_attach(&map, places, &store, &error) != SHEAF_OK)
        _exit(1);
    for (uint32_t run = 0;; run++) {
        for (int64_t chunk = 0; chunk < CLASSES_CHUNKS; chunk++)
            if (classes_commit(store, chunk, run, digest, &error) != SHEAF_OK)
                _exit(2);
        nanosleep(&(struct timespec){.tv_nsec = 200000}, NULL);
        if (run == 0 && write(news, "", 1) != 1)
            _exit(3);
    }
}

static void
what_is_written_meanwhile_is_not_damaged(void **state)
{
    int64_t right = 0;

    (void)state;
    const struct victim victim = victim_start(work_until_killed);
    victim_await(&victim);
    /* each look waits a moment for every chunk that changes: long on a machine that is busy */
    const time_t end = time(NULL) + 5;
    for (int round = 0; round == 0 || (round < 100 && time(NULL) < end); round++) {
        test_ok(verify("written.h5"), &error);
        if (finding_count > 0)
            fail_msg("damage %d of chunk %lld: %s", (int)findings[0].damage, (long long)findings[0].row,
                     findings[0].reason);
        right += verdict.chunks_right;
    }
    victim_kill(&victim);
    assert_true(right > 0);
    test_ok(verify("written.h5"), &error);
    /* in so short a table a record may lie in two pages, and a kill comes between them */
    if (finding_count > 0)
        assert_int_equal(findings[0].damage, STORE_DAMAGE_RECORD);
    assert_true(finding_count <= 1);
    assert_true(verdict.chunks_right >= CLASSES_CHUNKS - 1);
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(what_was_committed_is_right),
        cmocka_unit_test(every_byte_of_a_record_counts),
        cmocka_unit_test(torn_and_misplaced_records_are_seen),
        cmocka_unit_test(what_is_not_committed_is_not_looked_at),
        cmocka_unit_test(a_changed_byte_is_named),
        cmocka_unit_test(rows_of_runs_and_marks_count),
        cmocka_unit_test(groups_are_named_by_datasets),
        cmocka_unit_test(what_cannot_be_read_is_told),
        cmocka_unit_test(classes_that_do_not_fit_are_refused),
        cmocka_unit_test(other_files_are_refused),
        cmocka_unit_test(what_is_written_meanwhile_is_not_damaged),
    };
    int failed = cmocka_run_group_tests(tests, store_test_begin, store_test_end);
    free(places);
    return failed;
}
