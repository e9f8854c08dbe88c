/* Results files: what info, status, verify and resume read of them. */
#include "fuzz.h"
#include "store.h"
#include "store_past.h"
#include "store_verify.h"

#include <string.h>

int
LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t count)
{
    const char *path = fuzz_file(bytes, count);
    struct store_summary summary;
    struct store_verdict verdict;
    struct store_past past;
    struct sheaf_error error;
    if (store_describe(path, &summary, &error) == SHEAF_OK)
        fuzz_demand(memchr(summary.kernel, '\0', sizeof summary.kernel) != NULL, "the kernel's name ends");
    store_summary_free(&summary);
    store_past_read(path, &past, &error);
    store_past_free(&past);
    store_verify(path, NULL, NULL, &verdict, &error);
    return 0;
}
