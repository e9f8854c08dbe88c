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

static struct cores_class *
classes(const struct cores *cores)
{
    return (struct cores_class *)(void *)&cores->until[core_count(cores)];
}

size_t
cores_bytes(int ranks, int threads, int class_count)
{
    return sizeof(struct cores) + (size_t)ranks * (size_t)threads * sizeof(int64_t) +
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

/** The node as the rank that asks sees it: its own cores come first, so that among equals it leads. */
static void
describe_cores(const struct cores *cores, int rank, int64_t now, double *free_in, struct policy_node *node)
{
    static const double soon = 0.001; // the least that a busy core is busy
    int total = core_count(cores), first = rank * cores->threads;
    for (int i = 0; i < total; i++) {
        int64_t until = atomic_load(&cores->until[(first + i) % total]);
        double seconds = fabs(1e-9 * (double)(until - now)); // an overdue chunk: as long again as it is overdue
        free_in[i] = until == 0 ? 0 : seconds > soon ? seconds : soon;
    }
    node->ranks = cores->ranks;
    node->threads = cores->threads;
    node->free_in = free_in;
}

/** Take free cores until there are as many as wanted, the rank's own first. @return how many were had */
static int
take_cores(struct cores *cores, int rank, int wanted, int64_t until, int *taken)
{
    int total = core_count(cores), first = rank * cores->threads, count = 0;
    for (int i = 0; i < total && count < wanted; i++) {
        int core = (first + i) % total;
        int64_t none = 0;
        if (atomic_compare_exchange_strong(&cores->until[core], &none, until))
            taken[count++] = core;
    }
    return count;
}

static bool
has_free_core(const struct cores *cores, int rank)
{
    for (int i = 0; i < cores->threads; i++)
        if (atomic_load(&cores->until[rank * cores->threads + i]) == 0)
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
    cores_facts(cores, plan, &chunk, head);
    for (int i = 0; i < span_count; i++) {
        node->chunks_left += spans[i].end - spans[i].next;
        for (int64_t place = spans[i].next + (i == 0); place < spans[i].end && node->behind_known < most; place++) {
            chunk = plan_at(plan, place);
            cores_facts(cores, plan, &chunk, &facts);
            behind[node->behind_known++] = tune_seconds(&facts, 1);
        }
    }
    node->behind = behind;
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
    describe_cores(cores, rank, now, free_in, &node);
    policy_choose_width(&node, &facts, &choice);
    if (choice.start > 0)
        return 0;
    bool ours = choice.rank == 0 || (choice.width == 1 && has_free_core(cores, rank));
    if (!ours) {
        *other = (rank + choice.rank) % cores->ranks;
        return 0;
    }
    int64_t until = now + (int64_t)(1e9 * tune_seconds(&facts, choice.width));
    int count = take_cores(cores, rank, choice.width, until, taken);
    if (count == choice.width) {
        if (count > 1)
            atomic_fetch_add(&cores->lent, count);
        return count;
    }
    for (int i = 0; i < count; i++) // a worker was quicker
        atomic_store(&cores->until[taken[i]], 0);
    return 0;
}

int
cores_take(struct cores *cores, int rank, int64_t until)
{
    int core;
    for (int i = 0; i < cores->threads; i++) {
        int64_t none = 0;
        core = rank * cores->threads + i;
        if (atomic_compare_exchange_strong(&cores->until[core], &none, until))
            return core;
    }
    return -1;
}

bool
cores_release(struct cores *cores, const int *taken, int count)
{
    for (int i = 0; i < count; i++)
        atomic_store(&cores->until[taken[i]], 0);
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
