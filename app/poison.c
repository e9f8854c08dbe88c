#include "poison.h"

#include <signal.h>

bool
poison_is_named(const struct record_chunk *record)
{
    return record->fate == RECORD_SIGNALLED || record->fate == RECORD_TIMED_OUT;
}

/**
 * Whether a process that was computing alone was killed for want of memory. Kills from outside, and the loss of a node, leave the count
 * as it was, or are gone on with on another host, or after a restart that began the count anew.
 */
static bool
ran_out_of_memory(const struct record_chunk *record, const struct poison_facts *facts)
{
    if (!facts->same_host)
        return false;
    if (record->oom_kills == 0 || facts->oom_kills == 0)
        return true; // this system does not count: that it was alone has to do
    return facts->oom_kills > record->oom_kills;
}

/** It died of this chunk. */
static void
charge(const struct record_chunk *record, const struct poison_facts *facts, struct poison_verdict *verdict)
{
    verdict->care = RECORD_SINGLY;
    verdict->task = record->count == 1 ? 1 : record->task;
    verdict->attempts = 0;
    if (verdict->task == 0)
        return; // one of several
    verdict->attempts = (uint16_t)(record->attempts + 1);
    if (verdict->attempts < facts->attempts)
        return;
    verdict->quarantined = true;
    verdict->info = record->fate == RECORD_SIGNALLED ? record->signal : record->fate == RECORD_TIMED_OUT ? 0 : SIGKILL;
    verdict->info += record->reading > 0 ? POISON_READING : 0;
}

void
poison_judge(const struct record_chunk *record, const struct poison_facts *facts, struct poison_verdict *verdict)
{
    *verdict = (struct poison_verdict){
        .care = (enum record_care)record->care, .task = record->task, .attempts = record->attempts};
    const bool silent = record->fate == RECORD_IN_FLIGHT && !facts->culprit_known;
    if (silent && record->care == RECORD_AMONG_OTHERS)
        *verdict = (struct poison_verdict){.care = RECORD_ALONE};
    else if (poison_is_named(record) || (silent && ran_out_of_memory(record, facts)))
        charge(record, facts, verdict);
}
