#include "restart.h"
#include "blas.h"
#include "number.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <unistd.h>

/** Names of the variables that were set for the second start, which removes them; its presence says that it is the second. */
static const char mark[] = "SHEAF_RESTARTED";
enum { MARK_BYTES = 256 };

/** Forget the variables that the mark names, and the mark: children are to find what the user has set. */
static void
restore_environment(void)
{
    char names[MARK_BYTES], *rest = names;
    snprintf(names, sizeof names, "%s", getenv(mark));
    for (char *name; (name = strsep(&rest, " ")) != NULL;)
        if (*name)
            unsetenv(name);
    unsetenv(mark);
}

/** @return whether there is anything to set, and it is set */
static bool
prepare_environment(void)
{
    struct blas_setting settings[BLAS_SETTINGS_MAX];
    char names[MARK_BYTES] = "";
    int count = blas_list_settings(settings);
    bool good = count > 0;
    for (int i = 0; i < count; i++) {
        size_t used = strlen(names);
        snprintf(names + used, sizeof names - used, "%s ", settings[i].name);
        good = good && setenv(settings[i].name, settings[i].value, 1) == 0;
    }
    return setenv(mark, names, 1) == 0 && good;
}

void
restart_for_blas(char **arguments)
{
    if (getenv(mark)) {
        restore_environment();
        prctl(PR_SET_NAME, program_invocation_short_name); // it would be called "exe"
        return;
    }
    if (number_from_environment("SHEAF_RESTART", 1) == 0)
        return;
    if (prepare_environment())
        execv("/proc/self/exe", arguments); // this very file, even if it was deleted or replaced meanwhile
    if (getenv(mark))
        restore_environment();
}
