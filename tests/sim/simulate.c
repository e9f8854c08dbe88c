#include "simulate.h"
#include "policy.h"

#include <math.h>
#include <stdlib.h>

enum { CELLS = 4 }; /* QUEUE_CELLS */

/* A part of a node's queue. */
struct span {
    int64_t next, end;
    double arrival;
};

struct node {
    double *free;  /* when each worker will be free, less `shift`: a heap, the earliest first */
    double shift;  /* added to all of them */
    double latest; /* the greatest of them, with shift */
    double slowness;
    struct span cells[CELLS]; /* in the order of their places, the first `cell_count` */
    int cell_count;
    int64_t left; /* chunks in them */
    int64_t low_water;
    bool closed;
};

/* Something that is under way: a request to the root, or an answer to a node. A node has one at most. */
struct message {
    double time;
    int node;
    bool answer;
    struct span span;
    bool closed;
};

struct run {
    const struct simulation *setup;
    struct simulation_result *result;
    struct node *nodes;
    double *free; /* of all nodes */
    struct message *messages;
    int message_count;
    int64_t next; /* the root's: what has been handed out */
    double root_free;
    double second; /* the one in which requests are counted now */
    int64_t in_second;
    uint64_t random;
};

/* Uniform in [0, 1). splitmix64: Steele, Lea, Flood, OOPSLA 2014. */
static double
uniform(struct run *run)
{
    uint64_t z = (run->random += UINT64_C(0x9e3779b97f4a7c15));
    z = (z ^ z >> 30) * UINT64_C(0xbf58476d1ce4e5b9);
    z = (z ^ z >> 27) * UINT64_C(0x94d049bb133111eb);
    return (double)((z ^ z >> 31) >> 11) * 0x1p-53;
}

/* ---- messages, the earliest first: a heap ---- */

static void
swap_messages(struct message *a, struct message *b)
{
    struct message kept = *a;
    *a = *b;
    *b = kept;
}

static void
send(struct run *run, struct message message)
{
    int at = run->message_count++;
    run->messages[at] = message;
    while (at > 0 && run->messages[(at - 1) / 2].time > run->messages[at].time) {
        swap_messages(&run->messages[(at - 1) / 2], &run->messages[at]);
        at = (at - 1) / 2;
    }
}

static struct message
receive(struct run *run)
{
    struct message *heap = run->messages, first = heap[0];
    heap[0] = heap[--run->message_count];
    for (int at = 0;;) {
        int least = at;
        for (int child = 2 * at + 1; child <= 2 * at + 2 && child < run->message_count; child++)
            if (heap[child].time < heap[least].time)
                least = child;
        if (least == at)
            return first;
        swap_messages(&heap[at], &heap[least]);
        at = least;
    }
}

/* ---- a node's workers ---- */

/* The earliest worker is busy until `time` from now on. */
static void
occupy(const struct run *run, struct node *node, double time)
{
    double stored = time - node->shift;
    double *heap = node->free;
    int at = 0;
    for (;;) {
        int least = 2 * at + 1;
        if (least >= run->setup->node_workers)
            break;
        if (least + 1 < run->setup->node_workers && heap[least + 1] < heap[least])
            least++;
        if (heap[least] >= stored)
            break;
        heap[at] = heap[least];
        at = least;
    }
    heap[at] = stored;
    node->latest = time > node->latest ? time : node->latest;
}

/* Nominal seconds of the chunk at a place, and how many from there on are alike. */
static double
equal_chunks(const struct plan *plan, int64_t place, int64_t *count)
{
    struct plan_chunk chunk = plan_at(plan, place);
    const struct plan_class *class = &plan->classes[chunk.class_index];
    int64_t before = chunk.first - class->first_position;
    int64_t full = (class->tasks - before) / class->tasks_per_chunk;
    if (plan->reversed)
        full = before / class->tasks_per_chunk + 1;
    *count = full > 0 && chunk.count == class->tasks_per_chunk ? full : 1;
    return plan_chunk_seconds(plan, &chunk);
}

static void
drop_first(struct node *node, int64_t count)
{
    node->left -= count;
    node->cells[0].next += count;
    if (node->cells[0].next < node->cells[0].end)
        return;
    node->cell_count--;
    for (int i = 0; i < node->cell_count; i++)
        node->cells[i] = node->cells[i + 1];
}

/* The earliest worker takes the first chunk. @return when it starts */
static double
claim_one(struct run *run, struct node *node, double seconds)
{
    double start = node->free[0] + node->shift;
    start = start > node->cells[0].arrival ? start : node->cells[0].arrival;
    double spent = seconds * node->slowness * (1 + run->setup->jitter * (2 * uniform(run) - 1));
    occupy(run, node, start + spent);
    drop_first(node, 1);
    run->result->chunks++;
    run->result->work += spent;
    return start;
}

/*
 * Whole rounds: where workers are free within one chunk's time of each other, each takes one in turn, and the order stays. The
 * mean of many chunks varies by jitter / sqrt(3 count), and workers even it out among themselves.
 */
static void
claim_rounds(struct run *run, struct node *node, double seconds, int64_t rounds)
{
    int64_t count = rounds * run->setup->node_workers;
    double wave = (uniform(run) + uniform(run) + uniform(run) - 1.5) * 2; /* nearly normal, variance 1 */
    double mean = seconds * node->slowness * (1 + run->setup->jitter * wave / sqrt(3 * (double)count));
    node->shift += (double)rounds * mean;
    node->latest += (double)rounds * mean;
    drop_first(node, count);
    run->result->chunks += count;
    run->result->work += (double)count * mean;
}

/* Let workers claim until `left` chunks remain, or none would start by `until`. @return when the last one was claimed */
static double
claim(struct run *run, struct node *node, int64_t left, double until)
{
    double last = 0;
    while (node->left > left) {
        const struct span *span = &node->cells[0];
        double earliest = node->free[0] + node->shift;
        if (earliest > until || span->arrival > until)
            break;
        int64_t alike, most = node->left - left;
        double seconds = equal_chunks(run->setup->plan, span->next, &alike), real = seconds * node->slowness;
        most = most < span->end - span->next ? most : span->end - span->next;
        most = most < alike ? most : alike;
        /* one is left for claim_one, which tells when */
        double rounds = floor((double)(most - 1) / run->setup->node_workers);
        if (until < INFINITY)
            rounds = fmin(rounds, floor((until - node->latest) / real));
        if (rounds >= 1 && earliest >= span->arrival && node->latest - earliest <= real * (1 + run->setup->jitter))
            claim_rounds(run, node, seconds, (int64_t)rounds);
        else
            last = claim_one(run, node, seconds);
    }
    return last;
}

/* ---- the protocol ---- */

static void
refill(const struct run *run, struct node *node, struct span span)
{
    if (span.next >= span.end)
        return;
    node->cells[node->cell_count++] = span;
    node->left += span.end - span.next;
    node->low_water = policy_low_water(run->setup->plan, span.end, run->setup->node_workers);
}

/* Let a node compute until it wants more, from `now` on. @return when it does */
static double
wants_more_at(struct run *run, struct node *node, double now)
{
    double wants = now;
    bool hungry = false;
    while (node->cell_count == CELLS || !policy_wants_span(node->left, node->low_water, hungry)) {
        int64_t low_water = node->low_water > 0 ? node->low_water : 0;
        if (node->left == 0) { /* the first worker that is free finds nothing */
            hungry = true;
            wants = node->free[0] + node->shift;
        } else if (node->left > low_water) {
            wants = claim(run, node, low_water, INFINITY);
        } else { /* all cells are taken */
            wants = claim(run, node, node->left - (node->cells[0].end - node->cells[0].next), INFINITY);
        }
    }
    return wants > now ? wants : now;
}

/* Let a node compute until it asks for more, and send its request; to the end where there is no more. */
static void
go_on(struct run *run, int index, double now)
{
    struct node *node = &run->nodes[index];
    claim(run, node, 0, now);
    if (node->closed) {
        claim(run, node, 0, INFINITY);
        return;
    }
    double asks = wants_more_at(run, node, now);
    double way = index == 0 ? 0 : run->setup->way_seconds * uniform(run);
    send(run, (struct message){.time = asks + way, .node = index});
}

static void
count_request(struct run *run, double now)
{
    if (floor(now) > run->second) {
        run->second = floor(now);
        run->in_second = 0;
    }
    run->result->requests++;
    if (++run->in_second > run->result->busiest)
        run->result->busiest = run->in_second;
}

/* The root answers: the next span, and whether it is the last. */
static void
answer(struct run *run, const struct message *request)
{
    const struct simulation *setup = run->setup;
    int64_t workers = (int64_t)setup->nodes * setup->node_workers;
    int64_t span = policy_span(setup->plan, run->next, workers, setup->node_workers);
    count_request(run, request->time);
    run->root_free = fmax(run->root_free, request->time) + setup->service_seconds;
    double way = request->node == 0 ? 0 : setup->way_seconds * uniform(run);
    struct message reply = {.time = run->root_free + way, .node = request->node, .answer = true};
    reply.span = (struct span){.next = run->next, .end = run->next + span, .arrival = reply.time};
    run->next += span;
    reply.closed = run->next >= setup->plan->chunks;
    send(run, reply);
}

static void
take_answer(struct run *run, const struct message *message)
{
    struct node *node = &run->nodes[message->node];
    claim(run, node, 0, message->time); /* what was claimed before the answer came */
    refill(run, node, message->span);
    node->closed = message->closed;
    go_on(run, message->node, message->time);
}

/* Each node starts with its first span; all that is left is asked for. */
static void
start(struct run *run)
{
    const struct simulation *setup = run->setup;
    int64_t workers = (int64_t)setup->nodes * setup->node_workers;
    run->next = setup->plan->chunks < workers ? setup->plan->chunks : workers;
    for (int i = 0; i < setup->nodes; i++) {
        struct node *node = &run->nodes[i];
        struct span first = {0, 0, 0};
        node->free = run->free + (int64_t)i * setup->node_workers;
        node->slowness = 1 + setup->speed_spread * (2 * uniform(run) - 1);
        policy_first_span(setup->plan->chunks, workers, (int64_t)i * setup->node_workers, setup->node_workers,
                          &first.next, &first.end);
        refill(run, node, first);
        go_on(run, i, 0);
    }
}

bool
simulate(const struct simulation *setup, struct simulation_result *result)
{
    struct run run = {.setup = setup, .result = result, .random = setup->seed, .second = -1};
    const struct plan_chunk longest = plan_at(setup->plan, setup->plan->reversed ? setup->plan->chunks - 1 : 0);
    *result = (struct simulation_result){.longest_chunk = plan_chunk_seconds(setup->plan, &longest)};
    run.nodes = calloc((size_t)setup->nodes, sizeof *run.nodes);
    run.free = calloc((size_t)setup->nodes * (size_t)setup->node_workers, sizeof *run.free);
    run.messages = calloc((size_t)setup->nodes, sizeof *run.messages);
    bool good = run.nodes && run.free && run.messages;
    if (good)
        start(&run);
    while (good && run.message_count > 0) {
        struct message message = receive(&run);
        if (message.answer)
            take_answer(&run, &message);
        else
            answer(&run, &message);
    }
    for (int i = 0; good && i < setup->nodes; i++)
        result->makespan = fmax(result->makespan, run.nodes[i].latest);
    if (result->makespan > 0)
        result->efficiency = result->work / (result->makespan * setup->nodes * setup->node_workers);
    free(run.nodes);
    free(run.free);
    free(run.messages);
    return good && result->chunks == setup->plan->chunks;
}
