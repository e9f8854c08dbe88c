#include "sweep_report.h"
#include "json.h"
#include "summary.h"

#include <string.h>
#include <unistd.h>

enum { FIELDS_MOST = 16 };

static const char *
threads_work_on(const struct cell *cell)
{
    const struct layout *layout = &cell->layout;
    return cell->automatic ? "what ends sooner" : layout->threads == 1 ? "-" : layout->width > 1 ? "one task" : "tasks";
}

static const char *
verdict_name(enum sweep_verdict verdict)
{
    static const char *const names[] = {"not measured", "best", "alike", "worse"};
    return names[verdict];
}

/** A rate of three digits without a unit: "0.502", "50.2", "1.23 k". */
static char *
format_rate(double value, char text[32])
{
    if (value < 999.5) {
        snprintf(text, 32, "%.*f", value >= 99.95 ? 0 : value >= 9.995 ? 1 : value >= 0.9995 ? 2 : 3, value);
        return text;
    }
    summary_format_quantity(value, "", text);
    text[strcspn(text, " ") + 2] = '\0'; // the space behind the prefix, where a unit would be
    return text;
}

static void
print_row(const struct sweep_report *report, int cell, const struct sweep_row *row, FILE *stream)
{
    const struct sweep_data *data = report->data;
    const struct cell *about = &data->cells.all[cell];
    char layout[CELLS_TEXT], rate[32], spread[32] = "-", flops[32] = "-", bare[32] = "-", memory[32];
    fprintf(stream, "%-16s %-16s", cells_describe(about, data->nodes, layout), threads_work_on(about));
    if (row->repeats == 0) {
        fprintf(stream, " not measured\n");
        return;
    }
    if (row->flops_per_second > 0)
        summary_format_quantity(row->flops_per_second, "FLOP/s", flops);
    if (row->of_bare > 0)
        snprintf(bare, sizeof bare, "%.1f %%", 100 * row->of_bare);
    if (row->repeats > 1)
        format_rate((row->tasks_per_second_high - row->tasks_per_second_low) / 2, spread);
    fprintf(stream, " %9s %9s %14s %9s %9.2f %9s  ", format_rate(row->tasks_per_second, rate), spread, flops, bare,
            row->relative, summary_format_quantity((double)row->memory_bytes, "B", memory));
    fprintf(stream, "%s",
            row->verdict == SWEEP_BEST    ? "best"
            : row->verdict == SWEEP_ALIKE ? "cannot be told from the best"
                                          : "worse");
    double threads = cells_threads_per_core(about, data->cores);
    if (threads > 1)
        fprintf(stream, " · %.3g times more threads than cores", threads);
    fprintf(stream, "\n");
}

/** What the figures rest on. */
static void
print_basis(const struct sweep_report *report, int repeats, FILE *stream)
{
    const struct sweep_data *data = report->data;
    fprintf(stream, "sample: %lld", (long long)data->sample_tasks);
    if (report->tasks > 0)
        fprintf(stream, " of %lld", (long long)report->tasks);
    fprintf(stream, " tasks, %d round%s after a warm-up · medians, +- is where the median lies by 95 %%\n", repeats,
            repeats == 1 ? "" : "s");
    fprintf(stream,
            "of bare: of the same kernel calls on data that stay in memory, one thread on each core · memory: of "
            "all ranks at their peak\n");
    if (data->sample_failed > 0)
        fprintf(stream, "%lld tasks of the sample fail, in every layout\n", (long long)data->sample_failed);
    if (repeats < CELLS_ROUNDS_LEAST)
        fprintf(
            stream,
            "only %d round%s: +- is all that was seen, and fewer than %d rounds cannot tell layouts apart; give more "
            "--seconds\n",
            repeats, repeats == 1 ? "" : "s", CELLS_ROUNDS_LEAST);
}

/** The lines that use a layout. */
static void
print_use(const struct sweep_report *report, const struct cell *cell, FILE *stream)
{
    const struct layout *layout = &cell->layout;
    int ranks = layout->ranks * cell->nodes;
    fprintf(stream, "use:  ");
    if (ranks > 1 || cell->nodes > 1) {
        fprintf(stream, "mpirun -n %d ", ranks);
        if (cell->nodes > 1)
            fprintf(stream, "--map-by ppr:%d:node ", layout->ranks);
        if (layout->threads > 1)
            fprintf(stream, "--bind-to none ");
    }
    char text[CELLS_TEXT];
    fprintf(stream, "%s --layout %s -o OUT.h5\n", report->command, cells_format(cell, text));
    fprintf(stream, "or :  #SBATCH --nodes=%d --ntasks-per-node=%d --cpus-per-task=%d\n", cell->nodes, layout->ranks,
            layout->threads);
}

void
sweep_report_print(const struct sweep_report *report, FILE *stream)
{
    const struct sweep_data *data = report->data;
    struct sweep_row rows[CELLS_MOST];
    int order[CELLS_MOST], best = sweep_table_fill(data, rows);
    sweep_table_order(rows, data->cells.count, order);
    fprintf(stream, "%-16s %-16s %9s %9s %14s %9s %9s %9s\n", "layout", "threads work on", "tasks/s", "+- 95 %",
            "FLOP/s", "of bare", "relative", "memory");
    for (int i = 0; i < data->cells.count; i++)
        print_row(report, order[i], &rows[order[i]], stream);
    if (best < 0)
        return;
    print_basis(report, rows[best].repeats, stream);
    if (report->command)
        print_use(report, &data->cells.all[best], stream);
    fflush(stream);
}

/** A number of a row, as both formats write it. */
struct field {
    const char *name;
    double value;
};

/** @return how many */
static int
list_fields(const struct sweep_data *data, int cell, const struct sweep_row *row, struct field fields[FIELDS_MOST])
{
    const struct cell *about = &data->cells.all[cell];
    const struct field all[] = {{"nodes", about->nodes},
                                {"ranks", about->layout.ranks},
                                {"threads", about->layout.threads},
                                {"width", about->layout.width},
                                {"threads_per_core", cells_threads_per_core(about, data->cores)},
                                {"repeats", row->repeats},
                                {"tasks_per_second", row->tasks_per_second},
                                {"tasks_per_second_low", row->tasks_per_second_low},
                                {"tasks_per_second_high", row->tasks_per_second_high},
                                {"flops_per_second", row->flops_per_second},
                                {"of_bare", row->of_bare},
                                {"relative", row->relative},
                                {"p_value", row->p_value},
                                {"memory_bytes", (double)row->memory_bytes}};
    memcpy(fields, all, sizeof all);
    return sizeof all / sizeof all[0];
}

static void
write_csv(const struct sweep_report *report, FILE *file)
{
    const struct sweep_data *data = report->data;
    struct sweep_row rows[CELLS_MOST];
    struct field fields[FIELDS_MOST];
    sweep_table_fill(data, rows);
    for (int i = 0; i < data->cells.count; i++) {
        char layout[CELLS_TEXT];
        int count = list_fields(data, i, &rows[i], fields);
        if (i == 0) {
            fprintf(file, "layout,verdict");
            for (int k = 0; k < count; k++)
                fprintf(file, ",%s", fields[k].name);
        }
        fprintf(file, "\n%s,%s", cells_format(&data->cells.all[i], layout), verdict_name(rows[i].verdict));
        for (int k = 0; k < count; k++)
            fprintf(file, ",%.17g", fields[k].value);
    }
    fprintf(file, "\n");
}

static void
write_json_cell(const struct sweep_data *data, int cell, const struct sweep_row *row, FILE *file)
{
    char layout[CELLS_TEXT];
    struct field fields[FIELDS_MOST];
    int count = list_fields(data, cell, row, fields);
    fprintf(file, "    {\"layout\": \"%s\", \"verdict\": \"%s\"", cells_format(&data->cells.all[cell], layout),
            verdict_name(row->verdict));
    for (int k = 0; k < count; k++)
        fprintf(file, ", \"%s\": %.17g", fields[k].name, fields[k].value);
    fprintf(file, ", \"seconds\": [");
    for (int round = 0; round < data->rounds; round++)
        fprintf(file, "%s%.17g", round ? ", " : "", data->seconds[round][cell]);
    fprintf(file, "]}");
}

static void
write_json(const struct sweep_report *report, FILE *file)
{
    const struct sweep_data *data = report->data;
    struct sweep_row rows[CELLS_MOST];
    sweep_table_fill(data, rows);
    fprintf(file, "{\n  \"kernel\": ");
    json_write_text(report->kernel, file);
    fprintf(file, ",\n  \"command\": ");
    json_write_text(report->command, file);
    fprintf(file,
            ",\n  \"tasks\": %lld,\n  \"sample_tasks\": %lld,\n  \"sample_flops\": %.17g,\n  \"rounds\": %d,\n  "
            "\"cores\": %d,\n  \"nodes\": %d,\n  \"bare_seconds\": [",
            (long long)report->tasks, (long long)data->sample_tasks, data->sample_flops, data->rounds, data->cores,
            data->nodes);
    for (int round = 0; round < data->rounds; round++)
        fprintf(file, "%s%.17g", round ? ", " : "", data->bare_seconds[round]);
    fprintf(file, "],\n  \"cells\": [\n");
    for (int i = 0; i < data->cells.count; i++) {
        write_json_cell(data, i, &rows[i], file);
        fprintf(file, "%s\n", i < data->cells.count - 1 ? "," : "");
    }
    fprintf(file, "  ]\n}\n");
}

/** Write a whole file under another name, then give it its own. */
static enum sheaf_status
replace_file(const struct sweep_report *report, const char *path, void (*write)(const struct sweep_report *, FILE *),
             struct sheaf_error *error)
{
    char temporary[4096];
    if (snprintf(temporary, sizeof temporary, "%s.partial-%ld", path, (long)getpid()) >= (int)sizeof temporary)
        return sheaf_fail(error, SHEAF_IO_ERROR, "%.60s...: the path is too long", path);
    FILE *file = fopen(temporary, "we");
    if (!file)
        return sheaf_fail(error, SHEAF_IO_ERROR, "%s: cannot create it: %m", path);
    write(report, file);
    bool written = ferror(file) == 0;
    written = fclose(file) == 0 && written;
    if (written && rename(temporary, path) == 0)
        return SHEAF_OK;
    sheaf_fail(error, SHEAF_IO_ERROR, "%s: cannot write it: %m", path);
    unlink(temporary);
    return error->status;
}

enum sheaf_status
sweep_report_write_csv(const struct sweep_report *report, const char *path, struct sheaf_error *error)
{
    return replace_file(report, path, write_csv, error);
}

enum sheaf_status
sweep_report_write_json(const struct sweep_report *report, const char *path, struct sheaf_error *error)
{
    return replace_file(report, path, write_json, error);
}
