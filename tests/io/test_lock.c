#include "io_test.h"

#include "lock.h"

#include <signal.h>

enum { RACERS = 8, ROUNDS = 25 };

static struct lock_request
request_of(const struct lock_owner *self)
{
    return (struct lock_request){.output = "out.h5", .self = self};
}

/* Take the lock as this process; it must be had. */
static struct lock *
take(struct lock_owner *self, struct lock_owner *previous)
{
    struct lock *lock;
    struct sheaf_error error;

    lock_describe_self(1e9, self);
    const struct lock_request request = request_of(self);
    test_ok(lock_take(&request, &lock, previous, &error), &error);
    return lock;
}

static void
refused(const struct lock_request *request, const char *part)
{
    struct lock *lock;
    struct lock_owner previous;
    struct sheaf_error error;

    test_error(lock_take(request, &lock, &previous, &error), SHEAF_NO_OUTPUT, &error, part);
    assert_null(lock);
}

/* A lock whose owner has ended: a child's. Returns its process. */
static pid_t
leave_dead_lock(void)
{
    const pid_t child = fork();
    struct lock_owner self, previous;
    int status;

    assert_true(child >= 0);
    if (child == 0) {
        take(&self, &previous);
        _exit(0);
    }
    assert_int_equal(waitpid(child, &status, 0), child);
    assert_int_equal(status, 0);
    return child;
}

/* Put a lock there as another one would have: self's, changed. */
static void
leave_lock(const struct lock_owner *owner)
{
    struct lock *lock;
    struct lock_owner previous;
    struct sheaf_error error;
    const struct lock_request request = {.output = "out.h5", .self = owner};

    unlink("out.h5.lock");
    test_ok(lock_take(&request, &lock, &previous, &error), &error);
    free(lock);
}

static int
count_files(void)
{
    return system("exit $(ls -A | wc -l)") / 256;
}

static void
one_run_at_a_time_holds_it(void **state)
{
    struct lock_owner self, other, found, previous;
    char owner[LOCK_OWNER_TEXT];

    (void)state;
    struct lock *lock = take(&self, &previous);
    assert_int_equal(previous.pid, 0);
    lock_describe_self(2e9, &other);
    struct lock_request request = request_of(&other);
    refused(&request, "another run writes it: pid ");
    refused(&request, lock_format_owner(&self, owner));
    assert_non_null(strstr(owner, "started 2001-09-09T01:46:40Z"));
    request.take_over = true; /* not even so: it lives */
    refused(&request, "wait until that has ended");
    assert_int_equal(lock_find("out.h5", &other, &found), LOCK_LIVES);
    assert_memory_equal(&found, &self, sizeof found);
    assert_int_equal(count_files(), 1);
    lock_release(lock);
    assert_int_equal(count_files(), 0);
    assert_int_equal(lock_find("out.h5", &other, &found), LOCK_FREE);
    lock_release(take(&self, &previous));
    lock_release(NULL);
}

static void
a_dead_owner_is_replaced(void **state)
{
    struct lock_owner self, found, previous;

    (void)state;
    const pid_t child = leave_dead_lock();
    lock_describe_self(0, &self);
    assert_int_equal(lock_find("out.h5", &self, &found), LOCK_GONE);
    assert_int_equal(found.pid, child);
    struct lock *lock = take(&self, &previous);
    assert_int_equal(previous.pid, child);
    assert_int_equal(count_files(), 1);
    lock_release(lock);
    assert_int_equal(count_files(), 0);
}

static void
owners_are_judged(void **state)
{
    struct lock_owner self, owner;

    (void)state;
    lock_describe_self(0, &self);
    assert_int_equal(lock_judge(&self, &self), LOCK_LIVES);
    owner = self;
    owner.ticks--; /* the number is another process's now */
    assert_int_equal(lock_judge(&owner, &self), LOCK_GONE);
    owner.ticks = 0;
    assert_int_equal(lock_judge(&owner, &self), LOCK_LIVES);
    owner = self;
    strcpy(owner.host, "elsewhere");
    assert_int_equal(lock_judge(&owner, &self), LOCK_UNKNOWN);
    owner = self;
    strcpy(owner.space, "pid:[1]");
    assert_int_equal(lock_judge(&owner, &self), LOCK_UNKNOWN);
    owner = self;
    strcpy(owner.boot, "an earlier one");
    strcpy(owner.machine, "this one");
    assert_int_equal(lock_judge(&owner, &self), LOCK_UNKNOWN);
    strcpy(self.machine, "this one");
    assert_int_equal(lock_judge(&owner, &self), LOCK_GONE);

    const pid_t child = fork();
    assert_true(child >= 0);
    if (child == 0)
        _exit(0);
    siginfo_t about;
    assert_int_equal(waitid(P_PID, (id_t)child, &about, WEXITED | WNOWAIT), 0);
    owner = self;
    owner.pid = child;
    owner.ticks = 0;
    assert_int_equal(lock_judge(&owner, &self), LOCK_GONE); /* ended, not waited for */
    waitpid(child, NULL, 0);
    assert_int_equal(lock_judge(&owner, &self), LOCK_GONE);
}

static bool
has_ended(const struct lock_owner *owner)
{
    assert_string_equal(owner->host, "elsewhere");
    return owner->job == 17;
}

static void
an_owner_elsewhere_needs_a_word(void **state)
{
    struct lock_owner self, owner, previous;
    struct lock *lock;
    struct sheaf_error error;

    (void)state;
    lock_describe_self(0, &self);
    owner = self;
    strcpy(owner.host, "elsewhere");
    strcpy(owner.token, "its-own");
    owner.job = 18;
    leave_lock(&owner);
    struct lock_request request = request_of(&self);
    refused(&request, "on elsewhere, Slurm job 18, started 1970-01-01T00:00:00Z, which cannot be seen from here");
    request.has_ended = has_ended;
    refused(&request, "give --take-over");
    request.take_over = true;
    test_ok(lock_take(&request, &lock, &previous, &error), &error);
    assert_string_equal(previous.token, "its-own");
    lock_release(lock);

    owner.job = 17;
    leave_lock(&owner);
    request.take_over = false;
    test_ok(lock_take(&request, &lock, &previous, &error), &error);
    assert_int_equal(previous.job, 17);
    lock_release(lock);
    assert_int_equal(count_files(), 0);
}

/* Somebody died between taking the right to replace a dead owner and replacing it. */
static void
rights_of_the_dead_are_taken_over_too(void **state)
{
    struct lock_owner self, first, second, previous;
    char right[128];

    (void)state;
    lock_describe_self(0, &self);
    leave_dead_lock();
    lock_find("out.h5", &self, &first);
    assert_int_equal(rename("out.h5.lock", "first"), 0);
    leave_dead_lock();
    lock_find("out.h5", &self, &second);
    snprintf(right, sizeof right, "out.h5.lock.%s", first.token);
    assert_int_equal(rename("out.h5.lock", right), 0);
    assert_int_equal(rename("first", "out.h5.lock"), 0);

    struct lock *lock = take(&self, &previous);
    assert_int_equal(previous.pid, first.pid);
    assert_int_equal(count_files(), 1);
    lock_release(lock);
    assert_int_equal(count_files(), 0);
}

static void
what_is_no_lock_is_refused(void **state)
{
    struct lock_owner self, previous, found;
    struct lock *lock;
    struct sheaf_error error;

    (void)state;
    lock_describe_self(0, &self);
    struct lock_request request = request_of(&self);
    static const char *const texts[] = {"", "hello\n", "sheaf lock 1\n", "sheaf lock 1\nhost a\npid -3\ntoken b\n"};
    for (size_t i = 0; i < sizeof texts / sizeof texts[0]; i++) {
        FILE *file = fopen("out.h5.lock", "w");
        fputs(texts[i], file);
        fclose(file);
        refused(&request, "out.h5.lock is no lock that Sheaf can read");
        assert_int_equal(lock_find("out.h5", &self, &found), LOCK_UNKNOWN);
    }
    request.take_over = true;
    test_ok(lock_take(&request, &lock, &previous, &error), &error);
    lock_release(lock);

    /* a link is neither followed nor written through */
    request.take_over = false;
    assert_int_equal(symlink("victim", "out.h5.lock"), 0);
    refused(&request, "is no lock that Sheaf can read");
    assert_int_equal(access("victim", F_OK), -1);
    unlink("out.h5.lock");
    request.output = "nowhere/out.h5";
    refused(&request, "nowhere/out.h5: cannot create it in nowhere: No such file or directory");
    assert_int_equal(count_files(), 0);
}

static void
a_lock_that_was_replaced_is_not_ours_any_more(void **state)
{
    struct lock_owner self, other, previous, found;
    struct sheaf_error error;

    (void)state;
    struct lock *lock = take(&self, &previous);
    test_ok(lock_check(lock, &error), &error);
    unlink("out.h5.lock");
    test_error(lock_check(lock, &error), SHEAF_NO_OUTPUT, &error, "its lock");
    other = self;
    strcpy(other.host, "elsewhere");
    strcpy(other.token, "another");
    leave_lock(&other);
    test_error(lock_check(lock, &error), SHEAF_NO_OUTPUT, &error,
               "on elsewhere, started 2001-09-09T01:46:40Z; this one");
    lock_release(lock);
    assert_int_equal(lock_find("out.h5", &self, &found), LOCK_UNKNOWN);
    assert_string_equal(found.token, "another");
    unlink("out.h5.lock");
}

/* What a racer does: wait for the start, try, tell, and live until all have told. */
static void
race(int start, int told, int end)
{
    struct lock_owner self, previous;
    struct lock *lock = NULL;
    struct sheaf_error error;
    char byte;

    lock_describe_self(0, &self);
    const struct lock_request request = request_of(&self);
    if (read(start, &byte, 1) != 0)
        _exit(2);
    byte = lock_take(&request, &lock, &previous, &error) == SHEAF_OK ? 'w' : 'l';
    if (byte == 'l' && error.status != SHEAF_NO_OUTPUT)
        byte = '?';
    if (write(told, &byte, 1) != 1 || read(end, &byte, 1) != 0)
        _exit(2);
    lock_release(lock);
    _exit(0);
}

/* All start at once, when the last writer of a pipe closes it. */
static void
run_race(void)
{
    int start[2] = {-1, -1}, told[2] = {-1, -1}, end[2] = {-1, -1}, winners = 0;

    assert_true(pipe(start) == 0 && pipe(told) == 0 && pipe(end) == 0);
    for (int i = 0; i < RACERS; i++) {
        const pid_t child = fork();
        assert_true(child >= 0);
        if (child == 0) {
            close(start[1]);
            close(end[1]);
            race(start[0], told[1], end[0]);
        }
    }
    close(start[1]);
    for (int i = 0; i < RACERS; i++) {
        char byte = 0;
        assert_int_equal(read(told[0], &byte, 1), 1);
        assert_true(byte == 'w' || byte == 'l');
        winners += byte == 'w';
    }
    close(end[1]);
    for (int i = 0; i < RACERS; i++) {
        int status;
        wait(&status);
        assert_int_equal(status, 0);
    }
    close(start[0]);
    close(told[0]);
    close(told[1]);
    close(end[0]);
    assert_int_equal(winners, 1);
}

static void
of_several_at_once_one_gets_it(void **state)
{
    (void)state;
    for (int i = 0; i < ROUNDS; i++) {
        run_race();
        assert_int_equal(count_files(), 0);
        leave_dead_lock();
        run_race();
        assert_int_equal(count_files(), 0);
    }
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(one_run_at_a_time_holds_it),
        cmocka_unit_test(a_dead_owner_is_replaced),
        cmocka_unit_test(owners_are_judged),
        cmocka_unit_test(an_owner_elsewhere_needs_a_word),
        cmocka_unit_test(rights_of_the_dead_are_taken_over_too),
        cmocka_unit_test(what_is_no_lock_is_refused),
        cmocka_unit_test(a_lock_that_was_replaced_is_not_ours_any_more),
        cmocka_unit_test(of_several_at_once_one_gets_it),
    };

    return cmocka_run_group_tests(tests, test_enter_directory, test_leave_directory);
}
