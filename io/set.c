#include "set.h"

#include "natural.h"
#include "set_expand.h"
#include "set_names.h"
#include "slice.h"

#include <stdlib.h>
#include <unistd.h>

enum { LEFT_OVER = 3 };

bool
set_text_is_set(const char *text)
{
    struct slice slice;
    size_t length;

    slice_parse(text, &length, &slice);
    return set_text_is_list(text) || wildcard_in(text, length);
}

bool
set_text_is_list(const char *text)
{
    return *text == '@';
}

const struct set_member *
set_member(const struct set *set, int64_t i)
{
    return (const struct set_member *)((const char *)set + set->members) + i;
}

const char *
set_text(const struct set *set, int64_t offset)
{
    return (const char *)set + set->texts + offset;
}

static int
compare_names(const void *a, const void *b, void *data)
{
    const struct set_member *first = a, *second = b;
    const char *texts = data;

    return natural_compare(texts + first->name, texts + second->name);
}

static enum sheaf_status
take_slice(struct set_builder *builder, const struct slice *slice, struct sheaf_error *error)
{
    int64_t first, step, selected;

    if (!slice_apply(slice, builder->count, &first, &step, &selected))
        return sheaf_fail(error, SHEAF_BAD_DATA, "%s: the slice selects none of %lld datasets", builder->text,
                          (long long)builder->count);
    if (first == 0 && step == 1) {
        builder->count = selected;
        return SHEAF_OK;
    }
    struct set_member *members = malloc((size_t)selected * sizeof *members);
    if (!members)
        return set_builder_no_memory(builder, error);
    for (int64_t i = 0; i < selected; i++)
        members[i] = builder->members[first + i * step];
    free(builder->members);
    builder->members = members;
    builder->count = builder->room = selected;
    return SHEAF_OK;
}

/* Results are called by these names. */
static enum sheaf_status
check_names(const struct set_builder *builder, struct sheaf_error *error)
{
    const struct set_member *members = builder->members;
    const char *texts = builder->texts.bytes;
    enum sheaf_status status = SHEAF_OK;
    struct set_names names;

    if (!set_names_start(&names, members, builder->count, texts))
        return set_builder_no_memory(builder, error);
    for (int64_t i = 0; i < builder->count && status == SHEAF_OK; i++) {
        int64_t other = set_names_add(&names, i);
        if (other >= 0)
            status = sheaf_fail(error, SHEAF_BAD_DATA, "%s: %s and %s have one name, \"%s\"; results need two",
                                builder->text, texts + members[other].text, texts + members[i].text,
                                texts + members[i].name);
    }
    set_names_free(&names);
    return status;
}

static enum sheaf_status
find_members(struct set_builder *builder, struct sheaf_error *error)
{
    struct slice slice;
    size_t length;
    bool literal = false;

    if (!slice_parse(builder->text, &length, &slice))
        return sheaf_fail(error, SHEAF_USAGE, "operand \"%s\": " SLICE_GRAMMAR, builder->text);
    if (!set_text_is_list(builder->text)) {
        enum sheaf_status status = set_expand_wildcards(builder, builder->text + length, &literal, error);
        if (status != SHEAF_OK)
            return status;
    } else {
        literal = access(builder->text + 1, F_OK) == 0;
        char *path = strndup(builder->text + 1, literal ? strlen(builder->text) : length - 1);
        if (!path)
            return set_builder_no_memory(builder, error);
        enum sheaf_status status = set_expand_list(builder, path, error);
        free(path);
        if (status != SHEAF_OK)
            return status;
    }
    if (builder->count == 0)
        return sheaf_fail(error, SHEAF_NO_INPUT, "%s: nothing matches; %s%s", builder->text, builder->missing,
                          strchr(builder->text, '[') ? "; a \"[\" itself is written \"[[]\"" : "");
    if (!builder->listed)
        qsort_r(builder->members, (size_t)builder->count, sizeof *builder->members, compare_names,
                builder->texts.bytes);
    return slice.present && !literal ? take_slice(builder, &slice, error) : SHEAF_OK;
}

/* Tasks that cannot be read are failed ones, but not if they are all. */
static enum sheaf_status
check_any_readable(const struct set_builder *builder, struct sheaf_error *error)
{
    const struct set_member *first = builder->members;

    for (int64_t i = 0; i < builder->count; i++)
        if (!builder->members[i].unreadable)
            return SHEAF_OK;
    enum sheaf_status status = (enum sheaf_status)first->unreadable;
    if (builder->count == 1)
        return sheaf_fail(error, status, "%s", builder->texts.bytes + first->reason);
    return sheaf_fail(error, status, "%s: none of %lld datasets can be read; the first one: %s", builder->text,
                      (long long)builder->count, builder->texts.bytes + first->reason);
}

enum sheaf_status
set_describe(const char *text, int core_ndim, struct set **set, struct sheaf_error *error)
{
    struct set_builder builder;

    *set = NULL;
    enum sheaf_status status = set_builder_start(&builder, text, core_ndim, error);
    if (status == SHEAF_OK)
        status = find_members(&builder, error);
    if (status == SHEAF_OK)
        status = check_names(&builder, error);
    if (status == SHEAF_OK && !builder.examined)
        status = set_examine_all(&builder, error);
    if (status == SHEAF_OK)
        status = check_any_readable(&builder, error);
    if (status == SHEAF_OK)
        status = set_builder_finish(&builder, set, error);
    if (status == SHEAF_OK)
        status = set_examine_fingerprint(*set, error);
    if (status != SHEAF_OK) {
        free(*set);
        *set = NULL;
    }
    set_builder_free(&builder);
    return status;
}

/* The members that have no partner: their number, and the first few. */
struct left_over {
    int64_t count;
    int64_t first[LEFT_OVER];
};

static void
leave_over(struct left_over *left, int64_t member)
{
    if (left->count < LEFT_OVER)
        left->first[left->count] = member;
    left->count++;
}

static void
format_left_over(const struct set *set, const char *text, const char *other, const struct left_over *left, char *to,
                 size_t bytes)
{
    size_t used = 0;

    *to = '\0';
    if (left->count == 0)
        return;
    used = (size_t)snprintf(to, bytes, "; %lld of %lld in %.80s have no partner in %.80s: ", (long long)left->count,
                            (long long)set->count, text, other);
    for (int64_t i = 0; i < left->count && i < LEFT_OVER; i++)
        used += (size_t)snprintf(to + used, bytes - used, "%s%.40s", i ? ", " : "",
                                 set_text(set, set_member(set, left->first[i])->name));
    if (left->count > LEFT_OVER)
        snprintf(to + used, bytes - used, ", ...");
}

enum sheaf_status
set_pair(const struct set *a, const struct set *b, const char *text_a, const char *text_b, int64_t *partner,
         struct sheaf_error *error)
{
    struct left_over left_a = {0}, left_b = {0};
    struct set_names names;
    char text[2][384];
    bool *taken = calloc((size_t)b->count, sizeof *taken);
    bool room = set_names_start(&names, set_member(b, 0), b->count, set_text(b, 0));

    if (taken && room) {
        for (int64_t i = 0; i < b->count; i++)
            set_names_add(&names, i);
        for (int64_t i = 0; i < a->count; i++) {
            partner[i] = set_names_find(&names, set_text(a, set_member(a, i)->name));
            if (partner[i] < 0)
                leave_over(&left_a, i);
            else
                taken[partner[i]] = true;
        }
        for (int64_t i = 0; i < b->count; i++)
            if (!taken[i])
                leave_over(&left_b, i);
    }
    set_names_free(&names);
    free(taken);
    if (!taken || !room)
        return sheaf_fail(error, SHEAF_NO_RESOURCES, "%s: no memory to pair it with %s", text_a, text_b);
    if (left_a.count == 0 && left_b.count == 0)
        return SHEAF_OK;
    format_left_over(a, text_a, text_b, &left_a, text[0], sizeof text[0]);
    format_left_over(b, text_b, text_a, &left_b, text[1], sizeof text[1]);
    return sheaf_fail(error, SHEAF_BAD_DATA,
                      "operands pair by what their wildcards match%s%s; --pair order pairs by position", text[0],
                      text[1]);
}
