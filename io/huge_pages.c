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
static const int64_t RESERVING_NS = INT64_C(250000); /* 0.45 ms, less what writing to a huge page takes */
static _Atomic int64_t small_ns = INT64_C(1000000), huge_ns;
enum { LATELY = 8 };

/* Blocks that are asked for at once while they come soon, twice as many each time: for each time the kernel has all cores hand in what they
 * hold back. */
enum { RUN_MOST = 8 };

/* How much time may be lost to huge pages that take longer than small ones: a little at first, and of what was gained since no more than
 * the most, for what was gained long ago is no reason to lose much now. Each block that is not asked for brings something back, so
 * that now and then one is tried. */
static const int64_t CREDIT_MOST_NS = INT64_C(30000000), SKIPPED_NS = INT64_C(50000);
static _Atomic int64_t credit_ns = INT64_C(5000000);

static atomic_int run = 1;  /* blocks to be asked for at once */
static atomic_bool refused; /* the kernel cannot: no more is asked for */
static atomic_bool given;   /* it has been seen that it can */

int64_t
huge_pages_clock(void)
{
    struct timespec now;

    clock_gettime(CLOCK_THREAD_CPUTIME_ID, &now);
    return now.tv_sec * INT64_C(1000000000) + now.tv_nsec;
}

static size_t
whole_pages(int64_t bytes)
{
    const size_t page = (size_t)sysconf(_SC_PAGESIZE);

    return ((size_t)bytes + page - 1) / page * page;
}

char *
huge_pages_map(int descriptor, int protection, int64_t offset, int64_t bytes)
{
    const size_t page = whole_pages(1), length = whole_pages(bytes), block = (size_t)HUGE_PAGES_BLOCK;
    const size_t room_bytes = length + block + 2 * page;
    char *room = mmap(NULL, room_bytes, PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);

    if (room == MAP_FAILED)
        return NULL;
    const size_t before = page + ((uintptr_t)offset - (uintptr_t)(room + page)) % block;
    char *at = mmap(room + before, length, protection, MAP_SHARED | MAP_FIXED, descriptor, (off_t)offset);
    if (at == MAP_FAILED) {
        munmap(room, room_bytes);
        return NULL;
    }
    if (before > page)
        munmap(room, before - page);
    munmap(at + length + page, room_bytes - before - length - page);
    return at;
}

void
huge_pages_unmap(char *mapping, int64_t bytes)
{
    const size_t page = whole_pages(1);

    munmap(mapping - page, whole_pages(bytes) + 2 * page);
}

static void
settle(int64_t gained_ns)
{
    if (atomic_fetch_add(&credit_ns, gained_ns) + gained_ns > CREDIT_MOST_NS)
        atomic_store(&credit_ns, CREDIT_MOST_NS);
}

static void
average(_Atomic int64_t *mean, int64_t value)
{
    const int64_t before = atomic_load(mean);

    atomic_store(mean, before > 0 ? before + (value - before) / LATELY
                                  : value); /* that one of several threads may be lost does no harm */
}

void
huge_pages_note_small(int64_t bytes, int64_t nanoseconds)
{
    average(&small_ns, RESERVING_NS + (int64_t)((double)nanoseconds * (double)HUGE_PAGES_BLOCK / (double)bytes));
}

static bool
collapse(char *blocks, int count)
{
    bool ready = true;

    /* the kernel takes a block's small pages together if at least one of them is there; it makes and clears those that are not */
    for (int i = 0; i < count && ready; i++)
        ready = madvise(blocks + i * HUGE_PAGES_BLOCK, 1, MADV_POPULATE_WRITE) == 0;
    return ready && madvise(blocks, (size_t)(count * HUGE_PAGES_BLOCK), MADV_COLLAPSE) == 0;
}

/* Ask for blocks that lie side by side, or leave it. */
static void
ask(char *blocks, int count)
{
    if (atomic_load(&credit_ns) <= 0 && atomic_load(&small_ns) < atomic_load(&huge_ns)) {
        settle(count * SKIPPED_NS);
        return;
    }
    const int64_t start = huge_pages_clock();
    const bool made = collapse(blocks, count);
    const int reason = made ? 0 : errno;
    const int64_t spent = huge_pages_clock() - start;
    if (made)
        atomic_store(&given, true);
    else if (reason == EINVAL && !atomic_load(&given))
        atomic_store(&refused, true);
    const bool soon = made && 4 * spent < count * atomic_load(&small_ns);
    atomic_store(&run, !soon ? 1 : count < RUN_MOST / 2 ? 2 * count : RUN_MOST);
    average(&huge_ns, spent / count);
    settle((made ? count * atomic_load(&small_ns) : 0) - spent);
}

/* Whether the page of an address is there, and not only reserved: as a part of a huge one, or because it was written to. */
static bool
is_there(char *address)
{
    const uintptr_t page = (uintptr_t)sysconf(_SC_PAGESIZE);
    unsigned char there;

    return mincore(address - (uintptr_t)address % page, 1, &there) == 0 && (there & 1);
}

/* Blocks of a mapping, from one on, that nobody has got as huge pages or has written to: so many as are asked for at once. */
static int
count_missing(char *block, int64_t left)
{
    const int most = atomic_load(&run);
    int count = 0;

    while (count < most && (count + 1) * HUGE_PAGES_BLOCK <= left &&
           !is_there(block + count * HUGE_PAGES_BLOCK + HUGE_PAGES_BLOCK / 2))
        count++;
    return count;
}

void
huge_pages_ask(char *mapping, int64_t bytes)
{
    for (int64_t at = 0; at + HUGE_PAGES_BLOCK <= bytes && !atomic_load(&refused);) {
        const int count = count_missing(mapping + at, bytes - at);
        if (count > 0)
            ask(mapping + at, count);
        at += (count > 0 ? count : 1) * HUGE_PAGES_BLOCK;
    }
}

/* Whether the blocks that [at, at + bytes) touches are there, by now. */
static bool
have_blocks(char *mapping, int64_t mapping_bytes, int64_t at, int64_t bytes)
{
    bool all = true;

    for (int64_t done = 0, some; done < bytes && all; done += some) {
        const int64_t block = (at + done) / HUGE_PAGES_BLOCK * HUGE_PAGES_BLOCK,
                      left = block + HUGE_PAGES_BLOCK - (at + done);
        some = left < bytes - done ? left : bytes - done;
        char *middle = mapping + at + done + some / 2; /* at its ends others may have written to a page */
        all = is_there(middle);
        if (!all && block + HUGE_PAGES_BLOCK <= mapping_bytes && !atomic_load(&refused)) {
            ask(mapping + block, 1);
            all = is_there(middle);
        }
    }
    return all;
}

bool
huge_pages_prepare(char *mapping, int64_t mapping_bytes, int64_t at, int64_t bytes)
{
    const int64_t first = at - at % (int64_t)sysconf(_SC_PAGESIZE);

    /* unlike a fault, madvise says so when there is no page to be had */
    return have_blocks(mapping, mapping_bytes, at, bytes) &&
           madvise(mapping + first, (size_t)(at + bytes - first), MADV_POPULATE_WRITE) == 0;
}
