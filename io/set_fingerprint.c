#include "file.h"
#include "records.h"
#include "set_examine.h"
#include "set_library.h"

#include <stdlib.h>
#include <unistd.h>

/* Members that are sampled at most, and pieces of all of them together. */
enum { SAMPLES = 64, SAMPLE_BYTES = 4096, LIBRARY_SAMPLE_BYTES = 1 << 16 };

static void
hash_member(struct record_digest *hash, const struct set *set, const struct set_member *member)
{
    const int64_t numbers[] = {member->unreadable, (int64_t)member->type, member->shape.ndim};
    const char *name = set_text(set, member->name);

    record_digest_add(hash, name, strlen(name) + 1);
    record_digest_add(hash, numbers, sizeof numbers);
    record_digest_add(hash, member->shape.extent, (size_t)member->shape.ndim * sizeof *member->shape.extent);
}

/* Pieces that lie evenly in a plain member, from its first byte to its last. */
static enum sheaf_status
hash_plain(const struct set *set, const struct set_member *member, int64_t pieces, struct record_digest *hash,
           struct sheaf_error *error)
{
    enum sheaf_status status;
    char piece[SAMPLE_BYTES];
    const char *text = set_text(set, member->text);
    int64_t bytes = 0;
    int descriptor;

    status = file_open_read(set_text(set, member->path), text, &descriptor, NULL, error);
    if (status != SHEAF_OK)
        return status;
    sheaf_shape_bytes(&member->shape, member->type, &bytes);
    int64_t whole = (bytes + SAMPLE_BYTES - 1) / SAMPLE_BYTES, spread = bytes - SAMPLE_BYTES;
    int64_t count = whole < pieces ? whole : pieces;
    for (int64_t i = 0; i < count && status == SHEAF_OK; i++) {
        /* divided before it is multiplied: the product could overflow */
        int64_t at = i == 0 ? 0 : spread / (count - 1) * i + spread % (count - 1) * i / (count - 1);
        size_t length = bytes < SAMPLE_BYTES ? (size_t)bytes : SAMPLE_BYTES;
        status = file_read(descriptor, text, member->offset + at, piece, length, error);
        if (status == SHEAF_OK)
            record_digest_add(hash, piece, length);
    }
    close(descriptor);
    return status;
}

/* A member that cannot be read counts by its name and shape: it will be a failed task, which is no error here. */
static enum sheaf_status
hash_samples(const struct set *set, struct record_digest *hash, struct sheaf_error *error)
{
    struct set_library library = SET_LIBRARY_CLOSED;
    int64_t count = set->count < SAMPLES ? set->count : SAMPLES, bytes;
    char *buffer = malloc(LIBRARY_SAMPLE_BYTES);

    if (!buffer)
        return sheaf_fail(error, SHEAF_NO_RESOURCES, "no memory to examine a set of datasets");
    for (int64_t i = 0; i < count; i++) {
        int64_t last = set->count - 1, steps = count - 1;
        int64_t number = i == 0 ? 0 : last / steps * i + last % steps * i / steps;
        const struct set_member *member = set_member(set, number);
        if (member->unreadable)
            continue;
        if (member->offset >= 0)
            hash_plain(set, member, SAMPLES / count, hash, NULL);
        else if (set_library_read(&library, set, member, LIBRARY_SAMPLE_BYTES, buffer, &bytes, NULL) == SHEAF_OK)
            record_digest_add(hash, buffer, (size_t)bytes);
    }
    set_library_close(&library);
    free(buffer);
    return SHEAF_OK;
}

enum sheaf_status
set_examine_fingerprint(struct set *set, struct sheaf_error *error)
{
    struct record_digest *hash = record_digest_create();

    if (!hash)
        return sheaf_fail(error, SHEAF_NO_RESOURCES, "no memory to examine a set of datasets");
    for (int64_t i = 0; i < set->count; i++)
        hash_member(hash, set, set_member(set, i));
    enum sheaf_status status = hash_samples(set, hash, error);
    set->fingerprint = record_digest_value(hash);
    record_digest_destroy(hash);
    return status;
}
