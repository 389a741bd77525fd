/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "link-names.h"

#include <string.h>

static void test_only_plain_names_are_taken(void)
{
    static const struct {
        const char *name;
        gsize size_bytes; /* 0: up to the NUL */
        gboolean plain;
    } cases[] = {
        { "alpha", 0, TRUE },          { "alpha.example.org", 0, TRUE }, { "Host-7_b", 0, TRUE },
        { "", 0, FALSE },              { "*", 0, FALSE },                { "*.example.org", 0, FALSE },
        { "alpha\0.evil", 11, FALSE }, { "alpha beta", 0, FALSE },       { "alpha\n", 0, FALSE },
        { "\xce\xb1lpha", 0, FALSE },  { "alpha/../beta", 0, FALSE },    { "alpha\x1b[2J", 0, FALSE },
        { "alpha,beta", 0, FALSE },    { "%s%n", 0, FALSE },             { "alpha'", 0, FALSE },
    };

    for (gsize i = 0; i < G_N_ELEMENTS(cases); i++) {
        g_autoptr(GPtrArray) names = link_names_new();

        link_names_add(names, cases[i].name, cases[i].size_bytes ? cases[i].size_bytes : strlen(cases[i].name));
        g_assert_cmpuint(names->len, ==, cases[i].plain ? 2 : 1);
        g_assert_null(names->pdata[names->len - 1]);
    }
}

static void test_every_byte_is_either_plain_or_left_out(void)
{
    for (int byte = 0; byte < 256; byte++) {
        g_autoptr(GPtrArray) names = link_names_new();
        char name[3] = { 'a', (char) byte, 'b' };
        gboolean plain = byte < 128 && (g_ascii_isalnum(byte) || byte == '-' || byte == '_' || byte == '.');

        link_names_add(names, name, sizeof name);
        g_assert_cmpuint(names->len, ==, plain ? 2 : 1);
    }
}

static void test_length_and_number_are_bounded(void)
{
    g_autoptr(GPtrArray) names = link_names_new();
    char name[LINK_NAME_MAX_BYTES + 1];

    memset(name, 'a', sizeof name);
    link_names_add(names, name, LINK_NAME_MAX_BYTES + 1);
    g_assert_cmpuint(names->len, ==, 1);
    for (guint i = 0; i < LINK_NAMES_MAX + 10; i++)
        link_names_add(names, name, LINK_NAME_MAX_BYTES);
    g_assert_cmpuint(names->len, ==, LINK_NAMES_MAX + 1);
    g_assert_null(names->pdata[LINK_NAMES_MAX]);
}

static void test_the_expected_name_is_found_in_any_case(void)
{
    g_autoptr(GPtrArray) names = link_names_new();

    link_names_add(names, "alpha", 5);
    link_names_add(names, "Beta.Example.org", 16);
    g_assert_false(link_names_keep_only(names, "beta"));
    g_assert_false(link_names_keep_only(names, "beta.example.org."));
    g_assert_false(link_names_keep_only(names, "alph"));
    g_assert_false(link_names_keep_only(names, ""));
    g_assert_cmpuint(names->len, ==, 3);
    g_assert_true(link_names_keep_only(names, "beta.example.org"));
    g_assert_cmpuint(names->len, ==, 2);
    g_assert_cmpstr(names->pdata[0], ==, "beta.example.org");
    g_assert_null(names->pdata[1]);
}

static void test_text_names_three_and_counts_the_rest(void)
{
    static const char *const texts[] = { "", "'a'", "'a', 'b'", "'a', 'b', 'c'", "'a', 'b', 'c' and 1 more" };
    g_autoptr(GPtrArray) names = link_names_new();

    for (guint i = 0; i < G_N_ELEMENTS(texts); i++) {
        g_autofree char *text = link_names_text(names);
        char name = (char) ('a' + i);

        g_assert_cmpstr(text, ==, texts[i]);
        link_names_add(names, &name, 1);
    }
}

int main(int argc, char **argv)
{
    g_test_init(&argc, &argv, NULL);
    g_test_add_func("/link-names/only-plain-names-are-taken", test_only_plain_names_are_taken);
    g_test_add_func("/link-names/every-byte-is-either-plain-or-left-out", test_every_byte_is_either_plain_or_left_out);
    g_test_add_func("/link-names/length-and-number-are-bounded", test_length_and_number_are_bounded);
    g_test_add_func("/link-names/the-expected-name-is-found-in-any-case", test_the_expected_name_is_found_in_any_case);
    g_test_add_func("/link-names/text-names-three-and-counts-the-rest", test_text_names_three_and_counts_the_rest);
    return g_test_run();
}
