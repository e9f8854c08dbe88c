#include "inflater.h"

#include <limits.h>
#include <stdlib.h>
#include <zlib.h>

struct inflater {
    z_stream stream;
};

struct inflater *
inflater_create(void)
{
    struct inflater *inflater = calloc(1, sizeof *inflater);

    if (inflater && inflateInit(&inflater->stream) != Z_OK) {
        free(inflater);
        return NULL;
    }
    return inflater;
}

void
inflater_destroy(struct inflater *inflater)
{
    if (!inflater)
        return;
    inflateEnd(&inflater->stream);
    free(inflater);
}

bool
inflater_run(struct inflater *inflater, const void *from, size_t from_bytes, void *to, size_t to_bytes)
{
    z_stream *stream = &inflater->stream;

    if (from_bytes > UINT_MAX || to_bytes > UINT_MAX || inflateReset(stream) != Z_OK)
        return false;
    stream->next_in = (z_const Bytef *)from;
    stream->avail_in = (uInt)from_bytes;
    stream->next_out = to;
    stream->avail_out = (uInt)to_bytes;
    return inflate(stream, Z_FINISH) == Z_STREAM_END && stream->avail_out == 0;
}
