#include "witness.h"
#include "node.h"

#include <sched.h>
#include <signal.h>
#include <stdlib.h>
#include <unistd.h>

static const int faults[] = {SIGSEGV, SIGBUS, SIGFPE, SIGILL, SIGABRT};

enum { FAULTS = sizeof faults / sizeof faults[0], STACK_BYTES = 64 * 1024 };

static struct sigaction before[FAULTS];
static bool caught;
static struct witness *_Atomic all[WITNESS_MOST];
/** What this thread computes or reads: only while a kernel, or the HDF5 library, has it. */
static _Thread_local struct witness *_Atomic current;
static _Thread_local bool exempt, is_main;
/** The main thread goes on without the others. */
static _Atomic bool abandoned;

/** Wait for whoever else reads or writes the record: a short while. @return false where nothing is computed any more */
static bool
hold(struct witness *witness)
{
    for (;;) {
        int phase = WITNESS_COMPUTING;
        if (atomic_compare_exchange_strong(&witness->phase, &phase, WITNESS_HELD))
            return true;
        if (phase != WITNESS_HELD)
            return false;
        sched_yield();
    }
}

static void
release(struct witness *witness)
{
    atomic_store(&witness->phase, WITNESS_COMPUTING);
}

/** With it held: write the last word about its chunk. */
static void
condemn(struct witness *witness, enum record_fate fate, int number)
{
    struct sheaf_error ignored; // the process ends, whether it can be said why or not
    witness->record.fate = (uint8_t)fate;
    witness->record.signal = (uint8_t)number;
    store_start_chunk(witness->store, witness->chunk, &witness->record, &ignored);
    atomic_store(&witness->phase, WITNESS_CONDEMNED);
}

/** What a fault of this thread is laid on: its own computation; of a kernel's helper, the only one that there is. */
static struct witness *
find_culprit(void)
{
    struct witness *found = atomic_load(&current);
    for (int i = 0; i < WITNESS_MOST && !atomic_load(&current) && !exempt; i++) {
        struct witness *witness = atomic_load(&all[i]);
        int phase = witness ? atomic_load(&witness->phase) : WITNESS_IDLE;
        if (phase != WITNESS_COMPUTING && phase != WITNESS_HELD)
            continue;
        if (found)
            return NULL;
        found = witness;
    }
    return found;
}

/** Only what a handler may do: atomics, a checksum, pwrite. A signal that somebody else sent says nothing about the computation. */
static void
take_fault(int number, siginfo_t *about, void *context)
{
    while (atomic_load(&abandoned) && !is_main)
        pause();
    bool own = about->si_code > 0 || about->si_pid == getpid();
    struct witness *witness = own ? find_culprit() : NULL;
    (void)context;
    if (witness && hold(witness))
        condemn(witness, RECORD_SIGNALLED, number);
    for (int i = 0; i < FAULTS; i++)
        if (faults[i] == number)
            sigaction(number, &before[i], NULL);
    if (about->si_code <= 0)
        raise(number); // a fault of the processor is repeated by itself
}

void
witness_catch_faults(void)
{
    struct sigaction action = {.sa_sigaction = take_fault, .sa_flags = SA_SIGINFO | SA_ONSTACK};
    sigemptyset(&action.sa_mask);
    exempt = is_main = true;
    for (int i = 0; i < FAULTS && !caught; i++)
        sigaction(faults[i], &action, &before[i]);
    caught = true;
}

void
witness_exempt_thread(void)
{
    exempt = true;
}

void
witness_abandon_threads(void)
{
    atomic_store(&abandoned, true);
}

void
witness_enter_thread(struct witness *witness)
{
    stack_t stack = {.ss_size = STACK_BYTES}, now;
    for (int i = 0; i < WITNESS_MOST; i++) {
        struct witness *none = NULL;
        if (atomic_compare_exchange_strong(&all[i], &none, witness))
            break;
    }
    witness->stack = NULL;
    if (sigaltstack(NULL, &now) != 0 || !(now.ss_flags & SS_DISABLE))
        return; // somebody has given it one
    stack.ss_sp = witness->stack = malloc(STACK_BYTES);
    if (stack.ss_sp)
        sigaltstack(&stack, NULL);
}

void
witness_leave_thread(struct witness *witness)
{
    const stack_t none = {.ss_flags = SS_DISABLE};
    for (int i = 0; i < WITNESS_MOST; i++) {
        struct witness *own = witness;
        atomic_compare_exchange_strong(&all[i], &own, NULL);
    }
    if (witness->stack)
        sigaltstack(&none, NULL);
    free(witness->stack);
    witness->stack = NULL;
}

void
witness_begin(struct witness *witness, struct store *store, int64_t chunk, const struct record_chunk *record,
              bool recorded)
{
    witness->store = store;
    witness->chunk = chunk;
    witness->record = *record;
    witness->recorded = recorded;
    atomic_store(&witness->since, node_nanoseconds());
    atomic_store(&witness->phase, WITNESS_COMPUTING);
    atomic_store(&current, witness);
}

enum sheaf_status
witness_step(struct witness *witness, int64_t task, uint16_t attempts, int reading, bool write,
             struct sheaf_error *error)
{
    enum sheaf_status status = SHEAF_OK;
    atomic_store(&current, NULL); // a handler of this thread would wait for itself
    if (!hold(witness))
        return sheaf_fail(error, SHEAF_INTERRUPTED, "%s", "");
    witness->record.task = (uint32_t)task + 1;
    witness->record.attempts = attempts;
    witness->record.reading = (uint16_t)reading;
    if (write)
        status = store_start_chunk(witness->store, witness->chunk, &witness->record, error);
    atomic_store(&witness->since, node_nanoseconds());
    release(witness);
    atomic_store(&current, witness);
    return status;
}

bool
witness_end(struct witness *witness)
{
    atomic_store(&current, NULL);
    if (!hold(witness))
        return false;
    atomic_store(&witness->phase, WITNESS_IDLE);
    return true;
}

void
witness_spare(struct witness *witness)
{
    struct sheaf_error ignored; // then it stays under suspicion
    if (!hold(witness))
        return;
    witness->record.fate = RECORD_SPARED;
    if (witness->recorded)
        store_start_chunk(witness->store, witness->chunk, &witness->record, &ignored);
    release(witness);
}

bool
witness_condemn(struct witness *witness, int64_t now, int64_t limit, struct record_chunk *record)
{
    if (now - atomic_load(&witness->since) <= limit || !hold(witness))
        return false;
    bool overdue = now - atomic_load(&witness->since) > limit;
    if (overdue) {
        condemn(witness, RECORD_TIMED_OUT, 0);
        *record = witness->record;
    } else {
        release(witness);
    }
    return overdue;
}
