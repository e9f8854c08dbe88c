#include "set_names.h"

#include <stdlib.h>
#include <string.h>
#include <xxhash.h>

bool
set_names_start(struct set_names *names, const struct set_member *members, int64_t count, const char *texts)
{
    uint64_t slots = 16;

    while (slots < 2 * (uint64_t)count)
        slots *= 2;
    *names = (struct set_names){.members = members, .texts = texts, .mask = slots - 1};
    names->slots = malloc(slots * sizeof *names->slots);
    if (!names->slots)
        return false;
    for (uint64_t i = 0; i < slots; i++)
        names->slots[i] = -1;
    return true;
}

void
set_names_free(struct set_names *names)
{
    free(names->slots);
    names->slots = NULL;
}

/* The slot that has the name, or the free one where it belongs. */
static int64_t *
find_slot(const struct set_names *names, const char *name)
{
    uint64_t at = XXH3_64bits(name, strlen(name)) & names->mask;

    while (names->slots[at] >= 0 && strcmp(names->texts + names->members[names->slots[at]].name, name) != 0)
        at = (at + 1) & names->mask;
    return &names->slots[at];
}

int64_t
set_names_find(const struct set_names *names, const char *name)
{
    return *find_slot(names, name);
}

int64_t
set_names_add(struct set_names *names, int64_t member)
{
    int64_t *slot = find_slot(names, names->texts + names->members[member].name);

    if (*slot >= 0)
        return *slot;
    *slot = member;
    return -1;
}
