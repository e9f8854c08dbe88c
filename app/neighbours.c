#include "neighbours.h"
#include "number.h"

#include <dirent.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

enum { PATH_BYTES = 512, LINE_BYTES = 4096 };

static const double least_seconds = 2; // of life, before a thread is judged
static const double least_share = 0.5; // of its life that it was on a core, or waited for one
static const double least_run = 0.05;  // of a process's life that one core at least was its: others need no closer look
static const int64_t much_nicer = 5;   // a third of our weight, in the system's scheduler

/** What /proc/PID/stat and /proc/PID/task/TID/stat tell. */
struct record {
    char program[NEIGHBOURS_NAME_BYTES];
    char state;
    int64_t parent, niceness;
    double seconds, age; /**< on a core; since its start */
};

/** The whole of a small file, as text. */
static bool
read_file(const char *path, char *text, size_t bytes)
{
    FILE *file = fopen(path, "re");
    if (!file)
        return false;
    size_t length = fread(text, 1, bytes - 1, file);
    text[length] = '\0';
    fclose(file);
    return length > 0;
}

/** Fields are counted from behind the program's name, which may hold anything: the state is the first of them. */
static bool
read_record(const char *folder, double uptime, struct record *record)
{
    enum { PARENT = 1, USER = 11, SYSTEM = 12, NICE = 16, START = 19, FIELDS = 20 };
    char path[PATH_BYTES], text[LINE_BYTES];
    int64_t fields[FIELDS] = {0};
    if (snprintf(path, sizeof path, "%s/stat", folder) >= (int)sizeof path || !read_file(path, text, sizeof text))
        return false;
    char *name = strchr(text, '('), *end = strrchr(text, ')');
    if (!name || !end || end < name || end[1] != ' ' || !end[2])
        return false;
    record->state = end[2];
    char *at = end + 3;
    for (int i = 1; i < FIELDS; i++) {
        char *next;
        fields[i] = strtoll(at, &next, 10);
        if (next == at)
            return false;
        at = next;
    }
    snprintf(record->program, sizeof record->program, "%.*s", (int)(end - name - 1), name + 1);
    double ticks = (double)sysconf(_SC_CLK_TCK);
    record->parent = fields[PARENT];
    record->niceness = fields[NICE];
    record->seconds = (double)(fields[USER] + fields[SYSTEM]) / ticks;
    record->age = uptime - (double)fields[START] / ticks;
    return true;
}

/** Seconds that a thread was on a core or waited for one: what it would have computed on an idle machine. */
static double
read_wanted_seconds(const char *folder, const struct record *record)
{
    char path[PATH_BYTES], text[LINE_BYTES], *end;
    if (snprintf(path, sizeof path, "%s/schedstat", folder) >= (int)sizeof path || !read_file(path, text, sizeof text))
        return record->seconds; // a system without it
    double run = strtod(text, &end), delay = strtod(end, NULL);
    return 1e-9 * (run + delay);
}

/** Whether a thread has computed most of its life and does so now. */
static bool
is_busy(const char *folder, const struct record *record)
{
    return record->state == 'R' && record->age >= least_seconds &&
           read_wanted_seconds(folder, record) >= least_share * record->age;
}

static bool
is_ours(const struct neighbours_job *job, int64_t process, const struct record *record)
{
    for (int i = 0; i < job->count; i++)
        if (job->processes[i] == process)
            return true;
    return job->launcher >= 0 && (process == job->launcher || record->parent == job->launcher);
}

/** Where a thread may run. */
static bool
read_cpus(const char *folder, hwloc_bitmap_t cpus)
{
    static const char key[] = "\nCpus_allowed_list:";
    char path[PATH_BYTES], text[LINE_BYTES];
    if (snprintf(path, sizeof path, "%s/status", folder) >= (int)sizeof path || !read_file(path, text, sizeof text))
        return false;
    char *at = strstr(text, key);
    if (!at)
        return false;
    at += sizeof key - 1;
    at += strspn(at, " \t");
    at[strcspn(at, "\n")] = '\0';
    return hwloc_bitmap_list_sscanf(cpus, at) == 0 && !hwloc_bitmap_iszero(cpus);
}

/** What walks over processes and their threads carry along. */
struct search {
    const struct neighbours_job *job;
    double uptime;
    struct neighbours_thread thread;
    hwloc_bitmap_t cpus;
    void (*found)(void *argument, const struct neighbours_thread *thread);
    void *argument;
};

/** Call for each entry of a folder whose name is a number. */
static void
walk(const char *folder, struct search *search, void (*visit)(struct search *search, const char *path, int64_t number))
{
    DIR *entries = opendir(folder);
    if (!entries)
        return;
    for (struct dirent *entry; (entry = readdir(entries)) != NULL;) {
        char path[PATH_BYTES];
        int64_t number;
        if (number_parse(entry->d_name, &number, NULL) &&
            snprintf(path, sizeof path, "%s/%s", folder, entry->d_name) < (int)sizeof path)
            visit(search, path, number);
    }
    closedir(entries);
}

static void
visit_thread(struct search *search, const char *path, int64_t number)
{
    struct record record;
    (void)number;
    if (read_record(path, search->uptime, &record) && is_busy(path, &record) &&
        record.niceness < search->job->niceness + much_nicer && read_cpus(path, search->cpus))
        search->found(search->argument, &search->thread);
}

static void
visit_process(struct search *search, const char *path, int64_t number)
{
    struct record record;
    char tasks[PATH_BYTES];
    if (!read_record(path, search->uptime, &record) || record.age < least_seconds ||
        record.seconds < least_run * record.age || is_ours(search->job, number, &record) ||
        snprintf(tasks, sizeof tasks, "%s/task", path) >= (int)sizeof tasks)
        return;
    search->thread.process = number;
    memcpy(search->thread.program, record.program, sizeof record.program);
    walk(tasks, search, visit_thread);
}

void
neighbours_find(const char *root, const struct neighbours_job *job,
                void (*found)(void *argument, const struct neighbours_thread *thread), void *argument)
{
    char path[PATH_BYTES], text[LINE_BYTES];
    struct search search = {.job = job, .cpus = hwloc_bitmap_alloc(), .found = found, .argument = argument};
    search.thread.cpus = search.cpus;
    if (snprintf(path, sizeof path, "%s/proc/uptime", root) < (int)sizeof path && read_file(path, text, sizeof text)) {
        search.uptime = strtod(text, NULL);
        snprintf(path, sizeof path, "%s/proc", root);
        walk(path, &search, visit_process);
    }
    hwloc_bitmap_free(search.cpus);
}
