#include "store_outline.h"

#include "store_library.h"

#include <stdlib.h>

static enum sheaf_status
no_memory(const struct store_library *library)
{
    return sheaf_fail(library->reading.error, SHEAF_NO_RESOURCES, "%s: no memory to read it", library->reading.path);
}

/* Open an attribute of /sheaf that has between 1 and `most` values; their number is the result, 0 where it has not. */
static int
open_attribute(const struct store_library *library, const char *name, H5T_class_t class, int most, hid_t *attribute)
{
    hssize_t count = 0;
    hid_t type, space;

    *attribute = H5I_INVALID_HID;
    if (H5Aexists(library->group, name) <= 0)
        return 0;
    *attribute = H5Aopen(library->group, name, H5P_DEFAULT);
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
read_text(const struct store_library *library, const char *name, char *text, size_t bytes)
{
    hid_t attribute;

    if (open_attribute(library, name, H5T_STRING, 1, &attribute) == 0)
        return store_reading_fail(&library->reading, name);
    hid_t type = H5Tcopy(H5T_C_S1);
    /* HDF5 cuts what is longer, and ends it with a NUL */
    bool ok = type >= 0 && H5Tset_size(type, bytes) >= 0 && H5Aread(attribute, type, text) >= 0;
    if (type >= 0)
        H5Tclose(type);
    H5Aclose(attribute);
    return ok ? SHEAF_OK : store_reading_fail(&library->reading, name);
}

/* A text that not every file has: "" then. */
static enum sheaf_status
read_late_text(const struct store_library *library, const char *name, char *text, size_t bytes)
{
    text[0] = '\0';
    return H5Aexists(library->group, name) > 0 ? read_text(library, name, text, bytes) : SHEAF_OK;
}

static enum sheaf_status
read_number(const struct store_library *library, const char *name, int64_t *value)
{
    hid_t attribute;

    if (open_attribute(library, name, H5T_INTEGER, 1, &attribute) == 0)
        return store_reading_fail(&library->reading, name);
    herr_t result = H5Aread(attribute, H5T_NATIVE_INT64, value);
    H5Aclose(attribute);
    return result >= 0 ? SHEAF_OK : store_reading_fail(&library->reading, name);
}

static enum sheaf_status
read_lead(const struct store_library *library, struct sheaf_shape *lead)
{
    hid_t attribute;

    *lead = (struct sheaf_shape){.ndim = 0};
    if (H5Aexists(library->group, "lead") == 0)
        return SHEAF_OK;
    lead->ndim = open_attribute(library, "lead", H5T_INTEGER, SHEAF_NDIM_MAX, &attribute);
    if (lead->ndim == 0)
        return store_reading_fail(&library->reading, "lead");
    herr_t result = H5Aread(attribute, H5T_NATIVE_INT64, lead->extent);
    H5Aclose(attribute);
    return result >= 0 ? SHEAF_OK : store_reading_fail(&library->reading, "lead");
}

static enum sheaf_status
read_attributes(struct store_library *library)
{
    struct store_summary *summary = library->reading.summary;
    int64_t format = 0, seed = 0;

    enum sheaf_status status = read_number(library, "format", &format);
    if (status != SHEAF_OK)
        return status;
    if (format > RECORD_FORMAT)
        return sheaf_fail(library->reading.error, SHEAF_BAD_DATA,
                          "%s: is of format %lld, this Sheaf knows up to %d; read it with the version that wrote it",
                          library->reading.path, (long long)format, RECORD_FORMAT);
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
        status = read_text(library, texts[i].name, texts[i].text, texts[i].bytes);
    for (size_t i = 0; i < sizeof numbers / sizeof *numbers && status == SHEAF_OK; i++)
        status = read_number(library, numbers[i].name, numbers[i].value);
    if (status == SHEAF_OK)
        status = read_late_text(library, "plugin", summary->plugin, sizeof summary->plugin);
    if (status == SHEAF_OK)
        status = read_late_text(library, "directory", summary->directory, sizeof summary->directory);
    summary->seed = (uint64_t)seed;
    return status == SHEAF_OK ? read_lead(library, &summary->lead) : status;
}

/* @param[in] rows  that it has to have; -1: any number */
static enum sheaf_status
find_table(struct store_library *library, enum store_table table, int64_t rows)
{
    struct store_found found;
    char path[64];

    snprintf(path, sizeof path, "/sheaf/%s", store_table_name(table));
    enum sheaf_status status = store_library_find(library, path, &found);
    if (status != SHEAF_OK)
        return status;
    if (found.ndim != 1 || found.element_bytes != store_table_row_bytes(table) ||
        (rows >= 0 && found.extent[0] != rows))
        return store_reading_fail(&library->reading, path);
    library->reading.tables[table].offset = found.offset;
    library->reading.tables[table].rows = found.extent[0];
    return SHEAF_OK;
}

static enum sheaf_status
find_tables(struct store_library *library)
{
    struct store_map *map = &library->reading.summary->map;
    enum sheaf_status status = SHEAF_OK;
    const int64_t expected[STORE_TABLE_COUNT] = {
        [STORE_STATUS] = map->tasks, [STORE_INFO] = map->tasks,    [STORE_CHUNKS] = map->chunks,
        [STORE_RUNS] = RECORD_RUNS,  [STORE_HOSTS] = RECORD_HOSTS, [STORE_MARKS] = RECORD_HOSTS,
        [STORE_COMMAND] = -1,        [STORE_OUTPUTS] = -1,         [STORE_OPERANDS] = -1,
        [STORE_CLASSES] = -1,        [STORE_ORDER] = map->tasks,   [STORE_NAMES] = -1,
    };

    for (int i = 0; i < STORE_ORDER && status == SHEAF_OK; i++)
        status = find_table(library, (enum store_table)i, expected[i]);
    for (int i = STORE_ORDER; i < STORE_TABLE_COUNT; i++) {
        library->reading.tables[i].offset = -1;
        if (status == SHEAF_OK && H5Lexists(library->group, store_table_name((enum store_table)i), H5P_DEFAULT) > 0)
            status = find_table(library, (enum store_table)i, expected[i]);
    }
    map->status_offset = library->reading.tables[STORE_STATUS].offset;
    map->info_offset = library->reading.tables[STORE_INFO].offset;
    map->chunks_offset = library->reading.tables[STORE_CHUNKS].offset;
    map->runs_offset = library->reading.tables[STORE_RUNS].offset;
    map->hosts_offset = library->reading.tables[STORE_HOSTS].offset;
    map->marks_offset = library->reading.tables[STORE_MARKS].offset;
    return status;
}

/*
 * One dataset for all tasks. `sheaf make` writes one output an operand, which is shared where the operand is; elsewhere
 * outputs have the lead.
 */
static enum sheaf_status
take_stacked(const struct store_library *library, const char *path, int index)
{
    struct store_summary *summary = library->reading.summary;
    struct store_map *map = &summary->map;
    struct store_output *output = &map->outputs[index];
    struct store_found place;

    enum sheaf_status status = store_library_find(library, path, &place);
    if (status != SHEAF_OK)
        return status;
    output->shared = strcmp(summary->program, "sheaf make") == 0 && index < summary->operand_count &&
                     summary->operands[index].shared;
    int lead = output->shared ? 0 : summary->lead.ndim;
    if (!place.typed || place.ndim < lead || place.ndim - lead > SHEAF_NDIM_MAX ||
        memcmp(place.extent, summary->lead.extent, (size_t)lead * sizeof *place.extent) != 0)
        return store_reading_fail(&library->reading, path);
    output->array.type = place.type;
    output->array.lead.ndim = lead;
    output->array.core.ndim = place.ndim - lead;
    memcpy(output->array.lead.extent, place.extent, (size_t)lead * sizeof *place.extent);
    memcpy(output->array.core.extent, place.extent + lead, (size_t)(place.ndim - lead) * sizeof *place.extent);
    map->output_offsets[index] = place.offset;
    if (!sheaf_shape_bytes(&output->array.core, place.type, &map->output_task_bytes[index]))
        return store_reading_fail(&library->reading, path);
    return SHEAF_OK;
}

static enum sheaf_status
take_output(struct store_library *library, const char *name, int index)
{
    struct store_map *map = &library->reading.summary->map;
    struct store_output *output = &map->outputs[index];
    char path[STORE_NAME_BYTES + 1];

    if (strlen(name) >= sizeof output->name)
        return store_reading_fail(&library->reading, "/sheaf/outputs");
    strcpy(output->name, name);
    snprintf(path, sizeof path, "/%s", name);
    map->output_count = index + 1;
    hid_t group = store_library_open_group(library, path);
    if (group < 0)
        return take_stacked(library, path, index);
    H5Gclose(group);
    output->grouped = true;
    output->array.lead = library->reading.summary->lead;
    map->output_offsets[index] = -1;
    return SHEAF_OK;
}

static enum sheaf_status
read_outputs(struct store_library *library)
{
    char *names = NULL;
    int count = 0;

    enum sheaf_status status =
        store_reading_table(&library->reading, STORE_OUTPUTS, STORE_OUTPUTS_MAX * STORE_NAME_BYTES, &names);
    for (int64_t at = 0; status == SHEAF_OK && at < library->reading.tables[STORE_OUTPUTS].rows;) {
        if (count == STORE_OUTPUTS_MAX)
            status = store_reading_fail(&library->reading, "/sheaf/outputs");
        else
            status = take_output(library, names + at, count++);
        at += (int64_t)strlen(names + at) + 1;
    }
    free(names);
    return status;
}

static enum sheaf_status
read_fixed(struct store_library *library)
{
    enum sheaf_status status = store_library_open(library, "sheaf", "no results file of Sheaf's");
    if (status == SHEAF_OK)
        status = read_attributes(library);
    if (status == SHEAF_OK)
        status = find_tables(library);
    if (status == SHEAF_OK)
        status = store_reading_operands(&library->reading);
    return status == SHEAF_OK ? read_outputs(library) : status;
}

/* Where a task's dataset in a group lies; one that is not there, or not as it has to be, is told of by who wants its bytes. */
static enum sheaf_status
find_member(const struct store_library *library, const char *output, const char *name, struct store_member *member)
{
    const size_t room = strlen(output) + strlen(name) + sizeof "//";
    struct store_library silent = *library;
    struct store_found found;
    char *path = malloc(room);

    if (!path)
        return no_memory(library);
    silent.reading.error = NULL;
    snprintf(path, room, "/%s/%s", output, name);
    *member = (struct store_member){.present = store_library_find(&silent, path, &found) == SHEAF_OK};
    free(path);
    if (!member->present)
        return SHEAF_OK;
    member->offset = found.offset;
    member->bytes = (int64_t)found.element_bytes;
    member->type = found.typed ? (int32_t)found.type : -1;
    member->ndim = found.ndim;
    for (int i = 0; i < found.ndim; i++) {
        member->bytes *= found.extent[i]; /* all of them are in the file */
        if (i < SHEAF_NDIM_MAX)
            member->extent[i] = found.extent[i];
    }
    return SHEAF_OK;
}

/* The datasets of all tasks in all groups. @param[out] outline  with room for them */
static enum sheaf_status
find_members(const struct store_library *library, const char *names, const int64_t *starts,
             struct store_outline *outline)
{
    const struct store_map *map = &library->reading.summary->map;
    struct store_member *member = outline->members;
    enum sheaf_status status = SHEAF_OK;

    for (int i = 0; i < map->output_count; i++)
        for (int64_t task = 0; map->outputs[i].grouped && task < map->tasks && status == SHEAF_OK; task++)
            status = find_member(library, map->outputs[i].name, names + starts[task], member++);
    return status;
}

/* Room for the outline, and how many datasets go behind it. @return malloc'ed; NULL without memory */
static struct store_outline *
make_outline(const struct store_library *library, bool members, int64_t *bytes)
{
    const struct store_map *map = &library->reading.summary->map;
    struct store_outline *outline = NULL;
    int64_t count = 0;

    for (int i = 0; i < map->output_count; i++)
        count += members && map->outputs[i].grouped ? map->tasks : 0;
    if (sheaf_multiply(count, sizeof *outline->members, bytes))
        outline = malloc((size_t)(*bytes += (int64_t)sizeof *outline));
    if (!outline)
        return NULL;
    memset(outline, 0, sizeof *outline);
    outline->identity = library->reading.identity;
    memcpy(outline->tables, library->reading.tables, sizeof outline->tables);
    outline->fixed = *library->reading.summary;
    outline->fixed.operands = NULL; /* who reads the file by the outline reads them too */
    outline->fixed.operand_count = 0;
    outline->member_count = count;
    return outline;
}

static enum sheaf_status
fill_outline(const struct store_library *library, bool members, struct store_outline **outline, int64_t *bytes)
{
    int64_t *starts = NULL;
    char *names = NULL;

    /* without names nothing can be grouped, and the outline says that there are none */
    members = members && library->reading.tables[STORE_NAMES].offset >= 0;
    *outline = make_outline(library, members, bytes);
    enum sheaf_status status = *outline ? SHEAF_OK : no_memory(library);
    if (status == SHEAF_OK && (*outline)->member_count > 0)
        status = store_reading_names(&library->reading, &names, &starts);
    if (status == SHEAF_OK && (*outline)->member_count > 0)
        status = find_members(library, names, starts, *outline);
    free(names);
    free(starts);
    if (status != SHEAF_OK) {
        free(*outline);
        *outline = NULL;
    }
    return status;
}

enum sheaf_status
store_outline_read(const char *path, bool members, struct store_outline **outline, int64_t *bytes,
                   struct sheaf_error *error)
{
    struct store_library library = {.file = H5I_INVALID_HID, .group = H5I_INVALID_HID};
    struct store_summary summary;

    *outline = NULL;
    enum sheaf_status status = store_reading_open(&library.reading, path, &summary, error);
    if (status == SHEAF_OK)
        status = read_fixed(&library);
    if (status == SHEAF_OK)
        status = fill_outline(&library, members, outline, bytes);
    store_library_close(&library);
    store_reading_end(&library.reading);
    store_summary_free(&summary);
    return status;
}
