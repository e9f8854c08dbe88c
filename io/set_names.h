/**
 * @file set_names.h
 * Members of a set by their names: a hash table. For io/set*.c only.
 */
#ifndef SHEAF_SET_NAMES_H
#define SHEAF_SET_NAMES_H

#include "set.h"

#include <stdbool.h>

/** The members and texts are the caller's, and have to stay. */
struct set_names {
    const struct set_member *members;
    const char *texts;
    uint64_t mask;
    int64_t *slots; /**< member numbers, -1: free */
};

/** Prepare for `count` members; none is in it yet. @return false without memory */
bool set_names_start(struct set_names *names, const struct set_member *members, int64_t count, const char *texts);

void set_names_free(struct set_names *names);

/** @return the member of that name; -1: none */
int64_t set_names_find(const struct set_names *names, const char *name);

/** Add a member. @return -1; the number of the member that has its name already: nothing was added */
int64_t set_names_add(struct set_names *names, int64_t member);

#endif
