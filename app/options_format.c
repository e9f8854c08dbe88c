#include "options.h"

#include <stddef.h>
#include <string.h>

/** Whether an option has one value in both. */
static bool
is_same(const struct option_row *row, const struct options *a, const struct options *b)
{
    const char *first = (const char *)a + row->offset, *second = (const char *)b + row->offset;
    const char *texts[2];
    switch (row->kind) {
    case OPTION_FLAG:
        return memcmp(first, second, sizeof(bool)) == 0;
    case OPTION_CHOICE:
        return memcmp(first, second, sizeof(int)) == 0;
    case OPTION_INTEGER:
    case OPTION_SIZE:
        return memcmp(first, second, sizeof(int64_t)) == 0;
    case OPTION_TEXT:
        memcpy(&texts[0], first, sizeof texts[0]);
        memcpy(&texts[1], second, sizeof texts[1]);
        return texts[0] == texts[1] || (texts[0] && texts[1] && strcmp(texts[0], texts[1]) == 0);
    case OPTION_LIST:
        break;
    }
    return true;
}

const struct option_row *
options_find_difference(const struct options *a, const struct options *b)
{
    int rows;
    const struct option_row *table = options_table(&rows);
    for (int i = 0; i < rows; i++) {
        const struct option_row *row = &table[i];
        bool counts =
            row->changes_results && (row->commands & a->command) && row->offset != offsetof(struct options, plugin);
        if (counts && !is_same(row, a, b))
            return row;
    }
    return NULL;
}

/** Add a word, after a space and in quotes where a shell would take it apart. */
static void
add_word(const char *word, char *text, size_t bytes)
{
    size_t used = strlen(text);
    bool plain = *word && strspn(word, "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789_-+=:,./@%") ==
                              strlen(word);
    if (used + strlen(word) * 4 + 4 > bytes)
        return; // longer than any command line that can be typed
    char *at = stpcpy(text + used, used ? plain ? " " : " '" : plain ? "" : "'");
    for (const char *c = word; *c; c++)
        at = *c == '\'' ? stpcpy(at, "'\\''") : (*at = *c, at + 1);
    strcpy(at, plain ? "" : "'");
}

/** Add an option that was given. */
static void
add_option(const struct option_row *row, const struct options *options, char *text, size_t bytes)
{
    const char *field = (const char *)options + row->offset;
    char name[64], number[32];
    int64_t value;
    const char *word = NULL, *choice;
    snprintf(name, sizeof name, "--%s", row->name);
    switch (row->kind) {
    case OPTION_FLAG:
        if (*(const bool *)field)
            add_word(name, text, bytes);
        return;
    case OPTION_LIST:
        for (int i = 0; i < options->parameter_count; i++) {
            add_word(name, text, bytes);
            add_word(options->parameters[i], text, bytes);
        }
        return;
    case OPTION_TEXT:
        memcpy(&word, field, sizeof word);
        break;
    case OPTION_CHOICE:
        choice = row->value;
        for (int i = 0; i < *(const int *)field; i++)
            choice = strchr(choice, '|') + 1;
        snprintf(number, sizeof number, "%.*s", (int)strcspn(choice, "|"), choice);
        word = *(const int *)field ? number : NULL;
        break;
    case OPTION_INTEGER:
    case OPTION_SIZE:
        memcpy(&value, field, sizeof value);
        snprintf(number, sizeof number, "%lld", (long long)value);
        word = value ? number : NULL;
        break;
    }
    if (word) {
        add_word(name, text, bytes);
        add_word(word, text, bytes);
    }
}

char *
options_format_value(const struct option_row *row, const struct options *options, char text[OPTIONS_VALUE_TEXT])
{
    *text = '\0';
    add_option(row, options, text, OPTIONS_VALUE_TEXT);
    if (!*text)
        snprintf(text, OPTIONS_VALUE_TEXT, "%s--%s%s%s", row->initial ? "" : "no ", row->name, row->initial ? " " : "",
                 row->initial ? row->initial : "");
    return text;
}

void
options_format(const struct options *options, enum command command, char *text, size_t bytes)
{
    int rows;
    const struct option_row *table = options_table(&rows);
    *text = '\0';
    add_word("sheaf", text, bytes);
    add_word(options_command_name(command), text, bytes);
    for (int i = 0; i < options->operand_count; i++)
        add_word(options->operands[i], text, bytes);
    for (int i = 0; i < rows; i++) {
        const struct option_row *row = &table[i];
        bool both = (row->commands & command) && (row->commands & options->command);
        if (both && row->offset != offsetof(struct options, output) &&
            row->offset != offsetof(struct options, layout) && row->offset != offsetof(struct options, overwrite))
            add_option(row, options, text, bytes);
    }
}
