/**
 * @file engine_fixture.h
 * A run without MPI: a results file in the working directory, a plan, and nodes whose ranks are engines in this
 * process, each with a thread that stands for its main thread (courier.c). Failures fail the cmocka test.
 */
#ifndef SHEAF_TESTS_APP_ENGINE_FIXTURE_H
#define SHEAF_TESTS_APP_ENGINE_FIXTURE_H

#include "app_test.h"
#include "engine.h"

#include <pthread.h>

/** Parameters of the test kernels below. */
enum fixture_parameter {
    FIXTURE_CHUNK,      /**< integer: tasks of a chunk */
    FIXTURE_FAIL_EVERY, /**< integer: about one task of so many fails numerically; 0: none */
    FIXTURE_FATAL,      /**< real: a batch with a task that begins with this number is a fault of the kernel */
    FIXTURE_NAP,        /**< integer: nanoseconds that a batch takes at least */
    FIXTURE_PARAMETERS
};

/**
 * "(n)->(n),()": `twice`, 2 x, and `key`, i64, 1000000 x[0]. Info is 100 times the width, plus 7 where a task fails.
 * The second one works through batch->parallel_for.
 */
extern const struct sheaf_kernel fixture_twice, fixture_twice_parallel;

struct fixture {
    const struct sheaf_kernel *kernel;
    int input_count;
    struct source_map inputs[2];
    struct plan *plan;
    struct store_map store_map;
    struct store *store;
    int hosts; /**< nodes that commit: rows from FIXTURE_HOST on in the table of hosts; at first 1 */
};

enum { FIXTURE_RUN = 3, FIXTURE_HOST = 11 };

/** Settle a problem and create results.h5. @param[in] texts one operand for each input */
void fixture_create(struct fixture *fixture, const struct sheaf_kernel *kernel, int64_t tasks, const char *const *texts,
                    const union sheaf_parameter_value *parameters);
void fixture_destroy(struct fixture *fixture);

/** Write FILE with a dataset /twice of the random numbers that operand 0 would have: (tasks, n) f64. */
void fixture_write_dataset(const char *path, int64_t tasks, int64_t n);

/** The same dataset in compressed chunks of `chunk` tasks. */
void fixture_write_packed(const char *path, int64_t tasks, int64_t n, int64_t chunk);

enum { FIXTURE_RANKS = 4, FIXTURE_NODES = 8 };

/** How a node's ranks are set up. */
struct fixture_setup {
    struct layout layout;
    int present;    /**< ranks; more than layout.ranks are parked */
    int first_rank; /**< 0: this is the root's node */
    bool results_block;
    enum options_sync sync;
    int nodes;            /**< of the run, where this is the root's; 0: it is the only one */
    int64_t memory_bytes; /**< 0: plenty */
    int64_t low_water;
    bool chooses_widths; /**< as --layout auto */
};

/** A node: its queue, and an engine for each rank. */
struct fixture_node {
    struct fixture *fixture;
    struct fixture_setup setup;
    struct queue *queue;
    struct keeper *keeper;
    struct record_run run;
    uint32_t host_rows[FIXTURE_NODES];
    struct cores *cores;                              /**< NULL where widths are not chosen */
    _Atomic int users[FIXTURE_RANKS * FIXTURE_RANKS]; /**< wide chunks that a core computes now */
    _Atomic int wide_chunks;
    void *shared[2];
    struct fixture_rank {
        struct fixture_node *node;
        int local_rank;
        struct source *sources[2];
        struct engine *engine;
        pthread_t courier;
    } ranks[FIXTURE_RANKS];
};

/** Make queue and engines; nothing runs yet. */
void fixture_node_create(struct fixture_node *node, struct fixture *fixture, const struct fixture_setup *setup);

/** Start all engines and the couriers of all ranks but the leader. */
void fixture_node_start(struct fixture_node *node);

/**
 * Be the leader's courier until all ranks have finished: hand out places [next, end) in spans of `span`, close behind them.
 * A wake-up that is missed costs 10 s.
 */
void fixture_node_attend(struct fixture_node *node, int64_t next, int64_t end, int64_t span);

/** Sync as a leader does, and release the couriers. */
void fixture_node_sync(struct fixture_node *node);

/** Destroy the engines and the queue. */
void fixture_node_destroy(struct fixture_node *node);

/** All of the above over the whole plan; the run must end in SHEAF_OK. */
void fixture_run(struct fixture *fixture, const struct fixture_setup *setup, struct queue_totals *totals);

/** The run must end with this error, and without waiting for anything. */
void fixture_run_fails(struct fixture *fixture, const struct fixture_setup *setup, enum sheaf_status status,
                       const char *part);

/** Task t's input 0, n numbers of f64. */
void fixture_input(const struct fixture *fixture, int64_t task, double *x);

/**
 * Check every result of a test kernel, every status, info, record and checksum in the file, and that each host has counted
 * its commits from 1 on.
 * @param[in] width  of all chunks; 0: each one's, as its record says
 * @return how many tasks failed
 */
int64_t fixture_check_results(const struct fixture *fixture, int width);

/** Read a chunk's record; it must be valid and DONE. */
struct record_chunk fixture_read_record(const struct fixture *fixture, int64_t chunk);

/** Whether a chunk has a valid record that says so. */
bool fixture_is_done(const struct fixture *fixture, int64_t chunk);

/** Read tasks of an output from the results file. */
void fixture_read_output(const struct fixture *fixture, int output, int64_t first, int64_t count, void *bytes);

#endif
