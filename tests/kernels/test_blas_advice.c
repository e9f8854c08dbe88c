#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "blas.h"
#include "blas_advice.h"

#include <stdio.h>
#include <string.h>

/* Libraries by what they have. */
static bool
all(const char *family)
{
    (void)family;
    return true;
}

static bool
none(const char *family)
{
    (void)family;
    return false;
}

/* As before AVX-512 was known. */
static bool
old(const char *family)
{
    return strcmp(family, "SkylakeX") != 0;
}

static bool
zen_alone(const char *family)
{
    return strcmp(family, "Zen") == 0;
}

static void
a_slower_family_is_told(void **state)
{
    static const struct {
        const char *core, *coretype;
        enum blas_isa cpu;
        blas_knows *knows;
        const char *advice;
    } cases[] = {
        {"Haswell", "Haswell", BLAS_ISA_AVX512, all,
         "OpenBLAS uses Haswell kernels, this CPU has AVX-512: set OPENBLAS_CORETYPE=SkylakeX (it is now Haswell)"},
        {"Zen", NULL, BLAS_ISA_AVX512, all,
         "OpenBLAS uses Zen kernels, this CPU has AVX-512: set OPENBLAS_CORETYPE=SkylakeX"},
        {"Barcelona", NULL, BLAS_ISA_AVX512, old,
         "OpenBLAS uses Barcelona kernels, this CPU has AVX2: set OPENBLAS_CORETYPE=Haswell"},
        {"Barcelona", NULL, BLAS_ISA_AVX2, zen_alone,
         "OpenBLAS uses Barcelona kernels, this CPU has AVX2: set OPENBLAS_CORETYPE=Zen"},
        {"Prescott", NULL, BLAS_ISA_AVX, all,
         "OpenBLAS uses Prescott kernels, this CPU has AVX: set OPENBLAS_CORETYPE=Sandybridge"},
        {"Sandybridge", NULL, BLAS_ISA_AVX2, all,
         "OpenBLAS uses Sandybridge kernels, this CPU has AVX2: set OPENBLAS_CORETYPE=Haswell"},
        {"NEHALEM", "nehalem", BLAS_ISA_AVX512, all,
         "OpenBLAS uses NEHALEM kernels, this CPU has AVX-512: set OPENBLAS_CORETYPE=SkylakeX (it is now nehalem)"},
    };
    (void)state;
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        char text[192];
        assert_true(blas_advice(cases[i].core, cases[i].coretype, cases[i].cpu, cases[i].knows, text, sizeof text));
        assert_string_equal(text, cases[i].advice);
    }
}

static void
nothing_is_told_where_nothing_is_better(void **state)
{
    static const struct {
        const char *core;
        enum blas_isa cpu;
        blas_knows *knows;
    } cases[] = {
        {"SkylakeX", BLAS_ISA_AVX512, all},
        {"Cooperlake", BLAS_ISA_AVX512, all},
        {"SapphireRapids", BLAS_ISA_AVX512, all},
        {"Haswell", BLAS_ISA_AVX2, all},
        {"Zen", BLAS_ISA_AVX2, all},
        {"Excavator", BLAS_ISA_AVX2, all},
        {"Sandybridge", BLAS_ISA_AVX, all},
        {"Haswell", BLAS_ISA_AVX512, old},
        {"Haswell", BLAS_ISA_AVX512, none},
        {"Barcelona", BLAS_ISA_AVX512, none},
        {"Nehalem", BLAS_ISA_SSE, all},
        {"Haswell", BLAS_ISA_SSE, all},
        {"Haswell", BLAS_ISA_UNKNOWN, all},
        {"ARMV8", BLAS_ISA_AVX512, all},
        {"POWER9", BLAS_ISA_UNKNOWN, all},
        {"Nano", BLAS_ISA_AVX2, all},
        {"", BLAS_ISA_AVX512, all},
        {"unknown", BLAS_ISA_AVX512, all},
    };
    (void)state;
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        char text[192] = "before";
        if (blas_advice(cases[i].core, NULL, cases[i].cpu, cases[i].knows, text, sizeof text))
            fail_msg("%s: %s", cases[i].core, text);
        assert_string_equal(text, "");
    }
}

static void
a_long_setting_is_cut(void **state)
{
    char coretype[400], text[192];
    (void)state;
    memset(coretype, 'x', sizeof coretype);
    coretype[sizeof coretype - 1] = '\0';
    assert_true(blas_advice("Haswell", coretype, BLAS_ISA_AVX512, all, text, sizeof text));
    assert_int_equal(strlen(text), sizeof text - 1);
}

/* What holds on any machine: whoever uses the best kernels is not advised, and nobody to what is already in use. */
static void
this_machine_is_not_told_to_use_what_it_uses(void **state)
{
    struct blas_library library;
    char setting[128];
    (void)state;
    blas_describe(&library);
    snprintf(setting, sizeof setting, "OPENBLAS_CORETYPE=%s", library.core);
    assert_null(strstr(library.advice, setting));
    if (strcmp(library.core, "SkylakeX") == 0 || strcmp(library.core, "Cooperlake") == 0)
        assert_string_equal(library.advice, "");
    assert_null(strchr(library.advice, '\n'));
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_slower_family_is_told),
        cmocka_unit_test(nothing_is_told_where_nothing_is_better),
        cmocka_unit_test(a_long_setting_is_cut),
        cmocka_unit_test(this_machine_is_not_told_to_use_what_it_uses),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
