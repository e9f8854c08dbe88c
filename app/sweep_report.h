/**
 * @file sweep_report.h
 * A sweep's table for people, as CSV and as JSON, and the lines that use its best layout. Root only.
 */
#ifndef SHEAF_SWEEP_REPORT_H
#define SHEAF_SWEEP_REPORT_H

#include "sweep_table.h"

#include <stdio.h>

/** What else a report says. */
struct sweep_report {
    const struct sweep_data *data;
    int64_t tasks;      /**< of the run; 0: not known */
    const char *kernel; /**< name; NULL: not known */
    const char *
        command; /**< that would run all of it, without -o and --layout; NULL: not known, then no lines to use are printed */
};

/** The table, fastest cell first, what it rests on, and the lines to use. */
void sweep_report_print(const struct sweep_report *report, FILE *stream);

/** Write the table to a file. What is there is replaced once all is written. @return SHEAF_OK; SHEAF_IO_ERROR */
enum sheaf_status sweep_report_write_csv(const struct sweep_report *report, const char *path,
                                         struct sheaf_error *error);
enum sheaf_status sweep_report_write_json(const struct sweep_report *report, const char *path,
                                          struct sheaf_error *error);

#endif
