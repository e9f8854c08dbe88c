#include "resume_check.h"

#include <pthread.h>
#include <stdlib.h>

enum { THREADS_MOST = 16 /**< more than disks and memory can feed */ };

/** What a thread reads with. */
struct reader {
    struct resume_check *check;
    struct record_digest *digest;
    char *room;
    uint8_t *status;
    int32_t *info;
};

static enum sheaf_status
digest_output(const struct reader *reader, int output, const struct plan_chunk *chunk)
{
    const struct resume_check *check = reader->check;
    enum sheaf_status status = SHEAF_OK;
    int64_t task, count;
    for (int64_t done = 0; done < chunk->count && !status; done += count) {
        count = plan_run(check->plan, chunk->first + done, chunk->count - done, &task);
        status = store_digest(check->store, output, task, count, reader->room, reader->digest, NULL);
    }
    return status;
}

static enum sheaf_status
digest_status(const struct reader *reader, const struct plan_chunk *chunk)
{
    const struct resume_check *check = reader->check;
    int64_t task, count;
    for (int64_t done = 0; done < chunk->count; done += count) {
        count = plan_run(check->plan, chunk->first + done, chunk->count - done, &task);
        enum sheaf_status status =
            store_read_status(check->store, task, count, reader->status + done, reader->info + done, NULL);
        if (status)
            return status;
    }
    record_digest_add(reader->digest, reader->status, (size_t)chunk->count);
    record_digest_add(reader->digest, reader->info, (size_t)chunk->count * sizeof *reader->info);
    return SHEAF_OK;
}

static bool
is_right(const struct reader *reader, int64_t number)
{
    struct resume_check *check = reader->check;
    const struct plan_chunk chunk = plan_find(check->plan, number);
    struct record_chunk record;
    record_digest_reset(reader->digest);
    for (int i = 0; i < check->map->output_count; i++)
        if (!check->map->outputs[i].shared && digest_output(reader, i, &chunk))
            return false;
    if (digest_status(reader, &chunk) || store_read_record(check->store, number, &record, NULL))
        return false;
    atomic_fetch_add(&check->bytes, chunk.count * (check->plan->classes[chunk.class_index].output_bytes +
                                                   (int64_t)(sizeof *reader->status + sizeof *reader->info)));
    return record.result_checksum == record_digest_value(reader->digest);
}

static void *
reader_main(void *argument)
{
    const struct reader *reader = argument;
    struct resume_check *check = reader->check;
    for (int64_t i; (i = atomic_fetch_add(&check->next, 1)) < check->count;)
        check->right[i] = is_right(reader, check->chunks[i]);
    return NULL;
}

static bool
open_reader(struct reader *reader, struct resume_check *check)
{
    int64_t most = 1;
    for (int i = 0; i < check->plan->class_count; i++)
        most = check->plan->classes[i].tasks_per_chunk > most ? check->plan->classes[i].tasks_per_chunk : most;
    *reader = (struct reader){.check = check,
                              .digest = record_digest_create(),
                              .room = malloc(STORE_PIECE_BYTES),
                              .status = malloc((size_t)most * sizeof *reader->status),
                              .info = malloc((size_t)most * sizeof *reader->info)};
    return reader->digest && reader->room && reader->status && reader->info;
}

static void
close_reader(struct reader *reader)
{
    record_digest_destroy(reader->digest);
    free(reader->room);
    free(reader->status);
    free(reader->info);
}

enum sheaf_status
resume_check(struct resume_check *check, struct sheaf_error *error)
{
    struct reader readers[THREADS_MOST];
    pthread_t threads[THREADS_MOST];
    int64_t wanted = check->threads < THREADS_MOST ? check->threads : THREADS_MOST;
    int opened = 0, started = 0;
    wanted = wanted < check->count ? wanted : check->count;
    // This thread is the first; where there is no memory or thread for another one, those that are there do all.
    while (opened < (wanted > 1 ? wanted : 1) && open_reader(&readers[opened], check))
        opened++;
    while (opened > 0 && started < opened - 1 &&
           pthread_create(&threads[started], NULL, reader_main, &readers[started + 1]) == 0)
        started++;
    if (opened > 0)
        reader_main(&readers[0]);
    for (int i = 0; i < started; i++)
        pthread_join(threads[i], NULL);
    bool complete = opened > 0;
    if (opened < THREADS_MOST && opened < (wanted > 1 ? wanted : 1))
        opened++; // the one that failed half-way
    for (int i = 0; i < opened; i++)
        close_reader(&readers[i]);
    return complete ? SHEAF_OK : sheaf_fail(error, SHEAF_NO_RESOURCES, "no memory to check results");
}
