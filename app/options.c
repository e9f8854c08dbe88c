#include "options.h"
#include "nearest.h"
#include "number.h"

#include <argp.h>
#include <errno.h>
#include <stddef.h>
#include <stdlib.h>
#include <string.h>

enum {
    OPTIONS_MAX = 64,
    KEY_BASE = 1000,
    COMMAND_ALL =
        COMMAND_RUN | COMMAND_MAKE | COMMAND_INFO | COMMAND_VERIFY | COMMAND_STATUS | COMMAND_SWEEP | COMMAND_RESUME,
    COMMAND_RUNS = COMMAND_RUN | COMMAND_SWEEP, /**< they take a kernel and its operands */
};

#define FIELD(name) offsetof(struct options, name)

static const struct option_row table[] = {
    {"output", 'o', OPTION_TEXT, COMMAND_RUNS, "FILE.h5", 0, 0, NULL, false, FIELD(output),
     "file to create: the results; of a sweep its table and times, from which a sweep that was interrupted goes on "
     "when it "
     "is started again with the same arguments"},
    {"layouts", 0, OPTION_TEXT, COMMAND_SWEEP, "RxT[:W],...", 0, 0, NULL, false, FIELD(layouts),
     "compare these; default: all that use the node's cores"},
    {"oversubscribe", 0, OPTION_FLAG, COMMAND_SWEEP, NULL, 0, 0, NULL, false, FIELD(oversubscribe),
     "compare layouts with more threads than cores too, to see what they cost"},
    {"nodes", 0, OPTION_FLAG, COMMAND_SWEEP, NULL, 0, 0, NULL, false, FIELD(each_node_count),
     "compare each layout on one node, on two, ... on all"},
    {"seconds", 0, OPTION_INTEGER, COMMAND_SWEEP, "SECONDS", 1, 1000000, "60", false, FIELD(seconds),
     "what the sweep may take: it sizes the sample of tasks, then bounds the number of rounds"},
    {"scratch", 0, OPTION_TEXT, COMMAND_SWEEP | COMMAND_VERIFY, "DIR", 0, 0, NULL, false, FIELD(scratch),
     "where results are written to while it measures, which nobody keeps; default: beside -o, or here"},
    {"csv", 0, OPTION_TEXT, COMMAND_SWEEP, "FILE", 0, 0, NULL, false, FIELD(csv), "the table as CSV"},
    {"json", 0, OPTION_TEXT, COMMAND_SWEEP, "FILE", 0, 0, NULL, false, FIELD(json), "the table as JSON"},
    {"count", 'n', OPTION_INTEGER, COMMAND_RUNS | COMMAND_MAKE, "TASKS", 1, INT64_C(1) << 40, NULL, true, FIELD(count),
     "number of tasks, where no dataset gives it"},
    {"seed", 0, OPTION_INTEGER, COMMAND_RUNS | COMMAND_MAKE | COMMAND_VERIFY, "NUMBER", 0, INT64_MAX, "0", true,
     FIELD(seed), "seed of the generated operands; of verify, of the sample"},
    {"param", 'p', OPTION_LIST, COMMAND_RUNS, "NAME=VALUE", 0, OPTIONS_PARAMETERS_MAX, NULL, true, FIELD(parameters),
     "a parameter of the kernel (sheaf info KERNEL lists them)"},
    {"kernel", 'k', OPTION_TEXT, COMMAND_RUNS | COMMAND_INFO, "FILE.so", 0, 0, NULL, true, FIELD(plugin),
     "a shared object with kernels of your own (sheaf/kernel.h); KERNEL may then name one of them"},
    {"as", 0, OPTION_CHOICE, COMMAND_RUNS, "auto|f32|f64|c64|c128", 0, 0, "auto", true, FIELD(as),
     "type that all operands are read as, whatever they are stored as; auto: their own where the kernel takes it, else "
     "the "
     "next one that it takes; operands of several types get their common one, as in NumPy"},
    {"pair", 0, OPTION_CHOICE, COMMAND_RUNS, "name|order", 0, 0, "name", true, FIELD(pair),
     "how sets of datasets go together: by the text that their wildcards matched (two lists: line by line), or by "
     "position"},
    {"allow-external", 0, OPTION_FLAG, COMMAND_RUNS | COMMAND_RESUME, NULL, 0, 0, NULL, false, FIELD(allow_external),
     "follow HDF5 files to other files: external links, external storage, virtual datasets. A file of a stranger can "
     "so name "
     "any file that you may read"},
    {"allow-filters", 0, OPTION_FLAG, COMMAND_RUNS | COMMAND_RESUME, NULL, 0, 0, NULL, false, FIELD(allow_filters),
     "let the HDF5 library load filter plugins (HDF5_PLUGIN_PATH), which are code"},
    {"outputs", 0, OPTION_TEXT, COMMAND_RUNS, "NAME,...", 0, 0, NULL, true, FIELD(outputs),
     "write only these of the kernel's outputs (sheaf info KERNEL names them)"},
    {"check-finite", 0, OPTION_FLAG, COMMAND_RUNS, NULL, 0, 0, NULL, true, FIELD(check_finite),
     "tasks with NaN or infinity in their input fail, whatever the kernel would make of it"},
    {"layout", 'l', OPTION_TEXT, COMMAND_RUN | COMMAND_MAKE | COMMAND_RESUME, "auto|RxT[:W]", 0, 0, "auto", false,
     FIELD(layout),
     "R ranks per node with T cores each, W cores per task (1 or T); auto: all cores, each its own tasks, and the last "
     "ones, or few, on several cores where that ends sooner"},
    {"reproducible", 0, OPTION_FLAG, COMMAND_RUN, NULL, 0, 0, NULL, true, FIELD(reproducible),
     "compute every task on one core, so that not even the last bits depend on ranks, cores, memory or timing"},
    {"strict", 0, OPTION_FLAG, COMMAND_RUNS | COMMAND_MAKE | COMMAND_RESUME, NULL, 0, 0, NULL, false, FIELD(strict),
     "refuse to start (exit 71) where cores, layout, BLAS or other programs on a node are not as they should be, "
     "instead "
     "of warning"},
    {"memory", 'm', OPTION_SIZE, COMMAND_RUNS | COMMAND_MAKE | COMMAND_RESUME, "BYTES", 1 << 20, INT64_MAX, NULL, false,
     FIELD(memory), "memory that Sheaf may use on each node, with suffix K, M, G or T; default: most of what is free"},
    {"overwrite", 0, OPTION_FLAG, COMMAND_RUNS | COMMAND_MAKE, NULL, 0, 0, NULL, false, FIELD(overwrite),
     "replace the output where it exists"},
    {"take-over", 0, OPTION_FLAG, COMMAND_RUN | COMMAND_MAKE | COMMAND_RESUME, NULL, 0, 0, NULL, false,
     FIELD(take_over),
     "write the output though another run, which cannot be seen from here, holds its lock: only where you know that it "
     "has ended"},
    {"resume", 0, OPTION_FLAG, COMMAND_RUN | COMMAND_MAKE, NULL, 0, 0, NULL, false, FIELD(resume),
     "go on with the output where it exists: what is done stays, the rest is computed; else begin it. Inputs and "
     "options "
     "that change results have to be those that it was begun with"},
    {"retry-failed", 0, OPTION_FLAG, COMMAND_RUN | COMMAND_RESUME, NULL, 0, 0, NULL, false, FIELD(retry_failed),
     "of what is done, compute failed tasks again"},
    {"verify", 0, OPTION_FLAG, COMMAND_RUN | COMMAND_MAKE | COMMAND_RESUME, NULL, 0, 0, NULL, false, FIELD(verify),
     "read all results that are done again, not only those committed after the last sync, and compute again those that "
     "do not "
     "match their checksum"},
    {"recompute", 0, OPTION_TEXT, COMMAND_VERIFY, "PERCENT%", 0, 0, NULL, false, FIELD(recompute),
     "also compute this share of the tasks again, as a sample of chunks, each task on one core, and compare: bit for "
     "bit "
     "where "
     "that is how they were computed"},
    {"dry-run", 0, OPTION_FLAG, COMMAND_RUN | COMMAND_RESUME, NULL, 0, 0, NULL, false, FIELD(dry_run),
     "say what would be computed, its size and an estimate of its time; compute nothing"},
    {"order", 0, OPTION_CHOICE, COMMAND_RUN | COMMAND_RESUME, "longest|reverse", 0, 0, "longest", false, FIELD(order),
     "order in which chunks are handed out; never changes results"},
    {"sync", 0, OPTION_CHOICE, COMMAND_RUN | COMMAND_MAKE | COMMAND_RESUME, "group|each|end", 0, 0, "group", false,
     FIELD(sync),
     "when committed results are forced to the disk: at most 5 s or 1 GiB after they were committed; at once; or at "
     "the end. "
     "A killed program loses none of them in any case, a power failure what was not forced there"},
    {"task-timeout", 0, OPTION_INTEGER, COMMAND_RUN | COMMAND_RESUME, "SECONDS", 1, 1000000000, NULL, false,
     FIELD(task_timeout_seconds),
     "a task that takes longer to compute ends the run, with exit code 75. A run that goes on tries it again, alone "
     "and last. Short tasks are computed many at once: for them this is the limit of all together, and they are tried "
     "again one by one. What the HDF5 library or a filter unpacks has the same limit, the input of a chunk of tasks at "
     "once"},
    {"attempts", 0, OPTION_INTEGER, COMMAND_RUN | COMMAND_RESUME, "NUMBER", 1, 1000, "2", false, FIELD(attempts),
     "for a run that goes on: a task that so often has killed its process (a crash in a kernel or in what unpacks its "
     "input, memory that ran out), or took too long, is quarantined: it counts as failed, and the rest is computed"},
    {"progress", 0, OPTION_CHOICE, COMMAND_RUN | COMMAND_MAKE | COMMAND_RESUME, "auto|line|log|none", 0, 0, "auto",
     false, FIELD(progress), "how progress is shown: one line that changes, or plain lines in a log"},
    {"grace", 0, OPTION_INTEGER, COMMAND_RUN | COMMAND_MAKE | COMMAND_RESUME, "SECONDS", 1, 1000000, "25", false,
     FIELD(grace_seconds),
     "after SIGUSR1, SIGTERM or SIGINT, what is being computed is finished and committed if that takes no longer; "
     "nothing "
     "new is started, and the run ends with exit code 75. A second signal waits no more. (Slurm kills 30 s after "
     "SIGTERM)"},
    {"time-limit", 0, OPTION_INTEGER, COMMAND_RUN | COMMAND_MAKE | COMMAND_RESUME, "SECONDS", 1, INT64_C(1) << 31, NULL,
     false, FIELD(time_limit_seconds),
     "the run ends within this time: what is predicted not to be done by then is not started, and is left for a run "
     "that "
     "goes on. In a Slurm job its end is known anyway"},
    {"exit-code", 0, OPTION_FLAG, COMMAND_STATUS, NULL, 0, 0, NULL, false, FIELD(exit_code),
     "answer by the exit code too: 0 all tasks done, 1 all done but some failed, 75 not all done"},
    {"json", 0, OPTION_FLAG, COMMAND_STATUS, NULL, 0, 0, NULL, false, FIELD(as_json),
     "the same as one JSON object (README.md says what is in it)"},
    {"help", 'h', OPTION_FLAG, COMMAND_ALL, NULL, 0, 0, NULL, false, FIELD(help), "this text"},
    {"version", 'V', OPTION_FLAG, COMMAND_ALL, NULL, 0, 0, NULL, false, FIELD(version), "Sheaf's version"},
};

enum { ROWS = sizeof table / sizeof table[0] };

/** What a command is called, what it takes, and what it does. */
static const struct command_text {
    enum command command;
    const char *name, *arguments, *text;
} commands[] = {
    {COMMAND_RUN, "run", "KERNEL OPERAND...",
     "Compute a kernel for every task and write the results to a new HDF5 file.\v"
     "An operand is FILE.h5:/path (the last axes are a matrix, those before them count tasks; a single matrix is "
     "shared "
     "by all tasks), FILE.h5:/path[first:end:step] or [entry] (some of its tasks, by Python's rules), many datasets or "
     "files, one a task: 'FILE.h5:/beams/*/data', 'survey/*.h5:/data', @LIST with a FILE.h5:/path a line (their shapes "
     "may "
     "differ), or generated: random:2000x2000, normal:, ones:, zeros:, range:, with :f32|f64|c64|c128 and :shared at "
     "its "
     "end. Axes that count tasks go together by NumPy's broadcasting rule: (100, 1) and (20) make 100 x 20 tasks.\n\n"
     "  mpirun -n 8 sheaf run matmul beams.h5:/a beams.h5:/b -o products.h5\n"
     "  sheaf run svd 'survey/*.h5:/beams/*/data' -o spectra.h5\n"
     "  sheaf run inv random:100x100:f32 --count 1000 -o inverses.h5"},
    {COMMAND_SWEEP, "sweep", "KERNEL OPERAND...",
     "Compare layouts, ranks x threads, on a sample of the tasks, and say which is best.\v"
     "Operands are those of sheaf run. Every layout computes the same sample of the real tasks, reading and writing as "
     "a "
     "run does, in rounds: each layout once a round, the order turned about, so that a machine that becomes slower "
     "harms all alike. Layouts that the rounds cannot tell from the best one (Wilcoxon's signed-rank test, 1 in 20) "
     "are "
     "marked. Start as many ranks as the largest layout needs; smaller ones park the rest.\n\n"
     "  mpirun -n 8 sheaf sweep matmul beams.h5:/a beams.h5:/b -o sweep.h5\n"
     "  mpirun -n 4 sheaf sweep svd random:500x500 --count 1000 --layouts 1x4:1,1x4:4,2x2,4x1 --seconds 30"},
    {COMMAND_MAKE, "make", "FILE.h5 NAME=OPERAND...",
     "Make an HDF5 file with generated operands.\v"
     "  sheaf make beams.h5 a=random:2000x2000 b=random:2000x2000 --count 100"},
    {COMMAND_INFO, "info", "[FILE.h5|KERNEL]",
     "Show the kernels and this node; or one kernel; or what a results file holds.\v"
     "  sheaf info\n  sheaf info matmul\n  sheaf info products.h5"},
    {COMMAND_VERIFY, "verify", "FILE.h5",
     "Read all that is committed to a results file again, and compare it with its checksums.\v"
     "Names each chunk and its tasks whose record, results, status or info are not as they were committed, and exits "
     "with "
     "1. "
     "Tasks that are not committed yet are counted only: a run may be writing the file. Outputs that sheaf make wrote "
     "as "
     "shared have no checksum.\n\n"
     "  sheaf verify products.h5\n  mpirun -n 4 sheaf verify --recompute 1% products.h5"},
    {COMMAND_RESUME, "resume", "FILE.h5",
     "Go on with a results file: compute what is not done yet.\v"
     "Kernel, operands and options are those of the command that it was begun with, and paths in it count from the "
     "directory "
     "that this was given in. Any number of ranks, any layout, any hosts.\n\n"
     "  mpirun -n 8 sheaf resume products.h5\n  sheaf resume --retry-failed products.h5"},
    {COMMAND_STATUS, "status", "FILE.h5",
     "Show how far a results file is: tasks done, failed and left, who runs it, how long it will take.\v"
     "Reads only: a run may be writing the file, on any host. A run that was killed is known as such on the host that "
     "it "
     "was started on.\n\n"
     "  sheaf status products.h5\n  sheaf status --exit-code products.h5 || echo not done"},
};

enum { COMMANDS = sizeof commands / sizeof commands[0] };

const struct option_row *
options_table(int *count)
{
    *count = ROWS;
    return table;
}

/** The rows of a command as argp wants them; the key is the letter, or the row's number. */
static void
fill_argp_options(enum command command, struct argp_option options[OPTIONS_MAX], char texts[ROWS][512])
{
    int n = 0;
    memset(options, 0, OPTIONS_MAX * sizeof options[0]);
    for (int i = 0; i < ROWS; i++) {
        const struct option_row *row = &table[i];
        if (!(row->commands & command))
            continue;
        snprintf(texts[i], sizeof texts[i], "%s%s%s%s", row->text, row->initial ? " (default: " : "",
                 row->initial ? row->initial : "", row->initial ? ")" : "");
        options[n].name = row->name;
        options[n].key = row->letter ? row->letter : KEY_BASE + i;
        options[n].arg = row->value;
        options[n].doc = texts[i];
        n++;
    }
}

static bool
parse_integer(const char *text, bool suffixes, int64_t *value)
{
    static const char letters[] = "KMGT";
    const char *end;
    int64_t number;
    if (!number_parse(text, &number, &end))
        return false;
    const char *letter = suffixes && *end ? strchr(letters, *end) : NULL;
    for (const char *l = letters; letter && l <= letter; l++)
        if (__builtin_mul_overflow(number, 1024, &number))
            return false;
    *value = number;
    return end[letter ? 1 : 0] == '\0';
}

/** The index of a word in "a|b|c", -1 where it is none of them. */
static int
find_choice(const char *choices, const char *word)
{
    size_t length = strlen(word);
    int index = 0;
    for (const char *at = choices; at; index++) {
        const char *end = strchrnul(at, '|');
        if ((size_t)(end - at) == length && strncmp(at, word, length) == 0)
            return index;
        at = *end ? end + 1 : NULL;
    }
    return -1;
}

static enum sheaf_status
store_list_value(const struct option_row *row, const char *value, struct options *options, struct sheaf_error *error)
{
    if (options->parameter_count == row->greatest)
        return sheaf_fail(error, SHEAF_USAGE, "--%s: given more than %lld times", row->name, (long long)row->greatest);
    options->parameters[options->parameter_count++] = value;
    return SHEAF_OK;
}

static enum sheaf_status
store_value(const struct option_row *row, const char *value, struct options *options, struct sheaf_error *error)
{
    char *field = (char *)options + row->offset;
    int64_t number;
    switch (row->kind) {
    case OPTION_FLAG:
        *(bool *)field = true;
        return SHEAF_OK;
    case OPTION_TEXT:
        if (!*value)
            return sheaf_fail(error, SHEAF_USAGE, "--%s: expected %s, found nothing", row->name, row->value);
        memcpy(field, &value, sizeof value);
        return SHEAF_OK;
    case OPTION_LIST:
        return store_list_value(row, value, options, error);
    case OPTION_CHOICE:
        *(int *)field = find_choice(row->value, value);
        if (*(int *)field < 0)
            return sheaf_fail(error, SHEAF_USAGE, "--%s: expected %s, found \"%s\"", row->name, row->value, value);
        return SHEAF_OK;
    case OPTION_INTEGER:
    case OPTION_SIZE:
        if (!parse_integer(value, row->kind == OPTION_SIZE, &number) || number < row->least || number > row->greatest)
            return sheaf_fail(error, SHEAF_USAGE, "--%s: expected a whole number from %lld to %lld%s, found \"%s\"",
                              row->name, (long long)row->least, (long long)row->greatest,
                              row->kind == OPTION_SIZE ? " (suffixes K, M, G, T)" : "", value);
        memcpy(field, &number, sizeof number);
        return SHEAF_OK;
    }
    return sheaf_fail(error, SHEAF_INTERNAL, "--%s: of no kind", row->name);
}

/** What argp's callback works on. */
struct parsing {
    struct options *options;
    struct sheaf_error *error;
    enum sheaf_status status;
};

static error_t
take_option(int key, char *value, struct argp_state *state)
{
    struct parsing *parsing = state->input;
    struct options *options = parsing->options;
    if (key == ARGP_KEY_ARG) {
        options->operands[options->operand_count++] = value;
        return 0;
    }
    for (int i = 0; i < ROWS; i++) {
        const struct option_row *row = &table[i];
        if (!(row->commands & options->command) || key != (row->letter ? row->letter : KEY_BASE + i))
            continue;
        parsing->status = store_value(row, value, options, parsing->error);
        return parsing->status == SHEAF_OK ? 0 : EINVAL;
    }
    return ARGP_ERR_UNKNOWN;
}

static const struct command_text *
find_command(const char *name)
{
    for (int i = 0; i < COMMANDS; i++)
        if (strcmp(commands[i].name, name) == 0)
            return &commands[i];
    return NULL;
}

/** What stands before or instead of a command. */
static enum sheaf_status
parse_without_command(const char *word, struct options *options, struct sheaf_error *error)
{
    options->help = !word || strcmp(word, "--help") == 0 || strcmp(word, "-h") == 0 || strcmp(word, "help") == 0;
    options->version = word && (strcmp(word, "--version") == 0 || strcmp(word, "-V") == 0);
    if (options->help || options->version)
        return SHEAF_OK;
    struct nearest nearest = {.word = word};
    char names[128] = "";
    for (int i = 0; i < COMMANDS; i++)
        nearest_offer(&nearest, commands[i].name);
    if (nearest.name)
        return sheaf_fail(error, SHEAF_USAGE, "no command \"%s\"; did you mean %s? (sheaf --help lists all)", word,
                          nearest.name);
    for (int i = 0, used = 0; i < COMMANDS; i++)
        used += snprintf(names + used, sizeof names - (size_t)used, "%s%s",
                         i == 0             ? ""
                         : i < COMMANDS - 1 ? ", "
                                            : " and ",
                         commands[i].name);
    return sheaf_fail(error, SHEAF_USAGE, "no command \"%s\"; there are %s (sheaf --help)", word, names);
}

/** The row that an argument like "--count=3", "--cou" or "-n3" names; *value is what follows in the same argument. */
static const struct option_row *
find_row(enum command command, const char *argument, const char **value)
{
    const struct option_row *found = NULL;
    bool wide = argument[1] == '-';
    size_t length = wide ? strcspn(argument + 2, "=") : 1;
    *value = wide ? (argument[2 + length] ? argument + 3 + length : NULL) : argument[2] ? argument + 2 : NULL;
    for (int i = 0; i < ROWS; i++) {
        const struct option_row *row = &table[i];
        if (!(row->commands & command))
            continue;
        if (!wide && row->letter == argument[1])
            return row;
        if (!wide || strncmp(row->name, argument + 2, length) != 0)
            continue;
        if (strlen(row->name) == length)
            return row;
        if (found)
            return NULL; // short for two of them
        found = row;
    }
    return found;
}

/** An option like --cuont=3 that the command does not have. */
static enum sheaf_status
refuse_option(const struct command_text *command, const char *argument, struct sheaf_error *error)
{
    char word[NEAREST_LONGEST + 2] = "";
    struct nearest nearest = {.word = word};
    if (argument[1] == '-')
        snprintf(word, sizeof word, "%.*s", (int)strcspn(argument + 2, "="), argument + 2);
    for (int i = 0; i < ROWS; i++)
        if (table[i].commands & command->command)
            nearest_offer(&nearest, table[i].name);
    if (nearest.name)
        return sheaf_fail(error, SHEAF_USAGE,
                          "sheaf %s has no option %s; did you mean --%s? (sheaf %s --help lists all)", command->name,
                          argument, nearest.name, command->name);
    return sheaf_fail(error, SHEAF_USAGE, "sheaf %s has no option %s; sheaf %s --help lists them", command->name,
                      argument, command->name);
}

/** argp says what is wrong on stderr, on every rank, in its own words: so that it finds nothing wrong. */
static enum sheaf_status
check_options(const struct command_text *command, int argument_count, char **arguments, struct sheaf_error *error)
{
    for (int i = 2; i < argument_count && strcmp(arguments[i], "--") != 0; i++) {
        const char *value;
        if (arguments[i][0] != '-' || !arguments[i][1])
            continue;
        const struct option_row *row = find_row(command->command, arguments[i], &value);
        if (!row)
            return refuse_option(command, arguments[i], error);
        if (row->kind == OPTION_FLAG) {
            if (value)
                return sheaf_fail(error, SHEAF_USAGE, "%s: --%s takes no value", arguments[i], row->name);
            continue;
        }
        if (!value && ++i == argument_count)
            return sheaf_fail(error, SHEAF_USAGE, "--%s: expected %s, found nothing", row->name, row->value);
    }
    return SHEAF_OK;
}

enum sheaf_status
options_parse(int argument_count, char **arguments, struct options *options, struct sheaf_error *error)
{
    memset(options, 0, sizeof *options);
    options->argument_count = argument_count;
    options->arguments = arguments;
    const char *word = argument_count > 1 ? arguments[1] : NULL;
    const struct command_text *command = word ? find_command(word) : NULL;
    if (!command)
        return parse_without_command(word, options, error);
    options->command = command->command;
    enum sheaf_status status = check_options(command, argument_count, arguments, error);
    if (status)
        return status;

    // argp reorders what it parses: the command line that is kept, and the operands, are copies of the pointers.
    if (argument_count >= 4096)
        return sheaf_fail(error, SHEAF_USAGE, "more than 4095 arguments; use a wildcard in quotes, or a list file");
    options->words = calloc(2 * (size_t)argument_count + 1, sizeof *options->words);
    if (!options->words)
        return sheaf_fail(error, SHEAF_NO_RESOURCES, "no memory for %d arguments", argument_count);
    memcpy(options->words, arguments, (size_t)argument_count * sizeof arguments[0]);
    options->arguments = options->words;
    options->operands = options->words + argument_count + 1;

    struct argp_option rows[OPTIONS_MAX];
    static char texts[ROWS][512];
    fill_argp_options(command->command, rows, texts);
    struct argp argp = {rows, take_option, command->arguments, command->text, NULL, NULL, NULL};
    struct parsing parsing = {options, error, SHEAF_OK};
    char name[64];
    snprintf(name, sizeof name, "sheaf %s", command->name);
    char *first = arguments[1];
    arguments[1] = name;
    unsigned flags = ARGP_NO_EXIT | ARGP_NO_HELP | ARGP_NO_ERRS;
    error_t failed = argp_parse(&argp, argument_count - 1, arguments + 1, flags, NULL, &parsing);
    arguments[1] = first;
    if (failed && parsing.status == SHEAF_OK)
        return sheaf_fail(error, SHEAF_USAGE, "%s: cannot understand these options (%s --help shows them)", name, name);
    return parsing.status;
}

void
options_free(struct options *options)
{
    free(options->words);
    options->words = options->arguments = options->operands = NULL;
}

const char *
options_command_name(enum command command)
{
    for (int i = 0; i < COMMANDS; i++)
        if (commands[i].command == command)
            return commands[i].name;
    return "";
}

static void
print_program_help(FILE *stream)
{
    fprintf(stream, "Usage: sheaf COMMAND ...   or   mpirun -n RANKS sheaf COMMAND ...\n\n"
                    "One matrix kernel over many independent inputs: spread over MPI ranks, each task computed with a\n"
                    "tunable number of BLAS threads, read from HDF5 and written to HDF5.\n\n");
    for (int i = 0; i < COMMANDS; i++)
        fprintf(stream, "  sheaf %-6s %-24s %.*s\n", commands[i].name, commands[i].arguments,
                (int)strcspn(commands[i].text, "\v"), commands[i].text);
    fprintf(stream, "\n  sheaf COMMAND --help shows its options; sheaf --version the version.\n\n"
                    "Exit codes: 0 every task done, 1 some tasks failed or results are damaged, 64 usage, 65 bad data, "
                    "66 no input,\n"
                    "70 a fault of Sheaf's, 71 not enough memory or --strict, 73 cannot create the output,\n"
                    "74 I/O error, 75 interrupted.\n");
}

void
options_print_help(enum command command, FILE *stream)
{
    for (int i = 0; i < COMMANDS; i++) {
        if (commands[i].command != command)
            continue;
        struct argp_option rows[OPTIONS_MAX];
        static char texts[ROWS][512];
        fill_argp_options(command, rows, texts);
        struct argp argp = {rows, take_option, commands[i].arguments, commands[i].text, NULL, NULL, NULL};
        char name[64];
        snprintf(name, sizeof name, "sheaf %s", commands[i].name);
        argp_help(&argp, stream, ARGP_HELP_STD_HELP & ~(unsigned)ARGP_HELP_EXIT_OK, name);
        return;
    }
    print_program_help(stream);
}
