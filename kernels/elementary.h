/**
 * @file elementary.h
 * exp, sin and log in f64 without a branch, for loops that the compiler vectorises; the same bits on every CPU, which
 * libm does not promise.
 */
#ifndef SHEAF_ELEMENTARY_H
#define SHEAF_ELEMENTARY_H

#include "vector.h"

#include <stdint.h>
#include <string.h>

/** |x| up to which elementary_sin is right: 2^20 pi/2 */
#define ELEMENTARY_SIN_GREATEST 0x1.921fb54442d18p+20

VECTOR_INLINE uint64_t
elementary_bits(double value)
{
    uint64_t bits;
    memcpy(&bits, &value, sizeof bits);
    return bits;
}

VECTOR_INLINE double
elementary_of_bits(uint64_t bits)
{
    double value;
    memcpy(&value, &bits, sizeof value);
    return value;
}

/**
 * exp(x) = 2^n exp(r), n the integer nearest to x / log 2, |r| <= log(2) / 2; exp(r) by its Taylor series, whose
 * first missing term is below 2^-57. 2^n is two factors, of which the second rounds, once, where the result is
 * subnormal. Error below 1 ulp.
 */
VECTOR_INLINE double
elementary_exp(double x)
{
    const double shift = 0x1.8p52; /* adding it rounds to an integer, in the lowest bits */
    const double below = x > 710.0 ? 710.0 : x, bounded = below < -746.0 ? -746.0 : below; /* NaN stays */
    const double shifted = bounded * 0x1.71547652b82fep+0 + shift;
    const double n = shifted - shift;
    /* log 2 in two parts, the upper short enough that its product with n is exact (fdlibm's e_exp.c) */
    const double high = bounded - n * 6.93147180369123816490e-01, low = n * 1.90821492927058770002e-10;
    const double r = high - low, lost = (high - r) - low;
    const double tail =
        0x1.5555555555555p-3 +
        r * (0x1.5555555555555p-5 +
             r * (0x1.1111111111111p-7 +
                  r * (0x1.6c16c16c16c17p-10 +
                       r * (0x1.a01a01a01a01ap-13 +
                            r * (0x1.a01a01a01a01ap-16 +
                                 r * (0x1.71de3a556c734p-19 +
                                      r * (0x1.27e4fb7789f5cp-22 +
                                           r * (0x1.ae64567f544e4p-26 +
                                                r * (0x1.1eed8eff8d898p-29 + r * 0x1.6124613a86d09p-33)))))))));
    const double value = 1.0 + (r + (lost + (r * r) * (0.5 + r * tail)));
    /* n + 2048 is positive, so that its half needs no arithmetic shift */
    const uint64_t exponent = elementary_bits(shifted) - elementary_bits(shift) + 2048;
    const uint64_t half = exponent >> 1;
    const double first = elementary_of_bits((half - 1024 + 1023) << 52);
    const double second = elementary_of_bits((exponent - half - 1024 + 1023) << 52);
    return value * first * second;
}

/**
 * sin(x), |x| <= ELEMENTARY_SIN_GREATEST: x = n pi/2 + (y + z), |y + z| <= pi/4, by three parts of pi/2 whose
 * products with n are exact and a rest, 151 bits together; then fdlibm's kernels (k_sin.c, k_cos.c, Sun Microsystems
 * 1993). Error below 1 ulp.
 */
VECTOR_INLINE double
elementary_sin(double x)
{
    const double shift = 0x1.8p52;
    const double shifted = x * 6.36619772367581382433e-01 + shift;
    const double n = shifted - shift;
    const uint64_t quarter = elementary_bits(shifted);
    const double first = x - n * 1.57079632673412561417e+00;
    const double second_part = n * 6.07710050630396597660e-11, second = first - second_part;
    const double third_part = n * 2.02226624871116645580e-21, third = second - third_part;
    const double lost = ((first - second) - second_part) + ((second - third) - third_part);
    const double rest = n * 8.47842766036889956997e-32 - lost;
    const double y = third - rest, z = (third - y) - rest;

    const double square = y * y, cube = square * y;
    const double sine_tail =
        8.33333333332248946124e-03 +
        square * (-1.98412698298579493134e-04 +
                  square * (2.75573137070700676789e-06 +
                            square * (-2.50507602534068634195e-08 + square * 1.58969099521155010221e-10)));
    const double sine = y - ((square * (0.5 * z - cube * sine_tail) - z) - cube * -1.66666666666666324348e-01);

    const double cosine_tail =
        square *
        (4.16666666666666019037e-02 +
         square * (-1.38888888888741095749e-03 +
                   square * (2.48015872894767294178e-05 +
                             square * (-2.75573143513906633035e-07 +
                                       square * (2.08757232129817482790e-09 + square * -1.13596475577881948265e-11)))));
    const double half_square = 0.5 * square, leading = 1.0 - half_square;
    const double cosine = leading + (((1.0 - leading) - half_square) + (square * cosine_tail - y * z));

    const uint64_t is_odd = UINT64_C(0) - (quarter & 1), sign = (quarter & 2) << 62;
    const uint64_t chosen = (elementary_bits(sine) & ~is_odd) | (elementary_bits(cosine) & is_odd);
    return elementary_of_bits(chosen ^ sign);
}

/**
 * -log(x) of a finite x > 0: x = 2^k (1 + f), sqrt(1/2) <= 1 + f < sqrt(2). Method and coefficients of fdlibm's
 * e_log.c (Sun Microsystems 1993), error below 1 ulp.
 */
VECTOR_INLINE double
elementary_negative_log(double x)
{
    const uint64_t sqrt_half = UINT64_C(0x3fe6a09e667f3bcd);
    const bool is_subnormal = x < 0x1p-1022;
    const uint64_t shifted =
        elementary_bits(is_subnormal ? x * 0x1p54 : x) + (UINT64_C(0x3ff0000000000000) - sqrt_half);
    const double k = elementary_of_bits((shifted >> 52) | UINT64_C(0x4330000000000000)) -
                     (is_subnormal ? 0x1p52 + 1077.0 : 0x1p52 + 1023.0);
    const double f = elementary_of_bits((shifted & UINT64_C(0x000fffffffffffff)) + sqrt_half) - 1.0;
    const double s = f / (2.0 + f);
    const double z = s * s, w = z * z;
    const double even = w * (3.999999999940941908e-01 + w * (2.222219843214978396e-01 + w * 1.531383769920937332e-01));
    const double odd =
        z * (6.666666666666735130e-01 +
             w * (2.857142874366239149e-01 + w * (1.818357216161805012e-01 + w * 1.479819860511658591e-01)));
    const double half_square = 0.5 * f * f;
    const double tail = s * (half_square + (even + odd)) + k * 1.90821492927058770002e-10;
    return ((half_square - tail) - f) - k * 6.93147180369123816490e-01;
}

#endif
