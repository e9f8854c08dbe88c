#include "hdf5_guard.h"

#include "opening.h"

#include <limits.h>
#include <sys/stat.h>

_Static_assert(__BYTE_ORDER__ == __ORDER_LITTLE_ENDIAN__, "FORMAT.md: memory and file are little-endian");

enum { LISTED_IN_MESSAGE = 10, LIST_TEXT = 400 };

/* The process's, as the library's own plugin state is. */
static bool allow_external, allow_filters;

void
hdf5_guard_start(void)
{
    static bool started;
    static _Thread_local bool silent;

    /* In a thread-safe build each thread has an error stack of its own, which prints. */
    if (started && !silent)
        H5Eset_auto2(H5E_DEFAULT, NULL, NULL);
    silent = true;
    if (started)
        return;
    started = true;
    /* A file that could not be closed would crash the library's exit handler. It fails where someone
     * else has started the library before: then the handler is theirs. */
    H5dont_atexit();
    H5open();
    H5Eset_auto2(H5E_DEFAULT, NULL, NULL);
    H5PLset_loading_state(0);
}

void
hdf5_guard_allow(bool external, bool filters)
{
    hdf5_guard_start();
    allow_external = external;
    allow_filters = filters;
    H5PLset_loading_state(filters ? H5PL_FILTER_PLUGIN : 0);
}

/* What H5Ewalk2 finds first, which is the innermost. */
struct reason {
    char *text;
    hid_t minor;
    bool found;
    bool system; /* a call to the system failed: nothing is said of the file's content */
};

/*
 * What the library says of a call that the system refused goes on with the time, pointers, and a line's end: "file write failed: time
 * = ..., errno = 27, error message = 'File too large', buf = 0x...". What failed, and why, is kept.
 */
static void
tell_shortly(const char *said, struct reason *reason)
{
    static const char key[] = "error message = '";
    const char *why = strstr(said, key), *details = strstr(said, ": time = ");
    size_t kept = strcspn(said, "\n");

    if (!details)
        details = strstr(said, ": name = ");
    if (!details)
        details = strstr(said, ", errno = ");
    if (details && (size_t)(details - said) < kept)
        kept = (size_t)(details - said);
    if (why)
        why += sizeof key - 1;
    reason->system = why != NULL;
    snprintf(reason->text, HDF5_GUARD_REASON_TEXT, "%.*s%s%.*s", (int)kept, said, why ? ": " : "",
             why ? (int)strcspn(why, "'\n") : 0, why ? why : "");
}

static herr_t
take_reason(unsigned n, const H5E_error2_t *entry, void *data)
{
    struct reason *reason = data;

    (void)n;
    if (!reason->found) {
        reason->found = true;
        reason->minor = entry->min_num;
        tell_shortly(entry->desc ? entry->desc : "unknown reason", reason);
    }
    return 0;
}

static struct reason
find_reason(char text[HDF5_GUARD_REASON_TEXT])
{
    struct reason reason = {.text = text, .minor = H5I_INVALID_HID, .found = false};

    snprintf(text, HDF5_GUARD_REASON_TEXT, "unknown reason");
    H5Ewalk2(H5E_DEFAULT, H5E_WALK_UPWARD, take_reason, &reason);
    return reason;
}

char *
hdf5_guard_reason(char text[HDF5_GUARD_REASON_TEXT])
{
    return find_reason(text).text;
}

hid_t
hdf5_guard_file_access(void)
{
    hid_t access = H5Pcreate(H5P_FILE_ACCESS);

    /* Some network file systems have no locks: that is no reason to refuse their files. */
#if H5_VERSION_GE(1, 10, 7)
    if (access >= 0 && H5Pset_file_locking(access, true, true) < 0) {
        H5Pclose(access);
        return H5I_INVALID_HID;
    }
#endif
    return access;
}

enum sheaf_status
hdf5_guard_open(const char *path, const char *name, hid_t *file, struct sheaf_error *error)
{
    return hdf5_guard_open_cached(path, name, 0, file, error);
}

/* Chunks that were read whole go first; the slots are a prime, some hundred for every chunk of a usual size. */
static bool
set_cache(hid_t access, int64_t chunk_bytes)
{
    const size_t default_bytes = (size_t)1 << 20, slots = 12421;

    return chunk_bytes <= (int64_t)default_bytes || H5Pset_cache(access, 0, slots, (size_t)chunk_bytes, 1.0) >= 0;
}

enum sheaf_status
hdf5_guard_open_cached(const char *path, const char *name, int64_t chunk_bytes, hid_t *file, struct sheaf_error *error)
{
    char reason[HDF5_GUARD_REASON_TEXT];
    enum sheaf_status status = SHEAF_OK;

    hdf5_guard_start();
    *file = H5I_INVALID_HID;
    if (opening_begin(path, name, error) != SHEAF_OK)
        return SHEAF_BAD_DATA;
    if (H5Fis_hdf5(path) == 0)
        return sheaf_fail(error, SHEAF_NO_INPUT, "%s: %s is not an HDF5 file", name, path);
    hid_t access = hdf5_guard_file_access();
    if (access < 0 || !set_cache(access, chunk_bytes)) {
        sheaf_fail(error, SHEAF_INTERNAL, "%s: HDF5 fails: %s", name, hdf5_guard_reason(reason));
        if (access >= 0)
            H5Pclose(access);
        return SHEAF_INTERNAL;
    }
    *file = H5Fopen(path, H5F_ACC_RDONLY, access);
    if (*file < 0)
        status = sheaf_fail(error, find_reason(reason).system ? SHEAF_IO_ERROR : SHEAF_BAD_DATA,
                            "%s: the HDF5 library cannot open %s: %s", name, path, reason);
    H5Pclose(access);
    return status;
}

/* The parameters are HDF5's. NOLINTBEGIN(readability-non-const-parameter) */
static herr_t
block_external_link(const char *parent_file, const char *parent_group, const char *file, const char *object,
                    unsigned *flags, hid_t access, void *blocked)
{
    (void)parent_file, (void)parent_group, (void)file, (void)object, (void)flags, (void)access;
    *(bool *)blocked = true;
    return -1;
}
/* NOLINTEND(readability-non-const-parameter) */

/* Say why an object was not opened; right after the attempt. */
static enum sheaf_status
fail_open(hid_t file, const char *name, bool blocked, struct sheaf_error *error)
{
    char text[HDF5_GUARD_REASON_TEXT], list[LIST_TEXT];
    struct reason reason = find_reason(text);

    if (blocked)
        return sheaf_fail(
            error, SHEAF_BAD_DATA,
            "%s: leads to another file by an external link, which is not followed; name that file itself, or give "
            "--allow-external",
            name);
    if (reason.minor != H5E_NOTFOUND)
        return sheaf_fail(error, reason.system ? SHEAF_IO_ERROR : SHEAF_BAD_DATA,
                          "%s: the HDF5 library cannot open it: %s", name, text);
    int count = hdf5_guard_list(file, LISTED_IN_MESSAGE, false, list, sizeof list);
    return sheaf_fail(error, SHEAF_NO_INPUT, "%s: no such dataset; the file has %s", name,
                      count > 0 ? list : "no datasets");
}

static enum sheaf_status
check_filters(hid_t creation, const char *name, struct sheaf_error *error)
{
    int count = H5Pget_nfilters(creation);

    for (int i = 0; i < count; i++) {
        unsigned flags, values = 0, about;
        size_t value_count = 0;
        char filter[64] = "";
        H5Z_filter_t id =
            H5Pget_filter2(creation, (unsigned)i, &flags, &value_count, &values, sizeof filter, filter, &about);
        if (id < 0 || H5Zfilter_avail(id) <= 0)
            return sheaf_fail(error, SHEAF_BAD_DATA,
                              "%s: is stored by filter %d (%s), which this HDF5 library does not have; "
                              "repack it, as by h5repack -f GZIP=1, or %s",
                              name, (int)id, filter[0] ? filter : "unnamed",
                              allow_filters ? "say where its plugin is by HDF5_PLUGIN_PATH"
                                            : "let the library load its plugin: --allow-filters");
    }
    return SHEAF_OK;
}

/* Bytes from anywhere but this file are refused: the file could name any other that its reader may read. */
static enum sheaf_status
check_storage(hid_t dataset, const char *name, struct sheaf_error *error)
{
    enum sheaf_status status;
    char reason[HDF5_GUARD_REASON_TEXT];
    hid_t creation = H5Dget_create_plist(dataset);

    if (creation < 0)
        return sheaf_fail(error, find_reason(reason).system ? SHEAF_IO_ERROR : SHEAF_BAD_DATA,
                          "%s: the HDF5 library cannot examine it: %s", name, reason);
    if (H5Pget_layout(creation) == H5D_VIRTUAL && !allow_external)
        status = sheaf_fail(error, SHEAF_BAD_DATA,
                            "%s: is a virtual dataset, made of others; name those, copy it into a file of its own, or "
                            "give --allow-external",
                            name);
    else if (H5Pget_external_count(creation) != 0 && !allow_external)
        status = sheaf_fail(error, SHEAF_BAD_DATA,
                            "%s: keeps its data in other files (external storage), which is not followed; copy it into "
                            "a file of its own, or give --allow-external",
                            name);
    else
        status = check_filters(creation, name, error);
    H5Pclose(creation);
    return status;
}

enum sheaf_status
hdf5_guard_open_dataset(hid_t file, const char *path, const char *name, hid_t *dataset, struct sheaf_error *error)
{
    enum sheaf_status status = SHEAF_OK;
    char list[LIST_TEXT], reason[HDF5_GUARD_REASON_TEXT];
    bool blocked = false;
    hid_t object, access = H5Pcreate(H5P_LINK_ACCESS);

    *dataset = H5I_INVALID_HID;
    opening_go_on();
    if (access < 0 || (!allow_external && H5Pset_elink_cb(access, block_external_link, &blocked) < 0)) {
        sheaf_fail(error, SHEAF_INTERNAL, "%s: HDF5 fails: %s", name, hdf5_guard_reason(reason));
        if (access >= 0)
            H5Pclose(access);
        return SHEAF_INTERNAL;
    }
    object = H5Oopen(file, path, access);
    if (object < 0) {
        status = fail_open(file, name, blocked, error);
    } else if (H5Iget_type(object) != H5I_DATASET) {
        int count = hdf5_guard_list(file, LISTED_IN_MESSAGE, false, list, sizeof list);
        status = sheaf_fail(error, SHEAF_NO_INPUT, "%s: is no dataset; the file has %s", name,
                            count > 0 ? list : "no datasets");
    } else {
        status = check_storage(object, name, error);
    }
    H5Pclose(access);
    if (status != SHEAF_OK && object >= 0)
        H5Oclose(object);
    else
        *dataset = object;
    return status;
}

bool
hdf5_guard_is_own(hid_t file, hid_t dataset)
{
    char names[2][PATH_MAX];

    if (!allow_external)
        return true; /* nothing else was opened */
    hid_t creation = H5Dget_create_plist(dataset);
    const ssize_t length = H5Fget_name(file, names[0], sizeof names[0]);
    bool own = creation >= 0 && H5Pget_layout(creation) != H5D_VIRTUAL && H5Pget_external_count(creation) == 0;

    own = own && length > 0 && length < PATH_MAX && H5Fget_name(dataset, names[1], sizeof names[1]) == length &&
          strcmp(names[0], names[1]) == 0;
    if (creation >= 0)
        H5Pclose(creation);
    return own;
}

enum sheaf_status
hdf5_guard_check_length(hid_t dataset, const char *name, struct sheaf_error *error)
{
    hid_t file = H5Iget_file_id(dataset);
    hsize_t expected = 0;
    unsigned intent = 0;
    void *descriptor = NULL;
    struct stat about;

    bool known = file >= 0 && H5Fget_intent(file, &intent) >= 0 && H5Fget_filesize(file, &expected) >= 0 &&
                 H5Fget_vfd_handle(file, H5P_DEFAULT, &descriptor) >= 0 && fstat(*(int *)descriptor, &about) == 0;
    if (file >= 0)
        H5Fclose(file);
    if (!known)
        return sheaf_fail(error, SHEAF_IO_ERROR, "%s: cannot tell whether its file is still whole", name);
    /* what the library itself is writing gets its length when it is flushed */
    if (!(intent & H5F_ACC_RDWR) && (hsize_t)about.st_size < expected)
        return sheaf_fail(error, SHEAF_IO_ERROR, "%s: file is truncated at %lld of %lld bytes since it was opened",
                          name, (long long)about.st_size, (long long)expected);
    return SHEAF_OK;
}

/* IEEE half precision, which HDF5 1.10 does not name. */
static hid_t
make_half(void)
{
    hid_t type = H5Tcopy(H5T_IEEE_F32LE);

    if (type >= 0 &&
        (H5Tset_fields(type, 15, 10, 5, 0, 10) < 0 || H5Tset_size(type, 2) < 0 || H5Tset_ebias(type, 15) < 0)) {
        H5Tclose(type);
        return H5I_INVALID_HID;
    }
    return type;
}

/* Complex numbers as h5py stores them. */
static hid_t
make_complex(hid_t part)
{
    size_t bytes = H5Tget_size(part);
    hid_t type = H5Tcreate(H5T_COMPOUND, 2 * bytes);

    if (type >= 0 && (H5Tinsert(type, "r", 0, part) < 0 || H5Tinsert(type, "i", bytes, part) < 0)) {
        H5Tclose(type);
        return H5I_INVALID_HID;
    }
    return type;
}

static hid_t
make_type(enum sheaf_type type, bool big_endian)
{
    const hid_t numbers[SHEAF_TYPE_COUNT][2] = {
        [SHEAF_I8] = {H5T_STD_I8LE, H5T_STD_I8BE},      [SHEAF_I16] = {H5T_STD_I16LE, H5T_STD_I16BE},
        [SHEAF_I32] = {H5T_STD_I32LE, H5T_STD_I32BE},   [SHEAF_I64] = {H5T_STD_I64LE, H5T_STD_I64BE},
        [SHEAF_U8] = {H5T_STD_U8LE, H5T_STD_U8BE},      [SHEAF_U16] = {H5T_STD_U16LE, H5T_STD_U16BE},
        [SHEAF_U32] = {H5T_STD_U32LE, H5T_STD_U32BE},   [SHEAF_U64] = {H5T_STD_U64LE, H5T_STD_U64BE},
        [SHEAF_F32] = {H5T_IEEE_F32LE, H5T_IEEE_F32BE}, [SHEAF_F64] = {H5T_IEEE_F64LE, H5T_IEEE_F64BE},
        [SHEAF_C64] = {H5T_IEEE_F32LE, H5T_IEEE_F32BE}, [SHEAF_C128] = {H5T_IEEE_F64LE, H5T_IEEE_F64BE},
    };

    if (sheaf_type_is_complex(type))
        return make_complex(numbers[type][big_endian]);
    if (type != SHEAF_F16)
        return H5Tcopy(numbers[type][big_endian]);
    hid_t half = make_half();
    if (half >= 0 && big_endian && H5Tset_order(half, H5T_ORDER_BE) < 0) {
        H5Tclose(half);
        return H5I_INVALID_HID;
    }
    return half;
}

hid_t
hdf5_guard_type_to(enum sheaf_type type)
{
    hdf5_guard_start();
    return make_type(type, false);
}

hid_t
hdf5_guard_type_stored(enum sheaf_type type, bool swapped)
{
    hdf5_guard_start();
    return make_type(type, swapped);
}

/* NumPy's bool as h5py writes it. */
static bool
is_boolean(hid_t type)
{
    signed char no = -1, yes = -1;

    return H5Tget_class(type) == H5T_ENUM && H5Tget_size(type) == 1 && H5Tget_nmembers(type) == 2 &&
           H5Tenum_valueof(type, "FALSE", &no) >= 0 && H5Tenum_valueof(type, "TRUE", &yes) >= 0 && no == 0 && yes == 1;
}

bool
hdf5_guard_type_from(hid_t from, enum sheaf_type *type, bool *swapped)
{
    for (int i = 0; i < 2 * SHEAF_TYPE_COUNT; i++) {
        bool big_endian = i >= SHEAF_TYPE_COUNT;
        enum sheaf_type candidate = (enum sheaf_type)(i % SHEAF_TYPE_COUNT);
        hid_t own = make_type(candidate, big_endian);
        bool equal = own >= 0 && H5Tequal(own, from) > 0;
        if (own >= 0)
            H5Tclose(own);
        if (equal) {
            *type = candidate;
            *swapped = big_endian;
            return true;
        }
    }
    *type = SHEAF_U8;
    *swapped = false;
    return is_boolean(from);
}

char *
hdf5_guard_type_format(hid_t type, char text[HDF5_GUARD_TYPE_TEXT])
{
    enum sheaf_type own;
    bool swapped;
    const char *what = "of an unknown type";

    if (hdf5_guard_type_from(type, &own, &swapped)) {
        snprintf(text, HDF5_GUARD_TYPE_TEXT, "%s%s", sheaf_type_name(own), swapped ? " big-endian" : "");
        return text;
    }
    switch (H5Tget_class(type)) {
    case H5T_INTEGER:
        what = "an unusual integer";
        break;
    case H5T_FLOAT:
        what = "an unusual float";
        break;
    case H5T_STRING:
        what = "a string";
        break;
    case H5T_COMPOUND:
        what = "a compound type";
        break;
    case H5T_ENUM:
        what = "an enumeration";
        break;
    case H5T_REFERENCE:
        what = "a reference";
        break;
    case H5T_VLEN:
        what = "of variable length";
        break;
    case H5T_ARRAY:
        what = "an array type";
        break;
    default:
        break;
    }
    snprintf(text, HDF5_GUARD_TYPE_TEXT, "%s", what);
    return text;
}

struct listing {
    char *text;
    size_t bytes, used;
    int most, count;
    bool described;
};

/* Describe a dataset as "/a (100, 2000, 2000) f64". */
static void
describe_dataset(hid_t dataset, char *text, size_t bytes)
{
    char type_text[HDF5_GUARD_TYPE_TEXT];
    hsize_t extent[H5S_MAX_RANK];
    hid_t space = H5Dget_space(dataset), type = H5Dget_type(dataset);
    int ndim = space >= 0 ? H5Sget_simple_extent_dims(space, extent, NULL) : -1;
    int used = snprintf(text, bytes, " (");

    for (int i = 0; i < ndim && used < (int)bytes; i++)
        used += snprintf(text + used, bytes - (size_t)used, "%s%llu", i ? ", " : "", (unsigned long long)extent[i]);
    if (used < (int)bytes)
        snprintf(text + used, bytes - (size_t)used, ") %s",
                 type >= 0 ? hdf5_guard_type_format(type, type_text) : "of an unknown type");
    if (type >= 0)
        H5Tclose(type);
    if (space >= 0)
        H5Sclose(space);
}

/* Returns 1, which ends the walk, when the list is full. */
static herr_t
list_link(hid_t group, const char *path, const H5L_info_t *info, void *data)
{
    struct listing *listing = data;
    char description[256] = "";

    /* what Sheaf notes beside results is nobody's operand */
    if (info->type != H5L_TYPE_HARD || strncmp(path, "sheaf/", 6) == 0)
        return 0;
    hid_t object = H5Oopen(group, path, H5P_DEFAULT);
    if (object < 0)
        return 0;
    bool is_dataset = H5Iget_type(object) == H5I_DATASET;
    if (is_dataset && listing->described)
        describe_dataset(object, description, sizeof description);
    H5Oclose(object);
    if (!is_dataset)
        return 0;

    const char *separator = listing->described ? "\n" : ", ";
    char *to = listing->text + listing->used;
    size_t room = listing->bytes - listing->used;
    /* room for the "..." that may follow */
    int length = snprintf(NULL, 0, "%s/%s%s", separator, path, description) + (int)sizeof ", ...";
    if (listing->count == listing->most || (size_t)length >= room) {
        snprintf(to, room, "%s...", listing->count ? separator : "");
        return 1;
    }
    listing->used += (size_t)snprintf(to, room, "%s/%s%s", listing->count ? separator : "", path, description);
    listing->count++;
    return 0;
}

int
hdf5_guard_list(hid_t file, int most, bool described, char *text, size_t text_bytes)
{
    struct listing listing = {.text = text, .bytes = text_bytes, .most = most, .described = described};

    text[0] = '\0';
    return H5Lvisit(file, H5_INDEX_NAME, H5_ITER_INC, list_link, &listing) < 0 ? -1 : listing.count;
}
