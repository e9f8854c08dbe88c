#include "simulate_node.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

/** A chunk that is being computed. */
struct chunk {
    int class_index, width;
    double left;    /* of it: 1 to 0 */
    double seconds; /* where memory serves it at once */
    double slowness;
    double begun;
    bool at_core[NODE_CORES_MAX];
};

struct node {
    const struct node_setup *setup;
    int cores, running, class_index; /* class_index: of the head */
    int64_t left;                    /* chunks of that class */
    double now;
    struct chunk chunks[NODE_CORES_MAX];
    bool busy[NODE_CORES_MAX];
    struct tune_facts facts[NODE_CLASSES_MAX];
    struct tune_sample any;
    uint64_t random;
};

/* Uniform in [0, 1). splitmix64: Steele, Lea, Flood, OOPSLA 2014. */
static double
uniform(uint64_t *state)
{
    uint64_t z = (*state += UINT64_C(0x9e3779b97f4a7c15));
    z = (z ^ z >> 30) * UINT64_C(0xbf58476d1ce4e5b9);
    z = (z ^ z >> 27) * UINT64_C(0x94d049bb133111eb);
    return (double)((z ^ z >> 31) >> 11) * 0x1p-53;
}

double
node_model_seconds(const struct node_model *model, int width)
{
    int next = 0, last_width = 1;
    double last_part = 1;
    while (next < model->points && model->widths[next] <= width) {
        last_width = model->widths[next];
        last_part = model->parts[next++];
    }
    if (next == model->points)
        return model->seconds * last_part;
    double way = log((double)width / last_width) / log((double)model->widths[next] / last_width);
    return model->seconds * last_part * pow(model->parts[next] / last_part, way);
}

/* ---- the chunks that are being computed ---- */

/* How much slower memory makes each of them now. */
static void
share_memory(struct node *node)
{
    double wanted = 0;
    for (int i = 0; i < node->running; i++) {
        const struct node_model *model = &node->setup->classes[node->chunks[i].class_index].model;
        wanted += model->memory * model->seconds / node->chunks[i].seconds;
    }
    double excess = fmax(0, wanted / node->setup->memory - 1);
    for (int i = 0; i < node->running; i++)
        node->chunks[i].slowness = 1 + node->setup->classes[node->chunks[i].class_index].model.memory * excess;
}

static void
begin(struct node *node, int width, int first_core)
{
    struct chunk *chunk = &node->chunks[node->running++];
    double noise = 1 + node->setup->jitter * (2 * uniform(&node->random) - 1);
    *chunk = (struct chunk){.class_index = node->class_index, .width = width, .left = 1, .begun = node->now};
    chunk->seconds = noise * node_model_seconds(&node->setup->classes[node->class_index].model, width);
    for (int i = 0, taken = 0; i < node->cores && taken < width; i++) {
        int core = (first_core + i) % node->cores;
        if (node->busy[core])
            continue;
        node->busy[core] = chunk->at_core[core] = true;
        taken++;
    }
    node->left--;
    while (node->left == 0 && ++node->class_index < node->setup->class_count)
        node->left = node->setup->classes[node->class_index].chunks;
    share_memory(node);
}

/* A chunk is done: what it took is known to the rule from now on. */
static void
end(struct node *node, int place)
{
    const struct chunk *chunk = &node->chunks[place];
    struct tune_facts *facts = &node->facts[chunk->class_index];
    double took = node->now - chunk->begun;
    tune_add(&node->any, tune_model_seconds(facts, chunk->width), took);
    if (chunk->width == 1)
        tune_add(&facts->narrow, facts->seconds, took);
    else
        tune_add(&facts->wide, tune_model_seconds(facts, chunk->width), took);
    for (int i = 0; i < node->cores; i++)
        node->busy[i] = node->busy[i] && !chunk->at_core[i];
    for (int i = 0; i < node->setup->class_count; i++)
        node->facts[i].any = node->any;
    node->chunks[place] = node->chunks[--node->running];
    share_memory(node);
}

/* Let time pass until a chunk is done: one is being computed. */
static void
pass(struct node *node)
{
    int first = 0;
    double soonest = INFINITY;
    for (int i = 0; i < node->running; i++) {
        double at = node->now + node->chunks[i].left * node->chunks[i].seconds * node->chunks[i].slowness;
        if (at < soonest) {
            soonest = at;
            first = i;
        }
    }
    for (int i = 0; i < node->running; i++)
        node->chunks[i].left -= (soonest - node->now) / (node->chunks[i].seconds * node->chunks[i].slowness);
    node->now = soonest;
    end(node, first);
}

/* ---- who decides ---- */

/* Seconds until each core is free, as the rule's caller tells it: a chunk that is overdue has as much to go again. */
static void
predict_free(const struct node *node, double *free_in)
{
    memset(free_in, 0, (size_t)node->cores * sizeof *free_in);
    for (int i = 0; i < node->running; i++) {
        const struct chunk *chunk = &node->chunks[i];
        double whole = tune_seconds(&node->facts[chunk->class_index], chunk->width);
        double to_go = fmax(fabs(chunk->begun + whole - node->now), 0.01 * whole);
        for (int core = 0; core < node->cores; core++)
            if (chunk->at_core[core])
                free_in[core] = to_go;
    }
}

/* Begin the head where the rule says so. @return false where it is to wait */
static bool
ask_rule(struct node *node)
{
    double free_in[NODE_CORES_MAX], behind[2 * NODE_CORES_MAX];
    const struct node_setup *setup = node->setup;
    struct policy_node facts = {.ranks = setup->ranks, .threads = setup->threads, .free_in = free_in, .behind = behind};
    predict_free(node, free_in);
    for (int i = node->class_index; i < setup->class_count; i++) {
        int64_t chunks = i == node->class_index ? node->left : setup->classes[i].chunks;
        double seconds = tune_seconds(&node->facts[i], 1);
        facts.chunks_left += chunks;
        facts.seconds_left += (double)chunks * seconds;
        for (int64_t k = i == node->class_index; k < chunks && facts.behind_known < 2 * node->cores; k++)
            behind[facts.behind_known++] = seconds;
    }
    const struct tune_facts *head = &node->facts[node->class_index];
    bool measured = head->narrow.nominal > 0 || head->wide.nominal > 0;
    facts.doubt = measured || node->class_index + 1 == setup->class_count ? 1 : TUNE_DOUBT;
    struct policy_width choice;
    policy_choose_width(&facts, &node->facts[node->class_index], &choice);
    if (choice.start > 0)
        return false;
    begin(node, choice.width, choice.rank * setup->threads);
    return true;
}

static int
idle_cores(const struct node *node)
{
    int idle = 0;
    for (int i = 0; i < node->cores; i++)
        idle += !node->busy[i];
    return idle;
}

/* Begin what can begin now. */
static void
begin_all(struct node *node)
{
    int idle, width = node->setup->width;
    while (node->class_index < node->setup->class_count && (idle = idle_cores(node)) > 0) {
        if (width == 0 && !ask_rule(node))
            return;
        if (width > idle)
            return;
        if (width > 0)
            begin(node, width, 0);
    }
}

double
simulate_node(const struct node_setup *setup)
{
    struct node node = {.setup = setup, .cores = setup->ranks * setup->threads, .random = setup->seed};
    for (int i = 0; i < setup->class_count; i++)
        node.facts[i] = setup->classes[i].facts;
    node.left = setup->classes[0].chunks;
    begin_all(&node);
    while (node.running > 0) {
        pass(&node);
        begin_all(&node);
    }
    return node.class_index < setup->class_count ? -1 : node.now;
}
