/* Feeds files, or all files of directories, to a target: what a fuzzer once found stays mended. usage: replay PATH... */
#include "fuzz.h"

#include <dirent.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>

static long files;

static int
feed_file(const char *path, size_t count)
{
    uint8_t *bytes = malloc(count ? count : 1); // of just that size: the sanitizer sees a read behind the end
    FILE *file = fopen(path, "rb");
    bool good = file && bytes && fread(bytes, 1, count, file) == count;
    if (file)
        fclose(file);
    printf("%s%s\n", path, good ? "" : ": cannot be read");
    fflush(stdout); // the last line names the culprit of a crash
    if (good)
        LLVMFuzzerTestOneInput(bytes, count);
    free(bytes);
    files++;
    return !good;
}

static int
feed(const char *path)
{
    struct stat about;
    char name[4096];
    const struct dirent *entry;
    int bad = 0;
    if (stat(path, &about) != 0) {
        fprintf(stderr, "no %s\n", path);
        return 1;
    }
    if (!S_ISDIR(about.st_mode))
        return feed_file(path, (size_t)about.st_size);
    DIR *directory = opendir(path);
    while (directory && (entry = readdir(directory)) != NULL) {
        if (entry->d_name[0] == '.')
            continue;
        snprintf(name, sizeof name, "%s/%s", path, entry->d_name);
        bad += feed(name);
    }
    if (directory)
        closedir(directory);
    return bad;
}

int
main(int argument_count, char **arguments)
{
    int bad = 0;
    for (int i = 1; i < argument_count; i++)
        bad += feed(arguments[i]);
    printf("%ld files\n", files);
    return bad > 0 || files == 0;
}
