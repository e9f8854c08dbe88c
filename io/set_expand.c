#include "set_expand.h"

#include <dirent.h>
#include <errno.h>
#include <stdlib.h>
#include <sys/stat.h>

const char *
set_expand_split(const char *text)
{
    const char *split = NULL;

    for (const char *at = strstr(text, ":/"); at; at = strstr(at + 1, ":/"))
        split = at;
    return split == text ? NULL : split;
}

enum sheaf_status
set_expand_level(struct set_expansion *x, struct set_buffer *path, const char *name, size_t length)
{
    bool slash = path == &x->dataset || (path->used > 0 && path->bytes[path->used - 1] != '/');

    if ((slash && !set_buffer_add(path, "/", 1)) || !set_buffer_add(path, name, length))
        return set_builder_no_memory(x->builder, x->error);
    return SHEAF_OK;
}

enum sheaf_status
set_expand_name(struct set_expansion *x, const struct wildcard_match *match)
{
    for (int i = 0; i < match->count; i++) {
        struct wildcard_piece piece = match->pieces[i];
        /* results are datasets of this name: HDF5 has none called "", and "." is the group */
        if (piece.length == 0 || (piece.length == 1 && *piece.text == '.'))
            piece = (struct wildcard_piece){"_", 1};
        if ((x->name.used > 0 && !set_buffer_add(&x->name, "/", 1)) ||
            !set_buffer_add(&x->name, piece.text, piece.length))
            return set_builder_no_memory(x->builder, x->error);
    }
    return SHEAF_OK;
}

/* Whether the file has a dataset with the slice in its name. */
static enum sheaf_status
probe_literal(struct set_expansion *x)
{
    hid_t dataset;

    x->probed = true;
    enum sheaf_status status = set_examiner_open(&x->examiner, x->builder, x->file.bytes, x->error);
    if (status == SHEAF_OK)
        status = hdf5_guard_open_dataset(x->examiner.file, x->dataset_text, x->dataset_text, &dataset, x->error);
    x->literal = status == SHEAF_OK;
    if (x->literal)
        H5Dclose(dataset);
    set_examiner_close(&x->examiner);
    return set_examine_is_fatal(status) ? status : SHEAF_OK;
}

/* A file that the pattern matches, or that is there by its name alone. */
static enum sheaf_status
take_file(struct set_expansion *x)
{
    enum sheaf_status status = SHEAF_OK;
    struct stat about;

    if (x->files.wild) {
        /* a link to nowhere is there, and will be unreadable */
        bool found = stat(x->file.bytes, &about) == 0 || lstat(x->file.bytes, &about) == 0;
        if (!found || S_ISDIR(about.st_mode)) {
            set_builder_missing_text(x->builder, "%s %s", x->file.bytes, found ? "is a directory" : "does not exist");
            return SHEAF_OK;
        }
    }
    if (x->datasets.wild)
        return set_expand_links(x);
    if (*x->slice && !x->probed)
        status = probe_literal(x);
    set_buffer_cut(&x->dataset, 0);
    for (int i = 0; i < x->datasets.levels && status == SHEAF_OK; i++)
        status = set_expand_level(x, &x->dataset, x->datasets.level[i].text, x->datasets.level[i].length);
    if (status == SHEAF_OK && !set_buffer_add(&x->dataset, x->slice, x->literal ? strlen(x->slice) : 0))
        status = set_builder_no_memory(x->builder, x->error);
    if (status == SHEAF_OK)
        status = set_builder_add(x->builder, x->file.bytes, x->datasets.levels ? x->dataset.bytes : "/",
                                 x->name.used ? x->name.bytes : "", x->error);
    return status;
}

static enum sheaf_status walk_files(struct set_expansion *x, int level);

/* A name in a directory, if it matches. */
static enum sheaf_status
take_entry(struct set_expansion *x, int level, const char *entry, bool *matches)
{
    const struct wildcard *wildcard = &x->files.level[level];
    const size_t file_used = x->file.used, name_used = x->name.used;
    struct wildcard_match match;

    /* as in the shell, hidden files are meant only by a pattern that begins with a dot too */
    *matches = (*entry != '.' || *wildcard->text == '.') && strcmp(entry, ".") != 0 && strcmp(entry, "..") != 0 &&
               wildcard_matches(wildcard, entry, &match);
    if (!*matches)
        return SHEAF_OK;
    enum sheaf_status status = set_expand_name(x, &match);
    if (status == SHEAF_OK)
        status = set_expand_level(x, &x->file, entry, strlen(entry));
    if (status == SHEAF_OK)
        status = walk_files(x, level + 1);
    set_buffer_cut(&x->file, file_used);
    set_buffer_cut(&x->name, name_used);
    return status;
}

static enum sheaf_status
walk_directory(struct set_expansion *x, int level)
{
    enum sheaf_status status = SHEAF_OK;
    const char *path = x->file.used ? x->file.bytes : ".";
    struct set_glimpse glimpse = {0};
    const struct dirent *entry;
    bool any = false, matches;
    DIR *directory = opendir(path);

    if (!directory && (errno == EMFILE || errno == ENFILE || errno == ENOMEM))
        return sheaf_fail(x->error, SHEAF_NO_RESOURCES, "%s: cannot open the directory %s: %m", x->builder->text, path);
    if (!directory) {
        set_builder_missing_text(x->builder, "cannot open the directory %s: %m", path);
        return SHEAF_OK;
    }
    while (status == SHEAF_OK && (errno = 0, entry = readdir(directory))) {
        status = take_entry(x, level, entry->d_name, &matches);
        any = any || matches;
        if (*entry->d_name != '.' && !any)
            set_glimpse_add(&glimpse, entry->d_name);
    }
    path = x->file.used ? x->file.bytes : ".";
    if (status == SHEAF_OK && errno != 0)
        status = sheaf_fail(x->error, SHEAF_IO_ERROR, "%s: cannot read the directory %s: %m", x->builder->text, path);
    if (status == SHEAF_OK && !any)
        set_builder_missing(x->builder, x->file.used ? path : "the current directory", &glimpse);
    closedir(directory);
    return status;
}

static enum sheaf_status
walk_files(struct set_expansion *x, int level)
{
    const struct wildcard *wildcard = &x->files.level[level];
    const size_t used = x->file.used;

    if (level == x->files.levels)
        return take_file(x);
    if (wildcard->wild)
        return walk_directory(x, level);
    enum sheaf_status status = set_expand_level(x, &x->file, wildcard->text, wildcard->length);
    if (status == SHEAF_OK)
        status = walk_files(x, level + 1);
    set_buffer_cut(&x->file, used);
    return status;
}

static enum sheaf_status
parse_parts(struct set_expansion *x)
{
    const char *text = x->builder->text, *split = set_expand_split(text);

    if (!split)
        return sheaf_fail(x->error, SHEAF_USAGE,
                          "operand \"%s\" names no dataset: write FILE.h5:/path, as survey/b*.h5:/data", text);
    x->dataset_text = split + 1;
    if (!wildcard_parse(text, (size_t)(split - text), &x->files) ||
        !wildcard_parse(x->dataset_text, (size_t)(x->slice - x->dataset_text), &x->datasets))
        return sheaf_fail(x->error, SHEAF_USAGE,
                          "operand \"%s\": has more than %d levels, or more than %d wildcards in one", text,
                          WILDCARD_LEVELS, WILDCARD_TOKENS / 2);
    if (!set_buffer_add(&x->file, "/", x->files.absolute ? 1 : 0))
        return set_builder_no_memory(x->builder, x->error);
    return SHEAF_OK;
}

enum sheaf_status
set_expand_wildcards(struct set_builder *builder, const char *slice, bool *literal, struct sheaf_error *error)
{
    struct set_expansion *x = calloc(1, sizeof *x);

    *literal = false;
    if (!x)
        return set_builder_no_memory(builder, error);
    x->builder = builder;
    x->error = error;
    x->examiner = SET_EXAMINER_CLOSED;
    x->slice = slice;
    enum sheaf_status status = parse_parts(x);
    builder->examined = x->datasets.wild;
    if (status == SHEAF_OK)
        status = walk_files(x, 0);
    *literal = x->literal;
    set_examiner_close(&x->examiner);
    set_buffer_free(&x->file);
    set_buffer_free(&x->dataset);
    set_buffer_free(&x->name);
    free(x);
    return status;
}
