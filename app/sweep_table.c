#include "sweep_table.h"
#include "statistics.h"

#include <math.h>
#include <stdlib.h>

/** The rounds that a cell was measured in. @return how many */
static int
take_seconds(const struct sweep_data *data, int cell, double *seconds)
{
    int count = 0;
    for (int round = 0; round < data->rounds; round++)
        if (data->seconds[round][cell] > 0)
            seconds[count++] = data->seconds[round][cell];
    return count;
}

/** A cell's share of the bare rate of its nodes. */
static double
share_of_bare(const struct sweep_data *data, int cell)
{
    double shares[CELLS_ROUNDS_MOST], nodes = (double)data->cells.all[cell].nodes / data->nodes;
    int count = 0;
    for (int round = 0; round < data->rounds; round++)
        if (data->seconds[round][cell] > 0 && data->bare_seconds[round] > 0)
            shares[count++] = data->bare_seconds[round] / nodes / data->seconds[round][cell];
    return count > 0 ? statistics_median(shares, count) : 0;
}

static void
fill_row(const struct sweep_data *data, int cell, struct sweep_row *row)
{
    double seconds[CELLS_ROUNDS_MOST], tasks = (double)data->sample_tasks;
    *row = (struct sweep_row){.repeats = take_seconds(data, cell, seconds)};
    if (row->repeats == 0)
        return;
    struct statistics_interval interval = statistics_median_interval(seconds, row->repeats, 0.95);
    double median = statistics_median(seconds, row->repeats);
    row->tasks_per_second = tasks / median;
    row->tasks_per_second_low = tasks / interval.high;
    row->tasks_per_second_high = tasks / interval.low;
    row->flops_per_second = data->sample_flops / median;
    row->of_bare = share_of_bare(data, cell);
    for (int round = 0; round < data->rounds; round++)
        if (data->memory[round][cell] > row->memory_bytes)
            row->memory_bytes = data->memory[round][cell];
}

/** Compare a cell with the best one in the rounds that have both, by the ratio of their times. */
static double
compare(const struct sweep_data *data, int cell, int best)
{
    double differences[CELLS_ROUNDS_MOST];
    int count = 0;
    for (int round = 0; round < data->rounds; round++)
        if (data->seconds[round][cell] > 0 && data->seconds[round][best] > 0)
            differences[count++] = log(data->seconds[round][cell] / data->seconds[round][best]);
    return statistics_signed_rank(differences, count);
}

int
sweep_table_fill(const struct sweep_data *data, struct sweep_row *rows)
{
    int best = -1;
    for (int i = 0; i < data->cells.count; i++) {
        fill_row(data, i, &rows[i]);
        if (rows[i].repeats > 0 && (best < 0 || rows[i].tasks_per_second > rows[best].tasks_per_second))
            best = i;
    }
    for (int i = 0; i < data->cells.count; i++) {
        if (rows[i].repeats == 0)
            continue;
        rows[i].relative = rows[i].tasks_per_second / rows[best].tasks_per_second;
        rows[i].p_value = compare(data, i, best);
        rows[i].verdict = i == best ? SWEEP_BEST : rows[i].p_value < SWEEP_SIGNIFICANCE ? SWEEP_WORSE : SWEEP_ALIKE;
    }
    return best;
}

static int
compare_rates(const void *a, const void *b, void *rows)
{
    const struct sweep_row *first = (const struct sweep_row *)rows + *(const int *)a;
    const struct sweep_row *second = (const struct sweep_row *)rows + *(const int *)b;
    double faster = first->tasks_per_second, slower = second->tasks_per_second;
    return faster != slower ? (faster < slower) - (faster > slower) : *(const int *)a - *(const int *)b;
}

void
sweep_table_order(const struct sweep_row *rows, int count, int *order)
{
    for (int i = 0; i < count; i++)
        order[i] = i;
    qsort_r(order, (size_t)count, sizeof *order, compare_rates, (void *)rows);
}
