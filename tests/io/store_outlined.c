#include "store_outlined.h"

#include "store_outline.h"

#include <stdlib.h>
#include <string.h>

enum sheaf_status
outlined_describe(const char *path, struct store_summary *summary, struct sheaf_error *error)
{
    struct store_outline *outline;
    int64_t bytes;

    memset(summary, 0, sizeof *summary);
    enum sheaf_status status = store_outline_read(path, false, &outline, &bytes, error);
    if (status == SHEAF_OK)
        status = store_describe(path, outline, summary, error);
    free(outline);
    return status;
}

enum sheaf_status
outlined_past(const char *path, struct store_past *past, struct sheaf_error *error)
{
    struct store_outline *outline;
    int64_t bytes;

    memset(past, 0, sizeof *past);
    enum sheaf_status status = store_outline_read(path, true, &outline, &bytes, error);
    if (status == SHEAF_OK)
        status = store_past_read(path, outline, past, error);
    free(outline);
    return status;
}

enum sheaf_status
outlined_verify(const char *path, store_verify_tell *tell, void *context, struct store_verdict *verdict,
                struct sheaf_error *error)
{
    struct store_outline *outline;
    int64_t bytes;

    enum sheaf_status status = store_outline_read(path, true, &outline, &bytes, error);
    if (status == SHEAF_OK)
        status = store_verify(path, outline, tell, context, verdict, error);
    free(outline);
    return status;
}

enum sheaf_status
outlined_sweep_open(const char *path, bool writable, struct store_sweep **sweep, struct sheaf_error *error)
{
    struct store_sweep_outline outline;

    *sweep = NULL;
    enum sheaf_status status = store_sweep_outline_read(path, &outline, error);
    return status == SHEAF_OK ? store_sweep_open(path, &outline, writable, sweep, error) : status;
}
