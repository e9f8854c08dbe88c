#include "blas_advice.h"

#include <stdio.h>
#include <strings.h>

/* What the kernels of each family use. Families of 32-bit CPUs and of other makers are left out: then there is no advice. */
static const struct family {
    const char *name;
    enum blas_isa isa;
} families[] = {
    {"Prescott", BLAS_ISA_SSE},      {"Core2", BLAS_ISA_SSE},
    {"Penryn", BLAS_ISA_SSE},        {"Dunnington", BLAS_ISA_SSE},
    {"Atom", BLAS_ISA_SSE},          {"Nehalem", BLAS_ISA_SSE},
    {"Opteron", BLAS_ISA_SSE},       {"Opteron_SSE3", BLAS_ISA_SSE},
    {"Barcelona", BLAS_ISA_SSE},     {"Bobcat", BLAS_ISA_SSE},
    {"Sandybridge", BLAS_ISA_AVX},   {"Bulldozer", BLAS_ISA_AVX},
    {"Piledriver", BLAS_ISA_AVX},    {"Steamroller", BLAS_ISA_AVX},
    {"Excavator", BLAS_ISA_AVX2},    {"Haswell", BLAS_ISA_AVX2},
    {"Zen", BLAS_ISA_AVX2},          {"SkylakeX", BLAS_ISA_AVX512},
    {"Cooperlake", BLAS_ISA_AVX512}, {"SapphireRapids", BLAS_ISA_AVX512},
};

/* For each kind of instructions a family that runs on every CPU that has them, the fastest first. */
static const struct {
    struct family family;
    const char *instructions;
} choices[] = {
    {{"SkylakeX", BLAS_ISA_AVX512}, "AVX-512"},
    {{"Haswell", BLAS_ISA_AVX2}, "AVX2"},
    {{"Zen", BLAS_ISA_AVX2}, "AVX2"},
    {{"Sandybridge", BLAS_ISA_AVX}, "AVX"},
};

static enum blas_isa
isa_of(const char *core)
{
    for (size_t i = 0; i < sizeof families / sizeof families[0]; i++)
        if (strcasecmp(families[i].name, core) == 0)
            return families[i].isa;
    return BLAS_ISA_UNKNOWN;
}

bool
blas_advice(const char *core, const char *coretype, enum blas_isa cpu, blas_knows *knows, char *text, size_t bytes)
{
    const enum blas_isa used = isa_of(core);
    text[0] = '\0';
    if (used == BLAS_ISA_UNKNOWN)
        return false;
    for (size_t i = 0; i < sizeof choices / sizeof choices[0]; i++) {
        const struct family *family = &choices[i].family;
        if (family->isa > cpu || family->isa <= used || !knows(family->name))
            continue;
        snprintf(text, bytes, "OpenBLAS uses %s kernels, this CPU has %s: set OPENBLAS_CORETYPE=%s%s%s%s", core,
                 choices[i].instructions, family->name, coretype ? " (it is now " : "", coretype ? coretype : "",
                 coretype ? ")" : "");
        return true;
    }
    return false;
}
