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
    double task = TUNE_WAKE_SECONDS + ceil(columns / TUNE_BLOCK) * TUNE_BLOCK_SECONDS;
    return (double)facts->tasks * task * log2(threads);
}

double
tune_model_seconds(const struct tune_facts *facts, int width)
{
    int threads = useful(facts, width);
    return work_seconds(facts, threads) + wait_seconds(facts, threads);
}

/** What the prior's factor becomes with a sample of chunks that the model says take `model` seconds each. */
static double
corrected(const struct tune_sample *sample, double model, double prior)
{
    if (!(sample->nominal > 0) || !(sample->measured > 0) || !(model > 0))
        return prior;
    double chunks = sample->nominal / model, own = log(sample->measured / sample->nominal);
    return exp((chunks * own + TUNE_PRIOR_CHUNKS * log(prior)) / (chunks + TUNE_PRIOR_CHUNKS));
}

double
tune_seconds(const struct tune_facts *facts, int width)
{
    int threads = useful(facts, width);
    double narrow = corrected(&facts->narrow, facts->seconds, 1), work = work_seconds(facts, threads);
    if (threads == 1)
        return narrow * work;
    double wait = wait_seconds(facts, threads), model = work + wait;
    if (!(model > 0))
        return 0;
    return model * corrected(&facts->wide, model, (narrow * work + wait) / model);
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
