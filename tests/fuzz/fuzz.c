#include "fuzz.h"

#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

static char path[4096];

void
fuzz_demand(int good, const char *what)
{
    if (good)
        return;
    fprintf(stderr, "not so: %s\n", what);
    abort();
}

char *
fuzz_text(const uint8_t *bytes, size_t count)
{
    char *text = malloc(count + 1);
    fuzz_demand(text != NULL, "there is memory");
    if (count > 0)
        memcpy(text, bytes, count);
    text[count] = '\0';
    return text;
}

static void
remove_file(void)
{
    unlink(path);
}

const char *
fuzz_file(const uint8_t *bytes, size_t count)
{
    if (!path[0]) {
        const char *directory = getenv("TMPDIR"); // of the fuzzer's: a crash leaves the file behind
        snprintf(path, sizeof path, "%s/sheaf-fuzz-XXXXXX", directory ? directory : "/tmp");
        int made = mkstemp(path);
        fuzz_demand(made >= 0, "a temporary file can be made");
        close(made);
        atexit(remove_file);
    }
    int file = open(path, O_WRONLY | O_TRUNC | O_CLOEXEC);
    fuzz_demand(file >= 0 && write(file, bytes, count) == (ssize_t)count && close(file) == 0, "it can be written");
    return path;
}
