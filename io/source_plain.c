#include "source_plain.h"

#include "file.h"

int64_t
source_plain_task_bytes(const struct source_map *map)
{
    int64_t bytes = 0;

    sheaf_shape_bytes(&map->array.core, map->file_type, &bytes);
    return bytes;
}

/* Bytes of one row: of all tasks that share an entry of the first axis. */
static int64_t
row_bytes(const struct source_map *map)
{
    int64_t bytes = source_plain_task_bytes(map);

    for (int i = 1; i < map->array.lead.ndim; i++)
        bytes *= map->array.lead.extent[i];
    return bytes > 0 ? bytes : 1; /* what has no bytes is not described: this is a divisor */
}

bool
source_plain_end(const struct source_map *map, int64_t *end)
{
    int64_t rows = map->array.lead.ndim > 0 ? map->array.lead.extent[0] : 1, bytes;
    int64_t reach = map->slice_step > 0 ? (rows - 1) * map->slice_step + 1 : 1;

    return sheaf_multiply(reach, row_bytes(map), &bytes) && !__builtin_add_overflow(map->offset, bytes, end);
}

enum sheaf_status
source_plain_read(const struct source_map *map, int descriptor, int64_t at, int64_t bytes, void *buffer,
                  struct sheaf_error *error)
{
    if (map->slice_step == 1)
        return file_read(descriptor, map->text, map->offset + at, buffer, (size_t)bytes, error);

    const int64_t row = row_bytes(map);
    for (int64_t done = 0; done < bytes;) {
        int64_t within = (at + done) % row, some = row - within < bytes - done ? row - within : bytes - done;
        int64_t offset = map->offset + (at + done) / row * map->slice_step * row + within;
        enum sheaf_status status = file_read(descriptor, map->text, offset, (char *)buffer + done, (size_t)some, error);
        if (status != SHEAF_OK)
            return status;
        done += some;
    }
    return SHEAF_OK;
}

bool
source_plain_is_cached(const struct source_map *map, int descriptor, int64_t at, int64_t bytes)
{
    if (map->slice_step == 1)
        return file_is_cached(descriptor, map->offset + at, bytes);
    /* the rows between the selected ones too: they share pages, and what reads ahead reads them */
    const int64_t row = row_bytes(map), first = at / row * map->slice_step;
    const int64_t last = (at + bytes - 1) / row * map->slice_step;
    const int64_t low = first < last ? first : last, high = first < last ? last : first;
    return file_is_cached(descriptor, map->offset + low * row, (high - low + 1) * row);
}
