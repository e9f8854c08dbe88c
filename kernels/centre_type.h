/*
 * Template: a row with its mean taken away, in one real type. Included once per type with
 *   CENTRE_NAME   the function's name
 *   CENTRE_SUMS   the name of its helper
 *   CENTRE_TYPE   the real type
 * and after the including file has said how many sums run side by side: CENTRE_LANES, even.
 *
 * A complex row is a real one of twice the length, whose even and odd numbers have means of their own. The mean of what
 * is left after a first pass is taken away too: it is the rounding error of the first mean.
 */

/* sums[j]: the sum of the numbers at j, j + parts, j + 2 parts, ... */
static void
CENTRE_SUMS(const CENTRE_TYPE *row, int64_t count, int parts, CENTRE_TYPE sums[2])
{
    CENTRE_TYPE lanes[CENTRE_LANES] = {0};
    int64_t whole = count / CENTRE_LANES * CENTRE_LANES;
    for (int64_t i = 0; i < whole; i += CENTRE_LANES)
        for (int lane = 0; lane < CENTRE_LANES; lane++)
            lanes[lane] += row[i + lane];
    for (int64_t i = whole; i < count; i++)
        lanes[i - whole] += row[i];
    sums[0] = sums[1] = 0;
    for (int lane = 0; lane < CENTRE_LANES; lane++)
        sums[lane % parts] += lanes[lane];
}

static void
CENTRE_NAME(const void *in, void *out, int64_t columns, int parts)
{
    const CENTRE_TYPE *source = in;
    CENTRE_TYPE *row = out, sums[2];
    const int64_t count = columns * parts;
    for (int pass = 0; pass < 2; pass++, source = row) {
        CENTRE_SUMS(source, count, parts, sums);
        const CENTRE_TYPE even = sums[0] / (CENTRE_TYPE)columns, odd = sums[parts - 1] / (CENTRE_TYPE)columns;
        for (int64_t i = 0; i + 1 < count; i += 2) {
            row[i] = source[i] - even;
            row[i + 1] = source[i + 1] - odd;
        }
        if (count % 2 == 1)
            row[count - 1] = source[count - 1] - even;
    }
}

#undef CENTRE_NAME
#undef CENTRE_SUMS
#undef CENTRE_TYPE
