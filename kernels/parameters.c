#include "parameters.h"

#include <ctype.h>
#include <errno.h>
#include <inttypes.h>
#include <stdlib.h>

enum { LIST_TEXT = 320, REAL_TEXT = 32 };

void
parameters_set_initial(const struct sheaf_kernel *kernel, struct sheaf_problem *problem)
{
    for (int i = 0; i < kernel->parameter_count; i++)
        problem->parameters[i] = kernel->parameters[i].initial;
}

/* Append to a text of `bytes`, of which `used` are taken; what does not fit is cut off. */
#if defined(__GNUC__)
__attribute__((format(printf, 4, 5)))
#endif
static void
append(char *text, size_t bytes, size_t *used, const char *format, ...)
{
    va_list args;
    va_start(args, format);
    // NOLINTNEXTLINE(clang-analyzer-valist.Uninitialized): it is; the analyser of clang 14 loses that in the callers' loops
    int written = vsnprintf(text + *used, bytes - *used, format, args);
    va_end(args);
    if (written > 0)
        *used += (size_t)written < bytes - *used ? (size_t)written : bytes - *used - 1;
}

static const char *
parameter_names(const struct sheaf_kernel *kernel, char text[LIST_TEXT])
{
    size_t used = 0;
    text[0] = '\0';
    for (int i = 0; i < kernel->parameter_count; i++)
        append(text, LIST_TEXT, &used, "%s%s", i ? ", " : "", kernel->parameters[i].name);
    return text;
}

static const char *
choice_names(const struct sheaf_parameter *parameter, char text[LIST_TEXT])
{
    size_t used = 0;
    text[0] = '\0';
    for (int i = 0; parameter->choices[i]; i++)
        append(text, LIST_TEXT, &used, "%s%s", i ? ", " : "", parameter->choices[i]);
    return text;
}

/* The shortest decimal that reads back as the same number. */
static const char *
real_format(double value, char text[REAL_TEXT])
{
    for (int digits = 1; digits <= 17; digits++) {
        snprintf(text, REAL_TEXT, "%.*g", digits, value);
        if (strtod(text, NULL) == value)
            break;
    }
    return text;
}

static enum sheaf_status
parse_real(const struct sheaf_kernel *kernel, const struct sheaf_parameter *parameter, const char *value,
           union sheaf_parameter_value *result, struct sheaf_error *error)
{
    char *end, least[REAL_TEXT], greatest[REAL_TEXT];
    double real = strtod(value, &end);
    /* NaN compares false with both bounds, so it is refused too. */
    bool valid = end != value && *end == '\0' && !isspace((unsigned char)*value) && real >= parameter->least.real &&
                 real <= parameter->greatest.real;
    if (!valid)
        return sheaf_fail(error, SHEAF_USAGE, "%s: parameter %s: expected a number from %s to %s%s%s, got '%.80s'",
                          kernel->name, parameter->name, real_format(parameter->least.real, least),
                          real_format(parameter->greatest.real, greatest), parameter->unit ? " " : "",
                          parameter->unit ? parameter->unit : "", value);
    result->real = real;
    return SHEAF_OK;
}

static enum sheaf_status
parse_integer(const struct sheaf_kernel *kernel, const struct sheaf_parameter *parameter, const char *value,
              union sheaf_parameter_value *result, struct sheaf_error *error)
{
    char *end;
    errno = 0;
    long long integer = strtoll(value, &end, 10);
    bool valid = end != value && *end == '\0' && errno == 0 && !isspace((unsigned char)*value) &&
                 integer >= parameter->least.integer && integer <= parameter->greatest.integer;
    if (!valid)
        return sheaf_fail(error, SHEAF_USAGE,
                          "%s: parameter %s: expected an integer from %" PRId64 " to %" PRId64 "%s%s, got '%.80s'",
                          kernel->name, parameter->name, parameter->least.integer, parameter->greatest.integer,
                          parameter->unit ? " " : "", parameter->unit ? parameter->unit : "", value);
    result->integer = integer;
    return SHEAF_OK;
}

static enum sheaf_status
parse_choice(const struct sheaf_kernel *kernel, const struct sheaf_parameter *parameter, const char *value,
             union sheaf_parameter_value *result, struct sheaf_error *error)
{
    char names[LIST_TEXT];
    for (int i = 0; parameter->choices[i]; i++) {
        if (strcmp(parameter->choices[i], value) == 0) {
            result->integer = i;
            return SHEAF_OK;
        }
    }
    return sheaf_fail(error, SHEAF_USAGE, "%s: parameter %s: expected one of %s, got '%.80s'", kernel->name,
                      parameter->name, choice_names(parameter, names), value);
}

enum sheaf_status
parameters_parse(const struct sheaf_kernel *kernel, const char *text, struct sheaf_problem *problem,
                 struct sheaf_error *error)
{
    char names[LIST_TEXT];
    if (kernel->parameter_count == 0)
        return sheaf_fail(error, SHEAF_USAGE, "%s has no parameters: leave out '%.80s'", kernel->name, text);
    const char *equals = strchr(text, '=');
    if (!equals)
        return sheaf_fail(error, SHEAF_USAGE, "%s: expected a parameter as name=value, got '%.80s'; names are %s",
                          kernel->name, text, parameter_names(kernel, names));

    size_t length = (size_t)(equals - text);
    for (int i = 0; i < kernel->parameter_count; i++) {
        const struct sheaf_parameter *parameter = &kernel->parameters[i];
        if (strlen(parameter->name) != length || strncmp(parameter->name, text, length) != 0)
            continue;
        switch (parameter->kind) {
        case SHEAF_PARAMETER_REAL:
            return parse_real(kernel, parameter, equals + 1, &problem->parameters[i], error);
        case SHEAF_PARAMETER_INTEGER:
            return parse_integer(kernel, parameter, equals + 1, &problem->parameters[i], error);
        case SHEAF_PARAMETER_CHOICE:
            return parse_choice(kernel, parameter, equals + 1, &problem->parameters[i], error);
        }
    }
    return sheaf_fail(error, SHEAF_USAGE, "%s has no parameter '%.*s'; it has %s", kernel->name,
                      (int)(length < 80 ? length : 80), text, parameter_names(kernel, names));
}

char *
parameters_format(const struct sheaf_kernel *kernel, const struct sheaf_problem *problem, char *text, size_t bytes)
{
    size_t used = 0;
    text[0] = '\0';
    for (int i = 0; i < kernel->parameter_count; i++) {
        const struct sheaf_parameter *parameter = &kernel->parameters[i];
        const union sheaf_parameter_value *value = &problem->parameters[i];
        char number[REAL_TEXT];
        append(text, bytes, &used, "%s%s=", i ? " " : "", parameter->name);
        switch (parameter->kind) {
        case SHEAF_PARAMETER_REAL:
            append(text, bytes, &used, "%s", real_format(value->real, number));
            break;
        case SHEAF_PARAMETER_INTEGER:
            append(text, bytes, &used, "%" PRId64, value->integer);
            break;
        case SHEAF_PARAMETER_CHOICE:
            append(text, bytes, &used, "%s", parameter->choices[value->integer]);
            break;
        }
    }
    return text;
}
