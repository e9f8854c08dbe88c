/* The HDF5 library with holes in it, for LD_PRELOAD: files whose names say so crash it, or keep it busy for ever. */
#include <dlfcn.h>
#include <hdf5.h>
#include <signal.h>
#include <stdbool.h>
#include <string.h>

hid_t
H5Fopen(const char *filename, unsigned flags, hid_t fapl_id)
{
    static hid_t (*open_file)(const char *, unsigned, hid_t);
    const char *slash = strrchr(filename, '/'), *name = slash ? slash : filename;
    if (strstr(name, "crash"))
        raise(SIGSEGV);
    for (volatile bool busy = strstr(name, "spin"); busy;)
        ;
    if (!open_file)
        *(void **)&open_file = dlsym(RTLD_NEXT, "H5Fopen");
    return open_file(filename, flags, fapl_id);
}
