#include "matrix_norm.h"

#include <complex.h>
#include <math.h>

/* Columns summed at a time: their sums stay in a first-level cache, and a row's part of them is whole cache lines. */
enum { NORM_BLOCK = 64 };

static double
greater_or_nan(double norm, double sum)
{
    return isnan(norm) || sum <= norm ? norm : sum;
}

/* Squares of floats neither overflow nor underflow in a double. */
static double
magnitude_c64(float complex z)
{
    double x = (double)crealf(z), y = (double)cimagf(z);
    return sqrt(x * x + y * y);
}

static double
magnitude_c128(double complex z)
{
    double square = creal(z) * creal(z) + cimag(z) * cimag(z);
    /* Between these no square that matters has left a double's range; hypot takes several times as long. */
    return square > 0x1p-900 && square < 0x1p1000 ? sqrt(square) : hypot(creal(z), cimag(z));
}

#define NORM_ONE one_f32
#define NORM_INFINITY infinity_f32
#define NORM_TYPE float
#define NORM_MAGNITUDE(x) fabs((double)(x))
#include "matrix_norm_type.h"

#define NORM_ONE one_f64
#define NORM_INFINITY infinity_f64
#define NORM_TYPE double
#define NORM_MAGNITUDE(x) fabs(x)
#include "matrix_norm_type.h"

#define NORM_ONE one_c64
#define NORM_INFINITY infinity_c64
#define NORM_TYPE float complex
#define NORM_MAGNITUDE(x) magnitude_c64(x)
#include "matrix_norm_type.h"

#define NORM_ONE one_c128
#define NORM_INFINITY infinity_c128
#define NORM_TYPE double complex
#define NORM_MAGNITUDE(x) magnitude_c128(x)
#include "matrix_norm_type.h"

/* Partial sums: so many additions run side by side, in an order that no compiler and no CPU changes. */
enum { LANES = 8 };

static double
sum_lanes(const double lanes[LANES])
{
    return ((lanes[0] + lanes[4]) + (lanes[2] + lanes[6])) + ((lanes[1] + lanes[5]) + (lanes[3] + lanes[7]));
}

static double
frobenius_f32(const float *x, int64_t count)
{
    double lanes[LANES] = {0.0};
    int64_t whole = count - count % LANES;
    for (int64_t i = 0; i < whole; i += LANES)
        for (int lane = 0; lane < LANES; lane++)
            lanes[lane] += (double)x[i + lane] * (double)x[i + lane];
    for (int64_t i = whole; i < count; i++)
        lanes[i - whole] += (double)x[i] * (double)x[i];
    return sqrt(sum_lanes(lanes));
}

static double
sum_squares(const double *x, int64_t count)
{
    double lanes[LANES] = {0.0};
    int64_t whole = count - count % LANES;
    for (int64_t i = 0; i < whole; i += LANES)
        for (int lane = 0; lane < LANES; lane++)
            lanes[lane] += x[i + lane] * x[i + lane];
    for (int64_t i = whole; i < count; i++)
        lanes[i - whole] += x[i] * x[i];
    return sum_lanes(lanes);
}

/* The same for numbers whose squares leave a double's range: all are divided by the greatest one's power of two. */
static double
frobenius_scaled(const double *x, int64_t count)
{
    double greatest = 0.0, sum = 0.0;
    int exponent;
    for (int64_t i = 0; i < count; i++)
        greatest = greater_or_nan(greatest, fabs(x[i]));
    if (greatest == 0.0 || !isfinite(greatest))
        return greatest;
    (void)frexp(greatest, &exponent);
    for (int64_t i = 0; i < count; i++) {
        double scaled = ldexp(x[i], -exponent);
        sum += scaled * scaled;
    }
    return ldexp(sqrt(sum), exponent);
}

static double
frobenius_f64(const double *x, int64_t count)
{
    double sum = sum_squares(x, count);
    /* A square that underflows loses less than 2^-1074: of such a sum that is less than one part in 2^114. */
    if (sum >= (double)count * 0x1p-960 && isfinite(sum))
        return sqrt(sum);
    return frobenius_scaled(x, count);
}

double
matrix_norm_frobenius(enum sheaf_type type, const void *a, int64_t rows, int64_t columns)
{
    int64_t count = rows * columns;
    switch (type) {
    case SHEAF_F32:
        return frobenius_f32(a, count);
    case SHEAF_F64:
        return frobenius_f64(a, count);
    case SHEAF_C64:
        return frobenius_f32(a, 2 * count);
    case SHEAF_C128:
        return frobenius_f64(a, 2 * count);
    default:
        return NAN;
    }
}

double
matrix_norm_one(enum sheaf_type type, const void *a, int64_t rows, int64_t columns)
{
    switch (type) {
    case SHEAF_F32:
        return one_f32(a, rows, columns);
    case SHEAF_F64:
        return one_f64(a, rows, columns);
    case SHEAF_C64:
        return one_c64(a, rows, columns);
    case SHEAF_C128:
        return one_c128(a, rows, columns);
    default:
        return NAN;
    }
}

double
matrix_norm_infinity(enum sheaf_type type, const void *a, int64_t rows, int64_t columns)
{
    switch (type) {
    case SHEAF_F32:
        return infinity_f32(a, rows, columns);
    case SHEAF_F64:
        return infinity_f64(a, rows, columns);
    case SHEAF_C64:
        return infinity_c64(a, rows, columns);
    case SHEAF_C128:
        return infinity_c128(a, rows, columns);
    default:
        return NAN;
    }
}
