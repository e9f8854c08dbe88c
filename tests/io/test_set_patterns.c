#include "io_test.h"
#include "natural.h"
#include "set.h"
#include "set_wildcard.h"

#include <fnmatch.h>

static void
names_are_ordered_as_people_count(void **state)
{
    static const char *const ordered[] = {"",
                                          "0",
                                          "00",
                                          "01",
                                          "1",
                                          "2",
                                          "010",
                                          "10",
                                          "a",
                                          "a/b",
                                          "a/b2",
                                          "a-b",
                                          "a1",
                                          "a1/x",
                                          "a1-x",
                                          "a1b2",
                                          "a1b10",
                                          "a02",
                                          "a2b",
                                          "a10b",
                                          "b",
                                          "b123456789012345678901",
                                          "b123456789012345678902",
                                          "c",
                                          "\xc3\xa4"};
    const int count = (int)(sizeof ordered / sizeof *ordered);

    (void)state;
    for (int i = 0; i < count; i++)
        for (int j = 0; j < count; j++) {
            int order = natural_compare(ordered[i], ordered[j]);
            if ((order > 0) - (order < 0) != (i > j) - (i < j))
                fail_msg("\"%s\", \"%s\": %d", ordered[i], ordered[j], order);
        }
}

/* Match one level; what the wildcards matched is compared, joined by "|"; NULL: it must not match. */
static void
match(const char *pattern, const char *name, const char *expected)
{
    static struct wildcard_path path;
    struct wildcard_match found;
    char joined[256] = "";

    assert_true(wildcard_parse(pattern, strlen(pattern), &path));
    assert_int_equal(path.levels, 1);
    bool matches = wildcard_matches(&path.level[0], name, &found);
    if (matches != (expected != NULL))
        fail_msg("%s, %s: %s", pattern, name, matches ? "matches" : "does not match");
    for (int i = 0; matches && i < found.count; i++) {
        if (i > 0)
            strcat(joined, "|");
        strncat(joined, found.pieces[i].text, found.pieces[i].length);
    }
    if (matches)
        assert_string_equal(joined, expected);
}

static void
wildcards_match_and_say_what(void **state)
{
    (void)state;
    match("b*", "b17", "17");
    match("b*", "b", "");
    match("b*", "a", NULL);
    match("*.h5", "a.h5.h5", "a.h5");
    match("*.h5", "a.h4", NULL);
    match("*-*", "a-b-c", "a|b-c");
    match("*-*-c", "a-b-d-c", "a|b-d");
    match("*", "", "");
    match("x?z", "xyz", "y");
    match("x?z", "xz", NULL);
    match("x?", "x\xc3\xa4", "\xc3\xa4");
    match("x??", "x\xc3\xa4", NULL);
    match("x?y", "x\xffy", "\xff");
    match("*?y", "\xc3\xa4y", "\xc3\xa4");
    match("b[0-9]", "b7", "7");
    match("b[0-9]", "bx", NULL);
    match("b[!0-9]", "bx", "x");
    match("b[^0-9]", "b3", NULL);
    match("b[]a]", "b]", "]");
    match("b[!]a]", "b]", NULL);
    match("b[a-]", "b-", "-");
    match("b[-a]", "b-", "-");
    match("b[\xc3\xa4-\xc3\xbc]", "b\xc3\xb6", "\xc3\xb6");
    match("b[\xc3\xa4]", "b\xc3\xbc", NULL);
    match("[[]0[*]", "[0*", "[|*");
    match("b[0", "b[0", "");
    match("b[0-9][0-9]-*", "b17-x", "17|x");
    match("a**b", "axxb", "xx");
    match("*?", "abc", "abc");
    match("plain", "plain", "");
    match("plain", "plai", NULL);
    match("plain", "plain2", NULL);
}

/* Against fnmatch(3), which knows nothing else: all short patterns and names of few characters. */
static void
wildcards_match_what_the_library_matches(void **state)
{
    static const char letters[] = "ab*?", name_letters[] = "ab";
    static struct wildcard_path path;
    char pattern[8], name[8];
    struct wildcard_match found;
    int matches = 0;

    (void)state;
    for (int p = 1; p < 4 * 4 * 4 * 4 * 4; p++) {
        size_t length = 0;
        for (int rest = p; rest > 0; rest /= 4)
            pattern[length++] = letters[rest % 4];
        pattern[length] = '\0';
        assert_true(wildcard_parse(pattern, length, &path));
        for (int n = 1; n < 64; n++) {
            size_t name_length = 0;
            for (int rest = n; rest > 1; rest /= 2)
                name[name_length++] = name_letters[rest % 2];
            name[name_length] = '\0';
            bool expected = fnmatch(pattern, name, 0) == 0;
            if (wildcard_matches(&path.level[0], name, &found) != expected)
                fail_msg("%s, %s", pattern, name);
            matches += expected;
        }
    }
    assert_true(matches > 1000);
}

static void
patterns_have_levels(void **state)
{
    static struct wildcard_path path;
    char many[4 * WILDCARD_LEVELS];

    (void)state;
    assert_true(wildcard_parse("/a//b*/c", 8, &path));
    assert_int_equal(path.levels, 3);
    assert_true(path.absolute && path.wild && !path.level[0].wild && path.level[1].wild);
    assert_true(wildcard_parse("a[/]b", 5, &path));
    assert_int_equal(path.levels, 2);
    assert_false(path.absolute || path.wild);
    assert_true(wildcard_parse("", 0, &path));
    assert_int_equal(path.levels, 0);
    for (size_t i = 0; i < sizeof many; i++)
        many[i] = i % 2 ? '/' : 'a';
    assert_true(wildcard_parse(many, 2 * WILDCARD_LEVELS, &path));
    assert_false(wildcard_parse(many, 2 * WILDCARD_LEVELS + 1, &path));
    memset(many, '?', sizeof many);
    assert_true(wildcard_parse(many, WILDCARD_TOKENS, &path));
    assert_false(wildcard_parse(many, WILDCARD_TOKENS + 1, &path));
}

static void
texts_of_sets_are_told(void **state)
{
    static const char *const sets[] = {"a*.h5:/x", "a.h5:/b?", "a.h5:/b[0-9]",  "@list",     "a.h5:/b*[0:3]",
                                       "*",        "@",        "a.h5:/[[:a:]]", "@list[1:2]"};
    static const char *const others[] = {
        "a.h5:/x", "random:20x20", "a.h5:/x[1:5]", "a.h5:/x[::0]", "a.h5:/b[0", "a[.h5:/b]", ""};

    (void)state;
    for (size_t i = 0; i < sizeof sets / sizeof *sets; i++)
        if (!set_text_is_set(sets[i]))
            fail_msg("no set: %s", sets[i]);
    for (size_t i = 0; i < sizeof others / sizeof *others; i++)
        if (set_text_is_set(others[i]))
            fail_msg("a set: %s", others[i]);
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(names_are_ordered_as_people_count),
        cmocka_unit_test(wildcards_match_and_say_what),
        cmocka_unit_test(wildcards_match_what_the_library_matches),
        cmocka_unit_test(patterns_have_levels),
        cmocka_unit_test(texts_of_sets_are_told),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
