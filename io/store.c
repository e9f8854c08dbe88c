#include "store.h"

#include "file.h"
#include "hdf5_guard.h"
#include "huge_pages.h"
#include "store_target.h"
#include "view.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdlib.h>
#include <sys/resource.h>
#include <time.h>
#include <unistd.h>

struct store {
    struct store_map map;
    const struct store_place *places;
    int descriptor;
    struct view
        *view; /* in memory: where results lie, as far as they do in huge pages; NULL: all are written by pwrite */
};

/* From so many bytes on results are written to where they lie in memory. */
enum { VIEW_LEAST_BYTES = 64 * 1024 };

/* Results in memory, if the process may have addresses for all of them. */
static struct view *
view_results(const struct store *store)
{
    struct rlimit limit;

    if (!store->map.in_memory || store->map.sparse || getrlimit(RLIMIT_AS, &limit) != 0 ||
        limit.rlim_cur != RLIM_INFINITY)
        return NULL;
    return view_open_to_write(store->descriptor, store->map.bytes);
}

static enum sheaf_status
attach(const struct store_map *map, const struct store_place *places, bool writing, struct store **store,
       struct sheaf_error *error)
{
    struct stat about;

    *store = NULL;
    if (map->places_bytes > 0 && !places)
        return sheaf_fail(error, SHEAF_INTERNAL, "%s: opened without the places of its results", map->path);
    *store = malloc(sizeof **store);
    if (!*store)
        return sheaf_fail(error, SHEAF_NO_RESOURCES, "%s: no memory to open it", map->path);
    (*store)->map = *map;
    (*store)->places = places;
    const char *path = map->temporary[0] ? map->temporary : map->path;
    enum sheaf_status status = writing ? file_open_write(path, map->on_nfs, &(*store)->descriptor, error)
                                       : file_open_read(path, path, &(*store)->descriptor, NULL, error);
    if (status == SHEAF_OK && (fstat((*store)->descriptor, &about) != 0 || about.st_size < map->bytes)) {
        status = sheaf_fail(error, SHEAF_IO_ERROR, "%s: is not the file of %lld bytes that was built for this run",
                            map->path, (long long)map->bytes);
        file_close((*store)->descriptor, map->path, NULL);
    }
    if (status != SHEAF_OK) {
        free(*store);
        *store = NULL;
        return status;
    }
    (*store)->view = writing ? view_results(*store) : NULL;
    return SHEAF_OK;
}

enum sheaf_status
store_attach(const struct store_map *map, const struct store_place *places, struct store **store,
             struct sheaf_error *error)
{
    return attach(map, places, true, store, error);
}

enum sheaf_status
store_attach_reading(const struct store_map *map, const struct store_place *places, struct store **store,
                     struct sheaf_error *error)
{
    return attach(map, places, false, store, error);
}

enum sheaf_status
store_detach(struct store *store, struct sheaf_error *error)
{
    if (!store)
        return SHEAF_OK;
    view_close(store->view);
    enum sheaf_status status = file_close(store->descriptor, store->map.path, error);
    free(store);
    return status;
}

enum sheaf_status
store_take_name(const struct store_map *map, struct sheaf_error *error)
{
    if (!map->overwrite) {
        if (renameat2(AT_FDCWD, map->temporary, AT_FDCWD, map->path, RENAME_NOREPLACE) == 0)
            return SHEAF_OK;
        if (errno == EEXIST)
            return sheaf_fail(error, SHEAF_NO_OUTPUT,
                              "%s exists since a moment; give --overwrite to replace it, or another -o", map->path);
        /* EINVAL: a file system, as NFS, that cannot promise it; the check at the start has to do */
    }
    if (rename(map->temporary, map->path) != 0)
        return sheaf_fail(error, SHEAF_NO_OUTPUT, "%s: cannot rename %s to it: %m", map->path, map->temporary);
    return SHEAF_OK;
}

enum sheaf_status
store_settle(struct store *store, struct store_settlement *settlement, struct sheaf_error *error)
{
    const struct store_map *map = &store->map;
    char directory[STORE_PATH_BYTES];
    struct timespec start, end;

    clock_gettime(CLOCK_MONOTONIC, &start);
    enum sheaf_status status = file_reserve(store->descriptor, map->path, map->bytes, &settlement->reserved, error);
    clock_gettime(CLOCK_MONOTONIC, &end);
    settlement->reserve_seconds = (double)(end.tv_sec - start.tv_sec) + 1e-9 * (double)(end.tv_nsec - start.tv_nsec);
    if (status == SHEAF_OK)
        status = file_sync(store->descriptor, map->path, true, error);
    if (status == SHEAF_OK)
        status = store_take_name(map, error);
    if (status != SHEAF_OK) {
        store_abandon(map);
        return status;
    }
    const char *slash = strrchr(map->path, '/');
    snprintf(directory, sizeof directory, "%.*s", slash == map->path ? 1 : (int)(slash - map->path), map->path);
    return file_sync_directory(directory, error);
}

void
store_abandon(const struct store_map *map)
{
    if (map->temporary[0])
        unlink(map->temporary);
}

/* Rows [first, first + count) of a table of `rows`: what is outside would land in another dataset. */
static enum sheaf_status
check_rows(const struct store *store, const char *what, int64_t first, int64_t count, int64_t rows,
           struct sheaf_error *error)
{
    if (first < 0 || count < 0 || first > rows || count > rows - first)
        return sheaf_fail(error, SHEAF_INTERNAL, "%s: rows %lld to %lld of %s, which has %lld", store->map.path,
                          (long long)first, (long long)(first + count - 1), what, (long long)rows);
    return SHEAF_OK;
}

/* What is done with bytes of results that lie side by side in the file, one span after the other. */
struct transfer {
    enum sheaf_status (*move)(struct store *, struct transfer *, int64_t offset, int64_t bytes, struct sheaf_error *);
    const char *from; /* of bytes that are written */
    char *to;         /* of bytes that are read; for those that are only hashed, room for a piece */
    struct record_digest *digest;
};

/* A piece of results that may lie in small pages of memory: what that costs is worth knowing. */
static enum sheaf_status
write_piece(const struct store *store, int64_t offset, const char *from, size_t bytes, struct sheaf_error *error)
{
    const bool small = store->view && bytes >= VIEW_LEAST_BYTES;
    const int64_t began = small ? huge_pages_clock() : 0;
    enum sheaf_status status = file_write(store->descriptor, store->map.path, offset, from, bytes, error);

    if (small)
        huge_pages_note_small((int64_t)bytes, huge_pages_clock() - began);
    return status;
}

/* Hash and write. @param[in] to  where the bytes lie in memory; NULL: write them to the file */
static enum sheaf_status
write_pieces(struct store *store, struct transfer *transfer, int64_t offset, int64_t left, char *to,
             struct sheaf_error *error)
{
    enum sheaf_status status = SHEAF_OK;

    for (int64_t done = 0; done < left && status == SHEAF_OK;) {
        const size_t piece = left - done < STORE_PIECE_BYTES ? (size_t)(left - done) : STORE_PIECE_BYTES;
        if (transfer->digest)
            record_digest_add(transfer->digest, transfer->from, piece);
        if (to)
            memcpy(to + done, transfer->from, piece);
        else
            status = write_piece(store, offset + done, transfer->from, piece, error);
        transfer->from += piece;
        done += (int64_t)piece;
    }
    return status;
}

/* Results in memory, part by part: each is in one huge page, or not. */
static enum sheaf_status
write_in_memory(struct store *store, struct transfer *transfer, int64_t offset, int64_t left, struct sheaf_error *error)
{
    enum sheaf_status status = SHEAF_OK;

    for (int64_t part; left > 0 && status == SHEAF_OK; offset += part, left -= part) {
        part = HUGE_PAGES_BLOCK - offset % HUGE_PAGES_BLOCK;
        part = part < left ? part : left;
        char *to = part >= VIEW_LEAST_BYTES ? view_prepare(store->view, offset, part) : NULL;
        status = write_pieces(store, transfer, offset, part, to, error);
        if (to && !view_release(store->view, offset, part))
            status = sheaf_fail(error, SHEAF_IO_ERROR, "%s: was cut off while results were written", store->map.path);
    }
    return status;
}

/* Write and hash. Large spans begin their way to the disk while the next ones are computed. */
static enum sheaf_status
write_span(struct store *store, struct transfer *transfer, int64_t offset, int64_t bytes, struct sheaf_error *error)
{
    if (store->view)
        return write_in_memory(store, transfer, offset, bytes, error);
    enum sheaf_status status = write_pieces(store, transfer, offset, bytes, NULL, error);
    if (bytes >= STORE_PIECE_BYTES)
        file_start_writeback(store->descriptor, offset, bytes);
    return status;
}

static enum sheaf_status
read_span(struct store *store, struct transfer *transfer, int64_t offset, int64_t bytes, struct sheaf_error *error)
{
    enum sheaf_status status =
        file_read(store->descriptor, store->map.path, offset, transfer->to, (size_t)bytes, error);

    transfer->to += bytes;
    return status;
}

static enum sheaf_status
hash_span(struct store *store, struct transfer *transfer, int64_t offset, int64_t left, struct sheaf_error *error)
{
    enum sheaf_status status = SHEAF_OK;

    while (left > 0 && status == SHEAF_OK) {
        size_t piece = left < STORE_PIECE_BYTES ? (size_t)left : STORE_PIECE_BYTES;
        status = file_read(store->descriptor, store->map.path, offset, transfer->to, piece, error);
        if (status == SHEAF_OK)
            record_digest_add(transfer->digest, transfer->to, piece);
        offset += (int64_t)piece;
        left -= (int64_t)piece;
    }
    return status;
}

/* The places of a grouped output, one a task. */
static const struct store_place *
places_of(const struct store *store, int output)
{
    const struct store_place *places = store->places;

    for (int i = 0; i < output; i++)
        if (store->map.outputs[i].grouped)
            places += store->map.tasks;
    return places;
}

/* Tasks whose places adjoin are moved in one go: tiny results of a class mostly do. */
static enum sheaf_status
transfer_grouped(struct store *store, int output, int64_t task, int64_t count, struct transfer *transfer,
                 struct sheaf_error *error)
{
    const struct store_map *map = &store->map;
    const struct store_place *places = places_of(store, output), *end = places + task + count;
    enum sheaf_status status = SHEAF_OK;

    for (const struct store_place *place = places + task; place < end && status == SHEAF_OK;) {
        const int64_t offset = place->offset;
        int64_t bytes = 0;
        do {
            if (place->bytes < 0 ||
                (place->bytes > 0 && (place->offset < 1 || place->bytes > map->bytes - place->offset)))
                return sheaf_fail(error, SHEAF_INTERNAL, "%s: the place of task %lld in %s is not in the file",
                                  map->path, (long long)(place - places), map->outputs[output].name);
            bytes += place->bytes;
            place++;
        } while (place < end && place->offset == offset + bytes);
        status = transfer->move(store, transfer, offset, bytes, error);
    }
    return status;
}

static enum sheaf_status
transfer_tasks(struct store *store, int output, int64_t task, int64_t count, struct transfer *transfer,
               struct sheaf_error *error)
{
    const struct store_map *map = &store->map;
    int64_t rows = map->tasks;

    if (output < 0 || output >= map->output_count ||
        (!map->outputs[output].grouped && !store_output_entries(&map->outputs[output], &rows)))
        return sheaf_fail(error, SHEAF_INTERNAL, "%s: there is no output %d", map->path, output);
    enum sheaf_status status = check_rows(store, map->outputs[output].name, task, count, rows, error);
    if (status != SHEAF_OK)
        return status;
    if (map->outputs[output].grouped)
        return transfer_grouped(store, output, task, count, transfer, error);
    int64_t task_bytes = map->output_task_bytes[output];
    return transfer->move(store, transfer, map->output_offsets[output] + task * task_bytes, count * task_bytes, error);
}

enum sheaf_status
store_write(struct store *store, int output, int64_t task, int64_t count, const void *bytes,
            struct record_digest *digest, struct sheaf_error *error)
{
    struct transfer transfer = {.move = write_span, .from = bytes, .digest = digest};

    return transfer_tasks(store, output, task, count, &transfer, error);
}

enum sheaf_status
store_read(struct store *store, int output, int64_t task, int64_t count, void *bytes, struct sheaf_error *error)
{
    struct transfer transfer = {.move = read_span, .to = bytes};

    return transfer_tasks(store, output, task, count, &transfer, error);
}

enum sheaf_status
store_digest(struct store *store, int output, int64_t task, int64_t count, void *room, struct record_digest *digest,
             struct sheaf_error *error)
{
    struct transfer transfer = {.move = hash_span, .to = room, .digest = digest};

    return transfer_tasks(store, output, task, count, &transfer, error);
}

static enum sheaf_status
write_record(struct store *store, int64_t chunk, struct record_chunk *record, struct sheaf_error *error)
{
    record_chunk_seal(record, chunk);
    return file_write(store->descriptor, store->map.path, store->map.chunks_offset + chunk * (int64_t)sizeof *record,
                      record, sizeof *record, error);
}

enum sheaf_status
store_start_chunk(struct store *store, int64_t chunk, struct record_chunk *record, struct sheaf_error *error)
{
    enum sheaf_status status = check_rows(store, "chunks", chunk, 1, store->map.chunks, error);
    if (status != SHEAF_OK)
        return status;
    record->state = RECORD_STARTED;
    return write_record(store, chunk, record, error);
}

enum sheaf_status
store_write_status(struct store *store, int64_t task, int64_t count, const uint8_t *status, const int32_t *info,
                   struct sheaf_error *error)
{
    const struct store_map *map = &store->map;

    enum sheaf_status result = check_rows(store, "status", task, count, map->tasks, error);
    if (result == SHEAF_OK)
        result = file_write(store->descriptor, map->path, map->status_offset + task, status, (size_t)count, error);
    if (result == SHEAF_OK)
        result = file_write(store->descriptor, map->path, map->info_offset + task * (int64_t)sizeof *info, info,
                            (size_t)count * sizeof *info, error);
    return result;
}

enum sheaf_status
store_commit_chunk(struct store *store, int64_t chunk, struct record_chunk *record, struct sheaf_error *error)
{
    enum sheaf_status status = check_rows(store, "chunks", chunk, 1, store->map.chunks, error);
    return status == SHEAF_OK ? write_record(store, chunk, record, error) : status;
}

enum sheaf_status
store_read_record(struct store *store, int64_t chunk, struct record_chunk *record, struct sheaf_error *error)
{
    enum sheaf_status status = check_rows(store, "chunks", chunk, 1, store->map.chunks, error);
    return status == SHEAF_OK
               ? file_read(store->descriptor, store->map.path,
                           store->map.chunks_offset + chunk * (int64_t)sizeof *record, record, sizeof *record, error)
               : status;
}

enum sheaf_status
store_read_status(struct store *store, int64_t first, int64_t count, uint8_t *status, int32_t *info,
                  struct sheaf_error *error)
{
    const struct store_map *map = &store->map;

    enum sheaf_status result = check_rows(store, "status", first, count, map->tasks, error);
    if (result == SHEAF_OK)
        result = file_read(store->descriptor, map->path, map->status_offset + first, status, (size_t)count, error);
    if (result == SHEAF_OK)
        result = file_read(store->descriptor, map->path, map->info_offset + first * (int64_t)sizeof *info, info,
                           (size_t)count * sizeof *info, error);
    return result;
}

enum sheaf_status
store_read_run(struct store *store, uint32_t number, struct record_run *run, struct sheaf_error *error)
{
    return file_read(store->descriptor, store->map.path,
                     store->map.runs_offset + number % RECORD_RUNS * (int64_t)sizeof *run, run, sizeof *run, error);
}

enum sheaf_status
store_write_run(struct store *store, struct record_run *run, struct sheaf_error *error)
{
    record_run_seal(run);
    return file_write(store->descriptor, store->map.path,
                      store->map.runs_offset + run->number % RECORD_RUNS * (int64_t)sizeof *run, run, sizeof *run,
                      error);
}

/* The row that has the name, else the first free one, else the last, which stands for all others. */
static uint32_t
find_host(const char (*table)[RECORD_HOST_BYTES], const char *name)
{
    uint32_t row = 0;

    while (row < RECORD_HOSTS - 1 && table[row][0] != '\0' && strncmp(table[row], name, RECORD_HOST_BYTES) != 0)
        row++;
    return row;
}

enum sheaf_status
store_enter_hosts(struct store *store, int count, const char (*names)[RECORD_HOST_BYTES], uint32_t *rows,
                  struct sheaf_error *error)
{
    const struct store_map *map = &store->map;
    char(*table)[RECORD_HOST_BYTES] = calloc(RECORD_HOSTS, RECORD_HOST_BYTES);

    if (!table)
        return sheaf_fail(error, SHEAF_NO_RESOURCES, "%s: no memory for the table of hosts", map->path);
    enum sheaf_status status = file_read(store->descriptor, map->path, map->hosts_offset, table,
                                         (size_t)RECORD_HOSTS * RECORD_HOST_BYTES, error);
    for (int i = 0; i < count && status == SHEAF_OK; i++) {
        uint32_t row = rows[i] = find_host((const char(*)[RECORD_HOST_BYTES])table, names[i]);
        if (table[row][0] != '\0')
            continue;
        snprintf(table[row], RECORD_HOST_BYTES, "%s", row < RECORD_HOSTS - 1 ? names[i] : "(others)");
        status = file_write(store->descriptor, map->path, map->hosts_offset + (int64_t)row * RECORD_HOST_BYTES,
                            table[row], RECORD_HOST_BYTES, error);
    }
    free(table);
    return status;
}

enum sheaf_status
store_read_host(struct store *store, uint32_t row, char name[RECORD_HOST_BYTES], struct sheaf_error *error)
{
    enum sheaf_status status = SHEAF_OK;

    name[0] = '\0';
    if (row < RECORD_HOSTS)
        status = file_read(store->descriptor, store->map.path,
                           store->map.hosts_offset + (int64_t)row * RECORD_HOST_BYTES, name, RECORD_HOST_BYTES, error);
    name[RECORD_HOST_BYTES - 1] = '\0';
    return status;
}

enum sheaf_status
store_sync(struct store *store, struct sheaf_error *error)
{
    return file_sync(store->descriptor, store->map.path, false, error);
}

enum sheaf_status
store_write_mark(struct store *store, uint32_t host, struct record_mark *mark, struct sheaf_error *error)
{
    enum sheaf_status status = check_rows(store, "marks", host, 1, RECORD_HOSTS, error);
    if (status != SHEAF_OK)
        return status;
    record_mark_seal(mark, host);
    return file_write(store->descriptor, store->map.path,
                      store->map.marks_offset + (int64_t)host * (int64_t)sizeof *mark, mark, sizeof *mark, error);
}

const char *
store_library_version(void)
{
    static char version[32];
    unsigned major = 0, minor = 0, release = 0;

    hdf5_guard_start();
    H5get_libversion(&major, &minor, &release);
    snprintf(version, sizeof version, "%u.%u.%u", major, minor, release);
    return version;
}
