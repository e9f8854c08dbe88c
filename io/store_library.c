#include "store_library.h"

enum sheaf_status
store_library_open(struct store_library *library, const char *group, const char *what)
{
    const struct store_reading *reading = &library->reading;

    library->group = H5I_INVALID_HID;
    enum sheaf_status status = hdf5_guard_open(reading->path, reading->path, &library->file, reading->error);
    if (status != SHEAF_OK)
        return status;
    library->group = store_library_open_group(library, group);
    return library->group >= 0 ? SHEAF_OK
                               : sheaf_fail(reading->error, SHEAF_BAD_DATA, "%s: is HDF5, but %s: it has no /%s",
                                            reading->path, what, group);
}

void
store_library_close(struct store_library *library)
{
    if (library->group >= 0)
        H5Gclose(library->group);
    if (library->file >= 0)
        H5Fclose(library->file);
    library->file = library->group = H5I_INVALID_HID;
}

hid_t
store_library_open_group(const struct store_library *library, const char *path)
{
    H5L_info_t link;

    if (H5Lget_info(library->file, path, &link, H5P_DEFAULT) < 0 || link.type != H5L_TYPE_HARD)
        return H5I_INVALID_HID;
    return H5Gopen2(library->file, path, H5P_DEFAULT);
}

enum sheaf_status
store_library_find(const struct store_library *library, const char *path, struct store_found *found)
{
    bool ok = false, swapped = false;
    hsize_t extent[H5S_MAX_RANK];
    hid_t dataset;

    if (hdf5_guard_open_dataset(library->file, path, library->reading.path, &dataset, NULL) != SHEAF_OK)
        return store_reading_fail(&library->reading, path);
    hid_t type = H5Dget_type(dataset), space = H5Dget_space(dataset), creation = H5Dget_create_plist(dataset);
    found->ndim = space < 0 ? -1 : H5Sget_simple_extent_dims(space, extent, NULL);
    if (type >= 0 && found->ndim >= 0 && creation >= 0 && H5Pget_layout(creation) == H5D_CONTIGUOUS) {
        int64_t bytes = 0;
        haddr_t offset = H5Dget_offset(dataset);
        found->element_bytes = H5Tget_size(type);
        found->typed = hdf5_guard_type_from(type, &found->type, &swapped) && !swapped;
        found->offset = offset == HADDR_UNDEF ? -1 : (int64_t)offset;
        bytes = (int64_t)found->element_bytes;
        ok = true;
        for (int i = 0; i < found->ndim; i++) {
            found->extent[i] = (int64_t)extent[i];
            ok = ok && sheaf_multiply(bytes, found->extent[i], &bytes);
        }
        ok = ok && (bytes == 0 || (found->offset >= 0 && found->offset <= library->reading.identity.bytes &&
                                   bytes <= library->reading.identity.bytes - found->offset));
    }
    if (creation >= 0)
        H5Pclose(creation);
    if (space >= 0)
        H5Sclose(space);
    if (type >= 0)
        H5Tclose(type);
    H5Dclose(dataset);
    return ok ? SHEAF_OK : store_reading_fail(&library->reading, path);
}
