/**
 * @file set_builder.h
 * A set while its members are being found: members and texts that grow, and what to say where there are none. For
 * io/set*.c only.
 */
#ifndef SHEAF_SET_BUILDER_H
#define SHEAF_SET_BUILDER_H

#include "set.h"

#include <stdbool.h>
#include <stddef.h>

/** Bytes that grow, always followed by a NUL. All zero: empty. */
struct set_buffer {
    char *bytes;
    size_t used, room;
};

/** @return false without memory: nothing was added */
bool set_buffer_add(struct set_buffer *buffer, const char *bytes, size_t count);

/** Shorten to a length that it had before. */
void set_buffer_cut(struct set_buffer *buffer, size_t used);

void set_buffer_free(struct set_buffer *buffer);

enum { SET_GLIMPSE_NAMES = 5, SET_GLIMPSE_TEXT = 64 };

/** The first few of many names, in natural order. All zero: none. */
struct set_glimpse {
    int count;
    bool more;
    char names[SET_GLIMPSE_NAMES][SET_GLIMPSE_TEXT]; /**< long ones are cut */
};

void set_glimpse_add(struct set_glimpse *glimpse, const char *name);

struct set_builder {
    const char *text; /**< as the user wrote it: how messages call the set */
    int core_ndim;
    bool listed;   /**< members keep the order in which they were added */
    bool examined; /**< members were examined as they were found */
    struct set_member *members;
    int64_t count, room;
    struct set_buffer texts;
    int64_t raw_share; /**< as in struct set */
    char missing[512]; /**< where nothing matched first, and what is there; "": nowhere */
};

/** Prepare. @return SHEAF_OK; SHEAF_NO_RESOURCES. set_builder_free is due in any case */
enum sheaf_status set_builder_start(struct set_builder *builder, const char *text, int core_ndim,
                                    struct sheaf_error *error);

void set_builder_free(struct set_builder *builder);

/** @return SHEAF_NO_RESOURCES, always: there is no memory for a set */
enum sheaf_status set_builder_no_memory(const struct set_builder *builder, struct sheaf_error *error);

/** Keep a text. @param[out] offset  of it in the set's texts; that of "" is 0. @return SHEAF_OK; SHEAF_NO_RESOURCES */
enum sheaf_status set_builder_keep(struct set_builder *builder, const char *text, int64_t *offset,
                                   struct sheaf_error *error);

/**
 * Add a member.
 * @param[in] file     as the user would write it
 * @param[in] dataset  with its leading slash
 */
enum sheaf_status set_builder_add(struct set_builder *builder, const char *file, const char *dataset, const char *name,
                                  struct sheaf_error *error);

/** Take back the member added last, and all texts kept since. */
void set_builder_take_back(struct set_builder *builder, size_t texts_before);

/** Mark a member as unreadable. @param[in] why  its status and text */
enum sheaf_status set_builder_refuse(struct set_builder *builder, int64_t member, const struct sheaf_error *why,
                                     struct sheaf_error *error);

/** Remember that nothing matches, if it is the first time. @param[in] where  as "/beams of b.h5" */
void set_builder_missing(struct set_builder *builder, const char *where, const struct set_glimpse *there);

/** The same in one's own words. */
void set_builder_missing_text(struct set_builder *builder, const char *format, ...)
    __attribute__((format(printf, 2, 3)));

/** Make the block of it. @param[out] set  the caller frees it */
enum sheaf_status set_builder_finish(const struct set_builder *builder, struct set **set, struct sheaf_error *error);

#endif
