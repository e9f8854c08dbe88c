#include "app_test.h"
#include "helper.h"
#include "opening.h"

#include <signal.h>
#include <stdlib.h>
#include <sys/wait.h>
#include <unistd.h>

/* The work: a question is a list of words. Files are "opened" by name, and what is to happen then is what their names say. */

static void
use_processor(void)
{
    for (volatile bool ever = true; ever;)
        ;
}

/* Touch more memory than is allowed. */
static enum sheaf_status
take_memory(struct sheaf_error *error)
{
    const size_t bytes = (size_t)1 << 30;
    char *memory = malloc(bytes);
    if (!memory)
        return sheaf_fail(error, SHEAF_BAD_DATA, "greedy: the library has no memory for it");
    memset(memory, 1, bytes);
    free(memory);
    return SHEAF_OK;
}

static enum sheaf_status
open_file(const char *path, struct sheaf_error *error)
{
    enum sheaf_status status = opening_begin(path, path, error);
    if (status)
        return status;
    if (strncmp(path, "segv", 4) == 0)
        raise(SIGSEGV);
    if (strncmp(path, "abort", 5) == 0)
        raise(SIGABRT);
    if (strncmp(path, "spin", 4) == 0)
        use_processor();
    if (strncmp(path, "sleep", 5) == 0)
        pause();
    if (strncmp(path, "exit", 4) == 0)
        _exit(3);
    return strncmp(path, "greedy", 6) == 0 ? take_memory(error) : SHEAF_OK;
}

/* Files, one a line: the answer has a line for each. One that begins with "!" is literal: it fails all. */
static enum sheaf_status
work(const char *question, int64_t bytes, char **reply, int64_t *reply_bytes, struct sheaf_error *error)
{
    char *words = strndup(question, (size_t)bytes), *rest = words, *out = NULL;
    size_t size;
    FILE *to = open_memstream(&out, &size);
    enum sheaf_status status = SHEAF_OK;
    for (char *word; !status && (word = strsep(&rest, "\n")) != NULL;) {
        struct sheaf_error why = {SHEAF_OK, ""};
        bool literal = *word == '!';
        if (strcmp(word, "early") == 0)
            raise(SIGSEGV);
        if (strcmp(word, "large") == 0)
            for (int i = 0; i < 3000000; i++)
                fputc('x', to);
        open_file(word + literal, &why);
        fprintf(to, "%s\n", why.status ? why.text : "good");
        if (literal && why.status) {
            *error = why;
            status = why.status;
        }
    }
    fclose(to);
    free(words);
    *reply = out;
    *reply_bytes = (int64_t)size;
    return status;
}

/* On a loaded machine a second of CPU takes many. */
static struct helper *
start(int cpu_seconds, int seconds)
{
    const struct helper_bounds bounds = {INT64_C(512) << 20, cpu_seconds, seconds};
    struct sheaf_error error;
    struct helper *helper;
    test_ok(helper_start(work, &bounds, &helper, &error), &error);
    return helper;
}

/* @return the answer, as a text; the caller frees it */
static char *
ask(struct helper *helper, const char *question)
{
    struct sheaf_error error;
    char *reply;
    int64_t bytes;
    test_ok(helper_ask(helper, "op", question, (int64_t)strlen(question), &reply, &bytes, &error), &error);
    reply[bytes] = '\0';
    return reply;
}

static void
refused(struct helper *helper, const char *question, enum sheaf_status expected, const char *part)
{
    struct sheaf_error error;
    char *reply;
    int64_t bytes;
    enum sheaf_status status = helper_ask(helper, "op", question, (int64_t)strlen(question), &reply, &bytes, &error);
    test_error(status, expected, &error, part);
    assert_null(reply);
}

static void
it_answers(void **state)
{
    struct helper *helper = start(60, 60);
    (void)state;
    for (int i = 0; i < 3; i++) {
        char *reply = ask(helper, "a\nb");
        assert_string_equal(reply, "good\ngood\n");
        free(reply);
    }
    /* more than a socket holds */
    char *reply = ask(helper, "large");
    assert_int_equal(strlen(reply), 3000005);
    free(reply);
    helper_stop(helper);
    assert_int_equal(waitpid(-1, NULL, 0), -1);
}

static void
a_file_that_crashes_it_is_named_and_the_others_are_examined(void **state)
{
    struct helper *helper = start(60, 60);
    (void)state;
    char *reply = ask(helper, "a\nsegv\nb\nabort\nexit\nc");
    assert_memory_equal(reply, "good\nsegv: ", 11);
    assert_non_null(
        strstr(reply, "segv: cannot be opened: the HDF5 library crashes on it (signal 11, Segmentation fault)"));
    assert_non_null(
        strstr(reply, "\ngood\nabort: cannot be opened: the HDF5 library crashes on it (signal 6, Aborted)"));
    assert_non_null(strstr(reply, "\nexit: cannot be opened: the process that examines it failed, exit 3"));
    assert_string_equal(reply + strlen(reply) - 6, "\ngood\n");
    free(reply);
    refused(helper, "a\n!segv", SHEAF_BAD_DATA, "segv: cannot be opened: the HDF5 library crashes on it");
    /* what one question died of, another may ask about */
    reply = ask(helper, "a");
    assert_string_equal(reply, "good\n");
    free(reply);
    helper_stop(helper);
}

static void
a_file_that_takes_too_much_is_named(void **state)
{
    struct helper *helper = start(1, 60);
    (void)state;
    char *reply = ask(helper, "spin\nb");
    assert_non_null(strstr(reply, "spin: cannot be opened: the HDF5 library took more than 1 s of CPU"));
    assert_string_equal(reply + strlen(reply) - 6, "\ngood\n");
    free(reply);
    helper_stop(helper);
    helper = start(60, 2);
    reply = ask(helper, "sleep\ngreedy\nb");
    assert_non_null(strstr(reply, "sleep: cannot be opened: the HDF5 library took more than 2 s for it;"));
    /* refused by the library, or by the address sanitizer, which ends the process */
    assert_non_null(strstr(reply, "\ngreedy: the "));
    assert_string_equal(reply + strlen(reply) - 6, "\ngood\n");
    free(reply);
    helper_stop(helper);
}

static void
a_crash_in_no_file_and_too_many_are_refusals(void **state)
{
    char many[8 * (HELPER_CRASHES_MAX + 1)] = "";
    struct helper *helper = start(60, 60);
    (void)state;
    refused(helper, "early", SHEAF_BAD_DATA, "op: cannot be opened: the HDF5 library crashes on it");
    for (int i = 0; i <= HELPER_CRASHES_MAX; i++)
        snprintf(many + strlen(many), sizeof many - strlen(many), "%ssegv%02d", i ? "\n" : "", i);
    refused(helper, many, SHEAF_BAD_DATA, "op: cannot be opened: the HDF5 library crashes on it");
    many[strlen(many) - 7] = '\0';
    free(ask(helper, many));
    helper_stop(helper);
}

/* A helper that is not answered any more is an error of ours, and no wait without end. */
static void
a_helper_that_was_killed_is_told_of(void **state)
{
    struct helper *helper = start(60, 60);
    char path[64];
    int process = -1;
    (void)state;
    snprintf(path, sizeof path, "/proc/self/task/%d/children", (int)getpid());
    FILE *file = fopen(path, "r");
    if (file) {
        assert_non_null(fgets(path, sizeof path, file));
        process = (int)strtol(path, NULL, 10);
        assert_true(process > 1);
        fclose(file);
        kill(process, SIGKILL);
        refused(helper, "a", SHEAF_INTERNAL, "op: the process that examines inputs is gone");
    }
    helper_stop(helper);
}

/* Whoever asks may be killed at any time: nothing is left, not even what works. */
static void
it_ends_with_who_asked(void **state)
{
    int ends[2];
    char byte;
    (void)state;
    assert_int_equal(pipe(ends), 0);
    pid_t asking = fork();
    if (asking == 0) {
        close(ends[0]);
        char *reply = ask(start(60, 60), "a");
        bool good = write(ends[1], reply, 1) == 1;
        free(reply);
        pid_t killer = good ? fork() : -1;
        if (killer == 0) {
            close(ends[1]);
            usleep(100000);
            kill(getppid(), SIGKILL);
            _exit(0);
        }
        free(ask(start(60, 60), "sleep")); // killed meanwhile
        _exit(0);
    }
    close(ends[1]);
    assert_int_equal(read(ends[0], &byte, 1), 1);
    assert_int_equal(read(ends[0], &byte, 1), 0); // all that hold the other end have ended
    close(ends[0]);
    int ended;
    assert_int_equal(waitpid(asking, &ended, 0), asking);
    assert_true(WIFSIGNALED(ended));
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(it_answers),
        cmocka_unit_test(a_file_that_crashes_it_is_named_and_the_others_are_examined),
        cmocka_unit_test(a_file_that_takes_too_much_is_named),
        cmocka_unit_test(a_crash_in_no_file_and_too_many_are_refusals),
        cmocka_unit_test(a_helper_that_was_killed_is_told_of),
        cmocka_unit_test(it_ends_with_who_asked),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
