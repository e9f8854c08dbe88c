#include "suspects.h"
#include "node.h"

#include <stdlib.h>
#include <string.h>

enum { SHOWN = 20 };

static bool
is_named_run(const struct suspects *suspects, uint32_t run)
{
    for (int64_t i = 0; i < suspects->count; i++)
        if (suspects->all[i].record.run == run && poison_is_named(&suspects->all[i].record))
            return true;
    return false;
}

static enum sheaf_status
judge(struct store *store, const char *host, const struct suspects *suspects, struct suspect *suspect,
      struct sheaf_error *error)
{
    char name[RECORD_HOST_BYTES];
    struct poison_facts facts = {.oom_kills = node_oom_kills(), .attempts = suspects->attempts};
    enum sheaf_status status = store_read_host(store, suspect->record.host, name, error);
    facts.same_host = !status && strncmp(name, host, sizeof name - 1) == 0;
    facts.culprit_known = is_named_run(suspects, suspect->record.run);
    poison_judge(&suspect->record, &facts, &suspect->verdict);
    return status;
}

enum sheaf_status
suspects_judge(struct store *store, const struct store_past *past, const char *host, int64_t attempts,
               const struct source_map *inputs, int input_count, struct suspects *suspects, struct sheaf_error *error)
{
    const int64_t chunks = past->summary.map.chunks;
    int64_t count = 0;
    for (int64_t i = 0; i < chunks; i++)
        count += past->chunks[i].condition == STORE_CHUNK_STARTED;
    *suspects = (struct suspects){
        .attempts = attempts ? attempts : POISON_ATTEMPTS, .inputs = inputs, .input_count = input_count};
    suspects->all = calloc((size_t)count + 1, sizeof *suspects->all);
    if (!suspects->all)
        return sheaf_fail(error, SHEAF_NO_RESOURCES, "no memory for %lld chunks that were in flight", (long long)count);
    enum sheaf_status status = SHEAF_OK;
    for (int64_t i = 0; i < chunks && !status; i++) {
        struct suspect *suspect = &suspects->all[suspects->count];
        if (past->chunks[i].condition != STORE_CHUNK_STARTED)
            continue;
        suspect->chunk = i;
        status = store_read_record(store, i, &suspect->record, error);
        suspects->count++;
    }
    for (int64_t i = 0; i < count && !status; i++)
        status = judge(store, host, suspects, &suspects->all[i], error);
    return status;
}

void
suspects_free(struct suspects *suspects)
{
    free(suspects->all);
    suspects->all = NULL;
    suspects->count = 0;
}

static int
compare(const void *a, const void *b)
{
    const int64_t *chunk = a;
    const struct suspect *suspect = b;
    return (*chunk > suspect->chunk) - (*chunk < suspect->chunk);
}

bool
suspects_has_alone(const struct suspects *suspects, int64_t chunk)
{
    const struct suspect *found =
        suspects->count == 0 ? NULL
                             : bsearch(&chunk, suspects->all, (size_t)suspects->count, sizeof *suspects->all, compare);
    return found && found->verdict.care != RECORD_AMONG_OTHERS;
}

static int64_t
find_task(const struct suspect *suspect, const struct plan *plan, int64_t t)
{
    int64_t task;
    plan_run(plan, suspect->record.first + t, 1, &task);
    return task;
}

/** Nothing that an earlier start left in the rows of a chunk that is to be computed task by task may be taken for a verdict. */
static enum sheaf_status
clear_rows(const struct suspect *suspect, const struct plan *plan, struct store *store, struct sheaf_error *error)
{
    const uint8_t pending = SHEAF_TASK_PENDING;
    const int32_t none = 0;
    enum sheaf_status status = SHEAF_OK;
    for (int64_t t = 0; t < suspect->record.count && !status; t++)
        status = store_write_status(store, find_task(suspect, plan, t), 1, &pending, &none, error);
    return status;
}

/** Whether the verdict on one task of the chunk is that on another, too: what could not be read is the other's input as well. */
static bool
shares_verdict(const struct suspects *suspects, const struct suspect *suspect, const struct plan *plan, int64_t t)
{
    const int64_t culprit = (int64_t)suspect->verdict.task - 1;
    return t == culprit || (suspect->record.reading > 0 && suspect->record.reading <= suspects->input_count &&
                            source_reads_together(&suspects->inputs[suspect->record.reading - 1],
                                                  find_task(suspect, plan, culprit), find_task(suspect, plan, t)));
}

static enum sheaf_status
quarantine(const struct suspects *suspects, const struct suspect *suspect, const struct plan *plan, struct store *store,
           struct sheaf_error *error)
{
    const uint8_t quarantined = SHEAF_TASK_QUARANTINED;
    enum sheaf_status status = SHEAF_OK;
    for (int64_t t = 0; t < suspect->record.count && !status; t++)
        if (shares_verdict(suspects, suspect, plan, t))
            status =
                store_write_status(store, find_task(suspect, plan, t), 1, &quarantined, &suspect->verdict.info, error);
    return status;
}

/** The rows first: until the record is there, it is judged again, and in the same way. */
static enum sheaf_status
write_verdict(const struct suspects *suspects, const struct suspect *suspect, const struct plan *plan,
              struct store *store, struct sheaf_error *error)
{
    const struct poison_verdict *verdict = &suspect->verdict;
    struct record_chunk record = suspect->record;
    enum sheaf_status status = SHEAF_OK;
    if (verdict->care == RECORD_SINGLY && record.care != RECORD_SINGLY)
        status = clear_rows(suspect, plan, store, error);
    if (!status && verdict->quarantined)
        status = quarantine(suspects, suspect, plan, store, error);
    record.fate = RECORD_SPARED;
    record.signal = 0;
    record.reading = 0;
    record.care = (uint8_t)verdict->care;
    record.task = verdict->quarantined ? 0 : verdict->task;
    record.attempts = verdict->quarantined ? 0 : verdict->attempts;
    return status ? status : store_start_chunk(store, suspect->chunk, &record, error);
}

enum sheaf_status
suspects_write(const struct suspects *suspects, const struct plan *plan, struct store *store, struct sheaf_error *error)
{
    enum sheaf_status status = SHEAF_OK;
    // What clears the others is written last: whoever is killed in between finds them cleared still.
    for (int named = 0; named <= 1; named++)
        for (int64_t i = 0; i < suspects->count && !status; i++)
            if (poison_is_named(&suspects->all[i].record) == (named == 1))
                status = write_verdict(suspects, &suspects->all[i], plan, store, error);
    return status;
}

/** What a task did, and of how many it is the first one that is quarantined. */
static void
print_verdict(const struct suspects *suspects, const struct suspect *suspect, const struct plan *plan, FILE *stream)
{
    const struct poison_verdict *verdict = &suspect->verdict;
    int64_t more = 0;
    for (int64_t t = 0; t < suspect->record.count; t++)
        more += t + 1 != verdict->task && verdict->quarantined && shares_verdict(suspects, suspect, plan, t);
    fprintf(stream, "  task %lld %s%s%s, attempt %u of %lld\n",
            (long long)find_task(suspect, plan, (int64_t)verdict->task - 1),
            verdict->quarantined ? "is quarantined: it " : "",
            suspect->record.fate == RECORD_TIMED_OUT ? "ran out of time" : "killed its process",
            suspect->record.reading > 0 ? " while its input was read" : "", verdict->attempts,
            (long long)suspects->attempts);
    if (more > 0)
        fprintf(stream, "    and so %s %lld more that cannot be read without reading what that needs\n",
                more == 1 ? "is" : "are", (long long)more);
}

void
suspects_print(const struct suspects *suspects, const struct plan *plan, FILE *stream)
{
    int64_t shown = 0;
    for (int64_t i = 0; i < suspects->count && shown < SHOWN; i++) {
        const struct suspect *suspect = &suspects->all[i];
        if (suspect->verdict.attempts == 0 || suspect->record.fate == RECORD_SPARED)
            continue;
        print_verdict(suspects, suspect, plan, stream);
        shown++;
    }
}
