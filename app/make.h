/**
 * @file make.h
 * `sheaf make FILE.h5 NAME=OPERAND... --count N`: a file of generated operands, made in parallel.
 *
 * It is a run of a kernel that copies its inputs: so it is spread over ranks, recorded and checked like any other.
 */
#ifndef SHEAF_MAKE_H
#define SHEAF_MAKE_H

#include "comm.h"
#include "options.h"

/** Collective. @return alike on all ranks, with the text of an error */
enum sheaf_status make_command(const struct options *options, struct comm *comm, struct sheaf_error *error);

#endif
