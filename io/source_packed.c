#include "source_packed.h"

#include "convert.h"
#include "packed_library.h"

/* Whoever reads a part of a chunk unpacks all of it: more than so often the bytes that are wanted is worse than the library. */
enum { WASTE_MAX = 2 };

static int64_t
stored_task_bytes(const struct source_map *map)
{
    return map->task_bytes / convert_element_bytes(map->array.type) * convert_element_bytes(map->file_type);
}

/* What wider elements need before packed.h's area. */
static int64_t
wide_bytes(const struct source_map *map, int64_t count)
{
    if (convert_element_bytes(map->file_type) <= convert_element_bytes(map->array.type))
        return 0;
    return packed_align(count * stored_task_bytes(map));
}

/* The entry of the whole dataset that task 0 uses; the others follow where tasks and entries are the same. */
static int64_t
first_entry(const struct source_map *map)
{
    int64_t inner = 1;

    for (int i = 1; i < map->array.lead.ndim; i++)
        inner *= map->array.lead.extent[i];
    return map->slice_first * inner;
}

bool
source_packed_is_consecutive(const struct source_map *map)
{
    const struct broadcast *tasks = &map->tasks;

    return tasks->ndim == 0 || (tasks->ndim == 1 && tasks->axes[0].stride == 1);
}

int64_t
source_raw_bytes(const struct source_map *map, int64_t count)
{
    const struct packed_layout *layout = &map->packed;
    const int64_t first = first_entry(map);
    int64_t bytes, unpacked;

    if (layout->grid.ndim == 0 || map->shared || map->slice_step != 1 || !source_packed_is_consecutive(map) ||
        !sheaf_multiply(packed_grid_most(&layout->grid, first, count, count), layout->chunk_bytes, &unpacked) ||
        unpacked / WASTE_MAX > count * stored_task_bytes(map) ||
        !packed_raw_bytes(layout, first, count, count, &bytes) ||
        __builtin_add_overflow(bytes, wide_bytes(map, count), &bytes))
        return 0;
    return bytes;
}

enum sheaf_status
source_packed_fetch(const struct source_library *library, const struct source_map *map, int64_t first, int64_t count,
                    void *raw, int64_t bytes, struct sheaf_error *error)
{
    const int64_t wide = wide_bytes(map, count);
    struct packed_layout found;

    if (!packed_describe(library->dataset, map->packed.grid.lead, &found) ||
        memcmp(&found, &map->packed, sizeof found) != 0)
        return sheaf_fail(error, SHEAF_IO_ERROR, "%s: the dataset has changed since it was examined", map->text);
    return packed_fetch(&map->packed, library->dataset, map->text, first_entry(map) + first, count, (char *)raw + wide,
                        bytes - wide, error);
}

enum sheaf_status
source_packed_decode(const struct source_map *map, int64_t count, void *raw, void *buffer, struct sheaf_error *error)
{
    const int64_t wide = wide_bytes(map, count);
    const int64_t elements = count * (map->task_bytes / convert_element_bytes(map->array.type));
    struct convert_room room = {raw, wide};
    void *stored = convert_room_for(&room, map->file_type, map->array.type, elements, buffer);
    struct packed_raw *packed = (struct packed_raw *)(void *)((char *)raw + wide);

    enum sheaf_status status = packed_decode(packed, map->text, stored, error);
    if (status == SHEAF_OK)
        convert_room_into(map->file_type, map->swapped, map->array.type, elements, stored, buffer);
    return status;
}
