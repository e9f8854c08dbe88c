#include "forecast.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

/** Chunks for each core that are looked at, at the end of a plan, at least: those before them leave no core idle. */
enum { CHUNKS_PER_CORE = 2 };

/** A node in predicted time. */
struct node {
    int ranks, threads, cores;
    double now;
    double *free_at; /**< (cores) */
    double *free_in; /**< (cores) scratch */
    double *behind;  /**< (count) seconds of each chunk on one core */
};

static double
latest(const struct node *node)
{
    double last = 0;
    for (int i = 0; i < node->cores; i++)
        last = fmax(last, node->free_at[i]);
    return last;
}

/** The core that is free first. */
static int
first_free(const struct node *node)
{
    int first = 0;
    for (int i = 1; i < node->cores; i++)
        if (node->free_at[i] < node->free_at[first])
            first = i;
    return first;
}

/** When the next core is free after now; there is one. */
static double
next_free(const struct node *node)
{
    double next = INFINITY;
    for (int i = 0; i < node->cores; i++)
        if (node->free_at[i] > node->now)
            next = fmin(next, node->free_at[i]);
    return next;
}

/** Occupy free cores, those of the rank that leads first. */
static void
occupy(struct node *node, const struct policy_width *choice)
{
    int first = choice->rank * node->threads, left = choice->width;
    for (int i = 0; i < node->cores && left > 0; i++) {
        double *free_at = &node->free_at[(first + i) % node->cores];
        if (*free_at > node->now)
            continue;
        *free_at = node->now + choice->finish;
        left--;
    }
}

/** Hand out the first of the chunks that are left, as the rule says, when it says. */
static void
hand_out(struct node *node, const struct tune_facts *chunks, int first, int count)
{
    struct policy_node facts = {.ranks = node->ranks,
                                .threads = node->threads,
                                .free_in = node->free_in,
                                .chunks_left = count - first,
                                .behind = node->behind + first + 1,
                                .behind_known = count - first - 1};
    struct policy_width choice;
    for (int i = first; i < count; i++)
        facts.seconds_left += node->behind[i];
    for (;;) {
        for (int i = 0; i < node->cores; i++)
            node->free_in[i] = fmax(0, node->free_at[i] - node->now);
        policy_choose_width(&facts, &chunks[first], &choice);
        if (!(choice.start > 0))
            break;
        node->now = next_free(node);
    }
    occupy(node, &choice);
}

double
forecast_node(int ranks, int threads, const struct tune_facts *chunks, int count, bool narrow)
{
    struct node node = {.ranks = ranks, .threads = threads, .cores = ranks * threads};
    node.free_at = calloc((size_t)node.cores, sizeof *node.free_at);
    node.free_in = calloc((size_t)node.cores, sizeof *node.free_in);
    node.behind = malloc(((size_t)count + 1) * sizeof *node.behind);
    double seconds = -1;
    if (!node.free_at || !node.free_in || !node.behind)
        goto cleanup;
    for (int i = 0; i < count; i++)
        node.behind[i] = tune_seconds(&chunks[i], 1);
    for (int i = 0; i < count; i++)
        if (narrow)
            node.free_at[first_free(&node)] += node.behind[i];
        else
            hand_out(&node, chunks, i, count);
    seconds = latest(&node);
cleanup:
    free(node.free_at);
    free(node.free_in);
    free(node.behind);
    return seconds;
}

bool
forecast_run(const struct plan *plan, int nodes, int ranks, int threads, int widest, struct forecast *forecast)
{
    int cores = ranks * threads;
    /* of the nodes the one that gets the first chunk, and so the most */
    int64_t share = (plan->places + nodes - 1) / nodes, most = (int64_t)CHUNKS_PER_CORE * cores;
    int count = (int)(share < most ? share : most + (share - most) % cores); /* before them each core has as many */
    int64_t first = (share - count) * nodes;
    struct tune_facts *chunks = malloc(((size_t)count + 1) * sizeof *chunks);
    if (!chunks)
        return false;
    for (int i = 0; i < count; i++) {
        const struct plan_chunk chunk = plan_at(plan, first + (int64_t)i * nodes);
        chunks[i] = tune_chunk_facts(plan, &chunk);
        if (widest > 0 && (chunks[i].greatest_width == 0 || chunks[i].greatest_width > widest))
            chunks[i].greatest_width = widest;
    }
    double before = plan_seconds_before(plan, first) / ((double)nodes * cores);
    double chosen = forecast_node(ranks, threads, chunks, count, false);
    double narrow = forecast_node(ranks, threads, chunks, count, true);
    free(chunks);
    *forecast = (struct forecast){before + chosen, before + narrow};
    return chosen >= 0 && narrow >= 0;
}
