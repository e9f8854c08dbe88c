/* HDF5 files as operands: one dataset, and all of them, described and read. */
#include "fuzz.h"
#include "source.h"

#include <stdio.h>
#include <stdlib.h>

static const int64_t most_bytes = INT64_C(1) << 24;

static void
read_first(struct source *source, const struct source_map *map)
{
    struct sheaf_error error;
    void *buffer = map->task_bytes <= most_bytes ? malloc((size_t)map->task_bytes) : NULL;
    if (buffer && source_is_set(source))
        source_read_task(source, 0, &(struct sheaf_array){map->array.type, map->array.core}, buffer, &error);
    else if (buffer)
        source_read(source, 0, 1, buffer, &error);
    free(buffer);
}

static void
try_dataset(const char *path, int core_ndim)
{
    char text[4200];
    struct source_map map;
    struct source *source;
    struct sheaf_error error;
    snprintf(text, sizeof text, "%s:/a", path);
    if (source_describe(text, core_ndim, 0, 0, &map, &error))
        return;
    fuzz_demand(map.task_bytes > 0, "a task has bytes");
    if (source_attach(&map, &source, &error) == SHEAF_OK) {
        read_first(source, &map);
        source_detach(source);
    }
}

static void
try_set(const char *path)
{
    char text[4200];
    struct source_map map;
    struct set *set;
    struct source *source;
    struct sheaf_error error;
    snprintf(text, sizeof text, "%s:/*", path);
    if (source_describe_set(text, 2, &map, &set, &error) == SHEAF_OK && !map.uneven &&
        source_attach_set(&map, set, &source, &error) == SHEAF_OK) {
        read_first(source, &map);
        source_detach(source);
    }
    free(set);
}

int
LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t count)
{
    const char *path = fuzz_file(bytes, count);
    try_dataset(path, 2);
    try_dataset(path, 0);
    try_set(path);
    return 0;
}
