#include "slurm.h"
#include "node.h"
#include "number.h"

#include <errno.h>
#include <poll.h>
#include <signal.h>
#include <spawn.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

/** A controller that does not answer must not hold up a start. */
static const int64_t answer_ns = 5 * INT64_C(1000000000);

/** Read until its end, or the time is up. */
static void
read_answer(int descriptor, char *text, size_t bytes)
{
    size_t used = 0;
    int64_t end = node_nanoseconds() + answer_ns;
    for (;;) {
        struct pollfd wait = {.fd = descriptor, .events = POLLIN};
        int64_t left = end - node_nanoseconds();
        if (left <= 0 || used + 1 >= bytes || (poll(&wait, 1, (int)(left / 1000000) + 1) < 0 && errno != EINTR))
            break;
        if (!wait.revents)
            continue;
        ssize_t count = read(descriptor, text + used, bytes - 1 - used);
        if (count <= 0)
            break;
        used += (size_t)count;
    }
    text[used] = '\0';
}

/** What `scontrol show WHAT [ID]` says, on stdout or stderr; "" where there is no scontrol. */
static void
ask(const char *what, const char *id, char *text, size_t bytes)
{
    int ends[2];
    text[0] = '\0';
    if (pipe(ends) != 0)
        return;
    const char *const arguments[] = {"scontrol", "show", what, id, NULL};
    posix_spawn_file_actions_t actions;
    posix_spawn_file_actions_init(&actions);
    posix_spawn_file_actions_addclose(&actions, ends[0]);
    posix_spawn_file_actions_adddup2(&actions, ends[1], STDOUT_FILENO);
    posix_spawn_file_actions_adddup2(&actions, ends[1], STDERR_FILENO);
    posix_spawn_file_actions_addclose(&actions, ends[1]);
    pid_t child;
    int failed = posix_spawnp(&child, arguments[0], &actions, NULL, (char *const *)arguments, environ);
    posix_spawn_file_actions_destroy(&actions);
    close(ends[1]);
    if (!failed) {
        read_answer(ends[0], text, bytes);
        kill(child, SIGKILL); // it has closed its output, or was too slow
        while (waitpid(child, NULL, 0) < 0 && errno == EINTR)
            ;
    }
    close(ends[0]);
}

bool
slurm_find_value(const char *text, const char *key, char *value, size_t bytes)
{
    size_t length = strlen(key);
    for (const char *at = text; (at = strstr(at, key)); at += length) {
        if (at != text && at[-1] != ' ' && at[-1] != '\n')
            continue;
        const char *from = at + length + strspn(at + length, " ");
        if (*from != '=')
            continue;
        from += 1 + strspn(from + 1, " ");
        snprintf(value, bytes, "%.*s", (int)strcspn(from, " \n"), from);
        return true;
    }
    return false;
}

bool
slurm_judge_job(const char *text, int64_t restarts)
{
    static const char *const ends[] = {"COMPLETED", "FAILED",        "CANCELLED", "TIMEOUT",   "NODE_FAIL",
                                       "PREEMPTED", "OUT_OF_MEMORY", "DEADLINE",  "BOOT_FAIL", "REVOKED"};
    char state[64], count[32];
    if (!slurm_find_value(text, "JobState", state, sizeof state))
        return strstr(text, "Invalid job id specified") != NULL; // it forgets jobs some minutes after their end
    for (size_t i = 0; i < sizeof ends / sizeof ends[0]; i++)
        if (strcmp(state, ends[i]) == 0)
            return true;
    return slurm_find_value(text, "Restarts", count, sizeof count) && strtoll(count, NULL, 10) > restarts;
}

void
slurm_describe_owner(struct lock_owner *self)
{
    const char *cluster = getenv("SLURM_CLUSTER_NAME");
    self->job = number_from_environment("SLURM_JOB_ID", 0);
    self->restarts = number_from_environment("SLURM_RESTART_COUNT", 0);
    if (self->job > 0 && cluster)
        snprintf(self->cluster, sizeof self->cluster, "%s", cluster);
}

double
slurm_parse_end(const char *text)
{
    char value[32];
    struct tm parts = {.tm_isdst = -1};
    if (!slurm_find_value(text, "EndTime", value, sizeof value) || !strptime(value, "%Y-%m-%dT%H:%M:%S", &parts))
        return 0; // "Unknown": it has no limit
    return (double)mktime(&parts);
}

double
slurm_job_end(void)
{
    static char text[SLURM_TEXT];
    char id[32];
    int64_t job = number_from_environment("SLURM_JOB_ID", 0), end = number_from_environment("SLURM_JOB_END_TIME", 0);
    if (job <= 0 || end > 0)
        return (double)end;
    snprintf(id, sizeof id, "%lld", (long long)job);
    ask("job", id, text, sizeof text);
    return slurm_parse_end(text);
}

bool
slurm_has_ended(const struct lock_owner *owner)
{
    static char text[SLURM_TEXT];
    char cluster[LOCK_FIELD], id[32];
    if (owner->job <= 0 || !owner->cluster[0])
        return false;
    ask("config", NULL, text, sizeof text);
    // Another cluster's numbers are other jobs.
    if (!slurm_find_value(text, "ClusterName", cluster, sizeof cluster) || strcmp(cluster, owner->cluster) != 0)
        return false;
    snprintf(id, sizeof id, "%lld", (long long)owner->job);
    ask("job", id, text, sizeof text);
    return slurm_judge_job(text, owner->restarts);
}
