/* Command lines, and the words in them that have a grammar: one a line. */
#include "fuzz.h"
#include "layout.h"
#include "list.h"
#include "options.h"
#include "parameters.h"
#include "signature.h"

#include <stdlib.h>
#include <string.h>

enum { WORDS_MAX = 64 };

static void
parse_signature(const char *text)
{
    struct signature signature;
    struct sheaf_error error;
    if (signature_parse(text, &signature, &error))
        return;
    fuzz_demand(signature.input_count >= 0 && signature.input_count <= SHEAF_OPERANDS_MAX &&
                    signature.output_count > 0 && signature.output_count <= SHEAF_OUTPUTS_MAX &&
                    signature.name_count <= SIGNATURE_NAMES_MAX,
                "a signature fits into what holds it");
    for (int i = 0; i < signature.input_count; i++)
        for (int k = 0; k < signature_input_ndim(&signature, i); k++)
            fuzz_demand(signature.inputs[i].name[k] < signature.name_count, "an extent has a name");
}

static void
parse_parameters(const char *text)
{
    char again[PARAMETERS_TEXT];
    for (const struct sheaf_kernel *const *kernel = kernel_list(); *kernel; kernel++) {
        struct sheaf_problem problem = {0};
        struct sheaf_error error;
        parameters_set_initial(*kernel, &problem);
        if (parameters_parse(*kernel, text, &problem, &error) == SHEAF_OK)
            parameters_format(*kernel, &problem, again, sizeof again);
    }
}

static void
parse_layout(const char *text)
{
    struct layout layout;
    struct sheaf_error error;
    if (layout_parse(text, &layout, &error) == SHEAF_OK)
        fuzz_demand(layout.ranks > 0 && layout.threads > 0, "a layout has ranks and threads");
}

int
LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t count)
{
    char *text = fuzz_text(bytes, count), *rest = text, *words[WORDS_MAX + 2] = {"sheaf"};
    struct options options;
    struct sheaf_error error;
    int word_count = 1;
    for (char *word; word_count <= WORDS_MAX && (word = strsep(&rest, "\n")) != NULL;) {
        parse_signature(word);
        parse_parameters(word);
        parse_layout(word);
        words[word_count++] = word;
    }
    options_parse(word_count, words, &options, &error);
    options_free(&options);
    free(text);
    return 0;
}
