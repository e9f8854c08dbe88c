#include "file.h"
#include "hdf5_guard.h"
#include "store.h"
#include "store_reading.h"

#include <stdlib.h>
#include <unistd.h>

enum { CHUNKS_AT_ONCE = 1024, STATUS_AT_ONCE = 64 * 1024, ORDER_AT_ONCE = 4096, COMMAND_MAX = 16 << 20 };

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

static enum sheaf_status
read_operands(struct store_reading *reading)
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

/*
 * One dataset for all tasks. `sheaf make` writes one output an operand, which is shared where the operand is; elsewhere
 * outputs have the lead.
 */
static enum sheaf_status
take_stacked(const struct store_reading *reading, const char *path, int index)
{
    struct store_summary *summary = reading->summary;
    struct store_map *map = &summary->map;
    struct store_output *output = &map->outputs[index];
    struct store_found place;

    enum sheaf_status status = store_reading_find(reading, path, &place);
    if (status != SHEAF_OK)
        return status;
    output->shared = strcmp(summary->program, "sheaf make") == 0 && index < summary->operand_count &&
                     summary->operands[index].shared;
    int lead = output->shared ? 0 : summary->lead.ndim;
    if (!place.typed || place.ndim < lead || place.ndim - lead > SHEAF_NDIM_MAX ||
        memcmp(place.extent, summary->lead.extent, (size_t)lead * sizeof *place.extent) != 0)
        return store_reading_fail(reading, path);
    output->array.type = place.type;
    output->array.lead.ndim = lead;
    output->array.core.ndim = place.ndim - lead;
    memcpy(output->array.lead.extent, place.extent, (size_t)lead * sizeof *place.extent);
    memcpy(output->array.core.extent, place.extent + lead, (size_t)(place.ndim - lead) * sizeof *place.extent);
    map->output_offsets[index] = place.offset;
    if (!sheaf_shape_bytes(&output->array.core, place.type, &map->output_task_bytes[index]))
        return store_reading_fail(reading, path);
    return SHEAF_OK;
}

static enum sheaf_status
take_output(struct store_reading *reading, const char *name, int index)
{
    struct store_map *map = &reading->summary->map;
    struct store_output *output = &map->outputs[index];
    char path[STORE_NAME_BYTES + 1];

    if (strlen(name) >= sizeof output->name)
        return store_reading_fail(reading, "/sheaf/outputs");
    strcpy(output->name, name);
    snprintf(path, sizeof path, "/%s", name);
    map->output_count = index + 1;
    hid_t group = store_reading_open_group(reading, path);
    if (group < 0)
        return take_stacked(reading, path, index);
    H5Gclose(group);
    output->grouped = true;
    output->array.lead = reading->summary->lead;
    map->output_offsets[index] = -1;
    return SHEAF_OK;
}

static enum sheaf_status
read_outputs(struct store_reading *reading)
{
    char *names = NULL;
    int count = 0;

    enum sheaf_status status =
        store_reading_table(reading, STORE_OUTPUTS, STORE_OUTPUTS_MAX * STORE_NAME_BYTES, &names);
    for (int64_t at = 0; status == SHEAF_OK && at < reading->tables[STORE_OUTPUTS].rows;) {
        if (count == STORE_OUTPUTS_MAX)
            status = store_reading_fail(reading, "/sheaf/outputs");
        else
            status = take_output(reading, names + at, count++);
        at += (int64_t)strlen(names + at) + 1;
    }
    free(names);
    return status;
}

/* The latest start. */
static enum sheaf_status
read_runs(struct store_reading *reading)
{
    struct store_summary *summary = reading->summary;
    struct record_run *runs = NULL;

    enum sheaf_status status = store_reading_table(reading, STORE_RUNS, RECORD_RUNS, &runs);
    for (int i = 0; i < RECORD_RUNS && status == SHEAF_OK; i++) {
        if (record_run_valid(&runs[i]) && (int64_t)runs[i].number + 1 > summary->run_count) {
            summary->run = runs[i];
            summary->run_count = (int64_t)runs[i].number + 1;
        }
    }
    free(runs);
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

static enum sheaf_status
count_chunks(struct store_reading *reading)
{
    struct store_summary *summary = reading->summary;
    enum sheaf_status status = SHEAF_OK;
    struct record_chunk *records = malloc(CHUNKS_AT_ONCE * sizeof *records);

    if (!records)
        return sheaf_fail(reading->error, SHEAF_NO_RESOURCES, "%s: no memory to read it", reading->path);
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
            if (!record_chunk_valid(record, first + i) || !inside)
                continue;
            summary->chunks_started += record->state == RECORD_STARTED;
            if (record->state != RECORD_DONE)
                continue;
            summary->chunks_done++;
            status = count_positions(reading, record->first, record->count);
        }
    }
    free(records);
    return status;
}

static enum sheaf_status
examine_file(struct store_reading *reading, const char *path)
{
    struct store_map *map = &reading->summary->map;
    struct file_system system;
    struct stat about;

    enum sheaf_status status = file_open_read(path, path, &reading->descriptor, &about, reading->error);
    if (status == SHEAF_OK)
        status = file_system_of_open(reading->descriptor, path, &system, reading->error);
    if (status != SHEAF_OK)
        return status;
    char *absolute = realpath(path, NULL);
    if (!absolute || strlen(absolute) >= sizeof map->path) {
        free(absolute);
        return sheaf_fail(reading->error, SHEAF_NO_INPUT, "%s: its path cannot be resolved, or is too long", path);
    }
    strcpy(map->path, absolute);
    free(absolute);
    reading->file_bytes = map->bytes = about.st_size;
    map->in_memory = system.in_memory;
    map->on_nfs = system.on_nfs;
    return SHEAF_OK;
}

/* What only the library can tell; afterwards the file is closed in it. */
static enum sheaf_status
examine_hdf5(struct store_reading *reading)
{
    enum sheaf_status status = store_reading_open(reading);
    if (status == SHEAF_OK)
        status = read_operands(reading);
    if (status == SHEAF_OK)
        status = read_outputs(reading);
    store_reading_close(reading);
    return status;
}

enum sheaf_status
store_describe(const char *path, struct store_summary *summary, struct sheaf_error *error)
{
    struct store_reading reading = {.path = path,
                                    .descriptor = -1,
                                    .file = H5I_INVALID_HID,
                                    .group = H5I_INVALID_HID,
                                    .summary = summary,
                                    .error = error};

    memset(summary, 0, sizeof *summary);
    enum sheaf_status status = examine_file(&reading, path);
    if (status == SHEAF_OK)
        status = examine_hdf5(&reading);
    if (status == SHEAF_OK)
        status = read_command(&reading);
    if (status == SHEAF_OK)
        status = read_runs(&reading);
    if (status == SHEAF_OK)
        status = count_chunks(&reading);
    if (reading.descriptor >= 0)
        close(reading.descriptor);
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
