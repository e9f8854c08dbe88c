#include "signature.h"

#include "narrow.h"

#include <ctype.h>
#include <inttypes.h>
#include <stdlib.h>

/* Longest label that a message repeats: the rest of the message must still fit. */
#define LABEL "%.160s"

enum { TYPES_TEXT = 96 };

struct parser {
    const char *text, *at;
    struct signature *signature;
    struct sheaf_error *error;
};

static enum sheaf_status
parse_fail(const struct parser *parser, const char *what)
{
    return sheaf_fail(parser->error, SHEAF_USAGE, "signature '%.160s', column %d: %s; an example is (m,k),(k,n)->(m,n)",
                      parser->text, (int)(parser->at - parser->text) + 1, what);
}

static void
skip_spaces(struct parser *parser)
{
    while (*parser->at == ' ')
        parser->at++;
}

/* Step over a token and the spaces around it, if it comes next. */
static bool
take(struct parser *parser, const char *token)
{
    skip_spaces(parser);
    size_t length = strlen(token);
    if (strncmp(parser->at, token, length) != 0)
        return false;
    parser->at += length;
    skip_spaces(parser);
    return true;
}

static bool
is_fixed(const char *name)
{
    return isdigit((unsigned char)name[0]) != 0;
}

/* A name, or digits for a fixed extent; `index` becomes its place in the signature's names. */
static enum sheaf_status
parse_name(struct parser *parser, int *index)
{
    struct signature *signature = parser->signature;
    bool fixed = is_fixed(parser->at);
    size_t length = 0;
    while (fixed ? isdigit((unsigned char)parser->at[length])
                 : isalnum((unsigned char)parser->at[length]) || parser->at[length] == '_')
        length++;
    if (length == 0)
        return parse_fail(parser, "expected a name or a number");
    if (length >= SIGNATURE_NAME_BYTES)
        return parse_fail(parser, "a name has at most 15 characters");

    char name[SIGNATURE_NAME_BYTES] = {0};
    memcpy(name, parser->at, length);
    int extent;
    if (fixed && (!narrow_to_int(strtoll(name, NULL, 10), &extent) || extent == 0))
        return parse_fail(parser, "a fixed extent is from 1 to 2147483647");
    int i = 0;
    while (i < signature->name_count && strcmp(signature->names[i], name) != 0)
        i++;
    if (i == SIGNATURE_NAMES_MAX)
        return parse_fail(parser, "at most 16 different names");
    if (i == signature->name_count) {
        memcpy(signature->names[i], name, sizeof name);
        signature->name_count++;
    }
    parser->at += length;
    *index = i;
    return SHEAF_OK;
}

/* "(m,k)" */
static enum sheaf_status
parse_argument(struct parser *parser, struct signature_argument *argument)
{
    if (!take(parser, "("))
        return parse_fail(parser, "expected '('");
    if (take(parser, ")"))
        return SHEAF_OK;
    for (;;) {
        if (argument->ndim == SHEAF_NDIM_MAX)
            return parse_fail(parser, "at most 8 dimensions");
        enum sheaf_status status = parse_name(parser, &argument->name[argument->ndim]);
        if (status)
            return status;
        argument->ndim++;
        if (take(parser, ")"))
            return SHEAF_OK;
        if (!take(parser, ","))
            return parse_fail(parser, "expected ',' or ')'");
    }
}

static enum sheaf_status
parse_inputs(struct parser *parser)
{
    struct signature *signature = parser->signature;
    do {
        if (signature->input_count > 0 && take(parser, "...")) {
            signature->variadic = true;
            break;
        }
        if (signature->input_count == SHEAF_OPERANDS_MAX)
            return parse_fail(parser, "at most 16 inputs");
        enum sheaf_status status = parse_argument(parser, &signature->inputs[signature->input_count]);
        if (status)
            return status;
        signature->input_count++;
    } while (take(parser, ","));
    if (!take(parser, "->"))
        return parse_fail(parser,
                          signature->variadic ? "expected '->': nothing follows '...'" : "expected ',' or '->'");
    return SHEAF_OK;
}

static enum sheaf_status
parse_outputs(struct parser *parser)
{
    struct signature *signature = parser->signature;
    if (*parser->at == '\0')
        return SHEAF_OK;
    do {
        if (signature->output_count == SHEAF_OUTPUTS_MAX)
            return parse_fail(parser, "at most 8 outputs");
        enum sheaf_status status = parse_argument(parser, &signature->outputs[signature->output_count]);
        if (status)
            return status;
        signature->output_count++;
    } while (take(parser, ","));
    if (*parser->at != '\0')
        return parse_fail(parser, "expected ',' or the end");
    return SHEAF_OK;
}

enum sheaf_status
signature_parse(const char *text, struct signature *signature, struct sheaf_error *error)
{
    struct parser parser = {text ? text : "", text ? text : "", signature, error};
    memset(signature, 0, sizeof *signature);
    enum sheaf_status status = parse_inputs(&parser);
    return status ? status : parse_outputs(&parser);
}

int
signature_input_ndim(const struct signature *signature, int input)
{
    int written = input < signature->input_count ? input : signature->input_count - 1;
    return signature->inputs[written].ndim;
}

/* A match in progress: what each name stands for, and where that was learnt. */
struct match {
    const struct sheaf_kernel *kernel;
    struct sheaf_problem *problem;
    const char *const *labels;
    struct sheaf_error *error;
    struct signature signature;
    int64_t extent[SIGNATURE_NAMES_MAX];
    int learnt_from[SIGNATURE_NAMES_MAX]; /* an input; -1: the signature itself, or nowhere */
};

/* "f32, f64 or c64" */
static const char *
types_format(uint32_t types, char text[TYPES_TEXT])
{
    size_t used = 0;
    text[0] = '\0';
    for (int type = 0; type < SHEAF_TYPE_COUNT; type++) {
        if (!(types & SHEAF_TYPE_BIT(type)))
            continue;
        uint32_t later = types & SHEAF_TYPES_ALL & ~(SHEAF_TYPE_BIT(type + 1) - 1);
        const char *separator = used == 0 ? "" : later ? ", " : " or ";
        used +=
            (size_t)snprintf(text + used, TYPES_TEXT - used, "%s%s", separator, sheaf_type_name((enum sheaf_type)type));
    }
    return text;
}

static enum sheaf_status
check_input_count(const struct match *match)
{
    const struct signature *signature = &match->signature;
    int written = signature->input_count, given = match->problem->input_count;
    if (signature->variadic && (given < written || given > SHEAF_OPERANDS_MAX))
        return sheaf_fail(match->error, SHEAF_USAGE, "%s takes %d to %d operands, %s; %d given", match->kernel->name,
                          written, SHEAF_OPERANDS_MAX, match->kernel->signature, given);
    if (!signature->variadic && given != written)
        return sheaf_fail(match->error, SHEAF_USAGE, "%s takes %d operand%s, %s; %d given", match->kernel->name,
                          written, written == 1 ? "" : "s", match->kernel->signature, given);
    return SHEAF_OK;
}

static enum sheaf_status
check_type(const struct match *match, int input)
{
    const struct sheaf_kernel *kernel = match->kernel;
    const struct sheaf_array *array = &match->problem->inputs[input], *first = &match->problem->inputs[0];
    int written = input < match->signature.input_count ? input : match->signature.input_count - 1;
    uint32_t accepts = kernel->input_accepts ? kernel->input_accepts[written] : kernel->accepts;
    char types[TYPES_TEXT];
    if (sheaf_type_size(array->type) == 0 || !(accepts & SHEAF_TYPE_BIT(array->type)))
        return sheaf_fail(
            match->error, SHEAF_BAD_DATA, LABEL ": type is %s, %s takes %s%s here; store it in such a type%s",
            match->labels[input], sheaf_type_name(array->type), kernel->name, (accepts & (accepts - 1)) ? "" : "only ",
            types_format(accepts, types), (accepts & SHEAF_TYPES_FLOATING) ? ", or read it as one with --as" : "");
    if (!kernel->input_accepts && array->type != first->type)
        return sheaf_fail(match->error, SHEAF_BAD_DATA,
                          LABEL ": type is %s, but " LABEL " is %s; the operands of %s must have one type: store "
                                "them alike, or read them alike with --as",
                          match->labels[input], sheaf_type_name(array->type), match->labels[0],
                          sheaf_type_name(first->type), kernel->name);
    return SHEAF_OK;
}

/* The number of dimensions, and every extent and the product of all by themselves. */
static enum sheaf_status
check_shape(const struct match *match, int input)
{
    const struct sheaf_array *array = &match->problem->inputs[input];
    const struct sheaf_shape *shape = &array->shape;
    const char *label = match->labels[input], *name = match->kernel->name, *signature = match->kernel->signature;
    int ndim = signature_input_ndim(&match->signature, input), narrow;
    char text[SHEAF_SHAPE_TEXT];
    int64_t bytes;
    sheaf_shape_format(shape, text);
    if (shape->ndim != ndim)
        return sheaf_fail(match->error, SHEAF_BAD_DATA,
                          LABEL " %s: %s needs %d dimension%s a task here, found %d; %s is %s", label, text, name, ndim,
                          ndim == 1 ? "" : "s", shape->ndim, name, signature);
    for (int i = 0; i < ndim; i++) {
        if (shape->extent[i] < 1)
            return sheaf_fail(match->error, SHEAF_BAD_DATA,
                              LABEL " %s: dimension %d of a task has %" PRId64 " elements, %s needs at least 1", label,
                              text, i + 1, shape->extent[i], name);
        if (!narrow_to_int(shape->extent[i], &narrow))
            return sheaf_fail(match->error, SHEAF_BAD_DATA,
                              LABEL " %s: dimension %d of a task is more than the %d that BLAS can count; "
                                    "split it into several tasks",
                              label, text, i + 1, INT_MAX);
    }
    if (!sheaf_shape_bytes(shape, array->type, &bytes))
        return sheaf_fail(match->error, SHEAF_BAD_DATA,
                          LABEL " %s: a task of type %s has more bytes than 64 bits can count; split it into several "
                                "tasks",
                          label, text, sheaf_type_name(array->type));
    return SHEAF_OK;
}

static enum sheaf_status
fail_names_differ(const struct match *match, int input, int name)
{
    const struct sheaf_problem *problem = match->problem;
    const struct sheaf_kernel *kernel = match->kernel;
    const char *name_text = match->signature.names[name];
    const struct sheaf_shape *shape = &problem->inputs[input].shape;
    int from = match->learnt_from[name];
    int64_t here = 0;
    char text[SHEAF_SHAPE_TEXT];
    for (int i = 0; i < shape->ndim; i++)
        if (match->signature.inputs[input].name[i] == name && shape->extent[i] != match->extent[name])
            here = shape->extent[i];
    sheaf_shape_format(shape, text);
    if (from < 0)
        return sheaf_fail(match->error, SHEAF_BAD_DATA, LABEL " %s: expected %s, found %" PRId64 "; %s is %s",
                          match->labels[input], text, name_text, here, kernel->name, kernel->signature);
    if (from == input)
        return sheaf_fail(match->error, SHEAF_BAD_DATA, LABEL " %s: %s is both %" PRId64 " and %" PRId64 "; %s is %s",
                          match->labels[input], text, name_text, match->extent[name], here, kernel->name,
                          kernel->signature);
    return sheaf_fail(match->error, SHEAF_BAD_DATA,
                      LABEL " %s: %s is %" PRId64 " here but %" PRId64 " in " LABEL "; %s is %s", match->labels[input],
                      text, name_text, here, match->extent[name], match->labels[from], kernel->name, kernel->signature);
}

/* Learn the extents that a written input's names stand for. */
static enum sheaf_status
bind_names(struct match *match, int input)
{
    const struct signature_argument *argument = &match->signature.inputs[input];
    const struct sheaf_shape *shape = &match->problem->inputs[input].shape;
    for (int i = 0; i < argument->ndim; i++) {
        int name = argument->name[i];
        if (match->extent[name] == SHEAF_EXTENT_UNKNOWN) {
            match->extent[name] = shape->extent[i];
            match->learnt_from[name] = input;
        } else if (match->extent[name] != shape->extent[i]) {
            return fail_names_differ(match, input, name);
        }
    }
    return SHEAF_OK;
}

static void
forget_names(struct match *match)
{
    for (int i = 0; i < match->signature.name_count; i++) {
        const char *name = match->signature.names[i];
        match->extent[i] = is_fixed(name) ? strtoll(name, NULL, 10) : SHEAF_EXTENT_UNKNOWN;
        match->learnt_from[i] = -1;
    }
}

static void
fill_outputs(struct match *match)
{
    struct sheaf_problem *problem = match->problem;
    problem->output_count = match->signature.output_count;
    for (int i = 0; i < problem->output_count; i++) {
        const struct signature_argument *argument = &match->signature.outputs[i];
        struct sheaf_array *output = &problem->outputs[i];
        memset(output, 0, sizeof *output);
        output->type = problem->inputs[0].type;
        output->shape.ndim = argument->ndim;
        for (int dimension = 0; dimension < argument->ndim; dimension++)
            output->shape.extent[dimension] = match->extent[argument->name[dimension]];
    }
}

static enum sheaf_status
infer_outputs(struct match *match)
{
    const struct sheaf_kernel *kernel = match->kernel;
    if (!kernel->infer)
        return SHEAF_OK;
    if (match->error)
        match->error->text[0] = '\0';
    enum sheaf_status status = kernel->infer(match->problem, match->error);
    if (status && (!match->error || match->error->text[0] == '\0'))
        return sheaf_fail(match->error, status, LABEL ": %s cannot compute these shapes, and does not say why",
                          match->labels[0], kernel->name);
    return status;
}

static enum sheaf_status
check_output(const struct match *match, int index)
{
    const struct sheaf_array *output = &match->problem->outputs[index];
    const struct sheaf_shape *shape = &output->shape;
    const char *name = match->kernel->name;
    char text[SHEAF_SHAPE_TEXT];
    int64_t bytes;
    int narrow;
    if (shape->ndim < 0 || shape->ndim > SHEAF_NDIM_MAX || sheaf_type_size(output->type) == 0)
        return sheaf_fail(match->error, SHEAF_INTERNAL, "kernel %s: its infer gave output %d %d dimensions of type %d",
                          name, index + 1, shape->ndim, (int)output->type);
    sheaf_shape_format(shape, text);
    for (int i = 0; i < shape->ndim; i++) {
        if (shape->extent[i] < 1)
            return sheaf_fail(match->error, SHEAF_INTERNAL,
                              "kernel %s: dimension %d of output %d is not settled, %s; its infer must", name, i + 1,
                              index + 1, text);
        if (!narrow_to_int(shape->extent[i], &narrow))
            return sheaf_fail(match->error, SHEAF_BAD_DATA,
                              LABEL ": output %d of %s would be %s, dimension %d more than the %d that BLAS can count",
                              match->labels[0], index + 1, name, text, i + 1, INT_MAX);
    }
    if (!sheaf_shape_bytes(shape, output->type, &bytes))
        return sheaf_fail(match->error, SHEAF_BAD_DATA,
                          LABEL ": output %d of %s would be %s of %s, more bytes than 64 bits can count",
                          match->labels[0], index + 1, name, text, sheaf_type_name(output->type));
    return SHEAF_OK;
}

static enum sheaf_status
check_workspace(const struct match *match)
{
    const struct sheaf_kernel *kernel = match->kernel;
    char text[SHEAF_SHAPE_TEXT];
    if (!kernel->workspace_bytes || kernel->workspace_bytes(match->problem) >= 0)
        return SHEAF_OK;
    return sheaf_fail(match->error, SHEAF_BAD_DATA,
                      LABEL " %s: too large for %s, whose workspace would pass what LAPACK can count; split it",
                      match->labels[0], sheaf_shape_format(&match->problem->inputs[0].shape, text), kernel->name);
}

static enum sheaf_status
match_inputs(struct match *match)
{
    for (int i = 0; i < match->problem->input_count; i++) {
        enum sheaf_status status = check_type(match, i);
        if (!status)
            status = check_shape(match, i);
        /* The repeats of a variadic input are free of each other: only the written one binds its names. */
        if (!status && i < match->signature.input_count)
            status = bind_names(match, i);
        if (status)
            return status;
    }
    return SHEAF_OK;
}

enum sheaf_status
signature_match(const struct sheaf_kernel *kernel, struct sheaf_problem *problem, const char *const *labels,
                struct sheaf_error *error)
{
    struct match match = {.kernel = kernel, .problem = problem, .labels = labels, .error = error};
    struct sheaf_error parse_error;
    if (signature_parse(kernel->signature, &match.signature, &parse_error))
        return sheaf_fail(error, SHEAF_INTERNAL, "kernel %s: %.600s", kernel->name, parse_error.text);
    forget_names(&match);

    enum sheaf_status status = check_input_count(&match);
    if (!status)
        status = match_inputs(&match);
    if (status)
        return status;
    fill_outputs(&match);
    status = infer_outputs(&match);
    for (int i = 0; !status && i < problem->output_count; i++)
        status = check_output(&match, i);
    return status ? status : check_workspace(&match);
}
