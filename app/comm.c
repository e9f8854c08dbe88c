#include "comm.h"
#include "comm_mpi.h"
#include "node.h"
#include "number.h"

#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/statvfs.h>
#include <unistd.h>

enum { COMM_WINDOWS_MAX = 64 };

/** Memory of the node's only rank. */
struct comm_piece {
    void *memory;
    size_t bytes;
};

struct comm {
    struct comm_place place;
    MPI_Comm world, node, leaders;
    MPI_Win windows[COMM_WINDOWS_MAX];
    int window_count;
    struct comm_piece pieces[COMM_WINDOWS_MAX];
    int piece_count;
    bool abandoned;
};

/** Ranks that share memory; SHEAF_NODE_RANKS splits them further. */
static void
split_nodes(struct comm *comm)
{
    MPI_Comm shared;
    MPI_Comm_split_type(comm->world, MPI_COMM_TYPE_SHARED, 0, MPI_INFO_NULL, &shared);
    int64_t ranks = number_from_environment("SHEAF_NODE_RANKS", 0);
    if (ranks > 0) {
        int rank;
        MPI_Comm_rank(shared, &rank);
        MPI_Comm_split(shared, (int)(rank / ranks), rank, &comm->node);
        MPI_Comm_free(&shared);
    } else {
        comm->node = shared;
    }
}

void
comm_abort(void)
{
    char host[COMM_HOST_BYTES] = "";
    int started = 0;
    gethostname(host, sizeof host - 1);
    fprintf(stderr,
            "sheaf: %s: no memory for what all ranks wait for: the run is stopped; start it again with fewer ranks per "
            "node "
            "(--layout)\n",
            host);
    MPI_Initialized(&started);
    if (started)
        MPI_Abort(MPI_COMM_WORLD, SHEAF_NO_RESOURCES);
    _exit(SHEAF_NO_RESOURCES);
}

void
comm_expect_one(void)
{
    // "isolated": without the daemon that could start more ranks
    static const char *const settings[][2] = {
        {"OMPI_MCA_pml", "ob1"}, {"OMPI_MCA_btl", "self"}, {"OMPI_MCA_ess_singleton_isolated", "1"}};
    for (size_t i = 0; i < sizeof settings / sizeof settings[0]; i++)
        setenv(settings[i][0], settings[i][1], 0);
}

enum sheaf_status
comm_start(int *argument_count, char ***arguments, struct comm **out, struct sheaf_error *error)
{
    int provided;
    if (MPI_Init_thread(argument_count, arguments, MPI_THREAD_FUNNELED, &provided) != MPI_SUCCESS)
        return sheaf_fail(error, SHEAF_INTERNAL, "MPI does not start");
    struct comm *comm = calloc(1, sizeof *comm);
    if (!comm)
        comm_abort();
    struct comm_place *place = &comm->place;
    place->started_ns = node_nanoseconds();
    MPI_Comm_dup(MPI_COMM_WORLD, &comm->world);
    MPI_Comm_rank(comm->world, &place->rank);
    MPI_Comm_size(comm->world, &place->size);
    gethostname(place->host, sizeof place->host - 1);

    split_nodes(comm);
    MPI_Comm_rank(comm->node, &place->local_rank);
    MPI_Comm_size(comm->node, &place->local_size);

    MPI_Comm_split(comm->world, place->local_rank == 0 ? 0 : MPI_UNDEFINED, place->rank, &comm->leaders);
    int position[2] = {0, 0};
    if (comm->leaders != MPI_COMM_NULL) {
        MPI_Comm_rank(comm->leaders, &position[0]);
        MPI_Comm_size(comm->leaders, &position[1]);
    }
    MPI_Bcast(position, 2, MPI_INT, 0, comm->node);
    place->node = position[0];
    place->node_count = position[1];
    *out = comm;
    return provided >= MPI_THREAD_FUNNELED ? SHEAF_OK
                                           : sheaf_fail(error, SHEAF_INTERNAL, "this MPI allows no threads at all");
}

void
comm_abandon(struct comm *comm)
{
    comm->abandoned = true;
}

void
comm_end(struct comm *comm)
{
    if (!comm)
        return;
    for (int i = 0; i < comm->window_count && !comm->abandoned; i++)
        MPI_Win_free(&comm->windows[i]);
    for (int i = 0; i < comm->piece_count && !comm->abandoned; i++)
        munmap(comm->pieces[i].memory, comm->pieces[i].bytes);
    if (comm->leaders != MPI_COMM_NULL)
        MPI_Comm_free(&comm->leaders);
    MPI_Comm_free(&comm->node);
    MPI_Comm_free(&comm->world);
    free(comm);
    MPI_Finalize();
}

const struct comm_place *
comm_place(const struct comm *comm)
{
    return &comm->place;
}

const char *
comm_library_version(void)
{
    static char text[MPI_MAX_LIBRARY_VERSION_STRING];
    int length;
    MPI_Get_library_version(text, &length);
    text[strcspn(text, ",\n")] = '\0';
    return text;
}

MPI_Comm
comm_leaders(const struct comm *comm)
{
    return comm->leaders;
}

static void
broadcast(MPI_Comm over, char *bytes, size_t count)
{
    for (size_t at = 0; at < count;) {
        size_t piece = count - at < INT_MAX ? count - at : INT_MAX;
        MPI_Bcast(bytes + at, (int)piece, MPI_BYTE, 0, over);
        at += piece;
    }
}

void
comm_broadcast(struct comm *comm, void *bytes, size_t count)
{
    broadcast(comm->world, bytes, count);
}

void
comm_broadcast_node(struct comm *comm, void *bytes, size_t count)
{
    broadcast(comm->node, bytes, count);
}

enum sheaf_status
comm_agree(struct comm *comm, enum sheaf_status mine, struct sheaf_error *error)
{
    int failed = mine == SHEAF_OK ? INT_MAX : comm->place.rank;
    int first;
    MPI_Allreduce(&failed, &first, 1, MPI_INT, MPI_MIN, comm->world);
    if (first == INT_MAX)
        return SHEAF_OK;
    MPI_Bcast(error, (int)sizeof *error, MPI_BYTE, first, comm->world);
    return error->status;
}

void
comm_gather(struct comm *comm, const void *mine, size_t bytes, void *all)
{
    MPI_Gather(mine, (int)bytes, MPI_BYTE, all, (int)bytes, MPI_BYTE, 0, comm->world);
}

void
comm_gather_node(struct comm *comm, const void *mine, size_t bytes, void *all)
{
    MPI_Allgather(mine, (int)bytes, MPI_BYTE, all, (int)bytes, MPI_BYTE, comm->node);
}

/** Whether this node has room: a leader that found out within the collective call would leave the others waiting in it. */
static bool
has_room(const struct comm *comm, size_t bytes)
{
    struct statvfs about;
    if ((int64_t)bytes > node_memory_available())
        return false;
    return comm->place.local_size == 1 || // share_alone takes nothing of /dev/shm
           statvfs("/dev/shm", &about) != 0 || bytes <= (size_t)about.f_bavail * about.f_frsize;
}

/** Where nobody shares it, memory is the process's own: MPI would take it away when it ends, and it counts in no /dev/shm. */
static enum sheaf_status
share_alone(struct comm *comm, size_t bytes, void **memory, struct sheaf_error *error)
{
    if (comm->piece_count == COMM_WINDOWS_MAX)
        return sheaf_fail(error, SHEAF_INTERNAL, "more than %d pieces of memory", COMM_WINDOWS_MAX);
    const size_t length = bytes > 0 ? bytes : 1; // nothing cannot be mapped
    void *piece = has_room(comm, bytes) ? mmap(NULL, length, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0)
                                        : MAP_FAILED;
    if (piece == MAP_FAILED)
        return sheaf_fail(error, SHEAF_NO_RESOURCES, "%s: %.3f GB of memory are needed, more than is free",
                          comm->place.host, 1e-9 * (double)bytes);
    comm->pieces[comm->piece_count++] = (struct comm_piece){piece, length};
    *memory = piece;
    return SHEAF_OK;
}

enum sheaf_status
comm_share(struct comm *comm, size_t bytes, void **memory, struct sheaf_error *error)
{
    if (comm->place.local_size == 1)
        return share_alone(comm, bytes, memory, error);
    if (comm->window_count == COMM_WINDOWS_MAX)
        return sheaf_fail(error, SHEAF_INTERNAL, "more than %d shared windows", COMM_WINDOWS_MAX);
    bool leader = comm->place.local_rank == 0;
    size_t page = (size_t)sysconf(_SC_PAGESIZE);
    MPI_Win *window = &comm->windows[comm->window_count];
    void *base = NULL;

    int failed = leader && !has_room(comm, bytes), any;
    MPI_Allreduce(&failed, &any, 1, MPI_INT, MPI_MAX, comm->node);
    if (any)
        return sheaf_fail(error, SHEAF_NO_RESOURCES,
                          "%s: %.3f GB of shared memory are needed, more than is free in memory or in /dev/shm",
                          comm->place.host, 1e-9 * (double)bytes);
    MPI_Comm_set_errhandler(comm->node, MPI_ERRORS_RETURN);
    failed = MPI_Win_allocate_shared(leader ? (MPI_Aint)(bytes + page) : 0, 1, MPI_INFO_NULL, comm->node, &base,
                                     window) != MPI_SUCCESS;
    MPI_Comm_set_errhandler(comm->node, MPI_ERRORS_ARE_FATAL);
    MPI_Allreduce(&failed, &any, 1, MPI_INT, MPI_MAX, comm->node);
    if (any)
        return sheaf_fail(error, SHEAF_NO_RESOURCES,
                          "%s: no %zu bytes of shared memory for the ranks of this node; look at /dev/shm and /tmp",
                          comm->place.host, bytes);
    comm->window_count++;
    MPI_Aint size;
    int unit;
    MPI_Win_shared_query(*window, 0, &size, &unit, &base);
    // Ranks map the window at different addresses, but always from a page border: the same offset is right for all.
    uintptr_t aligned = ((uintptr_t)base + page - 1) / page * page;
    *memory = (void *)aligned; // NOLINT(performance-no-int-to-ptr)
    if (leader)
        memset(*memory, 0, bytes);
    MPI_Barrier(comm->node);
    return SHEAF_OK;
}

enum sheaf_status
comm_share_root(struct comm *comm, const void *bytes, size_t count, void **memory, struct sheaf_error *error)
{
    enum sheaf_status status = comm_agree(comm, comm_share(comm, count, memory, error), error);
    if (status)
        return status;
    if (comm->place.rank == 0)
        memcpy(*memory, bytes, count);
    if (comm->leaders != MPI_COMM_NULL)
        broadcast(comm->leaders, *memory, count);
    MPI_Barrier(comm->node);
    return SHEAF_OK;
}

int64_t
comm_sum(struct comm *comm, int64_t mine)
{
    int64_t sum;
    MPI_Allreduce(&mine, &sum, 1, MPI_INT64_T, MPI_SUM, comm->world);
    return sum;
}

void
comm_barrier_node(struct comm *comm)
{
    MPI_Barrier(comm->node);
}
