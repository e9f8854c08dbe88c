/**
 * @file broadcast.h
 * Which entry of an operand a task uses, where operands are broadcast: by NumPy's rule their leading axes are aligned at
 * the right, and an axis that is missing or has one entry is stretched. Pure: no files, no allocation.
 */
#ifndef SHEAF_BROADCAST_H
#define SHEAF_BROADCAST_H

#include "sheaf/array.h"

/** From tasks to entries: plain data that may be copied and sent. All zero: each task has the entry of its own number. */
struct broadcast {
    int32_t ndim; /**< 0: as all zero */
    int32_t reserved;
    /** Innermost first; neighbours of one kind are joined, so that stretched axes and others take turns. */
    struct broadcast_axis {
        int64_t extent; /**< in tasks */
        int64_t stride; /**< entries from one place on the axis to the next; 0: it is stretched */
    } axes[SHEAF_NDIM_MAX];
};

/**
 * Join the leading axes of one more operand, as np.broadcast_shapes does.
 * @param[in,out] lead  those joined so far, none at first; unchanged on failure
 * @return false where two extents of an axis differ and neither is 1
 */
bool broadcast_join(struct sheaf_shape *lead, const struct sheaf_shape *other);

/**
 * @param[in]  own    leading axes of an operand
 * @param[in]  tasks  those of the run
 * @return false where `own` cannot be stretched to `tasks`, or these are no tasks, or too many for 64 bits
 */
bool broadcast_make(const struct sheaf_shape *own, const struct sheaf_shape *tasks, struct broadcast *broadcast);

/** @return how many tasks there are; 0: all zero, which does not say */
int64_t broadcast_tasks(const struct broadcast *broadcast);

/** @return the entry that a task uses, 0 <= task < number of tasks */
int64_t broadcast_entry(const struct broadcast *broadcast, int64_t task);

/** @return the last task before this one that uses the same entry; -1: none */
int64_t broadcast_earlier(const struct broadcast *broadcast, int64_t task);

/** Successive tasks that use successive entries, each of them `repeats` times in a row. */
struct broadcast_piece {
    int64_t tasks; /**< at least 1 */
    int64_t entry; /**< of the first task */
    int64_t entries;
    int64_t repeats;       /**< tasks in a row that use the same entry; the last entry may have fewer in this piece */
    int64_t first_repeats; /**< those of the first entry in this piece, which may begin amid them */
    int64_t earlier;       /**< as many tasks from here on, all before the piece, use the same entries; -1: none */
};

/**
 * Take the next piece of a run of tasks that is read from its beginning to its end.
 *
 * Entries that a piece before has read are found by `earlier`; only the one amid whose repeats the run begins may be read
 * twice.
 *
 * @param[in] since  first task of the run: `earlier` is not before it
 * @param[in] task   first task of the piece, since <= task
 * @param[in] most   tasks of the run that are left, at least 1
 */
struct broadcast_piece broadcast_piece(const struct broadcast *broadcast, int64_t since, int64_t task, int64_t most);

/**
 * How many tasks use a group of entries that belong together: entries [0, group), the same number after them, and so on.
 * @return so many that tasks [0, this), the same number after them, and so on use whole groups; 1: there is no such number
 */
int64_t broadcast_group(const struct broadcast *broadcast, int64_t group);

#endif
