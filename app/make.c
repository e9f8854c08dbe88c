#include "make.h"
#include "job.h"
#include "tasks.h"

#include <ctype.h>
#include <stdlib.h>
#include <string.h>

static enum sheaf_status
copy_inputs(const struct sheaf_problem *problem, const struct sheaf_batch *batch)
{
    for (int i = 0; i < problem->output_count; i++)
        memcpy(batch->outputs[i], batch->inputs[i], (size_t)batch->count * batch->output_strides[i]);
    return SHEAF_OK;
}

/** Any number of inputs of any types, each to an output of its own; the problem is settled here, not by signature. */
static const struct sheaf_kernel make_kernel = {
    .abi = SHEAF_KERNEL_ABI,
    .bytes = sizeof(struct sheaf_kernel),
    .name = "make",
    .text = "generated operands, written as they are",
    .signature = "(m,n),...->(m,n)",
    .accepts = SHEAF_TYPES_FLOATING,
    .width_kind = SHEAF_WIDTH_ONE,
    .run = copy_inputs,
};

/** "name=random:..." taken apart: the name is checked and copied. @return the operand's text, NULL on failure */
static const char *
split_argument(const char *text, char name[STORE_NAME_BYTES], struct sheaf_error *error)
{
    const char *equals = strchr(text, '=');
    size_t length = equals ? (size_t)(equals - text) : 0;
    bool good = length > 0 && length < STORE_NAME_BYTES && strncmp(text, "sheaf=", 6) != 0;
    for (size_t i = 0; good && i < length; i++)
        good = isalnum((unsigned char)text[i]) || text[i] == '_' || text[i] == '-' || (text[i] == '.' && i > 0);
    if (!good) {
        sheaf_fail(
            error, SHEAF_USAGE,
            "\"%s\": expected NAME=OPERAND as a=random:2000x2000; a name has letters, digits, _, - and . and is not "
            "\"sheaf\"",
            text);
        return NULL;
    }
    memcpy(name, text, length);
    name[length] = '\0';
    return equals + 1;
}

static enum sheaf_status
describe(const struct options *options, struct source_map *operands, char (*names)[STORE_NAME_BYTES], int count,
         struct sheaf_error *error)
{
    for (int i = 0; i < count; i++) {
        const char *text = split_argument(options->operands[i + 1], names[i], error);
        if (!text)
            return SHEAF_USAGE;
        for (int k = 0; k < i; k++)
            if (strcmp(names[k], names[i]) == 0)
                return sheaf_fail(error, SHEAF_USAGE, "\"%s\": the name %s is given twice", options->operands[i + 1],
                                  names[i]);
        if (!source_text_is_generated(text))
            return sheaf_fail(
                error, SHEAF_USAGE,
                "\"%s\": make writes generated numbers only: random, normal, ones, zeros or range, as random:2000x2000",
                options->operands[i + 1]);
        enum sheaf_status status = source_describe(text, -1, (uint32_t)i, options->seed, &operands[i], error);
        if (status)
            return status;
    }
    return SHEAF_OK;
}

/** Operands that tasks have each their own of come first, then those that are written once. */
static void
sort_operands(struct job_map *map, const struct source_map *operands, char (*names)[STORE_NAME_BYTES], int count)
{
    for (int once = 0; once < 2; once++) {
        for (int i = 0; i < count; i++) {
            if (operands[i].shared != (once == 1))
                continue;
            int at = map->operand_count++;
            map->operands[at] = operands[i];
            struct store_output *output = &map->outputs[at];
            memcpy(output->name, names[i], sizeof output->name);
            output->array.type = operands[i].array.type;
            output->array.core = operands[i].array.core;
            output->shared = once == 1;
            map->input_count += once == 0;
        }
    }
    map->output_count = map->operand_count;
}

static enum sheaf_status
fill_tasks(struct job_map *map, int64_t count, struct job_tasks *tasks, struct sheaf_error *error)
{
    struct plan_request *request = tasks->requests = calloc(1, sizeof *request);
    if (!request)
        return sheaf_fail(error, SHEAF_NO_RESOURCES, "no memory to plan %lld tasks", (long long)count);
    tasks->class_count = 1;
    request->tasks = count;
    request->align = 1;
    request->problem.input_count = request->problem.output_count = map->input_count;
    for (int i = 0; i < map->input_count; i++) {
        request->problem.inputs[i].type = map->operands[i].array.type;
        request->problem.inputs[i].shape = map->operands[i].array.core;
        request->problem.outputs[i] = request->problem.inputs[i];
        map->outputs[i].array.lead = map->lead;
    }
    return SHEAF_OK;
}

static enum sheaf_status
prepare(const struct options *options, struct job_map *map, struct set **sets, struct job_tasks *tasks,
        struct sheaf_error *error)
{
    (void)sets;
    int64_t task_count;
    struct source_map operands[STORE_OUTPUTS_MAX];
    char names[STORE_OUTPUTS_MAX][STORE_NAME_BYTES];
    int count = options->operand_count - 1;
    if (count < 1)
        return sheaf_fail(error, SHEAF_USAGE, "what? sheaf make FILE.h5 NAME=OPERAND..., as a=random:2000x2000");
    if (count > STORE_OUTPUTS_MAX)
        return sheaf_fail(error, SHEAF_USAGE, "%d operands: make writes up to %d", count, STORE_OUTPUTS_MAX);
    enum sheaf_status status = describe(options, operands, names, count, error);
    if (status)
        return status;
    sort_operands(map, operands, names, count);
    snprintf(map->kernel, sizeof map->kernel, "%s", make_kernel.name);
    if (map->input_count == 0)
        return SHEAF_OK;
    status = tasks_settle(map->input_count, map->operands, options->count, &map->lead, &task_count, error);
    return status ? status : fill_tasks(map, task_count, tasks, error);
}

static const struct sheaf_kernel *
map_kernel(const struct job_map *map)
{
    (void)map;
    return &make_kernel;
}

static const char *
output_path(const struct options *options)
{
    return options->operand_count > 0 ? options->operands[0] : NULL;
}

enum sheaf_status
make_command(const struct options *options, struct comm *comm, struct sheaf_error *error)
{
    static const struct job_command command = {"sheaf make", prepare, map_kernel, output_path, false};
    return job_run(&command, options, comm, error);
}
