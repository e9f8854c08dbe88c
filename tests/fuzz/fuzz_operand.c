/* Texts of operands: generated ones, files with wildcards and slices. */
#include "fuzz.h"
#include "set.h"
#include "set_wildcard.h"
#include "slice.h"
#include "source_text.h"

#include <stdlib.h>
#include <string.h>

static void
parse_generated(const char *text)
{
    struct generate_spec spec = {0};
    struct sheaf_shape shape;
    struct sheaf_error error;
    int64_t count;
    bool shared;
    if (source_text_parse_generated(text, &spec, &shape, &shared, &error) == SHEAF_OK)
        fuzz_demand(sheaf_shape_count(&shape, &count) && count > 0,
                    "a generated operand has elements that can be counted");
}

static void
parse_slice(const char *text)
{
    static const int64_t counts[] = {1, 2, 7, INT64_MAX};
    struct slice slice;
    size_t length = 0;
    if (!slice_parse(text, &length, &slice))
        return;
    fuzz_demand(length <= strlen(text), "a text without its slice is no longer");
    for (size_t i = 0; i < sizeof counts / sizeof *counts; i++) {
        int64_t first, step, selected, last;
        if (!slice_apply(&slice, counts[i], &first, &step, &selected))
            continue;
        fuzz_demand(first >= 0 && first < counts[i] && step != 0 && selected > 0,
                    "a slice begins within what there is");
        fuzz_demand(!__builtin_mul_overflow(selected - 1, step, &last) && !__builtin_add_overflow(last, first, &last) &&
                        last >= 0 && last < counts[i],
                    "and ends there");
    }
}

/* A pattern before a line break, a name behind it. */
static void
match(const char *text)
{
    const char *end = strchr(text, '\n');
    struct wildcard_path path;
    struct wildcard_match found;
    if (!end || !wildcard_parse(text, (size_t)(end - text), &path))
        return;
    for (int i = 0; i < path.levels; i++)
        if (wildcard_matches(&path.level[i], end + 1, &found))
            for (int k = 0; k < found.count; k++)
                fuzz_demand(found.pieces[k].length <= strlen(end + 1), "what matched is a piece of the name");
}

int
LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t count)
{
    char file[SOURCE_TEXT_BYTES], dataset[SOURCE_DATASET_BYTES];
    struct sheaf_error error;
    char *text = fuzz_text(bytes, count);
    parse_generated(text);
    parse_slice(text);
    match(text);
    if (strlen(text) < SOURCE_TEXT_BYTES && source_text_split(text, file, dataset, &error) == SHEAF_OK)
        fuzz_demand(dataset[0] == '/' && file[0] != '\0', "an operand has a file and a path");
    (void)(set_text_is_set(text) && set_text_is_list(text));
    free(text);
    return 0;
}
