#include "convert_room.h"

#include "convert.h"

#include <stdlib.h>

void
convert_room_free(struct convert_room *room)
{
    free(room->memory);
    *room = (struct convert_room){NULL, 0};
}

void *
convert_room_for(struct convert_room *room, enum sheaf_type from, enum sheaf_type to, int64_t count, void *buffer)
{
    const int64_t bytes = count * convert_element_bytes(from), room_bytes = count * convert_element_bytes(to);

    if (bytes <= room_bytes)
        return (char *)buffer + (room_bytes - bytes);
    if (bytes > room->bytes) {
        convert_room_free(room);
        room->memory = malloc((size_t)bytes);
        room->bytes = room->memory ? bytes : 0;
    }
    return room->memory;
}

void
convert_room_into(enum sheaf_type from, bool swapped, enum sheaf_type to, int64_t count, void *place, void *buffer)
{
    if (convert_element_bytes(from) <= convert_element_bytes(to)) {
        convert_in_place(from, swapped, to, count, buffer);
        return;
    }
    if (swapped)
        convert_swap(from, count, place);
    convert_elements(from, to, count, place, buffer);
}
