#include "huge_pages.h"

#include <errno.h>
#include <sys/mman.h>
#include <time.h>

#ifndef MADV_POPULATE_WRITE
#define MADV_POPULATE_WRITE 23
#endif
#ifndef MADV_COLLAPSE
#define MADV_COLLAPSE 25
#endif

enum { SMALL_BYTES = 4096 };
static const int64_t BLOCK_BYTES = INT64_C(2) << 20;

/* The first touch of a virtual machine's memory takes 5 ms a block, with huge pages or without; a kernel that has to move others'
 * pages out of the way takes more, and is not asked again. */
static const int64_t PATIENCE_NS = INT64_C(100000000), BLOCK_NS = INT64_C(8000000);

static int64_t
nanoseconds(void)
{
    struct timespec now;

    clock_gettime(CLOCK_MONOTONIC, &now);
    return now.tv_sec * INT64_C(1000000000) + now.tv_nsec;
}

/* The kernel takes a range of small pages together if at least one of them is there; it makes and clears those that are not. */
static bool
collapse(char *block)
{
    return madvise(block, SMALL_BYTES, MADV_POPULATE_WRITE) == 0 &&
           madvise(block, (size_t)BLOCK_BYTES, MADV_COLLAPSE) == 0;
}

/* Map whole blocks where the mapping's borders are theirs. */
static char *
map_blocks(int descriptor, int64_t offset, int64_t bytes, char **room)
{
    const uintptr_t mask = (uintptr_t)BLOCK_BYTES - 1;

    *room = mmap(NULL, (size_t)(bytes + BLOCK_BYTES), PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
    if (*room == MAP_FAILED)
        return NULL;
    char *at = *room + (-(uintptr_t)*room & mask);
    if (mmap(at, (size_t)bytes, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_FIXED, descriptor, (off_t)offset) !=
        MAP_FAILED)
        return at;
    munmap(*room, (size_t)(bytes + BLOCK_BYTES));
    return NULL;
}

void
huge_pages_ask(struct huge_pages *pages, int descriptor, int64_t offset, int64_t bytes)
{
    const int64_t begin = (offset + BLOCK_BYTES - 1) / BLOCK_BYTES * BLOCK_BYTES,
                  end = (offset + bytes) / BLOCK_BYTES * BLOCK_BYTES, start = nanoseconds();
    char *room;

    if (pages->refused || begin >= end)
        return;
    char *at = map_blocks(descriptor, begin, end - begin, &room);
    pages->refused = !at;
    for (int64_t done = 0; done < end - begin && !pages->refused; done += BLOCK_BYTES) {
        if (collapse(at + done))
            pages->blocks++;
        else if (errno != EAGAIN && errno != EBUSY) /* somebody else was at it */
            pages->refused = true;
        if (pages->spent_ns + nanoseconds() - start > PATIENCE_NS + pages->blocks * BLOCK_NS)
            pages->refused = true;
    }
    if (at)
        munmap(room, (size_t)(end - begin + BLOCK_BYTES));
    pages->spent_ns += nanoseconds() - start;
}
