#include "store_building.h"
#include "store_layout.h"

#include <stdlib.h>

enum sheaf_status
store_building_fail(const struct store_building *building, const char *what)
{
    char reason[HDF5_GUARD_REASON_TEXT];
    return sheaf_fail(building->error, SHEAF_NO_OUTPUT, "%s: cannot build the results file at %s: %s",
                      building->spec->path, what, hdf5_guard_reason(reason));
}

enum sheaf_status
store_building_begin(struct store_building *building, const char *path, const char *group)
{
    enum sheaf_status status = SHEAF_OK;
    hdf5_guard_start();
    building->file = building->group = H5I_INVALID_HID;
    hid_t access = hdf5_guard_file_access();
    /* a threshold of 1 would align the library's own small blocks too, in quadratic time */
    if (access < 0 || H5Pset_alignment(access, STORE_ALIGNMENT, STORE_ALIGNMENT) < 0 ||
        (building->file = H5Fcreate(path, H5F_ACC_EXCL, H5P_DEFAULT, access)) < 0 ||
        (building->group = H5Gcreate2(building->file, group, H5P_DEFAULT, H5P_DEFAULT, H5P_DEFAULT)) < 0)
        status = store_building_fail(building, "its beginning");
    if (access >= 0)
        H5Pclose(access);
    return status;
}

enum sheaf_status
store_building_end(struct store_building *building, enum sheaf_status status)
{
    if (building->group >= 0)
        H5Gclose(building->group);
    if (building->file >= 0 && H5Fclose(building->file) < 0 && status == SHEAF_OK)
        status = store_building_fail(building, "its end");
    return status;
}

bool
store_form_open(struct store_form *form, hid_t type, int ndim, const hsize_t *extent)
{
    *form = (struct store_form){.type = type,
                                .space = ndim ? H5Screate_simple(ndim, extent, NULL) : H5Screate(H5S_SCALAR),
                                .creation = H5Pcreate(H5P_DATASET_CREATE),
                                .bytes = type < 0 ? 0 : (int64_t)H5Tget_size(type)};
    for (int i = 0; i < ndim; i++)
        form->bytes *= (int64_t)extent[i];
    return type >= 0 && form->space >= 0 && form->creation >= 0 && H5Pset_layout(form->creation, H5D_CONTIGUOUS) >= 0 &&
           H5Pset_alloc_time(form->creation, H5D_ALLOC_TIME_EARLY) >= 0 &&
           H5Pset_fill_time(form->creation, H5D_FILL_TIME_NEVER) >= 0;
}

void
store_form_close(const struct store_form *form)
{
    if (form->creation >= 0)
        H5Pclose(form->creation);
    if (form->space >= 0)
        H5Sclose(form->space);
}

enum sheaf_status
store_building_add(struct store_building *building, hid_t parent, hid_t links, const char *name,
                   const struct store_form *form, const void *contents, int64_t *offset)
{
    enum sheaf_status status = SHEAF_OK;
    hid_t dataset = H5Dcreate2(parent, name, form->type, form->space, links, form->creation, H5P_DEFAULT);

    if (dataset < 0 ||
        (contents && form->bytes > 0 && H5Dwrite(dataset, form->type, H5S_ALL, H5S_ALL, H5P_DEFAULT, contents) < 0))
        status = store_building_fail(building, name);
    if (status == SHEAF_OK) {
        haddr_t address = form->bytes > 0 ? H5Dget_offset(dataset) : HADDR_UNDEF;
        *offset = address == HADDR_UNDEF ? -1 : (int64_t)address;
        if (form->bytes > 0 && *offset < 0)
            status = store_building_fail(building, name);
        else if (form->bytes > 0)
            building->extents[building->extent_count++] = (struct store_extent){name, *offset, form->bytes};
    }
    if (dataset >= 0 && H5Dclose(dataset) < 0 && status == SHEAF_OK)
        status = store_building_fail(building, name);
    return status;
}

/* The datasets of a class in an output's group. */
static enum sheaf_status
add_class(struct store_building *building, hid_t group, hid_t nested, int output, const struct store_class *class,
          struct store_place *places)
{
    const struct store_spec *spec = building->spec;
    const struct sheaf_shape *shape = &class->output_shapes[output];
    enum sheaf_status status = SHEAF_OK;
    hsize_t extent[SHEAF_NDIM_MAX];
    struct store_form form;
    hid_t type = hdf5_guard_type_to(spec->outputs[output].array.type);

    for (int i = 0; i < shape->ndim; i++)
        extent[i] = (hsize_t)shape->extent[i];
    if (!store_form_open(&form, type, shape->ndim, extent))
        status = store_building_fail(building, spec->outputs[output].name);
    for (int64_t i = 0; i < class->tasks && status == SHEAF_OK; i++) {
        int64_t position = class->first_position + i, task = spec->order ? spec->order[position] : position;
        const char *name = building->names.of[task];
        places[task].bytes = form.bytes;
        status = store_building_add(building, group, strchr(name, '/') ? nested : H5P_DEFAULT, name, &form, NULL,
                                    &places[task].offset);
    }
    store_form_close(&form);
    if (type >= 0)
        H5Tclose(type);
    return status;
}

enum sheaf_status
store_building_add_group(struct store_building *building, int output, struct store_place *places)
{
    const struct store_spec *spec = building->spec;
    const char *name = spec->outputs[output].name;
    enum sheaf_status status = SHEAF_OK;
    hid_t nested = H5Pcreate(H5P_LINK_CREATE);
    hid_t group = H5Gcreate2(building->file, name, H5P_DEFAULT, H5P_DEFAULT, H5P_DEFAULT);

    if (nested < 0 || group < 0 || H5Pset_create_intermediate_group(nested, 1) < 0)
        status = store_building_fail(building, name);
    for (int i = 0; i < spec->class_count && status == SHEAF_OK; i++)
        status = add_class(building, group, nested, output, &spec->classes[i], places);
    if (group >= 0 && H5Gclose(group) < 0 && status == SHEAF_OK)
        status = store_building_fail(building, name);
    if (nested >= 0)
        H5Pclose(nested);
    return status;
}

static int
compare_extents(const void *a, const void *b)
{
    int64_t left = ((const struct store_extent *)a)->offset, right = ((const struct store_extent *)b)->offset;
    return (left > right) - (left < right);
}

enum sheaf_status
store_building_check(struct store_building *building, int64_t file_bytes)
{
    int64_t end = 1;

    qsort(building->extents, (size_t)building->extent_count, sizeof *building->extents, compare_extents);
    for (int64_t i = 0; i < building->extent_count; i++) {
        const struct store_extent *extent = &building->extents[i];
        if (extent->offset < end || extent->bytes > file_bytes - extent->offset)
            return sheaf_fail(building->error, SHEAF_INTERNAL,
                              "%s: the HDF5 library placed %s at %lld, over another dataset or past the end",
                              building->spec->path, extent->name, (long long)extent->offset);
        end = extent->offset + extent->bytes;
    }
    return SHEAF_OK;
}
