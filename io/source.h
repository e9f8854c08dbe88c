/**
 * @file source.h
 * An operand, whatever it is: where it comes from, what it looks like, how its tasks are read.
 *
 * One rank describes a source (opens the file through the library, checks everything) and gets a
 * struct source_map: plain data without pointers, which app/ sends to all ranks. Each of them attaches
 * to it, and reads. No MPI here.
 *
 * Errors name file and dataset, what was expected and found, and the next step.
 */
#ifndef SHEAF_SOURCE_H
#define SHEAF_SOURCE_H

#include "broadcast.h"
#include "generate.h"
#include "packed.h"
#include "set.h"
#include "sheaf/array.h"
#include "sheaf/status.h"

enum { SOURCE_TEXT_BYTES = 1024, SOURCE_DATASET_BYTES = 512 };

enum source_kind { SOURCE_DATASET = 0, SOURCE_GENERATED = 1, SOURCE_SET = 2 /**< many datasets, one a task */ };

/** A source, described: plain data that may be copied and sent. */
struct source_map {
    char text[SOURCE_TEXT_BYTES]; /**< as the user wrote it; how messages call it */
    char path[SOURCE_TEXT_BYTES]; /**< absolute path of the file; "" for a generated one */
    char dataset[SOURCE_DATASET_BYTES];
    enum source_kind kind;
    bool shared;    /**< one entry, which every task uses */
    bool countless; /**< generated without leading axes: as many tasks as the others have */
    struct sheaf_array_map {
        enum sheaf_type type;    /**< that tasks get; source_set_type changes it */
        struct sheaf_shape lead; /**< the axes that count tasks; ndim 0: one entry */
        struct sheaf_shape core; /**< one task's shape */
    } array;
    struct broadcast tasks; /**< which entry each task of the run uses; at first its own tasks are the run's */
    bool uneven;            /**< a set whose datasets differ in shape: 0 in `core` where their extents do */
    int64_t task_bytes;     /**< bytes of one task, in memory; of an uneven set's greatest */
    /** Of the elements as they are stored or generated; of a set, what all its members can be read as. Reading converts. */
    enum sheaf_type file_type;
    bool swapped;        /**< stored in the other byte order */
    int64_t offset;      /**< in its file, of the first byte of a plain contiguous dataset's tasks; -1: not plain */
    int64_t slice_first; /**< the entry of the first axis that counts tasks which is the first one selected */
    int64_t slice_step;  /**< from there to the next one; 1 also where there is no slice; not 0 */
    bool in_memory;      /**< the file lies in a memory file system: reading it never blocks */
    /** Tasks 0 to chunk_tasks - 1 lie in the same HDF5 chunks, so do as many after them, and so on: who reads whole multiples
     * unpacks each chunk once. 1: no chunk holds several tasks, or no such grid fits them. */
    int64_t chunk_tasks;
    int64_t chunk_bytes; /**< of the chunks of one such group, unpacked; 0: it is not chunked */
    int64_t chunk_lead
        [SHEAF_NDIM_MAX];        /**< extents of an HDF5 chunk on the axes that count tasks, unsliced; 0: not chunked */
    struct packed_layout packed; /**< of all the dataset's chunks; grid.ndim 0: the library alone can unpack them */
    int64_t raw_share;           /**< of a set, for set_raw_bytes */
    struct generate_spec generate;
    int64_t file_bytes;
    int64_t file_mtime;               /**< nanoseconds since 1970 */
    uint64_t file_device, file_inode; /**< to see that an output is an input */
    uint64_t fingerprint;
};

/** @return whether text names a generated source ("random:...") and not a dataset */
bool source_text_is_generated(const char *text);

/**
 * Let HDF5 files of this process reach beyond themselves, which is refused by default; before any is opened, in every process
 * that describes or reads.
 * @param[in] external  external links and storage, virtual datasets
 * @param[in] filters   filter plugins: code
 */
void source_allow(bool external, bool filters);

/**
 * Describe a source. Not collective: one rank calls it.
 *
 * Texts: "FILE.h5:/path" (split at the last ":/"), with a slice of the first leading axis behind it or not (slice.h; but a
 * dataset that is so named wins), and
 * "random|normal|ones|zeros|range:EXTENTxEXTENT...[:f32|f64|c64|c128][:shared]" (default f64).
 * The last `core_ndim` axes are a task's, those before them count tasks. A source without leading
 * axes, or with a single entry in them, is shared by all tasks - but a generated one is only shared
 * where it says so.
 *
 * @param[in]  core_ndim  axes of one task; -1: all of them (sheaf make)
 * @param[in]  operand    number of the operand, from 0
 * @param[in]  seed       of generated numbers
 * @return SHEAF_OK; SHEAF_USAGE (text, slice), SHEAF_NO_INPUT (no such file or dataset, not HDF5; a missing dataset is
 *         answered with those that the file has), SHEAF_BAD_DATA (type, axes, zero extents, overflow, a slice of nothing,
 *         external storage or virtual, truncated file), SHEAF_IO_ERROR
 */
enum sheaf_status source_describe(const char *text, int core_ndim, uint32_t operand, uint64_t seed,
                                  struct source_map *map, struct sheaf_error *error);

/**
 * Say what type a source's tasks are to have, whatever they are stored as: every type can be read as itself, integers and
 * real numbers as f32, f64, c64 and c128, complex ones as c64 and c128. Pure; the content's fingerprint stays.
 * @return SHEAF_OK; SHEAF_BAD_DATA, nothing changed: it would lose imaginary parts, or have too many bytes
 */
enum sheaf_status source_set_type(struct source_map *map, enum sheaf_type type, struct sheaf_error *error);

/**
 * Say which tasks a run has: from then on the source is read by their numbers, its entries stretched over them by NumPy's
 * rule (broadcast.h), and chunk_tasks counts them. At most once, before anybody attaches. Pure. Generated sources without
 * leading axes have an entry for each task of any run; nothing changes for them.
 * @param[in] lead  the run's leading axes
 * @return SHEAF_OK; SHEAF_BAD_DATA, nothing changed: its leading axes cannot be stretched to these
 */
enum sheaf_status source_set_tasks(struct source_map *map, const struct sheaf_shape *lead, struct sheaf_error *error);

/** @return the entry that a task uses: of a set the number of its member */
int64_t source_entry(const struct source_map *map, int64_t task);

/** @return whether whoever reads one of these tasks unpacks all that the other one needs: they use one entry, or the same HDF5 chunks */
bool source_reads_together(const struct source_map *map, int64_t task, int64_t other);

/**
 * Describe a set of datasets (set.h) as a source. Not collective: one rank calls it.
 *
 * Its readable members may differ in shape, then it is uneven, and in stored type: each is converted to the type that all of
 * them are given, at first their common one (convert.h).
 * @param[in]  text  as for set_describe
 * @param[out] set   the members, malloc'ed: the caller frees them; NULL on failure
 */
enum sheaf_status source_describe_set(const char *text, int core_ndim, struct source_map *map, struct set **set,
                                      struct sheaf_error *error);

/** A source, open for reading in this process. */
struct source;

/** How a read of a source behaves, hence which thread should do it. */
enum source_access {
    SOURCE_COMPUTED, /**< generated: the worker computes it where it is needed; thread-safe */
    SOURCE_MEMORY,   /**< bytes in a memory file system: the worker copies them; thread-safe */
    SOURCE_DISK,     /**< bytes that may have to come from a disk or a network first: thread-safe, may block */
    SOURCE_LIBRARY,  /**< through the HDF5 library: may block, and by the carrier thread only */
};

/** Attach to a described source. Not collective. A library source opens its file at the first read. */
enum sheaf_status source_attach(const struct source_map *map, struct source **source, struct sheaf_error *error);

/** The same for a set; its members must stay where they are while the source lives. */
enum sheaf_status source_attach_set(const struct source_map *map, const struct set *set, struct source **source,
                                    struct sheaf_error *error);

/** @return whether a task that cannot be read fails by itself (a member of a set), and not the whole run */
bool source_is_set(const struct source *source);

/** Close and free; NULL is a no-op. Where the HDF5 library was used: by the thread that used it. */
void source_detach(struct source *source);

enum source_access source_access(const struct source *source);

/**
 * Whether reading these tasks would find all bytes in the page cache, as far as can be told without
 * waiting. SOURCE_DISK only; a system that cannot tell answers false.
 */
bool source_is_cached(const struct source *source, int64_t first, int64_t count);

/**
 * Tasks' bytes where they lie in a mapped file: for what is stored as it is to be used, and long enough that not copying it
 * pays where it measures cheaper (SHEAF_READ=map or copy in the environment decides without measuring). Thread-safe.
 * @param[in] room  of at least as many bytes, may be overwritten
 * @param[in] uses  how often such a room is used in all, about: see view_pays
 * @return the first task's, the others behind it; NULL: they must be read
 */
const void *source_view(struct source *source, int64_t first, int64_t count, void *room, int64_t uses);

/**
 * The end of a view's use.
 * @return SHEAF_OK; SHEAF_IO_ERROR: some of the source's bytes could not be read, so what was computed is worth nothing
 */
enum sheaf_status source_end_view(struct source *source, int64_t first, int64_t count, struct sheaf_error *error);

/** @return the last task before this one that uses the same entry; -1: none */
int64_t source_earlier_task(const struct source *source, int64_t task);

/**
 * Read what tasks [first, first + count) of the run use into a dense buffer of count * map.task_bytes bytes, converted to
 * map.array.type by the thread that reads; a shared source is read with first 0, count 1. Entries that follow each other are
 * read together; one that several of these tasks use is read once and copied.
 * @return SHEAF_OK; SHEAF_IO_ERROR (also a file that has become shorter)
 */
enum sheaf_status source_read(struct source *source, int64_t first, int64_t count, void *buffer,
                              struct sheaf_error *error);

/**
 * How many bytes of memory it takes to read tasks in two steps, source_fetch and source_decode, so that not all of the work
 * is the carrier's. Pure.
 * @param[in] count  tasks of a read, which begins with a multiple of it; the last one may have fewer
 * @return bytes; 0: source_read is the way to read this source so
 */
int64_t source_raw_bytes(const struct source_map *map, int64_t count);

/**
 * The first step, as source_read of a SOURCE_LIBRARY: it may block, and is the carrier's alone.
 * @param[in]  first  a multiple of the count for which source_raw_bytes gave `bytes`; `count` is no greater than that
 * @param[out] raw    `bytes` bytes, at a multiple of PACKED_ALIGNMENT
 * @return SHEAF_OK; SHEAF_IO_ERROR
 */
enum sheaf_status source_fetch(struct source *source, int64_t first, int64_t count, void *raw, int64_t bytes,
                               struct sheaf_error *error);

/**
 * The second step. Thread-safe, each raw memory by one thread at a time.
 * @param[in]     count   as for source_fetch
 * @param[in,out] raw     what source_fetch put there
 * @param[out]    buffer  as source_read leaves it
 * @return SHEAF_OK; SHEAF_IO_ERROR: damaged data; SHEAF_NO_RESOURCES
 */
enum sheaf_status source_decode(const struct source *source, int64_t count, void *raw, void *buffer,
                                struct sheaf_error *error);

/**
 * Read one task of a set, whose datasets need not be alike, as this array.
 * @param[in]  array   the shape that the task's dataset has, and the type that it is converted to
 * @param[out] buffer  the array, dense
 * @return SHEAF_OK; as set_read
 */
enum sheaf_status source_read_task(struct source *source, int64_t task, const struct sheaf_array *array, void *buffer,
                                   struct sheaf_error *error);

/**
 * How many bytes of memory it takes to read a task of a set in two steps. Pure.
 * @param[in] array  as for source_read_task
 * @return bytes; 0: source_read_task is the way to read this source
 */
int64_t source_raw_task_bytes(const struct source_map *map, const struct sheaf_array *array);

/** source_fetch and source_decode for a task of a set: as set_fetch and set_decode, which both know the buffer. */
enum sheaf_status source_fetch_task(struct source *source, int64_t task, const struct sheaf_array *array, void *raw,
                                    int64_t bytes, void *buffer, struct sheaf_error *error);
enum sheaf_status source_decode_task(const struct source *source, int64_t task, const struct sheaf_array *array,
                                     void *raw, int64_t bytes, void *buffer, struct sheaf_error *error);

#endif
