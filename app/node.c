#include "node.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

enum { LINE_BYTES = 512, PATH_BYTES = 1024 };

static const char *root = ""; // of the files that tell; tests have their own

void
node_set_root(const char *path)
{
    root = path;
}

/** The first line of a file that starts with `key`: what follows there. */
static bool
read_text(const char *path, const char *key, char text[LINE_BYTES])
{
    char whole[PATH_BYTES];
    bool found = false;
    if (snprintf(whole, sizeof whole, "%s%s", root, path) >= (int)sizeof whole)
        return false;
    FILE *file = fopen(whole, "re");
    if (!file)
        return false;
    while (!found && fgets(text, LINE_BYTES, file))
        found = strncmp(text, key, strlen(key)) == 0;
    fclose(file);
    if (found)
        memmove(text, text + strlen(key), strlen(text + strlen(key)) + 1);
    return found;
}

/** The number behind `key`; `otherwise` where there is none. */
static int64_t
read_number(const char *path, const char *key, int64_t otherwise)
{
    char text[LINE_BYTES], *end;
    if (!read_text(path, key, text))
        return otherwise;
    int64_t value = strtoll(text, &end, 10);
    return end == text ? otherwise : value; // "max"
}

/** A file of a cgroup, in a hierarchy that is mounted there. @return false where the path is too long */
static bool
group_file(const char *mount, const char *group, const char *name, char path[PATH_BYTES])
{
    return snprintf(path, PATH_BYTES, "%s%s/%s", mount, group, name) < PATH_BYTES;
}

static int64_t
read_group_number(const char *mount, const char *group, const char *name, const char *key, int64_t otherwise)
{
    char path[PATH_BYTES];
    return group_file(mount, group, name, path) ? read_number(path, key, otherwise) : otherwise;
}

/** The process's path in a cgroup hierarchy: "" names version 2, "memory" or "cpu" a controller of version 1. */
static bool
find_group(const char *controller, char group[LINE_BYTES])
{
    char line[LINE_BYTES], path[PATH_BYTES];
    bool found = false;
    snprintf(path, sizeof path, "%s/proc/self/cgroup", root);
    FILE *file = fopen(path, "re");
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
            snprintf(group, LINE_BYTES, "%s", strcmp(place, "/") == 0 ? "" : place);
    }
    fclose(file);
    return found;
}

/** The group that holds this one; "" is the hierarchy's own. @return false: there is none */
static bool
go_up(char *group)
{
    char *slash = strrchr(group, '/');
    if (!slash)
        return false;
    *slash = '\0';
    return true;
}

/** Where a hierarchy says what of memory: names of its files, and of a line in the last one. */
struct memory_files {
    const char *controller, *mount, *limit, *used, *cache;
};

/**
 * Cut by the limits of a cgroup and of all that hold it, for the tightest one may be any. What is used does not count the page
 * cache that can go at once. Inside a container the path is the host's, and only the hierarchy's own group may be there.
 */
static void
cut_by_groups(const struct memory_files *files, int64_t *total, int64_t *available)
{
    char group[LINE_BYTES];
    if (!find_group(files->controller, group))
        return;
    do {
        int64_t limit = read_group_number(files->mount, group, files->limit, "", -1);
        if (limit < 0)
            continue;
        int64_t used = read_group_number(files->mount, group, files->used, "", 0) -
                       read_group_number(files->mount, group, "memory.stat", files->cache, 0);
        *total = limit < *total ? limit : *total;
        *available = limit - used < *available ? limit - used : *available;
    } while (go_up(group));
}

/** Megabytes that Slurm grants this job on each node, in bytes; INT64_MAX: it does not say. */
static int64_t
slurm_memory(void)
{
    static const int64_t megabyte = INT64_C(1) << 20;
    const char *node = getenv("SLURM_MEM_PER_NODE"), *cpu = getenv("SLURM_MEM_PER_CPU");
    const char *cpus = getenv("SLURM_CPUS_ON_NODE");
    int64_t granted = node ? strtoll(node, NULL, 10) : 0; // 0: all that the node has
    if (granted <= 0 && cpu && cpus)
        granted = strtoll(cpu, NULL, 10) * strtoll(cpus, NULL, 10);
    return granted > 0 && granted < INT64_MAX / megabyte ? granted * megabyte : INT64_MAX;
}

static void
survey(int64_t *total, int64_t *available)
{
    static const struct memory_files files[] = {
        {"", "/sys/fs/cgroup", "memory.max", "memory.current", "inactive_file "},
        {"memory", "/sys/fs/cgroup/memory", "memory.limit_in_bytes", "memory.usage_in_bytes", "total_inactive_file "},
    };
    *total = read_number("/proc/meminfo", "MemTotal:", 0) * 1024;
    *available = read_number("/proc/meminfo", "MemAvailable:", 0) * 1024;
    for (size_t i = 0; i < sizeof files / sizeof files[0]; i++)
        cut_by_groups(&files[i], total, available);
    int64_t granted = slurm_memory();
    *total = granted < *total ? granted : *total;
    *available = granted < *available ? granted : *available;
    *available = *available > 0 ? *available : 0;
}

int64_t
node_memory_total(void)
{
    int64_t total, available;
    survey(&total, &available);
    return total;
}

int64_t
node_memory_available(void)
{
    int64_t total, available;
    survey(&total, &available);
    return available;
}

uint32_t
node_oom_kills(void)
{
    return (uint32_t)(read_number("/proc/vmstat", "oom_kill ", -1) + 1);
}

/** CPUs by a group's quota; 0: it has none. */
static double
read_quota(const char *mount, const char *group)
{
    char path[PATH_BYTES], text[LINE_BYTES], *end;
    double quota, period;
    if (group_file(mount, group, "cpu.max", path) && read_text(path, "", text)) {
        quota = strtod(text, &end); // "max 100000": no number, no quota
        period = strtod(end, NULL);
    } else {
        quota = (double)read_group_number(mount, group, "cpu.cfs_quota_us", "", 0);
        period = (double)read_group_number(mount, group, "cpu.cfs_period_us", "", 0);
    }
    return quota > 0 && period > 0 ? quota / period : 0;
}

double
node_cpu_quota(void)
{
    static const char *const hierarchies[][2] = {{"", "/sys/fs/cgroup"}, {"cpu", "/sys/fs/cgroup/cpu"}};
    char group[LINE_BYTES];
    double least = 0;
    for (size_t i = 0; i < sizeof hierarchies / sizeof hierarchies[0]; i++) {
        if (!find_group(hierarchies[i][0], group))
            continue;
        do {
            double quota = read_quota(hierarchies[i][1], group);
            least = quota > 0 && (least == 0 || quota < least) ? quota : least;
        } while (go_up(group));
    }
    return least;
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

void
node_reset_peak_memory(void)
{
    char path[PATH_BYTES];
    snprintf(path, sizeof path, "%s/proc/self/clear_refs", root);
    FILE *file = fopen(path, "we");
    if (!file)
        return;
    fputs("5", file); // proc(5): the peak becomes what it is now
    fclose(file);
}

int64_t
node_peak_memory(void)
{
    return 1024 * read_number("/proc/self/status", "VmHWM:", 0);
}
