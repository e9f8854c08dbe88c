#include "helper.h"
#include "opening.h"

#include <errno.h>
#include <limits.h>
#include <signal.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/time.h>
#include <sys/wait.h>
#include <unistd.h>

enum { WHY_TEXT = 192 };

/** What the processes share in memory: it outlives a crash. */
struct blackboard {
    char file[PATH_MAX]; /**< that is being looked into; "": none yet */
    bool answering;      /**< the work is done, its answer is being sent */
    int refused;
    struct {
        char path[PATH_MAX], why[WHY_TEXT];
    } files[HELPER_CRASHES_MAX]; /**< that are not opened again for the same question */
};

struct helper {
    pid_t process;
    int socket;
};

/** What goes before the bytes of an answer. */
struct answer {
    int64_t bytes;
    bool died; /**< the work gave no answer: the text says why, but not of what */
    struct sheaf_error error;
};

/** What the helper's processes know; copied, with all of the process, into each of them. */
static struct {
    helper_work *work;
    struct helper_bounds bounds;
    struct blackboard *board;
    int socket;
    pid_t parent;
} own;

static bool
send_all(int to, const void *bytes, int64_t count)
{
    for (const char *at = bytes; count > 0;) {
        ssize_t sent = send(to, at, (size_t)count, MSG_NOSIGNAL);
        if (sent < 0 && errno == EINTR)
            continue;
        if (sent <= 0)
            return false;
        at += sent;
        count -= sent;
    }
    return true;
}

static bool
receive_all(int from, void *bytes, int64_t count)
{
    for (char *at = bytes; count > 0;) {
        ssize_t got = recv(from, at, (size_t)count, 0);
        if (got < 0 && errno == EINTR)
            continue;
        if (got <= 0)
            return false;
        at += got;
        count -= got;
    }
    return true;
}

// ---- the process that works ----

/** The clocks begin anew. What they send ends the process, as nobody handles it. */
static void
start_clocks(void)
{
    const struct itimerval cpu = {.it_value.tv_sec = own.bounds.step_cpu_seconds};
    const struct itimerval wall = {.it_value.tv_sec = own.bounds.step_seconds};
    setitimer(ITIMER_PROF, &cpu, NULL);
    setitimer(ITIMER_REAL, &wall, NULL);
}

static void
stop_clocks(void)
{
    const struct itimerval never = {.it_value.tv_sec = 0};
    setitimer(ITIMER_PROF, &never, NULL);
    setitimer(ITIMER_REAL, &never, NULL);
}

static enum sheaf_status
begin_file(const char *path, const char *name, struct sheaf_error *error)
{
    struct blackboard *board = own.board;
    for (int i = 0; i < board->refused; i++)
        if (strcmp(board->files[i].path, path) == 0)
            return sheaf_fail(error, SHEAF_BAD_DATA, "%s: %s", name, board->files[i].why);
    snprintf(board->file, sizeof board->file, "%s", path);
    start_clocks();
    return SHEAF_OK;
}

/** Bytes of addresses that this process has. 0: cannot be told */
static int64_t
address_bytes(void)
{
    char line[128];
    long long pages = 0;
    FILE *file = fopen("/proc/self/statm", "re");
    if (file && fgets(line, sizeof line, file))
        pages = strtoll(line, NULL, 10);
    if (file)
        fclose(file);
    return (int64_t)pages * sysconf(_SC_PAGESIZE);
}

static void
bound_memory(void)
{
    int64_t present = address_bytes();
    struct rlimit limit;
    if (own.bounds.memory_bytes == 0 || present == 0 || getrlimit(RLIMIT_AS, &limit) != 0)
        return;
    rlim_t wanted = (rlim_t)(present + own.bounds.memory_bytes);
    if (limit.rlim_cur == RLIM_INFINITY || wanted < limit.rlim_cur) {
        limit.rlim_cur = wanted;
        setrlimit(RLIMIT_AS, &limit);
    }
}

/** End with the one that made this process, which may have ended already. */
static void
follow(pid_t parent)
{
    prctl(PR_SET_PDEATHSIG, SIGKILL);
    if (getppid() != parent)
        _exit(1);
}

static _Noreturn void
work_on(const char *question, int64_t bytes, pid_t parent)
{
    static const struct opening watch = {begin_file, start_clocks};
    const struct rlimit no_core = {0, 0};
    struct answer answer = {.bytes = 0};
    char *reply = NULL;
    follow(parent);
    setrlimit(RLIMIT_CORE, &no_core); // a stranger's file is to leave nothing in the user's directory
    bound_memory();
    opening_watch(&watch);
    start_clocks();
    answer.error.status = own.work(question, bytes, &reply, &answer.bytes, &answer.error);
    stop_clocks();
    own.board->answering = true;
    if (answer.error.status)
        answer.bytes = 0;
    bool sent = send_all(own.socket, &answer, sizeof answer) && send_all(own.socket, reply, answer.bytes);
    _exit(sent ? 0 : 1);
}

// ---- the process that waits ----

static void
word_end(int ended, char text[WHY_TEXT])
{
    const char *hint = "look at the file before it is used, or copy it anew";
    if (!WIFSIGNALED(ended))
        snprintf(text, WHY_TEXT, "cannot be opened: the process that examines it failed, exit %d; %s",
                 WEXITSTATUS(ended), hint);
    else if (WTERMSIG(ended) == SIGPROF)
        snprintf(text, WHY_TEXT, "cannot be opened: the HDF5 library took more than %d s of CPU for it; %s",
                 own.bounds.step_cpu_seconds, hint);
    else if (WTERMSIG(ended) == SIGALRM)
        snprintf(text, WHY_TEXT, "cannot be opened: the HDF5 library took more than %d s for it; %s",
                 own.bounds.step_seconds, hint);
    else
        snprintf(text, WHY_TEXT, "cannot be opened: the HDF5 library crashes on it (signal %d, %s); %s",
                 WTERMSIG(ended), strsignal(WTERMSIG(ended)), hint);
}

/** Give up. @return whether that could be told */
static bool
send_failure(enum sheaf_status status, const char *text)
{
    struct answer answer = {.died = true};
    sheaf_fail(&answer.error, status, "%s", text);
    return send_all(own.socket, &answer, sizeof answer);
}

/** Have a question worked on, again without a file that it died of. @return whether it was answered */
static bool
answer_question(const char *question, int64_t bytes)
{
    struct blackboard *board = own.board;
    board->refused = 0;
    for (;;) {
        char why[WHY_TEXT];
        int ended = 0;
        pid_t self = getpid();
        board->file[0] = '\0';
        board->answering = false;
        pid_t worker = fork();
        if (worker < 0)
            return send_failure(SHEAF_NO_RESOURCES, "cannot start the process that examines inputs");
        if (worker == 0)
            work_on(question, bytes, self);
        while (waitpid(worker, &ended, 0) < 0)
            if (errno != EINTR)
                return false;
        if (WIFEXITED(ended) && WEXITSTATUS(ended) == 0)
            return true;
        if (board->answering)
            return false; // a part of the answer is on its way: nothing can be said any more
        word_end(ended, why);
        if (!board->file[0] || board->refused == HELPER_CRASHES_MAX)
            return send_failure(SHEAF_BAD_DATA, why);
        memcpy(board->files[board->refused].path, board->file, sizeof board->file);
        memcpy(board->files[board->refused++].why, why, sizeof why);
    }
}

/** What ends a run is told to the run, which then ends this; what ends a process for its faults does so, whoever handled it. */
static void
settle_signals(void)
{
    static const int ignored[] = {SIGINT, SIGTERM, SIGHUP, SIGUSR1, SIGUSR2, SIGPIPE};
    static const int deadly[] = {SIGSEGV, SIGBUS, SIGFPE, SIGILL, SIGABRT, SIGSYS, SIGTRAP, SIGPROF, SIGALRM};
    sigset_t none;
    for (size_t i = 0; i < sizeof ignored / sizeof ignored[0]; i++)
        signal(ignored[i], SIG_IGN);
    for (size_t i = 0; i < sizeof deadly / sizeof deadly[0]; i++)
        signal(deadly[i], SIG_DFL);
    sigemptyset(&none);
    sigprocmask(SIG_SETMASK, &none, NULL);
}

static _Noreturn void
serve(pid_t parent)
{
    int64_t bytes;
    bool good = true;
    settle_signals();
    follow(parent);
    while (good && receive_all(own.socket, &bytes, sizeof bytes)) {
        char *question = malloc((size_t)bytes + 1);
        good = question && receive_all(own.socket, question, bytes) && answer_question(question, bytes);
        free(question);
    }
    _exit(good ? 0 : 1);
}

// ---- the process that asks ----

struct helper_bounds
helper_default_bounds(void)
{
    const int64_t most = INT64_C(8) << 30;
    int64_t half = (int64_t)sysconf(_SC_PHYS_PAGES) / 2 * sysconf(_SC_PAGESIZE);
    return (struct helper_bounds){half > 0 && half < most ? half : most, 60, 600};
}

enum sheaf_status
helper_start(helper_work *work, const struct helper_bounds *bounds, struct helper **helper, struct sheaf_error *error)
{
    int ends[2] = {-1, -1};
    struct helper *made = malloc(sizeof *made);
    void *board = mmap(NULL, sizeof *own.board, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
    pid_t self = getpid(), process = -1;
    *helper = NULL;
    if (made && board != MAP_FAILED && socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, ends) == 0)
        process = fork();
    if (process == 0) {
        close(ends[0]);
        own.work = work;
        own.bounds = *bounds;
        own.board = board;
        own.socket = ends[1];
        serve(self);
    }
    int reason = errno;
    if (board != MAP_FAILED)
        munmap(board, sizeof *own.board);
    if (ends[1] >= 0)
        close(ends[1]);
    if (process > 0) {
        *made = (struct helper){process, ends[0]};
        *helper = made;
        return SHEAF_OK;
    }
    if (ends[0] >= 0)
        close(ends[0]);
    free(made);
    return sheaf_fail(error, SHEAF_NO_RESOURCES, "cannot start the process that examines inputs: %s", strerror(reason));
}

enum sheaf_status
helper_ask(struct helper *helper, const char *what, const char *question, int64_t bytes, char **reply,
           int64_t *reply_bytes, struct sheaf_error *error)
{
    struct answer answer;
    *reply = NULL;
    *reply_bytes = 0;
    if (!send_all(helper->socket, &bytes, sizeof bytes) || !send_all(helper->socket, question, bytes) ||
        !receive_all(helper->socket, &answer, sizeof answer))
        return sheaf_fail(error, SHEAF_INTERNAL, "%s: the process that examines inputs is gone", what);
    if (answer.died)
        return sheaf_fail(error, answer.error.status, "%s: %s", what, answer.error.text);
    if (answer.error.status) {
        *error = answer.error;
        return answer.error.status;
    }
    *reply = malloc((size_t)answer.bytes + 1);
    if (!*reply || !receive_all(helper->socket, *reply, answer.bytes)) {
        enum sheaf_status status = *reply ? SHEAF_INTERNAL : SHEAF_NO_RESOURCES;
        free(*reply);
        *reply = NULL;
        return sheaf_fail(error, status, "%s: the description of %lld bytes cannot be received", what,
                          (long long)answer.bytes);
    }
    *reply_bytes = answer.bytes;
    return SHEAF_OK;
}

void
helper_stop(struct helper *helper)
{
    if (!helper)
        return;
    close(helper->socket);
    while (waitpid(helper->process, NULL, 0) < 0 && errno == EINTR)
        ;
    free(helper);
}
