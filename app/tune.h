/**
 * @file tune.h
 * How long a chunk takes on one core and on several: a time model, corrected by the run's own chunks. Pure: no clock, MPI or
 * files.
 *
 * A task of t seconds on one core takes on w of them
 *     t (s + (1 - s) / w) + w's share of waiting,
 * where s is what the kernel says of itself (G. M. Amdahl, "Validity of the single processor approach to achieving large scale
 * computing capabilities", AFIPS 1967), and w no more than the width from which on it says that more never helps. The
 * tasks of a chunk are computed one after the other on all w cores.
 *
 * Waiting: BLAS wakes its threads, as a tree of them would take (log2), and they wait for each other at every block of columns
 * that a factorisation or product goes through. A task's columns follow from its nominal flops, as if it were a product of square
 * matrices, and a block has TUNE_BLOCK of them, as LAPACK's have (ILAENV's usual 32 to 64). What a block costs was fitted to
 * products of 128 to 384 on 1 to 10 cores (github.com/OpenMathLib/OpenBLAS, issue 1881, comment of 2018-12-30, taken to run
 * at 95 GF/s on one core): it is 8 to 17 us there, and grows little with the number of threads. So tiny tasks never look better on
 * several cores.
 */
#ifndef SHEAF_TUNE_H
#define SHEAF_TUNE_H

#include "plan.h"

/** What waking BLAS's threads for a task costs, for each doubling of the width. */
#define TUNE_WAKE_SECONDS 5e-6

/** What each block of columns costs on several cores. */
#define TUNE_BLOCK_SECONDS 1.5e-5
#define TUNE_BLOCK 64.0

/**
 * What the model's own word weighs, in chunks measured: little for the speed of a core, which the nominal speed only orders; more
 * for how a kernel scales.
 */
#define TUNE_WORK_PRIOR 0.1
#define TUNE_WIDE_PRIOR 1.0

/** How far a single chunk may pass what the chunks before it said: a page fault storm or a neighbour's burst is no law. */
#define TUNE_OUTLIER 4.0

/** How many times too short or too long a class is taken for against others, before one of its chunks was measured. */
#define TUNE_DOUBT 3.0

/** What chunks of a class took so far in this run, on one core or on several: sums over chunks. Seconds; nominal 0: none yet. */
struct tune_sample {
    double nominal, measured;
};

/** All that the model knows of a chunk. */
struct tune_facts {
    double seconds;         /**< nominal, of the chunk on one core (plan_chunk_seconds) */
    int64_t tasks;          /**< of the chunk, at least 1; several of them are wide one after the other */
    double serial_fraction; /**< struct sheaf_cost's */
    int greatest_width;     /**< struct sheaf_cost's; 0: no bound; 1: a kernel that knows no width (SHEAF_WIDTH_ONE) */
    struct tune_sample narrow; /**< of its class at width 1: nominal against measured */
    struct tune_sample wide;   /**< of its class at widths above 1: tune_model_seconds against measured */
    /** Of all chunks of the run, at the widths that they had: tune_model_seconds against measured. For a class without its own. */
    struct tune_sample any;
};

/** The facts of a plan's chunk, without samples. */
struct tune_facts tune_chunk_facts(const struct plan *plan, const struct plan_chunk *chunk);

/** Count a chunk that was measured. One that is far from those before it counts as TUNE_OUTLIER times what they say. */
void tune_add(struct tune_sample *sample, double nominal, double measured);

/**
 * Seconds of the chunk at a width, by the model alone: what a sample of wide chunks is compared with.
 * @param[in] width  at least 1. Cores past greatest_width are left idle: BLAS is given no more threads than that.
 */
double tune_model_seconds(const struct tune_facts *facts, int width);

/**
 * Predicted seconds of the chunk at a width: the model's, corrected by the samples.
 *
 * Two factors correct it: of the work, which all chunks tell, and of widths above 1, which the difference between wide and
 * narrow ones does. Both are fitted to the logarithms of what was measured, with the model as a prior (TUNE_WORK_PRIOR,
 * TUNE_WIDE_PRIOR): so a single chunk moves them part of the way, and where all chunks were wide, cores are taken to be faster
 * than nominal before the kernel is taken to scale better than it says.
 */
double tune_seconds(const struct tune_facts *facts, int width);

/**
 * The width that computes the chunk soonest where it has all the cores for itself: the least of those within 1/50 of the soonest.
 * @param[in]  cores    at least 1
 * @param[out] speedup  against width 1; may be NULL
 */
int tune_best_width(const struct tune_facts *facts, int cores, double *speedup);

#endif
