#include "list.h"

/* Every built-in kernel, a line each: kernel_NAME stands in a file of its own. The order is the users'. */
#define FOR_EACH_KERNEL(DO)                                                                                            \
    DO(matmul)                                                                                                         \
    DO(multi_dot)                                                                                                      \
    DO(matvec)                                                                                                         \
    DO(dot)                                                                                                            \
    DO(outer)                                                                                                          \
    DO(gram)                                                                                                           \
    DO(cov)                                                                                                            \
    DO(inv)                                                                                                            \
    DO(pinv)                                                                                                           \
    DO(solve)                                                                                                          \
    DO(solve1)                                                                                                         \
    DO(lstsq)                                                                                                          \
    DO(lstsq1)                                                                                                         \
    DO(cholesky)                                                                                                       \
    DO(qr)                                                                                                             \
    DO(lu)                                                                                                             \
    DO(svd)                                                                                                            \
    DO(svdvals)                                                                                                        \
    DO(eigh)                                                                                                           \
    DO(eigvalsh)                                                                                                       \
    DO(eig)                                                                                                            \
    DO(eigvals)                                                                                                        \
    DO(det)                                                                                                            \
    DO(slogdet)                                                                                                        \
    DO(norm)                                                                                                           \
    DO(cond)                                                                                                           \
    DO(matrix_rank)                                                                                                    \
    DO(add)                                                                                                            \
    DO(multiply)                                                                                                       \
    DO(exp)                                                                                                            \
    DO(sin)                                                                                                            \
    DO(isf)                                                                                                            \
    DO(sum)                                                                                                            \
    DO(mean)                                                                                                           \
    DO(sqdiff)                                                                                                         \
    DO(fill)                                                                                                           \
    DO(copy)                                                                                                           \
    DO(noop)

#define DECLARE(name) extern const struct sheaf_kernel kernel_##name;
#define ADDRESS(name) &kernel_##name,

FOR_EACH_KERNEL(DECLARE)

static const struct sheaf_kernel *const all_kernels[] = {FOR_EACH_KERNEL(ADDRESS) NULL};

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
