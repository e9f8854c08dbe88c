/**
 * @file set_expand.h
 * From the text of a set to its members, in any order, unchecked. For io/set*.c only.
 */
#ifndef SHEAF_SET_EXPAND_H
#define SHEAF_SET_EXPAND_H

#include "set_examine.h"
#include "set_wildcard.h"

/** A walk through directories, and through the groups of each file. */
struct set_expansion {
    struct set_builder *builder;
    struct sheaf_error *error;
    struct set_examiner examiner;
    struct wildcard_path files, datasets; /**< the two parts of the text */
    const char *dataset_text;             /**< the second one, with the slice */
    const char *slice;                    /**< as it is written; "": none */
    bool literal;                         /**< there are datasets whose names end with it: it is no slice */
    bool probed;                          /**< that is known */
    struct set_buffer file;               /**< path of the file or directory so far */
    struct set_buffer dataset;            /**< of the group or dataset */
    struct set_buffer name;               /**< what the wildcards matched so far */
};

/**
 * Expand wildcards into the builder.
 * @param[in]  slice    where in builder->text the slice begins, or its end
 * @param[out] literal  the slice is none, but part of datasets' names
 * @return SHEAF_OK, also where nothing matches; SHEAF_USAGE, SHEAF_IO_ERROR, SHEAF_NO_RESOURCES, SHEAF_INTERNAL
 */
enum sheaf_status set_expand_wildcards(struct set_builder *builder, const char *slice, bool *literal,
                                       struct sheaf_error *error);

/** Read a list file. @return SHEAF_OK; SHEAF_USAGE: a line of it, SHEAF_NO_INPUT, SHEAF_NO_RESOURCES */
enum sheaf_status set_expand_list(struct set_builder *builder, const char *path, struct sheaf_error *error);

/** Find the last ":" before a "/", between file and dataset. @return NULL: there is none, or no file before it */
const char *set_expand_split(const char *text);

/** Find the datasets of one file, x->file, and examine them. In set_links.c, for set_expand.c. */
enum sheaf_status set_expand_links(struct set_expansion *x);

/** Add what a level's wildcards matched to the name. For set_links.c too. @return SHEAF_OK; SHEAF_NO_RESOURCES */
enum sheaf_status set_expand_name(struct set_expansion *x, const struct wildcard_match *match);

/** Add a level to a path. The same. */
enum sheaf_status set_expand_level(struct set_expansion *x, struct set_buffer *path, const char *name, size_t length);

#endif
