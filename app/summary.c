#include "summary.h"
#include "blas.h"
#include "choices.h"
#include "engine.h"
#include "node.h"
#include "poison.h"
#include "progress.h"
#include "threads.h"

#include <stdlib.h>
#include <string.h>

enum { NODES_SHOWN = 8, RANKS_SHOWN = 8, FAILED_SHOWN = 20, CLASSES_SHOWN = 10, BINDING_BYTES = 64 };

char *
summary_format_quantity(double value, const char *unit, char text[32])
{
    static const char *const prefixes[] = {"", "k", "M", "G", "T", "P", "E"};
    int i = 0;
    while (value >= 999.5 && i < 6) {
        value /= 1000;
        i++;
    }
    // "%.3g" would write 100 as 1e+02 were it rounded up from below: three digits are cut by size instead.
    snprintf(text, 32, "%.*f %s%s", value >= 100 || i == 0 ? 0 : value >= 10 ? 1 : 2, value, prefixes[i], unit);
    return text;
}

static char *
format_array(const struct sheaf_array *array, char text[SHEAF_SHAPE_TEXT + 8])
{
    char shape[SHEAF_SHAPE_TEXT];
    snprintf(text, SHEAF_SHAPE_TEXT + 8, "%s %s", sheaf_shape_format(&array->shape, shape),
             sheaf_type_name(array->type));
    return text;
}

static void
print_inputs(const struct plan_class *class, FILE *stream)
{
    char text[SHEAF_SHAPE_TEXT + 8];
    for (int i = 0; i < class->problem.input_count; i++)
        fprintf(stream, "%s%s%s", i ? ", " : "", format_array(&class->problem.inputs[i], text),
                class->shared[i] ? " shared" : "");
}

void
summary_print_class(const struct plan_class *class, FILE *stream)
{
    fprintf(stream, "%lld task%s of ", (long long)class->tasks, class->tasks == 1 ? "" : "s");
    print_inputs(class, stream);
}

/** "500 tasks of 421 shapes, (64, 64) f64 to (2983, 2983) f64": the classes of the least and the most work a task. */
static void
print_classes(const struct plan *plan, FILE *stream)
{
    const struct plan_class *least = &plan->classes[0], *most = least;
    if (plan->class_count == 1) {
        summary_print_class(least, stream);
        return;
    }
    for (int i = 1; i < plan->class_count; i++) {
        const struct plan_class *class = &plan->classes[i];
        least = plan_task_seconds(class) < plan_task_seconds(least) ? class : least;
        most = plan_task_seconds(class) > plan_task_seconds(most) ? class : most;
    }
    fprintf(stream, "%lld tasks of %d shapes: ", (long long)plan->tasks, plan->class_count);
    print_inputs(least, stream);
    fprintf(stream, " to ");
    print_inputs(most, stream);
}

/** " -> (2000, 2000) f64, (2000) f64": what is written, without the outputs that nobody asked for */
static void
print_class_outputs(const struct plan_class *class, FILE *stream)
{
    char text[SHEAF_SHAPE_TEXT + 8];
    const char *before = " -> ";
    for (int k = 0; k < class->problem.output_count; k++) {
        if (class->omitted[k])
            continue;
        fprintf(stream, "%s%s", before, format_array(&class->problem.outputs[k], text));
        before = ", ";
    }
}

void
summary_print_headline(const struct job *job, FILE *stream)
{
    char flops[32], in[32], out[32];
    if (job->place.rank != 0 || job->plan->class_count == 0)
        return;
    const struct plan *plan = job->plan;
    if (strcmp(job->command->program, "sheaf make") == 0)
        fprintf(stream, "make · ");
    else
        fprintf(stream, "%s %s · ", job->kernel->name, job->kernel->signature);
    print_classes(plan, stream);
    if (plan->flops > 0)
        fprintf(stream, " · %s", summary_format_quantity(plan->flops, "FLOP", flops));
    fprintf(stream, " · %s in, %s out\n", summary_format_quantity((double)plan->input_bytes, "B", in),
            summary_format_quantity((double)plan->output_bytes, "B", out));
}

/** What each rank tells rank 0 about its place. */
struct rank_line {
    char host[COMM_HOST_BYTES];
    char binding[BINDING_BYTES];
    struct audit_findings findings; /**< of its node: alike on all its ranks */
    int32_t node, local_rank, cores, active;
    int64_t memory;
};

static void
print_layout(const struct job *job, FILE *stream)
{
    struct blas_library blas;
    char reason[CHOICES_REASON_BYTES];
    const struct layout *layout = &job->layout;
    blas_describe(&blas);
    fprintf(stream, "%s %s, %s · layout %dx%d:%d%s: %d rank%s per node, %d core%s each, %s\n", blas.name, blas.core,
            blas_threading_name(blas.threading), layout->ranks, layout->threads, layout->width,
            choices_format_reason(job, reason), layout->ranks, layout->ranks == 1 ? "" : "s", layout->threads,
            layout->threads == 1 ? "" : "s",
            layout->threads == 1 ? "one task at a time"
            : layout->width == 1 ? "threads work on tasks"
                                 : "BLAS threads work on one task");
    if (blas.advice[0])
        fprintf(stream, "%s\n", blas.advice);
    choices_print(job, stream);
}

/** One line of a node: lines[0] is its leader's. */
static void
print_node(const struct rank_line *lines, int ranks, int first_rank, FILE *stream)
{
    char memory[32];
    int parked = 0;
    fprintf(stream, "%s: %d core%s, %s · ", lines[0].host, lines[0].cores, lines[0].cores == 1 ? "" : "s",
            summary_format_quantity((double)lines[0].memory, "B", memory));
    for (int i = 0; i < ranks; i++) {
        if (!lines[i].active) {
            parked++;
            continue;
        }
        if (i < RANKS_SHOWN || i == ranks - 1)
            fprintf(stream, "%srank %d @ %s: CPU %s", i ? " · " : "", first_rank + i, lines[i].host, lines[i].binding);
        else if (i == RANKS_SHOWN)
            fprintf(stream, " · ...");
    }
    if (parked)
        fprintf(stream, " · %d parked", parked);
    fprintf(stream, "\n");
}

/** How many of the lines, from the first one on, are of its node. */
static int
count_node_ranks(const struct rank_line *lines, int size)
{
    int ranks = 1;
    while (ranks < size && lines[ranks].node == lines[0].node)
        ranks++;
    return ranks;
}

static void
print_all_nodes(const struct rank_line *lines, int size, int node_count, FILE *stream)
{
    for (int first = 0, shown = 0; first < size; shown++) {
        int ranks = count_node_ranks(&lines[first], size - first);
        if (shown == NODES_SHOWN && node_count > NODES_SHOWN + 1) {
            fprintf(stream, "... and %d more nodes\n", node_count - NODES_SHOWN);
            break;
        }
        print_node(&lines[first], ranks, first, stream);
        first += ranks;
    }
    fflush(stream);
}

/** Of the first nodes that have findings; lines are in order of node. */
static void
print_findings(const struct rank_line *lines, int size, FILE *mended, FILE *warned)
{
    int nodes = 0;
    for (int first = 0; first < size; first += count_node_ranks(&lines[first], size - first)) {
        const struct audit_findings *findings = &lines[first].findings;
        nodes += findings->count > 0;
        for (int i = 0; i < findings->count && nodes <= NODES_SHOWN; i++) {
            bool done = findings->all[i].mended;
            fprintf(done ? mended : warned, "%s%s: %s\n", done && mended != stderr ? "" : "sheaf: ", lines[first].host,
                    findings->all[i].text);
        }
    }
    if (nodes > NODES_SHOWN)
        fprintf(warned, "sheaf: ... and %d more nodes with findings\n", nodes - NODES_SHOWN);
    fflush(mended);
}

static int
compare_lines(const void *a, const void *b)
{
    const struct rank_line *left = a, *right = b;
    return left->node != right->node ? (left->node > right->node) - (left->node < right->node)
                                     : (left->local_rank > right->local_rank) - (left->local_rank < right->local_rank);
}

/** Gather what each rank tells. Collective. @return at the root, malloc'ed: by node and rank; NULL elsewhere */
static struct rank_line *
gather_lines(const struct job *job)
{
    struct rank_line mine = {.findings = job->findings,
                             .node = job->place.node,
                             .local_rank = job->place.local_rank,
                             .cores = team_cores(job->team),
                             .active = job->place.local_rank < job->layout.ranks,
                             .memory = node_memory_total()};
    snprintf(mine.host, sizeof mine.host, "%s", job->place.host);
    team_format_binding(job->team, mine.binding, sizeof mine.binding);
    bool root = job->place.rank == 0;
    struct rank_line *lines = root ? calloc((size_t)job->place.size, sizeof *lines) : NULL;
    if (root && !lines)
        comm_abort();
    comm_gather(job->comm, &mine, sizeof mine, lines);
    if (root)
        qsort(lines, (size_t)job->place.size, sizeof *lines, compare_lines);
    return lines;
}

void
summary_print_nodes(const struct job *job, FILE *stream)
{
    struct rank_line *lines = gather_lines(job);
    if (lines) {
        print_layout(job, stream);
        print_all_nodes(lines, job->place.size, job->place.node_count, stream);
        print_findings(lines, job->place.size, stream, stderr);
    }
    free(lines);
}

void
summary_print_findings(const struct job *job, FILE *mended, FILE *warned)
{
    struct rank_line *lines = gather_lines(job);
    if (lines)
        print_findings(lines, job->place.size, mended, warned);
    free(lines);
}

static const char *
status_text(uint8_t status)
{
    static const char *const texts[SHEAF_TASK_STATUS_COUNT] = {
        "pending",       "done",       "singular",   "not positive definite", "not converged", "not finite", "overflow",
        "kernel failed", "unreadable", "quarantined"};
    return status < SHEAF_TASK_STATUS_COUNT ? texts[status] : "?";
}

static void
print_reason(uint8_t status, int32_t info, FILE *stream)
{
    const int32_t number = info & ~POISON_READING;
    const bool read = (info & POISON_READING) != 0;
    if (status == SHEAF_TASK_QUARANTINED && number == 0)
        fprintf(stream, "  quarantined (it ran out of time%s)\n", read ? " while its input was read" : "");
    else if (status == SHEAF_TASK_QUARANTINED)
        fprintf(stream, "  quarantined (%ssignal %d: %s)\n", read ? "crashed while its input was read: " : "", number,
                strsignal(number));
    else
        fprintf(stream, "  %s (info %d)\n", status_text(status), info);
}

/** A task as users know it: its dataset where that is no other's too, else its number and place in the leading axes. */
static void
print_task(const struct job *job, int64_t task, FILE *stream)
{
    for (int i = 0; i < job->map.input_count; i++) {
        const struct set *set = job->sets[i];
        if (!set)
            continue;
        const struct source_map *operand = &job->map.operands[i];
        const struct set_member *member = set_member(set, source_entry(operand, task));
        fprintf(stream, "  %s%s%s", set_text(set, member->text), member->unreadable ? ": " : "",
                member->unreadable ? set_text(set, member->reason) : "");
        if (operand->tasks.ndim == 0)
            return;
        break;
    }
    const struct sheaf_shape *lead = &job->map.lead;
    int64_t index[SHEAF_NDIM_MAX];
    int64_t rest = task;
    for (int i = lead->ndim - 1; i >= 0; i--) {
        index[i] = rest % lead->extent[i];
        rest /= lead->extent[i];
    }
    fprintf(stream, "  task %lld", (long long)task);
    for (int i = 0; i < lead->ndim && lead->ndim > 1; i++)
        fprintf(stream, "%s%lld%s", i ? ", " : " [", (long long)index[i], i == lead->ndim - 1 ? "]" : "");
}

/** The first failed tasks, with their reasons. */
static enum sheaf_status
print_failures(const struct job *job, int64_t failed, FILE *stream, struct sheaf_error *error)
{
    enum { PIECE = 65536 };
    uint8_t *status = malloc(PIECE);
    int32_t *info = malloc(PIECE * sizeof *info);
    enum sheaf_status outcome =
        status && info ? SHEAF_OK : sheaf_fail(error, SHEAF_NO_RESOURCES, "no memory for a report");
    int64_t shown = 0;
    for (int64_t first = 0; !outcome && first < job->plan->tasks && shown < FAILED_SHOWN; first += PIECE) {
        int64_t count = job->plan->tasks - first < PIECE ? job->plan->tasks - first : PIECE;
        outcome = store_read_status(job->store, first, count, status, info, error);
        for (int64_t i = 0; !outcome && i < count && shown < FAILED_SHOWN; i++) {
            if (status[i] <= SHEAF_TASK_DONE)
                continue;
            print_task(job, first + i, stream);
            print_reason(status[i], info[i], stream);
            shown++;
        }
    }
    if (!outcome && failed > shown)
        fprintf(stream, "  ... and %lld more\n", (long long)(failed - shown));
    free(status);
    free(info);
    return outcome;
}

static void
print_shares(const struct queue_totals *totals, double work_seconds, FILE *stream)
{
    double all = work_seconds * 1e9 * (double)(totals->workers > 0 ? totals->workers : 1);
    double compute = 100 * (double)totals->compute_ns / all;
    double read = 100 * (double)totals->read_ns / all;
    double write = 100 * (double)totals->write_ns / all;
    double wait = 100 - compute - read - write;
    fprintf(stream, "workers computed %.1f %%, read %.1f %%, wrote %.1f %%, waited %.1f %%\n", compute, read, write,
            wait > 0 ? wait : 0);
}

char *
summary_format_output(const struct store_output *output, char text[SHEAF_SHAPE_TEXT + 8])
{
    struct sheaf_array whole = {.type = output->array.type, .shape = output->array.lead};
    for (int k = 0; k < output->array.core.ndim && whole.shape.ndim < SHEAF_NDIM_MAX; k++)
        whole.shape.extent[whole.shape.ndim++] = output->array.core.extent[k];
    return format_array(&whole, text);
}

static void
print_datasets(const struct job *job, FILE *stream)
{
    char text[SHEAF_SHAPE_TEXT + 8], bytes[32];
    fprintf(stream, "%s:%s", job->command->output(job->options), job->map.output_count == 0 ? " no output" : "");
    for (int i = 0; i < job->map.output_count; i++) {
        const struct store_output *output = &job->map.outputs[i];
        fprintf(stream, "%s /%s", i ? "," : "", output->name);
        if (output->grouped)
            fprintf(stream, "/... %lld datasets %s", (long long)job->plan->tasks, sheaf_type_name(output->array.type));
        else
            fprintf(stream, " %s", summary_format_output(output, text));
    }
    fprintf(stream, " · %s\n", summary_format_quantity((double)job->map.store.bytes, "B", bytes));
}

enum sheaf_status
summary_print_end(const struct job *job, double seconds, FILE *stream, struct sheaf_error *error)
{
    const struct queue_totals *totals = &job->totals;
    char time[32], rate[32], in[32], out[32];
    const int64_t failed = job->failed_before + totals->failed;
    fprintf(stream, "done: %lld task%s, ", (long long)job->plan->tasks, job->plan->tasks == 1 ? "" : "s");
    if (job->map.resuming)
        fprintf(stream, "%lld of them before, ", (long long)job->tasks_before);
    fprintf(stream, "%lld failed, %s", (long long)failed, progress_format_seconds(seconds, time));
    if (job->plan->places > 0) {
        double work = job->work_seconds;
        if (job->plan->flops > 0)
            fprintf(stream, " · %s", summary_format_quantity(job->work_flops / work, "FLOP/s", rate));
        fprintf(stream, " · read %s, wrote %s · ",
                summary_format_quantity((double)totals->bytes_read / work, "B/s", in),
                summary_format_quantity((double)totals->bytes_written / work, "B/s", out));
        print_shares(totals, work, stream);
        if (totals->wide > 0)
            fprintf(stream, "%lld of %lld chunks on several cores, for some had nothing else to do\n",
                    (long long)totals->wide, (long long)totals->chunks);
    } else {
        fprintf(stream, "\n");
    }
    print_datasets(job, stream);
    fflush(stream);
    if (!job->settlement.reserved && !job->map.resuming)
        fprintf(stderr,
                "sheaf: %s: this file system reserves no space: its free space was checked, but others could have "
                "taken it\n",
                job->command->output(job->options));
    if (failed == 0)
        return SHEAF_OK;
    fprintf(stderr, "sheaf: %s: %lld of %lld tasks failed, the rest is valid (exit 1)\n",
            job->command->output(job->options), (long long)failed, (long long)job->plan->tasks);
    enum sheaf_status status = print_failures(job, failed, stderr, error);
    // The text was printed above: it is a table, not a line.
    return status ? status : sheaf_fail(error, SHEAF_TASKS_FAILED, "%s", "");
}

enum sheaf_status
summary_print_dry_run(const struct job *job, FILE *stream, struct sheaf_error *error)
{
    const struct plan *plan = job->plan;
    const struct layout *layout = &job->layout;
    char a[32], b[32], c[32];
    summary_print_headline(job, stream);
    int shown = plan->class_count < CLASSES_SHOWN ? plan->class_count : CLASSES_SHOWN;
    for (int i = 0; i < shown; i++) {
        const struct plan_class *class = &plan->classes[plan->by_cost[i]];
        fprintf(stream, "class %d of %d: ", i + 1, plan->class_count);
        summary_print_class(class, stream);
        print_class_outputs(class, stream);
        fprintf(stream, " · a task: %s, %s · %lld chunks of %lld\n",
                summary_format_quantity(class->cost.flops, "FLOP", a),
                summary_format_quantity((double)(class->input_bytes + class->output_bytes), "B", b),
                (long long)class->chunks, (long long)class->tasks_per_chunk);
    }
    if (shown < plan->class_count)
        fprintf(stream, "... and %d more, of shorter chunks\n", plan->class_count - shown);
    print_layout(job, stream);
    struct engine_size size;
    enum sheaf_status status = engine_size(plan, job->map.operands, layout, true, !job->map.results_in_memory,
                                           job->node_memory / layout->ranks, &size, error);
    if (status)
        return status;
    fprintf(stream, "output: %s · memory per node: up to %s of %s: %d rank%s with %d buffers of %s\n",
            summary_format_quantity((double)plan->output_bytes, "B", a),
            summary_format_quantity((double)(layout->ranks * size.slots * size.slot_bytes), "B", b),
            summary_format_quantity((double)job->node_memory, "B", c), layout->ranks, layout->ranks == 1 ? "" : "s",
            size.slots, summary_format_quantity((double)size.slot_bytes, "B", (char[32]){0}));
    int cores = layout->ranks * layout->threads < team_cores(job->team) ? layout->ranks * layout->threads
                                                                        : team_cores(job->team);
    status = threads_check_room(0, blas_get_pool(), error);
    if (status)
        return status;
    double rate = blas_measure_rate() * cores * job->place.node_count;
    double seconds = plan->flops / rate + (double)(plan->input_bytes + plan->output_bytes) / PLAN_NOMINAL_BANDWIDTH;
    fprintf(stream,
            "estimate: %s at %s (dgemm measured now on one core) and %s of input and output; slower disks add to it\n",
            progress_format_seconds(seconds, a), summary_format_quantity(rate, "FLOP/s", b),
            summary_format_quantity(PLAN_NOMINAL_BANDWIDTH, "B/s", c));
    fprintf(stream, "dry run: nothing was computed or written\n");
    return SHEAF_OK;
}
