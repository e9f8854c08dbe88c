#include "store_spec.h"

#include "store_target.h"

#include <stdlib.h>

int
store_spec_grouped(const struct store_spec *spec)
{
    int count = 0;

    for (int i = 0; i < spec->output_count; i++)
        count += spec->outputs[i].grouped;
    return count;
}

static enum sheaf_status
check_outputs(const struct store_spec *spec, struct sheaf_error *error)
{
    for (int i = 0; i < spec->output_count; i++) {
        const struct store_output *output = &spec->outputs[i];
        int64_t entries = spec->tasks;
        if ((output->grouped && output->shared) || (!output->grouped && !store_output_entries(output, &entries)) ||
            (!output->shared && entries != spec->tasks))
            return sheaf_fail(error, SHEAF_INTERNAL, "%s: output %s does not have the file's %lld tasks", spec->path,
                              output->name, (long long)spec->tasks);
        if (output->name[0] == '\0' || strchr(output->name, '/') || strcmp(output->name, "sheaf") == 0)
            return sheaf_fail(error, SHEAF_INTERNAL, "%s: an output cannot be named \"%s\"", spec->path, output->name);
    }
    return SHEAF_OK;
}

/* Classes cover all positions, one after the other, and tell the shapes of all that is grouped. */
static bool
classes_fit(const struct store_spec *spec, bool grouped)
{
    int64_t position = 0;

    for (int i = 0; i < spec->class_count; i++) {
        const struct store_class *class = &spec->classes[i];
        if (class->first_position != position || class->tasks < 0 || class->tasks > spec->tasks - position ||
            (grouped && !class->output_shapes))
            return false;
        position += class->tasks;
        for (int k = 0; k < spec->output_count; k++)
            if (spec->outputs[k].grouped && class->output_shapes[k].ndim != spec->outputs[k].array.core.ndim)
                return false;
    }
    return position == spec->tasks;
}

/* Each task once. */
static enum sheaf_status
check_order(const struct store_spec *spec, struct sheaf_error *error)
{
    enum sheaf_status status = SHEAF_OK;
    bool *seen = calloc((size_t)spec->tasks + 1, sizeof *seen);

    if (!seen)
        return sheaf_fail(error, SHEAF_NO_RESOURCES, "%s: no memory to check the order of tasks", spec->path);
    for (int64_t i = 0; i < spec->tasks && status == SHEAF_OK; i++) {
        int64_t task = spec->order[i];
        if (task < 0 || task >= spec->tasks || seen[task])
            status = sheaf_fail(error, SHEAF_INTERNAL, "%s: the order of %lld tasks has task %lld twice, or too far",
                                spec->path, (long long)spec->tasks, (long long)task);
        else
            seen[task] = true;
    }
    free(seen);
    return status;
}

enum sheaf_status
store_spec_check(const struct store_spec *spec, struct sheaf_error *error)
{
    if (spec->output_count < 0 || spec->output_count > STORE_OUTPUTS_MAX || spec->tasks < 0 || spec->chunks < 0)
        return sheaf_fail(error, SHEAF_INTERNAL, "%s: a results file of %d outputs, %lld tasks, %lld chunks",
                          spec->path, spec->output_count, (long long)spec->tasks, (long long)spec->chunks);
    enum sheaf_status status = check_outputs(spec, error);
    if (status != SHEAF_OK)
        return status;
    bool grouped = store_spec_grouped(spec) > 0;
    if ((spec->order && spec->class_count < 2) || ((grouped || spec->class_count > 1) && !classes_fit(spec, grouped)))
        return sheaf_fail(error, SHEAF_INTERNAL, "%s: its %d classes do not fit %lld tasks and their order", spec->path,
                          spec->class_count, (long long)spec->tasks);
    return spec->order ? check_order(spec, error) : SHEAF_OK;
}
