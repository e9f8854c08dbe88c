#include "process.h"

#include <errno.h>
#include <inttypes.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

int64_t
process_ticks(int64_t pid)
{
    char path[64], line[1024] = "";

    snprintf(path, sizeof path, "/proc/%" PRId64 "/stat", pid);
    FILE *file = fopen(path, "re");
    if (!file)
        return 0;
    /* The name stands in parentheses and may hold some itself; behind it the state is the 3rd field, the start the 22nd. */
    const char *end = fgets(line, sizeof line, file) ? strrchr(line, ')') : NULL;
    fclose(file);
    if (!end || end[1] != ' ')
        return 0;
    if (end[2] == 'Z' || end[2] == 'X')
        return -1;
    const char *field = end + 2;
    for (int i = 3; i < 22 && field; i++)
        field = strchr(field + 1, ' ');
    return field ? strtoll(field, NULL, 10) : 0;
}

bool
process_has_ended(int64_t pid, int64_t ticks)
{
    if (kill((pid_t)pid, 0) != 0 && errno == ESRCH)
        return true;
    const int64_t found = process_ticks(pid);
    return found < 0 || (found > 0 && ticks > 0 && found != ticks);
}
