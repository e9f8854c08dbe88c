#include "reference.h"

#include <math.h>
#include <stdlib.h>

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
reference_gamma(enum sheaf_type type, long double terms)
{
    long double nu = terms * (sheaf_type_is_complex(type) ? 4.0L : 1.0L) * fixture_unit_roundoff(type);
    return nu / (1.0L - nu);
}
