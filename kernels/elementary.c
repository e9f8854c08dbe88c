/* exp, sin and the normal distribution's inverse survival function, element by element. */
#include "elementary.h"
#include "map.h"

#include <complex.h>
#include <math.h>

/* c0 + c1 x + ... + c7 x^7 */
VECTOR_INLINE double
polynomial(double x, double c0, double c1, double c2, double c3, double c4, double c5, double c6, double c7)
{
    return c0 + x * (c1 + x * (c2 + x * (c3 + x * (c4 + x * (c5 + x * (c6 + x * c7))))));
}

/*
 * The number that a standard normal one passes with probability q: Wichura's PPND16 (algorithm AS 241, Applied
 * Statistics 37, 1988), with the sign changed. All three of its ranges are computed, and one chosen: no branch.
 */
VECTOR_INLINE double
isf(double q)
{
    const double centre = 0.5 - q;
    const double x = 0.180625 - centre * centre;
    const double inner = centre *
                         polynomial(x, 3.3871328727963666080e0, 1.3314166789178437745e+2, 1.9715909503065514427e+3,
                                    1.3731693765509461125e+4, 4.5921953931549871457e+4, 6.7265770927008700853e+4,
                                    3.3430575583588128105e+4, 2.5090809287301226727e+3) /
                         polynomial(x, 1.0, 4.2313330701600911252e+1, 6.8718700749205790830e+2,
                                    5.3941960214247511077e+3, 2.1213794301586595867e+4, 3.9307895800092710610e+4,
                                    2.8729085735721942674e+4, 5.2264952788528545610e+3);

    const double r = sqrt(elementary_negative_log(centre > 0.0 ? q : 1.0 - q));
    const double y = r - 1.6, z = r - 5.0;
    const double near_above = polynomial(
        y, 1.42343711074968357734e0, 4.63033784615654529590e0, 5.76949722146069140550e0, 3.64784832476320460504e0,
        1.27045825245236838258e0, 2.41780725177450611770e-1, 2.27238449892691845833e-2, 7.74545014278341407640e-4);
    const double near_below = polynomial(
        y, 1.0, 2.05319162663775882187e0, 1.67638483018380384940e0, 6.89767334985100004550e-1,
        1.48103976427480074590e-1, 1.51986665636164571966e-2, 5.47593808499534494600e-4, 1.05075007164441684324e-9);
    const double far_above = polynomial(z, 6.65790464350110377720e0, 5.46378491116411436990e0, 1.78482653991729133580e0,
                                        2.96560571828504891230e-1, 2.65321895265761230930e-2, 1.24266094738807843860e-3,
                                        2.71155556874348757815e-5, 2.01033439929228813265e-7);
    const double far_below = polynomial(z, 1.0, 5.99832206555887937690e-1, 1.36929880922735805310e-1,
                                        1.48753612908506148525e-2, 7.86869131145613259100e-4, 1.84631831751005468180e-5,
                                        1.42151175831644588870e-7, 2.04426310338993978564e-15);
    const double above = r <= 5.0 ? near_above : far_above, below = r <= 5.0 ? near_below : far_below;
    const double outer = above / below, signed_outer = centre > 0.0 ? outer : -outer;

    /* One choice after the other: nested ones would be branches. */
    double value = fabs(centre) <= 0.425 ? inner : signed_outer;
    value = q > 0.0 ? value : (double)NAN;
    value = q < 1.0 ? value : (double)NAN;
    value = q == 0.0 ? (double)INFINITY : value;
    value = q == 1.0 ? -(double)INFINITY : value;
    return value;
}

/** What elementary_sin does not compute: large numbers, infinity, NaN. */
VECTOR_INLINE bool
is_beyond(double x)
{
    return !(fabs(x) <= ELEMENTARY_SIN_GREATEST);
}

#define MAP_NAME exp_f32_body
#define MAP_TYPE float
#define MAP_RESULT(x, y) ((float)elementary_exp((double)(x)))
#include "map_type.h"

#define MAP_NAME exp_f64_body
#define MAP_TYPE double
#define MAP_RESULT(x, y) elementary_exp(x)
#include "map_type.h"

#define MAP_NAME sin_f32_near
#define MAP_TYPE float
#define MAP_RESULT(x, y) ((float)elementary_sin((double)(x)))
#include "map_type.h"

#define MAP_NAME sin_f64_near
#define MAP_TYPE double
#define MAP_RESULT(x, y) elementary_sin(x)
#include "map_type.h"

#define MAP_NAME isf_f32_body
#define MAP_TYPE float
#define MAP_RESULT(x, y) ((float)isf((double)(x)))
#include "map_type.h"

#define MAP_NAME isf_f64_body
#define MAP_TYPE double
#define MAP_RESULT(x, y) isf(x)
#include "map_type.h"

VECTOR_INLINE bool
sin_f32_body(const void *a, const void *b, void *out, int64_t count)
{
    const float *x = a;
    float *result = out;
    uint32_t beyond = 0;
    sin_f32_near(a, b, out, count);
    for (int64_t i = 0; i < count; i++)
        beyond |= is_beyond((double)x[i]);
    for (int64_t i = 0; beyond && i < count; i++)
        if (is_beyond((double)x[i]))
            result[i] = (float)sin((double)x[i]);
    return true;
}

VECTOR_INLINE bool
sin_f64_body(const void *a, const void *b, void *out, int64_t count)
{
    const double *x = a;
    double *result = out;
    uint64_t beyond = 0;
    sin_f64_near(a, b, out, count);
    for (int64_t i = 0; i < count; i++)
        beyond |= is_beyond(x[i]);
    for (int64_t i = 0; beyond && i < count; i++)
        if (is_beyond(x[i]))
            result[i] = sin(x[i]);
    return true;
}

/* By the C library, whose bits are the CPU's. */
#define MAP_NAME exp_c64
#define MAP_TYPE float complex
#define MAP_RESULT(x, y) cexpf(x)
#include "map_type.h"

#define MAP_NAME exp_c128
#define MAP_TYPE double complex
#define MAP_RESULT(x, y) cexp(x)
#include "map_type.h"

#define MAP_NAME sin_c64
#define MAP_TYPE float complex
#define MAP_RESULT(x, y) csinf(x)
#include "map_type.h"

#define MAP_NAME sin_c128
#define MAP_TYPE double complex
#define MAP_RESULT(x, y) csin(x)
#include "map_type.h"

MAP_DEFINE(exp_f32)
MAP_DEFINE(exp_f64)
MAP_DEFINE(sin_f32)
MAP_DEFINE(sin_f64)
MAP_DEFINE(isf_f32)
MAP_DEFINE(isf_f64)
const struct map map_exp[SHEAF_TYPE_COUNT] = {
    [SHEAF_F32] = {VECTOR_LEVELS(exp_f32), sizeof(float)},
    [SHEAF_F64] = {VECTOR_LEVELS(exp_f64), sizeof(double)},
    [SHEAF_C64] = {{exp_c64, exp_c64, exp_c64}, sizeof(float complex)},
    [SHEAF_C128] = {{exp_c128, exp_c128, exp_c128}, sizeof(double complex)},
};

const struct map map_sin[SHEAF_TYPE_COUNT] = {
    [SHEAF_F32] = {VECTOR_LEVELS(sin_f32), sizeof(float)},
    [SHEAF_F64] = {VECTOR_LEVELS(sin_f64), sizeof(double)},
    [SHEAF_C64] = {{sin_c64, sin_c64, sin_c64}, sizeof(float complex)},
    [SHEAF_C128] = {{sin_c128, sin_c128, sin_c128}, sizeof(double complex)},
};

const struct map map_isf[SHEAF_TYPE_COUNT] = {
    [SHEAF_F32] = {VECTOR_LEVELS(isf_f32), sizeof(float)},
    [SHEAF_F64] = {VECTOR_LEVELS(isf_f64), sizeof(double)},
};

static void
exp_cost(const struct sheaf_problem *problem, struct sheaf_cost *cost)
{
    map_cost(problem, 37.0, 150.0, cost);
}

static enum sheaf_status
exp_run(const struct sheaf_problem *problem, const struct sheaf_batch *batch)
{
    return map_run(problem, batch, &map_exp[problem->inputs[0].type], NULL);
}

static void
sin_cost(const struct sheaf_problem *problem, struct sheaf_cost *cost)
{
    map_cost(problem, 55.0, 250.0, cost);
}

static enum sheaf_status
sin_run(const struct sheaf_problem *problem, const struct sheaf_batch *batch)
{
    return map_run(problem, batch, &map_sin[problem->inputs[0].type], NULL);
}

static void
isf_cost(const struct sheaf_problem *problem, struct sheaf_cost *cost)
{
    map_cost(problem, 140.0, 0.0, cost);
}

static enum sheaf_status
isf_run(const struct sheaf_problem *problem, const struct sheaf_batch *batch)
{
    return map_run(problem, batch, &map_isf[problem->inputs[0].type], NULL);
}

static const char *const elementary_outputs[] = {"result", NULL};

const struct sheaf_kernel kernel_exp = {
    .abi = SHEAF_KERNEL_ABI,
    .bytes = sizeof(struct sheaf_kernel),
    .name = "exp",
    .text = "exponential function of every element",
    .documentation =
        "R_i = exp(a_i). Some 37 flops an element (complex: 150). f64: error below 1 ulp, the same bits on any CPU;\n"
        "f32: computed in f64 and rounded. Complex: the C library's cexp, whose last bits depend on the CPU. As\n"
        "numpy.exp: overflow gives infinity, NaN and infinity spread as C's annex F and G say; no task fails.\n",
    .signature = "(k)->(k)",
    .output_names = elementary_outputs,
    .accepts = SHEAF_TYPES_FLOATING,
    .width_kind = SHEAF_WIDTH_PARALLEL,
    .cost = exp_cost,
    .run = exp_run,
};

const struct sheaf_kernel kernel_sin = {
    .abi = SHEAF_KERNEL_ABI,
    .bytes = sizeof(struct sheaf_kernel),
    .name = "sin",
    .text = "sine of every element",
    .documentation =
        "R_i = sin(a_i), radians. Some 55 flops an element (complex: 250). f64: error below 1 ulp, the same bits on\n"
        "any CPU to |a_i| = 2^20 pi/2, beyond that by the C library's sin; f32: computed in f64 and rounded.\n"
        "Complex: the C library's csin; the last bits of what it computes depend on the CPU. As numpy.sin: infinity\n"
        "gives NaN; no task fails.\n",
    .signature = "(k)->(k)",
    .output_names = elementary_outputs,
    .accepts = SHEAF_TYPES_FLOATING,
    .width_kind = SHEAF_WIDTH_PARALLEL,
    .cost = sin_cost,
    .run = sin_run,
};

const struct sheaf_kernel kernel_isf = {
    .abi = SHEAF_KERNEL_ABI,
    .bytes = sizeof(struct sheaf_kernel),
    .name = "isf",
    .text = "inverse survival function of the normal distribution of every element",
    .documentation =
        "R_i is the number that a standard normal one passes with probability a_i. Some 140 flops an element.\n"
        "Wichura's algorithm AS 241 (PPND16), f64: error below 8 ulp, the same bits on any CPU; f32: computed in\n"
        "f64 and rounded. As scipy.stats.norm.isf: 0 gives infinity, 1 -infinity, NaN and numbers outside [0, 1]\n"
        "NaN; no task fails.\n",
    .signature = "(k)->(k)",
    .output_names = elementary_outputs,
    .accepts = SHEAF_TYPES_REAL,
    .width_kind = SHEAF_WIDTH_PARALLEL,
    .cost = isf_cost,
    .run = isf_run,
};
