#include "progress.h"
#include "node.h"

#include <string.h>
#include <unistd.h>

enum { BAR = 28, LINE_BYTES = 512 };

static const int64_t line_every_ns = 200 * INT64_C(1000000);
static const int64_t log_every_ns = 5000 * INT64_C(1000000);

/**
 * Whether a person sees our stderr at once. Under mpirun it is a pipe; then mpirun's own stderr tells, where
 * that is our parent on this host.
 */
static bool
is_terminal(void)
{
    char path[64], target[64], name[32] = "";
    if (isatty(STDERR_FILENO))
        return true;
    snprintf(path, sizeof path, "/proc/%d/comm", (int)getppid());
    FILE *file = fopen(path, "re");
    if (!file)
        return false;
    bool named = fgets(name, sizeof name, file) != NULL;
    fclose(file);
    name[strcspn(name, "\n")] = '\0';
    static const char *const launchers[] = {"mpirun", "mpiexec", "orterun", "prterun", "mpiexec.hydra"};
    bool launcher = false;
    for (size_t i = 0; named && i < sizeof launchers / sizeof launchers[0]; i++)
        launcher |= strcmp(name, launchers[i]) == 0;
    snprintf(path, sizeof path, "/proc/%d/fd/2", (int)getppid());
    ssize_t length = launcher ? readlink(path, target, sizeof target - 1) : -1;
    if (length <= 0)
        return false;
    target[length] = '\0';
    return strncmp(target, "/dev/pts/", 9) == 0 || strncmp(target, "/dev/tty", 8) == 0;
}

void
progress_start(struct progress *progress, enum options_progress how, FILE *stream, int64_t tasks, double flops,
               double work_seconds)
{
    memset(progress, 0, sizeof *progress);
    if (how == PROGRESS_AUTO)
        how = is_terminal() ? PROGRESS_LINE : PROGRESS_LOG;
    progress->how = how;
    progress->stream = stream;
    progress->tasks = tasks;
    progress->flops = flops;
    progress->work_seconds = work_seconds;
    progress->started_ns = progress->shown_ns = node_nanoseconds();
}

char *
progress_format_seconds(double seconds, char text[32])
{
    long long whole = (long long)(seconds + 0.5);
    // The limits are where rounding would reach the next unit.
    if (seconds < 0.0995)
        snprintf(text, 32, "%.0f ms", 1e3 * seconds);
    else if (seconds < 59.95)
        snprintf(text, 32, "%.1f s", seconds);
    else if (whole < 3600)
        snprintf(text, 32, "%lld min %lld s", whole / 60, whole % 60);
    else
        snprintf(text, 32, "%lld h %lld min", whole / 3600, whole % 3600 / 60);
    return text;
}

static void
format_bar(double share, int width, char *text, size_t bytes)
{
    size_t used = 0;
    int full = (int)(share * width);
    for (int i = 0; i < width && used + 4 < bytes; i++)
        used += (size_t)snprintf(text + used, bytes - used, "%s", i < full ? "█" : "░");
    snprintf(text + used, bytes - used, width ? "  " : "");
}

void
progress_format(const struct progress *progress, const struct queue_totals *totals, double seconds, int width,
                char *text, size_t bytes)
{
    double share = progress->work_seconds > 0 ? 1e-9 * (double)totals->work / progress->work_seconds : 1;
    share = share > 1 ? 1 : share;
    char bar[4 * BAR + 8], left[32] = "?";
    format_bar(share, width < BAR ? width : BAR, bar, sizeof bar);
    double rate = seconds > 0 ? 1e-9 / seconds : 0;
    if (share > 0)
        progress_format_seconds(seconds * (1 - share) / share, left);
    snprintf(text, bytes, "%s%3.0f %%  %lld/%lld tasks  %.4g GF/s  %.3g GB/s  %lld failed  %s left", bar, 100 * share,
             (long long)totals->tasks, (long long)progress->tasks, rate * share * progress->flops,
             rate * (double)(totals->bytes_read + totals->bytes_written), (long long)totals->failed, left);
}

int64_t
progress_show(struct progress *progress, const struct queue_totals *totals)
{
    int64_t every = progress->how == PROGRESS_LINE ? line_every_ns : log_every_ns;
    if (progress->how == PROGRESS_NONE)
        return every;
    int64_t now = node_nanoseconds();
    if (now - progress->shown_ns < every)
        return every - (now - progress->shown_ns);
    char text[LINE_BYTES];
    bool line = progress->how == PROGRESS_LINE;
    progress_format(progress, totals, 1e-9 * (double)(now - progress->started_ns), line ? BAR : 0, text, sizeof text);
    if (line)
        fprintf(progress->stream, "\r%s\033[K", text);
    else
        fprintf(progress->stream, "%s\n", text);
    fflush(progress->stream);
    progress->line_open = line;
    progress->shown_ns = now;
    return every;
}

void
progress_end(struct progress *progress)
{
    if (progress->line_open)
        fprintf(progress->stream, "\r\033[K");
    fflush(progress->stream);
    progress->line_open = false;
}
