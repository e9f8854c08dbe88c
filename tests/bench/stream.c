/*
 * The limit of memory: R processes, bound as a layout binds them, add up all 64-bit words of files that are in memory, each
 * its share, through a mapping whose pages are all there before. Prints the seconds from a common start to the last
 * one's end.
 *
 * usage: stream RANKS FILE
 */
#include "ranks.h"

#include <fcntl.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

enum { LANES = 16 }; // independent sums, which keep the loads and not the additions busy

struct problem {
    int ranks, descriptor;
    size_t words;
    const uint64_t *mapping; // of all words, each process its own
};

static volatile uint64_t sum; // or the compiler takes the loop for one without effect

static void
prepare(int rank, void *context)
{
    struct problem *problem = context;
    void *mapping =
        mmap(NULL, problem->words * sizeof(uint64_t), PROT_READ, MAP_SHARED | MAP_POPULATE, problem->descriptor, 0);
    if (mapping == MAP_FAILED)
        ranks_fail("stream");
    problem->mapping = mapping;
    (void)rank;
}

static void
work(int rank, void *context)
{
    const struct problem *problem = context;
    size_t blocks = problem->words / LANES;
    size_t first = blocks * (size_t)rank / (size_t)problem->ranks,
           end = blocks * ((size_t)rank + 1) / (size_t)problem->ranks;
    uint64_t sums[LANES] = {0};
    for (const uint64_t *block = problem->mapping + first * LANES; block < problem->mapping + end * LANES;
         block += LANES)
        for (size_t i = 0; i < LANES; i++)
            sums[i] += block[i];
    for (size_t i = 0; i < LANES; i++)
        sum += sums[i];
}

int
main(int argument_count, char **arguments)
{
    struct stat about;
    if (argument_count != 3) {
        fprintf(stderr, "usage: stream RANKS FILE\n");
        return 64;
    }
    struct problem problem = {.ranks = (int)ranks_read_number(arguments[1], 4096),
                              .descriptor = open(arguments[2], O_RDONLY)};
    if (problem.descriptor < 0 || fstat(problem.descriptor, &about) != 0) {
        perror(arguments[2]);
        return 66;
    }
    problem.words = (size_t)about.st_size / sizeof(uint64_t);
    double seconds = ranks_measure(problem.ranks, 1, prepare, work, &problem);
    if (seconds < 0)
        return 70;
    printf("%.6f\n", seconds);
    return 0;
}
