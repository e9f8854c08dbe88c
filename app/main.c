/* MPI's start and end, and the command table. */
#include "comm.h"
#include "describe.h"
#include "info.h"
#include "make.h"
#include "number.h"
#include "options.h"
#include "recompute.h"
#include "restart.h"
#include "resume_command.h"
#include "run.h"
#include "status.h"
#include "sweep.h"
#include "threads.h"
#include "verify.h"

#include <signal.h>
#include <stdio.h>
#include <unistd.h>

/** The rank as the launcher tells it, for what is said before MPI starts, or without it; -1 without a launcher. */
static int64_t
launcher_rank(void)
{
    static const char *const names[] = {"OMPI_COMM_WORLD_RANK", "PMIX_RANK", "PMI_RANK", "SLURM_PROCID"};
    for (size_t i = 0; i < sizeof names / sizeof names[0]; i++) {
        int64_t rank = number_from_environment(names[i], -1);
        if (rank >= 0)
            return rank;
    }
    return -1;
}

static int
complain(const struct sheaf_error *error)
{
    if (error->text[0])
        fprintf(stderr, "sheaf: %s\n", error->text);
    return (int)error->status;
}

/** What a command does that one process does alone; NULL for the others. */
static enum sheaf_status (*find_alone(enum command command))(const struct options *, struct sheaf_error *)
{
    static const struct {
        enum command command;
        enum sheaf_status (*run)(const struct options *, struct sheaf_error *);
    } rows[] = {{COMMAND_INFO, info_command}, {COMMAND_VERIFY, verify_command}, {COMMAND_STATUS, status_command}};
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++)
        if (rows[i].command == command)
            return rows[i].run;
    return NULL;
}

/** Before this process makes others: no threads of BLAS that nobody needs, and none that would hold up a fork. */
static enum sheaf_status
prepare_forks(const struct options *options, struct sheaf_error *error)
{
    restart_for_blas(options->arguments);
    return threads_check_start(error);
}

static enum sheaf_status
run_command_alone(const struct options *options, struct sheaf_error *error)
{
    enum sheaf_status status = SHEAF_OK;
    if (options->operand_count > 0) { // a file, most likely
        status = prepare_forks(options, error);
        if (!status)
            describe_begin();
    }
    if (!status)
        status = find_alone(options->command)(options, error);
    describe_end();
    return status;
}

static int
run_alone(const struct options *options)
{
    struct sheaf_error error = {SHEAF_OK, ""};
    int code = SHEAF_OK;
    if (options->version)
        printf("sheaf %s\n", SHEAF_VERSION);
    else if (options->help)
        options_print_help(options->command, stdout);
    else if (run_command_alone(options, &error))
        code = complain(&error);
    return fflush(stdout) == 0 || code ? code : SHEAF_IO_ERROR;
}

/** What a command does that all ranks do together. */
static enum sheaf_status (*find_together(enum command command))(const struct options *, struct comm *,
                                                                struct sheaf_error *)
{
    switch (command) {
    case COMMAND_MAKE:
        return make_command;
    case COMMAND_RESUME:
        return resume_command;
    case COMMAND_SWEEP:
        return sweep_command;
    case COMMAND_VERIFY:
        return recompute_command;
    default:
        return run_command;
    }
}

/** Commands that all ranks do together. */
static int
run_together(const struct options *options, int *argument_count, char ***arguments)
{
    struct sheaf_error error = {SHEAF_OK, ""};
    struct comm *comm = NULL;
    if (prepare_forks(options, &error))
        return complain(&error);
    if (launcher_rank() <= 0)
        describe_begin();
    if (launcher_rank() < 0)
        comm_expect_one();
    if (comm_start(argument_count, arguments, &comm, &error))
        return complain(&error);
    enum sheaf_status status = find_together(options->command)(options, comm, &error);
    bool root = comm_place(comm)->rank == 0;
    // A rank that returns an error makes mpirun print banners and kill the rest: the root alone tells.
    int code = status && root ? complain(&error) : SHEAF_OK;
    describe_end();
    comm_end(comm);
    return code;
}

int
main(int argument_count, char **arguments)
{
    struct options options;
    struct sheaf_error error = {SHEAF_OK, ""};
    bool first = launcher_rank() <= 0;
    int code = SHEAF_OK;
    signal(SIGXFSZ, SIG_IGN); // a file that may not grow (ulimit -f) is an error to be told, EFBIG
    if (options_parse(argument_count, arguments, &options, &error))
        code = first ? complain(&error) : SHEAF_OK;
    else if (options.help || options.version || (find_alone(options.command) && !options.recompute))
        code = first ? run_alone(&options) : SHEAF_OK;
    else
        code = run_together(&options, &argument_count, &arguments);
    options_free(&options);
    // Not by way of the libraries' exit handlers: without memory OpenBLAS's waits for a thread that asks for it again and again. And
    // threads that a run has left behind still use what the handlers would take away.
    fflush(stdout);
    fflush(stderr);
    _exit(code);
}
