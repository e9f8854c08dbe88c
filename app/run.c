#include "run.h"
#include "classes.h"
#include "describe.h"
#include "job.h"
#include "list.h"
#include "nearest.h"
#include "parameters.h"
#include "plugin.h"
#include "promote.h"
#include "signature.h"
#include "tasks.h"

#include <stdlib.h>
#include <string.h>

void
run_fill_outputs(int output_count, const struct sheaf_array *arrays, const char *const *names,
                 const struct sheaf_shape *lead, struct store_output *outputs)
{
    for (int i = 0; i < output_count; i++) {
        snprintf(outputs[i].name, sizeof outputs[i].name, "%s", names[i]);
        outputs[i].array.type = arrays[i].type;
        outputs[i].array.lead = *lead;
        outputs[i].array.core = arrays[i].shape;
        outputs[i].shared = false;
    }
}

static enum sheaf_status
find_kernel(const char *name, const struct sheaf_kernel **kernel, struct sheaf_error *error)
{
    const struct sheaf_kernel *const *const lists[] = {plugin_kernels(), kernel_list()};
    struct nearest nearest = {.word = name};
    char names[512] = "";
    *kernel = plugin_find_kernel(name);
    if (*kernel)
        return SHEAF_OK;
    for (int i = 0; i < 2; i++)
        for (const struct sheaf_kernel *const *k = lists[i]; *k; k++) {
            snprintf(names + strlen(names), sizeof names - strlen(names), "%s%s", *names ? ", " : "", (*k)->name);
            nearest_offer(&nearest, (*k)->name);
        }
    if (nearest.name)
        return sheaf_fail(error, SHEAF_USAGE, "no kernel \"%s\"; did you mean %s? (sheaf info lists all)", name,
                          nearest.name);
    return sheaf_fail(error, SHEAF_USAGE, "no kernel \"%s\"; there are %s (sheaf info)", name, names);
}

/** What the operands are read as; what does not fit even so is signature_match's to refuse. */
static enum sheaf_status
settle_types(const struct sheaf_kernel *kernel, int written, const struct options *options, struct job_map *map,
             struct sheaf_error *error)
{
    static const enum sheaf_type wanted[] = {[AS_AUTO] = SHEAF_TYPE_COUNT,
                                             [AS_F32] = SHEAF_F32,
                                             [AS_F64] = SHEAF_F64,
                                             [AS_C64] = SHEAF_C64,
                                             [AS_C128] = SHEAF_C128};
    enum sheaf_type stored[SHEAF_OPERANDS_MAX], types[SHEAF_OPERANDS_MAX];
    enum sheaf_status status = SHEAF_OK;
    for (int i = 0; i < map->input_count; i++)
        stored[i] = map->operands[i].file_type;
    promote_types(kernel, written, map->input_count, stored, wanted[options->as], types);
    for (int i = 0; i < map->input_count && !status; i++)
        status = source_set_type(&map->operands[i], types[i], error);
    return status;
}

static enum sheaf_status
describe_operand(const struct options *options, int i, int ndim, struct job_map *map, struct set **set,
                 struct sheaf_error *error)
{
    const char *text = options->operands[i + 1];
    struct source_map *operand = &map->operands[i];
    if (source_text_is_generated(text))
        return source_describe(text, ndim, (uint32_t)i, options->seed, operand, error);
    if (!set_text_is_set(text))
        return describe_dataset(text, ndim, operand, error);
    enum sheaf_status status = describe_set(text, ndim, operand, set, error);
    map->set_bytes[i] = status ? 0 : (*set)->bytes;
    return status;
}

/** Task i of one set belongs to task i of the other. Both are in natural order of the same names, so the partners are in place. */
static enum sheaf_status
check_names(const struct job_map *map, struct set *const *sets, int first, int second, struct sheaf_error *error)
{
    const char *text = map->operands[first].text, *other = map->operands[second].text;
    int64_t count = sets[first]->count;
    int64_t *partner = malloc((size_t)count * sizeof *partner);
    enum sheaf_status status =
        partner ? set_pair(sets[first], sets[second], text, other, partner, error)
                : sheaf_fail(error, SHEAF_NO_RESOURCES, "no memory to pair the tasks of two operands");
    for (int64_t k = 0; !status && k < count; k++)
        if (partner[k] != k)
            status = sheaf_fail(error, SHEAF_BAD_DATA,
                                "%s and %s: their members have the same names in another order; --pair order pairs "
                                "them by position",
                                text, other);
    free(partner);
    return status;
}

/** Sets go together by the names of their members, unless they are two lists or --pair order says otherwise. */
static enum sheaf_status
check_pairs(const struct options *options, const struct job_map *map, struct set *const *sets,
            struct sheaf_error *error)
{
    int first = -1;
    enum sheaf_status status = SHEAF_OK;
    for (int i = 0; i < map->input_count && !status; i++) {
        if (!sets[i])
            continue;
        if (first < 0)
            first = i;
        else if (options->pair == PAIR_NAME &&
                 !(set_text_is_list(map->operands[first].text) && set_text_is_list(map->operands[i].text)))
            status = check_names(map, sets, first, i, error);
    }
    return status;
}

static enum sheaf_status
describe_operands(const struct sheaf_kernel *kernel, const struct options *options, struct job_map *map,
                  struct set **sets, struct sheaf_error *error)
{
    struct signature signature;
    int given = options->operand_count - 1;
    enum sheaf_status status = signature_parse(kernel->signature, &signature, error);
    if (status)
        return status;
    if (given < signature.input_count || (given > signature.input_count && !signature.variadic) ||
        given > SHEAF_OPERANDS_MAX)
        return sheaf_fail(error, SHEAF_USAGE, "%s takes %d operand%s%s, %s; %d given", kernel->name,
                          signature.input_count, signature.input_count == 1 ? "" : "s",
                          signature.variadic ? " or more" : "", kernel->signature, given);
    map->input_count = map->operand_count = given;
    for (int i = 0; i < given && !status; i++)
        status = describe_operand(options, i, signature_input_ndim(&signature, i), map, &sets[i], error);
    if (!status)
        status = check_pairs(options, map, sets, error);
    return status ? status : settle_types(kernel, signature.input_count, options, map, error);
}

/** What is alike for all classes: parameters, types, what is shared. */
static enum sheaf_status
fill_request(const struct sheaf_kernel *kernel, const struct options *options, const struct job_map *map,
             struct plan_request *request, struct sheaf_error *error)
{
    struct sheaf_problem *problem = &request->problem;
    parameters_set_initial(kernel, problem);
    for (int i = 0; i < options->parameter_count; i++) {
        enum sheaf_status status = parameters_parse(kernel, options->parameters[i], problem, error);
        if (status)
            return status;
    }
    problem->input_count = map->input_count;
    for (int i = 0; i < map->input_count; i++) {
        const struct source_map *operand = &map->operands[i];
        request->shared[i] = operand->shared;
        problem->inputs[i].type = operand->array.type;
        problem->inputs[i].shape = operand->array.core;
    }
    return SHEAF_OK;
}

/** The sets whose members have unequal shapes. Their members are the tasks. */
struct uneven {
    int count;
    int inputs[SHEAF_OPERANDS_MAX];
    const struct set *sets[SHEAF_OPERANDS_MAX];
};

static enum sheaf_status
find_uneven(const struct job_map *map, struct set *const *sets, struct uneven *uneven, struct sheaf_error *error)
{
    char text[SHEAF_SHAPE_TEXT];
    uneven->count = 0;
    for (int i = 0; i < map->input_count; i++) {
        if (!map->operands[i].uneven)
            continue;
        if (map->lead.ndim != 1 || map->lead.extent[0] != sets[i]->count)
            return sheaf_fail(error, SHEAF_BAD_DATA,
                              "%s: its %lld datasets have unequal shapes, so they cannot be broadcast to the tasks of "
                              "the other operands, %s; give as many entries on one axis, or one that all share",
                              map->operands[i].text, (long long)sets[i]->count, sheaf_shape_format(&map->lead, text));
        uneven->inputs[uneven->count] = i;
        uneven->sets[uneven->count++] = sets[i];
    }
    return SHEAF_OK;
}

static const struct sheaf_shape *
member_shape(const void *argument, int input, int64_t task)
{
    const struct uneven *uneven = argument;
    const struct set_member *member = set_member(uneven->sets[input], task);
    return member->unreadable ? NULL : &member->shape;
}

/** Settle a class by one of its tasks, which errors then name. */
static enum sheaf_status
match_class(const struct sheaf_kernel *kernel, const struct job_map *map, const struct uneven *uneven, int64_t example,
            struct plan_request *request, struct sheaf_error *error)
{
    const char *labels[SHEAF_OPERANDS_MAX];
    for (int i = 0; i < map->input_count; i++)
        labels[i] = map->operands[i].text;
    for (int i = 0; i < uneven->count; i++) {
        const struct set_member *member = set_member(uneven->sets[i], example);
        labels[uneven->inputs[i]] = set_text(uneven->sets[i], member->text);
        request->problem.inputs[uneven->inputs[i]].shape = member->shape;
    }
    return signature_match(kernel, &request->problem, labels, error);
}

static enum sheaf_status
match_classes(const struct sheaf_kernel *kernel, const struct job_map *map, const struct uneven *uneven,
              const struct plan_request *all, struct job_tasks *tasks, struct sheaf_error *error)
{
    struct classes classes;
    enum sheaf_status status = classes_sort(uneven->count, all->tasks, member_shape, uneven, &classes, error);
    if (!status && !(tasks->requests = calloc((size_t)classes.count, sizeof *tasks->requests)))
        status = sheaf_fail(error, SHEAF_NO_RESOURCES, "no memory for %d classes of tasks", classes.count);
    for (int i = 0; !status && i < classes.count; i++) {
        struct plan_request *request = &tasks->requests[i];
        *request = *all;
        request->tasks = classes.first[i + 1] - classes.first[i];
        request->numbers = classes.count > 1 ? classes.numbers + classes.first[i] : NULL;
        if (classes.count > 1)
            request->align = 1; // tasks of a chunk need not follow each other
        status = match_class(kernel, map, uneven, classes.example[i], request, error);
    }
    tasks->class_count = classes.count;
    tasks->numbers = classes.numbers;
    classes.numbers = NULL;
    classes_free(&classes);
    return status;
}

/** The tasks' classes: one, but where sets have members of unequal shapes. */
static enum sheaf_status
match(const struct sheaf_kernel *kernel, const struct job_map *map, struct set *const *sets,
      const struct plan_request *all, struct job_tasks *tasks, struct sheaf_error *error)
{
    struct uneven uneven;
    enum sheaf_status status = find_uneven(map, sets, &uneven, error);
    if (status)
        return status;
    if (uneven.count > 0)
        return match_classes(kernel, map, &uneven, all, tasks, error);
    tasks->requests = malloc(sizeof *tasks->requests);
    if (!tasks->requests)
        return sheaf_fail(error, SHEAF_NO_RESOURCES, "no memory to plan %lld tasks", (long long)all->tasks);
    tasks->class_count = 1;
    tasks->requests[0] = *all;
    return match_class(kernel, map, &uneven, 0, tasks->requests, error);
}

/** The index of an output by its name, which ends at a comma or at the end of the text; -1: none. */
static int
find_output(const struct sheaf_kernel *kernel, const char *name, size_t length)
{
    for (int i = 0; kernel->output_names[i]; i++)
        if (strlen(kernel->output_names[i]) == length && strncmp(kernel->output_names[i], name, length) == 0)
            return i;
    return -1;
}

/** Note which outputs nobody asks for. @param[in] names  those that are asked for; NULL: all */
static enum sheaf_status
select_outputs(const struct sheaf_kernel *kernel, const char *names, bool omitted[SHEAF_OUTPUTS_MAX],
               struct sheaf_error *error)
{
    for (int i = 0; i < SHEAF_OUTPUTS_MAX; i++)
        omitted[i] = names != NULL;
    for (const char *at = names; at; at = *at ? at + 1 : NULL) {
        size_t length = strcspn(at, ",");
        int output = find_output(kernel, at, length);
        if (output < 0)
            return sheaf_fail(error, SHEAF_USAGE, "--outputs %s: %s has no output \"%.*s\" (sheaf info %s names them)",
                              names, kernel->name, (int)length, at, kernel->name);
        omitted[output] = false;
        at += length;
    }
    return SHEAF_OK;
}

/** Enter an output: a stack of all tasks' results where they have one shape, else a dataset for each task. */
static void
enter_output(const struct sheaf_kernel *kernel, int output, const struct job_tasks *tasks, struct job_map *map)
{
    struct store_output *to = &map->outputs[map->output_count++];
    const struct sheaf_array *first = &tasks->requests[0].problem.outputs[output];
    run_fill_outputs(1, first, &kernel->output_names[output], &map->lead, to);
    for (int i = 1; i < tasks->class_count && !to->grouped; i++)
        to->grouped = !sheaf_shape_equal(&tasks->requests[i].problem.outputs[output].shape, &first->shape);
}

enum sheaf_status
run_prepare(const struct options *options, struct job_map *map, struct set **sets, struct job_tasks *tasks,
            struct sheaf_error *error)
{
    const struct sheaf_kernel *kernel;
    struct plan_request all = {.tasks = 0};
    if (options->operand_count < 1)
        return sheaf_fail(error, SHEAF_USAGE,
                          "which kernel? sheaf run KERNEL OPERAND... -o OUT.h5 (sheaf info lists kernels)");
    enum sheaf_status status = find_kernel(options->operands[0], &kernel, error);
    if (!status && options->command == COMMAND_RUN && !options->output && !options->dry_run)
        status = sheaf_fail(error, SHEAF_USAGE, "where to? give the results file with -o OUT.h5");
    if (!status)
        status = select_outputs(kernel, options->outputs, all.omitted, error);
    if (!status)
        status = describe_operands(kernel, options, map, sets, error);
    if (!status)
        status = fill_request(kernel, options, map, &all, error);
    if (!status)
        status = tasks_settle(map->operand_count, map->operands, options->count, &map->lead, &all.tasks, error);
    all.align = tasks_align(map->operand_count, map->operands);
    if (!status)
        status = match(kernel, map, sets, &all, tasks, error);
    if (status)
        return status;
    snprintf(map->kernel, sizeof map->kernel, "%s", kernel->name);
    for (int i = 0; i < tasks->requests[0].problem.output_count; i++)
        if (!all.omitted[i])
            enter_output(kernel, i, tasks, map);
    return SHEAF_OK;
}

const struct sheaf_kernel *
run_kernel(const struct job_map *map)
{
    return plugin_find_kernel(map->kernel);
}

enum sheaf_status
run_allow(const struct options *options, struct comm *comm, struct sheaf_error *error)
{
    source_allow(options->allow_external, options->allow_filters);
    describe_allow(options->allow_external, options->allow_filters);
    return options->plugin ? comm_agree(comm, plugin_load(options->plugin, error), error) : SHEAF_OK;
}

static const char *
output_path(const struct options *options)
{
    return options->output;
}

enum sheaf_status
run_command(const struct options *options, struct comm *comm, struct sheaf_error *error)
{
    static const struct job_command command = {"sheaf run", run_prepare, run_kernel, output_path, false};
    enum sheaf_status status = run_allow(options, comm, error);
    return status ? status : job_run(&command, options, comm, error);
}
