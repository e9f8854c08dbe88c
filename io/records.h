/**
 * @file records.h
 * The rows of the results file that are written while a run goes on, as they lie in the file
 * (FORMAT.md), and their checksums. Pure.
 */
#ifndef SHEAF_RECORDS_H
#define SHEAF_RECORDS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum {
    RECORD_FORMAT = 1,
    RECORD_RUNS = 64,    /**< rows of /sheaf/runs */
    RECORD_HOSTS = 1024, /**< rows of /sheaf/hosts and /sheaf/marks */
    RECORD_HOST_BYTES = 64,
};

enum record_state { RECORD_PENDING = 0, RECORD_STARTED = 1, RECORD_DONE = 2, RECORD_QUARANTINED = 3 };

/** What is known of the end of a chunk that was started and not committed. */
enum record_fate {
    RECORD_IN_FLIGHT = 0, /**< nothing: it was being read or computed when its process ended */
    RECORD_SPARED = 1, /**< it was not the reason: not begun again, or its process was asked to stop while it lived */
    RECORD_SIGNALLED = 2, /**< its process died of it, by `signal` */
    RECORD_TIMED_OUT = 3, /**< its process gave it up (--task-timeout) */
};

/** With what care a chunk is computed. */
enum record_care {
    RECORD_AMONG_OTHERS = 0,
    RECORD_ALONE = 1, /**< nothing else in flight */
    RECORD_SINGLY = 2 /**< the same, and one task after the other */
};

/** A row of /sheaf/chunks. */
struct record_chunk {
    uint8_t state;
    uint8_t fate;      /**< enum record_fate; 0 once it is committed */
    uint16_t attempts; /**< how often it is known that task `task` has killed its process, or ran out of time */
    uint32_t class_index;
    int64_t first; /**< position, counted over all classes */
    uint32_t count;
    uint32_t failed;
    uint32_t run;
    uint32_t host;
    uint32_t rank;
    uint16_t worker;
    uint16_t width;
    double read_start, compute_start, write_start; /**< seconds since 1970 UTC */
    float read_seconds, compute_seconds, write_seconds;
    uint32_t task; /**< 1 + which task of the chunk is being computed; 0: all, or not known */
    uint64_t result_checksum;
    uint64_t sequence;
    uint8_t care; /**< enum record_care */
    uint8_t signal;
    uint16_t reading;   /**< of a started one: 1 + which input was being read; 0: none, or not known */
    uint32_t oom_kills; /**< of its host, when it began to be computed alone: 1 + how many; 0: not known */
    uint64_t reserved1[2];
    uint64_t checksum;
};
_Static_assert(sizeof(struct record_chunk) == 128, "FORMAT.md: a chunk's record has 128 bytes");

enum record_run_state { RUN_UNUSED = 0, RUN_RUNNING = 1, RUN_FINISHED = 2, RUN_DRAINED = 3, RUN_FAILED = 4 };

/** A row of /sheaf/runs. */
struct record_run {
    uint32_t state;
    uint32_t number;
    int64_t pid;
    double start, end, heartbeat;
    uint32_t ranks, nodes, ranks_per_node, threads, width, reserved0;
    char host[RECORD_HOST_BYTES];
    char version[32];
    char mpi[128];
    char hdf5[32];
    char blas[128];
    char core[64];
    char layout[64];
    char choices[2048];
    char reserved1[1464];
    uint64_t checksum;
};
_Static_assert(sizeof(struct record_run) == 4096, "FORMAT.md: a run's slot has 4096 bytes");

/** A row of /sheaf/marks. */
struct record_mark {
    uint32_t run, reserved;
    uint64_t sequence;
    double time;
    uint64_t checksum;
};
_Static_assert(sizeof(struct record_mark) == 32, "FORMAT.md: a mark has 32 bytes");

/** Set the record's checksum. @param[in] chunk its number, the checksum's seed */
void record_chunk_seal(struct record_chunk *record, int64_t chunk);

/** @return whether the record is whole and is this chunk's (an all-zero one is not) */
bool record_chunk_valid(const struct record_chunk *record, int64_t chunk);

void record_run_seal(struct record_run *run);
bool record_run_valid(const struct record_run *run);
void record_mark_seal(struct record_mark *mark, int64_t row);
bool record_mark_valid(const struct record_mark *mark, int64_t row);

/** @return whether a row of these tables is as it was created: all zero */
bool record_is_zero(const void *row, size_t bytes);

/** A checksum over results as they pass, in pieces of any size (XXH3, 64 bits). */
struct record_digest;
struct record_digest *record_digest_create(void); /**< NULL without memory */
void record_digest_destroy(struct record_digest *digest);
void record_digest_reset(struct record_digest *digest);
void record_digest_add(struct record_digest *digest, const void *bytes, size_t count);
uint64_t record_digest_value(const struct record_digest *digest);

#endif
