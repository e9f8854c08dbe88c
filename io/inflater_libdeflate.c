#include "inflater.h"

#include <libdeflate.h>

/* The library's own object is all there is: a struct inflater is never defined here. */
static struct libdeflate_decompressor *
decompressor(struct inflater *inflater)
{
    return (struct libdeflate_decompressor *)(void *)inflater;
}

struct inflater *
inflater_create(void)
{
    return (struct inflater *)(void *)libdeflate_alloc_decompressor();
}

void
inflater_destroy(struct inflater *inflater)
{
    if (inflater)
        libdeflate_free_decompressor(decompressor(inflater));
}

bool
inflater_run(struct inflater *inflater, const void *from, size_t from_bytes, void *to, size_t to_bytes)
{
    /* without a place for the number of bytes it demands that all come */
    return libdeflate_zlib_decompress(decompressor(inflater), from, from_bytes, to, to_bytes, NULL) ==
           LIBDEFLATE_SUCCESS;
}
