#include "queue.h"

#include <errno.h>
#include <limits.h>
#include <linux/futex.h>
#include <string.h>
#include <sys/syscall.h>
#include <time.h>
#include <unistd.h>

static uint64_t
pack(int64_t next, int64_t end)
{
    return (uint64_t)next << 32 | (uint64_t)end;
}

static int64_t
cell_next(uint64_t cell)
{
    return (int64_t)(cell >> 32);
}

static int64_t
cell_end(uint64_t cell)
{
    return (int64_t)(cell & UINT32_MAX);
}

/** Outboxes stand behind the ranks. */
static char *
outbox(struct queue *queue, int local_rank)
{
    return (char *)&queue->ranks[queue->rank_count] + (size_t)local_rank * QUEUE_OUTBOX_BYTES;
}

size_t
queue_bytes(int ranks, bool outboxes)
{
    return sizeof(struct queue) + (size_t)ranks * (sizeof(struct queue_rank) + (outboxes ? QUEUE_OUTBOX_BYTES : 0));
}

void
queue_init(struct queue *queue, int ranks, bool outboxes, int64_t low_water)
{
    queue->rank_count = ranks;
    queue->has_outboxes = outboxes;
    atomic_store(&queue->low_water, low_water);
}

bool
queue_refill(struct queue *queue, int64_t next, int64_t end)
{
    for (int i = 0; i < QUEUE_CELLS; i++) {
        uint64_t cell = atomic_load(&queue->cells[i]);
        if (cell_next(cell) < cell_end(cell))
            continue;
        atomic_store(&queue->cells[i], pack(next, end));
        atomic_store(&queue->hunger, (atomic_load(&queue->hunger) | 1) + 1); // behind the cell: see want_more
        queue_ring_all(queue);
        return true;
    }
    return false;
}

void
queue_close(struct queue *queue)
{
    atomic_store(&queue->closed, 1);
    queue_ring_all(queue);
}

int64_t
queue_left(const struct queue *queue)
{
    int64_t left = 0;
    for (int i = 0; i < QUEUE_CELLS; i++) {
        uint64_t cell = atomic_load(&queue->cells[i]);
        if (cell_next(cell) < cell_end(cell))
            left += cell_end(cell) - cell_next(cell);
    }
    return left;
}

int
queue_last_spans(const struct queue *queue, struct queue_span spans[QUEUE_CELLS])
{
    int count = 0;
    if (!atomic_load(&queue->closed))
        return 0;
    for (int i = 0; i < QUEUE_CELLS; i++) {
        uint64_t cell = atomic_load(&queue->cells[i]);
        if (cell_next(cell) >= cell_end(cell))
            continue;
        spans[count] = (struct queue_span){cell_next(cell), cell_end(cell)};
        if (spans[count].next < spans[0].next) {
            struct queue_span first = spans[count];
            spans[count] = spans[0];
            spans[0] = first;
        }
        count++;
    }
    return count;
}

bool
queue_is_hungry(const struct queue *queue)
{
    return atomic_load(&queue->hunger) & 1;
}

/** The cell with the lowest place, -1 where all are empty. */
static int
first_cell(struct queue *queue, uint64_t *cell)
{
    int found = -1;
    for (int i = 0; i < QUEUE_CELLS; i++) {
        uint64_t value = atomic_load(&queue->cells[i]);
        if (cell_next(value) >= cell_end(value))
            continue;
        if (found < 0 || cell_next(value) < cell_next(*cell)) {
            found = i;
            *cell = value;
        }
    }
    return found;
}

/**
 * Note that more is wanted than there is. Whoever looked at the cells just before a span came must not do so behind it:
 * the leader would ask too soon, and would not be rung when somebody is idle later. So `hunger` is that of before the look,
 * and where it has changed nothing is done: another one has rung, or the span rings all, and who found nothing looks again.
 *
 * @return whether the caller is to ring the leader: once until the next span comes
 */
static bool
want_more(struct queue *queue, uint32_t hunger)
{
    return !(hunger & 1) && atomic_compare_exchange_strong(&queue->hunger, &hunger, hunger | 1);
}

/**
 * After a claim: ring the leader where the queue runs low, and again for each cell that becomes free, for the leader may
 * have found none when it came to refill.
 */
static void
ask_for_more(struct queue *queue, bool freed_cell)
{
    uint32_t hunger = atomic_load(&queue->hunger);
    if (atomic_load(&queue->closed) || queue_left(queue) > atomic_load(&queue->low_water))
        return;
    if (want_more(queue, hunger) || freed_cell)
        queue_ring(queue, 0);
}

enum queue_claim
queue_take(struct queue *queue, int64_t *place)
{
    for (;;) {
        if (atomic_load(&queue->stopped))
            return QUEUE_OVER;
        // Read before the cells: a span that came before the queue was closed must not be missed.
        uint32_t closed = atomic_load(&queue->closed), hunger = atomic_load(&queue->hunger);
        uint64_t cell;
        int i = first_cell(queue, &cell);
        if (i < 0) {
            if (closed)
                return QUEUE_OVER;
            if (want_more(queue, hunger)) // whatever the low water is: someone is idle
                queue_ring(queue, 0);
            return QUEUE_EMPTY;
        }
        // A cell may have been emptied and filled again in between: the swap then still claims what it says.
        if (atomic_compare_exchange_strong(&queue->cells[i], &cell, pack(cell_next(cell) + 1, cell_end(cell)))) {
            *place = cell_next(cell);
            if (!closed)
                ask_for_more(queue, cell_next(cell) + 1 == cell_end(cell));
            return QUEUE_CLAIMED;
        }
    }
}

void
queue_fail(struct queue *queue, const struct sheaf_error *error)
{
    uint32_t none = 0;
    if (atomic_compare_exchange_strong(&queue->error_state, &none, 1)) {
        queue->error = *error;
        atomic_store(&queue->error_state, 2);
    }
    queue_stop(queue);
}

void
queue_stop(struct queue *queue)
{
    atomic_store(&queue->stopped, 1);
    queue_ring_all(queue);
}

void
queue_drain(struct queue *queue, enum queue_drain drain)
{
    uint32_t before = atomic_load(&queue->drain);
    while (before < (uint32_t)drain && !atomic_compare_exchange_weak(&queue->drain, &before, (uint32_t)drain))
        ;
    if (before < (uint32_t)drain)
        queue_stop(queue);
}

enum queue_drain
queue_drains(const struct queue *queue)
{
    return (enum queue_drain)atomic_load(&queue->drain);
}

bool
queue_is_stopped(const struct queue *queue)
{
    return atomic_load(&queue->stopped) != 0;
}

bool
queue_error(const struct queue *queue, struct sheaf_error *error)
{
    if (atomic_load(&queue->error_state) != 2)
        return false;
    *error = queue->error;
    return true;
}

static long
futex(_Atomic uint32_t *word, int operation, uint32_t value, const struct timespec *timeout)
{
    return syscall(SYS_futex, word, operation, value, timeout, NULL, 0);
}

void
queue_ring(struct queue *queue, int local_rank)
{
    _Atomic uint32_t *bell = &queue->ranks[local_rank].bell;
    atomic_fetch_add(bell, 1);
    futex(bell, FUTEX_WAKE, INT_MAX, NULL);
}

void
queue_ring_all(struct queue *queue)
{
    for (int i = 0; i < queue->rank_count; i++)
        queue_ring(queue, i);
}

uint32_t
queue_sleep(struct queue *queue, int local_rank, uint32_t seen, int64_t nanoseconds)
{
    _Atomic uint32_t *bell = &queue->ranks[local_rank].bell;
    struct timespec timeout = {.tv_sec = nanoseconds / 1000000000, .tv_nsec = nanoseconds % 1000000000};
    if (atomic_load(bell) == seen && nanoseconds > 0)
        futex(bell, FUTEX_WAIT, seen, &timeout);
    return atomic_load(bell);
}

void
queue_add_totals(struct queue *queue, int local_rank, const struct queue_totals *totals)
{
    int64_t values[QUEUE_TOTALS];
    memcpy(values, totals, sizeof values);
    for (int i = 0; i < QUEUE_TOTALS; i++)
        if (values[i])
            atomic_fetch_add_explicit(&queue->ranks[local_rank].totals[i], values[i], memory_order_relaxed);
}

void
queue_note_committed(struct queue *queue, int64_t bytes)
{
    int64_t before = atomic_fetch_add(&queue->unsynced, bytes), limit = atomic_load(&queue->sync_bytes);
    if (before < limit && limit - before <= bytes)
        queue_ring(queue, 0);
}

void
queue_sum_totals(const struct queue *queue, struct queue_totals *sum)
{
    int64_t values[QUEUE_TOTALS] = {0};
    for (int rank = 0; rank < queue->rank_count; rank++)
        for (int i = 0; i < QUEUE_TOTALS; i++)
            values[i] += atomic_load_explicit(&queue->ranks[rank].totals[i], memory_order_relaxed);
    memcpy(sum, values, sizeof values);
}

int
queue_finished(const struct queue *queue)
{
    int finished = 0;
    for (int rank = 0; rank < queue->rank_count; rank++)
        finished += atomic_load(&queue->ranks[rank].finished) != 0;
    return finished;
}

/** Copy into or out of a ring of bytes that may wrap. */
static void
ring_put(char *ring, uint64_t at, const void *bytes, size_t count)
{
    size_t start = at % QUEUE_OUTBOX_BYTES;
    size_t piece = count < QUEUE_OUTBOX_BYTES - start ? count : QUEUE_OUTBOX_BYTES - start;
    memcpy(ring + start, bytes, piece);
    memcpy(ring, (const char *)bytes + piece, count - piece);
}

static void
ring_get(const char *ring, uint64_t at, void *bytes, size_t count)
{
    size_t start = at % QUEUE_OUTBOX_BYTES;
    size_t piece = count < QUEUE_OUTBOX_BYTES - start ? count : QUEUE_OUTBOX_BYTES - start;
    memcpy(bytes, ring + start, piece);
    memcpy((char *)bytes + piece, ring, count - piece);
}

/** Info stands behind the status bytes, from a multiple of 4 on. */
static size_t
info_offset(uint32_t count)
{
    return sizeof(struct queue_commit) + (count + 3U) / 4U * 4U;
}

bool
queue_post(struct queue *queue, int local_rank, int64_t chunk, const struct record_chunk *record, const uint8_t *status,
           const int32_t *info)
{
    struct queue_rank *rank = &queue->ranks[local_rank];
    bool whole = record->state != RECORD_STARTED;
    size_t bytes = whole ? info_offset(record->count) + record->count * sizeof *info : sizeof(struct queue_commit);
    bytes = (bytes + 7) / 8 * 8;
    uint64_t tail = atomic_load_explicit(&rank->outbox_tail, memory_order_relaxed);
    if (tail - atomic_load(&rank->outbox_head) + bytes > QUEUE_OUTBOX_BYTES)
        return false;
    struct queue_commit commit = {.chunk = chunk, .bytes = (int64_t)bytes, .record = *record};
    char *ring = outbox(queue, local_rank);
    ring_put(ring, tail, &commit, sizeof commit);
    if (whole) {
        ring_put(ring, tail + sizeof commit, status, record->count);
        ring_put(ring, tail + info_offset(record->count), info, record->count * sizeof *info);
    }
    atomic_store(&rank->outbox_tail, tail + bytes);
    return true;
}

size_t
queue_posted_bytes(const struct queue *queue)
{
    uint64_t bytes = 0;
    for (int i = 0; queue->has_outboxes && i < queue->rank_count; i++)
        bytes += atomic_load(&queue->ranks[i].outbox_tail) - atomic_load(&queue->ranks[i].outbox_head);
    return bytes;
}

size_t
queue_collect(struct queue *queue, void *buffer, size_t bytes)
{
    if (!queue->has_outboxes)
        return 0;
    size_t used = 0;
    for (int i = 0; i < queue->rank_count; i++) {
        struct queue_rank *rank = &queue->ranks[i];
        uint64_t head = atomic_load_explicit(&rank->outbox_head, memory_order_relaxed);
        uint64_t tail = atomic_load(&rank->outbox_tail);
        while (head < tail) {
            struct queue_commit commit;
            ring_get(outbox(queue, i), head, &commit, sizeof commit);
            if (used + (size_t)commit.bytes > bytes)
                break;
            ring_get(outbox(queue, i), head, (char *)buffer + used, (size_t)commit.bytes);
            head += (uint64_t)commit.bytes;
            used += (size_t)commit.bytes;
        }
        bool was_tight = tail - atomic_load_explicit(&rank->outbox_head, memory_order_relaxed) > QUEUE_OUTBOX_BYTES / 2;
        atomic_store(&rank->outbox_head, head);
        if (was_tight)
            queue_ring(queue, i); // someone may wait for room
    }
    return used;
}

const uint8_t *
queue_commit_status(const struct queue_commit *commit)
{
    return (const uint8_t *)(commit + 1);
}

const int32_t *
queue_commit_info(const struct queue_commit *commit)
{
    return (const int32_t *)(const void *)((const char *)commit + info_offset(commit->record.count));
}
