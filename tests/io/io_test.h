/* What the tests of io/ share: a directory of their own that leaves nothing behind, and errors that must be. */
#ifndef SHEAF_IO_TEST_H
#define SHEAF_IO_TEST_H

#include "sheaf/status.h"

/* cmocka.h wants these before itself */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <fcntl.h>
#include <ftw.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

static char test_directory[512];

static inline int
test_remove_one(const char *path, const struct stat *about, int kind, struct FTW *walk)
{
    (void)about, (void)kind, (void)walk;
    return remove(path);
}

/* Group set-up: work in a new directory below $TMPDIR, or /tmp. */
static inline int
test_enter_directory(void **state)
{
    const char *base = getenv("TMPDIR");

    (void)state;
    snprintf(test_directory, sizeof test_directory, "%s/sheaf-test-XXXXXX", base && *base ? base : "/tmp");
    return mkdtemp(test_directory) ? chdir(test_directory) : -1;
}

static inline int
test_leave_directory(void **state)
{
    (void)state;
    return chdir("/") == 0 ? nftw(test_directory, test_remove_one, 16, FTW_DEPTH | FTW_PHYS) : -1;
}

/* A file without a name in the memory file system, of so many bytes, none of them there yet; -1 where that cannot be had. */
static inline int
test_memory_file(int64_t bytes)
{
    char path[] = "/dev/shm/sheaf-test-XXXXXX";
    int descriptor = mkstemp(path);

    if (descriptor >= 0)
        unlink(path);
    return descriptor >= 0 && ftruncate(descriptor, (off_t)bytes) == 0 ? descriptor : -1;
}

/* Whether this kernel makes a huge page of a file's small ones when it is asked to. */
static inline bool
test_can_have_huge_pages(void)
{
    enum { COLLAPSE = 25, BLOCK = 2 << 20 };
    int descriptor = test_memory_file(BLOCK);
    char *room = mmap(NULL, 2 * BLOCK, PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    char *block = room + (-(uintptr_t)room & (BLOCK - 1));
    bool can = descriptor >= 0 && pwrite(descriptor, "x", 1, 0) == 1 && room != MAP_FAILED &&
               mmap(block, BLOCK, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_FIXED, descriptor, 0) == block &&
               madvise(block, BLOCK, COLLAPSE) == 0;

    if (room != MAP_FAILED)
        munmap(room, 2 * BLOCK);
    close(descriptor);
    return can;
}

/* Succeeds, or shows the error's text. */
static inline void
test_ok(enum sheaf_status status, const struct sheaf_error *error)
{
    if (status != SHEAF_OK)
        fail_msg("status %d: %s", (int)status, error->text);
}

/* Fails with this status in both places, and a text that has `part` in it. */
static inline void
test_error(enum sheaf_status status, enum sheaf_status expected, const struct sheaf_error *error, const char *part)
{
    if (status != expected || error->status != expected)
        fail_msg("status %d, in the error %d, expected %d: %s", (int)status, (int)error->status, (int)expected,
                 error->text);
    if (!strstr(error->text, part))
        fail_msg("expected \"%s\" in \"%s\"", part, error->text);
}

/* Write a whole small file. */
static inline void
test_put(const char *path, const void *bytes, size_t count)
{
    FILE *file = fopen(path, "wb");
    assert_non_null(file);
    assert_int_equal(fwrite(bytes, 1, count, file), count);
    assert_int_equal(fclose(file), 0);
}

/* Run a body in a child process, and return its wait status. Exits by exit(), so exit handlers run. */
static inline int
test_in_child(int (*body)(void))
{
    int status = -1;
    fflush(NULL);
    pid_t child = fork();
    assert_true(child >= 0);
    if (child == 0)
        exit(body());
    assert_int_equal(waitpid(child, &status, 0), child);
    return status;
}

/* What a body returns where this system does not let it try. */
enum { TEST_SKIPPED = 77 };

static inline void
test_child_passes(int (*body)(void))
{
    int status = test_in_child(body);
    if (WIFEXITED(status) && WEXITSTATUS(status) == TEST_SKIPPED)
        skip();
    if (!WIFEXITED(status) || WEXITSTATUS(status) != 0)
        fail_msg("child: %s %d", WIFEXITED(status) ? "exit code" : "signal",
                 WIFEXITED(status) ? WEXITSTATUS(status) : WTERMSIG(status));
}

#endif
