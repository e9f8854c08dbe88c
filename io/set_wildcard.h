/**
 * @file set_wildcard.h
 * Patterns as the shell has them, and what their wildcards matched. Pure. For io/set*.c only.
 *
 * "*" is any number of characters, "?" one, "[a-z_]" one of these, "[!a-z]" or "[^a-z]" one that is none of them. A "["
 * that nothing closes stands for itself, and "[[]", "[*]", "[?]" for the character. Characters are UTF-8's.
 */
#ifndef SHEAF_SET_WILDCARD_H
#define SHEAF_SET_WILDCARD_H

#include <stdbool.h>
#include <stddef.h>

enum { WILDCARD_TOKENS = 32, WILDCARD_LEVELS = 32 };

/** What is between two slashes. */
struct wildcard {
    const char *text; /**< not ended by NUL */
    size_t length;
    bool wild; /**< it has wildcards; else it is the name itself */
    int count;
    struct wildcard_token {
        enum wildcard_kind { WILDCARD_TEXT, WILDCARD_ANY, WILDCARD_ONE, WILDCARD_CLASS } kind;
        const char *text;
        size_t length;
    } tokens[WILDCARD_TOKENS];
};

/** A pattern of names between slashes; it points into the text that it was made of. */
struct wildcard_path {
    bool absolute; /**< it begins with a slash */
    bool wild;     /**< one of its levels is */
    int levels;
    struct wildcard level[WILDCARD_LEVELS];
};

/** What wildcards matched: pieces of a name. Wildcards side by side have one piece together. */
struct wildcard_match {
    int count;
    struct wildcard_piece {
        const char *text;
        size_t length;
    } pieces[WILDCARD_TOKENS];
};

/** @return whether there is a wildcard in a text; "[" needs its "]" before the next "/" */
bool wildcard_in(const char *text, size_t length);

/** Parse a pattern. @return false where it has more levels or wildcards than there is room for */
bool wildcard_parse(const char *text, size_t length, struct wildcard_path *path);

/**
 * Match a whole name.
 * @param[out] match  undefined where it does not match
 */
bool wildcard_matches(const struct wildcard *wildcard, const char *name, struct wildcard_match *match);

#endif
