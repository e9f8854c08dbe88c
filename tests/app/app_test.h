/* What the tests of app/ share: the helpers of io's tests, and random numbers that are the same in every run. */
#ifndef SHEAF_APP_TEST_H
#define SHEAF_APP_TEST_H

#include "../io/io_test.h"

#include <sys/stat.h>

/* splitmix64: Steele, Lea, Flood, "Fast splittable pseudorandom number generators", OOPSLA 2014 */
static inline uint64_t
test_random(uint64_t *state)
{
    uint64_t z = (*state += UINT64_C(0x9e3779b97f4a7c15));
    z = (z ^ z >> 30) * UINT64_C(0xbf58476d1ce4e5b9);
    z = (z ^ z >> 27) * UINT64_C(0x94d049bb133111eb);
    return z ^ z >> 31;
}

/* A number from least to greatest, both included. */
static inline int64_t
test_random_within(uint64_t *state, int64_t least, int64_t greatest)
{
    return least + (int64_t)(test_random(state) % (uint64_t)(greatest - least + 1));
}

/* A file of a made-up machine: below "tree", with its directories. */
static inline void
test_put_in_tree(const char *path, const char *text)
{
    char whole[512];
    snprintf(whole, sizeof whole, "tree%s", path);
    for (char *slash = strchr(whole + 1, '/'); slash; slash = strchr(slash + 1, '/')) {
        *slash = '\0';
        mkdir(whole, 0700);
        *slash = '/';
    }
    FILE *file = fopen(whole, "w");
    assert_non_null(file);
    fputs(text, file);
    assert_int_equal(fclose(file), 0);
}

#endif
