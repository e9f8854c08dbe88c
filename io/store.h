/**
 * @file store.h
 * The results file: built whole by one rank, then written in place by all (FORMAT.md).
 *
 * store_build makes the whole file under a temporary name and gives a struct store_map, plain data that app/
 * sends to all ranks; each attaches to it and writes bytes with pwrite, or to where they lie in memory. store_settle then reserves its space and
 * gives it its name, while others may already write. After store_build nothing here calls the HDF5 library on
 * the file. No MPI here.
 */
#ifndef SHEAF_STORE_H
#define SHEAF_STORE_H

#include "records.h"
#include "sheaf/array.h"
#include "sheaf/status.h"
#include "source.h"

enum { STORE_OUTPUTS_MAX = 8, STORE_NAME_BYTES = 256, STORE_PATH_BYTES = 1024, STORE_PIECE_BYTES = 256 * 1024 };

/** An output dataset. */
struct store_output {
    char name[STORE_NAME_BYTES]; /**< without the leading slash */
    struct sheaf_array_map array;
    bool shared; /**< one entry for all tasks (sheaf make ...:shared): not part of any chunk */
    /** Classes differ in its core: a group with a dataset a task, not one dataset. Of array.core only ndim counts then. */
    bool grouped;
};

/** A class of tasks as the file notes it. */
struct store_class {
    int64_t tasks, first_position, first_chunk, chunks, tasks_per_chunk; /**< positions count class after class */
    double flops;
    int64_t input_bytes, output_bytes;
    const struct sheaf_shape *output_shapes; /**< a task's, one an output of the spec; NULL where none is grouped */
};

/** Everything that is fixed when a results file is created. Pointers are the caller's. */
struct store_spec {
    const char *path;
    bool overwrite;
    bool scratch;        /**< will never be settled: nobody asks whether there is room for all of it */
    const char *program; /**< "sheaf run" */
    const char *kernel, *signature, *parameters, *version;
    int argument_count;
    char *const *arguments; /**< the command line */
    const char *plugin;     /**< fingerprint of the file that the kernel is from; NULL or "": it is built in */
    const char *directory;  /**< that it was given in, absolute; NULL: not known */
    uint64_t seed;
    int64_t tasks, chunks;
    const char *names; /**< one a task, each ending with NUL; NULL: tasks have none (nothing can be grouped then) */
    int64_t names_bytes;
    int64_t grid_bytes, grid_flops, grid_tasks;
    struct sheaf_shape lead; /**< of all outputs */
    int operand_count;
    const struct source_map *operands;
    int output_count;
    const struct store_output *outputs;
    int class_count;
    const struct store_class *classes;
    const int64_t *order; /**< the task of each position, class after class; NULL: position and task are the same */
};

/** Where a task's result lies in the file. */
struct store_place {
    int64_t offset, bytes; /**< offset -1 where it has no bytes */
};

/** A results file, described: plain data that may be copied and sent. */
struct store_map {
    char path[STORE_PATH_BYTES];            /**< absolute */
    char temporary[STORE_PATH_BYTES + 128]; /**< what it is called until it is settled; "": it is */
    bool overwrite;
    int leftovers; /**< files of the same target that were met: who built them was killed before they had its name */
    int64_t bytes; /**< size of the file */
    int64_t tasks, chunks;
    int output_count;
    struct store_output outputs[STORE_OUTPUTS_MAX];
    int64_t output_offsets[STORE_OUTPUTS_MAX];
    int64_t output_task_bytes[STORE_OUTPUTS_MAX]; /**< of outputs that are not grouped */
    int64_t places_bytes; /**< of a place for each grouped output and task; 0: no output is grouped */
    int64_t status_offset, info_offset, chunks_offset, runs_offset, hosts_offset, marks_offset;
    bool in_memory; /**< memory file system: writing never blocks */
    bool sparse;    /**< of a scratch file: little of it will be written, so it takes no page that is not */
    bool on_nfs;    /**< results are opened with O_DSYNC */
};

/**
 * Check what can be checked before anything is computed: that the output may be created (directory
 * there and writable, target absent unless overwrite, a regular file), that it is none of the inputs (device and inode), that the file
 * system has room. Creates nothing. Not collective.
 * @param[in] bytes  what the file will need
 * @return SHEAF_OK; SHEAF_NO_OUTPUT with the reason and figures; SHEAF_IO_ERROR
 */
enum sheaf_status store_check_target(const char *path, bool overwrite, int64_t bytes, const struct source_map *operands,
                                     int operand_count, struct sheaf_error *error);

/**
 * Bytes that a results file will take, metadata estimated from above.
 * @return SHEAF_BAD_DATA on overflow, and where the names of tasks cannot all name datasets of one group
 */
enum sheaf_status store_size(const struct store_spec *spec, int64_t *bytes, struct sheaf_error *error);

/**
 * Build the results file under a temporary name, reserve its space, sync it, rename it to its name.
 * On failure nothing is left behind and an existing target is untouched. Not collective.
 * @param[out] places  map->places_bytes of them: for each grouped output, in order, one a task; free() is the caller's.
 *                     NULL where no output is grouped
 * @return SHEAF_OK; SHEAF_NO_OUTPUT, SHEAF_IO_ERROR; what store_size returns
 */
enum sheaf_status store_create(const struct store_spec *spec, struct store_map *map, struct store_place **places,
                               struct sheaf_error *error);

/** The first half of store_create: the file is complete, but for its reserved space and its name. */
enum sheaf_status store_build(const struct store_spec *spec, struct store_map *map, struct store_place **places,
                              struct sheaf_error *error);

/** Remove a file that was built and will not be settled. Harmless afterwards. */
void store_abandon(const struct store_map *map);

/** A results file, open for writing in this process. All writers are thread-safe. */
struct store;

/** How a file was settled. */
struct store_settlement {
    bool reserved;          /**< its space is; false: the file system cannot, free space was checked */
    double reserve_seconds; /**< what that took */
};

/**
 * The second half of store_create, on an attached file: reserve its space, sync it, give it its name, sync the
 * directory. Blocks; other threads and ranks may write meanwhile: until the name is there, nothing counts. One rank, once.
 * On failure the file is gone.
 * @return SHEAF_OK; SHEAF_NO_OUTPUT, SHEAF_IO_ERROR
 */
enum sheaf_status store_settle(struct store *store, struct store_settlement *settlement, struct sheaf_error *error);

/** Open for writing. @param[in] places  what store_build gave; has to outlive the store; NULL where the map says 0 bytes */
enum sheaf_status store_attach(const struct store_map *map, const struct store_place *places, struct store **store,
                               struct sheaf_error *error);

/** Open for reading only. As store_attach, of a file that has its name. */
enum sheaf_status store_attach_reading(const struct store_map *map, const struct store_place *places,
                                       struct store **store, struct sheaf_error *error);

/** Close and free. @return SHEAF_IO_ERROR where closing reports a failed write; NULL is a no-op */
enum sheaf_status store_detach(struct store *store, struct sheaf_error *error);

/**
 * Write result bytes of tasks [task, task + count) of one output, adding them to digest (may be NULL) in pieces while
 * they are warm. A shared output: task 0, count 1. May block where the map does not say in_memory.
 * @param[in] bytes  the tasks' results one after the other; of a grouped output each is as long as its place
 */
enum sheaf_status store_write(struct store *store, int output, int64_t task, int64_t count, const void *bytes,
                              struct record_digest *digest, struct sheaf_error *error);

/** Read them back. @param[out] bytes  the tasks' results one after the other */
enum sheaf_status store_read(struct store *store, int output, int64_t task, int64_t count, void *bytes,
                             struct sheaf_error *error);

/** Add what the file holds of them to a digest. @param[in] room  STORE_PIECE_BYTES, for its use */
enum sheaf_status store_digest(struct store *store, int output, int64_t task, int64_t count, void *room,
                               struct record_digest *digest, struct sheaf_error *error);

/** Write the record of a chunk that is starting (state STARTED): sealed here. */
enum sheaf_status store_start_chunk(struct store *store, int64_t chunk, struct record_chunk *record,
                                    struct sheaf_error *error);

/** Write the status and info rows of tasks [task, task + count): all of a chunk's before it is committed. */
enum sheaf_status store_write_status(struct store *store, int64_t task, int64_t count, const uint8_t *status,
                                     const int32_t *info, struct sheaf_error *error);

/**
 * Commit a chunk whose result bytes, status and info rows are written.
 * @param[in,out] record  complete but for its checksum: sealed here; result_checksum covers status and info too
 */
enum sheaf_status store_commit_chunk(struct store *store, int64_t chunk, struct record_chunk *record,
                                     struct sheaf_error *error);

/** Read a chunk's record, whatever it holds. */
enum sheaf_status store_read_record(struct store *store, int64_t chunk, struct record_chunk *record,
                                    struct sheaf_error *error);

/** Read the status and info rows of tasks [first, first + count). */
enum sheaf_status store_read_status(struct store *store, int64_t first, int64_t count, uint8_t *status, int32_t *info,
                                    struct sheaf_error *error);

/** Read the slot that a start has, or had: whether it is this one's, and whole, the row tells (record_run_valid, number). */
enum sheaf_status store_read_run(struct store *store, uint32_t number, struct record_run *run,
                                 struct sheaf_error *error);

/** Write the run's slot (row number mod RECORD_RUNS), sealed here. */
enum sheaf_status store_write_run(struct store *store, struct record_run *run, struct sheaf_error *error);

/**
 * Row of /sheaf/hosts for each host name; takes free rows for new ones. Called by one rank at start.
 * @param[in]  names  count names of RECORD_HOST_BYTES, NUL-terminated
 * @param[out] rows   count
 */
enum sheaf_status store_enter_hosts(struct store *store, int count, const char (*names)[RECORD_HOST_BYTES],
                                    uint32_t *rows, struct sheaf_error *error);

/** The name in a row of /sheaf/hosts; "" where there is no such row. @param[out] name  RECORD_HOST_BYTES */
enum sheaf_status store_read_host(struct store *store, uint32_t row, char name[RECORD_HOST_BYTES],
                                  struct sheaf_error *error);

/** Make everything written so far through this host durable. Blocks. A failure is final: never retried. */
enum sheaf_status store_sync(struct store *store, struct sheaf_error *error);

/** Move a host's mark, sealed here; only after store_sync has returned SHEAF_OK on that host. */
enum sheaf_status store_write_mark(struct store *store, uint32_t host, struct record_mark *mark,
                                   struct sheaf_error *error);

/** What a results file holds, for `sheaf info FILE`. Of grouped outputs neither type, core nor places are read. */
struct store_summary {
    struct store_map map;
    char program[32], kernel[64], signature[256], parameters[512], version[32], created[32];
    char plugin[32];                  /**< fingerprint of the file that the kernel was from; "": it was built in */
    char directory[STORE_PATH_BYTES]; /**< that the command was given in; "": not known */
    char *command;                    /**< one line, for a shell; freed by store_summary_free */
    uint64_t seed;
    struct sheaf_shape lead;
    int operand_count;
    struct source_map *operands;
    int64_t chunks_done, chunks_started;
    int64_t tasks_done;        /**< of committed chunks, failed ones among them */
    int64_t tasks_failed;      /**< with a status above 1, quarantined ones among them */
    int64_t tasks_started;     /**< of chunks that are being computed, or were when a run was killed */
    int64_t attempts;          /**< that tasks of these are charged with so far */
    double flops, flops_done;  /**< of all tasks, of those of committed chunks */
    double last_commit;        /**< seconds since 1970 UTC; 0: none yet */
    int64_t run_tasks;         /**< of chunks that the latest start committed */
    double run_flops;          /**< of these */
    int64_t status_counts[16]; /**< tasks by status, of valid records only */
    struct record_run run;     /**< the latest start; state RUN_UNUSED: none */
    int64_t run_count;
};

struct store_outline;

/**
 * Read a results file of which the library has told (store_outline.h). Opens it read-only; works while it is being written.
 * @return SHEAF_OK; SHEAF_NO_INPUT; SHEAF_BAD_DATA: it is damaged; SHEAF_IO_ERROR: it cannot be read, or is not the file that was
 *         outlined any more
 */
enum sheaf_status store_describe(const char *path, const struct store_outline *outline, struct store_summary *summary,
                                 struct sheaf_error *error);
void store_summary_free(struct store_summary *summary);

/** @return the version of the HDF5 library in use, "1.10.8" */
const char *store_library_version(void);

/**
 * Whether a file is HDF5, and the paths of its datasets ("/a (100, 2000, 2000) f64", one a line), for
 * messages and `sheaf info`. Looks at the first `most` datasets, follows no links out of the file.
 */
enum sheaf_status store_list_datasets(const char *path, int most, char *text, size_t text_bytes,
                                      struct sheaf_error *error);

#endif
