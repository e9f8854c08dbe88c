/**
 * @file status.h
 * What a Sheaf function that can fail returns, and the text that goes with it.
 *
 * A class of error is the exit code of the command that meets it, so that no table translates one
 * into the other. Nothing here allocates, and nothing is kept between calls: the text travels in the
 * caller's own struct sheaf_error.
 */
#ifndef SHEAF_STATUS_H
#define SHEAF_STATUS_H

#include <stdarg.h>
#include <stdio.h>

#ifdef __cplusplus
extern "C" {
#endif

/** Classes of error. The numbers are the command's exit codes (sysexits.h, where it has the class). */
enum sheaf_status {
    SHEAF_OK = 0,
    SHEAF_TASKS_FAILED = 1,  /**< the run is complete, some tasks failed */
    SHEAF_USAGE = 64,        /**< wrong command line, unknown kernel */
    SHEAF_BAD_DATA = 65,     /**< operands that are wrong or do not fit together, zero tasks */
    SHEAF_NO_INPUT = 66,     /**< an input that is not there or cannot be opened */
    SHEAF_INTERNAL = 70,     /**< a fault of ours */
    SHEAF_NO_RESOURCES = 71, /**< the node cannot do it: memory, threads */
    SHEAF_NO_OUTPUT = 73,    /**< the output cannot be created, or exists */
    SHEAF_IO_ERROR = 74,     /**< reading or writing failed */
    SHEAF_INTERRUPTED = 75,  /**< drained: run again to go on */
};

enum { SHEAF_ERROR_TEXT = 768 };

/** An error on its way up: its class and one line that says what, where, and what to do. */
struct sheaf_error {
    enum sheaf_status status;
    char text[SHEAF_ERROR_TEXT];
};

/**
 * Fill an error.
 * @param[out] error   may be NULL: nothing is done
 * @param[in]  status  the class of error, not SHEAF_OK
 * @param[in]  format  as printf's: "where: what, expected, found; next step", no newline
 */
#if defined(__GNUC__)
__attribute__((format(printf, 3, 4), unused))
#endif
static inline void
sheaf_error_set(struct sheaf_error *error, enum sheaf_status status, const char *format, ...)
{
    va_list args;
    if (!error)
        return;
    error->status = status;
    va_start(args, format);
    vsnprintf(error->text, sizeof error->text, format, args);
    va_end(args);
}

/** @return the status itself: a value that nobody has to use */
static inline enum sheaf_status
sheaf_status_value(enum sheaf_status status)
{
    return status;
}

/**
 * sheaf_error_set, and the status as value, so that a function can end with `return sheaf_fail(error, status, ...)`.
 * A macro, for then compilers and analysers see which status it is; `status` is a constant or a variable.
 */
#define sheaf_fail(error, status, ...) (sheaf_error_set((error), (status), __VA_ARGS__), sheaf_status_value(status))

#ifdef __cplusplus
}
#endif
#endif
