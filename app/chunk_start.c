#include "engine_parts.h"
#include "node.h"

/** Of a chunk that is read and computed task by task, those that are quarantined. */
static enum sheaf_status
refuse_quarantined(const struct engine *engine, struct slot *slot, struct sheaf_error *error)
{
    enum sheaf_status status = SHEAF_OK;
    for (int64_t t = 0; t < slot->chunk.count && !status; t++) {
        uint8_t known;
        int32_t info;
        int64_t task;
        plan_run(engine->setup.plan, slot->chunk.first + t, 1, &task);
        status = store_read_status(engine->store, task, 1, &known, &info, error);
        if (status || known != SHEAF_TASK_QUARANTINED)
            continue;
        slot->refused[t] = known;
        slot->info[t] = info;
    }
    return status;
}

/** Of a chunk that is computed alone: with what care, and who is charged with what. */
static enum sheaf_status
recall_suspicion(const struct engine *engine, struct slot *slot, struct sheaf_error *error)
{
    struct record_chunk past, *record = &slot->record;
    enum sheaf_status status = store_read_record(engine->store, slot->chunk.chunk, &past, error);
    if (status)
        return status;
    record->care = past.care;
    record->task = past.task;
    record->attempts = past.attempts;
    record->oom_kills = node_oom_kills();
    return past.care == RECORD_SINGLY ? refuse_quarantined(engine, slot, error) : SHEAF_OK;
}

enum sheaf_status
chunk_recall(struct engine *engine, struct slot *slot, struct sheaf_error *error)
{
    struct record_chunk *record = &slot->record;
    if (slot->recalled)
        return SHEAF_OK;
    slot->recalled = true;
    record->class_index = (uint32_t)slot->chunk.class_index;
    record->first = slot->chunk.first;
    record->count = (uint32_t)slot->chunk.count;
    record->run = engine->run;
    record->host = engine->host;
    record->rank = (uint32_t)engine->setup.rank;
    record->read_start = node_wall_seconds();
    return engine->setup.alone ? recall_suspicion(engine, slot, error) : SHEAF_OK;
}

enum sheaf_status
chunk_watch(struct engine *engine, struct slot *slot, struct witness *witness, int reading, bool recorded,
            struct sheaf_error *error)
{
    const struct engine_setup *setup = &engine->setup;
    struct record_chunk *record = &slot->record;
    enum sheaf_status status = SHEAF_OK;
    recorded = recorded && setup->on_root_node; // a start that travels comes too late to tell anything
    record->state = RECORD_STARTED;
    record->fate = RECORD_IN_FLIGHT;
    record->reading = (uint16_t)reading;
    engine_begin_writing(engine);
    if (recorded)
        status = store_start_chunk(engine->store, slot->chunk.chunk, record, error);
    if (!status) {
        witness_begin(witness, engine->store, slot->chunk.chunk, record, recorded);
        if (queue_drains(setup->queue) != QUEUE_GO_ON)
            witness_spare(witness); // whoever spares may have looked before
    }
    engine_end_writing(engine);
    return status;
}

enum sheaf_status
chunk_step(struct engine *engine, const struct slot *slot, struct witness *witness, int64_t t, int reading,
           bool recorded, struct sheaf_error *error)
{
    engine_begin_writing(engine);
    enum sheaf_status status = witness_step(witness, t, chunk_attempts(slot, t), reading, recorded, error);
    engine_end_writing(engine);
    return status;
}

enum sheaf_status
chunk_end_reading(struct engine *engine, struct slot *slot, struct witness *witness, struct sheaf_error *error)
{
    struct record_chunk *record = &slot->record;
    if (!witness_end(witness))
        return sheaf_fail(error, SHEAF_INTERRUPTED, "%s", "");
    record->reading = 0;
    record->fate = RECORD_SPARED;
    engine_begin_writing(engine);
    enum sheaf_status status =
        witness->recorded ? store_start_chunk(engine->store, slot->chunk.chunk, record, error) : SHEAF_OK;
    engine_end_writing(engine);
    return status;
}
