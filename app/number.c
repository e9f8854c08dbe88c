#include "number.h"

#include <ctype.h>
#include <errno.h>
#include <stdlib.h>

bool
number_parse(const char *text, int64_t *value, const char **end)
{
    char *rest;
    if (!isdigit((unsigned char)text[0]) && text[0] != '-')
        return false; // strtoll would skip blanks and take a plus
    errno = 0;
    long long number = strtoll(text, &rest, 10);
    if (errno || rest == text || (!end && *rest))
        return false;
    *value = number;
    if (end)
        *end = rest;
    return true;
}

int64_t
number_from_environment(const char *name, int64_t otherwise)
{
    const char *text = getenv(name);
    int64_t value = otherwise;
    if (text && !number_parse(text, &value, NULL))
        return otherwise;
    return value;
}
