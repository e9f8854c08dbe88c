/**
 * @file process.h
 * Whether a process of this host, known by its number alone or with its start, has ended.
 */
#ifndef SHEAF_PROCESS_H
#define SHEAF_PROCESS_H

#include <stdbool.h>
#include <stdint.h>

/**
 * When a process started, in clock ticks since the system's start.
 * @return 0: that cannot be told; -1: it has ended, and was only not waited for
 */
int64_t process_ticks(int64_t pid);

/**
 * Whether a process has ended, also where nobody has waited for it yet. Of this host and this PID namespace.
 * @param[in] ticks  process_ticks of the process that is meant, as its number may have become another's; 0: not known
 */
bool process_has_ended(int64_t pid, int64_t ticks);

#endif
