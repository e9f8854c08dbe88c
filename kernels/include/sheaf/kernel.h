/**
 * @file kernel.h
 * What a kernel is: the one interface that the built-in kernels and a user's own (.so) implement.
 *
 * A kernel computes one *task*: a few small row-major arrays in, a few out, with a NumPy gufunc
 * signature. It describes itself by data (struct sheaf_kernel) and computes in one function, over a
 * batch of tasks that share shapes and type. The engine does the rest: reading, threads, memory,
 * writing, failures.
 *
 * Life of a kernel in a run, for every *class* (all tasks with the same shapes and types):
 *   1. the engine matches the operands against `signature` and `accepts`, and fills a sheaf_problem;
 *   2. `infer` (where given) settles what the signature cannot say: k = min(m, n), a complex or
 *      integer output; it may refuse the class, before anything is allocated;
 *   3. `cost` and `workspace_bytes` are asked once;
 *   4. `run` is called for every batch, from any worker thread, many at a time.
 * All functions are pure: their results depend on their arguments only.
 *
 * Rules for `run`: it creates no threads, allocates nothing, reads and writes no file, keeps no state
 * between calls. It must give the same bits for a task whatever batch the task comes in.
 */
#ifndef SHEAF_KERNEL_H
#define SHEAF_KERNEL_H

#include "sheaf/array.h"
#include "sheaf/status.h"

#ifdef __cplusplus
extern "C" {
#endif

/** Version of everything in this header. A kernel built against another one is refused by name. */
#define SHEAF_KERNEL_ABI 1

enum {
    SHEAF_OPERANDS_MAX = 16, /**< inputs of one kernel, a variadic one's too */
    SHEAF_OUTPUTS_MAX = 8,
    SHEAF_PARAMETERS_MAX = 8,
};

/** An extent that the signature alone does not give: `infer` must. */
#define SHEAF_EXTENT_UNKNOWN INT64_C(-1)

/** What became of a task. The numbers stand in the results file (/sheaf/status): never renumber. */
enum sheaf_task_status {
    SHEAF_TASK_PENDING = 0, /**< not computed yet; never set by a kernel */
    SHEAF_TASK_DONE = 1,
    SHEAF_TASK_SINGULAR = 2,
    SHEAF_TASK_NOT_POSITIVE_DEFINITE = 3,
    SHEAF_TASK_NOT_CONVERGED = 4,
    SHEAF_TASK_NOT_FINITE = 5,    /**< NaN or infinity in the input */
    SHEAF_TASK_OVERFLOW = 6,      /**< an integer result does not fit */
    SHEAF_TASK_KERNEL_FAILED = 7, /**< any other reason; info says more */
    SHEAF_TASK_UNREADABLE = 8,    /**< the input could not be read; set by the engine */
    SHEAF_TASK_QUARANTINED = 9,   /**< it killed its process, or ran out of time; set by the engine */
    SHEAF_TASK_STATUS_COUNT = 10
};

/** How a parameter's value is written and stored. */
enum sheaf_parameter_kind {
    SHEAF_PARAMETER_REAL,    /**< value.real */
    SHEAF_PARAMETER_INTEGER, /**< value.integer */
    SHEAF_PARAMETER_CHOICE,  /**< value.integer: index into `choices` */
};

union sheaf_parameter_value {
    double real;
    int64_t integer;
};

/** A parameter of a kernel: `--param ord=fro`. */
struct sheaf_parameter {
    const char *name;
    const char *unit; /**< NULL: a pure number */
    const char *text; /**< one line for --help */
    enum sheaf_parameter_kind kind;
    const char *const *choices;                           /**< ends with NULL; for SHEAF_PARAMETER_CHOICE only */
    union sheaf_parameter_value initial, least, greatest; /**< least and greatest: inclusive */
};

/** One class of tasks: everything that `infer`, `cost`, `workspace_bytes` and `run` may depend on. */
struct sheaf_problem {
    int32_t input_count;
    int32_t output_count;
    struct sheaf_array inputs[SHEAF_OPERANDS_MAX];
    struct sheaf_array outputs[SHEAF_OUTPUTS_MAX];
    union sheaf_parameter_value parameters[SHEAF_PARAMETERS_MAX]; /**< in the kernel's own order */
};

/** What one task costs, nominally: decides order, chunk sizes and widths, never results. */
struct sheaf_cost {
    double flops;           /**< real floating-point operations (a complex multiply-add is 8) */
    double bytes;           /**< memory traffic beyond reading inputs and writing outputs once */
    double serial_fraction; /**< of the work that a greater width does not speed up, 0 to 1 (Amdahl) */
    int32_t greatest_width; /**< more threads than this on one task never help; 0: no bound */
    int32_t reserved;
};

/** What a width above 1 (several cores on one task) means to a kernel. */
enum sheaf_width_kind {
    SHEAF_WIDTH_ONE,      /**< nothing: a task is always computed by one thread */
    SHEAF_WIDTH_BLAS,     /**< the engine lets BLAS use `width` threads; one `run` at a time */
    SHEAF_WIDTH_PARALLEL, /**< `run` splits its work with batch->parallel_for */
};

/** A body for parallel_for: work on items [first, end). */
typedef void sheaf_parallel_body(void *argument, int64_t first, int64_t end);

/** A batch of tasks of one class. All arrays are dense, row-major and aligned to 64 bytes or more at
 *  the batch's start; task t of input i starts at inputs[i] + t * input_strides[i]. */
struct sheaf_batch {
    int64_t count; /**< tasks, at least 1 */
    const void *inputs[SHEAF_OPERANDS_MAX];
    size_t input_strides[SHEAF_OPERANDS_MAX]; /**< bytes from task to task; 0: shared by all */
    void *outputs[SHEAF_OUTPUTS_MAX];         /**< not initialised; NULL: not asked for */
    size_t output_strides[SHEAF_OUTPUTS_MAX]; /**< bytes */
    uint8_t *status; /**< (count) enum sheaf_task_status; set to DONE by the engine before the call */
    int32_t *info;   /**< (count) LAPACK's info or the kernel's own number; 0 before the call */
    void *workspace; /**< workspace_bytes, aligned to 64, contents undefined; this call's alone */
    int32_t width;   /**< cores for this call */
    int32_t reserved;
    /** For SHEAF_WIDTH_PARALLEL: runs body over [0, items) on `width` threads and returns when all is
     *  done; the split depends on `items` and `grain` only, never on `width`. NULL at other kinds. */
    void (*parallel_for)(void *team, int64_t items, int64_t grain, sheaf_parallel_body *body, void *argument);
    void *team;
};

/** A kernel: constant data and functions, alive as long as the process. */
struct sheaf_kernel {
    uint32_t abi;     /**< SHEAF_KERNEL_ABI */
    uint32_t bytes;   /**< sizeof(struct sheaf_kernel) */
    const char *name; /**< a word of lower-case letters, digits and _ */
    const char *text; /**< one line for `sheaf info` */
    /** Lines for `sheaf info KERNEL`, each ending with a newline: formula, flops, routine, conventions, errors. NULL: none */
    const char *documentation;
    /**
     * NumPy's gufunc signature, "(m,k),(k,n)->(m,n)". Three additions:
     *   - a name that occurs in outputs only is settled by `infer`: svd "(m,n)->(m,k),(k),(k,n)";
     *   - "..." as last input repeats the input before it once or more, its extents free of each
     *     other; `infer` checks them: multi_dot "(a,b),(c,d),...->(a,z)";
     *   - nothing behind the arrow: no output, a task leaves its status and info only: noop "(k)->".
     */
    const char *signature;
    const char *const *output_names; /**< one for each output, ends with NULL; datasets in the results file */
    uint32_t accepts;                /**< SHEAF_TYPE_BITs; all inputs of a task come in one of these types */
    /** NULL, or one set per input (the last one repeats): then inputs may differ in type
     *  (a u8 beam with i64 delays), and `accepts` is not used. */
    const uint32_t *input_accepts;
    const struct sheaf_parameter *parameters;
    int32_t parameter_count;
    enum sheaf_width_kind width_kind;

    /**
     * Settle the outputs. NULL where the signature says it all.
     * On entry inputs and parameters are complete; outputs have the shapes that the signature gives
     * (SHEAF_EXTENT_UNKNOWN where it gives none) and the first input's type.
     * @return SHEAF_OK, or sheaf_fail(error, SHEAF_BAD_DATA, ...) where these shapes cannot be computed
     */
    enum sheaf_status (*infer)(struct sheaf_problem *problem, struct sheaf_error *error);

    /** What one task costs. Fields start as 0. */
    void (*cost)(const struct sheaf_problem *problem, struct sheaf_cost *cost);

    /** Bytes of workspace for one call of `run`, whatever the batch's count. NULL: none.
     *  @return bytes, or -1 where the sizes pass what the kernel's library can hold (then refused) */
    int64_t (*workspace_bytes)(const struct sheaf_problem *problem);

    /**
     * Compute a batch. A task that fails numerically sets its status and info and does not stop the
     * batch; the engine then fills its outputs with NaN (0 for integers).
     * Thread-safe: several calls at a time, each with its own batch.
     * @return SHEAF_OK, or another status where the whole batch is invalid (a fault of the kernel)
     */
    enum sheaf_status (*run)(const struct sheaf_problem *problem, const struct sheaf_batch *batch);
};

/**
 * What a user's own .so exports: its kernels, ending with NULL.
 * @param[in] abi  the SHEAF_KERNEL_ABI of the program that asks
 */
const struct sheaf_kernel *const *sheaf_plugin_kernels(uint32_t abi);

#ifdef __cplusplus
}
#endif
#endif
