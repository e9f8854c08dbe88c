#include "convert.h"
#include "file.h"
#include "set_library.h"

#include <stdlib.h>
#include <unistd.h>

struct set_reader {
    const struct set *set;
    int descriptor; /* of the only file with plain members, where there is one only; else -1 */
    struct set_library library;
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
    free(reader);
}

static enum sheaf_status
read_plain(const struct set_reader *reader, const struct set_member *member, void *buffer, size_t bytes,
           struct sheaf_error *error)
{
    const char *text = set_text(reader->set, member->text);
    int descriptor = reader->descriptor;

    if (descriptor >= 0)
        return file_read(descriptor, text, member->offset, buffer, bytes, error);
    enum sheaf_status status = file_open_read(set_text(reader->set, member->path), text, &descriptor, NULL, error);
    if (status != SHEAF_OK)
        return status;
    status = file_read(descriptor, text, member->offset, buffer, bytes, error);
    close(descriptor);
    return status;
}

enum sheaf_status
set_read(struct set_reader *reader, int64_t member, void *buffer, struct sheaf_error *error)
{
    enum sheaf_status status;
    int64_t elements = 0, bytes = 0;

    if (member < 0 || member >= reader->set->count)
        return sheaf_fail(error, SHEAF_INTERNAL, "%s: member %lld was asked for, the set has %lld",
                          set_text(reader->set, set_member(reader->set, 0)->text), (long long)member,
                          (long long)reader->set->count);
    const struct set_member *about = set_member(reader->set, member);
    if (about->unreadable)
        return sheaf_fail(error, SHEAF_NO_INPUT, "%s", set_text(reader->set, about->reason));
    sheaf_shape_count(&about->shape, &elements);
    bytes = elements * (int64_t)sheaf_type_size(about->type);
    if (about->offset >= 0)
        status = read_plain(reader, about, buffer, (size_t)bytes, error);
    else
        status = set_library_read(&reader->library, reader->set, about, bytes, buffer, &bytes, error);
    if (status == SHEAF_OK && about->swapped)
        convert_swap(about->type, elements, buffer);
    return status;
}
