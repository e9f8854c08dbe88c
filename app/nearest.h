/**
 * @file nearest.h
 * What a misspelt word was probably meant to be: the name that is reached from it by the fewest changes.
 */
#ifndef SHEAF_NEAREST_H
#define SHEAF_NEAREST_H

/** A word, and the nearest of the names offered so far; {.word = WORD} before the first. */
struct nearest {
    const char *word;
    const char *name; /**< NULL: none is near */
    int changes;      /**< that lead to it */
};

/** Longest word, and name, that is looked at. */
#define NEAREST_LONGEST 31

/**
 * Offer a name, which has to outlive `nearest`. It is near if changes of a third of the word's letters, or of one, lead to it. A
 * change puts in, leaves out or replaces a letter, or swaps two neighbours, each place being changed once: optimal string
 * alignment (L. Boytsov, Indexing methods for approximate dictionary searching, ACM J. Exp. Algorithmics 16, 2011, 2.2.1).
 */
void nearest_offer(struct nearest *nearest, const char *name);

#endif
