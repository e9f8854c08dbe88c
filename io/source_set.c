#include "convert.h"
#include "source.h"

#include <stdlib.h>

/* What all readable members have in common, as far as they have been looked at. */
struct common {
    struct sheaf_shape shape; /* 0 where extents differ: no member's own is, they would have nothing to read */
    uint32_t types;
    int64_t most; /* elements of the greatest */
    bool plain, in_memory;
};

static void
add_member(struct common *common, const struct set_member *member)
{
    int64_t elements = 0;

    sheaf_shape_count(&member->shape, &elements);
    if (common->types == 0)
        common->shape = member->shape;
    for (int i = 0; i < common->shape.ndim; i++)
        if (member->shape.extent[i] != common->shape.extent[i])
            common->shape.extent[i] = 0;
    common->types |= SHEAF_TYPE_BIT(member->type);
    common->most = elements > common->most ? elements : common->most;
    common->plain = common->plain && member->offset >= 0;
    common->in_memory = common->in_memory && member->in_memory;
}

static enum sheaf_status
fill_map(const char *text, const struct set *set, struct source_map *map, struct sheaf_error *error)
{
    struct common common = {.plain = true, .in_memory = true};
    int64_t elements = 0, bytes;

    for (int64_t i = 0; i < set->count; i++)
        if (!set_member(set, i)->unreadable)
            add_member(&common, set_member(set, i));
    sheaf_shape_count(&common.shape, &elements);
    map->kind = SOURCE_SET;
    map->array.type = map->file_type = convert_common(common.types);
    map->array.lead = (struct sheaf_shape){.ndim = 1, .extent = {set->count}};
    map->array.core = common.shape;
    map->uneven = elements == 0;
    map->in_memory = common.in_memory;
    map->offset = common.plain ? 0 : -1; // of no file: it says that the library is not needed
    map->chunk_tasks = 1;
    map->fingerprint = set->fingerprint;
    map->raw_share = set->raw_share;
    if (!sheaf_multiply(common.most, (int64_t)sheaf_type_size(map->file_type), &map->task_bytes) ||
        !sheaf_multiply(map->task_bytes, set->count, &bytes))
        return sheaf_fail(error, SHEAF_BAD_DATA, "%s: more bytes than 64 bits can count", text);
    return SHEAF_OK;
}

enum sheaf_status
source_describe_set(const char *text, int core_ndim, struct source_map *map, struct set **set,
                    struct sheaf_error *error)
{
    memset(map, 0, sizeof *map);
    *set = NULL;
    if (snprintf(map->text, sizeof map->text, "%s", text) >= (int)sizeof map->text)
        return sheaf_fail(error, SHEAF_USAGE, "%.60s...: the operand is longer than %zu bytes", text,
                          sizeof map->text - 1);
    enum sheaf_status status = set_describe(text, core_ndim, set, error);
    if (!status)
        status = fill_map(text, *set, map, error);
    if (status) {
        free(*set);
        *set = NULL;
    }
    return status;
}
