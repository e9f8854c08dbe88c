#include "app_test.h"
#include "options.h"

enum { WORDS = 64, COMMANDS = 7 };

static struct sheaf_error error;
static struct options options;
static const enum command commands[] = {COMMAND_RUN,    COMMAND_MAKE,   COMMAND_INFO, COMMAND_VERIFY,
                                        COMMAND_RESUME, COMMAND_STATUS, COMMAND_SWEEP};
static const char *const command_names[] = {"run", "make", "info", "verify", "resume", "status", "sweep"};

/* Parse "run matmul -n 5" as the shell would; words live until the next call. "" is one empty word, written ''. */
static enum sheaf_status
parse(const char *line)
{
    static char text[1024];
    static char *arguments[WORDS + 1];
    char *rest = text;
    int count = 1;
    static char program[] = "sheaf";
    snprintf(text, sizeof text, "%s", line);
    memset(arguments, 0, sizeof arguments);
    options_free(&options);
    memset(&options, 0xff, sizeof options);
    arguments[0] = program;
    for (char *word; (word = strsep(&rest, " ")) != NULL && count < WORDS;)
        if (*word)
            arguments[count++] = strcmp(word, "''") == 0 ? word + 2 : word;
    return options_parse(count, arguments, &options, &error);
}

static void
expect_usage(const char *line, const char *part)
{
    test_error(parse(line), SHEAF_USAGE, &error, part);
}

static const void *
field(const struct option_row *row)
{
    return (const char *)&options + row->offset;
}

static int64_t
field_integer(const struct option_row *row)
{
    int64_t value;
    memcpy(&value, field(row), sizeof value);
    return value;
}

/* ---- the table ---- */

static void
the_table_is_sound(void **state)
{
    int count;
    const struct option_row *rows = options_table(&count);
    (void)state;
    assert_true(count > 0);
    for (int i = 0; i < count; i++) {
        const struct option_row *row = &rows[i];
        assert_true(row->name && *row->name && row->text && *row->text);
        assert_true(row->commands != 0 &&
                    (row->commands & ~(unsigned)(COMMAND_RUN | COMMAND_MAKE | COMMAND_INFO | COMMAND_VERIFY |
                                                 COMMAND_RESUME | COMMAND_STATUS | COMMAND_SWEEP)) == 0);
        assert_true((row->kind == OPTION_FLAG) == (row->value == NULL));
        if (row->kind == OPTION_INTEGER || row->kind == OPTION_SIZE)
            assert_true(row->least < row->greatest);
        if (row->kind == OPTION_CHOICE && row->value)
            assert_true(strchr(row->value, '|') && row->initial && strstr(row->value, row->initial));
        for (int k = 0; k < i; k++) {
            if (row->commands & rows[k].commands) /* a word may mean another thing to another command */
                assert_string_not_equal(row->name, rows[k].name);
            assert_true(row->letter == 0 || row->letter != rows[k].letter);
            assert_true(row->offset != rows[k].offset);
        }
    }
}

static bool
is_listed(const char *help, const struct option_row *row)
{
    char name[80];
    snprintf(name, sizeof name, "--%s%s%s", row->name, row->value ? "=" : "", row->value ? row->value : "");
    const char *at = strstr(help, name);
    return at && strchr(" ,\n", at[strlen(name)]);
}

/* What --help prints; lives until the next call. */
static const char *
help_of(enum command command)
{
    static char text[16384];
    memset(text, 0, sizeof text);
    FILE *stream = fmemopen(text, sizeof text - 1, "w");
    assert_non_null(stream);
    options_print_help(command, stream);
    assert_int_equal(fclose(stream), 0);
    return text;
}

static void
help_lists_each_option_of_a_command_and_no_other(void **state)
{
    int count;
    const struct option_row *rows = options_table(&count);
    (void)state;
    for (size_t c = 0; c < COMMANDS; c++) {
        const char *text = help_of(commands[c]);
        char usage[64];
        snprintf(usage, sizeof usage, "sheaf %s", command_names[c]);
        assert_non_null(strstr(text, usage));
        for (int i = 0; i < count; i++) {
            if (is_listed(text, &rows[i]) != ((rows[i].commands & commands[c]) != 0))
                fail_msg("sheaf %s --help and --%s", command_names[c], rows[i].name);
            char letter[8];
            snprintf(letter, sizeof letter, "-%c,", rows[i].letter);
            if (rows[i].letter && (rows[i].commands & commands[c]))
                assert_non_null(strstr(text, letter));
        }
    }
}

static void
help_without_a_command_lists_the_commands(void **state)
{
    const char *text = help_of(COMMAND_NONE);
    (void)state;
    for (size_t c = 0; c < COMMANDS; c++) {
        char line[64];
        snprintf(line, sizeof line, "sheaf %s", command_names[c]);
        assert_non_null(strstr(text, line));
    }
    assert_non_null(strstr(text, "Exit codes"));
}

/* ---- each option by its kind ---- */

static void
check_integer(const struct option_row *row, const char *name)
{
    char line[256];
    snprintf(line, sizeof line, "%s --%s %lld", name, row->name, (long long)row->least);
    test_ok(parse(line), &error);
    assert_true(field_integer(row) == row->least);
    snprintf(line, sizeof line, "%s --%s=%lld", name, row->name, (long long)row->greatest);
    test_ok(parse(line), &error);
    assert_true(field_integer(row) == row->greatest);
    if (row->greatest < INT64_MAX) {
        snprintf(line, sizeof line, "%s --%s=%lld", name, row->name, (long long)row->greatest + 1);
        expect_usage(line, "expected a whole number from");
    }
    snprintf(line, sizeof line, "%s --%s=%lld", name, row->name, (long long)row->least - 1);
    expect_usage(line, "expected a whole number from");
    static const char *const wrong[] = {"x", "1.5", "''", "12x", "99999999999999999999", "1e3", "+5"};
    for (size_t i = 0; i < sizeof wrong / sizeof wrong[0]; i++) {
        char part[128];
        snprintf(line, sizeof line, "%s --%s %s", name, row->name, wrong[i]);
        snprintf(part, sizeof part, "found \"%s\"", strcmp(wrong[i], "''") == 0 ? "" : wrong[i]);
        expect_usage(line, part);
    }
}

static void
check_suffixes(const struct option_row *row, const char *name)
{
    static const char letters[] = "KMGT";
    char line[256];
    int64_t unit = 1024;
    for (int i = 0; i < 4; i++, unit *= 1024) {
        int64_t number = row->least / unit + 3;
        snprintf(line, sizeof line, "%s --%s %lld%c", name, row->name, (long long)number, letters[i]);
        test_ok(parse(line), &error);
        assert_true(field_integer(row) == number * unit);
    }
    static const char *const wrong[] = {"4k", "4KB", "4KM", "K", "4.5G", "9999999T", "9223372036854775807K", "-4G"};
    for (size_t i = 0; i < sizeof wrong / sizeof wrong[0]; i++) {
        snprintf(line, sizeof line, "%s --%s %s", name, row->name, wrong[i]);
        expect_usage(line, " (suffixes K, M, G, T), found ");
    }
}

static void
check_choice(const struct option_row *row, const char *name)
{
    char line[256], words[128], *rest = words;
    int index = 0;
    snprintf(words, sizeof words, "%s", row->value);
    for (char *word; (word = strsep(&rest, "|")) != NULL; index++) {
        snprintf(line, sizeof line, "%s --%s %s", name, row->name, word);
        test_ok(parse(line), &error);
        assert_int_equal(*(const int *)field(row), index);
        /* the default is what an option that is not given means */
        assert_int_equal(strcmp(word, row->initial) == 0, index == 0);
    }
    char beginning[8];
    snprintf(beginning, sizeof beginning, "%.3s", row->value); /* the beginning of a word is none of them */
    const char *const wrong[] = {"none-such", "''", "|", row->value, beginning};
    for (size_t i = 0; i < sizeof wrong / sizeof wrong[0]; i++) {
        char part[256];
        snprintf(line, sizeof line, "%s --%s %s", name, row->name, wrong[i]);
        snprintf(part, sizeof part, "--%s: expected %s, found \"%s\"", row->name, row->value,
                 strcmp(wrong[i], "''") == 0 ? "" : wrong[i]);
        expect_usage(line, part);
    }
}

static void
check_list(const struct option_row *row, const char *name)
{
    char line[1024];
    int used = snprintf(line, sizeof line, "%s", name);
    for (int i = 0; i < row->greatest; i++)
        used += snprintf(line + used, sizeof line - (size_t)used, " --%s v%d=%d", row->name, i, i);
    test_ok(parse(line), &error);
    assert_int_equal(options.parameter_count, row->greatest);
    const char *const *values = field(row);
    for (int i = 0; i < row->greatest; i++) {
        char expected[32];
        snprintf(expected, sizeof expected, "v%d=%d", i, i);
        assert_string_equal(values[i], expected);
    }
    assert_null(values[row->greatest]);
    snprintf(line + used, sizeof line - (size_t)used, " --%s one=more", row->name);
    char part[64];
    snprintf(part, sizeof part, "--%s: given more than %d times", row->name, (int)row->greatest);
    expect_usage(line, part);
}

static void
check_text(const struct option_row *row, const char *name)
{
    char line[256], part[128];
    snprintf(line, sizeof line, "%s --%s some/text.h5", name, row->name);
    test_ok(parse(line), &error);
    const char *value;
    memcpy(&value, field(row), sizeof value);
    assert_string_equal(value, "some/text.h5");
    snprintf(line, sizeof line, "%s --%s ''", name, row->name);
    snprintf(part, sizeof part, "--%s: expected %s, found nothing", row->name, row->value);
    expect_usage(line, part);
}

static void
check_flag(const struct option_row *row, const char *name)
{
    char line[256];
    test_ok(parse(name), &error);
    assert_false(*(const bool *)field(row));
    snprintf(line, sizeof line, "%s --%s", name, row->name);
    test_ok(parse(line), &error);
    assert_true(*(const bool *)field(row));
    snprintf(line, sizeof line, "%s --%s=yes", name, row->name);
    expect_usage(line, "takes no value");
}

static void
check_row(const struct option_row *row, const char *name)
{
    switch (row->kind) {
    case OPTION_FLAG:
        check_flag(row, name);
        break;
    case OPTION_SIZE:
        check_suffixes(row, name);
        check_integer(row, name);
        break;
    case OPTION_INTEGER:
        check_integer(row, name);
        break;
    case OPTION_TEXT:
        check_text(row, name);
        break;
    case OPTION_LIST:
        check_list(row, name);
        break;
    case OPTION_CHOICE:
        check_choice(row, name);
        break;
    }
}

/* Whether a name is short for an option of a command, as --layout is for a sweep's --layouts. */
static bool
is_abbreviation(const struct option_row *rows, int count, const char *name, enum command command)
{
    for (int i = 0; i < count; i++)
        if ((rows[i].commands & command) && strncmp(rows[i].name, name, strlen(name)) == 0)
            return true;
    return false;
}

static void
every_option_takes_its_values_and_no_others(void **state)
{
    int count;
    const struct option_row *rows = options_table(&count);
    (void)state;
    for (size_t c = 0; c < COMMANDS; c++)
        for (int i = 0; i < count; i++) {
            char line[64];
            if (rows[i].commands & commands[c]) {
                check_row(&rows[i], command_names[c]);
                continue;
            }
            if (is_abbreviation(rows, count, rows[i].name, commands[c]))
                continue;
            snprintf(line, sizeof line, "%s --%s%s", command_names[c], rows[i].name, rows[i].value ? " 1" : "");
            expect_usage(line, "has no option");
        }
}

static void
letters_are_the_same_options(void **state)
{
    (void)state;
    test_ok(parse("run matmul a b -o out.h5 -n 12 -p tol=1 -l 4x2:1 -m 3G"), &error);
    assert_string_equal(options.output, "out.h5");
    assert_int_equal(options.count, 12);
    assert_int_equal(options.parameter_count, 1);
    assert_string_equal(options.parameters[0], "tol=1");
    assert_string_equal(options.layout, "4x2:1");
    assert_true(options.memory == INT64_C(3) << 30);
    test_ok(parse("run -h"), &error);
    assert_true(options.help);
    test_ok(parse("make -V"), &error);
    assert_true(options.version);
}

/* ---- the whole line ---- */

static void
what_is_not_given_is_zero(void **state)
{
    (void)state;
    test_ok(parse("run"), &error);
    assert_int_equal(options.command, COMMAND_RUN);
    assert_int_equal(options.operand_count, 0);
    assert_null(options.output);
    assert_null(options.layout);
    assert_null(options.parameters[0]);
    assert_int_equal(options.count, 0);
    assert_true(options.seed == 0);
    assert_int_equal(options.memory, 0);
    assert_int_equal(options.order, ORDER_LONGEST);
    assert_int_equal(options.progress, PROGRESS_AUTO);
    assert_false(options.overwrite || options.dry_run || options.help || options.version);
}

static void
operands_keep_their_order_among_options(void **state)
{
    static const char *const line[] = {"sheaf", "run", "matmul", "a.h5:/a", "-n", "3", "b.h5:/b", "--", "-odd"};
    (void)state;
    test_ok(parse("run matmul a.h5:/a -n 3 b.h5:/b -- -odd"), &error);
    assert_int_equal(options.operand_count, 4);
    assert_string_equal(options.operands[0], "matmul");
    assert_string_equal(options.operands[1], "a.h5:/a");
    assert_string_equal(options.operands[2], "b.h5:/b");
    assert_string_equal(options.operands[3], "-odd");
    assert_int_equal(options.count, 3);
    /* the command line is kept as it was given */
    assert_int_equal(options.argument_count, 9);
    for (int i = 0; i < 9; i++)
        assert_string_equal(options.arguments[i], line[i]);
}

static void
commands_are_known(void **state)
{
    (void)state;
    for (size_t c = 0; c < COMMANDS; c++) {
        test_ok(parse(command_names[c]), &error);
        assert_int_equal(options.command, commands[c]);
    }
    expect_usage("rum", "no command \"rum\"; did you mean run? (sheaf --help lists all)");
    expect_usage("compute",
                 "no command \"compute\"; there are run, sweep, make, info, verify, resume and status (sheaf --help)");
    expect_usage("-x", "no command \"-x\"");
    expect_usage("''", "no command \"\"");
}

static void
help_and_version_need_no_command(void **state)
{
    static const char *const helps[] = {"", "--help", "-h", "help"}, *const versions[] = {"--version", "-V"};
    (void)state;
    for (size_t i = 0; i < 4; i++) {
        test_ok(parse(helps[i]), &error);
        assert_true(options.help && !options.version);
        assert_int_equal(options.command, COMMAND_NONE);
    }
    for (size_t i = 0; i < 2; i++) {
        test_ok(parse(versions[i]), &error);
        assert_true(options.version && !options.help);
    }
}

static void
unknown_options_are_refused(void **state)
{
    (void)state;
    expect_usage("run --no-such-option", "sheaf run has no option --no-such-option; sheaf run --help lists them");
    expect_usage("run -x", "sheaf run has no option -x");
    expect_usage("run --cuont=3",
                 "sheaf run has no option --cuont=3; did you mean --count? (sheaf run --help lists all)");
    expect_usage("make f.h5 --count", "--count: expected TASKS, found nothing"); /* without its value */
    expect_usage("run --o x", "has no option --o");                              /* --output, --overwrite, --order */
    expect_usage("info --count 3", "sheaf info has no option --count");
}

static void
too_many_arguments_are_refused(void **state)
{
    enum { MANY = 4096 };
    static char *arguments[MANY + 1];
    static char program[] = "sheaf", command[] = "run", word[] = "x";
    (void)state;
    for (int i = 0; i < MANY; i++)
        arguments[i] = i == 0 ? program : i == 1 ? command : word;
    test_error(options_parse(MANY, arguments, &options, &error), SHEAF_USAGE, &error,
               "more than 4095 arguments; use a wildcard in quotes, or a list file");
    arguments[MANY - 1] = NULL;
    test_ok(options_parse(MANY - 1, arguments, &options, &error), &error);
    assert_int_equal(options.operand_count, MANY - 3);
}

/* What a sweep is told can be told a run, word for word, but where its own results go. */
static void
a_command_line_can_be_repeated_with_another_command(void **state)
{
    static const struct {
        const char *given, *expected;
    } cases[] = {
        {"sweep inv a.h5:/x", "sheaf run inv a.h5:/x"},
        {"sweep norm b.h5:/* -p ord=fro -p axis=1 -n 7 --layouts 1x1 --seconds 5 -o s.h5 --csv c --overwrite",
         "sheaf run norm 'b.h5:/*' --count 7 --param ord=fro --param axis=1"},
        {"sweep inv it's.h5:/x --as c64 --check-finite --memory 4M --seed 0 --pair order",
         "sheaf run inv 'it'\\''s.h5:/x' --as c64 --pair order --check-finite --memory 4194304"},
        {"run inv x -o y.h5 --layout 2x2", "sheaf run inv x"},
    };
    (void)state;
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        char text[512];
        test_ok(parse(cases[i].given), &error);
        options_format(&options, COMMAND_RUN, text, sizeof text);
        assert_string_equal(text, cases[i].expected);
    }
}

/* Options that change results, and no others, tell two commands apart; they are written as they would be given. */
static void
differences_are_found(void **state)
{
    static const struct {
        const char *first, *second, *expected[2];
    } cases[] = {
        {"run inv a -o b --layout 1x1 --memory 1G --progress log --order reverse -k a.so",
         "run inv a -o c -k b.so",
         {NULL}},
        {"run inv a -o b --seed 0", "run inv a -o b --resume", {NULL}},
        {"run inv a -o b --seed 3", "run inv a -o b", {"--seed 3", "--seed 0"}},
        {"run inv a -o b", "run inv a -o b -n 7", {"no --count", "--count 7"}},
        {"run inv a -o b --as f32", "run inv a -o b", {"--as f32", "--as auto"}},
        {"run inv a -o b --outputs u,s", "run inv a -o b --outputs s,u", {"--outputs u,s", "--outputs s,u"}},
        {"run inv a -o b --outputs u,s", "run inv a -o b", {"--outputs u,s", "no --outputs"}},
        {"run inv a -o b", "run inv a -o b --check-finite", {"no --check-finite", "--check-finite"}},
    };
    char text[OPTIONS_VALUE_TEXT];
    (void)state;
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        test_ok(parse(cases[i].first), &error);
        struct options first = options;
        char *outputs = first.outputs ? strdup(first.outputs) : NULL; /* words live until the next call */
        first.outputs = outputs;
        options.words = NULL;
        test_ok(parse(cases[i].second), &error);
        const struct option_row *row = options_find_difference(&first, &options);
        assert_true(!row == !cases[i].expected[0]);
        if (row) {
            assert_string_equal(options_format_value(row, &first, text), cases[i].expected[0]);
            assert_string_equal(options_format_value(row, &options, text), cases[i].expected[1]);
        }
        free(outputs);
        options_free(&first);
    }
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(the_table_is_sound),
        cmocka_unit_test(help_lists_each_option_of_a_command_and_no_other),
        cmocka_unit_test(help_without_a_command_lists_the_commands),
        cmocka_unit_test(every_option_takes_its_values_and_no_others),
        cmocka_unit_test(letters_are_the_same_options),
        cmocka_unit_test(what_is_not_given_is_zero),
        cmocka_unit_test(operands_keep_their_order_among_options),
        cmocka_unit_test(commands_are_known),
        cmocka_unit_test(a_command_line_can_be_repeated_with_another_command),
        cmocka_unit_test(help_and_version_need_no_command),
        cmocka_unit_test(unknown_options_are_refused),
        cmocka_unit_test(too_many_arguments_are_refused),
        cmocka_unit_test(differences_are_found),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
