#include "source.h"

#include <stdlib.h>

/* The first member that could be examined; set_describe has seen to it that there is one. */
static const struct set_member *
first_readable(const struct set *set)
{
    for (int64_t i = 0; i < set->count; i++)
        if (!set_member(set, i)->unreadable)
            return set_member(set, i);
    return set_member(set, 0);
}

static enum sheaf_status
check_equal(const char *text, const struct set *set, const struct set_member *a, const struct set_member *b,
            struct sheaf_error *error)
{
    char shape_a[SHEAF_SHAPE_TEXT], shape_b[SHEAF_SHAPE_TEXT];
    if (sheaf_shape_equal(&a->shape, &b->shape) && a->type == b->type)
        return SHEAF_OK;
    return sheaf_fail(
        error, SHEAF_BAD_DATA,
        "%s: its datasets differ: %s is %s %s, %s is %s %s; give those of each shape and type by themselves", text,
        set_text(set, a->text), sheaf_shape_format(&a->shape, shape_a), sheaf_type_name(a->type),
        set_text(set, b->text), sheaf_shape_format(&b->shape, shape_b), sheaf_type_name(b->type));
}

static enum sheaf_status
fill_map(const char *text, const struct set *set, struct source_map *map, struct sheaf_error *error)
{
    const struct set_member *first = first_readable(set);
    bool plain = true;
    int64_t bytes;
    map->in_memory = true;
    for (int64_t i = 0; i < set->count; i++) {
        const struct set_member *member = set_member(set, i);
        if (member->unreadable)
            continue;
        enum sheaf_status status = check_equal(text, set, first, member, error);
        if (status)
            return status;
        plain &= member->offset >= 0;
        map->in_memory &= member->in_memory != 0;
    }
    map->kind = SOURCE_SET;
    map->array.type = map->file_type = first->type;
    map->array.lead = (struct sheaf_shape){.ndim = 1, .extent = {set->count}};
    map->array.core = first->shape;
    map->offset = plain ? 0 : -1; // of no file: it says that the library is not needed
    map->chunk_tasks = 1;
    map->fingerprint = set->fingerprint;
    if (!sheaf_shape_bytes(&first->shape, first->type, &map->task_bytes) ||
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
