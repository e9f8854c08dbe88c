#include "io_test.h"
#include "records.h"

static void
a_sealed_chunk_is_valid_in_its_row_only(void **state)
{
    struct record_chunk record = {.state = RECORD_DONE, .count = 7, .first = 700};

    (void)state;
    record_chunk_seal(&record, 100);
    assert_true(record_chunk_valid(&record, 100));
    assert_false(record_chunk_valid(&record, 101));
    for (size_t i = 0; i < sizeof record; i++) {
        struct record_chunk torn = record;
        ((unsigned char *)&torn)[i] ^= 4;
        assert_false(record_chunk_valid(&torn, 100));
    }
}

static void
what_was_never_written_is_not_valid(void **state)
{
    const struct record_chunk chunk = {0};
    const struct record_run run = {0};
    const struct record_mark mark = {0};
    struct record_chunk pending = {0};

    (void)state;
    assert_false(record_run_valid(&run));
    for (int64_t row = 0; row < 1000; row++) {
        assert_false(record_chunk_valid(&chunk, row));
        assert_false(record_mark_valid(&mark, row));
    }
    record_chunk_seal(&pending, 3);
    assert_false(record_chunk_valid(&pending, 3));
    pending.state = RECORD_QUARANTINED + 1;
    record_chunk_seal(&pending, 3);
    assert_false(record_chunk_valid(&pending, 3));
}

static void
runs_and_marks_are_sealed_too(void **state)
{
    struct record_run run = {.state = RUN_RUNNING, .number = 70, .host = "node1"};
    struct record_mark mark = {.run = 70, .sequence = 12, .time = 1.5};

    (void)state;
    record_run_seal(&run);
    assert_true(record_run_valid(&run));
    run.heartbeat = 1;
    assert_false(record_run_valid(&run));
    record_mark_seal(&mark, 5);
    assert_true(record_mark_valid(&mark, 5));
    assert_false(record_mark_valid(&mark, 6));
    mark.sequence++;
    assert_false(record_mark_valid(&mark, 5));
}

static void
a_digest_does_not_depend_on_the_pieces(void **state)
{
    unsigned char bytes[3000];
    struct record_digest *digest = record_digest_create();

    (void)state;
    assert_non_null(digest);
    for (size_t i = 0; i < sizeof bytes; i++)
        bytes[i] = (unsigned char)(i * 7 % 253);
    record_digest_add(digest, bytes, sizeof bytes);
    const uint64_t whole = record_digest_value(digest);
    for (size_t piece = 1; piece < sizeof bytes; piece = piece * 3 + 1) {
        record_digest_reset(digest);
        for (size_t at = 0; at < sizeof bytes; at += piece)
            record_digest_add(digest, bytes + at, piece < sizeof bytes - at ? piece : sizeof bytes - at);
        record_digest_add(digest, NULL, 0);
        assert_int_equal(record_digest_value(digest), whole);
    }
    bytes[2999] ^= 1;
    record_digest_reset(digest);
    record_digest_add(digest, bytes, sizeof bytes);
    assert_int_not_equal(record_digest_value(digest), whole);
    record_digest_destroy(digest);
    record_digest_destroy(NULL);
}

/* The files of all versions are checked by the same function: XXH3, 64 bits, its published value for no input. */
static void
the_digest_is_xxh3(void **state)
{
    struct record_digest *digest = record_digest_create();

    (void)state;
    assert_non_null(digest);
    assert_int_equal(record_digest_value(digest), UINT64_C(0x2d06800538d394c2));
    record_digest_destroy(digest);
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_sealed_chunk_is_valid_in_its_row_only),
        cmocka_unit_test(what_was_never_written_is_not_valid),
        cmocka_unit_test(runs_and_marks_are_sealed_too),
        cmocka_unit_test(a_digest_does_not_depend_on_the_pieces),
        cmocka_unit_test(the_digest_is_xxh3),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
