/**
 * @file json.h
 * Text as JSON wants it.
 */
#ifndef SHEAF_JSON_H
#define SHEAF_JSON_H

#include <stdio.h>

/** Write a string with its quotes. */
void json_write_text(const char *text, FILE *stream);

#endif
