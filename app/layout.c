#include "layout.h"
#include "number.h"

enum { LAYOUT_MOST = 65536 };

/** A number from 1 to LAYOUT_MOST at *text, which moves behind it. */
static bool
take_number(const char **text, int *number)
{
    int64_t value;
    if (!number_parse(*text, &value, text) || value < 1 || value > LAYOUT_MOST)
        return false;
    *number = (int)value;
    return true;
}

enum sheaf_status
layout_parse(const char *text, struct layout *layout, struct sheaf_error *error)
{
    const char *at = text;
    *layout = (struct layout){0, 0, 0};
    bool good = take_number(&at, &layout->ranks) && *at == 'x' && (at++, take_number(&at, &layout->threads));
    if (good && *at == ':')
        good = (at++, take_number(&at, &layout->width));
    if (!good || *at != '\0')
        return sheaf_fail(
            error, SHEAF_USAGE,
            "--layout %s: expected RxT or RxT:W, ranks per node x cores per rank : cores per task, as 4x2:1", text);
    if (layout->width != 0 && layout->width != 1 && layout->width != layout->threads)
        return sheaf_fail(
            error, SHEAF_USAGE,
            "--layout %s: W is 1 (threads work on tasks) or T = %d (BLAS threads work on one task), found %d", text,
            layout->threads, layout->width);
    return SHEAF_OK;
}

enum sheaf_status
layout_settle(const struct layout_facts *facts, struct layout *layout, struct sheaf_error *error)
{
    if (layout->ranks > facts->present)
        return sheaf_fail(
            error, SHEAF_USAGE,
            "--layout %dx%d: wants %d ranks per node, %d present; start more (mpirun -n), or ask for fewer",
            layout->ranks, layout->threads, layout->ranks, facts->present);
    if (layout->ranks == 0)
        layout->ranks = facts->present;
    if (layout->threads == 0)
        layout->threads = facts->cores > layout->ranks ? facts->cores / layout->ranks : 1;
    if (layout->width == 0) {
        int64_t cores = (int64_t)facts->nodes * layout->ranks * layout->threads;
        bool possible = facts->widest == 0 || layout->threads <= facts->widest;
        layout->width = facts->tasks >= cores || !possible ? 1 : layout->threads;
    }
    if (!facts->wide)
        layout->width = 1;
    return SHEAF_OK;
}

enum layout_reason
layout_choose(const struct layout_facts *facts, struct layout *layout)
{
    int ranks = facts->present < facts->cores ? facts->present : facts->cores;
    int threads = facts->cores / ranks;
    int64_t all = (int64_t)facts->nodes * ranks * threads;
    *layout = (struct layout){ranks, threads, 1};
    if (facts->room >= (int64_t)ranks * threads)
        return facts->tasks >= all ? LAYOUT_FILLS : LAYOUT_FEW;
    if (facts->room < ranks)
        layout->ranks = facts->room > 1 ? (int)facts->room : 1;
    layout->threads = facts->cores / layout->ranks;
    if (facts->wide && (facts->widest == 0 || layout->threads <= facts->widest))
        layout->width = layout->threads;
    return LAYOUT_MEMORY;
}
