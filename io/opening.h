/**
 * @file opening.h
 * Somebody who looks on while files of strangers are examined: a process that does nothing else, and may crash of them, says
 * so which file it was, and for how long. Where nobody looks on, nothing happens. Not thread-safe.
 */
#ifndef SHEAF_OPENING_H
#define SHEAF_OPENING_H

#include "sheaf/status.h"

/** Who looks on. */
struct opening {
    /** A file is about to be opened by the HDF5 library. @return SHEAF_OK; SHEAF_BAD_DATA: it is not to be opened */
    enum sheaf_status (*begin_file)(const char *path, const char *name, struct sheaf_error *error);
    /** Examining goes on: something else of the same file, or another file. */
    void (*go_on)(void);
};

/** Have this process watched, or not any more: NULL. @param[in] watch  stays where it is */
void opening_watch(const struct opening *watch);

/** For who opens files. @param[in] path  of the file. @param[in] name  how messages call it. @return as begin_file */
enum sheaf_status opening_begin(const char *path, const char *name, struct sheaf_error *error);

/** For who examines them, now and then. */
void opening_go_on(void);

#endif
