#include "io_test.h"
#include "view.h"

#include <fcntl.h>
#include <signal.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <sys/wait.h>
#include <unistd.h>

enum { BYTES = 1 << 20, PAGE = 4096 };

static char expected[BYTES];

/* A file of numbers that differ from page to page. */
static int
make_file(const char *path)
{
    int descriptor = open(path, O_RDWR | O_CREAT | O_TRUNC, 0600);
    for (int i = 0; i < BYTES; i++)
        expected[i] = (char)(i % 251 + i / PAGE);
    assert_true(descriptor >= 0);
    assert_int_equal(write(descriptor, expected, BYTES), BYTES);
    return descriptor;
}

static void
bytes_are_those_of_the_file(void **state)
{
    static const int64_t offsets[] = {0, 1, 64, 4095, 4096, 10000, BYTES - 1};
    int descriptor = make_file("whole");
    (void)state;
    for (size_t i = 0; i < sizeof offsets / sizeof *offsets; i++) {
        struct view *view = view_open(descriptor, offsets[i], BYTES - offsets[i]);
        assert_non_null(view);
        for (int again = 0; again < 2; again++) {
            assert_memory_equal(view_at(view, 0), expected + offsets[i], (size_t)(BYTES - offsets[i]));
            assert_true(view_release(view, 0, BYTES - offsets[i]));
        }
        assert_false(view_is_broken(view));
        view_close(view);
    }
    assert_null(view_open(descriptor, 0, 0));
    assert_null(view_open(descriptor, -1, 10));
    assert_null(view_open(-1, 0, 10));
    view_close(NULL);
    close(descriptor);
}

/* What is gone reads as 0, and only the view whose file became shorter says so. */
static void
a_file_that_becomes_shorter_breaks_its_view(void **state)
{
    int descriptor = make_file("short"), other = make_file("other");
    struct view *view = view_open(descriptor, 100, BYTES - 100), *whole = view_open(other, 0, BYTES);
    (void)state;
    assert_non_null(view);
    assert_non_null(whole);
    assert_int_equal(ftruncate(descriptor, BYTES / 2), 0);
    assert_memory_equal(view_at(view, 0), expected + 100, BYTES / 2 - 100);
    assert_false(view_is_broken(view));
    for (int64_t at = BYTES / 2 - 100; at < BYTES - 100; at += 500)
        assert_int_equal(*(const volatile char *)view_at(view, at), 0);
    assert_true(view_is_broken(view));
    assert_false(view_release(view, 0, BYTES - 100));
    assert_true(view_is_broken(view));
    assert_memory_equal(view_at(whole, 0), expected, BYTES);
    assert_false(view_is_broken(whole));
    view_close(view);
    view_close(whole);
    /* the next one in its place starts anew */
    view = view_open(other, 0, BYTES);
    assert_false(view_is_broken(view));
    view_close(view);
    close(descriptor);
    close(other);
}

/* The file's end in the middle of a page: what lies behind it there is 0, and no fault tells. */
static void
missing_bytes_of_the_last_page_break_the_view(void **state)
{
    int descriptor = make_file("middle");
    struct view *view = view_open(descriptor, 0, BYTES);
    (void)state;
    assert_int_equal(ftruncate(descriptor, BYTES / 2 + 100), 0);
    assert_true(view_release(view, 0, BYTES / 2 + 100));
    assert_int_equal(*(const volatile char *)view_at(view, BYTES / 2 + 100), 0);
    assert_false(view_is_broken(view));
    assert_false(view_release(view, BYTES / 2, 101));
    assert_true(view_is_broken(view));
    view_close(view);
    close(descriptor);
}

static volatile sig_atomic_t noted;

static void
note(int number)
{
    (void)number;
    noted = 1;
    _exit(42);
}

/* A SIGBUS elsewhere goes where it went before: to the handler that was there, or it ends the process. */
static void
other_faults_are_left_alone(void **state)
{
    (void)state;
    for (int handled = 0; handled < 2; handled++) {
        int status;
        pid_t child = fork();
        assert_true(child >= 0);
        if (child == 0) {
            /* a process of its own, that no view was opened in */
            char *arguments[] = {"test_io_view", handled ? "handled" : "plain", NULL};
            execv("/proc/self/exe", arguments);
            _exit(1);
        }
        assert_int_equal(waitpid(child, &status, 0), child);
        if (handled)
            assert_true(WIFEXITED(status) && WEXITSTATUS(status) == 42);
        else
            assert_true(WIFSIGNALED(status) && WTERMSIG(status) == SIGBUS);
    }
}

static int
fault_elsewhere(bool handled)
{
    int descriptor = open("elsewhere", O_RDWR | O_CREAT | O_TRUNC, 0600);
    char path[] = "elsewhere2";
    int other = open(path, O_RDWR | O_CREAT | O_TRUNC, 0600);
    if (write(other, expected, PAGE) != PAGE)
        return 2;
    signal(SIGBUS, handled ? note : SIG_DFL);
    struct view *view = view_open(other, 0, PAGE);
    const volatile char *gone = mmap(NULL, PAGE, PROT_READ, MAP_SHARED, descriptor, 0);
    if (!view || gone == MAP_FAILED)
        return 3;
    return *gone + 4;
}

static void
more_views_than_there_is_room_for_are_refused(void **state)
{
    enum { MANY = 200 };
    struct view *views[MANY];
    int descriptor = make_file("many"), count = 0;
    (void)state;
    while (count < MANY && (views[count] = view_open(descriptor, 0, PAGE)) != NULL)
        count++;
    assert_true(count >= 16 && count < MANY); /* one an operand at least */
    for (int i = 0; i < count; i++)
        view_close(views[i]);
    views[0] = view_open(descriptor, 0, PAGE);
    assert_non_null(views[0]);
    view_close(views[0]);
    close(descriptor);
}

static void
buffers_that_are_used_once_cost_more(void **state)
{
    (void)state;
    assert_true(view_pays(2.5, 1, 1));
    assert_false(view_pays(2.7, 1, 1));
    assert_false(view_pays(2.5, 1, 3));
    assert_true(view_pays(1.2, 1, 1000));
    assert_false(view_pays(1.4, 1, 1000));
}

/* Which way is cheaper is the machine's business; that it is found without harm is tested. */
static void
measuring_leaves_the_view_as_it_was(void **state)
{
    int descriptor = make_file("measured");
    struct view *view = view_open(descriptor, 0, BYTES);
    char *buffer = malloc(BYTES / 4);
    (void)state;
    assert_non_null(buffer);
    view_is_cheaper(view, descriptor, 0, BYTES, buffer, 1);
    assert_memory_equal(view_at(view, 0), expected, BYTES);
    assert_false(view_is_cheaper(view, -1, 0, BYTES, buffer, 1));
    assert_false(view_is_broken(view));
    free(buffer);
    view_close(view);
    close(descriptor);
}

/* Pieces that share pages and huge pages with each other; where there are none, it is said, and nothing has changed. */
static void
what_is_written_arrives(void **state)
{
    enum { MANY = 5 * BYTES + 333, PIECE = 300001 };
    int descriptor = test_memory_file(MANY), pieces = 0;
    char *wrote = malloc(MANY), *got = malloc(MANY);
    (void)state;
    assert_non_null(wrote);
    assert_non_null(got);
    if (descriptor < 0)
        skip();
    for (int i = 0; i < MANY; i++)
        wrote[i] = (char)(i % 251 + i / PAGE);
    struct view *view = view_open_to_write(descriptor, MANY);
    assert_non_null(view);
    for (int at = 0; at < MANY; at += PIECE) {
        int bytes = MANY - at < PIECE ? MANY - at : PIECE;
        char *to = view_prepare(view, at, bytes);
        if (to)
            memcpy(to, wrote + at, (size_t)bytes);
        else
            assert_int_equal(pwrite(descriptor, wrote + at, (size_t)bytes, at), bytes);
        pieces += to != NULL;
        assert_true(view_release(view, at, bytes));
    }
    assert_int_equal(pread(descriptor, got, MANY, 0), MANY);
    assert_memory_equal(got, wrote, MANY);
    view_close(view);
    if (test_can_have_huge_pages())
        assert_in_range(pieces, 1, MANY / PIECE + 1);
    free(wrote);
    free(got);
    close(descriptor);
}

/* Who writes to a file that has become shorter is told so. */
static void
what_is_written_to_nowhere_breaks_the_view(void **state)
{
    int descriptor = test_memory_file(2 * BYTES);
    (void)state;
    if (descriptor < 0)
        skip();
    struct view *view = view_open_to_write(descriptor, 2 * BYTES);
    assert_non_null(view);
    char *to = view_prepare(view, 0, 2 * BYTES);
    assert_int_equal(ftruncate(descriptor, 0), 0);
    if (to) { /* there were huge pages */
        memset(to, 1, 2 * BYTES);
        assert_true(view_is_broken(view));
    }
    assert_false(view_release(view, 0, 2 * BYTES));
    view_close(view);
    /* what is behind the file's end is not prepared */
    view = view_open_to_write(descriptor, 2 * BYTES);
    assert_non_null(view);
    assert_null(view_prepare(view, BYTES, 100));
    view_close(view);
    close(descriptor);
}

static void
nothing_is_no_file_to_write_to(void **state)
{
    int descriptor = open("/dev/null", O_RDONLY);
    (void)state;
    assert_null(view_open_to_write(descriptor, 0));
    assert_null(view_open_to_write(-1, 100));
    close(descriptor);
}

int
main(int argument_count, char **arguments)
{
    if (argument_count > 1)
        return fault_elsewhere(strcmp(arguments[1], "handled") == 0);
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(bytes_are_those_of_the_file),
        cmocka_unit_test(a_file_that_becomes_shorter_breaks_its_view),
        cmocka_unit_test(missing_bytes_of_the_last_page_break_the_view),
        cmocka_unit_test(other_faults_are_left_alone),
        cmocka_unit_test(more_views_than_there_is_room_for_are_refused),
        cmocka_unit_test(buffers_that_are_used_once_cost_more),
        cmocka_unit_test(measuring_leaves_the_view_as_it_was),
        cmocka_unit_test(what_is_written_arrives),
        cmocka_unit_test(what_is_written_to_nowhere_breaks_the_view),
        cmocka_unit_test(nothing_is_no_file_to_write_to),
    };
    return cmocka_run_group_tests(tests, test_enter_directory, test_leave_directory);
}
