/**
 * @file number.h
 * Whole numbers in text.
 */
#ifndef SHEAF_NUMBER_H
#define SHEAF_NUMBER_H

#include <stdbool.h>
#include <stdint.h>

/**
 * Read a decimal number at the start of a text.
 * @param[in]  text   no blanks before the number
 * @param[out] value  unchanged on failure
 * @param[out] end    what stands behind the number; NULL: nothing may
 * @return whether there is one that fits
 */
bool number_parse(const char *text, int64_t *value, const char **end);

/** @return the number in an environment variable, `otherwise` where there is none */
int64_t number_from_environment(const char *name, int64_t otherwise);

#endif
