/**
 * @file describe.h
 * Describing operands and results files in another process (helper.h): the HDF5 library can be crashed by a crafted file, and then that process
 * dies, and not a rank. Nobody's files are an exception, those that Sheaf wrote neither.
 *
 * What comes back is plain data, and is trusted: the library in that process can be made to crash, hang or ask for too much
 * memory, which is contained; that a file makes it do what the file's maker wants is not. Results files and plain datasets are
 * then read by offset without the library. All other operands are opened by it again, in the rank's own process, after they could be opened,
 * examined and sampled here: what is trusted there is that it bears the chunks that no sample touched.
 */
#ifndef SHEAF_DESCRIBE_H
#define SHEAF_DESCRIBE_H

#include "source.h"
#include "store_outline.h"
#include "store_past.h"
#include "store_sweep.h"

/**
 * Start the process. Before MPI starts, in the one that will be rank 0, or is alone. What goes wrong is told by who first needs it.
 *
 * SHEAF_EXAMINE_SECONDS in the environment: of CPU that examining may take from one dataset to the next, instead of 60, and
 * ten times as long in all; SHEAF_EXAMINE_MEMORY: bytes, instead of half of the machine's or 8 GiB.
 */
void describe_begin(void);

/** What source_allow is told to, for the other process. */
void describe_allow(bool external, bool filters);

/** As source_describe, of a source that is not generated. @return also SHEAF_BAD_DATA: the library crashed, or was too long at it */
enum sheaf_status describe_dataset(const char *text, int core_ndim, struct source_map *map, struct sheaf_error *error);

/** As source_describe_set. Files that the library crashes of, up to 16, are unreadable members. @param[out] set  the caller frees it */
enum sheaf_status describe_set(const char *text, int core_ndim, struct source_map *map, struct set **set,
                               struct sheaf_error *error);

/** As store_outline_read. @return also SHEAF_BAD_DATA: the library crashed, or was too long at it */
enum sheaf_status describe_results(const char *path, bool members, struct store_outline **outline,
                                   struct sheaf_error *error);

/** As store_past_read, of a file that is outlined first. @return SHEAF_BAD_DATA also of what is there, but no HDF5 */
enum sheaf_status describe_past(const char *path, bool members, struct store_past *past, struct sheaf_error *error);

/** As store_sweep_outline_read. @return as describe_results */
enum sheaf_status describe_sweep(const char *path, struct store_sweep_outline *outline, struct sheaf_error *error);

/** What a file turned out to be. */
enum describe_kind { DESCRIBE_RESULTS, DESCRIBE_SWEEP, DESCRIBE_DATASETS };

/** Any HDF5 file. */
struct describe_file {
    enum describe_kind kind;
    struct store_outline *outline;    /**< of results: free() is the caller's */
    struct store_sweep_outline sweep; /**< of a sweep */
    char datasets[4096];              /**< of others: as store_list_datasets gives them */
};

/**
 * Whatever a file is, in one question: what the library crashes of is opened once.
 * @return SHEAF_OK; of a file that is nothing of these, what describe_results returns
 */
enum sheaf_status describe_file(const char *path, struct describe_file *file, struct sheaf_error *error);

/** End the process, if there is one; nothing is described after it. */
void describe_end(void);

#endif
