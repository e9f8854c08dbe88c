#include "slice.h"

#include <stdlib.h>
#include <string.h>

static bool
is_blank(char c)
{
    return c == ' ' || c == '\t';
}

/* The number before the next ':' or ']', if there is one; *at moves behind it. False: something else is there. */
static bool
parse_number(const char **at, bool *present, int64_t *value)
{
    while (is_blank(**at))
        ++*at;
    *present = **at != ':' && **at != ']';
    if (*present) {
        const char *digits = *at + (**at == '-' || **at == '+');
        char *end;
        if (*digits < '0' || *digits > '9')
            return false;
        /* beyond 64 bits it gives the greatest, which is what is wanted */
        *value = strtoll(*at, &end, 10);
        *at = end;
    }
    while (is_blank(**at))
        ++*at;
    return **at == ':' || **at == ']';
}

/* An entry by its number, as "[5]", which is "[5:6]"; "[-1]" is "[-1:]". False: there is something else in the brackets. */
static bool
parse_entry(const char *at, struct slice *slice)
{
    bool present;
    int64_t entry = 0;

    if (!parse_number(&at, &present, &entry) || !present)
        return false;
    *slice = (struct slice){.present = true, .has_first = true, .first = entry, .step = 1};
    slice->has_end = entry != -1 && entry != INT64_MAX;
    slice->end = slice->has_end ? entry + 1 : 0;
    return true;
}

bool
slice_parse(const char *text, size_t *length, struct slice *slice)
{
    const size_t whole = strlen(text);
    const char *open = strrchr(text, '['), *at = open;
    bool has_step = false;

    *slice = (struct slice){.step = 1};
    *length = whole;
    if (!open || text[whole - 1] != ']' || open + 1 + strspn(open + 1, "0123456789+-: \t") != text + whole - 1)
        return true;
    if (!strchr(open, ':')) {
        if (parse_entry(open + 1, slice))
            *length = (size_t)(open - text);
        return true;
    }
    *length = (size_t)(open - text);
    slice->present = true;
    at++;
    if (!parse_number(&at, &slice->has_first, &slice->first) || *at++ != ':' ||
        !parse_number(&at, &slice->has_end, &slice->end))
        return false;
    if (*at == ':') {
        at++;
        if (!parse_number(&at, &has_step, &slice->step))
            return false;
    }
    if (slice->step == INT64_MIN) /* it has no opposite */
        slice->step = -INT64_MAX;
    return *at == ']' && slice->step != 0;
}

/* A bound as an entry, or one place beyond them. */
static int64_t
adjust(int64_t bound, int64_t count, bool down)
{
    if (bound < 0) {
        bound += count;
        return bound < 0 ? -(int64_t)down : bound;
    }
    return bound >= count ? count - down : bound;
}

bool
slice_apply(const struct slice *slice, int64_t count, int64_t *first, int64_t *step, int64_t *selected)
{
    const bool down = slice->step < 0;
    int64_t from = slice->has_first ? slice->first : (down ? INT64_MAX : 0);
    int64_t to = slice->has_end ? slice->end : (down ? INT64_MIN : INT64_MAX);

    from = adjust(from, count, down);
    to = adjust(to, count, down);
    *first = from;
    *step = slice->step;
    if (down)
        *selected = to < from ? (from - to - 1) / -slice->step + 1 : 0;
    else
        *selected = from < to ? (to - from - 1) / slice->step + 1 : 0;
    return *selected > 0;
}
