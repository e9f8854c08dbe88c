#include "source.h"

#include "convert.h"
#include "file.h"
#include "source_library.h"
#include "source_packed.h"
#include "source_plain.h"
#include "view.h"

#include <stdatomic.h>
#include <stdlib.h>
#include <unistd.h>

/* Alignment that kernels are promised. */
enum { VIEW_ALIGNMENT = 64 };

/* Shorter reads stay in a core's cache, where copying costs next to nothing. */
static const int64_t view_least_bytes = INT64_C(4) << 20;

/* How a source's bytes are got at. */
enum way { WAY_UNKNOWN, WAY_MAP, WAY_COPY };

struct source {
    struct source_map map;
    struct set_reader *reader;     /* of a set */
    int64_t tasks;                 /* of the run; INT64_MAX where any number is good */
    int64_t elements;              /* of one task */
    int64_t stored_bytes;          /* of one task in the file */
    int descriptor;                /* of a plain contiguous dataset, else -1 */
    struct view *view;             /* of all of its bytes, as they are used; else NULL */
    int64_t view_least;            /* bytes from which on it is used */
    _Atomic enum way way;          /* measured at the first read that is long enough */
    struct source_library library; /* of any other one, once it was read */
};

/* The other end of the plan is another process, maybe on another node: its view of the file may be another. */
static enum sheaf_status
open_plain(struct source *source, struct sheaf_error *error)
{
    const struct source_map *map = &source->map;
    struct stat about;
    int64_t end = 0;

    enum sheaf_status status = file_open_read(map->path, map->text, &source->descriptor, &about, error);
    if (status == SHEAF_OK && (!source_plain_end(map, &end) || about.st_size < end))
        status = sheaf_fail(error, SHEAF_IO_ERROR, "%s: file is truncated at %lld of %lld bytes since it was examined",
                            map->text, (long long)about.st_size, (long long)map->file_bytes);
    return status;
}

/* Map what can be used as it is stored. */
static void
open_view(struct source *source)
{
    const struct source_map *map = &source->map;
    const char *wanted = getenv("SHEAF_READ");
    int64_t entries = 0;

    bool as_stored = map->file_type == map->array.type && !map->swapped && map->slice_step == 1;
    source->way = !wanted ? WAY_UNKNOWN : strcmp(wanted, "map") == 0 ? WAY_MAP : WAY_COPY;
    source->view_least = source->way == WAY_MAP ? 1 : view_least_bytes;
    if (as_stored && source->way != WAY_COPY && sheaf_shape_count(&map->array.lead, &entries))
        source->view = view_open(source->descriptor, map->offset, entries * source->stored_bytes);
}

static bool
count_tasks(const struct source_map *map, int64_t *tasks)
{
    bool fits = sheaf_shape_count(&map->array.lead, tasks);

    if (map->countless)
        *tasks = INT64_MAX;
    if (map->tasks.ndim > 0)
        *tasks = broadcast_tasks(&map->tasks);
    return fits;
}

enum sheaf_status
source_attach(const struct source_map *map, struct source **source, struct sheaf_error *error)
{
    enum sheaf_status status = SHEAF_OK;

    *source = malloc(sizeof **source);
    if (!*source)
        return sheaf_fail(error, SHEAF_NO_RESOURCES, "%s: no memory to open it", map->text);
    **source = (struct source){.map = *map, .descriptor = -1, .library = SOURCE_LIBRARY_CLOSED};
    if (!count_tasks(map, &(*source)->tasks) || !sheaf_shape_count(&map->array.core, &(*source)->elements) ||
        !convert_possible(map->file_type, map->array.type))
        status = sheaf_fail(error, SHEAF_INTERNAL, "%s: its description is invalid", map->text);
    (*source)->stored_bytes = source_plain_task_bytes(map);
    if (status == SHEAF_OK && map->kind == SOURCE_DATASET && map->offset >= 0)
        status = open_plain(*source, error);
    if (status == SHEAF_OK && (*source)->descriptor >= 0)
        open_view(*source);
    if (status != SHEAF_OK) {
        source_detach(*source);
        *source = NULL;
    }
    return status;
}

enum sheaf_status
source_attach_set(const struct source_map *map, const struct set *set, struct source **source,
                  struct sheaf_error *error)
{
    enum sheaf_status status = source_attach(map, source, error);
    if (status == SHEAF_OK)
        status = set_reader_create(set, &(*source)->reader, error);
    if (status != SHEAF_OK) {
        source_detach(*source);
        *source = NULL;
    }
    return status;
}

bool
source_is_set(const struct source *source)
{
    return source->map.kind == SOURCE_SET;
}

void
source_detach(struct source *source)
{
    if (!source)
        return;
    set_reader_destroy(source->reader);
    view_close(source->view);
    if (source->descriptor >= 0)
        close(source->descriptor);
    source_library_close(&source->library);
    free(source);
}

enum source_access
source_access(const struct source *source)
{
    if (source->map.kind == SOURCE_GENERATED)
        return SOURCE_COMPUTED;
    if (source->map.offset < 0)
        return SOURCE_LIBRARY;
    return source->map.in_memory ? SOURCE_MEMORY : SOURCE_DISK;
}

enum sheaf_status
source_set_type(struct source_map *map, enum sheaf_type type, struct sheaf_error *error)
{
    const int64_t elements = map->task_bytes / convert_element_bytes(map->array.type);
    int64_t task_bytes, tasks, bytes;

    enum sheaf_status status = convert_check(map->text, map->file_type, type, error);
    if (status != SHEAF_OK)
        return status;
    if (!sheaf_multiply(elements, (int64_t)sheaf_type_size(type), &task_bytes) ||
        !sheaf_shape_count(&map->array.lead, &tasks) || !sheaf_multiply(tasks, task_bytes, &bytes))
        return sheaf_fail(error, SHEAF_BAD_DATA, "%s: has, as %s, more bytes than 64 bits can count", map->text,
                          sheaf_type_name(type));
    map->array.type = type;
    map->task_bytes = task_bytes;
    return SHEAF_OK;
}

enum sheaf_status
source_set_tasks(struct source_map *map, const struct sheaf_shape *lead, struct sheaf_error *error)
{
    char own[SHEAF_SHAPE_TEXT], wanted[SHEAF_SHAPE_TEXT];
    struct broadcast tasks;

    if (map->countless)
        return SHEAF_OK;
    if (!broadcast_make(&map->array.lead, lead, &tasks))
        return sheaf_fail(error, SHEAF_BAD_DATA, "%s: its leading axes %s cannot be stretched to %s", map->text,
                          sheaf_shape_format(&map->array.lead, own), sheaf_shape_format(lead, wanted));
    map->tasks = tasks;
    map->chunk_tasks = broadcast_group(&tasks, map->chunk_tasks);
    return SHEAF_OK;
}

int64_t
source_entry(const struct source_map *map, int64_t task)
{
    return broadcast_entry(&map->tasks, task);
}

bool
source_reads_together(const struct source_map *map, int64_t task, int64_t other)
{
    const struct sheaf_shape *lead = &map->array.lead;
    int64_t entry = source_entry(map, task), second = source_entry(map, other);
    bool together = true;

    if (map->kind != SOURCE_DATASET || map->chunk_lead[0] == 0)
        return entry == second;
    for (int i = lead->ndim - 1; i >= 0; i--) {
        const int64_t first = i == 0 ? map->slice_first : 0, step = i == 0 ? map->slice_step : 1;
        together = together && (first + entry % lead->extent[i] * step) / map->chunk_lead[i] ==
                                   (first + second % lead->extent[i] * step) / map->chunk_lead[i];
        entry /= lead->extent[i];
        second /= lead->extent[i];
    }
    return together;
}

int64_t
source_earlier_task(const struct source *source, int64_t task)
{
    return broadcast_earlier(&source->map.tasks, task);
}

static bool
in_range(const struct source *source, int64_t first, int64_t count)
{
    return first >= 0 && count >= 0 && first <= source->tasks && count <= source->tasks - first;
}

static enum sheaf_status
check_range(const struct source *source, int64_t first, int64_t count, struct sheaf_error *error)
{
    if (in_range(source, first, count))
        return SHEAF_OK;
    return sheaf_fail(error, SHEAF_INTERNAL, "%s: tasks %lld to %lld were asked for, it has %lld", source->map.text,
                      (long long)first, (long long)(first + count - 1), (long long)source->tasks);
}

bool
source_is_cached(const struct source *source, int64_t first, int64_t count)
{
    struct broadcast_piece piece;

    bool cached = source_access(source) == SOURCE_DISK && in_range(source, first, count) && count > 0;
    for (int64_t done = 0; cached && done < count; done += piece.tasks) {
        piece = broadcast_piece(&source->map.tasks, first, first + done, count - done);
        if (piece.earlier >= 0)
            continue;
        if (source_is_set(source))
            cached = set_is_cached(source->reader, piece.entry, piece.entries);
        else
            cached = source_plain_is_cached(&source->map, source->descriptor, piece.entry * source->stored_bytes,
                                            piece.entries * source->stored_bytes);
    }
    return cached;
}

const void *
source_view(struct source *source, int64_t first, int64_t count, void *room, int64_t uses)
{
    enum way way = atomic_load(&source->way);

    if (!source->view || way == WAY_COPY || !in_range(source, first, count) || count == 0)
        return NULL;
    struct broadcast_piece piece = broadcast_piece(&source->map.tasks, first, first, count);
    int64_t bytes = count * source->stored_bytes, at = piece.entry * source->stored_bytes;
    const void *bytes_there = view_at(source->view, at);
    if (piece.entries != count || bytes < source->view_least || (uintptr_t)bytes_there % VIEW_ALIGNMENT != 0)
        return NULL;
    if (way == WAY_UNKNOWN) {
        way = view_is_cheaper(source->view, source->descriptor, at, view_least_bytes, room, uses) ? WAY_MAP : WAY_COPY;
        atomic_store(&source->way, way); /* several threads may have measured: any of their answers will do */
    }
    return way == WAY_MAP ? bytes_there : NULL;
}

enum sheaf_status
source_end_view(struct source *source, int64_t first, int64_t count, struct sheaf_error *error)
{
    int64_t entry = source_entry(&source->map, first);

    if (!view_release(source->view, entry * source->stored_bytes, count * source->stored_bytes))
        return sheaf_fail(error, SHEAF_IO_ERROR,
                          "%s: cannot read all of it: the file has become shorter since it was examined, or its device "
                          "fails",
                          source->map.text);
    return SHEAF_OK;
}

/* Tasks of a source from one on. */
struct span {
    const struct source *source;
    int64_t task;
};

/* Elements in the order of the tasks: generated ones of one task, or bytes of a file from an offset on. */
static enum sheaf_status
fetch_elements(const void *data, int64_t first, int64_t count, void *to, struct sheaf_error *error)
{
    const struct span *span = data;
    const struct source *source = span->source;
    const struct source_map *map = &source->map;
    const int64_t element_bytes = convert_element_bytes(map->file_type);

    if (map->kind == SOURCE_GENERATED) {
        generate_fill(&map->generate, span->task, first, count, to);
        return SHEAF_OK;
    }
    return source_plain_read(map, source->descriptor, span->task * source->stored_bytes + first * element_bytes,
                             count * element_bytes, to, error);
}

/* Generated tasks one by one, tasks of a file as one run of elements. */
static enum sheaf_status
read_by_elements(const struct source *source, int64_t first, int64_t count, char *to, struct sheaf_error *error)
{
    const struct source_map *map = &source->map;
    const int64_t tasks = map->kind == SOURCE_GENERATED ? 1 : count;
    enum sheaf_status status = SHEAF_OK;

    for (int64_t done = 0; done < count && status == SHEAF_OK; done += tasks) {
        const struct span span = {source, first + done};
        const struct convert_stored stored = {map->file_type, map->swapped, fetch_elements, &span};
        status =
            convert_fetched(&stored, map->array.type, tasks * source->elements, to + done * map->task_bytes, error);
    }
    return status;
}

/* A member a task. */
static enum sheaf_status
read_members(struct source *source, int64_t first, int64_t count, char *to, struct sheaf_error *error)
{
    const struct source_map *map = &source->map;
    const struct sheaf_array array = {map->array.type, map->array.core};
    enum sheaf_status status = SHEAF_OK;

    for (int64_t i = 0; i < count && status == SHEAF_OK; i++)
        status = set_read(source->reader, first + i, &array, to + i * map->task_bytes, error);
    return status;
}

/* At the first read. */
static enum sheaf_status
open_library(struct source *source, struct sheaf_error *error)
{
    if (source->library.dataset >= 0 || source_library_open(&source->map, &source->library, error) == SHEAF_OK)
        return SHEAF_OK;
    /* it could be opened when it was described: whatever is wrong now is a failed read */
    if (error)
        error->status = SHEAF_IO_ERROR;
    return SHEAF_IO_ERROR;
}

static enum sheaf_status
read_library(struct source *source, int64_t first, int64_t count, void *to, struct sheaf_error *error)
{
    const enum sheaf_status status = open_library(source, error);

    return status == SHEAF_OK ? source_library_read(&source->library, &source->map, first, count, to, error) : status;
}

static enum sheaf_status
read_entries(struct source *source, int64_t first, int64_t count, void *to, struct sheaf_error *error)
{
    if (source_is_set(source))
        return read_members(source, first, count, to, error);
    if (source_access(source) != SOURCE_LIBRARY)
        return read_by_elements(source, first, count, to, error);
    return read_library(source, first, count, to, error);
}

/*
 * Read a piece's entries to the end of its place, then give each task its own. None is overwritten before it was copied: each
 * entry that is left has at least one task that is left.
 */
static enum sheaf_status
read_piece(struct source *source, const struct broadcast_piece *piece, char *to, struct sheaf_error *error)
{
    const int64_t bytes = source->map.task_bytes;
    const char *from = to + (piece->tasks - piece->entries) * bytes;
    int64_t left = piece->first_repeats;

    enum sheaf_status status =
        read_entries(source, piece->entry, piece->entries, to + (piece->tasks - piece->entries) * bytes, error);
    if (status != SHEAF_OK || piece->tasks == piece->entries)
        return status;
    for (int64_t task = 0; task < piece->tasks; task++) {
        if (to != from)
            memcpy(to, from, (size_t)bytes);
        to += bytes;
        if (--left == 0) {
            from += bytes;
            left = piece->repeats;
        }
    }
    return SHEAF_OK;
}

enum sheaf_status
source_read(struct source *source, int64_t first, int64_t count, void *buffer, struct sheaf_error *error)
{
    const int64_t bytes = source->map.task_bytes;
    struct broadcast_piece piece;

    enum sheaf_status status = check_range(source, first, count, error);
    if (status != SHEAF_OK)
        return status;
    for (int64_t done = 0; done < count; done += piece.tasks) {
        char *to = (char *)buffer + done * bytes;
        piece = broadcast_piece(&source->map.tasks, first, first + done, count - done);
        if (piece.earlier >= 0) {
            memcpy(to, (char *)buffer + (piece.earlier - first) * bytes, (size_t)(piece.tasks * bytes));
            continue;
        }
        status = read_piece(source, &piece, to, error);
        if (status != SHEAF_OK)
            return status;
    }
    return SHEAF_OK;
}

enum sheaf_status
source_fetch(struct source *source, int64_t first, int64_t count, void *raw, int64_t bytes, struct sheaf_error *error)
{
    enum sheaf_status status = check_range(source, first, count, error);

    if (status == SHEAF_OK)
        status = open_library(source, error);
    if (status == SHEAF_OK)
        status = source_packed_fetch(&source->library, &source->map, first, count, raw, bytes, error);
    return status;
}

enum sheaf_status
source_decode(const struct source *source, int64_t count, void *raw, void *buffer, struct sheaf_error *error)
{
    return source_packed_decode(&source->map, count, raw, buffer, error);
}

enum sheaf_status
source_read_task(struct source *source, int64_t task, const struct sheaf_array *array, void *buffer,
                 struct sheaf_error *error)
{
    if (!source_is_set(source))
        return sheaf_fail(error, SHEAF_INTERNAL, "%s: is no set of datasets", source->map.text);
    return set_read(source->reader, source_entry(&source->map, task), array, buffer, error);
}

int64_t
source_raw_task_bytes(const struct source_map *map, const struct sheaf_array *array)
{
    if (map->kind != SOURCE_SET || map->shared || !source_packed_is_consecutive(map))
        return 0;
    return set_raw_bytes(map->raw_share, map->file_type, array);
}

enum sheaf_status
source_fetch_task(struct source *source, int64_t task, const struct sheaf_array *array, void *raw, int64_t bytes,
                  void *buffer, struct sheaf_error *error)
{
    if (!source_is_set(source))
        return sheaf_fail(error, SHEAF_INTERNAL, "%s: is no set of datasets", source->map.text);
    return set_fetch(source->reader, source_entry(&source->map, task), array, raw, bytes, buffer, error);
}

enum sheaf_status
source_decode_task(const struct source *source, int64_t task, const struct sheaf_array *array, void *raw, int64_t bytes,
                   void *buffer, struct sheaf_error *error)
{
    if (!source_is_set(source))
        return sheaf_fail(error, SHEAF_INTERNAL, "%s: is no set of datasets", source->map.text);
    return set_decode(source->reader, source_entry(&source->map, task), array, raw, bytes, buffer, error);
}
