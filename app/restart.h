/**
 * @file restart.h
 * Some settings of BLAS count only while the library is loaded, before main: the program starts itself anew with them. No MPI.
 */
#ifndef SHEAF_RESTART_H
#define SHEAF_RESTART_H

/**
 * Execute this program again, once, with what blas_list_settings wants in the environment; there the environment is what it was
 * again. Process number, arguments, open files and binding stay. Returns where that has been done, is not needed, or is not
 * possible: all works without it, but each rank starts with BLAS threads that nobody asked for, and those of a wide task
 * keep their cores for a while after it. For the start of main, while nothing is open that a new program would not know.
 *
 * SHEAF_RESTART=0 in the environment: never (for debuggers that do not follow).
 *
 * @param[in] arguments  main's, in the order that they were given; ends with NULL
 */
void restart_for_blas(char **arguments);

#endif
