#include "list.h"

#include "builtin.h"

static const struct sheaf_kernel *const all_kernels[] = {&kernel_matmul, &kernel_gram, &kernel_inv, &kernel_copy, NULL};

const struct sheaf_kernel *const *
kernel_list(void)
{
    return all_kernels;
}

const struct sheaf_kernel *
kernel_find(const char *name)
{
    for (const struct sheaf_kernel *const *kernel = all_kernels; *kernel; kernel++)
        if (strcmp((*kernel)->name, name) == 0)
            return *kernel;
    return NULL;
}
