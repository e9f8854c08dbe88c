/**
 * @file mpi.h
 * As much of MPI as app/dispatch.c uses, found instead of the real one where a test puts this folder first. mpi_stub.c
 * implements it between threads of one process. Names and meaning are the MPI standard's.
 */
#ifndef SHEAF_TESTS_APP_STUB_MPI_H
#define SHEAF_TESTS_APP_STUB_MPI_H

#include <stddef.h>

typedef struct mpi_stub *MPI_Comm;
typedef struct mpi_stub_request *MPI_Request;
typedef struct mpi_stub_message *MPI_Message;
typedef enum { MPI_BYTE, MPI_INT64_T } MPI_Datatype;
typedef enum { MPI_SUM } MPI_Op;

typedef struct {
    int MPI_SOURCE, MPI_TAG, MPI_ERROR;
    int bytes;
} MPI_Status;

enum { MPI_SUCCESS = 0, MPI_ANY_SOURCE = -1, MPI_ANY_TAG = -2 };

#define MPI_COMM_NULL ((MPI_Comm)NULL)
#define MPI_REQUEST_NULL ((MPI_Request)NULL)
#define MPI_MESSAGE_NULL ((MPI_Message)NULL)
#define MPI_STATUS_IGNORE ((MPI_Status *)NULL)

int MPI_Exscan(const void *mine, void *before, int count, MPI_Datatype type, MPI_Op operation, MPI_Comm comm);
int MPI_Isend(const void *buffer, int count, MPI_Datatype type, int destination, int tag, MPI_Comm comm,
              MPI_Request *request);
int MPI_Irecv(void *buffer, int count, MPI_Datatype type, int source, int tag, MPI_Comm comm, MPI_Request *request);
int MPI_Improbe(int source, int tag, MPI_Comm comm, int *flag, MPI_Message *message, MPI_Status *status);
int MPI_Imrecv(void *buffer, int count, MPI_Datatype type, MPI_Message *message, MPI_Request *request);
int MPI_Get_count(const MPI_Status *status, MPI_Datatype type, int *count);
int MPI_Test(MPI_Request *request, int *flag, MPI_Status *status);
int MPI_Wait(MPI_Request *request, MPI_Status *status);

#endif
