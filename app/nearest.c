#include "nearest.h"

#include <string.h>

static int
least(int a, int b)
{
    return a < b ? a : b;
}

/** Changes that lead from one word to another, by the table of those between all their beginnings. */
static int
count_changes(const char *from, int from_length, const char *to, int to_length)
{
    int changes[NEAREST_LONGEST + 1][NEAREST_LONGEST + 1];
    for (int i = 0; i <= from_length; i++)
        for (int j = 0; j <= to_length; j++) {
            if (i == 0 || j == 0) {
                changes[i][j] = i + j;
                continue;
            }
            int replaced = changes[i - 1][j - 1] + (from[i - 1] != to[j - 1]);
            changes[i][j] = least(replaced, 1 + least(changes[i - 1][j], changes[i][j - 1]));
            if (i > 1 && j > 1 && from[i - 1] == to[j - 2] && from[i - 2] == to[j - 1])
                changes[i][j] = least(changes[i][j], 1 + changes[i - 2][j - 2]);
        }
    return changes[from_length][to_length];
}

void
nearest_offer(struct nearest *nearest, const char *name)
{
    size_t word_length = strlen(nearest->word), name_length = strlen(name);
    if (word_length > NEAREST_LONGEST || name_length > NEAREST_LONGEST)
        return;
    int changes = count_changes(nearest->word, (int)word_length, name, (int)name_length);
    int most = word_length < 6 ? 1 : (int)word_length / 3;
    if (changes <= most && (!nearest->name || changes < nearest->changes)) {
        nearest->name = name;
        nearest->changes = changes;
    }
}
