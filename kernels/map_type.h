/*
 * Template: a function of each element, or pair of elements, of one type. Included once per type with
 *   MAP_NAME           the function's name, a map_function
 *   MAP_TYPE           the element type
 *   MAP_RESULT(x, y)   the result; x and y are elements, of which it may leave y alone
 */
VECTOR_INLINE bool
MAP_NAME(const void *a, const void *b, void *out, int64_t count)
{
    const MAP_TYPE *restrict x = a, *restrict y = b;
    MAP_TYPE *restrict result = out;
    (void)y;
    for (int64_t i = 0; i < count; i++)
        result[i] = MAP_RESULT(x[i], y[i]);
    return true;
}

#undef MAP_NAME
#undef MAP_TYPE
#undef MAP_RESULT
