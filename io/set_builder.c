#include "set_builder.h"

#include "natural.h"

#include <stdlib.h>
#include <string.h>

bool
set_buffer_add(struct set_buffer *buffer, const char *bytes, size_t count)
{
    if (count >= buffer->room - buffer->used) {
        size_t room = 2 * buffer->room + count + 256;
        char *more = realloc(buffer->bytes, room);
        if (!more)
            return false;
        buffer->bytes = more;
        buffer->room = room;
    }
    memcpy(buffer->bytes + buffer->used, bytes, count);
    buffer->used += count;
    buffer->bytes[buffer->used] = '\0';
    return true;
}

void
set_buffer_cut(struct set_buffer *buffer, size_t used)
{
    buffer->used = used;
    if (buffer->bytes)
        buffer->bytes[used] = '\0';
}

void
set_buffer_free(struct set_buffer *buffer)
{
    free(buffer->bytes);
    *buffer = (struct set_buffer){0};
}

void
set_glimpse_add(struct set_glimpse *glimpse, const char *name)
{
    char cut[SET_GLIMPSE_TEXT];
    int place = glimpse->count;

    if (strlen(name) >= sizeof cut)
        snprintf(cut, sizeof cut, "%.*s...", (int)sizeof cut - 4, name);
    else
        strcpy(cut, name);
    while (place > 0 && natural_compare(cut, glimpse->names[place - 1]) < 0)
        place--;
    if (glimpse->count == SET_GLIMPSE_NAMES)
        glimpse->more = true;
    else
        glimpse->count++;
    for (int i = glimpse->count - 1; i > place; i--)
        memcpy(glimpse->names[i], glimpse->names[i - 1], sizeof glimpse->names[i]);
    if (place < glimpse->count)
        memcpy(glimpse->names[place], cut, sizeof cut);
}

enum sheaf_status
set_builder_no_memory(const struct set_builder *builder, struct sheaf_error *error)
{
    return sheaf_fail(error, SHEAF_NO_RESOURCES, "%s: no memory for a set of %lld datasets", builder->text,
                      (long long)builder->count);
}

enum sheaf_status
set_builder_start(struct set_builder *builder, const char *text, int core_ndim, struct sheaf_error *error)
{
    *builder = (struct set_builder){.text = text, .core_ndim = core_ndim};
    /* offset 0 is "" */
    return set_buffer_add(&builder->texts, "", 1) ? SHEAF_OK : set_builder_no_memory(builder, error);
}

void
set_builder_free(struct set_builder *builder)
{
    free(builder->members);
    set_buffer_free(&builder->texts);
}

enum sheaf_status
set_builder_keep(struct set_builder *builder, const char *text, int64_t *offset, struct sheaf_error *error)
{
    *offset = 0;
    if (*text == '\0')
        return SHEAF_OK;
    *offset = (int64_t)builder->texts.used;
    return set_buffer_add(&builder->texts, text, strlen(text) + 1) ? SHEAF_OK : set_builder_no_memory(builder, error);
}

static bool
make_room(struct set_builder *builder)
{
    if (builder->count < builder->room)
        return true;
    int64_t room = 2 * builder->room + 64;
    struct set_member *more = realloc(builder->members, (size_t)room * sizeof *more);
    if (!more)
        return false;
    builder->members = more;
    builder->room = room;
    return true;
}

enum sheaf_status
set_builder_add(struct set_builder *builder, const char *file, const char *dataset, const char *name,
                struct sheaf_error *error)
{
    struct set_member member = {.text = (int64_t)builder->texts.used, .offset = -1};

    member.dataset = member.text + (int64_t)strlen(file) + 1;
    if (!make_room(builder) || !set_buffer_add(&builder->texts, file, strlen(file)) ||
        !set_buffer_add(&builder->texts, ":", 1) || !set_buffer_add(&builder->texts, dataset, strlen(dataset) + 1))
        return set_builder_no_memory(builder, error);
    enum sheaf_status status = set_builder_keep(builder, name, &member.name, error);
    if (status == SHEAF_OK)
        builder->members[builder->count++] = member;
    return status;
}

void
set_builder_take_back(struct set_builder *builder, size_t texts_before)
{
    builder->count--;
    set_buffer_cut(&builder->texts, texts_before);
}

enum sheaf_status
set_builder_refuse(struct set_builder *builder, int64_t member, const struct sheaf_error *why,
                   struct sheaf_error *error)
{
    builder->members[member].unreadable = (uint8_t)why->status;
    builder->members[member].offset = -1;
    return set_builder_keep(builder, why->text, &builder->members[member].reason, error);
}

void
set_builder_missing(struct set_builder *builder, const char *where, const struct set_glimpse *there)
{
    size_t used;

    if (builder->missing[0] != '\0')
        return;
    used = (size_t)snprintf(builder->missing, sizeof builder->missing, "%.100s has %s", where,
                            there->count ? "" : "nothing");
    for (int i = 0; i < there->count; i++)
        used += (size_t)snprintf(builder->missing + used, sizeof builder->missing - used, "%s%s", i ? ", " : "",
                                 there->names[i]);
    if (there->more)
        snprintf(builder->missing + used, sizeof builder->missing - used, ", ...");
}

void
set_builder_missing_text(struct set_builder *builder, const char *format, ...)
{
    va_list args;

    if (builder->missing[0] != '\0')
        return;
    va_start(args, format);
    vsnprintf(builder->missing, sizeof builder->missing, format, args);
    va_end(args);
}

enum sheaf_status
set_builder_finish(const struct set_builder *builder, struct set **set, struct sheaf_error *error)
{
    size_t members = (size_t)builder->count * sizeof(struct set_member);
    struct set *block = malloc(sizeof *block + members + builder->texts.used);

    *set = block;
    if (!block)
        return set_builder_no_memory(builder, error);
    *block = (struct set){.bytes = (int64_t)(sizeof *block + members + builder->texts.used),
                          .count = builder->count,
                          .members = sizeof *block,
                          .texts = (int64_t)(sizeof *block + members),
                          .raw_share = builder->raw_share};
    memcpy((char *)block + block->members, builder->members, members);
    memcpy((char *)block + block->texts, builder->texts.bytes, builder->texts.used);
    return SHEAF_OK;
}
