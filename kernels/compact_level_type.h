/*
 * Template: the four types at one level. Included once per level with
 *   COMPACT_LEVEL(name)  the name for this level
 *   COMPACT_BYTES        bytes of a vector
 *   COMPACT_TARGET       the attribute that lets a function use the level's instructions; may be empty
 */
#define COMPACT_REAL float
#define COMPACT_REAL_BYTES 4
#define COMPACT_INTEGER int32_t
#define COMPACT_INTEGER_MAX INT32_MAX
#define COMPACT_SQRT sqrtf
#define COMPACT_SMALL 0x1p-100F
#define COMPACT_SCALE 0x1p60F
#define COMPACT_SAFE 0x1p30F
#define COMPACT_LEAST FLT_MIN
#define COMPACT_ROUNDOFF 0x1p-24F
#define COMPACT_LANES_NAME(name) COMPACT_LEVEL(name##_single)
#include "compact_lanes_type.h"
#define COMPACT_COMPLEX 0
#define COMPACT_NAME(name) COMPACT_LEVEL(name##_f32)
#include "compact_type.h"
#define COMPACT_COMPLEX 1
#define COMPACT_NAME(name) COMPACT_LEVEL(name##_c64)
#include "compact_type.h"

#include "compact_lanes_undef.h"

#define COMPACT_REAL double
#define COMPACT_REAL_BYTES 8
#define COMPACT_INTEGER int64_t
#define COMPACT_INTEGER_MAX INT64_MAX
#define COMPACT_SQRT sqrt
#define COMPACT_SMALL 0x1p-900
#define COMPACT_SCALE 0x1p200
#define COMPACT_SAFE 0x1p400
#define COMPACT_LEAST DBL_MIN
#define COMPACT_ROUNDOFF 0x1p-53
#define COMPACT_LANES_NAME(name) COMPACT_LEVEL(name##_double)
#include "compact_lanes_type.h"
#define COMPACT_COMPLEX 0
#define COMPACT_NAME(name) COMPACT_LEVEL(name##_f64)
#include "compact_type.h"
#define COMPACT_COMPLEX 1
#define COMPACT_NAME(name) COMPACT_LEVEL(name##_c128)
#include "compact_type.h"

#include "compact_lanes_undef.h"

#undef COMPACT_LEVEL
#undef COMPACT_BYTES
#undef COMPACT_TARGET
