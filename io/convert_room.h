/**
 * @file convert_room.h
 * Where the elements of one array stand as they are stored, all of them, before they are converted into a buffer: at the end
 * of that buffer where they are no wider than what they become, else in memory that grows and is reused. Not thread-safe.
 */
#ifndef SHEAF_CONVERT_ROOM_H
#define SHEAF_CONVERT_ROOM_H

#include "sheaf/array.h"

/** Memory for elements that are wider than what they become; starts as zeros. */
struct convert_room {
    char *memory;
    int64_t bytes;
};

void convert_room_free(struct convert_room *room);

/**
 * Find the place for elements; their size as either type was checked before.
 * @param[in] buffer  count elements of `to`
 * @return the place; NULL: no memory
 */
void *convert_room_for(struct convert_room *room, enum sheaf_type from, enum sheaf_type to, int64_t count,
                       void *buffer);

/**
 * Convert what stands in that place.
 * @param[in]  swapped  the elements are of the other byte order
 * @param[in]  place    convert_room_for's, of the same types, count and buffer; its content is lost
 * @param[out] buffer   count elements of `to`
 */
void convert_room_into(enum sheaf_type from, bool swapped, enum sheaf_type to, int64_t count, void *place,
                       void *buffer);

#endif
