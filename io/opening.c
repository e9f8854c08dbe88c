#include "opening.h"

#include <stddef.h>

static const struct opening *watching;

void
opening_watch(const struct opening *watch)
{
    watching = watch;
}

enum sheaf_status
opening_begin(const char *path, const char *name, struct sheaf_error *error)
{
    return watching ? watching->begin_file(path, name, error) : SHEAF_OK;
}

void
opening_go_on(void)
{
    if (watching)
        watching->go_on();
}
