#include "store_verify.h"

#include "file.h"
#include "store_reading.h"

#include <fcntl.h>
#include <stdlib.h>
#include <time.h>

enum {
    PIECE_BYTES = 256 * 1024, /* stays warm in the cache between reading and hashing */
    RECORDS_AT_ONCE = 1024,
    ORDER_AT_ONCE = 4096,
    NAMES_SHOWN = 3,
    RUNS_SHOWN = 8,
    ATTEMPTS = 9,
    REST_SECONDS = 10,
};

/* A results file that is being verified. */
struct verifying {
    const struct store_outline *outline;
    struct store_reading reading;
    struct store_summary summary;
    struct record_digest *digest;
    char *piece;                  /* PIECE_BYTES */
    struct record_chunk *records; /* RECORDS_AT_ONCE */
    int64_t *order;               /* ORDER_AT_ONCE, of positions from order_first on */
    int64_t order_first, order_count;
    char *names;          /* NULL: tasks have none */
    int64_t *name_starts; /* of each task within names */
    struct store_class_row class;
    int64_t class_index, chunk; /* what is being looked at; the class is the chunk's */
    int64_t first, count;       /* the chunk's positions */
    store_verify_tell *tell;
    void *context;
    struct store_verdict *verdict;
};

static enum sheaf_status
no_memory(const struct verifying *verifying)
{
    return sheaf_fail(verifying->reading.error, SHEAF_NO_RESOURCES, "%s: no memory to verify it",
                      verifying->reading.path);
}

static enum sheaf_status
read_bytes(const struct verifying *verifying, int64_t offset, void *bytes, size_t count, struct sheaf_error *error)
{
    return file_read(verifying->reading.descriptor, verifying->reading.path, offset, bytes, count, error);
}

/* ---- which tasks ---- */

/*
 * Tasks of positions from `position` on that follow each other, at most `count`.
 * @return SHEAF_BAD_DATA where /sheaf/order names none of the tasks
 */
static enum sheaf_status
find_run(struct verifying *verifying, int64_t position, int64_t count, int64_t *task, int64_t *length,
         struct sheaf_error *error)
{
    const int64_t offset = verifying->reading.tables[STORE_ORDER].offset, tasks = verifying->summary.map.tasks;
    int64_t at = position - verifying->order_first;

    *task = position;
    *length = count;
    if (offset < 0)
        return SHEAF_OK;
    if (at < 0 || at >= verifying->order_count) {
        int64_t most = tasks - position < ORDER_AT_ONCE ? tasks - position : ORDER_AT_ONCE;
        verifying->order_count = 0;
        enum sheaf_status status = read_bytes(verifying, offset + position * (int64_t)sizeof *verifying->order,
                                              verifying->order, (size_t)most * sizeof *verifying->order, error);
        if (status != SHEAF_OK)
            return status;
        verifying->order_first = position;
        verifying->order_count = most;
        at = 0;
    }
    const int64_t *order = verifying->order + at;
    const int64_t most = verifying->order_count - at < count ? verifying->order_count - at : count;
    for (*length = 1; *length < most && order[*length] == order[0] + *length;)
        ++*length;
    *task = order[0];
    if (*task < 0 || *task > tasks - *length)
        return sheaf_fail(error, SHEAF_BAD_DATA, "/sheaf/order has no such task: %lld", (long long)*task);
    return SHEAF_OK;
}

/* The name of a task, NULL where it has none. */
static const char *
name_of(const struct verifying *verifying, int64_t task)
{
    return verifying->names ? verifying->names + verifying->name_starts[task] : NULL;
}

/* ---- what they hold ---- */

/* Add bytes that lie side by side in the file. */
static enum sheaf_status
digest_span(struct verifying *verifying, int64_t offset, int64_t bytes, struct sheaf_error *error)
{
    enum sheaf_status status = SHEAF_OK;

    verifying->verdict->bytes += bytes;
    while (bytes > 0 && status == SHEAF_OK) {
        size_t piece = bytes < PIECE_BYTES ? (size_t)bytes : PIECE_BYTES;
        status = read_bytes(verifying, offset, verifying->piece, piece, error);
        if (status == SHEAF_OK)
            record_digest_add(verifying->digest, verifying->piece, piece);
        offset += (int64_t)piece;
        bytes -= (int64_t)piece;
    }
    return status;
}

/* Add the datasets that some tasks have in the group of an output. */
static enum sheaf_status
digest_group(struct verifying *verifying, const char *output, const struct store_member *members, int64_t task,
             int64_t count, struct sheaf_error *error)
{
    enum sheaf_status status = SHEAF_OK;

    for (int64_t i = task; i < task + count && status == SHEAF_OK; i++)
        /* what is wrong with one dataset is told of its chunk */
        status = members[i].present ? digest_span(verifying, members[i].offset, members[i].bytes, error)
                                    : sheaf_fail(error, SHEAF_BAD_DATA, "%s: /%s/%s is missing or wrong",
                                                 verifying->reading.path, output, name_of(verifying, i));
    return status;
}

/* Add a table of tasks: status, info or a stacked output. */
static enum sheaf_status
digest_table(struct verifying *verifying, int64_t offset, int64_t task_bytes, struct sheaf_error *error)
{
    enum sheaf_status status = SHEAF_OK;
    int64_t task, length;

    for (int64_t done = 0; done < verifying->count && status == SHEAF_OK; done += length) {
        status = find_run(verifying, verifying->first + done, verifying->count - done, &task, &length, error);
        if (status == SHEAF_OK)
            status = digest_span(verifying, offset + task * task_bytes, length * task_bytes, error);
    }
    return status;
}

/* Add a grouped output. */
static enum sheaf_status
digest_members(struct verifying *verifying, const char *output, const struct store_member *members,
               struct sheaf_error *error)
{
    enum sheaf_status status = SHEAF_OK;
    int64_t task, length;

    for (int64_t done = 0; done < verifying->count && status == SHEAF_OK; done += length) {
        status = find_run(verifying, verifying->first + done, verifying->count - done, &task, &length, error);
        if (status == SHEAF_OK)
            status = digest_group(verifying, output, members, task, length, error);
    }
    return status;
}

/* Add all outputs. */
static enum sheaf_status
digest_outputs(struct verifying *verifying, struct sheaf_error *error)
{
    const struct store_map *map = &verifying->summary.map;
    const struct store_member *members = verifying->outline->members;
    enum sheaf_status status = SHEAF_OK;

    for (int i = 0; i < map->output_count && status == SHEAF_OK; i++) {
        const struct store_output *output = &map->outputs[i];
        if (output->grouped)
            status = digest_members(verifying, output->name, members, error);
        else if (!output->shared)
            status = digest_table(verifying, map->output_offsets[i], map->output_task_bytes[i], error);
        members += output->grouped ? map->tasks : 0;
    }
    return status;
}

/* The digest of what the chunk's tasks hold, in the order that FORMAT.md has. */
static enum sheaf_status
digest_chunk(struct verifying *verifying, uint64_t *value, struct sheaf_error *error)
{
    const struct store_map *map = &verifying->summary.map;

    record_digest_reset(verifying->digest);
    enum sheaf_status status = digest_outputs(verifying, error);
    if (status == SHEAF_OK)
        status = digest_table(verifying, map->status_offset, sizeof(uint8_t), error);
    if (status == SHEAF_OK)
        status = digest_table(verifying, map->info_offset, sizeof(int32_t), error);
    *value = record_digest_value(verifying->digest);
    return status;
}

/* ---- what is told ---- */

static void
append(char *text, size_t bytes, const char *format, ...)
{
    size_t used = strlen(text);
    va_list arguments;

    va_start(arguments, format);
    vsnprintf(text + used, bytes - used, format, arguments);
    va_end(arguments);
}

/* Which tasks the chunk has: "task 3", "tasks 16 to 23", "tasks 0, 3 and 5 (b/x, c.d, z)". */
static void
format_tasks(struct verifying *verifying, char *text, size_t bytes)
{
    int64_t task, length, shown = 0, done = 0;

    snprintf(text, bytes, "task%s ", verifying->count == 1 ? "" : "s");
    for (; done < verifying->count && shown < RUNS_SHOWN; done += length, shown++) {
        if (find_run(verifying, verifying->first + done, verifying->count - done, &task, &length, NULL) != SHEAF_OK) {
            append(text, bytes, "that /sheaf/order does not tell");
            return;
        }
        append(text, bytes, "%s%lld", done ? ", " : "", (long long)task);
        if (length > 1)
            append(text, bytes, " to %lld", (long long)(task + length - 1));
    }
    if (done < verifying->count)
        append(text, bytes, " and %lld more", (long long)(verifying->count - done));
    for (done = 0; verifying->names && done < verifying->count && done < NAMES_SHOWN; done++)
        if (find_run(verifying, verifying->first + done, 1, &task, &length, NULL) == SHEAF_OK)
            append(text, bytes, "%s%.80s", done ? ", " : " (", name_of(verifying, task));
    if (verifying->names)
        append(text, bytes, verifying->count > NAMES_SHOWN ? ", ...)" : ")");
}

static void
tell_chunk(struct verifying *verifying, enum store_damage damage, const char *reason)
{
    struct store_finding finding = {
        .damage = damage, .row = verifying->chunk, .tasks = verifying->count, .reason = reason};

    verifying->verdict->chunks_damaged++;
    verifying->verdict->tasks_damaged += verifying->count;
    if (!verifying->tell)
        return;
    format_tasks(verifying, finding.text, sizeof finding.text);
    verifying->tell(&finding, verifying->context);
}

static void
tell_row(struct verifying *verifying, enum store_damage damage, int64_t row)
{
    const struct store_finding finding = {.damage = damage, .row = row};

    verifying->verdict->rows_damaged++;
    if (verifying->tell)
        verifying->tell(&finding, verifying->context);
}

/* ---- chunks ---- */

/* Of records as they lie in the file, whatever their fields mean. */
static bool
is_same(const void *a, const void *b, size_t count)
{
    return memcmp(a, b, count) == 0;
}

/*
 * Wait longer each time, half a second in all: who writes may be held up within a write. Nobody is where the file has been
 * at rest for long. @return false: waiting has no sense (any more)
 */
static bool
wait_for_writers(const struct verifying *verifying, int attempt)
{
    const struct timespec pause = {.tv_nsec = 1000000L << attempt};
    struct timespec now;
    struct stat about;

    clock_gettime(CLOCK_REALTIME, &now);
    if (attempt >= ATTEMPTS || fstat(verifying->reading.descriptor, &about) != 0 ||
        (about.st_mtim.tv_sec <= now.tv_sec && now.tv_sec - about.st_mtim.tv_sec > REST_SECONDS))
        return false;
    nanosleep(&pause, NULL);
    return true;
}

/* Go on to the chunk: its class, of which chunks count one after the other, and its positions. */
static enum sheaf_status
enter_chunk(struct verifying *verifying, int64_t chunk)
{
    const struct store_reading *reading = &verifying->reading;
    struct store_class_row *class = &verifying->class;

    verifying->chunk = chunk;
    while (verifying->class_index < 0 || chunk >= class->first_chunk + class->chunks) {
        if (++verifying->class_index >= reading->tables[STORE_CLASSES].rows)
            return store_reading_fail(reading, "/sheaf/classes");
        int64_t row = verifying->class_index * (int64_t)sizeof *class, covered;
        enum sheaf_status status =
            read_bytes(verifying, reading->tables[STORE_CLASSES].offset + row, class, sizeof *class, reading->error);
        if (status != SHEAF_OK)
            return status;
        const int64_t tasks = verifying->summary.map.tasks;
        if (class->first_chunk != chunk || class->chunks < 0 || class->chunks > verifying->summary.map.chunks - chunk ||
            class->tasks < 0 || class->first_position < 0 || class->first_position > tasks - class->tasks ||
            class->tasks_per_chunk < 1 || !sheaf_multiply(class->chunks, class->tasks_per_chunk, &covered) ||
            covered < class->tasks || covered - class->tasks >= class->tasks_per_chunk)
            return store_reading_fail(reading, "/sheaf/classes");
    }
    const int64_t before = (chunk - class->first_chunk) * class->tasks_per_chunk;
    verifying->first = class->first_position + before;
    verifying->count = class->tasks - before < class->tasks_per_chunk ? class->tasks - before : class->tasks_per_chunk;
    return SHEAF_OK;
}

/* What a record and its chunk come to. */
enum outcome { OUTCOME_PENDING, OUTCOME_RIGHT, OUTCOME_DAMAGED };

static enum outcome
compare_chunk(struct verifying *verifying, const struct record_chunk *record, enum store_damage *damage,
              struct sheaf_error *reason)
{
    uint64_t value;

    reason->text[0] = '\0';
    if (record_is_zero(record, sizeof *record))
        return OUTCOME_PENDING;
    *damage = STORE_DAMAGE_RECORD;
    if (!record_chunk_valid(record, verifying->chunk))
        return OUTCOME_DAMAGED;
    *damage = STORE_DAMAGE_GRID;
    if (record->class_index != verifying->class_index || record->first != verifying->first ||
        record->count != verifying->count)
        return OUTCOME_DAMAGED;
    if (record->state != RECORD_DONE)
        return OUTCOME_PENDING;
    *damage = STORE_DAMAGE_READING;
    if (digest_chunk(verifying, &value, reason) != SHEAF_OK)
        return OUTCOME_DAMAGED;
    *damage = STORE_DAMAGE_RESULTS;
    return value == record->result_checksum ? OUTCOME_RIGHT : OUTCOME_DAMAGED;
}

/* Whether the chunk's record becomes another one, which is read, while what it says now does not hold. */
static enum sheaf_status
await_change(struct verifying *verifying, struct record_chunk *record, bool *changed)
{
    const int64_t offset = verifying->summary.map.chunks_offset + verifying->chunk * (int64_t)sizeof *record;
    const struct record_chunk before = *record;
    enum sheaf_status status = SHEAF_OK;
    bool again = true;

    *changed = false;
    for (int attempt = 0; again && !*changed && status == SHEAF_OK; attempt++) {
        again = wait_for_writers(verifying, attempt);
        status = read_bytes(verifying, offset, record, sizeof *record, verifying->reading.error);
        *changed = status == SHEAF_OK && !is_same(&before, record, sizeof before);
    }
    return status;
}

/*
 * A chunk is damaged if its record stays the same: one that is written meanwhile is caught half written, and results are
 * computed again only after their record has been changed to say so.
 */
static enum sheaf_status
verify_chunk(struct verifying *verifying, int64_t chunk, struct record_chunk *record)
{
    struct store_verdict *verdict = verifying->verdict;
    const int64_t bytes = verdict->bytes;
    enum store_damage damage = STORE_DAMAGE_RECORD;
    struct sheaf_error reason;
    bool changed = true;

    enum sheaf_status status = enter_chunk(verifying, chunk);
    for (int attempt = 0; attempt < ATTEMPTS && changed && status == SHEAF_OK; attempt++) {
        verdict->bytes = bytes;
        enum outcome outcome = compare_chunk(verifying, record, &damage, &reason);
        verdict->chunks_right += outcome == OUTCOME_RIGHT;
        verdict->tasks_right += outcome == OUTCOME_RIGHT ? verifying->count : 0;
        if (outcome != OUTCOME_DAMAGED)
            return SHEAF_OK;
        status = await_change(verifying, record, &changed);
    }
    /* else somebody is at it all the time: it is not committed yet */
    if (!changed && status == SHEAF_OK)
        tell_chunk(verifying, damage, reason.text[0] ? reason.text : NULL);
    return status;
}

static enum sheaf_status
verify_chunks(struct verifying *verifying)
{
    const struct store_map *map = &verifying->summary.map;
    struct record_chunk *records = verifying->records;
    enum sheaf_status status = SHEAF_OK;

    for (int64_t first = 0; first < map->chunks && status == SHEAF_OK; first += RECORDS_AT_ONCE) {
        int64_t count = map->chunks - first < RECORDS_AT_ONCE ? map->chunks - first : RECORDS_AT_ONCE;
        status = read_bytes(verifying, map->chunks_offset + first * (int64_t)sizeof *records, records,
                            (size_t)count * sizeof *records, verifying->reading.error);
        for (int64_t i = 0; i < count && status == SHEAF_OK; i++)
            status = verify_chunk(verifying, first + i, &records[i]);
    }
    return status;
}

/* ---- runs and marks ---- */

static bool
is_run_whole(const void *row, int64_t number)
{
    const struct record_run *run = row;

    return record_is_zero(run, sizeof *run) || (record_run_valid(run) && run->number % RECORD_RUNS == number);
}

static bool
is_mark_whole(const void *row, int64_t number)
{
    return record_is_zero(row, sizeof(struct record_mark)) || record_mark_valid(row, number);
}

/* A table whose rows carry a checksum each; like records they are damaged if they stay so. */
static enum sheaf_status
verify_rows(struct verifying *verifying, enum store_table table, bool (*is_whole)(const void *, int64_t),
            enum store_damage damage)
{
    const struct store_reading *reading = &verifying->reading;
    const size_t bytes = store_table_row_bytes(table);
    struct record_run row; /* the longest of them */
    enum sheaf_status status = SHEAF_OK;

    for (int64_t i = 0; i < reading->tables[table].rows && status == SHEAF_OK; i++) {
        bool whole = false, again = true;
        for (int attempt = 0; !whole && again && status == SHEAF_OK; attempt++) {
            again = attempt == 0 || wait_for_writers(verifying, attempt - 1);
            status =
                read_bytes(verifying, reading->tables[table].offset + i * (int64_t)bytes, &row, bytes, reading->error);
            whole = status == SHEAF_OK && is_whole(&row, i);
        }
        if (status == SHEAF_OK && !whole)
            tell_row(verifying, damage, i);
    }
    return status;
}

/* ---- all ---- */

/* The bytes of all tasks of a stacked output have to be in the file. */
static enum sheaf_status
check_outputs(const struct verifying *verifying)
{
    const struct store_map *map = &verifying->summary.map;
    int64_t bytes, members = 0;

    for (int i = 0; i < map->output_count; i++) {
        const struct store_output *output = &map->outputs[i];
        if (output->grouped && !verifying->names)
            return store_reading_fail(&verifying->reading, "/sheaf/names");
        members += output->grouped ? map->tasks : 0;
        if (output->grouped || output->shared)
            continue;
        if (!sheaf_multiply(map->tasks, map->output_task_bytes[i], &bytes) ||
            (bytes > 0 && bytes > verifying->reading.identity.bytes - map->output_offsets[i]))
            return store_reading_fail(&verifying->reading, output->name);
    }
    return members == verifying->outline->member_count
               ? SHEAF_OK
               : sheaf_fail(verifying->reading.error, SHEAF_INTERNAL, "%s: %lld datasets were found, of %lld",
                            verifying->reading.path, (long long)verifying->outline->member_count, (long long)members);
}

static enum sheaf_status
make_room(struct verifying *verifying)
{
    verifying->class_index = -1;
    verifying->digest = record_digest_create();
    verifying->piece = malloc(PIECE_BYTES);
    verifying->records = malloc(RECORDS_AT_ONCE * sizeof *verifying->records);
    verifying->order = malloc(ORDER_AT_ONCE * sizeof *verifying->order);
    bool enough = verifying->digest && verifying->piece && verifying->records && verifying->order;
    return enough ? SHEAF_OK : no_memory(verifying);
}

enum sheaf_status
store_verify(const char *path, const struct store_outline *outline, store_verify_tell *tell, void *context,
             struct store_verdict *verdict, struct sheaf_error *error)
{
    struct verifying verifying = {.outline = outline, .tell = tell, .context = context, .verdict = verdict};

    enum sheaf_status status = store_reading_start(&verifying.reading, path, outline, &verifying.summary, error);
    *verdict = (struct store_verdict){.chunks = verifying.summary.map.chunks, .tasks = verifying.summary.map.tasks};
    if (status == SHEAF_OK)
        status = make_room(&verifying);
    if (status == SHEAF_OK)
        status = store_reading_names(&verifying.reading, &verifying.names, &verifying.name_starts);
    if (status == SHEAF_OK)
        status = check_outputs(&verifying);
    if (status == SHEAF_OK) {
        /* it goes from front to back: let the system read further ahead; a hint, so whether it helps does not matter */
        (void)posix_fadvise(verifying.reading.descriptor, 0, 0, POSIX_FADV_SEQUENTIAL);
        status = verify_chunks(&verifying);
    }
    if (status == SHEAF_OK)
        status = verify_rows(&verifying, STORE_RUNS, is_run_whole, STORE_DAMAGE_RUN);
    if (status == SHEAF_OK)
        status = verify_rows(&verifying, STORE_MARKS, is_mark_whole, STORE_DAMAGE_MARK);
    free(verifying.name_starts);
    free(verifying.names);
    free(verifying.order);
    free(verifying.records);
    free(verifying.piece);
    record_digest_destroy(verifying.digest);
    store_reading_end(&verifying.reading);
    store_summary_free(&verifying.summary);
    return status;
}
