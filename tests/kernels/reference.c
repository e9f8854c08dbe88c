#include "reference.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

reference_number *
reference_zeros(int64_t count)
{
    reference_number *zeros = calloc((size_t)count, sizeof *zeros);
    assert_non_null(zeros);
    return zeros;
}

reference_number *
reference_load(enum sheaf_type type, const void *array, int64_t count)
{
    reference_number *copy = reference_zeros(count);
    for (int64_t i = 0; i < count; i++)
        copy[i] = fixture_get(type, array, i);
    return copy;
}

void
reference_store(enum sheaf_type type, void *array, const reference_number *values, int64_t count)
{
    for (int64_t i = 0; i < count; i++)
        fixture_set(type, array, i, values[i]);
}

reference_number *
reference_multiply(int64_t m, int64_t k, int64_t n, const reference_number *a, const reference_number *b)
{
    reference_number *c = reference_zeros(m * n);
    for (int64_t i = 0; i < m; i++)
        for (int64_t l = 0; l < k; l++)
            for (int64_t j = 0; j < n; j++)
                c[i * n + j] += a[i * k + l] * b[l * n + j];
    return c;
}

reference_number *
reference_adjoint(int64_t rows, int64_t columns, const reference_number *a)
{
    reference_number *adjoint = reference_zeros(rows * columns);
    for (int64_t i = 0; i < rows; i++)
        for (int64_t j = 0; j < columns; j++)
            adjoint[j * rows + i] = conjl(a[i * columns + j]);
    return adjoint;
}

void
reference_take_magnitudes(reference_number *a, int64_t count)
{
    for (int64_t i = 0; i < count; i++)
        a[i] = cabsl(a[i]);
}

void
reference_subtract(reference_number *a, const reference_number *b, int64_t count)
{
    for (int64_t i = 0; i < count; i++)
        a[i] -= b[i];
}

long double
reference_norm(const reference_number *a, int64_t count)
{
    long double sum = 0.0L;
    for (int64_t i = 0; i < count; i++)
        sum += creall(a[i]) * creall(a[i]) + cimagl(a[i]) * cimagl(a[i]);
    return sqrtl(sum);
}

long double
reference_norm_one(int64_t rows, int64_t columns, const reference_number *a)
{
    long double norm = 0.0L;
    for (int64_t column = 0; column < columns; column++) {
        long double sum = 0.0L;
        for (int64_t row = 0; row < rows; row++)
            sum += cabsl(a[row * columns + column]);
        /* Written so that a NaN stays. */
        if (!(sum <= norm))
            norm = sum;
    }
    return norm;
}

/* Exchange rows so that the element with the greatest |real| + |imaginary| comes to (column, column), as LAPACK does. */
static void
exchange_rows(int64_t n, reference_number *lu, int64_t column)
{
    int64_t pivot = column;
    long double greatest = -1.0L;
    for (int64_t row = column; row < n; row++) {
        reference_number element = lu[row * n + column];
        long double size = fabsl(creall(element)) + fabsl(cimagl(element));
        if (size > greatest) {
            greatest = size;
            pivot = row;
        }
    }
    for (int64_t j = 0; j < n; j++) {
        reference_number kept = lu[column * n + j];
        lu[column * n + j] = lu[pivot * n + j];
        lu[pivot * n + j] = kept;
    }
}

long double
reference_lu_norm(int64_t n, const reference_number *a)
{
    reference_number *lu = reference_zeros(n * n), *lower = reference_zeros(n * n), *upper = reference_zeros(n * n);
    memcpy(lu, a, (size_t)(n * n) * sizeof *lu);
    bool singular = false;
    for (int64_t column = 0; column < n && !singular; column++) {
        exchange_rows(n, lu, column);
        singular = lu[column * n + column] == 0.0L;
        for (int64_t row = column + 1; row < n && !singular; row++) {
            lu[row * n + column] /= lu[column * n + column];
            for (int64_t j = column + 1; j < n; j++)
                lu[row * n + j] -= lu[row * n + column] * lu[column * n + j];
        }
    }
    for (int64_t row = 0; row < n; row++) {
        lower[row * n + row] = 1.0L;
        for (int64_t column = 0; column < n; column++)
            (column < row ? lower : upper)[row * n + column] = cabsl(lu[row * n + column]);
    }
    reference_number *product = reference_multiply(n, n, n, lower, upper);
    long double norm = singular ? (long double)INFINITY : reference_norm(product, n * n);
    free(product);
    free(upper);
    free(lower);
    free(lu);
    return norm;
}

/* (I - 2 v v^H / v^H v) A for a fixed v, (rows), of which no element is 0. */
static void
reflect(int64_t rows, int64_t columns, bool is_complex, reference_number *a)
{
    long double square = 0.0L;
    reference_number *v = reference_zeros(rows);
    for (int64_t i = 0; i < rows; i++) {
        long double imaginary = is_complex ? 0.4L - 0.03L * (long double)(i % 11) : 0.0L;
        v[i] = CMPLXL(0.3L + 0.07L * (long double)(i * 5 % 13), imaginary);
        square += creall(v[i] * conjl(v[i]));
    }
    for (int64_t j = 0; j < columns; j++) {
        reference_number sum = 0.0L;
        for (int64_t i = 0; i < rows; i++)
            sum += conjl(v[i]) * a[i * columns + j];
        for (int64_t i = 0; i < rows; i++)
            a[i * columns + j] -= 2.0L / square * sum * v[i];
    }
    free(v);
}

/* U D V^H, D (m,n): a reflector is its own adjoint, so V^H is applied to the adjoint. */
static reference_number *
multiply_reflectors(int64_t m, int64_t n, bool is_complex, reference_number *diagonal)
{
    reflect(m, n, is_complex, diagonal);
    reference_number *adjoint = reference_adjoint(m, n, diagonal);
    reflect(n, m, is_complex, adjoint);
    reference_number *product = reference_adjoint(n, m, adjoint);
    free(adjoint);
    return product;
}

void
reference_fill_singular_values(long double *s, int64_t count, int64_t rank)
{
    for (int64_t i = 0; i < count; i++)
        s[i] = i < rank ? 1.0L + 1.0L / (long double)(i + 1) : 0.0L;
}

void
reference_from_svd(int64_t m, int64_t n, bool is_complex, const long double *s, reference_number *a,
                   reference_number *pinv)
{
    reference_number *diagonal = reference_zeros(m * n), *inverse = reference_zeros(n * m);
    for (int64_t i = 0; i < m && i < n; i++) {
        diagonal[i * n + i] = s[i];
        inverse[i * m + i] = s[i] == 0.0L ? 0.0L : 1.0L / s[i];
    }
    reference_number *product = multiply_reflectors(m, n, is_complex, diagonal);
    memcpy(a, product, (size_t)(m * n) * sizeof *a);
    free(product);
    if (pinv) {
        product = multiply_reflectors(n, m, is_complex, inverse);
        memcpy(pinv, product, (size_t)(m * n) * sizeof *pinv);
        free(product);
    }
    free(inverse);
    free(diagonal);
}

long double
reference_gamma(enum sheaf_type type, long double terms)
{
    long double nu = terms * (sheaf_type_is_complex(type) ? 4.0L : 1.0L) * fixture_unit_roundoff(type);
    return nu / (1.0L - nu);
}
