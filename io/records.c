#include "records.h"

#include <stdlib.h>
#include <xxhash.h>

struct record_digest {
    XXH3_state_t *state;
};

static uint64_t
chunk_checksum(const struct record_chunk *record, int64_t chunk)
{
    return XXH3_64bits_withSeed(record, offsetof(struct record_chunk, checksum), (XXH64_hash_t)chunk);
}

void
record_chunk_seal(struct record_chunk *record, int64_t chunk)
{
    record->checksum = chunk_checksum(record, chunk);
}

bool
record_chunk_valid(const struct record_chunk *record, int64_t chunk)
{
    /* A pending record was never written, whatever its checksum says. */
    return record->state != RECORD_PENDING && record->state <= RECORD_QUARANTINED &&
           record->checksum == chunk_checksum(record, chunk);
}

static uint64_t
run_checksum(const struct record_run *run)
{
    return XXH3_64bits_withSeed(run, offsetof(struct record_run, checksum), run->number);
}

void
record_run_seal(struct record_run *run)
{
    run->checksum = run_checksum(run);
}

bool
record_run_valid(const struct record_run *run)
{
    return run->state != RUN_UNUSED && run->state <= RUN_FAILED && run->checksum == run_checksum(run);
}

static uint64_t
mark_checksum(const struct record_mark *mark, int64_t row)
{
    return XXH3_64bits_withSeed(mark, offsetof(struct record_mark, checksum), (XXH64_hash_t)row);
}

void
record_mark_seal(struct record_mark *mark, int64_t row)
{
    mark->checksum = mark_checksum(mark, row);
}

bool
record_mark_valid(const struct record_mark *mark, int64_t row)
{
    return mark->checksum == mark_checksum(mark, row);
}

bool
record_is_zero(const void *row, size_t bytes)
{
    const unsigned char *byte = row;
    size_t i = 0;

    while (i < bytes && byte[i] == 0)
        i++;
    return i == bytes;
}

struct record_digest *
record_digest_create(void)
{
    struct record_digest *digest = malloc(sizeof *digest);

    if (!digest)
        return NULL;
    digest->state = XXH3_createState();
    if (!digest->state) {
        free(digest);
        return NULL;
    }
    record_digest_reset(digest);
    return digest;
}

void
record_digest_destroy(struct record_digest *digest)
{
    if (digest)
        XXH3_freeState(digest->state);
    free(digest);
}

void
record_digest_reset(struct record_digest *digest)
{
    XXH3_64bits_reset(digest->state);
}

void
record_digest_add(struct record_digest *digest, const void *bytes, size_t count)
{
    if (count > 0)
        XXH3_64bits_update(digest->state, bytes, count);
}

uint64_t
record_digest_value(const struct record_digest *digest)
{
    return XXH3_64bits_digest(digest->state);
}
