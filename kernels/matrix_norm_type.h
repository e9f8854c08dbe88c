/*
 * Template: the sums of magnitudes of one element type. Included once per type with
 *   NORM_ONE            the name of the function for columns
 *   NORM_INFINITY       the name of the function for rows
 *   NORM_TYPE           the element type
 *   NORM_MAGNITUDE(x)   the magnitude of an element, a double
 * and after the including file has said how many columns are summed at a time: NORM_BLOCK.
 */
static double
NORM_ONE(const void *matrix, int64_t rows, int64_t columns)
{
    const NORM_TYPE *a = matrix;
    double norm = 0.0;
    for (int64_t block = 0; block < columns; block += NORM_BLOCK) {
        int64_t width = columns - block < NORM_BLOCK ? columns - block : NORM_BLOCK;
        double sums[NORM_BLOCK] = {0.0};
        for (int64_t row = 0; row < rows; row++)
            for (int64_t i = 0; i < width; i++)
                sums[i] += NORM_MAGNITUDE(a[row * columns + block + i]);
        for (int64_t i = 0; i < width; i++)
            norm = greater_or_nan(norm, sums[i]);
    }
    return norm;
}

static double
NORM_INFINITY(const void *matrix, int64_t rows, int64_t columns)
{
    const NORM_TYPE *a = matrix;
    double norm = 0.0;
    for (int64_t row = 0; row < rows; row++) {
        double sum = 0.0;
        for (int64_t column = 0; column < columns; column++)
            sum += NORM_MAGNITUDE(a[row * columns + column]);
        norm = greater_or_nan(norm, sum);
    }
    return norm;
}

#undef NORM_ONE
#undef NORM_INFINITY
#undef NORM_TYPE
#undef NORM_MAGNITUDE
