/*
 * A filter plugin, as users bring them, that leaves data as they are. It fails when it is told to, by the variables of misbehave.h
 * with READ_ in their names: by the first element of the HDF5 chunk that it unpacks.
 */
#include "misbehave.h"

#include <H5PLextern.h>
#include <hdf5.h>
#include <string.h>

/* The parameters are HDF5's. NOLINTBEGIN(readability-non-const-parameter) */
static size_t
pass(unsigned flags, size_t value_count, const unsigned values[], size_t bytes, size_t *buffer_bytes, void **buffer)
{
    double number;
    (void)value_count, (void)values, (void)buffer_bytes;
    if ((flags & H5Z_FLAG_REVERSE) && bytes >= sizeof number) {
        memcpy(&number, *buffer, sizeof number);
        misbehave("SHEAF_TEST_READ_", number);
    }
    return bytes;
}
/* NOLINTEND(readability-non-const-parameter) */

H5PL_type_t
H5PLget_plugin_type(void)
{
    return H5PL_TYPE_FILTER;
}

const void *
H5PLget_plugin_info(void)
{
    static const H5Z_class2_t filter = {H5Z_CLASS_T_VERS, 303, 1, 1, "fail when told to", NULL, NULL, pass};
    return &filter;
}
