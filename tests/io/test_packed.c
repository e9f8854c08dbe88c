#include "io_test.h"
#include "packed_library.h"

static struct sheaf_error error;
static uint64_t random_state;

/* A number below `limit`, from a sequence that is always the same. */
static int64_t
random_below(int64_t limit)
{
    random_state = random_state * UINT64_C(6364136223846793005) + UINT64_C(1442695040888963407);
    return (int64_t)((random_state >> 33) % (uint64_t)limit);
}

/* A dataset of this test; its filters are named by letters in their order: d(eflate), s(huffle), f(letcher32). */
struct example {
    int ndim;
    hsize_t extent[PACKED_NDIM_MAX], chunk[PACKED_NDIM_MAX];
    hid_t type;
    const char *filters;
    bool latest;      /* the newest format: other indices of chunks */
    bool plain_edges; /* not filtered; of the newest format only */
    bool unlimited;   /* in all axes: chunks may be longer than the dataset */
    bool sparse;      /* one element of the first axis in three is written */
};

static hid_t file = H5I_INVALID_HID;

static int64_t
elements_of(const struct example *example)
{
    int64_t count = 1;

    for (int i = 0; i < example->ndim; i++)
        count *= (int64_t)example->extent[i];
    return count;
}

static hid_t
creation_of(const struct example *example)
{
    hid_t creation = H5Pcreate(H5P_DATASET_CREATE);

    H5Pset_chunk(creation, example->ndim, example->chunk);
    for (const char *filter = example->filters; *filter; filter++) {
        if (*filter == 'd')
            assert_true(H5Pset_deflate(creation, 4) >= 0);
        if (*filter == 's')
            assert_true(H5Pset_shuffle(creation) >= 0);
        if (*filter == 'f')
            assert_true(H5Pset_fletcher32(creation) >= 0);
    }
    if (example->plain_edges)
        assert_true(H5Pset_chunk_opts(creation, H5D_CHUNK_DONT_FILTER_PARTIAL_CHUNKS) >= 0);
    if (example->sparse) {
        const int fill = 77;
        assert_true(H5Pset_fill_value(creation, H5T_NATIVE_INT, &fill) >= 0);
    }
    return creation;
}

/* Numbers that deflate packs somewhat. */
static void
write_elements(const struct example *example, hid_t dataset)
{
    const int64_t count = elements_of(example), row = count / (int64_t)example->extent[0];
    const size_t bytes = H5Tget_size(example->type);
    hsize_t start[PACKED_NDIM_MAX] = {0}, some[PACKED_NDIM_MAX];
    hid_t space = H5Dget_space(dataset);
    unsigned char *numbers = malloc((size_t)count * bytes);

    assert_non_null(numbers);
    for (size_t i = 0; i < (size_t)count * bytes; i++)
        numbers[i] = (unsigned char)(i % bytes < bytes / 2 ? random_below(256) : random_below(4));
    memcpy(some, example->extent, sizeof some);
    some[0] = example->sparse ? 1 : example->extent[0];
    for (; start[0] < example->extent[0]; start[0] += example->sparse ? 3 : some[0]) {
        H5Sselect_hyperslab(space, H5S_SELECT_SET, start, NULL, some, NULL);
        hid_t memory = H5Screate_simple(example->ndim, some, NULL);
        assert_true(H5Dwrite(dataset, example->type, memory, space, H5P_DEFAULT,
                             numbers + start[0] * (hsize_t)row * bytes) >= 0);
        H5Sclose(memory);
    }
    free(numbers);
    H5Sclose(space);
}

/* Make an example's file, and open its dataset again for reading. */
static hid_t
make(const struct example *example)
{
    hid_t access = H5Pcreate(H5P_FILE_ACCESS);
    hsize_t most[PACKED_NDIM_MAX];

    if (example->latest)
        H5Pset_libver_bounds(access, H5F_LIBVER_LATEST, H5F_LIBVER_LATEST);
    file = H5Fcreate("packed.h5", H5F_ACC_TRUNC, H5P_DEFAULT, access);
    H5Pclose(access);
    for (int i = 0; i < example->ndim; i++)
        most[i] = example->unlimited ? H5S_UNLIMITED : example->extent[i];
    hid_t space = H5Screate_simple(example->ndim, example->extent, most), creation = creation_of(example);
    hid_t dataset = H5Dcreate2(file, "a", example->type, space, H5P_DEFAULT, creation, H5P_DEFAULT);
    assert_true(dataset >= 0);
    write_elements(example, dataset);
    H5Dclose(dataset);
    H5Pclose(creation);
    H5Sclose(space);
    assert_true(H5Fclose(file) >= 0);
    file = H5Fopen("packed.h5", H5F_ACC_RDONLY, H5P_DEFAULT);
    dataset = H5Dopen2(file, "a", H5P_DEFAULT);
    assert_true(dataset >= 0);
    return dataset;
}

static void
done(hid_t dataset)
{
    assert_true(H5Dclose(dataset) >= 0);
    assert_true(H5Fclose(file) >= 0);
}

/* A raw area of just the size that is told. */
static void *
make_raw(const struct packed_layout *layout, int64_t first, int64_t every, int64_t count, int64_t *bytes)
{
    assert_true(packed_raw_bytes(layout, first, every, count, bytes));
    void *raw =
        aligned_alloc(PACKED_ALIGNMENT, (size_t)(*bytes + PACKED_ALIGNMENT - 1) / PACKED_ALIGNMENT * PACKED_ALIGNMENT);
    assert_non_null(raw);
    memset(raw, 255, (size_t)*bytes);
    return raw;
}

/* Fetch and unpack some entries into memory of their own, which the caller frees. */
static unsigned char *
read_entries(const struct packed_layout *layout, hid_t dataset, int64_t first, int64_t count)
{
    const struct packed_grid *grid = &layout->grid;
    int64_t bytes = count * layout->element_bytes, raw_bytes;

    for (int i = grid->lead; i < grid->ndim; i++)
        bytes *= grid->extent[i];
    void *raw = make_raw(layout, first, count, count, &raw_bytes);
    unsigned char *got = malloc((size_t)bytes);
    assert_non_null(got);
    memset(got, 255, (size_t)bytes);
    test_ok(packed_fetch(layout, dataset, "packed.h5:/a", first, count, raw, raw_bytes, &error), &error);
    test_ok(packed_decode(raw, "packed.h5:/a", got, &error), &error);
    free(raw);
    return got;
}

/* Every range of entries, or `ranges` of them, for every number of leading axes: what the library reads. */
static void
check(const struct example *example, int64_t ranges)
{
    const int64_t count = elements_of(example), bytes = (int64_t)H5Tget_size(example->type);
    hid_t dataset = make(example);
    unsigned char *expected = malloc((size_t)(count * bytes));

    assert_non_null(expected);
    assert_true(H5Dread(dataset, example->type, H5S_ALL, H5S_ALL, H5P_DEFAULT, expected) >= 0);
    for (int lead = 0; lead <= example->ndim; lead++) {
        struct packed_layout layout;
        assert_true(packed_describe(dataset, lead, &layout));
        const int64_t entries = packed_grid_entries(&layout.grid), each = count / entries * bytes;
        const bool all = entries * (entries + 1) / 2 <= ranges;
        for (int64_t i = 0; i < (all ? entries * entries : ranges); i++) {
            const int64_t first = all ? i / entries : random_below(entries);
            const int64_t some = all ? i % entries + 1 : random_below(entries - first) + 1;
            if (some > entries - first)
                continue;
            unsigned char *got = read_entries(&layout, dataset, first, some);
            assert_memory_equal(got, expected + first * each, (size_t)(some * each));
            free(got);
        }
    }
    free(expected);
    done(dataset);
}

static hid_t
complex_double(void)
{
    hid_t type = H5Tcreate(H5T_COMPOUND, 16);

    H5Tinsert(type, "r", 0, H5T_NATIVE_DOUBLE);
    H5Tinsert(type, "i", 8, H5T_NATIVE_DOUBLE);
    return type;
}

static void
every_order_of_filters_is_undone(void **state)
{
    static const char *const orders[] = {"",   "d",   "s",   "f",   "ds",  "sd",  "df",  "fd", "sf",
                                         "fs", "dsf", "dfs", "sdf", "sfd", "fds", "fsd", "ff", "sdff"};
    hid_t wide = complex_double();
    const hid_t types[] = {H5T_NATIVE_UINT8, H5T_NATIVE_INT16, H5T_NATIVE_FLOAT, H5T_NATIVE_INT64, wide};

    (void)state;
    for (size_t i = 0; i < sizeof orders / sizeof *orders; i++)
        for (size_t j = 0; j < sizeof types / sizeof *types; j++)
            check(&(struct example){.ndim = 3,
                                    .extent = {5, 7, 33},
                                    .chunk = {2, 3, 40 >> (j % 2)},
                                    .type = types[j],
                                    .filters = orders[i],
                                    .latest = i % 2,
                                    .unlimited = true},
                  10);
    H5Tclose(wide);
}

/* Chunks of many elements, so that whole pieces of them are put together. */
static void
large_chunks_are_unpacked(void **state)
{
    hid_t wide = complex_double();
    const hid_t types[] = {H5T_NATIVE_INT16, H5T_NATIVE_FLOAT, H5T_NATIVE_INT64, wide};

    (void)state;
    for (size_t i = 0; i < sizeof types / sizeof *types; i++)
        check(&(struct example){.ndim = 2, .extent = {7, 3001}, .chunk = {2, 3001}, .type = types[i], .filters = "sdf"},
              20);
    H5Tclose(wide);
}

static void
every_grid_is_read(void **state)
{
    (void)state;
    for (int i = 0; i < 120; i++) {
        struct example example = {.ndim = 1 + i % 4, .type = H5T_NATIVE_SHORT, .filters = i % 3 ? "sd" : ""};
        example.latest = random_below(2);
        example.plain_edges = example.latest && random_below(2);
        example.sparse = random_below(3) == 0;
        example.unlimited = random_below(2);
        for (int j = 0; j < example.ndim; j++) {
            example.extent[j] = (hsize_t)random_below(example.ndim == 1 ? 40 : 7) + 1;
            example.chunk[j] = (hsize_t)random_below((int64_t)example.extent[j] + (example.unlimited ? 3 : 0)) + 1;
            if (random_below(4) == 0)
                example.chunk[j] = random_below(2) ? 1 : example.extent[j];
        }
        check(&example, 60);
    }
}

static void
chunks_never_written_have_the_fill_value(void **state)
{
    const hsize_t extent[2] = {4, 5}, chunk[2] = {3, 3};
    const double fill = 2.5;

    (void)state;
    for (int i = 0; i < 3; i++) {
        struct packed_layout layout;
        file = H5Fcreate("packed.h5", H5F_ACC_TRUNC, H5P_DEFAULT, H5P_DEFAULT);
        hid_t space = H5Screate_simple(2, extent, NULL), creation = H5Pcreate(H5P_DATASET_CREATE);
        H5Pset_chunk(creation, 2, chunk);
        H5Pset_deflate(creation, 1);
        /* defined by the user, by the library's default, not at all: then there is nothing to be read */
        if (i != 1)
            H5Pset_fill_value(creation, H5T_NATIVE_DOUBLE, i == 0 ? &fill : NULL);
        hid_t dataset = H5Dcreate2(file, "a", H5T_NATIVE_DOUBLE, space, H5P_DEFAULT, creation, H5P_DEFAULT);
        assert_true(packed_describe(dataset, 1, &layout));
        if (i < 2) {
            double *got = (double *)(void *)read_entries(&layout, dataset, 1, 3);
            for (int j = 0; j < 15; j++)
                assert_true(got[j] == (i == 0 ? fill : 0));
            free(got);
        } else {
            int64_t bytes;
            void *raw = make_raw(&layout, 1, 3, 3, &bytes);
            test_error(packed_fetch(&layout, dataset, "packed.h5:/a", 1, 3, raw, bytes, &error), SHEAF_IO_ERROR, &error,
                       "packed.h5:/a: the HDF5 library cannot read it: read failed");
            free(raw);
        }
        H5Pclose(creation);
        H5Sclose(space);
        done(dataset);
    }
}

/* Chunks that a filter could not make smaller are stored without it. */
static void
filters_that_were_left_out_are_not_undone(void **state)
{
    const struct example example = {.ndim = 1, .extent = {64}, .chunk = {16}, .type = H5T_NATIVE_INT, .filters = "sd"};
    int numbers[64];
    struct packed_layout layout;

    (void)state;
    H5Dclose(make(&example));
    H5Fclose(file);
    file = H5Fopen("packed.h5", H5F_ACC_RDWR, H5P_DEFAULT);
    hid_t dataset = H5Dopen2(file, "a", H5P_DEFAULT);
    for (int i = 0; i < 64; i++)
        numbers[i] = i * i;
    unsigned char shuffled[64];
    for (size_t i = 0; i < 64; i++)
        shuffled[i % 4 * 16 + i / 4] = ((unsigned char *)(numbers + 32))[i];
    assert_true(H5Dwrite_chunk(dataset, H5P_DEFAULT, 3, (hsize_t[]){16}, 64, numbers + 16) >= 0);
    assert_true(H5Dwrite_chunk(dataset, H5P_DEFAULT, 2, (hsize_t[]){32}, 64, shuffled) >= 0);
    assert_true(packed_describe(dataset, 1, &layout));
    int *got = (int *)(void *)read_entries(&layout, dataset, 16, 32);
    assert_memory_equal(got, numbers + 16, 128);
    free(got);
    done(dataset);
}

/* Describe a small dataset that `creation` makes, which is closed. */
static bool
is_packed(hid_t creation)
{
    const hsize_t extent[2] = {6, 6};
    struct packed_layout layout;
    hid_t space = H5Screate_simple(2, extent, NULL);

    file = H5Fcreate("other.h5", H5F_ACC_TRUNC, H5P_DEFAULT, H5P_DEFAULT);
    hid_t dataset = H5Dcreate2(file, "a", H5T_NATIVE_INT, space, H5P_DEFAULT, creation, H5P_DEFAULT);
    assert_true(dataset >= 0);
    const bool packed = packed_describe(dataset, 1, &layout);
    H5Pclose(creation);
    H5Sclose(space);
    done(dataset);
    return packed;
}

static hid_t
in_chunks(void)
{
    const hsize_t chunk[2] = {2, 6};
    hid_t creation = H5Pcreate(H5P_DATASET_CREATE);

    H5Pset_chunk(creation, 2, chunk);
    return creation;
}

static void
other_datasets_are_left_to_the_library(void **state)
{
    hid_t creation = in_chunks();

    (void)state;
    assert_true(is_packed(creation));
    assert_false(is_packed(H5Pcreate(H5P_DATASET_CREATE)));
    creation = H5Pcreate(H5P_DATASET_CREATE);
    H5Pset_layout(creation, H5D_COMPACT);
    assert_false(is_packed(creation));
    creation = in_chunks();
    H5Pset_scaleoffset(creation, H5Z_SO_INT, 0);
    assert_false(is_packed(creation));
    creation = in_chunks();
    H5Pset_nbit(creation);
    assert_false(is_packed(creation));
    creation = in_chunks();
    H5Pset_deflate(creation, 1);
    H5Pset_deflate(creation, 1);
    assert_false(is_packed(creation));
    creation = in_chunks();
    for (int i = 0; i <= PACKED_FILTERS_MAX; i++)
        H5Pset_filter(creation, H5Z_FILTER_FLETCHER32, 0, 0, NULL);
    assert_false(is_packed(creation));
}

/* Fetch all of an example for damage to be done to it. */
static struct packed_raw *
fetch_all(const struct example *example, int64_t *bytes)
{
    struct packed_layout layout;
    hid_t dataset = make(example);

    assert_true(packed_describe(dataset, 1, &layout));
    struct packed_raw *raw = make_raw(&layout, 0, (int64_t)example->extent[0], (int64_t)example->extent[0], bytes);
    test_ok(packed_fetch(&layout, dataset, "packed.h5:/a", 0, (int64_t)example->extent[0], raw, *bytes, &error),
            &error);
    done(dataset);
    return raw;
}

/* Chunk i of a raw area. */
static struct packed_chunk *
chunk_of(struct packed_raw *raw, int i)
{
    return (struct packed_chunk *)(void *)((char *)raw + raw->bytes) - (i + 1);
}

static void
what_is_damaged_is_named(void **state)
{
    struct example example = {
        .ndim = 2, .extent = {8, 50}, .chunk = {4, 50}, .type = H5T_NATIVE_DOUBLE, .filters = "sd"};
    static double got[400];
    int64_t bytes;

    (void)state;
    struct packed_raw *raw = fetch_all(&example, &bytes);
    ((unsigned char *)raw)[chunk_of(raw, 1)->at + 30] ^= 1;
    test_error(packed_decode(raw, "packed.h5:/a", got, &error), SHEAF_IO_ERROR, &error,
               "packed.h5:/a: cannot unpack its HDF5 chunk at (4, 0): its compressed data are damaged; copy the file "
               "again");
    chunk_of(raw, 0)->mask = 2;
    test_error(packed_decode(raw, "packed.h5:/a", got, &error), SHEAF_IO_ERROR, &error,
               "at (0, 0): it has not as many bytes as the dataset's chunks");
    free(raw);

    example.filters = "f";
    raw = fetch_all(&example, &bytes);
    ((unsigned char *)raw)[chunk_of(raw, 0)->at + 30] ^= 1;
    test_error(packed_decode(raw, "packed.h5:/a", got, &error), SHEAF_IO_ERROR, &error,
               "at (0, 0): its checksum (fletcher32) does not hold");
    chunk_of(raw, 0)->bytes = 3;
    test_error(packed_decode(raw, "packed.h5:/a", got, &error), SHEAF_IO_ERROR, &error,
               "at (0, 0): it is shorter than its checksum");
    free(raw);

    example.filters = "fs";
    raw = fetch_all(&example, &bytes);
    chunk_of(raw, 0)->bytes += 65;
    test_error(packed_decode(raw, "packed.h5:/a", got, &error), SHEAF_IO_ERROR, &error,
               "at (0, 0): it has more bytes than the dataset's chunks");
    free(raw);
}

/* HDF5 until 1.6.2 stored the checksum with the bytes of its halves the other way round. */
static void
old_checksums_hold_too(void **state)
{
    const struct example example = {.ndim = 1, .extent = {9}, .chunk = {9}, .type = H5T_NATIVE_UINT8, .filters = "f"};
    unsigned char got[9];
    int64_t bytes;

    (void)state;
    struct packed_raw *raw = fetch_all(&example, &bytes);
    unsigned char *sum = (unsigned char *)raw + chunk_of(raw, 0)->at + 9;
    const unsigned char swapped[4] = {sum[1], sum[0], sum[3], sum[2]};
    memcpy(sum, swapped, 4);
    test_ok(packed_decode(raw, "packed.h5:/a", got, &error), &error);
    sum[2] ^= 16;
    assert_int_equal(packed_decode(raw, "packed.h5:/a", got, &error), SHEAF_IO_ERROR);
    free(raw);
}

/* Whatever the chunks hold, nothing is written beyond the entries, nor read beyond the raw area. */
static void
random_damage_does_no_harm(void **state)
{
    static const char *const orders[] = {"sd", "d", "fsd", "dsf", "sfd", ""};

    (void)state;
    for (int i = 0; i < 6; i++) {
        const struct example example = {.ndim = 2,
                                        .extent = {9, 60},
                                        .chunk = {i % 2 ? 4 : 3, 60},
                                        .type = H5T_NATIVE_DOUBLE,
                                        .filters = orders[i]};
        int64_t bytes;
        struct packed_raw *raw = fetch_all(&example, &bytes), *copy = aligned_alloc(64, (size_t)bytes / 64 * 64 + 64);
        assert_non_null(copy);
        for (int j = 0; j < 400; j++) {
            memcpy(copy, raw, (size_t)bytes);
            double *got = malloc(9 * 60 * sizeof *got);
            assert_non_null(got);
            const struct packed_chunk *last = chunk_of(copy, (int)copy->chunks - 1);
            const int64_t start = chunk_of(copy, 0)->at, end = last->at + last->bytes;
            for (int64_t k = random_below(20); k >= 0; k--)
                ((unsigned char *)copy)[start + random_below(end - start)] = (unsigned char)random_below(256);
            chunk_of(copy, 1)->mask = (uint32_t)random_below(2) * (uint32_t)random_below(8);
            chunk_of(copy, 1)->bytes -= random_below(2) * random_below(chunk_of(copy, 1)->bytes);
            const enum sheaf_status status = packed_decode(copy, "packed.h5:/a", got, &error);
            assert_true(status == SHEAF_OK || status == SHEAF_IO_ERROR);
            free(got);
        }
        free(copy);
        free(raw);
    }
}

/*
 * Files whose bytes are changed anywhere behind the headers, which HDF5 itself does not survive without leaks: it or the
 * filters find it, or it is another number; nothing worse.
 */
static void
damaged_files_do_no_harm(void **state)
{
    const struct example example = {
        .ndim = 2, .extent = {9, 60}, .chunk = {2, 25}, .type = H5T_NATIVE_DOUBLE, .filters = "sd"};
    static unsigned char bytes[1 << 16];
    static double got[540];
    hsize_t where[2], chunk_bytes;
    haddr_t start;
    unsigned mask;
    int described = 0;

    (void)state;
    hid_t whole = make(&example), space = H5Dget_space(whole);
    assert_true(H5Dget_chunk_info(whole, space, 0, where, &mask, &start, &chunk_bytes) >= 0);
    H5Sclose(space);
    done(whole);
    FILE *from = fopen("packed.h5", "rb");
    assert_non_null(from);
    const size_t size = fread(bytes, 1, sizeof bytes, from);
    fclose(from);
    for (int i = 0; i < 300; i++) {
        struct packed_layout layout;
        const size_t at = (size_t)start + (size_t)random_below((int64_t)(size - start));
        const unsigned char kept = bytes[at];
        bytes[at] = (unsigned char)(kept ^ (1 + random_below(255)));
        test_put("damaged.h5", bytes, size);
        bytes[at] = kept;
        hid_t damaged = H5Fopen("damaged.h5", H5F_ACC_RDONLY, H5P_DEFAULT);
        hid_t dataset = damaged < 0 ? damaged : H5Dopen2(damaged, "a", H5P_DEFAULT);
        if (dataset >= 0 && packed_describe(dataset, 1, &layout) && packed_grid_entries(&layout.grid) == 9 &&
            layout.grid.extent[1] == 60 && layout.element_bytes == 8 && layout.chunk_bytes < 1 << 20) {
            int64_t raw_bytes;
            void *raw = make_raw(&layout, 0, 9, 9, &raw_bytes);
            described++;
            if (packed_fetch(&layout, dataset, "damaged.h5:/a", 0, 9, raw, raw_bytes, &error) == SHEAF_OK)
                packed_decode(raw, "damaged.h5:/a", got, &error);
            free(raw);
        }
        if (dataset >= 0)
            H5Dclose(dataset);
        if (damaged >= 0)
            H5Fclose(damaged);
    }
    assert_true(described > 100);
}

/* Bytes are only read where there is room for them. A chunk can have more than any deflate makes of it: the library reads it. */
static void
chunks_longer_than_any_could_be_are_left_to_the_library(void **state)
{
    const struct example example = {.ndim = 1, .extent = {64}, .chunk = {16}, .type = H5T_NATIVE_INT, .filters = "d"};
    /* of zlib's format: a stored block of 64 bytes, and their checksum: what follows is no part of it */
    static unsigned char longer[60000] = {0x78, 0x01, 0x01, 64, 0, 0xbf, 0xff, [71] = 0, 0x40, 0, 1};
    struct packed_layout layout;
    int64_t bytes;

    (void)state;
    H5Dclose(make(&example));
    H5Fclose(file);
    file = H5Fopen("packed.h5", H5F_ACC_RDWR, H5P_DEFAULT);
    hid_t dataset = H5Dopen2(file, "a", H5P_DEFAULT);
    assert_true(H5Dwrite_chunk(dataset, H5P_DEFAULT, 0, (hsize_t[]){16}, sizeof longer, longer) >= 0);
    assert_true(packed_describe(dataset, 1, &layout));
    int *got = (int *)(void *)read_entries(&layout, dataset, 16, 16);
    for (int i = 0; i < 16; i++)
        assert_int_equal(got[i], 0);
    free(got);

    longer[3] = 63;
    assert_true(H5Dwrite_chunk(dataset, H5P_DEFAULT, 0, (hsize_t[]){32}, sizeof longer, longer) >= 0);
    void *raw = make_raw(&layout, 0, 64, 64, &bytes);
    test_error(packed_fetch(&layout, dataset, "packed.h5:/a", 0, 64, raw, bytes, &error), SHEAF_IO_ERROR, &error,
               "packed.h5:/a: the HDF5 library cannot read it: ");
    free(raw);
    done(dataset);
}

/* Once a file is open the library gives zeros for what is behind its end: no compressed data are. */
static void
files_that_become_shorter_are_failed_reads(void **state)
{
    const struct example example = {
        .ndim = 2, .extent = {40, 500}, .chunk = {1, 500}, .type = H5T_NATIVE_DOUBLE, .filters = "d"};
    static double got[40 * 500];
    struct packed_layout layout;
    int64_t bytes;

    (void)state;
    hid_t dataset = make(&example);
    assert_int_equal(truncate("packed.h5", 60000), 0);
    assert_true(packed_describe(dataset, 1, &layout));
    void *raw = make_raw(&layout, 0, 40, 40, &bytes);
    enum sheaf_status status = packed_fetch(&layout, dataset, "packed.h5:/a", 0, 40, raw, bytes, &error);
    if (status == SHEAF_OK)
        status = packed_decode(raw, "packed.h5:/a", got, &error);
    test_error(status, SHEAF_IO_ERROR, &error, "packed.h5:/a: ");
    free(raw);
    H5Dclose(dataset);
    H5Fclose(file);
}

/* Runs of entries of small grids: no more chunks than were told, over one leading axis just as many. */
static void
the_most_chunks_are_told(void **state)
{
    (void)state;
    for (int i = 0; i < 400; i++) {
        struct packed_grid grid = {.ndim = 1 + i % 4};
        grid.lead = 1 + (int32_t)random_below(grid.ndim);
        for (int j = 0; j < grid.ndim; j++) {
            grid.extent[j] = random_below(8) + 1;
            grid.chunk[j] = random_below(9) + 1;
        }
        const int64_t entries = packed_grid_entries(&grid), count = random_below(entries) + 1;
        const int64_t every = random_below(2) ? count : random_below(entries) + 1;
        const int64_t first = random_below(2) ? 0 : random_below(entries),
                      told = packed_grid_most(&grid, first, every, count);
        int64_t most = 0;
        for (int64_t at = first; at < entries; at += every) {
            struct packed_walk walk;
            int64_t number, last = -1, chunks = 0;
            packed_walk_start(&walk, &grid, at, count < entries - at ? count : entries - at);
            for (; packed_walk_next(&walk, &number); chunks++) {
                assert_true(number > last);
                last = number;
            }
            most = chunks > most ? chunks : most;
        }
        assert_true(most <= told);
        if (grid.lead == 1 && first == 0 && every == count && entries % count == 0 && count % grid.chunk[0] == 0)
            assert_int_equal(most, told);
    }
    /* one HDF5 chunk a task, and a task over several axes */
    struct packed_grid grid = {.ndim = 3, .lead = 1, .extent = {1000, 8, 8}, .chunk = {1, 8, 4}};
    assert_int_equal(packed_grid_most(&grid, 5, 16, 16), 32);
    grid = (struct packed_grid){.ndim = 3, .lead = 2, .extent = {10, 100, 8}, .chunk = {1, 5, 8}};
    assert_int_equal(packed_grid_most(&grid, 0, 20, 20), 4);
    assert_int_equal(packed_grid_most(&grid, 0, 200, 200), 40);
}

static void
shuffles_of_any_size_are_undone(void **state)
{
    unsigned char elements[200], shuffled[200], got[200];

    (void)state;
    for (size_t size = 1; size < 40; size++) {
        const size_t bytes = 150 + size, count = bytes / size;
        for (size_t i = 0; i < bytes; i++) {
            elements[i] = (unsigned char)random_below(256);
            shuffled[i < count * size ? i % size * count + i / size : i] = elements[i];
        }
        packed_unshuffle(size, bytes, shuffled, got);
        assert_memory_equal(got, elements, bytes);
    }
    packed_unshuffle(201, 200, elements, got);
    assert_memory_equal(got, elements, 200);
}

/* Sizes that overflow are no sizes. */
static void
sizes_beyond_64_bits_are_refused(void **state)
{
    int64_t bytes;
    const struct packed_layout layout = {
        .grid = {.ndim = 1, .lead = 1, .extent = {INT64_MAX / 64}, .chunk = {1}}, .element_bytes = 1, .chunk_bytes = 1};

    (void)state;
    assert_true(packed_raw_bytes(&layout, 0, 1, 1, &bytes));
    assert_false(packed_raw_bytes(&layout, 0, INT64_MAX / 64, INT64_MAX / 64, &bytes));
}

static int
enter(void **state)
{
    hdf5_guard_start();
    return test_enter_directory(state);
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(every_order_of_filters_is_undone),
        cmocka_unit_test(large_chunks_are_unpacked),
        cmocka_unit_test(every_grid_is_read),
        cmocka_unit_test(chunks_never_written_have_the_fill_value),
        cmocka_unit_test(filters_that_were_left_out_are_not_undone),
        cmocka_unit_test(other_datasets_are_left_to_the_library),
        cmocka_unit_test(what_is_damaged_is_named),
        cmocka_unit_test(old_checksums_hold_too),
        cmocka_unit_test(random_damage_does_no_harm),
        cmocka_unit_test(damaged_files_do_no_harm),
        cmocka_unit_test(chunks_longer_than_any_could_be_are_left_to_the_library),
        cmocka_unit_test(files_that_become_shorter_are_failed_reads),
        cmocka_unit_test(the_most_chunks_are_told),
        cmocka_unit_test(shuffles_of_any_size_are_undone),
        cmocka_unit_test(sizes_beyond_64_bits_are_refused),
    };
    return cmocka_run_group_tests(tests, enter, test_leave_directory);
}
