#include "packed_filter.h"

#include <string.h>

_Static_assert(__BYTE_ORDER__ == __ORDER_LITTLE_ENDIAN__, "the first byte of an element is its lowest");

/* Numbers at any address. */
typedef uint16_t any16 __attribute__((aligned(1)));
typedef uint32_t any32 __attribute__((aligned(1)));
typedef uint64_t any64 __attribute__((aligned(1)));

/* Elements that are put together at once: their parts stay in a core's first cache. */
enum { PIECE = 512 };

static void
join_bytes(size_t count, const unsigned char *low, const unsigned char *high, any16 *to)
{
    for (size_t i = 0; i < count; i++)
        to[i] = (uint16_t)(low[i] | high[i] << 8);
}

static void
join_16(size_t count, const uint16_t *low, const uint16_t *high, any32 *to)
{
    for (size_t i = 0; i < count; i++)
        to[i] = low[i] | (uint32_t)high[i] << 16;
}

static void
join_32(size_t count, const uint32_t *low, const uint32_t *high, any64 *to)
{
    for (size_t i = 0; i < count; i++)
        to[i] = low[i] | (uint64_t)high[i] << 32;
}

/* Four planes of bytes, each `plane` after the one before. */
static void
join_4(size_t count, const unsigned char *from, size_t plane, any32 *to)
{
    uint16_t halves[2][PIECE];

    join_bytes(count, from, from + plane, halves[0]);
    join_bytes(count, from + 2 * plane, from + 3 * plane, halves[1]);
    join_16(count, halves[0], halves[1], to);
}

static void
join_8(size_t count, const unsigned char *from, size_t plane, any64 *to)
{
    uint32_t halves[2][PIECE];

    join_4(count, from, plane, halves[0]);
    join_4(count, from + 4 * plane, plane, halves[1]);
    join_32(count, halves[0], halves[1], to);
}

static void
join_16_bytes(size_t count, const unsigned char *from, size_t plane, any64 *to)
{
    uint64_t halves[2][PIECE];

    join_8(count, from, plane, halves[0]);
    join_8(count, from + 8 * plane, plane, halves[1]);
    for (size_t i = 0; i < count; i++) {
        to[2 * i] = halves[0][i];
        to[2 * i + 1] = halves[1][i];
    }
}

static void
join_any(size_t element_bytes, size_t count, const unsigned char *from, unsigned char *to)
{
    for (size_t byte = 0; byte < element_bytes; byte++)
        for (size_t i = 0; i < count; i++)
            to[i * element_bytes + byte] = from[byte * count + i];
}

void
packed_unshuffle(size_t element_bytes, size_t bytes, const void *from, void *to)
{
    const size_t count = element_bytes > 0 ? bytes / element_bytes : 0, whole = count * element_bytes;
    const unsigned char *planes = from;
    unsigned char *out = to;

    memcpy(out + whole, planes + whole, bytes - whole);
    if (element_bytes != 2 && element_bytes != 4 && element_bytes != 8 && element_bytes != 16) {
        join_any(element_bytes, count, planes, out);
        return;
    }
    for (size_t at = 0; at < count; at += PIECE) {
        const size_t some = count - at < PIECE ? count - at : PIECE;
        void *piece = out + at * element_bytes;
        if (element_bytes == 2)
            join_bytes(some, planes + at, planes + count + at, piece);
        else if (element_bytes == 4)
            join_4(some, planes + at, count, piece);
        else if (element_bytes == 8)
            join_8(some, planes + at, count, piece);
        else
            join_16_bytes(some, planes + at, count, piece);
    }
}

/* Modulo 65535, as ones' complement addition has it: 0 comes of zeros only. */
static uint32_t
fold(uint64_t sum)
{
    while (sum > 0xffff)
        sum = (sum & 0xffff) + (sum >> 16);
    return (uint32_t)sum;
}

/*
 * The words are big-endian. Modulo 65535 swapping a word's bytes is multiplying by 256, so the sums of the words as this
 * machine reads them are the sums, swapped (RFC 1071). The second sum counts a word once for each word from it to the end.
 */
uint32_t
packed_fletcher32(const void *data, size_t bytes)
{
    enum { WORDS = 256 }; /* of which the weighted sum, 65535 * 256 * 257 / 2 at most, fits 32 bits */
    const any16 *words = data;
    const size_t count = bytes / 2;
    uint32_t first = 0, second = 0;

    for (size_t at = 0; at < count; at += WORDS) {
        const uint32_t some = count - at < WORDS ? (uint32_t)(count - at) : WORDS;
        uint32_t sum = 0, weighted = 0;
        for (uint32_t i = 0; i < some; i++) {
            sum += words[at + i];
            weighted += (some - i) * words[at + i];
        }
        second = fold((uint64_t)second + (uint64_t)some * first + weighted);
        first = fold((uint64_t)first + sum);
    }
    if (bytes % 2) {
        first = fold((uint64_t)first + ((const unsigned char *)data)[bytes - 1]);
        second = fold((uint64_t)second + first);
    }
    return (uint32_t)__builtin_bswap16((uint16_t)second) << 16 | __builtin_bswap16((uint16_t)first);
}

/* HDF5 until 1.6.2 wrote the bytes of each half of the checksum the other way round: that is right too. */
static bool
checksum_holds(const unsigned char *data, int64_t bytes)
{
    const uint32_t sum = packed_fletcher32(data, (size_t)bytes);
    uint32_t stored;

    memcpy(&stored, data + bytes, sizeof stored);
    return stored == sum || stored == ((sum & 0x00ff00ff) << 8 | (sum >> 8 & 0x00ff00ff));
}

int
packed_pipeline_copies(const struct packed_pipeline *pipeline)
{
    int copies = 0;

    for (int i = 0; i < pipeline->count; i++)
        copies += pipeline->filters[i].kind != PACKED_FLETCHER32;
    return copies;
}

int64_t
packed_pipeline_bytes(const struct packed_pipeline *pipeline, int64_t chunk_bytes)
{
    return chunk_bytes + PACKED_CHECKSUM_BYTES * (pipeline->count - packed_pipeline_copies(pipeline));
}

/* A chunk on its way through the filters. */
struct undoing {
    const unsigned char *data;
    int64_t bytes;
    int turn; /* which scratch comes next */
};

static const char *
undo_checksum(struct undoing *state)
{
    if (state->bytes < PACKED_CHECKSUM_BYTES)
        return "it is shorter than its checksum";
    state->bytes -= PACKED_CHECKSUM_BYTES;
    return checksum_holds(state->data, state->bytes) ? NULL : "its checksum (fletcher32) does not hold";
}

/* Undo a filter that copies into `to`, which has room for `room` bytes; `expected` ones come out of deflate. */
static const char *
undo_copying(const struct packed_filter *filter, const struct packed_workshop *workshop, int64_t expected,
             unsigned char *to, int64_t room, struct undoing *state)
{
    if (filter->kind == PACKED_SHUFFLE) {
        if (state->bytes > room)
            return "it has more bytes than the dataset's chunks";
        packed_unshuffle(filter->element_bytes, (size_t)state->bytes, state->data, to);
    } else {
        if (expected > room ||
            !inflater_run(workshop->inflater, state->data, (size_t)state->bytes, to, (size_t)expected))
            return "its compressed data are damaged";
        state->bytes = expected;
    }
    state->data = to;
    return NULL;
}

const char *
packed_pipeline_undo(const struct packed_pipeline *pipeline, const struct packed_workshop *workshop, uint32_t mask,
                     int64_t chunk_bytes, const void *data, int64_t bytes, void *straight, const void **chunk)
{
    struct undoing state = {.data = data, .bytes = bytes, .turn = 0};
    int below = 0, checksums = 0; /* of the filters that were applied before filter i */
    const char *why = NULL;

    for (int i = 0; i < pipeline->count; i++) {
        const bool applied = !(mask >> i & 1);
        below += applied;
        checksums += applied && pipeline->filters[i].kind == PACKED_FLETCHER32;
    }
    for (int i = pipeline->count - 1; i >= 0 && !why; i--) {
        const struct packed_filter *filter = &pipeline->filters[i];
        if (mask >> i & 1)
            continue;
        below--;
        if (filter->kind == PACKED_FLETCHER32) {
            checksums--;
            why = undo_checksum(&state);
            continue;
        }
        const bool last = below == 0 && straight;
        unsigned char *to = last ? straight : workshop->scratch[state.turn];
        why = undo_copying(filter, workshop, chunk_bytes + (int64_t)checksums * PACKED_CHECKSUM_BYTES, to,
                           last ? chunk_bytes : workshop->scratch_bytes, &state);
        state.turn = !state.turn;
    }
    if (!why && state.bytes != chunk_bytes)
        why = "it has not as many bytes as the dataset's chunks";
    *chunk = state.data;
    return why;
}
