#include "gemm.h"

#include <cblas.h>

static void
gemm_f32(int m, int n, int k, const void *a, const void *b, void *c)
{
    cblas_sgemm(CblasRowMajor, CblasNoTrans, CblasNoTrans, m, n, k, 1.0F, a, k, b, n, 0.0F, c, n);
}

static void
gemm_f64(int m, int n, int k, const void *a, const void *b, void *c)
{
    cblas_dgemm(CblasRowMajor, CblasNoTrans, CblasNoTrans, m, n, k, 1.0, a, k, b, n, 0.0, c, n);
}

static void
gemm_c64(int m, int n, int k, const void *a, const void *b, void *c)
{
    static const float one[2] = {1.0F, 0.0F}, zero[2] = {0.0F, 0.0F};
    cblas_cgemm(CblasRowMajor, CblasNoTrans, CblasNoTrans, m, n, k, one, a, k, b, n, zero, c, n);
}

static void
gemm_c128(int m, int n, int k, const void *a, const void *b, void *c)
{
    static const double one[2] = {1.0, 0.0}, zero[2] = {0.0, 0.0};
    cblas_zgemm(CblasRowMajor, CblasNoTrans, CblasNoTrans, m, n, k, one, a, k, b, n, zero, c, n);
}

static gemm_function *const gemm_of_type[SHEAF_TYPE_COUNT] = {
    [SHEAF_F32] = gemm_f32, [SHEAF_F64] = gemm_f64, [SHEAF_C64] = gemm_c64, [SHEAF_C128] = gemm_c128};

gemm_function *
gemm_find(enum sheaf_type type)
{
    return (unsigned)type < SHEAF_TYPE_COUNT ? gemm_of_type[type] : NULL;
}
