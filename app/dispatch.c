#include "dispatch.h"
#include "comm_mpi.h"
#include "node.h"
#include "policy.h"

#include <stdlib.h>
#include <string.h>

enum {
    TAG_REPORT = 1, /**< leader to root */
    TAG_ORDER = 2,  /**< root to leader */
    REPORT_COMMITS = QUEUE_OUTBOX_BYTES,
    REPORT_EVERY_MS = 500, /**< totals are news by then */
    COMMITS_EVERY_MS = 20, /**< commits wait for company that long, or until they are */
    COMMITS_BYTES = 65536, /**< this many */
};

/** What a leader tells the root; commits stand behind it. */
struct report {
    uint32_t wants_span, final, failed, node_workers, drain, reserved;
    uint64_t sequence, synced;
    struct queue_totals totals;
    struct sheaf_error error;
    int64_t commit_bytes;
};

/** What the root tells a leader. */
struct order {
    int64_t next, end; /**< a span; empty: none */
    uint32_t closed;   /**< no more spans will come */
    uint32_t stop;     /**< start nothing more */
    uint32_t drop;     /**< and do not wait for what is being computed */
    uint32_t release;
};

/** What the root keeps of another node. Each kind of order has its own buffer: one of a kind is on its way at most. */
struct node {
    struct queue_totals totals;
    uint64_t sequence;
    bool final, stopped, dropped;
    struct order span, stop, drop, release;
    MPI_Request span_request, stop_request, drop_request, release_request;
};

struct dispatch {
    struct dispatch_setup setup;
    struct comm_place place;
    MPI_Comm leaders;
    bool root, leader;
    // the root's side
    int64_t next;
    struct node *nodes; /**< by node; [0], the root's own, is not used */
    int finals;
    char *incoming;
    size_t incoming_bytes;
    MPI_Request incoming_request;
    // a leader's side
    char *report;
    struct order order;
    MPI_Request report_request, order_request;
    enum queue_drain drain_sent;
    bool asked, error_sent, final_wanted, final_sent, posted;
    int64_t reported_at;
};

static bool
done(MPI_Request *request)
{
    int flag = 1;
    if (*request != MPI_REQUEST_NULL)
        MPI_Test(request, &flag, MPI_STATUS_IGNORE);
    return flag != 0;
}

/** Put a span into the queue, which then runs low where its last chunks do. @return false where no cell is free */
static bool
refill(struct dispatch *d, int64_t next, int64_t end)
{
    // Before the span: a claim that leaves just that many must ring.
    atomic_store(&d->setup.queue->low_water, policy_low_water(d->setup.plan, end, d->setup.node_workers));
    return queue_refill(d->setup.queue, next, end);
}

/** Whether this node's queue should get another span, if there is one. */
static bool
runs_low(const struct queue *queue)
{
    return policy_wants_span(queue_left(queue), atomic_load(&queue->low_water), queue_is_hungry(queue));
}

// ---- the root ----

/** Give the root's own node more, where it runs low. With one node all goes there. */
static bool
refill_own(struct dispatch *d)
{
    struct queue *queue = d->setup.queue;
    int64_t chunks = d->setup.plan->places;
    bool alone = d->place.node_count == 1, any = false;
    while (d->next < chunks && (alone || runs_low(queue))) {
        int64_t span =
            alone ? chunks - d->next : policy_span(d->setup.plan, d->next, d->setup.workers, d->setup.node_workers);
        span = span < POLICY_SPAN_MOST ? span : POLICY_SPAN_MOST;
        if (!refill(d, d->next, d->next + span))
            break;
        d->next += span;
        any = true;
    }
    if (d->next >= chunks && !atomic_load(&queue->closed)) {
        queue_close(queue);
        any = true;
    }
    return any;
}

/** What each node starts with follows from the numbers of workers: nobody has to ask. Collective over the leaders. */
static void
take_first_span(struct dispatch *d)
{
    int64_t chunks = d->setup.plan->places, mine = d->setup.node_workers, before = 0, next, end;
    MPI_Exscan(&mine, &before, 1, MPI_INT64_T, MPI_SUM, d->leaders);
    if (d->root)
        before = 0; // the first rank's result is undefined
    policy_first_span(chunks, d->setup.workers, before, mine, &next, &end);
    if (next < end)
        refill(d, next, end);
    d->next = d->setup.workers < chunks ? d->setup.workers : chunks;
    if (d->next >= chunks)
        queue_close(d->setup.queue); // all nodes know that there is no more
}

static void
send_order(struct dispatch *d, int node, struct order *order, MPI_Request *request)
{
    MPI_Isend(order, (int)sizeof *order, MPI_BYTE, node, TAG_ORDER, d->leaders, request);
}

static void
answer_request(struct dispatch *d, int node, int node_workers)
{
    struct node *other = &d->nodes[node];
    bool stopped = queue_is_stopped(d->setup.queue);
    int64_t span = stopped ? 0 : policy_span(d->setup.plan, d->next, d->setup.workers, node_workers);
    MPI_Wait(&other->span_request, MPI_STATUS_IGNORE); // it has asked again, so it has the one before: returns at once
    other->span = (struct order){.next = d->next, .end = d->next + span};
    d->next += span;
    other->span.closed = stopped || d->next >= d->setup.plan->places;
    send_order(d, node, &other->span, &other->span_request);
}

/** @return whether more is to be expected soon: who only commits, or tells how far it is, says nothing more for a while */
static bool
take_report(struct dispatch *d, int node)
{
    const struct report *report = (const struct report *)(const void *)d->incoming;
    struct node *other = &d->nodes[node];
    other->totals = report->totals;
    other->sequence = report->sequence;
    if (report->failed)
        queue_fail(d->setup.queue, &report->error);
    queue_drain(d->setup.queue, (enum queue_drain)report->drain);
    if (report->wants_span)
        answer_request(d, node, (int)report->node_workers);
    if (report->final && !other->final) {
        other->final = true;
        d->finals++;
    }
    const bool urgent = report->wants_span || report->failed || report->final;
    const uint64_t synced = report->synced;
    if (report->commit_bytes > 0) {
        memmove(d->incoming, d->incoming + sizeof *report, (size_t)report->commit_bytes);
        d->setup.take_commits(d->setup.argument, d->incoming, d->incoming_bytes - sizeof *report);
        d->incoming = NULL;
    }
    keeper_note_synced(d->setup.keeper, node, synced); // behind all commits that it speaks of
    free(d->incoming);
    d->incoming = NULL;
    return urgent;
}

/** Receive reports, one after the other, without ever waiting for one. */
static bool
receive_reports(struct dispatch *d)
{
    static const int most = 64;
    bool any = false;
    for (int i = 0; i < most; i++) {
        if (!d->incoming) {
            int flag, bytes;
            MPI_Message message;
            MPI_Status status;
            MPI_Improbe(MPI_ANY_SOURCE, TAG_REPORT, d->leaders, &flag, &message, &status);
            if (!flag)
                break;
            MPI_Get_count(&status, MPI_BYTE, &bytes);
            d->incoming_bytes = (size_t)bytes;
            d->incoming = malloc(d->incoming_bytes);
            if (!d->incoming)
                comm_abort();
            MPI_Imrecv(d->incoming, bytes, MPI_BYTE, &message, &d->incoming_request);
        }
        int flag;
        MPI_Status status;
        MPI_Test(&d->incoming_request, &flag, &status);
        if (!flag)
            break;
        any |= take_report(d, status.MPI_SOURCE);
    }
    return any;
}

/** Tell a node to stop, and later perhaps not to wait for what it computes: two orders, each sent once. */
static bool
stop_other(struct dispatch *d, int node)
{
    struct node *other = &d->nodes[node];
    bool any = false;
    if (other->final)
        return false;
    if (!other->stopped) {
        other->stop = (struct order){.stop = 1, .closed = 1};
        send_order(d, node, &other->stop, &other->stop_request);
        any = other->stopped = true;
    }
    if (!other->dropped && queue_drains(d->setup.queue) == QUEUE_DROP) {
        other->drop = (struct order){.stop = 1, .drop = 1, .closed = 1};
        send_order(d, node, &other->drop, &other->drop_request);
        any = other->dropped = true;
    }
    return any;
}

static bool
stop_others(struct dispatch *d)
{
    bool any = false;
    for (int i = 1; i < d->place.node_count && queue_is_stopped(d->setup.queue); i++)
        any |= stop_other(d, i);
    return any;
}

static bool
root_progress(struct dispatch *d)
{
    bool any = refill_own(d);
    if (d->place.node_count > 1) {
        any |= receive_reports(d);
        any |= stop_others(d);
    }
    return any;
}

// ---- a leader ----

static bool
receive_order(struct dispatch *d)
{
    if (!d->posted || !done(&d->order_request))
        return false;
    const struct order *order = &d->order;
    struct queue *queue = d->setup.queue;
    if (order->stop)
        queue_stop(queue);
    if (order->drop)
        queue_drain(queue, QUEUE_DROP);
    if (order->next < order->end)
        refill(d, order->next, order->end); // asked for only while a cell was free
    if (order->closed)
        queue_close(queue);
    if (!order->stop && !order->release)
        d->asked = false;
    if (order->release) {
        d->posted = false;
        atomic_store(&queue->released, 1);
        queue_ring_all(queue);
    } else {
        MPI_Irecv(&d->order, (int)sizeof d->order, MPI_BYTE, 0, TAG_ORDER, d->leaders, &d->order_request);
    }
    return true;
}

static bool
has_free_cell(struct queue *queue)
{
    for (int i = 0; i < QUEUE_CELLS; i++) {
        uint64_t cell = atomic_load(&queue->cells[i]);
        if (cell >> 32 >= (cell & UINT32_MAX))
            return true;
    }
    return false;
}

static bool
wants_span(struct dispatch *d)
{
    struct queue *queue = d->setup.queue;
    return d->setup.node_workers > 0 && !d->asked && !atomic_load(&queue->closed) && !queue_is_stopped(queue) &&
           has_free_cell(queue) && runs_low(queue);
}

/** Commits get their numbers in the order in which they are sent: whoever has been told of one has all before it. */
static void
number_commits(struct queue *queue, char *commits, size_t bytes)
{
    for (size_t at = 0; at < bytes;) {
        struct queue_commit *commit = (struct queue_commit *)(void *)(commits + at);
        if (commit->record.state != RECORD_STARTED)
            commit->record.sequence = atomic_fetch_add(&queue->sequence, 1) + 1;
        at += (size_t)commit->bytes;
    }
}

static bool
send_report(struct dispatch *d)
{
    struct queue *queue = d->setup.queue;
    if (d->final_sent || !done(&d->report_request))
        return false;
    struct report *report = (struct report *)(void *)d->report;
    bool wants = wants_span(d);
    memset(report, 0, sizeof *report);
    bool fails = !d->error_sent && queue_error(queue, &report->error);
    int64_t now = node_nanoseconds();
    if (d->final_wanted || queue_posted_bytes(queue) >= COMMITS_BYTES ||
        now - d->reported_at > (int64_t)COMMITS_EVERY_MS * 1000000)
        report->commit_bytes = (int64_t)queue_collect(queue, d->report + sizeof *report, REPORT_COMMITS);
    number_commits(queue, d->report + sizeof *report, (size_t)report->commit_bytes);
    bool final = d->final_wanted && report->commit_bytes == 0; // else some may be left behind these
    bool due = now - d->reported_at > (int64_t)REPORT_EVERY_MS * 1000000;
    enum queue_drain drain = queue_drains(queue);
    due |= drain != d->drain_sent;
    if (!wants && !fails && !final && !due && report->commit_bytes == 0)
        return false;

    report->wants_span = wants;
    report->failed = fails;
    report->drain = d->drain_sent = drain;
    report->final = final;
    report->node_workers = (uint32_t)d->setup.node_workers;
    report->sequence = atomic_load(&queue->sequence);
    report->synced = keeper_synced(d->setup.keeper);
    queue_sum_totals(queue, &report->totals);
    d->asked |= wants;
    d->error_sent |= fails;
    d->final_sent = final;
    d->reported_at = now;
    MPI_Isend(d->report, (int)(sizeof *report + (size_t)report->commit_bytes), MPI_BYTE, 0, TAG_REPORT, d->leaders,
              &d->report_request);
    return wants || fails || d->final_wanted; // a final one follows the last commits at once
}

// ---- both ----

enum sheaf_status
dispatch_start(const struct dispatch_setup *setup, struct dispatch **out, struct sheaf_error *error)
{
    if (setup->plan->chunks >= INT64_C(1) << 32)
        return sheaf_fail(error, SHEAF_BAD_DATA, "%lld chunks: a run holds fewer than 2^32; split it",
                          (long long)setup->plan->chunks);
    struct dispatch *d = calloc(1, sizeof *d);
    if (!d)
        comm_abort(); // the others would wait for this rank
    d->setup = *setup;
    d->place = *comm_place(setup->comm);
    d->leaders = comm_leaders(setup->comm);
    d->root = d->place.rank == 0;
    d->leader = d->place.local_rank == 0 && !d->root;
    d->report_request = d->order_request = d->incoming_request = MPI_REQUEST_NULL;
    *out = d;
    if (d->root) {
        d->nodes = calloc((size_t)d->place.node_count, sizeof *d->nodes);
        if (!d->nodes)
            comm_abort();
        for (int i = 0; i < d->place.node_count; i++)
            d->nodes[i].span_request = d->nodes[i].stop_request = d->nodes[i].drop_request =
                d->nodes[i].release_request = MPI_REQUEST_NULL;
    }
    if (d->leaders != MPI_COMM_NULL && d->place.node_count > 1)
        take_first_span(d);
    if (d->root)
        refill_own(d);
    if (d->leader) {
        d->report = malloc(sizeof(struct report) + REPORT_COMMITS);
        if (!d->report)
            comm_abort();
        MPI_Irecv(&d->order, (int)sizeof d->order, MPI_BYTE, 0, TAG_ORDER, d->leaders, &d->order_request);
        d->posted = true;
    }
    return SHEAF_OK;
}

void
dispatch_destroy(struct dispatch *dispatch)
{
    if (!dispatch)
        return;
    free(dispatch->nodes);
    free(dispatch->incoming);
    free(dispatch->report);
    free(dispatch);
}

bool
dispatch_progress(struct dispatch *dispatch)
{
    if (dispatch->root)
        return root_progress(dispatch);
    if (!dispatch->leader)
        return false;
    bool any = receive_order(dispatch);
    return send_report(dispatch) || any;
}

bool
dispatch_others_finished(const struct dispatch *dispatch)
{
    return !dispatch->root || dispatch->finals == dispatch->place.node_count - 1;
}

void
dispatch_finish(struct dispatch *dispatch)
{
    dispatch->final_wanted = true;
    if (!dispatch->root)
        return;
    for (int i = 1; i < dispatch->place.node_count; i++) {
        struct node *other = &dispatch->nodes[i];
        other->release = (struct order){.release = 1, .closed = 1};
        send_order(dispatch, i, &other->release, &other->release_request);
    }
    atomic_store(&dispatch->setup.queue->released, 1);
    queue_ring_all(dispatch->setup.queue);
}

bool
dispatch_is_over(struct dispatch *dispatch)
{
    if (!atomic_load(&dispatch->setup.queue->released))
        return false;
    bool over = done(&dispatch->report_request);
    for (int i = 1; dispatch->root && i < dispatch->place.node_count; i++) {
        struct node *other = &dispatch->nodes[i];
        over &= done(&other->span_request) && done(&other->stop_request) && done(&other->drop_request) &&
                done(&other->release_request);
    }
    return over;
}

void
dispatch_totals(const struct dispatch *dispatch, struct queue_totals *totals)
{
    queue_sum_totals(dispatch->setup.queue, totals);
    int64_t sum[QUEUE_TOTALS], more[QUEUE_TOTALS];
    memcpy(sum, totals, sizeof sum);
    for (int node = 1; dispatch->root && node < dispatch->place.node_count; node++) {
        memcpy(more, &dispatch->nodes[node].totals, sizeof more);
        for (int i = 0; i < QUEUE_TOTALS; i++)
            sum[i] += more[i];
    }
    memcpy(totals, sum, sizeof sum);
}

uint64_t
dispatch_synced_sequence(const struct dispatch *dispatch, int node)
{
    return node == 0 ? atomic_load(&dispatch->setup.queue->sequence) : dispatch->nodes[node].sequence;
}
