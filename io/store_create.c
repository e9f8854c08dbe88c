#include "file.h"
#include "process.h"
#include "store.h"
#include "store_building.h"
#include "store_layout.h"
#include "store_spec.h"
#include "store_target.h"

#include <dirent.h>
#include <fcntl.h>
#include <inttypes.h>
#include <stdlib.h>
#include <sys/random.h>
#include <time.h>
#include <unistd.h>

/* Add a dataset of its own type and axes. */
static enum sheaf_status
add_dataset(struct store_building *building, hid_t parent, const char *name, hid_t type, int ndim,
            const hsize_t *extent, const void *contents, int64_t *offset)
{
    struct store_form form;

    enum sheaf_status status = store_form_open(&form, type, ndim, extent)
                                   ? store_building_add(building, parent, H5P_DEFAULT, name, &form, contents, offset)
                                   : store_building_fail(building, name);
    store_form_close(&form);
    return status;
}

static enum sheaf_status
add_table(struct store_building *building, enum store_table table, const void *contents, int64_t *offset)
{
    hid_t type = store_table_type(table);
    const hsize_t rows = (hsize_t)store_table_rows(building->spec, table);
    int64_t unused;

    enum sheaf_status status = add_dataset(building, building->group, store_table_name(table), type, 1, &rows, contents,
                                           offset ? offset : &unused);
    if (type >= 0)
        H5Tclose(type);
    return status;
}

/* Add an attribute to /sheaf; closes type and space. */
static enum sheaf_status
add_attribute(struct store_building *building, const char *name, hid_t type, hid_t space, const void *value)
{
    enum sheaf_status status = SHEAF_OK;
    hid_t attribute = -1;

    if (type < 0 || space < 0 ||
        (attribute = H5Acreate2(building->group, name, type, space, H5P_DEFAULT, H5P_DEFAULT)) < 0 ||
        H5Awrite(attribute, type, value) < 0)
        status = store_building_fail(building, name);
    if (attribute >= 0)
        H5Aclose(attribute);
    if (space >= 0)
        H5Sclose(space);
    if (type >= 0)
        H5Tclose(type);
    return status;
}

static enum sheaf_status
add_number(struct store_building *building, const char *name, int64_t value)
{
    return add_attribute(building, name, hdf5_guard_type_to(SHEAF_I64), H5Screate(H5S_SCALAR), &value);
}

static enum sheaf_status
add_text(struct store_building *building, const char *name, const char *value)
{
    hid_t type = H5Tcopy(H5T_C_S1);

    if (type >= 0)
        H5Tset_size(type, strlen(value) + 1);
    return add_attribute(building, name, type, H5Screate(H5S_SCALAR), value);
}

static enum sheaf_status
add_attributes(struct store_building *building)
{
    const struct store_spec *spec = building->spec;
    enum sheaf_status status = SHEAF_OK;
    struct tm date;
    char created[32];
    time_t now = time(NULL);

    gmtime_r(&now, &date);
    strftime(created, sizeof created, "%Y-%m-%dT%H:%M:%SZ", &date);
    const struct {
        const char *name, *value;
    } texts[] = {{"version", spec->version},       {"kernel", spec->kernel}, {"signature", spec->signature},
                 {"parameters", spec->parameters}, {"created", created},     {"program", spec->program}};
    const struct {
        const char *name;
        int64_t value;
    } numbers[] = {{"format", RECORD_FORMAT},       {"seed", (int64_t)spec->seed},    {"tasks", spec->tasks},
                   {"chunks", spec->chunks},        {"grid_bytes", spec->grid_bytes}, {"grid_flops", spec->grid_flops},
                   {"grid_tasks", spec->grid_tasks}};

    for (size_t i = 0; i < sizeof texts / sizeof *texts && status == SHEAF_OK; i++)
        status = add_text(building, texts[i].name, texts[i].value);
    for (size_t i = 0; i < sizeof numbers / sizeof *numbers && status == SHEAF_OK; i++)
        status = add_number(building, numbers[i].name, numbers[i].value);
    if (status == SHEAF_OK && spec->plugin && spec->plugin[0])
        status = add_text(building, "plugin", spec->plugin);
    if (status == SHEAF_OK && spec->directory)
        status = add_text(building, "directory", spec->directory);
    if (status == SHEAF_OK && spec->lead.ndim > 0) {
        const hsize_t count = (hsize_t)spec->lead.ndim;
        status = add_attribute(building, "lead", hdf5_guard_type_to(SHEAF_I64), H5Screate_simple(1, &count, NULL),
                               spec->lead.extent);
    }
    return status;
}

/* Join words, each ended by a NUL, as the byte arrays hold them. NULL without memory. */
static char *
join_words(int64_t bytes, int count, const char *(*word)(const struct store_spec *, int), const struct store_spec *spec)
{
    char *joined = malloc((size_t)bytes + 1), *to = joined;

    for (int i = 0; joined && i < count; i++)
        to = stpcpy(to, word(spec, i)) + 1;
    return joined;
}

static const char *
argument_word(const struct store_spec *spec, int i)
{
    return spec->arguments[i];
}

static const char *
output_word(const struct store_spec *spec, int i)
{
    return spec->outputs[i].name;
}

static void
fill_operand_row(const struct source_map *map, struct store_operand_row *row)
{
    memcpy(row->text, map->text, sizeof row->text);
    memcpy(row->path, map->path, sizeof row->path);
    memcpy(row->dataset, map->dataset, sizeof row->dataset);
    row->kind = map->kind;
    row->type = map->array.type;
    row->shared = map->shared;
    row->distribution = map->generate.distribution;
    row->lead_ndim = (uint32_t)map->array.lead.ndim;
    row->core_ndim = (uint32_t)map->array.core.ndim;
    memcpy(row->lead, map->array.lead.extent, sizeof row->lead);
    memcpy(row->core, map->array.core.extent, sizeof row->core);
    row->file_bytes = map->file_bytes;
    row->file_mtime = map->file_mtime;
    row->fingerprint = map->fingerprint;
    row->offset = map->offset;
    row->seed = map->generate.seed;
    row->operand = map->generate.operand;
    row->file_type = (uint32_t)map->file_type + 1;
    row->swapped = map->swapped;
    row->slice_first = map->slice_first;
    row->slice_step = map->slice_step;
}

/* The tables that are complete when the file is built. */
static enum sheaf_status
add_fixed_tables(struct store_building *building)
{
    const struct store_spec *spec = building->spec;
    enum sheaf_status status = SHEAF_OK;
    char *command = join_words(store_table_rows(spec, STORE_COMMAND), spec->argument_count, argument_word, spec);
    char *outputs = join_words(store_table_rows(spec, STORE_OUTPUTS), spec->output_count, output_word, spec);
    struct store_operand_row *operands = calloc((size_t)spec->operand_count + 1, sizeof *operands);
    struct store_class_row *classes = calloc((size_t)spec->class_count + 1, sizeof *classes);

    if (!command || !outputs || !operands || !classes) {
        status = sheaf_fail(building->error, SHEAF_NO_RESOURCES, "%s: no memory to build the results file", spec->path);
        goto cleanup;
    }
    for (int i = 0; i < spec->operand_count; i++)
        fill_operand_row(&spec->operands[i], &operands[i]);
    for (int i = 0; i < spec->class_count; i++) {
        const struct store_class *from = &spec->classes[i];
        classes[i] = (struct store_class_row){
            .tasks = from->tasks,
            .first_position = from->first_position,
            .first_chunk = from->first_chunk,
            .chunks = from->chunks,
            .tasks_per_chunk = from->tasks_per_chunk,
            .flops = from->flops,
            .input_bytes = from->input_bytes,
            .output_bytes = from->output_bytes,
        };
    }
    const struct {
        enum store_table table;
        const void *contents;
    } fixed[] = {
        {STORE_COMMAND, command}, {STORE_OUTPUTS, outputs}, {STORE_OPERANDS, operands}, {STORE_CLASSES, classes}};
    for (size_t i = 0; i < sizeof fixed / sizeof *fixed && status == SHEAF_OK; i++)
        status = add_table(building, fixed[i].table, fixed[i].contents, NULL);
    if (status == SHEAF_OK && spec->order)
        status = add_table(building, STORE_ORDER, spec->order, NULL);
    if (status == SHEAF_OK && spec->names_bytes > 0)
        status = add_table(building, STORE_NAMES, spec->names, NULL);
cleanup:
    free(classes);
    free(operands);
    free(outputs);
    free(command);
    return status;
}

static enum sheaf_status
add_running_tables(struct store_building *building, struct store_map *map)
{
    enum sheaf_status status = SHEAF_OK;
    const struct {
        enum store_table table;
        int64_t *offset;
    } running[] = {{STORE_STATUS, &map->status_offset}, {STORE_INFO, &map->info_offset},
                   {STORE_CHUNKS, &map->chunks_offset}, {STORE_RUNS, &map->runs_offset},
                   {STORE_HOSTS, &map->hosts_offset},   {STORE_MARKS, &map->marks_offset}};

    for (size_t i = 0; i < sizeof running / sizeof *running && status == SHEAF_OK; i++)
        status = add_table(building, running[i].table, NULL, running[i].offset);
    return status;
}

/* An output that is one dataset, leading axes first. */
static enum sheaf_status
add_stacked(struct store_building *building, const struct store_output *output, int64_t *offset)
{
    const struct sheaf_shape *core = &output->array.core;
    hsize_t extent[2 * SHEAF_NDIM_MAX];
    int ndim = output->shared ? 0 : output->array.lead.ndim;
    hid_t type = hdf5_guard_type_to(output->array.type);

    for (int j = 0; j < ndim; j++)
        extent[j] = (hsize_t)output->array.lead.extent[j];
    for (int j = 0; j < core->ndim; j++)
        extent[ndim++] = (hsize_t)core->extent[j];
    enum sheaf_status status = add_dataset(building, building->file, output->name, type, ndim, extent, NULL, offset);
    if (type >= 0)
        H5Tclose(type);
    return status;
}

static enum sheaf_status
add_outputs(struct store_building *building, struct store_map *map, struct store_place *places)
{
    enum sheaf_status status = SHEAF_OK;

    for (int i = 0; i < building->spec->output_count && status == SHEAF_OK; i++) {
        const struct store_output *output = &building->spec->outputs[i];
        map->outputs[i] = *output;
        if (output->grouped) {
            map->output_offsets[i] = -1;
            status = store_building_add_group(building, i, places);
            places += map->tasks;
        } else {
            sheaf_shape_bytes(&output->array.core, output->array.type, &map->output_task_bytes[i]);
            status = add_stacked(building, output, &map->output_offsets[i]);
        }
    }
    return status;
}

/* The whole file, closed again; what it holds is in building->extents. */
static enum sheaf_status
build_hdf5(struct store_building *building, struct store_map *map, struct store_place *places)
{
    enum sheaf_status status = store_building_begin(building, map->temporary, "sheaf");
    if (status == SHEAF_OK)
        status = add_attributes(building);
    if (status == SHEAF_OK)
        status = add_fixed_tables(building);
    if (status == SHEAF_OK)
        status = add_running_tables(building, map);
    if (status == SHEAF_OK)
        status = add_outputs(building, map, places);
    return store_building_end(building, status);
}

/* What the closed file turned out to be. */
static enum sheaf_status
examine_file(struct store_building *building, struct store_map *map)
{
    struct sheaf_error *error = building->error;
    const char *path = building->spec->path;
    struct file_system system;
    struct stat about;

    if (stat(map->temporary, &about) != 0)
        return sheaf_fail(error, SHEAF_IO_ERROR, "%s: cannot examine the new file: %m", path);
    map->bytes = about.st_size;
    enum sheaf_status status = store_building_check(building, map->bytes);
    if (status == SHEAF_OK)
        status = file_system_of(map->temporary, &system, error);
    if (status == SHEAF_OK) {
        map->in_memory = system.in_memory;
        map->on_nfs = system.on_nfs;
    }
    return status;
}

/*
 * Remove what processes of this host left behind that were killed while they built the same target: it may hold much space. A
 * process of another host may be alive. Returns how many there were, of all hosts.
 */
static int
remove_leftovers(const char *directory, const char *prefix, const char *host)
{
    const char *name = strrchr(prefix, '/') + 1;
    const size_t length = strlen(name), any_length = length - strlen(host) - 1;
    DIR *listing = opendir(directory);
    int met = 0;
    for (const struct dirent *entry; listing && (entry = readdir(listing)) != NULL;) {
        met += strncmp(entry->d_name, name, any_length) == 0;
        if (strncmp(entry->d_name, name, length) != 0)
            continue;
        char *end;
        long pid = strtol(entry->d_name + length, &end, 10);
        bool dead = pid > 0 && *end == '-' && (pid == getpid() || process_has_ended(pid, 0));
        if (dead)
            unlinkat(dirfd(listing), entry->d_name, 0);
    }
    if (listing)
        closedir(listing);
    return met;
}

/* Memory for what is found out while the file is built; names are known to fit since store_size. */
static enum sheaf_status
prepare(struct store_building *building, struct store_map *map, struct store_place **places)
{
    const struct store_spec *spec = building->spec;
    int64_t grouped = store_spec_grouped(spec);
    size_t results = (size_t)(grouped * spec->tasks);

    map->places_bytes = (int64_t)(results * sizeof **places);
    building->extents = malloc((STORE_TABLE_COUNT + STORE_OUTPUTS_MAX + results) * sizeof *building->extents);
    if (grouped > 0)
        *places = malloc((results + 1) * sizeof **places);
    if (!building->extents || (grouped > 0 && !*places))
        return sheaf_fail(building->error, SHEAF_NO_RESOURCES, "%s: no memory to build the results file", spec->path);
    return grouped > 0 ? store_names_split(spec, &building->names, building->error) : SHEAF_OK;
}

void
store_choose_temporary(struct store_map *map, const char *directory)
{
    char host[65] = "";

    gethostname(host, sizeof host - 1);
    int length = snprintf(map->temporary, sizeof map->temporary, "%s.partial-%s-", map->path, host);
    map->leftovers = remove_leftovers(directory, map->temporary, host);
    // A name that nobody can guess, for nobody to have made it a link before; without entropy O_EXCL alone guards it.
    uint64_t secret = 0;
    if (getrandom(&secret, sizeof secret, GRND_NONBLOCK) != sizeof secret)
        secret = 0;
    snprintf(map->temporary + length, sizeof map->temporary - (size_t)length, "%ld-%016" PRIx64, (long)getpid(),
             secret);
}

static enum sheaf_status
build_file(struct store_building *building, const char *directory, struct store_map *map, struct store_place **places)
{
    enum sheaf_status status = prepare(building, map, places);
    if (status != SHEAF_OK)
        return status;
    store_choose_temporary(map, directory);
    status = build_hdf5(building, map, *places);
    if (status == SHEAF_OK)
        status = examine_file(building, map);
    if (status != SHEAF_OK)
        store_abandon(map);
    return status;
}

enum sheaf_status
store_build(const struct store_spec *spec, struct store_map *map, struct store_place **places,
            struct sheaf_error *error)
{
    struct store_building building = {.spec = spec, .error = error};
    char directory[STORE_PATH_BYTES];
    int64_t bytes;

    memset(map, 0, sizeof *map);
    *places = NULL;
    enum sheaf_status status = store_spec_check(spec, error);
    if (status == SHEAF_OK)
        status = store_target_resolve(spec->path, map->path, sizeof map->path, directory, sizeof directory, error);
    if (status == SHEAF_OK)
        status = store_size(spec, &bytes, error);
    if (status == SHEAF_OK)
        status = store_check_target(spec->path, spec->overwrite, spec->scratch ? 0 : bytes, spec->operands,
                                    spec->operand_count, error);
    if (status != SHEAF_OK)
        return status;
    map->tasks = spec->tasks;
    map->chunks = spec->chunks;
    map->output_count = spec->output_count;
    map->overwrite = spec->overwrite;
    map->sparse = spec->scratch;
    status = build_file(&building, directory, map, places);
    store_names_free(&building.names);
    free(building.extents);
    if (status != SHEAF_OK) {
        free(*places);
        *places = NULL;
    }
    return status;
}

enum sheaf_status
store_create(const struct store_spec *spec, struct store_map *map, struct store_place **places,
             struct sheaf_error *error)
{
    struct store *store = NULL;
    struct store_settlement settlement;
    enum sheaf_status status = store_build(spec, map, places, error);
    if (status != SHEAF_OK)
        return status;
    status = store_attach(map, *places, &store, error);
    if (status == SHEAF_OK)
        status = store_settle(store, &settlement, error);
    enum sheaf_status closed = store_detach(store, status == SHEAF_OK ? error : NULL);
    if (status != SHEAF_OK)
        store_abandon(map);
    map->temporary[0] = '\0';
    if (status == SHEAF_OK)
        status = closed;
    if (status != SHEAF_OK) {
        free(*places);
        *places = NULL;
    }
    return status;
}
