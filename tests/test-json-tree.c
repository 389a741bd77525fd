/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "json-tree.h"

#include <string.h>

#include "error.h"

static const JsonValue *parse(JsonTree *tree, const char *text)
{
    g_autoptr(GError) error = NULL;
    const JsonValue *top = json_tree_parse(tree, text, strlen(text), &error);

    g_assert_no_error(error);
    g_assert_nonnull(top);
    return top;
}

/* The message must hold `part`. */
static void check_bytes_refused(const char *text, gsize length, const char *part)
{
    g_autoptr(JsonTree) tree = json_tree_new();
    g_autoptr(GError) error = NULL;

    g_assert_null(json_tree_parse(tree, text, length, &error));
    g_assert_error(error, TBSYNC_ERROR, TBSYNC_ERROR_INVALID);
    if (strstr(error->message, part) == NULL)
        g_error("\"%s\" is not in: %s", part, error->message);
}

static void check_refused(const char *text, const char *part)
{
    check_bytes_refused(text, strlen(text), part);
}

static void test_values_of_every_kind(void)
{
    g_autoptr(JsonTree) tree = json_tree_new();
    const JsonValue *top = parse(tree, " {\"n\":null,\"t\":true,\"f\":false,\"i\":-9223372036854775808,"
                                       "\"u\":18446744073709551615,\"d\":-0.5E+3,\"s\":\"x\",\"a\":[1,[],{}],\"o\":{\"k\":0}} ");

    g_assert_cmpint(json_value_member(top, "n")->kind, ==, JSON_NULL);
    g_assert_true(json_value_member(top, "t")->boolean);
    g_assert_false(json_value_member(top, "f")->boolean);
    g_assert_cmpint(json_value_member(top, "i")->integer, ==, G_MININT64);
    g_assert_cmpint(json_value_member(top, "u")->kind, ==, JSON_UNSIGNED);
    g_assert_cmpuint(json_value_member(top, "u")->big, ==, G_MAXUINT64);
    g_assert_cmpint(json_value_member(top, "d")->kind, ==, JSON_FRACTION);
    g_assert_cmpstr(json_value_member(top, "s")->text, ==, "x");
    g_assert_cmpint(json_value_member(top, "a")->first->integer, ==, 1);
    g_assert_cmpint(json_value_member(top, "a")->first->next->next->kind, ==, JSON_OBJECT);
    g_assert_cmpint(json_value_member(json_value_member(top, "o"), "k")->integer, ==, 0);
    g_assert_null(json_value_member(top, "x"));
    g_assert_null(json_value_member(json_value_member(top, "s"), "x"));
    g_assert_null(json_value_member(NULL, "x"));
}

static void test_last_of_equal_names_counts(void)
{
    g_autoptr(JsonTree) tree = json_tree_new();

    g_assert_cmpint(json_value_member(parse(tree, "{\"a\":1,\"b\":2,\"a\":3}"), "a")->integer, ==, 3);
}

static void test_strings_are_unescaped(void)
{
    g_autoptr(JsonTree) tree = json_tree_new();

    g_assert_cmpstr(parse(tree, "\"\\\"\\\\\\/\\b\\f\\n\\r\\t\"")->text, ==, "\"\\/\b\f\n\r\t");
    g_assert_cmpstr(parse(tree, "\"a\\u00e9\\u20ac\\uD83D\\ude00b\"")->text, ==, "a\xc3\xa9\xe2\x82\xac\xf0\x9f\x98\x80" "b");
    g_assert_cmpstr(parse(tree, "\"\xc3\xa9\"")->text, ==, "\xc3\xa9");
    check_refused("\"\\u0000\"", "escape");
    check_refused("\"\\ud800\"", "escape");
    check_refused("\"\\udc00\"", "escape");
    check_refused("\"\\ud800\\u0041\"", "escape");
    check_refused("\"\\u12g4\"", "escape");
    check_refused("\"\\x\"", "escape");
    check_refused("\"\\", "escape");
}

static void test_what_is_no_json_is_refused(void)
{
    static const char *const bad[] = {
        "",      " ",     "{",       "[",        "{\"a\"",  "{\"a\":",  "{\"a\":1",  "[1",      "[1,",    "[1,]",  "{\"a\":1,}", "{,}",
        "{1:2}", "{a:1}", "[1 2]",   "{\"a\" 1}", "1 2",    "{}}",      "[]]",       "{]",      "[}",     "tru",   "truex",      "nulll",
        "+1",    "01",    "-",       "1.",       ".5",      "1e",       "1e+",       "0x10",    "1a",     "NaN",   "Infinity",   "'a'",
        "/**/1", "\"a",   "\"a\nb\"", "-01",      "[1]//x",  "\"\xff\"", "\"\xc3\"",  "\"\xed\xa0\x80\"",    "\xef\xbb\xbf{}",
    };

    for (guint i = 0; i < G_N_ELEMENTS(bad); i++) {
        g_autoptr(JsonTree) tree = json_tree_new();
        g_autoptr(GError) error = NULL;
        g_autofree char *shown = g_strescape(bad[i], NULL);
        g_test_message("%s", shown);
        g_assert_null(json_tree_parse(tree, bad[i], strlen(bad[i]), &error));
        g_assert_error(error, TBSYNC_ERROR, TBSYNC_ERROR_INVALID);
        g_assert_true(g_utf8_validate(error->message, -1, NULL));
    }
    check_bytes_refused("{}\0", 3, "behind the end");
    check_bytes_refused("{\"a\0\":1}", 8, "control character");
    check_bytes_refused("[1,\0]", 5, "no JSON value");
}

static void test_errors_name_the_member(void)
{
    check_refused("{\"x\":1,\"pvr\":NaN}", "pvr: NaN");
    check_refused("{\"pvr\":18446744073709551616}", "pvr: 18446744073709551616 is out of range");
    check_refused("{\"pvr\":-9223372036854775809}", "pvr: -9223372036854775809 is out of range");
}

static void test_depth_and_values_are_bounded(void)
{
    g_autofree char *deep = g_strnfill(10000, '[');
    g_autofree char *open = g_strnfill(JSON_TREE_DEPTH_MAX, '['), *close = g_strnfill(JSON_TREE_DEPTH_MAX, ']');
    g_autofree char *limit = g_strconcat(open, close, NULL);
    g_autoptr(JsonTree) tree = json_tree_new();
    g_autoptr(GString) many = g_string_new("[0");

    check_refused(deep, "nested deeper");
    parse(tree, limit);
    parse(tree, "[[]]");
    for (guint i = 0; i < JSON_TREE_VALUES_MAX; i++)
        g_string_append(many, ",0");
    g_string_append(many, "]");
    check_refused(many->str, "too many values");
}

static void test_partial_tree_keeps_what_was_complete(void)
{
    g_autoptr(JsonTree) tree = json_tree_new();
    static const char text[] = "{\"id\":\"c1\",\"a\":[1,2,\"broken";

    g_assert_null(json_tree_partial(tree));
    g_assert_null(json_tree_parse(tree, text, strlen(text), NULL));
    g_assert_cmpstr(json_value_member(json_tree_partial(tree), "id")->text, ==, "c1");
    g_assert_null(json_value_member(json_tree_partial(tree), "a"));
    g_assert_null(json_tree_parse(tree, "", 0, NULL));
    g_assert_null(json_tree_partial(tree));
}

static void test_top_must_be_an_object_where_one_is_wanted(void)
{
    g_autoptr(JsonTree) tree = json_tree_new();
    g_autoptr(GError) error = NULL;

    g_assert_null(json_tree_parse_object(tree, "[]", 2, &error));
    g_assert_error(error, TBSYNC_ERROR, TBSYNC_ERROR_INVALID);
    g_assert_nonnull(json_tree_parse_object(tree, "{}", 2, NULL));
}

static void check_written(const char *json)
{
    g_autoptr(JsonTree) tree = json_tree_new();
    g_autoptr(GString) out = g_string_new(NULL);

    json_append_scalar(out, parse(tree, json));
    g_assert_cmpstr(out->str, ==, json);
}

static void test_scalars_are_written_as_they_came(void)
{
    check_written("\"a\\\"b\\\\c\\u000a\xc3\xa9\"");
    check_written("-7");
    check_written("18446744073709551615");
    check_written("1.50e3");
    check_written("true");
    check_written("null");
    g_autoptr(GString) out = g_string_new(NULL);
    json_append_scalar(out, NULL);
    g_assert_cmpstr(out->str, ==, "null");
}

/* Mutations of a good line: refused or parsed, and the tree can be used again. */
static void test_mutations_never_crash(void)
{
    static const char good[] = "{\"id\":\"c1\\u00e9\",\"source\":{\"pvr\":\"0x004e1202\",\"caps\":{\"ibs\":3}},\"n\":[1,2.5e3,true]}";
    g_autoptr(JsonTree) tree = json_tree_new();

    for (guint round = 0; round < 50000; round++) {
        char text[sizeof good];
        memcpy(text, good, sizeof good);
        for (guint i = 0; i < 3; i++)
            text[g_test_rand_int_range(0, sizeof good - 1)] = (char)g_test_rand_int_range(0, 256);
        g_autofree char *exact = g_memdup2(text, sizeof good - 1);
        json_tree_parse(tree, exact, sizeof good - 1 - (gsize)g_test_rand_int_range(0, 20), NULL);
    }
    parse(tree, good);
}

int main(int argc, char **argv)
{
    g_test_init(&argc, &argv, NULL);
    g_test_add_func("/json-tree/values-of-every-kind", test_values_of_every_kind);
    g_test_add_func("/json-tree/last-of-equal-names-counts", test_last_of_equal_names_counts);
    g_test_add_func("/json-tree/strings-are-unescaped", test_strings_are_unescaped);
    g_test_add_func("/json-tree/what-is-no-json-is-refused", test_what_is_no_json_is_refused);
    g_test_add_func("/json-tree/errors-name-the-member", test_errors_name_the_member);
    g_test_add_func("/json-tree/depth-and-values-are-bounded", test_depth_and_values_are_bounded);
    g_test_add_func("/json-tree/partial-tree-keeps-what-was-complete", test_partial_tree_keeps_what_was_complete);
    g_test_add_func("/json-tree/top-must-be-an-object-where-one-is-wanted",
                    test_top_must_be_an_object_where_one_is_wanted);
    g_test_add_func("/json-tree/scalars-are-written-as-they-came", test_scalars_are_written_as_they_came);
    g_test_add_func("/json-tree/mutations-never-crash", test_mutations_never_crash);
    return g_test_run();
}
