/**
 * @file set.h
 * Many datasets that make one operand, one a task: a glob over datasets or files, or a list file.
 *
 * One rank expands and examines a set and gets one block of plain data without pointers, which app/ keeps once per node
 * in shared memory: memory per rank does not grow with the number of members.
 */
#ifndef SHEAF_SET_H
#define SHEAF_SET_H

#include "sheaf/array.h"
#include "sheaf/status.h"

/** Of a member: where it is and what it looks like. */
struct set_member {
    int64_t text; /**< offset into the block's texts: "survey/b0017.h5:/data", as messages call it */
    int64_t path; /**< absolute path of its file */
    int64_t dataset;
    int64_t name;   /**< what the wildcards matched (see set_describe); of a list: its line, "/" replaced by "_" */
    int64_t offset; /**< of the first byte of a plain contiguous dataset in its file; -1: through the library */
    enum sheaf_type type; /**< as stored */
    uint8_t swapped;      /**< of the other byte order */
    uint8_t in_memory;    /**< its file lies in a memory file system */
    uint8_t unreadable;   /**< not 0: it could not be examined, by this status: a failed task, with `reason` */
    uint8_t packed;       /**< in chunks that can be unpacked without the library (packed.h) */
    int64_t reason;       /**< text: why; 0: none */
    struct sheaf_shape shape;
};

/** A set: this, then its members, then its texts. */
struct set {
    int64_t bytes;        /**< of the whole block */
    int64_t count;        /**< members */
    int64_t members;      /**< offset of the array of struct set_member */
    int64_t texts;        /**< offset of the texts, each ending with NUL; offset 0 is "" */
    uint64_t fingerprint; /**< of the members' names, types, shapes and sampled content */
    int64_t raw_share;    /**< for set_raw_bytes, of the packed members; 0: there are none */
};

/** @return whether a text names a set: wildcards (* ? [) in file or dataset, or "@LIST" */
bool set_text_is_set(const char *text);

/** @return whether the text of a set names a list, whose members come in its own order */
bool set_text_is_list(const char *text);

/**
 * Expand and examine a set. Not collective: one rank calls it.
 *
 * Texts: "FILE.h5:/beams/WILDCARD/data" (a dataset a task), "survey/WILDCARD.h5:/data" (a file a task), both at once,
 * "@files.txt" (a line is FILE.h5:/path, taken literally; empty lines and those that start with # are skipped), each
 * with a slice [first:end:step] or [entry] behind it. A dataset or list literally so named is preferred to a slice, a slice to a
 * wildcard. Wildcards do
 * not match "/"; "[" is one only where a "]" closes it, and "[[]" stands for the bracket. A dataset wildcard finds
 * datasets, by links within the file; links out of it are members that cannot be read.
 *
 * What wildcards matched is a member's name: side by side they make one piece, pieces are joined by "/", "_" stands for
 * an empty piece and for ".". Members come in the natural order of their names (b2 before b10), a list's in its own.
 *
 * @param[in]  core_ndim  axes that each member must have
 * @param[out] set        the block, malloc'ed: the caller frees it; NULL on failure
 * @return SHEAF_OK; SHEAF_USAGE (text, line of a list), SHEAF_NO_INPUT (nothing matches; the list cannot be read),
 *         SHEAF_BAD_DATA (two members of one name, an empty slice), SHEAF_IO_ERROR, SHEAF_NO_RESOURCES. A member that
 *         by itself cannot be read, or has the wrong axes, is marked unreadable and is no error; if all are, the first
 *         one's status is returned.
 */
enum sheaf_status set_describe(const char *text, int core_ndim, struct set **set, struct sheaf_error *error);

/** @return member i, 0 <= i < count */
const struct set_member *set_member(const struct set *set, int64_t i);

/** @return a text of the block by its offset */
const char *set_text(const struct set *set, int64_t offset);

/**
 * Pair two sets: for each member of `a` the member of `b` of the same name.
 * @param[out] partner  (a->count) member numbers of b
 * @return SHEAF_OK; SHEAF_BAD_DATA with the first ones left over on either side
 */
enum sheaf_status set_pair(const struct set *a, const struct set *b, const char *text_a, const char *text_b,
                           int64_t *partner, struct sheaf_error *error);

/**
 * Reads members; one per rank, all functions thread-safe for plain members, library members by the carrier only, who alone uses
 * the memory for their conversion.
 */
struct set_reader;

enum sheaf_status set_reader_create(const struct set *set, struct set_reader **reader, struct sheaf_error *error);
void set_reader_destroy(struct set_reader *reader);

/**
 * Read one member, converted from whatever type and byte order it is stored in.
 * @param[in]  array   its shape, and the type that is wanted
 * @param[out] buffer  the array, dense
 * @return SHEAF_OK; SHEAF_NO_INPUT, SHEAF_IO_ERROR, SHEAF_BAD_DATA (another shape, or a type that cannot be read as the wanted
 *         one): that task is unreadable; SHEAF_NO_RESOURCES
 */
enum sheaf_status set_read(struct set_reader *reader, int64_t member, const struct sheaf_array *array, void *buffer,
                           struct sheaf_error *error);

/**
 * How many bytes of memory the two steps of reading a member need at most. Pure.
 * @param[in] raw_share  of its set
 * @param[in] type       that is common to the members as they are stored
 * @param[in] array      as for set_read
 * @return bytes; 0: the set's members are read in one step, or 64 bits cannot count them
 */
int64_t set_raw_bytes(int64_t raw_share, enum sheaf_type type, const struct sheaf_array *array);

/**
 * The first step: fetch the chunks of a packed member as they are in its file, or read any other as set_read does.
 * @param[out] raw     `bytes` bytes, as set_raw_bytes tells, at a multiple of PACKED_ALIGNMENT; also set on failure
 * @param[out] buffer  the array, dense, if it was no packed member
 * @return as set_read
 */
enum sheaf_status set_fetch(struct set_reader *reader, int64_t member, const struct sheaf_array *array, void *raw,
                            int64_t bytes, void *buffer, struct sheaf_error *error);

/**
 * The second step, by any thread: unpack and convert what was fetched. Where nothing was, nothing is done.
 * @return SHEAF_OK; SHEAF_IO_ERROR: damaged data; SHEAF_NO_RESOURCES
 */
enum sheaf_status set_decode(const struct set_reader *reader, int64_t member, const struct sheaf_array *array,
                             void *raw, int64_t bytes, void *buffer, struct sheaf_error *error);

/**
 * Whether reading these members would find their bytes in the page cache, as far as can be told without waiting: of members
 * that are plain and in one file only.
 */
bool set_is_cached(const struct set_reader *reader, int64_t first, int64_t count);

#endif
