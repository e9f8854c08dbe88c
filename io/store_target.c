#include "store_target.h"
#include "file.h"
#include "store.h"
#include "store_layout.h"
#include "store_names.h"
#include "store_spec.h"

#include <errno.h>
#include <limits.h>
#include <stdlib.h>
#include <unistd.h>

enum {
    METADATA_BYTES = 64 * 1024,       /* headers, groups, attributes of a file with no outputs */
    OUTPUT_METADATA_BYTES = 2 * 1024, /* and of each output */
    ENTRY_METADATA_BYTES = 768,       /* and of each dataset in a group: its header, its link at half-filled nodes */
    GROUP_METADATA_BYTES = 2 * 1024,  /* and of each group within it */
    NAME_COPIES = 4,                  /* of a link's name: heaps grow by doubling, and leave the old ones behind */
};

enum sheaf_status
store_target_resolve(const char *path, char *absolute, size_t absolute_bytes, char *directory, size_t directory_bytes,
                     struct sheaf_error *error)
{
    char parent[PATH_MAX], resolved[PATH_MAX];
    const char *slash = strrchr(path, '/'), *name = slash ? slash + 1 : path;
    size_t length = slash ? (size_t)(slash - path) : 0;

    if (*name == '\0' || strcmp(name, ".") == 0 || strcmp(name, "..") == 0)
        return sheaf_fail(error, SHEAF_NO_OUTPUT, "\"%s\" names no file: write -o FILE.h5", path);
    if (length >= sizeof parent)
        return sheaf_fail(error, SHEAF_NO_OUTPUT, "%.60s...: the path is too long", path);
    memcpy(parent, path, length);
    strcpy(parent + length, length ? "" : slash ? "/" : ".");
    if (!realpath(parent, resolved))
        return sheaf_fail(error, SHEAF_NO_OUTPUT, "%s: cannot create it in %s: %m", path, parent);
    const char *between = strcmp(resolved, "/") == 0 ? "" : "/";
    if (snprintf(directory, directory_bytes, "%s", resolved) >= (int)directory_bytes ||
        snprintf(absolute, absolute_bytes, "%s%s%s", resolved, between, name) >= (int)absolute_bytes)
        return sheaf_fail(error, SHEAF_NO_OUTPUT, "%.60s...: the path is longer than %zu bytes", path,
                          absolute_bytes - 1);
    return SHEAF_OK;
}

static enum sheaf_status
check_existing(const char *path, const struct stat *about, bool overwrite, const struct source_map *operands,
               int operand_count, struct sheaf_error *error)
{
    if (!S_ISREG(about->st_mode))
        return sheaf_fail(error, SHEAF_NO_OUTPUT, "%s is %s; give another -o", path,
                          S_ISDIR(about->st_mode)   ? "a directory"
                          : S_ISLNK(about->st_mode) ? "a symbolic link"
                                                    : "not a regular file");
    for (int i = 0; i < operand_count; i++)
        if (operands[i].kind == SOURCE_DATASET && operands[i].file_device == about->st_dev &&
            operands[i].file_inode == about->st_ino)
            return sheaf_fail(error, SHEAF_NO_OUTPUT, "%s is the file of input %s; give another -o", path,
                              operands[i].text);
    if (!overwrite)
        return sheaf_fail(error, SHEAF_NO_OUTPUT, "%s exists; give --overwrite to replace it, or another -o", path);
    return SHEAF_OK;
}

enum sheaf_status
store_check_target(const char *path, bool overwrite, int64_t bytes, const struct source_map *operands,
                   int operand_count, struct sheaf_error *error)
{
    char absolute[STORE_PATH_BYTES], directory[STORE_PATH_BYTES];
    char need[FILE_BYTES_TEXT], have[FILE_BYTES_TEXT];
    struct file_system system;
    struct stat about;

    enum sheaf_status status =
        store_target_resolve(path, absolute, sizeof absolute, directory, sizeof directory, error);
    if (status != SHEAF_OK)
        return status;
    if (lstat(absolute, &about) == 0) {
        status = check_existing(path, &about, overwrite, operands, operand_count, error);
        if (status != SHEAF_OK)
            return status;
    } else if (errno != ENOENT) {
        return sheaf_fail(error, SHEAF_NO_OUTPUT, "%s: cannot create it: %m", path);
    }
    if (access(directory, W_OK | X_OK) != 0)
        return sheaf_fail(error, SHEAF_NO_OUTPUT, "%s: cannot create files in %s: %m", path, directory);
    status = file_system_of(directory, &system, error);
    if (status != SHEAF_OK)
        return status;
    /* an old file that is replaced goes away at the end only, so it frees nothing now */
    if (system.free_bytes < bytes)
        return sheaf_fail(error, SHEAF_NO_OUTPUT, "%s: no room: the file needs %s, %s has %s free", path,
                          file_format_bytes(bytes, need), directory, file_format_bytes(system.free_bytes, have));
    return SHEAF_OK;
}

/* Add rows of row_bytes, with what alignment may skip; false on overflow. */
static bool
add_aligned(int64_t *sum, int64_t rows, int64_t row_bytes)
{
    int64_t bytes;

    return sheaf_multiply(rows, row_bytes, &bytes) && !__builtin_add_overflow(*sum, bytes, sum) &&
           !__builtin_add_overflow(*sum, (int64_t)STORE_ALIGNMENT, sum);
}

int64_t
store_table_rows(const struct store_spec *spec, enum store_table table)
{
    int64_t rows = 0;

    switch (table) {
    case STORE_STATUS:
    case STORE_INFO:
        return spec->tasks;
    case STORE_CHUNKS:
        return spec->chunks;
    case STORE_RUNS:
        return RECORD_RUNS;
    case STORE_HOSTS:
    case STORE_MARKS:
        return RECORD_HOSTS;
    case STORE_COMMAND:
        for (int i = 0; i < spec->argument_count; i++)
            rows += (int64_t)strlen(spec->arguments[i]) + 1;
        return rows;
    case STORE_OUTPUTS:
        for (int i = 0; i < spec->output_count; i++)
            rows += (int64_t)strlen(spec->outputs[i].name) + 1;
        return rows;
    case STORE_ORDER:
        return spec->order ? spec->tasks : 0;
    case STORE_NAMES:
        return spec->names_bytes;
    case STORE_OPERANDS:
        return spec->operand_count;
    case STORE_CLASSES:
        return spec->class_count;
    case STORE_TABLE_COUNT:
        break;
    }
    return 0;
}

bool
store_output_entries(const struct store_output *output, int64_t *entries)
{
    *entries = 1;
    return output->shared || sheaf_shape_count(&output->array.lead, entries);
}

/* Add the datasets of a grouped output, one a task; false on overflow. */
static bool
add_grouped(int64_t *sum, const struct store_spec *spec, int output, const struct store_names *names)
{
    bool fits = true;

    for (int i = 0; i < spec->class_count && fits; i++) {
        const struct store_class *class = &spec->classes[i];
        int64_t bytes = 0, all;
        fits = sheaf_shape_bytes(&class->output_shapes[output], spec->outputs[output].array.type, &bytes);
        /* alignment skips up to a page; what is smaller shares a block with others, whose rest it may not fit */
        int64_t skipped = bytes < STORE_ALIGNMENT ? bytes : STORE_ALIGNMENT;
        fits = fits && !__builtin_add_overflow(bytes, skipped + ENTRY_METADATA_BYTES, &bytes) &&
               sheaf_multiply(class->tasks, bytes, &all) && !__builtin_add_overflow(*sum, all, sum);
    }
    return fits && add_aligned(sum, names->groups + 1, GROUP_METADATA_BYTES) &&
           add_aligned(sum, names->text_bytes, NAME_COPIES);
}

/* Add an output; false on overflow. */
static bool
add_output(int64_t *sum, const struct store_spec *spec, int output, const struct store_names *names)
{
    const struct sheaf_array_map *array = &spec->outputs[output].array;
    int64_t entries, entry_bytes;

    if (spec->outputs[output].grouped)
        return add_grouped(sum, spec, output, names);
    return store_output_entries(&spec->outputs[output], &entries) &&
           sheaf_shape_bytes(&array->core, array->type, &entry_bytes) && add_aligned(sum, entries, entry_bytes) &&
           add_aligned(sum, 1, OUTPUT_METADATA_BYTES);
}

enum sheaf_status
store_size(const struct store_spec *spec, int64_t *bytes, struct sheaf_error *error)
{
    bool fits = true;
    struct store_names names = {.of = NULL};
    size_t text = strlen(spec->kernel) + strlen(spec->signature) + strlen(spec->parameters) + strlen(spec->version) +
                  strlen(spec->program) + (spec->directory ? strlen(spec->directory) : 0) +
                  (spec->plugin ? strlen(spec->plugin) : 0);

    if (store_spec_grouped(spec) > 0) {
        enum sheaf_status status = store_spec_check(spec, error);
        if (status == SHEAF_OK)
            status = store_names_split(spec, &names, error);
        store_names_free(&names);
        if (status != SHEAF_OK)
            return status;
    }
    *bytes = METADATA_BYTES + (int64_t)text;
    for (int i = 0; i < STORE_TABLE_COUNT; i++)
        fits = fits && add_aligned(bytes, store_table_rows(spec, (enum store_table)i),
                                   (int64_t)store_table_row_bytes((enum store_table)i));
    for (int i = 0; i < spec->output_count; i++)
        fits = fits && add_output(bytes, spec, i, &names);
    if (!fits)
        return sheaf_fail(error, SHEAF_BAD_DATA, "%s: the results would have more bytes than 64 bits can count",
                          spec->path);
    return SHEAF_OK;
}
