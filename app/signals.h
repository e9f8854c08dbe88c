/**
 * @file signals.h
 * SIGUSR1, SIGTERM and SIGINT ask a run to drain. Their handler only notes that and wakes the main thread. No MPI.
 */
#ifndef SHEAF_SIGNALS_H
#define SHEAF_SIGNALS_H

#include "queue.h"

/** Signals that come sooner after the first one are the same wish: launchers send two kinds of them at once. */
#define SIGNALS_SAME_NS (INT64_C(500) * 1000000)

/**
 * Catch the signals from now on, until the process ends, and ring this rank's bell with each. What was asked for stays asked for.
 * @param[in] queue  NULL: nobody is to be woken, and its memory is no more looked at
 */
void signals_watch(struct queue *queue, int local_rank);

/** What the signals that came so far ask for. */
enum queue_drain signals_wish(void);

/** The first signal that came, "SIGTERM"; "" where none has. */
const char *signals_first(void);

#endif
