#include "vector.h"

bool
vector_level_supported(enum vector_level level)
{
    switch (level) {
    case VECTOR_BASELINE:
        return true;
#if defined(__x86_64__)
    case VECTOR_AVX2:
        return __builtin_cpu_supports("avx2") != 0;
    case VECTOR_AVX512:
        return __builtin_cpu_supports("avx512f") && __builtin_cpu_supports("avx512bw") &&
               __builtin_cpu_supports("avx512dq") && __builtin_cpu_supports("avx512vl");
#endif
    default:
        return false;
    }
}

enum vector_level
vector_level_best(void)
{
    int level = VECTOR_LEVEL_COUNT - 1;
    while (!vector_level_supported((enum vector_level)level))
        level--;
    return (enum vector_level)level;
}
