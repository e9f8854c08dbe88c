#include "file.h"
#include "huge_pages.h"
#include "io_test.h"

#include <linux/magic.h>
#include <sched.h>
#include <signal.h>
#include <sys/mman.h>
#include <sys/mount.h>
#include <sys/resource.h>
#include <sys/vfs.h>

static struct sheaf_error error;

static void
bytes_are_written_as_people_say_them(void **state)
{
    char text[FILE_BYTES_TEXT];

    (void)state;
    assert_string_equal(file_format_bytes(0, text), "0 bytes");
    assert_string_equal(file_format_bytes(999, text), "999 bytes");
    assert_string_equal(file_format_bytes(1000, text), "1.0 kB");
    assert_string_equal(file_format_bytes(999999, text), "1.0 MB");
    assert_string_equal(file_format_bytes(12540000000, text), "12.5 GB");
    assert_string_equal(file_format_bytes(INT64_MAX, text), "9.2 EB");
}

static void
what_is_written_is_read(void **state)
{
    char wrote[100000], got[100000];
    struct stat about;
    int descriptor;

    (void)state;
    for (size_t i = 0; i < sizeof wrote; i++)
        wrote[i] = (char)(i * 31 % 251);
    test_put("data", "", 0);
    test_ok(file_open_write("data", false, &descriptor, &error), &error);
    test_ok(file_write(descriptor, "data", 5000, wrote, sizeof wrote, &error), &error);
    test_ok(file_sync(descriptor, "data", false, &error), &error);
    test_ok(file_sync(descriptor, "data", true, &error), &error);
    test_ok(file_close(descriptor, "data", &error), &error);
    test_ok(file_sync_directory(".", &error), &error);

    test_ok(file_open_read("data", "data", &descriptor, &about, &error), &error);
    assert_int_equal(about.st_size, 5000 + sizeof wrote);
    test_ok(file_read(descriptor, "data", 5000, got, sizeof got, &error), &error);
    assert_memory_equal(got, wrote, sizeof got);
    test_ok(file_read(descriptor, "data", 999999, got, 0, &error), &error);
    test_ok(file_close(descriptor, "data", &error), &error);

    test_ok(file_open_write("data", true, &descriptor, &error), &error);
    assert_true(fcntl(descriptor, F_GETFL) & O_DSYNC);
    test_ok(file_close(descriptor, "data", &error), &error);
    test_ok(file_close(-1, "data", &error), &error);
}

static void
a_short_file_is_named(void **state)
{
    char got[100];
    int descriptor;

    (void)state;
    test_put("short", "0123456789", 10);
    test_ok(file_open_read("short", "short:/a", &descriptor, NULL, &error), &error);
    test_error(file_read(descriptor, "short:/a", 4, got, 100, &error), SHEAF_IO_ERROR, &error,
               "short:/a: file is truncated at 10 of 104 bytes");
    test_error(file_read(descriptor, "short:/a", 50, got, 1, &error), SHEAF_IO_ERROR, &error,
               "file is truncated at 10 of 51 bytes");
    close(descriptor);
}

static void
what_is_no_file_is_not_opened(void **state)
{
    int descriptor;

    (void)state;
    test_error(file_open_read("missing", "missing:/a", &descriptor, NULL, &error), SHEAF_NO_INPUT, &error,
               "missing:/a: cannot open missing: No such file or directory");
    assert_int_equal(descriptor, -1);
    test_error(file_open_read(".", "here", &descriptor, NULL, &error), SHEAF_NO_INPUT, &error,
               "here: . is a directory");
    assert_int_equal(mkfifo("pipe", 0600), 0);
    test_error(file_open_read("pipe", "pipe", &descriptor, NULL, &error), SHEAF_NO_INPUT, &error,
               "pipe: pipe is not a regular file");
    test_error(file_open_write("missing", false, &descriptor, &error), SHEAF_NO_OUTPUT, &error,
               "missing: cannot open for writing: No such file or directory");
    test_error(file_sync_directory("missing", &error), SHEAF_IO_ERROR, &error,
               "missing: cannot open the directory to sync it");
}

static void
failures_of_the_system_are_reported(void **state)
{
    int ends[2], full = open("/dev/full", O_WRONLY);
    char byte = 0;

    (void)state;
    assert_true(full >= 0);
    assert_int_equal(pipe(ends), 0);
    test_error(file_write(full, "full", 8192, &byte, 1, &error), SHEAF_IO_ERROR, &error,
               "full: cannot write 1 bytes at offset 8192: No space left on device");
    test_error(file_read(full, "full", 7, &byte, 1, &error), SHEAF_IO_ERROR, &error,
               "full: cannot read 1 bytes at offset 7: Bad file descriptor");
    test_error(file_sync(ends[1], "pipe", false, &error), SHEAF_IO_ERROR, &error, "pipe: syncing failed");
    close(ends[0]);
    close(ends[1]);
    close(full);
    test_error(file_close(full, "full", &error), SHEAF_IO_ERROR, &error, "full: closing failed");
    test_error(file_sync(full, "full", true, &error), SHEAF_IO_ERROR, &error, "full: syncing failed");

    struct file_system system;
    test_error(file_system_of("missing", &system, &error), SHEAF_IO_ERROR, &error,
               "missing: cannot examine the file system: No such file");
    test_error(file_system_of_open(full, "full", &system, &error), SHEAF_IO_ERROR, &error,
               "full: cannot examine the file system: Bad file");
}

static void
space_is_reserved(void **state)
{
    bool reserved = false;
    struct stat about;
    char got[10];
    int descriptor;

    (void)state;
    test_put("room", "0123456789", 10);
    test_ok(file_open_write("room", false, &descriptor, &error), &error);
    test_ok(file_reserve(descriptor, "room", 1 << 20, &reserved, &error), &error);
    assert_int_equal(fstat(descriptor, &about), 0);
    assert_int_equal(about.st_size, 1 << 20);
    if (reserved)
        assert_true(about.st_blocks * 512 >= 1 << 20);
    test_ok(file_read(descriptor, "room", 0, got, 10, &error), &error);
    assert_memory_equal(got, "0123456789", 10);
    close(descriptor);

    int device = open("/dev/full", O_WRONLY);
    test_error(file_reserve(device, "full", 1 << 20, &reserved, &error), SHEAF_NO_OUTPUT, &error,
               "full: cannot reserve 1048576 bytes");
    close(device);
    test_error(file_reserve(device, "full", 1 << 20, &reserved, &error), SHEAF_NO_OUTPUT, &error,
               "full: cannot examine the file system");
}

static bool
put_line(const char *path, const char *line)
{
    int descriptor = open(path, O_WRONLY);
    bool ok = descriptor >= 0 && write(descriptor, line, strlen(line)) == (ssize_t)strlen(line);

    close(descriptor);
    return ok;
}

/* Mount a file system at "mounted", seen by this process only, with an empty file in it. */
static bool
mount_alone(const char *type, const char *options)
{
    char uid[64], gid[64];

    mkdir("mounted", 0700);
    snprintf(uid, sizeof uid, "0 %d 1", (int)getuid());
    snprintf(gid, sizeof gid, "0 %d 1", (int)getgid());
    if (unshare(CLONE_NEWNS) != 0 &&
        (unshare(CLONE_NEWUSER | CLONE_NEWNS) != 0 || !put_line("/proc/self/setgroups", "deny") ||
         !put_line("/proc/self/uid_map", uid) || !put_line("/proc/self/gid_map", gid)))
        return false;
    if (mount(NULL, "/", NULL, MS_REC | MS_PRIVATE, NULL) != 0 || mount(type, "mounted", type, 0, options) != 0)
        return false;
    int descriptor = open("mounted/file", O_WRONLY | O_CREAT, 0600);
    return descriptor >= 0 && close(descriptor) == 0;
}

static int
check_full_tmpfs(void)
{
    bool reserved;
    struct file_system system;
    int descriptor;

    if (!mount_alone("tmpfs", "size=1m"))
        return TEST_SKIPPED;
    if (file_system_of("mounted", &system, &error) != SHEAF_OK || !system.in_memory || system.on_nfs ||
        system.free_bytes > 1 << 20)
        return 2;
    if (file_open_write("mounted/file", false, &descriptor, &error) != SHEAF_OK)
        return 3;
    if (file_reserve(descriptor, "file", 8 << 20, &reserved, &error) != SHEAF_NO_OUTPUT ||
        !strstr(error.text, "file: no room: the file needs 8.4 MB, its file system has 1.0 MB free"))
        return 4;
    return 0;
}

/* ramfs has no fallocate, and no size. */
static int
check_unreserved(void)
{
    bool reserved = true;
    struct file_system system;
    struct stat about;
    int descriptor;

    if (!mount_alone("ramfs", NULL))
        return TEST_SKIPPED;
    if (file_open_write("mounted/file", false, &descriptor, &error) != SHEAF_OK ||
        file_system_of_open(descriptor, "file", &system, &error) != SHEAF_OK || !system.in_memory)
        return 2;
    if (file_reserve(descriptor, "file", 1 << 20, &reserved, &error) != SHEAF_OK || reserved)
        return 3;
    if (fstat(descriptor, &about) != 0 || about.st_size != 1 << 20)
        return 4;

    struct rlimit limit;
    signal(SIGXFSZ, SIG_IGN);
    if (getrlimit(RLIMIT_FSIZE, &limit) != 0)
        return 5;
    limit.rlim_cur = 2 << 20;
    if (setrlimit(RLIMIT_FSIZE, &limit) != 0)
        return 6;
    if (file_reserve(descriptor, "file", 4 << 20, &reserved, &error) != SHEAF_NO_OUTPUT ||
        !strstr(error.text, "file: cannot make the file 4194304 bytes long: File too large"))
        return 7;
    return 0;
}

/* Of a file that has its size: huge pages are not taken beyond what the file system has. */
static int
check_full_tmpfs_of_huge_pages(void)
{
    bool reserved;
    int descriptor;

    if (!mount_alone("tmpfs", "size=3m"))
        return TEST_SKIPPED;
    if (file_open_write("mounted/file", false, &descriptor, &error) != SHEAF_OK || ftruncate(descriptor, 8 << 20) != 0)
        return 2;
    if (file_reserve(descriptor, "file", 8 << 20, &reserved, &error) != SHEAF_NO_OUTPUT ||
        !strstr(error.text, "file: no room: the file needs 8.4 MB, its file system has 3.1 MB free"))
        return 3;
    return 0;
}

static void
a_full_file_system_says_so(void **state)
{
    (void)state;
    test_child_passes(check_full_tmpfs);
    test_child_passes(check_full_tmpfs_of_huge_pages);
}

/* Bytes of a mapping, which was read, that lie in huge pages, as the kernel accounts for it. */
static long
huge_bytes_mapped(const void *mapping)
{
    FILE *maps = fopen("/proc/self/smaps", "r");
    char line[512];
    bool here = false;
    static const char label[] = "ShmemPmdMapped:";
    long found = 0;

    while (maps && fgets(line, sizeof line, maps)) {
        char *dash;
        unsigned long begin = strtoul(line, &dash, 16);
        if (dash > line && *dash == '-') /* a mapping's first line */
            here = begin <= (uintptr_t)mapping && (uintptr_t)mapping < strtoul(dash + 1, NULL, 16);
        else if (here && strncmp(line, label, sizeof label - 1) == 0)
            found = strtol(line + sizeof label - 1, NULL, 10) * 1024;
    }
    if (maps)
        fclose(maps);
    return found;
}

static void
memory_is_reserved_in_huge_pages(void **state)
{
    enum { BLOCK = 2 << 20, BLOCKS = 4, BYTES = BLOCK * BLOCKS + 5000 };
    int descriptor = test_memory_file(BYTES);
    bool reserved = false;
    struct stat about;
    long sum = 0;

    (void)state;
    if (descriptor < 0)
        skip();
    char *bytes = huge_pages_map(descriptor, PROT_READ | PROT_WRITE, 0, BYTES);
    assert_non_null(bytes);
    assert_int_equal((uintptr_t)bytes % BLOCK, 0);
    /* contents stay, in the first block, over a border of two, and behind the last one */
    const int places[] = {7, 2 * BLOCK - 3, BYTES - 10};
    for (int i = 0; i < 3; i++)
        assert_int_equal(pwrite(descriptor, "sheaf", 5, places[i]), 5);
    test_ok(file_reserve(descriptor, "huge", BYTES, &reserved, &error), &error);
    assert_true(reserved);
    assert_int_equal(fstat(descriptor, &about), 0);
    assert_int_equal(about.st_size, BYTES);
    assert_true(about.st_blocks * 512 >= BYTES);
    for (int i = 0; i < 3; i++)
        assert_memory_equal(bytes + places[i], "sheaf", 5);
    for (int i = 0; i < BYTES; i++)
        sum += bytes[i];
    assert_int_equal(sum, 3 * ('s' + 'h' + 'e' + 'a' + 'f'));
    /* the first one at least: where they are slow to be had, others are not asked for */
    if (test_can_have_huge_pages())
        assert_in_range(huge_bytes_mapped(bytes), BLOCK, BLOCK * BLOCKS);
    huge_pages_unmap(bytes, BYTES);
    close(descriptor);
}

static void
without_fallocate_the_file_is_sized(void **state)
{
    (void)state;
    test_child_passes(check_unreserved);
}

static void
cached_pages_are_seen(void **state)
{
    char *bytes = calloc(1, 1 << 20);
    struct statfs about;
    int descriptor;

    (void)state;
    test_put("cached", bytes, 1 << 20);
    free(bytes);
    test_ok(file_open_write("cached", false, &descriptor, &error), &error);
    test_ok(file_sync(descriptor, "cached", true, &error), &error);
    /* beyond the end there is nothing, cached or not */
    assert_false(file_is_cached(descriptor, 0, 2 << 20));
    assert_true(file_is_cached(descriptor, 0, 0));
    assert_int_equal(fstatfs(descriptor, &about), 0);
    bool knows = file_is_cached(descriptor, 0, 1 << 20);
    bool missed = false;
    /* the question itself starts reading ahead, which a fast disk may win now and then */
    for (int i = 0; knows && about.f_type == EXT4_SUPER_MAGIC && i < 10 && !missed; i++) {
        assert_int_equal(posix_fadvise(descriptor, 0, 0, POSIX_FADV_DONTNEED), 0);
        missed = !file_is_cached(descriptor, 0, 1 << 20);
    }
    if (knows && about.f_type == EXT4_SUPER_MAGIC)
        assert_true(missed);
    close(descriptor);
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(bytes_are_written_as_people_say_them),
        cmocka_unit_test(what_is_written_is_read),
        cmocka_unit_test(a_short_file_is_named),
        cmocka_unit_test(what_is_no_file_is_not_opened),
        cmocka_unit_test(failures_of_the_system_are_reported),
        cmocka_unit_test(space_is_reserved),
        cmocka_unit_test(a_full_file_system_says_so),
        cmocka_unit_test(memory_is_reserved_in_huge_pages),
        cmocka_unit_test(without_fallocate_the_file_is_sized),
        cmocka_unit_test(cached_pages_are_seen),
    };
    return cmocka_run_group_tests(tests, test_enter_directory, test_leave_directory);
}
