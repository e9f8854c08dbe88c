#include "app_test.h"
#include "policy.h"

#include <math.h>
#include <stdlib.h>

/* ---- widths ---- */

/* What the rule says of equal chunks of a second each, `left` of them, on cores of ranks of one. */
static struct policy_width
choose(int cores, const double *free_in, int64_t left, double serial_fraction)
{
    const struct policy_node node = {
        .ranks = cores, .threads = 1, .free_in = free_in, .chunks_left = left, .seconds_left = (double)left};
    const struct tune_facts head = {.seconds = 1, .tasks = 1, .serial_fraction = serial_fraction};
    struct policy_width choice;
    policy_choose_width(&node, &head, &choice);
    return choice;
}

static void
a_chunk_alone_takes_the_cores_that_help(void **state)
{
    const double idle[8] = {0};
    (void)state;
    struct policy_width choice = choose(8, idle, 1, 0.01);
    assert_true(choice.width == 8 && choice.start <= 0 && choice.finish < 0.14);
    assert_int_equal(choose(8, idle, 1, 1).width, 1);
}

static void
several_chunks_share_the_cores(void **state)
{
    const double idle[8] = {0}, half[8] = {0.26, 0.26, 0.26, 0.26, 0, 0, 0, 0}, busy[2] = {0.2, 0};
    (void)state;
    assert_int_equal(choose(8, idle, 2, 0.05).width, 4);
    assert_int_equal(choose(8, half, 1, 0.05).width, 4);
    assert_true(choose(8, half, 1, 0.05).start <= 0);
    assert_int_equal(choose(2, idle, 3, 0.01).width, 1);
    assert_int_equal(choose(2, idle, 2, 0.01).width, 1);
    /* one is left, and the other core is free soon */
    struct policy_width choice = choose(2, busy, 1, 0.01);
    assert_true(choice.width == 2 && choice.start == 0.2);
}

static void
while_there_is_plenty_a_chunk_takes_one_core(void **state)
{
    const double idle[8] = {0}, busy[8] = {0.5, 0.5, 0, 0.5, 0.5, 0.5, 0.5, 0.5};
    (void)state;
    for (int64_t left = 8; left < 100000000; left *= 2) {
        assert_int_equal(choose(8, idle, left, 0).width, 1);
        struct policy_width choice = choose(8, busy, left, 0);
        assert_true(choice.width == 1 && choice.start <= 0 && choice.rank == 2);
    }
}

static void
a_wide_chunk_has_all_cores_of_the_rank_that_leads(void **state)
{
    /* two ranks of four cores: one core of the first is busy for long */
    const double free_in[8] = {9, 0, 0, 0, 0, 0, 0, 0};
    const struct policy_node node = {
        .ranks = 2, .threads = 4, .free_in = free_in, .chunks_left = 1, .seconds_left = 100};
    const struct tune_facts head = {.seconds = 100, .tasks = 1, .serial_fraction = 0.01};
    struct policy_width choice;
    (void)state;
    policy_choose_width(&node, &head, &choice);
    assert_true(choice.width == 7 && choice.rank == 1 && choice.start <= 0);
}

static void
a_third_long_chunk_is_wide_where_the_short_ones_cannot_fill_the_other_core(void **state)
{
    const double idle[2] = {0}, few[] = {0.1, 0.1}, many[] = {1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1};
    const struct tune_facts head = {.seconds = 10, .tasks = 1, .serial_fraction = 0.01};
    struct policy_node node = {1, 2, idle, 3, 10.2, few, 2, 1};
    struct policy_width choice;
    (void)state;
    for (int ranks = 1; ranks <= 2; ranks++) {
        node = (struct policy_node){ranks, 2 / ranks, idle, 3, 10.2, few, 2, 1};
        policy_choose_width(&node, &head, &choice);
        assert_true(choice.width == 2 && choice.start <= 0);
        node = (struct policy_node){ranks, 2 / ranks, idle, 13, 22, many, 12, 1};
        policy_choose_width(&node, &head, &choice);
        assert_true(choice.width == 1 && choice.start <= 0);
    }
}

/* Three long chunks and many short ones, on 8 cores: all fills them. But the long ones may be longer than that. */
static void
in_doubt_a_long_chunk_is_wide(void **state)
{
    const double idle[8] = {0};
    double behind[16];
    const struct tune_facts head = {.seconds = 1, .tasks = 1, .serial_fraction = 0.3};
    struct policy_width choice;
    (void)state;
    for (int i = 0; i < 16; i++)
        behind[i] = i < 2 ? 1 : 0.3;
    for (int doubtful = 0; doubtful < 2; doubtful++) {
        const struct policy_node node = {8, 1, idle, 17, 3 + 14 * 0.3, behind, 16, doubtful ? TUNE_DOUBT : 1};
        policy_choose_width(&node, &head, &choice);
        assert_true(doubtful ? choice.width > 1 : choice.width == 1);
    }
}

/* What holds of every choice: its cores are there at its start, and waiting is for those that are busy. */
static void
check_choice(const struct policy_node *node, const struct policy_width *choice)
{
    int cores = node->ranks * node->threads, ready = 0, busy = 0, own = 0;
    for (int i = 0; i < cores; i++) {
        bool is_ready = node->free_in[i] <= choice->start;
        ready += is_ready;
        busy += node->free_in[i] > 0;
        own += is_ready && i / node->threads == choice->rank;
    }
    assert_true(choice->start >= 0 && choice->finish >= choice->start);
    assert_true(choice->width <= ready && choice->rank >= 0 && choice->rank < node->ranks);
    assert_true(choice->width == 1 ? own >= 1 : choice->width >= node->threads && own == node->threads);
    if (busy == 0)
        assert_true(choice->start <= 0);
}

static void
every_choice_can_be_followed(void **state)
{
    static double free_in[256], behind[600];
    uint64_t random = 8;
    (void)state;
    for (int trial = 0; trial < 20000; trial++) {
        int threads = (int)test_random_within(&random, 1, 4), most = 1 << test_random_within(&random, 0, 6);
        struct policy_node node = {.ranks = (int)test_random_within(&random, 1, most), .threads = threads};
        double busy = (double)test_random_within(&random, 0, 4);
        for (int i = 0; i < node.ranks * threads; i++)
            free_in[i] = fmax(0, busy * ((double)test_random_within(&random, 0, 100) / 100 - 0.3));
        struct tune_facts head = {.seconds = exp2((double)test_random_within(&random, -20, 4)),
                                  .tasks = test_random_within(&random, 1, 3),
                                  .serial_fraction = (double)test_random_within(&random, 0, 100) / 100,
                                  .greatest_width = (int)test_random_within(&random, 0, 5)};
        node.chunks_left = test_random_within(&random, 1, 1 << test_random_within(&random, 0, 9));
        for (int64_t i = 0; i < node.chunks_left - 1; i++)
            node.seconds_left += behind[i] = head.seconds * (double)test_random_within(&random, 0, 100) / 100;
        node.seconds_left += tune_seconds(&head, 1);
        node.free_in = free_in;
        node.behind = behind;
        node.behind_known = (int)test_random_within(&random, 0, node.chunks_left - 1);
        struct policy_width choice;
        policy_choose_width(&node, &head, &choice);
        check_choice(&node, &choice);
    }
}

/* ---- against every schedule ---- */

enum { SMALL_CORES = 4, SMALL_CHUNKS = 5 };

/* A node with few cores and few chunks, in the queue's order. */
struct small {
    int ranks, threads, chunks;
    struct tune_facts facts[SMALL_CHUNKS];
};

static double
latest(const double *free_at, int cores)
{
    double last = 0;
    for (int i = 0; i < cores; i++)
        last = fmax(last, free_at[i]);
    return last;
}

/* Whether a chunk may be computed on a set of cores: one, or with all of some rank among them. */
static bool
may_use(const struct small *small, unsigned set)
{
    if (__builtin_popcount(set) == 1)
        return true;
    unsigned own = (1u << small->threads) - 1;
    for (int rank = 0; rank < small->ranks; rank++)
        if ((set >> rank * small->threads & own) == own)
            return true;
    return false;
}

/*
 * The least makespan of all schedules. Each is found by handing out its chunks in the order in which they start, each to its own
 * cores as soon as these are free.
 */
static void
search(const struct small *small, unsigned done, const double *free_at, double *best)
{
    int cores = small->ranks * small->threads;
    if (latest(free_at, cores) >= *best)
        return;
    if (done == (1u << small->chunks) - 1)
        *best = latest(free_at, cores);
    for (int chunk = 0; chunk < small->chunks; chunk++) {
        if (done >> chunk & 1)
            continue;
        for (unsigned set = 1; set < 1u << cores; set++) {
            double next[SMALL_CORES], start = 0;
            if (!may_use(small, set))
                continue;
            for (int i = 0; i < cores; i++)
                start = set >> i & 1 ? fmax(start, free_at[i]) : start;
            double end = start + tune_seconds(&small->facts[chunk], __builtin_popcount(set));
            for (int i = 0; i < cores; i++)
                next[i] = set >> i & 1 ? end : free_at[i];
            search(small, done | 1u << chunk, next, best);
        }
    }
}

/* Let the chunk have its cores: those of the rank that leads, then any. */
static void
take_cores(const struct small *small, const struct policy_width *choice, double now, double *free_at)
{
    int cores = small->ranks * small->threads, first = choice->rank * small->threads, left = choice->width;
    for (int i = 0; i < cores && left > 0; i++) {
        int core = (first + i) % cores;
        bool own = i < small->threads;
        if (free_at[core] <= now) {
            free_at[core] = now + choice->finish;
            left--;
        } else
            assert_false(own && choice->width > 1);
    }
    assert_int_equal(left, 0);
}

/* The next time that a core is free after `now`. */
static double
next_free(const double *free_at, int cores, double now)
{
    double next = INFINITY;
    for (int i = 0; i < cores; i++)
        if (free_at[i] > now)
            next = fmin(next, free_at[i]);
    return next;
}

/* The makespan by the rule: asked for the first chunk of the queue at the start, after a claim, and when a core is free. */
static double
follow(const struct small *small, bool known)
{
    double free_at[SMALL_CORES] = {0}, free_in[SMALL_CORES], seconds[SMALL_CHUNKS], now = 0;
    int cores = small->ranks * small->threads;
    for (int head = 0; head < small->chunks;) {
        struct policy_node node = {.ranks = small->ranks, .threads = small->threads, .free_in = free_in};
        struct policy_width choice;
        for (int i = 0; i < cores; i++)
            free_in[i] = fmax(0, free_at[i] - now);
        for (int i = head; i < small->chunks; i++, node.chunks_left++)
            node.seconds_left += seconds[i] = tune_seconds(&small->facts[i], 1);
        if (known) {
            node.behind = seconds + head + 1;
            node.behind_known = small->chunks - head - 1;
        }
        policy_choose_width(&node, &small->facts[head], &choice);
        if (choice.start > 0) {
            now = next_free(free_at, cores, now);
            assert_true(now < INFINITY); /* with all cores free, somebody starts */
            continue;
        }
        take_cores(small, &choice, now, free_at);
        head++;
    }
    return latest(free_at, cores);
}

static double
least_makespan(const struct small *small)
{
    double idle[SMALL_CORES] = {0}, best = INFINITY;
    search(small, 0, idle, &best);
    return best;
}

static const double curves[][2] = {{0, 0},   {0.01, 0}, {0.05, 0}, {0.1, 0}, {0.2, 0},
                                   {0.3, 0}, {0.3, 2},  {0.5, 3},  {0.8, 0}, {1, 0}};

static void
equal_chunks_are_near_the_best_schedule(void **state)
{
    static const int nodes[][2] = {{2, 1}, {3, 1}, {4, 1}, {2, 2}, {1, 4}, {1, 3}};
    double worst = 1;
    (void)state;
    for (size_t n = 0; n < sizeof nodes / sizeof nodes[0]; n++)
        for (size_t c = 0; c < sizeof curves / sizeof curves[0]; c++)
            for (int chunks = 1; chunks <= SMALL_CHUNKS; chunks++) {
                struct small small = {nodes[n][0], nodes[n][1], chunks, {{.seconds = 0}}};
                for (int i = 0; i < chunks; i++)
                    small.facts[i] = (struct tune_facts){
                        .seconds = 1, .tasks = 1, .serial_fraction = curves[c][0], .greatest_width = (int)curves[c][1]};
                double found = follow(&small, false) / least_makespan(&small);
                worst = fmax(worst, found);
            }
    print_message("equal chunks: at worst %.4f of the best schedule\n", worst);
    assert_true(worst <= 1.01);
}

static int
compare_longer(const void *a, const void *b)
{
    const struct tune_facts *first = a, *second = b;
    return (first->seconds < second->seconds) - (first->seconds > second->seconds);
}

/* A node with up to as many chunks as make a search short, of 1 to 16 seconds each, the longest first. */
static void
make_unequal(uint64_t *random, struct small *small)
{
    static const int nodes[][2] = {{2, 1}, {3, 1}, {4, 1}, {2, 2}};
    const int *node = nodes[test_random_within(random, 0, 3)];
    const double *curve = curves[test_random_within(random, 0, sizeof curves / sizeof curves[0] - 1)];
    int most = node[0] * node[1] > 3 ? SMALL_CHUNKS - 1 : SMALL_CHUNKS;
    *small = (struct small){node[0], node[1], (int)test_random_within(random, 2, most), {{.seconds = 0}}};
    for (int i = 0; i < small->chunks; i++)
        small->facts[i] = (struct tune_facts){.seconds = exp2((double)test_random_within(random, 0, 400) / 100),
                                              .tasks = 1,
                                              .serial_fraction = curve[0],
                                              .greatest_width = (int)curve[1]};
    qsort(small->facts, (size_t)small->chunks, sizeof small->facts[0], compare_longer);
}

/*
 * The queue's order is the longest first, which alone may cost 7/6 on two cores (R. L. Graham, SIAM Journal on Applied Mathematics
 * 17(2), 1969). Where the rule knows only the sum of what is behind the head, it takes a long and a short chunk for equal ones.
 */
static void
unequal_chunks_are_near_the_best_schedule(void **state)
{
    enum { TRIALS = 600 };
    uint64_t random = 5;
    double known_worst = 1, known_sum = 0, worst = 1, sum = 0;
    (void)state;
    for (int trial = 0; trial < TRIALS; trial++) {
        struct small small;
        make_unequal(&random, &small);
        double best = least_makespan(&small), known = follow(&small, true) / best, found = follow(&small, false) / best;
        known_sum += known;
        known_worst = fmax(known_worst, known);
        sum += found;
        worst = fmax(worst, found);
    }
    print_message(
        "against the best schedule: mean %.4f, worst %.4f; chunks behind the head unknown: mean %.4f, worst %.4f\n",
        known_sum / TRIALS, known_worst, sum / TRIALS, worst);
    assert_true(known_sum / TRIALS <= 1.005 && known_worst <= 1.10);
    assert_true(sum / TRIALS <= 1.01 && worst <= 1.25);
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_chunk_alone_takes_the_cores_that_help),
        cmocka_unit_test(several_chunks_share_the_cores),
        cmocka_unit_test(while_there_is_plenty_a_chunk_takes_one_core),
        cmocka_unit_test(a_wide_chunk_has_all_cores_of_the_rank_that_leads),
        cmocka_unit_test(in_doubt_a_long_chunk_is_wide),
        cmocka_unit_test(a_third_long_chunk_is_wide_where_the_short_ones_cannot_fill_the_other_core),
        cmocka_unit_test(every_choice_can_be_followed),
        cmocka_unit_test(equal_chunks_are_near_the_best_schedule),
        cmocka_unit_test(unequal_chunks_are_near_the_best_schedule),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
