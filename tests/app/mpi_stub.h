/**
 * @file mpi_stub.h
 * Messages between threads that stand for the leaders of nodes, so that app/dispatch.c runs, unchanged, where sanitizers
 * can follow it.
 *
 * Messages of one source and tag keep their order; else everything that MPI leaves open is left to a seed: when a message
 * arrives, which of several is found first, whether a send is over before its message was received, whether a test that
 * could succeed does. Misuse ends the process with "MPI misused: ..." on stderr: a buffer that changes while it is sent or
 * received into; a request used again; a call by a thread that is no leader's; a wait that would have to wait; at the end
 * a message that nobody received, or a request that nobody completed.
 */
#ifndef SHEAF_TESTS_APP_MPI_STUB_H
#define SHEAF_TESTS_APP_MPI_STUB_H

#include "comm_mpi.h"

#include <stdint.h>

enum { MPI_STUB_RANKS = 8 };

/** What comm.c keeps of a rank. */
struct comm {
    struct comm_place place;
    MPI_Comm leaders; /**< MPI_COMM_NULL on ranks that lead no node */
};

/**
 * The communicator of the leaders.
 * @param[in] delay_ns  the longest time that a message is on its way
 */
MPI_Comm mpi_stub_create(int size, uint64_t seed, int64_t delay_ns);

/** The calling thread is this rank of the communicator from now on. */
void mpi_stub_enter(MPI_Comm comm, int rank);

/** Hold all messages that are on their way, or let them go on. Any thread. */
void mpi_stub_hold(MPI_Comm comm, bool hold);

/** After the end of all its threads: nothing may be left on its way. */
void mpi_stub_destroy(MPI_Comm comm);

#endif
