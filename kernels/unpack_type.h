/*
 * Template: geev's answer for real matrices, made complex. Included once per type with
 *   UNPACK_VALUES    the name of the function for eigenvalues
 *   UNPACK_VECTORS   the name of the function for eigenvectors
 *   UNPACK_REAL      the real type
 *   UNPACK_COMPLEX   the complex type
 *   UNPACK_VALUE     CMPLXF or CMPLX
 * and after the including file has said how wide a block is: UNPACK_BLOCK.
 */
static void
UNPACK_VALUES(int64_t m, const void *w_real, const void *w_imaginary, void *w)
{
    const UNPACK_REAL *real = w_real, *imaginary = w_imaginary;
    UNPACK_COMPLEX *values = w;
    for (int64_t i = 0; i < m; i++)
        values[i] = UNPACK_VALUE(real[i], imaginary[i]);
}

/* A pair of conjugate eigenvalues, the one with positive imaginary part first, has the real part of its vectors in the
 * first one's row, the imaginary part in the other's. */
static void
UNPACK_VECTORS(int64_t m, const void *rows, const void *w_imaginary, void *v)
{
    const UNPACK_REAL *r = rows, *imaginary = w_imaginary;
    UNPACK_COMPLEX *columns = v;
    for (int64_t block_row = 0; block_row < m; block_row += UNPACK_BLOCK) {
        int64_t row_end = block_row + UNPACK_BLOCK < m ? block_row + UNPACK_BLOCK : m;
        for (int64_t j = 0; j < m; j++) {
            int64_t first = imaginary[j] < 0 ? j - 1 : j;
            for (int64_t i = block_row; i < row_end; i++) {
                UNPACK_REAL other = imaginary[j] == 0 ? 0 : r[(first + 1) * m + i];
                columns[i * m + j] = UNPACK_VALUE(r[first * m + i], imaginary[j] < 0 ? -other : other);
            }
        }
    }
}

#undef UNPACK_VALUES
#undef UNPACK_VECTORS
#undef UNPACK_REAL
#undef UNPACK_COMPLEX
#undef UNPACK_VALUE
