#include "tasks.h"
#include "plan.h"

#include <string.h>

enum { LIST_BYTES = 512 };

/** The first operand before `second` that does not go with it; there is one, for on some axis both differ and are not 1. */
static const struct source_map *
find_other(const struct source_map *operands, const struct source_map *second)
{
    const struct source_map *first = operands;
    while (first < second) {
        struct sheaf_shape lead = first->array.lead;
        if (!broadcast_join(&lead, &second->array.lead))
            break;
        first++;
    }
    return first;
}

static enum sheaf_status
join_leads(int operand_count, const struct source_map *operands, struct sheaf_shape *lead, struct sheaf_error *error)
{
    char text_a[SHEAF_SHAPE_TEXT], text_b[SHEAF_SHAPE_TEXT];
    for (int i = 0; i < operand_count; i++) {
        const struct source_map *a, *b = &operands[i];
        if (broadcast_join(lead, &b->array.lead))
            continue;
        a = find_other(operands, b);
        return sheaf_fail(
            error, SHEAF_BAD_DATA,
            "operands count tasks differently: %s over %s, %s over %s; by NumPy's rule their leading axes, aligned at "
            "the right, must be equal or 1",
            a->text, sheaf_shape_format(&a->array.lead, text_a), b->text, sheaf_shape_format(&b->array.lead, text_b));
    }
    return SHEAF_OK;
}

/** "a.h5:/a over (10, 1), b.h5:/b over (4)": those operands that count tasks, as many as there is room for. @return text */
static const char *
format_counting(int operand_count, const struct source_map *operands, char *text, size_t bytes)
{
    char lead[SHEAF_SHAPE_TEXT];
    size_t used = 0;
    text[0] = '\0';
    for (int i = 0; i < operand_count && used < bytes; i++)
        if (!operands[i].shared && !operands[i].countless)
            used += (size_t)snprintf(text + used, bytes - used, "%s%s over %s", used ? ", " : "", operands[i].text,
                                     sheaf_shape_format(&operands[i].array.lead, lead));
    return text;
}

/** The number of tasks of these leading axes and a count: an axis of its own where there is one entry, else the same. */
static enum sheaf_status
apply_count(int operand_count, const struct source_map *operands, int64_t count, struct sheaf_shape *lead,
            int64_t *tasks, struct sheaf_error *error)
{
    const struct sheaf_shape counted = {.ndim = count > 0, .extent = {count}};
    char text[LIST_BYTES];
    if (!sheaf_shape_count(lead, tasks) || *tasks < 1)
        return sheaf_fail(error, SHEAF_BAD_DATA, "%s: no tasks, or more than 64 bits can count",
                          format_counting(operand_count, operands, text, sizeof text));
    if (count > 0 && *tasks > 1 && count != *tasks)
        return sheaf_fail(error, SHEAF_USAGE, "--count %lld, but there are %lld tasks: %s; leave --count out",
                          (long long)count, (long long)*tasks,
                          format_counting(operand_count, operands, text, sizeof text));
    if (count > 0 && *tasks == 1) {
        broadcast_join(lead, &counted);
        *tasks = count;
    }
    return SHEAF_OK;
}

enum sheaf_status
tasks_settle(int operand_count, struct source_map *operands, int64_t count, struct sheaf_shape *lead, int64_t *tasks,
             struct sheaf_error *error)
{
    memset(lead, 0, sizeof *lead);
    enum sheaf_status status = join_leads(operand_count, operands, lead, error);
    if (!status)
        status = apply_count(operand_count, operands, count, lead, tasks, error);
    for (int i = 0; i < operand_count && !status && lead->ndim == 0; i++)
        if (operands[i].countless)
            status = sheaf_fail(error, SHEAF_USAGE,
                                "%s: how many? No dataset gives the number of tasks; give --count N", operands[i].text);
    for (int i = 0; i < operand_count && !status; i++)
        status = source_set_tasks(&operands[i], lead, error);
    return status;
}

int64_t
tasks_align(int operand_count, const struct source_map *operands)
{
    int64_t align = 1;
    for (int i = 0; i < operand_count; i++)
        if (!operands[i].shared)
            align = plan_join_alignments(align, operands[i].chunk_tasks);
    return align;
}
