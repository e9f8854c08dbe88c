/*
 * The automatic widths against every fixed layout RxT:W with R x T = the cores, on simulated nodes of 8 to 128 cores. With
 * `--table` each row is printed, with `--all` large nodes are swept as fully as small ones.
 */
#include "../app/app_test.h"
#include "list.h"
#include "signature.h"
#include "simulate_node.h"

#include <math.h>

enum { MODELS_MAX = 64, PARTS_MAX = 3 };

enum { SMALL_NODE = 32 }; /* cores up to which everything is swept by default */

/* What is printed and swept beyond the default: of options. */
static bool wants_table, wants_all;
static struct sheaf_error error;

/* ---- the models ---- */

/* A line of models.txt. */
struct model {
    char kernel[32];
    int n;
    double seconds, memory; /* of a task on one core */
    char curve[256];
};

static struct model models[MODELS_MAX];
static int model_count;

/* The number at the start of a text, which goes on behind it. */
static double
read_number(char **text)
{
    char *start = *text;
    double number = strtod(start, text);
    if (*text == start)
        fail_msg("models.txt: not a number: %s", start);
    return number;
}

static void
read_models(void)
{
    char line[512];
    FILE *file = fopen(SIM_MODELS, "r");
    assert_non_null(file);
    while (fgets(line, sizeof line, file)) {
        struct model *model = &models[model_count];
        size_t kernel = strcspn(line, " ");
        char *at = line + kernel;
        if (line[0] == '#' || line[0] == '\n')
            continue;
        assert_true(model_count < MODELS_MAX && kernel < sizeof model->kernel);
        memcpy(model->kernel, line, kernel);
        model->n = (int)read_number(&at);
        model->seconds = read_number(&at);
        model->memory = read_number(&at);
        at += strspn(at, " ");
        size_t curve = strcspn(at, " \n");
        assert_true(curve > 0 && curve < sizeof model->curve);
        memcpy(model->curve, at, curve);
        model_count++;
    }
    fclose(file);
    assert_true(model_count > 0);
}

static struct model *
find_model(const char *kernel, int n)
{
    int i = 0;
    while (i < model_count && (models[i].n != n || strcmp(models[i].kernel, kernel) != 0))
        i++;
    if (i == model_count)
        fail_msg("models.txt: no %s of %d", kernel, n);
    return &models[i];
}

/* ---- workloads ---- */

/* So many tasks of a kernel: `each` for each core, and `more`. */
struct part {
    const char *kernel;
    int n;
    double each;
    int more;
};

struct workload {
    const char *name;
    struct part parts[PARTS_MAX]; /* the longest chunks first */
};

static const struct workload workloads[] = {
    {"1 product of 3000", {{"matmul", 3000, 0, 1}}},
    {"2 products of 3000", {{"matmul", 3000, 0, 2}}},
    {"3 products of 3000", {{"matmul", 3000, 0, 3}}},
    {"5 products of 4000", {{"matmul", 4000, 0, 5}}},
    {"products of 2000, cores / 2", {{"matmul", 2000, 0.5, 0}}},
    {"products of 2000, cores + 1", {{"matmul", 2000, 1, 1}}},
    {"products of 2000, 1.25 cores", {{"matmul", 2000, 1.25, 0}}},
    {"products of 1000, 5.5 cores", {{"matmul", 1000, 5.5, 0}}},
    {"products of 384, 6 cores", {{"matmul", 384, 6, 0}}},
    {"products of 384, 3", {{"matmul", 384, 0, 3}}},
    {"products of 256, 4 cores", {{"matmul", 256, 4, 0}}},
    {"products of 64, 100 cores", {{"matmul", 64, 100, 0}}},
    {"1 eigh of 1024", {{"eigh", 1024, 0, 1}}},
    {"3 eigh of 2048", {{"eigh", 2048, 0, 3}}},
    {"eigh of 2048, 1.5 cores", {{"eigh", 2048, 1.5, 0}}},
    {"2 eigh of 4096", {{"eigh", 4096, 0, 2}}},
    {"eigh of 512, 4 cores + 3", {{"eigh", 512, 4, 3}}},
    {"svd of 1000, cores / 2 + 1", {{"svd", 1000, 0.5, 1}}},
    {"svd of 500, 2.25 cores", {{"svd", 500, 2.25, 0}}},
    {"lu of 2000, 2 cores + 1", {{"lu", 2000, 2, 1}}},
    {"solve of 2000, cores + 1", {{"solve", 2000, 1, 1}}},
    {"cholesky of 2000, 0.75 cores", {{"cholesky", 2000, 0.75, 0}}},
    {"inv of 500, 1.5 cores", {{"inv", 500, 1.5, 0}}},
    {"qr of 1000, 1.25 cores", {{"qr", 1000, 1.25, 0}}},
    {"matvec of 2000, 64 cores", {{"matvec", 2000, 64, 0}}},
    {"mixed products", {{"matmul", 4000, 0, 3}, {"matmul", 2000, 0.5, 0}, {"matmul", 1000, 2, 0}}},
    {"mixed eigh", {{"eigh", 4096, 0, 1}, {"eigh", 2048, 0.25, 0}, {"eigh", 512, 4, 0}}},
    {"mixed svd", {{"svd", 1000, 0.25, 1}, {"svd", 500, 2, 0}}},
    {"3 large and many small", {{"matmul", 4000, 0, 3}, {"matmul", 64, 100, 0}}},
};

/* What is swept: the truth, and what the rule takes for it. */
struct sweep {
    double serial;        /* times the declared serial fraction: in truth */
    double memory;        /* of the cores, how many that only wait for memory it serves */
    double first, others; /* times the nominal seconds of the first class, and of the others: what the rule is told */
    double jitter;        /* each chunk takes 1 - j to 1 + j of its time */
};

/* Fill the class's true curve: as it was published, or Amdahl's law. */
static void
set_curve(struct model *model, const struct sweep *sweep, struct node_class *class)
{
    struct node_model *truth = &class->model;
    if (strcmp(model->curve, "amdahl") != 0) {
        for (char *at = model->curve; *at; at += *at == ',') {
            assert_true(truth->points < NODE_CURVE_MAX);
            truth->widths[truth->points] = (int)read_number(&at);
            assert_int_equal(*at++, ':');
            truth->parts[truth->points++] = read_number(&at);
        }
        return;
    }
    double serial = fmin(1, class->facts.serial_fraction * sweep->serial);
    int most = class->facts.greatest_width > 0 ? class->facts.greatest_width : NODE_CORES_MAX;
    for (int width = 2; width <= most; width *= 2) {
        truth->widths[truth->points] = width;
        truth->parts[truth->points++] = serial + (1 - serial) / width;
    }
}

/* The chunks of a part, as a plan of its kernel has them. */
static void
make_class(const struct part *part, int cores, const struct sweep *sweep, double estimate, struct node_class *class)
{
    static const char *const labels[SHEAF_OPERANDS_MAX] = {"a", "b"};
    struct model *model = find_model(part->kernel, part->n);
    const struct sheaf_kernel *kernel = kernel_find(part->kernel);
    struct plan_request request = {.tasks = (int64_t)floor(part->each * cores) + part->more};
    struct signature signature;
    struct plan *plan;
    assert_non_null(kernel);
    test_ok(signature_parse(kernel->signature, &signature, &error), &error);
    request.problem.input_count = signature.input_count;
    for (int i = 0; i < kernel->parameter_count; i++)
        request.problem.parameters[i] = kernel->parameters[i].initial;
    for (int i = 0; i < signature.input_count; i++) {
        struct sheaf_array *array = &request.problem.inputs[i];
        *array = (struct sheaf_array){SHEAF_F64, {.ndim = signature.inputs[i].ndim}};
        for (int d = 0; d < array->shape.ndim; d++)
            array->shape.extent[d] = part->n;
    }
    test_ok(signature_match(kernel, &request.problem, labels, &error), &error);
    test_ok(plan_build(kernel, 1, &request, false, &plan, &error), &error);
    const struct plan_chunk first = plan_at(plan, 0);
    *class = (struct node_class){.facts = tune_chunk_facts(plan, &first), .chunks = plan->chunks};
    set_curve(model, sweep, class);
    class->model.seconds = model->seconds * (double)class->facts.tasks;
    class->model.memory = model->memory;
    class->facts.seconds *= estimate;
    plan_destroy(plan);
}

static void
make_setup(const struct workload *workload, int cores, const struct sweep *sweep, struct node_setup *setup)
{
    *setup =
        (struct node_setup){.ranks = cores, .threads = 1, .memory = sweep->memory * cores, .jitter = sweep->jitter};
    setup->seed = (uint64_t)cores;
    for (int i = 0; i < PARTS_MAX && workload->parts[i].kernel; i++) {
        double estimate = i > 0 ? sweep->others : sweep->first;
        make_class(&workload->parts[i], cores, sweep, estimate, &setup->classes[setup->class_count++]);
    }
}

/* ---- auto against all ---- */

struct outcome {
    double automatic, best, narrow; /* seconds: by the rule, in the best fixed layout, and with one core a task */
    int width;                      /* of the best fixed layout: its ranks have as many cores */
};

/* @param[in] threads  of each rank of the automatic run */
static struct outcome
compare(const struct workload *workload, int cores, int threads, const struct sweep *sweep)
{
    struct node_setup setup;
    struct outcome outcome = {.best = INFINITY};
    make_setup(workload, cores, sweep, &setup);
    setup.ranks = cores / threads;
    setup.threads = threads;
    outcome.automatic = simulate_node(&setup);
    if (outcome.automatic < 0)
        fail_msg("%s on %d cores: all cores are idle, and nobody starts", workload->name, cores);
    for (int width = 1; width <= cores; width *= 2) {
        setup.width = width;
        double seconds = simulate_node(&setup);
        if (width == 1)
            outcome.narrow = seconds;
        if (seconds < outcome.best) {
            outcome.best = seconds;
            outcome.width = width;
        }
    }
    return outcome;
}

static void
print_row(const struct workload *workload, int cores, const struct sweep *sweep, const struct outcome *outcome)
{
    print_message(
        "simulated, %3d cores, %-30s serial x %g, memory for %g cores, estimates x %g and %g, jitter %g: %8.4g s, "
        "best fixed %dx%d:%d %8.4g s, of its speed %.3f, of one core a task %.3f\n",
        cores, workload->name, sweep->serial, sweep->memory * cores, sweep->first, sweep->others, sweep->jitter,
        outcome->automatic, cores / outcome->width, outcome->width, outcome->width, outcome->best,
        outcome->best / outcome->automatic, outcome->narrow / outcome->automatic);
}

/* What is found over workloads and sweeps. */
struct summary {
    double worst, sum; /* of the best fixed layout's speed */
    int rows, below;   /* below 0.97 of it */
};

static void
add_row(const struct workload *workload, int cores, int threads, const struct sweep *sweep, double goal,
        struct summary *summary)
{
    struct outcome outcome = compare(workload, cores, threads, sweep);
    double speed = outcome.best / outcome.automatic;
    if (wants_table || speed < goal)
        print_row(workload, cores, sweep, &outcome);
    summary->worst = fmin(summary->worst, speed);
    summary->sum += speed;
    summary->below += speed < 0.97;
    summary->rows++;
}

/* Sweep the serial fraction and what memory serves, on a node, all of it or along the diagonal, with estimates as given. */
static void
sweep_node(int cores, int threads, const struct sweep *given, double goal, struct summary *summary)
{
    static const double serials[] = {0.5, 1, 2}, memories[] = {INFINITY, 0.5, 0.125};
    for (size_t w = 0; w < sizeof workloads / sizeof workloads[0]; w++)
        for (int k = 0; k < 9; k++) {
            struct sweep sweep = *given;
            sweep.serial = serials[k % 3];
            sweep.memory = memories[k / 3];
            if (cores > SMALL_NODE && !wants_all && k % 3 != k / 3)
                continue;
            add_row(&workloads[w], cores, threads, &sweep, goal, summary);
        }
}

/* @param[in] goal  the least speed; @param[in] below  the part of rows that may be below 0.97 */
static void
check(const char *what, const struct summary *summary, double goal, double below)
{
    print_message(
        "simulated: %s: of the best fixed layout's speed %.4f at worst, %.4f on average, below 0.97 in %d of %d "
        "rows\n",
        what, summary->worst, summary->sum / summary->rows, summary->below, summary->rows);
    assert_true(summary->worst >= goal);
    assert_true(summary->below <= below * summary->rows);
}

/* The classes' estimates are too short or too long by the half, all alike. */
static void
auto_is_as_fast_as_the_best_fixed_layout(void **state)
{
    static const double estimates[] = {1, 0.5, 1.5};
    struct summary summary = {.worst = INFINITY};
    (void)state;
    for (int cores = 8; cores <= NODE_CORES_MAX; cores *= 2)
        for (int e = 0; e < 3; e++) {
            const struct sweep sweep = {.first = estimates[e], .others = estimates[e]};
            if (cores > SMALL_NODE && !wants_all && e != cores / SMALL_NODE % 3)
                continue;
            sweep_node(cores, 1, &sweep, 0.97, &summary);
        }
    check("auto", &summary, 0.97, 0);
    assert_true(summary.sum > 1.03 * summary.rows); /* no fixed layout shares the cores anew at the end */
}

/*
 * One class is taken for half as long as it is, the others for half as long again, or the other way round: threefold against each
 * other. Nobody can know before the first chunks are done, when the longest ones have been started: widths are chosen that are
 * bearable either way.
 */
static void
auto_bears_classes_that_are_misjudged_against_each_other(void **state)
{
    struct summary summary = {.worst = INFINITY}, mild = summary;
    (void)state;
    for (int cores = 8; cores <= SMALL_NODE; cores *= 2) {
        const struct sweep sweeps[] = {{.first = 0.5, .others = 1.5}, {.first = 1.5, .others = 0.5}};
        const struct sweep milder[] = {{.first = 0.8, .others = 1.2}, {.first = 1.2, .others = 0.8}};
        for (int i = 0; i < 2; i++) {
            sweep_node(cores, 1, &sweeps[i], 0.84, &summary);
            sweep_node(cores, 1, &milder[i], 0.97, &mild);
        }
    }
    check("classes misjudged by half, against each other", &summary, 0.84, 0.04);
    check("classes misjudged by a fifth, against each other", &mild, 0.97, 0);
}

/* Chunks of a class are not alike: the best fixed layout is the one that is lucky. */
static void
auto_bears_chunks_that_vary(void **state)
{
    const struct sweep sweep = {.first = 1, .others = 1, .jitter = 0.1};
    struct summary summary = {.worst = INFINITY};
    (void)state;
    for (int cores = 8; cores <= SMALL_NODE; cores *= 2)
        sweep_node(cores, 1, &sweep, 0.9, &summary);
    check("chunks of 0.9 to 1.1 of their class's time", &summary, 0.9, 0.04);
}

/*
 * A rank of several cores computes one wide task at a time, and widths between 1 and its own are not to be had,
 * as they are in the fixed layouts. What is lost most are
 * few products of 384 on 16 cores: they do not scale past 6, as was published, and the model does not know.
 */
static void
auto_works_with_ranks_of_several_cores(void **state)
{
    const struct sweep sweep = {.first = 1, .others = 1};
    struct summary pairs = {.worst = INFINITY}, fours = pairs;
    (void)state;
    for (int cores = 8; cores <= SMALL_NODE; cores *= 2) {
        sweep_node(cores, 2, &sweep, 0.65, &pairs);
        sweep_node(cores, 4, &sweep, 0.65, &fours);
    }
    check("ranks of 2 cores", &pairs, 0.65, 0.02);
    check("ranks of 4 cores", &fours, 0.65, 0.12);
}

int
main(int argc, char **argv)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(auto_is_as_fast_as_the_best_fixed_layout),
        cmocka_unit_test(auto_bears_classes_that_are_misjudged_against_each_other),
        cmocka_unit_test(auto_bears_chunks_that_vary),
        cmocka_unit_test(auto_works_with_ranks_of_several_cores),
    };
    for (int i = 1; i < argc; i++) {
        wants_table |= strcmp(argv[i], "--table") == 0;
        wants_all |= strcmp(argv[i], "--all") == 0;
    }
    read_models();
    return cmocka_run_group_tests(tests, NULL, NULL);
}
