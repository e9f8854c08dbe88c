/*
 * The limit of moving bytes: R processes, bound as a layout binds them, read a file in and write another one out in
 * pieces, each its share, without looking at the bytes; the space of the second one is reserved first. Prints the seconds
 * from before reserving to the last one's end.
 *
 * usage: move RANKS INPUT OUTPUT OUTPUT_BYTES
 */
#include "ranks.h"

#include <fcntl.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>
#include <xxhash.h>

enum { PIECE = 2 << 20, RANKS_MAX = 1024 };

static void
fail(const char *what)
{
    perror(what);
    exit(74);
}

static volatile XXH64_hash_t hash; // or the compiler takes hashing for a call without effect

/* Read, write, or hash and write the rank's share of `bytes`. */
enum way { READ, WRITE, HASH_AND_WRITE };

static void
move(int descriptor, int rank, int ranks, long long bytes, char *buffer, enum way way)
{
    long long pieces = (bytes + PIECE - 1) / PIECE;
    for (long long piece = pieces * rank / ranks; piece < pieces * (rank + 1) / ranks; piece++) {
        long long left = bytes - piece * PIECE;
        size_t length = left < PIECE ? (size_t)left : PIECE;
        if (way == HASH_AND_WRITE)
            hash = XXH3_64bits(buffer, length);
        ssize_t done = way == READ ? pread(descriptor, buffer, length, piece * PIECE)
                                   : pwrite(descriptor, buffer, length, piece * PIECE);
        if (done != (ssize_t)length)
            fail(way == READ ? "pread" : "pwrite");
    }
}

int
main(int argument_count, char **arguments)
{
    struct stat about;
    enum way writing = argument_count == 6 && strcmp(arguments[5], "hash") == 0 ? HASH_AND_WRITE : WRITE;
    if (argument_count != 5 && writing != HASH_AND_WRITE) {
        fprintf(stderr, "usage: move RANKS INPUT OUTPUT OUTPUT_BYTES [hash]\n");
        return 64;
    }
    int ranks = (int)ranks_read_number(arguments[1], RANKS_MAX);
    long long bytes = ranks_read_number(arguments[4], LLONG_MAX);
    int input = open(arguments[2], O_RDONLY), output = open(arguments[3], O_RDWR | O_CREAT | O_TRUNC, 0666);
    if (input < 0 || output < 0 || fstat(input, &about) != 0)
        fail("move");
    double start = ranks_seconds();
    if (fallocate(output, 0, 0, bytes) != 0)
        fail("fallocate");
    for (int rank = 0; rank < ranks; rank++) {
        pid_t child = fork();
        if (child < 0)
            fail("fork");
        if (child == 0) {
            char *buffer = malloc(PIECE);
            ranks_bind(rank, 1);
            if (!buffer)
                _exit(71);
            memset(buffer, 1, PIECE);
            move(input, rank, ranks, about.st_size, buffer, READ);
            move(output, rank, ranks, bytes, buffer, writing);
            _exit(0);
        }
    }
    int failed = 0, status;
    while (wait(&status) > 0)
        failed |= status;
    printf("%.6f\n", ranks_seconds() - start);
    return failed ? 70 : 0;
}
