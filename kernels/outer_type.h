/*
 * Template: the outer product of one type. Included once per type with
 *   OUTER_NAME            the function's name
 *   OUTER_TYPE            the element type
 *   OUTER_PRODUCT(x, y)   the product of two elements
 */
static void
OUTER_NAME(int64_t m, int64_t n, const void *x_elements, const void *y_elements, void *result)
{
    const OUTER_TYPE *x = x_elements, *y = y_elements;
    OUTER_TYPE *row = result;
    for (int64_t i = 0; i < m; i++, row += n) {
        const OUTER_TYPE factor = x[i];
        for (int64_t j = 0; j < n; j++)
            row[j] = OUTER_PRODUCT(factor, y[j]);
    }
}

#undef OUTER_NAME
#undef OUTER_TYPE
#undef OUTER_PRODUCT
