#include "threads.h"

#include "fixture.h"

#include <pthread.h>
#include <stdatomic.h>

enum { THREADS_MOST = 8 };

struct job {
    sheaf_parallel_body *body;
    void *argument;
    int64_t items, grain;
    _Atomic int64_t next;
};

static void *
work(void *argument)
{
    struct job *job = argument;
    int64_t first;
    while ((first = atomic_fetch_add(&job->next, job->grain)) < job->items)
        job->body(job->argument, first, first + job->grain < job->items ? first + job->grain : job->items);
    return NULL;
}

void
threads_parallel_for(void *team, int64_t items, int64_t grain, sheaf_parallel_body *body, void *argument)
{
    int32_t count = *(int32_t *)team;
    pthread_t threads[THREADS_MOST];
    struct job job = {.body = body, .argument = argument, .items = items, .grain = grain};
    assert_true(count >= 1 && count <= THREADS_MOST);
    for (int32_t i = 0; i < count; i++)
        assert_int_equal(pthread_create(&threads[i], NULL, work, &job), 0);
    for (int32_t i = 0; i < count; i++)
        assert_int_equal(pthread_join(threads[i], NULL), 0);
}
