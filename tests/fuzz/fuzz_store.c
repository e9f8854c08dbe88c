/* Results files: what info, status, verify and resume read of them. */
#include "fuzz.h"
#include "store.h"
#include "store_outline.h"
#include "store_past.h"
#include "store_verify.h"

#include <stdlib.h>
#include <string.h>

int
LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t count)
{
    const char *path = fuzz_file(bytes, count);
    struct store_outline *outline;
    struct store_summary summary;
    struct store_verdict verdict;
    struct store_past past;
    struct sheaf_error error;
    int64_t outline_bytes;
    if (store_outline_read(path, true, &outline, &outline_bytes, &error) != SHEAF_OK)
        return 0;
    if (store_describe(path, outline, &summary, &error) == SHEAF_OK)
        fuzz_demand(memchr(summary.kernel, '\0', sizeof summary.kernel) != NULL, "the kernel's name ends");
    store_summary_free(&summary);
    store_past_read(path, outline, &past, &error);
    store_past_free(&past);
    store_verify(path, outline, NULL, NULL, &verdict, &error);
    free(outline);
    return 0;
}
