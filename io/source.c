#include "source.h"

#include "file.h"
#include "source_library.h"

#include <stdlib.h>
#include <unistd.h>

struct source {
    struct source_map map;
    int64_t entries;               /* tasks that it holds; INT64_MAX where it counts none */
    int64_t elements;              /* of one task */
    int descriptor;                /* of a plain contiguous dataset, else -1 */
    struct source_library library; /* of any other one, once it was read */
};

/* The other end of the plan is another process, maybe on another node: its view of the file may be another. */
static enum sheaf_status
open_plain(struct source *source, struct sheaf_error *error)
{
    const struct source_map *map = &source->map;
    struct stat about;

    enum sheaf_status status = file_open_read(map->path, map->text, &source->descriptor, &about, error);
    if (status == SHEAF_OK && about.st_size < map->offset + source->entries * map->task_bytes)
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
        !sheaf_shape_count(&map->array.core, &(*source)->elements))
        status = sheaf_fail(error, SHEAF_INTERNAL, "%s: its description is invalid", map->text);
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

void
source_detach(struct source *source)
{
    if (!source)
        return;
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

static bool
in_range(const struct source *source, int64_t first, int64_t count)
{
    return first >= 0 && count >= 0 && first <= source->entries && count <= source->entries - first;
}

bool
source_is_cached(const struct source *source, int64_t first, int64_t count)
{
    const struct source_map *map = &source->map;

    return source_access(source) == SOURCE_DISK && in_range(source, first, count) &&
           file_is_cached(source->descriptor, map->offset + first * map->task_bytes, count * map->task_bytes);
}

enum sheaf_status
source_read(struct source *source, int64_t first, int64_t count, void *buffer, struct sheaf_error *error)
{
    const struct source_map *map = &source->map;
    enum sheaf_status status;

    if (!in_range(source, first, count))
        return sheaf_fail(error, SHEAF_INTERNAL, "%s: tasks %lld to %lld were asked for, it has %lld", map->text,
                          (long long)first, (long long)(first + count - 1), (long long)source->entries);
    switch (source_access(source)) {
    case SOURCE_COMPUTED:
        for (int64_t i = 0; i < count; i++)
            generate_fill(&map->generate, first + i, 0, source->elements, (char *)buffer + i * map->task_bytes);
        return SHEAF_OK;
    case SOURCE_MEMORY:
    case SOURCE_DISK:
        return file_read(source->descriptor, map->text, map->offset + first * map->task_bytes, buffer,
                         (size_t)(count * map->task_bytes), error);
    case SOURCE_LIBRARY:
        break;
    }
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
