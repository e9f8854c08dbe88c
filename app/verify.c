#include "verify.h"
#include "describe.h"
#include "node.h"
#include "progress.h"
#include "store_verify.h"
#include "summary.h"

#include <stdio.h>
#include <stdlib.h>

static const char *
plural(int64_t count)
{
    return count == 1 ? "" : "s";
}

/** A line a finding: where, what, and what of it can still be used. */
static void
print_finding(const struct store_finding *finding, void *context)
{
    const char *path = context;
    const long long row = finding->row;
    switch (finding->damage) {
    case STORE_DAMAGE_RECORD:
        printf("%s: chunk %lld, %s: its record is torn or changed; what these results hold does not count\n", path, row,
               finding->text);
        break;
    case STORE_DAMAGE_GRID:
        printf("%s: chunk %lld, %s: its record is of other tasks; what these results hold does not count\n", path, row,
               finding->text);
        break;
    case STORE_DAMAGE_RESULTS:
        printf("%s: chunk %lld, %s: results, status or info are not those that were committed; do not use them\n", path,
               row, finding->text);
        break;
    case STORE_DAMAGE_READING:
        printf("%s: chunk %lld, %s: cannot be read: %s\n", path, row, finding->text, finding->reason);
        break;
    case STORE_DAMAGE_RUN:
        printf("%s: row %lld of /sheaf/runs is torn or changed; results are not affected\n", path, row);
        break;
    case STORE_DAMAGE_MARK:
        printf("%s: row %lld of /sheaf/marks is torn or changed; results are not affected\n", path, row);
        break;
    }
}

static void
print_verdict(const char *path, const struct store_verdict *verdict, double seconds)
{
    const int64_t committed = verdict->tasks_right + verdict->tasks_damaged;
    char bytes[32], rate[32], time[32];
    printf("%s: %lld of %lld committed task%s right (%lld chunk%s)", path, (long long)verdict->tasks_right,
           (long long)committed, plural(committed), (long long)verdict->chunks_right, plural(verdict->chunks_right));
    if (committed < verdict->tasks)
        printf(", %lld not committed yet", (long long)(verdict->tasks - committed));
    printf(" · %s in %s, %s\n", summary_format_quantity((double)verdict->bytes, "B", bytes),
           progress_format_seconds(seconds, time),
           summary_format_quantity((double)verdict->bytes / seconds, "B/s", rate));
}

enum sheaf_status
verify_command(const struct options *options, struct sheaf_error *error)
{
    if (options->operand_count != 1)
        return sheaf_fail(error, SHEAF_USAGE, "verify takes one results file, %d given", options->operand_count);
    char *path = options->operands[0];
    struct store_verdict verdict;
    const int64_t start = node_nanoseconds();
    struct store_outline *outline;
    enum sheaf_status status = describe_results(path, true, &outline, error);
    if (!status)
        status = store_verify(path, outline, print_finding, path, &verdict, error);
    free(outline);
    if (status)
        return status;
    print_verdict(path, &verdict, 1e-9 * (double)(node_nanoseconds() - start));
    if (verdict.chunks_damaged == 0 && verdict.rows_damaged == 0)
        return SHEAF_OK;
    return sheaf_fail(error, SHEAF_TASKS_FAILED,
                      "%s: is damaged: %lld chunk%s (%lld task%s) and %lld row%s of /sheaf/runs and /sheaf/marks", path,
                      (long long)verdict.chunks_damaged, plural(verdict.chunks_damaged),
                      (long long)verdict.tasks_damaged, plural(verdict.tasks_damaged), (long long)verdict.rows_damaged,
                      plural(verdict.rows_damaged));
}
