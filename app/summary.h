/**
 * @file summary.h
 * What a job prints before its start and after its end. Root only, where nothing else is said.
 */
#ifndef SHEAF_SUMMARY_H
#define SHEAF_SUMMARY_H

#include "job.h"

/** "1.6 TFLOP", "3.2 GB", with 3 digits. @return text */
char *summary_format_quantity(double value, const char *unit, char text[32]);

/** "(5, 12, 12) f64": an output's leading axes and a task's own. @return text */
char *summary_format_output(const struct store_output *output, char text[SHEAF_SHAPE_TEXT + 8]);

/** "100 tasks of (2000, 2000) f64, (2000, 2000) f64" */
void summary_print_class(const struct plan_class *class, FILE *stream);

/** The first line: kernel, tasks, sizes. */
void summary_print_headline(const struct job *job, FILE *stream);

/** BLAS, layout, and a line per node with its cores, memory and binding. Collective; prints at rank 0. */
void summary_print_nodes(const struct job *job, FILE *stream);

/**
 * What the audit found, in a line each. Collective; prints at rank 0.
 * @param[in] mended  where to print what Sheaf takes care of
 * @param[in] warned  where to print the rest
 */
void summary_print_findings(const struct job *job, FILE *mended, FILE *warned);

/** The closing lines: what was done, how fast, where it is, which tasks failed. */
enum sheaf_status summary_print_end(const struct job *job, double seconds, FILE *stream, struct sheaf_error *error);

/** What --dry-run says. */
enum sheaf_status summary_print_dry_run(const struct job *job, FILE *stream, struct sheaf_error *error);

#endif
