/**
 * @file options.h
 * The command line. One table (options.c) holds every option: parsing, --help and, later, the manual
 * page and completion come from it.
 */
#ifndef SHEAF_OPTIONS_H
#define SHEAF_OPTIONS_H

#include "sheaf/status.h"
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>

enum command {
    COMMAND_NONE = 0,
    COMMAND_RUN = 1,
    COMMAND_MAKE = 2,
    COMMAND_INFO = 4,
    COMMAND_VERIFY = 8,
    COMMAND_STATUS = 16,
    COMMAND_SWEEP = 32,
    COMMAND_RESUME = 64
};

/** In what order chunks are handed out. */
enum options_order { ORDER_LONGEST = 0, ORDER_REVERSE = 1 };
enum options_pair { PAIR_NAME = 0, PAIR_ORDER = 1 };

/** What type operands are read as. */
enum options_as { AS_AUTO = 0, AS_F32 = 1, AS_F64 = 2, AS_C64 = 3, AS_C128 = 4 };

/** When what was committed is made durable. */
enum options_sync { SYNC_GROUP = 0, SYNC_EACH = 1, SYNC_END = 2 };

/** How progress is shown. */
enum options_progress { PROGRESS_AUTO = 0, PROGRESS_LINE = 1, PROGRESS_LOG = 2, PROGRESS_NONE = 3 };

enum { OPTIONS_PARAMETERS_MAX = 8 };

/** A parsed command line. Texts point into argv. */
struct options {
    enum command command;
    int operand_count;
    char **operands; /**< what stands beside the options: kernel and operands */
    const char *output;
    const char *layout;
    const char *plugin;                                 /**< shared object with a user's own kernels */
    const char *parameters[OPTIONS_PARAMETERS_MAX + 1]; /**< "name=value", ends with NULL */
    int parameter_count;
    int64_t count; /**< tasks; 0: the operands tell */
    uint64_t seed;
    int64_t memory;      /**< bytes a node may use; 0: what is free */
    const char *outputs; /**< names of those to write, separated by commas; NULL: all */
    bool check_finite;
    bool reproducible;
    bool resume, retry_failed, verify;
    const char *recompute; /**< share of the tasks, "1%"; NULL: none */
    bool overwrite, take_over, dry_run, strict, help, version;
    int order; /**< enum options_order */
    int as;    /**< enum options_as */
    int pair;  /**< enum options_pair */
    bool allow_external, allow_filters;
    bool exit_code, as_json;
    int sync;            /**< enum options_sync */
    const char *layouts; /**< of a sweep; NULL: all */
    const char *scratch; /**< directory; NULL: that of the output */
    const char *csv, *json;
    int64_t seconds; /**< of a sweep; 0: the default */
    bool oversubscribe, each_node_count;
    int64_t grace_seconds;        /**< 0: the default */
    int64_t time_limit_seconds;   /**< 0: none */
    int64_t task_timeout_seconds; /**< 0: none */
    int64_t attempts;             /**< 0: the default */
    int progress;                 /**< enum options_progress */
    int argument_count;
    char **arguments; /**< the whole command line, as it was given; ends with NULL */
    char **words;     /**< malloc'ed: where `arguments` and `operands` are */
};

/** What kind of value an option takes. */
enum option_kind {
    OPTION_FLAG,
    OPTION_INTEGER, /**< int64_t within [least, greatest] */
    OPTION_SIZE,    /**< bytes, with suffix K, M, G or T (powers of 1024) */
    OPTION_TEXT,
    OPTION_LIST,   /**< text that may be given several times */
    OPTION_CHOICE, /**< int: index into `choices` ("a|b|c") */
};

/** A row of the option table. */
struct option_row {
    const char *name;
    char letter; /**< short option; 0: none */
    enum option_kind kind;
    unsigned commands; /**< set of enum command */
    const char *value; /**< name of the value in --help, with its unit; for a choice "a|b|c" */
    int64_t least, greatest;
    const char *initial; /**< the default, as --help shows it; NULL: none */
    bool changes_results;
    size_t offset; /**< of the field in struct options */
    const char *text;
};

/** @return the option table; *count rows */
const struct option_row *options_table(int *count);

/** @return "run"; "" for none */
const char *options_command_name(enum command command);

/**
 * Parse a command line. Prints nothing. Texts stay the caller's.
 * @param[out] options  options_free is the caller's, also after a failure
 * @return SHEAF_OK (also for --help and --version: the flags tell), or SHEAF_USAGE with what is wrong
 */
enum sheaf_status options_parse(int argument_count, char **arguments, struct options *options,
                                struct sheaf_error *error);

/** Free what options_parse allocated. */
void options_free(struct options *options);

enum { OPTIONS_VALUE_TEXT = 256 };

/**
 * The first option that changes results and has another value in `b`. Parameters of the kernel are not compared: what they
 * are with their defaults is the kernel's to say; nor are files with kernels, which may lie elsewhere: their content counts.
 * @return NULL: there is none
 */
const struct option_row *options_find_difference(const struct options *a, const struct options *b);

/** "--count 100", "no --count". @return text */
char *options_format_value(const struct option_row *row, const struct options *options, char text[OPTIONS_VALUE_TEXT]);

/**
 * Write a command line that repeats these options and operands, quoted for a shell, with another command: what that one does not
 * take is left out, and so are its output and its layout.
 */
void options_format(const struct options *options, enum command command, char *text, size_t bytes);

/** Print the help of a command; COMMAND_NONE: of the program. */
void options_print_help(enum command command, FILE *stream);

#endif
