#include "lock.h"
#include "file.h"
#include "process.h"
#include "store.h"
#include "store_target.h"

#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <stddef.h>
#include <stdlib.h>
#include <string.h>
#include <sys/random.h>
#include <time.h>
#include <unistd.h>

enum {
    LOCK_PATH_BYTES = STORE_PATH_BYTES + 512,
    LOCK_TEXT_BYTES = 2048,
    RIGHTS_MOST = 4, /* owners that died while they replaced one that had died while ... */
    TRIES_MOST = 32, /* locks that go away while they are looked at */
};

static const char heading[] = "sheaf lock 1\n";

struct lock {
    char output[STORE_PATH_BYTES];
    char path[LOCK_PATH_BYTES];
    struct lock_owner self;
};

/* The fields as they stand in the file: a key, a space, a value, a line each. */
static const struct field {
    const char *key;
    size_t offset;
    bool text;
} fields[] = {
    {"host", offsetof(struct lock_owner, host), true},          {"pid", offsetof(struct lock_owner, pid), false},
    {"ticks", offsetof(struct lock_owner, ticks), false},       {"machine", offsetof(struct lock_owner, machine), true},
    {"boot", offsetof(struct lock_owner, boot), true},          {"space", offsetof(struct lock_owner, space), true},
    {"cluster", offsetof(struct lock_owner, cluster), true},    {"job", offsetof(struct lock_owner, job), false},
    {"restarts", offsetof(struct lock_owner, restarts), false}, {"token", offsetof(struct lock_owner, token), true},
};

enum { FIELDS = sizeof fields / sizeof fields[0] };

/* ---- owners ---- */

/* The first line of a small file, only what can be printed of it: it goes into messages. */
static void
read_line(const char *path, char text[LOCK_FIELD])
{
    text[0] = '\0';
    FILE *file = fopen(path, "re");
    if (!file)
        return;
    if (!fgets(text, LOCK_FIELD, file))
        text[0] = '\0';
    fclose(file);
    text[strcspn(text, "\n")] = '\0';
}

void
lock_describe_self(double start, struct lock_owner *self)
{
    uint64_t random[2] = {0};

    memset(self, 0, sizeof *self);
    gethostname(self->host, sizeof self->host - 1);
    read_line("/etc/machine-id", self->machine);
    read_line("/proc/sys/kernel/random/boot_id", self->boot);
    if (readlink("/proc/self/ns/pid", self->space, sizeof self->space - 1) < 0)
        self->space[0] = '\0';
    self->pid = getpid();
    self->ticks = process_ticks(self->pid);
    self->start = start;
    if (getrandom(random, sizeof random, 0) != sizeof random) {
        random[0] = (uint64_t)time(NULL);
        random[1] = (uint64_t)self->pid;
    }
    snprintf(self->token, sizeof self->token, "%016" PRIx64 "%016" PRIx64, random[0], random[1]);
}

enum lock_state
lock_judge(const struct lock_owner *owner, const struct lock_owner *self)
{
    if (owner->pid <= 0 || strcmp(owner->host, self->host) != 0 || owner->boot[0] == '\0')
        return LOCK_UNKNOWN;
    if (strcmp(owner->boot, self->boot) != 0) /* the same machine has started again; another one may have its name */
        return owner->machine[0] && strcmp(owner->machine, self->machine) == 0 ? LOCK_GONE : LOCK_UNKNOWN;
    if (strcmp(owner->space, self->space) != 0) /* another container: its numbers are not ours */
        return LOCK_UNKNOWN;
    return process_has_ended(owner->pid, owner->ticks) ? LOCK_GONE : LOCK_LIVES;
}

char *
lock_format_owner(const struct lock_owner *owner, char text[LOCK_OWNER_TEXT])
{
    char start[32], job[48] = "";
    struct tm parts;
    const time_t whole = (time_t)owner->start;

    strftime(start, sizeof start, "%Y-%m-%dT%H:%M:%SZ", gmtime_r(&whole, &parts));
    if (owner->job > 0)
        snprintf(job, sizeof job, ", Slurm job %" PRId64, owner->job);
    snprintf(text, LOCK_OWNER_TEXT, "pid %" PRId64 " on %s%s, started %s", owner->pid, owner->host, job, start);
    return text;
}

/* ---- the file ---- */

static size_t
write_text(const struct lock_owner *owner, char text[LOCK_TEXT_BYTES])
{
    size_t used = (size_t)snprintf(text, LOCK_TEXT_BYTES, "%sstart %.3f\n", heading, owner->start);

    for (int i = 0; i < FIELDS; i++) {
        const char *field = (const char *)owner + fields[i].offset;
        int64_t number;
        memcpy(&number, field, sizeof number);
        used += fields[i].text
                    ? (size_t)snprintf(text + used, LOCK_TEXT_BYTES - used, "%s %s\n", fields[i].key, field)
                    : (size_t)snprintf(text + used, LOCK_TEXT_BYTES - used, "%s %" PRId64 "\n", fields[i].key, number);
    }
    return used;
}

static void
parse_value(const struct field *field, const char *value, struct lock_owner *owner)
{
    char *to = (char *)owner + field->offset;

    if (!field->text) {
        const int64_t number = strtoll(value, NULL, 10);
        memcpy(to, &number, sizeof number);
        return;
    }
    snprintf(to, LOCK_FIELD, "%s", value);
    for (char *at = to; *at; at++)
        if (*at < ' ' || *at > '~' || *at == '/') /* it goes into messages, and into a file's name */
            *at = '?';
}

/* A whole lock has a host, a process and a token. */
static bool
parse_text(char *text, struct lock_owner *owner)
{
    char *rest = NULL;

    memset(owner, 0, sizeof *owner);
    if (strncmp(text, heading, sizeof heading - 1) != 0)
        return false;
    for (char *line = strtok_r(text + sizeof heading - 1, "\n", &rest); line; line = strtok_r(NULL, "\n", &rest)) {
        char *value = strchr(line, ' ');
        if (!value)
            continue;
        *value++ = '\0';
        if (strcmp(line, "start") == 0)
            owner->start = strtod(value, NULL);
        for (int i = 0; i < FIELDS; i++)
            if (strcmp(line, fields[i].key) == 0)
                parse_value(&fields[i], value, owner);
    }
    return owner->host[0] && owner->pid > 0 && owner->token[0];
}

/* What was found under a lock's name. */
struct finding {
    bool there, readable;
    struct lock_owner owner;
    char identity[LOCK_FIELD + 1]; /* of this file: its token; of one that cannot be read, what the system tells */
};

static void
look(const char *path, struct finding *finding)
{
    char text[LOCK_TEXT_BYTES];
    struct stat about;

    memset(finding, 0, sizeof *finding);
    finding->there = lstat(path, &about) == 0;
    if (!finding->there)
        return;
    snprintf(finding->identity, sizeof finding->identity, "%" PRIx64 "-%" PRIx64, (uint64_t)about.st_ino,
             (uint64_t)about.st_mtim.tv_sec * 1000000000U + (uint64_t)about.st_mtim.tv_nsec);
    const int descriptor = open(path, O_RDONLY | O_NOFOLLOW | O_NONBLOCK | O_CLOEXEC);
    if (descriptor < 0) {
        finding->there = errno != ENOENT;
        return;
    }
    if (fstat(descriptor, &about) == 0 && S_ISREG(about.st_mode)) {
        const ssize_t bytes = read(descriptor, text, sizeof text - 1);
        text[bytes > 0 ? bytes : 0] = '\0';
        finding->readable = bytes > 0 && parse_text(text, &finding->owner);
    }
    close(descriptor);
    if (finding->readable)
        snprintf(finding->identity, sizeof finding->identity, "%s", finding->owner.token);
    else
        memset(&finding->owner, 0, sizeof finding->owner);
}

/* Write our text, and see to it that it is there after a crash: an empty lock would tell nothing. */
static bool
write_whole(int descriptor, const char *name, const struct lock_owner *self, struct sheaf_error *error)
{
    char text[LOCK_TEXT_BYTES];

    return file_write(descriptor, name, 0, text, write_text(self, text), error) == SHEAF_OK &&
           file_sync(descriptor, name, true, error) == SHEAF_OK;
}

/*
 * By a file that has no name until it is whole, so that a kill leaves nothing.
 * @return false with errno; EEXIST: somebody has the name; another: not in this way
 */
static bool
publish_unnamed(const char *path, const struct lock_owner *self)
{
    char directory[LOCK_PATH_BYTES], name[64];
    struct sheaf_error ignored; /* the other way says what is wrong */

    snprintf(directory, sizeof directory, "%.*s", (int)(strrchr(path, '/') - path) + 1, path);
    const int descriptor = open(directory, O_TMPFILE | O_WRONLY | O_CLOEXEC, 0666);
    if (descriptor < 0)
        return false;
    snprintf(name, sizeof name, "/proc/self/fd/%d", descriptor);
    errno = EIO;
    const bool done =
        write_whole(descriptor, path, self, &ignored) && linkat(AT_FDCWD, name, AT_FDCWD, path, AT_SYMLINK_FOLLOW) == 0;
    const int reason = errno;
    close(descriptor); /* it is synced: there is nothing that this could still lose */
    errno = reason;
    return done;
}

/*
 * By a name of its own. Where the file system knows no hard links, by a rename that replaces nothing.
 * @return false with errno; EEXIST: somebody has the name
 */
static bool
publish_named(const char *path, const struct lock_owner *self, struct sheaf_error *error)
{
    char temporary[LOCK_PATH_BYTES + LOCK_FIELD];

    snprintf(temporary, sizeof temporary, "%s.%s.new", path, self->token);
    const int descriptor = open(temporary, O_WRONLY | O_CREAT | O_EXCL | O_NOFOLLOW | O_CLOEXEC, 0666);
    if (descriptor < 0)
        return false;
    bool written = write_whole(descriptor, temporary, self, error);
    if (written)
        written = file_close(descriptor, temporary, error) == SHEAF_OK;
    else
        close(descriptor);
    bool done = written && link(temporary, path) == 0;
    if (written && !done && (errno == EPERM || errno == EOPNOTSUPP || errno == ENOSYS || errno == EMLINK))
        done = renameat2(AT_FDCWD, temporary, AT_FDCWD, path, RENAME_NOREPLACE) == 0;
    const int reason = written ? errno : EIO;
    unlink(temporary);
    errno = reason;
    return done;
}

/* Give our text a name that nobody has yet, whole at once. @return false with errno; EEXIST: somebody has the name */
static bool
publish(const char *path, const struct lock_owner *self, struct sheaf_error *error)
{
    return publish_unnamed(path, self) || (errno != EEXIST && publish_named(path, self, error));
}

/* ---- taking it ---- */

static enum sheaf_status
refuse(const struct lock_request *request, const char *path, const struct finding *finding, enum lock_state state,
       struct sheaf_error *error)
{
    char owner[LOCK_OWNER_TEXT];

    if (!finding->readable)
        return sheaf_fail(
            error, SHEAF_NO_OUTPUT,
            "%s: %s is no lock that Sheaf can read; if no run writes the file, give --take-over, or remove it",
            request->output, path);
    lock_format_owner(&finding->owner, owner);
    if (state == LOCK_LIVES)
        return sheaf_fail(error, SHEAF_NO_OUTPUT,
                          "%s: another run writes it: %s; wait until that has ended, or give another -o",
                          request->output, owner);
    return sheaf_fail(
        error, SHEAF_NO_OUTPUT,
        "%s: another run writes it: %s, which cannot be seen from here; if that has ended, give --take-over",
        request->output, owner);
}

static enum lock_state
judge(const struct lock_request *request, const struct finding *finding)
{
    enum lock_state state = finding->readable ? lock_judge(&finding->owner, request->self) : LOCK_UNKNOWN;
    if (state == LOCK_UNKNOWN && finding->readable && request->has_ended && request->has_ended(&finding->owner))
        state = LOCK_GONE;
    return state;
}

/*
 * Take a name: the lock's, or the right to replace the owner of another name. That right is a name too, made of the very owner that
 * is to be replaced, and so only one has it at a time; and as it is that one's lock already, one rename makes it the new one. Whoever
 * comes late with a right to replace an owner that is no longer there finds that out, for only who has the right replaces one.
 */
static enum sheaf_status
take_name(const struct lock_request *request, const char *path, int depth, struct lock_owner *previous,
          struct sheaf_error *error)
{
    for (int i = 0; i < TRIES_MOST; i++) {
        struct finding finding, again;
        char right[LOCK_PATH_BYTES];
        struct lock_owner ignored;
        if (publish(path, request->self, error))
            return SHEAF_OK;
        const int reason = errno;
        look(path, &finding);
        /* NFS may have lost the answer to a link that it made */
        if (finding.readable && strcmp(finding.owner.token, request->self->token) == 0)
            return SHEAF_OK;
        if (reason != EEXIST)
            return sheaf_fail(error, SHEAF_NO_OUTPUT, "%s: cannot create its lock %s: %s", request->output, path,
                              strerror(reason));
        if (!finding.there)
            continue;
        const enum lock_state state = judge(request, &finding);
        if (state == LOCK_LIVES || (state == LOCK_UNKNOWN && !request->take_over) || depth == RIGHTS_MOST)
            return refuse(request, path, &finding, state, error);
        if (snprintf(right, sizeof right, "%s.%s", path, finding.identity) >= (int)sizeof right)
            return sheaf_fail(error, SHEAF_NO_OUTPUT, "%s: the path is too long", path);
        const enum sheaf_status status = take_name(request, right, depth + 1, &ignored, error);
        if (status != SHEAF_OK)
            return status;
        look(path, &again);
        if (again.there && strcmp(again.identity, finding.identity) == 0 && rename(right, path) == 0) {
            *previous = finding.owner;
            return SHEAF_OK;
        }
        unlink(right);
    }
    return sheaf_fail(error, SHEAF_NO_OUTPUT, "%s: others take and give up its lock %s all the time; try again",
                      request->output, path);
}

/* The lock's own name. */
static enum sheaf_status
name_lock(const char *output, char path[LOCK_PATH_BYTES], struct sheaf_error *error)
{
    char absolute[STORE_PATH_BYTES], directory[STORE_PATH_BYTES];

    const enum sheaf_status status =
        store_target_resolve(output, absolute, sizeof absolute, directory, sizeof directory, error);
    if (status == SHEAF_OK)
        snprintf(path, LOCK_PATH_BYTES, "%s.lock", absolute);
    return status;
}

enum sheaf_status
lock_take(const struct lock_request *request, struct lock **lock, struct lock_owner *previous,
          struct sheaf_error *error)
{
    memset(previous, 0, sizeof *previous);
    *lock = calloc(1, sizeof **lock);
    if (!*lock)
        return sheaf_fail(error, SHEAF_NO_RESOURCES, "%s: no memory for its lock", request->output);
    snprintf((*lock)->output, sizeof(*lock)->output, "%s", request->output);
    (*lock)->self = *request->self;
    enum sheaf_status status = name_lock(request->output, (*lock)->path, error);
    if (status == SHEAF_OK)
        status = take_name(request, (*lock)->path, 0, previous, error);
    if (status != SHEAF_OK) {
        free(*lock);
        *lock = NULL;
    }
    return status;
}

enum lock_state
lock_find(const char *output, const struct lock_owner *self, struct lock_owner *owner)
{
    char path[LOCK_PATH_BYTES];
    struct finding finding = {.there = false};

    if (name_lock(output, path, NULL) == SHEAF_OK)
        look(path, &finding);
    *owner = finding.owner;
    if (!finding.there)
        return LOCK_FREE;
    return finding.readable ? lock_judge(owner, self) : LOCK_UNKNOWN;
}

enum sheaf_status
lock_check(const struct lock *lock, struct sheaf_error *error)
{
    struct finding finding;
    char owner[LOCK_OWNER_TEXT];

    look(lock->path, &finding);
    if (finding.readable && strcmp(finding.owner.token, lock->self.token) == 0)
        return SHEAF_OK;
    if (finding.readable)
        return sheaf_fail(error, SHEAF_NO_OUTPUT, "%s: another run has taken it over: %s; this one stops", lock->output,
                          lock_format_owner(&finding.owner, owner));
    return sheaf_fail(error, SHEAF_NO_OUTPUT, "%s: its lock %s was taken away; this run stops", lock->output,
                      lock->path);
}

void
lock_release(struct lock *lock)
{
    if (!lock)
        return;
    if (lock_check(lock, NULL) == SHEAF_OK)
        unlink(lock->path);
    free(lock);
}
