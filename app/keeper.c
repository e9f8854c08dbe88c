#include "keeper.h"
#include "node.h"

#include <stdlib.h>

struct keeper {
    struct keeper_setup setup;
    int64_t synced_ns, beaten_ns;
    bool failed;             /**< a sync has: what it was to write may be lost, and the next one would not tell */
    uint64_t begun;          /**< this node's number when the sync began */
    _Atomic uint64_t synced; /**< the same, of the last one that succeeded */
    // the root's: by node
    _Atomic uint64_t *reported;
    uint64_t *taken;
};

static bool
is_root(const struct keeper *keeper)
{
    return keeper->setup.node_count > 0;
}

enum sheaf_status
keeper_create(const struct keeper_setup *setup, struct keeper **out, struct sheaf_error *error)
{
    static const int64_t limits[] = {[SYNC_GROUP] = KEEPER_SYNC_BYTES, [SYNC_EACH] = 1, [SYNC_END] = INT64_MAX};
    size_t nodes = (size_t)setup->node_count;
    struct keeper *keeper = calloc(1, sizeof *keeper);
    if (keeper && nodes > 0) {
        keeper->reported = calloc(nodes, sizeof *keeper->reported);
        keeper->taken = calloc(nodes, sizeof *keeper->taken);
    }
    *out = keeper;
    if (!keeper || (nodes > 0 && !(keeper->reported && keeper->taken)))
        return sheaf_fail(error, SHEAF_NO_RESOURCES, "no memory for the marks of %zu nodes", nodes);
    keeper->setup = *setup;
    keeper->synced_ns = keeper->beaten_ns = node_nanoseconds();
    atomic_store(&setup->queue->sync_bytes, limits[setup->sync]);
    return SHEAF_OK;
}

void
keeper_destroy(struct keeper *keeper)
{
    if (!keeper)
        return;
    free(keeper->reported);
    free(keeper->taken);
    free(keeper);
}

void
keeper_note_synced(struct keeper *keeper, int node, uint64_t sequence)
{
    atomic_store(&keeper->reported[node], sequence);
}

uint64_t
keeper_synced(const struct keeper *keeper)
{
    return atomic_load(&keeper->synced);
}

bool
keeper_wants_sync(const struct keeper *keeper, int64_t now)
{
    int64_t unsynced = atomic_load(&keeper->setup.queue->unsynced);
    if (unsynced <= 0 || keeper->failed || keeper->setup.sync == SYNC_END)
        return false;
    return unsynced >= atomic_load(&keeper->setup.queue->sync_bytes) || now - keeper->synced_ns >= KEEPER_SYNC_NS;
}

bool
keeper_wants_beat(const struct keeper *keeper, int64_t now)
{
    return is_root(keeper) && now - keeper->beaten_ns >= KEEPER_BEAT_NS;
}

void
keeper_begin_sync(struct keeper *keeper, int64_t now)
{
    keeper->synced_ns = now;
    atomic_store(&keeper->setup.queue->unsynced, 0);
    keeper->begun = atomic_load(&keeper->setup.queue->sequence);
    for (int i = 1; i < keeper->setup.node_count; i++)
        keeper->taken[i] = atomic_load(&keeper->reported[i]);
    if (is_root(keeper))
        keeper->taken[0] = keeper->begun;
}

void
keeper_join_rows(const struct keeper_marks *marks, uint64_t rows[RECORD_HOSTS])
{
    for (int i = 0; i < RECORD_HOSTS; i++)
        rows[i] = UINT64_MAX;
    for (int i = 0; i < marks->node_count; i++) {
        uint64_t *row = &rows[marks->host_rows[i]], sequence = marks->sequences[i];
        if (*row == UINT64_MAX || (marks->all ? sequence > *row : sequence < *row))
            *row = sequence;
    }
}

enum sheaf_status
keeper_write_marks(const struct keeper_marks *marks, struct store *store, struct sheaf_error *error)
{
    uint64_t rows[RECORD_HOSTS];
    enum sheaf_status status = SHEAF_OK;
    keeper_join_rows(marks, rows);
    for (uint32_t i = 0; i < RECORD_HOSTS && !status; i++) {
        struct record_mark mark = {.run = marks->run, .sequence = rows[i], .time = node_wall_seconds()};
        if (rows[i] != UINT64_MAX)
            status = store_write_mark(store, i, &mark, error);
    }
    return status;
}

enum sheaf_status
keeper_sync(struct keeper *keeper, struct store *store, struct sheaf_error *error)
{
    const struct keeper_setup *setup = &keeper->setup;
    if (keeper->failed)
        return sheaf_fail(error, SHEAF_IO_ERROR, "the results file could not be synced before, and is not tried again");
    enum sheaf_status status = setup->in_memory ? SHEAF_OK : store_sync(store, error);
    keeper->failed = status != SHEAF_OK;
    if (!status && is_root(keeper)) {
        const struct keeper_marks marks = {.run = setup->run->number,
                                           .node_count = setup->node_count,
                                           .host_rows = setup->host_rows,
                                           .sequences = keeper->taken};
        status = keeper_write_marks(&marks, store, error);
    }
    if (!status)
        atomic_store(&keeper->synced, keeper->begun);
    return status;
}

enum sheaf_status
keeper_beat(struct keeper *keeper, struct store *store, int64_t now, struct sheaf_error *error)
{
    const struct keeper_setup *setup = &keeper->setup;
    keeper->beaten_ns = now;
    enum sheaf_status status = setup->lock ? lock_check(setup->lock, error) : SHEAF_OK;
    if (status)
        return status;
    setup->run->heartbeat = node_wall_seconds();
    return store_write_run(store, setup->run, error);
}
