/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "json-text.h"

#include <string.h>

#include "error.h"

static void check_accepts(const char *text)
{
    g_autoptr(GError) error = NULL;

    json_text_check(text, strlen(text), &error);
    g_assert_no_error(error);
}

/* The message must hold `part`. */
static void check_refuses(const char *text, const char *part)
{
    g_autoptr(GError) error = NULL;

    g_assert_false(json_text_check(text, strlen(text), &error));
    g_assert_error(error, TBSYNC_ERROR, TBSYNC_ERROR_INVALID);
    if (strstr(error->message, part) == NULL)
        g_error("\"%s\" is not in: %s", part, error->message);
}

static void test_plain_json_is_accepted(void)
{
    check_accepts("{\"a\":[1,-2,0,1.5,1e5,-0.1E+3],\"b\":{\"c\":\"x\\\"]}\",\"d\":[true,false,null]}}");
    check_accepts("{\"lo\":-9223372036854775808,\"hi\":9223372036854775807}");
}

static void test_numbers_beyond_64_bits_name_their_field(void)
{
    check_refuses("{\"pvr\":9223372036854775808}", "pvr: 9223372036854775808");
    check_refuses("{\"pvr\":-9223372036854775809}", "pvr: -9223372036854775809");
    check_refuses("{\"pvr\":111111111111111111111111111111111111111111111111}", "pvr: 1111");
}

static void test_what_is_no_json_is_refused(void)
{
    check_refuses("{\"pvr\":NaN}", "pvr: NaN");
    check_refuses("{/* no */}", "/*");
    check_refuses("{'a':1}", "'a'");
}

static void test_nul_byte_is_refused(void)
{
    g_autoptr(GError) error = NULL;

    g_assert_false(json_text_check("{}\0{}", 5, &error));
    g_assert_error(error, TBSYNC_ERROR, TBSYNC_ERROR_INVALID);
}

static void test_depth_is_bounded(void)
{
    g_autofree char *deep = g_strnfill(10000, '[');

    check_refuses(deep, "nested deeper");
}

static void test_top_must_be_one_whole_object(void)
{
    g_autoptr(JsonParser) parser = json_parser_new();
    static const char *const bad[] = { "", "[]", "1", "{", "{}}", "{\"a\":}", "{\"a\" 1}", "{]" };

    for (guint i = 0; i < G_N_ELEMENTS(bad); i++) {
        g_autoptr(GError) error = NULL;
        g_test_message("%s", bad[i]);
        g_assert_null(json_text_parse_object(parser, bad[i], strlen(bad[i]), &error));
        g_assert_error(error, TBSYNC_ERROR, TBSYNC_ERROR_INVALID);
    }
    JsonObject *object = json_text_parse_object(parser, "{\"a\":7} ", 8, NULL);
    g_assert_nonnull(object);
    g_assert_cmpint(json_object_get_int_member(object, "a"), ==, 7);
}

/* Mutations of a good line: whatever comes out, it is refused or parsed, and the parser can be used again. */
static void test_mutations_never_crash(void)
{
    static const char good[] = "{\"id\":\"c1\",\"source\":{\"pvr\":\"0x004e1202\",\"caps\":{\"ibs\":3}},\"n\":[1,2.5e3]}";
    g_autoptr(JsonParser) parser = json_parser_new();

    for (guint round = 0; round < 1000; round++) {
        char text[sizeof good];
        memcpy(text, good, sizeof good);
        for (guint i = 0; i < 3; i++)
            text[g_test_rand_int_range(0, sizeof good - 1)] = (char)g_test_rand_int_range(0, 256);
        json_text_parse_object(parser, text, sizeof good - 1, NULL);
    }
    g_assert_nonnull(json_text_parse_object(parser, good, sizeof good - 1, NULL));
}

int main(int argc, char **argv)
{
    g_test_init(&argc, &argv, NULL);
    g_test_add_func("/json-text/plain-json-is-accepted", test_plain_json_is_accepted);
    g_test_add_func("/json-text/numbers-beyond-64-bits-name-their-field", test_numbers_beyond_64_bits_name_their_field);
    g_test_add_func("/json-text/what-is-no-json-is-refused", test_what_is_no_json_is_refused);
    g_test_add_func("/json-text/nul-byte-is-refused", test_nul_byte_is_refused);
    g_test_add_func("/json-text/depth-is-bounded", test_depth_is_bounded);
    g_test_add_func("/json-text/top-must-be-one-whole-object", test_top_must_be_one_whole_object);
    g_test_add_func("/json-text/mutations-never-crash", test_mutations_never_crash);
    return g_test_run();
}
