/* Command lines, and the words in them that have a grammar: one a line. */
#include "fuzz.h"
#include "layout.h"
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
                    signature.output_count >= 0 && signature.output_count <= SHEAF_OUTPUTS_MAX &&
                    signature.name_count <= SIGNATURE_NAMES_MAX,
                "a signature fits into what holds it");
    for (int i = 0; i < signature.input_count; i++)
        for (int k = 0; k < signature_input_ndim(&signature, i); k++)
            fuzz_demand(signature.inputs[i].name[k] < signature.name_count, "an extent has a name");
}

/* A kernel with a parameter of each kind: the fuzzer need not build any real one. */
static const char *const choices[] = {"fro", "nuc", "inf", NULL};
static const struct sheaf_parameter parameters[] = {
    {.name = "ord", .text = "", .kind = SHEAF_PARAMETER_CHOICE, .choices = choices},
    {.name = "tol", .unit = "s", .text = "", .kind = SHEAF_PARAMETER_REAL, .greatest.real = 1e9},
    {.name = "k", .text = "", .kind = SHEAF_PARAMETER_INTEGER, .least.integer = -5, .greatest.integer = INT64_MAX}};
static const struct sheaf_kernel kernel = {
    .name = "made-up", .parameters = parameters, .parameter_count = sizeof parameters / sizeof *parameters};

static void
parse_parameters(const char *text)
{
    char once[PARAMETERS_TEXT], twice[PARAMETERS_TEXT], *rest = once;
    struct sheaf_problem problem = {0}, again = {0};
    struct sheaf_error error;
    parameters_set_initial(&kernel, &problem);
    if (parameters_parse(&kernel, text, &problem, &error))
        return;
    const int64_t k = problem.parameters[2].integer;
    fuzz_demand(k >= -5, "a parameter is within its bounds");
    parameters_format(&kernel, &problem, once, sizeof once);
    parameters_format(&kernel, &problem, twice, sizeof twice);
    parameters_set_initial(&kernel, &again);
    for (char *word; (word = strsep(&rest, " ")) != NULL;)
        fuzz_demand(parameters_parse(&kernel, word, &again, &error) == SHEAF_OK, "what was written can be parsed");
    parameters_format(&kernel, &again, once, sizeof once);
    fuzz_demand(strcmp(once, twice) == 0, "and is the same");
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
