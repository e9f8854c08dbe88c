#include "app_test.h"
#include "tune.h"

#include <math.h>

/* Nominal seconds of a product of square matrices. */
static double
product_seconds(double n)
{
    return 2 * n * n * n / PLAN_NOMINAL_FLOPS;
}

static struct tune_facts
product(double n, int64_t tasks)
{
    return (struct tune_facts){.seconds = (double)tasks * product_seconds(n), .tasks = tasks, .serial_fraction = 0.01};
}

static void
assert_near(double actual, double expected)
{
    if (!(fabs(actual - expected) <= 1e-9 * fabs(expected)))
        fail_msg("%.12g, expected %.12g", actual, expected);
}

static void
one_core_takes_the_nominal_time(void **state)
{
    struct tune_facts facts = product(2000, 3);
    (void)state;
    assert_near(tune_seconds(&facts, 1), 1.2);
    assert_near(tune_model_seconds(&facts, 1), 1.2);
}

static void
large_tasks_follow_amdahls_law(void **state)
{
    struct tune_facts facts = {.seconds = 100, .tasks = 1, .serial_fraction = 0.3};
    (void)state;
    for (int width = 2; width <= 128; width *= 2) {
        double law = 100 * (0.3 + 0.7 / width);
        assert_true(tune_seconds(&facts, width) > law);
        assert_true(tune_seconds(&facts, width) < law * 1.01);
    }
}

static void
tiny_tasks_never_look_better_on_several_cores(void **state)
{
    (void)state;
    for (int n = 1; n <= 64; n *= 2)
        for (int64_t tasks = 1; tasks <= 16384; tasks *= 8) {
            struct tune_facts facts = product(n, tasks);
            for (int width = 2; width <= 128; width++)
                assert_true(tune_seconds(&facts, width) > tune_seconds(&facts, 1));
            assert_int_equal(tune_best_width(&facts, 128, NULL), 1);
        }
}

static void
products_scale_from_500_on(void **state)
{
    double small, large;
    struct tune_facts facts = product(500, 1);
    (void)state;
    assert_true(tune_best_width(&facts, 8, &small) == 8 && small > 5);
    facts = product(4000, 1);
    assert_true(tune_best_width(&facts, 8, &large) == 8 && large > 7.4);
}

static void
cores_past_the_greatest_width_are_no_use(void **state)
{
    struct tune_facts facts = {.seconds = 10, .tasks = 1, .serial_fraction = 0.3, .greatest_width = 4};
    double speedup;
    (void)state;
    for (int width = 5; width <= 64; width++)
        assert_true(tune_seconds(&facts, width) == tune_seconds(&facts, 4));
    assert_int_equal(tune_best_width(&facts, 64, &speedup), 4);
    assert_near(speedup, tune_seconds(&facts, 1) / tune_seconds(&facts, 4));
    assert_int_equal(tune_best_width(&facts, 3, NULL), 3);
    facts.greatest_width = 1;
    assert_int_equal(tune_best_width(&facts, 64, &speedup), 1);
    assert_near(speedup, 1);
}

static void
the_best_width_is_the_least_of_those_nearly_as_good(void **state)
{
    /* nothing but a serial part: no width is worth anything */
    struct tune_facts facts = {.seconds = 10, .tasks = 1, .serial_fraction = 1};
    (void)state;
    assert_int_equal(tune_best_width(&facts, 64, NULL), 1);
    facts.serial_fraction = 0.5; /* 5 + 5 / w: least 5.078 s of 64, within 1/50 from 28 on */
    assert_in_range(tune_best_width(&facts, 64, NULL), 27, 29);
    facts.seconds = 0;
    assert_int_equal(tune_best_width(&facts, 64, NULL), 1);
}

static void
narrow_chunks_correct_the_work_at_every_width(void **state)
{
    struct tune_facts facts = product(3000, 1);
    double before = tune_seconds(&facts, 4), one = tune_seconds(&facts, 1);
    (void)state;
    facts.narrow = (struct tune_sample){1e6 * one, 2e6 * one};
    assert_true(fabs(tune_seconds(&facts, 1) / one - 2) < 1e-5);
    assert_true(fabs(tune_seconds(&facts, 4) / before - 2) < 0.01);
    /* a machine that is faster has no less to wait for */
    facts = product(64, 1);
    one = tune_seconds(&facts, 1);
    facts.narrow = (struct tune_sample){1e6 * one, 1e5 * one};
    assert_true(tune_seconds(&facts, 2) > TUNE_WAKE_SECONDS);
}

static void
wide_chunks_beside_narrow_ones_correct_how_it_scales(void **state)
{
    struct tune_facts facts = product(3000, 1);
    double one = tune_seconds(&facts, 1), two = tune_seconds(&facts, 2), eight = tune_seconds(&facts, 8);
    (void)state;
    facts.narrow = (struct tune_sample){1e6 * one, 1e6 * one};
    facts.wide = (struct tune_sample){1e6 * two, 1.5e6 * two};
    assert_true(fabs(tune_seconds(&facts, 1) / one - 1) < 1e-5);
    assert_true(fabs(tune_seconds(&facts, 2) / two - 1.5) < 1e-5);
    assert_true(fabs(tune_seconds(&facts, 8) / eight - 1.5) < 1e-5);
    /* the model is what it was: or a correction would correct itself */
    assert_near(tune_model_seconds(&facts, 2), two);
}

static void
wide_chunks_alone_tell_how_fast_the_cores_are(void **state)
{
    struct tune_facts facts = product(3000, 1);
    double one = tune_seconds(&facts, 1), two = tune_seconds(&facts, 2);
    (void)state;
    facts.wide = (struct tune_sample){2 * two, 2 * two / 3};
    assert_true(tune_seconds(&facts, 1) < one / 2.5 && tune_seconds(&facts, 1) > one / 3);
    assert_true(tune_seconds(&facts, 2) < two / 2.5 && tune_seconds(&facts, 2) > two / 3);
}

static void
a_class_without_samples_is_as_fast_as_the_others(void **state)
{
    struct tune_facts facts = product(3000, 1);
    double one = tune_seconds(&facts, 1), four = tune_seconds(&facts, 4);
    (void)state;
    facts.any = (struct tune_sample){1, 0.4};
    assert_near(tune_seconds(&facts, 1), 0.4 * one);
    assert_true(fabs(tune_seconds(&facts, 4) / four - 0.4) < 0.01);
    /* its own are what counts then */
    facts.narrow = (struct tune_sample){10 * one, 20 * one};
    assert_true(tune_seconds(&facts, 1) > 1.9 * one);
    facts.narrow = (struct tune_sample){10 * one, 4 * one};
    assert_near(tune_seconds(&facts, 1), 0.4 * one);
}

static void
a_sample_of_few_chunks_is_drawn_towards_the_prior(void **state)
{
    struct tune_facts facts = product(3000, 1);
    double one = tune_seconds(&facts, 1), two = tune_seconds(&facts, 2), last = one, last_wide = two;
    (void)state;
    for (int chunks = 1; chunks <= 64; chunks *= 2) {
        facts.narrow = (struct tune_sample){chunks * one, 3 * chunks * one};
        double now = tune_seconds(&facts, 1);
        assert_true(now > last && now < 3 * one);
        last = now;
    }
    assert_true(last > 2.9 * one);
    facts.narrow = (struct tune_sample){1e6 * one, 1e6 * one};
    for (int chunks = 1; chunks <= 64; chunks *= 2) {
        facts.wide = (struct tune_sample){chunks * two, 3 * chunks * two};
        double now = tune_seconds(&facts, 2);
        assert_true(now > last_wide && now < 3 * two);
        last_wide = now;
        if (chunks == 1) /* one slow chunk is half believed */
            assert_true(now < 1.8 * two);
    }
    assert_true(last_wide > 2.9 * two);
}

static void
one_outlier_does_not_rule(void **state)
{
    struct tune_sample sample = {0, 0};
    (void)state;
    tune_add(&sample, 1, 2);
    tune_add(&sample, 0, 5);
    tune_add(&sample, 1, 0);
    assert_near(sample.nominal, 1);
    tune_add(&sample, 1, 1000);
    assert_near(sample.measured, 2 + 2 * TUNE_OUTLIER);
    tune_add(&sample, 2, 1e-9);
    assert_near(sample.measured, 10 + 10 / TUNE_OUTLIER);
    /* what goes on is no outlier: the sums follow it */
    sample = (struct tune_sample){1, 1};
    for (int i = 0; i < 60; i++)
        tune_add(&sample, 1, 100);
    assert_true(sample.measured / sample.nominal > 80);
}

static void
facts_are_a_chunks(void **state)
{
    struct plan_class class = {.tasks = 5,
                               .chunks = 2,
                               .tasks_per_chunk = 4,
                               .chunk_seconds = 8,
                               .cost = {.flops = 2 * PLAN_NOMINAL_FLOPS, .serial_fraction = 0.3, .greatest_width = 4}};
    struct sheaf_kernel kernel = {.name = "fake", .width_kind = SHEAF_WIDTH_BLAS};
    const struct plan plan = {.kernel = &kernel, .class_count = 1, .classes = &class};
    const struct plan_chunk last = {.chunk = 1, .first = 4, .count = 1};
    (void)state;
    struct tune_facts facts = tune_chunk_facts(&plan, &last);
    assert_near(facts.seconds, 2);
    assert_int_equal(facts.tasks, 1);
    assert_near(facts.serial_fraction, 0.3);
    assert_int_equal(facts.greatest_width, 4);
    assert_true(facts.narrow.nominal <= 0 && facts.wide.nominal <= 0);
    kernel.width_kind = SHEAF_WIDTH_ONE;
    assert_int_equal(tune_chunk_facts(&plan, &last).greatest_width, 1);
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(one_core_takes_the_nominal_time),
        cmocka_unit_test(large_tasks_follow_amdahls_law),
        cmocka_unit_test(tiny_tasks_never_look_better_on_several_cores),
        cmocka_unit_test(products_scale_from_500_on),
        cmocka_unit_test(cores_past_the_greatest_width_are_no_use),
        cmocka_unit_test(the_best_width_is_the_least_of_those_nearly_as_good),
        cmocka_unit_test(narrow_chunks_correct_the_work_at_every_width),
        cmocka_unit_test(wide_chunks_beside_narrow_ones_correct_how_it_scales),
        cmocka_unit_test(wide_chunks_alone_tell_how_fast_the_cores_are),
        cmocka_unit_test(a_class_without_samples_is_as_fast_as_the_others),
        cmocka_unit_test(a_sample_of_few_chunks_is_drawn_towards_the_prior),
        cmocka_unit_test(one_outlier_does_not_rule),
        cmocka_unit_test(facts_are_a_chunks),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
