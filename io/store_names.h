/**
 * @file store_names.h
 * The names of a results file's tasks, as names of datasets: "/" makes groups. For io/store*.c only. Pure.
 */
#ifndef SHEAF_STORE_NAMES_H
#define SHEAF_STORE_NAMES_H

#include "store.h"

struct store_names {
    const char **of;    /**< the name of each task; the texts are the spec's */
    int64_t text_bytes; /**< of all names, their NULs included */
    int64_t groups;     /**< that the names need within one group */
};

/**
 * Take the names apart and check that each can name a dataset beside the others.
 * @param[out] names  store_names_free is the caller's, also after a failure
 * @return SHEAF_OK; SHEAF_BAD_DATA with both names: equal ones, or one is a group of the other;
 *         SHEAF_INTERNAL: not as many as tasks; SHEAF_NO_RESOURCES
 */
enum sheaf_status store_names_split(const struct store_spec *spec, struct store_names *names,
                                    struct sheaf_error *error);

void store_names_free(struct store_names *names);

#endif
