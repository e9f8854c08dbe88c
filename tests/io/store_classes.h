/* A results file of three classes, as the tests of io/ build it: 6 tasks in 4 chunks, whose names nest, two outputs in groups. */
#ifndef SHEAF_STORE_CLASSES_H
#define SHEAF_STORE_CLASSES_H

#include "store.h"

#include <string.h>

enum { CLASSES_TASKS = 6, CLASSES_CHUNKS = 4, CLASSES_OUTPUTS = 3, CLASSES_ELEMENTS = 60 * 50 };

static const char classes_names[] = "b/x\0a\0b/y\0c.d\0a-b\0z/y/\303\244";
static const int64_t classes_order[CLASSES_TASKS] = {0, 3, 5, 1, 2, 4};
/* positions of each chunk, and its class */
static const int64_t classes_chunks[CLASSES_CHUNKS][3] = {{0, 2, 0}, {2, 1, 0}, {3, 2, 1}, {5, 1, 2}};

static const struct store_output classes_outputs[CLASSES_OUTPUTS] = {
    {.name = "u", .array = {.type = SHEAF_F64, .core = {.ndim = 2}}, .grouped = true},
    {.name = "s", .array = {.type = SHEAF_F32, .lead = {.ndim = 1, .extent = {6}}, .core = {.ndim = 1, .extent = {2}}}},
    {.name = "w", .array = {.type = SHEAF_C64, .core = {.ndim = 1}}, .grouped = true},
};

/* Of each class: tiny ones, ones larger than a page, and one without elements beside a single one. */
static const struct sheaf_shape classes_shapes[3][CLASSES_OUTPUTS] = {
    {{.ndim = 2, .extent = {3, 4}}, {.ndim = 1, .extent = {2}}, {.ndim = 1, .extent = {5}}},
    {{.ndim = 2, .extent = {60, 50}}, {.ndim = 1, .extent = {2}}, {.ndim = 1, .extent = {7}}},
    {{.ndim = 2, .extent = {0, 4}}, {.ndim = 1, .extent = {2}}, {.ndim = 1, .extent = {1}}},
};

static const struct store_class classes_rows[3] = {
    {.tasks = 3, .chunks = 2, .tasks_per_chunk = 2, .output_shapes = classes_shapes[0]},
    {.tasks = 2,
     .first_position = 3,
     .first_chunk = 2,
     .chunks = 1,
     .tasks_per_chunk = 2,
     .output_shapes = classes_shapes[1]},
    {.tasks = 1,
     .first_position = 5,
     .first_chunk = 3,
     .chunks = 1,
     .tasks_per_chunk = 1,
     .output_shapes = classes_shapes[2]},
};

static inline struct store_spec
classes_spec(const char *path)
{
    return (struct store_spec){
        .path = path,
        .program = "sheaf run",
        .kernel = "svd",
        .signature = "(m,n)->(m,k),(k),(k)",
        .parameters = "",
        .version = "0.1.0",
        .tasks = CLASSES_TASKS,
        .chunks = CLASSES_CHUNKS,
        .names = classes_names,
        .names_bytes = sizeof classes_names,
        .lead = {.ndim = 1, .extent = {CLASSES_TASKS}},
        .output_count = CLASSES_OUTPUTS,
        .outputs = classes_outputs,
        .class_count = 3,
        .classes = classes_rows,
        .order = classes_order,
    };
}

/* Elements of an output of a class; complex ones are two numbers. */
static inline int64_t
classes_count(int64_t class_index, int output)
{
    int64_t count = 0;
    sheaf_shape_count(&classes_shapes[class_index][output], &count);
    return output == 2 ? 2 * count : count;
}

/* A task's result: numbers from 1000 task + run on. @return its bytes */
static inline int64_t
classes_fill(int64_t task, int64_t class_index, int output, uint32_t run, void *bytes)
{
    int64_t count = classes_count(class_index, output);
    for (int64_t i = 0; i < count; i++) {
        if (output == 0)
            ((double *)bytes)[i] = (double)(1000 * task + run + i);
        else
            ((float *)bytes)[i] = (float)(1000 * task + run + i);
    }
    return count * (output == 0 ? 8 : 4);
}

/* Write and commit a chunk; task 2 is singular with info 3. Tasks that follow each other are written in one go. */
static inline enum sheaf_status
classes_commit(struct store *store, int64_t chunk, uint32_t run, struct record_digest *digest,
               struct sheaf_error *error)
{
    const int64_t first = classes_chunks[chunk][0], class_index = classes_chunks[chunk][2];
    const int64_t *tasks = classes_order + first, count = classes_chunks[chunk][1];
    struct record_chunk record = {
        .first = first, .count = (uint32_t)count, .run = run, .class_index = (uint32_t)class_index};
    double bytes[2 * CLASSES_ELEMENTS];
    uint8_t status[2];
    int32_t info[2];

    enum sheaf_status result = store_start_chunk(store, chunk, &record, error);
    bool together = count == 2 && tasks[1] == tasks[0] + 1;
    record_digest_reset(digest);
    for (int output = 0; output < CLASSES_OUTPUTS; output++)
        for (int64_t i = 0; i < count && result == SHEAF_OK; i += 1 + together) {
            int64_t filled = classes_fill(tasks[i], class_index, output, run, bytes);
            if (together)
                classes_fill(tasks[i + 1], class_index, output, run, (char *)bytes + filled);
            result = store_write(store, output, tasks[i], 1 + together, bytes, digest, error);
        }
    for (int64_t i = 0; i < count; i++) {
        status[i] = tasks[i] == 2 ? 2 : 1;
        info[i] = tasks[i] == 2 ? 3 : 0;
        record.failed += tasks[i] == 2;
    }
    for (int64_t i = 0; i < count && result == SHEAF_OK; i++)
        result = store_write_status(store, tasks[i], 1, &status[i], &info[i], error);
    record_digest_add(digest, status, (size_t)count);
    record_digest_add(digest, info, (size_t)count * sizeof *info);
    record.result_checksum = record_digest_value(digest);
    record.state = RECORD_DONE;
    record.sequence = (uint64_t)chunk + 1;
    return result == SHEAF_OK ? store_commit_chunk(store, chunk, &record, error) : result;
}

#endif
