#include "store_names.h"

#include <stdlib.h>

/* "/" sorts before all else: so what lies in a group comes right behind a dataset that has the group's name. */
static int
rank_byte(char byte)
{
    return byte == '/' ? 1 : byte == '\0' ? 0 : (unsigned char)byte + 1;
}

/* Bytes that two texts have in common at their beginning. */
static size_t
common_length(const char *a, const char *b)
{
    size_t length = 0;

    while (a[length] != '\0' && a[length] == b[length])
        length++;
    return length;
}

static int
compare_names(const void *a, const void *b)
{
    const char *left = *(const char *const *)a, *right = *(const char *const *)b;
    size_t at = common_length(left, right);

    return rank_byte(left[at]) - rank_byte(right[at]);
}

/* HDF5 passes over "." and over nothing between slashes: such a name would be another one's. */
static bool
is_dataset_name(const char *name)
{
    for (const char *piece = name;; piece++) {
        size_t length = strcspn(piece, "/");
        if (length == 0 || (length == 1 && *piece == '.'))
            return false;
        piece += length;
        if (*piece == '\0')
            return true;
    }
}

/* Look at neighbours in order: they collide if any do, and a group is new where the one before is not in it. */
static enum sheaf_status
check_sorted(const char *const *sorted, int64_t count, int64_t *groups, struct sheaf_error *error)
{
    const char *before = "";

    *groups = 0;
    for (int64_t i = 0; i < count; i++) {
        const char *name = sorted[i];
        size_t common = common_length(before, name);
        bool whole = i > 0 && before[common] == '\0';
        if (!is_dataset_name(name))
            return sheaf_fail(error, SHEAF_BAD_DATA, "no dataset can have the name \"%.200s\" of a task's result",
                              name);
        if (whole && name[common] == '\0')
            return sheaf_fail(error, SHEAF_BAD_DATA,
                              "results are datasets named by their inputs, but two have one name, \"%.200s\" and "
                              "\"%.200s\": make the inputs' names differ",
                              before, name);
        if (whole && name[common] == '/')
            return sheaf_fail(
                error, SHEAF_BAD_DATA,
                "results are datasets named by their inputs, but \"%.200s\" would have to be a group too, "
                "for \"%.200s\": rename one",
                before, name);
        for (const char *slash = strchr(name + common, '/'); slash; slash = strchr(slash + 1, '/'))
            ++*groups;
        before = name;
    }
    return SHEAF_OK;
}

enum sheaf_status
store_names_split(const struct store_spec *spec, struct store_names *names, struct sheaf_error *error)
{
    const char *texts = spec->names ? spec->names : "";
    int64_t count = 0, bytes = spec->names ? spec->names_bytes : 0;
    const char **sorted = NULL;

    *names = (struct store_names){.of = malloc((size_t)(spec->tasks + 1) * sizeof *names->of)};
    if (!names->of || !(sorted = malloc((size_t)(spec->tasks + 1) * sizeof *sorted)))
        return sheaf_fail(error, SHEAF_NO_RESOURCES, "no memory for the names of %lld results", (long long)spec->tasks);
    while (count < spec->tasks && names->text_bytes < bytes) {
        names->of[count++] = texts + names->text_bytes;
        names->text_bytes += (int64_t)strnlen(texts + names->text_bytes, (size_t)(bytes - names->text_bytes)) + 1;
    }
    enum sheaf_status status = SHEAF_OK;
    if (count != spec->tasks || names->text_bytes != bytes)
        status = sheaf_fail(error, SHEAF_INTERNAL, "names of %lld tasks in %lld bytes, not of %lld", (long long)count,
                            (long long)bytes, (long long)spec->tasks);
    if (status == SHEAF_OK) {
        memcpy(sorted, names->of, (size_t)count * sizeof *sorted);
        qsort(sorted, (size_t)count, sizeof *sorted, compare_names);
        status = check_sorted(sorted, count, &names->groups, error);
    }
    free(sorted);
    return status;
}

void
store_names_free(struct store_names *names)
{
    free(names->of);
    names->of = NULL;
}
