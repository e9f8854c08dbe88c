/**
 * @file source_text.h
 * The texts by which users name operands (source.h has the grammar). Pure. For io/source*.c only.
 */
#ifndef SHEAF_SOURCE_TEXT_H
#define SHEAF_SOURCE_TEXT_H

#include "source.h"

/**
 * Parse the text of a generated operand.
 * @param[out] spec    distribution and type; the rest is untouched
 * @param[out] shape   all its axes
 * @param[out] shared  whether it says so
 * @return SHEAF_OK; SHEAF_USAGE: not the grammar; SHEAF_BAD_DATA: extents of zero or too great
 */
enum sheaf_status source_text_parse_generated(const char *text, struct generate_spec *spec, struct sheaf_shape *shape,
                                              bool *shared, struct sheaf_error *error);

/**
 * Split "FILE:/path" at the last ":/".
 * @param[in]  text     shorter than SOURCE_TEXT_BYTES
 * @param[out] file     SOURCE_TEXT_BYTES
 * @param[out] dataset  SOURCE_DATASET_BYTES, with its leading slash
 * @return SHEAF_OK; SHEAF_USAGE
 */
enum sheaf_status source_text_split(const char *text, char *file, char *dataset, struct sheaf_error *error);

#endif
