#include "fixture.h"

#include "blas.h"
#include "lapack.h"
#include "list.h"

/*
 * What kernels make of LAPACK's failures, which no input is known to cause: here the routines are stand-ins of the same
 * names, which the linker prefers. Their second computation does not converge, their third finds a wrong argument.
 */

enum { NOT_CONVERGED_INFO = 3, WRONG_ARGUMENT_INFO = -7, TASKS = 4 };
enum { SIZE = 40 }; /* smaller matrices some kernels keep from LAPACK (compact.h) */

static int calls; /* computations, not queries for work space */

/* What the next computation's info is. */
static int
next_info(void)
{
    calls++;
    return calls == 2 ? NOT_CONVERGED_INFO : calls == 3 ? WRONG_ARGUMENT_INFO : 0;
}

/* Answer a query for the work space. @return whether it was one */
static bool
answer_query(const int *lwork, void *work, int *info)
{
    *info = 0;
    if (*lwork == -1)
        *(double *)work = 1000.0;
    return *lwork == -1;
}

void
dgesdd_(const char *job, const int *m, const int *n, void *a, const int *lda, void *s, void *u, const int *ldu,
        void *vt, const int *ldvt, void *work, const int *lwork, int *iwork, int *info, size_t job_length)
{
    (void)job, (void)m, (void)n, (void)a, (void)lda, (void)u, (void)ldu, (void)vt, (void)ldvt;
    (void)job_length;
    if (answer_query(lwork, work, info))
        return;
    *(double *)s = 1.0;
    *iwork = 0;
    *info = next_info();
}

void
zgesdd_(const char *job, const int *m, const int *n, void *a, const int *lda, void *s, void *u, const int *ldu,
        void *vt, const int *ldvt, void *work, const int *lwork, void *rwork, int *iwork, int *info, size_t job_length)
{
    (void)rwork;
    dgesdd_(job, m, n, a, lda, s, u, ldu, vt, ldvt, work, lwork, iwork, info, job_length);
}

void
dsyevd_(const char *job, const char *uplo, const int *n, void *a, const int *lda, void *w, void *work, const int *lwork,
        int *iwork, const int *liwork, int *info, size_t job_length, size_t uplo_length)
{
    (void)job, (void)uplo, (void)n, (void)a, (void)lda, (void)w, (void)liwork, (void)job_length;
    (void)uplo_length;
    if (answer_query(lwork, work, info))
        return;
    *iwork = 0;
    *info = next_info();
}

void
zheevd_(const char *job, const char *uplo, const int *n, void *a, const int *lda, void *w, void *work, const int *lwork,
        void *rwork, const int *lrwork, int *iwork, const int *liwork, int *info, size_t job_length, size_t uplo_length)
{
    (void)rwork, (void)lrwork;
    dsyevd_(job, uplo, n, a, lda, w, work, lwork, iwork, liwork, info, job_length, uplo_length);
}

void
zgeev_(const char *left_job, const char *right_job, const int *n, void *a, const int *lda, void *w, void *left,
       const int *ldleft, void *right, const int *ldright, void *work, const int *lwork, void *rwork, int *info,
       size_t left_job_length, size_t right_job_length)
{
    (void)left_job, (void)right_job, (void)n, (void)a, (void)lda, (void)w, (void)left, (void)ldleft, (void)right;
    (void)ldright, (void)rwork, (void)left_job_length, (void)right_job_length;
    if (!answer_query(lwork, work, info))
        *info = next_info();
}

void
dgeev_(const char *left_job, const char *right_job, const int *n, void *a, const int *lda, void *w_real,
       void *w_imaginary, void *left, const int *ldleft, void *right, const int *ldright, void *work, const int *lwork,
       int *info, size_t left_job_length, size_t right_job_length)
{
    for (int i = 0; i < *n && *lwork != -1; i++)
        ((double *)w_imaginary)[i] = 0.0;
    zgeev_(left_job, right_job, n, a, lda, w_real, left, ldleft, right, ldright, work, lwork, NULL, info,
           left_job_length, right_job_length);
}

/* A zero pivot is no failure to all: here only the wrong argument. */
void
dgetrf_(const int *m, const int *n, void *a, const int *lda, int *pivots, int *info)
{
    (void)m, (void)a, (void)lda;
    for (int i = 0; i < *n; i++)
        pivots[i] = i + 1;
    *info = next_info();
}

static void
check_tasks(const char *name, const char *parameter, enum sheaf_type type, enum sheaf_task_status second,
            int second_info)
{
    struct sheaf_shape shape = fixture_matrix(SIZE, SIZE);
    struct fixture fixture;
    fixture_create_with(&fixture, kernel_find(name), parameter, type, &shape, 1, TASKS, 0);
    calls = 0;
    fixture_run(&fixture, 0, TASKS);
    assert_int_equal(calls, TASKS);
    assert_int_equal(fixture.status[0], SHEAF_TASK_DONE);
    assert_int_equal(fixture.info[0], 0);
    assert_int_equal(fixture.status[1], second);
    assert_int_equal(fixture.info[1], second_info);
    assert_int_equal(fixture.status[2], SHEAF_TASK_KERNEL_FAILED);
    assert_int_equal(fixture.info[2], WRONG_ARGUMENT_INFO);
    assert_int_equal(fixture.status[3], SHEAF_TASK_DONE);
    assert_int_equal(fixture.info[3], 0);
    fixture_destroy(&fixture);
}

static void
what_does_not_converge_fails_its_task_only(void **state)
{
    static const char *const cases[][2] = {
        {"svd", NULL},     {"svdvals", NULL},     {"eigh", NULL},  {"eigvalsh", NULL}, {"eig", NULL},
        {"eigvals", NULL}, {"matrix_rank", NULL}, {"cond", "p=2"}, {"cond", "p=-2"},   {"norm", "ord=2"},
    };
    (void)state;
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        check_tasks(cases[i][0], cases[i][1], SHEAF_F64, SHEAF_TASK_NOT_CONVERGED, NOT_CONVERGED_INFO);
        check_tasks(cases[i][0], cases[i][1], SHEAF_C128, SHEAF_TASK_NOT_CONVERGED, NOT_CONVERGED_INFO);
    }
}

static void
a_zero_pivot_is_an_answer_a_wrong_argument_is_not(void **state)
{
    (void)state;
    check_tasks("det", NULL, SHEAF_F64, SHEAF_TASK_DONE, 0);
    check_tasks("slogdet", NULL, SHEAF_F64, SHEAF_TASK_DONE, 0);
    check_tasks("cond", "p=1", SHEAF_F64, SHEAF_TASK_DONE, 0);
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(what_does_not_converge_fails_its_task_only),
        cmocka_unit_test(a_zero_pivot_is_an_answer_a_wrong_argument_is_not),
    };
    blas_set_threads(1);
    return cmocka_run_group_tests(tests, NULL, NULL);
}
