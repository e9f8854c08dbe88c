#include "sweep_file.h"

#include <stdlib.h>
#include <string.h>

/** The whole numbers of a cell. */
static const enum store_sweep_column cell_columns[] = {STORE_SWEEP_NODES, STORE_SWEEP_RANKS, STORE_SWEEP_THREADS,
                                                       STORE_SWEEP_WIDTH};

enum { CELL_COLUMNS = sizeof cell_columns / sizeof cell_columns[0] };

enum sheaf_status
sweep_file_write_cells(struct store_sweep *file, const struct sweep_data *data, struct sheaf_error *error)
{
    enum sheaf_status status = SHEAF_OK;
    for (int i = 0; i < data->cells.count && !status; i++) {
        const struct cell *cell = &data->cells.all[i];
        const struct layout *layout = &cell->layout;
        const int64_t numbers[CELL_COLUMNS] = {cell->nodes, layout->ranks, layout->threads, layout->width};
        const double threads = cells_threads_per_core(cell, data->cores);
        char text[CELLS_TEXT] = ""; // longer than the column, whose rest it fills with zeros
        cells_format(cell, text);
        status = store_sweep_write(file, STORE_SWEEP_LAYOUT, i, 1, text, error);
        for (int k = 0; k < CELL_COLUMNS && !status; k++)
            status = store_sweep_write(file, cell_columns[k], i, 1, &numbers[k], error);
        if (!status)
            status = store_sweep_write(file, STORE_SWEEP_THREADS_PER_CORE, i, 1, &threads, error);
    }
    return status;
}

enum sheaf_status
sweep_file_write_phase(struct store_sweep *file, const struct sweep_data *data, enum store_sweep_phase phase,
                       struct sheaf_error *error)
{
    const int64_t number = phase, rounds = data->rounds;
    const struct {
        enum store_sweep_column column;
        const void *value;
    } rows[] = {{STORE_SWEEP_ROUNDS, &rounds},
                {STORE_SWEEP_SAMPLE_CHUNKS, &data->sample_chunks},
                {STORE_SWEEP_SAMPLE_TASKS, &data->sample_tasks},
                {STORE_SWEEP_SAMPLE_FLOPS, &data->sample_flops},
                {STORE_SWEEP_SAMPLE_FAILED, &data->sample_failed},
                {STORE_SWEEP_PHASE, &number}}; // last: it says that the others are there
    enum sheaf_status status = SHEAF_OK;
    for (size_t i = 0; i < sizeof rows / sizeof rows[0] && !status; i++)
        status = store_sweep_write(file, rows[i].column, 0, 1, rows[i].value, error);
    return status ? status : store_sweep_sync(file, error);
}

enum sheaf_status
sweep_file_write_pass(struct store_sweep *file, const struct sweep_data *data, int round, int cell,
                      struct sheaf_error *error)
{
    int64_t at = (int64_t)round * data->cells.count + cell;
    enum sheaf_status status = store_sweep_write(file, STORE_SWEEP_MEMORY, at, 1, &data->memory[round][cell], error);
    return status ? status : store_sweep_write(file, STORE_SWEEP_SECONDS, at, 1, &data->seconds[round][cell], error);
}

static enum sheaf_status
write_row(struct store_sweep *file, int cell, const struct sweep_row *row, struct sheaf_error *error)
{
    const int64_t repeats = row->repeats, verdict = row->verdict;
    const struct {
        enum store_sweep_column column;
        const void *value;
    } values[] = {{STORE_SWEEP_REPEATS, &repeats},
                  {STORE_SWEEP_TASKS_PER_SECOND, &row->tasks_per_second},
                  {STORE_SWEEP_TASKS_PER_SECOND_LOW, &row->tasks_per_second_low},
                  {STORE_SWEEP_TASKS_PER_SECOND_HIGH, &row->tasks_per_second_high},
                  {STORE_SWEEP_FLOPS_PER_SECOND, &row->flops_per_second},
                  {STORE_SWEEP_OF_BARE, &row->of_bare},
                  {STORE_SWEEP_RELATIVE, &row->relative},
                  {STORE_SWEEP_P_VALUE, &row->p_value},
                  {STORE_SWEEP_VERDICT, &verdict},
                  {STORE_SWEEP_MEMORY_BYTES, &row->memory_bytes}};
    enum sheaf_status status = SHEAF_OK;
    for (size_t i = 0; i < sizeof values / sizeof values[0] && !status; i++)
        status = store_sweep_write(file, values[i].column, cell, 1, values[i].value, error);
    return status;
}

enum sheaf_status
sweep_file_write_round(struct store_sweep *file, const struct sweep_data *data, int round, struct sheaf_error *error)
{
    struct sweep_row rows[CELLS_MOST];
    sweep_table_fill(data, rows);
    enum sheaf_status status =
        store_sweep_write(file, STORE_SWEEP_BARE_SECONDS, round, 1, &data->bare_seconds[round], error);
    for (int i = 0; i < data->cells.count && !status; i++)
        status = write_row(file, i, &rows[i], error);
    return status ? status : store_sweep_sync(file, error);
}

static enum sheaf_status
read_cells(const struct store_sweep *file, struct sweep_data *data, struct sheaf_error *error)
{
    enum sheaf_status status = SHEAF_OK;
    data->cells.count = store_sweep_cells(file);
    data->nodes = 1;
    for (int i = 0; i < data->cells.count && !status; i++) {
        int64_t numbers[CELL_COLUMNS] = {0};
        double threads_per_core = 0;
        char text[STORE_SWEEP_LAYOUT_BYTES] = "";
        for (int k = 0; k < CELL_COLUMNS && !status; k++)
            status = store_sweep_read(file, cell_columns[k], i, 1, &numbers[k], error);
        for (int k = 0; k < CELL_COLUMNS && !status; k++)
            if (numbers[k] < 1 || numbers[k] > INT32_MAX)
                status = sheaf_fail(error, SHEAF_BAD_DATA, "the file of the sweep is damaged: cell %d is no layout", i);
        if (!status)
            status = store_sweep_read(file, STORE_SWEEP_THREADS_PER_CORE, i, 1, &threads_per_core, error);
        if (!status)
            status = store_sweep_read(file, STORE_SWEEP_LAYOUT, i, 1, text, error);
        struct cell *cell = &data->cells.all[i];
        *cell = (struct cell){(int)numbers[0], {(int)numbers[1], (int)numbers[2], (int)numbers[3]}, false};
        cell->automatic = strncmp(text, "auto", sizeof text) == 0;
        data->nodes = cell->nodes > data->nodes ? cell->nodes : data->nodes;
        double cores = (double)cell->layout.ranks * cell->layout.threads / threads_per_core;
        data->cores = cores >= 1 && cores <= INT32_MAX ? (int)(cores + 0.5) : 1;
    }
    return status;
}

enum sheaf_status
sweep_file_read(const struct store_sweep *file, struct sweep_data *data, enum store_sweep_phase *phase,
                struct sheaf_error *error)
{
    int cells = store_sweep_cells(file), rounds = store_sweep_rounds(file);
    int64_t number = 0, made = 0;
    memset(data, 0, sizeof *data);
    if (cells > CELLS_MOST || rounds != CELLS_ROUNDS_MOST)
        return sheaf_fail(error, SHEAF_BAD_DATA,
                          "the file of the sweep has %d cells and room for %d rounds, this Sheaf knows up to %d and %d",
                          cells, rounds, CELLS_MOST, CELLS_ROUNDS_MOST);
    const struct {
        enum store_sweep_column column;
        void *value;
    } rows[] = {{STORE_SWEEP_ROUNDS, &made},
                {STORE_SWEEP_SAMPLE_CHUNKS, &data->sample_chunks},
                {STORE_SWEEP_SAMPLE_TASKS, &data->sample_tasks},
                {STORE_SWEEP_SAMPLE_FLOPS, &data->sample_flops},
                {STORE_SWEEP_SAMPLE_FAILED, &data->sample_failed},
                {STORE_SWEEP_BARE_SECONDS, data->bare_seconds}};
    enum sheaf_status status = store_sweep_read(file, STORE_SWEEP_PHASE, 0, 1, &number, error);
    *phase = number == STORE_SWEEP_MEASURING || number == STORE_SWEEP_COMPLETE ? (enum store_sweep_phase)number
                                                                               : STORE_SWEEP_WARMING;
    if (status || *phase == STORE_SWEEP_WARMING)
        return status;
    status = read_cells(file, data, error);
    for (size_t i = 0; i < sizeof rows / sizeof rows[0] && !status; i++)
        status = store_sweep_read(file, rows[i].column, 0, rows[i].value == data->bare_seconds ? rounds : 1,
                                  rows[i].value, error);
    for (int round = 0; round < rounds && !status; round++) {
        status =
            store_sweep_read(file, STORE_SWEEP_SECONDS, (int64_t)round * cells, cells, data->seconds[round], error);
        if (!status)
            status =
                store_sweep_read(file, STORE_SWEEP_MEMORY, (int64_t)round * cells, cells, data->memory[round], error);
    }
    data->rounds = made < 0 ? 0 : made > rounds ? rounds : (int)made;
    return status;
}
