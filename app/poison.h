/**
 * @file poison.h
 * Tasks that kill their process, or never end: what is to become of a chunk that was in flight when a run ended. Pure.
 *
 * When one rank dies the launcher ends them all, so a death proves nothing about most of what was in flight. Three things do: the
 * rank's own last word (a signal that the computation itself raised, a timeout); that a rank was asked to stop while it still lived, so that
 * it is not the one which died first; and, of what was computed alone, that the host has killed a process for want of memory meanwhile.
 * What is not cleared by the first two is computed again alone, at the end; what dies there again of itself, one task after the
 * other. Only a task that is known to have done it is charged with an attempt.
 */
#ifndef SHEAF_POISON_H
#define SHEAF_POISON_H

#include "records.h"

/** Attempts that a task has, where nobody says otherwise. */
#define POISON_ATTEMPTS 2

/** Added to a quarantined task's info: it was not computed, its input was being read. */
enum { POISON_READING = 256 };

/** What is known besides a chunk's record. */
struct poison_facts {
    bool culprit_known; /**< another chunk of the same start is known to have ended it */
    bool same_host;     /**< this host is the one that the chunk was computed on */
    uint32_t oom_kills; /**< of this host, now: 1 + how many; 0: not known */
    int64_t attempts;   /**< that a task has */
};

/** How a chunk is to be computed now. */
struct poison_verdict {
    enum record_care care;
    uint32_t task;     /**< 1 + the one that is known, or suspected, to have ended its process; 0: none */
    uint16_t attempts; /**< that it is charged with */
    bool quarantined;  /**< it is not tried again */
    int32_t info;      /**< of a quarantined one: the signal, 0: it ran out of time; and POISON_READING */
};

/** Judge a chunk whose valid record says that it was started. */
void poison_judge(const struct record_chunk *record, const struct poison_facts *facts, struct poison_verdict *verdict);

/** @return whether the record names its chunk as what ended its process */
bool poison_is_named(const struct record_chunk *record);

#endif
