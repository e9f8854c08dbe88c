/**
 * @file set_examine.h
 * What members look like: files are opened one at a time, each dataset once. For io/set*.c only.
 */
#ifndef SHEAF_SET_EXAMINE_H
#define SHEAF_SET_EXAMINE_H

#include "hdf5_guard.h"
#include "set_builder.h"

/** The file that is being looked into, and the type met last. */
struct set_examiner {
    hid_t file;
    int64_t path;  /**< offset of its absolute path in the builder's texts */
    int64_t bytes; /**< of the file */
    bool in_memory;
    hid_t type; /**< as the library has it; most members have the same */
    enum sheaf_type type_is;
    bool type_swapped;
};

#define SET_EXAMINER_CLOSED ((struct set_examiner){.file = H5I_INVALID_HID, .type = H5I_INVALID_HID})

/** @return whether a status is no member's own, but ends everything */
bool set_examine_is_fatal(enum sheaf_status status);

/**
 * Open a file, and close the one before.
 * @param[in] written  its path as the user has it
 * @return SHEAF_OK; SHEAF_NO_INPUT, SHEAF_BAD_DATA, SHEAF_IO_ERROR: its members are unreadable; else fatal
 */
enum sheaf_status set_examiner_open(struct set_examiner *examiner, struct set_builder *builder, const char *written,
                                    struct sheaf_error *error);

void set_examiner_close(struct set_examiner *examiner);

/**
 * Examine a member in the open file.
 * @param[in] number of the member
 * @param[in] group  or file, in which
 * @param[in] path   is its dataset's
 * @return SHEAF_OK; SHEAF_NO_INPUT: there is no such dataset; SHEAF_BAD_DATA: it is unreadable; else fatal
 */
enum sheaf_status set_examine(struct set_examiner *examiner, struct set_builder *builder, int64_t number, hid_t group,
                              const char *path, struct sheaf_error *error);

/** Examine all members whose files have not been opened yet, file after file; what goes wrong is marked. */
enum sheaf_status set_examine_all(struct set_builder *builder, struct sheaf_error *error);

/**
 * Fingerprint of a set's names, types and shapes, and of the content of some of its members.
 * @return SHEAF_OK; SHEAF_NO_RESOURCES
 */
enum sheaf_status set_examine_fingerprint(struct set *set, struct sheaf_error *error);

#endif
