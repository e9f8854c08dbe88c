#include "store_reading.h"

#include "file.h"

#include <stdlib.h>

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
        [STORE_CLASSES] = -1,
    };

    for (int i = 0; i < STORE_ORDER && status == SHEAF_OK; i++)
        status = find_table(reading, (enum store_table)i, expected[i]);
    reading->tables[STORE_ORDER].offset = -1;
    if (status == SHEAF_OK && H5Lexists(reading->group, store_table_name(STORE_ORDER), H5P_DEFAULT) > 0)
        status = find_table(reading, STORE_ORDER, map->tasks);
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

enum sheaf_status
store_reading_open(struct store_reading *reading)
{
    reading->file = reading->group = H5I_INVALID_HID;
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
    if (status == SHEAF_OK)
        status = find_tables(reading);
    if (status != SHEAF_OK)
        store_reading_close(reading);
    return status;
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
