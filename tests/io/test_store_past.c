/* Results files that are gone on with: what counts as done, and what is refused. */
#include "store_classes.h"
#include "store_example.h"
#include "store_outlined.h"
#include "store_past.h"
#include "store_test.h"

enum { RECORD_BYTES = sizeof(struct record_chunk), RUN = 2 };

static struct sheaf_error error;
static struct store_map map;
static struct store_place *places;
static struct store *store;

/* The chunks of the example but the last one, committed in run 2, of which the mark covers `marked`. Attached. */
static void
make_example(const char *path, uint64_t marked)
{
    struct store_spec spec = example_spec(path);
    struct record_run run = {.state = RUN_RUNNING, .number = RUN, .host = "node0"};
    struct record_mark mark = {.run = RUN, .sequence = marked};
    uint32_t row;

    spec.overwrite = true;
    spec.directory = "/some/where";
    free(places);
    test_ok(store_create(&spec, &map, &places, &error), &error);
    test_ok(store_attach(&map, places, &store, &error), &error);
    for (int64_t chunk = 0; chunk < EXAMPLE_CHUNKS - 1; chunk++)
        test_ok(example_commit(store, chunk, RUN, digest, &error), &error);
    test_ok(store_enter_hosts(store, 1, (const char(*)[RECORD_HOST_BYTES])run.host, &row, &error), &error);
    assert_int_equal(row, 0);
    test_ok(store_write_run(store, &run, &error), &error);
    test_ok(store_write_mark(store, row, &mark, &error), &error);
}

static enum sheaf_status
match(const struct store_spec *spec, struct store_past *past)
{
    error = (struct sheaf_error){.status = SHEAF_OK};
    enum sheaf_status status = outlined_past(spec->path, past, &error);
    return status == SHEAF_OK ? store_past_match(past, spec, &error) : status;
}

/* What the example's chunks come to, a letter each: Done Uncertain Never Started Torn (st)Range. */
static void
expect_conditions(const char *path, const char *expected)
{
    static const char letters[] = {
        [STORE_CHUNK_DONE] = 'D',    [STORE_CHUNK_UNCERTAIN] = 'U', [STORE_CHUNK_NEVER] = 'N',
        [STORE_CHUNK_STARTED] = 'S', [STORE_CHUNK_TORN] = 'T',      [STORE_CHUNK_STRANGE] = 'R'};
    const struct store_spec spec = example_spec(path);
    char found[EXAMPLE_CHUNKS + 1] = "";
    struct store_past past;

    test_ok(match(&spec, &past), &error);
    for (int i = 0; i < EXAMPLE_CHUNKS; i++) {
        found[i] = letters[past.chunks[i].condition];
        assert_int_equal(past.chunks[i].failed, found[i] == 'D' || found[i] == 'U' ? (i + 1) * 8 / 10 - i * 8 / 10 : 0);
    }
    store_past_free(&past);
    assert_string_equal(found, expected);
}

static void
what_is_marked_is_trusted(void **state)
{
    const struct store_spec spec = example_spec("marks.h5");
    struct store_past past;

    (void)state;
    make_example("marks.h5", 4);
    expect_conditions("marks.h5", "DDDDUUN");
    test_ok(match(&spec, &past), &error);
    assert_int_equal(past.next_run, RUN + 1);
    assert_int_equal(past.summary.run.number, RUN);
    assert_int_equal(past.host_count, 1);
    assert_string_equal(past.summary.directory, "/some/where");
    assert_string_equal(past.arguments, "sheaf");
    assert_int_equal(past.arguments_bytes, 46);
    assert_int_equal(past.summary.map.chunks_offset, map.chunks_offset);
    assert_memory_equal(past.summary.map.output_offsets, map.output_offsets, sizeof map.output_offsets);
    store_past_free(&past);
    /* of an earlier run: all that it committed; of a later one: nothing */
    struct record_mark mark = {.run = RUN + 1};
    test_ok(store_write_mark(store, 0, &mark, &error), &error);
    expect_conditions("marks.h5", "DDDDDDN");
    mark.run = RUN - 1;
    mark.sequence = 100;
    test_ok(store_write_mark(store, 0, &mark, &error), &error);
    expect_conditions("marks.h5", "UUUUUUN");
    /* a damaged one, or one in another row, says nothing */
    mark.run = RUN;
    test_ok(store_write_mark(store, 0, &mark, &error), &error);
    expect_conditions("marks.h5", "DDDDDDN");
    int file = open("marks.h5", O_RDWR);
    for (size_t byte = 0; byte < sizeof mark; byte++) {
        char value;
        assert_int_equal(pread(file, &value, 1, map.marks_offset + (off_t)byte), 1);
        value ^= 4;
        assert_int_equal(pwrite(file, &value, 1, map.marks_offset + (off_t)byte), 1);
        expect_conditions("marks.h5", "UUUUUUN");
        value ^= 4;
        assert_int_equal(pwrite(file, &value, 1, map.marks_offset + (off_t)byte), 1);
    }
    record_mark_seal(&mark, 1);
    assert_int_equal(pwrite(file, &mark, sizeof mark, map.marks_offset), sizeof mark);
    close(file);
    expect_conditions("marks.h5", "UUUUUUN");
    test_ok(store_detach(store, &error), &error);
}

static void
every_bit_of_a_record_counts(void **state)
{
    struct record_chunk record;

    (void)state;
    make_example("bits.h5", 6);
    test_ok(store_read_record(store, 2, &record, &error), &error);
    const off_t at = (off_t)(map.chunks_offset + 2 * RECORD_BYTES);
    int file = open("bits.h5", O_RDWR);
    for (int bit = 0; bit < 8 * RECORD_BYTES; bit++) {
        struct record_chunk flipped = record;
        ((unsigned char *)&flipped)[bit / 8] ^= (unsigned char)(1 << bit % 8);
        assert_int_equal(pwrite(file, &flipped, sizeof flipped, at), sizeof flipped);
        expect_conditions("bits.h5", "DDTDDDN");
    }
    assert_int_equal(pwrite(file, &record, sizeof record, at), sizeof record);
    close(file);
    expect_conditions("bits.h5", "DDDDDDN");
    test_ok(store_detach(store, &error), &error);
}

/* The first bytes of the new record, the last ones of what was there before: nothing, or the record of the start. */
static void
records_cut_at_every_byte_are_torn(void **state)
{
    struct record_chunk done, begun, cut;
    struct record_mark marks[RECORD_HOSTS] = {{.run = RUN, .sequence = 6}};

    (void)state;
    make_example("cut.h5", 6);
    record_mark_seal(&marks[0], 0);
    test_ok(store_read_record(store, 2, &done, &error), &error);
    begun = (struct record_chunk){.class_index = done.class_index, .first = done.first, .count = done.count, .run = 1};
    test_ok(store_start_chunk(store, 2, &begun, &error), &error);
    expect_conditions("cut.h5", "DDSDDDN");
    const off_t at = (off_t)(map.chunks_offset + 2 * RECORD_BYTES);
    int file = open("cut.h5", O_RDWR), started = 0;
    for (size_t bytes = 0; bytes <= RECORD_BYTES; bytes++) {
        memset(&cut, 0, sizeof cut);
        memcpy(&cut, &done, bytes);
        enum store_condition condition = store_past_judge(&cut, 2, &begun, marks);
        assert_int_equal(condition, bytes == 0              ? STORE_CHUNK_NEVER
                                    : bytes == RECORD_BYTES ? STORE_CHUNK_DONE
                                                            : STORE_CHUNK_TORN);
        cut = begun;
        memcpy(&cut, &done, bytes);
        assert_int_equal(pwrite(file, &cut, sizeof cut, at), sizeof cut);
        condition = store_past_judge(&cut, 2, &begun, marks);
        started += condition == STORE_CHUNK_STARTED;
        assert_true(condition == STORE_CHUNK_TORN || (condition == STORE_CHUNK_STARTED && started == (int)bytes + 1) ||
                    (condition == STORE_CHUNK_DONE && bytes == RECORD_BYTES));
        expect_conditions("cut.h5", condition == STORE_CHUNK_TORN      ? "DDTDDDN"
                                    : condition == STORE_CHUNK_STARTED ? "DDSDDDN"
                                                                       : "DDDDDDN");
    }
    close(file);
    assert_true(started < 2);
    /* whole, but of other tasks, and another chunk's */
    begun = done;
    begun.first++;
    test_ok(store_commit_chunk(store, 2, &begun, &error), &error);
    expect_conditions("cut.h5", "DDRDDDN");
    record_chunk_seal(&done, 3);
    assert_int_equal(store_past_judge(&done, 2, &done, marks), STORE_CHUNK_TORN);
    test_ok(store_detach(store, &error), &error);
}

/* Taken back before it is computed again, and what that comes to where nobody did. */
static void
commits_can_be_taken_back(void **state)
{
    struct record_chunk before, after;

    (void)state;
    make_example("back.h5", 6);
    test_ok(store_read_record(store, 1, &before, &error), &error);
    test_ok(store_uncommit_chunk(store, 0, false, &error), &error);
    test_ok(store_uncommit_chunk(store, 1, true, &error), &error);
    expect_conditions("back.h5", "SUDDDDN");
    test_ok(store_recommit_chunk(store, 1, &error), &error);
    test_ok(store_recommit_chunk(store, 2, &error), &error);
    expect_conditions("back.h5", "SDDDDDN");
    test_ok(store_read_record(store, 1, &after, &error), &error);
    assert_memory_equal(&before, &after, sizeof before);
    test_ok(store_detach(store, &error), &error);
}

static void
a_settled_past_is_trusted(void **state)
{
    struct store_past past;
    const struct store_spec spec = example_spec("settled.h5");

    (void)state;
    make_example("settled.h5", 0);
    expect_conditions("settled.h5", "UUUUUUN");
    test_ok(store_settle_past(store, RUN + 1, 1, 1e9, &error), &error);
    expect_conditions("settled.h5", "DDDDDDN");
    /* a start whose row is damaged keeps its number: its records have it */
    struct record_run run = {.number = 0};
    test_ok(store_write_run(store, &run, &error), &error);
    int file = open("settled.h5", O_RDWR);
    assert_int_equal(pwrite(file, "?", 1, map.runs_offset + RUN * (off_t)sizeof run + 100), 1);
    close(file);
    test_ok(match(&spec, &past), &error);
    assert_int_equal(past.summary.run.number, 0);
    assert_int_equal(past.next_run, RUN + 1);
    store_past_free(&past);
    test_ok(store_detach(store, &error), &error);
}

/* What the file holds of a chunk, hashed as FORMAT.md has it. */
static uint64_t
digest_chunk(const struct store_map *of, const int64_t *tasks, int64_t count)
{
    static char room[STORE_PIECE_BYTES];
    uint8_t status;
    int32_t info;

    record_digest_reset(digest);
    for (int output = 0; output < of->output_count; output++)
        for (int64_t i = 0; i < count && !of->outputs[output].shared; i++)
            test_ok(store_digest(store, output, tasks[i], 1, room, digest, &error), &error);
    for (int64_t i = 0; i < count; i++) {
        test_ok(store_read_status(store, tasks[i], 1, &status, &info, &error), &error);
        record_digest_add(digest, &status, 1);
    }
    for (int64_t i = 0; i < count; i++) {
        test_ok(store_read_status(store, tasks[i], 1, &status, &info, &error), &error);
        record_digest_add(digest, &info, sizeof info);
    }
    return record_digest_value(digest);
}

/* Attached to by what was read back of it, a file of groups is the one that was built. */
static void
groups_are_found_again(void **state)
{
    struct store_spec spec = classes_spec("groups.h5");
    struct store_past past;
    struct record_chunk record;
    static double bytes[2 * CLASSES_ELEMENTS], expected[CLASSES_ELEMENTS];

    (void)state;
    free(places);
    test_ok(store_create(&spec, &map, &places, &error), &error);
    test_ok(match(&spec, &past), &error);
    assert_int_equal(past.places_bytes, map.places_bytes);
    assert_memory_equal(past.places, places, (size_t)map.places_bytes);
    assert_int_equal(past.summary.map.places_bytes, map.places_bytes);
    test_ok(store_attach(&past.summary.map, past.places, &store, &error), &error);
    for (int64_t chunk = 0; chunk < CLASSES_CHUNKS; chunk++)
        test_ok(classes_commit(store, chunk, 0, digest, &error), &error);
    for (int64_t chunk = 0; chunk < CLASSES_CHUNKS; chunk++) {
        const int64_t *tasks = classes_order + classes_chunks[chunk][0];
        test_ok(store_read_record(store, chunk, &record, &error), &error);
        assert_true(digest_chunk(&map, tasks, classes_chunks[chunk][1]) == record.result_checksum);
    }
    /* tasks 1 and 2 are of different classes; their results are read one after the other */
    test_ok(store_read(store, 0, 1, 1, bytes, &error), &error);
    int64_t filled = classes_fill(1, 1, 0, 0, expected);
    assert_memory_equal(bytes, expected, (size_t)filled);
    test_ok(store_detach(store, &error), &error);
    store_past_free(&past);

    struct sheaf_shape shapes[3][CLASSES_OUTPUTS];
    struct store_class rows[3];
    memcpy(shapes, classes_shapes, sizeof shapes);
    memcpy(rows, classes_rows, sizeof rows);
    shapes[1][0].extent[1]++;
    for (int i = 0; i < 3; i++)
        rows[i].output_shapes = shapes[i];
    spec.classes = rows;
    test_error(match(&spec, &past), SHEAF_BAD_DATA, &error, "/u/a has another shape or type");
    store_past_free(&past);
    spec = classes_spec("groups.h5");
    const int64_t order[CLASSES_TASKS] = {0, 3, 5, 1, 4, 2};
    spec.order = order;
    test_error(match(&spec, &past), SHEAF_BAD_DATA, &error, "a task of the same shape is 4, it was 2");
    store_past_free(&past);
    spec.order = NULL;
    test_error(match(&spec, &past), SHEAF_BAD_DATA, &error, "the order of tasks is as given, it was by shape");
    store_past_free(&past);
    /* results were found by the names that the file has: they would land at other tasks' places */
    spec = classes_spec("groups.h5");
    static const char exchanged[] = "b/y\0a\0b/x\0c.d\0a-b\0z/y/\303\244";
    spec.names = exchanged;
    test_error(match(&spec, &past), SHEAF_BAD_DATA, &error, "the name of a task is b/y, it was b/x");
    store_past_free(&past);
}

static void
digests_see_every_changed_result(void **state)
{
    struct record_chunk record;
    int64_t tasks[EXAMPLE_PER_CHUNK];

    (void)state;
    make_example("digest.h5", 6);
    for (int64_t i = 0; i < EXAMPLE_PER_CHUNK; i++)
        tasks[i] = 3 * EXAMPLE_PER_CHUNK + i;
    test_ok(store_read_record(store, 3, &record, &error), &error);
    assert_true(digest_chunk(&map, tasks, EXAMPLE_PER_CHUNK) == record.result_checksum);
    const int64_t offsets[] = {map.output_offsets[0] + tasks[0] * map.output_task_bytes[0],
                               map.output_offsets[1] + tasks[7] * map.output_task_bytes[1] + 55,
                               map.status_offset + tasks[2], map.info_offset + tasks[7] * 4 + 3};
    int file = open("digest.h5", O_RDWR);
    for (int i = 0; i < 4; i++) {
        char byte, changed;
        assert_int_equal(pread(file, &byte, 1, offsets[i]), 1);
        changed = (char)(byte ^ 1);
        assert_int_equal(pwrite(file, &changed, 1, offsets[i]), 1);
        assert_false(digest_chunk(&map, tasks, EXAMPLE_PER_CHUNK) == record.result_checksum);
        assert_int_equal(pwrite(file, &byte, 1, offsets[i]), 1);
    }
    close(file);
    assert_true(digest_chunk(&map, tasks, EXAMPLE_PER_CHUNK) == record.result_checksum);
    test_ok(store_detach(store, &error), &error);
}

/* Each difference in one place of the spec, named with both values. */
static void
other_computations_are_refused(void **state)
{
    static struct source_map operands[3];
    static struct store_output outputs[3];
    struct store_class class = example_class;
    struct store_spec spec = example_spec("same.h5");
    struct store_past past;

    (void)state;
    make_example("same.h5", 6);
    test_ok(store_detach(store, &error), &error);
#define EXPECT(change, part)                                                                                           \
    do {                                                                                                               \
        memcpy(operands, example_operands, sizeof operands);                                                           \
        memcpy(outputs, example_outputs, sizeof outputs);                                                              \
        class = example_class;                                                                                         \
        spec = example_spec("same.h5");                                                                                \
        spec.operands = operands;                                                                                      \
        spec.outputs = outputs;                                                                                        \
        spec.classes = &class;                                                                                         \
        change;                                                                                                        \
        test_error(match(&spec, &past), SHEAF_BAD_DATA, &error, part);                                                 \
        if (!strstr(error.text, "same.h5: cannot go on: "))                                                            \
            fail_msg("%s", error.text);                                                                                \
        store_past_free(&past);                                                                                        \
    } while (0)
    EXPECT(spec.program = "sheaf run", "the command is sheaf run, it was sheaf make when the file was begun");
    EXPECT(spec.kernel = "inv", "the kernel is inv, it was matmul");
    EXPECT(spec.signature = "(n)->(n)", "the kernel's signature is (n)->(n), it was (m,k),(k,n)->(m,n)");
    EXPECT(spec.plugin = "0123", "the fingerprint of the kernel's file (--kernel) is 0123, it was (none)");
    EXPECT(spec.parameters = "", "the kernel's parameters is (none), it was ord=2");
    EXPECT(spec.operand_count = 2, "the number of operands is 2, it was 3");
    EXPECT(operands[0].fingerprint++, "the content of beams.h5:/a is not that of beams.h5:/a");
    EXPECT(operands[0].file_type = SHEAF_I8, "the type of beams.h5:/a is i8, it was i16");
    EXPECT(operands[1].array.type = SHEAF_F32, "the type that normal:4x9 is read as is f32, it was f64");
    EXPECT(operands[0].array.core.extent[1] = 5, "the shape of a task of beams.h5:/a is (12, 5), it was (12, 4)");
    EXPECT(operands[0].array.lead.extent[0] = 5, "the leading shape of beams.h5:/a is (5, 5), it was (10, 5)");
    EXPECT(spec.tasks = 49, "the number of tasks is 49, it was 50");
    EXPECT(spec.lead.ndim = 1, "the leading shape is (10), it was (10, 5)");
    EXPECT(spec.output_count = 2, "the number of outputs is 2, it was 3");
    EXPECT(outputs[0].name[0] = 'R', "an output is Result, it was result");
    EXPECT(outputs[0].array.type = SHEAF_F32, "the type of /result is f32, it was f64");
    EXPECT(outputs[1].array.core.extent[0] = 6, "the shape of a result in /s is (6), it was (7)");
    EXPECT(outputs[0].grouped = true, "the kind of /result is a group, it was one dataset");
    EXPECT(spec.class_count = 0, "the number of shapes is 0, it was 1");
    EXPECT(class.tasks_per_chunk = 10, "the number of tasks in a chunk is 10, it was 8");
    EXPECT(spec.chunks = 6, "the number of chunks is 6, it was 7");
    /* where it was restaged to, and when, is nobody's business */
    memcpy(operands, example_operands, sizeof operands);
    strcpy(operands[0].path, "/scratch/beams.h5");
    strcpy(operands[0].text, "../beams.h5:/a");
    operands[0].file_mtime++;
    spec = example_spec("same.h5");
    spec.operands = operands;
    test_ok(match(&spec, &past), &error);
    store_past_free(&past);
}

static void
other_files_are_refused(void **state)
{
    static const char text[] = "no HDF5 at all";
    struct store_past past;
    const struct {
        const char *path;
        enum sheaf_status status;
        const char *part;
    } cases[] = {{"nowhere.h5", SHEAF_NO_INPUT, "nowhere.h5"}, {"text.h5", SHEAF_NO_INPUT, "is not an HDF5 file"}};

    (void)state;
    test_put("text.h5", text, sizeof text);
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        test_error(outlined_past(cases[i].path, &past, &error), cases[i].status, &error, cases[i].part);
        store_past_free(&past);
    }
    make_example("short.h5", 6);
    test_ok(store_detach(store, &error), &error);
    for (int64_t bytes = map.bytes - 1; bytes > 0; bytes = bytes * 3 / 4) {
        assert_int_equal(truncate("short.h5", bytes), 0);
        /* what is shorter than the signature is no HDF5 file */
        test_error(outlined_past("short.h5", &past, &error), bytes < 8 ? SHEAF_NO_INPUT : SHEAF_BAD_DATA, &error,
                   "short.h5");
        store_past_free(&past);
    }
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(what_is_marked_is_trusted),
        cmocka_unit_test(every_bit_of_a_record_counts),
        cmocka_unit_test(records_cut_at_every_byte_are_torn),
        cmocka_unit_test(commits_can_be_taken_back),
        cmocka_unit_test(a_settled_past_is_trusted),
        cmocka_unit_test(groups_are_found_again),
        cmocka_unit_test(digests_see_every_changed_result),
        cmocka_unit_test(other_computations_are_refused),
        cmocka_unit_test(other_files_are_refused),
    };
    int failed = cmocka_run_group_tests(tests, store_test_begin, store_test_end);
    free(places);
    return failed;
}
