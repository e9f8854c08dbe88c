/* A process that writes results files until it is killed. */
#ifndef SHEAF_STORE_KILL_H
#define SHEAF_STORE_KILL_H

#include "io_test.h"

#include <signal.h>
#include <stdlib.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

struct victim {
    pid_t process;
    int news;
};

/* It works for ever, and sends a byte when it has committed something for the first time. */
typedef void victim_work(int news);

static inline struct victim
victim_start(victim_work *work)
{
    int news[2];

    assert_int_equal(pipe(news), 0);
    fflush(NULL);
    pid_t process = fork();
    assert_true(process >= 0);
    if (process == 0) {
        prctl(PR_SET_PDEATHSIG, SIGKILL); /* of a timeout, too */
        close(news[0]);
        work(news[1]);
    }
    close(news[1]);
    return (struct victim){.process = process, .news = news[0]};
}

/* Wait until it has committed something. */
static inline void
victim_await(const struct victim *victim)
{
    char byte;
    assert_int_equal(read(victim->news, &byte, 1), 1);
}

static inline void
victim_kill(const struct victim *victim)
{
    int status;

    kill(victim->process, SIGKILL);
    assert_int_equal(waitpid(victim->process, &status, 0), victim->process);
    assert_true(WIFSIGNALED(status) && WTERMSIG(status) == SIGKILL);
    close(victim->news);
}

/* Kill it again and again; every other time while it creates the file "killed.h5", or at least early.
 * @param[in] check  the file that is left; returns how many chunks it has */
static inline void
victim_kill_at_any_moment(victim_work *work, int (*check)(void), unsigned seed)
{
    enum { ROUNDS = 20 };
    int valid = 0;

    srand(seed);
    for (int round = 0; round < ROUNDS; round++) {
        const struct timespec pause = {.tv_nsec = 1000000L * (rand() % 30)};
        const struct victim victim = victim_start(work);
        if (round % 2)
            victim_await(&victim);
        nanosleep(&pause, NULL);
        victim_kill(&victim);
        if (access("killed.h5", F_OK) == 0)
            valid += check();
    }
    /* else the rounds have shown nothing */
    assert_true(valid >= ROUNDS / 2);
}

#endif
