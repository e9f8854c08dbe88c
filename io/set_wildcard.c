#include "set_wildcard.h"

#include <stdint.h>
#include <string.h>

/* Bytes of the character that text begins with, and its code; 0 at the end. A byte that is no UTF-8 is a character. */
static size_t
take_character(const char *text, size_t length, uint32_t *code)
{
    if (length == 0 || *text == '\0')
        return 0;
    unsigned char first = (unsigned char)*text;
    size_t bytes = first >= 0xf0 ? 4 : first >= 0xe0 ? 3 : first >= 0xc0 ? 2 : 1;
    *code = first;
    if (bytes == 1 || bytes > length)
        return 1;
    uint32_t all = first & (0x7fU >> bytes);
    for (size_t i = 1; i < bytes; i++) {
        if (((unsigned char)text[i] & 0xc0) != 0x80)
            return 1;
        all = all << 6 | ((unsigned char)text[i] & 0x3f);
    }
    *code = all;
    return bytes;
}

/* Bytes of the class "[...]" that text begins with; 0: nothing closes it. */
static size_t
class_length(const char *text, size_t length)
{
    size_t at = 1;

    if (at < length && (text[at] == '!' || text[at] == '^'))
        at++;
    /* a "]" at the beginning is one of the characters */
    if (at < length && text[at] == ']')
        at++;
    while (at < length && text[at] != ']' && text[at] != '/')
        at++;
    return at < length && text[at] == ']' ? at + 1 : 0;
}

static bool
class_has(const struct wildcard_token *token, uint32_t wanted)
{
    const char *at = token->text + 1, *end = token->text + token->length - 1;
    bool negated = *at == '!' || *at == '^', found = false;

    at += negated;
    while (at < end) {
        uint32_t low = 0, high = 0;
        at += take_character(at, (size_t)(end - at), &low);
        high = low;
        if (end - at >= 2 && *at == '-') {
            at++;
            at += take_character(at, (size_t)(end - at), &high);
        }
        found = found || (low <= wanted && wanted <= high);
    }
    return found != negated;
}

/* The token that text begins with. */
static struct wildcard_token
next_token(const char *text, size_t length)
{
    size_t bytes = 0;

    if (*text == '*')
        return (struct wildcard_token){WILDCARD_ANY, text, 1};
    if (*text == '?')
        return (struct wildcard_token){WILDCARD_ONE, text, 1};
    if (*text == '[' && (bytes = class_length(text, length)) > 0)
        return (struct wildcard_token){WILDCARD_CLASS, text, bytes};
    bytes = 1;
    while (bytes < length && !strchr("*?[", text[bytes]))
        bytes++;
    return (struct wildcard_token){WILDCARD_TEXT, text, bytes};
}

bool
wildcard_in(const char *text, size_t length)
{
    for (size_t at = 0; at < length;) {
        struct wildcard_token token = next_token(text + at, length - at);
        if (token.kind != WILDCARD_TEXT)
            return true;
        at += token.length;
    }
    return false;
}

static bool
parse_level(const char *text, size_t length, struct wildcard *level)
{
    *level = (struct wildcard){.text = text, .length = length, .wild = wildcard_in(text, length)};
    for (size_t at = 0; at < length;) {
        struct wildcard_token token = next_token(text + at, length - at);
        at += token.length;
        /* one "*" matches as much as several */
        if (token.kind == WILDCARD_ANY && level->count > 0 && level->tokens[level->count - 1].kind == WILDCARD_ANY)
            continue;
        if (level->count == WILDCARD_TOKENS)
            return false;
        level->tokens[level->count++] = token;
    }
    return true;
}

bool
wildcard_parse(const char *text, size_t length, struct wildcard_path *path)
{
    path->absolute = length > 0 && *text == '/';
    path->wild = wildcard_in(text, length);
    path->levels = 0;
    for (size_t at = 0; at < length;) {
        const char *slash = memchr(text + at, '/', length - at);
        size_t bytes = slash ? (size_t)(slash - text) - at : length - at;
        if (bytes > 0) {
            if (path->levels == WILDCARD_LEVELS || !parse_level(text + at, bytes, &path->level[path->levels]))
                return false;
            path->levels++;
        }
        at += bytes + 1;
    }
    return true;
}

/* Bytes at the beginning of text that a token other than "*" matches; 0: none. */
static size_t
match_token(const struct wildcard_token *token, const char *text, size_t length)
{
    uint32_t code = 0;

    if (token->kind == WILDCARD_TEXT)
        return token->length <= length && memcmp(token->text, text, token->length) == 0 ? token->length : 0;
    size_t bytes = take_character(text, length, &code);
    return bytes > 0 && (token->kind == WILDCARD_ONE || class_has(token, code)) ? bytes : 0;
}

static void
take_pieces(const struct wildcard *wildcard, const char *name, const size_t *start, struct wildcard_match *match)
{
    bool beside = false;

    match->count = 0;
    for (int i = 0; i < wildcard->count; i++) {
        bool wild = wildcard->tokens[i].kind != WILDCARD_TEXT;
        size_t length = start[i + 1] - start[i];
        if (wild && beside)
            match->pieces[match->count - 1].length += length;
        else if (wild)
            match->pieces[match->count++] = (struct wildcard_piece){name + start[i], length};
        beside = wild;
    }
}

/* Every "*" matches as little as it can: only the last one met has to be tried again. */
bool
wildcard_matches(const struct wildcard *wildcard, const char *name, struct wildcard_match *match)
{
    size_t start[WILDCARD_TOKENS + 1] = {0}, length = strlen(name), at = 0, retry = 0;
    int token = 0, any = -1;

    for (;;) {
        if (token == wildcard->count && at == length)
            break;
        size_t bytes = 0;
        start[token] = at;
        if (token < wildcard->count && wildcard->tokens[token].kind == WILDCARD_ANY) {
            any = token++;
            retry = at;
            continue;
        }
        if (token < wildcard->count)
            bytes = match_token(&wildcard->tokens[token], name + at, length - at);
        if (bytes > 0) {
            token++;
            at += bytes;
            continue;
        }
        uint32_t code;
        if (any < 0 || retry == length)
            return false;
        retry += take_character(name + retry, length - retry, &code);
        at = retry;
        token = any + 1;
    }
    start[token] = at;
    take_pieces(wildcard, name, start, match);
    return true;
}
