#include "status.h"
#include "describe.h"
#include "json.h"
#include "node.h"
#include "progress.h"
#include "sheaf/kernel.h"
#include "slurm.h"

#include <stdlib.h>
#include <string.h>
#include <time.h>

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

enum status_life
status_judge(enum lock_state lock, uint32_t state, double silent)
{
    switch (lock) {
    case LOCK_LIVES:
        return LIFE_LIVES;
    case LOCK_GONE:
        return LIFE_GONE;
    case LOCK_UNKNOWN:
        return state == RUN_RUNNING && silent < STATUS_SILENT_SECONDS ? LIFE_LIVES : LIFE_UNKNOWN;
    case LOCK_FREE:
        break;
    }
    // A run that ends, however it does, gives up its lock behind its slot: without one it was killed, and its lock removed.
    return state == RUN_RUNNING ? LIFE_GONE : LIFE_NONE;
}

/** Who holds the file's lock; without one, who started last. */
static void
find_owner(const char *path, const struct store_summary *summary, struct status_owner *owner)
{
    const struct record_run *run = &summary->run;
    const double sign = summary->last_commit > run->heartbeat ? summary->last_commit : run->heartbeat;
    struct lock_owner self, holder;
    lock_describe_self(0, &self);
    enum lock_state lock = lock_find(path, &self, &holder);
    owner->silent = node_wall_seconds() - sign > 0 ? node_wall_seconds() - sign : 0;
    owner->life = status_judge(lock, run->state, owner->silent);
    if (owner->life == LIFE_UNKNOWN && slurm_has_ended(&holder))
        owner->life = LIFE_GONE;
    owner->pid = holder.pid > 0 ? holder.pid : run->pid;
    snprintf(owner->host, sizeof owner->host, "%s", holder.pid > 0 ? holder.host : run->host);
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

static int64_t
count_quarantined(const struct store_summary *summary)
{
    return summary->status_counts[SHEAF_TASK_QUARANTINED];
}

static void
print_tasks(const struct store_summary *summary)
{
    const int64_t left = summary->map.tasks - summary->tasks_done, quarantined = count_quarantined(summary);
    char text[48] = "";
    if (quarantined > 0)
        snprintf(text, sizeof text, ", %lld quarantined", (long long)quarantined);
    printf("  tasks      %lld done, %lld failed%s, %lld left, of which %lld started\n",
           (long long)(summary->tasks_done - summary->tasks_failed), (long long)(summary->tasks_failed - quarantined),
           text, (long long)left, (long long)summary->tasks_started);
}

static void
print_owner(const struct status_owner *owner)
{
    static const char *const words[] = {[LIFE_LIVES] = "lives",
                                        [LIFE_GONE] = "is gone: the run was killed",
                                        [LIFE_UNKNOWN] = "cannot be seen from this host"};
    char text[32];
    if (owner->life != LIFE_NONE)
        printf("  owner      pid %lld on %s %s; last sign of life %s ago\n", (long long)owner->pid, owner->host,
               words[owner->life], progress_format_seconds(owner->silent, text));
}

/** Tasks a second of the latest start; negative: it has committed nothing. */
static double
find_rate(const struct store_summary *summary)
{
    const double elapsed = summary->last_commit - summary->run.start;
    return summary->run_tasks > 0 && elapsed > 0 ? (double)summary->run_tasks / elapsed : -1;
}

static void
print_rate(const struct store_summary *summary, const struct status_owner *owner)
{
    const double left = status_seconds_left(summary);
    char text[32];
    if (left >= 0)
        printf("  rate       %.3g tasks/s · what is left takes about %s%s\n", find_rate(summary),
               progress_format_seconds(left, text),
               owner->life == LIFE_NONE || owner->life == LIFE_GONE ? " once it goes on" : "");
}

/** A number, or null where there is none. */
static void
print_number(const char *key, double value)
{
    if (value < 0)
        printf("  \"%s\": null,\n", key);
    else
        printf("  \"%s\": %.6g,\n", key, value);
}

static void
print_text(const char *key, const char *text)
{
    printf("\"%s\": ", key);
    json_write_text(text, stdout);
    printf(", ");
}

static void
print_json(const char *path, const struct store_summary *summary, const struct status_owner *owner)
{
    static const char *const states[] = {"none", "running", "finished", "drained", "failed"};
    static const char *const lives[] = {
        [LIFE_NONE] = "none", [LIFE_LIVES] = "lives", [LIFE_GONE] = "gone", [LIFE_UNKNOWN] = "unknown"};
    const struct record_run *run = &summary->run;
    const int64_t quarantined = count_quarantined(summary);
    printf("{\n  ");
    print_text("file", path);
    print_text("program", summary->program);
    print_text("kernel", summary->kernel);
    print_text("parameters", summary->parameters);
    printf("\n  \"tasks\": %lld, \"done\": %lld, \"failed\": %lld, \"quarantined\": %lld, \"left\": %lld, "
           "\"started\": %lld, \"attempts\": %lld,\n",
           (long long)summary->map.tasks, (long long)(summary->tasks_done - summary->tasks_failed),
           (long long)(summary->tasks_failed - quarantined), (long long)quarantined,
           (long long)(summary->map.tasks - summary->tasks_done), (long long)summary->tasks_started,
           (long long)summary->attempts);
    print_number("tasks_per_second", find_rate(summary));
    print_number("seconds_left", status_seconds_left(summary));
    printf("  \"run\": {\"number\": %lld, \"state\": \"%s\", \"start\": %.3f, \"end\": %.3f, \"ranks\": %u, \"nodes\": "
           "%u, ",
           (long long)run->number, states[run->state <= RUN_FAILED ? run->state : 0], run->start, run->end, run->ranks,
           run->nodes);
    print_text("layout", run->layout);
    printf("\"starts\": %lld},\n  \"owner\": {", (long long)summary->run_count);
    print_text("state", lives[owner->life]);
    print_text("host", owner->host);
    printf("\"pid\": %lld, \"silent_seconds\": %.3f}\n}\n", (long long)owner->pid, owner->silent);
}

static void
print_all(const char *path, const struct store_summary *summary, const struct status_owner *owner)
{
    status_print_headline(path, summary);
    print_tasks(summary);
    status_print_run(summary);
    print_owner(owner);
    print_rate(summary, owner);
}

enum sheaf_status
status_command(const struct options *options, struct sheaf_error *error)
{
    struct store_summary summary;
    if (options->operand_count != 1)
        return sheaf_fail(error, SHEAF_USAGE, "status takes one results file, %d given", options->operand_count);
    struct store_outline *outline;
    enum sheaf_status status = describe_results(options->operands[0], false, &outline, error);
    if (!status)
        status = store_describe(options->operands[0], outline, &summary, error);
    free(outline);
    if (status)
        return status;
    struct status_owner owner;
    find_owner(options->operands[0], &summary, &owner);
    if (options->as_json)
        print_json(options->operands[0], &summary, &owner);
    else
        print_all(options->operands[0], &summary, &owner);
    const bool done = summary.tasks_done == summary.map.tasks, failed = summary.tasks_failed > 0;
    store_summary_free(&summary);
    if (!options->exit_code || (done && !failed))
        return SHEAF_OK;
    // The code is the answer, no error to be told.
    return sheaf_fail(error, done ? SHEAF_TASKS_FAILED : SHEAF_INTERRUPTED, "%s", "");
}
