#include "mpi_stub.h"
#include "app_test.h"
#include "node.h"

#include <pthread.h>

/* What a buffer holds while it is received into: who reads it too early gets this. */
enum { UNTOUCHABLE = 0xa5 };
/* Larger ones are over only when they were received, as in most libraries. */
enum { EAGER_BYTES = 4096 };

/* A message, from its send until it was received and the sender knows. */
struct mpi_stub_message {
    struct mpi_stub_message *next;
    int source, destination, tag;
    void *copy; /* of what was sent */
    size_t bytes;
    int64_t due_ns;             /* it can't be found before */
    bool found, received, sent; /* by probe or receive; into a buffer; completed by its sender */
};

/* Kept until the end, so that one which is used again is seen. */
struct mpi_stub_request {
    struct mpi_stub_request *next;
    MPI_Comm comm;
    int owner, source, tag;
    bool is_send, is_eager, over;
    const void *sent;
    void *received;
    size_t bytes;
    int64_t due_ns;                   /* of a send that is over before it was received */
    struct mpi_stub_message *message; /* a receive's is known when it is found */
};

struct mpi_stub {
    pthread_mutex_t mutex; /* guards all below */
    pthread_cond_t gathered;
    int size;
    uint64_t random;
    int64_t delay_ns;
    struct mpi_stub_message *first, *last; /* in the order of their sends */
    struct mpi_stub_request *requests;
    bool held;
    int arrived; /* at the one collective operation */
    int64_t values[MPI_STUB_RANKS];
    bool has_arrived[MPI_STUB_RANKS];
};

/* Which rank a thread is. */
static _Thread_local struct {
    MPI_Comm comm;
    int rank;
} self;

/* Not cmocka's: its failures jump, which only the main thread can. */
static _Noreturn void __attribute__((format(printf, 1, 2))) broken(const char *format, ...)
{
    va_list arguments;
    va_start(arguments, format);
    fputs("MPI misused: ", stderr);
    vfprintf(stderr, format, arguments);
    fputc('\n', stderr);
    va_end(arguments);
    abort();
}

static void
enter(MPI_Comm comm)
{
    if (!comm || comm != self.comm)
        broken("called by a thread that is no rank of this communicator");
    pthread_mutex_lock(&comm->mutex);
}

static int
leave(MPI_Comm comm)
{
    pthread_mutex_unlock(&comm->mutex);
    return MPI_SUCCESS;
}

/* Half of all messages are there at once. */
static int64_t
delayed(MPI_Comm comm)
{
    return node_nanoseconds() +
           (test_random(&comm->random) % 2 ? test_random_within(&comm->random, 0, comm->delay_ns) : 0);
}

static void *
allocate(size_t bytes)
{
    void *memory = calloc(1, bytes > 0 ? bytes : 1);
    if (!memory)
        broken("no memory");
    return memory;
}

static struct mpi_stub_request *
add_request(MPI_Comm comm, int count, MPI_Datatype type, int tag)
{
    if (type != MPI_BYTE || count < 0 || tag < 0)
        broken("%d of type %d with tag %d", count, (int)type, tag);
    struct mpi_stub_request *request = allocate(sizeof *request);
    request->next = comm->requests;
    comm->requests = request;
    request->comm = comm;
    request->owner = self.rank;
    request->bytes = (size_t)count;
    request->tag = tag;
    return request;
}

/* ---- messages ---- */

/* A message that its sender and its receiver have done with is forgotten. */
static void
forget(MPI_Comm comm, struct mpi_stub_message *message)
{
    struct mpi_stub_message **link = &comm->first, *before = NULL;
    if (!message->received || !message->sent)
        return;
    while (*link != message) {
        before = *link;
        link = &before->next;
    }
    *link = message->next;
    if (comm->last == message)
        comm->last = before;
    free(message->copy);
    free(message);
}

/* Of the sources that have one, any one's first message with this tag that has arrived. */
static struct mpi_stub_message *
find(MPI_Comm comm, int source, int tag)
{
    bool looked_at[MPI_STUB_RANKS] = {false};
    struct mpi_stub_message *found = NULL;
    int64_t now = node_nanoseconds();
    int candidates = 0;
    for (struct mpi_stub_message *message = comm->held ? NULL : comm->first; message; message = message->next) {
        if (message->found || message->destination != self.rank || message->tag != tag ||
            (source != MPI_ANY_SOURCE && message->source != source) || looked_at[message->source])
            continue;
        looked_at[message->source] = true;
        if (message->due_ns <= now && test_random_within(&comm->random, 0, candidates++) == 0)
            found = message;
    }
    if (found)
        found->found = true;
    return found;
}

static void
describe(const struct mpi_stub_message *message, MPI_Status *status)
{
    if (!status)
        return;
    memset(status, UNTOUCHABLE, sizeof *status);
    status->MPI_SOURCE = message ? message->source : MPI_ANY_SOURCE;
    status->MPI_TAG = message ? message->tag : MPI_ANY_TAG;
    status->MPI_ERROR = MPI_SUCCESS;
    status->bytes = message ? (int)message->bytes : 0;
}

/* ---- requests ---- */

static bool
is_complete(struct mpi_stub_request *request)
{
    if (request->is_send)
        return request->message->received ||
               (!request->comm->held && request->is_eager && request->due_ns <= node_nanoseconds());
    if (!request->message)
        request->message = find(request->comm, request->source, request->tag);
    return request->message != NULL;
}

static void
complete(struct mpi_stub_request *request, MPI_Status *status)
{
    struct mpi_stub_message *message = request->message;
    describe(message, status);
    request->over = true;
    request->message = NULL;
    if (request->is_send) {
        if (memcmp(request->sent, message->copy, message->bytes) != 0)
            broken("a buffer changed while it was sent from %d to %d, tag %d", message->source, message->destination,
                   message->tag);
        message->sent = true;
    } else {
        const unsigned char *bytes = request->received;
        for (size_t i = 0; i < request->bytes; i++)
            if (bytes[i] != UNTOUCHABLE)
                broken("a buffer changed while rank %d received into it, tag %d", self.rank, request->tag);
        if (message->bytes > request->bytes)
            broken("a message of %zu bytes for a buffer of %zu, tag %d", message->bytes, request->bytes, request->tag);
        memcpy(request->received, message->copy, message->bytes);
        message->received = true;
    }
    forget(request->comm, message);
}

static void
check_request(const struct mpi_stub_request *request)
{
    if (request->over)
        broken("rank %d uses a request again that is over, tag %d", self.rank, request->tag);
    if (request->owner != self.rank)
        broken("rank %d uses a request of rank %d", self.rank, request->owner);
}

/* ---- what is declared in mpi.h ---- */

int
MPI_Exscan(const void *mine, void *before, int count, MPI_Datatype type, MPI_Op operation, MPI_Comm comm)
{
    enter(comm);
    if (count != 1 || type != MPI_INT64_T || operation != MPI_SUM || comm->has_arrived[self.rank])
        broken("the stub can sum one number, once");
    memcpy(&comm->values[self.rank], mine, sizeof comm->values[0]);
    comm->has_arrived[self.rank] = true;
    if (++comm->arrived == comm->size)
        pthread_cond_broadcast(&comm->gathered);
    while (comm->arrived < comm->size)
        pthread_cond_wait(&comm->gathered, &comm->mutex);
    int64_t sum = 0;
    for (int i = 0; i < self.rank; i++)
        sum += comm->values[i];
    memset(before, UNTOUCHABLE, sizeof sum); /* the first rank's result is undefined */
    if (self.rank > 0)
        memcpy(before, &sum, sizeof sum);
    return leave(comm);
}

int
MPI_Isend(const void *buffer, int count, MPI_Datatype type, int destination, int tag, MPI_Comm comm,
          MPI_Request *request)
{
    enter(comm);
    if (destination < 0 || destination >= comm->size || destination == self.rank)
        broken("rank %d sends to rank %d of %d", self.rank, destination, comm->size);
    struct mpi_stub_request *added = add_request(comm, count, type, tag);
    struct mpi_stub_message *message = allocate(sizeof *message);
    *message = (struct mpi_stub_message){.source = self.rank,
                                         .destination = destination,
                                         .tag = tag,
                                         .copy = allocate(added->bytes),
                                         .bytes = added->bytes,
                                         .due_ns = delayed(comm)};
    memcpy(message->copy, buffer, message->bytes);
    if (comm->last)
        comm->last->next = message;
    else
        comm->first = message;
    comm->last = message;
    added->is_send = true;
    added->is_eager = message->bytes <= EAGER_BYTES && test_random(&comm->random) % 2;
    added->due_ns = delayed(comm);
    added->sent = buffer;
    added->message = message;
    *request = added;
    return leave(comm);
}

int
MPI_Irecv(void *buffer, int count, MPI_Datatype type, int source, int tag, MPI_Comm comm, MPI_Request *request)
{
    enter(comm);
    for (const struct mpi_stub_request *other = comm->requests; other; other = other->next)
        if (!other->is_send && !other->over && other->owner == self.rank && other->tag == tag)
            broken("the stub cannot order two receives of rank %d, tag %d", self.rank, tag);
    struct mpi_stub_request *added = add_request(comm, count, type, tag);
    added->received = memset(buffer, UNTOUCHABLE, added->bytes);
    added->source = source;
    *request = added;
    return leave(comm);
}

int
MPI_Improbe(int source, int tag, MPI_Comm comm, int *flag, MPI_Message *message, MPI_Status *status)
{
    enter(comm);
    *message = find(comm, source, tag);
    *flag = *message != NULL;
    if (*flag)
        describe(*message, status);
    return leave(comm);
}

int
MPI_Imrecv(void *buffer, int count, MPI_Datatype type, MPI_Message *message, MPI_Request *request)
{
    MPI_Comm comm = self.comm;
    enter(comm);
    if (!*message)
        broken("rank %d receives no message", self.rank);
    struct mpi_stub_request *added = add_request(comm, count, type, (*message)->tag);
    added->received = memset(buffer, UNTOUCHABLE, added->bytes);
    added->source = (*message)->source;
    added->message = *message;
    *message = MPI_MESSAGE_NULL;
    *request = added;
    return leave(comm);
}

int
MPI_Get_count(const MPI_Status *status, MPI_Datatype type, int *count)
{
    if (type != MPI_BYTE)
        broken("the stub counts bytes");
    *count = status->bytes;
    return MPI_SUCCESS;
}

int
MPI_Test(MPI_Request *request, int *flag, MPI_Status *status)
{
    struct mpi_stub_request *tested = *request;
    *flag = 1;
    if (!tested) {
        describe(NULL, status);
        return MPI_SUCCESS;
    }
    enter(tested->comm);
    check_request(tested);
    *flag = is_complete(tested) && test_random(&tested->comm->random) % 4;
    if (*flag) {
        complete(tested, status);
        *request = MPI_REQUEST_NULL;
    }
    return leave(tested->comm);
}

/* Main threads must not wait during a run: what they wait for must have happened. */
int
MPI_Wait(MPI_Request *request, MPI_Status *status)
{
    struct mpi_stub_request *awaited = *request;
    if (!awaited) {
        describe(NULL, status);
        return MPI_SUCCESS;
    }
    enter(awaited->comm);
    check_request(awaited);
    if (awaited->is_send ? !awaited->message->received : !is_complete(awaited))
        broken("rank %d would have to wait, tag %d", self.rank, awaited->tag);
    complete(awaited, status);
    *request = MPI_REQUEST_NULL;
    return leave(awaited->comm);
}

/* ---- what is declared in comm.h and comm_mpi.h ---- */

const struct comm_place *
comm_place(const struct comm *comm)
{
    return &comm->place;
}

MPI_Comm
comm_leaders(const struct comm *comm)
{
    return comm->leaders;
}

void
comm_abort(void)
{
    broken("a rank without memory ends the job");
}

/* ---- what is declared in mpi_stub.h ---- */

MPI_Comm
mpi_stub_create(int size, uint64_t seed, int64_t delay_ns)
{
    if (size > MPI_STUB_RANKS)
        broken("the stub has %d ranks at most", MPI_STUB_RANKS);
    MPI_Comm comm = allocate(sizeof *comm);
    comm->size = size;
    comm->random = seed;
    comm->delay_ns = delay_ns;
    pthread_mutex_init(&comm->mutex, NULL);
    pthread_cond_init(&comm->gathered, NULL);
    return comm;
}

void
mpi_stub_enter(MPI_Comm comm, int rank)
{
    self.comm = comm;
    self.rank = rank;
}

void
mpi_stub_hold(MPI_Comm comm, bool hold)
{
    pthread_mutex_lock(&comm->mutex);
    comm->held = hold;
    pthread_mutex_unlock(&comm->mutex);
}

void
mpi_stub_destroy(MPI_Comm comm)
{
    for (const struct mpi_stub_message *message = comm->first; message; message = message->next)
        if (!message->received)
            broken("nobody received %zu bytes from %d to %d, tag %d", message->bytes, message->source,
                   message->destination, message->tag);
    while (comm->requests) {
        struct mpi_stub_request *request = comm->requests;
        if (!request->over)
            broken("nobody completed a %s of rank %d, tag %d", request->is_send ? "send" : "receive", request->owner,
                   request->tag);
        comm->requests = request->next;
        free(request);
    }
    pthread_cond_destroy(&comm->gathered);
    pthread_mutex_destroy(&comm->mutex);
    free(comm);
}
