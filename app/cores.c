#include "cores.h"
#include "policy.h"

#include <math.h>
#include <sched.h>
#include <string.h>

/** Chunks behind the head that the rule looks at one by one, for each core. */
enum { BEHIND_PER_CORE = 2 };

static int
core_count(const struct cores *cores)
{
    return cores->ranks * cores->threads;
}

static struct cores_use *
uses(const struct cores *cores)
{
    return (struct cores_use *)(void *)&cores->since[core_count(cores)];
}

static struct cores_class *
classes(const struct cores *cores)
{
    return (struct cores_class *)(void *)&uses(cores)[core_count(cores)];
}

size_t
cores_bytes(int ranks, int threads, int class_count)
{
    return sizeof(struct cores) + (size_t)ranks * (size_t)threads * (sizeof(int64_t) + sizeof(struct cores_use)) +
           (size_t)class_count * sizeof(struct cores_class);
}

size_t
cores_scratch_bytes(const struct cores *cores)
{
    return (size_t)core_count(cores) * (1 + BEHIND_PER_CORE) * sizeof(double);
}

void
cores_init(struct cores *cores, int ranks, int threads, int class_count, int widest)
{
    memset(cores, 0, cores_bytes(ranks, threads, class_count));
    cores->ranks = ranks;
    cores->threads = threads;
    cores->class_count = class_count;
    cores->widest = widest;
}

void
cores_lock(struct cores *cores)
{
    while (atomic_exchange_explicit(&cores->lock, 1, memory_order_acquire))
        sched_yield(); // microseconds, a few times a run
}

void
cores_unlock(struct cores *cores)
{
    atomic_store_explicit(&cores->lock, 0, memory_order_release);
}

static struct tune_sample
read_sample(const struct cores_sample *sample)
{
    return (struct tune_sample){.nominal = atomic_load(&sample->nominal), .measured = atomic_load(&sample->measured)};
}

void
cores_facts(const struct cores *cores, const struct plan *plan, const struct plan_chunk *chunk,
            struct tune_facts *facts)
{
    const struct cores_class *class = &classes(cores)[chunk->class_index];
    *facts = tune_chunk_facts(plan, chunk);
    if (cores->widest > 0 && (facts->greatest_width == 0 || facts->greatest_width > cores->widest))
        facts->greatest_width = cores->widest;
    facts->narrow = read_sample(&class->narrow);
    facts->wide = read_sample(&class->wide);
    facts->any = read_sample(&cores->any);
}

/**
 * Predicted seconds until a core is free: by what is known now, for a chunk that began before the first one was measured may have
 * been predicted several times too long.
 */
static double
core_free_in(const struct cores *cores, const struct plan *plan, int core, int64_t now)
{
    static const double soon = 0.001; // the least that a busy core is busy
    int64_t since = atomic_load(&cores->since[core]);
    if (since == 0)
        return 0;
    const struct cores_use *use = &uses(cores)[core];
    const struct plan_chunk chunk = {.class_index = atomic_load(&use->class_index), .count = atomic_load(&use->tasks)};
    int width = atomic_load(&use->width); // 0: its first chunk, not written yet
    struct tune_facts facts;
    cores_facts(cores, plan, &chunk, &facts);
    double left = tune_seconds(&facts, width > 0 ? width : 1) - 1e-9 * (double)(now - since);
    return fmax(fabs(left), soon); // an overdue chunk: as long again as it is overdue
}

/** The node as the rank that asks sees it: its own cores come first, so that among equals it leads. */
static void
describe_cores(const struct cores *cores, const struct plan *plan, int rank, int64_t now, double *free_in,
               struct policy_node *node)
{
    int total = core_count(cores), first = rank * cores->threads;
    for (int i = 0; i < total; i++)
        free_in[i] = core_free_in(cores, plan, (first + i) % total, now);
    node->ranks = cores->ranks;
    node->threads = cores->threads;
    node->free_in = free_in;
}

/** Take a core for a chunk. @return false: it is not free */
static bool
take_core(struct cores *cores, int core, int64_t now, const struct plan_chunk *chunk, int width)
{
    int64_t none = 0;
    struct cores_use *use = &uses(cores)[core];
    if (!atomic_compare_exchange_strong(&cores->since[core], &none, now))
        return false;
    /* who looks before these are there predicts by the chunk before, this once */
    atomic_store(&use->class_index, chunk->class_index);
    atomic_store(&use->tasks, chunk->count);
    atomic_store(&use->width, width);
    return true;
}

/** Take free cores until there are as many as wanted, the rank's own first. @return how many were had */
static int
take_cores(struct cores *cores, int rank, int wanted, int64_t now, const struct plan_chunk *chunk, int *taken)
{
    int total = core_count(cores), first = rank * cores->threads, count = 0;
    for (int i = 0; i < total && count < wanted; i++)
        if (take_core(cores, (first + i) % total, now, chunk, wanted))
            taken[count++] = (first + i) % total;
    return count;
}

static bool
has_free_core(const struct cores *cores, int rank)
{
    for (int i = 0; i < cores->threads; i++)
        if (atomic_load(&cores->since[rank * cores->threads + i]) == 0)
            return true;
    return false;
}

/** Nominal seconds of what the spans hold. */
static double
sum_nominal(const struct plan *plan, const struct queue_span *spans, int span_count)
{
    double nominal = 0;
    for (int i = 0; i < span_count; i++)
        nominal += plan_seconds_before(plan, spans[i].end) - plan_seconds_before(plan, spans[i].next);
    return nominal;
}

bool
cores_need_no_choice(const struct cores *cores, const struct plan *plan, const struct queue_span *spans, int span_count)
{
    struct plan_chunk head = plan_at(plan, spans[0].next);
    struct tune_facts facts;
    cores_facts(cores, plan, &head, &facts);
    if (cores_are_lent(cores))
        return false;
    return tune_seconds(&facts, 1) < CORES_LEAST_SECONDS ||
           sum_nominal(plan, spans, span_count) > (1 + CORES_PLENTY * core_count(cores)) * facts.seconds;
}

/** What is left in the queue: the head's facts and, predicted, the seconds of what follows. */
static void
describe_queue(const struct cores *cores, const struct plan *plan, const struct queue_span *spans, int span_count,
               double *behind, struct policy_node *node, struct tune_facts *head)
{
    const int most = BEHIND_PER_CORE * core_count(cores);
    struct plan_chunk chunk = plan_at(plan, spans[0].next);
    struct tune_facts facts;
    const int head_class = chunk.class_index;
    bool alone = true, measured;
    cores_facts(cores, plan, &chunk, head);
    measured = head->narrow.nominal > 0 || head->wide.nominal > 0;
    for (int i = 0; i < span_count; i++) {
        node->chunks_left += spans[i].end - spans[i].next;
        for (int64_t place = spans[i].next + (i == 0); place < spans[i].end && node->behind_known < most; place++) {
            chunk = plan_at(plan, place);
            cores_facts(cores, plan, &chunk, &facts);
            behind[node->behind_known++] = tune_seconds(&facts, 1);
            alone = alone && chunk.class_index == head_class;
        }
    }
    node->behind = behind;
    node->doubt = measured || alone ? 1 : TUNE_DOUBT;
    node->seconds_left = sum_nominal(plan, spans, span_count) * tune_seconds(head, 1) / head->seconds;
}

int
cores_choose(struct cores *cores, const struct plan *plan, const struct queue_span *spans, int span_count, int rank,
             int64_t now, int *taken, int *other, void *scratch)
{
    double *free_in = scratch, *behind = free_in + core_count(cores);
    struct tune_facts facts;
    struct policy_node node = {0};
    struct policy_width choice;
    *other = -1;
    describe_queue(cores, plan, spans, span_count, behind, &node, &facts);
    atomic_store(&cores->waiting, 1); // before the cores are looked at: who frees one later sees it
    describe_cores(cores, plan, rank, now, free_in, &node);
    policy_choose_width(&node, &facts, &choice);
    if (choice.start > 0)
        return 0;
    bool ours = choice.rank == 0 || (choice.width == 1 && has_free_core(cores, rank));
    if (!ours) {
        *other = (rank + choice.rank) % cores->ranks;
        return 0;
    }
    const struct plan_chunk head = plan_at(plan, spans[0].next);
    int count = take_cores(cores, rank, choice.width, now, &head, taken);
    if (count == choice.width) {
        if (count > 1)
            atomic_fetch_add(&cores->lent, count);
        return count;
    }
    for (int i = 0; i < count; i++) // a worker was quicker
        atomic_store(&cores->since[taken[i]], 0);
    return 0;
}

int
cores_take(struct cores *cores, int rank, int64_t now, const struct plan_chunk *chunk)
{
    for (int i = 0; i < cores->threads; i++)
        if (take_core(cores, rank * cores->threads + i, now, chunk, 1))
            return rank * cores->threads + i;
    return -1;
}

bool
cores_release(struct cores *cores, const int *taken, int count)
{
    for (int i = 0; i < count; i++)
        atomic_store(&cores->since[taken[i]], 0);
    if (count > 1)
        atomic_fetch_sub(&cores->lent, count);
    return atomic_exchange(&cores->waiting, 0) != 0;
}

bool
cores_are_lent(const struct cores *cores)
{
    return atomic_load(&cores->lent) > 0;
}

static void
add(struct cores_sample *sample, double nominal, double measured)
{
    struct tune_sample sum = read_sample(sample);
    tune_add(&sum, nominal, measured);
    atomic_store(&sample->nominal, sum.nominal);
    atomic_store(&sample->measured, sum.measured);
}

void
cores_note(struct cores *cores, const struct plan *plan, const struct plan_chunk *chunk, int width, double measured)
{
    static const double least = 0.0002; // of shorter ones there are many, and they are never widened
    struct cores_class *class = &classes(cores)[chunk->class_index];
    struct tune_facts facts = tune_chunk_facts(plan, chunk);
    if (facts.seconds < least && measured < least)
        return;
    if (width > 1)
        cores_lock(cores);
    else if (atomic_exchange_explicit(&cores->lock, 1, memory_order_acquire))
        return; // a sample less: nobody waits for it
    double nominal = tune_model_seconds(&facts, width);
    add(width == 1 ? &class->narrow : &class->wide, nominal, measured);
    add(&cores->any, nominal, measured);
    cores_unlock(cores);
}
