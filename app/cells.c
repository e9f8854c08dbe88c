#include "cells.h"

#include <string.h>

/** Rounds that are expected to fit are given this share of the time: the machine may become slower. */
static const double time_share = 0.95;

/** A sample grows by no more than this at once: what a small one took says little of a large one. */
static const double growth_most = 16;

/** A sample that could be longer by less than this is long enough, one that is too long by less is not too long. */
static const double growth_least = 1.5;
static const double shrinking_least = 0.8;

static enum sheaf_status
add(struct cell cell, struct cells *cells, struct sheaf_error *error)
{
    if (cells->count == CELLS_MOST)
        return sheaf_fail(error, SHEAF_USAGE, "a sweep has up to %d cells; name the layouts with --layouts",
                          CELLS_MOST);
    cells->all[cells->count++] = cell;
    return SHEAF_OK;
}

/** Add R x T in the widths that it can have. */
static enum sheaf_status
add_widths(const struct layout_facts *facts, int ranks, int threads, struct cells *cells, struct sheaf_error *error)
{
    struct cell cell = {.nodes = facts->nodes, .layout = {ranks, threads, 1}};
    enum sheaf_status status = add(cell, cells, error);
    bool wide = threads > 1 && facts->wide && (facts->widest == 0 || threads <= facts->widest);
    cell.layout.width = threads;
    return !status && wide ? add(cell, cells, error) : status;
}

/** Repeat what is listed for all nodes on fewer. */
static enum sheaf_status
add_node_counts(int nodes, struct cells *cells, struct sheaf_error *error)
{
    enum sheaf_status status = SHEAF_OK;
    int layouts = cells->count;
    for (int n = 1; n < nodes; n++)
        for (int i = 0; i < layouts && !status; i++) {
            struct cell cell = cells->all[i];
            cell.nodes = n;
            status = add(cell, cells, error);
        }
    return status;
}

enum sheaf_status
cells_list(const struct cells_facts *facts, struct cells *cells, struct sheaf_error *error)
{
    const struct layout_facts *node = &facts->layout;
    enum sheaf_status status = SHEAF_OK;
    cells->count = 0;
    for (int ranks = 1; ranks <= node->present && ranks <= node->cores && !status; ranks++)
        if (node->cores % ranks == 0 || ranks == node->present)
            status = add_widths(node, ranks, node->cores / ranks, cells, error);
    if (!status && facts->oversubscribe)
        status = add_widths(node, node->present, node->present > 1 ? node->cores : 2 * node->cores, cells, error);
    bool chooses = node->wide && facts->automatic.ranks * facts->automatic.threads > 1;
    if (!status && chooses)
        status = add((struct cell){node->nodes, facts->automatic, true}, cells, error);
    if (!status && facts->each_node_count)
        status = add_node_counts(node->nodes, cells, error);
    return status;
}

/** Fail with another option's error about an entry. */
static enum sheaf_status
fail_entry(const char *text, struct sheaf_error *error)
{
    static const char option[] = "--layout ";
    char copy[sizeof error->text];
    const char *from = strncmp(text, option, strlen(option)) == 0 ? text + strlen(option) : text;
    snprintf(copy, sizeof copy, "%s", from);
    return sheaf_fail(error, SHEAF_USAGE, "--layouts: %s", copy);
}

static bool
is_same(const struct cell *a, const struct cell *b)
{
    return a->automatic == b->automatic && a->layout.ranks == b->layout.ranks &&
           a->layout.threads == b->layout.threads && a->layout.width == b->layout.width;
}

/** A layout by its text, as for --layout, but of a width that the kernel can use. */
static enum sheaf_status
parse_layout(const char *text, const struct layout_facts *facts, struct layout *layout, struct sheaf_error *error)
{
    if (layout_parse(text, layout, error))
        return fail_entry(error->text, error);
    int asked = layout->width;
    if (layout_settle(facts, layout, error))
        return fail_entry(error->text, error);
    if (asked > layout->width)
        return sheaf_fail(error, SHEAF_USAGE, "--layouts: %s: this kernel computes a task on one core; write %dx%d:1",
                          text, layout->ranks, layout->threads);
    if (facts->widest > 0 && layout->width > facts->widest)
        return sheaf_fail(error, SHEAF_USAGE, "--layouts: %s: this BLAS has up to %d threads for a task", text,
                          facts->widest);
    return SHEAF_OK;
}

static enum sheaf_status
parse_entry(const char *text, const struct cells_facts *facts, struct cells *cells, struct sheaf_error *error)
{
    char twice[CELLS_TEXT];
    struct cell cell = {
        .nodes = facts->layout.nodes, .layout = facts->automatic, .automatic = strcmp(text, "auto") == 0};
    enum sheaf_status status = cell.automatic ? SHEAF_OK : parse_layout(text, &facts->layout, &cell.layout, error);
    for (int i = 0; i < cells->count && !status; i++)
        if (is_same(&cells->all[i], &cell))
            status = sheaf_fail(error, SHEAF_USAGE, "--layouts: %s: %s is in the list twice", text,
                                cells_format(&cell, twice));
    return status ? status : add(cell, cells, error);
}

enum sheaf_status
cells_parse(const char *list, const struct cells_facts *facts, struct cells *cells, struct sheaf_error *error)
{
    enum sheaf_status status = SHEAF_OK;
    cells->count = 0;
    for (const char *at = list; at && !status; at = *at ? at + 1 : NULL) {
        char text[64];
        size_t length = strcspn(at, ",");
        snprintf(text, sizeof text, "%.*s", (int)(length < sizeof text ? length : sizeof text - 1), at);
        status = parse_entry(text, facts, cells, error);
        at += length;
    }
    if (!status && facts->each_node_count)
        status = add_node_counts(facts->layout.nodes, cells, error);
    return status;
}

int
cells_at(int count, int round, int place)
{
    int forward = round % 2 ? count - 1 - place : place;
    return (forward + round / 2) % count;
}

char *
cells_format(const struct cell *cell, char text[CELLS_TEXT])
{
    const struct layout *layout = &cell->layout;
    if (cell->automatic)
        snprintf(text, CELLS_TEXT, "auto");
    else
        snprintf(text, CELLS_TEXT, "%dx%d:%d", layout->ranks, layout->threads, layout->width);
    return text;
}

char *
cells_describe(const struct cell *cell, int nodes, char text[CELLS_TEXT])
{
    char layout[CELLS_TEXT];
    cells_format(cell, layout);
    if (nodes == 1)
        return strcpy(text, layout);
    snprintf(text, CELLS_TEXT, "%d node%s, %.40s", cell->nodes, cell->nodes == 1 ? "" : "s", layout);
    return text;
}

double
cells_threads_per_core(const struct cell *cell, int cores)
{
    return (double)cell->layout.ranks * cell->layout.threads / cores;
}

int64_t
cells_first_sample(const struct cells_budget *budget)
{
    return budget->cores < budget->most ? budget->cores : budget->most;
}

/** As many chunks for each core, where there are enough. */
static int64_t
even_out(const struct cells_budget *budget, double chunks)
{
    int64_t least = cells_first_sample(budget);
    if (chunks >= (double)budget->most)
        return budget->most;
    int64_t count = (int64_t)chunks;
    count -= count % budget->cores;
    return count > least ? count : least;
}

int64_t
cells_next_sample(const struct cells_budget *budget, int64_t chunks, double round_seconds, double left_seconds)
{
    // Another warm-up round, and those that count.
    double affordable = time_share * left_seconds / (CELLS_ROUNDS_SIZED + 1);
    if (affordable < shrinking_least * round_seconds)
        return even_out(budget, affordable / round_seconds * (double)chunks);
    double enough = CELLS_PASS_SECONDS * budget->cells;
    double growth = (affordable < enough ? affordable : enough) / round_seconds;
    if (growth < growth_least)
        return chunks;
    int64_t next = even_out(budget, (growth < growth_most ? growth : growth_most) * (double)chunks);
    return next > chunks ? next : chunks;
}

int
cells_rounds(double round_seconds, double left_seconds)
{
    double rounds = time_share * left_seconds / round_seconds;
    return rounds >= CELLS_ROUNDS_MOST ? CELLS_ROUNDS_MOST : rounds > 0 ? (int)rounds : 0;
}
