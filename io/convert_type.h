/*
 * Template: real numbers of one type as each type that kernels compute with. Included once per type with
 *   CONVERT_NAME      the function's name
 *   CONVERT_TYPE      the type as it is stored
 *   CONVERT_VALUE(x)  the number that it stands for
 * Elements go through memcpy for they may lie at any address; compilers make plain, vector loads of it.
 */
static void
CONVERT_NAME(int64_t count, const unsigned char *restrict in, enum sheaf_type to, unsigned char *restrict out)
{
    CONVERT_TYPE x;

    switch (to) {
    case SHEAF_F32:
        for (int64_t i = 0; i < count; i++) {
            memcpy(&x, in + i * (int64_t)sizeof x, sizeof x);
            const float y = (float)CONVERT_VALUE(x);
            memcpy(out + i * (int64_t)sizeof y, &y, sizeof y);
        }
        break;
    case SHEAF_F64:
        for (int64_t i = 0; i < count; i++) {
            memcpy(&x, in + i * (int64_t)sizeof x, sizeof x);
            const double y = (double)CONVERT_VALUE(x);
            memcpy(out + i * (int64_t)sizeof y, &y, sizeof y);
        }
        break;
    case SHEAF_C64:
        for (int64_t i = 0; i < count; i++) {
            memcpy(&x, in + i * (int64_t)sizeof x, sizeof x);
            const float y[2] = {(float)CONVERT_VALUE(x), 0};
            memcpy(out + i * (int64_t)sizeof y, y, sizeof y);
        }
        break;
    case SHEAF_C128:
        for (int64_t i = 0; i < count; i++) {
            memcpy(&x, in + i * (int64_t)sizeof x, sizeof x);
            const double y[2] = {(double)CONVERT_VALUE(x), 0};
            memcpy(out + i * (int64_t)sizeof y, y, sizeof y);
        }
        break;
    default:
        break;
    }
}

#undef CONVERT_NAME
#undef CONVERT_TYPE
#undef CONVERT_VALUE
