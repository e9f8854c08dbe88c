/**
 * @file builtin.h
 * The built-in kernels by name, one for each kernel's file. Only list.c uses them.
 */
#ifndef SHEAF_BUILTIN_H
#define SHEAF_BUILTIN_H

#include "sheaf/kernel.h"

extern const struct sheaf_kernel kernel_copy;
extern const struct sheaf_kernel kernel_gram;
extern const struct sheaf_kernel kernel_inv;
extern const struct sheaf_kernel kernel_matmul;

#endif
