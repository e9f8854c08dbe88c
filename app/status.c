#include "status.h"
#include "comm.h"
#include "node.h"
#include "progress.h"

#include <errno.h>
#include <signal.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

void
status_print_headline(const char *path, const struct store_summary *summary)
{
    printf("%s: %s %s%s%s%s · %lld of %lld tasks done, %lld failed\n", path, summary->program, summary->kernel,
           summary->parameters[0] ? " (" : "", summary->parameters, summary->parameters[0] ? ")" : "",
           (long long)summary->tasks_done, (long long)summary->map.tasks, (long long)summary->tasks_failed);
}

void
status_print_run(const struct store_summary *summary)
{
    static const char *const states[] = {"unused", "running or killed", "finished", "drained", "failed"};
    const struct record_run *run = &summary->run;
    char start[32], seconds[32];
    if (run->state == RUN_UNUSED)
        return;
    time_t whole = (time_t)run->start;
    struct tm parts;
    strftime(start, sizeof start, "%Y-%m-%dT%H:%M:%SZ", gmtime_r(&whole, &parts));
    printf("  last run   %s since %s on %s", states[run->state <= RUN_FAILED ? run->state : 0], start, run->host);
    if (run->state != RUN_RUNNING)
        printf(" for %s", progress_format_seconds(run->end - run->start, seconds));
    printf(" · %u rank%s on %u node%s, layout %s\n             %s %s · %s · HDF5 %s · sheaf %s\n", run->ranks,
           run->ranks == 1 ? "" : "s", run->nodes, run->nodes == 1 ? "" : "s", run->layout, run->blas, run->core,
           run->mpi, run->hdf5, run->version);
}

/** Whether a process of this host lives: one that has ended, but was not waited for, does not. */
static bool
is_alive(int64_t pid)
{
    char path[64], line[512] = "";
    if (pid <= 0 || (kill((pid_t)pid, 0) != 0 && errno != EPERM))
        return false;
    snprintf(path, sizeof path, "/proc/%lld/stat", (long long)pid);
    FILE *file = fopen(path, "r");
    if (!file)
        return true;
    // The state follows the name, which stands in parentheses and may hold some itself.
    const char *end = fgets(line, sizeof line, file) ? strrchr(line, ')') : NULL;
    fclose(file);
    return !end || strncmp(end, ") Z", 3) != 0;
}

enum status_owner
status_find_owner(const struct record_run *run)
{
    char host[COMM_HOST_BYTES] = "";
    if (run->state != RUN_RUNNING)
        return OWNER_NONE;
    gethostname(host, sizeof host - 1);
    // A slot of the file has less room than a host name may take.
    if (strncmp(host, run->host, sizeof run->host - 1) != 0)
        return OWNER_ELSEWHERE;
    return is_alive(run->pid) ? OWNER_LIVES : OWNER_GONE;
}

double
status_seconds_left(const struct store_summary *summary)
{
    const int64_t left = summary->map.tasks - summary->tasks_done;
    const double elapsed = summary->last_commit - summary->run.start;
    if (left <= 0 || summary->run_tasks == 0 || elapsed <= 0)
        return -1;
    if (summary->run_flops > 0)
        return elapsed * (summary->flops - summary->flops_done) / summary->run_flops;
    return elapsed * (double)left / (double)summary->run_tasks;
}

static void
print_tasks(const struct store_summary *summary)
{
    const int64_t left = summary->map.tasks - summary->tasks_done;
    printf("  tasks      %lld done, %lld failed, %lld left, of which %lld started\n",
           (long long)(summary->tasks_done - summary->tasks_failed), (long long)summary->tasks_failed, (long long)left,
           (long long)summary->tasks_started);
}

/** Who runs it; the last sign of life is the latest of the heartbeat and the commits. */
static void
print_owner(const struct store_summary *summary, enum status_owner owner)
{
    static const char *const words[] = {"", "lives", "is gone: the run was killed", "cannot be seen from this host"};
    const struct record_run *run = &summary->run;
    const double sign = summary->last_commit > run->heartbeat ? summary->last_commit : run->heartbeat;
    const double ago = node_wall_seconds() - sign;
    char text[32];
    if (owner != OWNER_NONE)
        printf("  owner      pid %lld on %s %s; last sign of life %s ago\n", (long long)run->pid, run->host,
               words[owner], progress_format_seconds(ago > 0 ? ago : 0, text));
}

static void
print_rate(const struct store_summary *summary, enum status_owner owner)
{
    const double left = status_seconds_left(summary);
    char text[32];
    if (left < 0)
        return;
    printf("  rate       %.3g tasks/s · what is left takes about %s%s\n",
           (double)summary->run_tasks / (summary->last_commit - summary->run.start),
           progress_format_seconds(left, text), owner == OWNER_NONE || owner == OWNER_GONE ? " once it goes on" : "");
}

enum sheaf_status
status_command(const struct options *options, struct sheaf_error *error)
{
    struct store_summary summary;
    if (options->operand_count != 1)
        return sheaf_fail(error, SHEAF_USAGE, "status takes one results file, %d given", options->operand_count);
    enum sheaf_status status = store_describe(options->operands[0], &summary, error);
    if (status)
        return status;
    const enum status_owner owner = status_find_owner(&summary.run);
    status_print_headline(options->operands[0], &summary);
    print_tasks(&summary);
    status_print_run(&summary);
    print_owner(&summary, owner);
    print_rate(&summary, owner);
    const bool done = summary.tasks_done == summary.map.tasks, failed = summary.tasks_failed > 0;
    store_summary_free(&summary);
    if (!options->exit_code || (done && !failed))
        return SHEAF_OK;
    // The code is the answer, no error to be told.
    return sheaf_fail(error, done ? SHEAF_TASKS_FAILED : SHEAF_INTERRUPTED, "%s", "");
}
