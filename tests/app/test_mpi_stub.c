/* The stub of MPI: it must see misuse, or the tests that run on it prove little. One thread is one rank after the other. */
#include "app_test.h"
#include "mpi_stub.h"

static MPI_Comm comm;
static MPI_Request request;
static MPI_Message message;
static MPI_Status status;
static int64_t number;

static void
become(int rank)
{
    mpi_stub_enter(comm, rank);
}

static void
start(uint64_t seed, int64_t delay_ns)
{
    comm = mpi_stub_create(3, seed, delay_ns);
    become(0);
}

static void
complete(MPI_Request *which)
{
    int flag = 0;
    while (!flag)
        MPI_Test(which, &flag, &status);
    assert_null(*which);
}

static void
probe(int source)
{
    int flag = 0;
    while (!flag)
        MPI_Improbe(source, 1, comm, &flag, &message, &status);
}

/* ---- what must work ---- */

static void
messages_of_a_source_keep_their_order(void **state)
{
    enum { EACH = 20 };
    int64_t numbers[3][EACH];
    MPI_Request sends[3][EACH];
    bool mixed = false;
    (void)state;
    for (uint64_t seed = 0; seed < 10; seed++) {
        int64_t next[3] = {0};
        start(seed, 100000);
        for (int rank = 1; rank < 3; rank++)
            for (int64_t i = 0; i < EACH; i++) {
                become(rank);
                numbers[rank][i] = i;
                MPI_Isend(&numbers[rank][i], 8, MPI_BYTE, 0, 1, comm, &sends[rank][i]);
            }
        become(0);
        for (int i = 0; i < 2 * EACH; i++) {
            int bytes;
            probe(MPI_ANY_SOURCE);
            MPI_Get_count(&status, MPI_BYTE, &bytes);
            assert_int_equal(bytes, 8);
            MPI_Imrecv(&number, 8, MPI_BYTE, &message, &request);
            complete(&request);
            assert_int_equal(number, next[status.MPI_SOURCE]++);
            mixed |= status.MPI_SOURCE == 2 && next[1] < EACH;
        }
        for (int rank = 1; rank < 3; rank++)
            for (int i = 0; i < EACH; i++) {
                become(rank);
                complete(&sends[rank][i]);
            }
        mpi_stub_destroy(comm);
    }
    assert_true(mixed);
}

static void
a_posted_receive_gets_its_message(void **state)
{
    MPI_Request send;
    const int64_t sent = 17;
    int flag;
    (void)state;
    start(1, 0);
    MPI_Irecv(&number, 8, MPI_BYTE, 1, 2, comm, &request);
    MPI_Test(&request, &flag, &status);
    assert_false(flag);
    become(1);
    MPI_Isend(&sent, 8, MPI_BYTE, 0, 2, comm, &send);
    become(0);
    complete(&request);
    assert_int_equal(number, 17);
    become(1);
    MPI_Wait(&send, MPI_STATUS_IGNORE);
    MPI_Wait(&send, MPI_STATUS_IGNORE); /* of no request: at once */
    mpi_stub_destroy(comm);
}

/* ---- what must be refused ---- */

static void
send(void)
{
    start(1, 0);
    become(1);
    MPI_Isend(&number, 8, MPI_BYTE, 0, 1, comm, &request);
}

static void
receive(void)
{
    int64_t received;
    MPI_Request receiving;
    become(0);
    probe(1);
    MPI_Imrecv(&received, 8, MPI_BYTE, &message, &receiving);
    complete(&receiving);
    become(1);
}

static int
change_what_is_sent(void)
{
    send();
    number++;
    receive();
    complete(&request);
    return 0;
}

static int
write_where_is_received(void)
{
    start(1, 0);
    MPI_Irecv(&number, 8, MPI_BYTE, 1, 1, comm, &request);
    number = 1;
    become(1);
    MPI_Isend(&comm, 8, MPI_BYTE, 0, 1, comm, &(MPI_Request){NULL});
    become(0);
    complete(&request);
    return 0;
}

static int
use_a_request_again(void)
{
    send();
    MPI_Request again = request;
    receive();
    complete(&request);
    MPI_Wait(&again, MPI_STATUS_IGNORE);
    return 0;
}

static int
use_the_request_of_another(void)
{
    send();
    become(2);
    complete(&request);
    return 0;
}

static int
be_no_rank(void)
{
    send();
    mpi_stub_enter(MPI_COMM_NULL, 0);
    complete(&request);
    return 0;
}

static int
wait_for_a_receiver(void)
{
    send();
    MPI_Wait(&request, MPI_STATUS_IGNORE);
    return 0;
}

static int
receive_too_little(void)
{
    send();
    become(0);
    probe(1);
    MPI_Imrecv(&number, 4, MPI_BYTE, &message, &request);
    complete(&request);
    return 0;
}

static int
leave_a_message(void)
{
    send();
    mpi_stub_destroy(comm);
    return 0;
}

static int
leave_a_send(void)
{
    send();
    receive();
    mpi_stub_destroy(comm);
    return 0;
}

static int
leave_a_receive(void)
{
    start(1, 0);
    MPI_Irecv(&number, 8, MPI_BYTE, 1, 1, comm, &request);
    mpi_stub_destroy(comm);
    return 0;
}

static const struct misuse {
    int (*body)(void);
    const char *text;
} misuses[] = {
    {change_what_is_sent, "a buffer changed while it was sent from 1 to 0, tag 1"},
    {write_where_is_received, "a buffer changed while rank 0 received into it, tag 1"},
    {use_a_request_again, "rank 1 uses a request again that is over, tag 1"},
    {use_the_request_of_another, "rank 2 uses a request of rank 1"},
    {be_no_rank, "called by a thread that is no rank of this communicator"},
    {wait_for_a_receiver, "rank 1 would have to wait, tag 1"},
    {receive_too_little, "a message of 8 bytes for a buffer of 4, tag 1"},
    {leave_a_message, "nobody received 8 bytes from 1 to 0, tag 1"},
    {leave_a_send, "nobody completed a send of rank 1, tag 1"},
    {leave_a_receive, "nobody completed a receive of rank 0, tag 1"},
};

static const struct misuse *tried;

static int
try_misuse(void)
{
    int file = open("misuse.txt", O_WRONLY | O_CREAT | O_TRUNC, 0600);
    return dup2(file, STDERR_FILENO) < 0 ? -1 : tried->body();
}

static void
misuse_is_seen(void **state)
{
    (void)state;
    for (size_t i = 0; i < sizeof misuses / sizeof *misuses; i++) {
        char text[256] = "";
        tried = &misuses[i];
        int how = test_in_child(try_misuse);
        FILE *said = fopen("misuse.txt", "r");
        assert_non_null(said);
        fgets(text, sizeof text, said);
        fclose(said);
        if (!strstr(text, tried->text))
            fail_msg("expected \"%s\" in \"%s\"", tried->text, text);
        assert_true(WIFSIGNALED(how) && WTERMSIG(how) == SIGABRT);
    }
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(messages_of_a_source_keep_their_order),
        cmocka_unit_test(a_posted_receive_gets_its_message),
        cmocka_unit_test(misuse_is_seen),
    };
    alarm(100); /* nothing here may wait for ever */
    return cmocka_run_group_tests(tests, test_enter_directory, test_leave_directory);
}
