#include "node.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

enum { LINE_BYTES = 512, PATH_BYTES = 1024 };

/** A number behind `key` in a file like /proc/meminfo; -1 where there is none. */
static int64_t
read_field(const char *path, const char *key)
{
    char line[LINE_BYTES];
    int64_t value = -1;
    FILE *file = fopen(path, "re");
    if (!file)
        return -1;
    while (value < 0 && fgets(line, sizeof line, file))
        if (strncmp(line, key, strlen(key)) == 0)
            value = strtoll(line + strlen(key), NULL, 10);
    fclose(file);
    return value;
}

/** The process's path in a cgroup hierarchy: "" names version 2, "memory" or "cpu" a controller of version 1. */
static bool
find_group(const char *controller, char path[LINE_BYTES])
{
    char line[LINE_BYTES];
    bool found = false;
    FILE *file = fopen("/proc/self/cgroup", "re");
    if (!file)
        return false;
    while (!found && fgets(line, sizeof line, file)) {
        char *names = strchr(line, ':');
        char *place = names ? strchr(names + 1, ':') : NULL;
        if (!place)
            continue;
        *place++ = '\0';
        place[strcspn(place, "\n")] = '\0';
        for (char *rest = names + 1, *name; !found && (name = strsep(&rest, ",")) != NULL;)
            found = strcmp(name, controller) == 0;
        if (found)
            snprintf(path, LINE_BYTES, "%s", place);
    }
    fclose(file);
    return found;
}

/** What follows `key` in a cgroup file, of the process's group or else (inside a container) of the root. */
static bool
read_group(const char *controller, const char *mount, const char *name, const char *key, char text[LINE_BYTES])
{
    char group[LINE_BYTES], path[PATH_BYTES + 2 * LINE_BYTES];
    if (!find_group(controller, group))
        return false;
    for (int i = 0; i < 2; i++) {
        snprintf(path, sizeof path, "%s%s/%s", mount, i == 0 ? group : "", name);
        FILE *file = fopen(path, "re");
        if (!file)
            continue;
        bool good = false;
        while (!good && fgets(text, LINE_BYTES, file))
            good = strncmp(text, key, strlen(key)) == 0;
        fclose(file);
        if (good) {
            memmove(text, text + strlen(key), strlen(text + strlen(key)) + 1);
            return true;
        }
    }
    return false;
}

/** A number in a cgroup file, `otherwise` where there is none. */
static int64_t
read_group_number(const char *controller, const char *mount, const char *name, const char *key, int64_t otherwise)
{
    char text[LINE_BYTES];
    if (!read_group(controller, mount, name, key, text) || strncmp(text, "max", 3) == 0)
        return otherwise;
    return strtoll(text, NULL, 10);
}

/** A limit and what is used of it, in either cgroup version, without page cache that can go at once; limit -1: none. */
static void
read_memory_group(int64_t *limit, int64_t *used)
{
    static const char *const v1 = "/sys/fs/cgroup/memory", *const v2 = "/sys/fs/cgroup";
    *limit = read_group_number("", v2, "memory.max", "", -1);
    *used = read_group_number("", v2, "memory.current", "", 0) -
            read_group_number("", v2, "memory.stat", "inactive_file ", 0);
    if (*limit >= 0)
        return;
    *limit = read_group_number("memory", v1, "memory.limit_in_bytes", "", -1);
    *used = read_group_number("memory", v1, "memory.usage_in_bytes", "", 0) -
            read_group_number("memory", v1, "memory.stat", "total_inactive_file ", 0);
}

int64_t
node_memory_total(void)
{
    int64_t total = read_field("/proc/meminfo", "MemTotal:") * 1024;
    int64_t limit, used;
    read_memory_group(&limit, &used);
    return limit > 0 && limit < total ? limit : total;
}

int64_t
node_memory_available(void)
{
    int64_t available = read_field("/proc/meminfo", "MemAvailable:") * 1024;
    int64_t limit, used;
    read_memory_group(&limit, &used);
    if (limit > 0 && limit - used < available)
        available = limit - used;
    return available > 0 ? available : 0;
}

double
node_cpu_quota(void)
{
    char text[LINE_BYTES];
    double quota = 0, period = 0;
    if (read_group("", "/sys/fs/cgroup", "cpu.max", "", text)) {
        char *end; // "max 100000": no number, no quota
        quota = strtod(text, &end);
        period = strtod(end, NULL);
    } else {
        quota = (double)read_group_number("cpu", "/sys/fs/cgroup/cpu", "cpu.cfs_quota_us", "", 0);
        period = (double)read_group_number("cpu", "/sys/fs/cgroup/cpu", "cpu.cfs_period_us", "", 0);
    }
    return quota > 0 && period > 0 ? quota / period : 0;
}

double
node_wall_seconds(void)
{
    struct timespec time;
    clock_gettime(CLOCK_REALTIME, &time);
    return (double)time.tv_sec + 1e-9 * (double)time.tv_nsec;
}

int64_t
node_nanoseconds(void)
{
    struct timespec time;
    clock_gettime(CLOCK_MONOTONIC, &time);
    return (int64_t)time.tv_sec * 1000000000 + time.tv_nsec;
}
