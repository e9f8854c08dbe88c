/**
 * @file suspects.h
 * Root: the chunks of a results file that is gone on with which were in flight when its last run ended, each with its verdict (poison.h).
 */
#ifndef SHEAF_SUSPECTS_H
#define SHEAF_SUSPECTS_H

#include "plan.h"
#include "poison.h"
#include "store_past.h"

#include <stdio.h>

struct suspect {
    int64_t chunk;
    struct record_chunk record;
    struct poison_verdict verdict;
};

struct suspects {
    int64_t count, attempts;
    const struct source_map *inputs;
    int input_count;
    struct suspect *all; /**< by chunk */
};

/**
 * Judge every chunk that was started and not committed.
 * @param[in]  host      the name of this one
 * @param[in]  attempts  that a task has; 0: the default
 * @param[in]  inputs    (input_count) what the run reads; has to stay while the suspects are used
 * @param[out] suspects  suspects_free is the caller's, also after a failure
 * @return SHEAF_OK; SHEAF_NO_RESOURCES, SHEAF_IO_ERROR
 */
enum sheaf_status suspects_judge(struct store *store, const struct store_past *past, const char *host, int64_t attempts,
                                 const struct source_map *inputs, int input_count, struct suspects *suspects,
                                 struct sheaf_error *error);

void suspects_free(struct suspects *suspects);

/** Whether a chunk has to be computed alone. */
bool suspects_has_alone(const struct suspects *suspects, int64_t chunk);

/** Write the verdicts into the file: from then on they hold until a chunk is begun again. */
enum sheaf_status suspects_write(const struct suspects *suspects, const struct plan *plan, struct store *store,
                                 struct sheaf_error *error);

/** A line for each task that is charged or quarantined, the first ones. */
void suspects_print(const struct suspects *suspects, const struct plan *plan, FILE *stream);

#endif
