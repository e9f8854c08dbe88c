#include "watch.h"

#include <stddef.h>

static const struct watch *watching;

void
watch_set(const struct watch *watch)
{
    watching = watch;
}

enum sheaf_status
watch_begin_file(const char *path, const char *name, struct sheaf_error *error)
{
    return watching ? watching->begin_file(path, name, error) : SHEAF_OK;
}

void
watch_go_on(void)
{
    if (watching)
        watching->go_on();
}
