/**
 * @file plugin.h
 * A user's own kernels: a shared object that exports sheaf_plugin_kernels (sheaf/kernel.h).
 *
 * Its code runs in this process with all its rights: it is loaded only where the user names it.
 */
#ifndef SHEAF_PLUGIN_H
#define SHEAF_PLUGIN_H

#include "sheaf/kernel.h"

enum { PLUGIN_KERNELS_MAX = 64, PLUGIN_FINGERPRINT_TEXT = 17 };

/**
 * Load a shared object and check what it exports: ABI version, names, signatures, and that nothing required is missing. It stays
 * loaded. One at a time: loading another one forgets the kernels of the first.
 * @param[in] path  as the user wrote it; without a slash it is taken from the current directory
 * @return SHEAF_OK; SHEAF_NO_INPUT (it cannot be loaded), SHEAF_BAD_DATA (not Sheaf's, of another ABI, a kernel that is wrong, or
 *         a file that another user may write)
 */
enum sheaf_status plugin_load(const char *path, struct sheaf_error *error);

/** @return the kernels of the loaded plugin, ending with NULL; an empty list without one */
const struct sheaf_kernel *const *plugin_kernels(void);

/**
 * The content of the file that a kernel was loaded from, as 16 hexadecimal digits (XXH3); "" for a built-in kernel.
 * @return SHEAF_OK; SHEAF_NO_INPUT, SHEAF_IO_ERROR: the file is gone, or cannot be read
 */
enum sheaf_status plugin_fingerprint(const struct sheaf_kernel *kernel, char text[PLUGIN_FINGERPRINT_TEXT],
                                     struct sheaf_error *error);

/** @return a plugin's kernel, or else the built-in one of that name; NULL where there is none */
const struct sheaf_kernel *plugin_find_kernel(const char *name);

#endif
