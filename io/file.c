#include "file.h"

#include "huge_pages.h"
#include "sheaf/array.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <linux/magic.h>
#include <sys/mman.h>
#include <sys/statvfs.h>
#include <sys/uio.h>
#include <sys/vfs.h>
#include <unistd.h>

/* The kernel moves at most this much in one call, whatever is asked for. */
enum { TRANSFER_BYTES = 0x7ffff000 };

char *
file_format_bytes(int64_t bytes, char text[FILE_BYTES_TEXT])
{
    static const char *const unit[] = {"bytes", "kB", "MB", "GB", "TB", "PB", "EB"};
    double value = (double)bytes;
    int i = 0;

    /* 999.95 would print as "1000.0" */
    while (value >= (i ? 999.95 : 1000) && i < 6) {
        value /= 1000;
        i++;
    }
    snprintf(text, FILE_BYTES_TEXT, i ? "%.1f %s" : "%.0f %s", value, unit[i]);
    return text;
}

enum sheaf_status
file_open_read(const char *path, const char *name, int *descriptor, struct stat *about, struct sheaf_error *error)
{
    struct stat found;

    /* Without O_NONBLOCK the open of a named pipe would wait for its writer. */
    *descriptor = open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK);
    if (*descriptor < 0)
        return sheaf_fail(error, SHEAF_NO_INPUT, "%s: cannot open %s: %m", name, path);
    if (fstat(*descriptor, &found) != 0) {
        sheaf_fail(error, SHEAF_NO_INPUT, "%s: cannot examine %s: %m", name, path);
    } else if (!S_ISREG(found.st_mode)) {
        sheaf_fail(error, SHEAF_NO_INPUT, "%s: %s is %s", name, path,
                   S_ISDIR(found.st_mode) ? "a directory" : "not a regular file");
    } else {
        if (about)
            *about = found;
        return SHEAF_OK;
    }
    close(*descriptor);
    *descriptor = -1;
    return SHEAF_NO_INPUT;
}

enum sheaf_status
file_open_write(const char *path, bool synced, int *descriptor, struct sheaf_error *error)
{
    *descriptor = open(path, O_RDWR | O_CLOEXEC | (synced ? O_DSYNC : 0));
    if (*descriptor < 0)
        return sheaf_fail(error, SHEAF_NO_OUTPUT, "%s: cannot open for writing: %m", path);
    return SHEAF_OK;
}

enum sheaf_status
file_close(int descriptor, const char *name, struct sheaf_error *error)
{
    /* Linux has closed the descriptor even when it says EINTR: never a second time. */
    if (descriptor >= 0 && close(descriptor) != 0 && errno != EINTR)
        return sheaf_fail(error, SHEAF_IO_ERROR, "%s: closing failed, what was written may be lost: %m", name);
    return SHEAF_OK;
}

enum sheaf_status
file_read(int descriptor, const char *name, int64_t offset, void *buffer, size_t bytes, struct sheaf_error *error)
{
    char *to = buffer;
    size_t done = 0;

    while (done < bytes) {
        size_t want = bytes - done < TRANSFER_BYTES ? bytes - done : TRANSFER_BYTES;
        ssize_t got = pread(descriptor, to + done, want, (off_t)(offset + (int64_t)done));
        if (got > 0) {
            done += (size_t)got;
        } else if (got == 0) {
            struct stat about;
            long long end =
                fstat(descriptor, &about) == 0 ? (long long)about.st_size : (long long)(offset + (int64_t)done);
            return sheaf_fail(error, SHEAF_IO_ERROR, "%s: file is truncated at %lld of %lld bytes", name, end,
                              (long long)(offset + (int64_t)bytes));
        } else if (errno != EINTR) {
            return sheaf_fail(error, SHEAF_IO_ERROR, "%s: cannot read %zu bytes at offset %lld: %m", name, want,
                              (long long)(offset + (int64_t)done));
        }
    }
    return SHEAF_OK;
}

enum sheaf_status
file_write(int descriptor, const char *name, int64_t offset, const void *buffer, size_t bytes,
           struct sheaf_error *error)
{
    const char *from = buffer;
    size_t done = 0;

    while (done < bytes) {
        size_t want = bytes - done < TRANSFER_BYTES ? bytes - done : TRANSFER_BYTES;
        ssize_t put = pwrite(descriptor, from + done, want, (off_t)(offset + (int64_t)done));
        if (put > 0) {
            done += (size_t)put;
            continue;
        }
        if (put < 0 && errno == EINTR)
            continue;
        if (put == 0)
            errno = EIO;
        return sheaf_fail(error, SHEAF_IO_ERROR, "%s: cannot write %zu bytes at offset %lld: %m", name, want,
                          (long long)(offset + (int64_t)done));
    }
    return SHEAF_OK;
}

void
file_start_writeback(int descriptor, int64_t offset, int64_t bytes)
{
    sync_file_range(descriptor, (off_t)offset, (off_t)bytes, SYNC_FILE_RANGE_WRITE);
}

enum sheaf_status
file_sync(int descriptor, const char *name, bool all, struct sheaf_error *error)
{
    if ((all ? fsync(descriptor) : fdatasync(descriptor)) != 0)
        return sheaf_fail(error, SHEAF_IO_ERROR, "%s: syncing failed, what was written lately may be lost: %m", name);
    return SHEAF_OK;
}

enum sheaf_status
file_sync_directory(const char *path, struct sheaf_error *error)
{
    enum sheaf_status status = SHEAF_OK;
    int descriptor = open(path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);

    if (descriptor < 0)
        return sheaf_fail(error, SHEAF_IO_ERROR, "%s: cannot open the directory to sync it: %m", path);
    if (fsync(descriptor) != 0 && errno != EINVAL && errno != ENOTSUP)
        status = sheaf_fail(error, SHEAF_IO_ERROR, "%s: syncing the directory failed: %m", path);
    close(descriptor);
    return status;
}

static enum sheaf_status
fail_room(const char *name, int64_t bytes, int64_t free_bytes, struct sheaf_error *error)
{
    char need[FILE_BYTES_TEXT], have[FILE_BYTES_TEXT];
    return sheaf_fail(error, SHEAF_NO_OUTPUT, "%s: no room: the file needs %s, its file system has %s free", name,
                      file_format_bytes(bytes, need), file_format_bytes(free_bytes, have));
}

static int64_t
free_bytes_of(const struct statvfs *about)
{
    int64_t free_bytes;

    /* ramfs and some others have no size, so nothing that could be used up */
    if (about->f_blocks == 0)
        return INT64_MAX;
    if (!sheaf_multiply((int64_t)about->f_bavail, (int64_t)about->f_frsize, &free_bytes))
        return INT64_MAX;
    return free_bytes;
}

static bool
is_in_tmpfs(int descriptor)
{
    struct statfs about;

    return fstatfs(descriptor, &about) == 0 && (unsigned long)about.f_type == TMPFS_MAGIC;
}

static void
ask_for_huge_pages(int descriptor, int64_t offset, int64_t bytes)
{
    char *mapping = huge_pages_map(descriptor, PROT_READ | PROT_WRITE, offset, bytes);

    if (!mapping)
        return;
    huge_pages_ask(mapping, bytes);
    huge_pages_unmap(mapping, bytes);
}

/* About 8 ms in a memory file system; whole extents on a disk. */
static const int64_t RESERVE_PIECE_BYTES = INT64_C(32) << 20;

enum sheaf_status
file_reserve(int descriptor, const char *name, int64_t bytes, bool *reserved, struct sheaf_error *error)
{
    struct statvfs room;
    struct stat about;
    int reason = 0;
    const int64_t there = is_in_tmpfs(descriptor) && fstat(descriptor, &about) == 0 ? (int64_t)about.st_size : 0;

    /* In pieces: the kernel holds the file's lock for the whole of one, and others may want to write meanwhile. */
    *reserved = true;
    for (int64_t at = 0; at < bytes && reason == 0;) {
        const int64_t piece = bytes - at < RESERVE_PIECE_BYTES ? bytes - at : RESERVE_PIECE_BYTES;
        if (at + piece <= there)
            ask_for_huge_pages(descriptor, at, piece);
        if (fallocate(descriptor, 0, (off_t)at, (off_t)piece) == 0)
            at += piece;
        else if (errno != EINTR)
            reason = errno;
    }
    if (reason == 0)
        return SHEAF_OK;
    if (fstat(descriptor, &about) != 0 || fstatvfs(descriptor, &room) != 0)
        return sheaf_fail(error, SHEAF_NO_OUTPUT, "%s: cannot examine the file system: %m", name);
    /* what it has already is not in use by others */
    int64_t free_bytes = free_bytes_of(&room), own = (int64_t)about.st_blocks * 512;
    free_bytes = free_bytes < INT64_MAX - own ? free_bytes + own : INT64_MAX;
    if (reason == ENOSPC)
        return fail_room(name, bytes, free_bytes, error);
    errno = reason;
    if (reason != EOPNOTSUPP && reason != ENOSYS)
        return sheaf_fail(error, SHEAF_NO_OUTPUT, "%s: cannot reserve %lld bytes: %m", name, (long long)bytes);

    *reserved = false;
    if (free_bytes < bytes)
        return fail_room(name, bytes, free_bytes, error);
    if (about.st_size < bytes && ftruncate(descriptor, (off_t)bytes) != 0)
        return sheaf_fail(error, SHEAF_NO_OUTPUT, "%s: cannot make the file %lld bytes long: %m", name,
                          (long long)bytes);
    return SHEAF_OK;
}

bool
file_is_cached(int descriptor, int64_t offset, int64_t bytes)
{
    const int64_t probe[3] = {offset, offset + bytes / 2, offset + bytes - 1};

    for (int i = 0; i < 3 && bytes > 0; i++) {
        char byte;
        struct iovec one = {.iov_base = &byte, .iov_len = 1};
        if (preadv2(descriptor, &one, 1, (off_t)probe[i], RWF_NOWAIT) != 1)
            return false;
    }
    return true;
}

static void
classify(const struct statfs *about, struct file_system *system)
{
    unsigned long magic = (unsigned long)about->f_type;
    *system = (struct file_system){
        .in_memory = magic == TMPFS_MAGIC || magic == RAMFS_MAGIC || magic == HUGETLBFS_MAGIC,
        .on_nfs = magic == NFS_SUPER_MAGIC,
    };
}

enum sheaf_status
file_system_of(const char *path, struct file_system *system, struct sheaf_error *error)
{
    struct statfs about;
    struct statvfs room;

    if (statfs(path, &about) != 0 || statvfs(path, &room) != 0)
        return sheaf_fail(error, SHEAF_IO_ERROR, "%s: cannot examine the file system: %m", path);
    classify(&about, system);
    system->free_bytes = free_bytes_of(&room);
    return SHEAF_OK;
}

enum sheaf_status
file_system_of_open(int descriptor, const char *name, struct file_system *system, struct sheaf_error *error)
{
    struct statfs about;

    if (fstatfs(descriptor, &about) != 0)
        return sheaf_fail(error, SHEAF_IO_ERROR, "%s: cannot examine the file system: %m", name);
    classify(&about, system);
    return SHEAF_OK;
}
