#include "policy.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

void
policy_first_span(int64_t chunks, int64_t workers, int64_t workers_before, int64_t node_workers, int64_t *next,
                  int64_t *end)
{
    int64_t first = chunks < workers ? chunks : workers; // times workers: fits, for ranks are fewer than 2^31
    *next = first * workers_before / workers;
    *end = first * (workers_before + node_workers) / workers;
}

/** The place behind a node's share of half of the nominal seconds from `next` on. Without any: the end. */
static int64_t
share_end(const struct plan *plan, int64_t next, double share)
{
    double before = plan_seconds_before(plan, next), left = plan_seconds(plan) - before;
    return left > 0 ? plan_place_after(plan, before + share * left) : plan->places;
}

int64_t
policy_span(const struct plan *plan, int64_t next, int64_t workers, int64_t node_workers)
{
    int64_t left = plan->places - next;
    if (left <= 0)
        return 0;
    double share = 0.5 * (double)node_workers / (double)workers;
    int64_t by_work = share_end(plan, next, share) - next, by_count = (int64_t)ceil(share * (double)left);
    int64_t span = by_work < by_count ? by_work : by_count;
    span = span < POLICY_SPAN_MOST ? span : POLICY_SPAN_MOST;
    return span < 1 ? 1 : span;
}

int64_t
policy_low_water(const struct plan *plan, int64_t end, int64_t node_workers)
{
    const struct plan_chunk last = plan_at(plan, end - 1);
    if (plan->classes[last.class_index].chunk_seconds >= POLICY_LONG_CHUNK_SECONDS)
        return -1;
    double taken = POLICY_REQUEST_SECONDS * (double)node_workers;
    int64_t chunks = end - plan_place_after(plan, plan_seconds_before(plan, end) - taken);
    int64_t most = POLICY_LOW_WATER_MOST * node_workers;
    return chunks < most ? chunks : most;
}

bool
policy_wants_span(int64_t left, int64_t low_water, bool hungry)
{
    return left <= low_water || (left == 0 && hungry);
}

bool
policy_claim_ahead(int ready, int idle, int ahead, int64_t left, int node_workers)
{
    if (ready < idle)
        return true;
    return ready - idle < ahead && left > node_workers;
}

/* ---- the width of a node's last chunks ---- */

enum {
    EVERY_WIDTH = 32, /* cores up to which each width is tried */
    BEHIND_LEAST =
        64, /* chunks behind the head that are looked at one by one, on few cores and on many: more are joined */
    BEHIND_MOST = POLICY_CORES_MAX,
};

/** A makespan that is less by no more than this is no reason for more cores. */
static const double nearly = 0.001;

/** What a delay weighs that comes about only where a class is misjudged by all of the doubt: its root is more likely. */
static const double far_weight = 0.5;

/** What is to be handed out: the head, and chunks like it behind it. */
struct tail {
    int cores;
    double free[POLICY_CORES_MAX];  /**< seconds until a core is free, the earliest first */
    double leader_free;             /**< seconds until all cores of some rank are */
    int width_count;                /**< those that are faster than all smaller ones */
    int widths[POLICY_CORES_MAX];   /**< rising; the first is 1 */
    double times[POLICY_CORES_MAX]; /**< the head's seconds at each of them */
    int behind;                     /**< chunks behind the head */
    double known[BEHIND_MOST];      /**< scales, as they are predicted */
    double scales[BEHIND_MOST];     /**< their seconds against the head's, at each width, in the queue's order */
    double sides[POLICY_CORES_MAX]; /**< the head's seconds where 1, 2, ... share the cores */
    double waves[BEHIND_MOST + 1];  /**< seconds for those from each on: see find_waves */
};

static int
compare_seconds(const void *a, const void *b)
{
    double first = *(const double *)a, second = *(const double *)b;
    return (first > second) - (first < second);
}

/** Seconds until all cores of a rank are free. */
static double
rank_free_in(const struct policy_node *node, int rank)
{
    double latest = 0;
    for (int i = 0; i < node->threads; i++)
        latest = fmax(latest, node->free_in[rank * node->threads + i]);
    return latest;
}

/** The rank whose cores are all free first. */
static int
find_leader(const struct policy_node *node)
{
    int leader = 0;
    for (int rank = 1; rank < node->ranks; rank++)
        if (rank_free_in(node, rank) < rank_free_in(node, leader))
            leader = rank;
    return leader;
}

/** The rank that has a core free first; of several the busiest, so that others can lead. */
static int
find_core(const struct policy_node *node)
{
    int best = 0;
    double best_core = INFINITY, best_rank = 0;
    for (int rank = 0; rank < node->ranks; rank++) {
        double core = INFINITY, all = rank_free_in(node, rank);
        for (int i = 0; i < node->threads; i++)
            core = fmin(core, node->free_in[rank * node->threads + i]);
        if (core < best_core || (core <= best_core && all > best_rank)) {
            best = rank;
            best_core = core;
            best_rank = all;
        }
    }
    return best;
}

/** Idle seconds of all cores until a time. @param[in] free_in  (cores) */
static double
idle_until(int cores, const double *free_in, double time)
{
    double idle = 0;
    for (int i = 0; i < cores; i++)
        idle += fmax(0, time - free_in[i]);
    return idle;
}

/**
 * Whether one core is right whatever the widths are: the chunks behind can fill all cores until the head is done on one, and
 * more than that; or all of them fit beside what is being computed already (R. L. Graham, "Bounds on multiprocessing timing anomalies", SIAM
 * Journal on Applied Mathematics 17(2), 1969: lists fill all cores but for the longest chunk).
 */
static bool
is_plenty(const struct policy_node *node, double head, double doubt)
{
    int cores = node->ranks * node->threads;
    double first = INFINITY, last = 0, behind = (node->seconds_left - head) / doubt;
    for (int i = 0; i < cores; i++) {
        first = fmin(first, node->free_in[i]);
        last = fmax(last, node->free_in[i]);
    }
    return behind >= idle_until(cores, node->free_in, first + head) - head + fmin(0.5 * cores, POLICY_PLENTY) * head ||
           idle_until(cores, node->free_in, last) >= behind + cores * head;
}

/**
 * Whether a width is tried: all on few cores; on many those by which the cores, or the free ones, can be shared. While
 * several chunks are to share several ranks, whole ranks are borrowed: one that has lent a core can lead no other wide chunk.
 */
static bool
is_tried(const struct tail *tail, const struct policy_node *node, int free_cores, int width)
{
    if (node->ranks > 2 && node->chunks_left > 2 && width % node->threads != 0)
        return false;
    if (tail->cores <= EVERY_WIDTH || width == node->threads || width == tail->cores)
        return true;
    return tail->cores / (tail->cores / width) == width ||
           (width <= free_cores && free_cores / (free_cores / width) == width);
}

/** Note the widths that are tried: those that are faster than every smaller one. */
static void
find_widths(struct tail *tail, const struct policy_node *node, const struct tune_facts *head)
{
    int free_cores = 0;
    while (free_cores < tail->cores && tail->free[free_cores] <= 0)
        free_cores++;
    tail->widths[0] = tail->width_count = 1;
    tail->times[0] = tune_seconds(head, 1);
    for (int width = node->threads > 1 ? node->threads : 2; width <= tail->cores; width++) {
        if (!is_tried(tail, node, free_cores, width))
            continue;
        double seconds = tune_seconds(head, width);
        if (seconds >= tail->times[tail->width_count - 1])
            continue;
        tail->widths[tail->width_count] = width;
        tail->times[tail->width_count++] = seconds;
    }
}

/** The place of the greatest width up to `most`, which is at least 1. */
static int
width_within(const struct tail *tail, int most)
{
    int place = tail->width_count - 1;
    while (tail->widths[place] > most)
        place--;
    return place;
}

/**
 * For the chunks from each on, where all cores are free: the least seconds in waves, each of some chunks side by side at one
 * width that start when the wave before has ended.
 */
static void
find_waves(struct tail *tail)
{
    for (int beside = 1; beside <= tail->cores; beside++)
        tail->sides[beside - 1] = tail->times[width_within(tail, tail->cores / beside)];
    tail->waves[tail->behind] = 0;
    for (int first = tail->behind - 1; first >= 0; first--) {
        double longest = 0, least = INFINITY;
        for (int beside = 1; beside <= tail->behind - first && beside <= tail->cores; beside++) {
            longest = fmax(longest, tail->scales[first + beside - 1]);
            least = fmin(least, longest * tail->sides[beside - 1] + tail->waves[first + beside]);
        }
        tail->waves[first] = least;
    }
}

/** Occupy the `width` cores that are free first until a time. */
static void
occupy(double *free, int cores, int width, double finish)
{
    int at = 0;
    while (at < cores - width && free[width + at] < finish) {
        free[at] = free[width + at];
        at++;
    }
    for (int i = 0; i < width; i++)
        free[at + i] = finish;
}

/** How wide the chunks behind the head may be: as `most`, or as so many times their share of the cores where that is more. */
struct limit {
    int most;
    double share;
};

/**
 * When the chunks behind the head end, at best, where each takes the width within the limit by which it ends first, until the
 * rest goes in waves.
 */
static double
hand_out(const struct tail *tail, const double *start, struct limit limit)
{
    double free[POLICY_CORES_MAX], best = INFINITY;
    int cores = tail->cores;
    memcpy(free, start, (size_t)cores * sizeof *free);
    for (int chunk = 0; chunk < tail->behind; chunk++) {
        best = fmin(best, free[cores - 1] + tail->waves[chunk]);
        double share = fmin(cores, limit.share * cores / (tail->behind - chunk));
        int most = width_within(tail, (int)fmax(limit.most, share)), width = 1;
        double finish = INFINITY;
        for (int i = 0; i <= most; i++) {
            double end = free[tail->widths[i] - 1] + tail->scales[chunk] * tail->times[i];
            if (end < finish) {
                finish = end;
                width = tail->widths[i];
            }
        }
        occupy(free, cores, width, finish);
    }
    return fmin(best, free[cores - 1]);
}

/** When all ends, with the head at the width of that place. */
static double
try_width(const struct tail *tail, int place, double start)
{
    double free[POLICY_CORES_MAX], best = INFINITY;
    int idle = 0, width = tail->widths[place];
    for (int i = 0; i < tail->cores; i++) /* nobody overtakes the head */
        free[i] = fmax(tail->free[i], start);
    occupy(free, tail->cores, width, start + tail->times[place]);
    while (idle < tail->cores && free[idle] <= start)
        idle++;
    int share = tail->behind > 0 && idle > tail->behind ? idle / tail->behind : 1;
    const struct limit limits[] = {{1, 0}, {width, 0}, {share, 0}, {tail->cores, 0}, {1, 1}, {1, 2}};
    for (size_t i = 0; i < sizeof limits / sizeof limits[0]; i++)
        best = fmin(best, hand_out(tail, free, limits[i]));
    return best;
}

/** When the head can start at the width of that place. */
static double
head_start(const struct tail *tail, int place)
{
    int width = tail->widths[place];
    return width == 1 ? tail->free[0] : fmax(tail->leader_free, tail->free[width - 1]);
}

/** Note the chunks behind the head: what the caller knows of them, and what is left on average. Very many are joined. */
static void
find_behind(struct tail *tail, const struct policy_node *node)
{
    double head = tail->times[0], left = node->seconds_left - head;
    int64_t chunks = node->chunks_left - 1, most = 2 * (int64_t)tail->cores;
    most = most < BEHIND_LEAST ? BEHIND_LEAST : most < BEHIND_MOST ? most : BEHIND_MOST;
    tail->behind = (int)(chunks < most ? chunks : most);
    int known = chunks > tail->behind ? tail->behind / 2 : tail->behind; /* the joined ones are the last, and alike */
    known = node->behind_known < known ? node->behind_known : known;
    for (int i = 0; i < known; i++) {
        tail->scales[i] = head > 0 ? node->behind[i] / head : 0;
        left -= node->behind[i];
    }
    for (int i = known; i < tail->behind; i++)
        tail->scales[i] = head > 0 ? fmax(0, left) / (tail->behind - known) / head : 0;
}

static void
set_up_tail(struct tail *tail, const struct policy_node *node, const struct tune_facts *head)
{
    tail->cores = node->ranks * node->threads;
    memcpy(tail->free, node->free_in, (size_t)tail->cores * sizeof *tail->free);
    qsort(tail->free, (size_t)tail->cores, sizeof *tail->free, compare_seconds);
    tail->leader_free = rank_free_in(node, find_leader(node));
    find_widths(tail, node, head);
    if (tail->width_count == 1)
        return;
    find_behind(tail, node);
    find_waves(tail);
}

/** Take the head's class for so many times longer against the others than it is predicted. */
static void
suppose(struct tail *tail, double factor)
{
    for (int i = 0; i < tail->behind; i++) /* its own chunks are as long as it is */
        tail->scales[i] = fabs(tail->known[i] - 1) < nearly ? tail->known[i] : tail->known[i] / factor;
    find_waves(tail);
}

/** By what part later than by the best width all ends by each of them, times a weight: the greater of this and what stands there. */
static void
add_regrets(const struct tail *tail, double weight, double *regrets)
{
    double ends[POLICY_CORES_MAX], least = INFINITY;
    for (int i = 0; i < tail->width_count; i++) {
        ends[i] = try_width(tail, i, head_start(tail, i));
        least = fmin(least, ends[i]);
    }
    for (int i = 0; i < tail->width_count; i++)
        regrets[i] = fmax(regrets[i], least > 0 ? weight * (ends[i] / least - 1) : 0);
}

/**
 * The place of the smallest width by which all ends as soon as by any, nearly. In doubt, of that which is least late at worst (L. J.
 * Savage, "The theory of statistical decision", Journal of the American Statistical Association 46, 1951).
 */
static int
best_place(struct tail *tail, double doubt)
{
    double regrets[POLICY_CORES_MAX] = {0}, least = INFINITY;
    add_regrets(tail, 1, regrets);
    if (doubt > 1 && tail->behind > 0) {
        const double factors[] = {sqrt(doubt), 1 / sqrt(doubt), doubt, 1 / doubt};
        memcpy(tail->known, tail->scales, (size_t)tail->behind * sizeof *tail->known);
        for (int i = 0; i < 4; i++) {
            suppose(tail, factors[i]);
            add_regrets(tail, i < 2 ? 1 : far_weight, regrets);
        }
    }
    for (int i = 0; i < tail->width_count; i++)
        least = fmin(least, regrets[i]);
    int place = tail->width_count - 1;
    for (int i = place - 1; i >= 0; i--)
        if (regrets[i] <= least + nearly)
            place = i;
    return place;
}

void
policy_choose_width(const struct policy_node *node, const struct tune_facts *head, struct policy_width *choice)
{
    double seconds = tune_seconds(head, 1);
    int rank = find_core(node), cores = node->ranks * node->threads;
    double start = INFINITY;
    for (int i = 0; i < node->threads; i++)
        start = fmin(start, node->free_in[rank * node->threads + i]);
    *choice = (struct policy_width){.width = 1, .rank = rank, .start = start, .finish = start + seconds};
    /* ranks of several cores have few widths: in simulations doubt costs them more than it saves */
    double doubt = node->threads > 1 ? 1 : fmax(1, node->doubt);
    if (cores > POLICY_CORES_MAX || is_plenty(node, seconds, doubt))
        return;
    struct tail tail;
    set_up_tail(&tail, node, head);
    int place = tail.width_count > 1 ? best_place(&tail, doubt) : 0;
    if (place == 0)
        return;
    choice->width = tail.widths[place];
    choice->rank = find_leader(node);
    choice->start = head_start(&tail, place);
    choice->finish = choice->start + tail.times[place];
}
