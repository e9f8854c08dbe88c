/**
 * @file store_past.h
 * A results file that a run goes on with: whether it is of the same computation, and what of it is done. Reads only, and
 * the bytes of no result; no MPI, no threads.
 */
#ifndef SHEAF_STORE_PAST_H
#define SHEAF_STORE_PAST_H

#include "store.h"

/** What a chunk's record says. */
enum store_condition {
    STORE_CHUNK_DONE,      /**< committed, and known to be on disk */
    STORE_CHUNK_UNCERTAIN, /**< committed behind the last sync: done if its results are those of its checksum */
    STORE_CHUNK_NEVER,     /**< nobody has started it */
    STORE_CHUNK_STARTED,   /**< it was being computed */
    STORE_CHUNK_TORN,      /**< the record is torn or changed */
    STORE_CHUNK_STRANGE,   /**< the record, whole, is not of the chunk's tasks */
};

/** A chunk as its record has it. */
struct store_chunk_past {
    uint32_t failed;   /**< tasks that failed, of a chunk that is done or may be */
    uint8_t condition; /**< enum store_condition */
};

struct store_member;
struct store_outline;
struct store_reading;

/** A results file, read. */
struct store_past {
    struct store_summary summary; /**< all but what counts records */
    char *arguments;              /**< the command line that it was created by: words, each ending with NUL */
    int64_t arguments_bytes;
    int64_t class_count;
    struct store_class *classes;
    struct store_place *places; /**< as store_build gives them; since store_past_match */
    int64_t places_bytes;
    struct store_chunk_past *chunks; /**< since store_past_match */
    uint32_t next_run;               /**< the number of the next start; since store_past_match */
    int host_count;                  /**< rows of /sheaf/hosts in use */
    struct store_member *members;    /**< where the datasets of groups lie */
    int64_t member_count;
    struct store_reading *reading; /**< the file, open */
};

/**
 * Open a results file of which the library has told (store_outline.h), and read what is fixed in it.
 * @param[in]  path     must stay while `past` lives
 * @param[in]  outline  with its members, where store_past_match is to follow
 * @param[out] past  store_past_free is the caller's, also after a failure
 * @return SHEAF_OK; SHEAF_NO_INPUT: there is none; SHEAF_BAD_DATA: a damaged one; SHEAF_IO_ERROR: not the file that was outlined
 */
enum sheaf_status store_past_read(const char *path, const struct store_outline *outline, struct store_past *past,
                                  struct sheaf_error *error);

/**
 * Check that the file is of the computation that the spec describes, down to the content of its operands (their paths and times
 * may differ), then read all records.
 * @return SHEAF_OK; SHEAF_BAD_DATA with the first difference, SHEAF_IO_ERROR, SHEAF_NO_RESOURCES
 */
enum sheaf_status store_past_match(struct store_past *past, const struct store_spec *spec, struct sheaf_error *error);

/** Close and free. */
void store_past_free(struct store_past *past);

/**
 * What a record says of its chunk. Pure.
 * @param[in] expected  class_index, first and count of the chunk
 * @param[in] marks     RECORD_HOSTS
 */
enum store_condition store_past_judge(const struct record_chunk *record, int64_t chunk,
                                      const struct record_chunk *expected, const struct record_mark *marks);

/**
 * Take back what a record says, before its chunk is computed again. Called by one rank at start, before store_settle_past.
 * @param[in] keep  its checksum stays with it, so that what was committed can still be told from what was begun after
 */
enum sheaf_status store_uncommit_chunk(struct store *store, int64_t chunk, bool keep, struct sheaf_error *error);

/** Say of a chunk whose results match its checksum that it is done, if that was taken back. As store_uncommit_chunk. */
enum sheaf_status store_recommit_chunk(struct store *store, int64_t chunk, struct sheaf_error *error);

/**
 * Make all that a file's earlier starts left durable, and note that: what they committed is trusted from then on. Called by one
 * rank at start, when no committed chunk is uncertain any more.
 * @param[in] run         the number of the start that begins
 * @param[in] host_count  rows of /sheaf/hosts in use
 * @param[in] seconds     now, since 1970 UTC
 */
enum sheaf_status store_settle_past(struct store *store, uint32_t run, int host_count, double seconds,
                                    struct sheaf_error *error);

#endif
