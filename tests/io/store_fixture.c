/* For test_h5py.py: make a results file as a run does, or write out what a source reads.
 * usage: store_fixture make FILE | store_fixture classes FILE | store_fixture read FILE:/dataset CORE_NDIM [TYPE]  (type, lead, core; then the bytes) */
#include "store_classes.h"
#include "store_example.h"

#include <stdlib.h>

static struct sheaf_error error;

static enum sheaf_status
make(const char *path)
{
    const struct store_spec spec = example_spec(path);
    const float once[5] = {1, 2, 3, 4, 5};
    struct record_run run = {.state = RUN_FINISHED, .number = 0, .ranks = 2, .host = "node0", .core = "Haswell"};
    struct record_mark mark = {.run = 0, .sequence = 6};
    struct record_digest *digest = record_digest_create();
    struct store *store = NULL;
    struct store_place *places = NULL;
    struct store_map map;
    uint32_t row;

    enum sheaf_status status = digest ? store_create(&spec, &map, &places, &error) : SHEAF_NO_RESOURCES;
    if (status == SHEAF_OK)
        status = store_attach(&map, places, &store, &error);
    if (status == SHEAF_OK)
        status = store_enter_hosts(store, 1, (const char(*)[RECORD_HOST_BYTES])run.host, &row, &error);
    if (status == SHEAF_OK)
        status = store_write(store, 2, 0, 1, once, NULL, &error);
    /* the last chunk stays undone: it must read as zeros */
    for (int64_t chunk = 0; chunk < EXAMPLE_CHUNKS - 1 && status == SHEAF_OK; chunk++)
        status = example_commit(store, chunk, 0, digest, &error);
    if (status == SHEAF_OK)
        status = store_write_run(store, &run, &error);
    if (status == SHEAF_OK)
        status = store_write_mark(store, row, &mark, &error);
    if (store && store_detach(store, &error) != SHEAF_OK)
        status = SHEAF_IO_ERROR;
    free(places);
    record_digest_destroy(digest);
    return status;
}

/* The file of several classes, all but its last chunk. */
static enum sheaf_status
make_classes(const char *path)
{
    const struct store_spec spec = classes_spec(path);
    struct record_digest *digest = record_digest_create();
    struct store_place *places = NULL;
    struct store *store = NULL;
    struct store_map map;

    enum sheaf_status status = digest ? store_create(&spec, &map, &places, &error) : SHEAF_NO_RESOURCES;
    if (status == SHEAF_OK)
        status = store_attach(&map, places, &store, &error);
    for (int64_t chunk = 0; chunk < CLASSES_CHUNKS - 1 && status == SHEAF_OK; chunk++)
        status = classes_commit(store, chunk, 0, digest, &error);
    if (store && store_detach(store, &error) != SHEAF_OK)
        status = SHEAF_IO_ERROR;
    free(places);
    record_digest_destroy(digest);
    return status;
}

static enum sheaf_status
read_source(const char *text, int core_ndim, const char *type_name)
{
    enum sheaf_type type;
    char lead[SHEAF_SHAPE_TEXT], core[SHEAF_SHAPE_TEXT];
    struct source_map map;
    struct source *source = NULL;
    char *bytes = NULL;
    int64_t tasks;

    enum sheaf_status status = source_describe(text, core_ndim, 0, 0, &map, &error);
    if (status == SHEAF_OK && type_name && sheaf_type_from_name(type_name, &type))
        status = source_set_type(&map, type, &error);
    if (status == SHEAF_OK)
        status = source_attach(&map, &source, &error);
    if (status != SHEAF_OK)
        return status;
    if (!sheaf_shape_count(&map.array.lead, &tasks) || !(bytes = malloc((size_t)(tasks * map.task_bytes))))
        status = SHEAF_NO_RESOURCES;
    /* first half, then the rest, so that reading begins in the middle too */
    if (status == SHEAF_OK)
        status = source_read(source, 0, tasks / 2, bytes, &error);
    if (status == SHEAF_OK)
        status = source_read(source, tasks / 2, tasks - tasks / 2, bytes + tasks / 2 * map.task_bytes, &error);
    if (status == SHEAF_OK) {
        printf("%s %s %s %s\n", sheaf_type_name(map.array.type), map.offset >= 0 ? "plain" : "library",
               sheaf_shape_format(&map.array.lead, lead), sheaf_shape_format(&map.array.core, core));
        if (fwrite(bytes, (size_t)map.task_bytes, (size_t)tasks, stdout) != (size_t)tasks)
            status = SHEAF_IO_ERROR;
    }
    free(bytes);
    source_detach(source);
    return status;
}

int
main(int argc, char **argv)
{
    enum sheaf_status status = SHEAF_USAGE;

    if (argc == 3 && strcmp(argv[1], "make") == 0)
        status = make(argv[2]);
    else if (argc == 3 && strcmp(argv[1], "classes") == 0)
        status = make_classes(argv[2]);
    else if (argc >= 4 && strcmp(argv[1], "read") == 0)
        status = read_source(argv[2], (int)strtol(argv[3], NULL, 10), argv[4]);
    if (status != SHEAF_OK)
        fprintf(stderr, "store_fixture: %s\n", error.text);
    return (int)status;
}
