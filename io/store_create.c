#include "file.h"
#include "store.h"
#include "store_layout.h"
#include "store_target.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdlib.h>
#include <time.h>
#include <unistd.h>

enum { DATASETS_MAX = STORE_TABLE_COUNT + STORE_OUTPUTS_MAX };

/* Where the bytes of a dataset lie. */
struct extent {
    const char *name;
    int64_t offset, bytes;
};

/* A results file that is being built. */
struct build {
    const struct store_spec *spec;
    hid_t file, group;
    struct extent extents[DATASETS_MAX];
    int extent_count;
    struct sheaf_error *error;
};

/* To be called right after the HDF5 function that failed. */
static enum sheaf_status
fail_build(const struct build *build, const char *what)
{
    char reason[HDF5_GUARD_REASON_TEXT];
    return sheaf_fail(build->error, SHEAF_NO_OUTPUT, "%s: cannot build the results file at %s: %s", build->spec->path,
                      what, hdf5_guard_reason(reason));
}

static enum sheaf_status
check_spec(const struct store_spec *spec, struct sheaf_error *error)
{
    if (spec->output_count < 0 || spec->output_count > STORE_OUTPUTS_MAX || spec->tasks < 0 || spec->chunks < 0)
        return sheaf_fail(error, SHEAF_INTERNAL, "%s: a results file of %d outputs, %lld tasks, %lld chunks",
                          spec->path, spec->output_count, (long long)spec->tasks, (long long)spec->chunks);
    for (int i = 0; i < spec->output_count; i++) {
        const struct store_output *output = &spec->outputs[i];
        int64_t entries;
        if (!store_output_entries(output, &entries) || (!output->shared && entries != spec->tasks))
            return sheaf_fail(error, SHEAF_INTERNAL, "%s: output %s does not have the file's %lld tasks", spec->path,
                              output->name, (long long)spec->tasks);
        if (output->name[0] == '\0' || strchr(output->name, '/') || strcmp(output->name, "sheaf") == 0)
            return sheaf_fail(error, SHEAF_INTERNAL, "%s: an output cannot be named \"%s\"", spec->path, output->name);
    }
    return SHEAF_OK;
}

/*
 * Create a dataset with all its space, write its contents where there are any, note where it lies.
 * Without rows it has no space, and its offset is -1.
 */
static enum sheaf_status
add_dataset(struct build *build, hid_t parent, const char *name, hid_t type, int ndim, const hsize_t *extent,
            const void *contents, int64_t *offset)
{
    enum sheaf_status status = SHEAF_OK;
    hid_t space = H5Screate_simple(ndim, extent, NULL), creation = H5Pcreate(H5P_DATASET_CREATE), dataset = -1;
    int64_t bytes = type < 0 ? 0 : (int64_t)H5Tget_size(type);

    for (int i = 0; i < ndim; i++)
        bytes *= (int64_t)extent[i];
    if (ndim == 0 && space >= 0) {
        H5Sclose(space);
        space = H5Screate(H5S_SCALAR);
    }
    if (type < 0 || space < 0 || creation < 0 || H5Pset_layout(creation, H5D_CONTIGUOUS) < 0 ||
        H5Pset_alloc_time(creation, H5D_ALLOC_TIME_EARLY) < 0 || H5Pset_fill_time(creation, H5D_FILL_TIME_NEVER) < 0 ||
        (dataset = H5Dcreate2(parent, name, type, space, H5P_DEFAULT, creation, H5P_DEFAULT)) < 0 ||
        (contents && bytes > 0 && H5Dwrite(dataset, type, H5S_ALL, H5S_ALL, H5P_DEFAULT, contents) < 0))
        status = fail_build(build, name);
    if (status == SHEAF_OK) {
        haddr_t address = bytes > 0 ? H5Dget_offset(dataset) : HADDR_UNDEF;
        *offset = address == HADDR_UNDEF ? -1 : (int64_t)address;
        if (bytes > 0 && *offset < 0)
            status = fail_build(build, name);
        else if (bytes > 0)
            build->extents[build->extent_count++] = (struct extent){name, *offset, bytes};
    }
    if (dataset >= 0 && H5Dclose(dataset) < 0 && status == SHEAF_OK)
        status = fail_build(build, name);
    if (creation >= 0)
        H5Pclose(creation);
    if (space >= 0)
        H5Sclose(space);
    return status;
}

static enum sheaf_status
add_table(struct build *build, enum store_table table, const void *contents, int64_t *offset)
{
    hid_t type = store_table_type(table);
    const hsize_t rows = (hsize_t)store_table_rows(build->spec, table);
    int64_t unused;

    enum sheaf_status status =
        add_dataset(build, build->group, store_table_name(table), type, 1, &rows, contents, offset ? offset : &unused);
    if (type >= 0)
        H5Tclose(type);
    return status;
}

/* Add an attribute to /sheaf; closes type and space. */
static enum sheaf_status
add_attribute(struct build *build, const char *name, hid_t type, hid_t space, const void *value)
{
    enum sheaf_status status = SHEAF_OK;
    hid_t attribute = -1;

    if (type < 0 || space < 0 ||
        (attribute = H5Acreate2(build->group, name, type, space, H5P_DEFAULT, H5P_DEFAULT)) < 0 ||
        H5Awrite(attribute, type, value) < 0)
        status = fail_build(build, name);
    if (attribute >= 0)
        H5Aclose(attribute);
    if (space >= 0)
        H5Sclose(space);
    if (type >= 0)
        H5Tclose(type);
    return status;
}

static enum sheaf_status
add_number(struct build *build, const char *name, int64_t value)
{
    return add_attribute(build, name, hdf5_guard_type_to(SHEAF_I64), H5Screate(H5S_SCALAR), &value);
}

static enum sheaf_status
add_text(struct build *build, const char *name, const char *value)
{
    hid_t type = H5Tcopy(H5T_C_S1);

    if (type >= 0)
        H5Tset_size(type, strlen(value) + 1);
    return add_attribute(build, name, type, H5Screate(H5S_SCALAR), value);
}

static enum sheaf_status
add_attributes(struct build *build)
{
    const struct store_spec *spec = build->spec;
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
        status = add_text(build, texts[i].name, texts[i].value);
    for (size_t i = 0; i < sizeof numbers / sizeof *numbers && status == SHEAF_OK; i++)
        status = add_number(build, numbers[i].name, numbers[i].value);
    if (status == SHEAF_OK && spec->lead.ndim > 0) {
        const hsize_t count = (hsize_t)spec->lead.ndim;
        status = add_attribute(build, "lead", hdf5_guard_type_to(SHEAF_I64), H5Screate_simple(1, &count, NULL),
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
add_fixed_tables(struct build *build)
{
    const struct store_spec *spec = build->spec;
    enum sheaf_status status = SHEAF_OK;
    char *command = join_words(store_table_rows(spec, STORE_COMMAND), spec->argument_count, argument_word, spec);
    char *outputs = join_words(store_table_rows(spec, STORE_OUTPUTS), spec->output_count, output_word, spec);
    struct store_operand_row *operands = calloc((size_t)spec->operand_count + 1, sizeof *operands);
    struct store_class_row *classes = calloc((size_t)spec->class_count + 1, sizeof *classes);

    if (!command || !outputs || !operands || !classes) {
        status = sheaf_fail(build->error, SHEAF_NO_RESOURCES, "%s: no memory to build the results file", spec->path);
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
        status = add_table(build, fixed[i].table, fixed[i].contents, NULL);
    if (status == SHEAF_OK && spec->names_bytes > 0)
        status = add_table(build, STORE_NAMES, spec->names, NULL);
cleanup:
    free(classes);
    free(operands);
    free(outputs);
    free(command);
    return status;
}

static enum sheaf_status
add_running_tables(struct build *build, struct store_map *map)
{
    enum sheaf_status status = SHEAF_OK;
    const struct {
        enum store_table table;
        int64_t *offset;
    } running[] = {{STORE_STATUS, &map->status_offset}, {STORE_INFO, &map->info_offset},
                   {STORE_CHUNKS, &map->chunks_offset}, {STORE_RUNS, &map->runs_offset},
                   {STORE_HOSTS, &map->hosts_offset},   {STORE_MARKS, &map->marks_offset}};

    for (size_t i = 0; i < sizeof running / sizeof *running && status == SHEAF_OK; i++)
        status = add_table(build, running[i].table, NULL, running[i].offset);
    return status;
}

static enum sheaf_status
add_outputs(struct build *build, struct store_map *map)
{
    enum sheaf_status status = SHEAF_OK;

    for (int i = 0; i < build->spec->output_count && status == SHEAF_OK; i++) {
        const struct store_output *output = &build->spec->outputs[i];
        const struct sheaf_shape *core = &output->array.core;
        hsize_t extent[2 * SHEAF_NDIM_MAX];
        int ndim = output->shared ? 0 : output->array.lead.ndim;
        hid_t type = hdf5_guard_type_to(output->array.type);

        for (int j = 0; j < ndim; j++)
            extent[j] = (hsize_t)output->array.lead.extent[j];
        for (int j = 0; j < core->ndim; j++)
            extent[ndim++] = (hsize_t)core->extent[j];
        status = add_dataset(build, build->file, output->name, type, ndim, extent, NULL, &map->output_offsets[i]);
        map->outputs[i] = *output;
        sheaf_shape_bytes(core, output->array.type, &map->output_task_bytes[i]);
        if (type >= 0)
            H5Tclose(type);
    }
    return status;
}

/* The whole file, closed again; what it holds is in build->extents. */
static enum sheaf_status
build_hdf5(struct build *build, const char *temporary, struct store_map *map)
{
    enum sheaf_status status = SHEAF_OK;
    hid_t access;

    hdf5_guard_start();
    build->file = build->group = H5I_INVALID_HID;
    access = hdf5_guard_file_access();
    /* a threshold of 1 would align the library's own small blocks too, in quadratic time */
    if (access < 0 || H5Pset_alignment(access, STORE_ALIGNMENT, STORE_ALIGNMENT) < 0 ||
        (build->file = H5Fcreate(temporary, H5F_ACC_EXCL, H5P_DEFAULT, access)) < 0 ||
        (build->group = H5Gcreate2(build->file, "sheaf", H5P_DEFAULT, H5P_DEFAULT, H5P_DEFAULT)) < 0)
        status = fail_build(build, "its beginning");
    if (status == SHEAF_OK)
        status = add_attributes(build);
    if (status == SHEAF_OK)
        status = add_fixed_tables(build);
    if (status == SHEAF_OK)
        status = add_running_tables(build, map);
    if (status == SHEAF_OK)
        status = add_outputs(build, map);
    if (access >= 0)
        H5Pclose(access);
    if (build->group >= 0)
        H5Gclose(build->group);
    if (build->file >= 0 && H5Fclose(build->file) < 0 && status == SHEAF_OK)
        status = fail_build(build, "its end");
    return status;
}

static int
compare_extents(const void *a, const void *b)
{
    int64_t left = ((const struct extent *)a)->offset, right = ((const struct extent *)b)->offset;
    return (left > right) - (left < right);
}

/* All writing goes by these offsets, past the library: so they are checked, not believed. */
static enum sheaf_status
check_extents(struct build *build, int64_t file_bytes)
{
    int64_t end = 1;

    qsort(build->extents, (size_t)build->extent_count, sizeof *build->extents, compare_extents);
    for (int i = 0; i < build->extent_count; i++) {
        const struct extent *extent = &build->extents[i];
        if (extent->offset < end || extent->bytes > file_bytes - extent->offset)
            return sheaf_fail(build->error, SHEAF_INTERNAL,
                              "%s: the HDF5 library placed %s at %lld, over another dataset or past the end",
                              build->spec->path, extent->name, (long long)extent->offset);
        end = extent->offset + extent->bytes;
    }
    return SHEAF_OK;
}

/* What the closed file turned out to be. */
static enum sheaf_status
examine_file(struct build *build, struct store_map *map)
{
    struct sheaf_error *error = build->error;
    const char *path = build->spec->path;
    struct file_system system;
    struct stat about;

    if (stat(map->temporary, &about) != 0)
        return sheaf_fail(error, SHEAF_IO_ERROR, "%s: cannot examine the new file: %m", path);
    map->bytes = about.st_size;
    enum sheaf_status status = check_extents(build, map->bytes);
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
 * process of another host may be alive.
 */
static void
remove_leftovers(const char *directory, const char *prefix)
{
    const char *name = strrchr(prefix, '/') + 1;
    DIR *listing = opendir(directory);
    for (const struct dirent *entry; listing && (entry = readdir(listing)) != NULL;) {
        if (strncmp(entry->d_name, name, strlen(name)) != 0)
            continue;
        char *end;
        long pid = strtol(entry->d_name + strlen(name), &end, 10);
        bool dead = pid > 0 && *end == '\0' && (pid == getpid() || (kill((pid_t)pid, 0) != 0 && errno == ESRCH));
        if (dead)
            unlinkat(dirfd(listing), entry->d_name, 0);
    }
    if (listing)
        closedir(listing);
}

enum sheaf_status
store_build(const struct store_spec *spec, struct store_map *map, struct sheaf_error *error)
{
    struct build build = {.spec = spec, .error = error};
    char directory[STORE_PATH_BYTES], host[65] = "";
    int64_t bytes;

    memset(map, 0, sizeof *map);
    enum sheaf_status status = check_spec(spec, error);
    if (status == SHEAF_OK)
        status = store_target_resolve(spec->path, map->path, sizeof map->path, directory, sizeof directory, error);
    if (status == SHEAF_OK)
        status = store_size(spec, &bytes, error);
    if (status == SHEAF_OK)
        status = store_check_target(spec->path, spec->overwrite, bytes, spec->operands, spec->operand_count, error);
    if (status != SHEAF_OK)
        return status;
    map->tasks = spec->tasks;
    map->chunks = spec->chunks;
    map->output_count = spec->output_count;
    map->overwrite = spec->overwrite;

    gethostname(host, sizeof host - 1);
    int length = snprintf(map->temporary, sizeof map->temporary, "%s.partial-%s-", map->path, host);
    remove_leftovers(directory, map->temporary);
    snprintf(map->temporary + length, sizeof map->temporary - (size_t)length, "%ld", (long)getpid());
    status = build_hdf5(&build, map->temporary, map);
    if (status == SHEAF_OK)
        status = examine_file(&build, map);
    if (status != SHEAF_OK)
        store_abandon(map);
    return status;
}

enum sheaf_status
store_create(const struct store_spec *spec, struct store_map *map, struct sheaf_error *error)
{
    struct store *store = NULL;
    struct store_settlement settlement;
    enum sheaf_status status = store_build(spec, map, error);
    if (status != SHEAF_OK)
        return status;
    status = store_attach(map, &store, error);
    if (status == SHEAF_OK)
        status = store_settle(store, &settlement, error);
    enum sheaf_status closed = store_detach(store, status == SHEAF_OK ? error : NULL);
    if (status != SHEAF_OK)
        store_abandon(map);
    map->temporary[0] = '\0';
    return status != SHEAF_OK ? status : closed;
}
