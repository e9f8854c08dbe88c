#include "bare.h"
#include "cells.h"
#include "file.h"
#include "node.h"
#include "pass.h"
#include "sweep_file.h"
#include "sweep_parts.h"

#include <libgen.h>
#include <stdlib.h>
#include <string.h>

/** Results take up to this share of what is free where the scratch file lies. */
static const double scratch_share = 0.5;

/** Which of the equally good samples of the tasks. */
static const uint64_t sample_seed = UINT64_C(0x5eaf);

/** Root: seconds that are left. */
static double
time_left(const struct sweep *sweep)
{
    return (double)sweep->seconds - 1e-9 * (double)(node_nanoseconds() - sweep->job->started_ns);
}

/** Restrict the plan to a sample; alike on all ranks. */
static enum sheaf_status
take_sample(struct sweep *sweep, int64_t chunks, struct sheaf_error *error)
{
    struct job *job = sweep->job;
    struct plan_rest *rest;
    enum sheaf_status status =
        comm_agree(job->comm, plan_sample(sweep->whole, chunks, sample_seed, &rest, error), error);
    if (status)
        return status;
    free(sweep->rest);
    sweep->rest = rest;
    sweep->sample = *sweep->whole;
    plan_restrict(&sweep->sample, rest);
    job->plan = &sweep->sample;
    sweep->data.sample_chunks = chunks;
    sweep->data.sample_tasks = rest->tasks;
    sweep->data.sample_flops = rest->flops;
    return SHEAF_OK;
}

/** One pass of a cell. Collective. @return what stops the sweep; SHEAF_NO_RESOURCES: this cell cannot be */
static enum sheaf_status
run_pass(struct sweep *sweep, int cell, double *seconds, int64_t *memory, struct sheaf_error *error)
{
    struct job *job = sweep->job;
    const struct cell *about = &sweep->data.cells.all[cell];
    struct layout_facts facts = job_find_facts(job);
    facts.nodes = about->nodes;
    job->layout = about->layout;
    job->reason = LAYOUT_ASKED;
    if (job->place.node >= about->nodes)
        job->layout.ranks = 0; // all of this node is parked
    else if (about->automatic)
        job->reason = layout_choose(&facts, &job->layout);
    node_reset_peak_memory();
    enum sheaf_status status = pass_open(job, error);
    if (!status)
        status = comm_agree(job->comm, pass_run(job, error), error);
    *memory = comm_sum(job->comm, node_peak_memory());
    *seconds = job->commit_seconds;
    sweep->data.sample_failed = job->totals.failed;
    pass_close(job);
    return status;
}

/** Root: a round is over, or the sweep begins; say so where nobody wants silence. */
static void
tell(const struct sweep *sweep, const char *what, int round)
{
    if (sweep_is_root(sweep))
        fprintf(stderr, "sheaf: %s %d over: %.0f s of %lld s left\n", what, round,
                time_left(sweep) > 0 ? time_left(sweep) : 0, (long long)sweep->seconds);
}

/** A round that is not counted, though it takes as long as one: threads, memory, caches and the scratch file are as they will be. Cells that do not fit are found. */
static enum sheaf_status
warm_up(struct sweep *sweep, struct sheaf_error *error)
{
    int64_t start = node_nanoseconds();
    double bare;
    enum sheaf_status status = bare_measure(sweep->job, sweep->job->plan, &bare, error);
    int left = 0;
    for (int i = 0; i < sweep->data.cells.count && !status; i++) {
        double seconds;
        int64_t memory;
        char layout[CELLS_TEXT];
        if (!sweep->lacks_memory[i])
            status = run_pass(sweep, i, &seconds, &memory, error);
        if (status == SHEAF_NO_RESOURCES) {
            sweep->lacks_memory[i] = true;
            status = SHEAF_OK;
            if (sweep_is_root(sweep))
                fprintf(stderr, "sheaf: %s is not measured: %s\n",
                        cells_describe(&sweep->data.cells.all[i], sweep->data.nodes, layout), error->text);
        }
        left += !sweep->lacks_memory[i];
    }
    if (!status && left == 0)
        return sheaf_fail(error, SHEAF_NO_RESOURCES, "none of the layouts can be measured, for what is said above");
    sweep->round_seconds = 1e-9 * (double)(node_nanoseconds() - start);
    return status;
}

/** Root: how many chunks the results of a sample have room for. */
static enum sheaf_status
find_room(struct sweep *sweep, struct sheaf_error *error)
{
    const struct plan *whole = sweep->whole;
    struct file_system system;
    char directory[STORE_PATH_BYTES], need[FILE_BYTES_TEXT], have[FILE_BYTES_TEXT];
    snprintf(directory, sizeof directory, "%s", sweep_scratch_path(sweep->job->options));
    enum sheaf_status status = file_system_of(dirname(directory), &system, error);
    if (status)
        return status;
    int cores = sweep->data.cores * sweep->data.nodes;
    double chunk_bytes = (double)whole->output_bytes / (double)whole->chunks;
    double most = scratch_share * (double)system.free_bytes / (chunk_bytes > 1 ? chunk_bytes : 1);
    sweep->budget = (struct cells_budget){.cells = sweep->data.cells.count,
                                          .cores = cores,
                                          .chunks = whole->chunks,
                                          .most = most < (double)whole->chunks ? (int64_t)most : whole->chunks};
    int64_t least = cores < whole->chunks ? cores : whole->chunks;
    if (sweep->budget.most < least)
        return sheaf_fail(
            error, SHEAF_NO_OUTPUT,
            "%s: no room for the results of the smallest sample, %s, in half of the %s that are free; give "
            "another --scratch",
            directory, file_format_bytes((int64_t)(chunk_bytes * (double)least), need),
            file_format_bytes(system.free_bytes, have));
    return SHEAF_OK;
}

/** Warm up with samples of growing size until the rounds fill the time. */
static enum sheaf_status
size_sample(struct sweep *sweep, struct sheaf_error *error)
{
    struct job *job = sweep->job;
    int64_t chunks, next;
    enum sheaf_status status = comm_agree(job->comm, sweep_is_root(sweep) ? find_room(sweep, error) : SHEAF_OK, error);
    next = sweep_is_root(sweep) ? cells_first_sample(&sweep->budget) : 0;
    comm_broadcast(job->comm, &next, sizeof next);
    for (int round = 1; !status; round++) {
        chunks = next;
        status = take_sample(sweep, chunks, error);
        if (!status)
            status = warm_up(sweep, error);
        if (status)
            break;
        tell(sweep, "warm-up", round);
        if (sweep_is_root(sweep))
            next = cells_next_sample(&sweep->budget, chunks, sweep->round_seconds, time_left(sweep));
        comm_broadcast(job->comm, &next, sizeof next);
        if (next <= chunks)
            break;
    }
    if (!status && next < chunks) {
        status = take_sample(sweep, next, error);
        sweep->round_seconds *= (double)next / (double)chunks;
    }
    return status;
}

/** Root: how many rounds there will be. */
static enum sheaf_status
settle_rounds(struct sweep *sweep, struct sheaf_error *error)
{
    double left = time_left(sweep), used = (double)sweep->seconds - left;
    sweep->data.rounds = cells_rounds(sweep->round_seconds, left);
    if (sweep->data.rounds == 0)
        return sheaf_fail(
            error, SHEAF_USAGE,
            "--seconds %lld: too short: warming up took %.1f s, and each round of %d layouts takes %.1f s; "
            "give at least %.0f",
            (long long)sweep->seconds, used, sweep->data.cells.count, sweep->round_seconds,
            used + 1 + 1.1 * CELLS_ROUNDS_LEAST * sweep->round_seconds);
    sweep->phase = STORE_SWEEP_MEASURING;
    return sweep->file ? sweep_file_write_phase(sweep->file, &sweep->data, sweep->phase, error) : SHEAF_OK;
}

enum sheaf_status
sweep_get_ready(struct sweep *sweep, struct sheaf_error *error)
{
    struct job *job = sweep->job;
    enum sheaf_status status;
    if (sweep->phase == STORE_SWEEP_WARMING) {
        status = size_sample(sweep, error);
        if (!status)
            status = comm_agree(job->comm, sweep_is_root(sweep) ? settle_rounds(sweep, error) : SHEAF_OK, error);
    } else {
        status = take_sample(sweep, sweep->data.sample_chunks, error);
        if (!status)
            status = warm_up(sweep, error);
        tell(sweep, "warm-up", 1);
    }
    comm_broadcast(job->comm, &sweep->data.rounds, sizeof sweep->data.rounds);
    return status;
}

/** Measure the cells of a round that an earlier start has not. */
static enum sheaf_status
measure_round(struct sweep *sweep, int round, struct sheaf_error *error)
{
    struct sweep_data *data = &sweep->data;
    struct job *job = sweep->job;
    enum sheaf_status status = bare_measure(job, job->plan, &data->bare_seconds[round], error);
    for (int place = 0; place < data->cells.count && !status; place++) {
        int cell = cells_at(data->cells.count, round, place);
        if (sweep->lacks_memory[cell] || data->seconds[round][cell] > 0)
            continue;
        double seconds;
        int64_t memory;
        status = run_pass(sweep, cell, &seconds, &memory, error);
        comm_broadcast(job->comm, &seconds, sizeof seconds);
        data->seconds[round][cell] = seconds;
        data->memory[round][cell] = memory;
        if (!status)
            status = comm_agree(job->comm,
                                sweep->file ? sweep_file_write_pass(sweep->file, data, round, cell, error) : SHEAF_OK,
                                error);
    }
    if (status)
        return status;
    return comm_agree(job->comm, sweep->file ? sweep_file_write_round(sweep->file, data, round, error) : SHEAF_OK,
                      error);
}

/** Whether all cells of a round were measured. */
static bool
is_complete(const struct sweep *sweep, int round)
{
    for (int i = 0; i < sweep->data.cells.count; i++)
        if (!sweep->lacks_memory[i] && !(sweep->data.seconds[round][i] > 0))
            return false;
    return true;
}

enum sheaf_status
sweep_measure(struct sweep *sweep, struct sheaf_error *error)
{
    enum sheaf_status status = SHEAF_OK;
    for (int round = 0; round < sweep->data.rounds && !status; round++) {
        if (is_complete(sweep, round))
            continue;
        bool over = sweep_is_root(sweep) && round > 0 && time_left(sweep) < sweep->round_seconds;
        comm_broadcast(sweep->job->comm, &over, sizeof over);
        if (over) {
            sweep->data.rounds = round;
            break;
        }
        int64_t start = node_nanoseconds();
        status = measure_round(sweep, round, error);
        sweep->round_seconds = 1e-9 * (double)(node_nanoseconds() - start);
        if (!status)
            tell(sweep, "round", round + 1);
    }
    return status;
}
