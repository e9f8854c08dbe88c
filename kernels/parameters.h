/**
 * @file parameters.h
 * A kernel's parameters as text: "ord=fro" to a value and back. Pure.
 */
#ifndef SHEAF_PARAMETERS_H
#define SHEAF_PARAMETERS_H

#include "sheaf/kernel.h"

/** Bytes that hold the text of any kernel's parameters whose names and choices are words of moderate length. */
enum { PARAMETERS_TEXT = 512 };

/**
 * Give every parameter its initial value.
 * @param[in]  kernel
 * @param[out] problem  its parameters
 */
void parameters_set_initial(const struct sheaf_kernel *kernel, struct sheaf_problem *problem);

/**
 * Set one parameter from text.
 * @param[in]     kernel
 * @param[in]     text     "name=value"; value is a number, an integer or the name of a choice
 * @param[in,out] problem  the named parameter; unchanged on failure
 * @return SHEAF_OK, or SHEAF_USAGE with what is valid
 */
enum sheaf_status parameters_parse(const struct sheaf_kernel *kernel, const char *text, struct sheaf_problem *problem,
                                   struct sheaf_error *error);

/**
 * Write all parameters as "ord=fro tol=1e-06", in the kernel's order; the text of a number, parsed again, gives
 * the same bits. A kernel without parameters gives "".
 * @param[in]  kernel
 * @param[in]  problem
 * @param[out] text     what does not fit is cut off
 * @param[in]  bytes    of text, at least 1
 * @return text
 */
char *parameters_format(const struct sheaf_kernel *kernel, const struct sheaf_problem *problem, char *text,
                        size_t bytes);

#endif
