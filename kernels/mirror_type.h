/*
 * Template: make a square row-major matrix Hermitian from its upper triangle. Included once per type with
 *   MIRROR_NAME      the function's name
 *   MIRROR_TYPE      the element type
 *   MIRROR_CONJ(x)   the conjugate of an element
 *   MIRROR_REAL(x)   the real part of an element
 * and after the including file has said how wide a block is: MIRROR_BLOCK.
 */
void
MIRROR_NAME(void *matrix, int64_t n)
{
    MIRROR_TYPE *c = matrix;
    for (int64_t block_row = 0; block_row < n; block_row += MIRROR_BLOCK) {
        int64_t row_end = block_row + MIRROR_BLOCK < n ? block_row + MIRROR_BLOCK : n;
        for (int64_t block_column = block_row; block_column < n; block_column += MIRROR_BLOCK) {
            int64_t column_end = block_column + MIRROR_BLOCK < n ? block_column + MIRROR_BLOCK : n;
            for (int64_t row = block_row; row < row_end; row++) {
                int64_t first = row + 1 > block_column ? row + 1 : block_column;
                for (int64_t column = first; column < column_end; column++)
                    c[column * n + row] = MIRROR_CONJ(c[row * n + column]);
            }
        }
    }
    for (int64_t i = 0; i < n; i++)
        c[i * n + i] = MIRROR_REAL(c[i * n + i]);
}

#undef MIRROR_NAME
#undef MIRROR_TYPE
#undef MIRROR_CONJ
#undef MIRROR_REAL
