/**
 * @file job.h
 * A job: one plan carried out by all ranks. `run` and `make` differ in how rank 0 prepares it; the rest is here.
 */
#ifndef SHEAF_JOB_H
#define SHEAF_JOB_H

#include "comm.h"
#include "dispatch.h"
#include "engine.h"
#include "keeper.h"
#include "layout.h"
#include "lock.h"
#include "options.h"
#include "plan.h"
#include "queue.h"
#include "source.h"
#include "store.h"
#include "team.h"

/** What rank 0 settles and all ranks get: plain data. */
struct job_map {
    char kernel[64];
    int input_count;   /**< operands of each task: the first ones */
    int operand_count; /**< with those that are only written once (sheaf make ...:shared) behind them */
    struct source_map operands[SHEAF_OPERANDS_MAX];
    int output_count;
    struct store_output outputs[STORE_OUTPUTS_MAX]; /**< in the order of the kernel's, then those written once */
    struct sheaf_shape lead;                        /**< of the tasks */
    struct store_map store;
    int64_t plan_bytes;                    /**< of the plan's block */
    int64_t set_bytes[SHEAF_OPERANDS_MAX]; /**< of an operand's members, 0: it is no set */
    bool resuming;                         /**< `store` is a file that is gone on with */
    bool is_over;                          /**< nothing of it is left to do */
    bool results_in_memory;                /**< the output's file system is a memory file system */
};

/** The tasks as the root knows them until the plan is made of them; the memory is malloc'ed, and the job's to free. */
struct job_tasks {
    int class_count; /**< 0: nothing to compute */
    struct plan_request *requests;
    int64_t *numbers; /**< what requests[].numbers point into; NULL */
};

struct job;

/** What a command brings. */
struct job_command {
    const char *program; /**< "sheaf run", as the results file notes it */
    /** Rank 0: fill the map (all but `store`) from the command line. Creates nothing. Members of sets, malloc'ed, go to `sets`. */
    enum sheaf_status (*prepare)(const struct options *options, struct job_map *map, struct set **sets,
                                 struct job_tasks *tasks, struct sheaf_error *error);
    /** All ranks: the kernel of a map. */
    const struct sheaf_kernel *(*kernel)(const struct job_map *map);
    /** The output's path in the options. */
    const char *(*output)(const struct options *options);
    /** Its results are for nobody: they take no room until they are written, and have no name. */
    bool scratch;
};

/**
 * Carry out a job. Collective. Prints at rank 0: what will be done to stdout, progress and warnings to stderr, the summary.
 * @return alike on all ranks: SHEAF_OK, SHEAF_TASKS_FAILED, or an error with its text
 */
enum sheaf_status job_run(const struct job_command *command, const struct options *options, struct comm *comm,
                          struct sheaf_error *error);

/**
 * What job_run does first, for commands that do something else then: look at the node, settle map and plan. Collective.
 * @param[out] out  job_end frees it, also after a failure
 */
enum sheaf_status job_begin(const struct job_command *command, const struct options *options, struct comm *comm,
                            struct job **out, struct sheaf_error *error);

/** Let all ranks have a rest that the root has: kept once a node. Collective. */
enum sheaf_status job_share_rest(struct job *job, const struct plan_rest *rest, const struct plan_rest **out,
                                 struct sheaf_error *error);

/** Restrict the plan to a rest that the root has: kept once a node for all ranks. Collective. @param[in] rest  of the root */
enum sheaf_status job_restrict(struct job *job, const struct plan_rest *rest, struct sheaf_error *error);

/** Settle how many bytes this node's ranks may use together: node_memory. Collective. */
enum sheaf_status job_settle_memory(struct job *job, struct sheaf_error *error);

/** What this node's layouts are chosen from; after job_settle_memory. */
struct layout_facts job_find_facts(const struct job *job);

/** Judge what this node offers and what job->layout wants of it. Under --strict warnings refuse the job, at all ranks alike. Collective. */
enum sheaf_status job_audit(struct job *job, struct sheaf_error *error);

/** Attach to all operands, and read those that all tasks share. Collective. */
enum sheaf_status job_open_operands(struct job *job, struct sheaf_error *error);

/** Free all of it; what is not settled of the results is removed. */
void job_end(struct job *job);

/** A rank's part of a job, for results.c and summary.c. */
struct job {
    const struct job_command *command;
    const struct options *options;
    struct comm *comm;
    struct comm_place place;
    struct team *team;
    struct audit_findings findings; /**< of this node */
    struct job_map map;
    const struct sheaf_kernel *kernel;
    struct plan *plan;
    void *plan_memory; /**< this rank's own copy of its block; NULL: it is elsewhere */
    struct layout layout;
    enum layout_reason reason;            /**< for this layout, on this node */
    struct cores *cores;                  /**< of the node, where widths are chosen; NULL */
    void *cores_memory;                   /**< for these; NULL: not needed yet */
    int64_t node_memory;                  /**< bytes that this node's ranks may use together */
    struct set *sets[SHEAF_OPERANDS_MAX]; /**< root: members of its sets, before they are shared */
    struct source *sources[SHEAF_OPERANDS_MAX];
    void *shared[SHEAF_OPERANDS_MAX];
    cpu_set_t node_cpus;
    struct resume *resume; /**< root: the results file that is gone on with; NULL: a new one */
    int64_t tasks_before;  /**< root: that were done before this start */
    int64_t failed_before; /**< root: of these, those that failed */
    struct queue *queue;
    struct store *store;
    struct engine *engine;
    struct dispatch *dispatch;
    double deadline;  /**< seconds since 1970: what is predicted to end later is not started; 0: none */
    double drop_time; /**< the same: what then still runs is dropped; 0: never */
    bool abandoned;   /**< the run was dropped: threads still compute, and use all of this until the process ends */
    struct keeper *keeper; /**< of a leader's */
    struct lock *lock;     /**< root: of the results file */
    struct record_run run; /**< root */
    uint32_t *host_rows;   /**< root: by node */
    uint32_t host_row;     /**< of this node */
    int workers;           /**< of all nodes */
    bool settled;          /**< root: the results file has its name */
    struct store_settlement settlement;
    int64_t started_ns;            /**< end of MPI's start */
    double started;                /**< the same, seconds since 1970 */
    bool quiet;                    /**< passes show no progress */
    double work_seconds;           /**< from the first task to the end of the last sync */
    double commit_seconds;         /**< root: from the first task to the last commit */
    const struct plan_rest *alone; /**< what is computed behind the rest, with nothing else in flight; NULL: nothing */
    bool is_alone;                 /**< the pass is that of `alone` */
    uint64_t committed_before;     /**< chunks that this node has committed in passes before this one */
    double work_flops;             /**< of all passes */
    struct queue_totals totals;    /**< root, after the end */
};

#endif
