#include "spectrum.h"

#include <math.h>
#include <stdlib.h>

/* The reflector, (n,n), of some vector that has no zero and no pattern. */
static reference_number *
reflector(int64_t n, bool is_complex, long double phase)
{
    reference_number *h = reference_zeros(n * n), *x = reference_zeros(n);
    for (int64_t i = 0; i < n; i++)
        x[i] = cosl((long double)i + phase) + (is_complex ? sinl(2.0L * (long double)i + phase) * I : 0.0L);
    long double norm = reference_norm(x, n);
    for (int64_t i = 0; i < n; i++)
        for (int64_t j = 0; j < n; j++)
            h[i * n + j] = (i == j ? 1.0L : 0.0L) - 2.0L * x[i] * conjl(x[j]) / (norm * norm);
    free(x);
    return h;
}

reference_number *
spectrum_matrix(int64_t rows, int64_t columns, const long double *s, bool is_complex, bool hermitian)
{
    reference_number *u = reflector(rows, is_complex, 0.5L);
    reference_number *v = reflector(columns, is_complex, hermitian ? 0.5L : 1.5L);
    reference_number *us = reference_zeros(rows * columns);
    for (int64_t i = 0; i < rows; i++)
        for (int64_t j = 0; j < rows && j < columns; j++)
            us[i * columns + j] = u[i * rows + j] * s[j];
    /* A reflector is its own adjoint. */
    reference_number *a = reference_multiply(rows, columns, columns, us, v);
    free(u);
    free(v);
    free(us);
    return a;
}

void
spectrum_scale_columns(int64_t rows, int64_t columns, reference_number *a, const reference_number *factors)
{
    for (int64_t i = 0; i < rows; i++)
        for (int64_t j = 0; j < columns; j++)
            a[i * columns + j] *= factors[j];
}

long double
spectrum_orthonormality(int64_t rows, int64_t columns, const reference_number *a)
{
    reference_number *adjoint = reference_adjoint(rows, columns, a);
    reference_number *product = reference_multiply(columns, rows, columns, adjoint, a);
    for (int64_t i = 0; i < columns; i++)
        product[i * columns + i] -= 1.0L;
    long double norm = reference_norm(product, columns * columns);
    free(adjoint);
    free(product);
    return norm;
}

long double
spectrum_bound(enum sheaf_type type, int64_t rows, int64_t columns)
{
    return 50.0L * (long double)(rows > columns ? rows : columns) * 2.0L * fixture_unit_roundoff(type);
}
