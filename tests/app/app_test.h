/* What the tests of app/ share: the helpers of io's tests, and random numbers that are the same in every run. */
#ifndef SHEAF_APP_TEST_H
#define SHEAF_APP_TEST_H

#include "../io/io_test.h"

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

#endif
