#include "fixture.h"

#include "blas.h"
#include "lapack.h"
#include "list.h"

/*
 * What the solvers make of LAPACK's failures, some of which no input is known to cause: here the routines are stand-ins of the
 * same names, which the linker prefers. Of the one that is to fail, the second call gives a positive info, the third a
 * negative one.
 */

enum { POSITIVE_INFO = 3, NEGATIVE_INFO = -7, TASKS = 4 };
enum { SIZE = 40 }; /* smaller matrices some kernels keep from LAPACK (compact.h) */

static const char *failing;
static int calls; /* of the failing routine, without queries for work space */

static int
info_of(const char *routine)
{
    if (strcmp(routine, failing) != 0)
        return 0;
    calls++;
    return calls == 2 ? POSITIVE_INFO : calls == 3 ? NEGATIVE_INFO : 0;
}

/* Answer a query for the work space, or say how the computation went. */
static int
answer(const char *routine, const int *lwork, void *work)
{
    if (*lwork != -1)
        return info_of(routine);
    *(double *)work = 1000.0;
    return 0;
}

void
dgelsd_(const int *m, const int *n, const int *nrhs, void *a, const int *lda, void *b, const int *ldb, void *s,
        const void *rcond, int *rank, void *work, const int *lwork, int *iwork, int *info)
{
    (void)m, (void)n, (void)nrhs, (void)a, (void)lda, (void)b, (void)ldb, (void)s, (void)rcond;
    *iwork = 0;
    *rank = 1;
    *info = answer("gelsd", lwork, work);
}

void
zgelsd_(const int *m, const int *n, const int *nrhs, void *a, const int *lda, void *b, const int *ldb, void *s,
        const void *rcond, int *rank, void *work, const int *lwork, void *rwork, int *iwork, int *info)
{
    *(double *)rwork = 0.0;
    dgelsd_(m, n, nrhs, a, lda, b, ldb, s, rcond, rank, work, lwork, iwork, info);
}

void
dgesdd_(const char *job, const int *m, const int *n, void *a, const int *lda, void *s, void *u, const int *ldu,
        void *vt, const int *ldvt, void *work, const int *lwork, int *iwork, int *info, size_t job_length)
{
    (void)job, (void)m, (void)n, (void)a, (void)lda, (void)u, (void)ldu, (void)vt, (void)ldvt, (void)job_length;
    *iwork = 0;
    *info = answer("gesdd", lwork, work);
    /* Singular values 0: nothing is made of the vectors, which are not there. */
    for (int i = 0; i < *m && i < *n && *lwork != -1; i++)
        ((double *)s)[i] = 0.0;
}

void
dgeqrf_(const int *m, const int *n, void *a, const int *lda, void *tau, void *work, const int *lwork, int *info)
{
    (void)m, (void)n, (void)a, (void)lda, (void)tau;
    *info = answer("geqrf", lwork, work);
}

void
dorgqr_(const int *m, const int *n, const int *k, void *a, const int *lda, const void *tau, void *work,
        const int *lwork, int *info)
{
    (void)m, (void)n, (void)k, (void)a, (void)lda, (void)tau;
    *info = answer("orgqr", lwork, work);
}

void
dgetrf_(const int *m, const int *n, void *a, const int *lda, int *pivots, int *info)
{
    (void)m, (void)a, (void)lda;
    for (int i = 0; i < *n; i++)
        pivots[i] = i + 1;
    *info = info_of("getrf");
}

void
dgetrs_(const char *trans, const int *n, const int *nrhs, const void *a, const int *lda, const int *pivots, void *b,
        const int *ldb, int *info, size_t trans_length)
{
    (void)trans, (void)n, (void)nrhs, (void)a, (void)lda, (void)pivots, (void)b, (void)ldb, (void)trans_length;
    *info = info_of("getrs");
}

void
dpotrf_(const char *uplo, const int *n, void *a, const int *lda, int *info, size_t uplo_length)
{
    (void)uplo, (void)n, (void)a, (void)lda, (void)uplo_length;
    *info = info_of("potrf");
}

static void
check_tasks(const char *kernel, const char *routine, enum sheaf_type type, enum sheaf_task_status second,
            int second_info)
{
    const bool one_side = strcmp(kernel, "solve1") == 0 || strcmp(kernel, "lstsq1") == 0;
    const bool two = one_side || strcmp(kernel, "solve") == 0 || strcmp(kernel, "lstsq") == 0;
    const struct sheaf_shape shapes[] = {fixture_matrix(SIZE, SIZE),
                                         one_side ? fixture_vector(SIZE) : fixture_matrix(SIZE, 2)};
    struct fixture fixture;
    failing = routine;
    fixture_create(&fixture, kernel_find(kernel), type, shapes, two ? 2 : 1, TASKS, 0);
    calls = 0;
    fixture_run(&fixture, 0, TASKS);
    assert_int_equal(calls, TASKS);
    const uint8_t status[TASKS] = {SHEAF_TASK_DONE, (uint8_t)second, SHEAF_TASK_KERNEL_FAILED, SHEAF_TASK_DONE};
    const int32_t info[TASKS] = {0, second_info, NEGATIVE_INFO, 0};
    assert_memory_equal(fixture.status, status, sizeof status);
    assert_memory_equal(fixture.info, info, sizeof info);
    fixture_destroy(&fixture);
}

static void
what_does_not_converge_fails_its_task_only(void **state)
{
    static const enum sheaf_type types[] = {SHEAF_F64, SHEAF_C128};
    (void)state;
    for (int t = 0; t < 2; t++) {
        check_tasks("lstsq", "gelsd", types[t], SHEAF_TASK_NOT_CONVERGED, POSITIVE_INFO);
        check_tasks("lstsq1", "gelsd", types[t], SHEAF_TASK_NOT_CONVERGED, POSITIVE_INFO);
    }
    check_tasks("pinv", "gesdd", SHEAF_F64, SHEAF_TASK_NOT_CONVERGED, POSITIVE_INFO);
}

static void
a_zero_pivot_means_what_the_kernel_says(void **state)
{
    (void)state;
    check_tasks("solve", "getrf", SHEAF_F64, SHEAF_TASK_SINGULAR, POSITIVE_INFO);
    check_tasks("solve1", "getrf", SHEAF_F64, SHEAF_TASK_SINGULAR, POSITIVE_INFO);
    check_tasks("cholesky", "potrf", SHEAF_F64, SHEAF_TASK_NOT_POSITIVE_DEFINITE, POSITIVE_INFO);
    check_tasks("lu", "getrf", SHEAF_F64, SHEAF_TASK_DONE, 0);
}

/* These have no positive info by their pages: whatever it is, the result cannot be trusted. */
static void
what_should_not_fail_fails_its_task_only(void **state)
{
    (void)state;
    check_tasks("solve1", "getrs", SHEAF_F64, SHEAF_TASK_KERNEL_FAILED, POSITIVE_INFO);
    check_tasks("qr", "geqrf", SHEAF_F64, SHEAF_TASK_KERNEL_FAILED, POSITIVE_INFO);
    check_tasks("qr", "orgqr", SHEAF_F64, SHEAF_TASK_KERNEL_FAILED, POSITIVE_INFO);
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(what_does_not_converge_fails_its_task_only),
        cmocka_unit_test(a_zero_pivot_means_what_the_kernel_says),
        cmocka_unit_test(what_should_not_fail_fails_its_task_only),
    };
    blas_set_threads(1);
    return cmocka_run_group_tests(tests, NULL, NULL);
}
