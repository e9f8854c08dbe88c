#include "numbers.h"

#include "list.h"
#include "pieces.h"

const int64_t numbers_sizes[10] = {1, 2, 7, 64, 1000, 1024, 1025, 65536, 100003, 3 * 65536 + 5};

numbers_integer
numbers_get(enum sheaf_type type, const void *array, int64_t index)
{
    switch (type) {
    case SHEAF_I8:
        return ((const int8_t *)array)[index];
    case SHEAF_I16:
        return ((const int16_t *)array)[index];
    case SHEAF_I32:
        return ((const int32_t *)array)[index];
    case SHEAF_I64:
        return ((const int64_t *)array)[index];
    case SHEAF_U8:
        return ((const uint8_t *)array)[index];
    case SHEAF_U16:
        return ((const uint16_t *)array)[index];
    case SHEAF_U32:
        return ((const uint32_t *)array)[index];
    case SHEAF_U64:
        return ((const uint64_t *)array)[index];
    default:
        fail_msg("no integer type: %d", (int)type);
        return 0;
    }
}

void
numbers_set(enum sheaf_type type, void *array, int64_t index, numbers_integer value)
{
    switch (sheaf_type_size(type)) {
    case 1:
        ((uint8_t *)array)[index] = (uint8_t)value;
        break;
    case 2:
        ((uint16_t *)array)[index] = (uint16_t)value;
        break;
    case 4:
        ((uint32_t *)array)[index] = (uint32_t)value;
        break;
    default:
        ((uint64_t *)array)[index] = (uint64_t)value;
    }
}

numbers_integer
numbers_least(enum sheaf_type type)
{
    return type <= SHEAF_I64 ? -((numbers_integer)1 << (8 * sheaf_type_size(type) - 1)) : 0;
}

numbers_integer
numbers_greatest(enum sheaf_type type)
{
    return ((numbers_integer)1 << (8 * sheaf_type_size(type) - (type <= SHEAF_I64))) - 1;
}

static int
input_count(const struct sheaf_kernel *kernel)
{
    return strncmp(kernel->signature, "(k),(k)", 7) == 0 ? 2 : 1;
}

void
numbers_create(struct fixture *fixture, const char *kernel, enum sheaf_type type, int64_t k, int64_t count)
{
    const struct sheaf_shape shapes[] = {fixture_vector(k), fixture_vector(k)};
    const struct sheaf_kernel *found = kernel_find(kernel);
    assert_non_null(found);
    fixture_create(fixture, found, type, shapes, input_count(found), count, 0);
}

void
numbers_check_batches(const char *kernel)
{
    const int64_t sizes[] = {65, 2 * 65536 + 77};
    const struct sheaf_kernel *found = kernel_find(kernel);
    assert_non_null(found);
    for (enum sheaf_type type = SHEAF_I8; type < SHEAF_TYPE_COUNT; type++) {
        for (int i = 0; (found->accepts >> type & 1U) && i < 2; i++) {
            const struct sheaf_shape shapes[] = {fixture_vector(sizes[i]), fixture_vector(sizes[i])};
            struct fixture fixture;
            numbers_create(&fixture, kernel, type, sizes[i], 3);
            fixture_check_splits(&fixture);
            fixture_check_widths(&fixture);
            fixture_destroy(&fixture);
            for (uint32_t shared = 1; shared < UINT32_C(1) << input_count(found); shared++)
                fixture_check_shared(found, type, shapes, input_count(found), shared);
        }
    }
}

void
numbers_check_levels(const char *kernel, enum sheaf_type type, const struct map *map)
{
    struct fixture expected, found;
    numbers_create(&expected, kernel, type, PIECE_NUMBERS, 1);
    numbers_create(&found, kernel, type, PIECE_NUMBERS, 1);
    const void *a = expected.inputs[0], *b = expected.inputs[expected.problem.input_count - 1];
    for (int64_t count = 1; count <= PIECE_NUMBERS; count += count < 200 ? 1 : count) {
        bool good = map->levels[VECTOR_BASELINE](a, b, expected.outputs[0], count);
        for (enum vector_level level = VECTOR_AVX2; level < VECTOR_LEVEL_COUNT; level++) {
            if (!vector_level_supported(level))
                continue;
            memset(found.outputs[0], 0xff, found.output_bytes[0]);
            assert_int_equal(map->levels[level](a, b, found.outputs[0], count), good);
            assert_memory_equal(found.outputs[0], expected.outputs[0], (size_t)count * map->bytes);
        }
    }
    fixture_destroy(&expected);
    fixture_destroy(&found);
}
