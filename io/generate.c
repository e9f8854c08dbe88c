/*
 * From random words to numbers, the same bits on every CPU.
 *
 * Each loop below runs over independent blocks, without a branch, so that the compiler can vectorise it.
 * It uses +, -, *, / and sqrt, which IEEE 754 rounds correctly, and no function of libm. The loops are
 * compiled once for each instruction set and chosen among when called.
 *
 * A complex number is two reals, its real part first. With w[0], w[1] the words of block b, the reals are
 *   f64: element 2b + i from w[i];
 *   f32: elements 4b + 2i and 4b + 2i + 1 from the low and the high half of w[i].
 * Uniform: the top 53 (24) bits of a real's word (half) times 2^-53 (2^-24).
 * Normal: the pair of words (halves) of elements 2p and 2p + 1 gives r cos(2 pi t) and r sin(2 pi t), with
 * r = sqrt(-2 log u) (Box and Muller 1958), where
 *   f64: u = ((w[0] >> 11) + 1) 2^-53, so that 0 < u <= 1, and t = (w[1] >> 9) 2^-55;
 *   f32: u = ((low >> 1) | 1) 2^-31 rounded to f32, so that 0 < u <= 1, and t = high 2^-32.
 * Its error is below 4 epsilon max(|number|, 1), epsilon = 2^-52 (2^-23): at most 1 relative from log, of which
 * sqrt leaves 1/2 and adds 1/2; 1.5 from the argument of sin and cos and 1 from their polynomials; 1/2 from the
 * product. No |number| exceeds 8.58 (6.56).
 */
#include "generate.h"
#include "generate_internal.h"

#include <Random123/threefry.h>
#include <math.h>

#ifdef __FAST_MATH__
#error "generated numbers need IEEE arithmetic: build without -ffast-math"
#endif

#define ALWAYS_INLINE static inline __attribute__((always_inline))

/** Blocks at a time: 4 KiB of words, which stay in the L1 cache */
enum { CHUNK_BLOCKS = 256 };

/** What a block's number is enciphered with */
struct stream {
    uint64_t seed;
    uint64_t operand;
    uint64_t task;
};

/** One instruction set's compilation of the two loops that cost time */
struct level_code {
    void (*words)(const struct stream *stream, uint64_t block, int64_t block_count, uint64_t *words);
    void (*transform)(const struct generate_spec *spec, const uint64_t *words, int64_t block_count, void *buffer);
};

ALWAYS_INLINE uint64_t
bits_of_f64(double value)
{
    uint64_t bits;
    memcpy(&bits, &value, sizeof bits);
    return bits;
}

ALWAYS_INLINE double
f64_of_bits(uint64_t bits)
{
    double value;
    memcpy(&value, &bits, sizeof value);
    return value;
}

ALWAYS_INLINE uint32_t
bits_of_f32(float value)
{
    uint32_t bits;
    memcpy(&bits, &value, sizeof bits);
    return bits;
}

ALWAYS_INLINE float
f32_of_bits(uint32_t bits)
{
    float value;
    memcpy(&value, &bits, sizeof value);
    return value;
}

/**
 * (word >> 11) * 2^-53, exactly. Instruction sets before AVX-512 cannot convert 64-bit integers, so the two
 * parts of the integer become the fractions of 2^31 + high * 2^-21 and 2^-1 + low * 2^-53.
 */
ALWAYS_INLINE double
unit_f64(uint64_t word)
{
    const uint64_t high = word >> 43;
    const uint64_t low = (word >> 11) & UINT64_C(0xffffffff);
    const double high_part = f64_of_bits(high | UINT64_C(0x41e0000000000000)) - (0x1p31 + 0x1p-1);
    return high_part + f64_of_bits(low | UINT64_C(0x3fe0000000000000));
}

/** (word >> 8) * 2^-24, exactly */
ALWAYS_INLINE float
unit_f32(uint32_t word)
{
    return (float)(int32_t)(word >> 8) * 0x1p-24f;
}

/**
 * -log(x) of a normal x > 0: x = 2^k (1 + f), sqrt(1/2) <= 1 + f < sqrt(2).
 * Method and coefficients of fdlibm's e_log.c (Sun Microsystems 1993), error below 1 ulp.
 */
ALWAYS_INLINE double
negative_log_f64(double x)
{
    const uint64_t sqrt_half = UINT64_C(0x3fe6a09e667f3bcd);
    const uint64_t shifted = bits_of_f64(x) + (UINT64_C(0x3ff0000000000000) - sqrt_half);
    const double k = f64_of_bits((shifted >> 52) | UINT64_C(0x4330000000000000)) - (0x1p52 + 1023.0);
    const double f = f64_of_bits((shifted & UINT64_C(0x000fffffffffffff)) + sqrt_half) - 1.0;
    const double s = f / (2.0 + f);
    const double z = s * s;
    const double w = z * z;
    const double even = w * (3.999999999940941908e-01 + w * (2.222219843214978396e-01 + w * 1.531383769920937332e-01));
    const double odd =
        z * (6.666666666666735130e-01 +
             w * (2.857142874366239149e-01 + w * (1.818357216161805012e-01 + w * 1.479819860511658591e-01)));
    const double half_square = 0.5 * f * f;
    const double tail = s * (half_square + (even + odd)) + k * 1.90821492927058770002e-10;
    return ((half_square - tail) - f) - k * 6.93147180369123816490e-01;
}

/** negative_log_f64() in f32; coefficients of FreeBSD's e_logf.c (after fdlibm), error below 1 ulp. */
ALWAYS_INLINE float
negative_log_f32(float x)
{
    const uint32_t sqrt_half = UINT32_C(0x3f3504f3);
    const uint32_t shifted = bits_of_f32(x) + (UINT32_C(0x3f800000) - sqrt_half);
    const float k = (float)((int32_t)(shifted >> 23) - 127);
    const float f = f32_of_bits((shifted & UINT32_C(0x007fffff)) + sqrt_half) - 1.0f;
    const float s = f / (2.0f + f);
    const float z = s * s;
    const float w = z * z;
    const float even = w * (0xccce13.0p-25f + w * 0xf89e26.0p-26f);
    const float odd = z * (0xaaaaaa.0p-24f + w * 0x91e9ee.0p-25f);
    const float half_square = 0.5f * f * f;
    const float tail = s * (half_square + (even + odd)) + k * 9.0580006145e-06f;
    return ((half_square - tail) - f) - k * 6.9313812256e-01f;
}

/** sin(x), |x| <= pi/4; coefficients of fdlibm's k_sin.c */
ALWAYS_INLINE double
sin_f64(double x)
{
    const double z = x * x;
    const double tail =
        8.33333333332248946124e-03 +
        z * (-1.98412698298579493134e-04 +
             z * (2.75573137070700676789e-06 + z * (-2.50507602534068634195e-08 + z * 1.58969099521155010221e-10)));
    return x + (z * x) * (-1.66666666666666324348e-01 + z * tail);
}

/** cos(x), |x| <= pi/4; coefficients of fdlibm's k_cos.c */
ALWAYS_INLINE double
cos_f64(double x)
{
    const double z = x * x;
    const double tail = 4.16666666666666019037e-02 +
                        z * (-1.38888888888741095749e-03 +
                             z * (2.48015872894767294178e-05 +
                                  z * (-2.75573143513906633035e-07 +
                                       z * (2.08757232129817482790e-09 + z * -1.13596475577881948265e-11))));
    const double half_square = 0.5 * z;
    const double leading = 1.0 - half_square;
    return leading + (((1.0 - leading) - half_square) + z * (z * tail));
}

/** sin(x), |x| <= pi/4; coefficients of Cephes' sinf.c (Moshier) */
ALWAYS_INLINE float
sin_f32(float x)
{
    const float z = x * x;
    return x + (z * x) * (-1.6666654611e-1f + z * (8.3321608736e-3f + z * -1.9515295891e-4f));
}

/** cos(x), |x| <= pi/4; coefficients of Cephes' sinf.c (Moshier) */
ALWAYS_INLINE float
cos_f32(float x)
{
    const float z = x * x;
    const float tail = 4.166664568298827e-2f + z * (-1.388731625493765e-3f + z * 2.443315711809948e-5f);
    return (1.0f - 0.5f * z) + z * z * tail;
}

/**
 * Two normal numbers. The angle is a quarter turn's number and the signed rest to its nearest quarter; odd
 * quarters exchange sine and cosine, and the signs follow.
 */
ALWAYS_INLINE void
normal_pair_f64(uint64_t radius_word, uint64_t angle_word, double *restrict pair)
{
    const double radius = sqrt(2.0 * negative_log_f64(unit_f64(radius_word) + 0x1p-53));
    const uint64_t turned = angle_word + (UINT64_C(1) << 61);
    const uint64_t quarter = turned >> 62;
    const double rest = (unit_f64(turned << 2) - 0.5) * 0x1.921fb54442d18p+0; /* pi/2 */
    const uint64_t sine = bits_of_f64(sin_f64(rest));
    const uint64_t cosine = bits_of_f64(cos_f64(rest));
    const uint64_t exchange = (sine ^ cosine) & (UINT64_C(0) - (quarter & 1));
    pair[0] = radius * f64_of_bits(cosine ^ exchange ^ (((quarter + 1) & 2) << 62));
    pair[1] = radius * f64_of_bits(sine ^ exchange ^ ((quarter & 2) << 62));
}

/** Two normal numbers, see normal_pair_f64(); the rest of the angle keeps all its 30 bits when it is small. */
ALWAYS_INLINE void
normal_pair_f32(uint32_t radius_word, uint32_t angle_word, float *restrict pair)
{
    const float u = (float)(int32_t)((radius_word >> 1) | 1) * 0x1p-31f;
    const float radius = sqrtf(2.0f * negative_log_f32(u));
    const uint32_t quarter = (angle_word + (UINT32_C(1) << 29)) >> 30;
    const float rest = (float)(int32_t)(angle_word << 2) * 0x1.921fb6p-32f; /* pi/2 * 2^-32 */
    const uint32_t sine = bits_of_f32(sin_f32(rest));
    const uint32_t cosine = bits_of_f32(cos_f32(rest));
    const uint32_t exchange = (sine ^ cosine) & (UINT32_C(0) - (quarter & 1));
    pair[0] = radius * f32_of_bits(cosine ^ exchange ^ (((quarter + 1) & 2) << 30));
    pair[1] = radius * f32_of_bits(sine ^ exchange ^ ((quarter & 2) << 30));
}

ALWAYS_INLINE void
words_body(const struct stream *stream, uint64_t block, int64_t block_count, uint64_t *restrict words)
{
    const threefry2x64_key_t key = {{stream->seed, stream->operand}};
    const uint64_t task = stream->task;
    for (int64_t i = 0; i < block_count; i++) {
        const threefry2x64_ctr_t counter = {{block + (uint64_t)i, task}};
        const threefry2x64_ctr_t random = threefry2x64_R(20, counter, key);
        words[2 * i] = random.v[0];
        words[2 * i + 1] = random.v[1];
    }
}

ALWAYS_INLINE void
uniform_f64(const uint64_t *restrict words, int64_t word_count, double *restrict out)
{
    for (int64_t i = 0; i < word_count; i++)
        out[i] = unit_f64(words[i]);
}

ALWAYS_INLINE void
uniform_f32(const uint64_t *restrict words, int64_t word_count, float *restrict out)
{
    for (int64_t i = 0; i < word_count; i++) {
        out[2 * i] = unit_f32((uint32_t)words[i]);
        out[2 * i + 1] = unit_f32((uint32_t)(words[i] >> 32));
    }
}

ALWAYS_INLINE void
normal_f64(const uint64_t *restrict words, int64_t word_count, double *restrict out)
{
    for (int64_t i = 0; i < word_count; i += 2)
        normal_pair_f64(words[i], words[i + 1], out + i);
}

ALWAYS_INLINE void
normal_f32(const uint64_t *restrict words, int64_t word_count, float *restrict out)
{
    for (int64_t i = 0; i < word_count; i++)
        normal_pair_f32((uint32_t)words[i], (uint32_t)(words[i] >> 32), out + 2 * i);
}

ALWAYS_INLINE bool
is_single(enum sheaf_type type)
{
    return type == SHEAF_F32 || type == SHEAF_C64;
}

ALWAYS_INLINE void
transform_body(const struct generate_spec *spec, const uint64_t *words, int64_t block_count, void *buffer)
{
    const int64_t word_count = 2 * block_count;
    const bool normal = spec->distribution == GENERATE_NORMAL;
    if (is_single(spec->type) && normal)
        normal_f32(words, word_count, buffer);
    else if (is_single(spec->type))
        uniform_f32(words, word_count, buffer);
    else if (normal)
        normal_f64(words, word_count, buffer);
    else
        uniform_f64(words, word_count, buffer);
}

static void
words_baseline(const struct stream *stream, uint64_t block, int64_t block_count, uint64_t *words)
{
    words_body(stream, block, block_count, words);
}

static void
transform_baseline(const struct generate_spec *spec, const uint64_t *words, int64_t block_count, void *buffer)
{
    transform_body(spec, words, block_count, buffer);
}

#if defined(__x86_64__)
#define TARGET_AVX2 __attribute__((target("avx2")))
#if defined(__clang__)
#define TARGET_AVX512 __attribute__((target("avx512f")))
#else
#define TARGET_AVX512 __attribute__((target("avx512f,prefer-vector-width=512")))
#endif

TARGET_AVX2 static void
words_avx2(const struct stream *stream, uint64_t block, int64_t block_count, uint64_t *words)
{
    words_body(stream, block, block_count, words);
}

TARGET_AVX2 static void
transform_avx2(const struct generate_spec *spec, const uint64_t *words, int64_t block_count, void *buffer)
{
    transform_body(spec, words, block_count, buffer);
}

TARGET_AVX512 static void
words_avx512(const struct stream *stream, uint64_t block, int64_t block_count, uint64_t *words)
{
    words_body(stream, block, block_count, words);
}

TARGET_AVX512 static void
transform_avx512(const struct generate_spec *spec, const uint64_t *words, int64_t block_count, void *buffer)
{
    transform_body(spec, words, block_count, buffer);
}
#endif

static const struct level_code level_table[GENERATE_LEVEL_COUNT] = {
    [GENERATE_LEVEL_BASELINE] = {words_baseline, transform_baseline},
#if defined(__x86_64__)
    [GENERATE_LEVEL_AVX2] = {words_avx2, transform_avx2},
    [GENERATE_LEVEL_AVX512] = {words_avx512, transform_avx512},
#endif
};

bool
generate_level_supported(enum generate_level level)
{
    switch (level) {
    case GENERATE_LEVEL_BASELINE:
        return true;
#if defined(__x86_64__)
    case GENERATE_LEVEL_AVX2:
        return __builtin_cpu_supports("avx2") != 0;
    case GENERATE_LEVEL_AVX512:
        return __builtin_cpu_supports("avx512f") != 0;
#endif
    default:
        return false;
    }
}

static enum generate_level
best_level(void)
{
    int level = GENERATE_LEVEL_COUNT - 1;
    while (!generate_level_supported((enum generate_level)level))
        level--;
    return (enum generate_level)level;
}

/**
 * Fill with random reals. Whole blocks go straight to the buffer; of a block that the window cuts, at either
 * end, only the part inside is copied there.
 */
static void
fill_random(const struct level_code *code, const struct generate_spec *spec, int64_t task, int64_t first, int64_t count,
            char *buffer)
{
    const struct stream stream = {spec->seed, spec->operand, (uint64_t)task};
    const size_t real_size = is_single(spec->type) ? sizeof(float) : sizeof(double);
    const int64_t block_reals = is_single(spec->type) ? 4 : 2;
    _Alignas(64) uint64_t words[2 * CHUNK_BLOCKS];
    while (count > 0) {
        const int64_t block = first / block_reals;
        const int64_t skip = first % block_reals;
        const bool cut = skip > 0 || count < block_reals;
        const int64_t whole = count / block_reals < CHUNK_BLOCKS ? count / block_reals : CHUNK_BLOCKS;
        const int64_t rest = count < block_reals - skip ? count : block_reals - skip;
        const int64_t done = cut ? rest : whole * block_reals;
        _Alignas(16) char edge[2 * sizeof(double)];
        code->words(&stream, (uint64_t)block, cut ? 1 : whole, words);
        code->transform(spec, words, cut ? 1 : whole, cut ? edge : buffer);
        if (cut)
            memcpy(buffer, edge + (size_t)skip * real_size, (size_t)done * real_size);
        buffer += (size_t)done * real_size;
        first += done;
        count -= done;
    }
}

/** Real parts start + step * i for i in [0, count); imaginary parts 0. `step` is 0 or 1. */
static void
fill_steps(enum sheaf_type type, int64_t start, int64_t step, int64_t count, void *buffer)
{
    const int64_t stride = sheaf_type_is_complex(type) ? 2 : 1;
    float *const single_out = buffer;
    double *const double_out = buffer;
    if (stride == 2)
        memset(buffer, 0, (size_t)count * sheaf_type_size(type));
    if (is_single(type)) {
        for (int64_t i = 0; i < count; i++)
            single_out[i * stride] = (float)(start + step * i);
    } else {
        for (int64_t i = 0; i < count; i++)
            double_out[i * stride] = (double)(start + step * i);
    }
}

static const char *const distribution_names[GENERATE_DISTRIBUTION_COUNT] = {
    [GENERATE_UNIFORM] = "random", [GENERATE_NORMAL] = "normal", [GENERATE_ONES] = "ones",
    [GENERATE_ZEROS] = "zeros",    [GENERATE_RANGE] = "range",
};

const char *
generate_distribution_name(enum generate_distribution distribution)
{
    return (unsigned)distribution < GENERATE_DISTRIBUTION_COUNT ? distribution_names[distribution] : "?";
}

bool
generate_distribution_from_name(const char *name, enum generate_distribution *distribution)
{
    for (int i = 0; i < GENERATE_DISTRIBUTION_COUNT; i++) {
        if (strcmp(name, distribution_names[i]) == 0) {
            *distribution = (enum generate_distribution)i;
            return true;
        }
    }
    return false;
}

void
generate_fill_with(enum generate_level level, const struct generate_spec *spec, int64_t task, int64_t first,
                   int64_t count, void *buffer)
{
    const int64_t reals = sheaf_type_is_complex(spec->type) ? 2 : 1;
    switch (spec->distribution) {
    case GENERATE_UNIFORM:
    case GENERATE_NORMAL:
        fill_random(&level_table[level], spec, task, first * reals, count * reals, buffer);
        break;
    case GENERATE_ONES:
        fill_steps(spec->type, 1, 0, count, buffer);
        break;
    case GENERATE_RANGE:
        fill_steps(spec->type, first, 1, count, buffer);
        break;
    case GENERATE_ZEROS:
    case GENERATE_DISTRIBUTION_COUNT:
        memset(buffer, 0, (size_t)count * sheaf_type_size(spec->type));
        break;
    }
}

void
generate_transform_with(enum generate_level level, const struct generate_spec *spec, const uint64_t *words,
                        int64_t block_count, void *buffer)
{
    level_table[level].transform(spec, words, block_count, buffer);
}

void
generate_fill(const struct generate_spec *spec, int64_t task, int64_t first, int64_t count, void *buffer)
{
    generate_fill_with(best_level(), spec, task, first, count, buffer);
}
