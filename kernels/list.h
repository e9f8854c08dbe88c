/**
 * @file list.h
 * All built-in kernels: the one place where a kernel is entered.
 */
#ifndef SHEAF_LIST_H
#define SHEAF_LIST_H

#include "sheaf/kernel.h"

/** @return the built-in kernels, ending with NULL, in the order in which users see them */
const struct sheaf_kernel *const *kernel_list(void);

/** @return the kernel of that name, NULL where there is none */
const struct sheaf_kernel *kernel_find(const char *name);

#endif
