#include "choices.h"
#include "forecast.h"
#include "pass.h"
#include "summary.h"
#include "tune.h"

#include <stdlib.h>
#include <string.h>

enum { CLASSES_SHOWN = 10 };

const char *
choices_format_reason(const struct job *job, char text[CHOICES_REASON_BYTES])
{
    const struct layout *layout = &job->layout;
    long long tasks = plan_tasks_left(job->plan), room = job->node_memory / engine_worker_bytes(job->plan);
    long long cores = (long long)layout->ranks * layout->threads * job->place.node_count;
    const char *plural = tasks == 1 ? "" : "s";
    text[0] = '\0';
    switch (job->reason) {
    case LAYOUT_ASKED:
        break;
    case LAYOUT_FILLS:
        snprintf(text, CHOICES_REASON_BYTES, " (auto: %lld task%s fill%s %lld core%s)", tasks, plural,
                 tasks == 1 ? "s" : "", cores, cores == 1 ? "" : "s");
        break;
    case LAYOUT_FEW:
        snprintf(text, CHOICES_REASON_BYTES, " (auto: %lld task%s for %lld cores)", tasks, plural, cores);
        break;
    case LAYOUT_MEMORY:
        snprintf(text, CHOICES_REASON_BYTES, " (auto: memory holds %lld task%s at a time)", room, room == 1 ? "" : "s");
        break;
    }
    return text;
}

/** What a class's tasks get, by what is known before the first one is computed. */
static void
print_choice(const struct job *job, const struct plan_class *class, FILE *stream)
{
    const struct plan_chunk chunk = {.class_index = (int)(class - job->plan->classes),
                                     .chunk = class->first_chunk,
                                     .first = class->first_position,
                                     .count = class->tasks_per_chunk};
    struct tune_facts facts;
    double speedup;
    cores_facts(job->cores, job->plan, &chunk, &facts);
    int width = tune_best_width(&facts, job->layout.ranks * job->layout.threads, &speedup);
    summary_print_class(class, stream);
    if (width > 1 && tune_seconds(&facts, 1) >= CORES_LEAST_SECONDS)
        fprintf(stream, ": on 1 core each; where cores are left over on up to %d, then %.1f times as fast\n", width,
                speedup);
    else
        fprintf(stream, ": on 1 core each, more would be no faster\n");
}

/** What --reproducible costs. */
static void
print_cost(const struct job *job, FILE *stream)
{
    const struct layout *layout = &job->layout;
    struct forecast forecast;
    if (job->kernel->width_kind == SHEAF_WIDTH_ONE || plan_tasks_left(job->plan) == 0 ||
        !forecast_run(job->plan, job->place.node_count, layout->ranks, layout->threads, pass_widest(job), &forecast))
        return;
    double percent = 100 * (forecast.narrow / forecast.chosen - 1);
    if (percent < 1)
        fprintf(stream, "--reproducible: every task on 1 core, which is predicted to cost no time here\n");
    else
        fprintf(stream, "--reproducible: every task on 1 core; predicted to take %.0f %% longer than without\n",
                percent);
}

void
choices_print(const struct job *job, FILE *stream)
{
    const struct plan *plan = job->plan;
    if (job->options->reproducible)
        print_cost(job, stream);
    for (int i = 0; job->cores && i < plan->class_count && i < CLASSES_SHOWN; i++)
        print_choice(job, &plan->classes[plan->by_cost[i]], stream);
    if (job->cores && plan->class_count > CLASSES_SHOWN)
        fprintf(stream, "... and %d more shapes\n", plan->class_count - CLASSES_SHOWN);
}

void
choices_format(const struct job *job, char *text, size_t bytes)
{
    char *lines = NULL, reason[CHOICES_REASON_BYTES];
    size_t length;
    FILE *stream = open_memstream(&lines, &length);
    text[0] = '\0';
    if (!stream)
        return; // it is for readers, not for the run
    if (choices_format_reason(job, reason)[0])
        fprintf(stream, "%.*s\n", (int)strlen(reason) - 3, reason + 2);
    choices_print(job, stream);
    fclose(stream);
    snprintf(text, bytes, "%s", lines);
    free(lines);
}
