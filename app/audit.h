/**
 * @file audit.h
 * What a node offers beside what a layout wants of it: findings in plain words, each with what to do about it. Pure.
 */
#ifndef SHEAF_AUDIT_H
#define SHEAF_AUDIT_H

#include "blas.h"
#include "layout.h"

#include <stdbool.h>
#include <stdint.h>

enum { AUDIT_FINDINGS_MAX = 10, AUDIT_TEXT_BYTES = 256, AUDIT_NAME_BYTES = 32 };

/** What is known of a node and of the ranks there. Cores are physical ones; CPUs count SMT siblings apart. */
struct audit_facts {
    int machine_cores, machine_cpus, packages, numa_nodes;
    int cores, cpus;    /**< in the union of the ranks' affinity masks */
    double quota;       /**< CPUs that cgroups allow; 0: no quota */
    int launcher_cores; /**< that mpirun itself may use; 0: no such launcher, or not known */
    struct audit_slurm {
        int cpus;          /**< granted on this node; 0: no Slurm, or it does not say */
        int tasks;         /**< of the job on this node; 0: alike */
        int cpus_per_task; /**< alike */
    } slurm;
    int ranks;                      /**< present */
    int narrow_ranks, narrow_cores; /**< of those that compute, started on fewer cores than the layout gives each */
    int overlapping_ranks;          /**< of those that compute, started on cores of others, but not all on the same */
    struct layout layout;           /**< settled */
    bool layout_asked;              /**< for its cores, not only its ranks: by --layout */
    enum blas_threading blas_threading;
    int blas_greatest;                    /**< threads that the BLAS build can use */
    int blas_width;                       /**< threads that it is to use on a task; 1: it is not threaded here */
    char blas_variable[AUDIT_NAME_BYTES]; /**< environment variable that sets BLAS's threads; "": none does */
    int blas_variable_threads;
    int blas_limit;    /**< OMP_THREAD_LIMIT; 0: none */
    int other_threads; /**< of other programs that compute on these cores now */
    int other_cores;   /**< where they and these ranks may run, together */
    int64_t other_process;
    char other_program[AUDIT_NAME_BYTES]; /**< one of them */
};

/** A finding. */
struct audit_finding {
    bool mended; /**< Sheaf takes care of it: users need do nothing */
    char text[AUDIT_TEXT_BYTES];
};

struct audit_findings {
    int count;
    struct audit_finding all[AUDIT_FINDINGS_MAX];
};

/** Cores that the node's ranks can really use: those of their masks, cut by the quota and by Slurm's grant; at least 1. */
int audit_cores(const struct audit_facts *facts);

/** Whether Slurm granted fewer CPUs than the masks have: then nobody knows which of them are this job's. */
bool audit_is_unconfined(const struct audit_facts *facts);

/** Judge. */
void audit_find(const struct audit_facts *facts, struct audit_findings *findings);

/** @return findings that nobody mended */
int audit_count_warnings(const struct audit_findings *findings);

/** The first number of Slurm's lists ("4", "4(x2)"), 0 where nodes differ or there is none. @param[in] text  may be NULL */
int audit_parse_slurm(const char *text);

#endif
