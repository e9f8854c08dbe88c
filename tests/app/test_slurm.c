#include "app_test.h"
#include "slurm.h"

#include <stdlib.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

static const char job[] = "JobId=7 JobName=sheaf\n   UserId=root(0) GroupId=root(0) MCS_label=N/A\n"
                          "   JobState=%s Reason=None Dependency=(null)\n   Requeue=1 Restarts=%d BatchFlag=1 "
                          "Reboot=0 ExitCode=0:0\n   RunTime=00:00:05 TimeLimit=00:02:00 TimeMin=N/A\n"
                          "   SubmitTime=2026-11-20T08:11:35 EligibleTime=2026-11-20T08:11:35\n";

static bool
judge(const char *state, int restarts, int64_t then)
{
    char text[1024];
    snprintf(text, sizeof text, job, state, restarts); // NOLINT(clang-diagnostic-format-nonliteral)
    return slurm_judge_job(text, then);
}

static void
jobs_are_judged(void **state)
{
    (void)state;
    static const char *const ended[] = {"COMPLETED", "FAILED", "CANCELLED", "TIMEOUT", "NODE_FAIL", "PREEMPTED"};
    static const char *const others[] = {"RUNNING", "COMPLETING", "SUSPENDED", "PENDING", "CONFIGURING"};
    for (size_t i = 0; i < sizeof ended / sizeof ended[0]; i++)
        assert_true(judge(ended[i], 0, 0));
    for (size_t i = 0; i < sizeof others / sizeof others[0]; i++) {
        assert_false(judge(others[i], 1, 1));
        assert_true(judge(others[i], 2, 1)); // started again since
    }
    assert_true(slurm_judge_job("slurm_load_jobs error: Invalid job id specified\n", 0));
    assert_false(slurm_judge_job("slurm_load_jobs error: Unable to contact slurm controller (connect failure)\n", 0));
    assert_false(slurm_judge_job("", 0));
}

static void
values_are_found(void **state)
{
    char value[16];
    (void)state;
    assert_true(
        slurm_find_value("ControlClusterName=no\nClusterName             = tiny\nX=1\n", "ClusterName", value, 16));
    assert_string_equal(value, "tiny");
    assert_true(slurm_find_value(job, "ExitCode", value, 16));
    assert_string_equal(value, "0:0");
    assert_false(slurm_find_value(job, "Job", value, 16));
    assert_false(slurm_find_value("Key", "Key", value, 16));
}

/** A scontrol of our own, first in PATH. */
static void
put_scontrol(const char *body)
{
    FILE *file = fopen("scontrol", "w");
    assert_non_null(file);
    fprintf(file, "#!/bin/sh\n%s\n", body);
    fclose(file);
    assert_int_equal(chmod("scontrol", 0700), 0);
}

static void
slurm_is_asked(void **state)
{
    (void)state;
    char path[4096];
    const char *before = getenv("PATH");
    snprintf(path, sizeof path, "%s:%s", test_directory, before ? before : "/usr/bin:/bin");
    setenv("PATH", path, 1);
    struct lock_owner owner = {.job = 7, .restarts = 0, .cluster = "tiny"}, other = owner, none = owner;
    put_scontrol("case \"$2 $3\" in\n\"config \") echo 'ClusterName = tiny';;\n\"job 7\") echo JobState=FAILED;;\n"
                 "*) echo JobState=RUNNING;;\nesac");
    assert_true(slurm_has_ended(&owner));
    other.cluster[0] = 'T';
    assert_false(slurm_has_ended(&other)); // the same number on another cluster
    owner.job = 8;
    assert_false(slurm_has_ended(&owner));
    none.job = 0;
    assert_false(slurm_has_ended(&none));
    put_scontrol("exit 1");
    assert_false(slurm_has_ended(&owner));
    setenv("PATH", "/nowhere", 1);
    assert_false(slurm_has_ended(&owner));
    setenv("PATH", path, 1);
    assert_int_equal(unlink("scontrol"), 0);
}

static void
the_end_of_a_job_is_found(void **state)
{
    (void)state;
    setenv("TZ", "UTC", 1);
    tzset();
    assert_true(slurm_parse_end("   StartTime=2026-11-20T08:11:35 EndTime=2026-11-20T09:11:35 Deadline=N/A\n") ==
                1795165895);
    assert_true(slurm_parse_end("   StartTime=2026-11-20T08:11:35 EndTime=Unknown Deadline=N/A\n") == 0);
    assert_true(slurm_parse_end("slurm_load_jobs error: Invalid job id specified\n") == 0);
    unsetenv("SLURM_JOB_ID");
    assert_true(slurm_job_end() == 0);
    setenv("SLURM_JOB_ID", "7", 1);
    setenv("SLURM_JOB_END_TIME", "1795165895", 1);
    assert_true(slurm_job_end() == 1795165895);
    unsetenv("SLURM_JOB_END_TIME");
    unsetenv("SLURM_JOB_ID");
}

static void
the_environment_tells_the_job(void **state)
{
    struct lock_owner self = {.pid = 1};
    (void)state;
    unsetenv("SLURM_JOB_ID");
    slurm_describe_owner(&self);
    assert_int_equal(self.job, 0);
    setenv("SLURM_JOB_ID", "123", 1);
    setenv("SLURM_RESTART_COUNT", "2", 1);
    setenv("SLURM_CLUSTER_NAME", "tiny", 1);
    slurm_describe_owner(&self);
    assert_int_equal(self.job, 123);
    assert_int_equal(self.restarts, 2);
    assert_string_equal(self.cluster, "tiny");
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(jobs_are_judged),
        cmocka_unit_test(values_are_found),
        cmocka_unit_test_setup_teardown(slurm_is_asked, test_enter_directory, test_leave_directory),
        cmocka_unit_test(the_end_of_a_job_is_found),
        cmocka_unit_test(the_environment_tells_the_job),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
