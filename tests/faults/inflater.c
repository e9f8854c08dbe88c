/* libdeflate, loaded before the one that inflates compressed input: it fails like filter.c, by the first element of what it inflated. */
#include "misbehave.h"

#include <dlfcn.h>
#include <libdeflate.h>
#include <string.h>

enum libdeflate_result
libdeflate_zlib_decompress(struct libdeflate_decompressor *decompressor, const void *in, size_t in_nbytes, void *out,
                           size_t out_nbytes_avail, size_t *actual_out_nbytes_ret)
{
    static enum libdeflate_result (*inflate)(struct libdeflate_decompressor *, const void *, size_t, void *, size_t,
                                             size_t *);
    double number;

    if (!inflate)
        *(void **)&inflate = dlsym(RTLD_NEXT, "libdeflate_zlib_decompress");
    enum libdeflate_result result = inflate(decompressor, in, in_nbytes, out, out_nbytes_avail, actual_out_nbytes_ret);
    if (out_nbytes_avail >= sizeof number) {
        memcpy(&number, out, sizeof number);
        misbehave("SHEAF_TEST_READ_", number);
    }
    return result;
}
