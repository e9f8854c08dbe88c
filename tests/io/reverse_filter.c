/* A filter plugin, as users bring them: turns every bit over. For test_guard.c and tests of the whole program. */
#include <H5PLextern.h>
#include <hdf5.h>

/* The parameters are HDF5's. NOLINTBEGIN(readability-non-const-parameter) */
static size_t
reverse(unsigned flags, size_t value_count, const unsigned values[], size_t bytes, size_t *buffer_bytes, void **buffer)
{
    unsigned char *at = *buffer;
    (void)flags, (void)value_count, (void)values, (void)buffer_bytes;
    for (size_t i = 0; i < bytes; i++)
        at[i] = (unsigned char)~at[i];
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
    static const H5Z_class2_t filter = {H5Z_CLASS_T_VERS, 302, 1, 1, "reverse bits", NULL, NULL, reverse};
    return &filter;
}
