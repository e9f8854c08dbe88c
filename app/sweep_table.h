/**
 * @file sweep_table.h
 * What the passes of a sweep took, and what follows from that for each cell. Pure.
 */
#ifndef SHEAF_SWEEP_TABLE_H
#define SHEAF_SWEEP_TABLE_H

#include "cells.h"

/** Everything that was measured; 0 where it was not. */
struct sweep_data {
    struct cells cells;
    int nodes;  /**< of the job */
    int cores;  /**< of the node with the fewest */
    int rounds; /**< that are made, at most CELLS_ROUNDS_MOST */
    int64_t sample_chunks, sample_tasks, sample_failed;
    double sample_flops;
    double seconds[CELLS_ROUNDS_MOST][CELLS_MOST]; /**< for the sample, from its first task to its last commit */
    int64_t memory[CELLS_ROUNDS_MOST][CELLS_MOST]; /**< bytes, all ranks together, each at its peak */
    /** For the sample, at the rate of the same kernel calls on data that stay in memory, by one thread on each core of all nodes. */
    double bare_seconds[CELLS_ROUNDS_MOST];
};

enum sweep_verdict {
    SWEEP_UNMEASURED = 0,
    SWEEP_BEST = 1,
    SWEEP_ALIKE = 2 /**< cannot be told from the best */,
    SWEEP_WORSE = 3
};

/** A cell that differs from the best by chance with less than this probability is worse. */
#define SWEEP_SIGNIFICANCE 0.05

struct sweep_row {
    int repeats;
    double tasks_per_second, tasks_per_second_low, tasks_per_second_high; /**< median, and where it lies by 95 % */
    double flops_per_second;
    double of_bare;  /**< median over the rounds, each with its own bare rate; 0: not measured */
    double relative; /**< to the best cell's median */
    double p_value;  /**< of the differences to the best cell, round by round */
    enum sweep_verdict verdict;
    int64_t memory_bytes; /**< the greatest of its passes */
};

/** @param[out] rows  one a cell @return the best cell, by its median; -1: nothing is measured */
int sweep_table_fill(const struct sweep_data *data, struct sweep_row *rows);

/** Order cells by their rate, fastest first. @param[out] order  cell numbers */
void sweep_table_order(const struct sweep_row *rows, int count, int *order);

#endif
