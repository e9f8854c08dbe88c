#include "natural.h"

#include <stdbool.h>
#include <stddef.h>
#include <string.h>

static bool
is_digit(char c)
{
    return c >= '0' && c <= '9';
}

/* Compare the numbers that both begin with, of any length; *a and *b move behind them. */
static int
compare_numbers(const char **a, const char **b)
{
    size_t length_a = 0, length_b = 0;

    while (**a == '0')
        ++*a;
    while (**b == '0')
        ++*b;
    while (is_digit((*a)[length_a]))
        length_a++;
    while (is_digit((*b)[length_b]))
        length_b++;
    if (length_a != length_b)
        return length_a < length_b ? -1 : 1;
    int order = memcmp(*a, *b, length_a);
    *a += length_a;
    *b += length_b;
    return order;
}

static int
place(char c)
{
    if (c == '\0')
        return 0;
    return c == '/' ? 1 : 1 + (unsigned char)c;
}

int
natural_compare(const char *a, const char *b)
{
    const char *at_a = a, *at_b = b;

    for (;;) {
        if (is_digit(*at_a) && is_digit(*at_b)) {
            int order = compare_numbers(&at_a, &at_b);
            if (order != 0)
                return order;
            continue;
        }
        if (*at_a != *at_b)
            return place(*at_a) - place(*at_b);
        if (*at_a == '\0')
            return strcmp(a, b);
        at_a++;
        at_b++;
    }
}
