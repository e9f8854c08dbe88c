#include "store_past.h"

#include "file.h"
#include "store_reading.h"

#include <stdlib.h>

enum { RECORDS_AT_ONCE = 1024, ORDER_AT_ONCE = 4096, ARGUMENTS_MOST = 16 << 20 };

static enum sheaf_status
no_memory(const struct store_past *past, struct sheaf_error *error)
{
    return sheaf_fail(error, SHEAF_NO_RESOURCES, "%s: no memory to go on with it", past->summary.map.path);
}

/* ---- reading ---- */

static enum sheaf_status
read_classes(struct store_past *past, struct sheaf_error *error)
{
    struct store_class_row *rows = NULL;

    enum sheaf_status status = store_reading_table(past->reading, STORE_CLASSES, past->summary.map.tasks, &rows);
    past->class_count = past->reading->tables[STORE_CLASSES].rows;
    if (status == SHEAF_OK) {
        past->classes = calloc((size_t)past->class_count + 1, sizeof *past->classes);
        status = past->classes ? SHEAF_OK : no_memory(past, error);
    }
    for (int64_t i = 0; i < past->class_count && status == SHEAF_OK; i++)
        past->classes[i] = (struct store_class){.tasks = rows[i].tasks,
                                                .first_position = rows[i].first_position,
                                                .first_chunk = rows[i].first_chunk,
                                                .chunks = rows[i].chunks,
                                                .tasks_per_chunk = rows[i].tasks_per_chunk};
    free(rows);
    return status;
}

static enum sheaf_status
count_hosts(struct store_past *past)
{
    char(*hosts)[RECORD_HOST_BYTES] = NULL;

    enum sheaf_status status = store_reading_table(past->reading, STORE_HOSTS, RECORD_HOSTS, &hosts);
    for (int i = 0; i < RECORD_HOSTS && status == SHEAF_OK; i++)
        if (hosts[i][0] != '\0')
            past->host_count = i + 1;
    free(hosts);
    return status;
}

static enum sheaf_status
keep_members(struct store_past *past, const struct store_outline *outline, struct sheaf_error *error)
{
    const size_t bytes = (size_t)outline->member_count * sizeof *past->members;

    past->member_count = outline->member_count;
    past->members = malloc(bytes + 1);
    if (!past->members)
        return no_memory(past, error);
    memcpy(past->members, outline->members, bytes);
    return SHEAF_OK;
}

enum sheaf_status
store_past_read(const char *path, const struct store_outline *outline, struct store_past *past,
                struct sheaf_error *error)
{
    memset(past, 0, sizeof *past);
    past->reading = calloc(1, sizeof *past->reading);
    if (!past->reading)
        return sheaf_fail(error, SHEAF_NO_RESOURCES, "%s: no memory to read it", path);
    enum sheaf_status status = store_reading_start(past->reading, path, outline, &past->summary, error);
    if (status == SHEAF_OK)
        status = keep_members(past, outline, error);
    if (status == SHEAF_OK)
        status = store_reading_table(past->reading, STORE_COMMAND, ARGUMENTS_MOST, &past->arguments);
    if (status == SHEAF_OK)
        past->arguments_bytes = past->reading->tables[STORE_COMMAND].rows;
    if (status == SHEAF_OK)
        status = store_reading_runs(past->reading);
    if (status == SHEAF_OK)
        status = read_classes(past, error);
    return status == SHEAF_OK ? count_hosts(past) : status;
}

void
store_past_free(struct store_past *past)
{
    if (past->reading)
        store_reading_end(past->reading);
    free(past->reading);
    free(past->arguments);
    free(past->classes);
    free(past->places);
    free(past->members);
    free(past->chunks);
    store_summary_free(&past->summary);
    memset(past, 0, sizeof *past);
}

/* ---- whether it is the same computation ---- */

static enum sheaf_status
refuse(const struct store_past *past, struct sheaf_error *error, const char *what, const char *now, const char *then)
{
    return sheaf_fail(error, SHEAF_BAD_DATA,
                      "%s: cannot go on: %s is %s, it was %s when the file was begun; give another -o, or --overwrite",
                      past->summary.map.path, what, now[0] ? now : "(none)", then[0] ? then : "(none)");
}

static enum sheaf_status
refuse_count(const struct store_past *past, struct sheaf_error *error, const char *what, int64_t now, int64_t then)
{
    char texts[2][32];

    snprintf(texts[0], sizeof texts[0], "%lld", (long long)now);
    snprintf(texts[1], sizeof texts[1], "%lld", (long long)then);
    return refuse(past, error, what, texts[0], texts[1]);
}

static enum sheaf_status
refuse_shape(const struct store_past *past, struct sheaf_error *error, const char *what, const struct sheaf_shape *now,
             const struct sheaf_shape *then)
{
    char texts[2][SHEAF_SHAPE_TEXT];

    return refuse(past, error, what, sheaf_shape_format(now, texts[0]), sheaf_shape_format(then, texts[1]));
}

static enum sheaf_status
match_texts(const struct store_past *past, const struct store_spec *spec, struct sheaf_error *error)
{
    const struct store_summary *summary = &past->summary;
    const struct {
        const char *what, *now, *then;
    } texts[] = {{"the command", spec->program, summary->program},
                 {"the kernel", spec->kernel, summary->kernel},
                 {"the kernel's signature", spec->signature, summary->signature},
                 {"the fingerprint of the kernel's file (--kernel)", spec->plugin ? spec->plugin : "", summary->plugin},
                 {"the kernel's parameters", spec->parameters, summary->parameters}};

    for (size_t i = 0; i < sizeof texts / sizeof *texts; i++)
        if (strcmp(texts[i].now, texts[i].then) != 0)
            return refuse(past, error, texts[i].what, texts[i].now, texts[i].then);
    return SHEAF_OK;
}

static enum sheaf_status
match_operand(const struct store_past *past, const struct source_map *now, const struct source_map *then,
              struct sheaf_error *error)
{
    char what[SOURCE_TEXT_BYTES + 32];

    snprintf(what, sizeof what, "the type of %.300s", now->text);
    if (now->file_type != then->file_type)
        return refuse(past, error, what, sheaf_type_name(now->file_type), sheaf_type_name(then->file_type));
    snprintf(what, sizeof what, "the type that %.300s is read as", now->text);
    if (now->array.type != then->array.type)
        return refuse(past, error, what, sheaf_type_name(now->array.type), sheaf_type_name(then->array.type));
    snprintf(what, sizeof what, "the shape of a task of %.300s", now->text);
    if (!sheaf_shape_equal(&now->array.core, &then->array.core))
        return refuse_shape(past, error, what, &now->array.core, &then->array.core);
    snprintf(what, sizeof what, "the leading shape of %.300s", now->text);
    if (!sheaf_shape_equal(&now->array.lead, &then->array.lead))
        return refuse_shape(past, error, what, &now->array.lead, &then->array.lead);
    if (now->fingerprint == then->fingerprint)
        return SHEAF_OK;
    return sheaf_fail(error, SHEAF_BAD_DATA,
                      "%s: cannot go on: the content of %.300s is not that of %.300s when the file was begun; give the "
                      "same input, or another -o, or --overwrite",
                      past->summary.map.path, now->text, then->text);
}

static enum sheaf_status
match_operands(const struct store_past *past, const struct store_spec *spec, struct sheaf_error *error)
{
    enum sheaf_status status = SHEAF_OK;

    if (spec->operand_count != past->summary.operand_count)
        return refuse_count(past, error, "the number of operands", spec->operand_count, past->summary.operand_count);
    for (int i = 0; i < spec->operand_count && status == SHEAF_OK; i++)
        status = match_operand(past, &spec->operands[i], &past->summary.operands[i], error);
    return status;
}

static enum sheaf_status
match_output(const struct store_past *past, const struct store_output *now, const struct store_output *then,
             struct sheaf_error *error)
{
    char what[STORE_NAME_BYTES + 32];

    if (strcmp(now->name, then->name) != 0)
        return refuse(past, error, "an output", now->name, then->name);
    snprintf(what, sizeof what, "the kind of /%s", now->name);
    if (now->grouped != then->grouped || now->shared != then->shared)
        return refuse(past, error, what, now->grouped ? "a group" : "one dataset",
                      then->grouped ? "a group" : "one dataset");
    if (now->grouped)
        return SHEAF_OK; /* each dataset is compared when it is found */
    snprintf(what, sizeof what, "the type of /%s", now->name);
    if (now->array.type != then->array.type)
        return refuse(past, error, what, sheaf_type_name(now->array.type), sheaf_type_name(then->array.type));
    snprintf(what, sizeof what, "the shape of a result in /%s", now->name);
    if (!sheaf_shape_equal(&now->array.core, &then->array.core))
        return refuse_shape(past, error, what, &now->array.core, &then->array.core);
    return SHEAF_OK;
}

static enum sheaf_status
match_outputs(const struct store_past *past, const struct store_spec *spec, struct sheaf_error *error)
{
    const struct store_map *map = &past->summary.map;
    enum sheaf_status status = SHEAF_OK;

    if (spec->output_count != map->output_count)
        return refuse_count(past, error, "the number of outputs", spec->output_count, map->output_count);
    for (int i = 0; i < spec->output_count && status == SHEAF_OK; i++)
        status = match_output(past, &spec->outputs[i], &map->outputs[i], error);
    return status;
}

static enum sheaf_status
match_classes(const struct store_past *past, const struct store_spec *spec, struct sheaf_error *error)
{
    if (spec->class_count != past->class_count)
        return refuse_count(past, error, "the number of shapes", spec->class_count, past->class_count);
    for (int i = 0; i < spec->class_count; i++) {
        const struct store_class *now = &spec->classes[i], *then = &past->classes[i];
        const struct {
            const char *what;
            int64_t now, then;
        } numbers[] = {{"the number of tasks of one shape", now->tasks, then->tasks},
                       {"the number of tasks in a chunk", now->tasks_per_chunk, then->tasks_per_chunk},
                       {"the number of chunks of one shape", now->chunks, then->chunks},
                       {"the first task of one shape", now->first_position, then->first_position},
                       {"the first chunk of one shape", now->first_chunk, then->first_chunk}};
        for (size_t k = 0; k < sizeof numbers / sizeof *numbers; k++)
            if (numbers[k].now != numbers[k].then)
                return refuse_count(past, error, numbers[k].what, numbers[k].now, numbers[k].then);
    }
    return SHEAF_OK;
}

static enum sheaf_status
match_order(const struct store_past *past, const struct store_spec *spec, struct sheaf_error *error)
{
    const struct store_reading *reading = past->reading;
    const int64_t offset = reading->tables[STORE_ORDER].offset;
    enum sheaf_status status = SHEAF_OK;
    int64_t order[ORDER_AT_ONCE];

    if (!spec->order != (offset < 0))
        return refuse(past, error, "the order of tasks", spec->order ? "by shape" : "as given",
                      spec->order ? "as given" : "by shape");
    for (int64_t done = 0; spec->order && done < spec->tasks && status == SHEAF_OK;) {
        int64_t count = spec->tasks - done < ORDER_AT_ONCE ? spec->tasks - done : ORDER_AT_ONCE;
        status = file_read(reading->descriptor, reading->path, offset + done * (int64_t)sizeof *order, order,
                           (size_t)count * sizeof *order, error);
        for (int64_t i = 0; i < count && status == SHEAF_OK; i++)
            if (order[i] != spec->order[done + i])
                status = refuse_count(past, error, "a task of the same shape", spec->order[done + i], order[i]);
        done += count;
    }
    return status;
}

static enum sheaf_status
match_spec(const struct store_past *past, const struct store_spec *spec, struct sheaf_error *error)
{
    const struct store_summary *summary = &past->summary;

    enum sheaf_status status = match_texts(past, spec, error);
    if (status == SHEAF_OK)
        status = match_operands(past, spec, error);
    if (status == SHEAF_OK && spec->tasks != summary->map.tasks)
        status = refuse_count(past, error, "the number of tasks", spec->tasks, summary->map.tasks);
    if (status == SHEAF_OK && !sheaf_shape_equal(&spec->lead, &summary->lead))
        status = refuse_shape(past, error, "the leading shape", &spec->lead, &summary->lead);
    if (status == SHEAF_OK)
        status = match_outputs(past, spec, error);
    if (status == SHEAF_OK)
        status = match_classes(past, spec, error);
    if (status == SHEAF_OK && spec->chunks != summary->map.chunks)
        status = refuse_count(past, error, "the number of chunks", spec->chunks, summary->map.chunks);
    return status == SHEAF_OK ? match_order(past, spec, error) : status;
}

/* ---- where results of unequal shapes lie ---- */

/* Where each task's dataset lies was found by the names that the file has: they have to be the names of the same tasks. */
static enum sheaf_status
match_names(const struct store_past *past, const struct store_spec *spec, struct sheaf_error *error)
{
    int64_t *starts = NULL, at = 0;
    char *names = NULL;

    enum sheaf_status status = store_reading_names(past->reading, &names, &starts);
    if (status == SHEAF_OK && !names)
        return store_reading_fail(past->reading, "/sheaf/names");
    for (int64_t task = 0; task < spec->tasks && status == SHEAF_OK; task++) {
        const char *now = at < spec->names_bytes ? spec->names + at : "";
        if (strcmp(now, names + starts[task]) != 0)
            status = refuse(past, error, "the name of a task", now, names + starts[task]);
        at += (int64_t)strlen(now) + 1;
    }
    free(starts);
    free(names);
    return status;
}

/* What is wrong with a task's dataset: rare, so its name is looked for only now. */
static enum sheaf_status
refuse_member(const struct store_past *past, const struct store_spec *spec, const struct store_output *output,
              int64_t task, const struct store_member *member, struct sheaf_error *error)
{
    const char *name = spec->names;
    char path[2 * STORE_NAME_BYTES];

    for (int64_t i = 0; i < task; i++)
        name += strlen(name) + 1;
    snprintf(path, sizeof path, "/%s/%.*s", output->name, STORE_NAME_BYTES - 2, name);
    if (!member->present)
        return store_reading_fail(past->reading, path);
    return sheaf_fail(error, SHEAF_BAD_DATA, "%s: cannot go on: %s has another shape or type than when it was begun",
                      past->summary.map.path, path);
}

static bool
is_shaped(const struct store_member *member, enum sheaf_type type, const struct sheaf_shape *shape)
{
    return member->type == (int32_t)type && member->ndim == shape->ndim &&
           memcmp(member->extent, shape->extent, (size_t)shape->ndim * sizeof *shape->extent) == 0;
}

static enum sheaf_status
take_group(struct store_past *past, const struct store_spec *spec, int output, const struct store_member *members,
           struct store_place *places, struct sheaf_error *error)
{
    const struct store_output *about = &spec->outputs[output];
    enum sheaf_status status = SHEAF_OK;

    past->summary.map.outputs[output] = *about;
    for (int c = 0; c < spec->class_count; c++) {
        const struct store_class *class = &spec->classes[c];
        for (int64_t i = 0; i < class->tasks && status == SHEAF_OK; i++) {
            int64_t position = class->first_position + i, task = spec->order ? spec->order[position] : position;
            const struct store_member *member = &members[task];
            if (member->present && is_shaped(member, about->array.type, &class->output_shapes[output]))
                places[task] = (struct store_place){member->offset, member->bytes};
            else
                status = refuse_member(past, spec, about, task, member, error);
        }
    }
    return status;
}

static enum sheaf_status
take_places(struct store_past *past, const struct store_spec *spec, struct sheaf_error *error)
{
    int64_t grouped = 0;

    for (int i = 0; i < spec->output_count; i++)
        grouped += spec->outputs[i].grouped;
    if (grouped == 0)
        return SHEAF_OK;
    enum sheaf_status status = match_names(past, spec, error);
    if (status == SHEAF_OK && past->member_count != grouped * spec->tasks)
        status = sheaf_fail(error, SHEAF_INTERNAL, "%s: %lld datasets were found, of %lld", past->summary.map.path,
                            (long long)past->member_count, (long long)(grouped * spec->tasks));
    if (status != SHEAF_OK)
        return status;
    past->places_bytes = past->summary.map.places_bytes = grouped * spec->tasks * (int64_t)sizeof *past->places;
    past->places = malloc((size_t)past->places_bytes + 1);
    if (!past->places)
        return no_memory(past, error);
    int64_t done = 0;
    for (int i = 0; i < spec->output_count && status == SHEAF_OK; i++) {
        if (!spec->outputs[i].grouped)
            continue;
        status = take_group(past, spec, i, past->members + done, past->places + done, error);
        done += spec->tasks;
    }
    return status;
}

/* ---- what its records say ---- */

/* Whether it is known to have reached the disk. */
static bool
is_marked(const struct record_chunk *record, const struct record_mark *marks)
{
    if (record->host >= RECORD_HOSTS || !record_mark_valid(&marks[record->host], record->host))
        return false;
    const struct record_mark *mark = &marks[record->host];
    return record->run < mark->run || (record->run == mark->run && record->sequence <= mark->sequence);
}

enum store_condition
store_past_judge(const struct record_chunk *record, int64_t chunk, const struct record_chunk *expected,
                 const struct record_mark *marks)
{
    if (record_is_zero(record, sizeof *record))
        return STORE_CHUNK_NEVER;
    if (!record_chunk_valid(record, chunk))
        return STORE_CHUNK_TORN;
    if (record->class_index != expected->class_index || record->first != expected->first ||
        record->count != expected->count)
        return STORE_CHUNK_STRANGE;
    if (record->state == RECORD_STARTED) /* with a checksum: taken back, but perhaps not begun again */
        return record->result_checksum != 0 ? STORE_CHUNK_UNCERTAIN : STORE_CHUNK_STARTED;
    if (record->state != RECORD_DONE && record->state != RECORD_QUARANTINED)
        return STORE_CHUNK_TORN;
    return is_marked(record, marks) ? STORE_CHUNK_DONE : STORE_CHUNK_UNCERTAIN;
}

static enum sheaf_status
judge_class(struct store_past *past, int class_index, const struct record_mark *marks, struct record_chunk *records,
            struct sheaf_error *error)
{
    const struct store_class *class = &past->classes[class_index];
    const struct store_reading *reading = past->reading;
    const int64_t end = class->first_chunk + class->chunks;
    enum sheaf_status status = SHEAF_OK;

    for (int64_t first = class->first_chunk; first < end && status == SHEAF_OK; first += RECORDS_AT_ONCE) {
        int64_t count = end - first < RECORDS_AT_ONCE ? end - first : RECORDS_AT_ONCE;
        status = file_read(reading->descriptor, reading->path,
                           past->summary.map.chunks_offset + first * (int64_t)sizeof *records, records,
                           (size_t)count * sizeof *records, error);
        for (int64_t i = 0; i < count && status == SHEAF_OK; i++) {
            const struct record_chunk *record = &records[i];
            const int64_t before = (first + i - class->first_chunk) * class->tasks_per_chunk;
            const int64_t left = class->tasks - before;
            const struct record_chunk expected = {
                .class_index = (uint32_t)class_index,
                .first = class->first_position + before,
                .count = (uint32_t)(left < class->tasks_per_chunk ? left : class->tasks_per_chunk)};
            struct store_chunk_past *chunk = &past->chunks[first + i];
            chunk->condition = (uint8_t)store_past_judge(record, first + i, &expected, marks);
            if (chunk->condition == STORE_CHUNK_DONE || chunk->condition == STORE_CHUNK_UNCERTAIN)
                chunk->failed = record->failed;
            if (record_chunk_valid(record, first + i) && record->run >= past->next_run)
                past->next_run = record->run + 1; /* its row of /sheaf/runs may be damaged */
        }
    }
    return status;
}

static enum sheaf_status
judge_chunks(struct store_past *past, struct sheaf_error *error)
{
    struct record_mark *marks = NULL;
    struct record_chunk *records = malloc(RECORDS_AT_ONCE * sizeof *records);

    past->next_run = (uint32_t)past->summary.run_count;
    past->chunks = calloc((size_t)past->summary.map.chunks + 1, sizeof *past->chunks);
    enum sheaf_status status = records && past->chunks
                                   ? store_reading_table(past->reading, STORE_MARKS, RECORD_HOSTS, &marks)
                                   : no_memory(past, error);
    for (int i = 0; i < past->class_count && status == SHEAF_OK; i++)
        status = judge_class(past, i, marks, records, error);
    free(marks);
    free(records);
    return status;
}

enum sheaf_status
store_past_match(struct store_past *past, const struct store_spec *spec, struct sheaf_error *error)
{
    past->reading->error = error;
    enum sheaf_status status = match_spec(past, spec, error);
    if (status == SHEAF_OK)
        status = take_places(past, spec, error);
    return status == SHEAF_OK ? judge_chunks(past, error) : status;
}

/* ---- before it goes on ---- */

enum sheaf_status
store_uncommit_chunk(struct store *store, int64_t chunk, bool keep, struct sheaf_error *error)
{
    struct record_chunk record;

    enum sheaf_status status = store_read_record(store, chunk, &record, error);
    if (status != SHEAF_OK)
        return status;
    if (!keep)
        record.result_checksum = 0;
    record.fate = RECORD_SPARED; /* not begun yet */
    record.care = RECORD_AMONG_OTHERS;
    record.task = record.attempts = 0;
    return store_start_chunk(store, chunk, &record, error);
}

enum sheaf_status
store_recommit_chunk(struct store *store, int64_t chunk, struct sheaf_error *error)
{
    struct record_chunk record;

    enum sheaf_status status = store_read_record(store, chunk, &record, error);
    if (status != SHEAF_OK || record.state != RECORD_STARTED)
        return status;
    record.state = RECORD_DONE;
    record.fate = RECORD_IN_FLIGHT;
    return store_commit_chunk(store, chunk, &record, error);
}

enum sheaf_status
store_settle_past(struct store *store, uint32_t run, int host_count, double seconds, struct sheaf_error *error)
{
    enum sheaf_status status = store_sync(store, error);

    for (int i = 0; i < host_count && status == SHEAF_OK; i++) {
        struct record_mark mark = {.run = run, .time = seconds};
        status = store_write_mark(store, (uint32_t)i, &mark, error);
    }
    return status;
}
