#include "transpose.h"

#include <complex.h>

/* Two blocks of the widest type (2 x 16 KiB) stay in a first-level cache. */
enum { TRANSPOSE_BLOCK = 32 };

#define TRANSPOSE_NAME transpose_f32
#define TRANSPOSE_STRIDED transpose_strided_f32
#define TRANSPOSE_TYPE float
#define TRANSPOSE_VALUE(x) (x)
#include "transpose_type.h"

#define TRANSPOSE_NAME transpose_f64
#define TRANSPOSE_STRIDED transpose_strided_f64
#define TRANSPOSE_TYPE double
#define TRANSPOSE_VALUE(x) (x)
#include "transpose_type.h"

#define TRANSPOSE_NAME transpose_c64
#define TRANSPOSE_STRIDED transpose_strided_c64
#define TRANSPOSE_TYPE float complex
#define TRANSPOSE_VALUE(x) (x)
#include "transpose_type.h"

#define TRANSPOSE_NAME transpose_c128
#define TRANSPOSE_STRIDED transpose_strided_c128
#define TRANSPOSE_TYPE double complex
#define TRANSPOSE_VALUE(x) (x)
#include "transpose_type.h"

#define TRANSPOSE_NAME transpose_conj_c64
#define TRANSPOSE_STRIDED transpose_strided_conj_c64
#define TRANSPOSE_TYPE float complex
#define TRANSPOSE_VALUE(x) conjf(x)
#include "transpose_type.h"

#define TRANSPOSE_NAME transpose_conj_c128
#define TRANSPOSE_STRIDED transpose_strided_conj_c128
#define TRANSPOSE_TYPE double complex
#define TRANSPOSE_VALUE(x) conj(x)
#include "transpose_type.h"
