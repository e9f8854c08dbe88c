/**
 * @file store_outline.h
 * What the HDF5 library tells of a results file: plain data without pointers, so that another process, which may crash of the
 * file, can read it (opening.h). All else is then read by offset, without the library: store_describe, store_verify, store_past.
 */
#ifndef SHEAF_STORE_OUTLINE_H
#define SHEAF_STORE_OUTLINE_H

#include "sheaf/status.h"

#include <stdbool.h>
#include <stdint.h>
#include <sys/types.h>

/** Which file it is: by its path, another one may be opened a moment later. */
struct store_identity {
    dev_t device;
    ino_t inode;
    int64_t bytes; /**< that it has; they do not change once it has its name */
};

struct store_outline;

/**
 * Read what is fixed in a results file: attributes, outputs, where its tables lie. Works while it is being written.
 * @param[in]  members  where each dataset of its groups lies, too: store_verify and store_past_match need that
 * @param[out] outline  free() is the caller's; NULL on failure
 * @param[out] bytes    of the outline
 * @return SHEAF_OK; SHEAF_NO_INPUT: no such file, or no HDF5; SHEAF_BAD_DATA: HDF5, but no results file of Sheaf's, a damaged
 *         one, or of a later format
 */
enum sheaf_status store_outline_read(const char *path, bool members, struct store_outline **outline, int64_t *bytes,
                                     struct sheaf_error *error);

/** Whether an open file is the one that was outlined. @return SHEAF_OK; SHEAF_IO_ERROR: not any more */
enum sheaf_status store_identity_check(const char *path, const struct store_identity *then, int descriptor,
                                       struct sheaf_error *error);

#endif
