/**
 * @file comm_mpi.h
 * What dispatch and team may know of MPI behind comm.h.
 */
#ifndef SHEAF_COMM_MPI_H
#define SHEAF_COMM_MPI_H

#include "comm.h"
#include <mpi.h>

/** @return the communicator of the leaders, ordered by node; MPI_COMM_NULL on other ranks */
MPI_Comm comm_leaders(const struct comm *comm);

#endif
