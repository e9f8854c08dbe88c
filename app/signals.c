#include "signals.h"
#include "node.h"

#include <errno.h>
#include <signal.h>

static const struct {
    int number;
    const char *name;
} watched[] = {{SIGUSR1, "SIGUSR1"}, {SIGTERM, "SIGTERM"}, {SIGINT, "SIGINT"}};

enum { WATCHED = sizeof watched / sizeof watched[0] };

// A handler may touch lock-free atomics only, and any thread of the process may run it.
static struct queue *_Atomic bell_queue;
static _Atomic int bell_rank;
static _Atomic int first;
static _Atomic int64_t first_ns;
static _Atomic int wish;

static void
note(int number)
{
    int saved = errno, none = 0;
    int64_t now = node_nanoseconds();
    if (atomic_compare_exchange_strong(&first, &none, number)) {
        atomic_store(&first_ns, now);
        atomic_store(&wish, QUEUE_DRAIN);
    } else if (atomic_load(&first_ns) > 0 && now - atomic_load(&first_ns) > SIGNALS_SAME_NS) {
        atomic_store(&wish, QUEUE_DROP);
    }
    struct queue *queue = atomic_load(&bell_queue);
    if (queue)
        queue_ring(queue, atomic_load(&bell_rank));
    errno = saved;
}

void
signals_watch(struct queue *queue, int local_rank)
{
    struct sigaction action = {.sa_handler = note, .sa_flags = SA_RESTART};
    sigemptyset(&action.sa_mask);
    atomic_store(&bell_queue, NULL);
    atomic_store(&bell_rank, local_rank);
    atomic_store(&bell_queue, queue);
    for (int i = 0; i < WATCHED; i++)
        sigaction(watched[i].number, &action, NULL);
}

enum queue_drain
signals_wish(void)
{
    return (enum queue_drain)atomic_load(&wish);
}

const char *
signals_first(void)
{
    int number = atomic_load(&first);
    for (int i = 0; i < WATCHED; i++)
        if (watched[i].number == number)
            return watched[i].name;
    return "";
}
