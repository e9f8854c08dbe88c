/* What the tests of results files share: a directory of their own, and a digest. */
#ifndef SHEAF_STORE_TEST_H
#define SHEAF_STORE_TEST_H

#include "io_test.h"
#include "records.h"

static struct record_digest *digest;

/* Group set-up and tear-down. */
static inline int
store_test_begin(void **state)
{
    digest = record_digest_create();
    return digest ? test_enter_directory(state) : -1;
}

static inline int
store_test_end(void **state)
{
    record_digest_destroy(digest);
    return test_leave_directory(state);
}

#endif
