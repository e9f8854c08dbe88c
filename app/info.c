#include "info.h"
#include "blas.h"
#include "describe.h"
#include "list.h"
#include "node.h"
#include "plugin.h"
#include "signature.h"
#include "status.h"
#include "store.h"
#include "summary.h"
#include "sweep.h"

#include <stdlib.h>
#include <string.h>
#include <unistd.h>

static void
print_types(uint32_t types)
{
    for (int t = 0; t < SHEAF_TYPE_COUNT; t++)
        if (types & SHEAF_TYPE_BIT(t))
            printf(" %s", sheaf_type_name((enum sheaf_type)t));
}

/** A line a kernel, in columns. */
static void
print_list(const struct sheaf_kernel *const *kernels)
{
    int name = 0, signature = 0;
    for (const struct sheaf_kernel *const *k = kernels; *k; k++) {
        int name_length = (int)strlen((*k)->name), signature_length = (int)strlen((*k)->signature);
        name = name_length > name ? name_length : name;
        signature = signature_length > signature ? signature_length : signature;
    }
    for (const struct sheaf_kernel *const *k = kernels; *k; k++)
        printf("  %-*s  %-*s  %s\n", name, (*k)->name, signature, (*k)->signature, (*k)->text);
}

/** "", or " · Slurm granted ..." */
static void
print_slurm(const struct audit_slurm *slurm)
{
    if (slurm->cpus > 0)
        printf(" · Slurm granted %d CPUs", slurm->cpus);
    if (slurm->tasks > 0 && slurm->cpus_per_task > 0)
        printf(" for %d task%s of %d", slurm->tasks, slurm->tasks == 1 ? "" : "s", slurm->cpus_per_task);
}

/** What the audit goes by, and what it finds for this process as `sheaf run` without a launcher. */
static void
print_cores(const struct team *team)
{
    struct audit_facts facts;
    struct audit_findings findings;
    char cpus[64];
    const struct layout alone = {.ranks = 1, .threads = team_cores(team), .width = 1};
    team_describe(team, &alone, &facts);
    facts.blas_width = 1;
    audit_find(&facts, &findings);
    team_format_binding(team, cpus, sizeof cpus);
    printf("  cores      %d (this process may use %d)\n", team_cores(team), team_own_cores(team));
    printf("  machine    %d core%s with %d hardware thread%s · %d package%s · %d NUMA node%s\n", facts.machine_cores,
           facts.machine_cores == 1 ? "" : "s", facts.machine_cpus, facts.machine_cpus == 1 ? "" : "s", facts.packages,
           facts.packages == 1 ? "" : "s", facts.numa_nodes, facts.numa_nodes == 1 ? "" : "s");
    printf("  offered    CPU %s", cpus);
    if (facts.quota > 0)
        printf(" · cgroup quota of %.3g CPUs", facts.quota);
    else
        printf(" · no cgroup quota");
    print_slurm(&facts.slurm);
    printf("\n");
    for (int i = 0; i < findings.count; i++)
        printf("             %s\n", findings.all[i].text);
}

static enum sheaf_status
print_all(struct sheaf_error *error)
{
    char memory[32], available[32];
    struct team *team = NULL;
    enum sheaf_status status = team_survey(NULL, &team, error);
    if (status) {
        team_destroy(team);
        return status;
    }
    struct blas_library blas;
    blas_describe(&blas);
    char host[COMM_HOST_BYTES] = "";
    gethostname(host, sizeof host - 1);
    printf("sheaf %s\n\nkernels (sheaf info KERNEL says more)\n", SHEAF_VERSION);
    print_list(kernel_list());
    printf("\n%s\n", host);
    print_cores(team);
    printf("  memory     %s, %s free\n", summary_format_quantity((double)node_memory_total(), "B", memory),
           summary_format_quantity((double)node_memory_available(), "B", available));
    printf("  BLAS       %s, %s, up to %d threads, %d now\n", blas.name, blas_threading_name(blas.threading),
           blas.greatest_threads, blas_get_threads());
    printf("  BLAS core  %s\n", blas.core);
    if (blas.advice[0])
        printf("             %s\n", blas.advice);
    printf("  HDF5       %s\n", store_library_version());
    team_destroy(team);
    return SHEAF_OK;
}

/** Of a kernel whose inputs have types of their own: each input's, as the signature has them. */
static void
print_input_types(const struct sheaf_kernel *kernel)
{
    struct signature signature;
    if (signature_parse(kernel->signature, &signature, NULL))
        return;
    for (int i = 0; i < signature.input_count; i++) {
        printf("%s", i ? ";" : "");
        print_types(kernel->input_accepts[i]);
    }
}

static enum sheaf_status
print_kernel(const struct sheaf_kernel *kernel)
{
    static const char *const widths[] = {"one core per task", "BLAS threads on one task, where a layout says so",
                                         "threads of Sheaf's on one task, where a layout says so"};
    printf("%s %s\n  %s\n  outputs   ", kernel->name, kernel->signature, kernel->text);
    for (const char *const *name = kernel->output_names; *name; name++)
        printf(" /%s", *name);
    if (!kernel->output_names[0])
        printf(" none");
    printf("\n  types     ");
    if (kernel->input_accepts)
        print_input_types(kernel);
    else
        print_types(kernel->accepts);
    printf("\n  width      %s\n", widths[kernel->width_kind]);
    for (int i = 0; i < kernel->parameter_count; i++)
        printf("  --param %s=...  %s\n", kernel->parameters[i].name, kernel->parameters[i].text);
    if (kernel->documentation)
        printf("\n%s", kernel->documentation);
    return SHEAF_OK;
}

static void
print_outputs(const struct store_map *map)
{
    char text[SHEAF_SHAPE_TEXT + 8];
    for (int i = 0; i < map->output_count; i++)
        if (map->outputs[i].grouped)
            printf("  /%-9s %lld datasets\n", map->outputs[i].name, (long long)map->tasks);
        else
            printf("  /%-9s %s\n", map->outputs[i].name, summary_format_output(&map->outputs[i], text));
}

static void
print_operand(int number, const struct source_map *operand)
{
    printf("  operand %d  %s%s · %s%s", number, operand->text, operand->shared ? " (shared)" : "",
           sheaf_type_name(operand->file_type), operand->swapped ? " big-endian" : "");
    if (operand->array.type != operand->file_type)
        printf(" read as %s", sheaf_type_name(operand->array.type));
    printf(" · fingerprint %016llx\n", (unsigned long long)operand->fingerprint);
}

static enum sheaf_status
print_results(const char *path, const struct store_outline *outline, struct sheaf_error *error)
{
    struct store_summary summary;
    enum sheaf_status status = store_describe(path, outline, &summary, error);
    if (status)
        return status;
    status_print_headline(path, &summary);
    print_outputs(&summary.map);
    printf("  created    %s by sheaf %s: %s\n", summary.created, summary.version, summary.command);
    printf("  signature  %s · seed %llu · %lld chunks\n", summary.signature, (unsigned long long)summary.seed,
           (long long)summary.map.chunks);
    for (int i = 0; i < summary.operand_count; i++)
        print_operand(i, &summary.operands[i]);
    status_print_run(&summary);
    store_summary_free(&summary);
    return SHEAF_OK;
}

static enum sheaf_status
print_file(const char *path, struct sheaf_error *error)
{
    struct describe_file file;
    enum sheaf_status status = describe_file(path, &file, error);
    if (status)
        return status;
    switch (file.kind) {
    case DESCRIBE_RESULTS:
        status = print_results(path, file.outline, error);
        break;
    case DESCRIBE_SWEEP:
        status = sweep_print_file(path, &file.sweep, error);
        break;
    case DESCRIBE_DATASETS:
        printf("%s: an HDF5 file, not a results file of Sheaf's; its datasets\n%s", path, file.datasets);
        break;
    }
    free(file.outline);
    return status;
}

static void
print_plugin(const char *path)
{
    printf("%s: kernels (sheaf info KERNEL --kernel %s says more)\n", path, path);
    print_list(plugin_kernels());
}

enum sheaf_status
info_command(const struct options *options, struct sheaf_error *error)
{
    if (options->plugin && plugin_load(options->plugin, error))
        return error->status;
    if (options->plugin && options->operand_count == 0) {
        print_plugin(options->plugin);
        return SHEAF_OK;
    }
    if (options->operand_count == 0)
        return print_all(error);
    if (options->operand_count > 1)
        return sheaf_fail(error, SHEAF_USAGE, "info takes one kernel or file, %d given", options->operand_count);
    const struct sheaf_kernel *kernel = plugin_find_kernel(options->operands[0]);
    if (kernel)
        return print_kernel(kernel);
    if (!strchr(options->operands[0], '.') && access(options->operands[0], F_OK) != 0)
        return sheaf_fail(error, SHEAF_NO_INPUT, "%s: neither a kernel (sheaf info lists them) nor a file",
                          options->operands[0]);
    return print_file(options->operands[0], error);
}
