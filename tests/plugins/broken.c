/* A plugin that is wrong in the way that BROKEN says: each must be refused by name. */
#include <sheaf/kernel.h>

static enum sheaf_status
broken_run(const struct sheaf_problem *problem, const struct sheaf_batch *batch)
{
    (void)problem;
    (void)batch;
    return SHEAF_OK;
}

static const char *const outputs[] = {"result", NULL};

static struct sheaf_kernel kernel = {
    .abi = SHEAF_KERNEL_ABI,
    .bytes = sizeof(struct sheaf_kernel),
    .name = "broken",
    .text = "a kernel that is wrong",
    .signature = "(m,n)->(m,n)",
    .output_names = outputs,
    .accepts = SHEAF_TYPES_FLOATING,
    .width_kind = SHEAF_WIDTH_ONE,
    .run = broken_run,
};

static const struct sheaf_kernel *kernels[] = {&kernel, NULL};

/* In a program that is not Sheaf the symbol has another name. */
#ifdef BROKEN_NO_ENTRY
#define sheaf_plugin_kernels something_else
const struct sheaf_kernel *const *something_else(uint32_t abi);
#endif

const struct sheaf_kernel *const *
sheaf_plugin_kernels(uint32_t abi)
{
    (void)abi;
#if defined(BROKEN_ABI)
    kernel.abi = SHEAF_KERNEL_ABI + 1;
#elif defined(BROKEN_NAME)
    kernel.name = "Broken Name";
#elif defined(BROKEN_SIGNATURE)
    kernel.signature = "(m,n->(m,n)";
#elif defined(BROKEN_OUTPUTS)
    kernel.signature = "(m,n)->(m,n),(n)";
#elif defined(BROKEN_NAMES)
    kernel.signature = "(m,n)->";
    kernel.output_names = NULL;
#elif defined(BROKEN_RUN)
    kernel.run = NULL;
#elif defined(BROKEN_TYPES)
    kernel.accepts = 0;
#elif defined(BROKEN_EMPTY)
    kernels[0] = NULL;
#endif
    return kernels;
}
