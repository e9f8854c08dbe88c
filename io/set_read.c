#include "convert.h"
#include "convert_room.h"
#include "file.h"
#include "packed.h"
#include "set_library.h"

#include <stdlib.h>
#include <unistd.h>

struct set_reader {
    const struct set *set;
    int descriptor; /* of the only file with plain members, where there is one only; else -1 */
    struct set_library library;
    struct convert_room room; /* of members that are read by the library */
};

/* The path of all plain members; -1: there are several; 0: there are none. */
static int64_t
find_only_path(const struct set *set)
{
    int64_t path = 0;

    for (int64_t i = 0; i < set->count; i++) {
        const struct set_member *member = set_member(set, i);
        if (member->unreadable || member->offset < 0)
            continue;
        if (path != 0 && member->path != path)
            return -1;
        path = member->path;
    }
    return path;
}

enum sheaf_status
set_reader_create(const struct set *set, struct set_reader **reader, struct sheaf_error *error)
{
    enum sheaf_status status = SHEAF_OK;
    int64_t path = find_only_path(set);

    *reader = malloc(sizeof **reader);
    if (!*reader)
        return sheaf_fail(error, SHEAF_NO_RESOURCES, "%s: no memory to open it",
                          set_text(set, set_member(set, 0)->text));
    **reader = (struct set_reader){.set = set, .descriptor = -1, .library = SET_LIBRARY_CLOSED};
    if (path > 0)
        status = file_open_read(set_text(set, path), set_text(set, path), &(*reader)->descriptor, NULL, error);
    if (status != SHEAF_OK) {
        set_reader_destroy(*reader);
        *reader = NULL;
    }
    return status;
}

void
set_reader_destroy(struct set_reader *reader)
{
    if (!reader)
        return;
    if (reader->descriptor >= 0)
        close(reader->descriptor);
    set_library_close(&reader->library);
    convert_room_free(&reader->room);
    free(reader);
}

/* A plain member in its open file. */
struct plain {
    const struct set_member *member;
    const char *text;
    int descriptor;
};

static enum sheaf_status
fetch_plain(const void *data, int64_t first, int64_t count, void *to, struct sheaf_error *error)
{
    const struct plain *plain = data;
    const int64_t bytes = convert_element_bytes(plain->member->type);

    return file_read(plain->descriptor, plain->text, plain->member->offset + first * bytes, to, (size_t)(count * bytes),
                     error);
}

static enum sheaf_status
read_plain(const struct set_reader *reader, const struct set_member *member, enum sheaf_type type, int64_t elements,
           void *buffer, struct sheaf_error *error)
{
    struct plain plain = {member, set_text(reader->set, member->text), reader->descriptor};
    const struct convert_stored stored = {member->type, member->swapped != 0, fetch_plain, &plain};
    enum sheaf_status status = SHEAF_OK;

    if (reader->descriptor < 0)
        status = file_open_read(set_text(reader->set, member->path), plain.text, &plain.descriptor, NULL, error);
    if (status != SHEAF_OK)
        return status;
    status = convert_fetched(&stored, type, elements, buffer, error);
    if (reader->descriptor < 0)
        close(plain.descriptor);
    return status;
}

static enum sheaf_status
read_by_library(struct set_reader *reader, const struct set_member *member, enum sheaf_type type, int64_t elements,
                void *buffer, struct sheaf_error *error)
{
    int64_t bytes = elements * convert_element_bytes(member->type);
    void *stored = convert_room_for(&reader->room, member->type, type, elements, buffer);

    if (!stored)
        return sheaf_fail(error, SHEAF_NO_RESOURCES, "%s: no memory for %lld bytes to convert",
                          set_text(reader->set, member->text), (long long)bytes);
    enum sheaf_status status = set_library_read(&reader->library, reader->set, member, bytes, stored, &bytes, error);
    if (status == SHEAF_OK)
        convert_room_into(member->type, member->swapped != 0, type, elements, stored, buffer);
    return status;
}

/* What the caller's plan says of a member against what the member is. */
static enum sheaf_status
check_array(const char *text, const struct set_member *member, const struct sheaf_array *array,
            struct sheaf_error *error)
{
    char expected[SHEAF_SHAPE_TEXT], found[SHEAF_SHAPE_TEXT];

    if (!sheaf_shape_equal(&member->shape, &array->shape))
        return sheaf_fail(error, SHEAF_BAD_DATA, "%s: expected %s, found %s", text,
                          sheaf_shape_format(&array->shape, expected), sheaf_shape_format(&member->shape, found));
    return convert_check(text, member->type, array->type, error);
}

/* Find a member that can be read as the array. */
static enum sheaf_status
find_member(const struct set_reader *reader, int64_t number, const struct sheaf_array *array,
            const struct set_member **member, int64_t *elements, struct sheaf_error *error)
{
    const struct set *set = reader->set;

    if (number < 0 || number >= set->count)
        return sheaf_fail(error, SHEAF_INTERNAL, "%s: member %lld was asked for, the set has %lld",
                          set_text(set, set_member(set, 0)->text), (long long)number, (long long)set->count);
    *member = set_member(set, number);
    if ((*member)->unreadable)
        return sheaf_fail(error, SHEAF_NO_INPUT, "%s", set_text(set, (*member)->reason));
    *elements = 0;
    sheaf_shape_count(&(*member)->shape, elements);
    return check_array(set_text(set, (*member)->text), *member, array, error);
}

enum sheaf_status
set_read(struct set_reader *reader, int64_t member, const struct sheaf_array *array, void *buffer,
         struct sheaf_error *error)
{
    const struct set_member *about;
    int64_t elements;

    enum sheaf_status status = find_member(reader, member, array, &about, &elements, error);
    if (status != SHEAF_OK)
        return status;
    return about->offset >= 0 ? read_plain(reader, about, array->type, elements, buffer, error)
                              : read_by_library(reader, about, array->type, elements, buffer, error);
}

/* The raw memory of a member: packed.h's area, then room for elements that are wider as they are stored. */
static int64_t
wide_bytes(enum sheaf_type stored, enum sheaf_type wanted, int64_t elements)
{
    const int64_t bytes = convert_element_bytes(stored);

    return bytes > convert_element_bytes(wanted) ? packed_align(elements * bytes) : 0;
}

int64_t
set_raw_bytes(int64_t raw_share, enum sheaf_type type, const struct sheaf_array *array)
{
    int64_t elements, bytes;

    /* so much less than 64 bits that all of the sums fit */
    if (raw_share == 0 || !sheaf_shape_count(&array->shape, &elements) ||
        !sheaf_multiply(elements, raw_share + 2 * PACKED_ELEMENT_BYTES_MAX, &bytes))
        return 0;
    return packed_align(SET_RAW_FIXED + elements * raw_share / SET_RAW_UNIT + 1) +
           wide_bytes(type, array->type, elements);
}

enum sheaf_status
set_fetch(struct set_reader *reader, int64_t member, const struct sheaf_array *array, void *raw, int64_t bytes,
          void *buffer, struct sheaf_error *error)
{
    const struct set_member *about;
    bool fetched = false;
    int64_t elements;

    ((struct packed_raw *)raw)->chunks = 0;
    enum sheaf_status status = find_member(reader, member, array, &about, &elements, error);
    if (status != SHEAF_OK || !about->packed)
        return status == SHEAF_OK ? set_read(reader, member, array, buffer, error) : status;
    const int64_t room = bytes - wide_bytes(about->type, array->type, elements);
    status = set_library_fetch(&reader->library, reader->set, about, raw, room, &fetched, error);
    if (!fetched)
        ((struct packed_raw *)raw)->chunks = 0;
    return status == SHEAF_OK && !fetched ? read_by_library(reader, about, array->type, elements, buffer, error)
                                          : status;
}

enum sheaf_status
set_decode(const struct set_reader *reader, int64_t member, const struct sheaf_array *array, void *raw, int64_t bytes,
           void *buffer, struct sheaf_error *error)
{
    const struct set_member *about;
    int64_t elements;

    enum sheaf_status status = find_member(reader, member, array, &about, &elements, error);
    if (((struct packed_raw *)raw)->chunks == 0)
        return SHEAF_OK;
    if (status != SHEAF_OK)
        return status;
    const int64_t wide = wide_bytes(about->type, array->type, elements);
    struct convert_room room = {(char *)raw + (bytes - wide), wide};
    void *stored = convert_room_for(&room, about->type, array->type, elements, buffer);
    status = packed_decode(raw, set_text(reader->set, about->text), stored, error);
    if (status == SHEAF_OK)
        convert_room_into(about->type, about->swapped != 0, array->type, elements, stored, buffer);
    return status;
}

bool
set_is_cached(const struct set_reader *reader, int64_t first, int64_t count)
{
    const int64_t probe[3] = {first, first + count / 2, first + count - 1};

    if (reader->descriptor < 0 || first < 0 || count < 1 || count > reader->set->count - first)
        return false;
    for (int i = 0; i < 3; i++) {
        const struct set_member *member = set_member(reader->set, probe[i]);
        int64_t bytes = 0;
        sheaf_shape_bytes(&member->shape, member->type, &bytes);
        if (member->unreadable)
            continue;
        if (member->offset < 0 || !file_is_cached(reader->descriptor, member->offset, bytes))
            return false;
        if (count == 1)
            break;
    }
    return true;
}
