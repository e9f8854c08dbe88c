/**
 * @file choices.h
 * What --layout auto chose and why, in words: for the user and for the results file.
 */
#ifndef SHEAF_CHOICES_H
#define SHEAF_CHOICES_H

#include "job.h"

enum { CHOICES_REASON_BYTES = 96 };

/** " (auto: 100 tasks fill 2 cores)"; "" for a layout that was asked for. @return text */
const char *choices_format_reason(const struct job *job, char text[CHOICES_REASON_BYTES]);

/** A line for each class of tasks, of many only the most costly ones: on how many cores, and why. None where nothing is
 *  chosen. Under --reproducible: what that costs. */
void choices_print(const struct job *job, FILE *stream);

/** All of that in one text, cut where it is too long. @param[in] bytes  of text, at least 1 */
void choices_format(const struct job *job, char *text, size_t bytes);

#endif
