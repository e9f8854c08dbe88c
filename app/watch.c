#include "watch.h"
#include "node.h"

#include <sched.h>
#include <signal.h>
#include <stdlib.h>
#include <unistd.h>

static const int faults[] = {SIGSEGV, SIGBUS, SIGFPE, SIGILL, SIGABRT};

enum { FAULTS = sizeof faults / sizeof faults[0], STACK_BYTES = 64 * 1024 };

static struct sigaction before[FAULTS];
static bool caught;
static struct watch *_Atomic all[WATCH_MOST];
/** What this thread computes: only while a kernel has it. */
static _Thread_local struct watch *_Atomic current;
static _Thread_local bool exempt;

/** Wait for whoever else reads or writes the record: a short while. @return false where nothing is computed any more */
static bool
hold(struct watch *watch)
{
    for (;;) {
        int phase = WATCH_COMPUTING;
        if (atomic_compare_exchange_strong(&watch->phase, &phase, WATCH_HELD))
            return true;
        if (phase != WATCH_HELD)
            return false;
        sched_yield();
    }
}

static void
release(struct watch *watch)
{
    atomic_store(&watch->phase, WATCH_COMPUTING);
}

/** With the watch held: write the last word about its chunk. */
static void
condemn(struct watch *watch, enum record_fate fate, int number)
{
    struct sheaf_error ignored; // the process ends, whether it can be said why or not
    watch->record.fate = (uint8_t)fate;
    watch->record.signal = (uint8_t)number;
    store_start_chunk(watch->store, watch->chunk, &watch->record, &ignored);
    atomic_store(&watch->phase, WATCH_CONDEMNED);
}

/** What a fault of this thread is laid on: its own computation; of a kernel's helper, the only one that there is. */
static struct watch *
find_culprit(void)
{
    struct watch *found = atomic_load(&current);
    for (int i = 0; i < WATCH_MOST && !atomic_load(&current) && !exempt; i++) {
        struct watch *watch = atomic_load(&all[i]);
        int phase = watch ? atomic_load(&watch->phase) : WATCH_IDLE;
        if (phase != WATCH_COMPUTING && phase != WATCH_HELD)
            continue;
        if (found)
            return NULL;
        found = watch;
    }
    return found;
}

/** Only what a handler may do: atomics, a checksum, pwrite. A signal that somebody else sent says nothing about the computation. */
static void
take_fault(int number, siginfo_t *about, void *context)
{
    bool own = about->si_code > 0 || about->si_pid == getpid();
    struct watch *watch = own ? find_culprit() : NULL;
    (void)context;
    if (watch && hold(watch))
        condemn(watch, RECORD_SIGNALLED, number);
    for (int i = 0; i < FAULTS; i++)
        if (faults[i] == number)
            sigaction(number, &before[i], NULL);
    if (about->si_code <= 0)
        raise(number); // a fault of the processor is repeated by itself
}

void
watch_catch_faults(void)
{
    struct sigaction action = {.sa_sigaction = take_fault, .sa_flags = SA_SIGINFO | SA_ONSTACK};
    sigemptyset(&action.sa_mask);
    exempt = true;
    for (int i = 0; i < FAULTS && !caught; i++)
        sigaction(faults[i], &action, &before[i]);
    caught = true;
}

void
watch_exempt_thread(void)
{
    exempt = true;
}

void
watch_enter_thread(struct watch *watch)
{
    stack_t stack = {.ss_size = STACK_BYTES}, now;
    for (int i = 0; i < WATCH_MOST; i++) {
        struct watch *none = NULL;
        if (atomic_compare_exchange_strong(&all[i], &none, watch))
            break;
    }
    watch->stack = NULL;
    if (sigaltstack(NULL, &now) != 0 || !(now.ss_flags & SS_DISABLE))
        return; // somebody has given it one
    stack.ss_sp = watch->stack = malloc(STACK_BYTES);
    if (stack.ss_sp)
        sigaltstack(&stack, NULL);
}

void
watch_leave_thread(struct watch *watch)
{
    const stack_t none = {.ss_flags = SS_DISABLE};
    for (int i = 0; i < WATCH_MOST; i++) {
        struct watch *own = watch;
        atomic_compare_exchange_strong(&all[i], &own, NULL);
    }
    if (watch->stack)
        sigaltstack(&none, NULL);
    free(watch->stack);
    watch->stack = NULL;
}

void
watch_begin(struct watch *watch, struct store *store, int64_t chunk, const struct record_chunk *record, bool recorded)
{
    watch->store = store;
    watch->chunk = chunk;
    watch->record = *record;
    watch->recorded = recorded;
    atomic_store(&watch->since, node_nanoseconds());
    atomic_store(&watch->phase, WATCH_COMPUTING);
    atomic_store(&current, watch);
}

enum sheaf_status
watch_step(struct watch *watch, int64_t task, uint16_t attempts, bool write, struct sheaf_error *error)
{
    enum sheaf_status status = SHEAF_OK;
    atomic_store(&current, NULL); // a handler of this thread would wait for itself
    if (!hold(watch))
        return sheaf_fail(error, SHEAF_INTERRUPTED, "%s", "");
    watch->record.task = (uint32_t)task + 1;
    watch->record.attempts = attempts;
    if (write)
        status = store_start_chunk(watch->store, watch->chunk, &watch->record, error);
    atomic_store(&watch->since, node_nanoseconds());
    release(watch);
    atomic_store(&current, watch);
    return status;
}

bool
watch_end(struct watch *watch)
{
    atomic_store(&current, NULL);
    if (!hold(watch))
        return false;
    atomic_store(&watch->phase, WATCH_IDLE);
    return true;
}

void
watch_spare(struct watch *watch)
{
    struct sheaf_error ignored; // then it stays under suspicion
    if (!hold(watch))
        return;
    watch->record.fate = RECORD_SPARED;
    if (watch->recorded)
        store_start_chunk(watch->store, watch->chunk, &watch->record, &ignored);
    release(watch);
}

bool
watch_condemn(struct watch *watch, int64_t now, int64_t limit, struct record_chunk *record)
{
    if (now - atomic_load(&watch->since) <= limit || !hold(watch))
        return false;
    bool overdue = now - atomic_load(&watch->since) > limit;
    if (overdue) {
        condemn(watch, RECORD_TIMED_OUT, 0);
        *record = watch->record;
    } else {
        release(watch);
    }
    return overdue;
}
