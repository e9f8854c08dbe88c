/*
 * How kernels and filters of the tests fail when they are told to: variables of the environment, each a list "3,17" of numbers of tasks.
 *
 * SHEAF_TEST_CRASH  write where no memory is; SHEAF_TEST_ABORT: call abort; SHEAF_TEST_KILL: kill their own process with SIGKILL;
 * SHEAF_TEST_HANG   never end
 */
#ifndef MISBEHAVE_H
#define MISBEHAVE_H

#include <signal.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

/* Whether a variable, its prefix apart, lists the number. */
static bool
is_listed(const char *prefix, const char *name, double number)
{
    char variable[64];
    snprintf(variable, sizeof variable, "%s%s", prefix, name);
    const char *at = getenv(variable);

    while (at && *at) {
        char *end;
        if (strtod(at, &end) == number || end == at)
            return end != at;
        at = *end ? end + 1 : end;
    }
    return false;
}

static void
misbehave(const char *prefix, double number)
{
    int *volatile nowhere = NULL;

    if (is_listed(prefix, "CRASH", number))
        *nowhere = 1; /* NOLINT(clang-analyzer-core.NullDereference): that is what it is for */
    if (is_listed(prefix, "ABORT", number))
        abort();
    if (is_listed(prefix, "KILL", number))
        kill(getpid(), SIGKILL);
    while (is_listed(prefix, "HANG", number))
        pause();
}

#endif
