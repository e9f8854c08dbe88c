#include "plugin.h"
#include "file.h"
#include "list.h"
#include "records.h"
#include "signature.h"

#include <dlfcn.h>
#include <grp.h>
#include <inttypes.h>
#include <limits.h>
#include <pwd.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

typedef const struct sheaf_kernel *const *plugin_entry(uint32_t abi);

static const struct sheaf_kernel *const none[] = {NULL};
static const struct sheaf_kernel *const *loaded = none;
static char loaded_path[PATH_MAX]; /**< absolute: whoever asks may be in another directory by then */

static bool
is_word(const char *name)
{
    size_t length = name ? strspn(name, "abcdefghijklmnopqrstuvwxyz0123456789_") : 0;
    return length > 0 && length < 64 && name[length] == '\0';
}

/** What is wrong with the outputs' names; NULL: nothing. */
static const char *
check_output_names(const struct sheaf_kernel *kernel, const struct signature *signature)
{
    int count = 0;
    if (!kernel->output_names)
        return "it has no output_names (where there is no output: a list of NULL alone)";
    while (kernel->output_names[count] && count <= SHEAF_OUTPUTS_MAX) {
        if (!is_word(kernel->output_names[count]) || strcmp(kernel->output_names[count], "sheaf") == 0)
            return "an output's name is no word of lower-case letters, digits and _, or is \"sheaf\"";
        count++;
    }
    return count == signature->output_count ? NULL : "output_names has not one name for each output of the signature";
}

static enum sheaf_status
check_kernel(const char *path, const struct sheaf_kernel *kernel, struct sheaf_error *error)
{
    struct signature signature;
    struct sheaf_error wrong;
    if (kernel->abi != SHEAF_KERNEL_ABI || kernel->bytes != sizeof *kernel)
        return sheaf_fail(
            error, SHEAF_BAD_DATA,
            "%s: a kernel has ABI version %u with %u bytes, this Sheaf %d with %zu; build it again with this "
            "Sheaf's header (pkg-config --cflags sheaf-kernel)",
            path, kernel->abi, kernel->bytes, SHEAF_KERNEL_ABI, sizeof *kernel);
    if (!is_word(kernel->name))
        return sheaf_fail(error, SHEAF_BAD_DATA, "%s: a kernel's name is no word of lower-case letters, digits and _",
                          path);
    if (signature_parse(kernel->signature, &signature, &wrong))
        return sheaf_fail(error, SHEAF_BAD_DATA, "%s: kernel %s: %.600s", path, kernel->name, wrong.text);
    const char *fault = check_output_names(kernel, &signature);
    if (!kernel->run)
        fault = "it has no function `run`";
    if (!kernel->text)
        fault = "it has no text";
    if (!kernel->accepts && !kernel->input_accepts)
        fault = "it accepts no type";
    if (kernel->parameter_count < 0 || kernel->parameter_count > SHEAF_PARAMETERS_MAX ||
        (kernel->parameter_count > 0 && !kernel->parameters))
        fault = "its parameters are missing, or too many";
    if (fault)
        return sheaf_fail(error, SHEAF_BAD_DATA, "%s: kernel %s: %s", path, kernel->name, fault);
    return SHEAF_OK;
}

/** Whether a group has this user as its only member, as most systems make one for each user. */
static bool
is_private_group(gid_t group)
{
    struct passwd user, *found_user = NULL;
    struct group entry, *found_group = NULL;
    char user_text[4096], group_text[4096];
    return getpwuid_r(geteuid(), &user, user_text, sizeof user_text, &found_user) == 0 && found_user &&
           user.pw_gid == group && getgrgid_r(group, &entry, group_text, sizeof group_text, &found_group) == 0 &&
           found_group && !entry.gr_mem[0] && strcmp(entry.gr_name, user.pw_name) == 0;
}

/** A kernel is code: who else may write its file could run anything as this user. */
static enum sheaf_status
check_trust(const char *path, const char *place, struct sheaf_error *error)
{
    struct stat about;
    if (stat(place, &about) != 0)
        return SHEAF_OK; // dlopen says why
    if (about.st_uid != geteuid() && about.st_uid != 0)
        return sheaf_fail(
            error, SHEAF_BAD_DATA,
            "--kernel %s: the file is another user's (uid %ld), who could put any code there; copy it to a "
            "file of your own",
            path, (long)about.st_uid);
    if ((about.st_mode & S_IWOTH) || ((about.st_mode & S_IWGRP) && !is_private_group(about.st_gid)))
        return sheaf_fail(
            error, SHEAF_BAD_DATA,
            "--kernel %s: others may write this file (mode %03o), and so run any code as you; chmod go-w it", path,
            about.st_mode & 0777);
    return SHEAF_OK;
}

enum sheaf_status
plugin_load(const char *path, struct sheaf_error *error)
{
    char place[4096];
    loaded = none;
    // dlopen searches the system's libraries for a name without a slash: not what the user meant.
    snprintf(place, sizeof place, "%s%s", strchr(path, '/') ? "" : "./", path);
    enum sheaf_status trusted = check_trust(path, place, error);
    if (trusted)
        return trusted;
    void *object = dlopen(place, RTLD_NOW | RTLD_LOCAL);
    if (!object)
        return sheaf_fail(error, SHEAF_NO_INPUT, "--kernel %s: cannot be loaded: %.500s", path, dlerror());
    void *symbol = dlsym(object, "sheaf_plugin_kernels");
    plugin_entry *entry;
    memcpy(&entry, &symbol,
           sizeof entry); // ISO C has no cast from an object's to a function's pointer; POSIX has the bits
    if (!symbol)
        return sheaf_fail(error, SHEAF_BAD_DATA, "--kernel %s: exports no sheaf_plugin_kernels (see sheaf/kernel.h)",
                          path);
    const struct sheaf_kernel *const *kernels = entry(SHEAF_KERNEL_ABI);
    if (!kernels || !kernels[0])
        return sheaf_fail(error, SHEAF_BAD_DATA, "--kernel %s: offers no kernels for ABI version %d", path,
                          SHEAF_KERNEL_ABI);
    for (int i = 0; kernels[i]; i++) {
        if (i == PLUGIN_KERNELS_MAX)
            return sheaf_fail(error, SHEAF_BAD_DATA, "--kernel %s: more than %d kernels, or a list without its NULL",
                              path, PLUGIN_KERNELS_MAX);
        enum sheaf_status status = check_kernel(path, kernels[i], error);
        if (status)
            return status;
    }
    loaded = kernels;
    if (!realpath(place, loaded_path))
        loaded_path[0] = '\0';
    return SHEAF_OK;
}

/** Add a whole file. */
static enum sheaf_status
digest_file(struct record_digest *digest, int descriptor, int64_t bytes, struct sheaf_error *error)
{
    enum sheaf_status status = SHEAF_OK;
    char piece[65536];
    for (int64_t at = 0; at < bytes && !status; at += (int64_t)sizeof piece) {
        size_t count = bytes - at < (int64_t)sizeof piece ? (size_t)(bytes - at) : sizeof piece;
        status = file_read(descriptor, loaded_path, at, piece, count, error);
        record_digest_add(digest, piece, status ? 0 : count);
    }
    return status;
}

enum sheaf_status
plugin_fingerprint(const struct sheaf_kernel *kernel, char text[PLUGIN_FINGERPRINT_TEXT], struct sheaf_error *error)
{
    const struct sheaf_kernel *const *own = loaded;
    struct stat about;
    int descriptor;
    text[0] = '\0';
    while (*own && *own != kernel)
        own++;
    if (!*own)
        return SHEAF_OK;
    enum sheaf_status status = file_open_read(loaded_path, loaded_path, &descriptor, &about, error);
    if (status)
        return status;
    struct record_digest *digest = record_digest_create();
    status = digest ? digest_file(digest, descriptor, about.st_size, error)
                    : sheaf_fail(error, SHEAF_NO_RESOURCES, "%s: no memory to read it", loaded_path);
    if (!status)
        snprintf(text, PLUGIN_FINGERPRINT_TEXT, "%016" PRIx64, record_digest_value(digest));
    record_digest_destroy(digest);
    close(descriptor);
    return status;
}

const struct sheaf_kernel *const *
plugin_kernels(void)
{
    return loaded;
}

const struct sheaf_kernel *
plugin_find_kernel(const char *name)
{
    for (const struct sheaf_kernel *const *kernel = loaded; *kernel; kernel++)
        if (strcmp((*kernel)->name, name) == 0)
            return *kernel;
    return kernel_find(name);
}
