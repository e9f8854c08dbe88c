#include "drain.h"
#include "progress.h"

#include <stdio.h>

double
drain_reserve(double limit)
{
    static const double most = 10, share = 0.05;
    return limit * share < most ? limit * share : most;
}

enum queue_drain
drain_decide(struct drain *drain, double now, enum queue_drain wish, bool root)
{
    bool late = root && drain->drop_time > 0 && now >= drain->drop_time;
    if (wish == QUEUE_GO_ON && !late)
        return QUEUE_GO_ON;
    if (drain->began == 0) {
        drain->began = now;
        drain->timed = wish == QUEUE_GO_ON;
    }
    if (late || (root && now - drain->began >= drain->grace_seconds))
        return QUEUE_DROP;
    return wish;
}

double
drain_worth(const struct queue_totals *totals)
{
    double busy = (double)(totals->read_ns + totals->compute_ns + totals->write_ns), work = (double)totals->work;
    return work > 0 && busy > 0 ? busy / work : 1;
}

bool
drain_allows(double deadline, double now, double nominal_seconds, double worth)
{
    return deadline <= 0 || now + worth * nominal_seconds <= deadline;
}

const char *
drain_reason(const struct drain *drain, const char *signal)
{
    if (drain->timed || drain->began == 0) // where it never began, nothing was left that could be started in time
        return "its time limit";
    return *signal ? signal : "a signal to another rank";
}

void
drain_format(const struct plan *plan, const struct queue_totals *totals, const char *output, const char *why,
             double seconds, char *text, size_t bytes)
{
    int64_t left = plan_tasks_left(plan) + plan_tasks_later(plan) - totals->tasks;
    double work = 1e-9 * (double)totals->work, needs = plan_seconds(plan) - work;
    char time[32], takes[96] = "";
    if (work > 0 && needs > 0)
        snprintf(takes, sizeof takes, ", about %s at the rate of this run",
                 progress_format_seconds(seconds * needs / work, time));
    snprintf(text, bytes,
             "%s: stopped by %s: %lld of %lld tasks done, %lld left%s; start it again with --resume to go on", output,
             why, (long long)(plan->tasks - left), (long long)plan->tasks, (long long)left, takes);
}
