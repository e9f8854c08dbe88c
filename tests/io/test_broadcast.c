#include "broadcast.h"
#include "io_test.h"

enum { TASKS_MAX = 600, ROUNDS = 3000 };

static uint64_t random_state = 1;

/* A number below `end`: always the same ones (xorshift64*, Vigna 2016). */
static int64_t
below(int64_t end)
{
    random_state ^= random_state >> 12;
    random_state ^= random_state << 25;
    random_state ^= random_state >> 27;
    return (int64_t)((random_state * UINT64_C(0x2545F4914F6CDD1D)) >> 33) % end;
}

#define SHAPE(...)                                                                                                     \
    ((struct sheaf_shape){.ndim = sizeof((int64_t[]){__VA_ARGS__}) / sizeof(int64_t), .extent = {__VA_ARGS__}})

static const struct sheaf_shape none = {.ndim = 0};

/* Axes of a run with at most TASKS_MAX tasks, and those of an operand: some missing, some of them 1. */
static int64_t
draw(struct sheaf_shape *tasks, struct sheaf_shape *own)
{
    int64_t count;
    do {
        *tasks = (struct sheaf_shape){.ndim = (int32_t)below(6)};
        for (int i = 0; i < tasks->ndim; i++)
            tasks->extent[i] = 1 + below(below(2) ? 4 : 13);
    } while (!sheaf_shape_count(tasks, &count) || count > TASKS_MAX);
    int missing = below(2) ? 0 : (int)below(tasks->ndim + 1);
    *own = (struct sheaf_shape){.ndim = tasks->ndim - missing};
    for (int i = 0; i < own->ndim; i++)
        own->extent[i] = below(2) ? tasks->extent[i + missing] : 1;
    return count;
}

/* The definition: the place of a task on every axis, taken on those that the operand has. */
static int64_t
defined_entry(const struct sheaf_shape *own, const struct sheaf_shape *tasks, int64_t task)
{
    int64_t entry = 0, entries = 1;
    for (int i = 1; i <= own->ndim; i++) {
        int64_t extent = tasks->extent[tasks->ndim - i];
        if (own->extent[own->ndim - i] > 1)
            entry += task % extent * entries;
        entries *= own->extent[own->ndim - i];
        task /= extent;
    }
    return entry;
}

static void
entries_are_those_of_the_definition(void **state)
{
    struct sheaf_shape tasks, own;
    struct broadcast broadcast;
    int64_t entries[TASKS_MAX];

    (void)state;
    for (int round = 0; round < ROUNDS; round++) {
        int64_t count = draw(&tasks, &own), own_count;
        assert_true(broadcast_make(&own, &tasks, &broadcast));
        assert_true(sheaf_shape_count(&own, &own_count));
        for (int64_t task = 0; task < count; task++) {
            entries[task] = defined_entry(&own, &tasks, task);
            assert_int_equal(broadcast_entry(&broadcast, task), entries[task]);
            int64_t earlier = task - 1;
            while (earlier >= 0 && entries[earlier] != entries[task])
                earlier--;
            assert_int_equal(broadcast_earlier(&broadcast, task), earlier);
        }
        /* nothing is stretched: then nothing is divided either */
        assert_int_equal(broadcast.ndim == 0, own_count == count);
        assert_int_equal(broadcast_tasks(&broadcast), own_count == count ? 0 : count);
    }
}

/* Read a run of tasks as a source does, and count how often each entry was read. */
static void
check_pieces(const struct broadcast *broadcast, int64_t first, int64_t count, const int64_t *entries)
{
    int64_t got[TASKS_MAX], reads[TASKS_MAX] = {0}, pieces = 0, distinct = 0, read = 0;

    for (int64_t done = 0; done < count; pieces++) {
        struct broadcast_piece piece = broadcast_piece(broadcast, first, first + done, count - done);
        assert_in_range((uintmax_t)piece.tasks, 1, (uintmax_t)(count - done));
        assert_in_range((uintmax_t)piece.entries, 1, (uintmax_t)piece.tasks);
        if (piece.earlier >= 0) {
            assert_in_range((uintmax_t)piece.earlier, (uintmax_t)first, (uintmax_t)(first + done - piece.tasks));
            memcpy(&got[done], &got[piece.earlier - first], (size_t)piece.tasks * sizeof *got);
        } else {
            int64_t left = piece.first_repeats, entry = piece.entry;
            for (int64_t i = 0; i < piece.tasks; i++) {
                got[done + i] = entry;
                if (--left == 0) {
                    entry++;
                    left = piece.repeats;
                }
            }
            assert_int_equal(got[done + piece.tasks - 1], piece.entry + piece.entries - 1);
            for (int64_t i = 0; i < piece.entries; i++)
                reads[piece.entry + i]++;
        }
        done += piece.tasks;
    }
    assert_memory_equal(got, &entries[first], (size_t)count * sizeof *got);
    for (int64_t i = 0; i < TASKS_MAX; i++) {
        distinct += reads[i] > 0;
        read += reads[i];
        assert_true(reads[i] < 2 || (i == entries[first] && reads[i] == 2));
    }
    assert_true(read <= distinct + 1);
    if (broadcast->ndim == 0)
        assert_int_equal(pieces, 1);
}

static void
pieces_cover_runs_and_read_entries_once(void **state)
{
    struct sheaf_shape tasks, own;
    struct broadcast broadcast;
    int64_t entries[TASKS_MAX];

    (void)state;
    for (int round = 0; round < ROUNDS; round++) {
        int64_t count = draw(&tasks, &own);
        assert_true(broadcast_make(&own, &tasks, &broadcast));
        for (int64_t task = 0; task < count; task++)
            entries[task] = defined_entry(&own, &tasks, task);
        for (int i = 0; i < 5; i++) {
            int64_t first = below(count);
            check_pieces(&broadcast, first, 1 + below(count - first), entries);
        }
        check_pieces(&broadcast, 0, count, entries);
    }
}

static void
successive_entries_make_one_piece(void **state)
{
    struct broadcast broadcast;
    struct broadcast_piece piece;

    (void)state;
    /* all pairs, the operand that changes slowly: each entry for seven tasks in a row */
    assert_true(broadcast_make(&SHAPE(100, 1), &SHAPE(100, 7), &broadcast));
    piece = broadcast_piece(&broadcast, 10, 10, 60);
    assert_int_equal(piece.tasks, 60);
    assert_int_equal(piece.entry, 1);
    assert_int_equal(piece.entries, 9);
    assert_int_equal(piece.repeats, 7);
    assert_int_equal(piece.first_repeats, 4);
    assert_int_equal(piece.earlier, -1);
    /* axes that go on in one another, and rounds over all of them */
    assert_true(broadcast_make(&SHAPE(1, 4, 5), &SHAPE(3, 4, 5), &broadcast));
    piece = broadcast_piece(&broadcast, 1, 1, 59);
    assert_int_equal(piece.tasks, 19);
    piece = broadcast_piece(&broadcast, 1, 20, 40);
    assert_int_equal(piece.tasks, 1); /* entry 0 was not read yet, 1 was */
    piece = broadcast_piece(&broadcast, 1, 21, 39);
    assert_int_equal(piece.tasks, 19);
    assert_int_equal(piece.earlier, 1);
}

/* Against the definition: in a grid of `size` tasks each, every cell uses all entries of the groups that it uses. */
static bool
keeps_groups(const int64_t *entries, int64_t count, int64_t own_count, int64_t group, int64_t size)
{
    for (int64_t least = 0; least < count; least += size) {
        bool used[TASKS_MAX] = {false}, met[TASKS_MAX] = {false};
        for (int64_t task = least; task < least + size && task < count; task++)
            used[entries[task]] = met[entries[task] / group] = true;
        for (int64_t entry = 0; entry < own_count; entry++)
            if (met[entry / group] && !used[entry])
                return false;
    }
    return true;
}

static void
groups_of_entries_become_groups_of_tasks(void **state)
{
    struct sheaf_shape tasks, own;
    struct broadcast broadcast;
    int64_t entries[TASKS_MAX], found = 0;

    (void)state;
    assert_true(broadcast_make(&SHAPE(100), &SHAPE(5, 100), &broadcast));
    assert_int_equal(broadcast_group(&broadcast, 20), 20);
    assert_int_equal(broadcast_group(&broadcast, 30), 1); /* the rounds begin at 0, 100, 200: no grid fits */
    assert_int_equal(broadcast_group(&broadcast, 100), 100);
    assert_true(broadcast_make(&SHAPE(100, 1), &SHAPE(100, 7), &broadcast));
    assert_int_equal(broadcast_group(&broadcast, 30), 210);
    assert_int_equal(broadcast_group(&broadcast, 1), 1);
    assert_true(broadcast_make(&SHAPE(10, 1, 6), &SHAPE(10, 3, 6), &broadcast));
    assert_int_equal(broadcast_group(&broadcast, 2), 2);
    assert_int_equal(broadcast_group(&broadcast, 4), 1);
    assert_int_equal(broadcast_group(&broadcast, 24), 72);
    assert_int_equal(broadcast_group(&broadcast, 27), 1);
    assert_true(broadcast_make(&SHAPE(10, 6), &SHAPE(10, 6), &broadcast));
    assert_int_equal(broadcast_group(&broadcast, 24), 24);
    for (int round = 0; round < ROUNDS; round++) {
        int64_t count = draw(&tasks, &own), own_count = 0, group = 2 + below(12);
        assert_true(sheaf_shape_count(&own, &own_count));
        if (group > own_count)
            continue; /* a chunk has no more tasks than there are */
        assert_true(broadcast_make(&own, &tasks, &broadcast));
        for (int64_t task = 0; task < count; task++)
            entries[task] = defined_entry(&own, &tasks, task);
        int64_t size = broadcast_group(&broadcast, group);
        assert_true(size >= 1);
        if (size == 1)
            continue;
        found++;
        assert_true(keeps_groups(entries, count, own_count, group, size));
    }
    assert_true(found > ROUNDS / 20);
}

static void
expect_joined(struct sheaf_shape a, struct sheaf_shape b, const char *expected)
{
    char text[SHEAF_SHAPE_TEXT];
    struct sheaf_shape other = b;

    assert_true(broadcast_join(&b, &a));
    assert_string_equal(sheaf_shape_format(&b, text), expected);
    assert_true(broadcast_join(&a, &other));
    assert_string_equal(sheaf_shape_format(&a, text), expected);
}

static void
leading_axes_are_joined_by_numpys_rule(void **state)
{
    struct sheaf_shape lead = SHAPE(5, 4), before = lead;

    (void)state;
    expect_joined(none, none, "()");
    expect_joined(SHAPE(7), none, "(7)");
    expect_joined(SHAPE(1), SHAPE(5, 1), "(5, 1)");
    expect_joined(SHAPE(3), SHAPE(5, 1), "(5, 3)");
    expect_joined(SHAPE(1, 1), SHAPE(9), "(1, 9)");
    expect_joined(SHAPE(8, 1, 6, 1), SHAPE(7, 1, 5), "(8, 7, 6, 5)");
    expect_joined(SHAPE(1, 2, 3, 4, 5, 6, 7, 8), SHAPE(9, 1, 1, 1, 1, 1, 1, 1), "(9, 2, 3, 4, 5, 6, 7, 8)");
    assert_false(broadcast_join(&lead, &SHAPE(5)));
    assert_false(broadcast_join(&lead, &SHAPE(3, 1, 4, 4)));
    assert_true(sheaf_shape_equal(&lead, &before));
}

static void
what_cannot_be_stretched_is_refused(void **state)
{
    const int64_t large = INT64_C(1) << 40;
    struct broadcast broadcast;

    (void)state;
    assert_false(broadcast_make(&SHAPE(4), &SHAPE(5), &broadcast));
    assert_false(broadcast_make(&SHAPE(5), &SHAPE(1), &broadcast));
    assert_false(broadcast_make(&SHAPE(1, 5), &SHAPE(5), &broadcast));
    assert_false(broadcast_make(&SHAPE(5, 1), &SHAPE(5, 0), &broadcast));
    assert_false(broadcast_make(&SHAPE(large, 1), &SHAPE(large, large), &broadcast));
    /* as many as 64 bits can count */
    assert_true(broadcast_make(&SHAPE(1, INT64_MAX / 3), &SHAPE(3, INT64_MAX / 3), &broadcast));
    int64_t last = INT64_MAX / 3 * 3 - 1;
    assert_int_equal(broadcast_entry(&broadcast, last), INT64_MAX / 3 - 1);
    assert_int_equal(broadcast_earlier(&broadcast, last), last - INT64_MAX / 3);
    assert_true(broadcast_make(&SHAPE(INT64_MAX / 3, 1), &SHAPE(INT64_MAX / 3, 3), &broadcast));
    assert_int_equal(broadcast_piece(&broadcast, 0, 1, INT64_MAX).tasks, last);
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(entries_are_those_of_the_definition),
        cmocka_unit_test(pieces_cover_runs_and_read_entries_once),
        cmocka_unit_test(successive_entries_make_one_piece),
        cmocka_unit_test(groups_of_entries_become_groups_of_tasks),
        cmocka_unit_test(leading_axes_are_joined_by_numpys_rule),
        cmocka_unit_test(what_cannot_be_stretched_is_refused),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
