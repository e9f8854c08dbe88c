#include "store_reading.h"

#include "file.h"

#include <stdlib.h>
#include <time.h>
#include <unistd.h>

enum { RUN_ATTEMPTS = 100 };

enum sheaf_status
store_reading_fail(const struct store_reading *reading, const char *what)
{
    return sheaf_fail(reading->error, SHEAF_BAD_DATA,
                      "%s: is damaged, or no results file of Sheaf's: %s is missing or wrong", reading->path, what);
}

enum sheaf_status
store_reading_table(const struct store_reading *reading, enum store_table table, int64_t most, void *rows)
{
    int64_t count = reading->tables[table].rows;
    size_t row_bytes = store_table_row_bytes(table);

    *(void **)rows = NULL;
    if (count > most)
        return store_reading_fail(reading, store_table_name(table));
    char *bytes = calloc((size_t)count + 1, row_bytes);
    if (!bytes)
        return sheaf_fail(reading->error, SHEAF_NO_RESOURCES, "%s: no memory to read it", reading->path);
    *(void **)rows = bytes;
    return file_read(reading->descriptor, reading->path, reading->tables[table].offset, bytes,
                     (size_t)count * row_bytes, reading->error);
}

/* A run's slot is written while it is read, by its heartbeat: one that is caught half written is read again. */
static enum sheaf_status
reread_run(const struct store_reading *reading, int row, struct record_run *run)
{
    static const struct timespec pause = {.tv_nsec = 1000000};
    enum sheaf_status status = SHEAF_OK;

    for (int i = 0; i < RUN_ATTEMPTS && status == SHEAF_OK && run->state != RUN_UNUSED && !record_run_valid(run); i++) {
        nanosleep(&pause, NULL);
        status = file_read(reading->descriptor, reading->path,
                           reading->tables[STORE_RUNS].offset + row * (int64_t)sizeof *run, run, sizeof *run,
                           reading->error);
    }
    return status;
}

enum sheaf_status
store_reading_runs(struct store_reading *reading)
{
    struct store_summary *summary = reading->summary;
    struct record_run *runs = NULL;

    enum sheaf_status status = store_reading_table(reading, STORE_RUNS, RECORD_RUNS, &runs);
    for (int i = 0; i < RECORD_RUNS && status == SHEAF_OK; i++) {
        status = reread_run(reading, i, &runs[i]);
        if (status != SHEAF_OK)
            break;
        if (record_run_valid(&runs[i]) && (int64_t)runs[i].number + 1 > summary->run_count) {
            summary->run = runs[i];
            summary->run_count = (int64_t)runs[i].number + 1;
        }
    }
    free(runs);
    return status;
}

enum sheaf_status
store_reading_names(const struct store_reading *reading, char **names, int64_t **starts)
{
    const int64_t tasks = reading->summary->map.tasks, bytes = reading->tables[STORE_NAMES].rows;
    int64_t at = 0;

    *names = NULL;
    *starts = NULL;
    if (reading->tables[STORE_NAMES].offset < 0)
        return SHEAF_OK;
    enum sheaf_status status = store_reading_table(reading, STORE_NAMES, bytes, names);
    if (status != SHEAF_OK)
        return status;
    *starts = malloc(((size_t)tasks + 1) * sizeof **starts);
    if (!*starts)
        return sheaf_fail(reading->error, SHEAF_NO_RESOURCES, "%s: no memory to read it", reading->path);
    for (int64_t task = 0; task < tasks; task++) {
        if (at >= bytes)
            return store_reading_fail(reading, "/sheaf/names");
        (*starts)[task] = at;
        at += (int64_t)strlen(*names + at) + 1; /* a NUL is behind the table */
    }
    return SHEAF_OK;
}

static enum sheaf_status
take_operand(const struct store_reading *reading, struct store_operand_row *row, struct source_map *map)
{
    if (row->kind > SOURCE_SET || row->type >= SHEAF_TYPE_COUNT || row->file_type > SHEAF_TYPE_COUNT ||
        row->lead_ndim > SHEAF_NDIM_MAX || row->core_ndim > SHEAF_NDIM_MAX ||
        row->distribution >= GENERATE_DISTRIBUTION_COUNT)
        return store_reading_fail(reading, "/sheaf/operands");
    row->text[sizeof row->text - 1] = row->path[sizeof row->path - 1] = row->dataset[sizeof row->dataset - 1] = '\0';
    strcpy(map->text, row->text);
    strcpy(map->path, row->path);
    strcpy(map->dataset, row->dataset);
    map->kind = (enum source_kind)row->kind;
    map->shared = row->shared != 0;
    map->countless = map->kind == SOURCE_GENERATED && !map->shared && row->lead_ndim == 0;
    map->array.type = (enum sheaf_type)row->type;
    map->file_type = row->file_type ? (enum sheaf_type)(row->file_type - 1) : map->array.type;
    map->swapped = row->swapped != 0;
    map->slice_first = row->slice_first;
    map->slice_step = row->slice_step ? row->slice_step : 1;
    map->array.lead.ndim = (int32_t)row->lead_ndim;
    map->array.core.ndim = (int32_t)row->core_ndim;
    memcpy(map->array.lead.extent, row->lead, sizeof row->lead);
    memcpy(map->array.core.extent, row->core, sizeof row->core);
    map->offset = row->offset;
    map->generate = (struct generate_spec){.distribution = (enum generate_distribution)row->distribution,
                                           .type = map->file_type,
                                           .seed = row->seed,
                                           .operand = row->operand};
    map->file_bytes = row->file_bytes;
    map->file_mtime = row->file_mtime;
    map->fingerprint = row->fingerprint;
    if (!sheaf_shape_bytes(&map->array.core, map->array.type, &map->task_bytes))
        return store_reading_fail(reading, "/sheaf/operands");
    map->uneven = map->kind == SOURCE_SET && map->task_bytes == 0;
    return SHEAF_OK;
}

enum sheaf_status
store_reading_operands(struct store_reading *reading)
{
    struct store_summary *summary = reading->summary;
    struct store_operand_row *rows = NULL;

    enum sheaf_status status = store_reading_table(reading, STORE_OPERANDS, 1 << 16, &rows);
    if (status == SHEAF_OK) {
        int64_t count = reading->tables[STORE_OPERANDS].rows;
        summary->operands = calloc((size_t)count + 1, sizeof *summary->operands);
        if (!summary->operands)
            status = sheaf_fail(reading->error, SHEAF_NO_RESOURCES, "%s: no memory to read it", reading->path);
        for (int64_t i = 0; i < count && status == SHEAF_OK; i++)
            status = take_operand(reading, &rows[i], &summary->operands[i]);
        summary->operand_count = status == SHEAF_OK ? (int)count : 0;
    }
    free(rows);
    return status;
}

enum sheaf_status
store_reading_open(struct store_reading *reading, const char *path, struct store_summary *summary,
                   struct sheaf_error *error)
{
    struct store_map *map = &summary->map;
    struct file_system system;
    struct stat about;

    memset(summary, 0, sizeof *summary);
    *reading = (struct store_reading){.path = path, .descriptor = -1, .summary = summary, .error = error};
    enum sheaf_status status = file_open_read(path, path, &reading->descriptor, &about, error);
    if (status == SHEAF_OK)
        status = file_system_of_open(reading->descriptor, path, &system, error);
    if (status != SHEAF_OK)
        return status;
    char *absolute = realpath(path, NULL);
    if (!absolute || strlen(absolute) >= sizeof map->path) {
        free(absolute);
        return sheaf_fail(error, SHEAF_NO_INPUT, "%s: its path cannot be resolved, or is too long", path);
    }
    strcpy(map->path, absolute);
    free(absolute);
    map->bytes = about.st_size;
    reading->identity = (struct store_identity){about.st_dev, about.st_ino, about.st_size};
    map->in_memory = system.in_memory;
    map->on_nfs = system.on_nfs;
    return SHEAF_OK;
}

enum sheaf_status
store_identity_check(const char *path, const struct store_identity *then, int descriptor, struct sheaf_error *error)
{
    struct stat now;

    if (fstat(descriptor, &now) != 0)
        return sheaf_fail(error, SHEAF_IO_ERROR, "%s: cannot examine it: %m", path);
    if (now.st_dev != then->device || now.st_ino != then->inode || now.st_size != then->bytes)
        return sheaf_fail(error, SHEAF_IO_ERROR,
                          "%s: was replaced, or got another size, while it was opened; give the command again", path);
    return SHEAF_OK;
}

/* What the outline tells of the file takes the place of all but its path and where that is. */
static void
adopt(struct store_reading *reading, const struct store_outline *outline)
{
    const struct store_map here = reading->summary->map;
    struct store_map *map = &reading->summary->map;

    *reading->summary = outline->fixed;
    memcpy(map->path, here.path, sizeof map->path);
    map->in_memory = here.in_memory;
    map->on_nfs = here.on_nfs;
    memcpy(reading->tables, outline->tables, sizeof reading->tables);
}

enum sheaf_status
store_reading_start(struct store_reading *reading, const char *path, const struct store_outline *outline,
                    struct store_summary *summary, struct sheaf_error *error)
{
    enum sheaf_status status = store_reading_open(reading, path, summary, error);
    if (status == SHEAF_OK)
        status = store_identity_check(path, &outline->identity, reading->descriptor, error);
    if (status != SHEAF_OK)
        return status;
    adopt(reading, outline);
    return store_reading_operands(reading);
}

void
store_reading_end(struct store_reading *reading)
{
    if (reading->descriptor >= 0)
        close(reading->descriptor);
    reading->descriptor = -1;
}
