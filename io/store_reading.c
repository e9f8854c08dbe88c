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

/* Open an attribute of /sheaf that has between 1 and `most` values; their number is the result, 0 where it has not. */
static int
open_attribute(const struct store_reading *reading, const char *name, H5T_class_t class, int most, hid_t *attribute)
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
read_text(const struct store_reading *reading, const char *name, char *text, size_t bytes)
{
    hid_t attribute;

    if (open_attribute(reading, name, H5T_STRING, 1, &attribute) == 0)
        return store_reading_fail(reading, name);
    hid_t type = H5Tcopy(H5T_C_S1);
    /* HDF5 cuts what is longer, and ends it with a NUL */
    bool ok = type >= 0 && H5Tset_size(type, bytes) >= 0 && H5Aread(attribute, type, text) >= 0;
    if (type >= 0)
        H5Tclose(type);
    H5Aclose(attribute);
    return ok ? SHEAF_OK : store_reading_fail(reading, name);
}

/* A text that not every file has: "" then. */
static enum sheaf_status
read_late_text(const struct store_reading *reading, const char *name, char *text, size_t bytes)
{
    text[0] = '\0';
    return H5Aexists(reading->group, name) > 0 ? read_text(reading, name, text, bytes) : SHEAF_OK;
}

static enum sheaf_status
read_number(const struct store_reading *reading, const char *name, int64_t *value)
{
    hid_t attribute;

    if (open_attribute(reading, name, H5T_INTEGER, 1, &attribute) == 0)
        return store_reading_fail(reading, name);
    herr_t result = H5Aread(attribute, H5T_NATIVE_INT64, value);
    H5Aclose(attribute);
    return result >= 0 ? SHEAF_OK : store_reading_fail(reading, name);
}

static enum sheaf_status
read_lead(const struct store_reading *reading, struct sheaf_shape *lead)
{
    hid_t attribute;

    *lead = (struct sheaf_shape){.ndim = 0};
    if (H5Aexists(reading->group, "lead") == 0)
        return SHEAF_OK;
    lead->ndim = open_attribute(reading, "lead", H5T_INTEGER, SHEAF_NDIM_MAX, &attribute);
    if (lead->ndim == 0)
        return store_reading_fail(reading, "lead");
    herr_t result = H5Aread(attribute, H5T_NATIVE_INT64, lead->extent);
    H5Aclose(attribute);
    return result >= 0 ? SHEAF_OK : store_reading_fail(reading, "lead");
}

static enum sheaf_status
read_attributes(struct store_reading *reading)
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
    if (status == SHEAF_OK)
        status = read_late_text(reading, "plugin", summary->plugin, sizeof summary->plugin);
    if (status == SHEAF_OK)
        status = read_late_text(reading, "directory", summary->directory, sizeof summary->directory);
    summary->seed = (uint64_t)seed;
    return status == SHEAF_OK ? read_lead(reading, &summary->lead) : status;
}

enum sheaf_status
store_reading_find(const struct store_reading *reading, const char *path, struct store_found *found)
{
    bool ok = false, swapped = false;
    hsize_t extent[H5S_MAX_RANK];
    hid_t dataset;

    if (hdf5_guard_open_dataset(reading->file, path, reading->path, &dataset, NULL) != SHEAF_OK)
        return store_reading_fail(reading, path);
    hid_t type = H5Dget_type(dataset), space = H5Dget_space(dataset), creation = H5Dget_create_plist(dataset);
    found->ndim = space < 0 ? -1 : H5Sget_simple_extent_dims(space, extent, NULL);
    if (type >= 0 && found->ndim >= 0 && creation >= 0 && H5Pget_layout(creation) == H5D_CONTIGUOUS) {
        int64_t bytes = 0;
        haddr_t offset = H5Dget_offset(dataset);
        found->element_bytes = H5Tget_size(type);
        found->typed = hdf5_guard_type_from(type, &found->type, &swapped) && !swapped;
        found->offset = offset == HADDR_UNDEF ? -1 : (int64_t)offset;
        bytes = (int64_t)found->element_bytes;
        ok = true;
        for (int i = 0; i < found->ndim; i++) {
            found->extent[i] = (int64_t)extent[i];
            ok = ok && sheaf_multiply(bytes, found->extent[i], &bytes);
        }
        ok = ok && (bytes == 0 || (found->offset >= 0 && found->offset <= reading->file_bytes &&
                                   bytes <= reading->file_bytes - found->offset));
    }
    if (creation >= 0)
        H5Pclose(creation);
    if (space >= 0)
        H5Sclose(space);
    if (type >= 0)
        H5Tclose(type);
    H5Dclose(dataset);
    return ok ? SHEAF_OK : store_reading_fail(reading, path);
}

/* @param[in] rows  that it has to have; -1: any number */
static enum sheaf_status
find_table(struct store_reading *reading, enum store_table table, int64_t rows)
{
    struct store_found found;
    char path[64];

    snprintf(path, sizeof path, "/sheaf/%s", store_table_name(table));
    enum sheaf_status status = store_reading_find(reading, path, &found);
    if (status != SHEAF_OK)
        return status;
    if (found.ndim != 1 || found.element_bytes != store_table_row_bytes(table) ||
        (rows >= 0 && found.extent[0] != rows))
        return store_reading_fail(reading, path);
    reading->tables[table].offset = found.offset;
    reading->tables[table].rows = found.extent[0];
    return SHEAF_OK;
}

static enum sheaf_status
find_tables(struct store_reading *reading)
{
    struct store_map *map = &reading->summary->map;
    enum sheaf_status status = SHEAF_OK;
    const int64_t expected[STORE_TABLE_COUNT] = {
        [STORE_STATUS] = map->tasks, [STORE_INFO] = map->tasks,    [STORE_CHUNKS] = map->chunks,
        [STORE_RUNS] = RECORD_RUNS,  [STORE_HOSTS] = RECORD_HOSTS, [STORE_MARKS] = RECORD_HOSTS,
        [STORE_COMMAND] = -1,        [STORE_OUTPUTS] = -1,         [STORE_OPERANDS] = -1,
        [STORE_CLASSES] = -1,        [STORE_ORDER] = map->tasks,   [STORE_NAMES] = -1,
    };

    for (int i = 0; i < STORE_ORDER && status == SHEAF_OK; i++)
        status = find_table(reading, (enum store_table)i, expected[i]);
    for (int i = STORE_ORDER; i < STORE_TABLE_COUNT; i++) {
        reading->tables[i].offset = -1;
        if (status == SHEAF_OK && H5Lexists(reading->group, store_table_name((enum store_table)i), H5P_DEFAULT) > 0)
            status = find_table(reading, (enum store_table)i, expected[i]);
    }
    map->status_offset = reading->tables[STORE_STATUS].offset;
    map->info_offset = reading->tables[STORE_INFO].offset;
    map->chunks_offset = reading->tables[STORE_CHUNKS].offset;
    map->runs_offset = reading->tables[STORE_RUNS].offset;
    map->hosts_offset = reading->tables[STORE_HOSTS].offset;
    map->marks_offset = reading->tables[STORE_MARKS].offset;
    return status;
}

hid_t
store_reading_open_group(const struct store_reading *reading, const char *path)
{
    H5L_info_t link;

    if (H5Lget_info(reading->file, path, &link, H5P_DEFAULT) < 0 || link.type != H5L_TYPE_HARD)
        return H5I_INVALID_HID;
    return H5Gopen2(reading->file, path, H5P_DEFAULT);
}

static enum sheaf_status
open_hdf5(struct store_reading *reading)
{
    enum sheaf_status status =
        hdf5_guard_open(reading->summary->map.path, reading->path, &reading->file, reading->error);
    if (status != SHEAF_OK)
        return status;
    reading->group = store_reading_open_group(reading, "sheaf");
    if (reading->group < 0)
        status = sheaf_fail(reading->error, SHEAF_BAD_DATA,
                            "%s: is HDF5, but no results file of Sheaf's: it has no /sheaf", reading->path);
    if (status == SHEAF_OK)
        status = read_attributes(reading);
    return status == SHEAF_OK ? find_tables(reading) : status;
}

void
store_reading_close(struct store_reading *reading)
{
    if (reading->group >= 0)
        H5Gclose(reading->group);
    if (reading->file >= 0)
        H5Fclose(reading->file);
    reading->file = reading->group = H5I_INVALID_HID;
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

enum sheaf_status
store_reading_start(struct store_reading *reading, const char *path, struct store_summary *summary,
                    struct sheaf_error *error)
{
    memset(summary, 0, sizeof *summary);
    *reading = (struct store_reading){.path = path,
                                      .descriptor = -1,
                                      .file = H5I_INVALID_HID,
                                      .group = H5I_INVALID_HID,
                                      .summary = summary,
                                      .error = error};
    enum sheaf_status status = examine_file(reading, path);
    if (status == SHEAF_OK)
        status = open_hdf5(reading);
    if (status == SHEAF_OK)
        status = read_operands(reading);
    return status == SHEAF_OK ? read_outputs(reading) : status;
}

void
store_reading_end(struct store_reading *reading)
{
    store_reading_close(reading);
    if (reading->descriptor >= 0)
        close(reading->descriptor);
    reading->descriptor = -1;
}
