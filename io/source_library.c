#include "source_library.h"

#include "convert.h"

/* Chunks that are not read whole are kept until they were; this is memory beside the rank's buffers. */
enum { CACHE_BYTES_MAX = 64 << 20 };

/* A box in a dataset: where it starts and how far it goes on every axis. */
struct box {
    int ndim;
    hsize_t start[2 * SHEAF_NDIM_MAX], count[2 * SHEAF_NDIM_MAX], stride[2 * SHEAF_NDIM_MAX];
    hsize_t elements;
};

enum sheaf_status
source_library_open(const struct source_map *map, struct source_library *library, struct sheaf_error *error)
{
    char reason[HDF5_GUARD_REASON_TEXT];

    *library = SOURCE_LIBRARY_CLOSED;
    const int64_t cache_bytes = map->chunk_bytes < CACHE_BYTES_MAX ? map->chunk_bytes : CACHE_BYTES_MAX;
    enum sheaf_status status = hdf5_guard_open_cached(map->path, map->text, cache_bytes, &library->file, error);
    if (status == SHEAF_OK)
        status = hdf5_guard_open_dataset(library->file, map->dataset, map->text, &library->dataset, error);
    if (status == SHEAF_OK) {
        library->type = hdf5_guard_type_stored(map->file_type, map->swapped);
        if (library->type < 0)
            status = sheaf_fail(error, SHEAF_INTERNAL, "%s: HDF5 fails: %s", map->text, hdf5_guard_reason(reason));
    }
    if (status != SHEAF_OK)
        source_library_close(library);
    return status;
}

void
source_library_close(struct source_library *library)
{
    if (library->type >= 0)
        H5Tclose(library->type);
    if (library->dataset >= 0)
        H5Dclose(library->dataset);
    if (library->file >= 0)
        H5Fclose(library->file);
    convert_room_free(&library->room);
    *library = SOURCE_LIBRARY_CLOSED;
}

static enum sheaf_status
read_box(const struct source_library *library, const struct source_map *map, const struct box *box, void *buffer,
         struct sheaf_error *error)
{
    enum sheaf_status status = SHEAF_OK;
    char reason[HDF5_GUARD_REASON_TEXT];
    hid_t memory = H5Screate_simple(1, &box->elements, NULL);
    hid_t space = H5Dget_space(library->dataset);

    if (memory < 0 || space < 0 || H5Sget_simple_extent_ndims(space) != box->ndim)
        status = sheaf_fail(error, SHEAF_IO_ERROR, "%s: the dataset has changed since it was examined", map->text);
    else if ((box->ndim > 0 &&
              H5Sselect_hyperslab(space, H5S_SELECT_SET, box->start, box->stride, box->count, NULL) < 0) ||
             H5Dread(library->dataset, library->type, memory, space, H5P_DEFAULT, buffer) < 0)
        status = sheaf_fail(error, SHEAF_IO_ERROR, "%s: the HDF5 library cannot read it: %s", map->text,
                            hdf5_guard_reason(reason));
    else
        status = hdf5_guard_check_length(library->dataset, map->text, error);
    if (space >= 0)
        H5Sclose(space);
    if (memory >= 0)
        H5Sclose(memory);
    return status;
}

/*
 * The greatest box of whole tasks that starts at task `first` and holds no more than `most` of them:
 * tasks in row-major order over several axes are not one box. Returns how many it holds.
 */
static int64_t
box_of_tasks(const struct source_map *map, int64_t first, int64_t most, struct box *box)
{
    const struct sheaf_shape *lead = &map->array.lead, *core = &map->array.core;
    int64_t inner = 1, rest = first, tasks = 1;

    box->ndim = lead->ndim + core->ndim;
    box->elements = 1;
    for (int i = 0; i < core->ndim; i++) {
        box->start[lead->ndim + i] = 0;
        box->count[lead->ndim + i] = (hsize_t)core->extent[i];
        box->elements *= (hsize_t)core->extent[i];
    }
    for (int i = lead->ndim - 1; i >= 0; i--) {
        box->start[i] = (hsize_t)(rest % lead->extent[i]);
        box->count[i] = 1;
        rest /= lead->extent[i];
    }
    for (int i = lead->ndim - 1; i >= 0; i--) {
        int64_t left = lead->extent[i] - (int64_t)box->start[i], fit = most / inner;
        if (fit < left)
            left = fit;
        if (i == 0 && map->slice_step < 0)
            left = 1; /* the library goes upwards only */
        box->count[i] = (hsize_t)left;
        tasks = inner * left;
        inner *= lead->extent[i];
        /* only whole rows of this axis go on along the next outer one */
        if (left < lead->extent[i] || most < inner)
            break;
    }
    box->elements *= (hsize_t)tasks;
    for (int i = 0; i < box->ndim; i++)
        box->stride[i] = 1;
    if (lead->ndim > 0) {
        box->start[0] = (hsize_t)(map->slice_first + (int64_t)box->start[0] * map->slice_step);
        box->stride[0] = map->slice_step > 0 ? (hsize_t)map->slice_step : 1;
    }
    return tasks;
}

/* Tasks as they are stored. */
static enum sheaf_status
read_stored(const struct source_library *library, const struct source_map *map, int64_t first, int64_t count,
            int64_t task_bytes, char *to, struct sheaf_error *error)
{
    for (int64_t done = 0; done < count;) {
        struct box box;
        int64_t tasks = box_of_tasks(map, first + done, count - done, &box);
        enum sheaf_status status = read_box(library, map, &box, to + done * task_bytes, error);
        if (status != SHEAF_OK)
            return status;
        done += tasks;
    }
    return SHEAF_OK;
}

enum sheaf_status
source_library_read(struct source_library *library, const struct source_map *map, int64_t first, int64_t count,
                    void *buffer, struct sheaf_error *error)
{
    const int64_t stored_bytes = convert_element_bytes(map->file_type);
    const int64_t task = map->task_bytes / convert_element_bytes(map->array.type), elements = count * task;
    char *stored = convert_room_for(&library->room, map->file_type, map->array.type, elements, buffer);

    if (!stored)
        return sheaf_fail(error, SHEAF_NO_RESOURCES, "%s: no memory for %lld bytes to convert", map->text,
                          (long long)(elements * stored_bytes));
    enum sheaf_status status = read_stored(library, map, first, count, task * stored_bytes, stored, error);
    if (status == SHEAF_OK)
        convert_room_into(map->file_type, map->swapped, map->array.type, elements, stored, buffer);
    return status;
}

enum sheaf_status
source_library_sample(const struct source_library *library, const struct source_map *map, int64_t task, int64_t most,
                      void *buffer, int64_t *bytes, struct sheaf_error *error)
{
    struct box box;
    int lead = map->array.lead.ndim;
    int64_t size = (int64_t)H5Tget_size(library->type), room = size > 0 ? most / size : 0;

    box_of_tasks(map, task, 1, &box);
    box.elements = 1;
    for (int i = box.ndim - 1; i >= lead; i--) {
        int64_t extent = map->array.core.extent[i - lead], count = extent < room ? extent : room;
        if (count < 1)
            count = 1;
        room = count < extent ? 0 : room / count;
        box.count[i] = (hsize_t)count;
        box.elements *= (hsize_t)count;
    }
    *bytes = (int64_t)box.elements * size;
    return read_box(library, map, &box, buffer, error);
}
