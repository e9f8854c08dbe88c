#include "huge_pages.h"

#include <errno.h>
#include <stdatomic.h>
#include <sys/mman.h>
#include <time.h>
#include <unistd.h>

#ifndef MADV_POPULATE_WRITE
#define MADV_POPULATE_WRITE 23
#endif
#ifndef MADV_COLLAPSE
#define MADV_COLLAPSE 25
#endif

/* What a block of small pages costs, on average of late: reserving them, and writing to them one by one. A huge one takes 0.1 to 0.2 ms if
 * its memory is at hand, else 4; so do small ones then, if theirs is not at hand either. */
static const int64_t RESERVING_NS = INT64_C(450000);
static _Atomic int64_t small_ns = INT64_C(1000000), huge_ns;
enum { LATELY = 8 };

/* How much time may be lost to huge pages that took longer than small ones; and what each block that is not asked for brings back, so
 * that now and then one is tried. */
static const int64_t CREDIT_NS = INT64_C(20000000), SKIPPED_NS = INT64_C(50000);

static atomic_bool refused;  /* the kernel cannot: no more is asked for */
static _Atomic int64_t lost; /* nanoseconds that huge pages took more than small ones would have; -CREDIT_NS at least */

int64_t
huge_pages_clock(void)
{
    struct timespec now;

    clock_gettime(CLOCK_THREAD_CPUTIME_ID, &now);
    return now.tv_sec * INT64_C(1000000000) + now.tv_nsec;
}

char *
huge_pages_map(int descriptor, int protection, int64_t offset, int64_t bytes)
{
    const size_t room_bytes = (size_t)(bytes + HUGE_PAGES_BLOCK);
    char *room = mmap(NULL, room_bytes, PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);

    if (room == MAP_FAILED)
        return NULL;
    const size_t before = ((uintptr_t)offset - (uintptr_t)room) % (size_t)HUGE_PAGES_BLOCK,
                 page = (size_t)sysconf(_SC_PAGESIZE);
    const size_t used = before + ((size_t)bytes + page - 1) / page * page;
    const int flags = MAP_SHARED | MAP_FIXED;
    char *at = mmap(room + before, (size_t)bytes, protection, flags, descriptor, (off_t)offset);
    if (at == MAP_FAILED) {
        munmap(room, room_bytes);
        return NULL;
    }
    if (before > 0)
        munmap(room, before);
    if (used < room_bytes)
        munmap(room + used, room_bytes - used);
    return at;
}

static void
settle(int64_t saved_ns)
{
    if (atomic_fetch_sub(&lost, saved_ns) - saved_ns < -CREDIT_NS)
        atomic_store(&lost, -CREDIT_NS); /* what was saved long ago is no reason to lose much now */
}

static void
average(_Atomic int64_t *mean, int64_t value)
{
    const int64_t before = atomic_load(mean);

    atomic_store(mean, before + (value - before) / LATELY); /* that one of several threads may be lost does no harm */
}

void
huge_pages_note_small(int64_t bytes, int64_t nanoseconds)
{
    average(&small_ns, RESERVING_NS + (int64_t)((double)nanoseconds * (double)HUGE_PAGES_BLOCK / (double)bytes));
}

/* The kernel takes a block's small pages together if at least one of them is there; it makes and clears those that are not. */
static void
ask(char *block)
{
    if (atomic_load(&lost) > CREDIT_NS && atomic_load(&small_ns) < atomic_load(&huge_ns)) {
        settle(SKIPPED_NS);
        return;
    }
    const int64_t start = huge_pages_clock();
    const bool made =
        madvise(block, 1, MADV_POPULATE_WRITE) == 0 && madvise(block, HUGE_PAGES_BLOCK, MADV_COLLAPSE) == 0;
    const int reason = made ? 0 : errno;
    const int64_t spent = huge_pages_clock() - start;
    if (reason == EINVAL)
        atomic_store(&refused, true);
    average(&huge_ns, spent);
    settle((made ? atomic_load(&small_ns) : 0) - spent);
}

/* Whether the page of an address is there, and not only reserved: as a part of a huge one, or because it was written to. */
static bool
is_there(char *address)
{
    const uintptr_t page = (uintptr_t)sysconf(_SC_PAGESIZE);
    unsigned char there;

    return mincore(address - (uintptr_t)address % page, 1, &there) == 0 && (there & 1);
}

void
huge_pages_ask(char *mapping, int64_t bytes)
{
    for (int64_t at = 0; at + HUGE_PAGES_BLOCK <= bytes && !atomic_load(&refused); at += HUGE_PAGES_BLOCK)
        if (!is_there(mapping + at + HUGE_PAGES_BLOCK / 2)) /* else it is huge already, or somebody has been sooner */
            ask(mapping + at);
}

bool
huge_pages_ask_for(char *mapping, int64_t mapping_bytes, int64_t at, int64_t bytes)
{
    bool all = true;

    for (int64_t done = 0, some; done < bytes && all; done += some) {
        const int64_t block = (at + done) / HUGE_PAGES_BLOCK * HUGE_PAGES_BLOCK,
                      left = block + HUGE_PAGES_BLOCK - (at + done);
        some = left < bytes - done ? left : bytes - done;
        char *middle = mapping + at + done + some / 2; /* at its ends others may have written to a page */
        all = is_there(middle);
        if (!all && block + HUGE_PAGES_BLOCK <= mapping_bytes && !atomic_load(&refused)) {
            ask(mapping + block);
            all = is_there(middle);
        }
    }
    return all;
}
