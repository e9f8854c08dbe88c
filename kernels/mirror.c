#include "mirror.h"

#include <complex.h>

/* Two blocks of the widest type (2 x 16 KiB) stay in a first-level cache. */
enum { MIRROR_BLOCK = 32 };

#define MIRROR_NAME mirror_f32
#define MIRROR_TYPE float
#define MIRROR_CONJ(x) (x)
#define MIRROR_REAL(x) (x)
#include "mirror_type.h"

#define MIRROR_NAME mirror_f64
#define MIRROR_TYPE double
#define MIRROR_CONJ(x) (x)
#define MIRROR_REAL(x) (x)
#include "mirror_type.h"

#define MIRROR_NAME mirror_c64
#define MIRROR_TYPE float complex
#define MIRROR_CONJ(x) conjf(x)
#define MIRROR_REAL(x) crealf(x)
#include "mirror_type.h"

#define MIRROR_NAME mirror_c128
#define MIRROR_TYPE double complex
#define MIRROR_CONJ(x) conj(x)
#define MIRROR_REAL(x) creal(x)
#include "mirror_type.h"
