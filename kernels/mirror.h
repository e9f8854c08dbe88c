/**
 * @file mirror.h
 * The other triangle of a symmetric or Hermitian matrix.
 */
#ifndef SHEAF_MIRROR_H
#define SHEAF_MIRROR_H

#include <stdint.h>

/**
 * Make a square row-major matrix exactly symmetric, the complex ones Hermitian with a real diagonal, from its upper triangle.
 * @param[in,out] matrix  (n,n)
 */
typedef void mirror_function(void *matrix, int64_t n);

mirror_function mirror_f32, mirror_f64, mirror_c64, mirror_c128;

#endif
