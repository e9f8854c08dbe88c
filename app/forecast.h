/**
 * @file forecast.h
 * What a run is predicted to take with widths chosen as policy.h says, and with one core for every task (--reproducible). Pure.
 */
#ifndef SHEAF_FORECAST_H
#define SHEAF_FORECAST_H

#include "policy.h"

/** What a run takes. Seconds by the nominal speed of a core: their quotient means more than themselves. */
struct forecast {
    double chosen; /**< widths chosen by the rule */
    double narrow; /**< each task on one core */
};

/**
 * Predicted seconds of a node with all its cores free, for chunks that are handed out in this order.
 * @param[in] chunks  (count)
 * @param[in] narrow  one core each; else the rule's widths
 * @return seconds until the last one is done; negative without memory
 */
double forecast_node(int ranks, int threads, const struct tune_facts *chunks, int count, bool narrow);

/**
 * What a plan takes. The two differ at its end alone: the chunks before the last few of each core are taken to fill all cores,
 * and the last ones to be dealt out to the nodes in turn.
 *
 * @param[in]  nodes    that are alike
 * @param[in]  ranks    of each, of `threads` cores
 * @param[in]  widest   cores that a task can use at most; 0: any number
 * @param[out] forecast
 * @return false without memory
 */
bool forecast_run(const struct plan *plan, int nodes, int ranks, int threads, int widest, struct forecast *forecast);

#endif
