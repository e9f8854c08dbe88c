/**
 * @file courier.h
 * The main thread during a run: passes news between queue, messages and engine; sleeps when there is none.
 */
#ifndef SHEAF_COURIER_H
#define SHEAF_COURIER_H

#include "dispatch.h"
#include "drain.h"
#include "engine.h"
#include "progress.h"

struct courier_setup {
    const struct comm_place *place;
    struct queue *queue;
    struct dispatch *dispatch;
    struct engine *engine;
    struct progress *progress; /**< root only; NULL elsewhere */
    struct drain *drain;
};

/**
 * Attend to a started engine until the run is over for this rank. Makes no blocking MPI call.
 * @return when all chunks were committed, as a leader knew (the root: when other nodes had also synced), CLOCK_MONOTONIC nanoseconds
 */
int64_t courier_attend(const struct courier_setup *setup);

#endif
