/*
 * What the system may answer to a program: loaded before it (LD_PRELOAD), this makes one of its calls fail, or end it, and notes what
 * it writes, for a power loss to be played.
 *
 * SHEAF_FAULT          CALL:N[+]:WHAT[:WHERE]. CALL: open, read, pread, write, pwrite, fsync, fdatasync, fallocate, rename, link,
 *                      close, malloc, mmap. The N-th one of a process, from 1; with + all from there on. WHAT: an error (EIO ...);
 *                      short, half of what was asked for is moved; kill, the process is killed instead; wait, it is made a second later. WHERE: a call counts only
 *                      if its file's path has this in it; "own": if the program itself makes it, not a library
 * SHEAF_FAULT_RANK     only this rank of a launcher's
 * SHEAF_FAULT_NOTE     a file that gets a line for each fault
 * SHEAF_FAULT_COUNT    a file that gets a byte for each call that counts
 * SHEAF_FAULT_NAMED    given: no file can be without a name, as on NFS
 * SHEAF_FAULT_JOURNAL  a file that gets what pwrite replaces and writes, and where syncs end (struct entry)
 * SHEAF_FAULT_FILE     of which files: those whose path has this in it
 *
 * Only a program named sheaf is touched: launchers and shells inherit the variables. The calls are made without the C library's
 * functions, which are those that are replaced here.
 */
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <link.h>
#include <signal.h>
#include <stdarg.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

enum call { OPEN, READ, PREAD, WRITE, PWRITE, FSYNC, FDATASYNC, FALLOCATE, RENAME, LINK, CLOSE, MALLOC, MMAP, CALLS };
enum what { WHAT_ERROR, WHAT_SHORT, WHAT_KILL, WHAT_WAIT };

static const char *const call_names[CALLS] = {"open",      "read",   "pread", "write", "pwrite", "fsync", "fdatasync",
                                              "fallocate", "rename", "link",  "close", "malloc", "mmap"};

static struct {
    int call; /* CALLS: none */
    long number;
    bool lasting, own;
    enum what what;
    int reason;
    char where[64];
} rule = {.call = CALLS};

static atomic_long calls;
static bool only_named;
static uintptr_t program_first, program_end;
static char journal[PATH_MAX], journal_file[64];

/* An entry of the journal, followed by `bytes` that were there, and those that replaced them; bytes < 0: a sync of this inode, of all
   that stands before `offset` in the journal. */
struct entry {
    uint64_t inode;
    int64_t offset, bytes;
};

/* ---- what is to be done ---- */

static int
find_program(struct dl_phdr_info *object, size_t size, void *ignored)
{
    (void)size;
    (void)ignored;
    program_first = UINTPTR_MAX;
    for (int i = 0; i < object->dlpi_phnum; i++) {
        if (object->dlpi_phdr[i].p_type != PT_LOAD)
            continue;
        const uintptr_t first = object->dlpi_addr + object->dlpi_phdr[i].p_vaddr;
        const uintptr_t end = first + object->dlpi_phdr[i].p_memsz;
        program_first = first < program_first ? first : program_first;
        program_end = end > program_end ? end : program_end;
    }
    return 1; /* the first object is the program */
}

static void
read_what(const char *what)
{
    static const struct {
        const char *name;
        int reason;
    } errors[] = {{"EIO", EIO},     {"ENOSPC", ENOSPC}, {"EINTR", EINTR},
                  {"EFBIG", EFBIG}, {"ENOMEM", ENOMEM}, {"EACCES", EACCES},
                  {"EROFS", EROFS}, {"EDQUOT", EDQUOT}, {"EOPNOTSUPP", EOPNOTSUPP}};

    if (strcmp(what, "short") == 0)
        rule.what = WHAT_SHORT;
    else if (strcmp(what, "kill") == 0)
        rule.what = WHAT_KILL;
    else if (strcmp(what, "wait") == 0)
        rule.what = WHAT_WAIT;
    for (size_t i = 0; i < sizeof errors / sizeof errors[0]; i++)
        if (strcmp(what, errors[i].name) == 0)
            rule.reason = errors[i].reason;
    if (rule.what == WHAT_ERROR && rule.reason == 0)
        _exit(99); /* a test that says something else than it means */
}

static void
read_rule(const char *text)
{
    char call[16] = "", what[16] = "", *rest;

    if (sscanf(text, "%15[^:]", call) != 1 || !strchr(text, ':'))
        _exit(99);
    rule.number = strtol(strchr(text, ':') + 1, &rest, 10);
    rule.lasting = *rest == '+';
    rest += rule.lasting;
    if (rule.number < 1 || sscanf(rest, ":%15[^:]:%63s", what, rule.where) < 1)
        _exit(99);
    read_what(what);
    rule.own = strcmp(rule.where, "own") == 0;
    int found = 0;
    while (found < CALLS && strcmp(call_names[found], call) != 0)
        found++;
    if (found == CALLS)
        _exit(99);
    rule.call = found;
}

__attribute__((constructor)) static void
begin(void)
{
    char program[PATH_MAX] = "";
    const char *fault = getenv("SHEAF_FAULT"), *rank = getenv("SHEAF_FAULT_RANK"),
               *own = getenv("OMPI_COMM_WORLD_RANK");
    const char *log = getenv("SHEAF_FAULT_JOURNAL"), *file = getenv("SHEAF_FAULT_FILE");

    if (readlink("/proc/self/exe", program, sizeof program - 1) < 0 || !strrchr(program, '/') ||
        strcmp(strrchr(program, '/'), "/sheaf") != 0)
        return;
    dl_iterate_phdr(find_program, NULL);
    only_named = getenv("SHEAF_FAULT_NAMED") != NULL;
    if (log && file) {
        snprintf(journal_file, sizeof journal_file, "%s", file);
        snprintf(journal, sizeof journal, "%s", log);
    }
    if (fault && (!rank || (own && strcmp(rank, own) == 0)))
        read_rule(fault);
}

/* ---- whether this call is the one ---- */

static bool
path_has(const char *path, int descriptor, const char *word)
{
    char name[64], found[PATH_MAX];

    if (path)
        return strstr(path, word) != NULL;
    snprintf(name, sizeof name, "/proc/self/fd/%d", descriptor);
    const ssize_t length = readlink(name, found, sizeof found - 1);
    if (length < 0)
        return false;
    found[length] = '\0';
    return strstr(found, word) != NULL;
}

/* Add to the file that a variable names, if it is set. */
static void
add_to_file(const char *variable, const char *text)
{
    const char *path = getenv(variable);

    if (!path)
        return;
    const int file = (int)syscall(SYS_openat, AT_FDCWD, path, O_WRONLY | O_APPEND | O_CREAT, 0666);
    if (file < 0 || syscall(SYS_write, file, text, strlen(text)) != (long)strlen(text))
        _exit(99);
    syscall(SYS_close, file);
}

static void
note(void)
{
    char line[64];

    snprintf(line, sizeof line, "%s %ld\n", call_names[rule.call], rule.number);
    add_to_file("SHEAF_FAULT_NOTE", line);
}

/* Count a call. @return whether it is to fail; one that kills does not return */
static bool
fails(enum call call, const char *path, int descriptor, const void *caller)
{
    if ((int)call != rule.call)
        return false;
    if (rule.own && ((uintptr_t)caller < program_first || (uintptr_t)caller >= program_end))
        return false;
    if (!rule.own && rule.where[0] && !path_has(path, descriptor, rule.where))
        return false;
    const long number = atomic_fetch_add(&calls, 1) + 1;
    add_to_file("SHEAF_FAULT_COUNT", ".");
    if (number < rule.number || (number > rule.number && !rule.lasting))
        return false;
    if (number == rule.number)
        note();
    if (rule.what == WHAT_KILL)
        kill(getpid(), SIGKILL);
    if (rule.what == WHAT_WAIT) {
        sleep(1);
        return false;
    }
    errno = rule.reason;
    return true;
}

/* What is left of a transfer that is to be short, or to fail. @return false: fail */
static bool
cut(bool fault, size_t *bytes)
{
    if (fault && rule.what == WHAT_SHORT && *bytes > 1)
        *bytes /= 2;
    else if (fault && rule.what != WHAT_SHORT)
        return false;
    return true;
}

/* ---- the journal ---- */

static int
open_journal(void)
{
    const int log = (int)syscall(SYS_openat, AT_FDCWD, journal, O_RDWR | O_APPEND | O_CREAT | O_CLOEXEC, 0666);

    if (log < 0 || flock(log, LOCK_EX) != 0)
        _exit(98);
    return log;
}

static void
append(int log, const void *bytes, size_t count)
{
    if (syscall(SYS_write, log, bytes, count) != (long)count)
        _exit(98);
}

static bool
is_journaled(int descriptor)
{
    return journal[0] && path_has(NULL, descriptor, journal_file);
}

static ssize_t
write_journaled(int descriptor, const void *bytes, size_t count, off_t offset)
{
    struct stat about;
    const int log = open_journal();
    char *old = calloc(1, count + 1);

    if (!old || fstat(descriptor, &about) != 0)
        _exit(98);
    const int reader = (int)syscall(SYS_openat, AT_FDCWD, "/proc/self/fd", O_RDONLY | O_DIRECTORY);
    char name[16];
    snprintf(name, sizeof name, "%d", descriptor);
    const int file = (int)syscall(SYS_openat, reader, name, O_RDONLY); /* the program's may be for writing only */
    syscall(SYS_pread64, file, old, count, offset);                    /* what is beyond the end is 0 */
    const ssize_t put = syscall(SYS_pwrite64, descriptor, bytes, count, offset);
    if (put > 0) {
        const struct entry entry = {.inode = about.st_ino, .offset = offset, .bytes = put};
        append(log, &entry, sizeof entry);
        append(log, old, (size_t)put);
        append(log, bytes, (size_t)put);
    }
    const int reason = errno;
    free(old);
    syscall(SYS_close, file);
    syscall(SYS_close, reader);
    syscall(SYS_close, log);
    errno = reason;
    return put;
}

static int
sync_journaled(int descriptor, long number)
{
    struct stat about;
    int log = open_journal();
    const off_t end = lseek(log, 0, SEEK_END);

    syscall(SYS_close, log);
    const int result = (int)syscall(number, descriptor);
    if (result == 0 && fstat(descriptor, &about) == 0) {
        const struct entry entry = {.inode = about.st_ino, .offset = end, .bytes = -1};
        log = open_journal();
        append(log, &entry, sizeof entry);
        syscall(SYS_close, log);
    }
    return result;
}

/* ---- files ---- */

/* The names of the parameters are this file's. NOLINTBEGIN(readability-inconsistent-declaration-parameter-name) */

static int
open_file(int directory, const char *path, int flags, mode_t mode, const void *caller)
{
    if (only_named && (flags & O_TMPFILE) == O_TMPFILE) {
        errno = EOPNOTSUPP;
        return -1;
    }
    return fails(OPEN, path, -1, caller) ? -1 : (int)syscall(SYS_openat, directory, path, flags, mode);
}

#define OPEN_BODY(directory)                                                                                           \
    va_list rest;                                                                                                      \
    va_start(rest, flags);                                                                                             \
    const mode_t mode = flags & (O_CREAT | O_TMPFILE) ? va_arg(rest, mode_t) : 0;                                      \
    va_end(rest);                                                                                                      \
    return open_file(directory, path, flags, mode, __builtin_return_address(0))

int
open(const char *path, int flags, ...)
{
    OPEN_BODY(AT_FDCWD);
}

int
open64(const char *path, int flags, ...)
{
    OPEN_BODY(AT_FDCWD);
}

int
openat(int directory, const char *path, int flags, ...)
{
    OPEN_BODY(directory);
}

ssize_t
read(int descriptor, void *buffer, size_t bytes)
{
    return cut(fails(READ, NULL, descriptor, __builtin_return_address(0)), &bytes)
               ? syscall(SYS_read, descriptor, buffer, bytes)
               : -1;
}

ssize_t
pread(int descriptor, void *buffer, size_t bytes, off_t offset)
{
    return cut(fails(PREAD, NULL, descriptor, __builtin_return_address(0)), &bytes)
               ? syscall(SYS_pread64, descriptor, buffer, bytes, offset)
               : -1;
}

ssize_t pread64(int descriptor, void *buffer, size_t bytes, off64_t offset) __attribute__((alias("pread")));

ssize_t
write(int descriptor, const void *buffer, size_t bytes)
{
    if (is_journaled(descriptor))
        _exit(98); /* nobody is known to write these so */
    return cut(fails(WRITE, NULL, descriptor, __builtin_return_address(0)), &bytes)
               ? syscall(SYS_write, descriptor, buffer, bytes)
               : -1;
}

ssize_t
pwrite(int descriptor, const void *buffer, size_t bytes, off_t offset)
{
    if (!cut(fails(PWRITE, NULL, descriptor, __builtin_return_address(0)), &bytes))
        return -1;
    return is_journaled(descriptor) ? write_journaled(descriptor, buffer, bytes, offset)
                                    : syscall(SYS_pwrite64, descriptor, buffer, bytes, offset);
}

ssize_t pwrite64(int descriptor, const void *buffer, size_t bytes, off64_t offset) __attribute__((alias("pwrite")));

static int
sync_file(enum call call, long number, int descriptor, const void *caller)
{
    if (fails(call, NULL, descriptor, caller))
        return -1;
    return is_journaled(descriptor) ? sync_journaled(descriptor, number) : (int)syscall(number, descriptor);
}

int
fsync(int descriptor)
{
    return sync_file(FSYNC, SYS_fsync, descriptor, __builtin_return_address(0));
}

int
fdatasync(int descriptor)
{
    return sync_file(FDATASYNC, SYS_fdatasync, descriptor, __builtin_return_address(0));
}

int
fallocate(int descriptor, int mode, off_t offset, off_t bytes)
{
    return fails(FALLOCATE, NULL, descriptor, __builtin_return_address(0))
               ? -1
               : (int)syscall(SYS_fallocate, descriptor, mode, offset, bytes);
}

int fallocate64(int descriptor, int mode, off64_t offset, off64_t bytes) __attribute__((alias("fallocate")));

int
rename(const char *from, const char *to)
{
    return fails(RENAME, from, -1, __builtin_return_address(0)) ? -1 : (int)syscall(SYS_rename, from, to);
}

int
renameat2(int from_directory, const char *from, int to_directory, const char *to, unsigned flags)
{
    return fails(RENAME, from, -1, __builtin_return_address(0))
               ? -1
               : (int)syscall(SYS_renameat2, from_directory, from, to_directory, to, flags);
}

int
link(const char *from, const char *to)
{
    return fails(LINK, to, -1, __builtin_return_address(0)) ? -1 : (int)syscall(SYS_link, from, to);
}

int
linkat(int from_directory, const char *from, int to_directory, const char *to, int flags)
{
    return fails(LINK, to, -1, __builtin_return_address(0))
               ? -1
               : (int)syscall(SYS_linkat, from_directory, from, to_directory, to, flags);
}

/* Linux closes the descriptor whatever it answers. */
int
close(int descriptor)
{
    const bool fault = fails(CLOSE, NULL, descriptor, __builtin_return_address(0));
    const int result = (int)syscall(SYS_close, descriptor);

    if (fault)
        errno = rule.reason;
    return fault ? -1 : result;
}

/* ---- memory ---- */

void *__libc_malloc(size_t bytes);
void *__libc_calloc(size_t count, size_t bytes);
void *__libc_realloc(void *memory, size_t bytes);

void *
malloc(size_t bytes)
{
    return fails(MALLOC, "", -1, __builtin_return_address(0)) ? NULL : __libc_malloc(bytes);
}

void *
calloc(size_t count, size_t bytes)
{
    return fails(MALLOC, "", -1, __builtin_return_address(0)) ? NULL : __libc_calloc(count, bytes);
}

void *
realloc(void *memory, size_t bytes)
{
    return fails(MALLOC, "", -1, __builtin_return_address(0)) ? NULL : __libc_realloc(memory, bytes);
}

void *
mmap(void *address, size_t bytes, int protection, int flags, int descriptor, off_t offset)
{
    if (fails(MMAP, descriptor < 0 ? "" : NULL, descriptor, __builtin_return_address(0)))
        return MAP_FAILED;
    const long result = syscall(SYS_mmap, address, bytes, protection, flags, descriptor, offset);
    return (void *)result; // NOLINT(performance-no-int-to-ptr)
}

void *mmap64(void *address, size_t bytes, int protection, int flags, int descriptor, off64_t offset)
    __attribute__((alias("mmap")));

/* NOLINTEND(readability-inconsistent-declaration-parameter-name) */
