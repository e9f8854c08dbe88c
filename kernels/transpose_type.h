/*
 * Template: the transposes of one element type. Included once per variant with
 *   TRANSPOSE_NAME       the dense function's name
 *   TRANSPOSE_STRIDED    the strided function's name
 *   TRANSPOSE_TYPE       the element type
 *   TRANSPOSE_VALUE(x)   what becomes of an element: itself, or its conjugate
 * and after the including file has said how wide a block is: TRANSPOSE_BLOCK.
 */
void
TRANSPOSE_STRIDED(int64_t rows, int64_t columns, const void *in, int64_t in_stride, void *out, int64_t out_stride)
{
    const TRANSPOSE_TYPE *a = in;
    TRANSPOSE_TYPE *b = out;
    for (int64_t block_row = 0; block_row < rows; block_row += TRANSPOSE_BLOCK) {
        int64_t row_end = block_row + TRANSPOSE_BLOCK < rows ? block_row + TRANSPOSE_BLOCK : rows;
        for (int64_t block_column = 0; block_column < columns; block_column += TRANSPOSE_BLOCK) {
            int64_t column_end = block_column + TRANSPOSE_BLOCK < columns ? block_column + TRANSPOSE_BLOCK : columns;
            for (int64_t column = block_column; column < column_end; column++)
                for (int64_t row = block_row; row < row_end; row++)
                    b[column * out_stride + row] = TRANSPOSE_VALUE(a[row * in_stride + column]);
        }
    }
}

void
TRANSPOSE_NAME(int64_t rows, int64_t columns, const void *in, void *out)
{
    TRANSPOSE_STRIDED(rows, columns, in, columns, out, rows);
}

#undef TRANSPOSE_NAME
#undef TRANSPOSE_STRIDED
#undef TRANSPOSE_TYPE
#undef TRANSPOSE_VALUE
