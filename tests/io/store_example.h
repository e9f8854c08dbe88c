/* A results file of two outputs and a shared one, as the tests of io/ build it: 50 tasks in 7 chunks. */
#ifndef SHEAF_STORE_EXAMPLE_H
#define SHEAF_STORE_EXAMPLE_H

#include "store.h"

#include <string.h>

enum { EXAMPLE_TASKS = 50, EXAMPLE_PER_CHUNK = 8, EXAMPLE_CHUNKS = 7, EXAMPLE_ROWS = 12, EXAMPLE_COLUMNS = 9 };

static char *const example_arguments[] = {"sheaf", "run", "matmul", "a file.h5:/a", "it's", "", "-o", "out.h5"};

static struct source_map example_operands[3] = {
    {.text = "beams.h5:/a",
     .path = "/somewhere/beams.h5",
     .dataset = "/a",
     .kind = SOURCE_DATASET,
     .array = {.type = SHEAF_F64, .lead = {.ndim = 2, .extent = {10, 5}}, .core = {.ndim = 2, .extent = {12, 4}}},
     .file_type = SHEAF_I16,
     .swapped = true,
     .slice_first = 20,
     .slice_step = -2,
     .task_bytes = 384,
     .offset = 4096,
     .file_bytes = 23296,
     .file_mtime = 1234567890123456789,
     .file_device = 1,
     .file_inode = 2,
     .fingerprint = UINT64_C(0xfedcba9876543210)},
    {.text = "normal:4x9",
     .kind = SOURCE_GENERATED,
     .countless = true,
     .array = {.type = SHEAF_F64, .core = {.ndim = 2, .extent = {4, 9}}},
     .task_bytes = 288,
     .offset = -1,
     .file_type = SHEAF_F64,
     .generate = {.distribution = GENERATE_NORMAL, .type = SHEAF_F64, .seed = 42, .operand = 1},
     .fingerprint = 7},
    {.text = "ones:5:f32:shared",
     .kind = SOURCE_GENERATED,
     .shared = true,
     .array = {.type = SHEAF_F32, .core = {.ndim = 1, .extent = {5}}},
     .task_bytes = 20,
     .offset = -1,
     .file_type = SHEAF_F32,
     .generate = {.distribution = GENERATE_ONES, .type = SHEAF_F32, .seed = 42, .operand = 2}},
};

static struct store_output example_outputs[3] = {
    {.name = "result",
     .array = {.type = SHEAF_F64, .lead = {.ndim = 2, .extent = {10, 5}}, .core = {.ndim = 2, .extent = {12, 9}}}},
    {.name = "s",
     .array = {.type = SHEAF_C64, .lead = {.ndim = 2, .extent = {10, 5}}, .core = {.ndim = 1, .extent = {7}}}},
    {.name = "once", .array = {.type = SHEAF_F32, .core = {.ndim = 1, .extent = {5}}}, .shared = true},
};

static struct store_class example_class = {.tasks = EXAMPLE_TASKS,
                                           .chunks = EXAMPLE_CHUNKS,
                                           .tasks_per_chunk = EXAMPLE_PER_CHUNK,
                                           .flops = 864,
                                           .input_bytes = 672,
                                           .output_bytes = 920};

static inline struct store_spec
example_spec(const char *path)
{
    return (struct store_spec){
        .path = path,
        .program = "sheaf make",
        .kernel = "matmul",
        .signature = "(m,k),(k,n)->(m,n)",
        .parameters = "ord=2",
        .version = "0.1.0",
        .argument_count = sizeof example_arguments / sizeof *example_arguments,
        .arguments = example_arguments,
        .seed = 42,
        .tasks = EXAMPLE_TASKS,
        .chunks = EXAMPLE_CHUNKS,
        .grid_bytes = 2 << 20,
        .grid_flops = 1000000000,
        .grid_tasks = 16384,
        .lead = {.ndim = 2, .extent = {10, 5}},
        .operand_count = 3,
        .operands = example_operands,
        .output_count = 3,
        .outputs = example_outputs,
        .class_count = 1,
        .classes = &example_class,
    };
}

/* Tasks of a chunk; the last one is shorter. */
static inline int64_t
example_count(int64_t chunk)
{
    int64_t left = EXAMPLE_TASKS - chunk * EXAMPLE_PER_CHUNK;
    return left < EXAMPLE_PER_CHUNK ? left : EXAMPLE_PER_CHUNK;
}

/* Write and commit a chunk: /result counts elements from `run` on, /s is (task, -element); every 10th task is singular with info 3. */
static inline enum sheaf_status
example_commit(struct store *store, int64_t chunk, uint32_t run, struct record_digest *digest,
               struct sheaf_error *error)
{
    const int64_t first = chunk * EXAMPLE_PER_CHUNK, count = example_count(chunk);
    double result[EXAMPLE_PER_CHUNK * EXAMPLE_ROWS * EXAMPLE_COLUMNS];
    float s[EXAMPLE_PER_CHUNK * 7 * 2];
    uint8_t status[EXAMPLE_PER_CHUNK];
    int32_t info[EXAMPLE_PER_CHUNK];
    struct record_chunk record = {.first = first, .count = (uint32_t)count, .run = run, .width = 1};

    for (int64_t t = 0; t < count; t++) {
        status[t] = (first + t) % 10 == 9 ? 2 : 1;
        info[t] = status[t] == 2 ? 3 : 0;
        record.failed += status[t] == 2;
        for (int64_t i = 0; i < EXAMPLE_ROWS * EXAMPLE_COLUMNS; i++)
            result[t * EXAMPLE_ROWS * EXAMPLE_COLUMNS + i] =
                (double)((first + t) * EXAMPLE_ROWS * EXAMPLE_COLUMNS + i + run);
        for (int64_t i = 0; i < 7; i++) {
            s[(t * 7 + i) * 2] = (float)(first + t);
            s[(t * 7 + i) * 2 + 1] = (float)-i;
        }
    }
    enum sheaf_status result_status = store_start_chunk(store, chunk, &record, error);
    record_digest_reset(digest);
    if (result_status == SHEAF_OK)
        result_status = store_write(store, 0, first, count, result, digest, error);
    if (result_status == SHEAF_OK)
        result_status = store_write(store, 1, first, count, s, digest, error);
    record_digest_add(digest, status, (size_t)count);
    record_digest_add(digest, info, (size_t)count * sizeof *info);
    record.result_checksum = record_digest_value(digest);
    record.state = RECORD_DONE;
    record.sequence = (uint64_t)chunk + 1;
    if (result_status == SHEAF_OK)
        result_status = store_write_status(store, first, count, status, info, error);
    if (result_status == SHEAF_OK)
        result_status = store_commit_chunk(store, chunk, &record, error);
    return result_status;
}

#endif
