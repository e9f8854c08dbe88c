/* What becomes of a chunk that was in flight: who is charged with a death, and who is not. */
#include "app_test.h"
#include "poison.h"

#include <signal.h>

static const struct poison_facts here = {.same_host = true, .oom_kills = 5, .attempts = 2};

static struct poison_verdict
judge(struct record_chunk record, struct poison_facts facts)
{
    struct poison_verdict verdict;
    record.state = RECORD_STARTED;
    poison_judge(&record, &facts, &verdict);
    return verdict;
}

static void
a_death_among_others_makes_a_suspect(void **state)
{
    (void)state;
    struct poison_verdict verdict = judge((struct record_chunk){.count = 4}, here);
    assert_true(verdict.care == RECORD_ALONE && verdict.attempts == 0 && !verdict.quarantined);
    verdict = judge((struct record_chunk){.count = 1}, here);
    assert_true(verdict.care == RECORD_ALONE && verdict.attempts == 0 && !verdict.quarantined);
}

static void
who_is_cleared_keeps_his_place(void **state)
{
    const struct poison_facts known = {.culprit_known = true, .same_host = true, .oom_kills = 6, .attempts = 1};
    (void)state;
    for (int care = RECORD_AMONG_OTHERS; care <= RECORD_SINGLY; care++) {
        struct record_chunk record = {.count = 4, .care = (uint8_t)care, .task = 3, .attempts = 1, .oom_kills = 1};
        struct poison_verdict verdict = judge(record, known);
        assert_true((int)verdict.care == care && verdict.task == 3 && verdict.attempts == 1 && !verdict.quarantined);
        record.fate = RECORD_SPARED;
        verdict = judge(record, here);
        assert_true((int)verdict.care == care && verdict.task == 3 && verdict.attempts == 1 && !verdict.quarantined);
    }
}

static void
its_own_last_word_is_an_attempt_of_a_task_that_is_known(void **state)
{
    const struct poison_facts known = {.culprit_known = true, .attempts = 2};
    (void)state;
    /* one of several: they are computed one by one, and nobody is charged */
    struct poison_verdict verdict =
        judge((struct record_chunk){.count = 4, .fate = RECORD_SIGNALLED, .signal = SIGSEGV}, known);
    assert_true(verdict.care == RECORD_SINGLY && verdict.task == 0 && verdict.attempts == 0 && !verdict.quarantined);
    verdict = judge((struct record_chunk){.count = 4, .fate = RECORD_SIGNALLED, .signal = SIGSEGV, .task = 2}, known);
    assert_true(verdict.care == RECORD_SINGLY && verdict.task == 2 && verdict.attempts == 1 && !verdict.quarantined);
    verdict =
        judge((struct record_chunk){.count = 4, .fate = RECORD_SIGNALLED, .signal = SIGSEGV, .task = 2, .attempts = 1},
              known);
    assert_true(verdict.task == 2 && verdict.attempts == 2 && verdict.quarantined && verdict.info == SIGSEGV);
    verdict = judge(
        (struct record_chunk){.count = 1, .fate = RECORD_SIGNALLED, .signal = SIGSEGV, .attempts = 1, .reading = 2},
        known);
    assert_true(verdict.task == 1 && verdict.quarantined && verdict.info == POISON_READING + SIGSEGV);
    verdict = judge((struct record_chunk){.count = 1, .fate = RECORD_TIMED_OUT, .attempts = 1, .reading = 1}, known);
    assert_true(verdict.task == 1 && verdict.quarantined && verdict.info == POISON_READING);
    verdict = judge((struct record_chunk){.count = 1, .fate = RECORD_TIMED_OUT, .attempts = 1}, known);
    assert_true(verdict.task == 1 && verdict.attempts == 2 && verdict.quarantined && verdict.info == 0);
}

static void
a_death_alone_counts_where_memory_ran_out(void **state)
{
    const struct record_chunk several = {.count = 4, .care = RECORD_ALONE, .oom_kills = 4};
    const struct record_chunk one = {.count = 4, .care = RECORD_SINGLY, .task = 3, .attempts = 1, .oom_kills = 4};
    (void)state;
    assert_int_equal(judge(several, here).care, RECORD_SINGLY);
    assert_int_equal(judge(several, here).attempts, 0);
    struct poison_verdict verdict = judge(one, here);
    assert_true(verdict.quarantined && verdict.task == 3 && verdict.attempts == 2 && verdict.info == SIGKILL);

    struct poison_facts facts = here;
    facts.oom_kills = 0; /* a system that does not count */
    assert_true(judge(one, facts).quarantined);
    /* killed from outside; on a host that was started anew; on another host */
    for (uint32_t kills = 1; kills <= 4; kills++) {
        facts.oom_kills = kills;
        assert_int_equal(judge(several, facts).care, RECORD_ALONE);
        assert_true(judge(one, facts).attempts == 1 && !judge(one, facts).quarantined);
    }
    facts = here;
    facts.same_host = false;
    assert_int_equal(judge(several, facts).care, RECORD_ALONE);
    assert_true(judge(one, facts).attempts == 1 && !judge(one, facts).quarantined);
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_death_among_others_makes_a_suspect),
        cmocka_unit_test(who_is_cleared_keeps_his_place),
        cmocka_unit_test(its_own_last_word_is_an_attempt_of_a_task_that_is_known),
        cmocka_unit_test(a_death_alone_counts_where_memory_ran_out),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
