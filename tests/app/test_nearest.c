#include "app_test.h"
#include "nearest.h"

static const char *const names[] = {"svd", "svdvals", "inv", "pinv", "cholesky", "matmul", "matvec", "solve", "lstsq1"};

static void
check(const char *word, const char *expected)
{
    struct nearest nearest = {.word = word};
    for (size_t i = 0; i < sizeof names / sizeof names[0]; i++)
        nearest_offer(&nearest, names[i]);
    if ((nearest.name == NULL) != (expected == NULL) || (expected && strcmp(nearest.name, expected) != 0))
        fail_msg("%s: %s, expected %s", word, nearest.name ? nearest.name : "none", expected ? expected : "none");
}

static void
one_change_is_near(void **state)
{
    (void)state;
    check("svdd", "svd");
    check("sdv", "svd");
    check("sv", "svd");
    check("svx", "svd");
    check("inv", "inv");
    check("slove", "solve");
    check("lstsq", "lstsq1");
}

static void
longer_words_may_have_more(void **state)
{
    (void)state;
    check("cholesky", "cholesky");
    check("choleski", "cholesky");
    check("chloesyk", "cholesky");
    check("matmlu", "matmul");
    check("svdvasl", "svdvals");
}

static void
the_nearest_of_several_is_meant(void **state)
{
    (void)state;
    check("pniv", "pinv"); /* inv is two away */
    check("matmuc", "matmul");
    check("matvel", "matvec");
}

static void
what_is_far_is_not_meant(void **state)
{
    (void)state;
    check("", NULL);
    check("x", NULL);
    check("fft", NULL);
    check("decompose", NULL);
    check("matmulmatmulmatmulmatmulmatmulmatmulmatmul", NULL);
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(one_change_is_near),
        cmocka_unit_test(longer_words_may_have_more),
        cmocka_unit_test(the_nearest_of_several_is_meant),
        cmocka_unit_test(what_is_far_is_not_meant),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
