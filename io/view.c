#include "view.h"

#include "huge_pages.h"

#include <math.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

/* As many views as a process may have at once: one an operand, the results, and tests. */
enum { VIEWS_MAX = 64 };

/* What is copied by all cores at once goes to memory and comes back: more than one core alone finds, in its cache. */
static const double copy_handicap = 1.3;

/* Measurements of each way: the quickest counts, the others were interrupted. */
enum { MEASURED = 3 };

struct view {
    atomic_bool taken;
    _Atomic uintptr_t base; /* 0: nothing is mapped */
    size_t bytes;           /* mapped, from base on */
    size_t skip;            /* from base to the range */
    int descriptor;         /* of the file, the opener's */
    int64_t offset;         /* of the range in it */
    int protection;
    atomic_bool broken;
};

static struct view views[VIEWS_MAX];
static struct sigaction before;
static size_t page;

static struct view *
find_view(uintptr_t address)
{
    for (int i = 0; i < VIEWS_MAX; i++) {
        uintptr_t base = atomic_load(&views[i].base);
        if (base != 0 && address >= base && address - base < views[i].bytes)
            return &views[i];
    }
    return NULL;
}

/* A page of zeros in place of the one that cannot be read; the instruction is then repeated. Only what a handler may do. */
static void
take_signal(int number, siginfo_t *about, void *context)
{
    uintptr_t address = (uintptr_t)about->si_addr;
    struct view *view = find_view(address);

    if (view) {
        void *at = (void *)(address / page * page); // NOLINT(performance-no-int-to-ptr)
        atomic_store(&view->broken, true);          /* first: once the page is there others read it without a fault */
        if (mmap(at, page, view->protection, MAP_PRIVATE | MAP_ANONYMOUS | MAP_FIXED, -1, 0) != MAP_FAILED)
            return;
    }
    if (before.sa_flags & SA_SIGINFO)
        before.sa_sigaction(number, about, context);
    else if (before.sa_handler == SIG_DFL || before.sa_handler == SIG_IGN)
        sigaction(number, &before, NULL); /* it is raised again at once */
    else
        before.sa_handler(number);
}

/* At every view: somebody may have taken SIGBUS since. */
static void
take_over(void)
{
    struct sigaction action = {.sa_sigaction = take_signal, .sa_flags = SA_SIGINFO}, now;

    page = (size_t)sysconf(_SC_PAGESIZE);
    if (sigaction(SIGBUS, NULL, &now) != 0 || ((now.sa_flags & SA_SIGINFO) && now.sa_sigaction == take_signal))
        return;
    before = now;
    sigemptyset(&action.sa_mask);
    sigaction(SIGBUS, &action, NULL);
}

static struct view *
take_free(void)
{
    for (int i = 0; i < VIEWS_MAX; i++)
        if (!atomic_exchange(&views[i].taken, true))
            return &views[i];
    return NULL;
}

static struct view *
map_view(int descriptor, int protection, int64_t offset, int64_t bytes)
{
    take_over();
    struct view *view = bytes > 0 && offset >= 0 ? take_free() : NULL;
    if (!view)
        return NULL;
    view->skip = (size_t)offset % page;
    view->bytes = (size_t)bytes + view->skip;
    view->descriptor = descriptor;
    view->offset = offset;
    view->protection = protection;
    atomic_store(&view->broken, false);
    char *base = huge_pages_map(descriptor, protection, offset - (int64_t)view->skip, (int64_t)view->bytes);
    atomic_store(&view->base, (uintptr_t)base);
    if (!base)
        atomic_store(&view->taken, false);
    return base ? view : NULL;
}

struct view *
view_open(int descriptor, int64_t offset, int64_t bytes)
{
    return map_view(descriptor, PROT_READ, offset, bytes);
}

struct view *
view_open_to_write(int descriptor, int64_t bytes)
{
    return map_view(descriptor, PROT_READ | PROT_WRITE, 0, bytes);
}

void *
view_prepare(struct view *view, int64_t at, int64_t bytes)
{
    char *base = (char *)atomic_load(&view->base); // NOLINT(performance-no-int-to-ptr)

    return huge_pages_prepare(base, (int64_t)view->bytes, at, bytes) ? base + at : NULL;
}

void
view_close(struct view *view)
{
    if (!view)
        return;
    char *base = (char *)atomic_exchange(&view->base, 0); // NOLINT(performance-no-int-to-ptr)
    huge_pages_unmap(base, (int64_t)view->bytes);
    atomic_store(&view->taken, false);
}

const void *
view_at(const struct view *view, int64_t at)
{
    return (const char *)atomic_load(&view->base) + view->skip + at; // NOLINT(performance-no-int-to-ptr)
}

bool
view_release(struct view *view, int64_t at, int64_t bytes)
{
    uintptr_t base = atomic_load(&view->base);
    size_t first = (view->skip + (size_t)at) / page * page, end = view->skip + (size_t)(at + bytes);
    struct stat about;

    /* within the page of its last byte a file that has become shorter reads as 0 without any fault */
    if (fstat(view->descriptor, &about) != 0 || about.st_size < view->offset + at + bytes)
        atomic_store(&view->broken, true);
    if (view_is_broken(view))
        return false; /* its pages of zeros stay: else they would be found missing once more */
    madvise((void *)(base + first), end - first, MADV_DONTNEED); // NOLINT(performance-no-int-to-ptr)
    return true;
}

bool
view_is_broken(const struct view *view)
{
    return atomic_load(&view->broken);
}

static double
seconds(void)
{
    struct timespec time;
    clock_gettime(CLOCK_MONOTONIC, &time);
    return (double)time.tv_sec + 1e-9 * (double)time.tv_nsec;
}

static volatile uint64_t added; /* or the compiler takes adding up for something without effect */

/* Look at all bytes, as a kernel does: those of a mapping come from memory then, copied ones for the second time. */
static void
add_up(const void *bytes, int64_t count)
{
    const uint64_t *words = bytes;
    uint64_t sum = 0;

    for (int64_t i = 0; i < count / (int64_t)sizeof *words; i++)
        sum += words[i];
    added = sum;
}

bool
view_pays(double mapped, double copied, int64_t uses)
{
    return mapped * (double)uses < copy_handicap * copied * (double)(uses + 1);
}

bool
view_is_cheaper(struct view *view, int descriptor, int64_t at, int64_t bytes, void *buffer, int64_t uses)
{
    /* each part is met for the first time: one that was copied just now comes from a core's cache */
    const int64_t part = bytes / (1 + 2 * MEASURED) / (int64_t)page * (int64_t)page;
    double least[2] = {INFINITY, INFINITY};

    for (int i = -1; i < MEASURED; i++, at += part) { /* once before, for the buffer's own pages */
        double start = seconds();
        if (pread(descriptor, buffer, (size_t)part, (off_t)(view->offset + at)) != (ssize_t)part)
            return false;
        add_up(buffer, part);
        double copied = seconds();
        if (i < 0)
            continue;
        least[0] = fmin(least[0], copied - start);
        at += part;
        add_up(view_at(view, at), part);
        least[1] = fmin(least[1], seconds() - copied);
    }
    return view_pays(least[1], least[0], uses);
}
