#include "store.h"
#include "store_example.h"
#include "store_kill.h"
#include "store_outline.h"
#include "store_outlined.h"
#include "store_test.h"

#include <dirent.h>
#include <hdf5.h>
#include <signal.h>
#include <stdlib.h>
#include <sys/resource.h>

static struct sheaf_error error;
static struct store_map map;
static struct store_place *places; /* stays NULL: nothing is grouped in the example */

static struct store *
create_and_attach(const char *path)
{
    struct store *store;
    struct store_spec spec = example_spec(path);

    spec.overwrite = true;
    test_ok(store_create(&spec, &map, &places, &error), &error);
    test_ok(store_attach(&map, places, &store, &error), &error);
    return store;
}

static void
detach(struct store *store)
{
    test_ok(store_detach(store, &error), &error);
}

/* Entries of the directory whose names contain `part`. */
static int
count_files(const char *part)
{
    int count = 0;
    DIR *directory = opendir(".");

    assert_non_null(directory);
    for (struct dirent *entry = readdir(directory); entry; entry = readdir(directory))
        count += strstr(entry->d_name, part) != NULL;
    closedir(directory);
    return count;
}

/* Read a whole dataset through the library; the element type is its own. */
static void
read_through_library(const char *path, const char *name, void *buffer)
{
    hid_t file = H5Fopen(path, H5F_ACC_RDONLY, H5P_DEFAULT), dataset = H5Dopen2(file, name, H5P_DEFAULT);
    hid_t type = H5Dget_type(dataset);

    assert_true(H5Dread(dataset, type, H5S_ALL, H5S_ALL, H5P_DEFAULT, buffer) >= 0);
    H5Tclose(type);
    H5Dclose(dataset);
    assert_true(H5Fclose(file) >= 0);
}

/* What is written before the file has its name stands in it afterwards; without a name there is no file. */
static void
a_file_is_settled_while_it_is_written(void **state)
{
    const struct store_spec spec = example_spec("settled.h5");
    struct store_settlement settlement;
    struct stat about;
    uint8_t status[EXAMPLE_TASKS];
    int32_t info[EXAMPLE_TASKS];
    struct store *store = NULL;

    (void)state;
    test_ok(store_build(&spec, &map, &places, &error), &error);
    assert_int_not_equal(access("settled.h5", F_OK), 0);
    test_ok(store_attach(&map, places, &store, &error), &error);
    test_ok(example_commit(store, 0, 0, digest, &error), &error);
    test_ok(store_settle(store, &settlement, &error), &error);
    test_ok(example_commit(store, 1, 0, digest, &error), &error);
    assert_int_equal(count_files("settled.h5"), 1);
    assert_int_equal(stat("settled.h5", &about), 0);
    assert_int_equal(about.st_size, map.bytes);
    assert_true(!settlement.reserved || about.st_blocks * 512 >= map.bytes);
    assert_true(settlement.reserve_seconds >= 0);
    test_ok(store_read_status(store, 0, EXAMPLE_TASKS, status, info, &error), &error);
    assert_int_equal(status[0], 1);
    test_ok(store_detach(store, &error), &error);
    unlink("settled.h5");

    test_ok(store_build(&spec, &map, &places, &error), &error);
    store_abandon(&map);
    assert_int_equal(count_files("settled.h5"), 0);
}

static void
a_new_file_is_whole(void **state)
{
    const struct store_spec spec = example_spec("new.h5");
    struct stat about;
    int64_t most;

    (void)state;
    test_ok(store_size(&spec, &most, &error), &error);
    test_ok(store_create(&spec, &map, &places, &error), &error);
    assert_int_equal(count_files("new.h5"), 1);
    assert_int_equal(stat("new.h5", &about), 0);
    assert_int_equal(about.st_size, map.bytes);
    assert_true(map.bytes <= most && map.bytes > most / 2);
    assert_true(map.path[0] == '/');
    assert_int_equal(map.tasks, EXAMPLE_TASKS);
    assert_int_equal(map.chunks, EXAMPLE_CHUNKS);
    assert_int_equal(map.output_count, 3);
    assert_int_equal(map.output_task_bytes[0], 12 * 9 * 8);
    assert_int_equal(map.output_task_bytes[1], 7 * 8);
    const int64_t large[] = {map.output_offsets[0], map.runs_offset, map.hosts_offset, map.marks_offset};
    for (size_t i = 0; i < sizeof large / sizeof *large; i++)
        assert_int_equal(large[i] % 4096, 0);
}

/* What nobody has written is 0, whatever was on the disk. */
static void
a_new_file_reads_as_zeros(void **state)
{
    static const char *const names[] = {"/result",     "/s",           "/once",        "/sheaf/status", "/sheaf/info",
                                        "/sheaf/runs", "/sheaf/hosts", "/sheaf/marks", "/sheaf/chunks"};
    static char buffer[RECORD_RUNS * sizeof(struct record_run)], zeros[sizeof buffer];

    (void)state;
    detach(create_and_attach("zeros.h5"));
    for (size_t i = 0; i < sizeof names / sizeof *names; i++) {
        memset(buffer, 0, sizeof buffer);
        read_through_library("zeros.h5", names[i], buffer);
        assert_memory_equal(buffer, zeros, sizeof buffer);
    }
}

static void
results_are_read_through_the_library(void **state)
{
    static double result[EXAMPLE_TASKS * EXAMPLE_ROWS * EXAMPLE_COLUMNS];
    static float s[EXAMPLE_TASKS * 7 * 2];
    const float once[5] = {1, 2, 3, 4, 5};
    float got[5];
    uint8_t status[EXAMPLE_TASKS];
    int32_t info[EXAMPLE_TASKS];
    struct store *store = create_and_attach("results.h5");

    (void)state;
    for (int64_t chunk = EXAMPLE_CHUNKS - 1; chunk >= 0; chunk--)
        test_ok(example_commit(store, chunk, 0, digest, &error), &error);
    test_ok(store_write(store, 2, 0, 1, once, NULL, &error), &error);
    test_ok(store_sync(store, &error), &error);
    test_ok(store_read_status(store, 0, EXAMPLE_TASKS, status, info, &error), &error);
    detach(store);

    read_through_library("results.h5", "/result", result);
    for (int i = 0; i < EXAMPLE_TASKS * EXAMPLE_ROWS * EXAMPLE_COLUMNS; i++)
        assert_true(result[i] == i);
    read_through_library("results.h5", "/s", s);
    for (int i = 0; i < EXAMPLE_TASKS * 7; i++)
        assert_true(s[2 * i] == (float)(int)(i / 7) && s[2 * i + 1] == (float)-(i % 7));
    read_through_library("results.h5", "/once", got);
    assert_memory_equal(got, once, sizeof once);
    for (int i = 0; i < EXAMPLE_TASKS; i++) {
        assert_int_equal(status[i], i % 10 == 9 ? 2 : 1);
        assert_int_equal(info[i], i % 10 == 9 ? 3 : 0);
    }
}

/* More than the pieces that are hashed and written at once. */
static void
large_writes_are_hashed_whole(void **state)
{
    enum { TASKS = 3, BYTES = 300001 };
    struct store_output output = {
        .name = "bytes",
        .array = {.type = SHEAF_U8, .lead = {.ndim = 1, .extent = {TASKS}}, .core = {.ndim = 1, .extent = {BYTES}}}};
    struct store_spec spec = example_spec("large.h5");
    struct store *store;
    unsigned char *bytes = malloc(TASKS * BYTES), *got = malloc(TASKS * BYTES);

    (void)state;
    assert_true(bytes && got);
    for (size_t i = 0; i < TASKS * BYTES; i++)
        bytes[i] = (unsigned char)(i * i % 257);
    spec.tasks = TASKS;
    spec.outputs = &output;
    spec.output_count = 1;
    test_ok(store_create(&spec, &map, &places, &error), &error);
    test_ok(store_attach(&map, places, &store, &error), &error);
    record_digest_reset(digest);
    test_ok(store_write(store, 0, 0, 1, bytes, digest, &error), &error);
    test_ok(store_write(store, 0, 1, 2, bytes + BYTES, digest, &error), &error);
    const uint64_t value = record_digest_value(digest);
    record_digest_reset(digest);
    record_digest_add(digest, bytes, TASKS * BYTES);
    assert_int_equal(value, record_digest_value(digest));
    read_through_library("large.h5", "/bytes", got);
    assert_memory_equal(got, bytes, TASKS * BYTES);
    detach(store);
    free(got);
    free(bytes);
}

static void
rows_outside_are_refused(void **state)
{
    struct store *store = create_and_attach("rows.h5");
    struct record_chunk record = {.count = 8};
    struct record_mark mark = {.run = 1};
    uint8_t status[EXAMPLE_TASKS + 1] = {0};
    int32_t info[EXAMPLE_TASKS + 1] = {0};
    static double result[108];

    (void)state;
    test_error(store_write(store, 3, 0, 1, result, NULL, &error), SHEAF_INTERNAL, &error, "there is no output 3");
    test_error(store_write(store, -1, 0, 1, result, NULL, &error), SHEAF_INTERNAL, &error, "there is no output -1");
    test_error(store_write(store, 0, EXAMPLE_TASKS, 1, result, NULL, &error), SHEAF_INTERNAL, &error,
               "rows 50 to 50 of result, which has 50");
    test_error(store_write(store, 2, 1, 1, result, NULL, &error), SHEAF_INTERNAL, &error, "of once, which has 1");
    test_error(store_start_chunk(store, EXAMPLE_CHUNKS, &record, &error), SHEAF_INTERNAL, &error,
               "rows 7 to 7 of chunks, which has 7");
    test_error(store_commit_chunk(store, -1, &record, &error), SHEAF_INTERNAL, &error, "of chunks");
    test_error(store_write_status(store, 43, 8, status, info, &error), SHEAF_INTERNAL, &error,
               "rows 43 to 50 of status, which has 50");
    test_error(store_read_status(store, 0, EXAMPLE_TASKS + 1, status, info, &error), SHEAF_INTERNAL, &error,
               "rows 0 to 50 of status");
    test_error(store_write_mark(store, RECORD_HOSTS, &mark, &error), SHEAF_INTERNAL, &error, "of marks");
    detach(store);
}

static void
hosts_get_rows_that_last(void **state)
{
    enum { MANY = 1100 };
    static char names[MANY][RECORD_HOST_BYTES], table[RECORD_HOSTS][RECORD_HOST_BYTES];
    static uint32_t rows[MANY];
    struct store *store = create_and_attach("hosts.h5");

    (void)state;
    for (int i = 0; i < MANY; i++)
        snprintf(names[i], sizeof names[i], "node%04d", i);
    memset(names[2], 'x', RECORD_HOST_BYTES - 1);
    test_ok(store_enter_hosts(store, 3, (const char(*)[RECORD_HOST_BYTES])names, rows, &error), &error);
    assert_true(rows[0] == 0 && rows[1] == 1 && rows[2] == 2);
    test_ok(store_enter_hosts(store, 2, (const char(*)[RECORD_HOST_BYTES])(names + 2), rows, &error), &error);
    assert_true(rows[0] == 2 && rows[1] == 3);
    test_ok(store_enter_hosts(store, MANY, (const char(*)[RECORD_HOST_BYTES])names, rows, &error), &error);
    for (uint32_t i = 0; i < MANY; i++)
        assert_int_equal(rows[i], i < RECORD_HOSTS - 1 ? i : RECORD_HOSTS - 1);
    detach(store);
    read_through_library("hosts.h5", "/sheaf/hosts", table);
    assert_string_equal(table[1], "node0001");
    assert_string_equal(table[1022], "node1022");
    assert_string_equal(table[1023], "(others)");
}

static void
runs_and_marks_have_their_rows(void **state)
{
    static struct record_run runs[RECORD_RUNS];
    static struct record_mark marks[RECORD_HOSTS];
    struct record_run run = {.state = RUN_RUNNING, .number = RECORD_RUNS + 3, .host = "node0"};
    struct record_mark mark = {.run = 2, .sequence = 99};
    struct store *store = create_and_attach("runs.h5");

    (void)state;
    test_ok(store_write_run(store, &run, &error), &error);
    test_ok(store_write_mark(store, 17, &mark, &error), &error);
    detach(store);
    read_through_library("runs.h5", "/sheaf/runs", runs);
    assert_true(record_run_valid(&runs[3]));
    assert_string_equal(runs[3].host, "node0");
    read_through_library("runs.h5", "/sheaf/marks", marks);
    assert_true(record_mark_valid(&marks[17], 17) && marks[17].sequence == 99);
}

/* sheaf make with shared datasets only. */
static void
a_file_may_have_no_tasks(void **state)
{
    struct store_spec spec = example_spec("none.h5");
    struct store_summary summary;
    struct store *store;
    const float once[5] = {5, 4, 3, 2, 1};
    float got[5];

    (void)state;
    spec.tasks = spec.chunks = 0;
    spec.lead.ndim = 0;
    spec.class_count = 0;
    spec.operand_count = 1;
    spec.operands = &example_operands[2];
    spec.argument_count = 0;
    spec.output_count = 1;
    spec.outputs = &example_outputs[2];
    test_ok(store_create(&spec, &map, &places, &error), &error);
    assert_int_equal(map.status_offset, -1);
    assert_int_equal(map.chunks_offset, -1);
    test_ok(store_attach(&map, places, &store, &error), &error);
    test_ok(store_write(store, 0, 0, 1, once, NULL, &error), &error);
    detach(store);
    read_through_library("none.h5", "/once", got);
    assert_memory_equal(got, once, sizeof got);
    test_ok(outlined_describe("none.h5", &summary, &error), &error);
    assert_int_equal(summary.map.tasks, 0);
    assert_true(summary.map.outputs[0].shared);
    assert_string_equal(summary.command, "");
    store_summary_free(&summary);
}

/* Of a kernel without any: its tasks leave their status, info and records. */
static void
a_file_may_have_no_output(void **state)
{
    struct store_spec spec = example_spec("silent.h5");
    struct record_chunk record = {.state = RECORD_DONE, .count = EXAMPLE_PER_CHUNK, .sequence = 1};
    uint8_t status[EXAMPLE_PER_CHUNK], read[EXAMPLE_TASKS];
    int32_t info[EXAMPLE_PER_CHUNK] = {0}, read_info[EXAMPLE_TASKS];
    struct store_summary summary;
    struct store *store;

    (void)state;
    memset(status, 1, sizeof status);
    spec.output_count = 0;
    spec.outputs = NULL;
    test_ok(store_create(&spec, &map, &places, &error), &error);
    assert_int_equal(map.output_count, 0);
    test_ok(store_attach(&map, places, &store, &error), &error);
    test_ok(store_write_status(store, 0, EXAMPLE_PER_CHUNK, status, info, &error), &error);
    test_ok(store_commit_chunk(store, 0, &record, &error), &error);
    test_error(store_write(store, 0, 0, 1, status, NULL, &error), SHEAF_INTERNAL, &error, "there is no output 0");
    test_ok(store_read_status(store, 0, EXAMPLE_TASKS, read, read_info, &error), &error);
    assert_memory_equal(read, status, sizeof status);
    assert_int_equal(read[EXAMPLE_PER_CHUNK], 0);
    detach(store);
    test_ok(outlined_describe("silent.h5", &summary, &error), &error);
    assert_int_equal(summary.map.output_count, 0);
    assert_int_equal(summary.tasks_done, EXAMPLE_PER_CHUNK);
    store_summary_free(&summary);
}

static void
a_summary_tells_what_was_put_in(void **state)
{
    struct record_run runs[2] = {{.state = RUN_DRAINED, .number = 0, .ranks = 4},
                                 {.state = RUN_RUNNING, .number = 1, .ranks = 8}};
    struct record_chunk record = {.first = 5 * EXAMPLE_PER_CHUNK, .count = EXAMPLE_PER_CHUNK};
    struct store_summary summary;
    struct store *store = create_and_attach("summary.h5");

    (void)state;
    test_ok(store_write_run(store, &runs[0], &error), &error);
    test_ok(store_write_run(store, &runs[1], &error), &error);
    for (int64_t chunk = 0; chunk < 3; chunk++)
        test_ok(example_commit(store, chunk, 0, digest, &error), &error);
    test_ok(store_start_chunk(store, 5, &record, &error), &error);

    /* while it is open for writing */
    test_ok(outlined_describe("summary.h5", &summary, &error), &error);
    detach(store);
    assert_string_equal(summary.program, "sheaf make");
    assert_string_equal(summary.kernel, "matmul");
    assert_string_equal(summary.signature, "(m,k),(k,n)->(m,n)");
    assert_string_equal(summary.parameters, "ord=2");
    assert_string_equal(summary.version, "0.1.0");
    assert_int_equal(strlen(summary.created), 20);
    assert_string_equal(summary.command, "sheaf run matmul 'a file.h5:/a' 'it'\\''s' '' -o out.h5");
    assert_int_equal(summary.seed, 42);
    assert_int_equal(summary.lead.ndim, 2);
    assert_int_equal(summary.lead.extent[1], 5);
    assert_int_equal(summary.chunks_done, 3);
    assert_int_equal(summary.chunks_started, 1);
    assert_int_equal(summary.tasks_done, 24);
    assert_int_equal(summary.tasks_failed, 2);
    assert_int_equal(summary.status_counts[1], 22);
    assert_int_equal(summary.status_counts[2], 2);
    assert_int_equal(summary.status_counts[0], 0);
    assert_int_equal(summary.run_count, 2);
    assert_int_equal(summary.run.ranks, 8);

    /* the places are those that the builder told */
    assert_string_equal(summary.map.path, map.path);
    assert_int_equal(summary.map.bytes, map.bytes);
    assert_int_equal(summary.map.chunks_offset, map.chunks_offset);
    assert_int_equal(summary.map.status_offset, map.status_offset);
    assert_int_equal(summary.map.info_offset, map.info_offset);
    assert_int_equal(summary.map.runs_offset, map.runs_offset);
    assert_int_equal(summary.map.hosts_offset, map.hosts_offset);
    assert_int_equal(summary.map.marks_offset, map.marks_offset);
    assert_int_equal(summary.map.output_count, 3);
    for (int i = 0; i < 3; i++) {
        assert_int_equal(summary.map.outputs[i].shared, i == 2);
        assert_true(sheaf_shape_equal(&summary.map.outputs[i].array.lead, &map.outputs[i].array.lead));
        assert_int_equal(summary.map.output_offsets[i], map.output_offsets[i]);
        assert_int_equal(summary.map.output_task_bytes[i], map.output_task_bytes[i]);
        assert_int_equal(summary.map.outputs[i].array.type, map.outputs[i].array.type);
        assert_true(sheaf_shape_equal(&summary.map.outputs[i].array.core, &map.outputs[i].array.core));
    }
    assert_int_equal(summary.operand_count, 3);
    assert_string_equal(summary.operands[0].text, "beams.h5:/a");
    assert_string_equal(summary.operands[0].path, "/somewhere/beams.h5");
    assert_int_equal(summary.operands[0].fingerprint, UINT64_C(0xfedcba9876543210));
    assert_int_equal(summary.operands[0].file_mtime, 1234567890123456789);
    assert_int_equal(summary.operands[0].array.lead.extent[0], 10);
    assert_int_equal(summary.operands[0].task_bytes, 384);
    assert_true(summary.operands[1].countless);
    assert_int_equal(summary.operands[1].generate.distribution, GENERATE_NORMAL);
    assert_int_equal(summary.operands[1].generate.seed, 42);
    assert_int_equal(summary.operands[1].generate.operand, 1);
    store_summary_free(&summary);
    store_summary_free(NULL);
}

static void
a_summary_knows_uneven_sets(void **state)
{
    const struct source_map operand = {.text = "a.h5:/b*",
                                       .kind = SOURCE_SET,
                                       .uneven = true,
                                       .array = {.type = SHEAF_F64,
                                                 .lead = {.ndim = 1, .extent = {EXAMPLE_TASKS}},
                                                 .core = {.ndim = 2, .extent = {12, 0}}},
                                       .task_bytes = 384,
                                       .offset = -1,
                                       .file_type = SHEAF_F64};
    struct store_spec spec = example_spec("uneven.h5");
    struct store_summary summary;

    (void)state;
    spec.operand_count = 1;
    spec.operands = &operand;
    spec.output_count = 2;
    test_ok(store_create(&spec, &map, &places, &error), &error);
    test_ok(outlined_describe("uneven.h5", &summary, &error), &error);
    assert_true(summary.operands[0].uneven);
    assert_true(sheaf_shape_equal(&summary.operands[0].array.core, &operand.array.core));
    store_summary_free(&summary);
}

/* A record counts only whole, and in its own row. */
static void
invalid_records_do_not_count(void **state)
{
    struct store_summary summary;
    struct record_chunk record;
    struct store *store = create_and_attach("torn.h5");

    (void)state;
    for (int64_t chunk = 0; chunk < EXAMPLE_CHUNKS; chunk++)
        test_ok(example_commit(store, chunk, 0, digest, &error), &error);
    detach(store);
    int descriptor = open("torn.h5", O_RDWR);
    assert_int_equal(pread(descriptor, &record, sizeof record, map.chunks_offset), sizeof record);
    record.failed++;
    assert_int_equal(pwrite(descriptor, &record, sizeof record, map.chunks_offset), sizeof record);
    assert_int_equal(pread(descriptor, &record, sizeof record, map.chunks_offset + 128), sizeof record);
    assert_int_equal(pwrite(descriptor, &record, sizeof record, map.chunks_offset + 256), sizeof record);
    record.first = EXAMPLE_TASKS;
    record_chunk_seal(&record, 3);
    assert_int_equal(pwrite(descriptor, &record, sizeof record, map.chunks_offset + 3 * 128), sizeof record);
    close(descriptor);
    test_ok(outlined_describe("torn.h5", &summary, &error), &error);
    assert_int_equal(summary.chunks_done, EXAMPLE_CHUNKS - 3);
    assert_int_equal(summary.tasks_done, EXAMPLE_TASKS - 3 * EXAMPLE_PER_CHUNK);
    store_summary_free(&summary);
}

static void
refuse_target(const char *path, bool overwrite, int64_t bytes, const char *part)
{
    error = (struct sheaf_error){.status = SHEAF_OK};
    test_error(store_check_target(path, overwrite, bytes, example_operands, 2, &error), SHEAF_NO_OUTPUT, &error, part);
}

static void
targets_are_checked(void **state)
{
    char longest[STORE_PATH_BYTES + 10];
    struct stat about;

    (void)state;
    test_ok(store_check_target("products.h5", false, 1000, example_operands, 2, &error), &error);
    test_ok(store_check_target("./products.h5", false, 1000, NULL, 0, &error), &error);
    assert_int_equal(count_files("products.h5"), 0);
    test_put("there.h5", "x", 1);
    refuse_target("there.h5", false, 1000, "there.h5 exists; give --overwrite to replace it, or another -o");
    test_ok(store_check_target("there.h5", true, 1000, example_operands, 2, &error), &error);

    assert_int_equal(stat("there.h5", &about), 0);
    example_operands[0].file_device = about.st_dev;
    example_operands[0].file_inode = about.st_ino;
    refuse_target("there.h5", true, 1000, "there.h5 is the file of input beams.h5:/a; give another -o");
    refuse_target("there.h5", false, 1000, "there.h5 is the file of input beams.h5:/a");
    assert_int_equal(link("there.h5", "same.h5"), 0);
    refuse_target("same.h5", true, 1000, "same.h5 is the file of input beams.h5:/a");
    example_operands[0].file_inode = 0;

    assert_int_equal(mkdir("folder", 0700), 0);
    refuse_target("folder", true, 1000, "folder is a directory; give another -o");
    assert_int_equal(symlink("there.h5", "link.h5"), 0);
    refuse_target("link.h5", true, 1000, "link.h5 is a symbolic link; give another -o");
    assert_int_equal(mkfifo("pipe.h5", 0600), 0);
    refuse_target("pipe.h5", true, 1000, "pipe.h5 is not a regular file; give another -o");
    refuse_target("nowhere/out.h5", true, 1000, "nowhere/out.h5: cannot create it in nowhere: No such file");
    refuse_target("there.h5/out.h5", true, 1000, "there.h5/out.h5: cannot create it: Not a directory");
    refuse_target("folder/", true, 1000, "\"folder/\" names no file");
    refuse_target("..", true, 1000, "\"..\" names no file");
    refuse_target("products.h5", false, INT64_C(4000000000000000000), "products.h5: no room: the file needs 4.0 EB, ");

    memset(longest, 'n', sizeof longest - 1);
    longest[sizeof longest - 1] = '\0';
    refuse_target(longest, false, 1000, ": the path is longer than 1023 bytes");
    longest[300] = '\0';
    refuse_target(longest, false, 1000, ": cannot create it: File name too long");
}

static int
check_without_rights(void)
{
    /* root may write anywhere: become somebody else */
    if (mkdir("closed", 0555) != 0 || (geteuid() == 0 && seteuid(65534) != 0))
        return TEST_SKIPPED;
    if (access("closed", X_OK) != 0)
        return TEST_SKIPPED;
    /* access() goes by the real user */
    if (getuid() == 0 && (seteuid(0) != 0 || setuid(65534) != 0))
        return TEST_SKIPPED;
    if (store_check_target("closed/out.h5", false, 1000, NULL, 0, &error) != SHEAF_NO_OUTPUT)
        return 1;
    if (strstr(error.text, "closed/out.h5: cannot create it in closed: Permission denied"))
        return TEST_SKIPPED; /* the directories above are closed to nobody */
    return strstr(error.text, "closed/out.h5: cannot create files in /") && strstr(error.text, ": Permission denied")
               ? 0
               : 2;
}

static void
a_directory_without_rights_is_named(void **state)
{
    (void)state;
    assert_int_equal(chmod(".", 0755), 0);
    test_child_passes(check_without_rights);
}

static void
an_old_file_stays_until_the_new_is_whole(void **state)
{
    struct store_spec spec = example_spec("old.h5");
    char byte;

    (void)state;
    test_put("old.h5", "x", 1);
    test_error(store_create(&spec, &map, &places, &error), SHEAF_NO_OUTPUT, &error, "old.h5 exists; give --overwrite");
    int old = open("old.h5", O_RDONLY);
    spec.overwrite = true;
    test_ok(store_create(&spec, &map, &places, &error), &error);
    /* replaced, not written over: who reads the old one goes on */
    assert_int_equal(read(old, &byte, 1), 1);
    assert_int_equal(read(old, &byte, 1), 0);
    close(old);
    assert_int_equal(count_files("old.h5"), 1);
}

/* A file that cannot be finished; then exit() must not crash in the library. */
static int
check_failed_build(void)
{
    struct store_spec spec = example_spec("failed.h5");
    struct rlimit limit;

    spec.overwrite = true;
    signal(SIGXFSZ, SIG_IGN);
    if (getrlimit(RLIMIT_FSIZE, &limit) != 0)
        return 1;
    limit.rlim_cur = 100000;
    if (setrlimit(RLIMIT_FSIZE, &limit) != 0)
        return 2;
    if (store_create(&spec, &map, &places, &error) != SHEAF_NO_OUTPUT)
        return 3;
    if (!strstr(error.text, "failed.h5: cannot build the results file at "))
        return 4;
    return 0;
}

static void
a_failed_build_leaves_nothing(void **state)
{
    struct stat about;

    (void)state;
    test_put("failed.h5", "x", 1);
    test_child_passes(check_failed_build);
    assert_int_equal(count_files("failed.h5"), 1);
    assert_int_equal(stat("failed.h5", &about), 0);
    assert_int_equal(about.st_size, 1);
}

static void
refuse_spec(const struct store_spec *spec, enum sheaf_status expected, const char *part)
{
    error = (struct sheaf_error){.status = SHEAF_OK};
    test_error(store_create(spec, &map, &places, &error), expected, &error, part);
    assert_int_equal(count_files("refused"), 0);
}

static void
impossible_files_are_refused(void **state)
{
    struct store_spec spec = example_spec("refused.h5");
    struct store_output output = example_outputs[0];
    char *parameters = malloc(70000);

    (void)state;
    assert_non_null(parameters);
    memset(parameters, 'p', 69999);
    parameters[69999] = '\0';
    spec.parameters = parameters;
    refuse_spec(&spec, SHEAF_NO_OUTPUT, "refused.h5: cannot build the results file at parameters: ");
    free(parameters);
    spec = example_spec("refused.h5");
    spec.tasks = 49;
    refuse_spec(&spec, SHEAF_INTERNAL, "output result does not have the file's 49 tasks");
    spec = example_spec("refused.h5");
    spec.output_count = STORE_OUTPUTS_MAX + 1;
    refuse_spec(&spec, SHEAF_INTERNAL, "refused.h5: a results file of 9 outputs");
    spec.output_count = 1;
    spec.outputs = &output;
    strcpy(output.name, "sheaf");
    refuse_spec(&spec, SHEAF_INTERNAL, "an output cannot be named \"sheaf\"");
    strcpy(output.name, "a/b");
    refuse_spec(&spec, SHEAF_INTERNAL, "an output cannot be named \"a/b\"");
    strcpy(output.name, "vast");
    output.array.core.extent[0] = INT64_MAX / 8;
    refuse_spec(&spec, SHEAF_BAD_DATA, "refused.h5: the results would have more bytes than 64 bits can count");
    output.array.core.extent[0] = INT64_C(1) << 45;
    refuse_spec(&spec, SHEAF_NO_OUTPUT, "refused.h5: no room: the file needs ");
}

static void
what_is_not_the_file_built_is_not_attached(void **state)
{
    struct store *store;
    static double result[108];

    (void)state;
    detach(create_and_attach("attach.h5"));
    assert_int_equal(truncate("attach.h5", map.bytes - 1), 0);
    test_error(store_attach(&map, places, &store, &error), SHEAF_IO_ERROR, &error, "is not the file of ");
    assert_null(store);
    assert_int_equal(remove("attach.h5"), 0);
    test_error(store_attach(&map, places, &store, &error), SHEAF_NO_OUTPUT, &error,
               "attach.h5: cannot open for writing");
    test_ok(store_detach(NULL, &error), &error);

    /* a map as a network file system gives it */
    detach(create_and_attach("attach.h5"));
    map.on_nfs = true;
    test_ok(store_attach(&map, places, &store, &error), &error);
    test_ok(store_write(store, 0, 0, 1, result, NULL, &error), &error);
    detach(store);
}

static int
check_failed_write(void)
{
    struct store *store;
    struct rlimit limit;
    static double result[108];
    char expected[100];

    signal(SIGXFSZ, SIG_IGN);
    if (store_attach(&map, places, &store, &error) != SHEAF_OK || getrlimit(RLIMIT_FSIZE, &limit) != 0)
        return 1;
    limit.rlim_cur = 1;
    if (setrlimit(RLIMIT_FSIZE, &limit) != 0 || store_write(store, 0, 1, 1, result, NULL, &error) != SHEAF_IO_ERROR)
        return 2;
    snprintf(expected, sizeof expected, "/writes.h5: cannot write 864 bytes at offset %lld: File too large",
             (long long)(map.output_offsets[0] + 864));
    if (!strstr(error.text, expected))
        return 3;
    return store_detach(store, &error) == SHEAF_OK ? 0 : 4;
}

static void
a_failed_write_is_named(void **state)
{
    (void)state;
    detach(create_and_attach("writes.h5"));
    test_child_passes(check_failed_write);
}

static void
refuse_describe(const char *path, enum sheaf_status expected, const char *part)
{
    struct store_summary summary;
    error = (struct sheaf_error){.status = SHEAF_OK};
    test_error(outlined_describe(path, &summary, &error), expected, &error, part);
    assert_null(summary.operands);
    assert_null(summary.command);
}

/* Give an attribute of /sheaf other numbers. */
static void
replace_attribute(hid_t file, const char *name, hsize_t count, const int64_t *values)
{
    hid_t group = H5Gopen2(file, "/sheaf", H5P_DEFAULT), space = H5Screate_simple(1, &count, NULL);

    assert_true(H5Adelete(group, name) >= 0);
    hid_t attribute = H5Acreate2(group, name, H5T_STD_I64LE, space, H5P_DEFAULT, H5P_DEFAULT);
    assert_true(H5Awrite(attribute, H5T_NATIVE_INT64, values) >= 0);
    H5Aclose(attribute);
    H5Sclose(space);
    H5Gclose(group);
}

static void
other_files_are_told_apart(void **state)
{
    char text[200];
    const int64_t later = RECORD_FORMAT + 1;

    (void)state;
    refuse_describe("nowhere.h5", SHEAF_NO_INPUT, "nowhere.h5: cannot open nowhere.h5: No such file");
    refuse_describe(".", SHEAF_NO_INPUT, ".: . is a directory");
    test_put("text.h5", "text", 4);
    refuse_describe("text.h5", SHEAF_NO_INPUT, "text.h5 is not an HDF5 file");
    assert_int_equal(store_list_datasets("text.h5", 5, text, sizeof text, &error), SHEAF_NO_INPUT);
    assert_int_equal(store_list_datasets("nowhere.h5", 5, text, sizeof text, &error), SHEAF_NO_INPUT);
    H5Fclose(H5Fcreate("other.h5", H5F_ACC_TRUNC, H5P_DEFAULT, H5P_DEFAULT));
    refuse_describe("other.h5", SHEAF_BAD_DATA, "other.h5: is HDF5, but no results file of Sheaf's: it has no /sheaf");

    detach(create_and_attach("later.h5"));
    hid_t file = H5Fopen("later.h5", H5F_ACC_RDWR, H5P_DEFAULT);
    replace_attribute(file, "format", 1, &later);
    H5Fclose(file);
    refuse_describe("later.h5", SHEAF_BAD_DATA, "later.h5: is of format 2, this Sheaf knows up to 1");
}

static void
delete_attribute(hid_t file)
{
    H5Adelete_by_name(file, "/sheaf", "kernel", H5P_DEFAULT);
}

static void
replace_lead(hid_t file)
{
    const int64_t lead[9] = {1};
    replace_attribute(file, "lead", 9, lead);
}

static void
change_lead(hid_t file)
{
    const int64_t lead[2] = {5, 10};
    replace_attribute(file, "lead", 2, lead);
}

static void
delete_table(hid_t file)
{
    H5Ldelete(file, "/sheaf/chunks", H5P_DEFAULT);
}

static void
replace_table(hid_t file)
{
    H5Ldelete(file, "/sheaf/info", H5P_DEFAULT);
    H5Lcreate_hard(file, "/sheaf/status", file, "/sheaf/info", H5P_DEFAULT, H5P_DEFAULT);
}

static void
delete_output(hid_t file)
{
    H5Ldelete(file, "/s", H5P_DEFAULT);
}

static void
spoil_operands(hid_t file)
{
    const uint32_t type = 99;
    hid_t dataset = H5Dopen2(file, "/sheaf/operands", H5P_DEFAULT);
    const off_t offset = (off_t)H5Dget_offset(dataset);
    H5Dclose(dataset);
    int descriptor = open("damaged.h5", O_RDWR);
    assert_int_equal(pwrite(descriptor, &type, 4, offset + 2564), 4);
    close(descriptor);
}

static void
damaged_files_are_refused(void **state)
{
    const struct {
        void (*damage)(hid_t file);
        const char *part;
    } damages[] = {
        {delete_attribute, "kernel is missing or wrong"},       {replace_lead, "lead is missing or wrong"},
        {change_lead, "/result is missing or wrong"},           {delete_table, "/sheaf/chunks is missing or wrong"},
        {replace_table, "/sheaf/info is missing or wrong"},     {delete_output, "/s is missing or wrong"},
        {spoil_operands, "/sheaf/operands is missing or wrong"}};

    (void)state;
    for (size_t i = 0; i < sizeof damages / sizeof *damages; i++) {
        detach(create_and_attach("damaged.h5"));
        hid_t file = H5Fopen("damaged.h5", H5F_ACC_RDWR, H5P_DEFAULT);
        damages[i].damage(file);
        H5Fclose(file);
        refuse_describe("damaged.h5", SHEAF_BAD_DATA, damages[i].part);
    }
}

static void
datasets_are_listed(void **state)
{
    char text[400];

    (void)state;
    detach(create_and_attach("list.h5"));
    test_ok(store_list_datasets("list.h5", 2, text, sizeof text, &error), &error);
    assert_string_equal(text, "/once (5) f32\n/result (10, 5, 12, 9) f64\n...");
    /* not what stands beside the results */
    test_ok(store_list_datasets("list.h5", 3, text, sizeof text, &error), &error);
    assert_string_equal(text, "/once (5) f32\n/result (10, 5, 12, 9) f64\n/s (10, 5, 7) c64");
    assert_true(strncmp(store_library_version(), "1.", 2) == 0);
}

/* Create and fill files for ever; the first commit sends a byte. */
static void
work_until_killed(int news)
{
    struct store_spec spec = example_spec("killed.h5");
    struct store_map own;
    struct store *store;
    bool told = false;

    spec.overwrite = true;
    for (;;) {
        if (store_create(&spec, &own, &places, &error) != SHEAF_OK ||
            store_attach(&own, places, &store, &error) != SHEAF_OK)
            _exit(1);
        for (uint32_t run = 0; run < 100; run++)
            for (int64_t chunk = 0; chunk < EXAMPLE_CHUNKS; chunk++) {
                if (example_commit(store, chunk, run, digest, &error) != SHEAF_OK)
                    _exit(2);
                if (!told && write(news, "", 1) != 1)
                    _exit(4);
                told = true;
            }
        if (store_detach(store, &error) != SHEAF_OK)
            _exit(3);
    }
}

/* Every valid record's results are there; returns how many there were. */
static int
check_survivor(void)
{
    static unsigned char bytes[EXAMPLE_PER_CHUNK * (12 * 9 * 8 + 7 * 8 + 1 + 4)];
    struct store_summary summary;
    int valid = 0;

    test_ok(outlined_describe("killed.h5", &summary, &error), &error);
    int descriptor = open("killed.h5", O_RDONLY);
    for (int64_t chunk = 0; chunk < EXAMPLE_CHUNKS; chunk++) {
        struct record_chunk record;
        const struct store_map *found = &summary.map;
        const off_t place = (off_t)(found->chunks_offset + chunk * 128);
        assert_int_equal(pread(descriptor, &record, sizeof record, place), sizeof record);
        if (!record_chunk_valid(&record, chunk) || record.state != RECORD_DONE)
            continue;
        valid++;
        record_digest_reset(digest);
        const int64_t spans[4][2] = {{found->output_offsets[0], found->output_task_bytes[0]},
                                     {found->output_offsets[1], found->output_task_bytes[1]},
                                     {found->status_offset, 1},
                                     {found->info_offset, 4}};
        for (int i = 0; i < 4; i++) {
            const size_t count = (size_t)(record.count * spans[i][1]);
            const off_t offset = (off_t)(spans[i][0] + record.first * spans[i][1]);
            assert_int_equal(pread(descriptor, bytes, count, offset), count);
            record_digest_add(digest, bytes, count);
        }
        assert_int_equal(record_digest_value(digest), record.result_checksum);
    }
    close(descriptor);
    store_summary_free(&summary);
    return valid;
}

static void
a_kill_at_any_moment_leaves_a_file_that_opens(void **state)
{
    (void)state;
    victim_kill_at_any_moment(work_until_killed, check_survivor, 20261120);
}

/* A file whose name says that it was left by this process number, of this host or another one. */
static void
leave_partial(const char *other_host, long pid, char name[256])
{
    char host[65] = "";
    gethostname(host, sizeof host - 1);
    if (other_host)
        snprintf(host, sizeof host, "%s", other_host);
    snprintf(name, 256, "leftover.h5.partial-%s-%ld-0123456789abcdef", host, pid);
    FILE *file = fopen(name, "w");
    assert_non_null(file);
    fclose(file);
}

static void
what_dead_builders_left_is_removed(void **state)
{
    (void)state;
    char dead[256], dying[256], alive[256], elsewhere[256];
    pid_t child = fork();
    assert_true(child >= 0);
    if (child == 0)
        _exit(0);
    assert_int_equal(waitpid(child, NULL, 0), child);
    leave_partial(NULL, child, dead);
    /* A rank that its launcher has not waited for yet. */
    siginfo_t about;
    child = fork();
    assert_true(child >= 0);
    if (child == 0)
        _exit(0);
    assert_int_equal(waitid(P_PID, (id_t)child, &about, WEXITED | WNOWAIT), 0);
    leave_partial(NULL, child, dying);
    leave_partial(NULL, getppid(), alive);
    leave_partial("elsewhere", child, elsewhere);
    struct store_spec spec = example_spec("leftover.h5");
    assert_int_equal(store_create(&spec, &map, &places, &error), SHEAF_OK);
    assert_int_not_equal(access(dead, F_OK), 0);
    assert_int_not_equal(access(dying, F_OK), 0);
    assert_int_equal(access(alive, F_OK), 0);
    assert_int_equal(access(elsewhere, F_OK), 0);
    assert_int_equal(map.leftovers, 4);
    assert_int_equal(waitpid(child, NULL, 0), child);
    unlink(alive);
    unlink(elsewhere);
    unlink("leftover.h5");
}

/* Between its outline and what is read by it another file may get its name, or it may be cut off. */
static void
what_was_outlined_is_what_is_read(void **state)
{
    struct store_outline *outline;
    struct store_summary summary;
    int64_t bytes;

    (void)state;
    detach(create_and_attach("outlined.h5"));
    test_ok(store_outline_read("outlined.h5", true, &outline, &bytes, &error), &error);
    test_ok(store_describe("outlined.h5", outline, &summary, &error), &error);
    const int64_t whole = summary.map.bytes;
    store_summary_free(&summary);
    assert_int_equal(truncate("outlined.h5", whole - 1), 0);
    test_error(store_describe("outlined.h5", outline, &summary, &error), SHEAF_IO_ERROR, &error, "got another size");
    detach(create_and_attach("other.h5"));
    assert_int_equal(rename("other.h5", "outlined.h5"), 0);
    test_error(store_describe("outlined.h5", outline, &summary, &error), SHEAF_IO_ERROR, &error, "was replaced");
    free(outline);
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_new_file_is_whole),
        cmocka_unit_test(a_file_is_settled_while_it_is_written),
        cmocka_unit_test(a_new_file_reads_as_zeros),
        cmocka_unit_test(results_are_read_through_the_library),
        cmocka_unit_test(large_writes_are_hashed_whole),
        cmocka_unit_test(rows_outside_are_refused),
        cmocka_unit_test(hosts_get_rows_that_last),
        cmocka_unit_test(runs_and_marks_have_their_rows),
        cmocka_unit_test(a_file_may_have_no_tasks),
        cmocka_unit_test(a_file_may_have_no_output),
        cmocka_unit_test(a_summary_tells_what_was_put_in),
        cmocka_unit_test(a_summary_knows_uneven_sets),
        cmocka_unit_test(invalid_records_do_not_count),
        cmocka_unit_test(targets_are_checked),
        cmocka_unit_test(a_directory_without_rights_is_named),
        cmocka_unit_test(an_old_file_stays_until_the_new_is_whole),
        cmocka_unit_test(a_failed_build_leaves_nothing),
        cmocka_unit_test(impossible_files_are_refused),
        cmocka_unit_test(what_is_not_the_file_built_is_not_attached),
        cmocka_unit_test(a_failed_write_is_named),
        cmocka_unit_test(other_files_are_told_apart),
        cmocka_unit_test(what_was_outlined_is_what_is_read),
        cmocka_unit_test(damaged_files_are_refused),
        cmocka_unit_test(datasets_are_listed),
        cmocka_unit_test(what_dead_builders_left_is_removed),
        cmocka_unit_test(a_kill_at_any_moment_leaves_a_file_that_opens),
    };
    return cmocka_run_group_tests(tests, store_test_begin, store_test_end);
}
