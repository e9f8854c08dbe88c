#include "file.h"
#include "hdf5_guard.h"
#include "store.h"
#include "store_layout.h"

#include <stdlib.h>
#include <unistd.h>

enum { CHUNKS_AT_ONCE = 1024, STATUS_AT_ONCE = 64 * 1024, COMMAND_MAX = 16 << 20 };

/* A results file that is being read. */
struct reading {
    const char *path;
    int descriptor;
    int64_t file_bytes;
    hid_t file, group;
    struct table_place {
        int64_t offset, rows; /* offset -1: no rows */
    } tables[STORE_TABLE_COUNT];
    struct store_summary *summary;
    struct sheaf_error *error;
};

static enum sheaf_status
fail_damaged(const struct reading *reading, const char *what)
{
    return sheaf_fail(reading->error, SHEAF_BAD_DATA,
                      "%s: is damaged, or no results file of Sheaf's: %s is missing or wrong", reading->path, what);
}

/* Open an attribute of /sheaf that has between 1 and `most` values; their number is the result, 0 where it has not. */
static int
open_attribute(const struct reading *reading, const char *name, H5T_class_t class, int most, hid_t *attribute)
{
    hssize_t count = 0;
    hid_t type, space;

    *attribute = H5I_INVALID_HID;
    if (H5Aexists(reading->group, name) <= 0)
        return 0;
    *attribute = H5Aopen(reading->group, name, H5P_DEFAULT);
    if (*attribute < 0)
        return 0;
    type = H5Aget_type(*attribute);
    space = H5Aget_space(*attribute);
    if (type >= 0 && space >= 0 && H5Tget_class(type) == class && H5Tis_variable_str(type) <= 0)
        count = H5Sget_simple_extent_npoints(space);
    if (space >= 0)
        H5Sclose(space);
    if (type >= 0)
        H5Tclose(type);
    if (count >= 1 && count <= most)
        return (int)count;
    H5Aclose(*attribute);
    return 0;
}

static enum sheaf_status
read_text(const struct reading *reading, const char *name, char *text, size_t bytes)
{
    hid_t attribute;

    if (open_attribute(reading, name, H5T_STRING, 1, &attribute) == 0)
        return fail_damaged(reading, name);
    hid_t type = H5Tcopy(H5T_C_S1);
    /* HDF5 cuts what is longer, and ends it with a NUL */
    bool ok = type >= 0 && H5Tset_size(type, bytes) >= 0 && H5Aread(attribute, type, text) >= 0;
    if (type >= 0)
        H5Tclose(type);
    H5Aclose(attribute);
    return ok ? SHEAF_OK : fail_damaged(reading, name);
}

static enum sheaf_status
read_number(const struct reading *reading, const char *name, int64_t *value)
{
    hid_t attribute;

    if (open_attribute(reading, name, H5T_INTEGER, 1, &attribute) == 0)
        return fail_damaged(reading, name);
    herr_t result = H5Aread(attribute, H5T_NATIVE_INT64, value);
    H5Aclose(attribute);
    return result >= 0 ? SHEAF_OK : fail_damaged(reading, name);
}

static enum sheaf_status
read_lead(const struct reading *reading, struct sheaf_shape *lead)
{
    hid_t attribute;

    *lead = (struct sheaf_shape){.ndim = 0};
    if (H5Aexists(reading->group, "lead") == 0)
        return SHEAF_OK;
    lead->ndim = open_attribute(reading, "lead", H5T_INTEGER, SHEAF_NDIM_MAX, &attribute);
    if (lead->ndim == 0)
        return fail_damaged(reading, "lead");
    herr_t result = H5Aread(attribute, H5T_NATIVE_INT64, lead->extent);
    H5Aclose(attribute);
    return result >= 0 ? SHEAF_OK : fail_damaged(reading, "lead");
}

static enum sheaf_status
read_attributes(struct reading *reading)
{
    struct store_summary *summary = reading->summary;
    int64_t format = 0, seed = 0;

    enum sheaf_status status = read_number(reading, "format", &format);
    if (status != SHEAF_OK)
        return status;
    if (format > RECORD_FORMAT)
        return sheaf_fail(reading->error, SHEAF_BAD_DATA,
                          "%s: is of format %lld, this Sheaf knows up to %d; read it with the version that wrote it",
                          reading->path, (long long)format, RECORD_FORMAT);
    const struct {
        const char *name;
        char *text;
        size_t bytes;
    } texts[] = {{"program", summary->program, sizeof summary->program},
                 {"kernel", summary->kernel, sizeof summary->kernel},
                 {"signature", summary->signature, sizeof summary->signature},
                 {"parameters", summary->parameters, sizeof summary->parameters},
                 {"version", summary->version, sizeof summary->version},
                 {"created", summary->created, sizeof summary->created}};
    const struct {
        const char *name;
        int64_t *value;
    } numbers[] = {{"seed", &seed}, {"tasks", &summary->map.tasks}, {"chunks", &summary->map.chunks}};
    for (size_t i = 0; i < sizeof texts / sizeof *texts && status == SHEAF_OK; i++)
        status = read_text(reading, texts[i].name, texts[i].text, texts[i].bytes);
    for (size_t i = 0; i < sizeof numbers / sizeof *numbers && status == SHEAF_OK; i++)
        status = read_number(reading, numbers[i].name, numbers[i].value);
    summary->seed = (uint64_t)seed;
    return status == SHEAF_OK ? read_lead(reading, &summary->lead) : status;
}

/* A dataset's place in the file, its type and its axes. */
struct place {
    int64_t offset; /* -1: it has no bytes */
    size_t element_bytes;
    enum sheaf_type type;
    bool typed; /* its type is one of ours */
    int ndim;
    int64_t extent[H5S_MAX_RANK];
};

/* Find a contiguous dataset all of whose bytes are in the file. */
static enum sheaf_status
find_place(const struct reading *reading, const char *path, struct place *place)
{
    bool ok = false, swapped = false;
    hsize_t extent[H5S_MAX_RANK];
    hid_t dataset;

    if (hdf5_guard_open_dataset(reading->file, path, reading->path, &dataset, NULL) != SHEAF_OK)
        return fail_damaged(reading, path);
    hid_t type = H5Dget_type(dataset), space = H5Dget_space(dataset), creation = H5Dget_create_plist(dataset);
    place->ndim = space < 0 ? -1 : H5Sget_simple_extent_dims(space, extent, NULL);
    if (type >= 0 && place->ndim >= 0 && creation >= 0 && H5Pget_layout(creation) == H5D_CONTIGUOUS) {
        int64_t bytes = 0;
        haddr_t offset = H5Dget_offset(dataset);
        place->element_bytes = H5Tget_size(type);
        place->typed = hdf5_guard_type_from(type, &place->type, &swapped) && !swapped;
        place->offset = offset == HADDR_UNDEF ? -1 : (int64_t)offset;
        bytes = (int64_t)place->element_bytes;
        ok = true;
        for (int i = 0; i < place->ndim; i++) {
            place->extent[i] = (int64_t)extent[i];
            ok = ok && sheaf_multiply(bytes, place->extent[i], &bytes);
        }
        ok = ok && (bytes == 0 || (place->offset >= 0 && place->offset <= reading->file_bytes &&
                                   bytes <= reading->file_bytes - place->offset));
    }
    if (creation >= 0)
        H5Pclose(creation);
    if (space >= 0)
        H5Sclose(space);
    if (type >= 0)
        H5Tclose(type);
    H5Dclose(dataset);
    return ok ? SHEAF_OK : fail_damaged(reading, path);
}

static enum sheaf_status
find_tables(struct reading *reading)
{
    struct store_map *map = &reading->summary->map;
    const int64_t expected[STORE_TABLE_COUNT] = {
        [STORE_STATUS] = map->tasks, [STORE_INFO] = map->tasks,    [STORE_CHUNKS] = map->chunks,
        [STORE_RUNS] = RECORD_RUNS,  [STORE_HOSTS] = RECORD_HOSTS, [STORE_MARKS] = RECORD_HOSTS,
        [STORE_COMMAND] = -1,        [STORE_OUTPUTS] = -1,         [STORE_OPERANDS] = -1,
        [STORE_CLASSES] = -1,
    };

    for (int i = 0; i < STORE_TABLE_COUNT; i++) {
        enum store_table table = (enum store_table)i;
        struct place place;
        char path[64];
        snprintf(path, sizeof path, "/sheaf/%s", store_table_name(table));
        enum sheaf_status status = find_place(reading, path, &place);
        if (status != SHEAF_OK)
            return status;
        if (place.ndim != 1 || place.element_bytes != store_table_row_bytes(table) ||
            (expected[i] >= 0 && place.extent[0] != expected[i]))
            return fail_damaged(reading, path);
        reading->tables[i] = (struct table_place){place.offset, place.extent[0]};
    }
    map->status_offset = reading->tables[STORE_STATUS].offset;
    map->info_offset = reading->tables[STORE_INFO].offset;
    map->chunks_offset = reading->tables[STORE_CHUNKS].offset;
    map->runs_offset = reading->tables[STORE_RUNS].offset;
    map->hosts_offset = reading->tables[STORE_HOSTS].offset;
    map->marks_offset = reading->tables[STORE_MARKS].offset;
    return SHEAF_OK;
}

/* Read a whole table; *rows gets one more, which is zero, and is the caller's to free. */
static enum sheaf_status
read_table(const struct reading *reading, enum store_table table, int64_t most, void *rows)
{
    const struct table_place *place = &reading->tables[table];
    size_t row_bytes = store_table_row_bytes(table);

    if (place->rows > most)
        return fail_damaged(reading, store_table_name(table));
    char *bytes = calloc((size_t)place->rows + 1, row_bytes);
    if (!bytes)
        return sheaf_fail(reading->error, SHEAF_NO_RESOURCES, "%s: no memory to read it", reading->path);
    *(void **)rows = bytes;
    return file_read(reading->descriptor, reading->path, place->offset, bytes, (size_t)place->rows * row_bytes,
                     reading->error);
}

static enum sheaf_status
take_operand(const struct reading *reading, struct store_operand_row *row, struct source_map *map)
{
    if (row->kind > SOURCE_GENERATED || row->type >= SHEAF_TYPE_COUNT || row->lead_ndim > SHEAF_NDIM_MAX ||
        row->core_ndim > SHEAF_NDIM_MAX || row->distribution >= GENERATE_DISTRIBUTION_COUNT)
        return fail_damaged(reading, "/sheaf/operands");
    row->text[sizeof row->text - 1] = row->path[sizeof row->path - 1] = row->dataset[sizeof row->dataset - 1] = '\0';
    strcpy(map->text, row->text);
    strcpy(map->path, row->path);
    strcpy(map->dataset, row->dataset);
    map->kind = (enum source_kind)row->kind;
    map->shared = row->shared != 0;
    map->countless = map->kind == SOURCE_GENERATED && !map->shared && row->lead_ndim == 0;
    map->array.type = (enum sheaf_type)row->type;
    map->array.lead.ndim = (int32_t)row->lead_ndim;
    map->array.core.ndim = (int32_t)row->core_ndim;
    memcpy(map->array.lead.extent, row->lead, sizeof row->lead);
    memcpy(map->array.core.extent, row->core, sizeof row->core);
    map->offset = row->offset;
    map->generate = (struct generate_spec){.distribution = (enum generate_distribution)row->distribution,
                                           .type = map->array.type,
                                           .seed = row->seed,
                                           .operand = row->operand};
    map->file_bytes = row->file_bytes;
    map->file_mtime = row->file_mtime;
    map->fingerprint = row->fingerprint;
    if (!sheaf_shape_bytes(&map->array.core, map->array.type, &map->task_bytes))
        return fail_damaged(reading, "/sheaf/operands");
    return SHEAF_OK;
}

static enum sheaf_status
read_operands(struct reading *reading)
{
    struct store_summary *summary = reading->summary;
    struct store_operand_row *rows = NULL;

    enum sheaf_status status = read_table(reading, STORE_OPERANDS, 1 << 16, &rows);
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
read_command(struct reading *reading)
{
    char *words = NULL;

    enum sheaf_status status = read_table(reading, STORE_COMMAND, COMMAND_MAX, &words);
    if (status == SHEAF_OK) {
        reading->summary->command = quote_words(words, reading->tables[STORE_COMMAND].rows);
        if (!reading->summary->command)
            status = sheaf_fail(reading->error, SHEAF_NO_RESOURCES, "%s: no memory to read it", reading->path);
    }
    free(words);
    return status;
}

/* `sheaf make` writes one output an operand, which is shared where the operand is; elsewhere outputs have the lead. */
static enum sheaf_status
take_output(struct reading *reading, const char *name, int index)
{
    struct store_summary *summary = reading->summary;
    struct store_map *map = &summary->map;
    struct store_output *output = &map->outputs[index];
    char path[STORE_NAME_BYTES + 1];
    struct place place;

    if (strlen(name) >= sizeof output->name)
        return fail_damaged(reading, "/sheaf/outputs");
    strcpy(output->name, name);
    snprintf(path, sizeof path, "/%s", name);
    enum sheaf_status status = find_place(reading, path, &place);
    if (status != SHEAF_OK)
        return status;
    output->shared = strcmp(summary->program, "sheaf make") == 0 && index < summary->operand_count &&
                     summary->operands[index].shared;
    int lead = output->shared ? 0 : summary->lead.ndim;
    if (!place.typed || place.ndim < lead || place.ndim - lead > SHEAF_NDIM_MAX)
        return fail_damaged(reading, path);
    output->array.type = place.type;
    output->array.lead.ndim = lead;
    output->array.core.ndim = place.ndim - lead;
    memcpy(output->array.lead.extent, place.extent, (size_t)lead * sizeof *place.extent);
    memcpy(output->array.core.extent, place.extent + lead, (size_t)(place.ndim - lead) * sizeof *place.extent);
    map->output_offsets[index] = place.offset;
    if (!sheaf_shape_bytes(&output->array.core, place.type, &map->output_task_bytes[index]))
        return fail_damaged(reading, path);
    map->output_count = index + 1;
    return SHEAF_OK;
}

static enum sheaf_status
read_outputs(struct reading *reading)
{
    char *names = NULL;
    int count = 0;

    enum sheaf_status status = read_table(reading, STORE_OUTPUTS, STORE_OUTPUTS_MAX * STORE_NAME_BYTES, &names);
    for (int64_t at = 0; status == SHEAF_OK && at < reading->tables[STORE_OUTPUTS].rows;) {
        if (count == STORE_OUTPUTS_MAX)
            status = fail_damaged(reading, "/sheaf/outputs");
        else
            status = take_output(reading, names + at, count++);
        at += (int64_t)strlen(names + at) + 1;
    }
    free(names);
    return status;
}

/* The latest start. */
static enum sheaf_status
read_runs(struct reading *reading)
{
    struct store_summary *summary = reading->summary;
    struct record_run *runs = NULL;

    enum sheaf_status status = read_table(reading, STORE_RUNS, RECORD_RUNS, &runs);
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
count_tasks(struct reading *reading, int64_t first, int64_t count)
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
            summary->status_counts[status[i] & 15]++;
            summary->tasks_failed += status[i] > 1;
        }
        done += (int64_t)piece;
    }
    summary->tasks_done += count;
    return SHEAF_OK;
}

static enum sheaf_status
count_chunks(struct reading *reading)
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
            /* with several classes positions are not tasks: not counted before /sheaf/order is read here */
            bool inside = record->first >= 0 && record->first <= summary->map.tasks &&
                          record->count <= summary->map.tasks - record->first && record->class_index == 0;
            if (!record_chunk_valid(record, first + i) || !inside)
                continue;
            summary->chunks_started += record->state == RECORD_STARTED;
            if (record->state != RECORD_DONE)
                continue;
            summary->chunks_done++;
            status = count_tasks(reading, record->first, record->count);
        }
    }
    free(records);
    return status;
}

static enum sheaf_status
examine_file(struct reading *reading, const char *path)
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

/* What only the library can tell; afterwards the file is closed again. */
static enum sheaf_status
examine_hdf5(struct reading *reading)
{
    H5L_info_t link;

    enum sheaf_status status =
        hdf5_guard_open(reading->summary->map.path, reading->path, &reading->file, reading->error);
    if (status != SHEAF_OK)
        return status;
    if (H5Lget_info(reading->file, "sheaf", &link, H5P_DEFAULT) < 0 || link.type != H5L_TYPE_HARD ||
        (reading->group = H5Gopen2(reading->file, "sheaf", H5P_DEFAULT)) < 0)
        status = sheaf_fail(reading->error, SHEAF_BAD_DATA, "%s: is HDF5, but no results file of Sheaf's (no /sheaf)",
                            reading->path);
    if (status == SHEAF_OK)
        status = read_attributes(reading);
    if (status == SHEAF_OK)
        status = find_tables(reading);
    if (status == SHEAF_OK)
        status = read_operands(reading);
    if (status == SHEAF_OK)
        status = read_outputs(reading);
    if (reading->group >= 0)
        H5Gclose(reading->group);
    H5Fclose(reading->file);
    return status;
}

enum sheaf_status
store_describe(const char *path, struct store_summary *summary, struct sheaf_error *error)
{
    struct reading reading = {.path = path,
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
