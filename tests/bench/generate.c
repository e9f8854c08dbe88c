/*
 * How fast operands are generated, on one core: GB/s for each distribution and type, tasks of SIZE x SIZE elements in
 * turn into one buffer that has been touched before.
 *
 * usage: generate SIZE SECONDS
 */
#include "generate.h"

#include <stdio.h>
#include <stdlib.h>
#include <time.h>

static double
seconds(void)
{
    struct timespec time;
    clock_gettime(CLOCK_MONOTONIC, &time);
    return (double)time.tv_sec + 1e-9 * (double)time.tv_nsec;
}

/** Bytes per second; at least one task before the clock starts, and one after. */
static double
measure(const struct generate_spec *spec, int64_t count, void *buffer, double least_seconds)
{
    int64_t tasks = 0;
    generate_fill(spec, 0, 0, count, buffer);
    double start = seconds(), now;
    do {
        generate_fill(spec, ++tasks, 0, count, buffer);
        now = seconds();
    } while (now - start < least_seconds);
    return (double)(tasks * count) * (double)sheaf_type_size(spec->type) / (now - start);
}

int
main(int argument_count, char **arguments)
{
    static const enum sheaf_type types[] = {SHEAF_F32, SHEAF_F64, SHEAF_C64, SHEAF_C128};
    int64_t size = argument_count == 3 ? strtoll(arguments[1], NULL, 10) : 0;
    double least_seconds = argument_count == 3 ? strtod(arguments[2], NULL) : 0;
    if (size < 1 || size > 20000) {
        fprintf(stderr, "usage: generate SIZE SECONDS\n");
        return 64;
    }
    void *buffer = malloc((size_t)(size * size) * sheaf_type_size(SHEAF_C128));
    if (!buffer)
        return 71;
    printf("GB/s on one core, tasks of %lldx%lld\n", (long long)size, (long long)size);
    for (int d = 0; d < GENERATE_DISTRIBUTION_COUNT; d++) {
        printf("%-8s", generate_distribution_name((enum generate_distribution)d));
        for (size_t t = 0; t < sizeof types / sizeof types[0]; t++) {
            const struct generate_spec spec = {(enum generate_distribution)d, types[t], 1, 0};
            printf("  %s %6.2f", sheaf_type_name(types[t]), 1e-9 * measure(&spec, size * size, buffer, least_seconds));
        }
        printf("\n");
    }
    free(buffer);
    return 0;
}
