#include "source_text.h"

#include <errno.h>
#include <stdlib.h>

/* The distribution that a text begins with, as "random" in "random:2000x2000"; *rest is what follows the name. */
static bool
find_distribution(const char *text, enum generate_distribution *distribution, const char **rest)
{
    char name[16];
    size_t length = strcspn(text, ":");

    if (length >= sizeof name)
        return false;
    memcpy(name, text, length);
    name[length] = '\0';
    *rest = text + length;
    return generate_distribution_from_name(name, distribution);
}

bool
source_text_is_generated(const char *text)
{
    enum generate_distribution distribution;
    const char *rest;

    /* ":/" always names a dataset, of a file called "random" too */
    return find_distribution(text, &distribution, &rest) && !strstr(rest, ":/");
}

static enum sheaf_status
fail_grammar(const char *text, const char *why, struct sheaf_error *error)
{
    return sheaf_fail(error, SHEAF_USAGE,
                      "operand \"%s\": %s; write random|normal|ones|zeros|range:EXTENTxEXTENT...[:f32|f64|c64|c128]"
                      "[:shared], as random:100x2000x2000:f32",
                      text, why);
}

/* Parse "100x2000x2000" up to the next ':' or the end; *at moves there. */
static enum sheaf_status
parse_extents(const char *text, const char **at, struct sheaf_shape *shape, struct sheaf_error *error)
{
    const char *next = *at;

    *shape = (struct sheaf_shape){.ndim = 0};
    do {
        char *end;
        if (*next < '0' || *next > '9')
            return fail_grammar(text, "an extent is missing", error);
        if (shape->ndim == SHEAF_NDIM_MAX)
            return fail_grammar(text, "it has more than 8 axes", error);
        errno = 0;
        long long extent = strtoll(next, &end, 10);
        if (errno == ERANGE)
            return sheaf_fail(error, SHEAF_BAD_DATA, "operand \"%s\": an extent is too great", text);
        if (extent == 0)
            return sheaf_fail(error, SHEAF_BAD_DATA, "operand \"%s\": an extent is zero, so it has no elements", text);
        if (*end != '\0' && *end != ':' && *end != 'x')
            return fail_grammar(text, "an extent is not a whole number", error);
        shape->extent[shape->ndim++] = extent;
        next = end + 1;
        *at = end;
    } while (**at == 'x');
    return SHEAF_OK;
}

enum sheaf_status
source_text_parse_generated(const char *text, struct generate_spec *spec, struct sheaf_shape *shape, bool *shared,
                            struct sheaf_error *error)
{
    const char *at;
    bool typed = false;

    *shared = false;
    spec->type = SHEAF_F64;
    if (!find_distribution(text, &spec->distribution, &at))
        return fail_grammar(text, "it names no distribution", error);
    if (*at != ':')
        return fail_grammar(text, "its extents are missing", error);
    at++;
    enum sheaf_status status = parse_extents(text, &at, shape, error);
    if (status != SHEAF_OK)
        return status;

    while (*at == ':') {
        char word[16];
        size_t length = strcspn(++at, ":");
        if (length >= sizeof word)
            return fail_grammar(text, "a word in it is unknown", error);
        memcpy(word, at, length);
        word[length] = '\0';
        at += length;
        if (strcmp(word, "shared") == 0 && !*shared)
            *shared = true;
        else if (!typed && !*shared && sheaf_type_from_name(word, &spec->type) &&
                 (SHEAF_TYPES_FLOATING & SHEAF_TYPE_BIT(spec->type)))
            typed = true;
        else
            return fail_grammar(text, "what follows the extents is neither type nor \"shared\"", error);
    }
    return SHEAF_OK;
}

enum sheaf_status
source_text_split(const char *text, char *file, char *dataset, struct sheaf_error *error)
{
    const char *split = NULL;

    for (const char *at = strstr(text, ":/"); at; at = strstr(at + 1, ":/"))
        split = at;
    if (!split || split == text)
        return sheaf_fail(error, SHEAF_USAGE,
                          "operand \"%s\" names no dataset: write FILE.h5:/path or random:2000x2000", text);
    size_t file_bytes = (size_t)(split - text);
    if (strlen(split + 1) >= SOURCE_DATASET_BYTES)
        return sheaf_fail(error, SHEAF_USAGE, "operand \"%.60s...\": the dataset's name is longer than %d bytes", text,
                          SOURCE_DATASET_BYTES - 1);
    memcpy(file, text, file_bytes);
    file[file_bytes] = '\0';
    strcpy(dataset, split + 1);
    return SHEAF_OK;
}
