#include "set_library.h"

#include "packed_library.h"

void
set_library_close(struct set_library *library)
{
    if (library->file >= 0)
        H5Fclose(library->file);
    *library = SET_LIBRARY_CLOSED;
}

/* It could be opened when it was examined: whatever is wrong now is a failed read. */
static enum sheaf_status
open_dataset(struct set_library *library, const struct set *set, const struct set_member *member, hid_t *dataset,
             struct sheaf_error *error)
{
    enum sheaf_status status = SHEAF_OK;
    const char *text = set_text(set, member->text);

    *dataset = H5I_INVALID_HID;
    if (library->file < 0 || library->path != member->path) {
        set_library_close(library);
        status = hdf5_guard_open(set_text(set, member->path), text, &library->file, error);
        library->path = member->path;
    }
    if (status == SHEAF_OK)
        status = hdf5_guard_open_dataset(library->file, set_text(set, member->dataset), text, dataset, error);
    if (status != SHEAF_OK && error)
        error->status = SHEAF_IO_ERROR;
    return status == SHEAF_OK ? SHEAF_OK : SHEAF_IO_ERROR;
}

/* The greatest box at the beginning that has no more than `most` elements; returns how many it has. */
static hsize_t
box_at_beginning(const struct sheaf_shape *shape, int64_t most, hsize_t count[SHEAF_NDIM_MAX])
{
    hsize_t elements = 1;

    for (int i = shape->ndim - 1; i >= 0; i--) {
        int64_t some = shape->extent[i] < most ? shape->extent[i] : most;
        if (some < 1)
            some = 1;
        most = some < shape->extent[i] ? 0 : most / some;
        count[i] = (hsize_t)some;
        elements *= (hsize_t)some;
    }
    return elements;
}

static bool
has_shape(hid_t space, const struct sheaf_shape *shape)
{
    hsize_t extent[H5S_MAX_RANK];

    if (H5Sget_simple_extent_dims(space, extent, NULL) != shape->ndim)
        return false;
    for (int i = 0; i < shape->ndim; i++)
        if (extent[i] != (hsize_t)shape->extent[i])
            return false;
    return true;
}

enum sheaf_status
set_library_read(struct set_library *library, const struct set *set, const struct set_member *member, int64_t most,
                 void *buffer, int64_t *bytes, struct sheaf_error *error)
{
    const hsize_t start[SHEAF_NDIM_MAX] = {0};
    hsize_t count[SHEAF_NDIM_MAX], elements;
    char reason[HDF5_GUARD_REASON_TEXT];
    const int64_t size = (int64_t)sheaf_type_size(member->type);
    hid_t dataset, space, memory, type;

    enum sheaf_status status = open_dataset(library, set, member, &dataset, error);
    if (status != SHEAF_OK)
        return status;
    elements = box_at_beginning(&member->shape, size > 0 ? most / size : 0, count);
    *bytes = (int64_t)elements * size;
    space = H5Dget_space(dataset);
    memory = H5Screate_simple(1, &elements, NULL);
    type = hdf5_guard_type_stored(member->type, member->swapped != 0);
    if (space < 0 || !has_shape(space, &member->shape))
        status = sheaf_fail(error, SHEAF_IO_ERROR, "%s: the dataset has changed since it was examined",
                            set_text(set, member->text));
    else if ((member->shape.ndim > 0 && H5Sselect_hyperslab(space, H5S_SELECT_SET, start, NULL, count, NULL) < 0) ||
             H5Dread(dataset, type, memory, space, H5P_DEFAULT, buffer) < 0)
        status = sheaf_fail(error, SHEAF_IO_ERROR, "%s: the HDF5 library cannot read it: %s",
                            set_text(set, member->text), hdf5_guard_reason(reason));
    else
        status = hdf5_guard_check_length(dataset, set_text(set, member->text), error);
    if (type >= 0)
        H5Tclose(type);
    if (memory >= 0)
        H5Sclose(memory);
    if (space >= 0)
        H5Sclose(space);
    H5Dclose(dataset);
    return status;
}

/* Whether a dataset looks as its member did. */
static bool
is_as_examined(const struct packed_layout *layout, const struct set_member *member)
{
    if (layout->grid.ndim != member->shape.ndim || layout->element_bytes != (int64_t)sheaf_type_size(member->type))
        return false;
    for (int i = 0; i < member->shape.ndim; i++)
        if (layout->grid.extent[i] != member->shape.extent[i])
            return false;
    return true;
}

enum sheaf_status
set_library_fetch(struct set_library *library, const struct set *set, const struct set_member *member, void *raw,
                  int64_t bytes, bool *fetched, struct sheaf_error *error)
{
    struct packed_layout layout;
    int64_t needed;
    hid_t dataset;

    *fetched = false;
    enum sheaf_status status = open_dataset(library, set, member, &dataset, error);
    if (status != SHEAF_OK)
        return status;
    if (packed_describe(dataset, 0, &layout) && is_as_examined(&layout, member) &&
        packed_raw_bytes(&layout, 0, 1, 1, &needed) && needed <= bytes) {
        status = packed_fetch(&layout, dataset, set_text(set, member->text), 0, 1, raw, bytes, error);
        *fetched = status == SHEAF_OK;
    }
    H5Dclose(dataset);
    return status;
}
