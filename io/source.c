#include "source.h"

#include "convert.h"
#include "file.h"
#include "source_library.h"
#include "source_plain.h"

#include <stdlib.h>
#include <unistd.h>

struct source {
    struct source_map map;
    struct set_reader *reader;     /* of a set */
    int64_t entries;               /* tasks that it holds; INT64_MAX where it counts none */
    int64_t elements;              /* of one task */
    int64_t stored_bytes;          /* of one task in the file */
    int descriptor;                /* of a plain contiguous dataset, else -1 */
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

enum sheaf_status
source_attach(const struct source_map *map, struct source **source, struct sheaf_error *error)
{
    enum sheaf_status status = SHEAF_OK;

    *source = malloc(sizeof **source);
    if (!*source)
        return sheaf_fail(error, SHEAF_NO_RESOURCES, "%s: no memory to open it", map->text);
    **source = (struct source){.map = *map, .descriptor = -1, .library = SOURCE_LIBRARY_CLOSED};
    if (!sheaf_shape_count(&map->array.lead, &(*source)->entries) ||
        !sheaf_shape_count(&map->array.core, &(*source)->elements) ||
        !convert_possible(map->file_type, map->array.type))
        status = sheaf_fail(error, SHEAF_INTERNAL, "%s: its description is invalid", map->text);
    (*source)->stored_bytes = source_plain_task_bytes(map);
    if (map->countless)
        (*source)->entries = INT64_MAX;
    if (status == SHEAF_OK && map->kind == SOURCE_DATASET && map->offset >= 0)
        status = open_plain(*source, error);
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

static bool
in_range(const struct source *source, int64_t first, int64_t count)
{
    return first >= 0 && count >= 0 && first <= source->entries && count <= source->entries - first;
}

bool
source_is_cached(const struct source *source, int64_t first, int64_t count)
{
    return source_access(source) == SOURCE_DISK && !source_is_set(source) && in_range(source, first, count) &&
           count > 0 &&
           source_plain_is_cached(&source->map, source->descriptor, first * source->stored_bytes,
                                  count * source->stored_bytes);
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

enum sheaf_status
source_read_task(struct source *source, int64_t task, const struct sheaf_array *array, void *buffer,
                 struct sheaf_error *error)
{
    if (!source_is_set(source))
        return sheaf_fail(error, SHEAF_INTERNAL, "%s: is no set of datasets", source->map.text);
    return set_read(source->reader, task, array, buffer, error);
}

enum sheaf_status
source_read(struct source *source, int64_t first, int64_t count, void *buffer, struct sheaf_error *error)
{
    const struct source_map *map = &source->map;
    enum sheaf_status status;

    if (!in_range(source, first, count))
        return sheaf_fail(error, SHEAF_INTERNAL, "%s: tasks %lld to %lld were asked for, it has %lld", map->text,
                          (long long)first, (long long)(first + count - 1), (long long)source->entries);
    if (source_is_set(source))
        return read_members(source, first, count, buffer, error);
    if (source_access(source) != SOURCE_LIBRARY)
        return read_by_elements(source, first, count, buffer, error);
    if (source->library.dataset < 0) {
        status = source_library_open(map, &source->library, error);
        if (status != SHEAF_OK) {
            /* it could be opened when it was described: whatever is wrong now is a failed read */
            if (error)
                error->status = SHEAF_IO_ERROR;
            return SHEAF_IO_ERROR;
        }
    }
    return source_library_read(&source->library, map, first, count, buffer, error);
}
