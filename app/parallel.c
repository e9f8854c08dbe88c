#include "parallel.h"

#include <pthread.h>
#include <stdatomic.h>
#include <stdlib.h>

/** A job, on the stack of the thread that wants it done. */
struct job {
    sheaf_parallel_body *body;
    void *argument;
    int64_t items, grain, pieces;
    _Atomic int64_t next; /**< the first piece that nobody has taken */
};

struct parallel {
    int helpers; /**< threads that were created */
    pthread_t *threads;
    pthread_mutex_t mutex; /**< guards all below */
    pthread_cond_t wake;   /**< the helpers': a job, or the end */
    pthread_cond_t done;   /**< the caller's: no helper is at work */
    struct job *job;       /**< NULL: none that a helper may still join */
    int at_work;           /**< helpers that have joined the job */
    bool quit;
};

static void
take_pieces(struct job *job)
{
    int64_t piece;
    while ((piece = atomic_fetch_add_explicit(&job->next, 1, memory_order_relaxed)) < job->pieces) {
        int64_t first = piece * job->grain, left = job->items - first;
        job->body(job->argument, first, first + (left < job->grain ? left : job->grain));
    }
}

static void *
helper_main(void *argument)
{
    struct parallel *parallel = argument;
    pthread_mutex_lock(&parallel->mutex);
    for (;;) {
        struct job *job = parallel->job;
        /* A job without pieces left is another's to end: whoever waits for it must not be kept by late comers. */
        if (job && atomic_load_explicit(&job->next, memory_order_relaxed) < job->pieces) {
            parallel->at_work++;
            pthread_mutex_unlock(&parallel->mutex);
            take_pieces(job);
            pthread_mutex_lock(&parallel->mutex);
            if (--parallel->at_work == 0)
                pthread_cond_signal(&parallel->done);
        } else if (parallel->quit) {
            break;
        } else {
            pthread_cond_wait(&parallel->wake, &parallel->mutex);
        }
    }
    pthread_mutex_unlock(&parallel->mutex);
    return NULL;
}

enum sheaf_status
parallel_create(int width, struct parallel **out, struct sheaf_error *error)
{
    *out = NULL;
    struct parallel *parallel = calloc(1, sizeof *parallel);
    pthread_t *threads = calloc((size_t)width, sizeof *threads);
    if (!parallel || !threads) {
        free(parallel);
        free(threads);
        return sheaf_fail(error, SHEAF_NO_RESOURCES, "no memory for %d threads", width);
    }
    parallel->threads = threads;
    pthread_mutex_init(&parallel->mutex, NULL);
    pthread_cond_init(&parallel->wake, NULL);
    pthread_cond_init(&parallel->done, NULL);
    while (parallel->helpers < width - 1) {
        if (pthread_create(&threads[parallel->helpers], NULL, helper_main, parallel) != 0) {
            sheaf_error_set(error, SHEAF_NO_RESOURCES,
                            "cannot create %d threads to share a task, %d are there; look at ulimit -u", width - 1,
                            parallel->helpers);
            parallel_destroy(parallel);
            return SHEAF_NO_RESOURCES;
        }
        parallel->helpers++;
    }
    *out = parallel;
    return SHEAF_OK;
}

void
parallel_destroy(struct parallel *parallel)
{
    if (!parallel)
        return;
    pthread_mutex_lock(&parallel->mutex);
    parallel->quit = true;
    pthread_cond_broadcast(&parallel->wake);
    pthread_mutex_unlock(&parallel->mutex);
    for (int i = 0; i < parallel->helpers; i++)
        pthread_join(parallel->threads[i], NULL);
    pthread_cond_destroy(&parallel->wake);
    pthread_cond_destroy(&parallel->done);
    pthread_mutex_destroy(&parallel->mutex);
    free(parallel->threads);
    free(parallel);
}

/** Let helpers join a job, as many as it has pieces for. */
static void
announce(struct parallel *parallel, struct job *job)
{
    pthread_mutex_lock(&parallel->mutex);
    parallel->job = job;
    pthread_mutex_unlock(&parallel->mutex);
    for (int i = 0; i < parallel->helpers && i < job->pieces - 1; i++)
        pthread_cond_signal(&parallel->wake);
}

/** Let nobody join any more, and wait for those who have: the job's memory is the caller's again. */
static void
withdraw(struct parallel *parallel)
{
    pthread_mutex_lock(&parallel->mutex);
    parallel->job = NULL;
    while (parallel->at_work > 0)
        pthread_cond_wait(&parallel->done, &parallel->mutex);
    pthread_mutex_unlock(&parallel->mutex);
}

void
parallel_for(void *team, int64_t items, int64_t grain, sheaf_parallel_body *body, void *argument)
{
    struct parallel *parallel = team;
    struct job job = {.body = body,
                      .argument = argument,
                      .items = items,
                      .grain = grain,
                      .pieces = items / grain + (items % grain != 0)};
    bool shared = parallel && parallel->helpers > 0 && job.pieces > 1;
    if (shared)
        announce(parallel, &job);
    take_pieces(&job);
    if (shared)
        withdraw(parallel);
}
