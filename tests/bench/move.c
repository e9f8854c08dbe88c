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

enum { PIECE = 2 << 20, RANKS_MAX = 1024 };

static void
fail(const char *what)
{
    perror(what);
    exit(74);
}

/* Read or write the rank's share of `bytes`. */
static void
move(int descriptor, int rank, int ranks, long long bytes, char *buffer, int writes)
{
    long long pieces = (bytes + PIECE - 1) / PIECE;
    for (long long piece = pieces * rank / ranks; piece < pieces * (rank + 1) / ranks; piece++) {
        long long left = bytes - piece * PIECE;
        size_t length = left < PIECE ? (size_t)left : PIECE;
        ssize_t done = writes ? pwrite(descriptor, buffer, length, piece * PIECE)
                              : pread(descriptor, buffer, length, piece * PIECE);
        if (done != (ssize_t)length)
            fail(writes ? "pwrite" : "pread");
    }
}

int
main(int argument_count, char **arguments)
{
    struct stat about;
    if (argument_count != 5) {
        fprintf(stderr, "usage: move RANKS INPUT OUTPUT OUTPUT_BYTES\n");
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
            move(input, rank, ranks, about.st_size, buffer, 0);
            move(output, rank, ranks, bytes, buffer, 1);
            _exit(0);
        }
    }
    int failed = 0, status;
    while (wait(&status) > 0)
        failed |= status;
    printf("%.6f\n", ranks_seconds() - start);
    return failed ? 70 : 0;
}
