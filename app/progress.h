/**
 * @file progress.h
 * What the user sees while a run goes on: one line that changes on a terminal, plain lines in a log. Root only.
 */
#ifndef SHEAF_PROGRESS_H
#define SHEAF_PROGRESS_H

#include "options.h"
#include "queue.h"

#include <stdio.h>

struct progress {
    enum options_progress how; /**< AUTO is settled by progress_start */
    FILE *stream;
    int64_t tasks;
    double flops;        /**< of the whole plan */
    double work_seconds; /**< nominal, of the whole plan: what shares are shares of */
    int64_t started_ns, shown_ns;
    bool line_open;
};

/**
 * Start showing.
 * @param[in] flops         of the whole plan
 * @param[in] work_seconds  nominal, of the whole plan
 */
void progress_start(struct progress *progress, enum options_progress how, FILE *stream, int64_t tasks, double flops,
                    double work_seconds);

/** Show where the run is, if it is time to. @return nanoseconds until it is time again */
int64_t progress_show(struct progress *progress, const struct queue_totals *totals);

/** Clear the line, so that other text may follow. */
void progress_end(struct progress *progress);

/**
 * One line about where a run is. Pure.
 * @param[in] width  columns of a bar in it; 0: none
 */
void progress_format(const struct progress *progress, const struct queue_totals *totals, double seconds, int width,
                     char *text, size_t bytes);

/** "5 ms", "2.0 s", "3 min 20 s", "5 h 12 min". @return text */
char *progress_format_seconds(double seconds, char text[32]);

#endif
