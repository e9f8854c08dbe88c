#include "file.h"
#include "packed_library.h"
#include "records.h"
#include "slice.h"
#include "source.h"
#include "source_library.h"
#include "source_plain.h"
#include "source_text.h"

#include <errno.h>
#include <limits.h>
#include <stdlib.h>
#include <unistd.h>

enum { SAMPLES = 64, SAMPLE_BYTES = 4096, LIBRARY_SAMPLE_BYTES = 1 << 20 };

/* Split the axes into those that count tasks and those of one task, and check every product of them. */
static enum sheaf_status
set_shapes(struct source_map *map, int ndim, const int64_t *extent, int core_ndim, struct sheaf_error *error)
{
    struct sheaf_shape *lead = &map->array.lead, *core = &map->array.core;
    int lead_ndim = core_ndim < 0 ? 0 : ndim - core_ndim;
    int64_t tasks, bytes;
    char text[SHEAF_SHAPE_TEXT];

    if (lead_ndim < 0) {
        struct sheaf_shape found = {.ndim = ndim};
        memcpy(found.extent, extent, (size_t)ndim * sizeof *extent);
        return sheaf_fail(error, SHEAF_BAD_DATA, "%s: expected at least %d ax%s, found %s", map->text, core_ndim,
                          core_ndim == 1 ? "is" : "es", sheaf_shape_format(&found, text));
    }
    if (lead_ndim > SHEAF_NDIM_MAX || ndim - lead_ndim > SHEAF_NDIM_MAX)
        return sheaf_fail(error, SHEAF_BAD_DATA, "%s: has %d axes, at most %d can count tasks and %d be a task's",
                          map->text, ndim, SHEAF_NDIM_MAX, SHEAF_NDIM_MAX);
    lead->ndim = lead_ndim;
    core->ndim = ndim - lead_ndim;
    for (int i = 0; i < ndim; i++) {
        *(i < lead_ndim ? &lead->extent[i] : &core->extent[i - lead_ndim]) = extent[i];
        if (extent[i] == 0)
            return sheaf_fail(error, SHEAF_BAD_DATA, "%s: is empty: axis %d of %d has no entries", map->text, i + 1,
                              ndim);
    }
    if (!sheaf_shape_bytes(core, map->array.type, &map->task_bytes) || !sheaf_shape_count(lead, &tasks) ||
        !sheaf_multiply(tasks, map->task_bytes, &bytes))
        return sheaf_fail(error, SHEAF_BAD_DATA, "%s: has more bytes than 64 bits can count", map->text);
    map->shared = tasks == 1;
    return SHEAF_OK;
}

static void
hash_numbers(struct record_digest *hash, const struct source_map *map)
{
    const struct sheaf_shape *shape[2] = {&map->array.lead, &map->array.core};
    int64_t type = map->file_type;

    record_digest_add(hash, &type, sizeof type);
    for (int i = 0; i < 2; i++) {
        int64_t ndim = shape[i]->ndim;
        record_digest_add(hash, &ndim, sizeof ndim);
        record_digest_add(hash, shape[i]->extent, (size_t)ndim * sizeof *shape[i]->extent);
    }
}

static enum sheaf_status
describe_generated(int core_ndim, uint32_t operand, uint64_t seed, struct source_map *map, struct sheaf_error *error)
{
    struct sheaf_shape shape;
    bool shared;

    enum sheaf_status status = source_text_parse_generated(map->text, &map->generate, &shape, &shared, error);
    if (status != SHEAF_OK)
        return status;
    map->kind = SOURCE_GENERATED;
    map->generate.seed = seed;
    map->generate.operand = operand;
    map->array.type = map->file_type = map->generate.type;
    map->offset = -1;
    status = set_shapes(map, shape.ndim, shape.extent, core_ndim, error);
    if (status != SHEAF_OK)
        return status;
    if (shared && !map->shared)
        return sheaf_fail(error, SHEAF_BAD_DATA,
                          "operand \"%s\": a shared operand has one entry; leave away the axes before the last %d",
                          map->text, core_ndim);
    map->shared = shared;
    map->countless = !shared && map->array.lead.ndim == 0;

    const uint64_t numbers[] = {(uint64_t)map->generate.distribution, seed, operand};
    struct record_digest *hash = record_digest_create();
    if (!hash)
        return sheaf_fail(error, SHEAF_NO_RESOURCES, "%s: no memory to examine it", map->text);
    hash_numbers(hash, map);
    record_digest_add(hash, numbers, sizeof numbers);
    map->fingerprint = record_digest_value(hash);
    record_digest_destroy(hash);
    return SHEAF_OK;
}

/* Leave those tasks alone that a slice of the first axis selects. */
static enum sheaf_status
apply_slice(const struct slice *slice, struct source_map *map, struct sheaf_error *error)
{
    struct sheaf_shape *lead = &map->array.lead;
    int64_t selected, row_bytes = source_plain_task_bytes(map);

    if (!slice->present)
        return SHEAF_OK;
    if (lead->ndim == 0)
        return sheaf_fail(error, SHEAF_BAD_DATA,
                          "%s: has no axis that counts tasks, so nothing to slice: its %d ax%s are a task's", map->text,
                          map->array.core.ndim, map->array.core.ndim == 1 ? "is" : "es");
    if (!slice_apply(slice, lead->extent[0], &map->slice_first, &map->slice_step, &selected))
        return sheaf_fail(error, SHEAF_BAD_DATA, "%s: selects no tasks: the first axis has %lld entries", map->text,
                          (long long)lead->extent[0]);
    map->shared = selected == 1;
    for (int i = 1; i < lead->ndim; i++) {
        row_bytes *= lead->extent[i];
        map->shared = map->shared && lead->extent[i] == 1;
    }
    lead->extent[0] = selected;
    if (map->offset >= 0)
        map->offset += map->slice_first * row_bytes;
    return SHEAF_OK;
}

/* How many selected entries of the first axis a chunk of `entries` holds, if each holds as many; else 0. */
static int64_t
selected_entries(const struct source_map *map, int64_t entries)
{
    if (map->slice_step < 0 || entries % map->slice_step != 0 || map->slice_first % entries >= map->slice_step)
        return 0;
    return entries / map->slice_step;
}

/*
 * Which tasks share HDF5 chunks: on the outermost axis where a chunk holds several entries it spans those; all tasks of the
 * axes within are in the same chunks or in their neighbours.
 */
static void
note_chunks(hid_t creation, struct source_map *map)
{
    const struct sheaf_shape *lead = &map->array.lead, *core = &map->array.core;
    hsize_t chunk[H5S_MAX_RANK];
    int ndim = lead->ndim + core->ndim;
    int64_t tasks = 0, bytes = (int64_t)sheaf_type_size(map->file_type);

    if (H5Pget_layout(creation) != H5D_CHUNKED || H5Pget_chunk(creation, H5S_MAX_RANK, chunk) != ndim)
        return;
    for (int i = 0; i < ndim; i++) {
        int64_t extent = i < lead->ndim ? lead->extent[i] : core->extent[i - lead->ndim];
        int64_t entries = (int64_t)chunk[i], span = entries;
        if (i < lead->ndim)
            map->chunk_lead[i] = entries;
        if (i < lead->ndim && tasks == 0 && entries > 1) {
            tasks = i == 0 ? selected_entries(map, entries) : entries;
            tasks = tasks < extent ? tasks : extent;
        } else if (i >= lead->ndim || tasks > 0) {
            span = (extent + entries - 1) / entries * entries;
            tasks *= i < lead->ndim ? extent : 1;
        }
        if (!sheaf_multiply(bytes, span, &bytes))
            bytes = INT64_MAX;
    }
    map->chunk_tasks = tasks > 1 ? tasks : 1;
    map->chunk_bytes = bytes;
}

/* Whether others than the library can unpack it. */
static void
note_packed(hid_t dataset, struct source_map *map)
{
    if (!packed_describe(dataset, map->array.lead.ndim, &map->packed) ||
        map->packed.element_bytes != (int64_t)sheaf_type_size(map->file_type))
        memset(&map->packed, 0, sizeof map->packed);
}

/* Type, axes, and where the bytes lie. */
static enum sheaf_status
examine_dataset(hid_t file, hid_t dataset, int core_ndim, const struct slice *slice, struct source_map *map,
                struct sheaf_error *error)
{
    enum sheaf_status status = SHEAF_OK;
    char text[HDF5_GUARD_TYPE_TEXT];
    hsize_t extent[H5S_MAX_RANK];
    int64_t signed_extent[H5S_MAX_RANK];
    hid_t type = H5Dget_type(dataset), space = H5Dget_space(dataset), creation = H5Dget_create_plist(dataset);
    int ndim = space < 0 ? -1 : H5Sget_simple_extent_dims(space, extent, NULL);

    if (type < 0 || ndim < 0 || creation < 0) {
        status = sheaf_fail(error, SHEAF_BAD_DATA, "%s: the HDF5 library cannot examine it: %s", map->text,
                            hdf5_guard_reason((char[HDF5_GUARD_REASON_TEXT]){""}));
    } else if (H5Sget_simple_extent_type(space) == H5S_NULL) {
        status = sheaf_fail(error, SHEAF_BAD_DATA, "%s: is empty: it has no dataspace", map->text);
    } else if (!hdf5_guard_type_from(type, &map->file_type, &map->swapped)) {
        status =
            sheaf_fail(error, SHEAF_BAD_DATA,
                       "%s: its elements are %s; expected integers, floats, or complex numbers as h5py writes them",
                       map->text, hdf5_guard_type_format(type, text));
    } else {
        for (int i = 0; i < ndim; i++)
            signed_extent[i] = (int64_t)extent[i];
        map->array.type = map->file_type;
        status = set_shapes(map, ndim, signed_extent, core_ndim, error);
        haddr_t offset = H5Dget_offset(dataset);
        /* a contiguous dataset that nobody has written yet has no bytes: the library gives its fill value */
        bool plain =
            H5Pget_layout(creation) == H5D_CONTIGUOUS && offset != HADDR_UNDEF && hdf5_guard_is_own(file, dataset);
        map->offset = plain ? (int64_t)offset : -1;
        if (status == SHEAF_OK)
            status = apply_slice(slice, map, error);
        if (status == SHEAF_OK) {
            note_chunks(creation, map);
            note_packed(dataset, map);
        }
    }
    if (creation >= 0)
        H5Pclose(creation);
    if (space >= 0)
        H5Sclose(space);
    if (type >= 0)
        H5Tclose(type);
    return status;
}

/* The header may promise more than the file holds. */
static enum sheaf_status
check_length(const struct source_map *map, struct sheaf_error *error)
{
    int64_t end;

    if (map->offset < 0)
        return SHEAF_OK;
    if (!source_plain_end(map, &end))
        return sheaf_fail(error, SHEAF_BAD_DATA, "%s: its bytes lie beyond what 64 bits can count", map->text);
    if (end > map->file_bytes)
        return sheaf_fail(error, SHEAF_BAD_DATA, "%s: file is truncated at %lld of %lld bytes; copy it again",
                          map->text, (long long)map->file_bytes, (long long)end);
    return SHEAF_OK;
}

/* Up to SAMPLES pieces spread evenly over the dataset, first and last bytes included. */
static enum sheaf_status
hash_plain(const struct source_map *map, int descriptor, struct record_digest *hash, struct sheaf_error *error)
{
    char piece[SAMPLE_BYTES];
    int64_t tasks = 1, bytes;
    sheaf_shape_count(&map->array.lead, &tasks);
    bytes = tasks * map->task_bytes;
    bool whole = bytes <= (int64_t)SAMPLES * SAMPLE_BYTES;
    int64_t count = whole ? (bytes + SAMPLE_BYTES - 1) / SAMPLE_BYTES : SAMPLES;

    for (int64_t i = 0; i < count; i++) {
        /* divided before it is multiplied: the product could overflow */
        int64_t spread = bytes - SAMPLE_BYTES;
        int64_t at = whole ? i * SAMPLE_BYTES : spread / (count - 1) * i + spread % (count - 1) * i / (count - 1);
        int64_t length = bytes - at < SAMPLE_BYTES ? bytes - at : SAMPLE_BYTES;
        enum sheaf_status status = source_plain_read(map, descriptor, at, length, piece, error);
        if (status != SHEAF_OK)
            return status;
        record_digest_add(hash, piece, (size_t)length);
    }
    return SHEAF_OK;
}

/* The beginnings of the first, the middle and the last task. */
static enum sheaf_status
hash_library(const struct source_map *map, const struct source_library *library, struct record_digest *hash,
             struct sheaf_error *error)
{
    enum sheaf_status status = SHEAF_OK;
    int64_t tasks = 1, last = -1;
    char *buffer = malloc(LIBRARY_SAMPLE_BYTES);

    if (!buffer)
        return sheaf_fail(error, SHEAF_NO_RESOURCES, "%s: no memory to read it", map->text);
    sheaf_shape_count(&map->array.lead, &tasks);
    const int64_t sampled[3] = {0, tasks / 2, tasks - 1};
    for (int i = 0; i < 3 && status == SHEAF_OK; i++) {
        int64_t bytes = 0;
        if (sampled[i] == last)
            continue;
        last = sampled[i];
        status = source_library_sample(library, map, sampled[i], LIBRARY_SAMPLE_BYTES, buffer, &bytes, error);
        if (status == SHEAF_OK)
            record_digest_add(hash, buffer, (size_t)bytes);
    }
    free(buffer);
    return status;
}

static enum sheaf_status
take_fingerprint(struct source_map *map, int descriptor, struct source_library *library, struct sheaf_error *error)
{
    enum sheaf_status status;
    struct record_digest *hash = record_digest_create();

    if (!hash)
        return sheaf_fail(error, SHEAF_NO_RESOURCES, "%s: no memory to examine it", map->text);
    hash_numbers(hash, map);
    if (map->offset >= 0) {
        status = hash_plain(map, descriptor, hash, error);
    } else {
        library->type = hdf5_guard_type_stored(map->file_type, map->swapped);
        status = hash_library(map, library, hash, error);
    }
    map->fingerprint = record_digest_value(hash);
    record_digest_destroy(hash);
    return status;
}

/* The file itself: where it is, how long, since when. */
static enum sheaf_status
examine_file(const char *path, struct source_map *map, int *descriptor, struct sheaf_error *error)
{
    struct stat about;
    struct file_system system;
    char absolute[PATH_MAX];

    *descriptor = -1;
    if (!realpath(path, absolute))
        return sheaf_fail(error, SHEAF_NO_INPUT, "%s: cannot open %s: %m", map->text, path);
    if (strlen(absolute) >= sizeof map->path)
        return sheaf_fail(error, SHEAF_NO_INPUT, "%s: the path of the file is longer than %zu bytes", map->text,
                          sizeof map->path - 1);
    strcpy(map->path, absolute);
    enum sheaf_status status = file_open_read(map->path, map->text, descriptor, &about, error);
    if (status == SHEAF_OK)
        status = file_system_of_open(*descriptor, map->text, &system, error);
    if (status != SHEAF_OK)
        return status;
    map->in_memory = system.in_memory;
    map->file_bytes = about.st_size;
    map->file_mtime = (int64_t)about.st_mtim.tv_sec * 1000000000 + about.st_mtim.tv_nsec;
    map->file_device = about.st_dev;
    map->file_inode = about.st_ino;
    return SHEAF_OK;
}

/* Open the dataset: what has brackets behind its name may be so named, or a slice of the one without them. */
static enum sheaf_status
open_dataset(struct source_map *map, hid_t file, hid_t *dataset, struct slice *slice, struct sheaf_error *error)
{
    size_t length;
    bool good = slice_parse(map->dataset, &length, slice), bracketed = slice->present || !good;
    enum sheaf_status status = hdf5_guard_open_dataset(file, map->dataset, map->text, dataset, error);

    if (!bracketed || status != SHEAF_NO_INPUT) {
        slice->present = false;
        return status;
    }
    if (!good)
        return sheaf_fail(error, SHEAF_USAGE, "%s: no dataset is so named, and " SLICE_GRAMMAR, map->text);
    map->dataset[length] = '\0';
    return hdf5_guard_open_dataset(file, map->dataset, map->text, dataset, error);
}

static enum sheaf_status
describe_dataset(int core_ndim, struct source_map *map, struct sheaf_error *error)
{
    struct source_library library = SOURCE_LIBRARY_CLOSED;
    char path[SOURCE_TEXT_BYTES];
    struct slice slice;
    int descriptor = -1;

    map->kind = SOURCE_DATASET;
    enum sheaf_status status = source_text_split(map->text, path, map->dataset, error);
    if (status == SHEAF_OK)
        status = examine_file(path, map, &descriptor, error);
    if (status == SHEAF_OK)
        status = hdf5_guard_open(map->path, map->text, &library.file, error);
    if (status == SHEAF_OK)
        status = open_dataset(map, library.file, &library.dataset, &slice, error);
    if (status == SHEAF_OK)
        status = examine_dataset(library.file, library.dataset, core_ndim, &slice, map, error);
    if (status == SHEAF_OK)
        status = check_length(map, error);
    if (status == SHEAF_OK)
        status = take_fingerprint(map, descriptor, &library, error);
    source_library_close(&library);
    if (descriptor >= 0)
        close(descriptor);
    return status;
}

void
source_allow(bool external, bool filters)
{
    hdf5_guard_allow(external, filters);
}

enum sheaf_status
source_describe(const char *text, int core_ndim, uint32_t operand, uint64_t seed, struct source_map *map,
                struct sheaf_error *error)
{
    memset(map, 0, sizeof *map);
    map->offset = -1;
    map->slice_step = map->chunk_tasks = 1;
    if (strlen(text) >= sizeof map->text)
        return sheaf_fail(error, SHEAF_USAGE, "operand \"%.60s...\": the text is longer than %zu bytes", text,
                          sizeof map->text - 1);
    strcpy(map->text, text);
    if (source_text_is_generated(text))
        return describe_generated(core_ndim, operand, seed, map, error);
    return describe_dataset(core_ndim, map, error);
}
