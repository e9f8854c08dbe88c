/* Files as the commands read them: what the HDF5 library tells of them first, the rest by offset; here in one process. */
#ifndef SHEAF_STORE_OUTLINED_H
#define SHEAF_STORE_OUTLINED_H

#include "store.h"
#include "store_past.h"
#include "store_sweep.h"
#include "store_verify.h"

enum sheaf_status outlined_describe(const char *path, struct store_summary *summary, struct sheaf_error *error);
enum sheaf_status outlined_past(const char *path, struct store_past *past, struct sheaf_error *error);
enum sheaf_status outlined_verify(const char *path, store_verify_tell *tell, void *context,
                                  struct store_verdict *verdict, struct sheaf_error *error);
enum sheaf_status outlined_sweep_open(const char *path, bool writable, struct store_sweep **sweep,
                                      struct sheaf_error *error);

#endif
