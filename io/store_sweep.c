#include "store_sweep.h"

#include "file.h"
#include "store_building.h"
#include "store_library.h"
#include "store_target.h"

#include <stdlib.h>
#include <unistd.h>

enum { FORMAT = 1, TEXT_MOST = 1 << 20, CELLS_MOST = 1 << 16, ROUNDS_MOST = 1 << 10 };

/* How many values a column has. */
enum extent { ONE, CELLS, ROUNDS, ROUNDS_BY_CELLS, BYTES };

/* Of what type: an int64_t, a double, a layout's text, or the bytes of a text, which ends with a NUL. */
enum kind { INTEGER, REAL, LAYOUT, TEXT };

static const struct column {
    const char *name;
    enum extent extent;
    enum kind kind;
} columns[STORE_SWEEP_COLUMNS] = {
    [STORE_SWEEP_FORMAT] = {"format", ONE, INTEGER},
    [STORE_SWEEP_IDENTITY] = {"identity", BYTES, TEXT},
    [STORE_SWEEP_COMMAND] = {"command", BYTES, TEXT},
    [STORE_SWEEP_LAYOUT] = {"layout", CELLS, LAYOUT},
    [STORE_SWEEP_NODES] = {"nodes", CELLS, INTEGER},
    [STORE_SWEEP_RANKS] = {"ranks", CELLS, INTEGER},
    [STORE_SWEEP_THREADS] = {"threads", CELLS, INTEGER},
    [STORE_SWEEP_WIDTH] = {"width", CELLS, INTEGER},
    [STORE_SWEEP_THREADS_PER_CORE] = {"threads_per_core", CELLS, REAL},
    [STORE_SWEEP_PHASE] = {"phase", ONE, INTEGER},
    [STORE_SWEEP_ROUNDS] = {"rounds", ONE, INTEGER},
    [STORE_SWEEP_SAMPLE_CHUNKS] = {"sample_chunks", ONE, INTEGER},
    [STORE_SWEEP_SAMPLE_TASKS] = {"sample_tasks", ONE, INTEGER},
    [STORE_SWEEP_SAMPLE_FLOPS] = {"sample_flops", ONE, REAL},
    [STORE_SWEEP_SAMPLE_FAILED] = {"sample_failed", ONE, INTEGER},
    [STORE_SWEEP_SECONDS] = {"seconds", ROUNDS_BY_CELLS, REAL},
    [STORE_SWEEP_MEMORY] = {"memory", ROUNDS_BY_CELLS, INTEGER},
    [STORE_SWEEP_BARE_SECONDS] = {"bare_seconds", ROUNDS, REAL},
    [STORE_SWEEP_REPEATS] = {"repeats", CELLS, INTEGER},
    [STORE_SWEEP_TASKS_PER_SECOND] = {"tasks_per_second", CELLS, REAL},
    [STORE_SWEEP_TASKS_PER_SECOND_LOW] = {"tasks_per_second_low", CELLS, REAL},
    [STORE_SWEEP_TASKS_PER_SECOND_HIGH] = {"tasks_per_second_high", CELLS, REAL},
    [STORE_SWEEP_FLOPS_PER_SECOND] = {"flops_per_second", CELLS, REAL},
    [STORE_SWEEP_OF_BARE] = {"of_bare", CELLS, REAL},
    [STORE_SWEEP_RELATIVE] = {"relative", CELLS, REAL},
    [STORE_SWEEP_P_VALUE] = {"p_value", CELLS, REAL},
    [STORE_SWEEP_VERDICT] = {"verdict", CELLS, INTEGER},
    [STORE_SWEEP_MEMORY_BYTES] = {"memory_bytes", CELLS, INTEGER},
};

struct store_sweep {
    char path[STORE_PATH_BYTES];
    int descriptor;
    int64_t cells, rounds;
    char *texts[STORE_SWEEP_COLUMNS]; /* of TEXT columns */
    int64_t offsets[STORE_SWEEP_COLUMNS];
};

static size_t
value_bytes(const struct column *column)
{
    return column->kind == LAYOUT ? STORE_SWEEP_LAYOUT_BYTES : column->kind == TEXT ? 1 : 8;
}

/* How many values a column has, but for a text's. */
static int64_t
count_values(const struct store_sweep *sweep, const struct column *column)
{
    switch (column->extent) {
    case CELLS:
        return sweep->cells;
    case ROUNDS:
        return sweep->rounds;
    case ROUNDS_BY_CELLS:
        return sweep->rounds * sweep->cells;
    case ONE:
    case BYTES:
        break;
    }
    return 1;
}

static hid_t
make_type(const struct column *column)
{
    if (column->kind != LAYOUT)
        return hdf5_guard_type_to(column->kind == INTEGER ? SHEAF_I64 : column->kind == REAL ? SHEAF_F64 : SHEAF_U8);
    hid_t type = H5Tcopy(H5T_C_S1);
    if (type >= 0 && (H5Tset_size(type, STORE_SWEEP_LAYOUT_BYTES) < 0 || H5Tset_strpad(type, H5T_STR_NULLPAD) < 0)) {
        H5Tclose(type);
        return H5I_INVALID_HID;
    }
    return type;
}

static enum sheaf_status
add_column(struct store_building *building, struct store_sweep *sweep, int number)
{
    const struct column *column = &columns[number];
    const char *text = sweep->texts[number];
    const bool matrix = column->extent == ROUNDS_BY_CELLS;
    const hsize_t extent[2] = {text     ? strlen(text) + 1
                               : matrix ? (hsize_t)sweep->rounds
                                        : (hsize_t)count_values(sweep, column),
                               (hsize_t)sweep->cells};
    struct store_form form;
    hid_t type = make_type(column);

    enum sheaf_status status = store_form_open(&form, type, matrix ? 2 : 1, extent)
                                   ? store_building_add(building, building->group, H5P_DEFAULT, column->name, &form,
                                                        text, &sweep->offsets[number])
                                   : store_building_fail(building, column->name);
    store_form_close(&form);
    if (type >= 0)
        H5Tclose(type);
    return status;
}

static enum sheaf_status
build_hdf5(struct store_building *building, const struct store_map *map, struct store_sweep *sweep)
{
    enum sheaf_status status = store_building_begin(building, map->temporary, "sweep");
    for (int i = 0; i < STORE_SWEEP_COLUMNS && status == SHEAF_OK; i++)
        status = add_column(building, sweep, i);
    return store_building_end(building, status);
}

/* Check the closed file, fill it with zeros where the library left holes, make it durable and give it its name. */
static enum sheaf_status
finish_file(struct store_building *building, const struct store_map *map, const char *directory,
            struct store_sweep *sweep)
{
    struct sheaf_error *error = building->error;
    struct stat about;
    bool reserved;
    const int64_t format = FORMAT;

    enum sheaf_status status = file_open_write(map->temporary, false, &sweep->descriptor, error);
    if (status == SHEAF_OK && fstat(sweep->descriptor, &about) != 0)
        status = sheaf_fail(error, SHEAF_IO_ERROR, "%s: cannot examine the new file: %m", map->path);
    if (status == SHEAF_OK)
        status = store_building_check(building, about.st_size);
    if (status == SHEAF_OK)
        status = file_reserve(sweep->descriptor, map->path, about.st_size, &reserved, error);
    if (status == SHEAF_OK)
        status = store_sweep_write(sweep, STORE_SWEEP_FORMAT, 0, 1, &format, error);
    if (status == SHEAF_OK)
        status = file_sync(sweep->descriptor, map->path, true, error);
    if (status == SHEAF_OK)
        status = store_take_name(map, error);
    return status == SHEAF_OK ? file_sync_directory(directory, error) : status;
}

static enum sheaf_status
start(const char *path, struct store_sweep **sweep, struct sheaf_error *error)
{
    *sweep = calloc(1, sizeof **sweep);
    if (!*sweep)
        return sheaf_fail(error, SHEAF_NO_RESOURCES, "%s: no memory to open it", path);
    (*sweep)->descriptor = -1;
    snprintf((*sweep)->path, sizeof(*sweep)->path, "%s", path);
    return SHEAF_OK;
}

enum sheaf_status
store_sweep_create(const char *path, bool overwrite, const char *identity, const char *command, int cells, int rounds,
                   struct store_sweep **out, struct sheaf_error *error)
{
    struct store_map map = {.overwrite = overwrite};
    struct store_extent extents[STORE_SWEEP_COLUMNS];
    const struct store_spec spec = {.path = path};
    struct store_building building = {.spec = &spec, .extents = extents, .error = error};
    char directory[STORE_PATH_BYTES];

    enum sheaf_status status = start(path, out, error);
    if (status == SHEAF_OK) {
        (*out)->cells = cells;
        (*out)->rounds = rounds;
        (*out)->texts[STORE_SWEEP_IDENTITY] = strdup(identity);
        (*out)->texts[STORE_SWEEP_COMMAND] = strdup(command);
        if (!(*out)->texts[STORE_SWEEP_IDENTITY] || !(*out)->texts[STORE_SWEEP_COMMAND])
            status = sheaf_fail(error, SHEAF_NO_RESOURCES, "%s: no memory to make it", path);
    }
    if (status == SHEAF_OK)
        status = store_target_resolve(path, map.path, sizeof map.path, directory, sizeof directory, error);
    if (status == SHEAF_OK) {
        store_choose_temporary(&map, directory);
        status = build_hdf5(&building, &map, *out);
    }
    if (status == SHEAF_OK)
        status = finish_file(&building, &map, directory, *out);
    if (status != SHEAF_OK) {
        store_abandon(&map);
        store_sweep_close(*out, NULL);
        *out = NULL;
    }
    return status;
}

/* Find a column, and how many cells and rounds the file has. */
static enum sheaf_status
find_column(const struct store_library *library, int number, struct store_sweep_outline *outline)
{
    const struct column *column = &columns[number];
    struct store_found found;
    char path[64];

    snprintf(path, sizeof path, "/sweep/%s", column->name);
    enum sheaf_status status = store_library_find(library, path, &found);
    if (status != SHEAF_OK)
        return status;
    const bool matrix = column->extent == ROUNDS_BY_CELLS;
    bool ok = found.element_bytes == value_bytes(column) && found.ndim == (matrix ? 2 : 1) && found.extent[0] > 0;
    if (ok && number == STORE_SWEEP_LAYOUT)
        outline->cells = found.extent[0];
    if (ok && number == STORE_SWEEP_SECONDS)
        outline->rounds = found.extent[0];
    ok = ok && outline->cells <= CELLS_MOST && outline->rounds <= ROUNDS_MOST;
    const struct store_sweep about = {.cells = outline->cells, .rounds = outline->rounds};
    if (column->extent == BYTES)
        ok = ok && found.extent[0] <= TEXT_MOST;
    else
        ok = ok && found.extent[0] * (matrix ? found.extent[1] : 1) == count_values(&about, column);
    outline->text_bytes[number] = column->extent == BYTES ? found.extent[0] : 0;
    outline->offsets[number] = found.offset;
    return ok ? SHEAF_OK : store_reading_fail(&library->reading, path);
}

static enum sheaf_status
check_format(const struct store_reading *reading, const struct store_sweep_outline *outline)
{
    int64_t format = 0;

    enum sheaf_status status = file_read(reading->descriptor, reading->path, outline->offsets[STORE_SWEEP_FORMAT],
                                         &format, sizeof format, reading->error);
    if (status == SHEAF_OK && format != FORMAT)
        status = sheaf_fail(reading->error, SHEAF_BAD_DATA,
                            "%s: is of format %lld, this Sheaf knows %d; read it with the version that wrote it",
                            reading->path, (long long)format, FORMAT);
    return status;
}

enum sheaf_status
store_sweep_outline_read(const char *path, struct store_sweep_outline *outline, struct sheaf_error *error)
{
    struct store_library library = {.file = H5I_INVALID_HID, .group = H5I_INVALID_HID};
    struct store_reading *reading = &library.reading;
    struct store_summary about;

    memset(outline, 0, sizeof *outline);
    enum sheaf_status status = store_reading_open(reading, path, &about, error);
    if (status == SHEAF_OK)
        status = store_library_open(&library, "sweep", "no file of a sweep");
    for (int i = 0; i < STORE_SWEEP_COLUMNS && status == SHEAF_OK; i++) {
        status = find_column(&library, i, outline);
        if (status == SHEAF_OK && i == STORE_SWEEP_FORMAT)
            status = check_format(reading, outline);
    }
    outline->identity = reading->identity;
    store_library_close(&library);
    store_reading_end(reading);
    return status;
}

static enum sheaf_status
read_text(struct store_sweep *sweep, int number, int64_t bytes, struct sheaf_error *error)
{
    sweep->texts[number] = calloc((size_t)bytes + 1, 1);
    if (!sweep->texts[number])
        return sheaf_fail(error, SHEAF_NO_RESOURCES, "%s: no memory to read it", sweep->path);
    return file_read(sweep->descriptor, sweep->path, sweep->offsets[number], sweep->texts[number], (size_t)bytes,
                     error);
}

enum sheaf_status
store_sweep_open(const char *path, const struct store_sweep_outline *outline, bool writable, struct store_sweep **out,
                 struct sheaf_error *error)
{
    enum sheaf_status status = start(path, out, error);
    if (status == SHEAF_OK)
        status = writable ? file_open_write(path, false, &(*out)->descriptor, error)
                          : file_open_read(path, path, &(*out)->descriptor, NULL, error);
    if (status == SHEAF_OK)
        status = store_identity_check(path, &outline->identity, (*out)->descriptor, error);
    if (status == SHEAF_OK) {
        (*out)->cells = outline->cells;
        (*out)->rounds = outline->rounds;
        memcpy((*out)->offsets, outline->offsets, sizeof(*out)->offsets);
    }
    for (int i = 0; i < STORE_SWEEP_COLUMNS && status == SHEAF_OK; i++)
        if (columns[i].kind == TEXT)
            status = read_text(*out, i, outline->text_bytes[i], error);
    if (status != SHEAF_OK) {
        store_sweep_close(*out, NULL);
        *out = NULL;
    }
    return status;
}

enum sheaf_status
store_sweep_close(struct store_sweep *sweep, struct sheaf_error *error)
{
    if (!sweep)
        return SHEAF_OK;
    enum sheaf_status status = file_close(sweep->descriptor, sweep->path, error);
    for (int i = 0; i < STORE_SWEEP_COLUMNS; i++)
        free(sweep->texts[i]);
    free(sweep);
    return status;
}

int
store_sweep_cells(const struct store_sweep *sweep)
{
    return (int)sweep->cells;
}

int
store_sweep_rounds(const struct store_sweep *sweep)
{
    return (int)sweep->rounds;
}

const char *
store_sweep_text(const struct store_sweep *sweep, enum store_sweep_column column)
{
    return sweep->texts[column];
}

/* What is outside of a column would be in another one. */
static enum sheaf_status
check_range(const struct store_sweep *sweep, enum store_sweep_column column, int64_t first, int64_t count,
            struct sheaf_error *error)
{
    int64_t most = count_values(sweep, &columns[column]);
    if (columns[column].extent == BYTES || first < 0 || count < 0 || first > most || count > most - first)
        return sheaf_fail(error, SHEAF_INTERNAL, "%s: %lld values from %lld on of %s, which has %lld", sweep->path,
                          (long long)count, (long long)first, columns[column].name, (long long)most);
    return SHEAF_OK;
}

enum sheaf_status
store_sweep_write(struct store_sweep *sweep, enum store_sweep_column column, int64_t first, int64_t count,
                  const void *values, struct sheaf_error *error)
{
    const size_t bytes = value_bytes(&columns[column]);
    enum sheaf_status status = check_range(sweep, column, first, count, error);
    return status ? status
                  : file_write(sweep->descriptor, sweep->path, sweep->offsets[column] + first * (int64_t)bytes, values,
                               (size_t)count * bytes, error);
}

enum sheaf_status
store_sweep_read(const struct store_sweep *sweep, enum store_sweep_column column, int64_t first, int64_t count,
                 void *values, struct sheaf_error *error)
{
    const size_t bytes = value_bytes(&columns[column]);
    enum sheaf_status status = check_range(sweep, column, first, count, error);
    return status ? status
                  : file_read(sweep->descriptor, sweep->path, sweep->offsets[column] + first * (int64_t)bytes, values,
                              (size_t)count * bytes, error);
}

enum sheaf_status
store_sweep_sync(struct store_sweep *sweep, struct sheaf_error *error)
{
    return file_sync(sweep->descriptor, sweep->path, false, error);
}
