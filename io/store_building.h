/**
 * @file store_building.h
 * A results file while it is built: its datasets, and where their bytes came to lie. For io/store*.c only.
 */
#ifndef SHEAF_STORE_BUILDING_H
#define SHEAF_STORE_BUILDING_H

#include "hdf5_guard.h"
#include "store.h"
#include "store_names.h"

/** Where the bytes of a dataset lie. */
struct store_extent {
    const char *name;
    int64_t offset, bytes;
};

/** A results file that is being built. */
struct store_building {
    const struct store_spec *spec;
    struct store_names names;     /**< where something is grouped */
    hid_t file, group;            /**< group: /sheaf */
    struct store_extent *extents; /**< room for one a dataset */
    int64_t extent_count;
    struct sheaf_error *error;
};

/** What datasets of one shape and type are made with. */
struct store_form {
    hid_t type, space, creation;
    int64_t bytes;
};

/** Create the file, which must not be there, and a group of it. On a failure too, store_building_end is the caller's. */
enum sheaf_status store_building_begin(struct store_building *building, const char *path, const char *group);

/** Close file and group. @return status, or else what closing has found */
enum sheaf_status store_building_end(struct store_building *building, enum sheaf_status status);

/** To be called right after the HDF5 function that failed. @param[in] what  could not be built @return SHEAF_NO_OUTPUT */
enum sheaf_status store_building_fail(const struct store_building *building, const char *what);

/** @param[in] type  stays the caller's @return whether it could be made; store_form_close is the caller's in any case */
bool store_form_open(struct store_form *form, hid_t type, int ndim, const hsize_t *extent);
void store_form_close(const struct store_form *form);

/**
 * Create a dataset with all its space, write its contents where there are any, note where it lies.
 * @param[in]  links   how to link it: H5P_DEFAULT, or a property list
 * @param[in]  name    within parent; has to stay
 * @param[out] offset  -1 where it has no bytes
 */
enum sheaf_status store_building_add(struct store_building *building, hid_t parent, hid_t links, const char *name,
                                     const struct store_form *form, const void *contents, int64_t *offset);

/**
 * Create the group of a grouped output, with a dataset a task in the order of positions: what a chunk writes lies together.
 * @param[in]  output  its number
 * @param[out] places  one a task
 */
enum sheaf_status store_building_add_group(struct store_building *building, int output, struct store_place *places);

/** Check that no dataset lies over another or past the end: all writing goes by the offsets, past the library. */
enum sheaf_status store_building_check(struct store_building *building, int64_t file_bytes);

#endif
