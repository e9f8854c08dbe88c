/**
 * @file node.h
 * What this machine offers a process: memory, and CPU time by its cgroup. No MPI.
 */
#ifndef SHEAF_NODE_H
#define SHEAF_NODE_H

#include <stdbool.h>
#include <stdint.h>

/** 1 + processes of this host that were killed for want of memory since it was started; 0: it does not tell. */
uint32_t node_oom_kills(void);

/** Bytes of memory that can still be used: what the kernel calls available, cut by the limits of its cgroups and by Slurm's grant. */
int64_t node_memory_available(void);

/** Bytes of memory of the machine, cut alike. */
int64_t node_memory_total(void);

/** Forget the peak of this process's memory. Where the system refuses, node_peak_memory still counts from the process's start. */
void node_reset_peak_memory(void);

/** Bytes of memory that this process had at most, shared and mapped pages too, since it was reset; 0: not known. */
int64_t node_peak_memory(void);

/** CPUs that the cgroups' quotas allow, 0: no quota. */
double node_cpu_quota(void);

/** For tests: where to look for /proc and /sys. @param[in] path  kept, "" for this machine's own */
void node_set_root(const char *path);

/** Seconds since 1970 UTC. */
double node_wall_seconds(void);

/** Monotonic clock, nanoseconds. */
int64_t node_nanoseconds(void);

#endif
