#include "set_examine.h"

#include "file.h"
#include "packed_library.h"
#include "set_library.h"

#include <limits.h>
#include <stdlib.h>
#include <unistd.h>

bool
set_examine_is_fatal(enum sheaf_status status)
{
    return status != SHEAF_OK && status != SHEAF_NO_INPUT && status != SHEAF_BAD_DATA && status != SHEAF_IO_ERROR;
}

static void
close_file(struct set_examiner *examiner)
{
    if (examiner->file >= 0)
        H5Fclose(examiner->file);
    examiner->file = H5I_INVALID_HID;
}

void
set_examiner_close(struct set_examiner *examiner)
{
    close_file(examiner);
    if (examiner->type >= 0)
        H5Tclose(examiner->type);
    *examiner = SET_EXAMINER_CLOSED;
}

enum sheaf_status
set_examiner_open(struct set_examiner *examiner, struct set_builder *builder, const char *written,
                  struct sheaf_error *error)
{
    struct file_system system;
    struct stat about;
    char path[PATH_MAX];
    int descriptor;

    close_file(examiner);
    if (!realpath(written, path))
        return sheaf_fail(error, SHEAF_NO_INPUT, "%s: cannot open: %m", written);
    /* the HDF5 library would wait for the other end of a pipe */
    enum sheaf_status status = file_open_read(path, written, &descriptor, &about, error);
    if (status != SHEAF_OK)
        return status;
    status = file_system_of_open(descriptor, written, &system, error);
    close(descriptor);
    if (status == SHEAF_OK)
        status = hdf5_guard_open(path, written, &examiner->file, error);
    if (status == SHEAF_OK)
        status = set_builder_keep(builder, path, &examiner->path, error);
    examiner->bytes = about.st_size;
    examiner->in_memory = system.in_memory;
    return status;
}

/* Finding a type takes the making of many, so that of the member before is tried first. */
static bool
find_type(struct set_examiner *examiner, hid_t type)
{
    if (examiner->type >= 0) {
        if (H5Tequal(examiner->type, type) > 0)
            return true;
        H5Tclose(examiner->type);
        examiner->type = H5I_INVALID_HID;
    }
    if (!hdf5_guard_type_from(type, &examiner->type_is, &examiner->type_swapped))
        return false;
    examiner->type = H5Tcopy(type);
    return true;
}

static enum sheaf_status
take_shape(const struct set_builder *builder, struct set_member *member, int ndim, const hsize_t *extent,
           struct sheaf_error *error)
{
    const char *text = builder->texts.bytes + member->text;
    char found[SHEAF_SHAPE_TEXT];
    int64_t bytes;

    if (ndim > SHEAF_NDIM_MAX)
        return sheaf_fail(error, SHEAF_BAD_DATA, "%s: has %d axes, a task's can be at most %d", text, ndim,
                          SHEAF_NDIM_MAX);
    member->shape.ndim = ndim;
    for (int i = 0; i < ndim; i++)
        member->shape.extent[i] = (int64_t)extent[i];
    if (ndim != builder->core_ndim)
        return sheaf_fail(error, SHEAF_BAD_DATA, "%s: expected %d ax%s, found %s", text, builder->core_ndim,
                          builder->core_ndim == 1 ? "is" : "es", sheaf_shape_format(&member->shape, found));
    for (int i = 0; i < ndim; i++)
        if (extent[i] == 0)
            return sheaf_fail(error, SHEAF_BAD_DATA, "%s: is empty: axis %d of %d has no entries", text, i + 1, ndim);
    if (!sheaf_shape_bytes(&member->shape, member->type, &bytes))
        return sheaf_fail(error, SHEAF_BAD_DATA, "%s: has more bytes than 64 bits can count", text);
    return SHEAF_OK;
}

/* Where a plain dataset's bytes lie. The header may promise more than the file holds. */
static enum sheaf_status
take_place(const struct set_examiner *examiner, const struct set_builder *builder, struct set_member *member,
           haddr_t offset, struct sheaf_error *error)
{
    int64_t bytes = 0, end;

    /* the library tells none of compact and chunked datasets, and of those that nobody has written yet */
    if (offset == HADDR_UNDEF)
        return SHEAF_OK;
    sheaf_shape_bytes(&member->shape, member->type, &bytes);
    if (offset > INT64_MAX || __builtin_add_overflow((int64_t)offset, bytes, &end) || end > examiner->bytes)
        return sheaf_fail(error, SHEAF_BAD_DATA,
                          "%s: file is truncated: it has %lld bytes, the dataset of %lld "
                          "begins at %llu; copy it again",
                          builder->texts.bytes + member->text, (long long)examiner->bytes, (long long)bytes,
                          (unsigned long long)offset);
    member->offset = (int64_t)offset;
    return SHEAF_OK;
}

/* Note whether others than the library can unpack a member, and what memory that takes. */
static void
note_packed(struct set_builder *builder, struct set_member *member, hid_t dataset)
{
    struct packed_layout layout;
    int64_t elements = 1, bytes, share;

    if (member->offset >= 0 || !packed_describe(dataset, 0, &layout) ||
        layout.element_bytes != (int64_t)sheaf_type_size(member->type) || !packed_raw_bytes(&layout, 0, 1, 1, &bytes) ||
        !sheaf_multiply(bytes, SET_RAW_UNIT, &share))
        return;
    sheaf_shape_count(&member->shape, &elements);
    share = bytes > SET_RAW_FIXED ? (share - SET_RAW_FIXED * SET_RAW_UNIT) / elements + 1 : 1;
    if (share > SET_RAW_TIMES_MAX * SET_RAW_UNIT * layout.element_bytes)
        return;
    member->packed = 1;
    if (share > builder->raw_share)
        builder->raw_share = share;
}

static enum sheaf_status
examine_open(struct set_examiner *examiner, struct set_builder *builder, struct set_member *member, hid_t dataset,
             struct sheaf_error *error)
{
    enum sheaf_status status;
    const char *text = builder->texts.bytes + member->text;
    char reason[HDF5_GUARD_REASON_TEXT], type_text[HDF5_GUARD_TYPE_TEXT];
    hsize_t extent[H5S_MAX_RANK];
    hid_t type = H5Dget_type(dataset), space = H5Dget_space(dataset);
    int ndim = space < 0 ? -1 : H5Sget_simple_extent_dims(space, extent, NULL);

    if (type < 0 || ndim < 0) {
        status = sheaf_fail(error, SHEAF_BAD_DATA, "%s: the HDF5 library cannot examine it: %s", text,
                            hdf5_guard_reason(reason));
    } else if (H5Sget_simple_extent_type(space) == H5S_NULL) {
        status = sheaf_fail(error, SHEAF_BAD_DATA, "%s: is empty: it has no dataspace", text);
    } else if (!find_type(examiner, type)) {
        status =
            sheaf_fail(error, SHEAF_BAD_DATA,
                       "%s: its elements are %s; expected integers, floats, or complex numbers as h5py writes them",
                       text, hdf5_guard_type_format(type, type_text));
    } else {
        member->type = examiner->type_is;
        member->swapped = examiner->type_swapped;
        status = take_shape(builder, member, ndim, extent, error);
        if (status == SHEAF_OK)
            status =
                take_place(examiner, builder, member,
                           hdf5_guard_is_own(examiner->file, dataset) ? H5Dget_offset(dataset) : HADDR_UNDEF, error);
        if (status == SHEAF_OK)
            note_packed(builder, member, dataset);
    }
    if (space >= 0)
        H5Sclose(space);
    if (type >= 0)
        H5Tclose(type);
    return status;
}

enum sheaf_status
set_examine(struct set_examiner *examiner, struct set_builder *builder, int64_t number, hid_t group, const char *path,
            struct sheaf_error *error)
{
    struct set_member *member = &builder->members[number];
    hid_t dataset;

    member->path = examiner->path;
    member->in_memory = examiner->in_memory;
    enum sheaf_status status =
        hdf5_guard_open_dataset(group, path, builder->texts.bytes + member->text, &dataset, error);
    if (status != SHEAF_OK)
        return status;
    status = examine_open(examiner, builder, member, dataset, error);
    H5Dclose(dataset);
    return status;
}

/* A member's file as it is written: its text up to the ":" before the dataset. */
static size_t
file_length(const struct set_member *member)
{
    return (size_t)(member->dataset - member->text - 1);
}

/* The order in which files are opened: each once, however the members of a list go to and fro between them. */
static int
compare_files(const void *a, const void *b, void *data)
{
    const struct set_builder *builder = data;
    const int64_t number_a = *(const int64_t *)a, number_b = *(const int64_t *)b;
    const struct set_member *first = &builder->members[number_a], *second = &builder->members[number_b];
    size_t length_a = file_length(first), length_b = file_length(second);

    if (length_a != length_b)
        return length_a < length_b ? -1 : 1;
    int order = memcmp(builder->texts.bytes + first->text, builder->texts.bytes + second->text, length_a);
    return order != 0 ? order : (number_a > number_b) - (number_a < number_b);
}

static bool
same_file(const struct set_builder *builder, const struct set_member *a, const struct set_member *b)
{
    return file_length(a) == file_length(b) &&
           memcmp(builder->texts.bytes + a->text, builder->texts.bytes + b->text, file_length(a)) == 0;
}

/* Examine the members [first, end) of an order, which are of one file. */
static enum sheaf_status
examine_file(struct set_examiner *examiner, struct set_builder *builder, const int64_t *order, int64_t count,
             struct sheaf_error *error)
{
    struct sheaf_error why = {.status = SHEAF_OK};
    struct set_member *members = builder->members;
    char *written = strndup(builder->texts.bytes + members[order[0]].text, file_length(&members[order[0]]));
    int64_t reason = 0;

    if (!written)
        return set_builder_no_memory(builder, error);
    enum sheaf_status opened = set_examiner_open(examiner, builder, written, &why), status = opened;
    free(written);
    for (int64_t i = 0; i < count && !set_examine_is_fatal(status); i++) {
        struct set_member *member = &members[order[i]];
        if (opened == SHEAF_OK) {
            status =
                set_examine(examiner, builder, order[i], examiner->file, builder->texts.bytes + member->dataset, &why);
            if (status != SHEAF_OK && !set_examine_is_fatal(status))
                status = set_builder_refuse(builder, order[i], &why, &why);
        } else if (i == 0) {
            status = set_builder_refuse(builder, order[i], &why, &why);
            reason = member->reason;
        } else {
            member->unreadable = (uint8_t)opened;
            member->reason = reason;
        }
    }
    if (set_examine_is_fatal(status) && error)
        *error = why;
    return set_examine_is_fatal(status) ? status : SHEAF_OK;
}

enum sheaf_status
set_examine_all(struct set_builder *builder, struct sheaf_error *error)
{
    struct set_examiner examiner = SET_EXAMINER_CLOSED;
    enum sheaf_status status = SHEAF_OK;
    int64_t *order = malloc((size_t)builder->count * sizeof *order);

    if (!order)
        return set_builder_no_memory(builder, error);
    for (int64_t i = 0; i < builder->count; i++)
        order[i] = i;
    qsort_r(order, (size_t)builder->count, sizeof *order, compare_files, builder);
    for (int64_t first = 0, end; first < builder->count && status == SHEAF_OK; first = end) {
        for (end = first + 1; end < builder->count; end++)
            if (!same_file(builder, &builder->members[order[first]], &builder->members[order[end]]))
                break;
        status = examine_file(&examiner, builder, order + first, end - first, error);
    }
    set_examiner_close(&examiner);
    free(order);
    return status;
}
