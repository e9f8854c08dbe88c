#include "file.h"
#include "hdf5_guard.h"
#include "store.h"
#include "store_reading.h"

#include <stdlib.h>
#include <unistd.h>

enum { CHUNKS_AT_ONCE = 1024, STATUS_AT_ONCE = 64 * 1024, ORDER_AT_ONCE = 4096, COMMAND_MAX = 16 << 20 };

/* The command line as one would type it: words that a shell would take apart get quotes. */
static char *
quote_words(const char *words, int64_t bytes)
{
    static const char plain[] = "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789_-./:=,+@%^";
    /* worst case: every byte an apostrophe, which takes four, and two quotes and a space a word */
    char *line = malloc((size_t)bytes * 4 + 4), *to = line;

    if (!line)
        return NULL;
    for (int64_t at = 0; at < bytes; at += (int64_t)strlen(words + at) + 1) {
        const char *word = words + at;
        if (at > 0)
            *to++ = ' ';
        if (*word != '\0' && word[strspn(word, plain)] == '\0') {
            to = stpcpy(to, word);
            continue;
        }
        *to++ = '\'';
        for (; *word != '\0'; word++) {
            if (*word == '\'')
                to = stpcpy(to, "'\\''");
            else
                *to++ = *word;
        }
        *to++ = '\'';
    }
    *to = '\0';
    return line;
}

static enum sheaf_status
read_command(struct store_reading *reading)
{
    char *words = NULL;

    enum sheaf_status status = store_reading_table(reading, STORE_COMMAND, COMMAND_MAX, &words);
    if (status == SHEAF_OK) {
        reading->summary->command = quote_words(words, reading->tables[STORE_COMMAND].rows);
        if (!reading->summary->command)
            status = sheaf_fail(reading->error, SHEAF_NO_RESOURCES, "%s: no memory to read it", reading->path);
    }
    free(words);
    return status;
}

/* Count the status of tasks [first, first + count). */
static enum sheaf_status
count_tasks(struct store_reading *reading, int64_t first, int64_t count)
{
    struct store_summary *summary = reading->summary;
    uint8_t status[STATUS_AT_ONCE];

    for (int64_t done = 0; done < count;) {
        size_t piece = count - done < STATUS_AT_ONCE ? (size_t)(count - done) : STATUS_AT_ONCE;
        enum sheaf_status result = file_read(reading->descriptor, reading->path,
                                             summary->map.status_offset + first + done, status, piece, reading->error);
        if (result != SHEAF_OK)
            return result;
        for (size_t i = 0; i < piece; i++) {
            summary->status_counts[status[i] < 16 ? status[i] : 15]++;
            summary->tasks_failed += status[i] > 1;
        }
        done += (int64_t)piece;
    }
    summary->tasks_done += count;
    return SHEAF_OK;
}

/* The same of positions [first, first + count), whose tasks /sheaf/order tells where they are others. */
static enum sheaf_status
count_positions(struct store_reading *reading, int64_t first, int64_t count)
{
    const int64_t offset = reading->tables[STORE_ORDER].offset, tasks = reading->summary->map.tasks;
    enum sheaf_status status = SHEAF_OK;
    int64_t order[ORDER_AT_ONCE];

    if (offset < 0)
        return count_tasks(reading, first, count);
    for (int64_t done = 0; done < count && status == SHEAF_OK;) {
        int64_t piece = count - done < ORDER_AT_ONCE ? count - done : ORDER_AT_ONCE;
        status = file_read(reading->descriptor, reading->path, offset + (first + done) * (int64_t)sizeof *order, order,
                           (size_t)piece * sizeof *order, reading->error);
        for (int64_t at = 0, next; at < piece && status == SHEAF_OK; at = next) {
            for (next = at + 1; next < piece && order[next] == order[next - 1] + 1;)
                next++;
            bool inside = order[at] >= 0 && order[at] <= tasks - (next - at);
            status = inside ? count_tasks(reading, order[at], next - at) : store_reading_fail(reading, "/sheaf/order");
        }
        done += piece;
    }
    return status;
}

/* Flops of a task of each class, and of all tasks. @param[out] flops  free() is the caller's, also after a failure */
static enum sheaf_status
read_flops(struct store_reading *reading, double **flops)
{
    const int64_t offset = reading->tables[STORE_CLASSES].offset, count = reading->tables[STORE_CLASSES].rows;
    enum sheaf_status status = SHEAF_OK;
    struct store_class_row row;

    *flops = calloc((size_t)count + 1, sizeof **flops);
    if (!*flops)
        return sheaf_fail(reading->error, SHEAF_NO_RESOURCES, "%s: no memory to read it", reading->path);
    for (int64_t i = 0; i < count && status == SHEAF_OK; i++) {
        status = file_read(reading->descriptor, reading->path, offset + i * (int64_t)sizeof row, &row, sizeof row,
                           reading->error);
        if (status != SHEAF_OK)
            break;
        (*flops)[i] = row.flops;
        reading->summary->flops += row.flops * (double)row.tasks;
    }
    return status;
}

/* Add a valid record to the summary. */
static enum sheaf_status
count_record(struct store_reading *reading, const struct record_chunk *record, const double *flops)
{
    struct store_summary *summary = reading->summary;

    if (record->state == RECORD_STARTED) {
        summary->chunks_started++;
        summary->tasks_started += record->count;
        summary->attempts += record->attempts;
    }
    if (record->state != RECORD_DONE && record->state != RECORD_QUARANTINED)
        return SHEAF_OK;
    const double work = flops[record->class_index] * (double)record->count;
    const double end = record->write_start + (double)record->write_seconds;
    summary->chunks_done++;
    summary->flops_done += work;
    summary->last_commit = end > summary->last_commit ? end : summary->last_commit;
    if (summary->run.state != RUN_UNUSED && record->run == summary->run.number) {
        summary->run_tasks += record->count;
        summary->run_flops += work;
    }
    return count_positions(reading, record->first, record->count);
}

static enum sheaf_status
count_chunks(struct store_reading *reading)
{
    struct store_summary *summary = reading->summary;
    struct record_chunk *records = malloc(CHUNKS_AT_ONCE * sizeof *records);
    double *flops = NULL;

    enum sheaf_status status = read_flops(reading, &flops);
    if (status == SHEAF_OK && !records)
        status = sheaf_fail(reading->error, SHEAF_NO_RESOURCES, "%s: no memory to read it", reading->path);
    for (int64_t first = 0; first < summary->map.chunks && status == SHEAF_OK; first += CHUNKS_AT_ONCE) {
        int64_t count = summary->map.chunks - first < CHUNKS_AT_ONCE ? summary->map.chunks - first : CHUNKS_AT_ONCE;
        status =
            file_read(reading->descriptor, reading->path, summary->map.chunks_offset + first * (int64_t)sizeof *records,
                      records, (size_t)count * sizeof *records, reading->error);
        for (int64_t i = 0; i < count && status == SHEAF_OK; i++) {
            const struct record_chunk *record = &records[i];
            bool inside = record->first >= 0 && record->first <= summary->map.tasks &&
                          record->count <= summary->map.tasks - record->first &&
                          record->class_index < reading->tables[STORE_CLASSES].rows;
            if (inside && record_chunk_valid(record, first + i))
                status = count_record(reading, record, flops);
        }
    }
    free(flops);
    free(records);
    return status;
}

enum sheaf_status
store_describe(const char *path, const struct store_outline *outline, struct store_summary *summary,
               struct sheaf_error *error)
{
    struct store_reading reading;

    enum sheaf_status status = store_reading_start(&reading, path, outline, summary, error);
    if (status == SHEAF_OK)
        status = read_command(&reading);
    if (status == SHEAF_OK)
        status = store_reading_runs(&reading);
    if (status == SHEAF_OK)
        status = count_chunks(&reading);
    store_reading_end(&reading);
    if (status != SHEAF_OK)
        store_summary_free(summary);
    return status;
}

void
store_summary_free(struct store_summary *summary)
{
    if (!summary)
        return;
    free(summary->command);
    free(summary->operands);
    summary->command = NULL;
    summary->operands = NULL;
    summary->operand_count = 0;
}

enum sheaf_status
store_list_datasets(const char *path, int most, char *text, size_t text_bytes, struct sheaf_error *error)
{
    int descriptor;
    hid_t file;

    enum sheaf_status status = file_open_read(path, path, &descriptor, NULL, error);
    if (status != SHEAF_OK)
        return status;
    close(descriptor);
    status = hdf5_guard_open(path, path, &file, error);
    if (status != SHEAF_OK)
        return status;
    if (hdf5_guard_list(file, most, true, text, text_bytes) < 0)
        status = sheaf_fail(error, SHEAF_BAD_DATA, "%s: is damaged: its datasets cannot be listed", path);
    H5Fclose(file);
    return status;
}
