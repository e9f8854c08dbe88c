#include "tune.h"

#include <math.h>

struct tune_facts
tune_chunk_facts(const struct plan *plan, const struct plan_chunk *chunk)
{
    const struct sheaf_cost *cost = &plan->classes[chunk->class_index].cost;
    bool one = plan->kernel->width_kind == SHEAF_WIDTH_ONE;
    return (struct tune_facts){
        .seconds = plan_chunk_seconds(plan, chunk),
        .tasks = chunk->count,
        .serial_fraction = cost->serial_fraction,
        .greatest_width = one ? 1 : cost->greatest_width,
    };
}

void
tune_add(struct tune_sample *sample, double nominal, double measured)
{
    if (!(nominal > 0) || !(measured > 0))
        return;
    if (sample->nominal > 0) {
        double usual = nominal * sample->measured / sample->nominal;
        measured = fmin(fmax(measured, usual / TUNE_OUTLIER), usual * TUNE_OUTLIER);
    }
    sample->nominal += nominal;
    sample->measured += measured;
}

/** The threads that compute a task at a width. */
static int
useful(const struct tune_facts *facts, int width)
{
    return facts->greatest_width > 0 && width > facts->greatest_width ? facts->greatest_width : width;
}

/** Seconds of all tasks' work, by the model. */
static double
work_seconds(const struct tune_facts *facts, int threads)
{
    return facts->seconds * (facts->serial_fraction + (1 - facts->serial_fraction) / threads);
}

/** Seconds that all tasks' threads wait for each other, by the model. */
static double
wait_seconds(const struct tune_facts *facts, int threads)
{
    if (threads == 1)
        return 0;
    double columns = cbrt(facts->seconds / (double)facts->tasks * PLAN_NOMINAL_FLOPS / 2);
    double task = TUNE_WAKE_SECONDS * log2(threads) + ceil(columns / TUNE_BLOCK) * TUNE_BLOCK_SECONDS;
    return (double)facts->tasks * task;
}

double
tune_model_seconds(const struct tune_facts *facts, int width)
{
    int threads = useful(facts, width);
    return work_seconds(facts, threads) + wait_seconds(facts, threads);
}

/** Chunks that a sample stands for, where the model says that each takes so long. */
static double
sample_chunks(const struct tune_sample *sample, double model)
{
    return sample->nominal > 0 && sample->measured > 0 && model > 0 ? sample->nominal / model : 0;
}

/** How a sample passes what the model says: logarithm. */
static double
sample_excess(const struct tune_sample *sample)
{
    return sample->nominal > 0 && sample->measured > 0 ? log(sample->measured / sample->nominal) : 0;
}

/**
 * The factors of the work and of all that is wide, most likely by the samples: the least of the squares of what they leave
 * unexplained, each as often as there are chunks, and of the factors themselves, as often as the priors weigh. All in logarithms.
 * @param[in] share  of work in what the model says of the width
 */
static void
correct(const struct tune_facts *facts, double model, double share, double *work_factor, double *wide_factor)
{
    double narrow = sample_chunks(&facts->narrow, facts->seconds), wide = sample_chunks(&facts->wide, model);
    double usual = sample_excess(&facts->any); /* what is left is explained: the prior of the work is there */
    double narrow_excess = narrow * (sample_excess(&facts->narrow) - usual);
    double wide_excess = wide * (sample_excess(&facts->wide) - share * usual);
    /* the normal equations of narrow_excess ~ work, wide_excess ~ share * work + all */
    double work_work = TUNE_WORK_PRIOR + narrow + wide * share * share, work_all = wide * share;
    double all_all = TUNE_WIDE_PRIOR + wide, determinant = work_work * all_all - work_all * work_all;
    double work_side = narrow_excess + share * wide_excess;
    *work_factor = exp(usual + (work_side * all_all - wide_excess * work_all) / determinant);
    *wide_factor = exp((wide_excess * work_work - work_side * work_all) / determinant);
}

double
tune_seconds(const struct tune_facts *facts, int width)
{
    int threads = useful(facts, width);
    double work = work_seconds(facts, threads), wait = wait_seconds(facts, threads), model = work + wait;
    double work_factor, wide_factor;
    if (!(model > 0))
        return 0;
    /* on one core too, what was measured on several tells how fast the cores are */
    correct(facts, threads == 1 ? tune_model_seconds(facts, 2) : model, threads == 1 ? 1 : work / model, &work_factor,
            &wide_factor);
    return threads == 1 ? work_factor * work : (work_factor * work + wait) * wide_factor;
}

int
tune_best_width(const struct tune_facts *facts, int cores, double *speedup)
{
    double one = tune_seconds(facts, 1), least = one;
    for (int width = 2; width <= useful(facts, cores); width++)
        least = fmin(least, tune_seconds(facts, width));
    int best = 1;
    while (tune_seconds(facts, best) > 1.02 * least)
        best++;
    if (speedup)
        *speedup = tune_seconds(facts, best) > 0 ? one / tune_seconds(facts, best) : 1;
    return best;
}
