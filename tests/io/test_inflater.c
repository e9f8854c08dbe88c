#include "inflater.h"
#include "io_test.h"

/* zlib's compress() of "beam 0 of the sheaf\n", "beam 1 ...", ... to 39. */
static const unsigned char packed[] = {
    0x78, 0xda, 0x6d, 0xd2, 0x3b, 0x0e, 0xc2, 0x40, 0x10, 0x44, 0xc1, 0x9c, 0x53, 0xec, 0x11, 0x98, 0x69, 0xcc,
    0xe7, 0x38, 0xb6, 0xb4, 0x96, 0x13, 0x44, 0x00, 0xf7, 0x17, 0x22, 0x45, 0x95, 0xbe, 0x68, 0x4a, 0x3d, 0xdb,
    0x5c, 0x9f, 0xe3, 0x3c, 0x5e, 0xfb, 0xf8, 0x1c, 0x73, 0xbc, 0x8f, 0xb9, 0xee, 0xa7, 0xed, 0xd7, 0x0a, 0xad,
    0xd1, 0x82, 0x76, 0x41, 0x5b, 0xd0, 0xae, 0x68, 0x37, 0xb4, 0x3b, 0xda, 0x43, 0x37, 0x13, 0x22, 0x49, 0x89,
    0x52, 0xb2, 0x94, 0x30, 0x25, 0x4d, 0x89, 0x53, 0xf2, 0x94, 0x40, 0x25, 0x51, 0x4b, 0xd4, 0xdc, 0x46, 0xa2,
    0x96, 0xa8, 0x25, 0x6a, 0x89, 0x5a, 0xa2, 0x96, 0xa8, 0x25, 0x6a, 0x89, 0x22, 0x51, 0x24, 0x0a, 0xdf, 0x4d,
    0xa2, 0x48, 0x14, 0x89, 0x22, 0x51, 0x24, 0x8a, 0x44, 0xf9, 0x13, 0x7d, 0x01, 0x0b, 0xe1, 0x07, 0x80,
};

static size_t
fill_expected(char *text)
{
    size_t used = 0;

    for (int i = 0; i < 40; i++)
        used += (size_t)sprintf(text + used, "beam %d of the sheaf\n", i);
    return used;
}

/* Inflate a copy of the stream that ends where its memory does, into memory of just that size. */
static bool
run(struct inflater *inflater, const unsigned char *stream, size_t stream_bytes, void *to, size_t to_bytes)
{
    unsigned char *from = malloc(stream_bytes + 1);
    void *out = malloc(to_bytes);

    assert_true(from && out);
    memmove(from + 1, stream, stream_bytes);
    const bool good = inflater_run(inflater, from + 1, stream_bytes, out, to_bytes);
    if (good)
        memcpy(to, out, to_bytes);
    free(from);
    free(out);
    return good;
}

static void
streams_are_inflated_again_and_again(void **state)
{
    char expected[2000], got[2000];
    const size_t bytes = fill_expected(expected);
    struct inflater *inflater = inflater_create();

    (void)state;
    assert_non_null(inflater);
    for (int i = 0; i < 3; i++) {
        memset(got, 255, sizeof got);
        assert_true(run(inflater, packed, sizeof packed, got, bytes));
        assert_memory_equal(got, expected, bytes);
        assert_false(run(inflater, packed, 0, got, bytes));
    }
    inflater_destroy(inflater);
    inflater_destroy(NULL);
}

static void
all_bytes_must_come_and_no_more(void **state)
{
    char expected[2000], got[2000];
    const size_t bytes = fill_expected(expected);
    struct inflater *inflater = inflater_create();

    (void)state;
    assert_non_null(inflater);
    assert_false(run(inflater, packed, sizeof packed, got, bytes - 1));
    assert_false(run(inflater, packed, sizeof packed, got, bytes + 1));
    for (size_t i = 0; i < sizeof packed; i++)
        assert_false(run(inflater, packed, i, got, bytes));
    inflater_destroy(inflater);
}

static void
what_follows_a_stream_is_ignored(void **state)
{
    char expected[2000], got[2000];
    const size_t bytes = fill_expected(expected);
    unsigned char longer[sizeof packed + 9] = {0};
    struct inflater *inflater = inflater_create();

    (void)state;
    assert_non_null(inflater);
    memcpy(longer, packed, sizeof packed);
    assert_true(run(inflater, longer, sizeof longer, got, bytes));
    assert_memory_equal(got, expected, bytes);
    inflater_destroy(inflater);
}

/* A changed byte is found, by the stream's checksum at the latest; but the header has a bit that means nothing here. */
static void
damage_is_found(void **state)
{
    char expected[2000], got[2000];
    const size_t bytes = fill_expected(expected);
    unsigned char damaged[sizeof packed];
    struct inflater *inflater = inflater_create();

    (void)state;
    assert_non_null(inflater);
    for (size_t i = 0; i < sizeof packed; i++) {
        for (int bit = 0; bit < 8; bit++) {
            memcpy(damaged, packed, sizeof packed);
            damaged[i] ^= (unsigned char)(1 << bit);
            if (run(inflater, damaged, sizeof damaged, got, bytes))
                assert_memory_equal(got, expected, bytes);
        }
    }
    damaged[sizeof damaged - 1] ^= 1;
    assert_false(run(inflater, damaged, sizeof damaged, got, bytes));
    inflater_destroy(inflater);
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(streams_are_inflated_again_and_again),
        cmocka_unit_test(all_bytes_must_come_and_no_more),
        cmocka_unit_test(what_follows_a_stream_is_ignored),
        cmocka_unit_test(damage_is_found),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
