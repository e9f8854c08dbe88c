#include "set_expand.h"

#include <stdlib.h>
#include <string.h>

/* A walk through the groups of one file. No link out of it is followed. */
struct walk {
    struct set_expansion *x;
    hid_t access;
};

/* A group whose links are matched. */
struct visit {
    struct walk *walk;
    int level;
    bool any;
    enum sheaf_status status;
    struct set_glimpse glimpse;
};

/* The parameters are HDF5's. NOLINTBEGIN(readability-non-const-parameter) */
static herr_t
refuse_external_link(const char *parent_file, const char *parent_group, const char *file, const char *object,
                     unsigned *flags, hid_t access, void *data)
{
    (void)parent_file, (void)parent_group, (void)file, (void)object, (void)flags, (void)access, (void)data;
    return -1;
}
/* NOLINTEND(readability-non-const-parameter) */

static bool
is_no_dataset(hid_t group, const char *name, hid_t access)
{
#if H5_VERSION_GE(1, 12, 0)
    H5O_info2_t about;
    return H5Oget_info_by_name3(group, name, &about, H5O_INFO_BASIC, access) >= 0 && about.type != H5O_TYPE_DATASET;
#else
    H5O_info_t about;
    return H5Oget_info_by_name2(group, name, &about, H5O_INFO_BASIC, access) >= 0 && about.type != H5O_TYPE_DATASET;
#endif
}

/* Add a member that cannot be examined. */
static enum sheaf_status
add_refused(struct set_expansion *x, const char *path, const struct sheaf_error *why)
{
    enum sheaf_status status =
        set_builder_add(x->builder, x->file.bytes, path, x->name.used ? x->name.bytes : "", x->error);
    return status == SHEAF_OK ? set_builder_refuse(x->builder, x->builder->count - 1, why, x->error) : status;
}

/* Add a member of this name in a group; `path` is that of all of it in the file. What is not there is none. */
static enum sheaf_status
try_member(const struct walk *walk, hid_t group, const char *name, const char *path)
{
    struct set_expansion *x = walk->x;
    struct set_builder *builder = x->builder;
    struct sheaf_error why = {.status = SHEAF_OK};
    size_t texts = builder->texts.used;

    enum sheaf_status status =
        set_builder_add(builder, x->file.bytes, path, x->name.used ? x->name.bytes : "", x->error);
    if (status != SHEAF_OK)
        return status;
    status = set_examine(&x->examiner, builder, builder->count - 1, group, name, &why);
    if (status == SHEAF_NO_INPUT) {
        set_builder_missing_text(builder, "%s of %s leads nowhere", x->dataset.bytes, x->file.bytes);
        set_builder_take_back(builder, texts);
        return SHEAF_OK;
    }
    if (set_examine_is_fatal(status) && x->error)
        *x->error = why;
    if (status == SHEAF_OK || set_examine_is_fatal(status))
        return status;
    return set_builder_refuse(builder, builder->count - 1, &why, x->error);
}

/* What cannot be opened on the way to datasets is a member itself, the rest of the pattern included. */
static enum sheaf_status
try_rest(const struct walk *walk, hid_t group, const char *name, int level)
{
    struct set_expansion *x = walk->x;
    enum sheaf_status status = SHEAF_OK;
    size_t used = x->dataset.used;

    for (int i = level + 1; i < x->datasets.levels && status == SHEAF_OK; i++)
        status = set_expand_level(x, &x->dataset, x->datasets.level[i].text, x->datasets.level[i].length);
    if (status == SHEAF_OK)
        status = try_member(walk, group, name, x->dataset.bytes);
    set_buffer_cut(&x->dataset, used);
    return status;
}

static enum sheaf_status walk_group(struct walk *walk, hid_t group, int level);

/* A link that the pattern matches at this level; x->dataset ends with its name. */
static enum sheaf_status
follow_link(struct walk *walk, hid_t group, const char *name, int level)
{
    struct set_expansion *x = walk->x;
    enum sheaf_status status = SHEAF_OK;

    if (level + 1 == x->datasets.levels) {
        if (!is_no_dataset(group, name, walk->access))
            return try_member(walk, group, name, x->dataset.bytes);
        set_builder_missing_text(x->builder, "%s of %s is no dataset", x->dataset.bytes, x->file.bytes);
        return SHEAF_OK;
    }
    hid_t object = H5Oopen(group, name, walk->access);
    if (object < 0)
        return try_rest(walk, group, name, level);
    if (H5Iget_type(object) == H5I_GROUP)
        status = walk_group(walk, object, level + 1);
    else
        set_builder_missing_text(x->builder, "%s of %s is no group", x->dataset.bytes, x->file.bytes);
    H5Oclose(object);
    return status;
}

static enum sheaf_status
take_link(struct walk *walk, hid_t group, const char *name, size_t length, int level)
{
    struct set_expansion *x = walk->x;
    size_t used = x->dataset.used;

    enum sheaf_status status = set_expand_level(x, &x->dataset, name, length);
    if (status == SHEAF_OK)
        status = follow_link(walk, group, name, level);
    set_buffer_cut(&x->dataset, used);
    return status;
}

static herr_t
visit_link(hid_t group, const char *name, const H5L_info_t *info, void *data)
{
    struct visit *visit = data;
    struct set_expansion *x = visit->walk->x;
    struct wildcard_match match;
    size_t used = x->name.used;

    (void)info;
    if (!wildcard_matches(&x->datasets.level[visit->level], name, &match)) {
        if (!visit->any)
            set_glimpse_add(&visit->glimpse, name);
        return 0;
    }
    visit->any = true;
    visit->status = set_expand_name(x, &match);
    if (visit->status == SHEAF_OK)
        visit->status = take_link(visit->walk, group, name, strlen(name), visit->level);
    set_buffer_cut(&x->name, used);
    return visit->status == SHEAF_OK ? 0 : 1;
}

static herr_t
glimpse_link(hid_t group, const char *name, const H5L_info_t *info, void *data)
{
    (void)group, (void)info;
    set_glimpse_add(data, name);
    return 0;
}

/* Say what a group has instead. */
static void
miss(const struct set_expansion *x, const struct set_glimpse *glimpse)
{
    struct set_buffer where = {0};
    const char *path = x->dataset.used ? x->dataset.bytes : "/";

    if (set_buffer_add(&where, path, strlen(path)) && set_buffer_add(&where, " of ", 4) &&
        set_buffer_add(&where, x->file.bytes, x->file.used))
        set_builder_missing(x->builder, where.bytes, glimpse);
    set_buffer_free(&where);
}

static enum sheaf_status
take_all_links(struct walk *walk, hid_t group, int level)
{
    struct set_expansion *x = walk->x;
    struct visit visit = {.walk = walk, .level = level, .status = SHEAF_OK};
    struct sheaf_error why;
    char reason[HDF5_GUARD_REASON_TEXT];

    herr_t result = H5Literate(group, H5_INDEX_NAME, H5_ITER_NATIVE, NULL, visit_link, &visit);
    if (visit.status != SHEAF_OK)
        return visit.status;
    if (result >= 0) {
        if (!visit.any)
            miss(x, &visit.glimpse);
        return SHEAF_OK;
    }
    sheaf_error_set(&why, SHEAF_BAD_DATA, "%s:%s: the HDF5 library cannot list the group: %s", x->file.bytes,
                    x->dataset.used ? x->dataset.bytes : "/", hdf5_guard_reason(reason));
    /* it has a piece for this level like all others, or results' names could be those of groups */
    size_t used = x->name.used;
    enum sheaf_status status =
        set_expand_name(x, &(struct wildcard_match){.count = 1, .pieces = {{.text = "_", .length = 1}}});
    if (status == SHEAF_OK)
        status = add_refused(x, x->dataset.used ? x->dataset.bytes : "/", &why);
    set_buffer_cut(&x->name, used);
    return status;
}

/* Copy the name of a level, with the slice behind it if that is what the group has. */
static char *
copy_level(struct set_expansion *x, hid_t group, int level)
{
    const struct wildcard *wildcard = &x->datasets.level[level];
    size_t more = level + 1 == x->datasets.levels ? strlen(x->slice) : 0;
    char *name = malloc(wildcard->length + more + 1);

    if (!name)
        return NULL;
    memcpy(name, wildcard->text, wildcard->length);
    memcpy(name + wildcard->length, x->slice, more);
    name[wildcard->length + more] = '\0';
    if (more > 0 && H5Lexists(group, name, H5P_DEFAULT) > 0)
        x->literal = true;
    else if (!x->literal)
        name[wildcard->length] = '\0';
    return name;
}

static enum sheaf_status
take_named_link(struct walk *walk, hid_t group, int level)
{
    enum sheaf_status status = SHEAF_OK;
    struct set_expansion *x = walk->x;
    struct set_glimpse glimpse = {0};
    char *name = copy_level(x, group, level);

    if (!name)
        return set_builder_no_memory(x->builder, x->error);
    if (H5Lexists(group, name, H5P_DEFAULT) != 0) {
        status = take_link(walk, group, name, strlen(name), level);
    } else if (x->builder->missing[0] == '\0') {
        H5Literate(group, H5_INDEX_NAME, H5_ITER_NATIVE, NULL, glimpse_link, &glimpse);
        miss(x, &glimpse);
    }
    free(name);
    return status;
}

static enum sheaf_status
walk_group(struct walk *walk, hid_t group, int level)
{
    return walk->x->datasets.level[level].wild ? take_all_links(walk, group, level)
                                               : take_named_link(walk, group, level);
}

enum sheaf_status
set_expand_links(struct set_expansion *x)
{
    struct walk walk = {.x = x};
    struct sheaf_error why = {.status = SHEAF_OK};
    char reason[HDF5_GUARD_REASON_TEXT];

    enum sheaf_status status = set_examiner_open(&x->examiner, x->builder, x->file.bytes, &why);
    if (status != SHEAF_OK) {
        if (set_examine_is_fatal(status) && x->error)
            *x->error = why;
        /* it is one member, for nobody knows how many it has */
        return set_examine_is_fatal(status) ? status : add_refused(x, x->dataset_text, &why);
    }
    walk.access = H5Pcreate(H5P_LINK_ACCESS);
    set_buffer_cut(&x->dataset, 0);
    if (walk.access < 0 || H5Pset_elink_cb(walk.access, refuse_external_link, NULL) < 0)
        status =
            sheaf_fail(x->error, SHEAF_INTERNAL, "%s: HDF5 fails: %s", x->builder->text, hdf5_guard_reason(reason));
    else
        status = walk_group(&walk, x->examiner.file, 0);
    if (walk.access >= 0)
        H5Pclose(walk.access);
    return status;
}
