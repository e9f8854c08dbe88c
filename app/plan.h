/**
 * @file plan.h
 * Kernel and operands -> classes -> chunks, in order of cost. Pure: no MPI, clock or files.
 *
 * Which tasks a chunk holds is computed from its number. Tasks have two numbers: their own, in the order in which the user gives
 * them, and their position, class after class; they differ only where tasks are of several classes. A plan is one block of
 * plain data, which a node's ranks share: nobody's memory grows with the number of tasks, and with several classes only
 * the node's does. The grid (FORMAT.md) depends on the class alone, never on ranks or speed.
 */
#ifndef SHEAF_PLAN_H
#define SHEAF_PLAN_H

#include "sheaf/kernel.h"

/** Constants of the chunk grid; they are stored in the results file. */
#define PLAN_GRID_BYTES INT64_C(2097152)
#define PLAN_GRID_FLOPS INT64_C(1000000000)
#define PLAN_GRID_TASKS INT64_C(16384)
#define PLAN_PAGE INT64_C(4096)
/** How far a chunk may pass the grid's limits where that aligns it to HDF5 chunks. */
#define PLAN_GRID_STRETCH 4

/** Nominal speed of a core: orders chunks and weighs progress, decides nothing about results. */
#define PLAN_NOMINAL_FLOPS 4e10
#define PLAN_NOMINAL_BANDWIDTH 5e9

/** All tasks with the same shapes and types. */
struct plan_class {
    struct sheaf_problem problem;
    bool shared[SHEAF_OPERANDS_MAX]; /**< inputs that all tasks share */
    bool omitted[SHEAF_OUTPUTS_MAX]; /**< outputs that nobody asked for: neither kept nor written */
    int64_t tasks, first_position, first_chunk, chunks, tasks_per_chunk;
    struct sheaf_cost cost;  /**< of a task */
    int64_t input_bytes;     /**< of a task, without shared inputs */
    int64_t output_bytes;    /**< of a task */
    int64_t workspace_bytes; /**< of a worker */
    double chunk_seconds;    /**< nominal, of a full chunk */
    double seconds_before;   /**< nominal, of all classes before it in by_cost */
};

struct plan {
    const struct sheaf_kernel *kernel;
    int class_count;
    const struct plan_class *classes;
    const int *by_cost;            /**< class numbers, longest chunks first */
    const int64_t *first_of_order; /**< number of chunks in the classes before by_cost[i] */
    const int64_t *order;          /**< the task at each position; NULL: position and task are the same */
    int64_t tasks, chunks;
    double flops;                      /**< of all tasks */
    double seconds;                    /**< nominal, of all tasks on one core */
    int64_t places;                    /**< chunks that are handed out: all, or those of the rest */
    const struct plan_rest *rest;      /**< what of the plan is left to be done; NULL: all of it */
    int64_t input_bytes, output_bytes; /**< of all tasks; shared inputs counted once */
    bool reversed;
    void *owned; /**< the block, where this plan is to free it */
};

/** A chunk: `count` positions of a class from `first` on. */
struct plan_chunk {
    int64_t chunk;
    int class_index;
    int64_t first; /**< position, counted over all classes */
    int64_t count;
    bool kept; /**< it was computed before: tasks that succeeded then keep their results */
};

/** Whether a chunk is to be computed. */
enum plan_need {
    PLAN_DONE,
    PLAN_COMPUTE,
    PLAN_RETRY, /**< all but the tasks that succeeded before */
    PLAN_ALONE  /**< when nothing else is in flight: in a rest of its own */
};

/** A chunk that is left. */
struct plan_left {
    uint32_t place; /**< among all chunks of the plan */
    uint32_t kept;
    double seconds_before; /**< nominal, of those before it that are left */
};

/** What is left of a plan, in its order: plain data that a node's ranks share. */
struct plan_rest {
    int64_t bytes; /**< of all this */
    int64_t places, tasks;
    int64_t later; /**< tasks that are left for the other rest, which comes behind it */
    double flops;
    struct plan_left left[]; /**< places, and one behind them with the sum of the seconds */
};

/** A class as it goes into a plan. */
struct plan_request {
    struct sheaf_problem problem; /**< settled: outputs too */
    bool shared[SHEAF_OPERANDS_MAX];
    bool omitted[SHEAF_OUTPUTS_MAX]; /**< outputs that nobody asked for: neither kept nor written */
    int64_t tasks;                   /**< at least 1 */
    const int64_t *numbers;          /**< (tasks) their own numbers, rising; NULL: those behind the class before */
    int64_t tasks_per_chunk;         /**< 0: by the grid's formula; else as the file that is gone on with has it */
    int64_t align;                   /**< tasks that are best read together, as they share HDF5 chunks; 0 or 1: any */
};

/**
 * Build a plan.
 * @return SHEAF_OK; SHEAF_BAD_DATA where sizes overflow; SHEAF_NO_RESOURCES without memory
 */
enum sheaf_status plan_build(const struct sheaf_kernel *kernel, int class_count, const struct plan_request *requests,
                             bool reversed, struct plan **out, struct sheaf_error *error);
void plan_destroy(struct plan *plan);

/** The plan's data, which other processes can attach to. @param[out] bytes  how many */
const void *plan_block(const struct plan *plan, size_t *bytes);

/** A plan over such data, which is left where it is and must stay there. @return SHEAF_OK; SHEAF_NO_RESOURCES */
enum sheaf_status plan_attach(const struct sheaf_kernel *kernel, const void *memory, struct plan **out,
                              struct sheaf_error *error);

/**
 * Positions whose tasks follow each other: they can be read and written together.
 * @param[in]  position  of the first one
 * @param[in]  most      positions, at least 1
 * @param[out] task      the first one's
 * @return how many, 1 to most
 */
int64_t plan_run(const struct plan *plan, int64_t position, int64_t most, int64_t *task);

/**
 * Work out what is left of a plan. Places then count only that.
 * @param[in]  needs  (chunks) enum plan_need, by the chunk's number
 * @param[in]  alone  only what is to be computed alone; false: only the others
 * @param[out] rest   malloc'ed: the caller frees it
 * @return SHEAF_OK; SHEAF_BAD_DATA for 2^32 chunks or more; SHEAF_NO_RESOURCES
 */
enum sheaf_status plan_rest_build(const struct plan *plan, const uint8_t *needs, bool alone, struct plan_rest **rest,
                                  struct sheaf_error *error);

/**
 * A sample of a plan, as a rest of it: chunks spread evenly over the order in which they are handed out, so that every class
 * and every part of one has its share. This is systematic sampling (W. Cochran, Sampling Techniques, 3rd ed., ch. 8).
 * @param[in]  plan    not restricted
 * @param[in]  chunks  1 to plan->chunks
 * @param[in]  seed    which of the equally good samples
 * @param[out] rest    malloc'ed: the caller frees it
 * @return SHEAF_OK; SHEAF_BAD_DATA for 2^32 chunks or more; SHEAF_NO_RESOURCES
 */
enum sheaf_status plan_sample(const struct plan *plan, int64_t chunks, uint64_t seed, struct plan_rest **rest,
                              struct sheaf_error *error);

/** Hand out only this rest, which stays the caller's and must stay where it is. Before anything else asks for places. */
void plan_restrict(struct plan *plan, const struct plan_rest *rest);

/** Tasks and flops that are to be computed: the plan's, or those of its rest. */
int64_t plan_tasks_left(const struct plan *plan);
double plan_flops_left(const struct plan *plan);

/** Tasks that are left for the rest behind this one. */
int64_t plan_tasks_later(const struct plan *plan);

/** The chunk that is handed out at a place of the order, 0 to places - 1. */
struct plan_chunk plan_at(const struct plan *plan, int64_t place);

/** A chunk by its number, wherever it is in the order. */
struct plan_chunk plan_find(const struct plan *plan, int64_t chunk);

/** Nominal seconds of a task. */
double plan_task_seconds(const struct plan_class *class);

/** Nominal seconds of a chunk. */
double plan_chunk_seconds(const struct plan *plan, const struct plan_chunk *chunk);

/** Nominal seconds on one core of all that is to be computed. */
double plan_seconds(const struct plan *plan);

/** Nominal seconds of all chunks at places before `place`, 0 to places. Never falls from a place to the next. */
double plan_seconds_before(const struct plan *plan, int64_t place);

/** The first place that has at least so many nominal seconds before it; `places` where none has. */
int64_t plan_place_after(const struct plan *plan, double seconds);

/** Tasks per chunk by the grid's formula (FORMAT.md). @param[in] align  as in plan_request */
int64_t plan_grid(int64_t tasks, int64_t task_bytes, double task_flops, int output_count, const int64_t *output_bytes,
                  int64_t align);

/** An alignment that suits two operands, both at least 1: their least common multiple, the first one where no grid has that. */
int64_t plan_join_alignments(int64_t first, int64_t second);

/** Bytes of one task of an array. Its size was checked when the problem was settled. */
int64_t plan_array_bytes(const struct sheaf_array *array);

#endif
