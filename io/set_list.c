#include "set_expand.h"

#include <ctype.h>
#include <stdlib.h>

static bool
is_space(char c)
{
    return isspace((unsigned char)c) != 0;
}

/* Cut what is blank off both ends. */
static char *
trim(char *line, size_t length)
{
    while (length > 0 && is_space(line[length - 1]))
        line[--length] = '\0';
    while (is_space(*line))
        line++;
    return line;
}

static bool
is_text(const char *line, size_t length)
{
    for (size_t i = 0; i < length; i++)
        if (iscntrl((unsigned char)line[i]) && !is_space(line[i]))
            return false;
    return true;
}

/* The line with "_" for "/": what results of it are called. */
static enum sheaf_status
add_line(struct set_builder *builder, const char *path, int64_t number, char *line, struct sheaf_error *error)
{
    const char *split = set_expand_split(line);

    if (!split)
        return sheaf_fail(error, SHEAF_USAGE, "%s:%lld: \"%s\" names no dataset: write FILE.h5:/path", path,
                          (long long)number, line);
    char *name = strdup(line), *file = strndup(line, (size_t)(split - line));
    for (char *at = name; at && *at; at++)
        if (*at == '/')
            *at = '_';
    enum sheaf_status status =
        name && file ? set_builder_add(builder, file, split + 1, name, error) : set_builder_no_memory(builder, error);
    free(file);
    free(name);
    return status;
}

enum sheaf_status
set_expand_list(struct set_builder *builder, const char *path, struct sheaf_error *error)
{
    enum sheaf_status status = SHEAF_OK;
    char *buffer = NULL;
    size_t room = 0;
    ssize_t length;
    FILE *file = fopen(path, "re");

    builder->listed = true;
    if (!file)
        return sheaf_fail(error, SHEAF_NO_INPUT, "operand \"%s\": cannot open the list %s: %m", builder->text, path);
    for (int64_t number = 1; status == SHEAF_OK && (length = getline(&buffer, &room, file)) >= 0; number++) {
        if (!is_text(buffer, (size_t)length)) {
            status =
                sheaf_fail(error, SHEAF_USAGE, "%s:%lld: is no text; a list has a line FILE.h5:/path for each task",
                           path, (long long)number);
            break;
        }
        char *line = trim(buffer, (size_t)length);
        if (*line != '\0' && *line != '#')
            status = add_line(builder, path, number, line, error);
    }
    if (status == SHEAF_OK && ferror(file))
        status = sheaf_fail(error, SHEAF_NO_INPUT, "operand \"%s\": cannot read the list %s: %m", builder->text, path);
    if (status == SHEAF_OK && builder->count == 0)
        status = sheaf_fail(error, SHEAF_NO_INPUT, "operand \"%s\": the list %s names no dataset", builder->text, path);
    free(buffer);
    fclose(file);
    return status;
}
