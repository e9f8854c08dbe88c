/**
 * @file ranks.h
 * What the limits share: processes bound as a layout binds ranks, started together and timed together.
 */
#ifndef SHEAF_BENCH_RANKS_H
#define SHEAF_BENCH_RANKS_H

/** What each process does, with its number and what was given to ranks_measure. */
typedef void ranks_function(int rank, void *context);

/** In a process of ranks_measure: say why `what` failed, and end all of them. */
void ranks_fail(const char *what);

/** Seconds of a clock that never goes back. */
double ranks_seconds(void);

/** Bind the calling process to its `threads` of the cores that it may use; unbound where there are not as many. */
void ranks_bind(int rank, int threads);

/**
 * Fork processes, bind each, let all prepare, then all work.
 * @param[in] ranks   how many, at most 4096
 * @param[in] threads cores of each
 * @param[in] prepare not timed; work is done in the same process
 * @param[in] work    timed
 * @return seconds from when the first starts to work to the last one's end, negative where a process failed
 */
double ranks_measure(int ranks, int threads, ranks_function *prepare, ranks_function *work, void *context);

/** A whole number from 1 to `most`; exits 64 with the text where it is none. */
long long ranks_read_number(const char *text, long long most);

#endif
